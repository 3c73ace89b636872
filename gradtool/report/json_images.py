"""What JSON documents are made of: strict JSON, floats that round-trip, lists written as they come.

Not-a-number and the infinities are the strings ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from gradtool.report.numbers import statistics

if TYPE_CHECKING:
    from gradtool.results import Value

encode = json.JSONEncoder(allow_nan=False).encode
"""A value as JSON on one line, in ASCII alone. Raises ``ValueError`` for a float that JSON does not have."""


def number_image(value: float) -> float | str:
    """A number as JSON has it."""
    if isfinite(value):
        return value
    return "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"


def value_image(value: Value | None, max_elements: int | None) -> Any:
    """A number, a nested list, or the figures of an array of more than ``max_elements`` entries."""
    if value is None:
        return None
    if type(value) is float:
        return number_image(value)
    array = np.asarray(value)
    if array.dtype.kind == "b":
        array = array.astype(np.float64)
    if array.ndim == 0:
        return number_image(array.item())
    if max_elements is not None and array.size > max_elements:
        found = statistics(array)
        return {
            "shape": list(array.shape),
            "min": number_image(found.min),
            "max": number_image(found.max),
            "mean": number_image(found.mean),
            "norm": number_image(found.norm),
            "nonfinite": found.nonfinite,
        }
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        images = np.empty(array.size, dtype=object)
        images[:] = [number_image(entry) for entry in array.ravel().tolist()]
        return images.reshape(array.shape).tolist()
    return array.tolist()


def write_list(stream: TextIO, key: str, items: Iterable[Any]) -> None:
    """``"key": [...]`` with one item a line, encoded as they come: the whole document is never in memory."""
    stream.write(f' "{key}": [')
    separator = "\n  "
    for item in items:
        stream.write(separator + encode(item))
        separator = ",\n  "
    stream.write("],\n")
