"""Backward: reverse accumulation over a graph (Griewank & Walther, *Evaluating Derivatives*, 2nd ed., chapter 3).

The upstream of a node is the sum of what all its consumers send down, so one sweep in reverse topological order visits
every node once, however many paths there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradtool.autodiff.forward import Perturb, apply, perturbed, underflown
from gradtool.autodiff.on_floats import backward_on_floats, locals_on_floats, passed
from gradtool.autodiff.plan import Plan
from gradtool.ops import Operation
from gradtool.results import EdgeResult, Rule

Array = NDArray[Any]
Shape = tuple[int, ...]


class Gradients(NamedTuple):
    """``adjoints[i]`` is the upstream of node i, of its shape; None where nothing wanted flows through it."""

    plan: Plan
    adjoints: list[Any]

    def of(self, name: str) -> Any:
        """The gradient of the input ``name``; zeros where no path leads to it."""
        node = self.plan.graph.inputs[name]
        found = self.adjoints[node]
        if found is not None:
            return found
        return 0.0 if self.plan.scalar else np.zeros(self.plan.shapes[node], dtype=self.plan.dtype)


def backward(
    plan: Plan,
    values: Sequence[Any],
    upstream: Any = 1.0,
    choose: np.random.Generator | None = None,
    perturb: Perturb | None = None,
) -> Gradients:
    """Upstream gradients of all nodes, given the values of ``forward`` and the upstream of the output.

    With ``choose`` the derivative at every tie and kink is drawn from its valid set instead of taken by convention
    (a standard normal number where no value is valid): what changes with it depends on the convention. ``perturb`` changes
    numbers by a rounding, as in ``forward``: what enters a derivative, what it sends down, and every sum of that.
    """
    adjoints: list[Any] = [None] * len(plan.shapes)
    output = plan.graph.output
    with np.errstate(all="ignore"):
        if plan.scalar and choose is None and perturb is None:
            adjoints[output] = float(upstream)
            backward_on_floats(plan, values, adjoints)
        else:
            adjoints[output] = np.asarray(upstream, dtype=plan.dtype)
            _backward_array(plan, values, adjoints, choose, perturb)
    return Gradients(plan, adjoints)


def _backward_array(
    plan: Plan,
    values: Sequence[Any],
    adjoints: list[Any],
    choose: np.random.Generator | None,
    perturb: Perturb | None,
) -> None:
    graph, live = plan.graph, plan.live
    for i in range(graph.output, -1, -1):
        upstream, operation = adjoints[i], plan.operations[i]
        if upstream is None or operation is None or not live[i]:
            continue
        chosen = None if choose is None else _chosen(plan, i, operation, values, upstream, choose)
        for position, source in gradient_arguments(plan, i):
            if chosen is not None:
                downstream = chosen[position]
            else:
                downstream = send_down(plan, i, operation, position, values, upstream, perturb)
            if perturb is not None:
                downstream = perturb(downstream)
            before = adjoints[source]
            if before is None:
                adjoints[source] = downstream
            else:
                adjoints[source] = before + downstream if perturb is None else perturb(before + downstream)


def gradient_arguments(plan: Plan, i: int) -> list[tuple[int, int]]:
    """(position, source) of the arguments of node ``i`` that a gradient flows to."""
    settled = plan.resolved[i]
    assert settled is not None
    return [
        (position, source)
        for position, source in enumerate(plan.graph.arguments[i])
        if plan.live[source] and position not in settled.frozen
    ]


def send_down(
    plan: Plan,
    i: int,
    operation: Operation,
    position: int,
    values: Sequence[Any],
    upstream: Array,
    perturb: Perturb | None = None,
) -> Array:
    """What node ``i`` sends down to its argument at ``position``."""
    sources = plan.graph.arguments[i]
    settled = plan.resolved[i]
    assert settled is not None
    arguments = [values[a] for a in sources]
    value = values[i]
    if perturb is not None:
        arguments = perturbed(plan, i, arguments, perturb)
        upstream = perturb(upstream)
        if operation.kinks:  # Such as max, which looks for its output among its arguments.
            value = apply(plan, i, operation, arguments)
    shape = plan.shapes[sources[position]]
    if operation.elementwise:
        local = operation.local_of(position)(value, *arguments, **settled.parameters)
        if perturb is not None and not operation.switch:
            local = perturb(underflown(np.asarray(local, dtype=plan.dtype), arguments))
        return sum_to(np.asarray(through(operation, upstream, local, perturb), dtype=plan.dtype), shape)
    downstream = operation.vjp_of(position)(upstream, value, *arguments, **settled.parameters)
    return np.asarray(downstream, dtype=plan.dtype).reshape(shape)


def _chosen(
    plan: Plan, i: int, operation: Operation, values: Sequence[Any], upstream: Array, rng: np.random.Generator
) -> list[Array] | None:
    """Downstream gradients of node ``i`` with the derivative at each kink drawn at random; None where it sits on none."""
    sources = plan.graph.arguments[i]
    settled = plan.resolved[i]
    assert settled is not None
    arguments, parameters = [values[a] for a in sources], settled.parameters
    tied = [(kink, np.asarray(kink.tied(*arguments, **parameters), dtype=bool)) for kink in operation.kinks]
    tied = [(kink, where) for kink, where in tied if where.any()]
    if not tied:
        return None
    if not operation.elementwise:
        kink = tied[0][0]
        if kink.choose is None:
            noise = [rng.standard_normal(plan.shapes[a]) for a in sources]
            return [np.asarray(n * float(np.abs(upstream).max(initial=0.0)), dtype=plan.dtype) for n in noise]
        drawn = kink.choose(rng, upstream, values[i], *arguments, **parameters)
        return [np.asarray(d, dtype=plan.dtype).reshape(plan.shapes[a]) for d, a in zip(drawn, sources, strict=True)]
    result = []
    shape = plan.shapes[i]
    drawn_locals = [
        kink.choose(rng, values[i], *arguments, **parameters)
        if kink.choose is not None
        else tuple(rng.standard_normal(shape) for _ in sources)
        for kink, _ in tied
    ]
    for position, source in enumerate(sources):
        if position in settled.frozen:
            result.append(np.zeros(plan.shapes[source], dtype=plan.dtype))
            continue
        local = np.broadcast_to(operation.local_of(position)(values[i], *arguments, **parameters), shape)
        for (_, where), drawn in zip(tied, drawn_locals, strict=True):
            local = np.where(where, drawn[position], local)
        downstream = np.asarray(through(operation, upstream, local), dtype=plan.dtype)
        result.append(sum_to(downstream, plan.shapes[source]))
    return result


def through(operation: Operation, upstream: Array, local: Array, perturb: Perturb | None = None) -> Array:
    """What an elementwise operation sends down: ``upstream * local``, and 0 where a switch is off."""
    product = np.asarray(upstream * local)
    if operation.switch:
        lost = np.isnan(product)
        if lost.any():
            product = np.where(lost & np.equal(local, 0), 0.0, product)
    return product if perturb is None else underflown(product, (upstream, local))


def sum_to(gradient: Array, shape: Shape) -> Array:
    """Sum a gradient over the axes that broadcasting added or stretched, down to ``shape``."""
    if gradient.shape == shape:
        return gradient
    extra = gradient.ndim - len(shape)
    if extra < 0:
        return np.broadcast_to(gradient, shape)
    axes = (*range(extra), *(extra + k for k, n in enumerate(shape) if n == 1 and gradient.shape[extra + k] != 1))
    summed = gradient.sum(axis=axes).reshape(shape) if axes else gradient
    return np.broadcast_to(summed, shape) if summed.shape != shape else summed


def edges(gradients: Gradients, values: Sequence[Any], i: int, jacobians: bool = False) -> tuple[EdgeResult, ...]:
    """The edges from node ``i`` to its arguments that a gradient can flow along: local and downstream gradient of each.

    ``local`` of an elementwise operation has the node's shape; any other operation's is a ``Rule``, which holds the
    Jacobian (shape: the node's, then the argument's) if ``jacobians``.
    """
    plan = gradients.plan
    operation, settled = plan.operations[i], plan.resolved[i]
    if operation is None or settled is None or not plan.live[i]:
        return ()
    upstream = gradients.adjoints[i]
    if upstream is None:  # The output does not depend on this node.
        upstream = 0.0 if plan.scalar else np.zeros(plan.shapes[i], dtype=plan.dtype)
    sources = plan.graph.arguments[i]
    found = []
    with np.errstate(all="ignore"):
        if plan.scalar:
            locals_ = locals_on_floats(plan, i, values)
            return tuple(
                EdgeResult(p, source, locals_[p], passed(operation, upstream, locals_[p]))
                for p, source in gradient_arguments(plan, i)
            )
        arguments = [values[a] for a in sources]
        for position, source in gradient_arguments(plan, i):
            downstream = send_down(plan, i, operation, position, values, upstream)
            local: Any
            if operation.elementwise:
                local = np.broadcast_to(
                    np.asarray(operation.local_of(position)(values[i], *arguments, **settled.parameters)),
                    plan.shapes[i],
                )
            else:
                local = Rule(
                    rule=operation.rule_of(position, [plan.shapes[a] for a in sources]),
                    jacobian_shape=(*plan.shapes[i], *plan.shapes[source]),
                    jacobian=_jacobian(plan, i, position, values) if jacobians else None,
                )
            found.append(EdgeResult(position, source, local, downstream))
    return tuple(found)


def _jacobian(plan: Plan, i: int, position: int, values: Sequence[Any]) -> Array:
    """The Jacobian of node ``i`` for one argument, a row of the identity at a time as upstream."""
    operation = plan.operations[i]
    assert operation is not None
    shape = plan.shapes[i]
    rows = []
    for k in range(prod(shape)):
        unit = np.zeros(prod(shape), dtype=plan.dtype)
        unit[k] = 1.0
        rows.append(send_down(plan, i, operation, position, values, unit.reshape(shape)))
    source_shape = plan.shapes[plan.graph.arguments[i][position]]
    return np.asarray(rows, dtype=plan.dtype).reshape(*shape, *source_shape)
