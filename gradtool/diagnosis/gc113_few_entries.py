"""GC113: right but for a few entries.

What it means
    At most a fifth of the entries is wrong, and the message lists them. No bound on a value parts them from the others.

Why it matters
    An edge or a corner case: the first or the last row, the class that is the label, a window at the border.

Example
    dx[:-1] += dout[1:] - dout[:-1]         # the last entry gets nothing

What to do
    Look at how forward uses exactly the entries listed.
"""

from __future__ import annotations

import math

import numpy as np

from gradtool.diagnosis.fitting import Evidence
from gradtool.diagnosis.places import index, list_entries
from gradtool.results import Cause

SHARE = 0.2
SMALLEST = 4


ADVICE = "look at how forward uses {}"


def one_entry(position: tuple[int, ...], shape: tuple[int, ...]) -> Cause:
    """Where one entry is wrong and all others are known to be right, without a look at each of them."""
    count = math.prod(shape)
    return Cause("GC113", f"is right but for {index(position)} of {count}", ADVICE.format("exactly this entry"))


def find(evidence: Evidence) -> Cause | None:
    """Fits where at every sight few of the entries that are not zero are wrong."""
    if not evidence.usable or evidence.first.right.size < SMALLEST:
        return None
    for look in evidence.looks:
        told = look.wrong | (np.abs(look.right) > 1e-6 * look.scale)
        if look.wrong.sum() > max(1, SHARE * told.sum()):
            return None
    wrong = next((look.wrong for look in evidence.looks if look.wrong.any()), None)
    if wrong is None:
        return None
    same = all(np.array_equal(look.wrong, wrong) for look in evidence.looks if look.wrong.any())
    point = "" if same else " at the point shown, others elsewhere"
    message = f"is right but for {list_entries(wrong)} of {wrong.size}{point}"
    if wrong.sum() > 4:
        message = f"is right but for {list_entries(wrong)}{point}"
    return Cause("GC113", message, ADVICE.format("these entries"))
