"""``Plan``: a graph made ready for given shapes. Everything that does not depend on the numbers is settled here, once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
    (all inputs, where None) less those in ``integer`` and those used only as labels, indices or conditions.

    Raises ``SourceError``, with the place in the program, where shapes or parameters do not fit an operation and where
    a node would have more than ``max_size`` entries.
    """
    shapes: list[Shape] = []
    operations: list[Operation | None] = []
    resolved: list[Resolved | None] = []
    input_of = {node: name for name, node in graph.inputs.items()}
    shared: dict[str, Resolved] = {}
    scalar = dtype == "float64"
    for i, (name, arguments) in enumerate(zip(graph.operations, graph.arguments, strict=True)):
        if name in (INPUT, CONSTANT):
            value = inputs[input_of[i]] if name == INPUT else graph.parameters[i]["value"]
            shape = np.shape(value)
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
    wanted = _differentiable(graph, resolved, graph.inputs if wrt is None else wrt, integer)
    return Plan(graph, operations, resolved, shapes, carrying(graph, resolved, wanted), wanted, scalar, np.dtype(dtype))


def at_node(graph: Graph, i: int, error: OperationError) -> SourceError:
    """The operation's complaint, with its name and its place in the program."""
    operation = REGISTRY[graph.operations[i]]
    return place(graph, i, f"{operation.call or operation.name}: {error}", None)


def place(graph: Graph, i: int, message: str, hint: str | None) -> SourceError:
    """An error at node ``i``'s place in the program."""
    return SourceError(message, graph.source, (graph.starts[i], graph.ends[i]), hint)


def _differentiable(
    graph: Graph, resolved: list[Resolved | None], wrt: Collection[str], integer: Collection[str]
) -> tuple[str, ...]:
    """The wanted inputs that some operation uses as more than labels, in the graph's order.

    One that nothing uses at all stays: its gradient is zero, and that is worth knowing."""
    as_label: set[int] = set()
    as_value: set[int] = {graph.output}
    for arguments, settled in zip(graph.arguments, resolved, strict=True):
        if settled is None or not settled.frozen:
            as_value.update(arguments)
            continue
        for position, argument in enumerate(arguments):
            (as_label if position in settled.frozen else as_value).add(argument)
    labels = as_label - as_value
    return tuple(
        name for name, node in graph.inputs.items() if name in wrt and name not in integer and node not in labels
    )


def carrying(graph: Graph, resolved: list[Resolved | None], wanted: Collection[str]) -> bytearray:
    """1 for each node that depends on one of the inputs ``wanted`` through arguments that carry a gradient."""
    live = bytearray(len(graph))
    for name in wanted:
        live[graph.inputs[name]] = 1
    for i, arguments in enumerate(graph.arguments):
        settled = resolved[i]
        if settled is None:
            continue
        if settled.frozen:
            arguments = tuple(a for position, a in enumerate(arguments) if position not in settled.frozen)
        for argument in arguments:
            if live[argument]:
                live[i] = 1
                break
    return live
