"""GT111: gradient contributions that cancel.

What it means
    Several edges send gradients down to a node, and at some entry their sum is far smaller than they are: at most
    ``ratio`` (default 1e-8, half of double precision's digits; in single precision half of its digits likewise) of the
    sum of their magnitudes. The message gives the worst entry: what arrived, what is left, and how many digits that costs.
    It is information where other entries of the same gradient are far larger than what is left, and a warning where the
    whole gradient is such a rest. A sum of exactly 0 is no finding: contributions that cancel by design (x - x) leave
    nothing to be misread. Nor is a rest of a few roundings at a node inside of the program, such as the largest score that is
    taken off before exp and added again after log: what it sends on is lost beside what comes by other ways.

Why it matters
    What is left has as many digits less as the ratio says; where it is near roundoff the gradient is noise, of any sign.
    An optimizer that divides by the gradient's size (Adam) makes full steps of it.

Example
    gradtool eval "exp(x) - exp(x*y)" x=1 y=1.000000000001

What to do
    Rewrite the program so that the difference is taken before it is differentiated ((x-y)*(x+y) for x^2 - y^2), or take the
    gradient for zero. At an optimum it is zero, and nothing need be done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gradtool.autodiff import edges
from gradtool.diagnosis.flatness import listed
from gradtool.diagnosis.health import Array, Health
from gradtool.results import Diagnostic

ROUNDINGS = 16
"""A rest of so many units of roundoff of what arrived may be nothing but rounding."""
THRESHOLDS: Mapping[str, float] = {"ratio": 1e-8}


def find(health: Health, thresholds: Mapping[str, float]) -> Iterator[Diagnostic]:
    """One finding for each node with an entry whose contributions cancel, from the output down."""
    graph, adjoints = health.plan.graph, health.gradients.adjoints
    ratio = health.at_precision(thresholds["ratio"])
    uses = _uses(health)
    magnitudes: dict[int, Any] = {}
    for i in range(graph.output, -1, -1):
        arrived = magnitudes.pop(i, None)
        if arrived is not None:
            found = _cancelled(health, i, np.asarray(arrived), ratio)
            if found is not None:
                yield found
        if adjoints[i] is None or not any(uses[a] > 1 for a in graph.arguments[i]):
            continue
        for edge in edges(health.gradients, health.values, i):
            if uses[edge.source] > 1:
                magnitudes[edge.source] = magnitudes.get(edge.source, 0.0) + abs(edge.downstream)


def _uses(health: Health) -> list[int]:
    """By how many edges a gradient arrives at each node; the output has its upstream besides, so it is not counted."""
    plan, uses = health.plan, [0] * len(health.plan.graph)
    for i, arguments in enumerate(plan.graph.arguments):
        if health.gradients.adjoints[i] is not None:
            for a in arguments:
                uses[a] += plan.live[a]
    uses[plan.graph.output] = 0
    return uses


def _cancelled(health: Health, i: int, arrived: Array, ratio: float) -> Diagnostic | None:
    left = health.upstream(i)
    if left is None:
        return None
    size = np.abs(left)
    where = (size > 0) & (size <= ratio * arrived) & np.isfinite(arrived)
    if health.plan.operations[i] is not None:
        where &= size > ROUNDINGS * np.finfo(health.plan.dtype).eps / 2 * arrived
    if not where.any():
        return None
    shares = np.where(where, size / arrived, np.inf)
    worst = np.unravel_index(int(np.argmin(shares)), shares.shape)
    digits = -np.log10(np.finfo(health.plan.dtype).eps / 2)
    cost = min(-np.log10(shares[worst]), digits)
    place = (
        f" at {int(where.sum())} of {where.size} entries, worst at {listed([tuple(map(int, worst))])}" if worst else ""
    )
    beside = float(np.max(size[np.isfinite(size)])) > ratio * float(arrived[worst])
    return Diagnostic(
        "GT111",
        "info" if beside else "warning",
        f"the gradient contributions at {health.label(i)} cancel{place}: magnitudes that add up to "
        f"{float(arrived[worst]):.3g} leave {float(left[worst]):.3g}, which costs {cost:.0f} of {digits:.0f} digits",
        i,
    )
