"""What the structured families share: axes counted from the end, reductions seen as rows, broadcasting by rank.

``forward`` may be given extra leading batch axes on all arguments, so nothing here counts an axis from the front, and
what broadcasts by rank gets the arguments' own ranks as a settled parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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

Axes = tuple[int, ...]
AXIS = Parameter("axis", "axes", None)
KEEPDIMS = Parameter("keepdims", "bool", False)
REDUCTION_CASES = (
    Case(((4,),), {}),
    Case(((3, 4),), {}),
    Case(((3, 4),), {"axis": 0}),
    Case(((3, 4),), {"axis": -1, "keepdims": True}),
    Case(((2, 3, 4),), {"axis": (0, -1)}),
    Case(((2, 3, 2),), {"axis": (1, 2), "keepdims": True}),
    Case(((2, 3),), {"axis": None, "keepdims": True}),
    Case(((),), {}),
)


def axis_of(axis: int, shape: Shape, rank: int | None = None) -> int:
    """``axis`` counted from the end. ``rank`` is the number of axes to choose from where it is not that of ``shape``.

    Raises ``OperationError`` where there is no such axis."""
    rank = len(shape) if rank is None else rank
    if not -rank <= axis < rank:
        known = f"axes {-rank} to {rank - 1}" if rank else "no axes"
        raise OperationError(f"axis {axis} is out of range: for shape {show_shape(shape)} there are {known}")
    return axis - rank if axis >= 0 else axis


def axes_of(axis: int | Sequence[int] | None, shape: Shape, rank: int | None = None) -> Axes:
    """``axis`` (one, several, or all for None) counted from the end, ascending. Raises ``OperationError``."""
    rank = len(shape) if rank is None else rank
    if axis is None:
        return tuple(range(-rank, 0))
    wanted = (axis,) if isinstance(axis, int) else tuple(axis)
    found = tuple(sorted(axis_of(a, shape, rank) for a in wanted))
    if len(set(found)) < len(found):
        raise OperationError(f"axis {tuple(wanted)} names an axis twice for shape {show_shape(shape)}")
    return found


def reduced_shape(shape: Shape, axes: Axes, keepdims: bool) -> Shape:
    """The shape that is left after reducing over ``axes``."""
    gone = {a + len(shape) for a in axes}
    return tuple(1 if i in gone else n for i, n in enumerate(shape) if keepdims or i not in gone)


def rows(x: Array, axes: Axes) -> Array:
    """``x`` with ``axes`` made one, the last: a reduction over them is then one over each row."""
    x = np.asarray(x)
    moved = np.moveaxis(x, axes, range(-len(axes), 0)) if axes else x
    kept = moved.shape[: x.ndim - len(axes)]
    return moved.reshape((*kept, prod(moved.shape[x.ndim - len(axes) :])))


def unrows(row_wise: Array, axes: Axes, shape: Shape) -> Array:
    """Undo ``rows`` for an array whose shape was ``shape``."""
    if not axes:
        return row_wise.reshape(shape)
    moved = np.moveaxis(np.empty(shape, dtype=bool), axes, range(-len(axes), 0)).shape
    return np.moveaxis(row_wise.reshape(moved), range(-len(axes), 0), axes)


def total(x: Array, axes: Axes, keepdims: bool = False) -> Array:
    """The sum over ``axes``. As rows, because NumPy adds pairwise along the last axis only."""
    return finish(np.sum(np.ascontiguousarray(rows(x, axes)), axis=-1), axes, keepdims)


def finish(value: Any, axes: Axes, keepdims: bool) -> Array:
    """Put reduced axes back with length 1 if ``keepdims``."""
    return np.expand_dims(np.asarray(value), axes) if keepdims else np.asarray(value)


def unfinish(value: Any, axes: Axes, keepdims: bool) -> Array:
    """Take them away again, and give what is left the axis of rows."""
    value = np.asarray(value)
    return np.asarray((np.squeeze(value, axis=axes) if keepdims else value)[..., None])


def mean_of_rows(x: Array) -> Array:
    """The mean along the last axis, which is kept. Where the sum overflows, the quotients are added."""
    n = x.shape[-1]
    x = np.ascontiguousarray(x)
    mean = np.sum(x, axis=-1, keepdims=True) / n
    if np.isfinite(mean).all():
        return np.asarray(mean)
    return np.asarray(np.where(np.isfinite(mean), mean, np.sum(x / n, axis=-1, keepdims=True)))


def scaled_rows(x: Array) -> tuple[Array, Array]:
    """``x`` divided, exactly, by a power of two a row that brings the largest entry into [1/2, 1); the exponents."""
    _, exponent = np.frexp(np.max(np.abs(x), axis=-1, keepdims=True, initial=0.0))
    return np.ldexp(x, -exponent), exponent


def centred_rows(x: Array) -> tuple[Array, Array]:
    """Deviations from the mean of each row, scaled as by ``scaled_rows``; exactly 0 in a constant row.

    The mean of the deviations is subtracted once more: that removes the rounding of the first mean (the corrected
    two-pass algorithm of Chan, Golub & LeVeque, *The American Statistician* 37, 1983)."""
    x, exponent = scaled_rows(x)
    constant = np.max(x, axis=-1, keepdims=True) == np.min(x, axis=-1, keepdims=True)
    deviation = x - np.where(constant, x[..., :1], mean_of_rows(x))
    return deviation - mean_of_rows(deviation), exponent


def lift(x: Array, rank: int, wanted: int) -> Array:
    """``x``, an array of ``rank`` axes after any batch axes, with axes of length 1 put between the two, so that it
    broadcasts as an array of ``wanted`` axes."""
    x = np.asarray(x)
    if rank >= wanted:
        return x
    batch = x.ndim - rank
    return x.reshape((*x.shape[:batch], *(1,) * (wanted - rank), *x.shape[batch:]))


def sum_to(gradient: Array, shape: Shape) -> Array:
    """Sum over the axes that broadcasting added to ``shape`` or stretched."""
    gradient = np.asarray(gradient)
    if gradient.shape == shape:
        return gradient
    extra = gradient.ndim - len(shape)
    stretched = [extra + i for i, n in enumerate(shape) if n == 1 and gradient.shape[extra + i] != 1]
    return total(gradient, axes_of([*range(extra), *stretched], gradient.shape)).reshape(shape)


def padded(x: Array, widths: Sequence[tuple[int, int]], fill: float = 0.0) -> Array:
    """``x`` with ``fill`` around its last axes: so many entries before and after along each."""
    if not any(map(any, widths)):
        return np.asarray(x)
    return np.pad(x, [(0, 0)] * (np.ndim(x) - len(widths)) + list(widths), constant_values=fill)


@dataclass(frozen=True, slots=True)
class RowKink:
    """A kink of a reduction: ``tied(rows, **parameters)``. ``choose(rng, upstream, out, rows, **parameters)`` draws
    from the valid set and is equal to the slope in rows that are not tied."""

    where: str
    convention: str
    valid: str
    tied: Function
    choose: Function | None


def reduction(
    name: str,
    value: Function,
    slope: Function,
    formula: str,
    derivative: str,
    rule: str,
    symbolic: Function,
    *,
    parameters: tuple[Parameter, ...] = (AXIS, KEEPDIMS),
    settle: Callable[[Mapping[str, Any], int], dict[str, Any]] | None = None,
    needs_entries: bool = False,
    kinks: Sequence[RowKink] = (),
    piece: Function | None = None,
    cases: tuple[Case, ...] = (),
    **more: Any,
) -> Operation:
    """Declare a reduction over ``axis`` (all axes by default) with ``keepdims``, written for rows.

    ``value(rows)`` reduces the last axis and ``symbolic(S, rows)`` is the same in exact scalars. ``slope(upstream, out,
    rows)`` is the vector-Jacobian product, of the shape of ``rows``; its first two arguments have a last axis of length
    1. All get what ``parameters`` there are beside those two, as ``settle(parameters, count)`` made them for rows of
    ``count`` entries.
    """

    def resolve(shapes: Sequence[Shape], given: Mapping[str, Any]) -> Resolved:
        (shape,) = shapes
        axes = axes_of(given.get("axis"), shape)
        keepdims = bool(given.get("keepdims", False))
        count: int = prod([shape[a] for a in axes])
        if needs_entries and count == 0 and all(reduced_shape(shape, axes, keepdims)):
            raise OperationError(f"needs at least one entry to reduce, but has shape {show_shape(shape)}")
        settled = {} if settle is None else settle(given, count)
        return Resolved(reduced_shape(shape, axes, keepdims), {"axis": axes, "keepdims": keepdims, **settled})

    def forward(x: Any, axis: Axes, keepdims: bool, **settled: Any) -> Array:
        return finish(value(rows(x, axis), **settled), axis, keepdims)

    def vjp(upstream: Any, out: Any, x: Any, axis: Axes, keepdims: bool, **settled: Any) -> Array:
        down = slope(unfinish(upstream, axis, keepdims), unfinish(out, axis, keepdims), rows(x, axis), **settled)
        return unrows(np.broadcast_to(down, rows(x, axis).shape), axis, np.shape(x))

    def exact(S: Any, x: Any, axis: Axes, keepdims: bool, **settled: Any) -> Array:
        return finish(np.asarray(symbolic(S, rows(x, axis), **settled), dtype=object), axis, keepdims)

    def piece_of(x: Any, axis: Axes, keepdims: bool, **settled: Any) -> Array:
        assert piece is not None
        return np.asarray(piece(rows(x, axis), **settled))

    return declare(
        Operation(
            name=name, arguments=(Argument("x"),), parameters=parameters,
            formula=formula, derivative=derivative, resolve=resolve, forward=forward, vjp=(vjp,), rules=(rule,),
            symbolic=exact, kinks=tuple(map(_kink, kinks)), piece=None if piece is None else piece_of,
            cases=cases or REDUCTION_CASES, **more,
        )
    )  # fmt: skip


def _kink(kink: RowKink) -> Kink:
    def tied(x: Any, axis: Axes, keepdims: bool, **settled: Any) -> Array:
        return np.asarray(kink.tied(rows(x, axis), **settled))

    def choose(
        rng: np.random.Generator, upstream: Any, out: Any, x: Any, axis: Axes, keepdims: bool, **settled: Any
    ) -> tuple[Array]:
        assert kink.choose is not None
        flat = rows(x, axis)
        down = kink.choose(rng, unfinish(upstream, axis, keepdims), unfinish(out, axis, keepdims), flat, **settled)
        return (unrows(np.broadcast_to(down, flat.shape), axis, np.shape(x)),)

    return Kink(kink.where, kink.convention, kink.valid, tied, None if kink.choose is None else choose)
