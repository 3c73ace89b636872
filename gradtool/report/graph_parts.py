"""What a picture of a graph is made of, whatever draws it: boxes, arrows between them, and where arrows leave the picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gradtool.report import Page
from gradtool.report.graph_drawing import (
    EXPLODED,
    MOST_NODES,
    PLAIN_SIGNS,
    VANISHED,
    Signs,
    Strength,
    brief,
    reaching,
    shortened,
)
from gradtool.report.graph_drawing import strength as gradient_strength
from gradtool.report.numbers import statistics
from gradtool.report.printable import one_line
from gradtool.report.table import Labels, title_lines
from gradtool.results import EdgeResult, GraphResult, NodeResult, Rule, Verdict

NAME, EXPRESSION, FIGURE = 24, 28, 24
"""Characters of names, of expressions, and of what stands beside edges."""
TITLE = 100


MEANING = {
    Strength.PLAIN: "gradient",
    Strength.ZERO: "gradient 0",
    Strength.VANISHED: f"vanished: below {VANISHED:g} of the output's gradient",
    Strength.EXPLODED: f"exploded: above {EXPLODED:g} times the output's gradient",
    Strength.NOT_FINITE: "gradient not finite",
    Strength.NONE: "no gradient",
}
"""Strength -> what a legend says of it."""


@dataclass(frozen=True, slots=True)
class Box:
    """A node: ``label`` and ``expression`` head it, ``lines`` are its value, its upstream and its verdict."""

    id: int
    label: str
    expression: str
    lines: tuple[str, ...]
    kind: str
    """``input``, ``constant`` or ``operation``."""
    strength: Strength
    is_output: bool
    verdict: Verdict | None
    whole: str
    """The head in full, where the picture has room for it."""

    @property
    def head(self) -> str:
        """What stands in the first line."""
        return "  ".join(filter(None, (self.label, self.expression)))


@dataclass(frozen=True, slots=True)
class Arrow:
    """The edge by which ``source`` enters ``node`` as its ``argument``; ``local`` and ``sent`` are empty where no gradient flows.

    ``norm`` is that of the gradient sent, of its finite entries.
    """

    node: int
    argument: int
    source: int
    local: str
    sent: str
    strength: Strength
    norm: float
    whole: str
    """All that is said of it, where the picture has room for it."""

    @property
    def key(self) -> str:
        """The edge's name: ``5:0``."""
        return f"{self.node}:{self.argument}"


@dataclass(frozen=True, slots=True)
class Stub:
    """Where arrows leave the picture: ``arrows`` join ``node`` with nodes that are not drawn, ``above`` it or below.

    What is said of them is said of all together, unless there is but one.
    """

    node: int
    above: bool
    arrows: tuple[Arrow, ...]
    text: str

    @property
    def only(self) -> Arrow | None:
        """The arrow, where it is one alone."""
        return self.arrows[0] if len(self.arrows) == 1 else None


class GraphParts:
    """The parts of a picture of at most ``most`` nodes (all on a full page), those nearest to the output or the node around
    which it is drawn."""

    def __init__(self, result: GraphResult, page: Page, most: int = MOST_NODES) -> None:
        self.result = result
        self.nodes = result.evaluation.nodes
        self.labels = Labels(self.nodes)
        self.signs = Signs() if page.unicode else PLAIN_SIGNS
        self._inputs = {found.node: found for found in result.evaluation.inputs}
        self._reaching = reaching(result.evaluation)
        self._seed = statistics(self.nodes[result.evaluation.output].upstream).norm
        self._edges = {(node.id, edge.argument): edge for node in self.nodes for edge in node.edges}
        self.drawn = result.shown if page.full else nearest(result, most)
        drawn = set(self.drawn)
        self.boxes = tuple(map(self._box, self.drawn))
        arrows: list[Arrow] = []
        leaving: defaultdict[tuple[int, bool], list[Arrow]] = defaultdict(list)
        for node in self.nodes:
            for position, source in enumerate(node.arguments):
                if node.id in drawn and source in drawn:
                    arrows.append(self._arrow(node, position, source))
                elif node.id in drawn:
                    leaving[node.id, False].append(self._arrow(node, position, source))
                elif source in drawn:
                    leaving[source, True].append(self._arrow(node, position, source))
        self.arrows = tuple(arrows)
        self.stubs = tuple(
            Stub(node, above, tuple(found), self._beyond(found, above))
            for (node, above), found in sorted(leaving.items())
        )

    def title(self) -> list[str]:
        """What is computed and its value, and how, as lines."""
        lines = [line.text for line in title_lines(self.result.evaluation, False)]
        return [shortened(one_line(line), TITLE, self.signs.more) for line in lines]

    @property
    def centre(self) -> int:
        """The node to look at first: the one around which it is drawn, or the output, as far as they are drawn."""
        output, around = self.result.evaluation.output, self.result.around
        return next((i for i in (around, output) if i is not None and i in self.drawn), self.drawn[-1])

    def notes(self) -> Iterator[str]:
        """How the picture is read, and what is not in it."""
        signs = self.signs
        if self.arrows or self.stubs:
            yield f"{signs.up} gradient that arrives at a node"
            yield f"{signs.times} local derivative {signs.to} gradient sent down"
        if self.stubs:
            yield f"{signs.more} leads to nodes that are not drawn"
        if len(self.drawn) < len(self.nodes):
            yield f"{len(self.drawn):,} of {len(self.nodes):,} nodes are drawn"

    def _box(self, i: int) -> Box:
        node, more, found = self.nodes[i], self.signs.more, self._inputs.get(i)
        label = one_line(self.labels[i])
        expression = one_line(node.expression)
        value = brief(node.value)
        kind = "input" if node.operation == "input" else "operation" if node.depends_on_input else "constant"
        lines = [f"= {value}"]
        strength, verdict = Strength.NONE, None
        if kind == "constant":
            # A number speaks for itself; its label would say no more.
            label, expression = (expression, "") if node.name is None else (label, expression)
            lines = lines if label != value else []
        elif found is not None and found.gradient is None:
            lines.append("not differentiated")
        elif i not in self._reaching:
            lines.append("does not reach the output")
        else:
            strength = gradient_strength(node.upstream, self._seed)
            lines.append(f"{self.signs.up} {brief(node.upstream)}")
            if found is not None and self.result.evaluation.references:
                verdict = found.verdict
                lines.append(str(verdict))
        expression = "" if expression == label else expression
        return Box(
            i, shortened(label, NAME, more), shortened(expression, EXPRESSION, more), tuple(lines), kind, strength,
            i == self.result.evaluation.output, verdict, "  ".join(filter(None, (label, expression))),
        )  # fmt: skip

    def _arrow(self, node: NodeResult, position: int, source: int) -> Arrow:
        edge: EdgeResult | None = self._edges.get((node.id, position))
        into = f"into {one_line(self.labels[source])}"
        if edge is None:
            return Arrow(node.id, position, source, "", "", Strength.NONE, 0.0, f"no gradient  {into}")
        if isinstance(edge.local, Rule):
            local = one_line(edge.local.rule)
            shown = shortened(local, FIGURE, self.signs.more)
        else:
            local = shown = f"{self.signs.times} {brief(edge.local)}"
        sent = f"{self.signs.to} {brief(edge.downstream)}"
        return Arrow(
            node.id, position, source, shown, sent,
            gradient_strength(edge.downstream, self._seed), statistics(edge.downstream).norm, f"{local} {sent}  {into}",
        )  # fmt: skip

    def _beyond(self, arrows: Sequence[Arrow], above: bool) -> str:
        """What is beyond the edge of the picture."""
        there = sorted({arrow.node if above else arrow.source for arrow in arrows})
        name = shortened(one_line(self.labels[there[0]]), NAME, self.signs.more)
        return f"{self.signs.more} {name}" if len(there) == 1 else f"{self.signs.more} {len(there):,} nodes"


def nearest(result: GraphResult, most: int) -> tuple[int, ...]:
    """The ids of at most ``most`` of the nodes that are to be seen, in topological order: those with the fewest edges between
    them and the output, or the node around which it is drawn."""
    if len(result.shown) <= most:
        return result.shown
    nodes, seen = result.evaluation.nodes, set(result.shown)
    beside: defaultdict[int, list[int]] = defaultdict(list)
    for i in result.shown:
        for source in nodes[i].arguments:
            beside[i].append(source)
            beside[source].append(i)
    first = result.evaluation.output if result.around is None else result.around
    order = [first, *sorted(seen - {first}, reverse=True)]
    found: dict[int, None] = {}
    for start in order:  # What no way leads to comes last.
        queue = [start]
        for i in queue:
            if len(found) == most:
                return tuple(sorted(found))
            if i in seen and i not in found:
                found[i] = None
                queue += [other for other in beside[i] if other not in found]
    return tuple(sorted(found))
