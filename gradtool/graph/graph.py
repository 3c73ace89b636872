"""``Graph`` and ``Node``: a program as a list of operations in topological order.

A graph of a million nodes must fit in memory and be walked without recursion, so it is stored by column: one
list of operation names, one of argument tuples, and so on. ``Node`` is a view of one row, made when asked for.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

INPUT = "input"
CONSTANT = "constant"

Span = tuple[int, int]
Place = tuple[str, int]
"""A file and a line in it, counted from 1."""


class Node(NamedTuple):
    """One row of a graph.

    ``span`` is where the node stands in ``Graph.source``, as half-open character offsets that include surrounding
    parentheses; ``line`` counts from 1.
    """

    id: int
    operation: str
    arguments: tuple[int, ...]
    parameters: Mapping[str, Any]
    name: str | None
    span: Span
    line: int


@dataclass(slots=True, eq=False)
class Graph:
    """A computation graph. Every argument of a node has a smaller id than the node itself.

    Ids 0 to ``len(inputs) - 1`` are the inputs in the order of their first appearance, then come the constants,
    then the operations. ``parameters`` holds what is not an array (an axis, a shape); a constant's row holds
    ``{"value": float or array}``.
    """

    source: str
    operations: list[str]
    arguments: list[tuple[int, ...]]
    parameters: list[Mapping[str, Any]]
    names: dict[int, str]
    starts: array[int]
    ends: array[int]
    inputs: dict[str, int]
    bindings: dict[str, int]
    """The node that each name stands for at the end of the program, inputs included."""
    output: int
    notes: list[str] = field(default_factory=list)
    """What the reader of the program should be told, such as that ``e`` was read as the constant."""
    places: Mapping[int, Place] = field(default_factory=dict)
    """Where in a user's files an operation stands, for a program that is a traced function."""
    branches: tuple[Place, ...] = ()
    """Where a traced function went by a value: the program is the function only as long as it goes the same way there."""
    title: str | None = None
    """What a result is headed with, where that is not the source."""
    settled: tuple[Any, Any] | None = field(default=None, init=False, repr=False)
    """What was last worked out of the graph for inputs of given shapes, and for which: kept here by whoever did."""
    _line_starts: list[int] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.operations)

    def __iter__(self) -> Iterator[Node]:
        return (self.node(i) for i in range(len(self)))

    def node(self, i: int) -> Node:
        """The node with id ``i``. Raises ``IndexError`` where there is none."""
        span = (self.starts[i], self.ends[i])
        line, name = self.line(span[0]), self.names.get(i)
        return Node(i, self.operations[i], self.arguments[i], self.parameters[i], name, span, line)

    def line(self, offset: int) -> int:
        """The line, counted from 1, of a character offset in ``source``."""
        if self._line_starts is None:
            self._line_starts = [0, *(i + 1 for i, character in enumerate(self.source) if character == "\n")]
        return bisect_right(self._line_starts, offset)

    def with_output(self, output: int) -> Graph:
        """The same graph read for another of its nodes."""
        return replace(self, output=output)

    def same_structure(self, other: Graph) -> bool:
        """Whether both compute the same thing in the same way; names of inner nodes and places in the source aside."""
        return (
            self.operations == other.operations
            and self.arguments == other.arguments
            and list(map(repr, self.parameters)) == list(map(repr, other.parameters))
            and self.inputs == other.inputs
            and self.output == other.output
        )


NO_PARAMETERS: Mapping[str, Any] = {}
_DROPPED = ""


class GraphBuilder:
    """Collects nodes in any order in which arguments come first; ``finish`` numbers them as ``Graph`` promises."""

    def __init__(self, source: str = "") -> None:
        self.source = source
        self.notes: list[str] = []
        self._operations: list[str] = []
        self._arguments: list[tuple[int, ...]] = []
        self._parameters: list[Mapping[str, Any]] = []
        self._starts: array[int] = array("q")
        self._ends: array[int] = array("q")
        self._names: dict[int, str] = {}
        self._inputs: dict[str, int] = {}

    def input(self, name: str, span: Span = (0, 0)) -> int:
        """The input of that name, added at its first mention."""
        known = self._inputs.get(name)
        if known is None:
            known = self._inputs[name] = self.add(INPUT, (), span=span)
            self._names[known] = name
        return known

    def constant(self, value: Any, span: Span = (0, 0)) -> int:
        """A node that holds ``value``, a float or a float64 array."""
        return self.add(CONSTANT, (), {"value": value}, span)

    def add(
        self,
        operation: str,
        arguments: Sequence[int],
        parameters: Mapping[str, Any] = NO_PARAMETERS,
        span: Span = (0, 0),
    ) -> int:
        """Append a node and return its provisional id, valid as an argument until ``finish``."""
        self._operations.append(operation)
        self._arguments.append(tuple(arguments))
        self._parameters.append(parameters)
        self._starts.append(span[0])
        self._ends.append(span[1])
        return len(self._operations) - 1

    def name(self, node: int, name: str) -> None:
        """Name a node; an input keeps its own name, and a node the first it was given."""
        self._names.setdefault(node, name)

    def operation(self, node: int) -> str:
        """The operation of a node added before."""
        return self._operations[node]

    def value(self, node: int) -> Any:
        """The value of a constant node; ``None`` for any other."""
        return self._parameters[node]["value"] if self._operations[node] == CONSTANT else None

    def arguments(self, node: int) -> tuple[int, ...]:
        """The arguments of a node added before."""
        return self._arguments[node]

    def __len__(self) -> int:
        """The number of nodes added, which is the provisional id of the next one."""
        return len(self._operations)

    def drop(self, first: int, stop: int) -> None:
        """Forget nodes ``first`` to ``stop - 1``, which no other node uses: they stood for metadata, not for arrays."""
        if stop == len(self._operations):
            for column in (self._operations, self._arguments, self._parameters, self._starts, self._ends):
                del column[first:]
        else:
            self._operations[first:stop] = [_DROPPED] * (stop - first)

    def widen(self, node: int, span: Span) -> None:
        """Set a node's place in the source, as when parentheses around it are found to close."""
        self._starts[node], self._ends[node] = span

    def finish(self, output: int, bindings: Mapping[str, int] | None = None) -> Graph:
        """Renumber (inputs, constants, operations) and hand over the graph. The builder is spent afterwards."""
        kinds, arguments = self._operations, self._arguments
        kept = array("q")
        for wanted in ({INPUT}, {CONSTANT}, {*kinds} - {INPUT, CONSTANT, _DROPPED}):
            kept.extend(i for i, kind in enumerate(kinds) if kind in wanted)
        new = [0] * len(kinds)  # Not an array: the arguments share the numbers of a list.
        for position, old in enumerate(kept):
            new[old] = position
        renumbered: list[tuple[int, ...]] = []
        for i in kept:
            renumbered.append(tuple(map(new.__getitem__, arguments[i])))
            arguments[i] = ()  # A program may have millions of them: two sets would not be needed at any time.
        scope = {**self._inputs, **(bindings or {})}
        return Graph(
            source=self.source,
            operations=[kinds[i] for i in kept],
            arguments=renumbered,
            parameters=[self._parameters[i] for i in kept],
            names={new[i]: name for i, name in self._names.items()},
            starts=array("q", (self._starts[i] for i in kept)),
            ends=array("q", (self._ends[i] for i in kept)),
            inputs={name: new[i] for name, i in self._inputs.items()},
            bindings={name: new[i] for name, i in scope.items()},
            output=new[output],
            notes=self.notes,
        )
