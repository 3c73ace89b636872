"""Forward and backward of a graph of scalars on Python floats: one pass over the nodes each, no object a node.

The commonest operations are written out in the loops, as calling a function costs several times what they do; everything else
goes through its ``ScalarForm``. What is written out gives to the last bit what the declarations do, and the tests hold it
to that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import compress, islice
from typing import Any

import numpy as np

from gradtool.autodiff.plan import Plan
from gradtool.ops import REGISTRY, Operation, ScalarForm
from gradtool.ops.operation import Function

NOT_ON_FLOATS = (ArithmeticError, ValueError)
"""What a scalar form raises at overflow and at the edge of its domain: then the array form gives the IEEE result."""

_ADD, _SUBTRACT, _MULTIPLY, _DIVIDE = (REGISTRY[name] for name in ("add", "subtract", "multiply", "divide"))
_EXP, _SIN, _COS = (REGISTRY[name] for name in ("exp", "sin", "cos"))


def _no_scalar_form(*_: float) -> Any:
    raise ArithmeticError


class _Functions(dict[Operation | None, Function]):
    """A function of every operation's scalar form. To look it up here takes a third of the time that
    ``operation.scalar.forward`` does."""

    def __init__(self, which: Callable[[ScalarForm], Function]) -> None:
        self._which = which
        super().__init__((operation, self[operation]) for operation in REGISTRY.values())

    def __missing__(self, operation: Operation) -> Function:
        return _no_scalar_form if operation.scalar is None else self._which(operation.scalar)


_FORWARD = _Functions(lambda form: form.forward)
_LOCAL = _Functions(lambda form: form.local)


def forward_on_floats(plan: Plan, values: list[Any]) -> None:
    """Fill in ``values``, which holds those of the inputs."""
    graph = plan.graph
    first = _first_operation(plan)
    for i in range(len(graph.inputs), first):
        values[i] = float(graph.parameters[i]["value"])
    del values[first:]
    push, value_of, function_of = values.append, values.__getitem__, _FORWARD
    add, subtract, multiply, divide = _ADD, _SUBTRACT, _MULTIPLY, _DIVIDE
    for operation, arguments in zip(
        islice(plan.operations, first, None), islice(graph.arguments, first, None), strict=True
    ):
        try:
            if operation is multiply:
                a, b = arguments
                push(values[a] * values[b])
            elif operation is add:
                a, b = arguments
                push(values[a] + values[b])
            elif operation is subtract:
                a, b = arguments
                push(values[a] - values[b])
            elif operation is divide:
                a, b = arguments
                push(values[a] / values[b])
            elif len(arguments) == 1:
                push(function_of[operation](values[arguments[0]]))
            else:
                push(function_of[operation](*map(value_of, arguments)))
        except NOT_ON_FLOATS:
            push(_by_array_form(plan, len(values), values))


def _first_operation(plan: Plan) -> int:
    """Inputs come first, then constants, then operations."""
    return next((i for i, operation in enumerate(plan.operations) if operation is not None), len(plan.operations))


def _by_array_form(plan: Plan, i: int, values: Sequence[float]) -> float:
    operation, settled = plan.operations[i], plan.resolved[i]
    assert operation is not None
    assert settled is not None
    return float(operation.forward(*(np.float64(values[a]) for a in plan.graph.arguments[i]), **settled.parameters))


def backward_on_floats(plan: Plan, values: Sequence[float], adjoints: list[Any]) -> None:
    """Fill in ``adjoints``, which holds that of the output and None elsewhere."""
    graph, live, first, output = plan.graph, plan.live, _first_operation(plan), plan.graph.output
    if output < first or not live[output]:
        return
    seed = adjoints[output]
    beyond = len(values) - 1 - output
    # The adjoint of a node is read when its turn comes: by then all its consumers have sent theirs down.
    nodes: Any = zip(
        range(output, first - 1, -1),
        *(islice(reversed(column), beyond, None) for column in (plan.operations, graph.arguments, adjoints)),
        strict=False,  # Inputs and constants are left over.
    )
    if live.find(0, first, output + 1) >= 0:
        nodes = compress(nodes, islice(reversed(live), beyond, None))
    locals_of, value_of, resolved = _LOCAL, values.__getitem__, plan.resolved
    add, subtract, multiply, divide = _ADD, _SUBTRACT, _MULTIPLY, _DIVIDE
    exp, sin, cos, sine, cosine = _EXP, _SIN, _COS, math.sin, math.cos
    for i, operation, arguments, upstream in nodes:
        if upstream is None:  # The output does not depend on it.
            continue
        if operation is multiply:
            a, b = arguments
            before = adjoints[a]
            adjoints[a] = upstream * values[b] if before is None else before + upstream * values[b]
            before = adjoints[b]
            adjoints[b] = upstream * values[a] if before is None else before + upstream * values[a]
        elif operation is add:
            a, b = arguments
            before = adjoints[a]
            adjoints[a] = upstream if before is None else before + upstream
            before = adjoints[b]
            adjoints[b] = upstream if before is None else before + upstream
        elif operation is subtract:
            a, b = arguments
            before = adjoints[a]
            adjoints[a] = upstream if before is None else before + upstream
            before = adjoints[b]
            adjoints[b] = -upstream if before is None else before - upstream
        elif operation is divide and values[arguments[1]]:
            a, b = arguments
            divisor = values[b]
            before = adjoints[a]
            downstream = upstream * (1.0 / divisor)
            adjoints[a] = downstream if before is None else before + downstream
            before = adjoints[b]
            downstream = upstream * -(values[i] / divisor)
            adjoints[b] = downstream if before is None else before + downstream
        elif len(arguments) == 1:
            (a,) = arguments
            try:
                if operation is exp:
                    local = values[i]
                elif operation is sin:
                    local = cosine(values[a])
                elif operation is cos:
                    local = -sine(values[a])
                else:
                    (local,) = locals_of[operation](values[i], values[a])
            except NOT_ON_FLOATS:
                (local,) = _locals_by_array_form(plan, i, values)
            downstream = upstream * local
            if downstream != downstream:
                downstream = passed(operation, upstream, local)
            before = adjoints[a]
            adjoints[a] = downstream if before is None else before + downstream
        else:
            try:
                locals_ = locals_of[operation](values[i], *map(value_of, arguments))
            except NOT_ON_FLOATS:
                locals_ = _locals_by_array_form(plan, i, values)
            frozen = resolved[i].frozen
            for position, a in enumerate(arguments):
                if position in frozen:
                    continue
                downstream = upstream * locals_[position]
                if downstream != downstream:
                    downstream = passed(operation, upstream, locals_[position])
                before = adjoints[a]
                adjoints[a] = downstream if before is None else before + downstream
    _forget(adjoints, live)
    adjoints[output] = seed


def _forget(adjoints: list[Any], live: bytearray) -> None:
    """What was sent to nodes that want none: to ask at every edge would cost more."""
    start = live.find(0)
    while start >= 0:
        stop = live.find(1, start)
        stop = len(live) if stop < 0 else stop
        adjoints[start:stop] = [None] * (stop - start)
        start = live.find(0, stop)


def locals_on_floats(plan: Plan, i: int, values: Sequence[float]) -> Sequence[float]:
    """The local derivatives of node ``i``, one an argument; anything where no gradient flows."""
    try:
        found: Sequence[float] = _LOCAL[plan.operations[i]](values[i], *[values[a] for a in plan.graph.arguments[i]])
    except NOT_ON_FLOATS:
        return _locals_by_array_form(plan, i, values)
    return found


def _locals_by_array_form(plan: Plan, i: int, values: Sequence[float]) -> list[float]:
    operation, settled, sources = plan.operations[i], plan.resolved[i], plan.graph.arguments[i]
    assert operation is not None
    assert settled is not None
    as_arrays = [np.float64(values[a]) for a in sources]
    return [
        float(operation.local_of(position)(np.float64(values[i]), *as_arrays, **settled.parameters))
        if plan.live[source] and position not in settled.frozen
        else 0.0
        for position, source in enumerate(sources)
    ]


def passed(operation: Operation, upstream: float, local: float) -> float:
    """``upstream * local``, and 0 where a switch is off: as ``through`` does for arrays."""
    downstream = upstream * local
    if downstream != downstream and operation.switch and local == 0:
        return 0.0
    return downstream
