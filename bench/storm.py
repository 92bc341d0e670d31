#!/usr/bin/env python3
"""Many first requests at once to many hosts that have no server yet; see bench/README.md.

All connections are open before the first request goes out. One server has to be started for each host, no matter how many
requests for it arrive while it starts, and every request has to be answered by its host's own server.
"""

import json
import select
import socket
import time

from common import (
    LOAD_CORE, Admin, Events, Verdicts, allow_open_files, answer_length, arguments, configuration, free_port, machine, median,
    need, ostler, pin, table, work_folder,
)

CONFIGURATION = """
max_connections = {connections}
[pool]
max_servers = {servers}
max_waiting = {connections}
[[server]]
host = "*.storm.localhost"
max = {servers}
builtin = "echo"
"""


class Exchange:
    """One request on a connection of its own."""

    def __init__(self, port, host):
        self.host = host
        self.answer = b""
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setblocking(False)

    def send(self):
        self.socket.send(f"GET / HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode())

    def read(self):
        """Whether it is over: answered, or the connection was closed."""
        part = self.socket.recv(65536)
        self.answer += part
        length = answer_length(self.answer)
        return not part or (length is not None and len(self.answer) >= length)

    def is_right(self):
        if not self.answer.startswith(b"HTTP/1.1 200"):
            return False
        # Who answered: the server of this host and of no other.
        return self.host in json.dumps(json.loads(self.answer.partition(b"\r\n\r\n")[2]))


def storm(hosts, clients, seconds):
    """One round on a fresh Ostler: starts, right answers, wrong ones, milliseconds until the first and the last answer."""
    connections = hosts * clients
    with work_folder() as folder:
        port = free_port()
        text = CONFIGURATION.format(connections=connections + 16, servers=2 * hosts)
        hosting = ostler(configuration(folder, text, port))
        exchanges = {}
        try:
            admin = Admin(f"{folder}/admin.sock")
            admin.wait()
            events = Events(admin)
            poll = select.epoll()
            # The requests for one host are spread over the whole storm.
            for _ in range(clients):
                for number in range(hosts):
                    exchange = Exchange(port, f"h{number}.storm.localhost")
                    exchanges[exchange.socket.fileno()] = exchange
                    poll.register(exchange.socket, select.EPOLLIN)
            waiting = len(exchanges)
            first = None
            began = time.perf_counter()
            for exchange in exchanges.values():
                exchange.send()
            while waiting:
                ready = poll.poll(seconds, 1024)
                if not ready:
                    break
                first = first or time.perf_counter()
                for number, _ in ready:
                    if exchanges[number].read():
                        poll.unregister(number)
                        waiting -= 1
            last = time.perf_counter()
            right = sum(exchange.is_right() for exchange in exchanges.values())
            # Whatever was started has been told by now, once this has been answered.
            _, servers = admin.ask("GET", "/servers")
            events.wait("ready", min(hosts, len(json.loads(servers))), seconds)
            starts = events.count("started")
            events.close()
        finally:
            for exchange in exchanges.values():
                exchange.socket.close()
            hosting.end()
    return starts, right, connections - right, (first - began) * 1000, (last - began) * 1000


def main():
    parser = arguments(__doc__)
    parser.add_argument("--hosts", type=int, nargs="*", default=[100, 1000])
    parser.add_argument("--clients", type=int, default=20, help="requests at once for each host")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=60, help="without any answer until a round is given up")
    options = parser.parse_args()
    need("taskset")
    pin(LOAD_CORE)
    verdicts = Verdicts(options.verdicts)
    rows = []
    for hosts in options.hosts:
        requests = hosts * options.clients
        # Ostler has three for each request, with a server in the same process: the client's, its own, and the server's.
        if not allow_open_files(3 * requests + 2 * hosts + 1000):
            raise SystemExit(f"{hosts} hosts need more open files than this user may have: ulimit -n")
        rounds = [storm(hosts, options.clients, options.seconds) for _ in range(options.rounds)]
        # The worst of all rounds counts, and the usual time.
        starts = max((starts for starts, *_ in rounds), key=lambda starts: abs(starts - hosts))
        right = min(right for _, right, *_ in rounds)
        wrong = max(wrong for _, _, wrong, *_ in rounds)
        first, last = (median([each[column] for each in rounds]) for column in (3, 4))
        rows.append((hosts, f"{requests:,}", f"{starts:,}", f"{right:,}", wrong, f"{first:.0f}", f"{last:.0f}"))
        told = lambda starts, right, wrong: f"{starts:,} starts, {right:,} answers, {wrong} errors"
        verdicts.exactly(
            f"{hosts:,} hosts × {options.clients} concurrent first requests", told(starts, right, wrong), told(hosts, requests, 0)
        )
    print(f"{machine()}; {options.rounds} rounds each, the worst of each count, medians of the times\n")
    head = ("hosts", "requests", "starts", "right answers", "errors", "first answer ms", "last answer ms")
    print(table(head, rows) + "\n")
    verdicts.tell()


if __name__ == "__main__":
    main()
