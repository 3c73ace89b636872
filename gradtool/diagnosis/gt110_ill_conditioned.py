"""GT110: ill-conditioned node.

What it means
    A small relative change of a node's argument makes a relative change of its value that is larger by more than
    ``condition`` (default 1e8, half of double precision's digits; in single precision half of its digits likewise): the
    value has as many digits less than its argument as the condition number has. For an elementwise operation the number
    is ``|x f'(x)| / |f(x)|``, both at the entry where they are largest, since a small entry beside large ones does not
    matter; for inv, solve, det and cholesky it is ``|| |A^-1| |A| ||``, which scaling a row does not change (Skeel, "Scaling for
    numerical stability in Gaussian elimination", 1979). A value of exactly 0 is taken to be meant (log(1), sin(0)).
    Sums and differences are left to GT106, which measures what was really lost, and so is a node whose value has lost
    its digits already.

Why it matters
    The argument is a rounded number as a rule, and then the value is noise from the digit named on. The derivative there is as
    large as the condition number says, or changes as fast.

Example
    gradtool eval "sin(x)" x=1e10

What to do
    Compute the small quantity itself instead of the argument: log1p(d) for log(1 + d), an angle reduced before it became
    large; for a matrix scale it, regularise (A + lambda*I), or solve a least-squares problem by QR.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from gradtool.autodiff import edges
from gradtool.diagnosis import gt106_digits_lost
from gradtool.diagnosis.health import Array, Health
from gradtool.ops import REGISTRY
from gradtool.results import Diagnostic

THRESHOLDS: Mapping[str, float] = {"condition": 1e8}
_HARMLESS = frozenset(("add", "subtract", "multiply", "divide", "negative", "reciprocal", "square", "abs", "sqrt"))
"""Sums are GT106's; of the others the condition number is at most 2."""
_MATRIX = ("inv", "solve", "det", "cholesky")


def find(health: Health, thresholds: Mapping[str, float]) -> Iterator[Diagnostic]:
    """One finding for each node with a large condition number, the worst of its arguments."""
    limit = 1.0 / health.at_precision(1.0 / thresholds["condition"])
    digits = -np.log10(np.finfo(health.plan.dtype).eps / 2)
    found: list[tuple[int, float]] = []
    for name, nodes in health.passing.items():
        if name in _MATRIX:
            found += [(i, _matrix_condition(health, i)) for i in nodes]
        elif name not in _HARMLESS and REGISTRY[name].elementwise and not REGISTRY[name].switch:
            found += [(i, _condition(health, i)) for i in nodes]
    for i, condition in sorted(found):
        if condition <= limit or health.lost_digits.get(i, 0.0) >= gt106_digits_lost.THRESHOLDS["digits"]:
            continue
        what = "singular to working precision" if not np.isfinite(condition) else f"condition number {condition:.1e}"
        cost = min(np.log10(condition), digits)
        yield Diagnostic(
            "GT110",
            "warning",
            f"{health.label(i)} is ill-conditioned ({what}): it costs {cost:.0f} of the argument's {digits:.0f} digits",
            i,
        )


def _condition(health: Health, i: int) -> float:
    """The relative condition number of an elementwise node, the largest over its arguments; 0 where it means nothing."""
    value = health.values[i]
    size = abs(value) if isinstance(value, float) else _largest(health.value(i))
    if size == 0 or not np.isfinite(size):
        return 0.0
    worst = 0.0
    for edge in edges(health.gradients, health.values, i):
        local, x = edge.local, health.values[edge.source]
        if isinstance(local, float) and isinstance(x, float):
            change = abs(local * x)
        else:
            change = _largest(np.asarray(local) * np.asarray(x))
        if np.isfinite(change):
            worst = max(worst, change / size)
    return float(worst)


def _largest(values: Array) -> float:
    """The largest magnitude, in double precision; 0 of no entries."""
    return float(np.max(np.abs(values), initial=0.0))


def _matrix_condition(health: Health, i: int) -> float:
    """Skeel's condition number of the matrix, the worst of a batch; infinite for a singular matrix, 0 where the value is
    not finite (GT102 says so) or exactly 0 (a determinant)."""
    matrix = health.value(health.plan.graph.arguments[i][0]).astype(np.float64)
    value = health.value(i)
    if not (np.isfinite(matrix).all() and np.isfinite(value).all()) or not value.any() or not matrix.size:
        return 0.0
    try:
        inverse = np.linalg.inv(matrix)
    except np.linalg.LinAlgError:
        return float(np.inf)
    found = float(np.max(np.sum(np.abs(inverse) @ np.abs(matrix), axis=-1)))
    return found if np.isfinite(found) else float(np.inf)
