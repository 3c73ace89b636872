"""GC115: not finite.

What it means
    The gradient has NaN or infinite entries where the right one is finite. The message says which and, where it can be
    seen, what the input is there.

Why it matters
    One such entry turns all parameters into NaN at the next step. It comes from a formula that divides by what may be
    zero, takes the logarithm of zero, or overflows, although the derivative itself is harmless.

Example
    def norm_backward(dout, x):
        return dout * x / np.sqrt(np.sum(x**2))       # 0/0 at x = 0

What to do
    Use the stable form (subtract the largest entry before exp, use the output of softmax or sigmoid), or treat the
    limit on its own (np.where on the argument, not on the result).
"""

from __future__ import annotations

import numpy as np

from gradtool.diagnosis.fitting import Array, Evidence, Look, Mask, numbers
from gradtool.diagnosis.places import list_entries
from gradtool.results import Cause


def find(evidence: Evidence) -> Cause | None:
    """Fits where the first sight, or the only ones that are wrong, have entries that should be finite and are not."""
    for look in evidence.all_looks[:1] + [look for look in evidence.all_looks[1:] if look.yours is not None]:
        yours = numbers(look.sight.yours.get(evidence.name))
        if yours is None:
            continue
        bad = ~np.isfinite(yours)
        if yours.shape == look.right.shape:
            bad = bad & np.isfinite(look.right)
        if bad.any():
            words = " and ".join(_word(value) for value in _kinds(yours[bad]))
            cause = f"is {words} at {list_entries(bad)}{_where(evidence, look, bad)}"
            return Cause("GC115", cause, "use a form that stays finite there: see gradtool explain GC115")
        if look is evidence.all_looks[0] and look.yours is not None and look.wrong.any():
            return None
    return None


def _kinds(values: Array) -> list[float]:
    return sorted({str(float(v)): float(v) for v in values}.values(), key=str)


def _word(value: float) -> str:
    return "NaN" if np.isnan(value) else "inf" if value > 0 else "-inf"


def _where(evidence: Evidence, look: Look, bad: Mask) -> str:
    """``, where x is 0``: the value that the input has at all these entries and at no other."""
    x = np.asarray(look.sight.values[evidence.name], dtype=np.float64)
    if x.shape != bad.shape or bad.all():
        return ""
    there = np.unique(x[bad])
    if len(there) == 1 and not (x[~bad] == there[0]).any():
        return f", where {evidence.name} is {there[0]:.6g}"
    if (x[bad] > 0).all() and x[bad].min() > x[~bad].max():
        return f", where {evidence.name} is largest"
    return ""
