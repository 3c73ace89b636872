"""softmax, its logarithm, and the logarithm of a sum of exponentials.

All three shift by the largest entry. The shift's own rounding error is carried along (an exponent of -700 would turn it
into hundreds of units in the last place), and where one entry outweighs all others, what is left for it is added up
from the others instead of being subtracted from 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradtool.ops.operation import Argument, Array, Case, Operation, Parameter, Resolved, Shape, declare
from gradtool.ops.structured import axis_of, reduction


@dataclass(frozen=True, slots=True)
class Weights:
    """The exponentials of rows (last axis) relative to their largest entry.

    The weight of entry i is ``half[i]**2 * (1 + rest[i]) / (1 + others)``; ``others`` is the sum of all exponentials
    but that of the ``first`` entry that is largest, which is 1. ``half`` is the root of the exponential: multiplied on
    twice, it underflows only where the final product does."""

    largest: Array
    shifted: Array
    rest: Array
    half: Array
    others: Array
    first: Array

    def times(self, factor: Any) -> Array:
        """``factor`` times the weights."""
        return np.asarray((factor * self.half) * (self.half * (1.0 + self.rest) / (1.0 + self.others)))


def weights(x: Array) -> Weights:
    """The weights of each row of ``x``. Infinite entries outweigh all others, as in the limit."""
    x = np.asarray(x)
    largest = np.max(x, axis=-1, keepdims=True)
    shifted = np.where(x == largest, 0.0, x - largest)
    taken = shifted - x
    rest = (x - (shifted - taken)) - (largest + taken)
    rest = np.where(np.isfinite(rest), rest, 0.0)
    half = np.exp(0.5 * shifted)
    first = np.arange(x.shape[-1]) == np.argmax(x, axis=-1)[..., None]
    others = np.sum(np.where(first, 0.0, half * half * (1.0 + rest)), axis=-1, keepdims=True)
    return Weights(largest, shifted, rest, half, others, first)


def softmax_rows(x: Array) -> Array:
    """softmax along the last axis; NaN where all entries are -inf."""
    w = weights(x)
    value = np.exp(w.shifted) * (1.0 + w.rest) / (1.0 + w.others)
    return np.where(w.largest == -np.inf, np.nan, value)


def softmax_vjp_rows(upstream: Array, x: Array) -> Array:
    """``y * (g - sum(y * g))``. First g is taken relative to its value at a dominant entry, else to its mean, so that
    the subtraction cancels nothing but what is constant in g."""
    w = weights(x)
    dominant = np.sum(np.where(w.first, upstream, 0.0), axis=-1, keepdims=True)
    mean = np.sum(w.times(upstream), axis=-1, keepdims=True)
    relative = upstream - np.where(w.others < 1.0, dominant, mean)
    return w.times(relative - np.sum(w.times(relative), axis=-1, keepdims=True))


def log_softmax_rows(x: Array) -> Array:
    """The logarithm of softmax along the last axis."""
    w = weights(x)
    return np.asarray((w.shifted - np.log1p(w.others)) + w.rest)


def log_softmax_vjp_rows(upstream: Array, x: Array) -> Array:
    """``g - y * sum(g)``; at the largest entry, where y may be nearly 1, ``g * sum(other y) - y * sum(other g)``."""
    w = weights(x)
    total = np.sum(upstream, axis=-1, keepdims=True)
    rest = np.sum(np.where(w.first, 0.0, upstream), axis=-1, keepdims=True)
    at_largest = upstream * (w.others / (1.0 + w.others)) - rest / (1.0 + w.others)
    return np.where(w.first, at_largest, upstream - w.times(total))


def logsumexp_rows(x: Array) -> Array:
    """``log(sum(exp(x)))`` along the last axis."""
    w = weights(x)
    return np.asarray((w.largest + np.log1p(w.others))[..., 0])


def logsumexp_vjp_rows(upstream: Array, x: Array) -> Array:
    """``g * softmax(x)``; 0 where all entries are -inf, as nothing moves the value there."""
    w = weights(x)
    return np.where(w.largest == -np.inf, 0.0, w.times(upstream))


def _resolve(shapes: Sequence[Shape], given: Mapping[str, Any]) -> Resolved:
    return Resolved(shapes[0], {"axis": axis_of(given.get("axis", -1), shapes[0])})


def _last(x: Any, axis: int) -> Array:
    return np.moveaxis(np.asarray(x), axis, -1)


def _exact_softmax(S: Any, x: Array, axis: int) -> Array:
    exponentials = S.exp(x)
    return np.asarray(exponentials / np.sum(exponentials, axis=axis, keepdims=True))


_AXIS = (Parameter("axis", "int", -1),)
_CASES = (
    Case(((4,),), {}), Case(((2, 3),), {}), Case(((3, 2),), {"axis": 0}), Case(((2, 3, 2),), {"axis": -2}),
    Case(((3,),), {"axis": 0}), Case(((1,),), {}),
)  # fmt: skip

declare(
    Operation(
        name="softmax", arguments=(Argument("x"),), parameters=_AXIS, formula="y = e^x / sum e^x along the axis",
        derivative="dy_i/dx_j = y_i (1 if i = j, else 0) - y_i y_j", derivative_range="[-1/4, 1/4]", resolve=_resolve,
        forward=lambda x, axis: np.moveaxis(softmax_rows(_last(x, axis)), -1, axis),
        vjp=(
            lambda upstream, out, x, axis: np.moveaxis(
                softmax_vjp_rows(_last(upstream, axis), _last(x, axis)), -1, axis
            ),
        ),
        rules=("{out} * ({upstream} - sum({upstream} * {out}))",), symbolic=_exact_softmax, cases=_CASES,
    )
)  # fmt: skip

declare(
    Operation(
        name="log_softmax", arguments=(Argument("x"),), parameters=_AXIS, formula="x - log(sum e^x) along the axis",
        derivative="dout_i/dx_j = (1 if i = j, else 0) - softmax(x)_j", derivative_range="[-1, 1]", resolve=_resolve,
        forward=lambda x, axis: np.moveaxis(log_softmax_rows(_last(x, axis)), -1, axis),
        vjp=(
            lambda upstream, out, x, axis: np.moveaxis(
                log_softmax_vjp_rows(_last(upstream, axis), _last(x, axis)), -1, axis
            ),
        ),
        rules=("{upstream} - softmax({x}) * sum({upstream})",),
        symbolic=lambda S, x, axis: S.log(_exact_softmax(S, x, axis)), cases=_CASES,
    )
)  # fmt: skip

reduction(
    "logsumexp", logsumexp_rows, lambda upstream, out, x: logsumexp_vjp_rows(upstream, x),
    "log(sum e^x over the axes)", "softmax(x)", "{upstream} * softmax({x})",
    lambda S, x: S.log(np.sum(S.exp(x), axis=-1)), needs_entries=True, derivative_range="[0, 1]",
)  # fmt: skip
