#!/usr/bin/env python3
"""How long a tool takes to go on with an answer: parked, replayed from its journal, replayed from what its client has carried; see
bench/README.md.

The figures are those of `cargo bench -p ostler-tools --bench resume` and `cargo bench -p ostler-mcp --bench sealed`; this runs them several
times and sums up.
"""

import subprocess

from common import ROOT, SERVER_CORE, Verdicts, arguments, machine, median, need, table

BENCH = ["cargo", "bench", "--quiet", "--locked", "-p", "ostler-tools", "--bench", "resume"]
SEALED = ["cargo", "bench", "--quiet", "--locked", "-p", "ostler-mcp", "--bench", "sealed"]
# As many as a call has that is waited for. See `main` in crates/tools/benches/resume.rs.
FEW, MANY, MOST = "3", "1000", "10000"


# KiB of journal up to which the bar holds. See `main` in crates/mcp/benches/sealed.rs.
CARRIED = 17


def cells(bench, quick):
    """The rows of the table that a benchmark prints."""
    command = ["taskset", "-c", SERVER_CORE, *bench, "--", *(["--quick"] if quick else [])]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in printed.splitlines() if line.startswith("| ")]
    return rows[2:]


def measure(quick):
    """Microseconds, p50 and p99, by way back, steps and order."""
    return {(way, steps, order): (float(p50), float(p99)) for way, steps, order, _, p50, p99, _ in cells(BENCH, quick)}


def measure_sealed(quick):
    """Steps, KiB of journal, KiB of state and microseconds, p50 and p99: the same rows each time."""
    return [tuple(map(float, (steps, journal, state, p50, p99))) for steps, journal, state, _, p50, p99 in cells(SEALED, quick)]


def main():
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="few answers")
    options = parser.parse_args()
    need("cargo", "taskset")
    for bench in (BENCH, SEALED):
        subprocess.run([*bench, "--no-run"], cwd=ROOT, check=True)
    rounds = [measure(options.quick) for _ in range(options.rounds)]
    p50 = {key: median([each[key][0] for each in rounds]) for key in rounds[0]}
    p99 = {key: median([each[key][1] for each in rounds]) for key in rounds[0]}
    sealed = [measure_sealed(options.quick) for _ in range(options.rounds)]
    carried = [tuple(median(list(column)) for column in zip(*row)) for row in zip(*sealed)]
    rows = []
    for way, steps, order in p50:
        key = way, steps, order
        each = f"{p50[key] * 1000 / int(steps):,.0f}" if steps != "0" and way != "live" else ""
        # Linear is 10.
        growth = f"{p50[key] / p50[way, MANY, order]:.1f} ×" if steps == MOST and way != "live" else ""
        rows.append((*key, f"{p50[key]:,.1f}", f"{p99[key]:,.1f}", each, growth))
    print(f"{machine()}; {options.rounds} rounds, medians; wall time on a core of its own, commits excluded, reading included\n")
    print(table(("way back", "steps before", "order", "p50 µs", "p99 µs", "ns a step", f"against {MANY} steps"), rows) + "\n")
    rows = [(f"{steps:.0f}", *(f"{figure:,.1f}" for figure in figures)) for steps, *figures in carried]
    print("carried by the client, from the request to the tool's next poll\n")
    print(table(("steps before", "journal KiB", "state KiB", "p50 µs", "p99 µs"), rows) + "\n")
    verdicts = Verdicts(options.verdicts)
    live, journal = (p50[way, FEW, "one by one"] for way in ("live", "journal in SQLite"))
    verdicts.at_most(f"answer to next poll, live, p50 µs after {FEW} steps", live, 30, 15, "{:.1f}")
    verdicts.at_most(f"answer to next poll, from the journal in SQLite, p50 µs after {FEW} steps", journal, 1000, 500, "{:.0f}")
    worst = max(p50 for _, journal, _, p50, _ in carried if journal <= CARRIED)
    verdicts.at_most("answer to next poll, sealed, p50 µs at 16 KiB of journal", worst, 500, 250, "{:.0f}")
    verdicts.tell()


if __name__ == "__main__":
    main()
