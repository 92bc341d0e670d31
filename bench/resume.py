#!/usr/bin/env python3
"""How long a tool takes to go on with an answer: parked, and replayed from its journal; see bench/README.md.

The figures are those of `cargo bench -p ostler-tools --bench resume`; this runs it several times and sums up.
"""

import subprocess

from common import ROOT, SERVER_CORE, Verdicts, arguments, machine, median, need, table

BENCH = ["cargo", "bench", "--quiet", "--locked", "-p", "ostler-tools", "--bench", "resume"]
# As many as a call has that is waited for. See `main` in crates/tools/benches/resume.rs.
FEW, MANY, MOST = "3", "1000", "10000"


def measure(quick):
    """Microseconds, p50 and p99, by way back, steps and order."""
    command = ["taskset", "-c", SERVER_CORE, *BENCH, "--", *(["--quick"] if quick else [])]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in printed.splitlines() if line.startswith("| ")]
    return {(way, steps, order): (float(p50), float(p99)) for way, steps, order, _, p50, p99, _ in cells[2:]}


def main():
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="few answers")
    options = parser.parse_args()
    need("cargo", "taskset")
    subprocess.run([*BENCH, "--no-run"], cwd=ROOT, check=True)
    rounds = [measure(options.quick) for _ in range(options.rounds)]
    p50 = {key: median([each[key][0] for each in rounds]) for key in rounds[0]}
    p99 = {key: median([each[key][1] for each in rounds]) for key in rounds[0]}
    rows = []
    for way, steps, order in p50:
        key = way, steps, order
        each = f"{p50[key] * 1000 / int(steps):,.0f}" if steps != "0" and way != "live" else ""
        # Linear is 10.
        growth = f"{p50[key] / p50[way, MANY, order]:.1f} ×" if steps == MOST and way != "live" else ""
        rows.append((*key, f"{p50[key]:,.1f}", f"{p99[key]:,.1f}", each, growth))
    print(f"{machine()}; {options.rounds} rounds, medians; wall time on a core of its own, commits excluded, reading included\n")
    print(table(("way back", "steps before", "order", "p50 µs", "p99 µs", "ns a step", f"against {MANY} steps"), rows) + "\n")
    verdicts = Verdicts(options.verdicts)
    live, journal = (p50[way, FEW, "one by one"] for way in ("live", "journal in SQLite"))
    verdicts.at_most(f"answer to next poll, live, p50 µs after {FEW} steps", live, 30, 15, "{:.1f}")
    verdicts.at_most(f"answer to next poll, from the journal in SQLite, p50 µs after {FEW} steps", journal, 1000, 500, "{:.0f}")
    verdicts.tell()


if __name__ == "__main__":
    main()
