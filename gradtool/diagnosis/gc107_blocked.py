"""GC107: zero, None or blocked where the reference is not.

What it means
    The gradient is zero at every entry, or None, although the output does depend on this input.

Why it matters
    The parameter never learns, and nothing fails. Causes are a forgotten branch of backward, a stopped gradient
    (detach, a fresh array of zeros that is never filled), a mask that is zero everywhere.

Example
    def scale_backward(dout, x, gamma):
        dgamma = np.zeros_like(gamma)       # never filled: should be (dout * x).sum(axis=0)
        return dout * gamma, dgamma

What to do
    Compute it. If the input is meant to be a constant, do not return a gradient for it.
"""

from __future__ import annotations

from gradtool.diagnosis.fitting import Evidence, largest
from gradtool.results import Cause


def find(evidence: Evidence) -> Cause | None:
    """Fits where every sight has zeros or None, and some right gradient is not zero."""
    values = [look.sight.yours.get(evidence.name) for look in evidence.looks]
    if all(value is None for value in values):
        return Cause("GC107", "is None, and the output depends on it", f"compute d_{evidence.name} and return it")
    for look, value in zip(evidence.looks, values, strict=True):
        if value is not None and (look.yours is None or largest(look.yours) > 0):
            return None
    if not any(look.wrong.any() for look in evidence.looks):
        return None
    message = "is zero everywhere, and the output depends on it"
    return Cause("GC107", message, f"compute d_{evidence.name}: no part of backward sends anything to {evidence.name}")
