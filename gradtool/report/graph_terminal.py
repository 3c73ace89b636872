"""The drawing in a terminal: lanes, and beside them each node with its value and what every edge does to the gradient. Below it
the paths that were asked for, what is numerically unhealthy, and the difference from another program."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from math import isfinite
from typing import TextIO

import numpy as np

from gradtool.report import Page
from gradtool.report.graph_drawing import MOST_NODES, Drawing, Signs, brief
from gradtool.report.layout import STYLES, Block, Column, Grid, Line, wrapped, write_page
from gradtool.report.numbers import count_text, is_scalar, number, percent, statistics
from gradtool.report.table import Labels, diagnostic_lines, remark_lines, summary_line, title_lines
from gradtool.results import (
    EvaluationResult,
    GradientPath,
    GraphDifference,
    GraphResult,
    InputPaths,
    InputResult,
    NodeDifference,
    NodeResult,
)

SYMBOLS = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "negative": "-", "power": "^", "matmul": "@", "index": "[]",
}  # fmt: skip
"""How operations are written that are no calls."""
MOST_USERS = 6
CANCELS = 0.5
"""Up to this share of |sum| in the sum of |contributions| it is worth a word; arrays that point different ways lose some, too."""
MOST_STEPS = 12
"""A longer path is shown by its beginning and end."""


def render_graph(result: GraphResult, stream: TextIO, page: Page) -> None:
    """Draw what ``gradtool graph`` found."""
    write_page(graph_blocks(result, page), stream, page)


def graph_blocks(result: GraphResult, page: Page) -> Iterator[Block]:
    """The parts of the page, from top to bottom."""
    evaluation = result.evaluation
    drawing = Drawing(result, page)
    yield from title_lines(evaluation, page.full)
    yield Line()
    yield from drawing.lines()
    notes = list(drawing.notes())
    if notes:
        yield Line()
    for note in notes:
        yield from wrapped(note, page.width)
    for paths in result.paths:
        yield Line()
        yield from _paths(paths, evaluation, drawing, page.width)
    if evaluation.references:
        yield from remark_lines(evaluation, page.full)
    yield from _diagnostics(result, page)
    if result.difference is not None:
        yield Line()
        yield from difference_blocks(result.difference, page)
    if evaluation.references:
        yield Line()
        yield Line(summary_line(evaluation), STYLES[evaluation.verdict])


def _diagnostics(result: GraphResult, page: Page) -> Iterator[Line]:
    """What is unhealthy at the nodes that are to be seen, and how much there is elsewhere."""
    everything = result.evaluation.diagnostics
    seen = set(result.shown)
    here = everything if page.full else [found for found in everything if found.node is None or found.node in seen]
    if everything:
        yield Line()
    yield from diagnostic_lines(here, page.full)
    if len(here) < len(everything):
        count = len(everything) - len(here)
        yield Line(f"{count:,} diagnostic{'s' * (count != 1)} at nodes out of sight; --full shows them")


# Paths -------------------------------------------------------------------------------------------------------------


def _paths(found: InputPaths, evaluation: EvaluationResult, drawing: Drawing, width: int | None) -> Iterator[Block]:
    labels, signs = drawing.labels, drawing.signs
    asked = next((given for given in evaluation.inputs if given.node == found.node), None)
    head = f"{signs.partial}{labels[evaluation.output]}/{signs.partial}{found.name} = {brief(found.total)}"
    if asked is not None and len(asked.paths) > 1:
        head += f": {_shares(asked, evaluation.nodes, labels)}"
    yield from wrapped(head, width, style="bold")
    rows = [
        (brief(path.contribution), share_text(path) or "-", route(path, drawing.nodes, labels, signs))
        for path in found.paths
    ]
    others = found.count - len(found.paths)
    if others > 0:
        rows.append(
            (
                brief(found.rest),
                "",
                f"{count_text(others)} other path{'s' * (others != 1)}, together (--top shows more)",
            )
        )
    if rows:
        columns = (Column("sends", numeric=True), Column("share", numeric=True), Column("path", fold=True))
        yield Grid(columns, rows)
    else:
        yield Line("  no path from the output")
    for remark in path_remarks(found):
        yield from wrapped(remark, width, "  ", "  ")


def _shares(found: InputResult, nodes: Sequence[NodeResult], labels: Labels) -> str:
    """``2 through + (40 %), 3 through max (60 %)``: what the nodes that use an input send down to it. A node goes by its name,
    or by how its operation is written where no other of them is written so."""
    written = Counter(SYMBOLS.get(nodes[i].operation, nodes[i].operation) for i, _ in found.paths)
    total = np.asarray(found.gradient, dtype=np.float64)
    size = float(np.vdot(total, total))
    parts = []
    for i, downstream in found.paths[:MOST_USERS]:
        symbol = SYMBOLS.get(nodes[i].operation, nodes[i].operation)
        user = symbol if nodes[i].name is None and written[symbol] == 1 else labels[i]
        share = float(np.vdot(np.asarray(downstream, dtype=np.float64), total)) / size if size > 0 else float("nan")
        amount = brief(downstream) if is_scalar(downstream) else f"norm {number(statistics(downstream).norm)}"
        parts.append(f"{amount} through {user}" + (f" ({percent(share)})" if isfinite(share) else ""))
    more = len(found.paths) - MOST_USERS
    return ", ".join(parts) + (f" and {more:,} more" if more > 0 else "")


def path_remarks(found: InputPaths) -> Iterator[str]:
    """What is to be known of the paths that are listed."""
    if not found.proven:
        yield "it is not proven that no other path is larger"
    if found.cancellation is not None and found.cancellation <= CANCELS:
        yield f"contributions cancel: |sum| is {percent(found.cancellation)} of the sum of |contributions|"


def share_text(path: GradientPath) -> str:
    """The share of the gradient; empty where that has none."""
    return "" if path.share != path.share else percent(path.share)


def route(path: GradientPath, nodes: Sequence[NodeResult], labels: Labels, signs: Signs) -> str:
    """``n5 → n4 → y``, from the output down. Where two edges go from one node to the next, it says which."""
    steps = [labels[path.nodes[-1]]]
    for k in range(len(path.nodes) - 2, -1, -1):
        below, above = path.nodes[k], nodes[path.nodes[k + 1]]
        parallel = above.arguments.count(below) > 1
        steps.append(labels[below] + (f" (argument {path.arguments[k] + 1})" if parallel else ""))
    if len(steps) > MOST_STEPS:
        half = MOST_STEPS // 2
        steps[half:-half] = [f"{signs.more} {len(steps) - 2 * half:,} more {signs.more}"]
    return f" {signs.to} ".join(steps)


# The difference from another program -------------------------------------------------------------------------------


def difference_blocks(found: GraphDifference, page: Page) -> Iterator[Block]:
    """The two programs, where they part, and every node that is not the same in both."""
    left, right = found.left, found.right
    names = (Labels(left.nodes), Labels(right.nodes))
    kinds = Counter(str(pair.kind) for pair in found.nodes)
    yield Line("compared with", "bold")
    yield from (Line(f"  {line.text}") for line in title_lines(right, page.full))
    yield from wrapped(_first(found, names), page.width)
    parts = ("same", "the same"), ("changed", "with other numbers"), ("left", "here alone"), ("right", "there alone")
    yield Line("nodes: " + ", ".join(f"{kinds[kind]:,} {what}" for kind, what in parts if kinds[kind]))
    apart = [pair for pair in found.nodes if pair.kind != "same"]
    shown = apart if page.full else apart[:MOST_NODES]
    if shown:
        columns = (
            Column("node"), Column("is"), Column("expression", fold=True), Column("value", numeric=True),
            Column("there", numeric=True), Column("upstream", numeric=True), Column("there", numeric=True),
        )  # fmt: skip
        yield Grid(columns, [_pair(pair, found, names) for pair in shown])
    if len(shown) < len(apart):
        yield Line(f"  {len(apart) - len(shown):,} of {len(apart):,} nodes left out; --full shows them")


def _pair(pair: NodeDifference, found: GraphDifference, names: tuple[Labels, Labels]) -> tuple[str, ...]:
    """A node that is not the same in both, or is in one alone. ``same`` stands for a number that is."""
    here = None if pair.left is None else found.left.nodes[pair.left]
    there = None if pair.right is None else found.right.nodes[pair.right]
    if here is None or there is None:
        side = 0 if here is not None else 1
        node = here or there
        assert node is not None, "a pair has a node"
        value, upstream = [brief(node.value), ""], [brief(node.upstream) if node.depends_on_input else "", ""]
        which = ("here alone", "there alone")[side]
        return (names[side][node.id], which, node.expression, *value[:: 1 - 2 * side], *upstream[:: 1 - 2 * side])
    labels = dict.fromkeys((names[0][here.id], names[1][there.id]))
    expressions = dict.fromkeys((here.expression, there.expression))
    return (
        " / ".join(labels),
        "changed",
        "\n".join(expressions),
        brief(here.value),
        brief(there.value) if pair.has_other_value else "same",
        brief(here.upstream),
        brief(there.upstream) if pair.upstream and not pair.upstream_rounds else "same",
    )


def _first(found: GraphDifference, names: tuple[Labels, Labels]) -> str:
    """Where the two part."""
    if found.first is None:
        same = all(pair.kind == "same" for pair in found.nodes)
        return "the same structure and values" + (" and gradients" if same else ", other gradients")
    if found.first.left is None:
        assert found.first.right is not None, "a pair has a node"
        node = found.right.nodes[found.first.right]
        return f"they part first at {names[1][node.id]}, which is there alone: {node.expression} = {brief(node.value)}"
    node = found.left.nodes[found.first.left]
    text = f"they part first at {names[0][node.id]}"
    if found.first.right is None:
        return f"{text}, which is here alone: {node.expression} = {brief(node.value)}"
    other = found.right.nodes[found.first.right]
    there = brief(other.value) if node.expression == other.expression else f"{other.expression} = {brief(other.value)}"
    return f"{text}: {node.expression} = {brief(node.value)} here, {there} there"
