"""Rules for what moves entries about: reshaping, joining, splitting, padding, selecting."""

# ruff: noqa: ARG001, ARG005 -- a rule has the signature of its NumPy function

from __future__ import annotations

from typing import Any

import numpy as np

from gradtool.tracing.array import Array, TracedArray, again, apply, as_traced, call, isinstance_traced, plain, taken
from gradtool.tracing.function_rules import axes, mutating_rule, rule
from gradtool.tracing.tape import Tape


def _places(x: TracedArray) -> Array:
    return np.arange(x.size).reshape(x.shape)


def _moved(tape: Tape, x: Any, places: Any) -> TracedArray:
    """The entries of ``x`` at ``places``."""
    node = taken(tape, as_traced(tape, x).node, np.asarray(places))
    return TracedArray(tape, node, tape.entries[node].value)


@rule(np.reshape)
def _reshape(
    tape: Tape, a: Any, /, shape: Any = None, order: str = "C", *, newshape: Any = None, copy: Any = None
) -> Any:
    a = as_traced(tape, a)
    wanted = newshape if shape is None else shape
    if order == "C":
        return apply(tape, "reshape", a, shape=axes(wanted))
    return _moved(tape, a, np.reshape(_places(a), wanted, order=order))  # type: ignore[call-overload]


@rule(np.ravel)
def _ravel(tape: Tape, a: Any, order: Any = "C") -> Any:
    a = as_traced(tape, a)
    return apply(tape, "flatten", a) if order == "C" else _moved(tape, a, np.ravel(_places(a), order))


@rule(np.squeeze)
def _squeeze(tape: Tape, a: Any, axis: Any = None) -> Any:
    return apply(tape, "squeeze", a, axis=axes(axis))


@rule(np.expand_dims)
def _expand_dims(tape: Tape, a: Any, axis: Any) -> Any:
    return apply(tape, "expand_dims", a, axis=axes(axis))


def _lifting(function: Any) -> None:
    @rule(function)
    def lift(tape: Tape, *arrays: Any) -> Any:
        found = [apply(tape, "reshape", x, shape=np.shape(function(np.empty(np.shape(plain(x)))))) for x in arrays]
        return found[0] if len(found) == 1 else found


_LIFTERS: tuple[Any, ...] = (np.atleast_1d, np.atleast_2d, np.atleast_3d)
for _function in _LIFTERS:
    _lifting(_function)


@rule(np.transpose, np.permute_dims if hasattr(np, "permute_dims") else np.transpose)
def _transpose(tape: Tape, a: Any, axes: Any = None) -> Any:  # The name is NumPy's.
    wanted = None if axes is None else tuple(int(axis) for axis in axes)
    return apply(tape, "transpose", a, axes=wanted)


def _transposing(function: Any) -> None:
    @rule(function)
    def move(tape: Tape, a: Any, *how: Any, **named: Any) -> Any:
        a = as_traced(tape, a)
        strides = function(np.empty(tuple(range(2, a.ndim + 2)), dtype=bool), *how, **named).shape
        return apply(tape, "transpose", a, axes=tuple(n - 2 for n in strides))


_transposing(np.swapaxes)
_transposing(np.moveaxis)
_transposing(np.rollaxis)
if hasattr(np, "matrix_transpose"):
    _transposing(np.matrix_transpose)


@rule(np.broadcast_to)
def _broadcast_to(tape: Tape, array: Any, shape: Any, subok: bool = False) -> Any:
    return apply(tape, "broadcast_to", array, shape=axes(shape))


@rule(np.broadcast_arrays)
def _broadcast_arrays(tape: Tape, *args: Any, subok: bool = False) -> Any:
    shape = np.broadcast_shapes(*(np.shape(plain(x)) for x in args))
    return [apply(tape, "broadcast_to", x, shape=shape) for x in args]


@rule(np.flip)
def _flip(tape: Tape, m: Any, axis: Any = None) -> Any:
    return apply(tape, "flip", m, axis=axes(axis))


@rule(np.fliplr)
def _fliplr(tape: Tape, m: Any) -> Any:
    return apply(tape, "flip", m, axis=1)


@rule(np.flipud)
def _flipud(tape: Tape, m: Any) -> Any:
    return apply(tape, "flip", m, axis=0)


@rule(np.roll)
def _roll(tape: Tape, a: Any, shift: Any, axis: Any = None) -> Any:
    a = as_traced(tape, a)
    if np.ndim(shift):
        return _moved(tape, a, np.roll(_places(a), shift, axis))
    return apply(tape, "roll", a, shift=int(shift), axis=axes(axis))


def _by_places(*functions: Any) -> None:
    """What only moves or repeats entries of its first argument is done to their places."""

    def enter(function: Any) -> None:
        @rule(function)
        def move(tape: Tape, a: Any, *how: Any, **named: Any) -> Any:
            if not isinstance_traced(a):
                a = as_traced(tape, a)
            if any(not tape.entries[x.node].fixed for x in (*how, *named.values()) if isinstance_traced(x)):
                tape.branch()
            return _moved(tape, a, function(_places(a), *plain(how), **plain(named)))

    for function in functions:
        enter(function)


_by_places(np.tile, np.repeat, np.rot90, np.take, np.take_along_axis, np.diagonal, np.delete, np.resize)


@rule(np.compress)
def _compress(tape: Tape, condition: Any, a: Any, axis: Any = None) -> Any:
    if isinstance_traced(condition):
        tape.branch()
    a = as_traced(tape, a)
    return _moved(tape, a, np.compress(plain(condition), _places(a), axis))


@rule(np.extract)
def _extract(tape: Tape, condition: Any, arr: Any) -> Any:
    if isinstance_traced(condition):
        tape.branch()
    arr = as_traced(tape, arr)
    return _moved(tape, arr, np.extract(plain(condition), _places(arr)))


# --- joining and splitting ---


@rule(np.concatenate)
def _concatenate(tape: Tape, arrays: Any, /, axis: Any = 0) -> Any:
    if axis is None:
        return apply(tape, "concat", *(as_traced(tape, x).reshape(-1) for x in arrays), axis=0)
    return apply(tape, "concat", *arrays, axis=axes(axis))


@rule(np.stack)
def _stack(tape: Tape, arrays: Any, axis: Any = 0) -> Any:
    return apply(tape, "stack", *arrays, axis=axes(axis))


def _joining(function: Any, least: Any, axis: Any) -> None:
    @rule(function)
    def join(tape: Tape, tup: Any) -> Any:
        parts = [call(least, (as_traced(tape, x),), {}) for x in tup]
        return apply(tape, "concat", *parts, axis=axis(parts[0].ndim))


_joining(np.vstack, np.atleast_2d, lambda rank: 0)
_joining(np.hstack, np.atleast_1d, lambda rank: 0 if rank == 1 else 1)
_joining(np.dstack, np.atleast_3d, lambda rank: 2)


@rule(np.column_stack)
def _column_stack(tape: Tape, tup: Any) -> Any:
    parts = [as_traced(tape, x) for x in tup]
    return apply(tape, "concat", *(x.reshape((-1, 1)) if x.ndim < 2 else x for x in parts), axis=1)


@rule(np.append)
def _append(tape: Tape, arr: Any, values: Any, axis: Any = None) -> Any:
    return _concatenate(tape, (arr, values), axis)


@rule(np.block)
def _block(tape: Tape, arrays: Any) -> Any:
    def depth(x: Any) -> int:
        return 1 + depth(x[0]) if isinstance(x, list) else 0

    levels = depth(arrays)

    def join(x: Any, level: int) -> Any:
        if not isinstance(x, list):
            x = as_traced(tape, x)
            return x.reshape((*(1,) * max(levels - x.ndim, 0), *x.shape))
        return apply(tape, "concat", *(join(part, level + 1) for part in x), axis=level - levels)

    return join(arrays, 0)


def _splitting(function: Any) -> None:
    @rule(function)
    def split(tape: Tape, ary: Any, indices_or_sections: Any, *axis: Any, **named: Any) -> Any:
        ary = as_traced(tape, ary)
        return [_moved(tape, ary, places) for places in function(_places(ary), indices_or_sections, *axis, **named)]


_SPLITTERS: tuple[Any, ...] = (np.split, np.array_split, np.hsplit, np.vsplit, np.dsplit)
for _function in _SPLITTERS:
    _splitting(_function)


@rule(np.pad)
def _pad(tape: Tape, array: Any, pad_width: Any, mode: Any = "constant", **how: Any) -> Any:
    """Padding with 0 is an operation, with other constants also a choice; other modes repeat entries, and are told by the
    places."""
    array = as_traced(tape, array)
    if mode in ("edge", "reflect", "symmetric", "wrap"):
        if how.get("reflect_type", "even") != "even":
            tape.fail("np.pad with reflect_type='odd' cannot be traced")
        return _moved(tape, array, np.pad(_places(array), pad_width, mode))
    if mode != "constant":
        tape.fail(f"np.pad with mode={mode!r} cannot be traced")
    put = apply(tape, "pad", array, pad_width=_widths(pad_width, array.ndim))
    if not how or not np.any(plain(how["constant_values"])):
        return put
    around = np.pad(np.zeros(array.shape), pad_width, constant_values=plain(how["constant_values"]))
    return apply(tape, "where", np.pad(np.ones(array.shape), pad_width), put, around)


def _widths(pad_width: Any, rank: int) -> tuple[tuple[int, int], ...]:
    """So many entries before and after along each axis. (NumPy takes a dictionary of axes, too.)"""
    if isinstance(pad_width, dict):
        given: dict[int, Any] = pad_width
        pad_width = [np.broadcast_to(given.get(n, given.get(n - rank, 0)), 2) for n in range(rank)]
    return tuple((int(a), int(b)) for a, b in np.broadcast_to(pad_width, (rank, 2)))


@rule(np.lib.stride_tricks.sliding_window_view)
def _sliding_windows(tape: Tape, x: Any, window_shape: Any, axis: Any = None) -> Any:
    x = as_traced(tape, x)
    return _moved(tape, x, np.lib.stride_tricks.sliding_window_view(_places(x), window_shape, axis))


# --- diagonals and triangles ---


@rule(np.diag)
def _diag(tape: Tape, v: Any, k: int = 0) -> Any:
    v = as_traced(tape, v)
    if v.ndim == 2:
        return _moved(tape, v, np.diag(_places(v), k))
    return _on_diagonal(tape, v, k)


@rule(np.diagflat)
def _diagflat(tape: Tape, v: Any, k: int = 0) -> Any:
    return _on_diagonal(tape, as_traced(tape, v).reshape(-1), k)


def _on_diagonal(tape: Tape, v: TracedArray, k: int) -> TracedArray:
    where = np.diag(np.ones(v.size), k)
    return apply(tape, "scatter", v, places=tuple(np.flatnonzero(where).tolist()), shape=where.shape)


@rule(np.tril)
def _tril(tape: Tape, m: Any, k: int = 0) -> Any:
    m = as_traced(tape, m)
    return apply(tape, "where", np.tri(m.shape[-2], m.shape[-1], k), m, 0.0)


@rule(np.triu)
def _triu(tape: Tape, m: Any, k: int = 0) -> Any:
    m = as_traced(tape, m)
    return apply(tape, "where", np.tri(m.shape[-2], m.shape[-1], k - 1), 0.0, m)


# --- copies ---


@rule(np.copy)
def _copy(tape: Tape, a: Any, order: str = "K", subok: bool = False) -> Any:
    return again(as_traced(tape, a))


@rule(np.real, np.real_if_close, np.asarray_chkfinite)
def _same(tape: Tape, a: Any) -> Any:
    return again(as_traced(tape, a))


def _constant_like(function: Any) -> None:
    @rule(function)
    def make(tape: Tape, a: Any, *how: Any, **named: Any) -> Any:
        value = function(plain(a), *plain(how), **plain(named))
        return TracedArray(tape, tape.constant(value), value)


_constant_like(np.zeros_like)
_constant_like(np.ones_like)


# --- changing an argument ---


def _must_be_traced(tape: Tape, array: Any, name: str) -> None:
    if not isinstance_traced(array):
        tape.fail(f"{name} puts traced values into a plain array, which cannot hold them")


@mutating_rule(np.copyto)
def _copyto(tape: Tape, dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    _must_be_traced(tape, dst, "np.copyto")
    if plain(where) is True:
        dst[...] = src
        return
    mask = np.broadcast_to(np.asarray(plain(where), dtype=bool), dst.shape)
    dst[mask] = call(np.broadcast_to, (as_traced(tape, src), dst.shape), {})[mask]


@mutating_rule(np.fill_diagonal)
def _fill_diagonal(tape: Tape, a: Any, val: Any, wrap: bool = False) -> None:
    _must_be_traced(tape, a, "np.fill_diagonal")
    marks = np.zeros(a.shape, dtype=bool)
    np.fill_diagonal(marks, True, wrap)
    a[marks] = val


@mutating_rule(np.put_along_axis)
def _put_along_axis(tape: Tape, arr: Any, indices: Any, values: Any, axis: Any) -> None:
    _must_be_traced(tape, arr, "np.put_along_axis")
    chosen = np.take_along_axis(_places(arr), plain(indices), axis)
    arr[np.unravel_index(chosen, arr.shape)] = values


@mutating_rule(np.put)
def _put(tape: Tape, a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    _must_be_traced(tape, a, "np.put")
    a[np.unravel_index(np.take(_places(a), plain(ind)), a.shape)] = v


@mutating_rule(np.putmask)
def _putmask(tape: Tape, a: Any, mask: Any, values: Any) -> None:
    _must_be_traced(tape, a, "np.putmask")
    mask = np.asarray(plain(mask), dtype=bool)
    a[mask] = values if np.ndim(plain(values)) == 0 else as_traced(tape, values)[mask]
