"""GC106: gradients of two inputs exchanged.

What it means
    What is returned for this input is the gradient of another one of the same shape.

Why it matters
    Both have a plausible size, so training goes on, badly. It comes from returning values in another order than the
    forward takes its inputs, or from two lines that were copied and not both changed.

Example
    def gate_backward(dz, x, y):
        return dz * x, dz * y               # for z = x * y: should be dz * y, dz * x

What to do
    Return the gradients in the order of forward's inputs.
"""

from __future__ import annotations

from gradtool.diagnosis.chain import scaled_path
from gradtool.diagnosis.fitting import Evidence, Look, Pair
from gradtool.results import Cause


def find(evidence: Evidence) -> Cause | None:
    """Fits where the user's gradient is, at every sight, the right one of another input."""
    if not evidence.usable:
        return None
    for other in evidence.suspect.wrt:
        if other == evidence.name:
            continue

        def hypothesis(look: Look, other: str = other) -> Pair:
            there = evidence.other(look, other)
            return there.right, there.error

        residual = evidence.fit(hypothesis)
        if residual is not None:
            back = _is_mine(evidence, other)
            if not back and scaled_path(evidence) is not None:
                continue  # Such as y's where only x + y is left of it: a missing path says more.
            message = f"is exchanged with that of {other}" if back else f"is the gradient of {other}"
            fix = (
                f"exchange d_{evidence.name} and d_{other}"
                if back
                else f"return d_{evidence.name} in the place of {evidence.name}"
            )
            return Cause("GC106", message, fix, residual=residual)
    return None


def _is_mine(evidence: Evidence, other: str) -> bool:
    """Whether the other input was given the gradient of this one."""
    for look in evidence.looks:
        there = evidence.other(look, other)
        if there.yours is None or there.yours.shape != look.right.shape:
            return False
        if (abs(there.yours - look.right) > 2 * look.error + 1e-9 * look.scale).any():
            return False
    return True
