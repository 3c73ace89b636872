"""GC101: opposite sign.

What it means
    The gradient, or the part of it that the message names, is the right one times -1.

Why it matters
    The parameter is pushed uphill. With several layers the others often make up for it, so the loss still falls.

Example
    def subtract_backward(dout, a, b):
        return dout, dout                   # for a - b: should be dout, -dout

What to do
    Put the minus sign in, or take it out. Usual places: the subtrahend, the denominator, cos, 1 - x.
"""

from __future__ import annotations

from gradtool.diagnosis.chain import scaled_path
from gradtool.diagnosis.fitting import Evidence
from gradtool.results import Cause


def find(evidence: Evidence) -> Cause | None:
    """Fits where minus the right gradient is the user's; then where that holds for what comes along one path."""
    if not evidence.usable:
        return None
    residual = evidence.fit(lambda look: (-look.right, look.error))
    if residual is not None:
        return Cause("GC101", "has the opposite sign", f"d_{evidence.name} = -(what you return)", residual=residual)
    path = scaled_path(evidence)
    if path is not None and path.is_value(-1.0):
        message = f"has the opposite sign in one part: what comes {path.through}"
        return Cause(
            "GC101",
            message,
            f"change the sign of that part of d_{evidence.name}",
            path.file,
            path.line,
            residual=path.residual,
        )
    return None
