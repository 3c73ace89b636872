"""Random right backward passes, written as people write them, and how many of them ``gradtool.check`` calls OK.

Each program is plain NumPy: a chain of textbook operations with textbook derivative rules, several inputs, broadcasting,
reductions, products of matrices, kinks, at points of any magnitude, on ties, in single precision, beside large offsets. What is
called WRONG though the gradient is right is a false alarm, the worst thing that the checker can do.

What is right is proven for each program that is called WRONG: the same forward runs with 1,000 digits, and the slopes on both
sides of the point, over steps of 1e-450, are the truth. A finding is true only where the gradient in question lies outside of
these slopes and of those of points all around, and the checker's own reference does not. Its kind is told by running the same
backward with 1,000 digits: the slope comes out where digits were lost; where it does not, the rules themselves are no derivative
there: conventions of several operations that are at a kink at once add up to no generalised gradient of the whole
(relu(x) - relu(-x) at 0), or the forward jumps. A kind of its own is a forward that computes something else than the function
that is written there, with an output that has not two right digits (sin(1e8 + x) in single precision). All else is a false alarm.
With ``--plant`` a fault is planted in each program, to show that the checker is not soft.
"""

from __future__ import annotations

import argparse
import collections
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import mpmath
import numpy as np

import gradtool

FAULTS = ("sign", "factor 1.001", "factor 1+1e-5", "one entry", "single precision", "dropped path")
SHAPES = ((), (3,), (4,), (2, 3), (3, 1), (1, 4), (3, 4), (4, 2), (2, 2, 3))
RIGHT, RIGHT_SINGLE = 1e-9, 1e-2
"""How near to the truth a gradient is right, as a share of its largest entry."""
STEP, BESIDE, AROUND = "1e-450", "1e-350", 24
"""The step of slopes with many digits; how far beside the point others are taken, and how many."""
Array = Any


def _many_digits() -> Any:
    """Numbers of 1,000 digits that NumPy's functions take in arrays of objects: these call a method of the function's name.
    Outside of a function's domain they are NaN."""
    context = mpmath.mp.clone()
    context.dps = 1000

    def real(function: Callable[..., Any]) -> Callable[..., Any]:
        def method(*numbers: Any) -> Any:
            try:
                found = function(*numbers)
            except ZeroDivisionError:
                return context.inf * numbers[0]
            except ValueError:
                return context.nan
            return found if isinstance(found, context.mpf) else context.nan

        return method

    number = context.mpf
    for name in ("exp", "log", "log1p", "sqrt", "tanh", "sin", "cos", "hypot"):
        setattr(number, name, real(getattr(context, name)))
    number.arctan = real(context.atan)
    number.__truediv__ = real(number.__truediv__)
    number.__rtruediv__ = lambda below, above: context.mpf(above) / below
    return context


MANY = _many_digits()


class Rule(NamedTuple):
    """An operation: forward of its arguments, and backward of ``(upstream, output, *arguments)``, one gradient an argument."""

    forward: Callable[..., Array]
    backward: Callable[..., tuple[Array, ...]]
    arguments: int = 1
    fits: Callable[..., bool] = lambda *shapes: True


def summed(gradient: Array, shape: tuple[int, ...]) -> Array:
    """A gradient summed over what was broadcast."""
    gradient = np.asarray(gradient)
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and gradient.shape[i] != 1)
    return gradient.sum(axis=axes, keepdims=True) if axes else gradient


def pair(forward: Callable[..., Array], backward: Callable[..., tuple[Array, Array]]) -> Rule:
    """An elementwise operation of two arguments that broadcast."""

    def both(u: Array, out: Array, x: Array, y: Array) -> tuple[Array, ...]:
        dx, dy = backward(u, out, x, y)
        return summed(dx, np.shape(x)), summed(dy, np.shape(y))

    return Rule(forward, both, 2, _broadcasts)


def _broadcasts(*shapes: tuple[int, ...]) -> bool:
    try:
        return len(np.broadcast_shapes(*shapes)) <= 3
    except ValueError:
        return False


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_backward(u: Array, s: Array, x: Array) -> tuple[Array]:
    return (s * (u - (u * s).sum(axis=-1, keepdims=True)),)


def logsumexp(x: Array) -> Array:
    top = x.max(axis=-1, keepdims=True)
    return (top + np.log(np.exp(x - top).sum(axis=-1, keepdims=True)))[..., 0]


def layernorm(x: Array) -> Array:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)


def layernorm_backward(u: Array, y: Array, x: Array) -> tuple[Array]:
    s = np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return ((u - u.mean(-1, keepdims=True) - y * (u * y).mean(-1, keepdims=True)) / s,)


def max_first(u: Array, out: Array, x: Array) -> tuple[Array]:
    dx = np.zeros_like(x)
    np.put_along_axis(dx, x.argmax(-1)[..., None], u[..., None], -1)
    return (dx,)


def max_shared(u: Array, out: Array, x: Array) -> tuple[Array]:
    tied = x == out[..., None]
    return (u[..., None] * tied / tied.sum(-1, keepdims=True),)


def sort_backward(u: Array, out: Array, x: Array) -> tuple[Array]:
    dx = np.zeros_like(x)
    np.put_along_axis(dx, x.argsort(-1, kind="stable"), u, -1)
    return (dx,)


def pool(x: Array) -> Array:
    return x[..., : x.shape[-1] // 2 * 2].reshape(*x.shape[:-1], -1, 2).max(-1)


def pool_backward(u: Array, out: Array, x: Array) -> tuple[Array]:
    dx = np.zeros_like(x)
    for k in range(out.shape[-1]):
        pairs = x[..., 2 * k : 2 * k + 2]
        first = pairs[..., 0] >= pairs[..., 1]
        dx[..., 2 * k], dx[..., 2 * k + 1] = u[..., k] * first, u[..., k] * ~first
    return (dx,)


def norm_backward(u: Array, out: Array, x: Array) -> tuple[Array]:
    return (u[..., None] * np.divide(x, out[..., None], out=np.zeros_like(x), where=out[..., None] > 0),)


def std_backward(u: Array, out: Array, x: Array) -> tuple[Array]:
    return (u[..., None] / out[..., None] * (x - x.mean(-1, keepdims=True)) / x.shape[-1],)


def gelu(x: Array) -> Array:
    return 0.5 * x * (1 + np.tanh(0.79788456 * (x + 0.044715 * x**3)))


def gelu_backward(u: Array, out: Array, x: Array) -> tuple[Array]:
    t = np.tanh(0.79788456 * (x + 0.044715 * x**3))
    return (u * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * 0.79788456 * (1 + 3 * 0.044715 * x * x)),)


def _has_axis(shape: tuple[int, ...]) -> bool:
    return len(shape) > 0


def _multiplies(x: tuple[int, ...], w: tuple[int, ...]) -> bool:
    return len(x) == 2 and len(w) == 2 and x[1] == w[0]


RULES: dict[str, Rule] = {
    "exp": Rule(np.exp, lambda u, y, x: (u * y,)),
    "log": Rule(np.log, lambda u, y, x: (u / x,)),
    "log1p": Rule(np.log1p, lambda u, y, x: (u / (1 + x),)),
    "sqrt": Rule(np.sqrt, lambda u, y, x: (u / (2 * y),)),
    "tanh": Rule(np.tanh, lambda u, y, x: (u * (1 - y * y),)),
    "sigmoid": Rule(sigmoid, lambda u, y, x: (u * y * (1 - y),)),
    "softplus": Rule(lambda x: np.log(1 + np.exp(x)), lambda u, y, x: (u / (1 + np.exp(-x)),)),
    "swish": Rule(lambda x: x * sigmoid(x), lambda u, y, x: (u * (y + sigmoid(x) * (1 - y)),)),
    "gelu": Rule(gelu, gelu_backward),
    "sin": Rule(np.sin, lambda u, y, x: (u * np.cos(x),)),
    "fast sin": Rule(lambda x: np.sin(50 * x), lambda u, y, x: (50 * u * np.cos(50 * x),)),
    "offset sin": Rule(lambda x: 1e8 + np.sin(x), lambda u, y, x: (u * np.cos(x),)),
    "square": Rule(lambda x: x**2, lambda u, y, x: (2 * u * x,)),
    "cube": Rule(lambda x: x**3, lambda u, y, x: (3 * u * x**2,)),
    "inverse": Rule(lambda x: 1 / x, lambda u, y, x: (-u * y * y,)),
    "arctan": Rule(np.arctan, lambda u, y, x: (u / (1 + x * x),)),
    "relu": Rule(lambda x: np.maximum(x, 0), lambda u, y, x: (u * (x > 0),)),
    "leaky": Rule(lambda x: np.where(x > 0, x, 0.1 * x), lambda u, y, x: (u * np.where(x > 0, 1.0, 0.1),)),
    "elu": Rule(lambda x: np.where(x > 0, x, np.exp(np.minimum(x, 0 * x)) - 1),
                lambda u, y, x: (u * np.where(x > 0, 1.0, np.exp(np.minimum(x, 0 * x))),)),
    "abs": Rule(np.abs, lambda u, y, x: (u * np.sign(x),)),
    "clip": Rule(lambda x: np.clip(x, -1, 1), lambda u, y, x: (u * ((x >= -1) & (x <= 1)),)),
    "huber": Rule(lambda x: np.where(np.abs(x) < 1, x * x / 2, np.abs(x) - 0.5), lambda u, y, x: (u * np.clip(x, -1, 1),)),
    "add": pair(lambda x, y: x + y, lambda u, o, x, y: (u, u)),
    "subtract": pair(lambda x, y: x - y, lambda u, o, x, y: (u, -u)),
    "multiply": pair(lambda x, y: x * y, lambda u, o, x, y: (u * y, u * x)),
    "divide": pair(lambda x, y: x / y, lambda u, o, x, y: (u / y, -u * x / y**2)),
    "maximum": pair(np.maximum, lambda u, o, x, y: (u * (x >= y), u * (x < y))),
    "where": pair(lambda x, y: np.where(x > 0, x * y, y),
                  lambda u, o, x, y: (u * np.where(x > 0, y, 0), u * np.where(x > 0, x, 1))),
    "hypot": pair(np.hypot, lambda u, o, x, y: (u * x / o, u * y / o)),
    "sum": Rule(lambda x: x.sum(-1), lambda u, y, x: (u[..., None] * np.ones_like(x),), 1, _has_axis),
    "mean": Rule(lambda x: x.mean(-1), lambda u, y, x: (u[..., None] * np.ones_like(x) / x.shape[-1],), 1, _has_axis),
    "sum 0": Rule(lambda x: x.sum(0), lambda u, y, x: (u * np.ones_like(x),), 1, _has_axis),
    "max": Rule(lambda x: x.max(-1), max_first, 1, _has_axis),
    "max shared": Rule(lambda x: x.max(-1), max_shared, 1, _has_axis),
    "norm": Rule(lambda x: np.sqrt((x * x).sum(-1)), norm_backward, 1, _has_axis),
    "std": Rule(lambda x: x.std(-1), std_backward, 1, lambda s: len(s) > 0 and s[-1] > 1),
    "logsumexp": Rule(logsumexp, lambda u, y, x: (u[..., None] * softmax(x),), 1, _has_axis),
    "softmax": Rule(softmax, softmax_backward, 1, _has_axis),
    "layernorm": Rule(layernorm, layernorm_backward, 1, _has_axis),
    "sort": Rule(lambda x: np.sort(x, -1), sort_backward, 1, _has_axis),
    "cumsum": Rule(lambda x: np.cumsum(x, -1), lambda u, y, x: (np.cumsum(u[..., ::-1], -1)[..., ::-1],), 1, _has_axis),
    "pool": Rule(pool, pool_backward, 1, lambda s: len(s) > 0 and s[-1] > 1),
    "transpose": Rule(np.transpose, lambda u, y, x: (np.transpose(u),)),
    "matmul": Rule(lambda x, w: x @ w, lambda u, y, x, w: (u @ w.T, x.T @ u), 2, _multiplies),
}  # fmt: skip


def _neighbours(x: Array) -> bool:
    return x.ndim > 0 and bool((np.diff(np.sort(x, -1), axis=-1) == 0).any())


TIED: dict[str, Callable[..., Any]] = {
    "relu": lambda x: x == 0, "leaky": lambda x: x == 0, "elu": lambda x: x == 0, "abs": lambda x: x == 0,
    "clip": lambda x: np.abs(x) == 1, "huber": lambda x: np.abs(x) == 1, "where": lambda x, y: x == 0,
    "maximum": lambda x, y: x == y, "max": _neighbours, "max shared": _neighbours, "sort": _neighbours, "pool": _neighbours,
    "norm": lambda x: ~x.any(-1), "std": lambda x: np.ptp(x, -1) == 0, "hypot": lambda x, y: (x == 0) & (y == 0),
}  # fmt: skip
"""Where an operation is at a kink."""


class Step(NamedTuple):
    """One operation of a program: what it is, and where its arguments stand."""

    rule: str
    arguments: tuple[int, ...]


@dataclass
class Program:
    """Inputs and steps; the output is the last step's. ``dtype`` is what the code computes in."""

    inputs: list[Array]
    steps: list[Step] = field(default_factory=list)
    dtype: Any = np.float64
    dropped: tuple[int, int] | None = None
    """A step and an argument of it whose gradient backward forgets."""

    def values(self, inputs: tuple[Array, ...]) -> list[Array]:
        """All values, in order."""
        found = [
            np.asarray(x) if np.asarray(x).dtype in (np.longdouble, object) else np.asarray(x, dtype=self.dtype)
            for x in inputs
        ]
        for step in self.steps:
            value = np.asarray(RULES[step.rule].forward(*(found[a] for a in step.arguments)))
            found.append(many(value) if value.dtype == object else value)
        return found

    def forward(self, *inputs: Array) -> Array:
        return self.values(inputs)[-1]

    def backward(self, upstream: Array, *inputs: Array) -> list[Array]:
        values = self.values(inputs)
        gradients: list[Any] = [np.zeros_like(v) for v in values]
        gradients[-1] = upstream
        for k in reversed(range(len(self.steps))):
            rule, arguments = self.steps[k]
            place = len(inputs) + k
            parts = RULES[rule].backward(gradients[place], values[place], *(values[a] for a in arguments))
            for i, (a, part) in enumerate(zip(arguments, parts, strict=True)):
                if self.dropped != (k, i):
                    total = gradients[a] + part
                    gradients[a] = many(total) if values[a].dtype == object else total
        return gradients[: len(inputs)]

    def kinks(self, inputs: list[Array]) -> int:
        """How many steps are at a kink there."""
        values = self.values(tuple(inputs))
        tied = [TIED[s.rule](*(values[a] for a in s.arguments)) for s in self.steps if s.rule in TIED]
        return sum(bool(np.any(t)) for t in tied)

    def text(self) -> str:
        """The program as it can be read."""
        n = len(self.inputs)
        lines = [f"x{i} = {np.asarray(x).tolist()}" for i, x in enumerate(self.inputs)]
        lines += [f"x{n + k} = {s.rule}({', '.join(f'x{a}' for a in s.arguments)})" for k, s in enumerate(self.steps)]
        return f"{np.dtype(self.dtype)}\n      " + "\n      ".join(lines)


def random_program(seed: int, number: int) -> Program:
    """Program ``number`` of the series ``seed``: its forward is finite."""
    rng = np.random.default_rng([seed, number])
    while True:
        program = _written(rng)
        with np.errstate(all="ignore"):
            if program.steps and np.isfinite(program.forward(*program.inputs)).all():
                return program


def _written(rng: np.random.Generator) -> Program:
    style = str(rng.choice(["ordinary", "any magnitude", "ties", "own scales"], p=[0.5, 0.2, 0.2, 0.1]))
    inputs = [_numbers(rng, SHAPES[rng.integers(len(SHAPES))], style) for _ in range(rng.integers(1, 4))]
    program = Program(inputs, dtype=np.float32 if rng.random() < 0.1 else np.float64)
    if program.dtype == np.float32:
        program.inputs = [np.asarray(x, dtype=np.float32) for x in inputs]
    unused = set(range(len(inputs)))
    with np.errstate(all="ignore"):
        for _ in range(int(rng.integers(1, 8))):
            _add(program, rng, unused)
        while len(unused) > 1:
            if not _join(program, rng, unused):
                break
    return program


def _numbers(rng: np.random.Generator, shape: tuple[int, ...], style: str) -> Array:
    drawn = rng.standard_normal(shape)
    if style == "any magnitude":
        drawn = np.sign(drawn) * 10.0 ** rng.uniform(-8, 8, size=shape)
    elif style == "own scales":
        drawn = drawn * 10.0 ** rng.uniform(-8, 8)
    elif style == "ties":
        drawn = np.round(2 * drawn) / 2
    if rng.random() < 0.3:
        drawn = np.abs(drawn)
    return np.asarray(drawn)


def _add(program: Program, rng: np.random.Generator, unused: set[int]) -> None:
    values = program.values(tuple(program.inputs))
    name = str(rng.choice(list(RULES)))
    rule = RULES[name]
    arguments = tuple(
        int(rng.choice(sorted(unused))) if unused and rng.random() < 0.7 else int(rng.integers(len(values)))
        for _ in range(rule.arguments)
    )
    _take(program, Step(name, arguments), unused)


def _join(program: Program, rng: np.random.Generator, unused: set[int]) -> bool:
    """One step that takes two values that nothing uses: so that every input has a path to the output."""
    values = program.values(tuple(program.inputs))
    first, second = (int(k) for k in rng.permutation(sorted(unused))[:2])
    for k in (first, second):
        if values[k].ndim and not _broadcasts(values[first].shape, values[second].shape):
            _take(program, Step("sum", (k,)), unused)
            return True
    return _take(program, Step(str(rng.choice(["add", "subtract", "multiply"])), (first, second)), unused)


def _take(program: Program, step: Step, unused: set[int]) -> bool:
    """Add a step, if it fits and its value is finite."""
    values = program.values(tuple(program.inputs))
    arguments = [values[a] for a in step.arguments]
    if not RULES[step.rule].fits(*(a.shape for a in arguments)):
        return False
    if not np.isfinite(RULES[step.rule].forward(*arguments)).all():
        return False
    program.steps.append(step)
    unused.difference_update(step.arguments)
    unused.add(len(values))
    return True


# What became of them ---------------------------------------------------------------------------------------------------


def exact(program: Program, upstream: Array) -> list[Array]:
    """The gradients in 80-bit arithmetic."""
    wide = [np.asarray(x, dtype=np.longdouble) for x in program.inputs]
    return program.backward(np.asarray(upstream, dtype=np.longdouble), *wide)


def is_right(program: Program, inputs: list[Array]) -> bool:
    """Whether the backward is right there, as far as its own precision goes."""
    there = Program(inputs, program.steps, program.dtype)
    output = there.forward(*inputs)
    for upstream in (np.ones_like(output), np.random.default_rng(0).standard_normal(output.shape).astype(output.dtype)):
        unit = RIGHT if program.dtype == np.float64 else 1e-2
        for mine, truth in zip(there.backward(upstream, *inputs), exact(there, upstream), strict=True):
            scale = float(np.max(np.abs(truth), initial=0.0))
            if not np.max(np.abs(mine - truth), initial=0.0) <= unit * scale:
                return False
    return True


@dataclass
class Proof:
    """The truth about a program at a point: ``sum(upstream * output)`` with 1,000 digits."""

    program: Program
    inputs: list[Array]
    upstream: Array

    def __post_init__(self) -> None:
        self.at, self.weights = [many(x) for x in self.inputs], many(self.upstream)

    def value(self, at: list[Array]) -> Any:
        return np.sum(self.program.forward(*at) * self.weights)

    def sides(self, line: list[Array], at: list[Array]) -> list[Any]:
        """The slopes along a line on both sides of a point, whatever the value at the very point is."""
        step = MANY.mpf(STEP)
        near = [self.value([x + k * step * d for x, d in zip(at, line, strict=True)]) for k in (-2, -1, 1, 2)]
        return [(near[1] - near[0]) / step, (near[3] - near[2]) / step]

    def slopes(self, line: list[Array]) -> tuple[Any, Any]:
        """The least and the largest slope along a line, here and all around."""
        rng = np.random.default_rng(0)
        found = self.sides(line, self.at)
        for _ in range(AROUND):
            moved = [many(rng.standard_normal(x.shape)) * MANY.mpf(BESIDE) for x in self.at]
            found += self.sides(line, [x + d * _own(x) for x, d in zip(self.at, moved, strict=True)])
        inside = [slope for slope in found if not MANY.isnan(slope)] or [MANY.nan]
        return min(inside), max(inside)

    def forward_lost_its_digits(self, line: list[Array]) -> bool:
        """Whether an output that changes along a line has not two digits that are right: sin(1e8 + x) in single precision. Its
        slopes, or that it has none, are then no word on the derivative."""
        exact = many(self.program.forward(*self.at))
        beside = self.program.forward(*(x + MANY.mpf(STEP) * d for x, d in zip(self.at, line, strict=True)))
        apart = np.abs(many(self.program.forward(*self.inputs)) - exact)
        right = apart <= RIGHT_SINGLE * np.abs(exact)  # NaN, where rounding alone keeps forward in its domain, is none.
        return bool(np.any(np.logical_not(right) & (beside != exact)))

    def jumps(self, line: list[Array]) -> bool:
        """Whether the value at the very point is none that its neighbours lead to."""
        step = MANY.mpf(STEP)
        here, beside = (self.value([x + k * step * d for x, d in zip(self.at, line, strict=True)]) for k in (0, 1))
        other = self.value([x - step * d for x, d in zip(self.at, line, strict=True)])
        return bool(max(abs(beside - here), abs(other - here)) > MANY.mpf("1e-250"))

    def scale(self, which: int) -> Any:
        """The largest slope along any entry of an input, else of all."""
        for inputs in ([which], range(len(self.at))):
            sides = [self.sides(self.entry(k, i), self.at) for k in inputs for i in np.ndindex(self.at[k].shape)]
            size = max((abs(slope) for pair in sides for slope in pair), default=MANY.mpf(0))
            if size > 0:
                break
        return size

    def entry(self, which: int, index: tuple[int, ...]) -> list[Array]:
        """The line that moves one entry."""
        line = [many(np.zeros(x.shape)) for x in self.at]
        line[which][index] = MANY.mpf(1)
        return line

    def lines(self, which: int, index: tuple[int, ...]) -> Iterator[list[Array]]:
        """Lines that move an entry: alone, and with another of any input up or down."""
        yield self.entry(which, index)
        for k, x in enumerate(self.at):
            for other in np.ndindex(x.shape):
                for sign in (1, -1) if (k, other) != (which, index) else ():
                    line = self.entry(which, index)
                    line[k][other] = MANY.mpf(sign)
                    yield line

    def finding(self, which: int, claim: list[Array], worst: Any) -> str:
        """What kind of finding it is that an entry of this claim is wrong."""
        index, scale = worst.index, self.scale(which)
        unit = (RIGHT if self.program.dtype == np.float64 else RIGHT_SINGLE) * scale
        low, high = self.slopes(self.entry(which, index))
        error = MANY.mpf(worst.error) if np.isfinite(worst.error) else MANY.inf
        reference = MANY.mpf(worst.reference)
        if not low - error - unit <= reference <= high + error + unit:
            lost = self.forward_lost_its_digits(self.entry(which, index))
            return "WRONG: forward's digits lost, proven" if lost else "WRONG: false alarm (the reference is wrong)"
        if not np.isfinite(claim[which][index]):
            return "WRONG: not finite, proven"
        rules = self.program.backward(self.weights, *self.at)
        for line in self.lines(which, index):
            low, high = self.slopes(line)
            mine, ruled = (along(gradients, line) for gradients in (claim, rules))
            if low - unit <= mine <= high + unit:
                continue
            if low - unit <= ruled <= high + unit:
                return "WRONG: digits lost, proven"
            if self.jumps(line):
                return "WRONG: at a jump, proven"
            return (
                "WRONG: conventions at a kink, proven"
                if self.program.kinks(self.inputs)
                else "CRASH: the rule is wrong"
            )
        return "WRONG: false alarm"


def many(x: Array) -> Array:
    """An array with 1,000 digits."""
    found = np.empty(np.shape(x), dtype=object)
    for i, number in np.ndenumerate(np.asarray(x)):
        found[i] = number if isinstance(number, MANY.mpf) else MANY.mpf(float(number))
    return found


def along(gradients: list[Array], line: list[Array]) -> Any:
    """The slope that gradients promise along a line."""
    return sum(
        (
            g * d
            for gs, ds in zip(gradients, line, strict=True)
            for g, d in zip(many(gs).flat, ds.flat, strict=True)
            if d != 0
        ),
        MANY.mpf(0),
    )


def _own(x: Array) -> Array:
    return np.where(x == 0, MANY.mpf(1), np.abs(x))


def judged(program: Program) -> tuple[str, str]:
    """What the checker makes of a right program."""
    calls: list[tuple[Array, list[Array], list[Array]]] = []

    def backward(upstream: Array, *inputs: Array) -> list[Array]:
        calls.append((np.array(upstream), [np.array(x) for x in inputs], program.backward(upstream, *inputs)))
        return calls[-1][2]

    result = gradtool.check(program.forward, backward, inputs=program.inputs)
    verdict = result.verdict.value
    if verdict in ("OK", "SKIPPED"):
        return verdict, ""
    reasons = "; ".join(
        f"{g.name}: {g.reason} ({g.point.label or g.point.kind})"
        for g in result.gradients
        if g.verdict.value == verdict
    )
    reasons += "; ".join(h.message for h in result.hygiene)
    if verdict == "WRONG":
        found = {
            _proven(program, calls, k, g) for k, g in enumerate(result.gradients) if g.verdict.value == "WRONG"
        } or {"WRONG: false alarm (hygiene)"}
        return min(found, key=lambda kind: ("false" not in kind, kind)), reasons
    return f"{verdict}: {_why_undecided(reasons)}", reasons


def _proven(program: Program, calls: list[tuple[Array, list[Array], list[Array]]], which: int, said: Any) -> str:
    """What kind of finding a WRONG gradient is, by the call of backward that gave it."""
    point, worst = list(said.point.inputs.values()) or program.inputs, said.worst
    for upstream, inputs, gradients in calls:
        there = all(np.array_equal(x, np.asarray(p)) for x, p in zip(inputs, point, strict=True))
        if there and np.array_equal(gradients[which][worst.index], worst.yours, equal_nan=True):
            return Proof(program, inputs, upstream).finding(which, gradients, worst)
    return "WRONG: false alarm (no such gradient)"


def _why_undecided(reasons: str) -> str:
    """The kind of reason that is given."""
    for text, kind in (
        ("up and down", "varies on smaller scales"), ("smooth pieces", "tie or kink"), ("tie or kink", "tie or kink"),
        ("rounds inside", "rounded away"), ("jump", "jump or infinite slope"), ("constant on small scales", "staircase"),
        ("single precision", "rounded away"), ("absorbs", "rounded away"), ("loses its digits", "backward loses its digits"),
        ("on average", "noise"), ("no second method", "no second method"), ("but a second method", "methods differ"),
        ("traced forward gives yours", "methods differ"), ("too wide", "reference too blunt"), ("is nan", "not finite"),
        ("is inf", "not finite"), ("is -inf", "not finite"),
    ):  # fmt: skip
        if text in reasons:
            return kind
    return "other"


def planted(program: Program, rng: np.random.Generator) -> tuple[str, str] | None:
    """A fault planted, and what the checker makes of it; None where it makes no difference worth the name."""
    fault = str(rng.choice(FAULTS))
    which = int(rng.integers(len(program.inputs)))
    if fault == "dropped path":
        k = int(rng.integers(len(program.steps)))
        program.dropped = (k, int(rng.integers(len(program.steps[k].arguments))))
    sound = Program(program.inputs, program.steps, program.dtype)

    def backward(upstream: Array, *inputs: Array) -> list[Array]:
        found = [np.array(g) for g in program.backward(upstream, *inputs)]
        g = found[which]
        if fault == "one entry":
            g.ravel()[g.size // 2] *= 1.01
        elif fault == "single precision":
            found[which] = g.astype(np.float32).astype(g.dtype)
        elif fault != "dropped path":
            found[which] = g * {"sign": -1.0, "factor 1.001": 1.001, "factor 1+1e-5": 1 + 1e-5}[fault]
        return found

    output = program.forward(*program.inputs)
    upstream = np.random.default_rng(1).standard_normal(output.shape).astype(output.dtype)
    right, wrong = sound.backward(upstream, *program.inputs), backward(upstream, *program.inputs)
    least = 1e-9 if fault == "single precision" else 1e-6 if fault == "factor 1+1e-5" else 1e-4
    scale = max(float(np.max(np.abs(g), initial=0.0)) for g in right)
    apart = [float(np.max(np.abs(a - b), initial=0.0)) > least * scale for a, b in zip(right, wrong, strict=True)]
    finite = all(np.isfinite(g).all() for g in [*right, *wrong])
    if (
        not any(apart)
        or not finite
        or not is_right(sound, program.inputs)
        or (program.dtype == np.float32 and least < 1e-4)
    ):
        return None
    result = gradtool.check(program.forward, backward, inputs=program.inputs)
    reasons = "; ".join(str(g.reason) for g in result.gradients)
    return f"{fault}: {result.verdict.value}", reasons


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first program")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plant", action="store_true", help="plant a fault in each program")
    parser.add_argument("--show", default="false alarm|CRASH", help="kinds whose programs are printed, split by |")
    options = parser.parse_args()
    start = time.perf_counter()
    counts: collections.Counter[str] = collections.Counter()
    with np.errstate(all="ignore"):
        for k in range(options.first, options.first + options.count):
            program = random_program(options.seed, k)
            began = time.perf_counter()
            try:
                found = (
                    planted(program, np.random.default_rng([options.seed, k, 1])) if options.plant else judged(program)
                )
            except Exception:
                found = "CRASH", traceback.format_exc()
            if found is None:
                continue
            kind, reasons = found
            counts[kind] += 1
            if any(part and part in kind for part in options.show.split("|")):
                print(f"#{k} {kind} {time.perf_counter() - began:.2f} s {reasons}\n      {program.text()}", flush=True)
            if sys.stderr.isatty() and k % 20 == 0:
                print(
                    f"\r{k + 1 - options.first} of {options.count}, {counts.total()} counted", end="", file=sys.stderr
                )
    print(f"{options.count} programs, {time.perf_counter() - start:.0f} s")
    for kind in sorted(counts):
        print(f"{kind:36s}{counts[kind]:8d}")


if __name__ == "__main__":
    main()
