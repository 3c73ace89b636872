"""``Plan``: a graph made ready for given shapes. Everything that does not depend on the numbers is settled here, once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from math import prod
from typing import Any, NamedTuple

import numpy as np

from gradtool.graph import CONSTANT, INPUT, Graph
from gradtool.language import SourceError
from gradtool.ops import REGISTRY, Operation, OperationError, Resolved

Shape = tuple[int, ...]
MAX_SIZE = 10_000_000


class Plan(NamedTuple):
    """A graph with the operation, the settled parameters and the shape of every node.

    ``operations`` and ``resolved`` are None at inputs and constants. ``live[i]`` says whether node i depends on an input
    that is differentiated through arguments that carry a gradient. ``scalar`` graphs run on Python floats.
    """

    graph: Graph
    operations: list[Operation | None]
    resolved: list[Resolved | None]
    shapes: list[Shape]
    live: bytearray
    wrt: tuple[str, ...]
    scalar: bool
    dtype: np.dtype[Any]

    @property
    def output_shape(self) -> Shape:
        """The shape of the program's value."""
        return self.shapes[self.graph.output]


def make_plan(
    graph: Graph,
    inputs: Mapping[str, Any],
    *,
    wrt: Collection[str] | None = None,
    integer: Collection[str] = (),
    dtype: str = "float64",
    max_size: int = MAX_SIZE,
) -> Plan:
    """Settle every node's shape and parameters for inputs of these shapes.

    ``inputs`` maps each input of the graph to a float or an array; only shapes are read. Gradients are wanted for ``wrt``
    (all inputs, where None) less those in ``integer`` and those used only as labels, indices or conditions. The graph
    remembers what was settled last, so that asking again for the same shapes costs nothing.

    Raises ``SourceError``, with the place in the program, where shapes or parameters do not fit an operation and where
    a node would have more than ``max_size`` entries.
    """
    key = (
        tuple([_shape(inputs[name]) for name in graph.inputs]),
        None if wrt is None else frozenset(wrt),
        frozenset(integer),
        dtype,
        max_size,
    )
    if graph.settled is not None and graph.settled[0] == key:
        return Plan(graph, *graph.settled[1])
    plan = _plan_of_scalars(graph, key[0], graph.inputs if wrt is None else wrt, integer, dtype) or _plan(
        graph, inputs, wrt, integer, dtype, max_size
    )
    graph.settled = (key, plan[1:])  # Without the graph: a cycle would keep both until the collector comes.
    return plan


def _shape(value: Any) -> Shape:
    """``np.shape``, which takes as long as ten nodes for a float."""
    return () if type(value) is float else np.shape(value)


def _plan_of_scalars(
    graph: Graph, shapes: Collection[Shape], wrt: Collection[str], integer: Collection[str], dtype: str
) -> Plan | None:
    """The plan of a graph in which every node is a scalar and no operation has a parameter; None for any other graph.

    The same operation settles the same thing at every node of such a graph, so nothing is worked out node by node."""
    operations = {name: REGISTRY[name] for name in set(graph.operations) - {INPUT, CONSTANT}}
    first = len(graph.inputs) + graph.operations.count(CONSTANT)
    if (
        any(shapes)
        or any(_shape(row["value"]) for row in islice(graph.parameters, len(graph.inputs), first))
        or any(islice(graph.parameters, first, None))
        or any(operation.resolve is not None for operation in operations.values())
    ):
        return None
    settled = {name: Resolved((), {}, operation.frozen) for name, operation in operations.items()}
    leaves = {INPUT: None, CONSTANT: None}
    resolved: list[Resolved | None] = list(map({**leaves, **settled}.__getitem__, graph.operations))
    frozen = any(operation.frozen for operation in operations.values())
    wanted = _differentiable(graph, _labels(graph, resolved) if frozen else (), wrt, integer)
    if frozen:
        live = carrying(graph, resolved, wanted)
    elif len(wanted) < first:
        live = _reached(graph, graph.arguments, wanted)
    else:  # Every leaf is differentiated.
        live = bytearray(b"\1") * len(graph)
    return Plan(
        graph,
        list(map({**leaves, **operations}.__getitem__, graph.operations)),
        resolved,
        [()] * len(graph),
        live,
        wanted,
        dtype == "float64" and all(operation.elementwise for operation in operations.values()),
        np.dtype(dtype),
    )


def _plan(
    graph: Graph,
    inputs: Mapping[str, Any],
    wrt: Collection[str] | None,
    integer: Collection[str],
    dtype: str,
    max_size: int,
) -> Plan:
    shapes: list[Shape] = []
    operations: list[Operation | None] = []
    resolved: list[Resolved | None] = []
    input_of = {node: name for name, node in graph.inputs.items()}
    shared: dict[str, Resolved] = {}
    scalar = dtype == "float64"
    for i, (name, arguments) in enumerate(zip(graph.operations, graph.arguments, strict=True)):
        if name in (INPUT, CONSTANT):
            value = inputs[input_of[i]] if name == INPUT else graph.parameters[i]["value"]
            shape = _shape(value)
            shapes.append(shape)
            operations.append(None)
            resolved.append(None)
            scalar = scalar and not shape
            continue
        operation = REGISTRY[name]
        operations.append(operation)
        parameters = graph.parameters[i]
        argument_shapes = [shapes[a] for a in arguments]
        if operation.resolve is None and not parameters and not any(argument_shapes):
            # A graph of scalars settles the same thing at every node: share it.
            settled = shared.get(name)
            if settled is None:
                settled = shared[name] = Resolved((), {}, operation.frozen)
        else:
            try:
                settled = operation.resolved(argument_shapes, parameters)
            except OperationError as error:
                raise at_node(graph, i, error) from None
            if prod(settled.shape) > max_size:
                message = (
                    f"{operation.name} would make {prod(settled.shape):,} entries, more than the limit of {max_size:,}"
                )
                raise place(graph, i, message, "--max-size (max_size in Python) raises the limit")
        resolved.append(settled)
        shapes.append(settled.shape)
        scalar = scalar and not settled.shape and operation.elementwise
    wanted = _differentiable(graph, _labels(graph, resolved), graph.inputs if wrt is None else wrt, integer)
    return Plan(graph, operations, resolved, shapes, carrying(graph, resolved, wanted), wanted, scalar, np.dtype(dtype))


def at_node(graph: Graph, i: int, error: OperationError) -> SourceError:
    """The operation's complaint, with its name and its place in the program."""
    operation = REGISTRY[graph.operations[i]]
    return place(graph, i, f"{operation.call or operation.name}: {error}", None)


def place(graph: Graph, i: int, message: str, hint: str | None) -> SourceError:
    """An error at node ``i``'s place in the program."""
    return SourceError(message, graph.source, (graph.starts[i], graph.ends[i]), hint)


def _differentiable(
    graph: Graph, labels: Collection[int], wrt: Collection[str], integer: Collection[str]
) -> tuple[str, ...]:
    """The wanted inputs that are more than labels, in the graph's order.

    One that nothing uses at all stays: its gradient is zero, and that is worth knowing."""
    return tuple(
        name for name, node in graph.inputs.items() if name in wrt and name not in integer and node not in labels
    )


def _labels(graph: Graph, resolved: list[Resolved | None]) -> set[int]:
    """The nodes that operations use as labels, indices or conditions only."""
    as_label: set[int] = set()
    as_value: set[int] = {graph.output}
    for arguments, settled in zip(graph.arguments, resolved, strict=True):
        if settled is None or not settled.frozen:
            as_value.update(arguments)
            continue
        for position, argument in enumerate(arguments):
            (as_label if position in settled.frozen else as_value).add(argument)
    return as_label - as_value


def carrying(graph: Graph, resolved: list[Resolved | None], wanted: Collection[str]) -> bytearray:
    """1 for each node that depends on one of the inputs ``wanted`` through arguments that carry a gradient."""
    return _reached(graph, map(_unfrozen, graph.arguments, resolved), wanted)


def _unfrozen(arguments: tuple[int, ...], settled: Resolved | None) -> Sequence[int]:
    if settled is None or not settled.frozen:
        return arguments
    return [a for position, a in enumerate(arguments) if position not in settled.frozen]


def _reached(graph: Graph, arguments: Iterable[Sequence[int]], wanted: Collection[str]) -> bytearray:
    """1 for each node that one of the inputs ``wanted`` leads to along ``arguments``, a row a node."""
    live = bytearray(len(graph))
    for name in wanted:
        live[graph.inputs[name]] = 1
    for i, sources in enumerate(arguments):
        for source in sources:
            if live[source]:
                live[i] = 1
                break
    return live
