"""`gradtool eval` as a whole process, as a ratio to a bare process that imports the same libraries and prints a table.

Processes are run in turn, A B C A B C ..., so that a drifting machine slows all alike; ratios are of medians.
Goals: without the symbolic reference at most 1.5 times the bare process; with it at most 1.35 times the bare process that
also imports SymPy. `--help` imports none of numpy, sympy, scipy.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

BARE = """
import numpy, click, rich.console, rich.table
table = rich.table.Table("node", "expression", "value", "upstream")
for row in range(8):
    table.add_row(str(row), "(x+y)*max(y,z)", "6", "1")
rich.console.Console().print(table)
"""
EXAMPLE = ["(x+y)*max(y,z)", "x=1", "y=2", "z=0"]


def commands() -> dict[str, list[str]]:
    python, gradtool = sys.executable, [sys.executable, "-m", "gradtool", "eval", *EXAMPLE]
    return {
        "bare": [python, "-c", BARE],
        "bare + sympy": [python, "-c", BARE + "import sympy\n"],
        "eval --reference numeric": [*gradtool, "--reference", "numeric"],
        "eval": gradtool,
        "--help": [python, "-m", "gradtool", "--help"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    # As an installed program runs: with its bytecode in the cache.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    times: dict[str, list[float]] = {name: [] for name in commands()}
    for run in range(runs + 1):
        for name, command in commands().items():
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True, env=environment)
            if run:  # The first round fills the caches.
                times[name].append(time.perf_counter() - start)
    median = {name: statistics.median(found) for name, found in times.items()}
    for name, seconds in median.items():
        print(f"{name:26s} {1e3 * seconds:7.1f} ms")
    for name, base, goal in (
        ("eval --reference numeric", "bare", 1.5),
        ("eval", "bare + sympy", 1.35),
    ):
        print(f"{name} / {base}: {median[name] / median[base]:.2f} (goal: at most {goal})")
    loaded = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "gradtool", "--help"], check=True, capture_output=True, text=True
    ).stderr
    slow = [
        m for m in ("numpy", "sympy", "scipy") if any(line.rstrip().endswith(f" {m}") for line in loaded.splitlines())
    ]
    print(f"--help imports of numpy, sympy, scipy: {', '.join(slow) or 'none'}")


if __name__ == "__main__":
    main()
