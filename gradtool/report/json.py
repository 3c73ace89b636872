"""The JSON document of ``eval``: one input or node a line."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TextIO

from gradtool.report import Page
from gradtool.report.json_images import encode, number_image, value_image, write_list
from gradtool.results import EdgeResult, EvaluationResult, InputResult, NodeResult, Rule

if TYPE_CHECKING:
    from gradtool.results import Value

Image = Callable[["Value | None"], Any]


def render_evaluation(result: EvaluationResult, stream: TextIO, page: Page) -> None:
    """Write the document ``gradtool/eval/1``."""
    value = partial(value_image, max_elements=None if page.full else page.max_elements)
    output = result.nodes[result.output]
    stream.write('{"schema": "gradtool/eval/1",\n')
    stream.write(f' "expression": {encode(result.expression)},\n')
    image = {"node": output.id, "name": output.name, "shape": list(output.shape), "value": value(output.value)}
    stream.write(f' "output": {encode(image)},\n')
    write_list(stream, "inputs", (_input(found, value) for found in result.inputs))
    write_list(stream, "nodes", (_node(found, value) for found in result.nodes))
    write_list(
        stream,
        "diagnostics",
        (
            {"code": found.code, "severity": found.severity, "message": found.message, "node": found.node}
            for found in result.diagnostics
        ),
    )
    stream.write(f' "seed": {encode(result.seed)},\n')
    stream.write(f' "verdict": {encode(str(result.verdict))}')
    for key, more in _asked_for(result).items():
        stream.write(f',\n "{key}": {encode(more)}')
    stream.write("}\n")


def _asked_for(result: EvaluationResult) -> dict[str, Any]:
    """What a document holds only where an option asked for it, or a diagnostic speaks of it: a plain one has the keys
    of its schema and no others."""
    found: dict[str, Any] = {}
    if result.dtype != "float64":
        found["dtype"] = result.dtype
    if result.layers:
        found["layers"] = [{"node": node, "norm": number_image(norm)} for node, norm in result.layers]
    if result.micro_batches is not None:
        found["microbatches"] = {
            "sizes": list(result.micro_batches.sizes),
            "weighted": {name: number_image(v) for name, v in result.micro_batches.weighted.items()},
            "unweighted": {name: number_image(v) for name, v in result.micro_batches.unweighted.items()},
        }
    return found


def _input(found: InputResult, value: Image) -> dict[str, Any]:
    return {
        "name": found.name,
        "node": found.node,
        "shape": list(found.shape),
        "value": value(found.value),
        "gradient": value(found.gradient),
        "references": {
            "symbolic": {
                "status": found.symbolic.status,
                "value": value(found.symbolic.value),
                "reason": found.symbolic.reason,
            },
            "numeric": {
                "status": found.numeric.status,
                "value": value(found.numeric.value),
                "error": value(found.numeric.error),
                "evaluations": found.numeric.evaluations,
                "reason": found.numeric.reason,
            },
        },
        "verdict": str(found.verdict),
        "reason": found.reason,
    } | ({} if found.clipped is None else {"clipped": value(found.clipped)})


def _node(found: NodeResult, value: Image) -> dict[str, Any]:
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
    }


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
