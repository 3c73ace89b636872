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
    info = np.finfo(plan.dtype)
    roundoff = float(info.eps) / 2
    spread = {name: np.zeros(plan.shapes[plan.graph.inputs[name]]) for name in plan.wrt}
    largest = {name: np.abs(np.asarray(gradients.of(name), dtype=np.float64)) for name in plan.wrt}
    draws = DRAWS if len(plan.shapes) <= LARGE else DRAWS_LARGE
    roundings = [Rounding(2 * roundoff, plan.dtype, seed=draw) for draw in range(draws)]
    roundings += [Rounding(2 * roundoff, plan.dtype, direction=direction) for direction in (1, -1)]
    for rounding in roundings:
        drawn = backward(plan, forward(plan, inputs, perturb=rounding), upstream, perturb=rounding)
        for name in plan.wrt:
            ours, other = np.asarray(gradients.of(name), dtype=np.float64), np.asarray(drawn.of(name), dtype=np.float64)
            with np.errstate(invalid="ignore"):
                # Where rounding can carry a finite gradient to NaN, it can carry it anywhere.
                moved = np.where(np.isfinite(ours) & ~np.isfinite(other), np.inf, np.abs(ours - other))
            spread[name] = np.fmax(spread[name], moved)
    return {
        name: SAFETY * spread[name] + QUICK * roundoff * largest[name] + 4 * float(info.smallest_subnormal)
        for name in plan.wrt
    }
