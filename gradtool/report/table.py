"""The table: what a person reads. Title, nodes in backward order, inputs with their verdicts, diagnostics, and one line
that says it all."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, TextIO, TypeVar

from gradtool.report import Page
from gradtool.report.chart_text import chart_blocks
from gradtool.report.hessian import hessian_blocks
from gradtool.report.layout import STYLES, Block, Column, Grid, Line, write_page
from gradtool.report.numbers import (
    error,
    is_scalar,
    is_small,
    largest,
    largest_difference,
    number,
    percent,
    show,
    statistics,
)
from gradtool.report.steps_text import walk_lines
from gradtool.results import (
    Bars,
    Diagnostic,
    EdgeResult,
    EvaluationResult,
    InputResult,
    MicroBatches,
    NodeResult,
    Reference,
    Rule,
    Verdict,
)

if TYPE_CHECKING:
    from gradtool.results import Value

T = TypeVar("T")

MOST_ROWS = 1000
"""A longer table is shown by its beginning and end unless the page is full."""
KEPT_ROWS = 50
MOST_NAMES = 8
MOST_PATHS = 4
MOST_TITLE = 200
"""A longer program goes by the short text of its last node."""

SEVERITY_STYLES = {"info": "", "warning": "yellow", "error": "red"}
NAMES = {"symbolic": "SymPy", "numeric": "central differences"}


def render_evaluation(result: EvaluationResult, stream: TextIO, page: Page) -> None:
    """Write what ``gradtool eval`` found."""
    write_page(evaluation_blocks(result, page.full, page.width, page.unicode), stream, page)


def evaluation_blocks(
    result: EvaluationResult, full: bool = False, width: int | None = None, unicode: bool = True
) -> Iterator[Block]:
    """The parts of the page, from top to bottom, for lines of ``width`` columns (None: of any length)."""
    labels = Labels(result.nodes)
    yield from title_lines(result, full)
    nodes = [node for node in reversed(result.nodes) if node.depends_on_input and node.operation != "input"]
    reaching = nodes if full else _reaching(result, nodes)
    if nodes:
        yield Line()
    if result.walk is not None:
        yield from walk_lines(result, result.walk, full, width)
    elif reaching:
        yield from _node_grid(reaching, labels, full)
    if result.walk is None and len(reaching) < len(nodes):
        which = "node that does" if len(nodes) - len(reaching) == 1 else "nodes that do"
        yield Line(f"  {len(nodes) - len(reaching):,} {which} not reach the output left out; --full shows all")
    if result.inputs:
        yield Line()
        yield from _input_grid(result, labels, full, width)
        yield from remark_lines(result, full)
    if result.hessian is not None and result.hessian.labels:
        yield Line()
        yield from hessian_blocks(result.hessian, result.references, full, width)
    if result.diagnostics:
        yield Line()
        yield from diagnostic_lines(result.diagnostics, full)
    if result.layers:
        yield Line()
        names, norms = [labels[node] for node, _ in result.layers], [norm for _, norm in result.layers]
        yield from chart_blocks(Bars("gradient norm by layer, from the output down", tuple(names), tuple(norms)))
    for chart in result.charts:
        yield Line()
        yield from chart_blocks(chart, width, unicode)
    if result.micro_batches is not None:
        yield Line()
        yield from _micro_batches(result.micro_batches)
    yield Line()
    yield Line(summary_line(result), STYLES[result.verdict] if result.references else "")


def summary_line(result: EvaluationResult) -> str:
    """The verdict on the whole in one sentence."""
    said, second = _gradients_line(result), result.hessian
    if second is None or not second.labels or not result.references:
        return said
    by_gradients = Verdict.worst([found.verdict for found in result.inputs])
    if second.verdict is by_gradients:
        also = {Verdict.OK: "so does the Hessian", Verdict.WRONG: "so is the Hessian"}
        return f"{said}; {also.get(second.verdict, 'nor could the Hessian')}"
    if second.verdict is not result.verdict:
        return said
    what = "is wrong" if second.verdict is Verdict.WRONG else "could not be decided"
    return f"{second.verdict}: the Hessian {what}; {said}"


def _gradients_line(result: EvaluationResult) -> str:
    checked = [found for found in result.inputs if found.gradient is not None]
    if not checked:
        return "nothing to check: no differentiable input"
    if not result.references:
        return f"not checked: --reference none ({_gradients(len(checked))})"
    counts = Counter(found.verdict for found in checked)
    wrong, undecided, total = counts[Verdict.WRONG], counts[Verdict.UNDECIDED], len(checked)
    more = f", {undecided} could not be decided" if wrong and undecided else ""
    if total == 1 and (wrong or undecided):
        return "WRONG: the gradient is wrong" if wrong else "UNDECIDED: the gradient could not be decided"
    if wrong:
        verb = "are" if wrong > 1 else "is"
        return f"WRONG: {wrong} of {_gradients(total)} {verb} wrong{more}"
    if undecided:
        return f"UNDECIDED: {undecided} of {_gradients(total)} could not be decided"
    return f"OK: {_gradients(total)} {_agreement(checked, result.references)}"


def _gradients(count: int) -> str:
    return f"{count:,} gradient" + ("" if count == 1 else "s")


def _agreement(checked: Sequence[InputResult], references: Sequence[str]) -> str:
    """``agree with SymPy and with central differences``, or how many do with which where one had no answer for some."""
    counts = {
        NAMES[method]: sum(getattr(found, method).status == "ok" for found in checked)
        for method in ("symbolic", "numeric")
        if method in references
    }
    verb = "agrees" if len(checked) == 1 else "agree"
    if all(count in (0, len(checked)) for count in counts.values()):
        said = " and ".join(f"with {name}" for name, count in counts.items() if count)
        silent = [name for name, count in counts.items() if not count]
        return f"{verb} {said}" + (f" ({' and '.join(silent)}: no answer)" if silent else "")
    return f"{verb}: " + ", ".join(f"{count:,} with {name}" for name, count in counts.items())


_LABEL = re.compile(r"n\d+")


class Labels:
    """How a node is referred to: by its name where that is unique and does not read as another node's label, else as ``n4``."""

    def __init__(self, nodes: Sequence[NodeResult]) -> None:
        self._nodes = nodes
        self._uses = Counter(node.name for node in nodes if node.name is not None)

    def __getitem__(self, node: int) -> str:
        name = self._nodes[node].name
        label = f"n{node}"
        if name is None or self._uses[name] > 1 or (name != label and _LABEL.fullmatch(name)):
            return label
        return name

    def depends_on_input(self, node: int) -> bool:
        return self._nodes[node].depends_on_input


def title_lines(result: EvaluationResult, full: bool) -> Iterator[Line]:
    """What is computed and its value, and how."""
    output = result.nodes[result.output]
    expression = result.expression.strip()
    if output.name is not None:
        what = output.name
    elif any(mark in expression for mark in "\n\r;#") or (len(expression) > MOST_TITLE and not full):
        what = output.expression
    else:
        what = expression
    value = show(output.value, full)
    if "\n" in value:
        yield Line(f"{what} =", "bold")
        for line in value.split("\n"):
            yield Line(f"  {line}")
    else:
        yield Line(f"{what} = {value}", "bold")
    if result.seed is not None:
        yield Line(f"random values drawn with --seed {result.seed}")
    if result.dtype != "float64":
        yield Line(f"computed in {result.dtype}")


def _reaching(result: EvaluationResult, nodes: Sequence[NodeResult]) -> list[NodeResult]:
    """The nodes on a path to the output."""
    reached = {result.output}
    for node in reversed(result.nodes):  # Topological: whoever needs a node comes before it.
        if node.id in reached:
            reached.update(edge.source for edge in node.edges)
    return [node for node in nodes if node.id in reached]


def _node_grid(nodes: list[NodeResult], labels: Labels, full: bool) -> Iterator[Block]:
    traced = any(node.file is not None for node in nodes)
    columns = (
        Column("node"),
        *((Column("at"),) if traced else ()),
        Column("expression", fold=True),
        Column("value", numeric=True),
        Column("upstream", numeric=True),
        Column("into"),
        Column("local", numeric=True),
        Column("downstream", numeric=True),
    )
    # One row an edge. Edges to constants carry no gradient that anyone asked for.
    rows: list[tuple[NodeResult, EdgeResult | None]] = []
    for node in nodes:
        edges = [edge for edge in node.edges if labels.depends_on_input(edge.source)]
        rows.extend((node, edge) for edge in edges or (None,))
    kept, left_out = _ends(rows, full)
    texts = []
    before = None
    for row in kept:
        if row is None:
            texts.append(("...", *[""] * (len(columns) - 1)))
            continue
        node, edge = row
        head: tuple[str, ...] = ("",) * (len(columns) - 3)
        if node is not before:
            named = node.expression if node.name is None else f"{node.name} = {node.expression}"
            at = ("" if node.file is None else f"{PurePath(node.file).name}:{node.line}",) if traced else ()
            head = (f"n{node.id}", *at, named, show(node.value, full), show(node.upstream, full))
        before = node
        tail = ("", "", "")
        if edge is not None:
            tail = (labels[edge.source], _local(edge.local, full), show(edge.downstream, full))
        texts.append((*head, *tail))
    yield Grid(columns, texts)
    if left_out:
        yield Line(f"  {left_out:,} of {len(rows):,} rows left out; --full shows them")


def _local(local: Value | Rule, full: bool) -> str:
    if not isinstance(local, Rule):
        return show(local, full)
    return local.rule if local.jacobian is None else f"{local.rule}\n{show(local.jacobian, full)}"


def _input_grid(result: EvaluationResult, labels: Labels, full: bool, width: int | None) -> Iterator[Block]:
    clipped = any(found.clipped is not None for found in result.inputs)
    symbolic, numeric = "symbolic" in result.references, "numeric" in result.references
    columns = [Column("input"), Column("value", numeric=True), Column("gradient", numeric=True)]
    if clipped:
        columns.append(Column("clipped", numeric=True))
    if symbolic:
        columns.append(Column("symbolic", numeric=True))
    if numeric:
        columns.append(Column("numeric ± error"))
    if result.references:
        columns.append(Column("verdict", styles=STYLES))
    with_paths = any(len(found.paths) > 1 for found in result.inputs)
    if with_paths:
        columns.append(Column("", fold=True))

    kept, left_out = _ends(result.inputs, full, lambda found: found.verdict is not Verdict.OK)

    def grid(terse: bool) -> Grid:
        return Grid(tuple(columns), [row(found, terse) for found in kept])

    def row(found: InputResult | None, terse: bool) -> tuple[str, ...]:
        if found is None:
            return ("...", *[""] * (len(columns) - 1))
        differentiated = found.gradient is not None
        cells = [found.name, show(found.value, full), "-" if found.gradient is None else show(found.gradient, full)]
        if clipped:
            cells.append("" if found.clipped is None else show(found.clipped, full))
        if symbolic:
            cells.append(_reference(found, found.symbolic, full, terse) if differentiated else "")
        if numeric:
            cells.append(_reference(found, found.numeric, full, terse) if differentiated else "")
        if result.references:
            cells.append(str(found.verdict) if differentiated else "-")
        if with_paths:
            cells.append(through(found.paths, labels) if len(found.paths) > 1 else "")
        return tuple(cells)

    shown = grid(terse=False)
    if not shown.fits(width) and (terse := grid(terse=True)).fits(width):
        shown = terse
    yield shown
    if left_out:
        yield Line(f"  {left_out:,} of {len(result.inputs):,} inputs left out, all of them OK; --full shows them")


def _reference(found: InputResult, reference: Reference, full: bool, terse: bool) -> str:
    """What a reference says. Of a large array, and where room is short (``terse``) of a small one that is OK, only how
    far it is from the gradient: the same figures twice tell a reader nothing."""
    if reference.status != "ok" or reference.value is None or found.gradient is None:
        return reference.status
    in_full = is_small(reference.value) and not (terse and found.verdict is Verdict.OK)
    if full or is_scalar(reference.value) or in_full:
        text = show(reference.value, full)
    else:
        text = f"difference {error(largest_difference(reference.value, found.gradient))}"
    if reference.error is None or reference is found.symbolic:
        return text
    return f"{text} ± {error(largest(reference.error))}"


def through(paths: Sequence[tuple[int, Value]], labels: Labels) -> str:
    """``2 through n3 + 3 through n4``; of arrays, their norms."""
    text = ""
    for position, (consumer, downstream) in enumerate(paths[:MOST_PATHS]):
        if is_scalar(downstream):
            amount = number(float(downstream))
            sign, amount = (" - ", amount[1:]) if position and amount.startswith("-") else (" + ", amount)
        else:
            sign, amount = " + ", f"norm {number(statistics(downstream).norm)}"
        text += f"{sign if position else ''}{amount} through {labels[consumer]}"
    more = len(paths) - MOST_PATHS
    return f"{text} + {more:,} more" if more > 0 else text


def remark_lines(result: EvaluationResult, full: bool) -> Iterator[Line]:
    """Why a gradient is not simply OK, or a reference had nothing to say. Inputs with the same remark share a line."""
    remarks: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for found in result.inputs:
        if found.reason is not None:
            judged = found.gradient is not None and found.verdict is not Verdict.OK and result.references
            style = STYLES[found.verdict] if judged else ""
            remarks[found.reason, style].append(found.name)
        elif found.gradient is not None:
            for method in result.references:
                reference: Reference = getattr(found, method)
                if reference.status != "ok":
                    remarks[f"{method} {reference.status}: {reference.reason}", ""].append(found.name)
    if remarks:
        yield Line()
    most = len(result.inputs) if full else MOST_NAMES
    for (remark, style), names in remarks.items():
        yield Line(f"  {_listed(names, most)}: {remark}", style)


def diagnostic_lines(diagnostics: Sequence[Diagnostic], full: bool) -> Iterator[Line]:
    """The findings about the health of the graph, a line each."""
    kept, _ = _ends(diagnostics, full)
    for found in kept:
        if found is None:
            yield Line("...")
            continue
        yield Line(f"{found.code} {found.severity}: {found.message}", SEVERITY_STYLES[found.severity])


def _micro_batches(found: MicroBatches) -> Iterator[Block]:
    """How far accumulated gradients are from that of the whole batch."""
    yield Line(
        f"micro-batches of {' + '.join(map(str, found.sizes))}, accumulated: difference from the whole batch's gradient"
    )
    rows = [(name, percent(found.weighted[name]), percent(found.unweighted[name])) for name in found.weighted]
    columns = (Column("input"), Column("weighted by share", numeric=True), Column("unweighted", numeric=True))
    yield Grid(columns, rows)


def _listed(names: Sequence[str], most: int) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def _ends(items: Sequence[T], full: bool, always: Callable[[T], bool] = lambda _: False) -> tuple[list[T | None], int]:
    """Of a long sequence its beginning, its end and what must ``always`` be there, with None for each gap; and how many
    were left out."""
    if full or len(items) <= MOST_ROWS:
        return list(items), 0
    kept: list[T | None] = []
    left_out = 0
    for position, item in enumerate(items):
        if position < KEPT_ROWS or position >= len(items) - KEPT_ROWS or always(item):
            kept.append(item)
        else:
            left_out += 1
            if kept[-1] is not None:
                kept.append(None)
    return kept, left_out
