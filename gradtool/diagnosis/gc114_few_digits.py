"""GC114: right to k digits only.

What it means
    Every entry agrees with the right gradient to some digits and no further: it is computed in single or half
    precision, or by an approximation such as a finite difference or another form of the same function.

Why it matters
    Three digits are enough for training and too few for a test, a second-order method, or a long chain of such layers.

Example
    dx = (dout.astype(np.float32) @ W.T.astype(np.float32)).astype(np.float64)

What to do
    Compute in the precision of the input, and differentiate the very function that forward computes. Where the
    approximation is meant, declare it: ``intentional`` in the configuration, or ``# gradtool: ignore[GC114] why``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradtool.diagnosis.fitting import Array, Evidence, largest
from gradtool.results import Cause

LARGEST = 2e-2
"""Beyond this share of the gradient's largest entry the gradient is not right to any digit worth the name."""
PRECISIONS = ((np.float32, "single precision (float32)"), (np.float16, "half precision (float16)"))


def find(evidence: Evidence) -> Cause | None:
    """Fits where all sights agree to better than ``LARGEST``."""
    if not evidence.usable:
        return None
    off, wrong, told = 0.0, 0, 0
    for look in evidence.looks:
        known = np.isfinite(look.error)
        if look.yours is None or look.scale == 0:
            return None
        off = max(off, largest((look.yours - look.right)[known]) / look.scale)
        wrong, told = (
            wrong + int(look.wrong.sum()),
            told + int((look.wrong | (np.abs(look.right) > 1e-6 * look.scale)).sum()),
        )
    if off > LARGEST or wrong * 2 < told:
        return None
    digits = math.floor(-math.log10(off)) if off > 0 else 15
    for kind, words in PRECISIONS:
        unit = float(np.finfo(kind).eps)
        if unit / 1000 < off < 1000 * unit and all(_is_of(look.yours, kind) for look in evidence.looks):
            return Cause(
                "GC114", f"is right to {digits} digits: it has {words}", "compute it in float64, as forward is"
            )
    if off < 1000 * float(np.finfo(np.float32).eps):
        message = f"is right to {digits} digits: parts of it were computed in single precision, or approximated"
        return Cause(
            "GC114", message, "look for astype(float32), and for arrays made with another dtype than the input's"
        )
    message = f"is right to {digits} digits: it is computed by an approximation, or in lower precision"
    return Cause("GC114", message, "differentiate the very function that forward computes")


def _is_of(values: Array | None, kind: type[np.floating[Any]]) -> bool:
    assert values is not None
    return bool((values.astype(kind).astype(np.float64) == values).all())
