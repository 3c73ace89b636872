"""What moves entries about without changing them: reshaping, joining, indexing, broadcasting, padding. All linear."""

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
    Operation,
    OperationError,
    Parameter,
    Resolved,
    Shape,
    declare,
    show_shape,
)
from gradtool.ops.structured import AXIS, axes_of, axis_of, lift, padded, sum_to

Key = tuple[int | slice | None, ...]


def _core(x: Any, rank: int, shape: Shape) -> Array:
    """``x`` reshaped, any batch axes before its ``rank`` axes kept."""
    x = np.asarray(x)
    return np.asarray(x.reshape((*x.shape[: x.ndim - rank], *shape)))


def _back(upstream: Any, out: Any, x: Any, **_: Any) -> Array:
    """The vector-Jacobian product of whatever keeps the order of entries."""
    return np.reshape(upstream, np.shape(x))


def _reshaping(
    name: str, resolve: Function, formula: str, parameters: tuple[Parameter, ...], cases: tuple[Case, ...], **more: Any
) -> Operation:
    """Declare an operation that keeps the entries and their order. ``resolve(shape, given)`` gives the new shape."""

    def settle(shapes: Sequence[Shape], given: Mapping[str, Any]) -> Resolved:
        shape = resolve(shapes[0], given)
        return Resolved(shape, {"rank": len(shapes[0]), "shape": shape})

    return declare(
        Operation(
            name=name, arguments=(Argument("x"),), parameters=parameters, formula=formula,
            derivative="1 from an entry to its new place", derivative_range="{1}", resolve=settle,
            forward=lambda x, rank, shape: _core(x, rank, shape), vjp=(_back,),
            rules=("{upstream} in the shape of {x}",), symbolic=lambda S, x, rank, shape: x.reshape(shape),
            cases=cases, **more,
        )
    )  # fmt: skip


def _new_shape(shape: Shape, given: Mapping[str, Any]) -> Shape:
    wanted = given["shape"]
    wanted = (wanted,) if isinstance(wanted, int) else tuple(wanted)
    size = prod(shape)
    problem = f"shape {show_shape(shape)} has {size} entries and cannot become {show_shape(wanted)}"
    if any(n < -1 for n in wanted) or wanted.count(-1) > 1:
        raise OperationError(f"{problem}: lengths are not negative, but for one -1, which stands for what is left")
    if -1 not in wanted:
        if prod(wanted) != size:
            raise OperationError(f"{problem}, which has {prod(wanted)}")
        return wanted
    known = prod(n for n in wanted if n != -1)
    if known == 0 or size % known:
        raise OperationError(f"{problem}: no length in place of -1 makes that many")
    return tuple(size // known if n == -1 else n for n in wanted)


_reshaping(
    "reshape", _new_shape, "the entries of x, in order, in another shape", (Parameter("shape", "shape", ...),),
    (
        Case(((6,),), {"shape": (2, 3)}), Case(((2, 3),), {"shape": (3, -1)}), Case(((2, 3, 2),), {"shape": (-1,)}),
        Case(((2, 2),), {"shape": 4}), Case(((),), {"shape": (1, 1)}),
    ),
)  # fmt: skip

_reshaping(
    "flatten", lambda shape, given: (prod(shape),), "the entries of x, in order, as a vector", (),
    (Case(((2, 3),), {}), Case(((2, 1, 3),), {}), Case(((4,),), {}), Case(((),), {})), aliases=("ravel",),
)  # fmt: skip


def _squeezed(shape: Shape, given: Mapping[str, Any]) -> Shape:
    axis = given.get("axis")
    if axis is None:
        return tuple(n for n in shape if n != 1)
    gone = {a + len(shape) for a in axes_of(axis, shape)}
    for a in sorted(gone):
        if shape[a] != 1:
            raise OperationError(f"axis {a} of shape {show_shape(shape)} has length {shape[a]}; only length 1 can go")
    return tuple(n for i, n in enumerate(shape) if i not in gone)


_reshaping(
    "squeeze", _squeezed, "x without its axes of length 1", (AXIS,),
    (Case(((1, 3, 1),), {}), Case(((1, 3, 1),), {"axis": -1}), Case(((3,),), {}), Case(((1, 1, 2),), {"axis": (0, 1)})),
)  # fmt: skip


def _expanded(shape: Shape, given: Mapping[str, Any]) -> Shape:
    axis = given["axis"]
    count = 1 if isinstance(axis, int) else len(axis)
    rank = len(shape) + count
    new = {a + rank for a in axes_of(axis, shape, rank)}
    old = iter(shape)
    return tuple(1 if i in new else next(old) for i in range(rank))


_reshaping(
    "expand_dims", _expanded, "x with new axes of length 1", (Parameter("axis", "axes", ...),),
    (
        Case(((3,),), {"axis": 0}), Case(((2, 3),), {"axis": -1}), Case(((2, 3),), {"axis": (0, 2)}),
        Case(((),), {"axis": 0}),
    ),
)  # fmt: skip


# --- concat, stack ---


def _resolve_concat(shapes: Sequence[Shape], given: Mapping[str, Any]) -> Resolved:
    first = shapes[0]
    if not first:
        raise OperationError("joins along an axis, and a scalar has none; stack(...) joins scalars to a vector")
    axis = axis_of(given.get("axis", 0), first)
    place = axis + len(first)
    offsets = [0]
    for i, shape in enumerate(shapes):
        if len(shape) != len(first) or shape[:place] != first[:place] or shape[place + 1 :] != first[place + 1 :]:
            raise OperationError(
                f"shapes {show_shape(first)} and {show_shape(shape)} (argument {i + 1}) do not fit: "
                f"they may differ in axis {place} only"
            )
        offsets.append(offsets[-1] + shape[place])
    shape = (*first[:place], offsets[-1], *first[place + 1 :])
    return Resolved(shape, {"axis": axis, "offsets": tuple(offsets)})


def _concat_vjp(i: int) -> Function:
    def vjp(upstream: Any, out: Any, *arguments: Any, axis: int, offsets: tuple[int, ...]) -> Array:
        upstream = np.asarray(upstream)
        part = slice(offsets[i], offsets[i + 1])
        return np.moveaxis(np.moveaxis(upstream, axis, 0)[part], 0, axis)

    return vjp


def _joined(*arguments: Any, axis: int, offsets: tuple[int, ...]) -> Array:
    return np.concatenate(arguments, axis=axis)


declare(
    Operation(
        name="concat", arguments=(Argument("a"),), variadic=True, parameters=(Parameter("axis", "int", 0),),
        aliases=("concatenate",), formula="the arguments one after the other along an axis",
        derivative="1 from an entry to its new place", derivative_range="{1}", resolve=_resolve_concat, forward=_joined,
        vjp=_concat_vjp, rules=lambda i, shapes: f"part {i + 1} of {{upstream}}",
        symbolic=lambda S, *arguments, axis, offsets: np.concatenate(arguments, axis=axis),
        cases=(
            Case(((2,), (3,)), {}), Case(((2, 3), (1, 3), (2, 3)), {"axis": 0}), Case(((2, 3), (2, 1)), {"axis": -1}),
            Case(((2, 1, 2), (2, 2, 2)), {"axis": 1}), Case(((3,),), {}),
        ),
    )
)  # fmt: skip


def _resolve_stack(shapes: Sequence[Shape], given: Mapping[str, Any]) -> Resolved:
    first = shapes[0]
    for i, shape in enumerate(shapes):
        if shape != first:
            raise OperationError(
                f"shapes {show_shape(first)} and {show_shape(shape)} (argument {i + 1}) differ; all must be the same"
            )
    rank = len(first) + 1
    axis = axis_of(given.get("axis", 0), first, rank)
    place = axis + rank
    return Resolved((*first[:place], len(shapes), *first[place:]), {"axis": axis})


def _stack_vjp(i: int) -> Function:
    def vjp(upstream: Any, out: Any, *arguments: Any, axis: int) -> Array:
        return np.asarray(np.take(upstream, i, axis=axis))

    return vjp


declare(
    Operation(
        name="stack", arguments=(Argument("a"),), variadic=True, parameters=(Parameter("axis", "int", 0),),
        formula="the arguments side by side along a new axis", derivative="1 from an entry to its new place",
        derivative_range="{1}", resolve=_resolve_stack, forward=lambda *arguments, axis: np.stack(arguments, axis=axis),
        vjp=_stack_vjp, rules=lambda i, shapes: f"part {i + 1} of {{upstream}}",
        symbolic=lambda S, *arguments, axis: np.stack(arguments, axis=axis),
        cases=(
            Case(((), (), ()), {}), Case(((3,), (3,)), {"axis": 0}), Case(((2, 3), (2, 3)), {"axis": -1}),
            Case(((2, 3), (2, 3), (2, 3)), {"axis": 1}), Case(((2,),), {}),
        ),
    )
)  # fmt: skip


# --- index ---


def _resolve_index(shapes: Sequence[Shape], given: Mapping[str, Any]) -> Resolved:
    """Write the key out to one entry an axis, without an ellipsis, so that it can be applied to the last axes."""
    (shape,) = shapes
    key = given["key"]
    key = key if isinstance(key, tuple) else (key,)
    used = sum(k is not None and k is not Ellipsis for k in key)
    ellipses = sum(k is Ellipsis for k in key)
    if ellipses > 1:
        raise OperationError("an index may have one '...' only")
    if used > len(shape):
        raise OperationError(f"{used} indices are too many for shape {show_shape(shape)}, which has {len(shape)} axes")
    rest = (slice(None),) * (len(shape) - used)
    if ellipses:
        place = next(i for i, k in enumerate(key) if k is Ellipsis)
        key = (*key[:place], *rest, *key[place + 1 :])
    else:
        key = (*key, *rest)
    lengths = iter(enumerate(shape))
    result: list[int] = []
    for k in key:
        if k is None:
            result.append(1)
            continue
        axis, n = next(lengths)
        if isinstance(k, slice):
            if k.step == 0:
                raise OperationError("a slice's step cannot be 0")
            result.append(len(range(*k.indices(n))))
        elif not -n <= k < n:
            known = f"indices {-n} to {n - 1}" if n else "no entries"
            raise OperationError(f"index {k} is out of range: axis {axis} of shape {show_shape(shape)} has {known}")
    return Resolved(tuple(result), {"key": key})


def _index_vjp(upstream: Any, out: Any, x: Any, key: Key) -> Array:
    upstream = np.asarray(upstream)
    result = np.zeros(np.shape(x), dtype=upstream.dtype)
    result[(..., *key)] = upstream
    return result


declare(
    Operation(
        name="index", arguments=(Argument("x"),), operator="[]", formula="the entries of x that the index names",
        derivative="1 from an entry to its new place, 0 for those left out", derivative_range="{0, 1}",
        resolve=_resolve_index, forward=lambda x, key: np.asarray(x)[(..., *key)], vjp=(_index_vjp,),
        rules=("{upstream} at the indexed entries of {x}, 0 elsewhere",),
        symbolic=lambda S, x, key: x[(..., *key)],
        cases=(
            Case(((5,),), {"key": (2,)}), Case(((5,),), {"key": (slice(1, -1),)}),
            Case(((5,),), {"key": (slice(None, None, -2),)}),
            Case(((3, 4),), {"key": (-1,)}), Case(((3, 4),), {"key": (Ellipsis, 1)}), Case(((3, 4),), {"key": (1, 2)}),
            Case(((2, 3, 4),), {"key": (slice(None), None, 0, Ellipsis)}), Case(((),), {"key": (None,)}),
            Case(((2, 3, 4),), {"key": (1, Ellipsis, slice(0, 4, 3))}),
        ),
    )
)  # fmt: skip


# --- broadcast_to ---


def _resolve_broadcast(shapes: Sequence[Shape], given: Mapping[str, Any]) -> Resolved:
    (shape,) = shapes
    wanted = given["shape"]
    wanted = (wanted,) if isinstance(wanted, int) else tuple(wanted)
    extra = len(wanted) - len(shape)
    if extra < 0 or any(n not in (1, m) for n, m in zip(shape, wanted[max(extra, 0) :], strict=False)):
        raise OperationError(
            f"shape {show_shape(shape)} does not broadcast to {show_shape(wanted)}: from the last axis on, "
            "lengths must be equal or 1"
        )
    return Resolved(wanted, {"shape": wanted, "rank": len(shape)})


def _broadcast_to(x: Any, shape: Shape, rank: int) -> Array:
    x = np.asarray(x)
    batch = x.shape[: x.ndim - rank]
    return np.broadcast_to(lift(x, rank, len(shape)), (*batch, *shape))


declare(
    Operation(
        name="broadcast_to", arguments=(Argument("x"),), parameters=(Parameter("shape", "shape", ...),),
        formula="x repeated to a larger shape", derivative="1 to every copy of an entry", derivative_range="{1}",
        resolve=_resolve_broadcast, forward=_broadcast_to,
        vjp=(lambda upstream, out, x, shape, rank: sum_to(upstream, np.shape(x)),),
        rules=("sum of {upstream} over the copies of each entry of {x}",),
        symbolic=lambda S, x, shape, rank: np.broadcast_to(x, shape),
        cases=(
            Case(((3,),), {"shape": (2, 3)}), Case(((),), {"shape": (2, 2)}), Case(((2, 1),), {"shape": (2, 3)}),
            Case(((1, 3),), {"shape": (2, 2, 3)}), Case(((1,),), {"shape": 4}),
        ),
    )
)  # fmt: skip


# --- flip, roll ---


def _resolve_flip(shapes: Sequence[Shape], given: Mapping[str, Any]) -> Resolved:
    return Resolved(shapes[0], {"axis": axes_of(given.get("axis"), shapes[0])})


declare(
    Operation(
        name="flip", arguments=(Argument("x"),), parameters=(AXIS,),
        formula="x in reverse order along the axes", derivative="1 from an entry to its new place",
        derivative_range="{1}", resolve=_resolve_flip, forward=lambda x, axis: np.flip(x, axis),
        vjp=(lambda upstream, out, x, axis: np.flip(upstream, axis),), rules=("{upstream} flipped back",),
        symbolic=lambda S, x, axis: np.flip(x, axis),
        cases=(Case(((4,),), {}), Case(((2, 3),), {"axis": 0}), Case(((2, 3, 2),), {"axis": (0, -1)}), Case(((),), {})),
    )
)  # fmt: skip


def _resolve_roll(shapes: Sequence[Shape], given: Mapping[str, Any]) -> Resolved:
    (shape,) = shapes
    axis = given.get("axis")
    axes = None if axis is None else axes_of(axis, shape)
    return Resolved(shape, {"shift": given["shift"], "axis": axes, "rank": len(shape)})


def _roll(x: Any, shift: int, axis: tuple[int, ...] | None, rank: int) -> Array:
    x = np.asarray(x)
    if axis is not None:
        return np.roll(x, shift, axis=axis)
    flat = _core(x, rank, (prod(x.shape[x.ndim - rank :]),))
    return np.roll(flat, shift, axis=-1).reshape(x.shape)


declare(
    Operation(
        name="roll", arguments=(Argument("x"),), parameters=(Parameter("shift", "int", ...), AXIS),
        formula="x shifted along the axes (without axis: as a vector); what leaves at one end returns at the other",
        derivative="1 from an entry to its new place", derivative_range="{1}", resolve=_resolve_roll, forward=_roll,
        vjp=(lambda upstream, out, x, shift, axis, rank: _roll(upstream, -shift, axis, rank),),
        rules=("{upstream} rolled back",), symbolic=lambda S, x, shift, axis, rank: _roll(x, shift, axis, rank),
        cases=(
            Case(((5,),), {"shift": 2}), Case(((2, 3),), {"shift": -1, "axis": 1}), Case(((2, 3),), {"shift": 1}),
            Case(((2, 3, 2),), {"shift": 1, "axis": (0, 1)}),
        ),
    )
)  # fmt: skip


# --- take, scatter: any entries to any places ---


def _places(given: Mapping[str, Any], size: int, shape: Shape) -> Array:
    """``places`` as a vector of indices into ``size`` entries."""
    wanted = given["places"]
    places = np.array((wanted,) if isinstance(wanted, int) else wanted, dtype=np.int64).reshape(-1)
    outside = places[(places < 0) | (places >= size)]
    if outside.size:
        raise OperationError(
            f"place {outside[0]} is out of range: shape {show_shape(shape)} has places 0 to {size - 1}, "
            "counted along its rows"
        )
    return places


def _shape_or(given: Mapping[str, Any], default: Shape) -> Shape:
    wanted = given.get("shape")
    return default if wanted is None else (wanted,) if isinstance(wanted, int) else tuple(wanted)


def _resolve_take(shapes: Sequence[Shape], given: Mapping[str, Any]) -> Resolved:
    (shape,) = shapes
    places = _places(given, prod(shape), shape)
    wanted = _shape_or(given, (places.size,))
    if prod(wanted) != places.size:
        raise OperationError(f"{places.size} places cannot fill shape {show_shape(wanted)}, which has {prod(wanted)}")
    return Resolved(wanted, {"places": places, "shape": wanted, "rank": len(shape)})


def _take(x: Any, places: Array, shape: Shape, rank: int) -> Array:
    x = np.asarray(x)
    batch = x.shape[: x.ndim - rank]
    return np.asarray(x.reshape((*batch, prod(x.shape[x.ndim - rank :])))[..., places].reshape((*batch, *shape)))


def _added_up(x: Any, places: Array, size: int) -> Array:
    """The entries of ``x`` added up at ``places`` of a vector of zeros."""
    return np.bincount(places, weights=np.ravel(x), minlength=size).astype(np.float64)


declare(
    Operation(
        name="take", arguments=(Argument("x"),),
        parameters=(Parameter("places", "shape", ...), Parameter("shape", "shape", None)),
        formula="the entries at these places of the flattened x, as often as they are named",
        derivative="1 from an entry to each of its new places", derivative_range="{0, 1}", resolve=_resolve_take,
        forward=_take,
        vjp=(
            lambda upstream, out, x, places, shape, rank: _added_up(upstream, places, np.size(x)).reshape(np.shape(x)),
        ),
        rules=("{upstream} added up at the places of {x} it was taken from",),
        symbolic=lambda S, x, places, shape, rank: x.reshape(-1)[places].reshape(shape),
        cases=(
            Case(((5,),), {"places": (4, 0, 0)}), Case(((2, 3),), {"places": (5, 1, 1, 0), "shape": (2, 2)}),
            Case(((2, 2),), {"places": 3, "shape": (1,)}), Case(((),), {"places": (0, 0)}),
        ),
    )
)  # fmt: skip


def _resolve_scatter(shapes: Sequence[Shape], given: Mapping[str, Any]) -> Resolved:
    (shape,) = shapes
    wanted = _shape_or(given, ())
    places = _places(given, prod(wanted), wanted)
    if places.size != prod(shape):
        raise OperationError(
            f"{places.size} places do not fit shape {show_shape(shape)}, which has {prod(shape)} entries"
        )
    return Resolved(wanted, {"places": places, "shape": wanted, "rank": len(shape)})


def _scatter(x: Any, places: Array, shape: Shape, rank: int) -> Array:
    x = np.asarray(x)
    batch = x.shape[: x.ndim - rank]
    rows = x.reshape((prod(batch), places.size))
    found = [_added_up(row, places, prod(shape)) for row in rows]
    return np.asarray(found, dtype=np.float64).reshape((*batch, *shape))


def _exact_scatter(S: Any, x: Any, places: Array, shape: Shape, rank: int) -> Array:
    result = np.empty(prod(shape), dtype=object)
    result[:] = S.number(0)
    for entry, place in zip(np.reshape(x, -1), places, strict=True):
        result[place] = result[place] + entry
    return result.reshape(shape)


declare(
    Operation(
        name="scatter", arguments=(Argument("x"),),
        parameters=(Parameter("places", "shape", ...), Parameter("shape", "shape", ...)),
        formula="the entries of x added up at these places of an array of zeros, counted along its rows",
        derivative="1 from an entry to its place", derivative_range="{0, 1}", resolve=_resolve_scatter,
        forward=_scatter,
        vjp=(lambda upstream, out, x, places, shape, rank: np.ravel(upstream)[places].reshape(np.shape(x)),),
        rules=("{upstream} at the places of {x}",), symbolic=_exact_scatter,
        cases=(
            Case(((3,),), {"places": (4, 0, 0), "shape": (5,)}), Case(((2, 2),), {"places": (5, 1, 2, 0), "shape": (2, 3)}),
            Case(((),), {"places": (1,), "shape": 2}),
        ),
    )
)  # fmt: skip


# --- pad ---


def _resolve_pad(shapes: Sequence[Shape], given: Mapping[str, Any]) -> Resolved:
    (shape,) = shapes
    wanted = given["pad_width"]
    try:
        widths = np.broadcast_to(np.asarray(wanted, dtype=np.int64), (len(shape), 2)).tolist()
    except (TypeError, ValueError):
        raise OperationError(
            f"pad_width {wanted} does not fit shape {show_shape(shape)}: it is one number, (before, after), or a row "
            "[before, after] for each axis"
        ) from None
    if any(n < 0 for row in widths for n in row):
        raise OperationError(f"pad_width must not be negative, but is {wanted}")
    around = tuple(n + before + after for n, (before, after) in zip(shape, widths, strict=True))
    return Resolved(around, {"pad_width": tuple(map(tuple, widths))})


def _unpad(upstream: Any, out: Any, x: Any, pad_width: tuple[tuple[int, int], ...]) -> Array:
    inside = (slice(before, before + n) for (before, _), n in zip(pad_width, np.shape(x), strict=True))
    return np.asarray(upstream)[tuple(inside)]


declare(
    Operation(
        name="pad", arguments=(Argument("x"),), parameters=(Parameter("pad_width", "ints", ...),),
        formula="x with zeros before and after it along its axes", derivative="1 from an entry to its new place",
        derivative_range="{1}", resolve=_resolve_pad, forward=lambda x, pad_width: padded(x, pad_width), vjp=(_unpad,),
        rules=("{upstream} without what stands around {x}",), symbolic=lambda S, x, pad_width: padded(x, pad_width, 0),
        cases=(
            Case(((3,),), {"pad_width": 1}), Case(((2, 2),), {"pad_width": (0, 1)}), Case(((),), {"pad_width": 2}),
            Case(((2, 3),), {"pad_width": ((1, 0), (0, 2))}), Case(((2, 2, 1),), {"pad_width": ((1,), (0,), (2,))}),
        ),
        source="NumPy, numpy.pad",
    )
)  # fmt: skip


# --- gather, embedding: rows of a table ---


def _resolve_rows(table: Shape, indices: Shape, frozen: int) -> Resolved:
    if not table:
        raise OperationError("needs a table of rows, but has a scalar")
    return Resolved((*indices, *table[1:]), {"ranks": (len(table), len(indices))}, (frozen,))


def _row_numbers(indices: Any, count: int) -> Array:
    """Raises ``OperationError`` for what is not the index of a row."""
    indices = np.asarray(indices)
    wrong = ~((indices >= 0) & (indices < count) & (indices == np.floor(indices)))
    if wrong.any():
        known = f"indices are whole numbers from 0 to {count - 1}" if count else "there are none"
        raise OperationError(f"index {float(indices[wrong].flat[0]):g} is not one of the {count} rows: {known}")
    return np.asarray(indices, dtype=np.int64)


def _rows_of(table: Any, indices: Any, ranks: tuple[int, int]) -> Array:
    table, indices = np.asarray(table), np.asarray(indices)
    batch, (count, *row) = table.shape[: table.ndim - ranks[0]], table.shape[table.ndim - ranks[0] :]
    flat = table.reshape((prod(batch), count, prod(row)))
    numbers = _row_numbers(indices, count).reshape((len(flat), prod(indices.shape[indices.ndim - ranks[1] :])))
    found = flat[np.arange(len(flat))[:, None], numbers]
    return np.asarray(found.reshape((*indices.shape, *row)))


def _rows_back(upstream: Any, table: Any, indices: Any) -> Array:
    """Added up at the rows that were taken, as often as each was."""
    result = np.zeros(np.shape(table), dtype=np.asarray(upstream).dtype)
    np.add.at(result, _row_numbers(indices, len(result)), upstream)
    return result


_ROW_NUMBERS = (np.array([2.0, 0.0, 2.0]), np.array(1.0), np.array([[0.0, 1.0], [1.0, 1.0]]))
_ROW_CASES = (
    ((3, 2), _ROW_NUMBERS[0]),
    ((4,), _ROW_NUMBERS[0]),
    ((2, 3), _ROW_NUMBERS[1]),
    ((2, 2, 2), _ROW_NUMBERS[2]),
)
_ROW_RULE = "{{upstream}} added up at the rows {{{indices}}} of {{{table}}}, 0 at the others"
_ROW_TEXTS: dict[str, Any] = {
    "derivative": "1 from an entry to each place it was taken to", "derivative_range": "{0, 1}",
}  # fmt: skip

declare(
    Operation(
        name="gather", arguments=(Argument("table"), Argument("indices", differentiable=False)),
        formula="the rows of the table that the indices name, as often as they do: out[i] = table[indices[i]]",
        resolve=lambda shapes, given: _resolve_rows(shapes[0], shapes[1], 1), forward=_rows_of,
        vjp=(
            lambda upstream, out, table, indices, ranks: _rows_back(upstream, table, indices),
            lambda upstream, out, table, indices, ranks: np.zeros(np.shape(indices)),
        ),
        rules=(_ROW_RULE.format(table="table", indices="indices"), "0"),
        symbolic=lambda S, table, indices, ranks: _rows_of(table, indices, ranks),
        cases=tuple(Case((shape, numbers.shape), {}, {1: numbers}) for shape, numbers in _ROW_CASES),
        source="TensorFlow, tf.gather; NumPy, table[indices]", **_ROW_TEXTS,
    )
)  # fmt: skip

declare(
    Operation(
        name="embedding", arguments=(Argument("indices", differentiable=False), Argument("weight")),
        formula="the rows of the weight that the indices name, as often as they do: out[i] = weight[indices[i]]",
        resolve=lambda shapes, given: _resolve_rows(shapes[1], shapes[0], 0),
        forward=lambda indices, weight, ranks: _rows_of(weight, indices, ranks),
        vjp=(
            lambda upstream, out, indices, weight, ranks: np.zeros(np.shape(indices)),
            lambda upstream, out, indices, weight, ranks: _rows_back(upstream, weight, indices),
        ),
        rules=("0", _ROW_RULE.format(table="weight", indices="indices")),
        symbolic=lambda S, indices, weight, ranks: _rows_of(weight, indices, ranks),
        cases=tuple(Case((numbers.shape, shape), {}, {0: numbers}) for shape, numbers in _ROW_CASES),
        source="PyTorch, torch.nn.functional.embedding", **_ROW_TEXTS,
    )
)  # fmt: skip
