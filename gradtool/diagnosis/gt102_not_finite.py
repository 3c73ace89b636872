"""GT102: first non-finite value or gradient.

What it means
    A value overflows, is undefined (log of a negative number, 0/0), or a derivative is infinite (sqrt at 0). The message
    names the node where it begins; what follows from it is not listed.

Why it matters
    One infinity turns all gradients behind it to NaN, and training stops learning without an error message.

Example
    gradtool eval "log(sum(exp(x)))" x=[1000,0]

What to do
    Look at the node named: use the stable form (logsumexp, log_softmax, log1p, softplus), keep the argument inside the
    domain, or give it a smallest value before the operation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite

import numpy as np

from gradtool.autodiff import edges
from gradtool.diagnosis.health import Health
from gradtool.graph import CONSTANT
from gradtool.results import Diagnostic

THRESHOLDS: Mapping[str, float] = {}


def find(health: Health, thresholds: Mapping[str, float]) -> Iterator[Diagnostic]:
    """At most one finding for values, and one for gradients where all values are finite."""
    del thresholds
    graph, plan = health.plan.graph, health.plan
    for i, value in enumerate(health.values):
        if isinstance(value, float) and isfinite(value):
            continue
        bad = ~np.isfinite(health.value(i))
        if bad.any() and not _harmless(health, i):
            example = float(health.value(i)[bad][0])
            above = "given as" if plan.operations[i] is None else "first here:"
            yield Diagnostic("GT102", "error", f"{health.label(i)} is not finite, {above} {example}", i)
            return
    if all(np.isfinite(health.gradients.of(name)).all() for name in plan.wrt):
        return
    for i in range(graph.output, -1, -1):
        upstream = health.upstream(i)
        if upstream is None or not np.isfinite(upstream).all() or plan.operations[i] is None:
            continue
        for edge in edges(health.gradients, health.values, i):
            downstream = np.asarray(edge.downstream)
            bad = ~np.isfinite(downstream)
            if bad.any():
                yield Diagnostic(
                    "GT102",
                    "error",
                    f"the gradient is not finite, first where {health.label(i)} sends {float(downstream[bad][0])} down to "
                    f"{health.label(edge.source)}",
                    i,
                )
                return


def _harmless(health: Health, i: int) -> bool:
    """Whether node ``i`` is a constant and nothing infinite came of it: clip without a bound has an infinite one."""
    graph = health.plan.graph
    return graph.operations[i] == CONSTANT and all(
        bool(np.isfinite(health.value(j)).all()) for j, arguments in enumerate(graph.arguments) if i in arguments
    )
