"""Normalisation of activations: each row, or each channel, to mean 0 and variance 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from gradtool.ops import exact
from gradtool.ops.operation import (
    Argument,
    Array,
    Case,
    Operation,
    OperationError,
    Parameter,
    Resolved,
    Shape,
    broadcast,
    declare,
    show_shape,
)
from gradtool.ops.structured import centred_rows, lift, rows, sum_to, total, unrows

Ranks = tuple[int, ...]


def _settle_eps(given: Mapping[str, Any]) -> float:
    eps = float(given.get("eps", 1e-5))
    if not eps >= 0:
        raise OperationError(f"eps must not be negative, but is {eps:g}")
    return eps


def _resolve(shapes: Sequence[Shape], given: Mapping[str, Any]) -> Resolved:
    shape = shapes[0]
    if not shape or shape[-1] == 0:
        raise OperationError(f"normalises over the last axis, but has shape {show_shape(shape)}")
    eps = _settle_eps(given)
    for name, other in zip(("weight", "bias"), shapes[1:], strict=True):
        try:
            fits = broadcast((shape, other)) == shape
        except OperationError:
            fits = False
        if not fits:
            raise OperationError(
                f"shapes {show_shape(shape)} and {show_shape(other)} do not fit: the {name} must broadcast "
                f"to the shape of x, as ({shape[-1]},) does"
            )
    return Resolved(shape, {"eps": eps, "ranks": tuple(map(len, shapes))})


def _normalised(x: Array, eps: float) -> tuple[Array, Array, Array, Array]:
    """Normalised rows; their unit vectors (0 for a constant row); what divided them; and the share of eps under the
    root, ``eps / (var + eps)``.

    Deviations come scaled by a power of two, and the root is a ``hypot``: neither large nor tiny entries spoil it."""
    deviation, exponent = centred_rows(x)
    std = np.sqrt(np.mean(deviation * deviation, axis=-1, keepdims=True))
    unit = np.where(std == 0, 0.0, deviation / (std * np.sqrt(x.shape[-1])))
    std = np.ldexp(std, exponent)
    divisor = np.hypot(std, np.sqrt(eps))
    return np.ldexp(deviation, exponent) / divisor, unit, divisor, np.square(np.sqrt(eps) / divisor)


def _lifted(x: Any, others: Sequence[Any], ranks: Ranks) -> list[Array]:
    return [np.asarray(x), *(lift(a, rank, ranks[0]) for a, rank in zip(others, ranks[1:], strict=True))]


def _forward(x: Any, weight: Any, bias: Any, eps: float, ranks: Ranks) -> Array:
    x, weight, bias = _lifted(x, (weight, bias), ranks)
    return np.asarray(_normalised(x, eps)[0] * weight + bias)


def _by_row(three: tuple[Array, Array, Array], eps: float, divisor: Array) -> Array:
    """The gradient for the first of x, upstream and weight, row by row in exact arithmetic."""
    x, upstream, weight = (a.reshape((-1, a.shape[-1])) for a in three)
    divisors = divisor.ravel().tolist()
    found = [
        exact.normalised_vjp(row, up, factor, eps, by)
        for row, up, factor, by in zip(x, upstream, weight, divisors, strict=True)
    ]
    return np.asarray(found).reshape(three[0].shape)


def _gradient(x: Array, upstream: Any, weight: Any, eps: float) -> Array:
    """The gradient for rows. In exact arithmetic where they are short; else as follows.

    The Jacobian divides what is across both the constants and the deviations by the divisor, and what is along the
    deviations by it and once more by ``(var + eps) / eps``. The second part may be all there is (always, for two
    entries), so the first must not leave rounding errors along it: hence project twice ("twice is enough", Kahan and
    Parlett)."""
    _, unit, divisor, share = _normalised(x, eps)
    arriving, factor, _ = np.broadcast_arrays(upstream, weight, x)
    if exact.worthwhile_rows(x, arriving, factor, divisor):
        return _by_row((x, arriving, factor), eps, divisor)
    across = np.asarray(upstream * weight) * np.ones_like(unit)
    across = across - np.mean(across, axis=-1, keepdims=True)
    across = across - np.mean(across, axis=-1, keepdims=True)
    along = np.sum(across * unit, axis=-1, keepdims=True)
    across = across - along * unit
    across = across - np.mean(across, axis=-1, keepdims=True)
    across = across - np.sum(across * unit, axis=-1, keepdims=True) * unit
    return np.asarray((across + along * share * unit) / divisor)


def _vjp_x(upstream: Any, out: Any, x: Any, weight: Any, bias: Any, eps: float, ranks: Ranks) -> Array:
    return _gradient(np.asarray(x), upstream, weight, eps)


def _vjp_weight(upstream: Any, out: Any, x: Any, weight: Any, bias: Any, eps: float, ranks: Ranks) -> Array:
    return sum_to(upstream * _normalised(np.asarray(x), eps)[0], np.shape(weight))


def _vjp_bias(upstream: Any, out: Any, x: Any, weight: Any, bias: Any, eps: float, ranks: Ranks) -> Array:
    return sum_to(upstream, np.shape(bias))


def _exact_rows(S: Any, x: Array, eps: float) -> Array:
    deviation = x - np.sum(x, axis=-1, keepdims=True) / x.shape[-1]
    var = np.sum(deviation * deviation, axis=-1, keepdims=True) / x.shape[-1]
    return np.asarray(deviation / S.sqrt(var + S.number(eps)))


def _exact(S: Any, x: Array, weight: Array, bias: Array, eps: float, ranks: Ranks) -> Any:
    return _exact_rows(S, x, eps) * weight + bias


# --- layer_norm ---

declare(
    Operation(
        name="layer_norm", arguments=(Argument("x"), Argument("weight", 1.0), Argument("bias", 0.0)),
        parameters=(Parameter("eps", "number", 1e-5),),
        formula="n weight + bias with n = (x - mean(x)) / s, s = sqrt(var(x) + eps), over the last axis",
        derivative="with g = upstream * weight: (g - mean(g) - n mean(g n)) / s; n; 1", derivative_range="unbounded",
        resolve=_resolve, forward=_forward, vjp=(_vjp_x, _vjp_weight, _vjp_bias),
        rules=(
            "(g - mean(g) - n * mean(g * n)) / s with g = {upstream} * {weight}, n = ({x} - mean({x})) / s",
            "sum of {upstream} * n to the shape of {weight}", "sum of {upstream} to the shape of {bias}",
        ),
        symbolic=_exact, domain=((-3.0, 3.0), (0.5, 1.5), (-1.0, 1.0)),
        cases=(
            Case(((4,), (), ()), {}), Case(((2, 3), (3,), (3,)), {}), Case(((2, 2, 3), (3,), ()), {"eps": 0.1}),
            Case(((2, 3), (2, 1), (2, 3)), {}), Case(((3, 2), (2,), (2,)), {}), Case(((1,), (), ()), {}),
        ),
        source="Ba, Kiros & Hinton, Layer Normalization (2016)",
    )
)  # fmt: skip


# --- batch_norm: a row for each channel ---


def _resolve_batch(shapes: Sequence[Shape], given: Mapping[str, Any]) -> Resolved:
    shape = shapes[0]
    if len(shape) < 2:
        raise OperationError(f"needs x of shape (N, C) or (N, C, ...), but x has shape {show_shape(shape)}")
    channels = shape[1]
    count = prod(shape[:1] + shape[2:])
    if count < 2 and channels:
        raise OperationError(
            f"needs more than one value for each channel, but shape {show_shape(shape)} has {count or 'none'}"
        )
    for name, other in zip(("weight", "bias"), shapes[1:], strict=True):
        if other not in ((), (channels,)):
            raise OperationError(
                f"shapes {show_shape(shape)} and {show_shape(other)} do not fit: the {name} needs one entry for each of "
                f"the {channels} channels, shape ({channels},)"
            )
    return Resolved(shape, {"eps": _settle_eps(given), "ranks": tuple(map(len, shapes))})


def _but_channels(rank: int) -> tuple[int, ...]:
    """All axes but the second."""
    return tuple(axis for axis in range(-rank, 0) if axis != 1 - rank)


def _a_channel(value: Any, rank: int) -> Array:
    """A weight or bias with an axis for channels and one of length 1 for what stands in their rows."""
    return lift(np.asarray(value)[..., None], rank + 1, 2)


def _batch_norm(x: Any, weight: Any, bias: Any, eps: float, ranks: Ranks) -> Array:
    axes = _but_channels(ranks[0])
    normalised = _normalised(rows(x, axes), eps)[0]
    return unrows(normalised * _a_channel(weight, ranks[1]) + _a_channel(bias, ranks[2]), axes, np.shape(x))


def _batch_by_x(upstream: Any, out: Any, x: Any, weight: Any, bias: Any, eps: float, ranks: Ranks) -> Array:
    axes = _but_channels(ranks[0])
    found = _gradient(rows(x, axes), rows(upstream, axes), _a_channel(weight, ranks[1]), eps)
    return unrows(found, axes, np.shape(x))


def _batch_by_weight(upstream: Any, out: Any, x: Any, weight: Any, bias: Any, eps: float, ranks: Ranks) -> Array:
    axes = _but_channels(ranks[0])
    return total(rows(upstream, axes) * _normalised(rows(x, axes), eps)[0], (-1,) if ranks[1] else (-2, -1))


def _batch_by_bias(upstream: Any, out: Any, x: Any, weight: Any, bias: Any, eps: float, ranks: Ranks) -> Array:
    return total(rows(upstream, _but_channels(ranks[0])), (-1,) if ranks[2] else (-2, -1))


def _exact_batch(S: Any, x: Array, weight: Array, bias: Array, eps: float, ranks: Ranks) -> Array:
    axes = _but_channels(ranks[0])
    found = _exact_rows(S, rows(x, axes), eps) * np.reshape(weight, (-1, 1)) + np.reshape(bias, (-1, 1))
    return unrows(found, axes, x.shape)


declare(
    Operation(
        name="batch_norm", arguments=(Argument("x"), Argument("weight", 1.0), Argument("bias", 0.0)),
        parameters=(Parameter("eps", "number", 1e-5),),
        formula="n weight + bias with n = (x - mean(x)) / s, s = sqrt(var(x) + eps), over all axes but 1 (as in training)",
        derivative="with g = upstream * weight: (g - mean(g) - n mean(g n)) / s; n; 1", derivative_range="unbounded",
        resolve=_resolve_batch, forward=_batch_norm, vjp=(_batch_by_x, _batch_by_weight, _batch_by_bias),
        rules=(
            "(g - mean(g) - n * mean(g * n)) / s with g = {upstream} * {weight}, n = ({x} - mean({x})) / s, "
            "means over all axes but 1",
            "sum of {upstream} * n to the shape of {weight}", "sum of {upstream} to the shape of {bias}",
        ),
        symbolic=_exact_batch, domain=((-3.0, 3.0), (0.5, 1.5), (-1.0, 1.0)),
        cases=(
            Case(((4, 2), (), ()), {}), Case(((3, 2), (2,), (2,)), {}), Case(((2, 1), (1,), ()), {"eps": 0.1}),
            Case(((2, 3, 2), (3,), (3,)), {}), Case(((2, 2, 2, 2), (), (2,)), {}), Case(((1, 2, 3), (2,), ()), {}),
        ),
        source="Ioffe & Szegedy, Batch Normalization (2015)",
    )
)  # fmt: skip
