#!/usr/bin/env python3
"""Many first requests at once to many hosts that have no server yet; see bench/README.md.

All connections are open before the first request goes out. One server has to be started for each host, no matter how many
requests for it arrive while it starts, and every request has to be answered by its host's own server. Where the limit of open
files does not allow all connections at once, the hosts come in waves, each of which is such a storm.
"""

import json
import resource
import select
import socket
import time

from common import (
    LOAD_CORE, Admin, Events, Verdicts, allow_open_files, answer_length, arguments, configuration, free_port, machine, median,
    need, ostler, pin, table, work_folder,
)

CONFIGURATION = """
max_connections = {connections}
upstream_max_idle = 1
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


class Storm:
    """One round on a fresh Ostler."""

    def __init__(self, hosts, clients, at_once, seconds):
        """`at_once` hosts in each wave; it is over when no answer has come for `seconds`."""
        self.requests = hosts * clients
        self.right = 0
        self.first = 0
        self.all = 0
        connections = at_once * clients
        with work_folder() as folder:
            port = free_port()
            text = CONFIGURATION.format(connections=connections + 16, servers=2 * hosts)
            hosting = ostler(configuration(folder, text, port))
            try:
                admin = Admin(f"{folder}/admin.sock")
                admin.wait()
                events = Events(admin)
                for first in range(0, hosts, at_once):
                    names = [f"h{number}.storm.localhost" for number in range(first, min(first + at_once, hosts))]
                    # The requests for one host are spread over the whole wave.
                    self.wave([Exchange(port, name) for _ in range(clients) for name in names], seconds)
                events.wait("started", hosts)
                # Time for those that should not be.
                time.sleep(0.5)
                self.starts = events.count("started")
                events.close()
            finally:
                hosting.end()

    def wave(self, exchanges, seconds):
        poll = select.epoll()
        by_number = {exchange.socket.fileno(): exchange for exchange in exchanges}
        for number in by_number:
            poll.register(number, select.EPOLLIN)
        began = time.perf_counter()
        for exchange in exchanges:
            exchange.send()
        first = None
        waiting = len(exchanges)
        while waiting and (ready := poll.poll(seconds, 1024)):
            first = first or time.perf_counter()
            for number, _ in ready:
                if by_number[number].read():
                    poll.unregister(number)
                    waiting -= 1
        self.all += (time.perf_counter() - began) * 1000
        self.first = self.first or ((first or began) - began) * 1000
        self.right += sum(exchange.is_right() for exchange in exchanges)
        for exchange in exchanges:
            exchange.socket.close()
        poll.close()


def most_at_once(hosts, clients):
    """How many hosts a wave can have: each request takes three files of Ostler, when the server is in its process too."""
    for_all = 3 * hosts + 1000
    if allow_open_files(3 * hosts * clients + for_all):
        return hosts
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, min(hosts, (allowed - for_all) // (3 * clients)))


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
        at_once = most_at_once(hosts, options.clients)
        rounds = [Storm(hosts, options.clients, at_once, options.seconds) for _ in range(options.rounds)]
        # The worst of all rounds counts, and the usual time.
        starts = max((each.starts for each in rounds), key=lambda starts: abs(starts - hosts))
        right = min(each.right for each in rounds)
        first, last = median([each.first for each in rounds]), median([each.all for each in rounds])
        rows.append(
            (hosts, f"{requests:,}", f"{at_once * options.clients:,}", f"{starts:,}", f"{right:,}", requests - right, f"{first:.0f}",
             f"{last:.0f}")
        )
        told = lambda starts, right, errors: f"{starts:,} starts, {right:,} answers, {errors} errors"
        verdicts.exactly(
            f"{hosts:,} hosts × {options.clients} concurrent first requests", told(starts, right, requests - right),
            told(hosts, requests, 0),
        )
    print(f"{machine()}; {options.rounds} rounds each, the worst of each count, medians of the times\n")
    head = ("hosts", "requests", "at once", "starts", "right answers", "errors", "first answer ms", "all answers ms")
    print(table(head, rows) + "\n")
    verdicts.tell()


if __name__ == "__main__":
    main()
