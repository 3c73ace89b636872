"""GT106: digits lost to cancellation.

What it means
    A node's value has fewer correct digits than its arguments had: nearly equal numbers were subtracted. The digits lost
    are measured against the same program in 50-digit arithmetic. Reported from ``digits`` (default 4) lost digits on,
    for the node where they go; what is computed from it inherits the loss and is not listed.

Why it matters
    The value looks exact to sixteen digits and is not, and gradients that use it as a factor lose the same digits.

Example
    gradtool eval "(1 - cos(x)) / x^2" x=1e-5

What to do
    Rewrite: 2*sin(x/2)^2 for 1 - cos(x), expm1(x) for exp(x) - 1, log1p(x) for log(1 + x), (a-b)*(a+b) for a^2 - b^2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from gradtool.diagnosis.health import Health
from gradtool.results import Diagnostic

THRESHOLDS: Mapping[str, float] = {"digits": 4}


def find(health: Health, thresholds: Mapping[str, float]) -> Iterator[Diagnostic]:
    """One finding for each node that has lost ``digits`` more digits than any of its arguments had."""
    graph, roundoff = health.plan.graph, float(np.finfo(health.plan.dtype).eps) / 2
    for i, lost in health.lost_digits.items():
        if lost < thresholds["digits"]:
            continue
        inherited = max((health.lost_digits.get(a, 0.0) for a in graph.arguments[i]), default=0.0)
        if lost - inherited >= thresholds["digits"]:
            kept = max(0.0, -np.log10(roundoff) - lost)
            yield Diagnostic(
                "GT106",
                "warning",
                f"{health.label(i)} loses {lost:.0f} digits to cancellation: "
                f"{kept:.0f} of {-np.log10(roundoff):.0f} are right",
                i,
            )
