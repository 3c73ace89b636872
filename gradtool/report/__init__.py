"""Renderers: one function a format over the result types, and nothing else.

``RENDERERS`` is the one place where a renderer is entered. It holds names, not modules, so that a command loads only
the format it was asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import PurePath
from typing import Any, BinaryIO, TextIO

from gradtool.report.extras import MissingExtraError as MissingExtraError

RENDERERS: dict[str, dict[str, str]] = {
    "eval": {
        "table": "gradtool.report.table:render_evaluation",
        "concise": "gradtool.report.concise:render_evaluation",
        "json": "gradtool.report.json:render_evaluation",
        "markdown": "gradtool.report.steps_markdown:render_evaluation",
    },
    "graph": {
        "terminal": "gradtool.report.graph_terminal:render_graph",
        "json": "gradtool.report.graph_json:render_graph",
        "dot": "gradtool.report.graph_dot:render_graph",
        "mermaid": "gradtool.report.graph_mermaid:render_graph",
        "svg": "gradtool.report.graph_svg:render_graph",
        "html": "gradtool.report.graph_html:render_graph",
    },
    "ops": {
        "table": "gradtool.report.ops_table:render_operations",
        "json": "gradtool.report.ops_json:render_operations",
    },
    "check": {
        "table": "gradtool.report.check_table:render_check",
        "concise": "gradtool.report.check_concise:render_check",
        "json": "gradtool.report.check_json:render_check",
        "junit": "gradtool.report.junit:render_check",
        "github": "gradtool.report.github:render_check",
        "gitlab": "gradtool.report.gitlab:render_check",
        "sarif": "gradtool.report.sarif:render_check",
    },
    "list": {
        "table": "gradtool.report.check_list:render_list",
        "json": "gradtool.report.check_list:render_json",
    },
    "reproduction": {
        "pytest": "gradtool.report.reproduction:render_reproduction",
    },
}
"""Command -> format -> ``module:function``, the function being ``render(result, stream, page)``."""

SUFFIXES = {
    ".json": "json",
    ".table": "table",
    ".concise": "concise",
    ".xml": "junit",
    ".sarif": "sarif",
    ".dot": "dot",
    ".gv": "dot",
    ".mmd": "mermaid",
    ".svg": "svg",
    ".html": "html",
    ".md": "markdown",
}
"""The format that a file's name stands for where none is given; ``.txt`` is the command's default, for people."""


DRAWN = "●│─├┤╮╯╭╰▸…┆×→↑∂"
"""What a stream's encoding must have for ``Page.unicode``."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a renderer writes on.

    ``width`` is None where lines may be as long as they need to be (a pipe, a file); ``color`` asks for ANSI colours.
    ``full`` asks for every row and every entry of every array in the table; JSON gives arrays of more than
    ``max_elements`` entries by their figures (None: never). ``unicode`` is whether the stream can take what is drawn with lines
    and arrows; where it cannot, they are drawn in ASCII.
    """

    width: int | None = None
    color: bool = False
    full: bool = False
    max_elements: int | None = 1000
    unicode: bool = True


def picture_format(path: PurePath) -> str | None:
    """The format of a picture that a file's name stands for: ``png`` or ``svg``; None for any other."""
    suffix = path.suffix.lower().removeprefix(".")
    return suffix if suffix in ("png", "svg") else None


def load_picture_library() -> None:
    """Load what ``render_picture`` needs. Raises ``MissingExtraError`` where matplotlib is not installed."""
    import_module("gradtool.report.chart_image").load()


def render_picture(charts: Sequence[Any], stream: BinaryIO, format_name: str) -> None:
    """Write charts as a picture. Raises ``MissingExtraError`` where matplotlib is not installed."""
    import_module("gradtool.report.chart_image").write_charts(charts, stream, format_name)


def formats(command: str) -> tuple[str, ...]:
    """The formats that ``command`` can write, its default first."""
    return tuple(RENDERERS[command])


def format_of(command: str, path: str) -> str | None:
    """The format that a file's suffix stands for; None where it says nothing."""
    suffix = PurePath(path).suffix.lower()
    found = formats(command)[0] if suffix == ".txt" else SUFFIXES.get(suffix)
    return found if found in RENDERERS[command] else None


def render(command: str, format_name: str, result: Any, stream: TextIO, page: Page) -> None:
    """Write ``result`` to ``stream``. Raises ``KeyError`` for a format that the command does not have."""
    module, function = RENDERERS[command][format_name].split(":")
    getattr(import_module(module), function)(result, stream, page)
