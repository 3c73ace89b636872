"""Numeric gradients of programs with thousands of inputs: gradtool, SciPy's 3-point differences, PyTorch's gradcheck.

    OMP_NUM_THREADS=1 python tests/benchmarks/numeric_gradients.py [--sizes 1000,10000] [--json FILE]

gradtool is timed as it is meant to be used, with its error bounds, for which it evaluates every entry ten times and more;
and with ``step=1e-6``, the textbook difference, where SciPy evaluates every entry twice. All in float64; times are processor
milliseconds of this process (of all its threads), the least of several runs, so that other work on the machine counts little.
"worst" is how far the numeric gradient is from the exact one as a share of its largest entry, "outside" how many entries
are further off than their bound says.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import time
from collections.abc import Callable
from math import isqrt
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize._numdiff import approx_derivative

import gradtool

Array = NDArray[Any]
SIZES = (1_000, 10_000)
GOALS = {
    ("rosenbrock", 1_000): 1 / 10,
    ("rosenbrock", 10_000): 1 / 50,
    ("network", 1_000): 1 / 5,
    ("network", 10_000): 1 / 5,
}
"""gradtool's time with error bounds as a share of SciPy's."""


class Problem(NamedTuple):
    """A function of one input ``wrt`` with others that stay: as a program, in NumPy, in PyTorch, and its gradient."""

    name: str
    program: str
    inputs: dict[str, Array]
    wrt: str
    function: Callable[[Array], Any]
    in_torch: Callable[[Any, Any], Any]
    gradient: Array


def rosenbrock(size: int) -> Problem:
    """``sum(100 (x[i+1] - x[i]^2)^2 + (1 - x[i])^2)``."""
    x = np.random.default_rng(size).uniform(-1, 1, size)
    gap = x[1:] - x[:-1] ** 2
    gradient = np.zeros(size)
    gradient[:-1] = -400 * gap * x[:-1] - 2 * (1 - x[:-1])
    gradient[1:] += 200 * gap

    def function(x: Any) -> Any:
        return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()

    program = "sum(100*(x[1:] - x[:-1]^2)^2 + (1 - x[:-1])^2)"
    return Problem("rosenbrock", program, {"x": x}, "x", function, lambda torch, x: function(x), gradient)


def network(size: int) -> Problem:
    """Two layers, ``size`` numbers in the first one's matrix."""
    hidden = max(n for n in range(1, isqrt(size) + 1) if size % n == 0)
    rng = np.random.default_rng(size)
    wide = size // hidden
    W1, W2 = rng.normal(size=(hidden, wide)) / wide**0.5, rng.normal(size=(10, hidden)) / hidden**0.5
    x, b = rng.normal(size=wide), rng.normal(size=hidden)
    t = np.tanh(W1 @ x + b)
    gradient = np.outer((2 * (W2 @ t) @ W2) * (1 - t**2), x)

    def in_torch(torch: Any, w: Any) -> Any:
        first, second, bias = (torch.from_numpy(a) for a in (x, W2, b))
        return ((second @ torch.tanh(w @ first + bias)) ** 2).sum()

    return Problem(
        "network",
        "sum((W2 @ tanh(W1 @ x + b))^2)",
        {"W1": W1, "W2": W2, "x": x, "b": b},
        "W1",
        lambda w: ((W2 @ np.tanh(w.reshape(W1.shape) @ x + b)) ** 2).sum(),
        in_torch,
        gradient,
    )


def timed(call: Callable[[], Any], seconds: float) -> tuple[float, Any]:
    """Processor milliseconds, the least of as many runs as fit in so many ``seconds``, and the result. The first counts
    only where it is the only one."""
    began = time.perf_counter()
    least, result = _once(call)
    if time.perf_counter() - began < seconds:
        least = _once(call)[0]
    while time.perf_counter() - began < seconds:
        least = min(least, _once(call)[0])
    return least, result


def _once(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = call()
    return 1e3 * (time.process_time() - start), result


def measured(problem: Problem, seconds: float) -> dict[str, Any]:
    """A row of the table."""
    graph, at = gradtool.parse(problem.program), problem.inputs[problem.wrt]

    def ours(**options: Any) -> tuple[Array, Array]:
        found: dict[str, tuple[Array, Array]] = gradtool.numeric_gradient(
            graph, problem.inputs, wrt=[problem.wrt], **options
        )
        return found[problem.wrt]

    full, (value, error) = timed(ours, seconds)
    plain, _ = timed(lambda: ours(step=1e-6), seconds)
    scipy, _ = timed(lambda: approx_derivative(problem.function, at.ravel(), method="3-point"), seconds)
    return {
        "function": problem.name,
        "inputs": at.size,
        "gradtool_ms": full,
        "gradtool_step_ms": plain,
        "scipy_ms": scipy,
        "torch_ms": torch_gradcheck(problem, at, seconds),
        "ratio": full / scipy,
        "goal": GOALS.get((problem.name, at.size)),
        "worst": float(np.max(np.abs(value - problem.gradient)) / np.max(np.abs(problem.gradient))),
        "outside": int(np.count_nonzero(np.abs(value - problem.gradient) > error)),
    }


def torch_gradcheck(problem: Problem, at: Array, seconds: float) -> float | None:
    """What ``torch.autograd.gradcheck`` takes, whatever it says; None where it is not installed."""
    if importlib.util.find_spec("torch") is None:
        return None
    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(1)
    given = torch.from_numpy(at.copy()).requires_grad_()

    def check() -> bool:
        return bool(torch.autograd.gradcheck(lambda x: problem.in_torch(torch, x), (given,), raise_exception=False))

    return timed(check, seconds)[0]


def shown(row: dict[str, Any]) -> str:
    torch = "-" if row["torch_ms"] is None else f"{row['torch_ms']:.1f}"
    goal = "" if row["goal"] is None else f"{row['goal']:.2f}"
    return (
        f"{row['function']:11s}{row['inputs']:8,d}{row['gradtool_ms']:11.1f}{row['gradtool_step_ms']:11.1f}"
        f"{row['scipy_ms']:11.1f}{torch:>11s}{row['ratio']:9.3f}{goal:>7s}{row['worst']:10.1e}{row['outside']:9d}"
    )


def main() -> None:
    """Print a row a function and size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--seconds", type=float, default=3.0, help="how long to repeat each measurement")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    print("milliseconds          gradtool  step=1e-6      SciPy      torch   ratio   goal     worst  outside")
    rows = []
    for size in map(int, options.sizes.split(",")):
        for make in (rosenbrock, network):
            rows.append(measured(make(size), options.seconds))
            print(shown(rows[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
