"""Entries of an array as words: ``[0, 2]``, ``3 of 12 entries, the first at [0, 2]``."""

from __future__ import annotations

import numpy as np

from gradtool.diagnosis.fitting import Mask

LISTED = 4


def index(position: tuple[int, ...]) -> str:
    """``[0, 2]``; a scalar has none."""
    return "[" + ", ".join(map(str, position)) + "]"


def list_entries(mask: Mask) -> str:
    """The entries that are set: all by their indices if they are few, else how many there are and the first."""
    found = [tuple(int(k) for k in position) for position in np.argwhere(mask)]
    if len(found) == mask.size:
        return "every entry" if mask.size > 1 else "its only entry"
    if len(found) <= LISTED:
        return ", ".join(map(index, found))
    return f"{len(found)} of {mask.size} entries, the first at {index(found[0])}"
