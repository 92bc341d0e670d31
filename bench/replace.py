#!/usr/bin/env python3
"""Replacements under load; see bench/README.md.

Busy keep-alive connections ask again as soon as they have an answer, while `ostler replace` puts one process after another in
charge. An answer with `Connection: close` and a new connection are no failure; a refused, reset or closed connection without an answer
is one, and so is an answer that is cut or not 200.
"""

import contextlib
import ctypes
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import threading
import time

from common import (
    LOAD_CORE, OSTLER, Admin, Verdicts, answer_length, arguments, configuration, free_port, machine, need, ostler, percentile, pin, table,
    work_folder,
)

SERVERS = """
[[server]]
host = "a.localhost"
builtin = "echo"
"""

REQUEST = b"GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n"


class Busy:
    """One client: a connection, a request on it, and the next one when the answer is there."""

    def __init__(self, address, poll, by_number):
        self.address, self.poll, self.by_number = address, poll, by_number
        self.connect()

    def connect(self):
        self.socket = socket.socket(socket.AF_INET if isinstance(self.address, tuple) else socket.AF_UNIX)
        self.socket.connect(self.address)
        self.socket.setblocking(False)
        self.poll.register(self.socket, select.EPOLLIN)
        self.by_number[self.socket.fileno()] = self
        self.ask()

    def ask(self):
        self.answer = b""
        self.began = time.perf_counter()
        self.socket.sendall(REQUEST)

    def read(self):
        """Whether the answer is whole."""
        part = self.socket.recv(65536)
        if not part:
            raise ConnectionError("closed in an answer" if self.answer else "closed without an answer")
        self.answer += part
        length = answer_length(self.answer)
        return length is not None and len(self.answer) >= length

    def close(self):
        with contextlib.suppress(KeyError, OSError):
            self.poll.unregister(self.socket)
            del self.by_number[self.socket.fileno()]
        self.socket.close()


class Load:
    """What many clients see."""

    def __init__(self, address, clients):
        self.poll = select.epoll()
        self.by_number = {}
        self.answers = []
        self.moved = 0
        self.failures = []
        for _ in range(clients):
            Busy(address, self.poll, self.by_number)

    def run(self, until):
        while time.perf_counter() < until:
            for number, _ in self.poll.poll(1):
                client = self.by_number[number]
                try:
                    self.turn(client)
                except OSError as error:
                    self.failures.append((time.perf_counter(), str(error)))
                    client.close()
                    # Somebody has to keep it busy all the same.
                    with contextlib.suppress(OSError):
                        client.connect()

    def turn(self, client):
        if not client.read():
            return
        now = time.perf_counter()
        self.answers.append((now, now - client.began))
        head = client.answer.partition(b"\r\n\r\n")[0].lower()
        if not head.startswith(b"http/1.1 200"):
            self.failures.append((now, head.split(b"\r\n")[0].decode()))
        if b"connection: close" in head:
            self.moved += 1
            client.close()
            client.connect()
        else:
            client.ask()

    def close(self):
        for client in list(self.by_number.values()):
            client.close()
        self.poll.close()


def lives(pid):
    """Whether it runs, which one that waits for its parent to look does not."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] not in "ZX"
    except OSError:
        return False


class Replacements:
    """Replaces every few seconds, in a thread, and notes how each went."""

    def __init__(self, folder, first, every, until):
        self.folder, self.pid, self.every, self.until = folder, first, every, until
        self.done = []
        self.errors = []
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        due = time.perf_counter() + self.every
        # The last one is in charge for a while too.
        while due < self.until - 1:
            time.sleep(max(0, due - time.perf_counter()))
            self.replace()
            due += self.every

    def replace(self):
        began = time.perf_counter()
        command = [OSTLER, "replace", "--admin", f"unix:{self.folder}/admin.sock"]
        told = subprocess.run(command, capture_output=True, text=True)
        answered = time.perf_counter()
        found = re.match(r"process (\d+) has taken over", told.stdout)
        if told.returncode or not found:
            self.errors.append(told.stderr.strip())
            return
        before, self.pid = self.pid, int(found.group(1))
        while lives(before) and time.perf_counter() < answered + 60:
            time.sleep(0.005)
        self.done.append((began, before, self.pid, answered - began, time.perf_counter() - answered))


def measure(name, address_of, options):
    """A row of the summary, and one for each replacement."""
    with work_folder() as folder:
        port = free_port()
        listen = port if name == "TCP" else None
        hosting = ostler(configuration(folder, SERVERS, listen))
        Admin(f"{folder}/admin.sock").wait()
        load = Load(address_of(folder, port), options.clients)
        began = time.perf_counter()
        until = began + options.seconds
        replacing = Replacements(folder, hosting.pid, options.every, until)
        try:
            load.run(until)
        finally:
            replacing.thread.join()
            load.close()
            if lives(replacing.pid):
                os.kill(replacing.pid, signal.SIGTERM)
            deadline = time.monotonic() + 20
            while lives(replacing.pid) and time.monotonic() < deadline:
                time.sleep(0.01)
            hosting.end()
    took = [each for _, each in load.answers]
    rows = []
    for at, before, after, ready, ended in replacing.done:
        beside = [each for when, each in load.answers if at <= when <= at + 1]
        failed = sum(at <= when <= at + options.every for when, _ in load.failures)
        rows.append((name, f"{at - began:.1f}", f"{before} → {after}", f"{ready * 1000:.0f}", f"{ended * 1000:.0f}",
                     f"{max(beside, default=0) * 1000:.1f}", failed))
    failures = load.failures + [(0, error) for error in replacing.errors]
    summary = (name, f"{len(took):,}", f"{len(took) / options.seconds:,.0f}", len(replacing.done), f"{load.moved:,}",
               f"{percentile(took, 50) * 1000:.2f}", f"{percentile(took, 99) * 1000:.2f}", f"{max(took) * 1000:.1f}", len(failures))
    return summary, rows, failures, len(replacing.done)


def main():
    parser = arguments(__doc__)
    parser.add_argument("--clients", type=int, default=64, help="busy connections")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--every", type=float, default=5, help="seconds from one replacement to the next")
    options = parser.parse_args()
    need("taskset")
    pin(LOAD_CORE)
    # Successors come to us when the one before has ended, and not to a process that may never look.
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
    verdicts = Verdicts(options.verdicts)
    places = {
        "TCP": lambda folder, port: ("127.0.0.1", port),
        "Unix socket": lambda folder, port: f"{folder}/switchboard.sock",
    }
    summaries, all_rows, told = [], [], []
    for name, address_of in places.items():
        summary, rows, failures, replacements = measure(name, address_of, options)
        summaries.append(summary)
        all_rows += rows
        told += [f"{name}: {error}" for _, error in failures]
        what = f"{options.clients} busy connections over {name}, {replacements} replacements in {options.seconds:g} s"
        verdicts.exactly(what, f"{len(failures)} failed requests", "0 failed requests")
    print(f"{machine()}; {options.clients} clients, a replacement every {options.every:g} s for {options.seconds:g} s\n")
    head = ("over", "answers", "answers/s", "replacements", "told to come back", "p50 ms", "p99 ms", "longest ms", "failed")
    print(table(head, summaries) + "\n")
    head = ("over", "at s", "process", "in charge after ms", "the one before ended after ms", "longest answer in that second, ms", "failed")
    print(table(head, all_rows) + "\n")
    for line in told[:20]:
        print(f"* {line}")
    verdicts.tell()


if __name__ == "__main__":
    main()
