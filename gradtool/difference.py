"""Two programs, or one at two points, side by side: which node corresponds to which, and where they part."""

from __future__ import annotations

import sys
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from itertools import islice
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradtool.autodiff import backward, forward, make_plan
from gradtool.graph import CONSTANT, INPUT, Graph
from gradtool.results import EvaluationResult, GraphDifference, NodeDifference
from gradtool.verdict.allowance import node_allowances

Array = NDArray[Any]
CANDIDATES = 4
"""Nodes that are looked at as the other of one that an argument alone speaks for."""


def compare(left: EvaluationResult, right: EvaluationResult, left_graph: Graph, right_graph: Graph) -> GraphDifference:
    """How the program ``right_graph``, evaluated to ``right``, differs from ``left_graph``, evaluated to ``left``.

    Where both have the same structure, nodes correspond by position. Else those do that compute the same from the same inputs
    (by name) and constants (by value), told apart by what uses them where there are several; then those of one name; then,
    from the output down, arguments of corresponding nodes with the same operation; then what the same operation makes of
    corresponding arguments; at last the outputs.

    A difference is put down to rounding where no entry differs by more than rounding may do to both: what is measured by
    running each program again with every number changed by a rounding (``verdict.allowance``), eight times the largest
    change that makes, and eight roundings of the entry itself. So ``(a + b) + c`` is the same as ``a + (b + c)``, also
    where digits cancel.
    """
    pairs = list(_in_order(_matching(left_graph, right_graph), len(right_graph)))
    nodes = [_NodePair(left, right, i, j) for i, j in pairs]
    if any(node.is_apart for node in nodes):
        allowed = _Allowed(left, left_graph), _Allowed(right, right_graph)
        for node in nodes:
            node.allow(*allowed)
    found = tuple(node.result() for node in nodes)
    return GraphDifference(left, right, found, _first(found, left_graph, right_graph))


def _first(found: tuple[NodeDifference, ...], left: Graph, right: Graph) -> NodeDifference | None:
    """The first node where values or structure part. A constant that is in one alone is there for what uses it, which is
    named instead, if that differs."""
    constant = None
    for node in found:
        if node.left is None or node.right is None:
            graph, i = (right, node.right) if node.left is None else (left, node.left)
            assert i is not None
            if graph.operations[i] != CONSTANT:
                return node
            constant = constant or node
        elif node.has_other_value or _does(left, node.left) != _does(right, node.right):
            return node
    return constant


def _does(graph: Graph, i: int) -> tuple[Any, ...]:
    """The operation of a node and its parameters; the value of a constant is compared as a value."""
    operation = graph.operations[i]
    return (operation,) if operation == CONSTANT else (operation, _key(graph.parameters[i]))


# Numbers -----------------------------------------------------------------------------------------------------------


class _NodePair:
    """Two nodes that correspond, or one that has no other, and how far apart their numbers are."""

    def __init__(self, left: EvaluationResult, right: EvaluationResult, i: int | None, j: int | None) -> None:
        self.left, self.right = i, j
        self.value: Array | None = None
        self.upstream: Array | None = None
        self.value_rounds = self.upstream_rounds = False
        if i is None or j is None:
            return
        here, there = left.nodes[i], right.nodes[j]
        self.value = _apart(here.value, there.value)
        if here.depends_on_input or there.depends_on_input:
            self.upstream = _apart(here.upstream, there.upstream)

    @property
    def is_apart(self) -> bool:
        return any(d is not None and bool((d != 0).any()) for d in (self.value, self.upstream))

    def allow(self, left: _Allowed, right: _Allowed) -> None:
        """See what of the differences is rounding."""
        i, j = self.left, self.right
        if i is None or j is None or not self.is_apart:
            return
        self.value_rounds = _is_within(self.value, left.values[i], right.values[j])
        self.upstream_rounds = _is_within(self.upstream, left.upstreams[i], right.upstreams[j])

    def result(self) -> NodeDifference:
        return NodeDifference(
            self.left,
            self.right,
            _largest(self.value),
            _largest(self.upstream),
            self.value_rounds,
            self.upstream_rounds,
        )


def _apart(a: Any, b: Any) -> Array:
    """|a - b| entry by entry: 0 where both are the same infinity or no number, NaN where one alone is no number, or
    where shapes differ."""
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape:
        return np.asarray(nan)
    with np.errstate(all="ignore"):
        return np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0.0, np.abs(x - y))


def _largest(difference: Array | None) -> float | None:
    return None if difference is None else float(np.max(difference, initial=0.0))


def _is_within(difference: Array | None, left: Array, right: Array) -> bool:
    """Whether rounding explains a difference: it is not 0, and no entry is larger than both bounds together."""
    if difference is None or not difference.any() or left.shape != right.shape:
        return False
    with np.errstate(all="ignore"):
        return bool((np.isfinite(difference) & (difference <= left + right) | (difference == 0)).all())


class _Allowed:
    """How far rounding may carry the value and the upstream of every node of an evaluated program."""

    def __init__(self, result: EvaluationResult, graph: Graph) -> None:
        inputs = {i.name: np.asarray(i.value, dtype=result.dtype) for i in result.inputs}
        wanted = [i.name for i in result.inputs if i.gradient is not None]
        plan = make_plan(graph, inputs, wrt=wanted, dtype=result.dtype, max_size=sys.maxsize)
        values = forward(plan, inputs)
        seed = np.asarray(result.nodes[result.output].upstream, dtype=plan.dtype)
        self.values, self.upstreams = node_allowances(plan, inputs, values, backward(plan, values, seed))


# Structure ---------------------------------------------------------------------------------------------------------


def _in_order(matching: list[int | None], right_nodes: int) -> Iterator[tuple[int | None, int | None]]:
    """The pairs in the order of the left program; what is in the right one alone, before what follows it there."""
    alone = deque(sorted(set(range(right_nodes)) - {j for j in matching if j is not None}))
    for i, j in enumerate(matching):
        while j is not None and alone and alone[0] < j:
            yield None, alone.popleft()
        yield i, j
    for j in alone:
        yield None, j


def _matching(left: Graph, right: Graph) -> list[int | None]:
    """For each node of the left program the one of the right that corresponds to it."""
    classes: dict[Any, int] = {}
    ours, theirs = _classes(left, classes), _classes(right, classes)
    if ours == theirs and left.arguments == right.arguments and left.output == right.output:
        return list(range(len(left)))
    matcher = _Matcher(left, right)
    same_here, same_there = _members(ours), _members(theirs)
    matcher.pair_members(same_here, same_there, only_once=True)
    matcher.go_down()  # What is computed twice is told apart by what it is used for.
    for name, i in left.bindings.items():
        if name in right.bindings:
            matcher.pair(i, right.bindings[name])
    if left.operations[left.output] == right.operations[right.output]:
        matcher.pair(left.output, right.output)
    matcher.go_down()
    matcher.pair_members(same_here, same_there, only_once=False)
    matcher.go_down()
    matcher.go_up()
    matcher.pair(left.output, right.output)
    return matcher.right_of


def _classes(graph: Graph, known: dict[Any, int]) -> list[int]:
    """A number for each node; two nodes, of one program or of two, have the same one if they compute the same in the same way
    (hash consing)."""
    input_of = {node: name for name, node in graph.inputs.items()}
    found: list[int] = []
    for i, (operation, arguments) in enumerate(zip(graph.operations, graph.arguments, strict=True)):
        detail = input_of[i] if operation == INPUT else _key(graph.parameters[i])
        key = (operation, detail, tuple(found[a] for a in arguments))
        found.append(known.setdefault(key, len(known)))
    return found


def _key(parameters: Mapping[str, Any]) -> tuple[Any, ...]:
    """Parameters, or a constant's value, as something to look up."""
    return tuple((name, _hashable(parameters[name])) for name in sorted(parameters))


def _hashable(value: Any) -> Any:
    if isinstance(value, np.ndarray | float):  # A scalar may be either.
        array = np.asarray(value)
        return (array.shape, array.dtype.str, array.tobytes())
    return (type(value).__name__, repr(value))


def _members(classes: list[int]) -> dict[int, list[int]]:
    found: defaultdict[int, list[int]] = defaultdict(list)
    for i, number in enumerate(classes):
        found[number].append(i)
    return found


class _Matcher:
    """Pairs of nodes, each node in one at most, and what follows from a pair for others."""

    def __init__(self, left: Graph, right: Graph) -> None:
        self.left, self.right = left, right
        self.right_of: list[int | None] = [None] * len(left)
        self.is_taken = bytearray(len(right))
        self.new: deque[tuple[int, int]] = deque()
        self.users: defaultdict[tuple[int, int, str], deque[int]] = defaultdict(deque)
        """Nodes of the right program by argument, its position, and operation."""
        for j, arguments in enumerate(right.arguments):
            for position, argument in enumerate(arguments):
                self.users[argument, position, right.operations[j]].append(j)

    def pair(self, i: int, j: int) -> bool:
        """Let two nodes correspond if neither has another yet."""
        if self.right_of[i] is not None or self.is_taken[j]:
            return False
        self.right_of[i] = j
        self.is_taken[j] = True
        self.new.append((i, j))
        return True

    def pair_members(self, left: Mapping[int, list[int]], right: Mapping[int, list[int]], *, only_once: bool) -> None:
        """Pair what computes the same, in order; ``only_once``: only where neither program computes it twice."""
        for number, ours in left.items():
            theirs = right.get(number, [])
            if only_once and (len(ours) > 1 or len(theirs) > 1):
                continue
            free_here = [i for i in ours if self.right_of[i] is None]
            free_there = [j for j in theirs if not self.is_taken[j]]
            for i, j in zip(free_here, free_there, strict=False):
                self.pair(i, j)

    def go_down(self) -> None:
        """Pair the arguments of nodes that correspond, where both are the same operation of the same kind of argument."""
        left, right = self.left, self.right
        while self.new:
            i, j = self.new.popleft()
            if left.operations[i] != right.operations[j]:
                continue
            for a, b in zip(left.arguments[i], right.arguments[j], strict=False):
                if left.operations[a] == right.operations[b]:
                    self.pair(a, b)

    def go_up(self) -> None:
        """Pair what is left with what the same operation makes of a corresponding argument in the same place. A constant,
        which may stand anywhere, is not enough, and no other argument may belong elsewhere."""
        left = self.left
        for i, arguments in enumerate(left.arguments):
            if self.right_of[i] is not None:
                continue
            for position, a in enumerate(arguments):
                b = self.right_of[a]
                if b is None or left.operations[a] == CONSTANT:
                    continue
                users = self.users.get((b, position, left.operations[i]), deque())
                while users and self.is_taken[users[0]]:
                    users.popleft()
                j = next((j for j in islice(users, CANDIDATES) if self._may_be_pair(i, j)), None)
                if j is not None:
                    self.pair(i, j)
                    self.go_down()
                    break

    def _may_be_pair(self, i: int, j: int) -> bool:
        ours, theirs = self.left.arguments[i], self.right.arguments[j]
        if self.is_taken[j] or len(ours) != len(theirs):
            return False
        for a, b in zip(ours, theirs, strict=True):
            other = self.right_of[a]
            if other != b and (other is not None or self.is_taken[b]):
                return False
        return True
