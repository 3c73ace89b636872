"""The JSON document of a result: strict JSON, floats that round-trip, one input or node a line.

Not-a-number and the infinities are the strings ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import partial
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from gradtool.report import Page
from gradtool.report.numbers import statistics
from gradtool.results import EdgeResult, EvaluationResult, InputResult, NodeResult, Rule

if TYPE_CHECKING:
    from gradtool.results import Value

Image = Callable[["Value | None"], Any]

_encode = json.JSONEncoder(allow_nan=False).encode


def render_evaluation(result: EvaluationResult, stream: TextIO, page: Page) -> None:
    """Write the document ``gradtool/eval/1``."""
    value = partial(value_image, max_elements=None if page.full else page.max_elements)
    output = result.nodes[result.output]
    stream.write('{"schema": "gradtool/eval/1",\n')
    stream.write(f' "expression": {_encode(result.expression)},\n')
    image = {"node": output.id, "name": output.name, "shape": list(output.shape), "value": value(output.value)}
    stream.write(f' "output": {_encode(image)},\n')
    _write_list(stream, "inputs", (_input(found, value) for found in result.inputs))
    _write_list(stream, "nodes", (_node(found, value) for found in result.nodes))
    _write_list(
        stream,
        "diagnostics",
        (
            {"code": found.code, "severity": found.severity, "message": found.message, "node": found.node}
            for found in result.diagnostics
        ),
    )
    stream.write(f' "seed": {_encode(result.seed)},\n')
    stream.write(f' "verdict": {_encode(str(result.verdict))}')
    for key, more in _asked_for(result).items():
        stream.write(f',\n "{key}": {_encode(more)}')
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


def number_image(value: float) -> float | str:
    """A number as JSON has it."""
    if isfinite(value):
        return value
    return "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"


def value_image(value: Value | None, max_elements: int | None) -> Any:
    """A number, a nested list, or the figures of an array of more than ``max_elements`` entries."""
    if value is None:
        return None
    if type(value) is float:
        return number_image(value)
    array = np.asarray(value)
    if array.dtype.kind == "b":
        array = array.astype(np.float64)
    if array.ndim == 0:
        return number_image(array.item())
    if max_elements is not None and array.size > max_elements:
        found = statistics(array)
        return {
            "shape": list(array.shape),
            "min": number_image(found.min),
            "max": number_image(found.max),
            "mean": number_image(found.mean),
            "norm": number_image(found.norm),
            "nonfinite": found.nonfinite,
        }
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        images = np.empty(array.size, dtype=object)
        images[:] = [number_image(entry) for entry in array.ravel().tolist()]
        return images.reshape(array.shape).tolist()
    return array.tolist()


def _write_list(stream: TextIO, key: str, items: Iterable[Any]) -> None:
    """``"key": [...]`` with one item a line, encoded as they come: the whole document is never in memory."""
    stream.write(f' "{key}": [')
    separator = "\n  "
    for item in items:
        stream.write(separator + _encode(item))
        separator = ",\n  "
    stream.write("],\n")


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
