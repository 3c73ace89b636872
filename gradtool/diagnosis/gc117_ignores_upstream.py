"""GC117: does not depend on the upstream gradient, or ignores part of it.

What it means
    Backward is handed the gradient of what comes after, and does not use it, or not all of it: it returns the same for
    any upstream, uses only its sum, leaves one of several outputs out, or has a part that stays when upstream is zero.

Why it matters
    It looks right in a test with an upstream of ones, or where this is the last layer. Anywhere else the chain is broken.

Example
    def sigmoid_backward(dout, s):
        return s * (1 - s)                  # should be dout * s * (1 - s)

What to do
    Multiply by the upstream gradient, elementwise for elementwise operations. A loss too: it may be weighed later.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradtool.diagnosis.fitting import ROUNDING, Array, Evidence, Look, Matrices, Pair, largest
from gradtool.results import Cause

SEED = 117


def find(evidence: Evidence) -> Cause | None:
    """Fits where backward answers other upstreams as the right one does not."""
    if not evidence.suspect.passes_upstream or not evidence.usable:
        return None
    look = evidence.first
    assert look.yours is not None
    if largest(look.yours) == 0:
        return None
    if _same_for_all(evidence, look):
        return _independent(evidence, look)
    return _constant_part(evidence, look) or _ignored_output(evidence) or _only_sum(evidence)


def _same_for_all(evidence: Evidence, look: Look) -> bool:
    upstream = evidence.upstream(look)
    rng = np.random.default_rng(SEED)
    assert look.yours is not None
    for other in (-2.5 * upstream, rng.standard_normal(upstream.size) * 3 + upstream):
        yours = evidence.yours_for(look, other)
        if yours is None or largest(yours - look.yours) > ROUNDING * largest(look.yours):
            return False
        right, error = evidence.pulled(look, other)
        if np.isfinite(error).any() and not (np.abs(right - look.right) > error + look.error).any():
            return False
    return True


def _independent(evidence: Evidence, look: Look) -> Cause:
    ones = np.ones(evidence.upstream(look).size)
    message, residual = (
        "does not depend on the upstream gradient",
        evidence.fit(lambda at: evidence.pulled(at, np.ones(evidence.upstream(at).size))),
    )
    fix = f"multiply d_{evidence.name} by the upstream gradient"
    if residual is not None:
        message += ": it is right for an upstream of 1" if ones.size == 1 else ": it is right for an upstream of ones"
    return Cause("GC117", message, fix, residual=residual)


def _constant_part(evidence: Evidence, look: Look) -> Cause | None:
    """A part that stays for an upstream of zeros, while what is left is not the right gradient (else GC119 fits)."""
    offset = evidence.offset
    if offset is None or look.yours is None:
        return None
    linear = look.yours - offset
    if not (np.abs(linear - look.right) > look.error + ROUNDING * (largest(linear) + look.scale)).any():
        return None
    upstream = evidence.upstream(look)
    doubled = evidence.yours_for(look, 2 * upstream)
    if doubled is None or largest(doubled - offset - 2 * linear) > 1e-9 * (largest(doubled) + largest(offset)):
        return None
    message = "has a part that is the same for any upstream gradient, even for one of zeros"
    return Cause("GC117", message, "every part of the gradient has the upstream gradient as a factor")


def _ignored_output(evidence: Evidence) -> Cause | None:
    outputs = evidence.first.sight.outputs
    if len(outputs) < 2 or not evidence.matrices:
        return None
    start = 0
    for k, output in enumerate(outputs):
        rows = slice(start, start + int(np.size(output)))
        start = rows.stop
        if not all(m.nonzero[rows].any() and not m.yours_nonzero[rows].any() for m in evidence.matrices):
            continue

        def masked(look: Look, rows: slice = rows) -> tuple[Array, Array]:
            upstream = evidence.upstream(look)
            upstream[rows] = 0
            return evidence.pulled(look, upstream)

        residual = evidence.fit(masked)
        message = f"ignores the upstream gradient of output {k}"
        return Cause(
            "GC117", message, f"add what the upstream of output {k} sends to {evidence.name}", residual=residual
        )
    return None


def _only_sum(evidence: Evidence) -> Cause | None:
    """The right gradient for the sum, or the mean, of the upstream's entries in place of each of them."""
    for both in evidence.matrices:
        if both.right.shape[0] < 2 or largest(both.right - both.right[:1]) <= 1e-6 * both.scale:
            return None
    for combine in (np.sum, np.mean):

        def levelled(both: Matrices, combine: Any = combine) -> Pair:
            row, error = combine(both.right, axis=0), combine(both.error, axis=0)
            return np.broadcast_to(row, both.right.shape), np.broadcast_to(error, both.right.shape)

        residual = evidence.fit_matrix(levelled)
        if residual is not None:
            message = f"uses only the {combine.__name__} of the upstream gradient's entries"
            fix = "each entry of the upstream gradient goes to what its output entry depends on"
            return Cause("GC117", message, fix, residual=residual)
    return None
