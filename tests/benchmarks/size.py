"""Time to parse, run and differentiate programs of growing size: per node it must stay the same."""

from __future__ import annotations

import time
from collections.abc import Callable

import gradtool

SIZES = (1_000, 10_000, 100_000)
PROGRAMS: dict[str, Callable[[int], str]] = {
    "sum of n terms": lambda n: "+".join(["x*y"] * n),
    "n nested parentheses": lambda n: "(" * n + "x" + "+y)" * n,
    "n statements": lambda n: "\n".join(["x = x*y + 0.1"] * n),
}


def main() -> None:
    print(f"{'program':22s} {'n':>8s} {'parse':>10s} {'gradient':>10s}   microseconds a node")
    for name, program in PROGRAMS.items():
        for n in SIZES:
            text = program(n)
            start = time.perf_counter()
            graph = gradtool.parse(text)
            parsed = time.perf_counter()
            gradtool.value_and_gradient(graph, {"x": 1.0, "y": 0.5})
            done = time.perf_counter()
            nodes = len(graph)
            print(f"{name:22s} {n:8d} {1e6 * (parsed - start) / nodes:10.2f} {1e6 * (done - parsed) / nodes:10.2f}")


if __name__ == "__main__":
    main()
