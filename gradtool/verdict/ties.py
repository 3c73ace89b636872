"""Ties and kinks: where the point sits exactly on one, and which gradients depend on the convention used there.

At a kink the derivative is not unique and references agree by accident, so no verdict may rest on them. But a kink whose
convention makes no difference (``relu(x)^2`` at 0, ``max(x, x)``) must not spoil a verdict either. The two are told apart
by trying: backward runs again with the derivative at every kink drawn at random from its valid set, and conditions that
sit on their threshold taken either way. By the chain rule for Clarke's generalised gradient (Clarke, *Optimization and
Nonsmooth Analysis*, theorem 2.3.9) all the gradients that can be meant are mixtures of what such choices give; where they
all agree the function is differentiable and the value is its gradient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradtool.autodiff import Gradients, Plan, backward, forward
from gradtool.ops import Kink

Array = NDArray[Any]
Mask = NDArray[np.bool_]
DRAWS = 6


class Tie(NamedTuple):
    """Node ``node`` sits on ``kink`` at the entries ``where`` (of the node's shape for an elementwise operation)."""

    node: int
    kink: Kink
    where: Mask


def find_ties(plan: Plan, values: Sequence[Any]) -> list[Tie]:
    """Every kink that the point sits on, among nodes that depend on a differentiated input, in topological order."""
    found = []
    with np.errstate(all="ignore"):
        for i, operation in enumerate(plan.operations):
            if operation is None or not operation.kinks or not plan.live[i]:
                continue
            settled = plan.resolved[i]
            assert settled is not None
            arguments = [np.asarray(values[a]) for a in plan.graph.arguments[i]]
            for kink in operation.kinks:
                where = np.asarray(kink.tied(*arguments, **settled.parameters), dtype=bool)
                if where.any():
                    found.append(Tie(i, kink, where))
    return found


def convention_matters(
    plan: Plan, inputs: Mapping[str, Any], upstream: Any, gradients: Gradients, ties: Sequence[Tie], seed: int = 0
) -> dict[str, Mask]:
    """For every differentiated input, the entries whose gradient changes with the choice made at ``ties``."""
    result = {name: np.zeros(plan.shapes[plan.graph.inputs[name]], dtype=bool) for name in plan.wrt}
    if not ties:
        return result
    roundoff = float(np.finfo(plan.dtype).eps) / 2
    rng = np.random.default_rng(seed)
    conditions = {tie.node: (tie.where, tie.kink.sides) for tie in ties if tie.kink.sides is not None}
    for draw in range(DRAWS):
        values = _with_conditions(plan, inputs, conditions, draw, rng)
        drawn = backward(plan, values, upstream, choose=rng)
        for name, mask in result.items():
            ours, other = np.asarray(gradients.of(name)), np.asarray(drawn.of(name))
            both = np.maximum(np.abs(ours), np.abs(other))
            scale = float(np.max(both[np.isfinite(both)], initial=0.0))
            with np.errstate(invalid="ignore"):
                same = (np.abs(ours - other) <= 1e4 * roundoff * scale) | (ours == other)
            mask |= ~same & ~(np.isnan(ours) & np.isnan(other))
    return result


def _with_conditions(
    plan: Plan, inputs: Mapping[str, Any], conditions: Mapping[int, Any], draw: int, rng: np.random.Generator
) -> list[Any]:
    """Forward with every condition that sits on its threshold taken low (draw 0), high (draw 1), or at random."""

    def retake(i: int, value: Array) -> Array:
        where, sides = conditions.get(i, (None, None))
        if where is None:
            return value
        pick = np.full(where.shape, draw) if draw < 2 else rng.integers(0, 2, where.shape)
        return np.where(where, np.asarray(sides)[pick], value).astype(plan.dtype)

    return forward(plan, inputs, retake=retake)
