"""Numbers and arrays as text for people: six significant digits, and an exponent that is never lost."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from math import log10
from operator import mul
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from gradtool.results import Value

Array = NDArray[Any]

SMALL_SIZE = 16
SMALL_SIDE = 6
ENTRIES_PER_LINE = 8
MOST_DIGITS = 15
"""Of a count."""
BROKEN_WIDTH = 56
"""Rows that are broken are broken so that they fit a record on a terminal of 80 columns."""


class Statistics(NamedTuple):
    """The figures that stand for a large array. All but ``nonfinite`` are taken over the finite entries, and are nan
    where there is none."""

    min: float
    max: float
    mean: float
    norm: float
    nonfinite: int


def number(value: float) -> str:
    """Six significant digits, fewer where they say the same: ``2``, ``0.1``, ``1.23457e-09``, ``inf``, ``nan``."""
    text = f"{value:.6g}"
    return "0" if text == "-0" else text


def error(value: float) -> str:
    """An error bound, to one digit: ``4e-12``."""
    return f"{value:.1g}"


def count_text(count: int) -> str:
    """``1,234``; of more digits than anyone reads, ``about 10^58``."""
    digits = int(count.bit_length() * log10(2))  # Python refuses to write an int of more than some thousand digits.
    return f"{count:,}" if digits <= MOST_DIGITS else f"about 10^{digits}"


def percent(share: float) -> str:
    """A share to three digits: ``104 %``, ``2.1e-14 %``."""
    return f"{100 * share:.3g} %"


def shape_text(shape: tuple[int, ...]) -> str:
    """``(64, 32)``, ``(3,)``, whatever kind of integers the shape holds."""
    return str(tuple(int(n) for n in shape))


def is_scalar(value: Value) -> bool:
    """Whether a value has no axes."""
    return not isinstance(value, np.ndarray) or value.ndim == 0


def is_small(value: Value) -> bool:
    """Whether a value is shown entry by entry without being asked."""
    array = np.asarray(value)
    return array.size <= SMALL_SIZE or (array.shape[-1] <= SMALL_SIDE and array.size <= SMALL_SIDE**2)


def show(value: Value, full: bool = False) -> str:
    """A value for a table's cell: one line for a scalar, aligned rows for a small array (any array if ``full``), else
    its shape, norm and range."""
    if is_scalar(value):
        return number(float(value))
    array = np.asarray(value)
    if array.size == 0:
        return f"{shape_text(array.shape)} empty"
    if full or is_small(array):
        return "\n".join(_aligned(array))
    return summary(array)


def compact(value: Value, full: bool = False) -> str:
    """A value as one word, without spaces: ``[[1,2],[3,4]]``, or ``(64,32):norm=3.1:min=-2:max=2``."""
    if is_scalar(value):
        return number(float(value))
    array = np.asarray(value)
    shape = shape_text(array.shape).replace(" ", "")
    if array.size == 0:
        return f"{shape}:empty"
    if full or is_small(array):
        rows = _rows(array)
        return ",".join("[" * opening + ",".join(entries) + "]" * closing for opening, entries, closing in rows)
    found = statistics(array)
    text = f"{shape}:norm={number(found.norm)}:min={number(found.min)}:max={number(found.max)}"
    return f"{text}:nonfinite={found.nonfinite}" if found.nonfinite else text


def summary(array: Array) -> str:
    """``(64, 32) norm 3.1 in [-2, 2]``: what is said of an array too large to show."""
    found = statistics(array)
    shape = shape_text(array.shape)
    if found.nonfinite == array.size:
        return f"{shape} nowhere finite"
    if found.min == found.max and not found.nonfinite:
        return f"{shape} all {number(found.min)}"
    text = f"{shape} norm {number(found.norm)} in [{number(found.min)}, {number(found.max)}]"
    return f"{text}, {found.nonfinite} not finite" if found.nonfinite else text


def statistics(value: Value) -> Statistics:
    """Figures of an array, without overflow on the way: the entries are first divided by the largest of them."""
    entries = np.asarray(value, dtype=np.float64).ravel()
    finite = entries[np.isfinite(entries)]
    nonfinite = entries.size - finite.size
    if finite.size == 0:
        return Statistics(np.nan, np.nan, np.nan, np.nan if nonfinite else 0.0, nonfinite)
    smallest, largest = float(finite.min()), float(finite.max())
    scale = max(abs(smallest), abs(largest))
    if scale == 0:
        return Statistics(0.0, 0.0, 0.0, 0.0, nonfinite)
    with np.errstate(all="ignore"):
        mean = float(finite.mean())
        if not np.isfinite(mean):
            mean = float((finite / scale).mean()) * scale
        norm = float(np.sqrt(np.sum((finite / scale) ** 2))) * scale
    return Statistics(smallest, largest, mean, norm, nonfinite)


def largest_difference(a: Value, b: Value) -> float:
    """The largest ``|a - b|`` over the entries; equal infinities do not differ. Both have the same shape."""
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    with np.errstate(all="ignore"):
        return float(np.max(np.where(first == second, 0.0, np.abs(first - second)), initial=0.0))


def largest(value: Value) -> float:
    """The largest entry: of an error bound given entry by entry, the one that holds for all. nan if one is nan."""
    return float(np.max(np.asarray(value), initial=0.0))


def _rows(array: Array) -> Iterator[tuple[int, list[str], int]]:
    """The rows along the last axis, each with the number of brackets that open before it and close after it."""
    entries = [number(entry) for entry in array.astype(np.float64, copy=False).ravel().tolist()]
    length = array.shape[-1]
    blocks = list(accumulate(reversed(array.shape[:-1]), mul))  # Rows in a matrix, in a stack of matrices, ...
    for row in range(array.size // length):
        opening = 1 + sum(row % block == 0 for block in blocks)
        closing = 1 + sum((row + 1) % block == 0 for block in blocks)
        yield opening, entries[row * length : (row + 1) * length], closing


def _aligned(array: Array) -> Iterator[str]:
    """``[[ 1,  2],`` and below it `` [30, 40]]``: columns aligned, long rows broken."""
    rows = list(_rows(array))
    per_line = array.shape[-1]
    if per_line > ENTRIES_PER_LINE:
        widest = max(len(entry) for _, entries, _ in rows for entry in entries)
        per_line = max(1, min(ENTRIES_PER_LINE, BROKEN_WIDTH // (widest + 2)))
    widths = [max(len(entry) for _, entries, _ in rows for entry in entries[k::per_line]) for k in range(per_line)]
    for position, (opening, entries, closing) in enumerate(rows):
        for start in range(0, len(entries), per_line):
            part = entries[start : start + per_line]
            before = " " * (array.ndim - opening) + "[" * opening if start == 0 else " " * array.ndim
            text = before + ", ".join(entry.rjust(width) for entry, width in zip(part, widths, strict=False))
            if start + per_line < len(entries):
                yield text + ","
            else:
                yield text + "]" * closing + ("," if position + 1 < len(rows) else "")
