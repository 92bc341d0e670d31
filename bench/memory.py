#!/usr/bin/env python3
"""Resident memory: of an Ostler that does nothing, and of each idle server in its process; see bench/README.md."""

import os
import time

from common import (
    LOAD_CORE, OSTLER, SERVER_CORE, Admin, Client, Process, Verdicts, allow_open_files, arguments, configuration, free_port,
    machine, median, need, nginx_conf, ostler, pin, table, wait_for, work_folder,
)

CONFIGURATION = """
workers = 1
upstream_idle_timeout = "{keep}"
[pool]
max_servers = {servers}
[[server]]
host = "*.memory.localhost"
max = {servers}
builtin = "echo"
"""

# What is done in the second after a start is part of it.
SETTLING = 1


def resident(process):
    """MiB, summed over the processes; and with the pages that they share counted once."""
    time.sleep(SETTLING)
    return process.rss_kib() / 1024, process.pss_kib() / 1024


def quickstart(workers):
    """An Ostler without a configuration, before the first request."""
    with work_folder() as folder:
        environment = {
            "OSTLER_SWITCHBOARD__LISTEN": f"127.0.0.1:{free_port()}",
            "OSTLER_ADMIN__LISTEN": f"unix:{folder}/admin.sock",
        }
        cores = f"0-{os.cpu_count() - 1}"
        if workers:
            cores = SERVER_CORE
            environment["OSTLER_SWITCHBOARD__WORKERS"] = str(workers)
        process = Process(cores, OSTLER, "up", env=environment, cwd=folder)
        try:
            Admin(f"{folder}/admin.sock").wait()
            return resident(process)
        finally:
            process.end()


def nginx():
    with work_folder() as folder:
        port = free_port()
        server = f"server {{ listen 127.0.0.1:{port}; location / {{ return 200; }} }}"
        process = Process(SERVER_CORE, *nginx_conf(folder, "nginx", "", server))
        try:
            wait_for(f"http://127.0.0.1:{port}/")
            return resident(process)
        finally:
            process.end()


def servers(count, keep):
    """KiB that each idle server adds: with the connection that its first request has left open, or without."""
    with work_folder() as folder:
        port = free_port()
        text = CONFIGURATION.format(servers=count + 1, keep="10m" if keep else "1ms")
        process = ostler(configuration(folder, text, port))
        try:
            Admin(f"{folder}/admin.sock").wait()
            client = Client(("127.0.0.1", port))
            # The first one pays for what all of them need.
            assert client.get("/health", "first.memory.localhost") == 200
            before, _ = resident(process)
            for number in range(count):
                assert client.get("/health", f"h{number}.memory.localhost") == 200
                # Unused connections are looked for once a second: few are open at a time.
                if not keep and number % 100 == 99:
                    time.sleep(SETTLING + 0.2)
            after, _ = resident(process)
            client.close()
            return (after - before) * 1024 / count
        finally:
            process.end()


def main():
    parser = arguments(__doc__)
    parser.add_argument("--servers", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    need("taskset", "nginx")
    pin(LOAD_CORE)
    if not allow_open_files(4 * options.servers + 1000):
        raise SystemExit(f"{options.servers} servers need more open files than this user may have: ulimit -n")
    idle = {"ostler, a worker per core": [], "ostler, one worker": [], "nginx, one worker": []}
    each = {True: [], False: []}
    for _ in range(options.rounds):
        idle["ostler, a worker per core"].append(quickstart(None))
        idle["ostler, one worker"].append(quickstart(1))
        idle["nginx, one worker"].append(nginx())
        for keep, figures in each.items():
            figures.append(servers(options.servers, keep))
    print(f"{machine()}; {options.rounds} rounds, medians\n")
    rows = [
        (name, *(f"{median([figures[column] for figures in rounds]):.1f}" for column in (0, 1))) for name, rounds in idle.items()
    ]
    print(table(("idle, all of its processes", "RSS MiB", "PSS MiB"), rows) + "\n")
    rows = [
        ("with the connection that its first request has left open", f"{median(each[True]):.1f}"),
        ("once that is closed", f"{median(each[False]):.1f}"),
    ]
    print(table((f"each of {options.servers:,} idle in-process servers", "RSS KiB"), rows) + "\n")
    verdicts = Verdicts(options.verdicts)
    verdicts.at_most(
        "memory idle, MiB", median([rss for rss, _ in idle["ostler, a worker per core"]]), 12, 8, "{:.1f}"
    )
    verdicts.at_most("memory of each idle in-process server, KiB", median(each[False]), 64, 16, "{:.1f}")
    verdicts.at_most("the same with a connection left open to it, KiB", median(each[True]), 64, 16, "{:.1f}")
    verdicts.tell()


if __name__ == "__main__":
    main()
