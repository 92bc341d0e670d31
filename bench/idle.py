#!/usr/bin/env python3
"""Resident memory of each idle keep-alive connection; see bench/README.md."""

import time

from common import (
    LOAD_CORE, SERVER_CORE, Admin, Client, Process, Verdicts, allow_open_files, arguments, configuration, free_port,
    machine, median, need, nginx_conf, ostler, pin, table, wait_for, work_folder,
)

CONFIGURATION = """
workers = 1
max_connections = {connections}
idle_timeout = "1h"
[[server]]
host = "idle.localhost"
builtin = "echo"
"""

# What is freed and what is done in the second after a change is part of it.
SETTLING = 5

# Clients before the first look: they pay for what all of them need.
FIRST = 100


def each(process, port, count, requests):
    """KiB that each of `count` clients adds who have had that many answers and stay."""
    connect = lambda: asked(Client(("127.0.0.1", port)), requests)
    clients = [connect() for _ in range(FIRST)]
    time.sleep(SETTLING)
    before = process.rss_kib()
    clients += [connect() for _ in range(count)]
    time.sleep(SETTLING)
    after = process.rss_kib()
    # They are all still there.
    for client in clients[:: max(1, len(clients) // 50)]:
        asked(client, 1)
    for client in clients:
        client.close()
    return (after - before) / count


def asked(client, requests):
    for _ in range(requests):
        assert client.get("/health", "idle.localhost") == 200
    return client


def of_ostler(count, requests):
    with work_folder() as folder:
        port = free_port()
        process = ostler(configuration(folder, CONFIGURATION.format(connections=count + FIRST + 16), port))
        try:
            Admin(f"{folder}/admin.sock").wait()
            asked(Client(("127.0.0.1", port)), 1).close()
            return each(process, port, count, requests)
        finally:
            process.end()


def of_nginx(count, requests):
    with work_folder() as folder:
        port = free_port()
        server = (
            f"server {{ listen 127.0.0.1:{port} backlog=4096; keepalive_timeout 1h; location / {{ return 200 ok; }} }}"
        )
        conf = nginx_conf(folder, "nginx", f"worker_rlimit_nofile {count + 1000};", server)
        conf_file = conf[2]
        text = open(conf_file).read().replace("worker_connections 8192", f"worker_connections {count + 1000}")
        open(conf_file, "w").write(text)
        process = Process(SERVER_CORE, *conf)
        try:
            wait_for(f"http://127.0.0.1:{port}/")
            return each(process, port, count, requests)
        finally:
            process.end()


def main():
    parser = arguments(__doc__)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    need("taskset", "nginx")
    pin(LOAD_CORE)
    if not allow_open_files(2 * options.connections + 2000):
        raise SystemExit(f"{options.connections} connections need more open files than this user may have: ulimit -n")
    sides = {"ostler, one worker": of_ostler, "nginx, one worker": of_nginx}
    kinds = {"connected, and nothing sent": 0, "after one request": 1, "after ten requests": 10}
    figures = {(name, kind): [] for name in sides for kind in kinds}
    for _ in range(options.rounds):
        for kind, requests in kinds.items():
            for name, side in sides.items():
                figures[name, kind].append(side(options.connections, requests))
    print(f"{machine()}; {options.rounds} rounds of {options.connections:,} connections, medians\n")
    rows = [(kind, *(f"{median(figures[name, kind]):.1f}" for name in sides)) for kind in kinds]
    print(table(("each idle connection, RSS KiB", *sides), rows) + "\n")
    verdicts = Verdicts(options.verdicts)
    verdicts.at_most(
        f"memory of each of {options.connections:,} idle keep-alive connections, KiB",
        median(figures["ostler, one worker", "after one request"]), 12, 8, "{:.1f}",
    )
    verdicts.tell()


if __name__ == "__main__":
    main()
