"""Selections: max, min, clip and where pass one of their arguments on."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from gradtool.ops.elementwise import ANYWHERE, spread
from gradtool.ops.operation import Argument, Array, Case, Function, Kink, Operation, ScalarForm, declare


def _tied_with(out: Any, arguments: tuple[Any, ...]) -> Array:
    """Which arguments equal the output: a boolean array, the arguments along its first axis."""
    return np.stack([np.equal(a, out) for a in arguments])


def _share(i: int) -> Function:
    """1 for the argument selected, 1/k for each of k tied ones, 0 for the others; NaN if one of them is."""
    return lambda out, *arguments: np.divide(
        np.equal(arguments[i], out), sum(np.equal(a, out).astype(np.int64) for a in arguments)
    )


def _shares(out: float, *arguments: float) -> tuple[float, ...]:
    """All of ``_share`` on floats. Raises ``ZeroDivisionError`` at NaN."""
    share = 1.0 / sum([a == out for a in arguments])
    return tuple([share if a == out else 0.0 for a in arguments])


def _random_shares(rng: np.random.Generator, out: Any, *arguments: Any) -> tuple[Any, ...]:
    """At a tie a point of the simplex over the tied arguments, evenly."""
    tied = _tied_with(out, arguments)
    weights = rng.exponential(size=tied.shape) * tied
    return tuple(np.divide(weights, weights.sum(axis=0)))


def _extremum(name: str, alias: str, ufunc: Function, builtin: Function, beyond: Function, word: str) -> Operation:
    """Declare ``max`` or ``min``; ``beyond(a, b)`` says that a is to be preferred to b."""

    def forward(*arguments: Any) -> Any:
        return functools.reduce(ufunc, arguments)

    def on_floats(*arguments: float) -> float:
        for a in arguments:
            if a != a:  # Python's max and min lose NaN
                return a
        return float(builtin(arguments))

    def tied(*arguments: Any) -> Array:
        return np.asarray(_tied_with(forward(*arguments), arguments).sum(axis=0) > 1)

    def piece(*arguments: Any) -> Array:
        """The first argument that is the extremum."""
        best, which = arguments[0], spread(0, *arguments)
        for i, a in enumerate(arguments[1:], 1):
            which = np.where(beyond(a, best), i, which)
            best = ufunc(best, a)
        return which

    return declare(
        Operation(
            name=name, aliases=(alias,), arguments=(Argument("a"), Argument("b")), variadic=True,
            forward=forward, local=_share, formula=f"the {word} of a, b, ...",
            derivative=f"1 for the {word}, else 0 (1/k each where k are tied)", switch=True,
            derivative_range="[0, 1]",
            kinks=(
                Kink(
                    f"two or more are the {word}", "1/k each of k tied", "each >= 0, summing to 1 over the tied ones",
                    tied, _random_shares,
                ),
            ),
            piece=piece, symbolic=lambda S, *arguments: functools.reduce(getattr(S, alias), arguments),
            scalar=ScalarForm(on_floats, _shares), domain=(ANYWHERE, ANYWHERE),
            cases=(Case(((), ()), {}), Case(((2, 3), (3,), ()), {}), Case(((3,), (3,), (3,), (3,)), {})),
        )
    )  # fmt: skip


_extremum("max", "maximum", np.maximum, max, np.greater, "largest")
_extremum("min", "minimum", np.minimum, min, np.less, "smallest")


# clip(x, low, high) is min(max(x, low), high): the inner selection gives x the share ``inner``, the outer one gives
# the inner the share ``outer``. By convention both are 1 at a tie, so that x has slope 1 at a bound.


def _clip(x: Any, low: Any, high: Any) -> Any:
    return np.minimum(np.maximum(x, low), high)


def _clip_shares(x: Any, low: Any, high: Any) -> tuple[Array, Array]:
    raised = np.maximum(x, low)
    known = np.where(np.isnan(np.maximum(raised, high)), np.nan, 1.0)
    return np.greater_equal(x, low) * known, np.less_equal(raised, high) * known


def _clip_slopes(inner: Array, outer: Array) -> tuple[Array, Array, Array]:
    """Of x, low and high."""
    return inner * outer, (1.0 - inner) * outer, 1.0 - outer


def _clip_slope(i: int) -> Function:
    return lambda out, x, low, high: _clip_slopes(*_clip_shares(x, low, high))[i]


def _clip_tied(x: Any, low: Any, high: Any) -> Array:
    raised = np.maximum(x, low)
    return np.asarray(np.equal(raised, high) | (np.equal(x, low) & np.less(raised, high)))


def _clip_choose(rng: np.random.Generator, _out: Any, x: Any, low: Any, high: Any) -> tuple[Array, Array, Array]:
    inner, outer = _clip_shares(x, low, high)
    inner = np.where(np.equal(x, low), rng.random(np.shape(inner)), inner)
    outer = np.where(np.equal(np.maximum(x, low), high), rng.random(np.shape(outer)), outer)
    return _clip_slopes(inner, outer)


def _clip_piece(x: Any, low: Any, high: Any) -> Array:
    return np.where(np.greater(np.maximum(x, low), high), 2, np.where(np.greater(x, low), 1, 0))


def clipped(name: str, bounds: tuple[Argument, Argument], **more: Any) -> Operation:
    """Declare a ``clip``: ``x`` kept between two arguments."""
    low, high = bounds[0].name, bounds[1].name
    return declare(
        Operation(
            name=name, arguments=(Argument("x"), *bounds), forward=_clip, local=tuple(map(_clip_slope, range(3))),
            formula=f"min(max(x, {low}), {high})",
            derivative=f"1 for x in [{low}, {high}], else 0; 1 for {low} or {high} where it is the result",
            switch=True, derivative_range="{0, 1}",
            kinks=(
                Kink("x at a bound", "1", "[0, 1]; the bound has the rest", _clip_tied, _clip_choose),
            ),
            piece=_clip_piece, symbolic=lambda S, x, low, high: S.minimum(S.maximum(x, low), high),
            domain=(ANYWHERE, (-2.0, -0.5), (0.5, 2.0)), **more,
        )
    )  # fmt: skip


clipped("clip", (Argument("min", -math.inf), Argument("max", math.inf)), aliases=("clamp",))


declare(
    Operation(
        name="where", arguments=(Argument("condition", differentiable=False), Argument("a"), Argument("b")),
        forward=lambda condition, a, b: np.where(np.not_equal(condition, 0), a, b),
        local=(
            lambda out, condition, a, b: 0.0,
            lambda out, condition, a, b: np.not_equal(condition, 0) * 1.0,
            lambda out, condition, a, b: np.equal(condition, 0) * 1.0,
        ),
        formula="a where condition is not 0, else b", derivative="1 for the one selected, else 0",
        switch=True, derivative_range="{0, 1}", piece=lambda condition, a, b: spread(np.not_equal(condition, 0), a, b),
        symbolic=lambda S, condition, a, b: S.where(S.ne(condition, 0), a, b),
        scalar=ScalarForm(
            lambda condition, a, b: a if condition != 0 else b,
            lambda out, condition, a, b: (0.0, 1.0, 0.0) if condition != 0 else (0.0, 0.0, 1.0),
        ),
        domain=(ANYWHERE, ANYWHERE, ANYWHERE),
        cases=(
            Case(((2, 3), (3,), ()), {}, {0: [[1, 0, 1], [0, 1, 0]]}),
            Case(((), (2, 1), (1, 3)), {}, {0: 1}),
            Case(((3,), (2, 3), (3,)), {}, {0: [0, 2, 0]}),
        ),
    )
)  # fmt: skip
