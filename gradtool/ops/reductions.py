"""Reductions over axes (sum, mean, prod, var, std, norm, largest and smallest entry), running sums and sorting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from gradtool.ops.operation import (
    Argument,
    Array,
    Case,
    Function,
    Kink,
    Operation,
    OperationError,
    Parameter,
    Resolved,
    Shape,
    declare,
    show_shape,
)
from gradtool.ops.structured import (
    AXIS,
    KEEPDIMS,
    REDUCTION_CASES,
    RowKink,
    axis_of,
    centred_rows,
    mean_of_rows,
    reduction,
    scaled_rows,
)


def pick(function: Function, x: Array) -> Array:
    """``function`` of each row of an object array, for what NumPy cannot reduce there."""
    flat = x.reshape((prod(x.shape[:-1]), x.shape[-1]))
    found = np.empty(len(flat), dtype=object)
    for i, row in enumerate(flat):
        found[i] = function(row)
    return found.reshape(x.shape[:-1])


reduction(
    "sum", lambda x: np.sum(np.ascontiguousarray(x), axis=-1), lambda upstream, out, x: upstream,
    "sum of x over the axes", "1 for every entry", "broadcast {upstream} to the shape of {x}",
    lambda S, x: np.sum(x, axis=-1), derivative_range="{1}",
)  # fmt: skip

reduction(
    "mean", lambda x: mean_of_rows(x)[..., 0], lambda upstream, out, x: upstream / x.shape[-1],
    "sum of x over the axes / n", "1/n for every entry", "broadcast {upstream} / n to the shape of {x}",
    lambda S, x: np.sum(x, axis=-1) / x.shape[-1], needs_entries=True, derivative_range="{1/n}",
)  # fmt: skip


# --- prod ---


def _running_products(mantissa: Array, exponent: Array) -> tuple[Array, Array]:
    """Inclusive running products along the last axis of numbers ``mantissa * 2**exponent``, with no overflow on the way
    (scan by doubling: Hillis & Steele, *CACM* 29, 1986)."""
    step = 1
    while step < mantissa.shape[-1]:
        product, summed = mantissa.copy(), exponent.copy()
        product[..., step:] *= mantissa[..., :-step]
        summed[..., step:] += exponent[..., :-step]
        mantissa, shift = np.frexp(product)
        exponent = summed + shift
        step *= 2
    return mantissa, exponent


def _join(mantissa: Array, exponent: Array) -> Array:
    return np.ldexp(mantissa, np.clip(exponent, -9999, 9999).astype(np.int32))


def _parts(x: Array) -> tuple[Array, Array]:
    mantissa, exponent = np.frexp(x)
    return mantissa, exponent.astype(np.int64)


def _prod(x: Array) -> Array:
    if x.shape[-1] == 0:
        return np.ones(x.shape[:-1])
    mantissa, exponent = _running_products(*_parts(x))
    return _join(mantissa[..., -1], exponent[..., -1])


def _prod_slope(upstream: Array, out: Array, x: Array) -> Array:
    """The product of all other entries: what stands before times what stands after. (Dividing the product by the entry
    fails at zeros.)"""
    mantissa, exponent = _parts(x)
    one, zero = np.ones_like(mantissa[..., :1]), np.zeros_like(exponent[..., :1])
    before, before_exponent = _running_products(
        np.concatenate((one, mantissa[..., :-1]), axis=-1), np.concatenate((zero, exponent[..., :-1]), axis=-1)
    )
    after, after_exponent = _running_products(
        np.concatenate((one, mantissa[..., :0:-1]), axis=-1), np.concatenate((zero, exponent[..., :0:-1]), axis=-1)
    )
    factor, shift = _parts(upstream)
    return _join(before * after[..., ::-1] * factor, before_exponent + after_exponent[..., ::-1] + shift)


reduction(
    "prod", _prod, _prod_slope, "product of x over the axes", "the product of all other entries",
    "{upstream} * product of the other entries of {x}", lambda S, x: np.prod(x, axis=-1),
    derivative_range="unbounded",
)  # fmt: skip


# --- var, std ---


def _settle_ddof(given: Mapping[str, Any], count: int) -> dict[str, Any]:
    ddof = given.get("ddof", 0)
    if count - ddof <= 0:
        raise OperationError(f"divides by n - ddof, which must be positive, but n = {count} and ddof = {ddof}")
    return {"ddof": ddof}


def _var(x: Array, ddof: int) -> Array:
    deviation, exponent = centred_rows(x)
    return np.asarray(np.ldexp(np.sum(deviation * deviation, axis=-1) / (x.shape[-1] - ddof), 2 * exponent[..., 0]))


def _var_slope(upstream: Array, out: Array, x: Array, ddof: int) -> Array:
    deviation, exponent = centred_rows(x)
    return np.asarray(np.ldexp(2 * deviation / (x.shape[-1] - ddof) * upstream, exponent))


def _exact_var(S: Any, x: Array, ddof: int) -> Any:
    deviation = x - np.sum(x, axis=-1, keepdims=True) / x.shape[-1]
    return np.sum(deviation * deviation, axis=-1) / (x.shape[-1] - ddof)


def _std_of_deviation(deviation: Array, ddof: int) -> Array:
    return np.asarray(np.sqrt(np.sum(deviation * deviation, axis=-1, keepdims=True) / (deviation.shape[-1] - ddof)))


def _std(x: Array, ddof: int) -> Array:
    deviation, exponent = centred_rows(x)
    return np.ldexp(_std_of_deviation(deviation, ddof), exponent)[..., 0]


def _std_slope(upstream: Array, out: Array, x: Array, ddof: int) -> Array:
    deviation, _ = centred_rows(x)
    # Deviations are scaled by the largest |x| and may all be small beside it; dividing first cannot underflow.
    quotient = deviation / _std_of_deviation(deviation, ddof)
    return np.where(_constant(x), 0.0, quotient / (x.shape[-1] - ddof) * upstream)


def _constant(x: Array) -> Array:
    return np.asarray(np.all(x == x[..., :1], axis=-1, keepdims=True))


def _choose_std(rng: np.random.Generator, upstream: Array, out: Array, x: Array, ddof: int) -> Array:
    """std = |x - mean(x)|₂ / sqrt(n - ddof): at a constant, centred vectors of the unit ball, divided by that root."""
    draw = rng.standard_normal(x.shape)
    draw -= np.mean(draw, axis=-1, keepdims=True)
    length = np.sqrt(np.sum(draw * draw, axis=-1, keepdims=True))
    radius = rng.uniform(0, 1, length.shape) / np.sqrt(x.shape[-1] - ddof)
    inside = draw / np.where(length == 0, 1.0, length) * radius
    return np.where(_constant(x) & (x.shape[-1] > 1), inside * upstream, _std_slope(upstream, out, x, ddof))


_SPREAD_PARAMETERS = (AXIS, Parameter("ddof", "int", 0), KEEPDIMS)
_SPREAD_CASES = (
    *REDUCTION_CASES[:-1],
    Case(((5,),), {"ddof": 1}),
    Case(((3, 4),), {"axis": 0, "ddof": 1, "keepdims": True}),
)

reduction(
    "var", _var, _var_slope, "sum (x - mean(x))² / (n - ddof)", "2 (x - mean(x)) / (n - ddof)",
    "{upstream} * 2 * ({x} - mean({x})) / (n - ddof)", _exact_var,
    parameters=_SPREAD_PARAMETERS, settle=_settle_ddof, cases=_SPREAD_CASES, derivative_range="unbounded",
)  # fmt: skip

reduction(
    "std", _std, _std_slope, "sqrt(sum (x - mean(x))² / (n - ddof))", "(x - mean(x)) / ((n - ddof) std(x))",
    "{upstream} * ({x} - mean({x})) / ((n - ddof) * {out})", lambda S, x, ddof: S.sqrt(_exact_var(S, x, ddof)),
    parameters=_SPREAD_PARAMETERS, settle=_settle_ddof, cases=_SPREAD_CASES, derivative_range="[-1, 1]",
    kinks=(
        RowKink(
            "all entries equal", "0", "sum 0, 2-norm at most 1/sqrt(n - ddof)",
            lambda x, ddof: _constant(x) & (x.shape[-1] > 1), _choose_std,
        ),
    ),
    piece=lambda x, ddof: ~_constant(x),
)  # fmt: skip


# --- norm ---


def _settle_ord(given: Mapping[str, Any], count: int) -> dict[str, Any]:
    order = str(given.get("ord", "2"))
    return {"ord": "2" if order == "fro" else order}


def _length(x: Array) -> tuple[Array, Array, Array]:
    """Each row and its 2-norm, both divided by two to the power of the third result: squares do not overflow."""
    scaled, exponent = scaled_rows(x)
    return scaled, np.sqrt(np.sum(scaled * scaled, axis=-1, keepdims=True)), exponent


def _norm(x: Array, ord: str) -> Array:
    if ord == "1":
        return np.asarray(np.sum(np.ascontiguousarray(np.abs(x)), axis=-1))
    if ord == "inf":
        return np.asarray(np.max(np.abs(x), axis=-1))
    _, length, exponent = _length(x)
    return np.ldexp(length, exponent)[..., 0]


def _norm_slope(upstream: Array, out: Array, x: Array, ord: str) -> Array:
    if ord == "1":
        return upstream * np.sign(x)
    if ord == "inf":
        return np.sign(x) * share_slope(upstream, out, np.abs(x))
    scaled, length, _ = _length(x)
    return np.where(length == 0, 0.0, scaled / length * upstream)


def _choose_norm(rng: np.random.Generator, upstream: Array, out: Array, x: Array, ord: str) -> Array:
    zero = np.all(x == 0, axis=-1, keepdims=True)
    if ord == "1":
        return upstream * np.where(x == 0, rng.uniform(-1, 1, x.shape), np.sign(x))
    if ord == "inf":
        signs = np.where(zero, rng.choice((-1.0, 1.0), x.shape), np.sign(x))
        radius = np.where(zero, rng.uniform(0, 1, zero.shape), 1.0)
        return signs * radius * choose_share(rng, upstream, out, np.abs(x))
    draw = rng.standard_normal(x.shape)
    inside = draw / np.sqrt(np.sum(draw * draw, axis=-1, keepdims=True)) * rng.uniform(0, 1, zero.shape)
    return np.where(zero, inside * upstream, _norm_slope(upstream, out, x, ord))


def _exact_norm(S: Any, x: Array, ord: str) -> Any:
    if ord == "1":
        return np.sum(S.abs(x), axis=-1)
    if ord == "inf":
        return pick(S.max, S.abs(x))
    return S.sqrt(np.sum(x * x, axis=-1))


def _norm_piece(x: Array, ord: str) -> Array:
    if ord == "1":
        return np.sign(x)
    if ord == "inf":
        return np.sign(x) * at_largest(np.abs(x))
    return np.asarray(np.any(x != 0, axis=-1))


reduction(
    "norm", _norm, _norm_slope,
    "ord 2: sqrt(sum x²) (of a matrix: Frobenius), ord 1: sum |x|, ord inf: max |x|",
    "ord 2: x / norm(x), ord 1: sign(x), ord inf: sign(x) at the largest |x|",
    "{upstream} * {x} / {out} (ord 1: {upstream} * sign({x}); ord inf: at the largest entry only)", _exact_norm,
    parameters=(Parameter("ord", "word", "2", ("1", "2", "inf", "fro")), AXIS, KEEPDIMS),
    settle=_settle_ord, needs_entries=True,
    derivative_range="[-1, 1]", piece=_norm_piece,
    kinks=(
        RowKink(
            "x = 0", "0", "dual unit ball (ord 2: 2-norm at most 1, ord 1: each in [-1, 1], ord inf: 1-norm at most 1)",
            lambda x, ord: np.all(x == 0, axis=-1), _choose_norm,
        ),
        RowKink("ord 1: an entry is 0", "0", "[-1, 1]", lambda x, ord: (x == 0) & (ord == "1"), _choose_norm),
        RowKink(
            "ord inf: k entries of the largest magnitude", "sign(x)/k each",
            "sign(x) times weights >= 0 that sum to 1 over the tied ones",
            lambda x, ord: tied_largest(np.abs(x)) & (ord == "inf"), _choose_norm,
        ),
    ),
    cases=(
        *REDUCTION_CASES,
        Case(((5,),), {"ord": "1"}),
        Case(((3, 4),), {"ord": "1", "axis": 0}),
        Case(((3, 4),), {"ord": "inf", "axis": -1, "keepdims": True}),
        Case(((2, 3, 2),), {"ord": "inf", "axis": (0, 2)}),
        Case(((3, 2),), {"ord": "fro"}),
    ),
)  # fmt: skip


# --- max and min over axes ---


def at_largest(x: Array) -> Array:
    largest = np.max(x, axis=-1, keepdims=True)
    return np.asarray((x == largest) | (np.isnan(x) & np.isnan(largest)))


def share_slope(upstream: Array, out: Array, x: Array) -> Array:
    tied = at_largest(x)
    return np.where(tied, upstream / np.sum(tied, axis=-1, keepdims=True), 0.0)


def choose_share(rng: np.random.Generator, upstream: Array, out: Array, x: Array) -> Array:
    weights = np.where(at_largest(x), rng.exponential(size=x.shape), 0.0)
    return np.where(weights > 0, upstream * (weights / np.sum(weights, axis=-1, keepdims=True)), 0.0)


def tied_largest(x: Array) -> Array:
    largest = at_largest(x)
    return np.asarray(largest & (np.sum(largest, axis=-1, keepdims=True) > 1))


SHARE = ("k entries tied", "1/k each", "each >= 0, summing to 1 over the tied ones")

reduction(
    "reduce_max", lambda x: np.max(x, axis=-1), share_slope, "largest entry of x over the axes",
    "1 at the largest entry, else 0", "{upstream} at the largest entry of {x}, 0 elsewhere",
    lambda S, x: pick(S.max, x), call="max", aliases=("amax",), needs_entries=True, derivative_range="[0, 1]",
    kinks=(RowKink(*SHARE, tied_largest, choose_share),), piece=at_largest,
)  # fmt: skip

reduction(
    "reduce_min", lambda x: np.min(x, axis=-1), lambda upstream, out, x: share_slope(upstream, out, -x),
    "smallest entry of x over the axes", "1 at the smallest entry, else 0",
    "{upstream} at the smallest entry of {x}, 0 elsewhere", lambda S, x: pick(S.min, x),
    call="min", aliases=("amin",), needs_entries=True, derivative_range="[0, 1]",
    kinks=(
        RowKink(
            *SHARE, lambda x: tied_largest(-x),
            lambda rng, upstream, out, x: choose_share(rng, upstream, out, -x),
        ),
    ),
    piece=lambda x: at_largest(-x),
)  # fmt: skip


# --- cumsum, sort: along one axis, shape kept ---


def _resolve_cumsum(shapes: Sequence[Shape], given: Mapping[str, Any]) -> Resolved:
    (shape,) = shapes
    axis = given.get("axis")
    if axis is None:
        return Resolved((prod(shape),), {"axis": None, "rank": len(shape)})
    if not isinstance(axis, int):
        raise OperationError(f"runs along one axis, but axis = {axis} was given for shape {show_shape(shape)}")
    return Resolved(shape, {"axis": axis_of(axis, shape), "rank": len(shape)})


def _flattened(x: Any, rank: int) -> Array:
    x = np.asarray(x)
    kept = x.shape[: x.ndim - rank]
    return np.asarray(x.reshape((*kept, prod(x.shape[x.ndim - rank :]))))


def _cumsum(x: Any, axis: int | None, rank: int) -> Array:
    return np.cumsum(_flattened(x, rank), axis=-1) if axis is None else np.cumsum(x, axis=axis)


def _cumsum_vjp(upstream: Any, out: Any, x: Any, axis: int | None, rank: int) -> Array:
    along = -1 if axis is None else axis
    return np.asarray(np.flip(np.cumsum(np.flip(upstream, along), axis=along), along)).reshape(np.shape(x))


declare(
    Operation(
        name="cumsum", arguments=(Argument("x"),), parameters=(Parameter("axis", "axes", None),),
        formula="out_i = sum of x_j for j <= i along the axis (without axis: of the flattened x)",
        derivative="1 for j <= i, else 0", derivative_range="{0, 1}", resolve=_resolve_cumsum, forward=_cumsum,
        vjp=(_cumsum_vjp,), rules=("sum of {upstream} from each entry to the end of the axis",),
        symbolic=lambda S, x, axis, rank: _cumsum(x, axis, rank),
        cases=(
            Case(((5,),), {"axis": 0}), Case(((3, 4),), {"axis": -1}), Case(((2, 3, 2),), {"axis": 1}),
            Case(((2, 3),), {}), Case(((),), {}),
        ),
    )
)  # fmt: skip


def _resolve_sort(shapes: Sequence[Shape], given: Mapping[str, Any]) -> Resolved:
    (shape,) = shapes
    return Resolved(shape, {"axis": axis_of(given.get("axis", -1), shape)})


def _groups(x: Array) -> tuple[Array, Array]:
    """Along the last axis: the places from which sorted entries come, and for every sorted place the number of its
    group of equal entries."""
    order = np.argsort(x, axis=-1, kind="stable")
    values = np.take_along_axis(x, order, axis=-1)
    group = np.zeros(x.shape, dtype=np.int64)
    np.cumsum(values[..., 1:] != values[..., :-1], axis=-1, out=group[..., 1:])
    return order, group


def _sort_piece(x: Any, axis: int) -> Array:
    """For every entry, how many are smaller. (The axis is last.)"""
    order, group = _groups(np.moveaxis(np.asarray(x), axis, -1))
    first = np.zeros_like(group)
    first[..., 1:] = np.where(group[..., 1:] != group[..., :-1], np.arange(1, group.shape[-1]), 0)
    rank = np.empty_like(group)
    np.put_along_axis(rank, order, np.maximum.accumulate(first, axis=-1), axis=-1)
    return rank


def _unsort(sent: Array, x: Array, axis: int) -> Array:
    """Send what arrives at each sorted place back to where its entry came from."""
    order, _ = _groups(np.moveaxis(x, axis, -1))
    result = np.empty(order.shape, dtype=sent.dtype)
    np.put_along_axis(result, order, sent, axis=-1)
    return np.moveaxis(result, -1, axis)


def _sort_vjp(upstream: Any, out: Any, x: Any, axis: int) -> Array:
    """Equal entries share what arrives at their places equally, as a maximum does at a tie."""
    sent = np.moveaxis(np.asarray(upstream), axis, -1)
    _, group = _groups(np.moveaxis(x, axis, -1))
    flat, groups = sent.reshape((-1, sent.shape[-1])), group.reshape((-1, sent.shape[-1]))
    key = groups + sent.shape[-1] * np.arange(len(flat))[:, None]
    sums = np.bincount(key.ravel(), weights=flat.ravel(), minlength=key.size)
    counts = np.bincount(key.ravel(), minlength=key.size)
    shared = np.where(counts[key] == 1, flat, sums[key] / np.maximum(counts[key], 1))
    return _unsort(shared.reshape(sent.shape), x, axis)


def _choose_sort(rng: np.random.Generator, upstream: Any, out: Any, x: Any, axis: int) -> tuple[Array]:
    """A mixture of two assignments of the tied places to the tied entries."""
    sent = np.moveaxis(np.asarray(upstream), axis, -1)
    _, group = _groups(np.moveaxis(x, axis, -1))
    share = rng.uniform(0, 1, (*sent.shape[:-1], 1))
    mixed = np.zeros(sent.shape)
    for weight in (share, 1 - share):
        shuffled = np.argsort(group + rng.uniform(0, 0.5, group.shape), axis=-1)
        mixed = mixed + weight * np.take_along_axis(sent, shuffled, axis=-1)
    return (_unsort(mixed, x, axis),)


def _sort_tied(x: Any, axis: int) -> Array:
    """For every entry, whether another is equal to it. (The axis is last.)"""
    order, group = _groups(np.moveaxis(np.asarray(x), axis, -1))
    same = group[..., 1:] == group[..., :-1]
    tied = np.zeros(group.shape, dtype=bool)
    tied[..., 1:] |= same
    tied[..., :-1] |= same
    result = np.empty_like(tied)
    np.put_along_axis(result, order, tied, axis=-1)
    return result


def _exact_sort(S: Any, x: Array, axis: int) -> Array:
    moved = np.moveaxis(x, axis, -1)
    result = np.empty(moved.shape, dtype=object)
    for place in np.ndindex(moved.shape[:-1]):
        result[place] = S.sort(moved[place])
    return np.moveaxis(result, -1, axis)


declare(
    Operation(
        name="sort", arguments=(Argument("x"),), parameters=(Parameter("axis", "int", -1),),
        formula="x in ascending order along the axis", derivative="1 from an entry to its sorted place, else 0",
        derivative_range="[0, 1]", resolve=_resolve_sort, forward=lambda x, axis: np.sort(x, axis=axis),
        vjp=(_sort_vjp,), rules=("{upstream} put back in the order of {x}",), symbolic=_exact_sort,
        kinks=(
            Kink(
                "k equal entries", "each takes 1/k of what arrives at their places",
                "doubly stochastic weights over the tied entries and places", _sort_tied, _choose_sort,
            ),
        ),
        piece=_sort_piece,
        cases=(Case(((5,),), {}), Case(((4, 3),), {"axis": 0}), Case(((2, 3, 4),), {"axis": -2})),
    )
)  # fmt: skip
