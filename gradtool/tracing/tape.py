"""``Tape``: what a traced run did, node by node, until it is handed over as a ``Graph``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from gradtool.graph import CONSTANT, INPUT, Graph, GraphBuilder
from gradtool.ops import REGISTRY, OperationError
from gradtool.tracing.errors import Untraceable
from gradtool.tracing.places import Place, Sources, here, path_here

Array = NDArray[Any]

PIECEWISE_CONSTANT = frozenset(name for name, operation in REGISTRY.items() if operation.derivative == "0")


@dataclass(slots=True, eq=False)
class Entry:
    """A node: ``value`` is what it is at the inputs. ``flat`` says that its derivative is 0 wherever it has one, as a
    constant's or a comparison's is; ``fixed`` that it does not depend on the inputs at all."""

    operation: str
    arguments: tuple[int, ...]
    parameters: Mapping[str, Any]
    value: Array
    place: Place | None
    flat: bool
    fixed: bool
    path: tuple[tuple[str, int], ...] = ()
    """The lines of the user's that led here, the outermost first."""


class Tape:
    """The nodes of one run in the order in which they came about."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.inputs: dict[str, int] = {}
        self.branches: dict[tuple[str, int], None] = {}
        self.failure: Untraceable | None = None
        self.closed = False

    def fail(self, reason: str) -> NoReturn:
        """Give up, at the line that is running. The first failure is kept: code that catches it cannot undo it."""
        place = here()
        found = Untraceable(reason) if place is None else Untraceable(reason, place.file, place.line)
        if self.failure is None:
            self.failure = found
        raise found

    def branch(self) -> None:
        """Note that the line that is running went by a value, so that the graph holds for one side of it only."""
        place = here()
        if place is not None:
            self.branches[(place.file, place.line)] = None

    def input(self, name: str, value: Array) -> int:
        """A new input."""
        node = self._add(Entry(INPUT, (), {}, value, None, flat=False, fixed=False))
        self.inputs[name] = node
        return node

    def constant(self, value: Any) -> int:
        """A node that holds a copy of ``value``, as float64. Fails where that is not what the value is."""
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            self.fail(f"an array of type {array.dtype} takes part, and only real numbers can be traced")
        return self._add(Entry(CONSTANT, (), {}, np.array(array, np.float64), here(), flat=True, fixed=True))

    def record(self, operation: str, arguments: Sequence[int], parameters: Mapping[str, Any]) -> int:
        """The node of an operation. One of constants alone is a constant: it is computed at once."""
        declared = REGISTRY[operation]
        found = [self.entries[i] for i in arguments]
        given = {parameter.name: parameter.default for parameter in declared.parameters} | dict(parameters)
        values = [entry.value for entry in found]
        try:
            settled = declared.resolved([value.shape for value in values], given)
            with np.errstate(all="ignore"):
                value = np.asarray(declared.forward(*values, **settled.parameters), np.float64)
        except OperationError as error:
            self.fail(f"{operation}: {error}")
        if all(entry.fixed for entry in found):
            return self.constant(value)
        flat = operation in PIECEWISE_CONSTANT or all(
            entry.flat for position, entry in enumerate(found) if position not in settled.frozen
        )
        return self._add(Entry(operation, tuple(arguments), given, value, here(), flat, fixed=False, path=path_here()))

    def _add(self, entry: Entry) -> int:
        self.entries.append(entry)
        return len(self.entries) - 1

    def evaluated(self, inputs: Mapping[str, Any], wanted: Sequence[int]) -> list[Array]:
        """The values of the nodes ``wanted`` at other inputs of the same shapes."""
        needed = set(wanted)
        values: dict[int, Array] = {}
        for node in range(max(needed), -1, -1):
            if node in needed:
                needed.update(self.entries[node].arguments)
        names = {node: name for name, node in self.inputs.items()}
        for node in sorted(needed):
            entry = self.entries[node]
            if entry.operation == CONSTANT:
                values[node] = entry.value
            elif entry.operation == INPUT:
                values[node] = np.asarray(inputs[names[node]], np.float64)
            else:
                operation = REGISTRY[entry.operation]
                arguments = [values[a] for a in entry.arguments]
                settled = operation.resolved([a.shape for a in arguments], entry.parameters)
                values[node] = np.asarray(operation.forward(*arguments, **settled.parameters), np.float64)
        return [values[node] for node in wanted]

    def finish(
        self, output: int, wanted: Sequence[int], names: Iterable[tuple[int, str]] = ()
    ) -> tuple[Graph, dict[int, int]]:
        """The graph of what ``output`` and ``wanted`` depend on, and the new id of every node kept. All inputs stay.
        ``names`` are (node, name)."""
        kept = set(self.inputs.values())
        pending = [output, *wanted]
        while pending:
            node = pending.pop()
            if node not in kept:
                kept.add(node)
                pending.extend(self.entries[node].arguments)
        sources = Sources()
        spans = {node: sources.span(self.entries[node].place) for node in sorted(kept)}
        builder = GraphBuilder(sources.text())
        new: dict[int, int] = {name_node: builder.input(name) for name, name_node in self.inputs.items()}
        rest = sorted(kept - new.keys(), key=lambda node: (self.entries[node].operation != CONSTANT, node))
        for node in rest:
            entry = self.entries[node]
            if entry.operation == CONSTANT:
                value: Any = float(entry.value) if entry.value.ndim == 0 else entry.value
                new[node] = builder.constant(value, spans[node])
            else:
                arguments = [new[argument] for argument in entry.arguments]
                new[node] = builder.add(entry.operation, arguments, entry.parameters, spans[node])
        graph = builder.finish(new[output])
        for node, name in names:
            if node in new:
                graph.names.setdefault(new[node], name)
        return graph, new
