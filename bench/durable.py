#!/usr/bin/env python3
"""Durable steps, each on the disk before the next one begins: a call of three, one at a time and 64 at once, of Ostler, Restate and
DBOS.

Interleaved rounds, and one that is not measured in which strace counts how often each side has the disk sync. See bench/README.md.
"""

import json
import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import sys
import time

import mcp
from common import (
    LOAD_CORE, ROOT, SERVER_CORE, Crowd, Process, Verdicts, arguments, disk_folder, free_port, machine, median, need, percentile,
    pin, post, table, wait_for_port,
)

PEERS = ROOT / "bench" / "peers"
STEPS = 3
RESULT = b"1 2 3"
AT_ONCE = 64


class Side:
    """One of those compared: where it listens, what to ask it, and its processes."""

    def __init__(self, request):
        self.port = free_port()
        self.request = request
        self.processes = []

    def start(self, *command, core=SERVER_CORE, env=None):
        process = Process(core, *command, env=env)
        self.processes.append(process)
        return process

    def ask(self, crowd, until):
        """Calls until then. How long each took, and how many were answered by then."""
        times, answered = [], 0

        def requests():
            while time.perf_counter() < until:
                yield None, self.request

        def answer(_, status, body, seconds):
            nonlocal answered
            if status != 200 or RESULT not in body:
                sys.exit(f"not what three steps give: {status} {body}")
            times.append(seconds)
            answered += time.perf_counter() <= until

        crowd.ask(requests(), answer)
        return times, answered

    def end(self):
        for process in reversed(self.processes):
            process.end()


def ostler(folder):
    request = json.loads(json.dumps(mcp.REQUEST))
    request["params"].update(name="three_steps", arguments={})
    headers = {**mcp.HEADERS, "Mcp-Name": "three_steps"}
    side = Side(post("/mcp", headers, json.dumps(request).encode()))
    side.start(ROOT / "target/release/examples/steps", f"127.0.0.1:{side.port}", folder / "ostler.db")
    return side


def restate(folder):
    """Its server, and the process with the handler: what it forwards to, so it has the other core, and Restate more than the others."""
    side = Side(post("/steps/three", {}))
    modules, service, admin = PEERS / "restate" / "node_modules", free_port(), free_port()
    side.start(modules / "node/bin/node", PEERS / "restate" / "steps.mjs", service, core=LOAD_CORE)
    [server] = modules.glob("@restatedev/restate-server-*/bin/restate-server")
    env = {
        "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{side.port}", "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{admin}",
        "RESTATE_BIND_ADDRESS": f"127.0.0.1:{free_port()}", "RESTATE_DISABLE_TELEMETRY": "true",
    }
    side.start(server, "--no-logo", "--listen-mode", "tcp", "--base-dir", folder / "restate", env=env)
    for port in (service, admin, side.port):
        wait_for_port(port, 60)
    register = json.dumps({"uri": f"http://127.0.0.1:{service}"}).encode()
    crowd, said = Crowd(admin, 1), []
    crowd.ask([(None, post("/deployments", {"Content-Type": "application/json"}, register))], lambda *answer: said.append(answer))
    crowd.close()
    if said[0][1] not in (200, 201):
        sys.exit(f"Restate does not take the handler: {said}")
    return side


def dbos(folder, wal):
    side = Side(post("/", {}))
    file = folder / f"dbos{'-wal' if wal else ''}.db"
    if wal:
        # A file keeps this, whoever opens it.
        sqlite3.connect(file).execute("PRAGMA journal_mode = WAL")
    side.start(PEERS / "dbos" / ".venv/bin/python", PEERS / "dbos" / "steps.py", side.port, file)
    return side


SIDES = {
    "Ostler": ostler,
    "Restate": restate,
    "DBOS": lambda folder: dbos(folder, wal=False),
    "DBOS with a write-ahead log": lambda folder: dbos(folder, wal=True),
}


def install():
    """What is compared with, in the versions that its files here name; nothing if that is there."""
    for peer, file, target, commands in (
        ("restate", "package-lock.json", "node_modules", [["npm", "ci", "--no-audit", "--no-fund"]]),
        ("dbos", "requirements.txt", ".venv", [
            [sys.executable, "-m", "venv", "--clear", ".venv"], [".venv/bin/pip", "install", "--quiet", "-r", "requirements.txt"],
        ]),
    ):
        wanted, stamp = (PEERS / peer / file).read_text(), PEERS / peer / target / "installed"
        if stamp.exists() and stamp.read_text() == wanted:
            continue
        for command in commands:
            env = {**os.environ, "SCARF_ANALYTICS": "false"}
            subprocess.run(command, cwd=PEERS / peer, check=True, stdout=sys.stderr, env=env)
        stamp.write_text(wanted)


def bare(folder, seconds):
    """The least that three steps can take: as many small writes over what is there, each with fdatasync. Seconds each."""
    times, until = [], time.perf_counter() + seconds
    file = os.open(folder / "bare", os.O_RDWR | os.O_CREAT)
    try:
        os.pwrite(file, bytes(4 << 20), 0)
        os.fsync(file)
        while (began := time.perf_counter()) < until:
            for step in range(STEPS):
                os.pwrite(file, bytes([step + 1]) * 16384, step * 16384)
                os.fdatasync(file)
            times.append(time.perf_counter() - began)
    finally:
        os.close(file)
    return times


def syncs(side, work):
    """How often its processes have the disk sync during `work`, by strace."""
    pids = [argument for process in side.processes for pid in process.family() for argument in ("-p", str(pid))]
    strace = subprocess.Popen(
        ["strace", "-f", "-c", "-U", "name,calls", "-e", "trace=fsync,fdatasync,sync_file_range,msync", *pids],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )
    attached = [line for _, line in zip(pids[::2], strace.stderr) if "attached" in line]
    if len(attached) < len(pids) // 2:
        sys.exit(f"strace cannot attach: {attached}")
    work()
    strace.send_signal(signal.SIGINT)
    told = strace.stderr.read()
    strace.wait()
    return {name: int(calls) for name, calls in re.findall(r"^ *(\w*sync\w*) +(\d+)", told, re.M)}


def count_syncs(side, calls):
    """Syncs a call, one call at a time, and how many there are in the same time without calls."""
    crowd, taken = Crowd(side.port, 1), 0

    def call():
        nonlocal taken
        began = time.perf_counter()
        crowd.ask(((None, side.request) for _ in range(calls)), lambda *_: None)
        taken = time.perf_counter() - began

    with_calls = syncs(side, call)
    at_rest = syncs(side, lambda: time.sleep(taken))
    crowd.close()
    return with_calls, at_rest


def main():
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement of a side in each round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    need("taskset", "strace", "npm", "cargo")
    build = ["cargo", "build", "--release", "--locked", "--quiet", "-p", "ostler-mcp", "--example", "steps"]
    subprocess.run(build, cwd=ROOT, check=True)
    install()
    pin(LOAD_CORE)
    with disk_folder() as folder:
        sides = {}
        try:
            for name, start in SIDES.items():
                sides[name] = start(pathlib.Path(folder))
                wait_for_port(sides[name].port, 60)
            compare(pathlib.Path(folder), sides, options)
        finally:
            for side in sides.values():
                side.end()


def compare(folder, sides, options):
    limit, p50s, rates = [], {name: [] for name in sides}, {name: [] for name in sides}
    for name, side in sides.items():
        for connections in (1, AT_ONCE):
            ask(side, connections, min(options.seconds, 2))
    for _ in range(options.rounds):
        limit.append(percentile(bare(folder, options.seconds / 4), 50))
        for name, side in sides.items():
            times, _ = ask(side, 1, options.seconds)
            p50s[name].append(percentile(times, 50))
            # Up to the last answer: nothing is left to do while the next one is measured.
            _, answered = ask(side, AT_ONCE, options.seconds)
            rates[name].append(answered * STEPS / options.seconds)
    calls = 20
    traced = {name: count_syncs(side, calls) for name, side in sides.items()}
    tell(options, limit, p50s, rates, traced, calls)


def ask(side, connections, seconds):
    """Over new connections: a side may close those that nothing comes over while the others are asked."""
    crowd = Crowd(side.port, connections)
    try:
        return side.ask(crowd, time.perf_counter() + seconds)
    finally:
        crowd.close()


def tell(options, limit, p50s, rates, traced, calls):
    p50, rate = ({name: median(values) for name, values in figures.items()} for figures in (p50s, rates))
    peers = [name for name in p50 if name != "Ostler"]
    best_p50, best_rate = min(p50[name] for name in peers), max(rate[name] for name in peers)
    each = {name: sum(with_calls.values()) / calls for name, (with_calls, _) in traced.items()}
    print(f"{machine()}; {options.rounds} rounds of {options.seconds:g} s, interleaved\n")
    rows = [(f"{STEPS} bare writes, each with fdatasync", f"{median(limit) * 1e3:.2f}", f"{median(limit) / best_p50:.2f} ×", "", "", "", "", "")]
    for name in p50:
        with_calls, at_rest = traced[name]
        rows.append((
            name, f"{p50[name] * 1e3:.2f}", f"{p50[name] / best_p50:.2f} ×", f"{STEPS / p50[name]:,.0f}", f"{rate[name]:,.0f}",
            f"{rate[name] / best_rate:.2f} ×", f"{each[name]:.1f} ({', '.join(with_calls) or 'none'})", f"{sum(at_rest.values()) / calls:.1f}",
        ))
    head = (
        f"a call of {STEPS} steps", "p50 ms one at a time", "against the best peer", "steps/s one at a time", f"steps/s with {AT_ONCE} at once",
        "against the best peer", "syncs a call (strace)", "of these at rest",
    )
    print(table(head, rows) + "\n", flush=True)
    verdicts = Verdicts(options.verdicts)
    against = "against the better of Restate and DBOS"
    verdicts.at_most(f"a call of {STEPS} durable steps, p50, {against}", p50["Ostler"] / best_p50, 0.25, 0.1, "{:.2f} ×")
    verdicts.at_least(f"durable steps/s with {AT_ONCE} calls at once, {against}", rate["Ostler"] / best_rate, 4, 10, "{:.1f} ×")
    verdicts.at_least(f"syncs of Ostler's a call of {STEPS} steps, by strace", each["Ostler"], STEPS, STEPS, "{:.1f}")
    verdicts.exactly("sides that sync, by strace", sum(count > 0 for count in each.values()), len(each))
    verdicts.tell()


if __name__ == "__main__":
    main()
