"""The exact gradient of a forward that can be traced: a second opinion that knows no steps and no noise.

The forward is run once on traced arrays and differentiated as a graph. What that is worth is bounded by Monte Carlo
arithmetic, and nothing is said of entries that depend on a convention at a tie.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradtool.autodiff import backward, forward, make_plan
from gradtool.ops import OperationError
from gradtool.target import Values
from gradtool.tracing import Untraceable, trace
from gradtool.verdict.allowance import rounding_allowance
from gradtool.verdict.ties import convention_matters, find_ties

Array = NDArray[Any]
MOST_NODES = 20_000
"""Larger graphs take longer than a second opinion is worth."""


def traced_gradient(
    function: Callable[..., Any] | None, values: Values, upstream: Sequence[Array]
) -> Mapping[str, tuple[Array, Array]]:
    """``{name: (gradient, error)}`` of ``sum(upstream * outputs)``, with one upstream an output; the error is infinite where
    a convention decides. Empty where the forward cannot be traced.

    By the conventions at ties the gradient has a value there, too: that of the common frameworks.
    """
    if function is None:
        return {}
    try:
        traced = trace(function, values)
    except Untraceable:
        return {}
    if len(traced.graph) > MOST_NODES or len(traced.values) != len(upstream):
        return {}
    if any(np.shape(v) != np.shape(u) for v, u in zip(traced.values, upstream, strict=True)):
        return {}
    inputs = {name: values[name] for name in traced.graph.inputs}
    seeds = traced.upstream(*upstream)
    try:
        plan = make_plan(traced.graph, inputs)
        results = forward(plan, inputs)
    except OperationError:
        return {}
    gradients = backward(plan, results, seeds)
    allowance = rounding_allowance(plan, inputs, seeds, gradients)
    ties = find_ties(plan, results)
    arrays = {name: np.asarray(value, dtype=np.float64) for name, value in inputs.items()}
    decided = convention_matters(plan, arrays, np.asarray(seeds, dtype=np.float64), gradients, ties)
    found = {}
    for name in plan.wrt:
        value = np.asarray(gradients.of(name), dtype=np.float64)
        known = np.isfinite(value) & ~decided[name]
        found[name] = (value, np.where(known, allowance[name], np.inf))
    return found
