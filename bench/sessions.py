#!/usr/bin/env python3
"""100,000 sessions that wait for an answer, and then get it: memory of each, and whether all complete; see bench/README.md.

Twice, with a server of its own: with all of them kept in memory, and with all of them dropped, so that each is replayed from its
journal. The tool is `confirm_delete` of the demo tools: one question, then a step. Journals are in SQLite, on the disk.
"""

import collections
import json
import pathlib
import re
import sys
import time

import mcp
from common import (
    LOAD_CORE, Admin, Crowd, Verdicts, arguments, configuration, disk_folder, free_port, machine, need, ostler, pin, post, table,
    wait_for_port,
)

CONNECTIONS = 64
HEADERS = {**mcp.HEADERS, "Mcp-Name": "confirm_delete"}
ANSWERS = {"confirm": {"action": "accept", "content": {"sure": True}}}
# Bytes that parked tools may hold.
WAYS = {"live": 1_000_000_000_000, "evicted": 0}


def request(name, **more):
    params = {**mcp.REQUEST["params"], "name": "confirm_delete", "arguments": {"name": name}, **more}
    return name, post("/mcp", HEADERS, json.dumps({**mcp.REQUEST, "params": params}).encode())


class Sessions:
    """Calls and answers over connections that stay open, and what went wrong."""

    def __init__(self, port):
        self.crowd = Crowd(port, CONNECTIONS)
        self.states = {}
        self.errors = collections.Counter()
        self.completed = set()

    def park(self, names):
        self.crowd.ask((request(name) for name in names), self.parked)

    def parked(self, name, status, body, _):
        result = self.result(status, body)
        if result.get("resultType") == "input_required":
            self.states[name] = result["requestState"]
        else:
            self.errors[f"{status} {body[:200]}"] += 1

    def answer(self):
        """Answers all that wait, the first ones first. Each is taken up once."""
        waiting, self.states = self.states, {}
        requests = (request(name, requestState=state, inputResponses=ANSWERS) for name, state in waiting.items())
        self.crowd.ask(requests, self.answered)

    def answered(self, name, status, body, _):
        result = self.result(status, body)
        said = [content.get("text") for content in result.get("content", [])]
        if result.get("resultType") == "complete" and said == [f"{name} was deleted (not really)"]:
            self.completed.add(name)
        else:
            self.errors[f"{status} {body[:200]}"] += 1

    @staticmethod
    def result(status, body):
        try:
            return json.loads(body).get("result", {}) if status == 200 else {}
        except ValueError:
            return {}


def settled(process):
    """Resident KiB, once that changes no more."""
    last = process.rss_kib()
    for _ in range(20):
        time.sleep(0.5)
        now = process.rss_kib()
        if abs(now - last) < 64:
            break
        last = now
    return now


def metric(admin, name, label=""):
    """What a metric with that label says, or None if there is none."""
    status, text = admin.ask("GET", "/metrics")
    value = re.search(rf"^{name}{re.escape(label)} (\S+)$", text.decode(), re.M)
    return float(value.group(1)) if status == 200 and value else None


def known(figure, form="{:,.0f}"):
    return "not told" if figure is None else form.format(figure)


def measure(way, count):
    with disk_folder() as folder:
        port = free_port()
        conf = configuration(folder, f"""
workers = 1
[mcp]
listen = "127.0.0.1:{port}"
tools = ["demo"]
[store]
url = "sqlite:{folder}/ostler.db"
[tools]
max_sessions = 10_000_000
max_sessions_per_principal = 10_000_000
max_parked_bytes = {WAYS[way]}
""")
        process = ostler(conf)
        try:
            wait_for_port(port)
            return run(way, count, process, Sessions(port), Admin(f"{folder}/admin.sock"), pathlib.Path(folder))
        finally:
            process.end()


def run(way, count, process, sessions, admin, folder):
    # What every connection, cache and pool takes that a server has after a while is not the sessions'. Few at a time, since the
    # memory of those that have ended is there for others.
    for turn in range(50):
        sessions.park(f"warm {turn} {number}" for number in range(CONNECTIONS))
        sessions.answer()
    warm = len(sessions.completed)
    figures = {"way": way, "count": count, "before": settled(process)}
    for phase, work in (("park", lambda: sessions.park(f"{number}.txt" for number in range(count))), ("answer", sessions.answer)):
        cpu, began = process.cpu_seconds(), time.perf_counter()
        work()
        figures[f"{phase} s"] = time.perf_counter() - began
        figures[f"{phase} CPU"] = process.cpu_seconds() - cpu
        figures[f"{phase} RSS"] = settled(process)
        figures[f"{phase} bytes"] = metric(admin, "ostler_tools_parked_bytes")
        if phase == "park":
            figures["parked"] = len(sessions.states)
            figures["disk"] = sum(file.stat().st_size for file in folder.glob("ostler.db*"))
    figures["resumed live"] = metric(admin, "ostler_tools_resumed_total", '{from="live"}')
    figures["completed"] = len(sessions.completed) - warm
    figures["errors"] = sum(sessions.errors.values())
    for error, times in sessions.errors.most_common(5):
        print(f"{way}: {times} × {error}", file=sys.stderr)
    sessions.crowd.close()
    return figures


def main():
    parser = arguments(__doc__)
    parser.add_argument("--sessions", type=int, default=100_000)
    options = parser.parse_args()
    need("taskset")
    pin(LOAD_CORE)
    runs = [measure(way, options.sessions) for way in WAYS]
    each = {}
    rows = []
    for run in runs:
        way, count = run["way"], run["count"]
        each[way] = (run["park RSS"] - run["before"]) * 1024 / count
        own = run["park bytes"] and run["park bytes"] / count
        rows.append((
            way, f"{count:,}", f"{run['before'] / 1024:.1f}", f"{run['park RSS'] / 1024:.1f}", f"{run['answer RSS'] / 1024:.1f}",
            f"{each[way]:,.0f}", known(own), f"{run['disk'] / count:,.0f}", f"{count / run['park s']:,.0f}", f"{run['park CPU'] / count * 1e6:.0f}",
            f"{count / run['answer s']:,.0f}", f"{run['answer CPU'] / count * 1e6:.0f}", known(run["resumed live"]), f"{run['completed']:,}", run["errors"],
        ))
    head = (
        "sessions", "count", "RSS MiB before", "all parked", "all answered", "bytes a session", "by Ostler's own count",
        "bytes on the disk", "calls/s", "CPU µs", "answers/s", "CPU µs", "resumed live, warm-up included", "completed", "errors",
    )
    print(f"{machine()}; {CONNECTIONS} keep-alive connections\n")
    print(table(head, rows) + "\n", flush=True)
    verdicts = Verdicts(options.verdicts)
    verdicts.at_most("memory of a parked live session, KiB", each["live"] / 1024, 8, 4)
    verdicts.at_most("memory of an evicted session, bytes", round(max(each["evicted"], 0)), 200, 0, "{}")
    for run in runs:
        verdicts.exactly(f"{run['count']:,} parked sessions ({run['way']}), each then answered: completed", run["completed"], run["count"])
        verdicts.exactly(f"… and errors ({run['way']})", run["errors"], 0)
    verdicts.tell()


if __name__ == "__main__":
    main()
