#!/usr/bin/env python3
"""What owning a task costs: spawn and join in a scope against `tokio::spawn`; see bench/README.md.

The figures are criterion's, of `cargo bench -p ostler-scope`; this runs it several times, so that both sides meet the machine's
better and worse moments, and sums up.
"""

import json
import subprocess

from common import LOAD_CORE, ROOT, SERVER_CORE, Verdicts, arguments, machine, median, need, table

BENCH = ["cargo", "bench", "--quiet", "--locked", "-p", "ostler-scope", "--bench", "spawn"]
# As in crates/scope/benches/spawn.rs.
TASKS = 64
FLAVORS = {"one thread": "current_thread", "two threads": "multi_thread"}
WAYS = {"one after another": "{}", f"{TASKS} at once": "{}_batch"}


def estimate(flavor, function):
    """Nanoseconds for a task."""
    file = ROOT / "target" / "criterion" / f"spawn_join_{flavor}" / function / "new" / "estimates.json"
    return json.loads(file.read_text())["median"]["point_estimate"] / TASKS


def main():
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    need("cargo", "taskset")
    subprocess.run([*BENCH, "--no-run"], cwd=ROOT, check=True)
    figures = {(flavor, way): [] for flavor in FLAVORS for way in WAYS}
    for _ in range(options.rounds):
        for flavor, name in FLAVORS.items():
            cores = SERVER_CORE if name == "current_thread" else f"{SERVER_CORE},{LOAD_CORE}"
            subprocess.run(
                ["taskset", "-c", cores, *BENCH, "--", "--warm-up-time", "0.5", "--measurement-time", "2", name],
                cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
            for way, function in WAYS.items():
                figures[flavor, way].append(tuple(estimate(name, function.format(side)) for side in ("tokio", "scope")))
    rows, ratios = [], []
    for (flavor, way), rounds in figures.items():
        tokio, scope = (median([each[side] for each in rounds]) for side in (0, 1))
        ratios.append(median([scope / tokio for tokio, scope in rounds]))
        rows.append((flavor, way, f"{tokio:.0f}", f"{scope:.0f}", f"{ratios[-1]:.2f} ×"))
    print(f"{machine()}; {options.rounds} rounds, medians\n")
    print(table(("runtime", "spawned and joined", "tokio::spawn ns", "scope ns", "ratio"), rows) + "\n")
    verdicts = Verdicts(options.verdicts)
    verdicts.at_most("scope spawn + join against tokio::spawn (the worst row)", max(ratios), 2.0, 1.5, "{:.2f} ×")
    verdicts.tell()


if __name__ == "__main__":
    main()
