"""What ``graph`` does, in order: evaluation, the part of the graph that is to be seen, the paths that carry the gradient."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from gradtool.autodiff.paths import gradient_paths
from gradtool.autodiff.plan import MAX_SIZE
from gradtool.difference import compare
from gradtool.evaluation import MOST_NAMES, InputError, Run, evaluate, run
from gradtool.graph import Graph
from gradtool.language.suggestions import nearest
from gradtool.results import EvaluationResult, GraphResult, InputPaths

AROUND = 2
"""Edges up and down from the node ``around`` where no ``depth`` is given."""
MOST_NEAREST = 1000
"""Names among which the one that was meant is looked for."""

_LABEL = re.compile(r"n(0|[1-9][0-9]*)")


def draw(
    graph: Graph,
    inputs: Mapping[str, Any],
    *,
    depth: int | None = None,
    around: str | None = None,
    paths: Sequence[str] = (),
    top: int = 10,
    against: tuple[Graph, Mapping[str, Any]] | None = None,
    references: Collection[str] = (),
    upstream: Any = None,
    wrt: Collection[str] | None = None,
    dtype: str = "float64",
    max_size: int = MAX_SIZE,
    **settings: Any,
) -> GraphResult:
    """A program after forward and backward, and the nodes of it that are to be seen.

    These are all nodes; with ``depth`` those within that many edges of the output; with ``around``, which is a name or a label
    such as ``"n7"``, those within ``depth`` (default 2) edges above and below that node. ``paths`` names the inputs of which to
    list the ``top`` paths that carry most of the gradient. ``against`` is another program with its inputs, or the same with
    others, to compare with. ``references`` (default: none) and what follows are as for ``evaluate``.

    Raises ``InputError`` where ``around`` is no node of the program, ``paths`` names no differentiated input, or ``depth`` or
    ``top`` is negative, and as ``evaluate`` does.
    """
    for name, count in (("depth", depth), ("top", top)):
        if count is not None and count < 0:
            raise InputError(f"{name} is {count}: it must be 0 or more")
    centre = None if around is None else find_node(graph, around)
    if centre is not None and depth is None:
        depth = AROUND
    shared = {"upstream": upstream, "wrt": wrt, "dtype": dtype, "max_size": max_size}
    evaluation = evaluate(graph, inputs, references=references, **shared, **settings)
    found = _paths(run(graph, inputs, **shared), paths, top) if paths else ()
    difference = None
    if against is not None:
        there = against[0]
        known = None if wrt is None else [name for name in wrt if name in there.inputs]
        other = evaluate(there, against[1], references=(), **{**shared, "wrt": known}, **settings)
        difference = compare(evaluation, other, graph, there)
    return GraphResult(evaluation, _shown(evaluation, depth, centre), depth, centre, found, difference)


def _paths(ran: Run, names: Sequence[str], top: int) -> tuple[InputPaths, ...]:
    """The paths to each of the named inputs, once each."""
    for name in names:
        if name not in ran.plan.wrt:
            known = ", ".join(ran.plan.wrt[:MOST_NAMES]) or "none"
            raise InputError(
                f"there are no paths to {name!r}, which is no input that is differentiated; these are: {known}"
            )
    return tuple(gradient_paths(ran.gradients, ran.values, name, top) for name in dict.fromkeys(names))


def find_node(graph: Graph, name: str) -> int:
    """The node that goes by a name or by a label such as ``n7``; a name that was assigned twice is the last one.

    Raises ``InputError`` where there is none.
    """
    if name in graph.bindings:
        return graph.bindings[name]
    label = _LABEL.fullmatch(name)
    if label is not None and len(label[1]) < 19 and int(label[1]) < len(graph):
        return int(label[1])
    if label is not None:
        raise InputError(f"there is no node {name}: the nodes are n0 to n{len(graph) - 1}")
    near = nearest(name, graph.bindings) if len(graph.bindings) <= MOST_NEAREST else None
    hint = f"did you mean {near}?" if near else "give a name of the program, or a label such as n7"
    raise InputError(f"there is no node {name!r}: {hint}")


def _shown(result: EvaluationResult, depth: int | None, around: int | None) -> tuple[int, ...]:
    """The ids of the nodes to be seen, in topological order."""
    if depth is None:
        return tuple(range(len(result.nodes)))

    def below(node: int) -> Sequence[int]:
        return result.nodes[node].arguments

    if around is None:
        return tuple(sorted(_within(result.output, depth, below)))
    consumers: defaultdict[int, list[int]] = defaultdict(list)
    for node in result.nodes:
        for argument in node.arguments:
            consumers[argument].append(node.id)
    return tuple(sorted(_within(around, depth, below) | _within(around, depth, consumers.__getitem__)))


def _within(start: int, depth: int, neighbours: Callable[[int], Iterable[int]]) -> set[int]:
    """The nodes at most ``depth`` steps from ``start``, itself included."""
    found, last = {start}, {start}
    for _ in range(depth):
        last = {node for beside in last for node in neighbours(beside)} - found
        if not last:
            break
        found.update(last)
    return found
