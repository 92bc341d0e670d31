#!/usr/bin/env python3
"""What the first request to a new host costs more than starting its server by hand; see bench/README.md.

By hand is a spawn and a connect in a tight loop, up to the first answer: no host can do better. Both sides start the same
static C program on the same core and take turns, and each pair gives one difference.
"""

import os
import pathlib
import signal
import socket
import subprocess
import time

from common import (
    LOAD_CORE, SERVER_CORE, Admin, Client, Verdicts, arguments, configuration, free_port, machine, median, need, ostler,
    percentile, pin, table, work_folder,
)

SOURCE = pathlib.Path(__file__).parent / "servers" / "hello.c"
CONFIGURATION = """
[pool]
max_servers = 1000
check_interval = "never"
[[server]]
host = "*.cold.localhost"
max = 1000
command = ["{server}", "{{port}}"]
"""


def build(folder):
    server = pathlib.Path(folder) / "hello"
    subprocess.run(["gcc", "-O2", "-static", "-o", server, SOURCE], check=True)
    return server


def by_hand(server):
    """Milliseconds from the spawn to the first answer."""
    port = free_port()
    began = time.perf_counter()
    # A child runs where its parent is at that moment.
    pin(SERVER_CORE)
    child = os.posix_spawn(server, [str(server), str(port)], os.environ)
    pin(LOAD_CORE)
    while True:
        client = socket.socket()
        if client.connect_ex(("127.0.0.1", port)) == 0:
            break
        client.close()
    client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    answer = client.recv(4096)
    took = (time.perf_counter() - began) * 1000
    client.close()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert answer.startswith(b"HTTP/1.1 200"), answer
    return took


def through_ostler(client, admin, host):
    """Milliseconds from the request to its answer, on a connection that is open already."""
    began = time.perf_counter()
    status = client.get("/", host)
    took = (time.perf_counter() - began) * 1000
    assert status == 200, f"{host}: {status}"
    # So that every start meets a machine that runs as little as the first one's.
    status, answer = admin.ask("DELETE", f"/servers/{host}")
    assert status < 300, answer
    return took


def main():
    parser = arguments(__doc__)
    parser.add_argument("--pairs", type=int, default=200)
    options = parser.parse_args()
    need("taskset", "gcc")
    pin(LOAD_CORE)
    with work_folder() as folder:
        server = build(folder)
        port = free_port()
        hosting = ostler(configuration(folder, CONFIGURATION.format(server=server), port))
        try:
            admin = Admin(f"{folder}/admin.sock")
            admin.wait()
            client = Client(("127.0.0.1", port))
            figures = {"by hand": [], "by hand again": [], "first request": []}
            hosts = (f"h{number}.cold.localhost" for number in range(1_000_000))
            sides = [
                ("by hand", lambda: by_hand(server)),
                ("first request", lambda: through_ostler(client, admin, next(hosts))),
                ("by hand again", lambda: by_hand(server)),
            ]
            for _, side in sides:
                side()
            for pair in range(options.pairs):
                # Each side is first, second and last equally often.
                for turn in range(len(sides)):
                    name, side = sides[(pair + turn) % len(sides)]
                    figures[name].append(side())
            client.close()
        finally:
            hosting.end()
    difference = [hosted - direct for hosted, direct in zip(figures["first request"], figures["by hand"])]
    noise = [again - direct for again, direct in zip(figures["by hand again"], figures["by hand"])]
    print(f"{machine()}; {options.pairs} pairs, interleaved; milliseconds\n")
    rows = [
        (name, *(f"{percentile(values, part):.2f}" for part in (10, 50, 90)))
        for name, values in [
            ("by hand", figures["by hand"]),
            ("first request through Ostler", figures["first request"]),
            ("difference of each pair", difference),
            ("the same by hand twice: the noise", noise),
        ]
    ]
    print(table(("", "p10", "median", "p90"), rows) + "\n")
    verdicts = Verdicts(options.verdicts)
    verdicts.at_most("first request to a new host minus a direct start, ms (median of pairs)", median(difference), 5, 1)
    verdicts.tell()


if __name__ == "__main__":
    main()
