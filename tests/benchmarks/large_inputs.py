"""One wrong entry among many: how many evaluations of forward it takes to find it, and how long.

    python tests/benchmarks/large_inputs.py [--sizes 10000,100000,1000000]

For each size a right gradient, and ten with one entry at a random place turned around, are checked. Forward counts its calls.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import gradtool

Array = NDArray[Any]
PLACES = 10


def problem(x: Array, wrong: int | None) -> tuple[Callable[[Array], Any], Callable[[Any, Array], Array], list[int]]:
    """A forward that counts its calls, and a backward with perhaps one wrong entry."""
    calls = [0]

    def forward(x: Array) -> Any:
        calls[0] += 1
        return (x * np.sin(x)).sum()

    def backward(upstream: Any, x: Array) -> Array:
        gradient: Array = upstream * (np.sin(x) + x * np.cos(x))
        if wrong is not None:
            gradient[wrong] *= -1
        return gradient

    return forward, backward, calls


def main() -> None:
    """Print a row a size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10000,100000,1000000")
    sizes = [int(size) for size in parser.parse_args().sizes.split(",")]
    print("entries    right: calls  seconds   one wrong: found  calls (most)  seconds (median)")
    for size in sizes:
        rng = np.random.default_rng(size)
        x = rng.standard_normal(size)
        # So many entries are always looked at along directions; without it a small size would be looked at one by one.
        settings = gradtool.Settings(points=0, max_evaluations=100)
        rows = []
        for wrong in (None, *rng.integers(size, size=PLACES)):
            forward, backward, calls = problem(x, wrong)
            began = time.perf_counter()
            report = gradtool.check(forward, backward, inputs=[x], settings=settings)
            seconds = time.perf_counter() - began
            worst = report.gradients[0].worst
            found = str(report.verdict) == "WRONG" and worst is not None and worst.index == (wrong,)
            rows.append((found if wrong is not None else str(report.verdict) == "OK", calls[0], seconds))
        right, others = rows[0], rows[1:]
        print(
            f"{size:9,d}  {right[1]:12d}  {right[2]:7.2f}   {sum(r[0] for r in others):10d}/{PLACES}"
            f"  {max(r[1] for r in others):12d}  {float(np.median([r[2] for r in others])):16.2f}"
            + ("" if right[0] else "   (the right one was not called OK)")
        )


if __name__ == "__main__":
    main()
