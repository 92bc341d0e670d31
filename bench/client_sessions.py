#!/usr/bin/env python3
"""Clients of MCP 2025-11-25, which have sessions: CPU of a call that is answered at once, and memory of each session that does
nothing, of Ostler and of the official Rust SDK; see bench/README.md.
"""

import json
import subprocess
import time
import urllib.request

import mcp
from common import (
    LOAD_CORE, Crowd, Verdicts, arguments, free_port, machine, median, need, pin, post, table, wait_for_port, work_folder,
)

VERSION = "2025-11-25"
HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
INITIALIZE = {
    "jsonrpc": "2.0", "id": 0, "method": "initialize",
    "params": {
        "protocolVersion": VERSION, "capabilities": {"elicitation": {}, "sampling": {}},
        "clientInfo": {"name": "bench", "version": "1"},
    },
}
CALL = {
    "jsonrpc": "2.0", "id": 1, "method": "tools/call",
    "params": {"name": "echo", "arguments": {"text": mcp.TEXT}},
}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
CONNECTIONS = 32


def ask(port, message, fields):
    """The fields and the text of the answer."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/mcp", json.dumps(message).encode(), fields)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return answer.headers, answer.read().decode()


def session(port):
    """The fields of a request in a new session."""
    headers, _ = ask(port, INITIALIZE, HEADERS)
    fields = {**HEADERS, "MCP-Protocol-Version": VERSION, "Mcp-Session-Id": headers["Mcp-Session-Id"]}
    ask(port, INITIALIZED, fields)
    return fields


def introduce(port, count):
    """As many clients begin a session, and leave it at that."""
    crowd, sessions = Crowd(port, CONNECTIONS), 0

    def answered(_, status, body, __):
        nonlocal sessions
        if status != 200 or VERSION.encode() not in body:
            raise SystemExit(f"no session: {status} {body[:200]}")
        sessions += 1

    crowd.ask(((None, post("/mcp", HEADERS, json.dumps(INITIALIZE).encode())) for _ in range(count)), answered)
    crowd.close()
    return sessions


def main():
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="of load in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sessions", type=int, default=10_000)
    options = parser.parse_args()
    need("wrk", "taskset", "cargo")
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet"], cwd=mcp.PEER, check=True)
    with work_folder() as folder:
        ports = {name: free_port() for name in ("rmcp", "ostler")}
        processes = {}
        try:
            processes["rmcp"] = mcp.rmcp(ports["rmcp"], "sessions")
            processes["ostler"] = mcp.ostler(folder, ports["ostler"])
            for port in ports.values():
                wait_for_port(port)
            compare(folder, ports, processes, options)
        finally:
            for process in reversed(processes.values()):
                process.end()


def compare(folder, ports, processes, options):
    cpus, rates, idle = ({name: [] for name in ports} for _ in range(3))
    fields = {name: session(port) for name, port in ports.items()}
    for name, port in ports.items():
        _, said = ask(port, CALL, fields[name])
        if mcp.TEXT not in said:
            raise SystemExit(f"{name} does not echo: {said}")
        mcp.load(folder, port, 1, request=CALL, fields=fields[name])
    for _ in range(options.rounds):
        for name, port in ports.items():
            before = processes[name].cpu_seconds()
            calls, rate, *_ = mcp.load(folder, port, options.seconds, request=CALL, fields=fields[name])
            cpus[name].append((processes[name].cpu_seconds() - before) / calls * 1e6)
            rates[name].append(rate)
    pin(LOAD_CORE)
    for name, port in ports.items():
        # What everything takes that a server has after a while is not the sessions'.
        introduce(port, 200)
        time.sleep(1)
        before = processes[name].rss_kib()
        introduce(port, options.sessions)
        time.sleep(1)
        idle[name] = (processes[name].rss_kib() - before) / options.sessions
    cpu = {name: median(values) for name, values in cpus.items()}
    print(f"{machine()}; {options.rounds} rounds of {options.seconds} s, interleaved; {options.sessions:,} sessions\n")
    head = ("server", "calls/s", "CPU µs/call", "against rmcp", "KiB an idle session")
    rows = [
        (name, f"{median(rates[name]):,.0f}", f"{cpu[name]:.1f}", f"{cpu[name] / cpu['rmcp']:.2f} ×", f"{idle[name]:.2f}")
        for name in ports
    ]
    print(table(head, rows) + "\n", flush=True)
    verdicts = Verdicts(options.verdicts)
    what = "`tools/call` echo in a session of 2025-11-25, CPU a call against rmcp"
    verdicts.at_most(what, cpu["ostler"] / cpu["rmcp"], 0.3, 0.3, "{:.2f} ×")
    verdicts.at_most("memory of an idle session of 2025-11-25, KiB", max(idle["ostler"], 0), 8, 8, "{:.2f}")
    verdicts.tell()


if __name__ == "__main__":
    main()
