"""GC102: constant factor.

What it means
    The gradient, or the part of it that the message names, is the right one times a constant, the same at every point.
    The message says which: 2, 1/2, the batch size where it is not certain which axis it comes from, n/(n-1), pi, ...

Why it matters
    Plain gradient descent hides it in the step size; anything that adds gradients up (two losses, shared weights,
    regularisation) weighs this one wrongly.

Example
    def mse_backward(dout, x, y):
        return dout * (x - y) / x.size      # should be 2 * (x - y) / x.size

What to do
    Multiply or divide by it, at the line where the constant belongs.
"""

from __future__ import annotations

import numpy as np

from gradtool.diagnosis.chain import scaled_path
from gradtool.diagnosis.factors import constant_factor, describe, undo
from gradtool.diagnosis.fitting import Evidence
from gradtool.results import Cause

SINGLE = 3e-7
"""A factor as near to 1 as this may be single precision's rounding of a gradient of a few entries: that is GC114."""


def find(evidence: Evidence) -> Cause | None:
    """Fits where one constant factor fits at all sights; then where one does for what comes along one path."""
    if not evidence.usable:
        return None
    factor = constant_factor(evidence)
    if factor is not None:
        if abs(factor.value - 1) < SINGLE and _is_single(evidence):
            return None
        fix = f"d_{evidence.name} = (what you return) {undo(evidence, factor)}"
        return Cause("GC102", describe(evidence, factor), fix, residual=factor.residual)
    path = scaled_path(evidence)
    if path is None or path.is_value(0.0) or path.is_value(-1.0) or (path.is_term and path.is_value(2.0)):
        return None
    message = f"has a part that {describe(evidence, path.factor)}: what comes {path.through}"
    fix = f"that part {undo(evidence, path.factor)}"
    return Cause("GC102", message, fix, path.file, path.line, residual=path.residual)


def _is_single(evidence: Evidence) -> bool:
    """Whether every entry is a number of single precision."""
    return all(
        look.yours is not None and bool((look.yours.astype(np.float32).astype(np.float64) == look.yours).all())
        for look in evidence.looks
    )
