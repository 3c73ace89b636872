"""How far an honestly rounded gradient may be from the exact one.

Two estimates. The quick one holds for almost every gradient and costs nothing. The full one is asked only before a
gradient would be called WRONG: Monte Carlo arithmetic (Parker, *Monte Carlo Arithmetic*, UCLA 1997; the CESTAC method of
Vignes). What enters and leaves every operation is changed by one rounding, at random and then all in the same direction
(sums of many like terms drift), and the gradients that come out are compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradtool.autodiff import Gradients, Plan, Rounding, backward, forward

Array = NDArray[Any]
QUICK = 8.0
SAFETY = 8.0
DRAWS = 8
LARGE, DRAWS_LARGE = 10_000, 3
"""Beyond so many nodes, fewer draws: every one costs some twenty microseconds a node."""


def quick_allowance(plan: Plan, gradient: Array, contributions: Sequence[Array]) -> Array:
    """A few roundings of each of the n ``contributions``, one more each time another is added, and underflow:
    ``(8 + n) u`` times the sum of their sizes (Higham, *Accuracy and Stability of Numerical Algorithms*, section 4.2)."""
    info = np.finfo(plan.dtype)
    total = np.abs(gradient)
    if contributions:
        total = np.maximum(total, sum(np.abs(c) for c in contributions))
    roundings = QUICK + len(contributions)
    return np.asarray(roundings * float(info.eps) / 2 * total + 4 * float(info.smallest_subnormal))


def rounding_allowance(plan: Plan, inputs: Mapping[str, Any], upstream: Any, gradients: Gradients) -> dict[str, Array]:
    """For every differentiated input, how far rounding anywhere in forward and backward can have moved its gradient."""
    spread = {name: np.zeros(plan.shapes[plan.graph.inputs[name]]) for name in plan.wrt}
    for rounding in _roundings(plan):
        drawn = backward(plan, forward(plan, inputs, perturb=rounding), upstream, perturb=rounding)
        for name in plan.wrt:
            spread[name] = np.fmax(spread[name], _moved(gradients.of(name), drawn.of(name)))
    return {name: _granted(plan, spread[name], gradients.of(name)) for name in plan.wrt}


def node_allowances(
    plan: Plan, inputs: Mapping[str, Any], values: Sequence[Any], gradients: Gradients
) -> tuple[list[Array], list[Array]]:
    """The same for the value and for the upstream of every node, given those of forward and backward."""
    adjoints: list[Any] = [0.0 if a is None else a for a in gradients.adjoints]
    value_spread, adjoint_spread = ([np.zeros(shape) for shape in plan.shapes] for _ in range(2))
    for rounding in _roundings(plan):
        drawn = forward(plan, inputs, perturb=rounding)
        sent = backward(plan, drawn, adjoints[plan.graph.output], perturb=rounding).adjoints
        for i in range(len(plan.shapes)):
            value_spread[i] = np.fmax(value_spread[i], _moved(values[i], drawn[i]))
            if sent[i] is not None:
                adjoint_spread[i] = np.fmax(adjoint_spread[i], _moved(adjoints[i], sent[i]))
    return (
        [_granted(plan, *of) for of in zip(value_spread, values, strict=True)],
        [_granted(plan, *of) for of in zip(adjoint_spread, adjoints, strict=True)],
    )


def _roundings(plan: Plan) -> list[Rounding]:
    roundoff = float(np.finfo(plan.dtype).eps) / 2
    draws = DRAWS if len(plan.shapes) <= LARGE else DRAWS_LARGE
    roundings = [Rounding(2 * roundoff, plan.dtype, seed=draw) for draw in range(draws)]
    return roundings + [Rounding(2 * roundoff, plan.dtype, direction=direction) for direction in (1, -1)]


def _moved(number: Any, drawn: Any) -> Array:
    ours, other = np.asarray(number, dtype=np.float64), np.asarray(drawn, dtype=np.float64)
    with np.errstate(all="ignore"):
        # Where rounding can carry a finite number to NaN, it can carry it anywhere.
        return np.where(np.isfinite(ours) & ~np.isfinite(other), np.inf, np.abs(ours - other))


def _granted(plan: Plan, spread: Array, number: Any) -> Array:
    info = np.finfo(plan.dtype)
    size = np.abs(np.asarray(number, dtype=np.float64))
    least = QUICK * float(info.eps) / 2 * size + 4 * float(info.smallest_subnormal)
    return np.asarray(SAFETY * spread + least)
