"""Forward at many points at once: only what depends on the changed input runs again, all points in one pass."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradtool.autodiff.forward import Perturb, apply, perturbed, rounded
from gradtool.autodiff.plan import Plan
from gradtool.ops import Operation

Array = NDArray[Any]


class Batch(NamedTuple):
    """``outputs`` has shape (points, *output shape). ``same_piece`` says of each point whether every operation with a kink
    stayed on the smooth piece it is on at the base point; entries that sit on the kink at the base point do not count."""

    outputs: Array
    same_piece: NDArray[np.bool_]


def run_batch(
    plan: Plan,
    values: Sequence[Any],
    changed: Mapping[int, Array],
    *,
    excused: Collection[int] = (),
    perturb: Perturb | None = None,
) -> Batch:
    """The output at several points that differ from the base point ``values`` in the nodes ``changed``.

    ``changed`` maps node ids to arrays of shape (points, *node shape). Nodes in ``excused`` may change their piece. With
    ``perturb`` every operation runs again, and what enters and leaves it is passed through that function, as in ``forward``.
    """
    graph = plan.graph
    points = len(next(iter(changed.values())))
    fresh: dict[int, Array] = dict(changed)
    same = np.ones(points, dtype=bool)
    last_use = schedule(plan, set(changed), everything=perturb is not None)
    with np.errstate(all="ignore"):
        for i in last_use.order:
            operation = plan.operations[i]
            assert operation is not None
            arguments = batched_arguments(plan, i, operation, values, fresh, points)
            if perturb is not None:
                arguments = perturbed(plan, i, arguments, perturb)
            value = apply(plan, i, operation, arguments)
            if value.shape != (points, *plan.shapes[i]):  # All arguments of an elementwise operation were stretched.
                value = np.broadcast_to(value, (points, *plan.shapes[i]))
            fresh[i] = value if perturb is None else rounded(operation, value, arguments, perturb)
            if operation.piece is not None and i not in excused:
                same &= stays_on_piece(plan, i, operation, values, arguments, points)
            for spent in last_use.spent.get(i, ()):
                if spent != graph.output:
                    del fresh[spent]
    output = fresh.get(graph.output)
    if output is None:
        base = np.asarray(values[graph.output], dtype=plan.dtype)
        output = np.broadcast_to(base, (points, *base.shape))
    return Batch(output, same)


def decided_by_tied_conditions(plan: Plan, values: Sequence[Any]) -> frozenset[int]:
    """Nodes such as ``where`` whose condition comes from a comparison that sits on its threshold at ``values``: whichever way
    the point moves, they may take the other branch, as is to be expected of a tie."""
    tied: set[int] = set()
    decided: set[int] = set()
    for i, operation in enumerate(plan.operations):
        settled = plan.resolved[i]
        if operation is None or settled is None:
            continue
        sources = plan.graph.arguments[i]
        if any(sources[position] in tied for position in settled.frozen):
            decided.add(i)
        elif not tied.isdisjoint(sources):
            tied.add(i)
        for kink in operation.kinks:
            if kink.sides is not None and np.any(kink.tied(*(values[a] for a in sources), **settled.parameters)):
                tied.add(i)
    return frozenset(decided)


class Schedule(NamedTuple):
    """The nodes to run, in order, and which batches are needed no more after each."""

    order: list[int]
    spent: dict[int, list[int]]
    """After node i ran, these batches are needed no more: memory stays that of the widest cut through the graph."""


def schedule(plan: Plan, changed: set[int], everything: bool) -> Schedule:
    """What to run where the nodes ``changed`` have new values: what depends on them, or with ``everything`` all that follows."""
    graph = plan.graph
    touched = set(changed)
    order = []
    for i in range(min(changed), graph.output + 1):
        if i in changed or plan.operations[i] is None:
            continue
        if everything or not touched.isdisjoint(graph.arguments[i]):
            touched.add(i)
            order.append(i)
    last: dict[int, int] = {}
    for i in order:
        for argument in graph.arguments[i]:
            if argument in touched:
                last[argument] = i
    spent: dict[int, list[int]] = {}
    for argument, i in last.items():
        spent.setdefault(i, []).append(argument)
    return Schedule(order, spent)


def batched_arguments(
    plan: Plan, i: int, operation: Operation, values: Sequence[Any], fresh: Mapping[int, Array], points: int
) -> list[Array]:
    """Arguments of node ``i`` with a leading batch axis where something changed.

    Elementwise operations broadcast, so a batch gets unit axes after its first and an unchanged argument none; any other
    operation gets the batch axis on all arguments."""
    rank = len(plan.shapes[i])
    arguments = []
    for argument in plan.graph.arguments[i]:
        batch = fresh.get(argument)
        if batch is None:
            value = np.asarray(values[argument], dtype=plan.dtype)
            arguments.append(value if operation.elementwise else np.broadcast_to(value, (points, *value.shape)))
        elif operation.elementwise and batch.ndim - 1 < rank:
            arguments.append(batch.reshape(points, *(1,) * (rank + 1 - batch.ndim), *batch.shape[1:]))
        else:
            arguments.append(batch)
    return arguments


def stays_on_piece(
    plan: Plan, i: int, operation: Operation, values: Sequence[Any], arguments: list[Array], points: int
) -> NDArray[np.bool_]:
    """Of each point, whether node ``i`` with these batched arguments is on the smooth piece it is on at the base point."""
    settled = plan.resolved[i]
    assert settled is not None
    assert operation.piece is not None
    base_arguments = [np.asarray(values[a], dtype=plan.dtype) for a in plan.graph.arguments[i]]
    base = np.asarray(operation.piece(*base_arguments, **settled.parameters))
    piece = np.asarray(operation.piece(*arguments, **settled.parameters))
    same = np.broadcast_to(piece == base, (points, *base.shape))
    for kink in operation.kinks:
        tied = np.asarray(kink.tied(*base_arguments, **settled.parameters), dtype=bool)
        if tied.any():
            # A structured operation may count ties otherwise than pieces: then a tie anywhere excuses the whole node.
            same = same | (tied if tied.shape == base.shape else True)
    return np.asarray(same.reshape(points, -1).all(axis=1))
