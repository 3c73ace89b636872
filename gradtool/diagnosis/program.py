"""``Program``: the traced forward at one sight, and its backward with one rule changed.

A change says what another backward would do at some nodes; the sweep with it gives the gradient that this backward would
compute.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from gradtool.autodiff import Plan, backward, forward, make_plan
from gradtool.diagnosis.fitting import Array, Evidence, Look, largest
from gradtool.graph import CONSTANT
from gradtool.language import SourceError
from gradtool.ops import REGISTRY, Operation
from gradtool.tracing import Traced, Untraceable, trace

Edge = tuple[int, int]
"""A node and the position of one of its arguments."""
MAX_NODES = 400
"""Longer programs are not searched: every hypothesis is a sweep through all of it."""
MAX_SWEPT = 40_000
"""Rows of a Jacobian times nodes beyond which it is not made of sweeps through the program."""
AGREES = 1e-5
CANCELS = 1e-11
SIGNS = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "**", "matmul": "@", "negative": "-",
    "where": "np.where", "take": "an index", "scatter": "an assignment", "reduce_max": "max", "reduce_min": "min",
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """What another backward would do.

    ``edges``: what an edge sends down, given the upstream of its node and what it should send. ``nodes``: what becomes of a
    node's upstream. ``jumps``: a node sends nothing to its arguments, but something to a node further down, given its
    upstream.
    """

    edges: Mapping[Edge, Callable[[Array, Array], Array | None]] = field(default_factory=dict)
    nodes: Mapping[int, Callable[[Array], Array]] = field(default_factory=dict)
    jumps: Mapping[int, tuple[int, Callable[[Array], Array]]] = field(default_factory=dict)


class Block(NamedTuple):
    """A part of the program with one way in and one way out: ``top`` is a function of ``bottom``, of the same shape or of
    one that broadcasts to it."""

    top: int
    bottom: int


class ImpossibleError(Exception):
    """A change gives an array that does not fit where it is sent."""


class Program:
    """Forward as a graph at one sight, with all values and all upstream gradients."""

    def __init__(self, evidence: Evidence, look: Look, traced: Traced, plan: Plan) -> None:
        self.look = look
        self.name = evidence.name
        self.traced = traced
        self.plan = plan
        self.graph = plan.graph
        self.inputs = {name: in_double(look.sight.values[name]) for name in self.graph.inputs}
        self.rounds = any(np.asarray(v).dtype in (np.float32, np.float16) for v in look.sight.values.values())
        """Whether the user's code computes in less than double precision."""
        values = forward(plan, self.inputs)
        self.values = [np.asarray(value, dtype=np.float64) for value in values]
        self.seed = np.asarray(traced.upstream(*look.sight.upstream), dtype=np.float64)
        self.adjoints = backward(plan, values, self.seed).adjoints
        self.source = self.graph.inputs[evidence.name]
        self._locals: dict[Edge, Array] = {}
        self.cancelled: frozenset[int] = frozenset()
        """Nodes whose upstream is zero because what arrives cancels, as at the largest entry that a stable softmax
        subtracts. No hand-written backward sends anything there, so no hypothesis does."""

    def cancelling(self) -> tuple[set[int], set[int]]:
        """(nodes where what arrives cancels at this sight, nodes where it does not)."""
        cancelled, alive = set(), set()
        arriving: dict[int, float] = {}
        for i in range(self.graph.output, self.source, -1):
            upstream = self.adjoints[i]
            if upstream is None:
                continue
            adjoint = np.asarray(upstream, dtype=np.float64)
            if arriving.get(i, 0.0) > 0 and largest(adjoint) <= CANCELS * arriving[i]:
                cancelled.add(i)
                continue
            if largest(adjoint) > 0:
                alive.add(i)
            for position, source in self.arguments(i):
                elementwise = self.operation(i).elementwise
                product = adjoint * self.local((i, position)) if elementwise else self.sent((i, position), adjoint)
                arriving[source] = max(arriving.get(source, 0.0), largest(product))
        return cancelled, alive

    @cached_property
    def gradient(self) -> Array:
        """The right gradient, exact to rounding."""
        found = self.adjoints[self.source]
        return np.zeros(self.plan.shapes[self.source]) if found is None else np.asarray(found, dtype=np.float64)

    @cached_property
    def below(self) -> bytearray:
        """The nodes that depend on the input in question."""
        found = bytearray(len(self.graph))
        found[self.source] = 1
        for i, arguments in enumerate(self.graph.arguments):
            if self.plan.live[i] and i not in self.cancelled and any(found[a] for a in arguments):
                found[i] = 1
        return found

    @cached_property
    def edges(self) -> list[Edge]:
        """The edges on some path from the output to the input in question, from the output down."""
        return [
            (i, position)
            for i in range(self.graph.output, -1, -1)
            if self.adjoints[i] is not None
            for position, source in self.arguments(i)
            if self.below[source]
        ]

    @cached_property
    def links(self) -> list[list[Edge]]:
        """The same, those from one node to one argument together: ``x * x`` has one link of two edges."""
        found: dict[tuple[int, int], list[Edge]] = {}
        for i, position in self.edges:
            found.setdefault((i, self.graph.arguments[i][position]), []).append((i, position))
        return list(found.values())

    def arguments(self, i: int) -> list[tuple[int, int]]:
        """(position, source) of the arguments of a node that a gradient flows to."""
        settled = self.plan.resolved[i]
        if settled is None or not self.plan.live[i]:
            return []
        return [
            (position, source)
            for position, source in enumerate(self.graph.arguments[i])
            if self.plan.live[source] and position not in settled.frozen
        ]

    def operation(self, i: int) -> Operation:
        """The operation of a node that is neither input nor constant."""
        operation = self.plan.operations[i]
        assert operation is not None
        return operation

    def operands(self, i: int) -> list[Array]:
        """The values of a node's arguments."""
        return [self.values[a] for a in self.graph.arguments[i]]

    def parameters(self, i: int) -> Mapping[str, Any]:
        """The settled parameters of a node."""
        settled = self.plan.resolved[i]
        assert settled is not None
        return settled.parameters

    def local(self, edge: Edge) -> Array:
        """The local derivative along an edge of an elementwise operation, of the node's shape."""
        if edge not in self._locals:
            i, position = edge
            local = self.operation(i).local_of(position)(self.values[i], *self.operands(i), **self.parameters(i))
            self._locals[edge] = np.broadcast_to(np.asarray(local, dtype=np.float64), self.plan.shapes[i])
        return self._locals[edge]

    def sent(self, edge: Edge, upstream: Array) -> Array:
        """What an edge sends down."""
        i, position = edge
        shape = self.plan.shapes[self.graph.arguments[i][position]]
        if self.operation(i).elementwise:
            local = self.local(edge)
            product = upstream * local
            return sum_to(np.where(local == 0, 0.0, product) if self.operation(i).switch else product, shape)
        vjp = self.operation(i).vjp_of(position)
        return np.asarray(
            vjp(upstream, self.values[i], *self.operands(i), **self.parameters(i)), dtype=np.float64
        ).reshape(shape)

    def sweep(self, change: Change, seed: Array | None = None) -> list[Array | None]:
        """The upstream of every node under a change. Raises ``ImpossibleError`` where shapes do not fit."""
        adjoints: list[Array | None] = [None] * len(self.graph)
        adjoints[self.graph.output] = self.seed if seed is None else seed
        return self._down(adjoints, self.graph.output, change)

    def _down(self, adjoints: list[Array | None], top: int, change: Change) -> list[Array | None]:
        for i in range(top, self.source, -1):
            upstream = adjoints[i]
            if upstream is None or not self.below[i] or not upstream.any():
                continue  # Of nothing nothing is sent down, under any change.
            if i in change.nodes:
                upstream = change.nodes[i](upstream)
            if i in change.jumps:
                bottom, make = change.jumps[i]
                self._add(adjoints, bottom, make(upstream))
                continue
            for position, source in self.arguments(i):
                if not self.below[source]:
                    continue
                sent: Array | None = self.sent((i, position), upstream)
                assert sent is not None
                changed = change.edges.get((i, position))
                if changed is not None:
                    sent = changed(upstream, sent)
                    if sent is None:
                        continue
                self._add(adjoints, source, sent)
        return adjoints

    def _add(self, adjoints: list[Array | None], node: int, sent: Array) -> None:
        if sent.shape != self.plan.shapes[node]:
            raise ImpossibleError
        before = adjoints[node]
        adjoints[node] = sent if before is None else before + sent

    def gradient_with(self, change: Change, seed: Array | None = None) -> Array | None:
        """The gradient under a change; None where its shapes do not fit."""
        try:
            found = self.sweep(change, seed)[self.source]
        except ImpossibleError:
            return None
        return np.zeros(self.plan.shapes[self.source]) if found is None else found

    def gradient_with_places(self, node: int, axis: int, step: int) -> Array:
        """The gradient of a forward that takes the entries ``step`` further along an axis, round the end."""
        settled = self.plan.resolved[node]
        assert settled is not None
        shape = self.plan.shapes[self.graph.arguments[node][0]]
        index = list(np.unravel_index(np.asarray(settled.parameters["places"], dtype=np.intp), shape))
        index[axis] = (index[axis] + step) % shape[axis]
        places = tuple(int(k) for k in np.ravel_multi_index(index, shape))
        resolved = list(self.plan.resolved)
        resolved[node] = settled._replace(parameters={**settled.parameters, "places": places})
        plan = self.plan._replace(resolved=resolved)
        values = forward(plan, self.inputs)
        return np.asarray(backward(plan, values, self.seed).of(self.name), dtype=np.float64)

    def with_value(self, node: int, value: Array) -> Program:
        """The program as a forward sees it that has another value at a node, and makes all that follows of that one."""
        found = copy(self)
        values = list(self.values)
        values[node] = np.asarray(value, dtype=np.float64)
        changed = {node}
        for i in range(node + 1, len(self.graph)):
            if changed.isdisjoint(self.graph.arguments[i]) or self.plan.operations[i] is None:
                continue
            operands = [values[a] for a in self.graph.arguments[i]]
            values[i] = np.asarray(self.operation(i).forward(*operands, **self.parameters(i)), dtype=np.float64)
            changed.add(i)
        found.values = values
        found._locals = {}
        return found

    def gradient_from(self, node: int, upstream: Array) -> Array:
        """What an upstream of one node alone sends to the input."""
        adjoints: list[Array | None] = [None] * len(self.graph)
        adjoints[node] = upstream
        found = self._down(adjoints, node, Change())[self.source]
        return np.zeros(self.plan.shapes[self.source]) if found is None else found

    @cached_property
    def blocks(self) -> list[Block]:
        """Parts that are a function of one node, small ones first."""
        found = [block for i in range(self.graph.output + 1) if self.below[i] for block in self._blocks_under(i)]
        return sorted(found, key=lambda block: (len(self.inside(block)), -block.top))

    def _blocks_under(self, top: int) -> Iterator[Block]:
        frontier = self._below(top)
        while frontier:
            if len(frontier) == 1:
                (bottom,) = frontier
                if _broadcasts(self.plan.shapes[top], self.plan.shapes[bottom]):
                    yield Block(top, bottom)
            highest = max(frontier)
            frontier.discard(highest)
            if self.plan.operations[highest] is None:
                return
            frontier |= self._below(highest)

    def _below(self, i: int) -> set[int]:
        return {source for _, source in self.arguments(i) if self.below[source]}

    def inside(self, block: Block) -> list[int]:
        """The nodes of a block from the bottom (left out) to the top, in order."""
        needed, pending = set(), [block.top]
        while pending:
            node = pending.pop()
            if node not in needed and node != block.bottom and self.plan.operations[node] is not None:
                needed.add(node)
                pending.extend(self.graph.arguments[node])
        return sorted(needed)

    def derivative(self, block: Block, at: Array | None = None) -> Array | None:
        """The derivative of an elementwise block, entry by entry, where its bottom is ``at``; None if it is not elementwise."""
        nodes = self.inside(block)
        shape = self.plan.shapes[block.top]
        if self.plan.shapes[block.bottom] != shape:
            return None
        if not all(self.operation(i).elementwise and self.plan.shapes[i] == shape for i in nodes if self.below[i]):
            return None
        values = {block.bottom: self.values[block.bottom] if at is None else at}
        slopes = {block.bottom: np.ones(self.plan.shapes[block.bottom])}
        for node in nodes:
            arguments = self.graph.arguments[node]
            operands = [values.get(a, self.values[a]) for a in arguments]
            operation, parameters = self.operation(node), self.parameters(node)
            values[node] = np.asarray(operation.forward(*operands, **parameters), dtype=np.float64)
            slope = np.zeros(self.plan.shapes[node])
            if not self.below[node]:
                continue
            for position, source in self.arguments(node):
                if source in slopes:
                    local = np.asarray(
                        operation.local_of(position)(values[node], *operands, **parameters), dtype=np.float64
                    )
                    slope = slope + np.where(slopes[source] == 0, 0.0, local * slopes[source])
                    slopes[node] = slope
        return slopes.get(block.top)

    def function(self, block: Block) -> str | None:
        """The operation that the block computes (``sigmoid`` for ``1 / (1 + exp(-x))``), told by its values."""
        if len(self.inside(block)) == 1:
            return self.graph.operations[block.top]
        x, y = self.values[block.bottom], self.values[block.top]
        for name in recognised():
            found = np.asarray(REGISTRY[name].forward(x), dtype=np.float64)
            if found.shape == y.shape and largest(found - y) <= 1e-12 * (largest(y) + 1e-3) and y.size > 1:
                return name
        return None

    @cached_property
    def lines(self) -> Mapping[int, tuple[str, int]]:
        """The line that tells a node's place: where it stands, or where the helper it stands in is called, if that is called on
        several lines."""
        callers: dict[tuple[str, int], set[tuple[str, int]]] = {}
        inner, outer = self.traced.lines, self.traced.outer_lines
        for i, line in inner.items():
            callers.setdefault(line, set()).add(outer.get(i, line))
        return {i: outer.get(i, line) if len(callers[line]) > 1 else line for i, line in inner.items()}

    def words(self, i: int) -> str:
        """``tanh at layers.py:14``."""
        return f"{SIGNS.get(self.graph.operations[i], self.graph.operations[i])}{self.at(i)}"

    def at(self, i: int) -> str:
        """`` at layers.py:14``; empty where the line is not known."""
        place = self.lines.get(i)
        return "" if place is None else f" at {os.path.basename(place[0])}:{place[1]}"

    def place(self, i: int) -> tuple[str | None, int | None]:
        """The file and line of a node."""
        return self.lines.get(i, (None, None))

    def label(self, i: int) -> str:
        """How a node's value is called in a message: an input by its name."""
        for name, node in self.graph.inputs.items():
            if node == i:
                return name
        return f"the result of {self.words(i)}"

    @cached_property
    def groups(self) -> list[list[int]]:
        """The nodes that matter, those of the same operation and the same place in the source together (a loop's)."""
        found: dict[tuple[str, int, int], list[int]] = {}
        for i in range(self.graph.output, -1, -1):
            if self.below[i] and self.plan.operations[i] is not None and self.adjoints[i] is not None:
                key = (self.graph.operations[i], self.graph.starts[i], self.graph.ends[i])
                found.setdefault(key if self.graph.ends[i] else (key[0], -i, 0), []).append(i)
        return list(found.values())


def _broadcasts(given: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return len(given) == len(wanted) and all(a in (1, b) for a, b in zip(given, wanted, strict=True))


def recognised() -> list[str]:
    """The operations of one argument that a block may compute."""
    return [
        name
        for name, operation in REGISTRY.items()
        if operation.elementwise and not operation.variadic and len(operation.arguments) == 1
        and operation.derivative != "0" and all(p.default is not ... for p in operation.parameters) and not operation.parameters
    ]  # fmt: skip


def programs(evidence: Evidence) -> list[Program]:
    """The traced forward at every sight that counts and whose program has the structure of the first; empty where it
    cannot be traced."""
    found: list[Program] = evidence.once("programs", lambda: _programs(evidence))
    return found


def _programs(evidence: Evidence) -> list[Program]:
    function = evidence.suspect.case.function
    if function is None or not evidence.usable:
        return []
    found: list[Program] = []
    for look in evidence.looks:
        program = _program(evidence, look, function)
        if program is None or (found and not _same(program, found[0])):
            if not found:
                return []
            continue
        found.append(program)
    sets = [program.cancelling() for program in found]
    cancelled = frozenset().union(*(c for c, _ in sets)) - frozenset().union(*(alive for _, alive in sets))
    for program in found:
        program.cancelled = cancelled
    return found


def _same(a: Program, b: Program) -> bool:
    """Whether node ids mean the same in both, and all arrays have the same shapes: constants may differ (a mask)."""
    return (
        a.graph.operations == b.graph.operations
        and a.graph.arguments == b.graph.arguments
        and a.plan.shapes == b.plan.shapes
        and a.plan.live == b.plan.live
    )


def _program(evidence: Evidence, look: Look, function: Callable[..., Any]) -> Program | None:
    values = {name: in_double(look.sight.values[name]) for name in evidence.suspect.case.values}
    try:
        traced = trace(function, values)
        if len(traced.graph) > MAX_NODES or evidence.name not in traced.graph.inputs:
            return None
        inputs = {name: values[name] for name in traced.graph.inputs}
        plan = make_plan(traced.graph, inputs)._replace(scalar=False)
        if any(0 in shape for shape in plan.shapes):
            return None  # No derivative tells anything there.
        if evidence.name not in plan.wrt or len(traced.values) != len(look.sight.upstream):
            return None
        program = Program(evidence, look, traced, plan)
    except (Untraceable, SourceError):
        return None
    known = np.isfinite(look.error)
    off = np.abs(program.gradient - look.right)[known]
    if program.gradient.shape != look.right.shape or (off > look.error[known] + AGREES * look.scale).any():
        return None
    return program


def exact_jacobian(evidence: Evidence, look: Look) -> Array | None:
    """The Jacobian of the suspect's own input from the traced forward, a row for each entry of the outputs; None where the
    forward cannot be traced, or where that would take too long."""
    program = next((program for program in programs(evidence) if program.look is look), None)
    rows = evidence.upstream(look).size
    if program is None or program.rounds or rows * len(program.graph) > MAX_SWEPT:
        return None
    found = np.zeros((rows, look.right.size))
    for row in range(rows):
        unit = np.zeros(rows)
        unit[row] = 1.0
        seed = np.asarray(program.traced.upstream(*evidence.split(look, unit)), dtype=np.float64)
        value = program.gradient_with(Change(), seed)
        if value is None:
            return None
        found[row] = value.ravel()
    return found


def sum_to(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Sum over the axes that broadcasting added or stretched, down to ``shape``."""
    if gradient.shape == shape:
        return gradient
    extra = gradient.ndim - len(shape)
    axes = (*range(extra), *(extra + k for k, n in enumerate(shape) if n == 1 and gradient.shape[extra + k] != 1))
    return np.asarray(gradient.sum(axis=axes)).reshape(shape)


def in_double(value: Any) -> Any:
    """Floats of lower precision as float64, which alone can be traced; all else as it is."""
    found = np.asarray(value)
    return found.astype(np.float64) if found.dtype.kind == "f" else value


def is_constant(program: Program, i: int) -> bool:
    """Whether a node is a constant of the program."""
    return program.graph.operations[i] == CONSTANT
