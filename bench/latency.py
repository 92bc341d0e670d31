#!/usr/bin/env python3
"""Latency at a fixed rate, open loop, through Ostler, nginx and, without a proxy, the backend itself; see bench/README.md."""

import json
import os
import subprocess

from common import (
    LOAD_CORE, Verdicts, arguments, free_port, machine, median, need, table, wait_for, work_folder,
)
from proxy import HOST, backend, nginx, ostler

QUANTILES = ("p50", "p90", "p99", "p99.9")


def load(port, rate, seconds):
    """The rate that was reached, and the quantiles in milliseconds from when each request was due."""
    output = subprocess.run(
        ["taskset", "-c", LOAD_CORE, "oha", "--no-tui", "--output-format", "json", "-z", f"{seconds}s", "-q", str(rate),
         "-c", "64", "--latency-correction", "-H", f"Host: {HOST}", f"http://127.0.0.1:{port}/2"],
        capture_output=True, text=True, check=True,
        # One thread for one core: more only take turns.
        env={**os.environ, "TOKIO_WORKER_THREADS": "1"},
    ).stdout
    report = json.loads(output)
    # Those in flight when the time is up are no errors.
    errors = {name: count for name, count in report["errorDistribution"].items() if "deadline" not in name}
    answered = report["statusCodeDistribution"]
    if errors or set(answered) != {"200"}:
        raise SystemExit(f"errors under load: {errors} {answered}")
    quantiles = [report["latencyPercentiles"][name] * 1000 for name in QUANTILES]
    return answered["200"] / report["summary"]["total"], quantiles


def main():
    parser = arguments(__doc__)
    parser.add_argument("--rate", type=int, default=10_000, help="requests a second")
    parser.add_argument("--seconds", type=int, default=5, help="of load in each round")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    need("oha", "nginx", "taskset")
    with work_folder() as folder:
        ports = {name: free_port() for name in ("direct", "nginx", "ostler")}
        processes = [backend(folder, ports["direct"])]
        try:
            processes.append(nginx(folder, ports["nginx"], ports["direct"]))
            processes.append(ostler(folder, ports["ostler"], ports["direct"]))
            for port in ports.values():
                wait_for(f"http://127.0.0.1:{port}/2", HOST)
                load(port, options.rate, 1)
            rounds = {name: [] for name in ports}
            for _ in range(options.rounds):
                for name, port in ports.items():
                    rounds[name].append(load(port, options.rate, options.seconds))
        finally:
            for process in reversed(processes):
                process.end()
    print(f"{machine()}; {options.rate:,} requests/s for {options.seconds} s, {options.rounds} rounds, interleaved, medians\n")
    rows, p99 = [], {}
    for name, each in rounds.items():
        quantiles = [median([quantiles[column] for _, quantiles in each]) for column in range(len(QUANTILES))]
        p99[name] = quantiles[QUANTILES.index("p99")]
        rows.append((name, f"{median([rate for rate, _ in each]):,.0f}", *(f"{quantile:.2f}" for quantile in quantiles)))
    print(table(("target", "requests/s reached", *(f"{name} ms" for name in QUANTILES)), rows) + "\n")
    verdicts = Verdicts(options.verdicts)
    verdicts.at_most(f"p99 at {options.rate:,} requests/s against nginx", p99["ostler"] / p99["nginx"], 1.2, 1.0, "{:.2f} ×")
    verdicts.tell()


if __name__ == "__main__":
    main()
