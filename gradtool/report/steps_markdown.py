"""The textbook walk as a Markdown page with LaTeX formulas, as GitHub, Jupyter and Pandoc read them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

import numpy as np

from gradtool.report import Page
from gradtool.report.numbers import compact, is_scalar, number
from gradtool.report.steps import Steps, Sum, Term
from gradtool.report.table import summary_line
from gradtool.results import EvaluationResult, Hessian, HessianBlock, InputResult, Reference, Rule

if TYPE_CHECKING:
    from gradtool.results import Value

MOST_ENTRIES = 16
"""An array of more entries is given by its figures."""
UPSTREAM = r"\bar{g}"
"""What stands for the upstream gradient in the LaTeX of a rule."""


def render_evaluation(result: EvaluationResult, stream: TextIO, page: Page) -> None:
    """Write the page. Raises ``ValueError`` for a result without a walk."""
    del page  # Nothing is left out.
    if result.walk is None:
        raise ValueError(
            "a Markdown page shows the steps of a calculation, and this result has none: evaluate(..., steps=True)"
        )
    stream.writelines(line + "\n" for line in _lines(result, Steps(result, result.walk)))


def _lines(result: EvaluationResult, steps: Steps) -> Iterator[str]:
    output = result.nodes[result.output]
    what = output.expression if output.name is None else f"{output.name} = {output.expression}"
    yield f"# {_code(what)}"
    yield ""
    yield from _fenced(result.expression.strip("\n"))
    if result.seed is not None:
        yield ""
        yield f"Random values drawn with `--seed {result.seed}`."
    yield ""
    yield "## Forward"
    yield ""
    yield from _aligned(_forward(steps))
    yield ""
    yield "## Local derivatives"
    yield ""
    yield from _aligned(_locals(steps))
    yield ""
    yield "## Backward"
    yield ""
    if steps.seeded:
        yield f"From the output down; ${steps.of} = \\sum \\text{{upstream}} \\odot {steps.output.latex_label}$."
    else:
        yield "From the output down."
    yield ""
    yield from _aligned(_sum(steps, found) for found in steps.backward())
    yield ""
    yield "## Verdicts"
    yield ""
    yield "| input | value | gradient | SymPy | central differences | verdict |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for given in result.inputs:
        yield f"| {' | '.join(_row(given))} |"
    if result.hessian is not None and result.hessian.blocks:
        yield ""
        yield from _hessian(result.hessian)
    if result.diagnostics:
        yield ""
    for diagnostic in result.diagnostics:
        yield f"- **{diagnostic.code}** {diagnostic.severity}: {_plain(diagnostic.message)}"
    yield ""
    yield _plain(summary_line(result))


def _fenced(text: str) -> Iterator[str]:
    fence = "```"
    while fence in text:
        fence += "`"
    yield fence
    yield from text.splitlines()
    yield fence


def _aligned(formulas: Iterator[str]) -> Iterator[str]:
    """One formula a line, one block each: a block of many lines would not be broken over pages."""
    empty = True
    for formula in formulas:
        if not empty:
            yield ""
        empty = False
        yield f"$${formula}$$"
    if empty:
        yield "None."


def _forward(steps: Steps) -> Iterator[str]:
    for node, step in steps.forward():
        middle = f" = {step.latex_figures}" if step.latex_figures is not None else ""
        yield f"{step.latex_label} = {step.latex}{middle} = {_value(node.value)}"


def _locals(steps: Steps) -> Iterator[str]:
    for node, step, edge, source, formula in steps.locals():
        said = "; ".join(filter(None, (steps.operand(node, edge), formula.remark)))
        remark = rf"\quad\text{{({_text(said)})}}" if said else ""
        left = _fraction(step.latex_label, source.latex_label)
        if isinstance(edge.local, Rule):
            rule = formula.latex.replace(UPSTREAM, _fraction(_name(steps), step.latex_label))
            yield rf"{step.latex_label} \to {source.latex_label}:\quad {rule}{remark}"
            continue
        value = _value(edge.local)
        middle = f" = {formula.latex}" if formula.latex and formula.latex != value else ""
        yield f"{left}{middle} = {value}{remark}"


def _sum(steps: Steps, found: Sum) -> str:
    left = _fraction(_name(steps), found.step.latex_label)
    value = _value(found.node.upstream)
    if not found.terms:
        return f"{left} = {value}" + (r"\quad\text{(upstream, as given)}" if steps.seeded else "")
    names = " + ".join(_named(steps, term, found) for term in found.terms)
    if not all(term.scalar for term in found.terms):
        return f"{left} = {names} = {value}"
    products = " + ".join(rf"{_factor(term.upstream)} \cdot {_factor(_local(term))}" for term in found.terms)
    middle = f" = {_added(found)}" if len(found.terms) > 1 else ""
    return f"{left} = {names} = {products}{middle} = {value}"


def _named(steps: Steps, term: Term, found: Sum) -> str:
    above = _fraction(_name(steps), term.consumer.latex_label)
    if isinstance(term.edge.local, Rule):
        return term.formula.latex.replace(UPSTREAM, above) if term.formula is not None else above
    return f"{above} {_fraction(term.consumer.latex_label, found.step.latex_label)}"


def _local(term: Term) -> Value:
    assert not isinstance(term.edge.local, Rule)
    return term.edge.local


def _added(found: Sum) -> str:
    text = ""
    for term in found.terms:
        shown = _value(term.edge.downstream)
        text += shown if not text else f" - {shown[1:]}" if shown.startswith("-") else f" + {shown}"
    return text


def _name(steps: Steps) -> str:
    return steps.of if steps.seeded else steps.output.latex_label


def _fraction(above: str, below: str) -> str:
    return rf"\frac{{\partial {above}}}{{\partial {below}}}"


def _factor(value: Value) -> str:
    text = _value(value)
    return rf"\left({text}\right)" if text.startswith("-") else text


def _value(value: Value) -> str:
    """A number, a small array as a matrix, or the figures of a large one."""
    if is_scalar(value):
        return _number(float(value))
    array = np.asarray(value)
    if array.ndim > 2 or array.size > MOST_ENTRIES or array.size == 0:
        return rf"\text{{{_text(compact(value))}}}"
    rows = np.atleast_2d(array)
    body = r" \\ ".join(" & ".join(_number(float(entry)) for entry in row) for row in rows)
    return rf"\begin{{bmatrix}} {body} \end{{bmatrix}}"


def _number(value: float) -> str:
    mantissa, e, exponent = number(value).partition("e")
    if e:
        return rf"{mantissa} \cdot 10^{{{int(exponent)}}}"
    return mantissa.replace("inf", r"\infty").replace("nan", r"\text{nan}")


def _row(given: InputResult) -> tuple[str, ...]:
    differentiated = given.gradient is not None
    return (
        _code(given.name),
        _cell(given.value),
        _cell(given.gradient),
        _reference(given.symbolic),
        _reference(given.numeric),
        _verdict(given) if differentiated else "-",
    )


def _hessian(found: Hessian) -> Iterator[str]:
    """Second derivatives, block by block."""
    yield "## Hessian"
    yield ""
    yield "| by | and | second derivatives | SymPy | differences of the gradient | verdict |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for block in found.blocks:
        values = (_cell(block.value), _reference(block.symbolic), _reference(block.numeric))
        yield f"| {' | '.join((_code(block.row), _code(block.column), *values, _verdict(block)))} |"
    if found.definiteness is not None:
        yield ""
        yield f"The Hessian is {found.definiteness}."


def _verdict(of: InputResult | HessianBlock) -> str:
    return f"{of.verdict}" + (f": {_plain(of.reason)}" if of.reason else "")


def _reference(reference: Reference) -> str:
    return _cell(reference.value) if reference.status == "ok" else reference.status


def _cell(value: Value | None) -> str:
    return "-" if value is None else _plain(compact(value))


def _code(text: str) -> str:
    """Text in backticks, with more of them than it has itself; a bar would end a table's cell."""
    ticks = "`"
    while ticks in text:
        ticks += "`"
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{pad}{text}{pad}{ticks}".replace("|", r"\|")


def _plain(text: str) -> str:
    """Text that Markdown is to leave alone."""
    return "".join(f"\\{c}" if c in r"\`*_{}[]<>#|$~" else c for c in text).replace("\n", " ")


def _text(text: str) -> str:
    """Text for ``\\text{}``."""
    return "".join(rf"\{c}" if c in "{}$%&#_" else " " if c in "\\^~\n" else c for c in text)
