"""Rules for what reduces, accumulates or sorts: sums, means, spreads, extremes, norms' relatives."""

# ruff: noqa: ARG001 -- a rule has the signature of its NumPy function

from __future__ import annotations

from typing import Any

import numpy as np

from gradtool.tracing.array import apply, as_traced, call, isinstance_traced, plain
from gradtool.tracing.function_rules import axes, float64, rule
from gradtool.tracing.tape import Tape


def _reduction(functions: tuple[Any, ...], operation: str, neutral: float | None) -> None:
    """``neutral`` is what an entry that ``where=`` leaves out is taken for, and the ``initial`` that changes nothing."""

    @rule(*functions)
    def reduce(
        tape: Tape, a: Any, axis: Any = None, dtype: Any = None, *, keepdims: Any = False, initial: Any = None,
        where: Any = True,
    ) -> Any:  # fmt: skip
        float64(tape, dtype)
        if plain(where) is not True:
            if neutral is None:
                tape.fail("where= cannot be traced here")
            a = apply(tape, "where", np.broadcast_to(plain(where), np.shape(plain(a))), a, neutral)
        found = apply(tape, operation, a, axis=axes(axis), keepdims=bool(keepdims))
        if initial is None:
            return found
        return apply(tape, _WITH_INITIAL[operation], found, initial)


_WITH_INITIAL = {"sum": "add", "prod": "multiply"}

_reduction((np.sum,), "sum", 0.0)
_reduction((np.prod,), "prod", 1.0)


def _extreme(functions: tuple[Any, ...], reduction: str, pair: str) -> None:
    @rule(*functions)
    def reduce(tape: Tape, a: Any, axis: Any = None, *, keepdims: Any = False, initial: Any = None) -> Any:
        found = apply(tape, reduction, a, axis=axes(axis), keepdims=bool(keepdims))
        return found if initial is None else apply(tape, pair, found, initial)


_extreme((np.max, np.amax), "reduce_max", "max")
_extreme((np.min, np.amin), "reduce_min", "min")


@rule(np.mean)
def _mean(tape: Tape, a: Any, axis: Any = None, dtype: Any = None, *, keepdims: Any = False) -> Any:
    float64(tape, dtype)
    return apply(tape, "mean", a, axis=axes(axis), keepdims=bool(keepdims))


def _spread(function: Any, operation: str) -> None:
    @rule(function)
    def reduce(
        tape: Tape, a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: int = 0, keepdims: Any = False,
        *, correction: int | None = None,
    ) -> Any:  # fmt: skip
        float64(tape, dtype)
        less = ddof if correction is None else correction
        return apply(tape, operation, a, axis=axes(axis), ddof=int(less), keepdims=bool(keepdims))


_spread(np.var, "var")
_spread(np.std, "std")


@rule(np.ptp)
def _peak_to_peak(tape: Tape, a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    settings = {"axis": axes(axis), "keepdims": bool(keepdims)}
    return apply(tape, "reduce_max", a, **settings) - apply(tape, "reduce_min", a, **settings)


@rule(np.average)
def _average(tape: Tape, a: Any, axis: Any = None, weights: Any = None, *, keepdims: Any = False) -> Any:
    if weights is None:
        return apply(tape, "mean", a, axis=axes(axis), keepdims=bool(keepdims))
    a, weights = as_traced(tape, a), as_traced(tape, weights)
    if weights.shape != a.shape:
        if axis is None or not isinstance(axis, int):
            tape.fail("np.average with weights of another shape needs one axis to be traced")
        weights = weights.reshape([-1 if i == axis % a.ndim else 1 for i in range(a.ndim)])
    settings = {"axis": axes(axis), "keepdims": bool(keepdims)}
    total = call(np.sum, (call(np.broadcast_to, (weights, a.shape), {}),), settings)
    return call(np.sum, (a * weights,), settings) / total


@rule(np.cumsum)
def _cumsum(tape: Tape, a: Any, axis: Any = None, dtype: Any = None) -> Any:
    float64(tape, dtype)
    return apply(tape, "cumsum", a, axis=axes(axis))


@rule(np.cumprod)
def _cumprod(tape: Tape, a: Any, axis: Any = None, dtype: Any = None) -> Any:
    float64(tape, dtype)
    a = as_traced(tape, a)
    if axis is None:
        a, axis = a.reshape(-1), 0
    rows = call(np.moveaxis, (a, axis, 0), {})
    found = [rows[0]]
    for i in range(1, len(rows)):
        found.append(found[-1] * rows[i])
    return apply(tape, "stack", *found, axis=axes(axis))


@rule(np.diff)
def _diff(tape: Tape, a: Any, n: int = 1, axis: int = -1) -> Any:
    a = as_traced(tape, a)
    for _ in range(n):
        length = a.shape[axis]
        behind = call(np.take, (a, range(1, length), axis), {})
        a = behind - call(np.take, (a, range(length - 1), axis), {})
    return a


@rule(np.sort)
def _sort(tape: Tape, a: Any, axis: Any = -1, kind: Any = None) -> Any:
    if axis is None:
        a, axis = as_traced(tape, a).reshape(-1), -1
    return apply(tape, "sort", a, axis=axes(axis))


@rule(np.median)
def _median(
    tape: Tape, a: Any, axis: Any = None, out: None = None, overwrite_input: bool = False, keepdims: Any = False
) -> Any:
    a = as_traced(tape, a)
    if axis is None:
        flat, along = a.reshape(-1), 0
    else:
        flat, along = a, axes(axis) % a.ndim
    n = flat.shape[along]
    ordered = call(np.moveaxis, (apply(tape, "sort", flat, axis=along), along, 0), {})
    middle = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    if not keepdims:
        return middle
    return middle.reshape([1] * a.ndim if axis is None else [1 if i == along else m for i, m in enumerate(a.shape)])


@rule(np.clip)
def _clip(
    tape: Tape,
    a: Any,
    a_min: Any = None,
    a_max: Any = None,
    *,
    min: Any = None,
    max: Any = None,
) -> Any:
    low, high = a_min if min is None else min, a_max if max is None else max
    return apply(tape, "clip", a, -np.inf if low is None else low, np.inf if high is None else high)


@rule(np.where)
def _where(tape: Tape, condition: Any, x: Any, y: Any) -> Any:
    return apply(tape, "where", condition, x, y)


@rule(np.select)
def _select(tape: Tape, condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    found = as_traced(tape, default)
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        found = apply(tape, "where", condition, choice, found)
    return found


@rule(np.round)
def _round(tape: Tape, a: Any, decimals: int = 0) -> Any:
    if decimals == 0:
        return apply(tape, "round", a)
    scale = 10.0**decimals
    return apply(tape, "round", as_traced(tape, a) * scale) / scale


@rule(np.fix)
def _fix(tape: Tape, x: Any) -> Any:
    return call(np.trunc, (as_traced(tape, x),), {})


@rule(np.sinc)
def _sinc(tape: Tape, x: Any) -> Any:
    """sin(πx)/(πx); near 0 its derivative needs more than that quotient, so it is refused there."""
    if np.any(np.abs(plain(x)) < 1e-3):
        tape.fail("np.sinc cannot be traced near 0")
    scaled = as_traced(tape, x) * np.pi
    return call(np.sin, (scaled,), {}) / scaled


@rule(np.nan_to_num)
def _nan_to_num(tape: Tape, x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    if not copy:
        tape.fail("np.nan_to_num(copy=False) cannot be traced")
    found = as_traced(tape, x)
    value = found.value
    limit = np.finfo(np.float64).max
    for where, put in (
        (np.isnan(value), nan),
        (np.isposinf(value), limit if posinf is None else posinf),
        (np.isneginf(value), -limit if neginf is None else neginf),
    ):
        if where.any():
            tape.branch()
            found = apply(tape, "where", where, put, found)
    return found


def _ignoring_nan(function: Any, name: Any) -> None:
    @rule(function)
    def reduce(tape: Tape, a: Any, *args: Any, **kwargs: Any) -> Any:
        if np.isnan(plain(a)).any():
            tape.fail(f"np.{function.__name__} cannot be traced where there is a NaN")
        return call(name, (a if isinstance_traced(a) else as_traced(tape, a), *args), kwargs)


for _function, _name in {
    np.nansum: np.sum, np.nanmean: np.mean, np.nanmax: np.max, np.nanmin: np.min, np.nanvar: np.var, np.nanstd: np.std,
    np.nanprod: np.prod,
}.items():  # fmt: skip
    _ignoring_nan(_function, _name)
