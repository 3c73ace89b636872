"""GT101: tie or kink.

What it means
    An operation sits exactly where it has no derivative: relu or abs at 0, two equal arguments of max, a comparison on
    its threshold. A value is used there by convention; the message says which, and which others would be valid.

Why it matters
    The gradient shown is one of many. References agree with it by accident or not at all (SymPy and a central difference
    both give 1/2 for relu at 0), so a gradient that depends on the convention is UNDECIDED. If the convention makes no
    difference, as in relu(x)^2 at 0, this is only information.

Example
    gradtool eval "max(x, y)" x=2 y=2

What to do
    Move the point off the kink to have the gradient checked, or accept the convention. Ties that occur in practice
    (padded maxima, zeros that enter relu) deserve a smooth alternative such as softplus or logsumexp.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gradtool.diagnosis.health import Health
from gradtool.results import Diagnostic

THRESHOLDS: Mapping[str, float] = {}


def find(health: Health, thresholds: Mapping[str, float]) -> Iterator[Diagnostic]:
    """One finding for each node and kink that the point sits on."""
    del thresholds
    matters = any(mask.any() for mask in health.tie_matters.values())
    for tie in health.ties:
        count, of = int(tie.where.sum()), tie.where.size
        share = "" if of == 1 else f" at {count} of {of} entries"
        valid = "no value is valid" if tie.kink.valid == "none" else f"valid: {tie.kink.valid}"
        yield Diagnostic(
            "GT101",
            "warning" if matters else "info",
            f"{health.label(tie.node)} is at a kink ({tie.kink.where}){share}: {tie.kink.convention} is used, {valid}",
            tie.node,
        )
