"""The textbook walk as lines of text: forward values, local derivatives, backward with the sums over paths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gradtool.report.layout import Line, wrapped
from gradtool.report.numbers import is_scalar, show
from gradtool.report.steps import Steps, Sum, Term, added, factor
from gradtool.results import EvaluationResult, Rule, Walk

if TYPE_CHECKING:
    from gradtool.results import Value

MOST = 200
"""So many lines of a section are shown unless the page is full."""
INDENT = "  "


def walk_lines(result: EvaluationResult, walk: Walk, full: bool, width: int | None) -> Iterator[Line]:
    """The three sections."""
    steps = Steps(result, walk)
    yield Line("Forward", "bold")
    yield from _section(_forward(steps, full), full, width)
    yield Line()
    yield Line("Local derivatives", "bold")
    yield from _section(_locals(steps, full), full, width)
    yield Line()
    given = f" of {steps.of} = sum(upstream * {steps.output.label})" if steps.seeded else ""
    yield Line(f"Backward{given}, from the output down", "bold")
    yield from _section((_sum(steps, found, full) for found in steps.backward()), full, width)


def _section(texts: Iterator[str], full: bool, width: int | None) -> Iterator[Line]:
    count = 0
    for count, text in enumerate(texts, 1):
        if full or count <= MOST:
            first, *rest = text.split("\n")
            yield from wrapped(first, width, INDENT, INDENT * 3)
            for line in rest:
                yield Line(INDENT * 2 + line)
    if not full and count > MOST:
        yield Line(f"{INDENT}{count - MOST:,} more; --full shows them")


def _forward(steps: Steps, full: bool) -> Iterator[str]:
    for node, step in steps.forward():
        middle = f" = {step.figures}" if step.figures is not None else ""
        yield f"{step.label} = {step.text}{middle}{_equals(node.value, full)}"


def _locals(steps: Steps, full: bool) -> Iterator[str]:
    for node, step, edge, source, formula in steps.locals():
        said = "; ".join(filter(None, (steps.operand(node, edge), formula.remark)))
        remark = f"   ({said})" if said else ""
        if isinstance(edge.local, Rule):
            rule = edge.local.rule.replace("upstream", f"d{steps.of}/d{step.label}")
            jacobian = "" if edge.local.jacobian is None else f", with the Jacobian{_equals(edge.local.jacobian, full)}"
            yield f"through {step.text} into {source.label}: {rule}{jacobian}"
            continue
        value = _equals(edge.local, full)
        # A formula that is the figure itself says it once.
        middle = f" = {formula.text}" if formula.text and f" = {formula.text}" != value else ""
        first, newline, rest = value.partition("\n")
        yield f"d({step.text})/d{source.label}{middle}{first}{remark}{newline}{rest}"


def _sum(steps: Steps, found: Sum, full: bool) -> str:
    left = f"d{steps.of}/d{found.step.label}"
    if not found.terms:
        what = "upstream, as given" if steps.seeded else ""
        return f"{left}{f' = {what}' if what else ''}{_equals(found.node.upstream, full)}"
    names = " + ".join(_named(steps, term, found) for term in found.terms)
    value = _equals(found.node.upstream, full)
    if not all(term.scalar for term in found.terms):
        return f"{left} = {names}{value}"
    products = " + ".join(f"{factor(_number(term.upstream))}*{factor(_local(term))}" for term in found.terms)
    parts = [_number(term.edge.downstream) for term in found.terms]
    middle = f" = {added(parts)}" if len(parts) > 1 else ""
    return f"{left} = {names} = {products}{middle}{value}"


def _named(steps: Steps, term: Term, found: Sum) -> str:
    """A term in names: ``df/dn3 * dn3/dy``, or the rule of what is not elementwise."""
    above = f"d{steps.of}/d{term.consumer.label}"
    if isinstance(term.edge.local, Rule):
        return term.edge.local.rule.replace("upstream", above)
    summed = " summed over the broadcast axes" if _is_summed(term, found) else ""
    return f"{above} * d{term.consumer.label}/d{found.step.label}{summed}"


def _is_summed(term: Term, found: Sum) -> bool:
    upstream_shape = () if is_scalar(term.upstream) else getattr(term.upstream, "shape", ())
    return tuple(upstream_shape) != found.node.shape


def _local(term: Term) -> float:
    assert not isinstance(term.edge.local, Rule)
    return _number(term.edge.local)


def _number(value: Value) -> float:
    return float(value)


def _equals(value: Value, full: bool) -> str:
    text = show(value, full)
    return f" =\n{text}" if "\n" in text else f" = {text}"
