#!/usr/bin/env python3
"""How long it takes to stop many idle servers; see bench/README.md."""

import signal
import subprocess
import time

from common import (
    LOAD_CORE, OSTLER, Admin, Client, Events, Verdicts, arguments, configuration, event_time, free_port, machine, median, need,
    ostler, pin, table, work_folder,
)

CONFIGURATION = """
[pool]
max_servers = {servers}
[[server]]
host = "*.stop.localhost"
max = {servers}
builtin = "echo"
"""


def by_signal(hosting, folder):
    hosting.process.send_signal(signal.SIGTERM)


def by_drain(hosting, folder):
    command = [OSTLER, "drain", "--admin", f"unix:{folder}/admin.sock"]
    subprocess.Popen(["taskset", "-c", LOAD_CORE, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def stop(servers, ask):
    """Milliseconds from the request to the process's end, and from the first server's eviction to the last one's stop."""
    with work_folder() as folder:
        port = free_port()
        hosting = ostler(configuration(folder, CONFIGURATION.format(servers=servers), port))
        try:
            admin = Admin(f"{folder}/admin.sock")
            admin.wait()
            events = Events(admin)
            client = Client(("127.0.0.1", port))
            for number in range(servers):
                assert client.get("/health", f"h{number}.stop.localhost") == 200
            client.close()
            assert events.wait("ready", servers)
            # Whatever the last request left to do is done.
            time.sleep(0.2)
            began = time.perf_counter()
            ask(hosting, folder)
            code = hosting.process.wait(30)
            exited = (time.perf_counter() - began) * 1000
            events.end()
            stopped = [event_time(event) for event in events.of("stopped")]
            evicted = [event_time(event) for event in events.of("evicted")]
            assert len(stopped) == servers, f"{len(stopped)} of {servers} have stopped, exit code {code}"
            return exited, max(stopped) - min(evicted), code
        finally:
            hosting.end()


def main():
    parser = arguments(__doc__)
    parser.add_argument("--servers", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    need("taskset")
    pin(LOAD_CORE)
    ways = {"SIGTERM": (by_signal, 143), "ostler drain": (by_drain, 0)}
    figures = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, (ask, expected) in ways.items():
            exited, stopped, code = stop(options.servers, ask)
            assert code == expected, f"{name}: exit code {code}"
            figures[name].append((exited, stopped))
    print(f"{machine()}; {options.servers} idle in-process servers, {options.rounds} rounds, interleaved; milliseconds\n")
    rows = [
        (name, *(f"{choose([each[column] for each in values]):.0f}" for column in (0, 1) for choose in (median, max)))
        for name, values in figures.items()
    ]
    head = ("asked by", "until the process has ended: median", "worst", "first eviction to last stop: median", "worst")
    print(table(head, rows) + "\n")
    verdicts = Verdicts(options.verdicts)
    exited = median([exited for exited, _ in figures["SIGTERM"]])
    verdicts.at_most(f"{options.servers} idle in-process servers stopped, SIGTERM to exit, ms", exited, 70, 20, "{:.0f}")
    verdicts.tell()


if __name__ == "__main__":
    main()
