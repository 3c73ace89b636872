"""Forward: the value of every node, in topological order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradtool.autodiff.on_floats import forward_on_floats
from gradtool.autodiff.plan import Plan, at_node
from gradtool.graph import CONSTANT
from gradtool.ops import Operation, OperationError

Array = NDArray[Any]
Value = float | Array
Perturb = Callable[[Array], Array]
Retake = Callable[[int, Array], Array]


def forward(
    plan: Plan, inputs: Mapping[str, Any], *, perturb: Perturb | None = None, retake: Retake | None = None
) -> list[Any]:
    """The value of every node: Python floats in a graph of scalars, arrays of the plan's dtype otherwise.

    ``perturb`` changes numbers by a rounding, to study how rounding travels: it is applied to what enters and what leaves an
    operation (see ``perturbed``). ``retake(i, value)`` gives another value for node i to go on with. Overflow and invalid
    arithmetic give infinities and NaN, as IEEE 754 says. Raises ``SourceError`` where an operation refuses a value, such
    as a label that is out of range.
    """
    values: list[Any] = [None] * len(plan.shapes)
    on_floats = plan.scalar and perturb is None and retake is None
    for name, node in plan.graph.inputs.items():
        values[node] = float(inputs[name]) if on_floats else np.asarray(inputs[name], dtype=plan.dtype)
    with np.errstate(all="ignore"):
        if on_floats:
            forward_on_floats(plan, values)
        else:
            _forward_array(plan, values, perturb, retake)
    return values


def _forward_array(plan: Plan, values: list[Any], perturb: Perturb | None, retake: Retake | None) -> None:
    graph = plan.graph
    for i, operation in enumerate(plan.operations):
        if operation is None:
            if graph.operations[i] == CONSTANT:
                values[i] = np.asarray(graph.parameters[i]["value"], dtype=plan.dtype)
            continue
        arguments = [values[a] for a in graph.arguments[i]]
        if perturb is not None:
            arguments = perturbed(plan, i, arguments, perturb)
        value = apply(plan, i, operation, arguments)
        if perturb is not None:
            value = rounded(operation, value, arguments, perturb)
        values[i] = value if retake is None else retake(i, value)


def perturbed(plan: Plan, i: int, arguments: list[Any], perturb: Perturb) -> list[Any]:
    """The arguments of node ``i`` as its own inner roundings might have seen them.

    What a backward stable operation computes is the exact result for arguments that are off by a rounding (Higham, *Accuracy
    and Stability of Numerical Algorithms*, section 1.5). Labels stay as they are, and so does a constant of an elementwise
    operation: the 2 in ``x^2`` is exact. Comparisons are exact too: what would put the operation on another smooth piece is
    not done.
    """
    settled, operation = plan.resolved[i], plan.operations[i]
    assert settled is not None
    assert operation is not None
    if operation.switch:
        return arguments
    sources = plan.graph.arguments[i]
    moved = [
        argument
        if position in settled.frozen
        or (operation.elementwise and plan.graph.operations[sources[position]] == CONSTANT)
        else perturb(argument)
        for position, argument in enumerate(arguments)
    ]
    if operation.piece is not None:
        before, after = (np.asarray(operation.piece(*a, **settled.parameters)) for a in (arguments, moved))
        if not np.array_equal(before, after, equal_nan=before.dtype.kind == "f"):
            return arguments
    return moved


def rounded(operation: Operation, value: Array, arguments: Sequence[Array], perturb: Perturb) -> Array:
    """What leaves an operation, as its last rounding might have made it. A switch only passes numbers on."""
    if operation.switch:
        return value
    return perturb(underflown(value, arguments) if operation.elementwise else value)


def underflown(value: Array, factors: Sequence[Array]) -> Array:
    """``value``, but the smallest number there is in place of a 0 that came of no 0: it may have underflowed."""
    zero = np.equal(value, 0)
    if not zero.any():
        return value
    for factor in factors:
        zero = zero & np.not_equal(factor, 0)
    return np.where(zero, np.finfo(value.dtype).smallest_subnormal, value)


def apply(plan: Plan, i: int, operation: Operation, arguments: list[Any]) -> Array:
    """One operation of the graph on arrays. Raises ``SourceError`` where it refuses a value."""
    settled = plan.resolved[i]
    assert settled is not None
    try:
        return np.asarray(operation.forward(*arguments, **settled.parameters), dtype=plan.dtype)
    except OperationError as error:
        raise at_node(plan.graph, i, error) from None
