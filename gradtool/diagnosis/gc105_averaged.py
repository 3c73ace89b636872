"""GC105: averaged where it should be summed, or the reverse.

What it means
    The gradient is too large or too small by the length of an axis over which it is summed: the batch size, as a rule.
    Reported where that length tells the axis; where two axes of one array have the same length it is GC102.

Why it matters
    The step size of this parameter depends on the batch size, or the loss reported is not the one that is minimised.

Example
    def loss(z, y):                         # mean over the batch
        ...
        dz = p - onehot(y)                  # should be divided by len(z)
        return -np.mean(np.log(p[rows, y])), dz

What to do
    Divide in backward exactly where forward divides: once, and by the same length.
"""

from __future__ import annotations

from gradtool.diagnosis.chain import scaled_path
from gradtool.diagnosis.factors import axis_of, constant_factor
from gradtool.diagnosis.fitting import Evidence
from gradtool.results import Cause


def find(evidence: Evidence) -> Cause | None:
    """Fits where one constant factor fits at all sights and it is the length of an axis, or 1 over it."""
    if not evidence.usable:
        return None
    factor, part = constant_factor(evidence), ""
    file: str | None = None
    line: int | None = None
    if factor is None:
        path = scaled_path(evidence)
        if path is None or path.is_term:
            return None
        factor, part, file, line = path.factor, f" in one part, what comes {path.through}", path.file, path.line
    axis = axis_of(evidence, factor) if factor.value > 0 else None
    if axis is None:
        return None
    over = f"axis {axis.axis} of {axis.owner}"
    if factor.value > 1:
        message = f"is larger by {axis.words}{part}: summed over {over} where it should be averaged"
        fix = f"d_{evidence.name} = (what you return) / {axis.length}"
    else:
        message = f"is smaller by {axis.words}{part}: averaged over {over} where it should be summed"
        fix = f"d_{evidence.name} = (what you return) * {axis.length}, a sum in place of a mean"
    if part:
        fix = f"{'divide' if factor.value > 1 else 'multiply'} that part by {axis.length}"
    return Cause("GC105", message, fix, file, line, residual=factor.residual)
