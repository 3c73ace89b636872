"""GC307: fails on a non-contiguous or broadcast upstream gradient.

What it means
    Backward gives another gradient, or raises, where the upstream gradient has the same numbers in another layout in memory:
    a transposed or strided view, or one number broadcast to the whole shape.

Why it matters
    The layer above decides the layout. The gradient of a sum is a broadcast view, that of a transposition a strided one.

Example
    dout.shape = (-1,)      # raises for a view that is not contiguous

What to do
    Use dout.reshape(...), which copies where it must, and do not write into dout.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradtool.diagnosis.hygiene import Trial, differs
from gradtool.verdict.caller import UserCodeError

Array = NDArray[Any]


def find(trial: Trial) -> Iterator[str]:
    """One message a layout that backward does not take."""
    if trial.calling.upstream != "given" or not {"GC301", "GC303", "GC304"}.isdisjoint(trial.found):
        return
    if not any(u.ndim for u in trial.upstream):
        return
    strided = [_strided(u) for u in trial.upstream]
    ones = [np.broadcast_to(np.ones((), dtype=u.dtype), u.shape) for u in trial.upstream]
    for layout, upstream in (("non-contiguous", strided), ("broadcast", ones)):
        expected = trial.repeated if upstream is strided else trial.arrays(trial.again(upstream))
        try:
            found = trial.arrays(trial.caller.backward(trial.forward(), upstream))
        except UserCodeError as error:
            yield f"backward raises for a {layout} upstream gradient ({error})"
            continue
        yield from _differences(layout, expected, found)


def _differences(layout: str, expected: Mapping[str, Array], found: dict[str, Array]) -> Iterator[str]:
    for name, value in expected.items():
        if name not in found or differs(value, found[name]):
            yield f"the gradient of {name} is another for a {layout} upstream gradient"


def _strided(array: Array) -> Array:
    """The same numbers, not contiguous."""
    if not array.ndim:
        return array
    # An odd number of columns, so that no two axes can be merged without a copy.
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1] + 1), dtype=array.dtype)
    view: Array = wide[..., 1::2]
    view[...] = array
    return view
