"""How many units in the last place gradients are off, from 1e-300 to 1e300 and in the tails of their functions.

Each gradient comes from `gradtool.value_and_gradient` on a parsed program, once on floats and once on arrays, and is
held against the textbook derivative in 800 digits of mpmath. torch, jax and autograd are measured beside it on the same
points where they are installed; their functions are their own, or the usual way to write them there.

A gradient is well conditioned if it moves by no more than 1e4 units in its last place (`--condition`) when all inputs
move by one: next to a root of a derivative, say, nothing in double precision can be right. Those that are not are
counted apart ("ill"). So are errors of gradients below 2.3e-308 ("tiny"), in units of 4.9e-324, the smallest number.
Goal: none above 100 units.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import mpmath as mp
import numpy as np

import gradtool

DIGITS = 800
"""Enough for 1 - tanh² where it is 1e-323, with hundreds to spare."""
SMALLEST_NORMAL = 2.0**-1022
EPSILON = 2.0**-53
LIBRARIES = ("torch", "jax", "autograd")

Point = dict[str, Any]
"""Inputs by name: floats or lists of floats."""
Exact = Callable[..., Mapping[str, Any]]
"""Inputs in mpmath numbers (or lists of them) to gradients by name."""


@dataclass(frozen=True)
class Problem:
    """A program, where to try it, and what is right."""

    name: str
    program: str
    points: Sequence[Point]
    exact: Exact
    others: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    """By library: ``f(m, *inputs)`` for a namespace ``m`` of its modules."""

    @property
    def wrt(self) -> list[str]:
        return [name for name in self.points[0] if name != "g"]


# Points ------------------------------------------------------------------------------------------------------------


def sizes(rng: np.random.Generator, count: int) -> np.ndarray[Any, Any]:
    """Magnitudes from 1e-300 to 1e300, evenly in their logarithm, the ends among them."""
    return np.concatenate(([1e-300, 1e300, 1e-16, 1e-8, 1.0], 10.0 ** rng.uniform(-300, 300, count)))


def both_signs(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.concatenate((x, -x))


def line(rng: np.random.Generator, count: int, tail: float) -> np.ndarray[Any, Any]:
    """Both signs of all magnitudes, and as many points again between -tail and tail."""
    return np.concatenate((both_signs(sizes(rng, count)), rng.uniform(-tail, tail, 2 * count)))


def over(name: str, values: Sequence[float] | np.ndarray[Any, Any]) -> list[Point]:
    return [{name: float(v)} for v in values]


def pairs(names: str, first: Any, second: Any) -> list[Point]:
    return [dict(zip(names, map(float, pair), strict=True)) for pair in zip(first, second, strict=True)]


def logits(rng: np.random.Generator, count: int) -> Iterator[list[float]]:
    """Rows of scores: ordinary, saturated, far apart, huge, tiny, tied."""
    for i in range(count):
        size = int(rng.integers(2, 7))
        row = rng.standard_normal(size)
        scale = (1.0, 30.0, 300.0, 1e3, 10.0 ** rng.uniform(-300, 300), 1e-300)[i % 6]
        row = row * scale
        if i % 7 == 3:
            row = row + 10.0 ** rng.uniform(0, 12)
        if i % 5 == 4:
            row[1] = row[0]
        if i % 11 == 10:
            row[0] = row[1:].max() + 700.0
        yield row.tolist()


def vectors(rng: np.random.Generator, count: int) -> Iterator[list[float]]:
    """Rows of one magnitude, and rows that mix magnitudes."""
    for i in range(count):
        size = int(rng.integers(2, 7))
        exponent = rng.uniform(-300, 300, size if i % 2 else 1)
        row = 10.0**exponent * rng.uniform(0.1, 1.0, size) * rng.choice([-1.0, 1.0], size)
        if i % 8 == 4:
            row = row + 10.0 ** (exponent + rng.uniform(0, 4))
        yield row.tolist()


def weighted(rng: np.random.Generator, rows: Iterator[list[float]]) -> list[Point]:
    """Rows with an upstream for each entry."""
    return [{"x": row, "g": rng.standard_normal(len(row)).tolist()} for row in rows]


# What is right -----------------------------------------------------------------------------------------------------


def by_x(derivative: Callable[[Any], Any]) -> Exact:
    return lambda x: {"x": derivative(x)}


def sigmoid(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def slope(x: Any) -> Any:
    return mp.exp(-x) / (1 + mp.exp(-x)) ** 2


def gelu_slope(x: Any) -> Any:
    if abs(x) > 1e5:  # mpmath's erfc has its limits
        return mp.mpf(int(x > 0))
    return mp.erfc(-x / mp.sqrt(2)) / 2 + x * mp.npdf(x)


def gelu_tanh_slope(x: Any) -> Any:
    cubic, scale = mp.mpf(0.044715), mp.sqrt(2 / mp.pi)
    t = mp.tanh(scale * (x + cubic * x**3))
    return (1 + t) / 2 + x * (1 - t * t) * scale * (1 + 3 * cubic * x * x) / 2


def mish_slope(x: Any) -> Any:
    t = mp.tanh(mp.log(1 + mp.exp(x)))
    return t + x * (1 - t * t) * sigmoid(x)


def shares(row: Sequence[Any]) -> list[Any]:
    top = max(row)
    powers = [mp.exp(x - top) for x in row]
    return [p / mp.fsum(powers) for p in powers]


def softmax_vjp(x: Sequence[Any], g: Sequence[Any]) -> Mapping[str, Any]:
    y = shares(x)
    mean = mp.fdot(y, g)
    return {"x": [a * (b - mean) for a, b in zip(y, g, strict=True)]}


def log_softmax_vjp(x: Sequence[Any], g: Sequence[Any]) -> Mapping[str, Any]:
    return {"x": [b - a * mp.fsum(g) for a, b in zip(shares(x), g, strict=True)]}


def cross_entropy_gradient(x: Sequence[Any], g: Any) -> Mapping[str, Any]:
    return {"x": [a - (i == int(g)) for i, a in enumerate(shares(x))]}


def centred(x: Sequence[Any]) -> list[Any]:
    mean = mp.fsum(x) / len(x)
    return [v - mean for v in x]


def length(x: Sequence[Any]) -> Any:
    return mp.sqrt(mp.fdot(x, x))


def std_gradient(x: Sequence[Any]) -> Mapping[str, Any]:
    deviation = centred(x)
    return {"x": [d / (mp.sqrt(len(x)) * length(deviation)) for d in deviation]}


def others_of(x: list[Any]) -> list[Any]:
    return [mp.fprod(x[:i] + x[i + 1 :]) for i in range(len(x))]


# The others --------------------------------------------------------------------------------------------------------


def named(**paths: str) -> dict[str, Callable[..., Any]]:
    """By library: a function that is there already, by where it is in the namespace of modules."""

    def calling(path: str) -> Callable[..., Any]:
        return lambda m, *inputs: attrgetter(path)(m)(*inputs)

    return {library: calling(path) for library, path in paths.items()}


# The problems ------------------------------------------------------------------------------------------------------


def problems(count: int) -> list[Problem]:
    rng = np.random.default_rng(0)

    def unary(
        name: str, derivative: Callable[[Any], Any], tail: float, others: Mapping[str, Any], call: str = ""
    ) -> Problem:
        return Problem(name, call or f"{name}(x)", over("x", line(rng, count, tail)), by_x(derivative), others)

    positive = np.concatenate((sizes(rng, 2 * count), rng.uniform(0, 10, count)))
    above = np.concatenate((positive, -rng.uniform(0, 1, count), -(10.0 ** rng.uniform(-300, 0, count))))
    inside = both_signs(np.concatenate((rng.uniform(0, 1, count), 1 - 10.0 ** rng.uniform(-15, 0, count))))
    size = both_signs(sizes(rng, 2 * count))
    other = rng.permutation(size)
    other[::2] = size[::2] * rng.uniform(-2, 2, size[::2].shape)
    score = line(rng, count, 750.0)
    label = rng.choice([0.0, 1.0, 0.5, 1e-9], score.shape)
    share = np.concatenate((rng.uniform(0, 1, 2 * count), 10.0 ** rng.uniform(-300, 0, 2 * count)))
    share_too = rng.permutation(share)
    return [
        unary(
            "sigmoid",
            slope,
            745,
            named(torch="torch.sigmoid", jax="nn.sigmoid", autograd="special.expit"),
        ),
        unary(
            "tanh",
            lambda x: 1 / mp.cosh(x) ** 2,
            372,
            named(torch="torch.tanh", jax="np.tanh", autograd="np.tanh"),
        ),
        unary(
            "softplus",
            sigmoid,
            745,
            {
                "torch": lambda m, x: m.F.softplus(x),
                "jax": lambda m, x: m.nn.softplus(x),
                "autograd": lambda m, x: m.np.logaddexp(0.0, x),
            },
        ),
        unary(
            "logsigmoid",
            lambda x: sigmoid(-x),
            745,
            {
                "torch": lambda m, x: m.F.logsigmoid(x),
                "jax": lambda m, x: m.nn.log_sigmoid(x),
                "autograd": lambda m, x: -m.np.logaddexp(0.0, -x),
            },
        ),
        unary(
            "gelu",
            gelu_slope,
            38,
            {
                "torch": lambda m, x: m.F.gelu(x),
                "jax": lambda m, x: m.nn.gelu(x, approximate=False),
                "autograd": lambda m, x: x * 0.5 * m.special.erfc(-x / math.sqrt(2)),
            },
        ),
        unary(
            "gelu (tanh)",
            gelu_tanh_slope,
            22,
            {
                "torch": lambda m, x: m.F.gelu(x, approximate="tanh"),
                "jax": lambda m, x: m.nn.gelu(x, approximate=True),
            },
            "gelu(x, approximate=tanh)",
        ),
        unary(
            "silu",
            lambda x: sigmoid(x) + x * slope(x),
            745,
            {
                "torch": lambda m, x: m.F.silu(x),
                "jax": lambda m, x: m.nn.silu(x),
                "autograd": lambda m, x: x * m.special.expit(x),
            },
        ),
        unary(
            "mish",
            mish_slope,
            745,
            {
                "torch": lambda m, x: m.F.mish(x),
                "jax": lambda m, x: m.nn.mish(x),
                "autograd": lambda m, x: x * m.np.tanh(m.np.logaddexp(0.0, x)),
            },
        ),
        unary(
            "softsign",
            lambda x: 1 / (1 + abs(x)) ** 2,
            100,
            {
                "torch": lambda m, x: m.F.softsign(x),
                "jax": lambda m, x: m.nn.soft_sign(x),
                "autograd": lambda m, x: x / (1 + abs(x)),
            },
        ),
        unary(
            "erf",
            lambda x: 2 / mp.sqrt(mp.pi) * mp.exp(-x * x),
            27,
            named(torch="torch.erf", jax="special.erf", autograd="special.erf"),
        ),
        unary(
            "erfc",
            lambda x: -2 / mp.sqrt(mp.pi) * mp.exp(-x * x),
            27,
            named(torch="torch.erfc", jax="special.erfc", autograd="special.erfc"),
        ),
        unary(
            "atan",
            lambda x: 1 / (1 + x * x),
            1e3,
            named(torch="torch.atan", jax="np.arctan", autograd="np.arctan"),
        ),
        unary(
            "asinh",
            lambda x: 1 / mp.sqrt(1 + x * x),
            1e3,
            named(torch="torch.asinh", jax="np.arcsinh", autograd="np.arcsinh"),
        ),
        unary("cbrt", lambda x: 1 / (3 * mp.cbrt(x * x)), 1e3, {"jax": lambda m, x: m.np.cbrt(x)}),
        unary(
            "sin",
            mp.cos,
            1e3,
            named(torch="torch.sin", jax="np.sin", autograd="np.sin"),
        ),
        Problem(
            "expm1",
            "expm1(x)",
            over("x", np.concatenate((both_signs(sizes(rng, count)[:-1]), rng.uniform(-745, 709, count)))),
            by_x(mp.exp),
            named(torch="torch.expm1", jax="np.expm1", autograd="np.expm1"),
        ),
        Problem(
            "log1p",
            "log1p(x)",
            over("x", above),
            by_x(lambda x: 1 / (1 + x)),
            named(torch="torch.log1p", jax="np.log1p", autograd="np.log1p"),
        ),
        Problem(
            "sqrt",
            "sqrt(x)",
            over("x", positive),
            by_x(lambda x: 1 / (2 * mp.sqrt(x))),
            named(torch="torch.sqrt", jax="np.sqrt", autograd="np.sqrt"),
        ),
        Problem(
            "asin",
            "asin(x)",
            over("x", inside),
            by_x(lambda x: 1 / mp.sqrt(1 - x * x)),
            named(torch="torch.asin", jax="np.arcsin", autograd="np.arcsin"),
        ),
        Problem(
            "lgamma",
            "lgamma(x)",
            over("x", np.concatenate((10.0 ** rng.uniform(-300, 300, count), rng.uniform(0, 30, count)))),
            by_x(lambda x: mp.digamma(x) if x < 1e50 else mp.log(x) - 1 / (2 * x)),
            named(torch="torch.lgamma", jax="special.gammaln", autograd="special.gammaln"),
        ),
        Problem(
            "divide",
            "x/y",
            pairs("xy", size, other),
            lambda x, y: {"x": 1 / y, "y": -x / (y * y)},
            {library: lambda m, x, y: x / y for library in LIBRARIES},
        ),
        Problem(
            "atan2",
            "atan2(y,x)",
            pairs("yx", size, other),
            lambda y, x: {"y": x / (x * x + y * y), "x": -y / (x * x + y * y)},
            named(torch="torch.atan2", jax="np.arctan2", autograd="np.arctan2"),
        ),
        Problem(
            "hypot",
            "hypot(x,y)",
            pairs("xy", size, other),
            lambda x, y: {"x": x / mp.sqrt(x * x + y * y), "y": y / mp.sqrt(x * x + y * y)},
            {
                "torch": lambda m, x, y: m.torch.hypot(x, y),
                "jax": lambda m, x, y: m.np.hypot(x, y),
                "autograd": lambda m, x, y: m.np.sqrt(x * x + y * y),
            },
        ),
        Problem(
            "bce_with_logits",
            "bce_with_logits(z, g)",
            [{"z": z, "g": y} for z, y in zip(score.tolist(), label.tolist(), strict=True)],
            lambda z, g: {"z": sigmoid(z) - g},
            {
                "torch": lambda m, z, y: m.F.binary_cross_entropy_with_logits(z, y),
                "jax": lambda m, z, y: m.nn.softplus(z) - y * z,
                "autograd": lambda m, z, y: m.np.logaddexp(0.0, z) - y * z,
            },
        ),
        Problem(
            "kl_div",
            "kl_div(p, q)",
            pairs("pq", share, share_too),
            lambda p, q: {"p": mp.log(p / q) + 1, "q": -p / q},
            {library: lambda m, p, q: p * m.log(p / q) for library in LIBRARIES},
        ),
        Problem(
            "softmax",
            "sum(g*softmax(x))",
            weighted(rng, logits(rng, 2 * count)),
            softmax_vjp,
            {
                "torch": lambda m, x, g: (g * m.F.softmax(x, -1)).sum(),
                "jax": lambda m, x, g: (g * m.nn.softmax(x)).sum(),
                "autograd": lambda m, x, g: m.np.sum(g * m.np.exp(x - m.special.logsumexp(x))),
            },
        ),
        Problem(
            "log_softmax",
            "sum(g*log_softmax(x))",
            weighted(rng, logits(rng, 2 * count)),
            log_softmax_vjp,
            {
                "torch": lambda m, x, g: (g * m.F.log_softmax(x, -1)).sum(),
                "jax": lambda m, x, g: (g * m.nn.log_softmax(x)).sum(),
                "autograd": lambda m, x, g: m.np.sum(g * (x - m.special.logsumexp(x))),
            },
        ),
        Problem(
            "logsumexp",
            "logsumexp(x)",
            [{"x": row} for row in logits(rng, 2 * count)],
            lambda x: {"x": shares(x)},
            {
                "torch": lambda m, x: m.torch.logsumexp(x, -1),
                "jax": lambda m, x: m.special.logsumexp(x),
                "autograd": lambda m, x: m.special.logsumexp(x),
            },
        ),
        Problem(
            "cross_entropy",
            "cross_entropy(x, g)",
            [{"x": row, "g": float(rng.integers(len(row)))} for row in logits(rng, 2 * count)],
            cross_entropy_gradient,
            {
                "torch": lambda m, x, g: m.F.cross_entropy(x[None], g.long()[None]),
                "jax": lambda m, x, g: -m.nn.log_softmax(x)[int(g)],
                "autograd": lambda m, x, g: m.special.logsumexp(x) - x[int(g)],
            },
        ),
        Problem(
            "norm",
            "norm(x)",
            [{"x": row} for row in vectors(rng, 2 * count)],
            lambda x: {"x": [v / length(x) for v in x]},
            named(torch="torch.linalg.vector_norm", jax="np.linalg.norm", autograd="np.linalg.norm"),
        ),
        Problem(
            "std",
            "std(x)",
            [{"x": row} for row in vectors(rng, 2 * count)],
            std_gradient,
            {
                "torch": lambda m, x: m.torch.std(x, correction=0),
                "jax": lambda m, x: m.np.std(x),
                "autograd": lambda m, x: m.np.std(x),
            },
        ),
        Problem(
            "prod",
            "prod(x)",
            [{"x": row} for row in vectors(rng, 2 * count)],
            lambda x: {"x": others_of(x)},
            named(torch="torch.prod", jax="np.prod", autograd="np.prod"),
        ),
    ]


# Measuring ---------------------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What was found over the points of one problem. Errors are in units in the last place."""

    measured: int = 0
    worst: float = 0.0
    above: int = 0
    lost: int = 0
    tiny: float = 0.0
    ill: int = 0
    place: str = ""

    def row(self) -> str:
        """As it stands in the table."""
        counts = f"{self.measured:9d} {self.ill:5d} {show(self.worst)} {self.above:5d}"
        return f"{counts}  {self.lost:10d} {show(self.tiny)}"

    def join(self, other: Tally) -> None:
        """Count another's as well."""
        self.measured += other.measured
        self.ill += other.ill
        self.worst = max(self.worst, other.worst)
        self.above += other.above
        self.lost += other.lost
        self.tiny = max(self.tiny, other.tiny)

    def add(self, found: Sequence[float], truth: Truth, point: Point) -> None:
        """One point."""
        for i, right in enumerate(truth.entries):
            if truth.ill[i]:
                self.ill += 1
                continue
            self.measured += 1
            value = found[i]
            nearest = float(right)
            if value == nearest:
                error = 0.0
            elif math.isfinite(value) and math.isfinite(nearest):
                error = float(abs(mp.mpf(value) - right) / mp.mpf(math.ulp(nearest)))
            else:
                error = math.inf
            if abs(nearest) < SMALLEST_NORMAL and math.isfinite(error):
                self.tiny = max(self.tiny, error)
                continue
            self.lost += math.isinf(error)
            self.above += error > 100
            if error > self.worst:
                self.worst, self.place = error, f"{value!r} for {nearest!r} at {point}"


@dataclass(frozen=True)
class Truth:
    """The exact gradients at a point, one after the other, and which of them are ill conditioned."""

    entries: list[Any]
    ill: list[bool]


def flat(gradients: Mapping[str, Any]) -> list[Any]:
    return [v for g in gradients.values() for v in (g if isinstance(g, list) else [g])]


def truth_at(problem: Problem, point: Point, limit: float) -> Truth:
    """What is right, with the condition of each gradient: by how many units in its last place it moves, all changes
    taken together, when each input moves by one unit."""
    numbers = {name: [mp.mpf(v) for v in x] if isinstance(x, list) else mp.mpf(x) for name, x in point.items()}
    entries = flat(problem.exact(**numbers))
    moves = [mp.mpf(0)] * len(entries)
    step = mp.mpf(10) ** -330
    for name in problem.wrt:
        value = numbers[name]
        for i in range(len(value)) if isinstance(value, list) else (None,):
            moved = value * (1 + step) if i is None else [v * (1 + step * (j == i)) for j, v in enumerate(value)]
            after = flat(problem.exact(**{**numbers, name: moved}))
            moves = [m + abs(b - a) / step for m, a, b in zip(moves, entries, after, strict=True)]
    # What is zero in float64, and would be a little beside, is well conditioned too.
    return Truth(
        entries,
        [
            m > limit * abs(v) and max(m * EPSILON, abs(v)) > mp.mpf(2) ** -1075
            for v, m in zip(entries, moves, strict=True)
        ],
    )


Measure = Callable[[Problem], Iterator[list[float]]]
"""The gradients of a problem, point by point, each as one row of numbers."""


def gradtool_one_by_one(problem: Problem) -> Iterator[list[float]]:
    graph = gradtool.parse(problem.program)
    for point in problem.points:
        _, found = gradtool.value_and_gradient(graph, point, wrt=problem.wrt)
        yield [float(v) for name in problem.wrt for v in np.ravel(found[name])]


def gradtool_at_once(problem: Problem) -> Iterator[list[float]]:
    """All points as one array: other code runs there, NumPy's own included. Problems about rows go one by one."""
    if any(isinstance(x, list) for x in problem.points[0].values()):
        yield from gradtool_one_by_one(problem)
        return
    program = (
        problem.program.replace(")", ", reduction=none)") if "_with_logits" in problem.program else problem.program
    )
    repeats = 1 + 1000 // len(problem.points)  # SciPy takes over from 1000 entries on.
    inputs = {name: [p[name] for p in problem.points] * repeats for name in problem.points[0]}
    _, found = gradtool.value_and_gradient(gradtool.parse(f"sum({program})"), inputs, wrt=problem.wrt)
    for i in range(len(problem.points)):
        yield [float(found[name][i]) for name in problem.wrt]


class Modules:
    """The modules of a library under short names; ``log`` is its logarithm."""

    def __init__(self, **names: str) -> None:
        self.modules = {short: importlib.import_module(name) for short, name in names.items()}

    def __getattr__(self, name: str) -> Any:
        if name == "log":
            return (self.modules.get("torch") or self.modules["np"]).log
        return self.modules[name]


def torch_measure() -> Measure:
    m = Modules(torch="torch", F="torch.nn.functional")

    def measure(problem: Problem) -> Iterator[list[float]]:
        for point in problem.points:
            yield one(problem, point)

    def one(problem: Problem, point: Point) -> list[float]:
        inputs = {
            name: m.torch.tensor(x, dtype=m.torch.float64, requires_grad=name != "g") for name, x in point.items()
        }
        problem.others["torch"](m, *inputs.values()).backward()
        return [float(v) for name in problem.wrt for v in inputs[name].grad.reshape(-1)]

    return measure


def jax_measure() -> Measure:
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    m = Modules(np="jax.numpy", nn="jax.nn", special="jax.scipy.special")
    return _functional(m, "jax", lambda f, i: jax.grad(f, argnums=i), m.np.asarray)


def autograd_measure() -> Measure:
    autograd = importlib.import_module("autograd")
    m = Modules(np="autograd.numpy", special="autograd.scipy.special")
    return _functional(m, "autograd", lambda f, i: autograd.grad(f, i), np.asarray)


def _functional(m: Any, library: str, grad: Callable[..., Any], convert: Callable[[Any], Any]) -> Measure:
    def measure(problem: Problem) -> Iterator[list[float]]:
        for point in problem.points:
            yield one(problem, point)

    def one(problem: Problem, point: Point) -> list[float]:
        function = problem.others[library]
        inputs = [convert(x) if name != "g" or isinstance(x, list) else x for name, x in point.items()]
        with np.errstate(all="ignore"):
            return [
                float(v)
                for i, name in enumerate(point)
                if name != "g"
                for v in np.ravel(grad(lambda *a: function(m, *a), i)(*inputs))
            ]

    return measure


MEASURES: Mapping[str, Callable[[], Measure]] = {
    "gradtool": lambda: gradtool_one_by_one,
    "gradtool, arrays": lambda: gradtool_at_once,
    "torch": torch_measure,
    "jax": jax_measure,
    "autograd": autograd_measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--points", type=int, default=30, help="sets the number of points an operation (four times this)"
    )
    parser.add_argument("--condition", type=float, default=1e4, help="ill conditioned is what has a larger condition")
    parser.add_argument("--only", help="comma-separated names of operations")
    parser.add_argument("--where", action="store_true", help="print the worst point of every operation")
    given = parser.parse_args()
    names = ["gradtool", "gradtool, arrays"]
    for library in LIBRARIES:
        if importlib.util.find_spec(library) is None:
            print(f"{library} is not installed")
        else:
            names.append(library)
    measures = {name: MEASURES[name]() for name in names}
    wanted = [p for p in problems(given.points) if not given.only or p.name in given.only.split(",")]
    print(HEAD)
    totals = {name: Tally() for name in names}
    points = 0
    with mp.workdps(DIGITS):
        for problem in wanted:
            truths = [truth_at(problem, point, given.condition) for point in problem.points]
            points += len(truths)
            for name, measure in measures.items():
                if name in LIBRARIES and name not in problem.others:
                    continue
                tally = Tally()
                for point, truth, found in zip(problem.points, truths, measure(problem), strict=True):
                    tally.add(found, truth, point)
                print(f"{problem.name:16s} {name:17s} {tally.row()}", flush=True)
                if given.where and tally.worst > 0:
                    print(f"    {tally.place}")
                totals[name].join(tally)
    print()
    for name, total in totals.items():
        print(f"{'together':16s} {name:17s} {total.row()}")
    print(f"\n{points} points over {len(wanted)} operations")


HEAD = f"{'operation':16s} {'library':17s} gradients   ill  worst ulp  >100  not finite       tiny"


def show(error: float) -> str:
    return f"{error:10.1f}" if error < 1e5 else f"{error:10.1e}"


if __name__ == "__main__":
    main()
