"""The JSON document of ``eval``: one input or node a line."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TextIO

from gradtool.report import Page
from gradtool.report.json_images import encode, number_image, value_image, write_list
from gradtool.results import (
    Bars,
    Chart,
    Diagnostic,
    EdgeResult,
    EvaluationResult,
    Hessian,
    InputResult,
    NodeResult,
    Reference,
    Rule,
    Walk,
)

if TYPE_CHECKING:
    from gradtool.results import Value

Image = Callable[["Value | None"], Any]


def render_evaluation(result: EvaluationResult, stream: TextIO, page: Page) -> None:
    """Write the document ``gradtool/eval/1``."""
    value = value_images(page)
    output = result.nodes[result.output]
    stream.write('{"schema": "gradtool/eval/1",\n')
    stream.write(f' "expression": {encode(result.expression)},\n')
    stream.write(f' "output": {encode(output_image(output, value))},\n')
    write_list(stream, "inputs", (input_image(found, value) for found in result.inputs))
    write_list(stream, "nodes", (node_image(found, value) for found in result.nodes))
    write_list(stream, "diagnostics", map(diagnostic_image, result.diagnostics))
    stream.write(f' "seed": {encode(result.seed)},\n')
    stream.write(f' "verdict": {encode(str(result.verdict))}')
    for key, more in _asked_for(result, value).items():
        stream.write(f',\n "{key}": {encode(more)}')
    stream.write("}\n")


def _asked_for(result: EvaluationResult, value: Image) -> dict[str, Any]:
    """What a document holds only where an option asked for it, or a diagnostic speaks of it: a plain one has the keys
    of its schema and no others."""
    found: dict[str, Any] = {}
    if result.dtype != "float64":
        found["dtype"] = result.dtype
    if result.layers:
        found["layers"] = [{"node": node, "norm": number_image(norm)} for node, norm in result.layers]
    if result.walk is not None:
        found["steps"] = _walk(result.walk)
    if result.charts:
        found["charts"] = [chart_image(chart) for chart in result.charts]
    if result.micro_batches is not None:
        found["microbatches"] = {
            "sizes": list(result.micro_batches.sizes),
            "weighted": {name: number_image(v) for name, v in result.micro_batches.weighted.items()},
            "unweighted": {name: number_image(v) for name, v in result.micro_batches.unweighted.items()},
        }
    if result.hessian is not None:
        found["hessian"] = hessian_image(result.hessian, value)
    return found


def hessian_image(found: Hessian, value: Image) -> dict[str, Any]:
    """All second derivatives, by blocks; ``labels`` names the entries in their order."""
    low, high = (None, None) if found.eigenvalues is None else map(number_image, found.eigenvalues)
    return {
        "labels": list(found.labels),
        "blocks": [
            {
                "row": block.row,
                "column": block.column,
                "value": value(block.value),
                "references": references_image(block.symbolic, block.numeric, value),
                "verdict": str(block.verdict),
                "reason": block.reason,
            }
            for block in found.blocks
        ],
        "eigenvalues": {"min": low, "max": high},
        "condition": None if found.condition is None else number_image(found.condition),
        "definiteness": found.definiteness,
        "verdict": str(found.verdict),
    }


def _walk(found: Walk) -> dict[str, Any]:
    return {
        "forward": [
            {"node": step.node, "label": step.label, "text": step.text, "figures": step.figures, "latex": step.latex}
            for step in found.steps
        ],
        "locals": [
            {"node": one.node, "argument": one.argument, "formula": one.text or None, "latex": one.latex or None,
             "remark": one.remark or None}
            for one in found.formulas
        ],
    }  # fmt: skip


def chart_image(found: Chart | Bars) -> dict[str, Any]:
    """The numbers of a chart."""
    if isinstance(found, Bars):
        values = [number_image(value) for value in found.values]
        return {"title": found.title, "labels": list(found.labels), "values": values}
    return {
        "title": found.title,
        "x": found.x_label,
        "y": found.y_label,
        "logarithmic": found.logarithmic,
        "curves": [
            {"label": curve.label, "x": list(map(number_image, curve.x)), "y": list(map(number_image, curve.y))}
            for curve in found.curves
        ],
        "marks": [{"label": mark.label, "x": number_image(mark.x), "y": number_image(mark.y)} for mark in found.marks],
    }


def value_images(page: Page) -> Image:
    """How values are written on this page."""
    return partial(value_image, max_elements=None if page.full else page.max_elements)


def output_image(found: NodeResult, value: Image) -> dict[str, Any]:
    """The node that is the output, as it stands at the head of a document."""
    return {"node": found.id, "name": found.name, "shape": list(found.shape), "value": value(found.value)}


def diagnostic_image(found: Diagnostic) -> dict[str, Any]:
    """A finding about the health of a graph."""
    return {"code": found.code, "severity": found.severity, "message": found.message, "node": found.node}


def input_image(found: InputResult, value: Image) -> dict[str, Any]:
    """An input with its gradient, what the references say of it, and the verdict."""
    return {
        "name": found.name,
        "node": found.node,
        "shape": list(found.shape),
        "value": value(found.value),
        "gradient": value(found.gradient),
        "references": references_image(found.symbolic, found.numeric, value),
        "verdict": str(found.verdict),
        "reason": found.reason,
    } | ({} if found.clipped is None else {"clipped": value(found.clipped)})


def references_image(symbolic: Reference, numeric: Reference, value: Image) -> dict[str, Any]:
    """What both references say."""
    return {
        "symbolic": {"status": symbolic.status, "value": value(symbolic.value), "reason": symbolic.reason},
        "numeric": {
            "status": numeric.status,
            "value": value(numeric.value),
            "error": value(numeric.error),
            "evaluations": numeric.evaluations,
            "reason": numeric.reason,
        },
    }


def node_image(found: NodeResult, value: Image) -> dict[str, Any]:
    """A node with its edges."""
    return {
        "id": found.id,
        "name": found.name,
        "expression": found.expression,
        "operation": found.operation,
        "shape": list(found.shape),
        "value": value(found.value),
        "upstream": value(found.upstream),
        "span": list(found.span),
        "line": found.line,
        "edges": [_edge(edge, value) for edge in found.edges],
    } | ({} if found.file is None else {"file": found.file})


def _edge(found: EdgeResult, value: Image) -> dict[str, Any]:
    return {
        "argument": found.argument,
        "from": found.source,
        "local": _rule(found.local, value) if isinstance(found.local, Rule) else value(found.local),
        "downstream": value(found.downstream),
    }


def _rule(found: Rule, value: Image) -> dict[str, Any]:
    image: dict[str, Any] = {"rule": found.rule, "jacobian_shape": list(found.jacobian_shape)}
    if found.jacobian is not None:
        image["jacobian"] = value(found.jacobian)
    return image
