"""GT105: dead units.

What it means
    A unit, one entry along the feature axes of a relu or of anything else that is flat at one end (max(x, 0),
    where(x > 0, x, 0), softplus, elu, gelu), lies in the flat part for every sample of the batch: its slope is at most
    ``slope`` (default 1e-8) times the steepest, for relu exactly 0. The message says how many units of how many.
    One sample says little, as half of all healthy units are off for it. A unit is called dead if it is off for at least
    ``samples`` (default 16) samples, which a healthy one is by chance once in 65,000; and a whole node if all its entries
    are off, from two entries on: as information where there are fewer than ``samples`` of them, since nothing gets
    through this node now, whatever the next batch does. A single number that relu cuts off is no finding. The samples lie
    along the axes over which the bias is broadcast; without one, along the axis that does not come from a weight matrix;
    else along all axes but the last.

Why it matters
    No gradient passes a dead unit, so the weights that feed it do not move, and it stays dead.

Example
    gradtool eval "sum(relu(X@w - 10))" "X=randn(32,3)" "w=randn(3,4)"

What to do
    Lower the learning rate, start biases at or above 0, normalise what comes in, or use leaky_relu, elu or gelu, which let
    something through on both sides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod

import numpy as np

from gradtool.autodiff import Plan
from gradtool.diagnosis.flatness import flat_entries, listed
from gradtool.diagnosis.health import Health
from gradtool.graph import CONSTANT, INPUT
from gradtool.results import Diagnostic

THRESHOLDS: Mapping[str, float] = {"slope": 1e-8, "samples": 16}


def find(health: Health, thresholds: Mapping[str, float]) -> Iterator[Diagnostic]:
    """At most one finding a node: all of it, or some of its units."""
    for flat in sorted(flat_entries(health, 1, thresholds["slope"]), key=lambda one: one.node):
        shape, entries = health.plan.shapes[flat.node], flat.where.size
        if entries < 2 or not flat.where.any():
            continue
        samples = sample_axes(health.plan, flat.node)
        count = prod(shape[axis] for axis in samples)
        dead = np.asarray(flat.where.all(axis=samples))
        certain = entries >= thresholds["samples"] if dead.all() else count >= thresholds["samples"]
        if not dead.all() and not (certain and dead.any()):
            continue
        number = f"{int(dead.sum())} of {dead.size} units are dead"
        largest = float(np.max(np.where(np.expand_dims(dead, samples), flat.steepness, 0.0))) / flat.profile.steepest
        slope = f"at most {largest:.1g} of the steepest" if largest else "0"
        batch = f"for all {count} samples" if count > 1 else "for this one sample"
        which = "" if dead.all() else f" ({listed([tuple(map(int, index)) for index in np.argwhere(dead)])})"
        yield Diagnostic(
            "GT105",
            "warning" if certain else "info",
            f"{health.label(flat.node)}: {number}, their slope is {slope} {batch}, so no gradient passes{which}",
            flat.node,
        )


def sample_axes(plan: Plan, i: int) -> tuple[int, ...]:
    """The axes of node ``i`` along which samples lie, the others being features; none for a vector, which is one sample."""
    graph, shape = plan.graph, plan.shapes[i]
    if len(shape) < 2:
        return ()
    node = _linear(plan, i)
    if node is None:
        return tuple(range(len(shape) - 1))
    if graph.operations[node] in ("add", "subtract"):
        shared = _shared_axes(plan, node)
        if shared:
            return shared
        products = [a for a in graph.arguments[node] if graph.operations[a] == "matmul" and plan.shapes[a] == shape]
        node = products[0] if products else node
    if graph.operations[node] == "matmul":
        left, right = graph.arguments[node]
        if graph.operations[left] == INPUT and graph.operations[right] not in (INPUT, CONSTANT):
            return (*range(len(shape) - 2), len(shape) - 1)
    return tuple(range(len(shape) - 1))


def _linear(plan: Plan, i: int) -> int | None:
    """What node ``i`` is applied to: the first of its arguments that has its shape and is computed by a layer's linear part."""
    for a in plan.graph.arguments[i]:
        if plan.graph.operations[a] in ("add", "subtract", "matmul") and plan.shapes[a] == plan.shapes[i]:
            return a
    return None


def _shared_axes(plan: Plan, node: int) -> tuple[int, ...]:
    """The axes over which an input (the bias) is broadcast in this sum."""
    shape = plan.shapes[node]
    for a in plan.graph.arguments[node]:
        if plan.graph.operations[a] != INPUT or prod(plan.shapes[a]) < 2:
            continue
        aligned = (1,) * (len(shape) - len(plan.shapes[a])) + plan.shapes[a]
        shared = tuple(k for k, (one, whole) in enumerate(zip(aligned, shape, strict=True)) if one < whole)
        if shared:
            return shared
    return ()
