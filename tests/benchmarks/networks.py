"""A network of three layers: forward and backward by gradtool, by hand in NumPy, and by PyTorch where it is installed.

    OMP_NUM_THREADS=1 python tests/benchmarks/networks.py [--sizes 64,512] [--json FILE]

Batch and width are the same number. All in float64; times are processor milliseconds of this process, the least of several runs,
all in turn, and ratios are to the hand-written NumPy. gradtool is ``value_and_gradient`` on a graph that is parsed once, as a
training loop would use it. The gradients are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import gradtool

Array = NDArray[Any]
SIZES = (64, 512)
GOALS = {64: 1.5, 512: 1.1}
"""gradtool's time as a multiple of the hand-written NumPy's."""
PROGRAM = """
h1 = tanh(X@W1 + b1)
h2 = tanh(h1@W2 + b2)
out = h2@W3 + b3
loss = mean((out - Y)^2)
"""


def made(size: int) -> dict[str, Array]:
    """Inputs of a network of batch and width ``size``."""
    draw = np.random.default_rng(size)
    weights = {f"W{k}": draw.normal(size=(size, size)) / np.sqrt(size) for k in (1, 2, 3)}
    biases = {f"b{k}": draw.normal(size=size) for k in (1, 2, 3)}
    return {"X": draw.normal(size=(size, size)), "Y": draw.normal(size=(size, size)), **weights, **biases}


def by_hand(p: dict[str, Array]) -> dict[str, Array]:
    """The gradients of the parameters, as one writes them in NumPy."""
    h1 = np.tanh(p["X"] @ p["W1"] + p["b1"])
    h2 = np.tanh(h1 @ p["W2"] + p["b2"])
    out = h2 @ p["W3"] + p["b3"]
    d3 = 2 * (out - p["Y"]) / out.size
    d2 = (d3 @ p["W3"].T) * (1 - h2**2)
    d1 = (d2 @ p["W2"].T) * (1 - h1**2)
    return {
        "W1": p["X"].T @ d1, "b1": d1.sum(0), "W2": h1.T @ d2, "b2": d2.sum(0), "W3": h2.T @ d3, "b3": d3.sum(0),
    }  # fmt: skip


GRAPH = gradtool.parse(PROGRAM)


def by_gradtool(p: dict[str, Array]) -> dict[str, Array]:
    """The same by gradtool."""
    return gradtool.value_and_gradient(GRAPH, p, wrt=[name for name in p if name[0] in "Wb"])[1]


def in_torch(p: dict[str, Array]) -> Callable[[], dict[str, Array]]:
    """The same in PyTorch, on one thread."""
    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(1)
    t = {name: torch.tensor(x, requires_grad=name[0] in "Wb") for name, x in p.items()}
    wanted = [x for x in t.values() if x.requires_grad]
    names = [name for name, x in t.items() if x.requires_grad]

    def run() -> dict[str, Array]:
        h = torch.tanh(t["X"] @ t["W1"] + t["b1"])
        h = torch.tanh(h @ t["W2"] + t["b2"])
        loss = ((h @ t["W3"] + t["b3"] - t["Y"]) ** 2).mean()
        return {n: g.numpy() for n, g in zip(names, torch.autograd.grad(loss, wanted), strict=True)}

    return run


def measured(runs: dict[str, Callable[[], Any]], seconds: float) -> dict[str, float]:
    """Processor milliseconds of each, the least of runs in turn."""
    best = dict.fromkeys(runs, float("inf"))
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, run in runs.items():
            start = time.process_time()
            run()
            best[name] = min(best[name], 1e3 * (time.process_time() - start))
    return best


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each size is measured")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    rows = []
    for size in map(int, options.sizes.split(",")):
        inputs = made(size)
        runs: dict[str, Callable[[], Any]] = {
            "numpy": partial(by_hand, inputs),
            "gradtool": partial(by_gradtool, inputs),
        }
        if importlib.util.find_spec("torch") is not None:
            runs["torch"] = in_torch(inputs)
        right = by_hand(inputs)
        for name, run in runs.items():
            found = run()
            assert all(np.allclose(found[key], right[key], rtol=1e-9, atol=1e-12) for key in right), name
        times = measured(runs, options.seconds)
        ratios = {name: times[name] / times["numpy"] for name in runs}
        rows.append({"size": size, "milliseconds": times, "ratios": ratios, "goal": GOALS.get(size)})
        shown = "  ".join(f"{name} {times[name]:.2f} ms ({ratios[name]:.2f})" for name in runs)
        print(f"batch and width {size}: {shown}; goal {GOALS.get(size, '-')}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
