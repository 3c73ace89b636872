"""GC120: backward raised where forward succeeded.

What it means
    Forward ran at this point and backward raised an exception. The message has the exception's last line, and the
    traceback of your own code comes with it.

Why it matters
    There is no gradient at all. It is often a wrong gradient in disguise: a matrix product where an elementwise product
    belongs fits only some shapes, a name is misspelt in a branch that is seldom taken, a batch of one is squeezed away.

Example
    def layer_backward(dout, cache):
        x, W, h = cache
        dz = dout @ (h * (1 - h))       # shapes (8, 3) and (8, 3): should be dout * (h * (1 - h))
        return dz @ W.T, x.T @ dz

What to do
    Go to the last line of the traceback. If it is a matrix product of two arrays of the same shape, it should be ``*``.
"""

from __future__ import annotations

from gradtool.diagnosis.fitting import Evidence
from gradtool.results import Cause

MATRIX_PRODUCT = ("matmul", "mat1 and mat2 shapes", "dot_general", "shapes cannot be multiplied", "not aligned")
"""What NumPy, PyTorch and JAX say when the shapes of a matrix product do not fit."""


def find(evidence: Evidence) -> Cause | None:
    """Fits where backward raised."""
    raised = evidence.suspect.raised
    if raised is None:
        return None
    lines = [line.strip() for line in raised.strip().splitlines() if line.strip()]
    said = next((line for line in reversed(lines) if not line.startswith("^")), "an exception")
    fix = "mend the last line of the traceback"
    if any(words in said for words in MATRIX_PRODUCT):
        fix = "an elementwise product is written with *, not with @; else transpose one of the factors"
    return Cause("GC120", f"is not there: backward raised {said}", fix, traceback=raised)
