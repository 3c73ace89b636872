"""GC199: no known cause fits.

What it means
    The gradient is wrong, and none of the hypotheses (signs, factors, transpositions, missing sums, paths and
    derivatives, permutations, regions) explains it at all points. The message shows the worst entries and which are right.

Why it matters
    There may be two faults at once, or one of its own kind.

Example
    dx = dout * (x + 0.3)                   # for x**2: should be dout * 2 * x

What to do
    Begin with the worst entry, at the smallest shapes. Check one line of backward at a time against forward.
"""

from __future__ import annotations

import numpy as np

from gradtool.diagnosis.fitting import Evidence, Look
from gradtool.diagnosis.places import index, list_entries
from gradtool.results import Cause

SHOWN = 3


def find(evidence: Evidence) -> Cause:
    """Fits always."""
    look = next((look for look in evidence.all_looks if look.wrong.any()), evidence.all_looks[0])
    if look.yours is None or not look.yours.size:
        return Cause("GC199", "is wrong, and no known cause fits")
    worst = _worst(look)
    parts = [f"{index(at)}: yours {float(look.yours[at]):.6g}, right {float(look.right[at]):.6g}" for at in worst]
    if not look.right.shape:
        parts = [part.removeprefix("[]: ") for part in parts]
    count, size = int(look.wrong.sum()), look.wrong.size
    message = "is wrong, and no known cause fits; worst " + "; ".join(parts)
    if size - count > 0:
        message += (
            f"; right at {list_entries(~look.wrong)}"
            if size - count <= 4
            else f"; right at {size - count} of {size} entries"
        )
    if count > 1 and not look.yours[look.wrong].any():
        message += "; it is zero wherever it is wrong"
    return Cause("GC199", message, "begin with the worst entry, and check one line of backward at a time")


def _worst(look: Look) -> list[tuple[int, ...]]:
    assert look.yours is not None
    off = np.where(look.wrong, np.abs(look.yours - look.right), -1.0)
    order = np.argsort(-off, axis=None, kind="stable")[: min(SHOWN, max(int(look.wrong.sum()), 1))]
    return [tuple(int(k) for k in np.unravel_index(k, off.shape)) for k in order]
