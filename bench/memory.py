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


def servers(count):
    """KiB that each idle server adds, each with the connection that its first request has left open."""
    with work_folder() as folder:
        port = free_port()
        process = ostler(configuration(folder, CONFIGURATION.format(servers=count + 1), port))
        try:
            Admin(f"{folder}/admin.sock").wait()
            client = Client(("127.0.0.1", port))
            # The first one pays for what all of them need.
            assert client.get("/health", "first.memory.localhost") == 200
            before, _ = resident(process)
            for number in range(count):
                assert client.get("/health", f"h{number}.memory.localhost") == 200
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
    each = []
    for _ in range(options.rounds):
        idle["ostler, a worker per core"].append(quickstart(None))
        idle["ostler, one worker"].append(quickstart(1))
        idle["nginx, one worker"].append(nginx())
        each.append(servers(options.servers))
    print(f"{machine()}; {options.rounds} rounds, medians\n")
    rows = [
        (name, *(f"{median([figures[column] for figures in rounds]):.1f}" for column in (0, 1))) for name, rounds in idle.items()
    ]
    print(table(("idle, all of its processes", "RSS MiB", "PSS MiB"), rows) + "\n")
    print(f"Each of {options.servers:,} idle in-process servers: {median(each):.1f} KiB\n")
    verdicts = Verdicts(options.verdicts)
    verdicts.at_most(
        "memory idle, MiB", median([rss for rss, _ in idle["ostler, a worker per core"]]), 12, 8, "{:.1f}"
    )
    verdicts.at_most("memory of each idle in-process server, KiB", median(each), 64, 16, "{:.1f}")
    verdicts.tell()


if __name__ == "__main__":
    main()
