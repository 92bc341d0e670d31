#!/usr/bin/env python3
"""What the first request to a new host costs more than starting its server by hand; see bench/README.md.

By hand is a spawn on the server's core and a connect in a tight loop on the other, up to the first answer: no host can do
better. Both sides start the same static C program and take turns, and each pair gives one difference.
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


class Starter:
    """Starts servers on the server's core when it is told to: what Ostler is, and nothing more."""

    def __init__(self, server):
        orders, self.orders = os.pipe()
        self.answers, answers = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.orders)
            pin(SERVER_CORE)
            while port := os.read(orders, 16):
                child = os.posix_spawn(server, [str(server), port.decode()], os.environ)
                os.write(answers, str(child).encode())
                os.waitpid(child, 0)
                os.write(answers, b"ended")
            os._exit(0)
        os.close(orders)
        os.close(answers)

    def first_answer(self):
        """Milliseconds from the order to the server's first answer."""
        port = free_port()
        began = time.perf_counter()
        os.write(self.orders, str(port).encode())
        while True:
            client = socket.socket()
            if client.connect_ex(("127.0.0.1", port)) == 0:
                break
            client.close()
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = client.recv(4096)
        took = (time.perf_counter() - began) * 1000
        assert answer.startswith(b"HTTP/1.1 200"), answer
        client.close()
        os.kill(int(os.read(self.answers, 16)), signal.SIGKILL)
        assert os.read(self.answers, 16) == b"ended"
        return took

    def end(self):
        os.close(self.orders)
        os.waitpid(self.pid, 0)


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
        starter = Starter(server)
        port = free_port()
        hosting = ostler(configuration(folder, CONFIGURATION.format(server=server), port))
        try:
            admin = Admin(f"{folder}/admin.sock")
            admin.wait()
            client = Client(("127.0.0.1", port))
            figures = {"by hand": [], "by hand again": [], "first request": []}
            hosts = (f"h{number}.cold.localhost" for number in range(1_000_000))
            sides = [
                ("by hand", starter.first_answer),
                ("first request", lambda: through_ostler(client, admin, next(hosts))),
                ("by hand again", starter.first_answer),
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
            starter.end()
    difference = [hosted - direct for hosted, direct in zip(figures["first request"], figures["by hand"])]
    noise = [again - direct for again, direct in zip(figures["by hand again"], figures["by hand"])]
    print(f"{machine()}; {options.pairs} pairs, interleaved; milliseconds\n")
    rows = [
        (name, *(f"{figure:.2f}" for figure in (percentile(values, 10), median(values), percentile(values, 90))))
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
