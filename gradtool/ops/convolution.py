"""Windows that slide over the last axes: convolution as in PyTorch (without flipping the kernel), and pooling.

``kernel``, ``stride`` and ``padding`` hold one number for each axis that is slid over. What the windows see is laid out
as an array of its own, which ``windows`` makes and ``unwindows``, its adjoint, adds up again: a convolution is then a
product of matrices (Chellapilla, Puri & Simard, "High Performance Convolutional Neural Networks for Document
Processing", 2006), and pooling a reduction of rows.
"""

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
from gradtool.ops.reductions import SHARE, at_largest, choose_share, share_slope, tied_largest
from gradtool.ops.structured import lift, mean_of_rows, padded, total

Sizes = tuple[int, ...]


# --- windows ---


def sizes(given: Mapping[str, Any], name: str, count: int, least: int) -> Sizes:
    """A parameter as one number for each of ``count`` axes: one number stands for all.

    Raises ``OperationError`` for another count, and for numbers below ``least``."""
    wanted = given[name]
    found = (wanted,) if isinstance(wanted, int) else tuple(wanted)
    found = found * count if len(found) == 1 else found
    if len(found) != count or not all(isinstance(n, int) for n in found):
        numbers = "one number" if count == 1 else f"one number or {count}"
        raise OperationError(f"{name} must be {numbers}, but is {wanted}")
    if min(found) < least:
        raise OperationError(f"{name} must be at least {least}, but is {wanted}")
    return found


def window_counts(spatial: Shape, kernel: Sizes, stride: Sizes, padding: Sizes) -> Shape:
    """How many windows there are along each axis. Raises ``OperationError`` where not one fits."""
    for n, k, p in zip(spatial, kernel, padding, strict=True):
        if k > n + 2 * p:
            around = f" with padding {p} on both sides" if p else ""
            raise OperationError(
                f"the kernel {show_shape(kernel)} is larger than the input {show_shape(spatial)}: {k} entries do not "
                f"fit in {n}{around}"
            )
    return tuple((n + 2 * p - k) // s + 1 for n, k, s, p in zip(spatial, kernel, stride, padding, strict=True))


def windows(x: Array, kernel: Sizes, stride: Sizes, padding: Sizes, fill: float = 0.0) -> Array:
    """What each window sees: in place of the axes slid over, first one axis each for the places of the window, then one
    each inside it. A view, unless there is padding."""
    axes = tuple(range(-len(kernel), 0))
    around = padded(x, [(p, p) for p in padding], fill)
    seen = np.lib.stride_tricks.sliding_window_view(around, kernel, axis=axes)
    steps: Any = (..., *(slice(None, None, s) for s in stride), *(slice(None) for _ in kernel))
    return np.asarray(seen[steps])


def unwindows(seen: Array, spatial: Shape, kernel: Sizes, stride: Sizes, padding: Sizes) -> Array:
    """What the windows hold, added up where they stood: the adjoint of ``windows``."""
    count = len(kernel)
    counts = seen.shape[-2 * count : -count]
    lead = seen.shape[: -2 * count]
    result = np.zeros((*lead, *(n + 2 * p for n, p in zip(spatial, padding, strict=True))), dtype=seen.dtype)
    for place in np.ndindex(kernel):
        result[_at(place, counts, stride)] += seen[(..., *place)]
    inside: Any = (..., *(slice(p, p + n) for n, p in zip(spatial, padding, strict=True)))
    return np.asarray(result[inside])


def _at(place: Sizes, counts: Shape, stride: Sizes) -> tuple[Any, ...]:
    """The index of the entries of a padded array that stand at ``place`` in their windows."""
    return (..., *(slice(i, i + s * (n - 1) + 1, s) for i, n, s in zip(place, counts, stride, strict=True)))


# --- convolution ---


def _resolve_convolution(shapes: Sequence[Shape], given: Mapping[str, Any], names: str) -> Resolved:
    """``names`` are those of the axes that are slid over: ``L``, or ``HW``."""
    x, weight, bias = shapes
    count = len(names)
    axes, inner = ", ".join(names), ", ".join(f"k{n}" for n in names)
    if len(x) not in (count + 1, count + 2):
        raise OperationError(f"needs x of shape (N, C, {axes}) or (C, {axes}), but x has shape {show_shape(x)}")
    if len(weight) != count + 2:
        raise OperationError(f"needs a weight of shape (O, C, {inner}), but the weight has shape {show_shape(weight)}")
    channels = x[-count - 1]
    if weight[1] != channels:
        raise OperationError(
            f"shapes {show_shape(x)} and {show_shape(weight)} do not fit: x has {channels} channels "
            f"(axis {len(x) - count - 1}), the weight takes {weight[1]} (its axis 1); they must be equal"
        )
    if bias not in ((), weight[:1]):
        raise OperationError(
            f"the bias needs one entry for each of the {weight[0]} channels that come out, shape {show_shape(weight[:1])}, "
            f"but has shape {show_shape(bias)}"
        )
    kernel = weight[2:]
    if 0 in weight:
        raise OperationError(f"needs a weight with entries, but the weight has shape {show_shape(weight)}")
    stride, padding = sizes(given, "stride", count, 1), sizes(given, "padding", count, 0)
    counts = window_counts(x[-count:], kernel, stride, padding)
    settled = {"stride": stride, "padding": padding, "ranks": (len(x), len(weight), len(bias))}
    return Resolved((*x[: -count - 1], weight[0], *counts), settled)


def _columns(x: Array, kernel: Sizes, stride: Sizes, padding: Sizes) -> tuple[Array, Shape]:
    """A row for each entry of a window (of all channels), a column for each window; and the counts of windows."""
    count = len(kernel)
    seen = windows(x, kernel, stride, padding)
    counts = seen.shape[-2 * count : -count]
    moved = np.moveaxis(seen, range(-count, 0), range(-2 * count, -count))
    lead = x.shape[: -count - 1]
    return moved.reshape((*lead, x.shape[-count - 1] * prod(kernel), prod(counts))), counts


def _convolution(x: Any, weight: Any, bias: Any, stride: Sizes, padding: Sizes, ranks: Sizes) -> Array:
    x, weight, bias = np.asarray(x), np.asarray(weight), np.asarray(bias)
    count = len(stride)
    columns, counts = _columns(x, weight.shape[-count:], stride, padding)
    rows = weight.reshape((*weight.shape[: -count - 1], columns.shape[-2]))
    spare = ranks[0] - count + 1  # axes of the product: samples, if there are any, channels, places
    out = lift(rows, 2, spare) @ columns
    bias = bias[..., None] if ranks[2] else bias
    return (out + lift(bias, ranks[2] * 2, spare)).reshape((*out.shape[:-1], *counts))


def _samples(x: Any, upstream: Any, count: int) -> tuple[Array, Array]:
    """``x`` with an axis of samples, and ``upstream`` likewise, as (samples, channels, places)."""
    x, upstream = np.asarray(x), np.asarray(upstream)
    x = x.reshape((prod(x.shape[: -count - 1]), *x.shape[-count - 1 :]))
    return x, upstream.reshape((len(x), upstream.shape[-count - 1], prod(upstream.shape[-count:])))


def _convolution_by_x(
    upstream: Any, out: Any, x: Any, weight: Any, bias: Any, stride: Sizes, padding: Sizes, ranks: Sizes
) -> Array:
    count = len(stride)
    weight = np.asarray(weight)
    kernel, counts, spatial = weight.shape[-count:], np.shape(out)[-count:], np.shape(x)[-count:]
    samples, arriving = _samples(x, upstream, count)
    down = weight.reshape((len(weight), -1)).T @ arriving
    seen = np.moveaxis(
        down.reshape((*samples.shape[:2], *kernel, *counts)), range(-2 * count, -count), range(-count, 0)
    )
    return unwindows(seen, spatial, kernel, stride, padding).reshape(np.shape(x))


def _convolution_by_weight(
    upstream: Any, out: Any, x: Any, weight: Any, bias: Any, stride: Sizes, padding: Sizes, ranks: Sizes
) -> Array:
    count = len(stride)
    samples, arriving = _samples(x, upstream, count)
    columns, _ = _columns(samples, np.shape(weight)[-count:], stride, padding)
    return total(arriving @ np.swapaxes(columns, -1, -2), (-3,)).reshape(np.shape(weight))


def _convolution_by_bias(
    upstream: Any, out: Any, x: Any, weight: Any, bias: Any, stride: Sizes, padding: Sizes, ranks: Sizes
) -> Array:
    _, arriving = _samples(x, upstream, len(stride))
    return total(arriving, (-3, -1) if ranks[2] else (-3, -2, -1))


def _exact_convolution(
    S: Any, x: Array, weight: Array, bias: Array, stride: Sizes, padding: Sizes, ranks: Sizes
) -> Array:
    """Entry by entry of the kernel: its factor times all that it meets."""
    count = len(stride)
    kernel = weight.shape[2:]
    counts = window_counts(x.shape[-count:], kernel, stride, padding)
    around = padded(x, [(p, p) for p in padding], 0)
    lead = x.shape[:-count]
    out: Any = np.reshape(bias, (-1, 1))
    for place in np.ndindex(kernel):
        met = around[_at(place, counts, stride)].reshape((*lead, prod(counts)))
        out = out + np.matmul(weight[(..., *place)], met)
    return np.asarray(out).reshape((*lead[:-1], len(weight), *counts))


def _declare_convolution(names: str, cases: tuple[Case, ...]) -> Operation:
    count = len(names)

    def resolve(shapes: Sequence[Shape], given: Mapping[str, Any]) -> Resolved:
        return _resolve_convolution(shapes, given, names)

    return declare(
        Operation(
            name=f"conv{count}d", arguments=(Argument("x"), Argument("weight"), Argument("bias", 0.0)),
            parameters=(Parameter("stride", "ints", 1), Parameter("padding", "ints", 0)),
            formula="out[n, o, p] = bias[o] + sum over c, k of weight[o, c, k] x[n, c, stride p + k - padding] (0 outside x)",
            derivative="weight[o, c, k], the entry of x that it meets, and 1", derivative_range="unbounded",
            resolve=resolve, forward=_convolution,
            vjp=(_convolution_by_x, _convolution_by_weight, _convolution_by_bias),
            rules=(
                "sum of {weight} * {upstream} over the windows that see an entry of {x} (transposed convolution)",
                "sum over samples and windows of {upstream} * what the window sees of {x}",
                "sum of {upstream} over samples and windows, to the shape of {bias}",
            ),
            symbolic=_exact_convolution, work=lambda shapes, settled: 2 * prod(settled.shape) * prod(shapes[1][1:]),
            domain=((-3.0, 3.0), (-3.0, 3.0), (-1.0, 1.0)), cases=cases,
            source=f"PyTorch, torch.nn.functional.conv{count}d",
        )
    )  # fmt: skip


_declare_convolution(
    "L",
    (
        Case(((1, 1, 4), (1, 1, 2), ()), {}), Case(((1, 2, 3), (2, 2, 2), (2,)), {}),
        Case(((1, 4), (1, 1, 3), (1,)), {"stride": 2, "padding": 1}), Case(((2, 2, 6), (3, 2, 3), (3,)), {"stride": 2}),
        Case(((2, 3, 5), (2, 3, 2), ()), {"stride": 3, "padding": 2}), Case(((2, 5), (1, 2, 5), (1,)), {"padding": (1,)}),
    ),
)  # fmt: skip
_declare_convolution(
    "HW",
    (
        Case(((1, 1, 2, 3), (1, 1, 2, 2), ()), {}), Case(((1, 2, 2, 2), (1, 2, 1, 2), (1,)), {"padding": (0, 1)}),
        Case(((1, 3, 3), (1, 1, 2, 2), (1,)), {"stride": 2, "padding": 1}),
        Case(((2, 2, 4, 5), (3, 2, 2, 3), (3,)), {"stride": (1, 2)}),
        Case(((2, 3, 4, 4), (2, 3, 3, 3), (2,)), {"stride": 2, "padding": 1}),
        Case(((2, 3, 3), (2, 2, 2, 1), ()), {"padding": (1, 0), "stride": (2, 1)}),
    ),
)  # fmt: skip


# --- pooling ---


def _resolve_pooling(shapes: Sequence[Shape], given: Mapping[str, Any]) -> Resolved:
    (x,) = shapes
    if len(x) < 2:
        raise OperationError(f"needs x of shape (N, C, H, W), or at least (H, W), but x has shape {show_shape(x)}")
    kernel = sizes(given, "kernel_size", 2, 1)
    stride = kernel if given.get("stride") is None else sizes(given, "stride", 2, 1)
    padding = sizes(given, "padding", 2, 0)
    if any(2 * p > k for k, p in zip(kernel, padding, strict=True)):
        raise OperationError(
            f"padding {show_shape(padding)} must be at most half of the kernel {show_shape(kernel)}, lest a window see "
            "nothing else"
        )
    counts = window_counts(x[-2:], kernel, stride, padding)
    return Resolved((*x[:-2], *counts), {"kernel_size": kernel, "stride": stride, "padding": padding})


def _seen_rows(x: Any, kernel: Sizes, stride: Sizes, padding: Sizes, fill: float) -> Array:
    """A row for each window."""
    seen = windows(x, kernel, stride, padding, fill)
    return seen.reshape((*seen.shape[:-2], prod(kernel)))


def _sent_back(rows: Array, x: Any, kernel: Sizes, stride: Sizes, padding: Sizes) -> Array:
    seen = rows.reshape((*rows.shape[:-1], *kernel))
    return unwindows(seen, np.shape(x)[-2:], kernel, stride, padding)


def _declare_pooling(
    name: str, fill: float, value: Function, slope: Function, exact: Function, **more: Any
) -> Operation:
    """Declare a reduction of windows, written for rows as ``reduction`` has it; padding counts as ``fill``.
    ``exact(S, row, count)`` is ``value`` of what a window sees of x, which is ``count`` entries with the padding."""

    def forward(x: Any, kernel_size: Sizes, stride: Sizes, padding: Sizes) -> Array:
        return np.asarray(value(_seen_rows(x, kernel_size, stride, padding, fill)))

    def vjp(upstream: Any, out: Any, x: Any, kernel_size: Sizes, stride: Sizes, padding: Sizes) -> Array:
        rows = _seen_rows(x, kernel_size, stride, padding, fill)
        down = slope(np.asarray(upstream)[..., None], np.asarray(out)[..., None], rows)
        return _sent_back(np.broadcast_to(down, rows.shape), x, kernel_size, stride, padding)

    def symbolic(S: Any, x: Array, kernel_size: Sizes, stride: Sizes, padding: Sizes) -> Array:
        """Window by window, from the numbers of the entries that it sees; padding has none."""
        numbers = np.arange(prod(x.shape[-2:])).reshape(x.shape[-2:])
        places = _seen_rows(numbers, kernel_size, stride, padding, -1)
        flat = x.reshape((-1, numbers.size))
        out = np.empty((len(flat), *places.shape[:-1]), dtype=object)
        for index in np.ndindex(out.shape):
            row = places[index[1:]]
            out[index] = exact(S, flat[index[0]][row[row >= 0]], row.size)
        return out.reshape((*x.shape[:-2], *places.shape[:-1]))

    return declare(
        Operation(
            name=name, arguments=(Argument("x"),),
            parameters=(
                Parameter("kernel_size", "ints", ...), Parameter("stride", "ints", None), Parameter("padding", "ints", 0),
            ),
            resolve=_resolve_pooling, forward=forward, vjp=(vjp,), symbolic=symbolic, cases=_POOLING_CASES,
            work=lambda shapes, settled: prod(settled.shape) * (prod(settled.parameters["kernel_size"]) - 1),
            source=f"PyTorch, torch.nn.functional.{name}", **more,
        )
    )  # fmt: skip


_POOLING_CASES = (
    Case(((2, 4),), {"kernel_size": 2}), Case(((1, 3, 3),), {"kernel_size": 2, "stride": 1}),
    Case(((1, 1, 3, 3),), {"kernel_size": 2, "padding": 1}), Case(((2, 3, 4, 6),), {"kernel_size": (2, 3)}),
    Case(((2, 1, 5, 4),), {"kernel_size": (3, 2), "stride": (1, 2), "padding": (1, 0)}),
    Case(((1, 2, 5, 5),), {"kernel_size": 2, "stride": 3}),
)  # fmt: skip


def _max_tied(x: Any, kernel_size: Sizes, stride: Sizes, padding: Sizes) -> Array:
    return tied_largest(_seen_rows(x, kernel_size, stride, padding, -np.inf))


def _choose_max(
    rng: np.random.Generator, upstream: Any, out: Any, x: Any, kernel_size: Sizes, stride: Sizes, padding: Sizes
) -> tuple[Array]:
    rows = _seen_rows(x, kernel_size, stride, padding, -np.inf)
    down = choose_share(rng, np.asarray(upstream)[..., None], np.asarray(out)[..., None], rows)
    return (_sent_back(down, x, kernel_size, stride, padding),)


_declare_pooling(
    "max_pool2d", -np.inf, lambda rows: np.max(rows, axis=-1), share_slope,
    lambda S, row, count: S.max(row), formula="largest entry of x in each window",
    derivative="1 from the largest entry of a window, else 0", derivative_range="[0, 1] for each window",
    rules=("{upstream} of each window at its largest entry of {x}, added up where windows overlap",),
    kinks=(Kink(f"{SHARE[0]} in a window", SHARE[1], f"{SHARE[2]}, for each window", _max_tied, _choose_max),),
    piece=lambda x, kernel_size, stride, padding: at_largest(_seen_rows(x, kernel_size, stride, padding, -np.inf)),
)  # fmt: skip

_declare_pooling(
    "avg_pool2d", 0.0, lambda rows: mean_of_rows(rows)[..., 0],
    lambda upstream, out, rows: upstream / rows.shape[-1],
    lambda S, row, count: np.sum(row) / count,
    formula="sum of x in each window / k, the number of entries of the kernel (padding counts as 0)",
    derivative="1/k for every entry in a window", derivative_range="{0, 1/k} for each window",
    rules=("{upstream} / k of each window at all its entries of {x}, added up where windows overlap",),
)  # fmt: skip
