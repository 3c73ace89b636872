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

from gradtool.autodiff import Gradients, Plan, backward, forward

Array = NDArray[Any]
QUICK = 8.0
SAFETY = 8.0
DRAWS = 8


def quick_allowance(plan: Plan, gradient: Array, contributions: Sequence[Array]) -> Array:
    """A few roundings of what was added up: ``8 u`` times the sum of ``|contributions|``, and underflow."""
    info = np.finfo(plan.dtype)
    total = np.abs(gradient)
    if contributions:
        total = np.maximum(total, sum(np.abs(c) for c in contributions))
    return np.asarray(QUICK * float(info.eps) / 2 * total + 4 * float(info.smallest_subnormal))


def rounding_allowance(
    plan: Plan, inputs: Mapping[str, Any], upstream: Any, gradients: Gradients, seed: int = 0
) -> dict[str, Array]:
    """For every differentiated input, how far rounding anywhere in forward and backward can have moved its gradient."""
    info = np.finfo(plan.dtype)
    roundoff = float(info.eps) / 2
    rng = np.random.default_rng(seed)
    spread = {name: np.zeros(plan.shapes[plan.graph.inputs[name]]) for name in plan.wrt}
    largest = {name: np.abs(np.asarray(gradients.of(name), dtype=np.float64)) for name in plan.wrt}
    for draw in range(-2, DRAWS):

        def perturb(value: Array, draw: int = draw) -> Array:
            sign = (1.0, -1.0)[draw + 2] if draw < 0 else rng.choice((-1.0, 1.0), value.shape)
            return np.asarray(value * (1 + 2 * roundoff * sign), dtype=plan.dtype)

        drawn = backward(plan, forward(plan, inputs, perturb=perturb), upstream, perturb=perturb)
        for name in plan.wrt:
            ours, other = np.asarray(gradients.of(name), dtype=np.float64), np.asarray(drawn.of(name), dtype=np.float64)
            with np.errstate(invalid="ignore"):
                moved = np.abs(ours - other)
            spread[name] = np.fmax(spread[name], moved)
    return {
        name: SAFETY * spread[name] + QUICK * roundoff * largest[name] + 4 * float(info.smallest_subnormal)
        for name in plan.wrt
    }
