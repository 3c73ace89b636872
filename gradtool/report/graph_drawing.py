"""A graph as lines of text: lanes, and beside them each node with its value and what every edge does to the gradient."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gradtool.report import Page
from gradtool.report.graph_lanes import (
    ASCII,
    OPEN,
    OUT_OF_SIGHT,
    TO_NAME,
    EdgeRow,
    NodeRow,
    Row,
    Way,
    drawing_order,
    rows,
    running_on,
)
from gradtool.report.layout import GAP, STYLES, Line, text_width
from gradtool.report.numbers import compact, is_scalar, is_small, number, shape_text, statistics
from gradtool.report.table import Labels
from gradtool.results import EvaluationResult, GraphResult, Rule

if TYPE_CHECKING:
    from gradtool.results import Value

MOST_NODES = 500
"""More nodes are drawn only on a full page."""
MOST_LANES, MOST_LANES_FULL, LEAST_LANES = 40, 1000, 4
ROOM_FOR_TEXT = 50
"""Columns that are kept free of lanes."""
LABEL = 12
"""Names are aligned up to this length; longer ones stand out."""
NARROW = 16
"""Where less is left for expressions, values and gradients go to a line of their own."""
ENTRIES = 24
"""Arrays that are longer than this as text go by their shape and norm."""
VANISHED, EXPLODED = 1e-4, 1e4
"""Gradients that are this much smaller or larger than the output's are coloured."""

_TOKEN = re.compile(r"\d[\w.]*(?<=[eE])[+-]\d+|[\w.]+|.", re.DOTALL)


class Strength(StrEnum):
    """How a gradient stands to the one at the output; NONE is where no gradient flows: to constants, labels, masks."""

    PLAIN = "plain"
    ZERO = "zero"
    VANISHED = "vanished"
    EXPLODED = "exploded"
    NOT_FINITE = "nonfinite"
    NONE = "none"


STRENGTHS = {
    Strength.ZERO: "dim",
    Strength.VANISHED: "yellow",
    Strength.EXPLODED: "red",
    Strength.NOT_FINITE: "bold red",
}
"""The styles of gradients that are pointed out."""


class Signs(NamedTuple):
    """The signs of the text beside the lanes."""

    times: str = "×"
    to: str = "→"
    up: str = "↑"
    partial: str = "∂"
    more: str = "…"


PLAIN_SIGNS = Signs("*", "->", "^", "d", "...")
"""Where the stream's encoding lacks them."""


class _Columns(NamedTuple):
    """Where things stand on a line. ``room`` is what is left beside lanes and names (None: all that is needed), and ``apart``
    says whether values and gradients have a line of their own."""

    gutter: int
    name: int
    expression: int
    value: int
    room: int | None
    apart: bool


class Drawing:
    """The rows of a graph, as text beside their lanes."""

    def __init__(self, result: GraphResult, page: Page) -> None:
        self.result = result
        self.nodes = result.evaluation.nodes
        self.labels = Labels(self.nodes)
        self.signs = Signs() if page.unicode else PLAIN_SIGNS
        self._page = page
        self._inputs = {found.node: found for found in result.evaluation.inputs}
        self._reaching = reaching(result.evaluation)
        self._seed = statistics(self.nodes[result.evaluation.output].upstream).norm
        # Constants are in the expressions, and no gradient flows there: they would fill the drawing and say nothing.
        everything = page.full or not any(node.depends_on_input for node in self.nodes)
        drawable = [everything or node.depends_on_input or node.id == result.around for node in self.nodes]
        self._shown = [i for i in result.shown if drawable[i]]
        self._drawable = sum(drawable)
        arguments = {i: [(k, a) for k, a in enumerate(self.nodes[i].arguments) if drawable[a]] for i in self._shown}
        self._has_arguments = {i for i in self._shown if arguments[i]}
        order = drawing_order(self._shown, arguments, result.evaluation.output)
        self._drawn = order if page.full else order[:MOST_NODES]
        self._left_out = len(order) - len(self._drawn)
        if page.width is None:
            self._most_lanes = MOST_LANES_FULL if page.full else MOST_LANES
        else:
            self._most_lanes = max(LEAST_LANES, (page.width - ROOM_FOR_TEXT) // 2)
        self._rows = self._made(order, arguments)
        self._edges = {(i, edge.argument): edge for i in self._drawn for edge in self.nodes[i].edges}

    def _made(self, order: Sequence[int], arguments: dict[int, list[tuple[int, int]]]) -> list[Row]:
        made: list[Row] = []
        drawn = 0
        for row in rows(order, arguments, self._most_lanes):
            if isinstance(row, NodeRow):
                drawn += 1
                if drawn > len(self._drawn):
                    break
            made.append(row)
        return made

    def lines(self) -> Iterator[Line]:
        """The drawing."""
        columns = self._columns()
        for row in self._rows:
            lanes = self._lanes(row.gutter).ljust(columns.gutter)
            below = self._lanes(running_on(row.gutter, node_too=row.node in self._has_arguments)).ljust(columns.gutter)
            if isinstance(row, NodeRow):
                yield from self._node(row.node, lanes, below, columns)
            else:
                yield from self._edge(row, lanes, below, columns)
        if self._left_out and self._rows:
            yield Line(self._lanes(running_on(self._rows[-1].gutter, OPEN)))

    def _columns(self) -> _Columns:
        """Room for everything where there is no limit; else expressions are shortened, and where that is not enough, figures have
        a line of their own."""
        gutter = max((len(row.gutter.rstrip()) for row in self._rows), default=0) + len(GAP)
        name = min(LABEL, max((text_width(self.labels[i]) for i in self._drawn), default=0))
        expression = max((text_width(self._expression(i)) for i in self._drawn), default=0)
        value = max((text_width(self._value(i)) for i in self._drawn), default=0)
        gradient = max((sum(text_width(text) for text, _ in self._gradient(i)) for i in self._drawn), default=0)
        room = None
        apart = False
        if self._page.width is not None:
            room = self._page.width - gutter - name - len(GAP)
            beside = room - value - gradient - len(GAP)
            apart = expression > beside < NARROW
            expression = min(expression, max(room if apart else beside, NARROW))
        return _Columns(gutter, name, expression, value, room, apart)

    def _node(self, i: int, lanes: str, below: str, columns: _Columns) -> Iterator[Line]:
        label = shortened(self.labels[i], columns.name + columns.expression, self.signs.more)
        room = columns.expression - max(text_width(label) - columns.name, 0)
        text = shortened(self._expression(i), room, self.signs.more) if room > 0 else ""
        parts = [(lanes, ""), (label, "bold")]
        parts.append((" " * (columns.name - text_width(label)) + GAP + text, ""))
        if columns.apart:
            yield _line(parts)
            parts = [(below + " " * columns.name + GAP + self._value(i), "")]
        else:
            parts.append((" " * (room - text_width(text)) + GAP + _padded(self._value(i), columns.value), ""))
        yield _line([*parts, *self._gradient(i)])

    def _edge(self, row: EdgeRow, lanes: str, below: str, columns: _Columns) -> Iterator[Line]:
        """``× 2 → 6  into x``, or the rule of an operation that is not elementwise instead of a factor: on one line or two."""
        edge, full = self._edges.get((row.node, row.argument)), self._page.full
        sent = "no gradient" if edge is None else f"{self.signs.to} {brief(edge.downstream, full)}"
        target = self.labels[row.source]
        if columns.room is not None:
            target = shortened(target, max(LABEL, columns.room - text_width(f"{sent}  into ")), self.signs.more)
        texts, style = [f"{sent}  into {target}"], "dim"
        if edge is not None:
            local = edge.local
            texts.insert(0, local.rule if isinstance(local, Rule) else f"{self.signs.times} {brief(local, full)}")
            style = self._style(edge.downstream)
        whole = " ".join(texts)
        if columns.room is None or text_width(whole) <= columns.room:
            texts = [whole]
        for before, text in zip((lanes, below), texts, strict=False):
            yield _line([(before + " " * columns.name + GAP, ""), (text, style)])

    def _lanes(self, gutter: str) -> str:
        return (gutter if self._page.unicode else gutter.translate(ASCII)).rstrip()

    def notes(self) -> Iterator[str]:
        """How the drawing is read, and what is not in it."""
        signs = self.signs
        ways = Counter(row.way for row in self._rows if isinstance(row, EdgeRow))
        if ways:
            yield (
                f"{signs.up} gradient that arrives at a node   "
                f"{signs.times} local derivative {signs.to} gradient sent down"
            )
        if ways[Way.NAME]:
            sign = self._lanes(TO_NAME)
            count = f"{ways[Way.NAME]:,} edges have" if ways[Way.NAME] > 1 else "1 edge has"
            wider = "--full" if self._page.width is None else f"COLUMNS={2 * self._page.width}"
            yield (
                f"{sign} {count} no lane but the name of the node below: {self._most_lanes} lanes fit here; "
                f"{wider} or --around NODE shows more of them"
            )
        if ways[Way.HIDDEN]:
            yield f"{self._lanes(OUT_OF_SIGHT)} leads to a node that is not drawn"
        if self.result.depth is not None and len(self._shown) < self._drawable:
            centre = self.result.evaluation.output if self.result.around is None else self.result.around
            near = f"{self.result.depth} edge{'s' * (self.result.depth != 1)} of {self.labels[centre]}"
            yield (
                f"{len(self._shown):,} of {self._drawable:,} nodes are within {near}; "
                f"--depth {self.result.depth + 2} shows more, --around NODE another part"
            )
        if self._left_out:
            yield (
                f"{self._left_out:,} of {len(self._shown):,} nodes are not drawn: --full draws all, "
                f"--depth N those near the output, --around NODE those near a node"
            )

    def _expression(self, i: int) -> str:
        return "" if self.nodes[i].expression == self.labels[i] else self.nodes[i].expression

    def _value(self, i: int) -> str:
        return f"= {brief(self.nodes[i].value, self._page.full)}"

    def _gradient(self, i: int) -> list[tuple[str, str]]:
        """The upstream of a node, or why there is none, and the verdict on it where there is one, as parts of a line."""
        node, found = self.nodes[i], self._inputs.get(i)
        if not node.depends_on_input:
            return []
        if found is not None and found.gradient is None:
            return [(f"{GAP}not differentiated", "")]
        if i not in self._reaching:
            return [(f"{GAP}does not reach the output", "")]
        parts = [(GAP, ""), (f"{self.signs.up} {brief(node.upstream, self._page.full)}", self._style(node.upstream))]
        if found is not None and self.result.evaluation.references:
            parts += [(GAP, ""), (str(found.verdict), STYLES[found.verdict])]
        return parts

    def _style(self, gradient: Value) -> str:
        """Of a gradient: dim where it is dead, coloured where it has vanished, exploded or is no number."""
        return STRENGTHS.get(strength(gradient, self._seed), "") if self._page.color else ""


def strength(gradient: Value, seed: float) -> Strength:
    """How a gradient stands to the one at the output, whose norm is ``seed``."""
    found = statistics(gradient)
    if found.nonfinite:
        return Strength.NOT_FINITE
    if found.norm == 0:
        return Strength.ZERO
    if found.norm < VANISHED * seed:
        return Strength.VANISHED
    return Strength.EXPLODED if found.norm > EXPLODED * seed > 0 else Strength.PLAIN


def brief(value: Value, full: bool = False) -> str:
    """A value on one line: a number, the entries of a short array, the shape and norm of any other."""
    if is_scalar(value):
        return number(float(value))
    array = np.asarray(value)
    if array.size == 0:
        return f"{shape_text(array.shape)} empty"
    if full or is_small(array):
        text = compact(array, full)
        if full or len(text) <= ENTRIES:
            return text
    found = statistics(array)
    if found.nonfinite == array.size:
        return f"{shape_text(array.shape)} nowhere finite"
    if found.min == found.max and not found.nonfinite:
        return f"{shape_text(array.shape)} all {number(found.min)}"
    text = f"{shape_text(array.shape)} norm {number(found.norm)}"
    return f"{text}, {found.nonfinite:,} not finite" if found.nonfinite else text


def shortened(text: str, width: int, more: str = "…") -> str:
    """The beginning of a text that is longer than ``width``, with ``more`` at its end. Cut between words, so that half a
    number never stands for a whole one; a single word may be cut, unless it is a number."""
    if text_width(text) <= width:
        return text
    room = width - text_width(more)
    kept = ""
    for token in _TOKEN.findall(text):
        if text_width(kept + token) > room:
            if not kept and not token[0].isdecimal():
                while text_width(token) > room:
                    token = token[:-1]
                kept = token
            break
        kept += token
    return kept + more


def _line(parts: Iterable[tuple[str, str]]) -> Line:
    """A line of parts, each a text and its style."""
    text, marks = "", []
    for part, style in parts:
        if style:
            marks.append((len(text), len(text) + len(part), style))
        text += part
    return Line(text.rstrip(), marks=tuple(marks))


def _padded(text: str, width: int) -> str:
    return text + " " * (width - text_width(text))


def reaching(result: EvaluationResult) -> set[int]:
    """The nodes that the output is computed from, and the output."""
    found = {result.output}
    for node in reversed(result.nodes):  # Topological: whoever needs a node comes before it.
        if node.id in found:
            found.update(node.arguments)
    return found
