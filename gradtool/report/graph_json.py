"""The JSON document of ``graph``: one node a line, as in the document of ``eval``, and beside them the paths that were asked for
and the difference from another program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from gradtool.report import Page
from gradtool.report.json import Image, diagnostic_image, input_image, node_image, output_image, value_images
from gradtool.report.json_images import encode, number_image, write_list
from gradtool.report.numbers import count_text
from gradtool.results import EvaluationResult, GradientPath, GraphDifference, GraphResult, InputPaths, NodeDifference

LARGEST = 10**308


def render_graph(result: GraphResult, stream: TextIO, page: Page) -> None:
    """Write the document ``gradtool/graph/1``."""
    value = value_images(page)
    evaluation = result.evaluation
    stream.write('{"schema": "gradtool/graph/1",\n')
    _write_head(evaluation, stream, value)
    write_list(stream, "nodes", (node_image(evaluation.nodes[i], value) for i in result.shown))
    write_list(stream, "diagnostics", map(diagnostic_image, evaluation.diagnostics))
    if evaluation.references:
        write_list(stream, "inputs", (input_image(found, value) for found in evaluation.inputs))
        stream.write(f' "verdict": {encode(str(evaluation.verdict))},\n')
    for key, image in _paths(result.paths, value):
        stream.write(f' "{key}": {encode(image)},\n')
    if result.difference is not None:
        _write_difference(result.difference, stream, value)
    stream.write(f' "seed": {encode(evaluation.seed)}}}\n')


def _write_head(evaluation: EvaluationResult, stream: TextIO, value: Image) -> None:
    """What the spans of nodes refer to, and where the drawing begins."""
    stream.write(f' "expression": {encode(evaluation.expression)},\n')
    stream.write(f' "output": {encode(output_image(evaluation.nodes[evaluation.output], value))},\n')


def _paths(found: Sequence[InputPaths], value: Image) -> Iterator[tuple[str, dict[str, Any]]]:
    """``paths`` and what stands beside it, each with an entry for every input that was asked for."""
    if not found:
        return
    yield "paths", {entry.name: [_path(path, value) for path in entry.paths] for entry in found}
    yield "rest", {entry.name: value(entry.rest) for entry in found}
    yield "total", {entry.name: value(entry.total) for entry in found}
    yield "path_count", {entry.name: _count(entry.count) for entry in found}
    yield (
        "cancellation",
        {entry.name: None if entry.cancellation is None else number_image(entry.cancellation) for entry in found},
    )
    yield "proven", {entry.name: entry.proven for entry in found}


def _path(found: GradientPath, value: Image) -> dict[str, Any]:
    return {
        "nodes": list(found.nodes),
        "arguments": list(found.arguments),
        "contribution": value(found.contribution),
        "share": number_image(found.share),
    }


def _write_difference(found: GraphDifference, stream: TextIO, value: Image) -> None:
    """The pairs of nodes, and the other program, so that its ids mean something."""
    stream.write(f' "first_difference": {encode(None if found.first is None else _pair(found.first))},\n')
    write_list(stream, "difference", map(_pair, found.nodes))
    stream.write(' "other": {\n')
    _write_head(found.right, stream, value)
    write_list(stream, "nodes", (node_image(node, value) for node in found.right.nodes))
    stream.write(f' "seed": {encode(found.right.seed)}}},\n')


def _pair(found: NodeDifference) -> dict[str, Any]:
    return {
        "left": found.left,
        "right": found.right,
        "kind": found.kind,
        "value": None if found.value is None else number_image(found.value),
        "upstream": None if found.upstream is None else number_image(found.upstream),
    }


def _count(count: int) -> int | str:
    """A whole number; as text where it is larger than any number that JSON readers have."""
    return count if count < LARGEST else count_text(count)
