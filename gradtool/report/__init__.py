"""Renderers: one function a format over the result types, and nothing else.

``RENDERERS`` is the one place where a renderer is entered. It holds names, not modules, so that a command loads only
the format it was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import PurePath
from typing import Any, TextIO

RENDERERS: dict[str, dict[str, str]] = {
    "eval": {
        "table": "gradtool.report.table:render_evaluation",
        "concise": "gradtool.report.concise:render_evaluation",
        "json": "gradtool.report.json:render_evaluation",
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
    ".txt": "table",
    ".table": "table",
    ".concise": "concise",
    ".xml": "junit",
    ".sarif": "sarif",
}
"""The format that a file's name stands for where none is given."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a renderer writes on.

    ``width`` is None where lines may be as long as they need to be (a pipe, a file); ``color`` asks for ANSI colours.
    ``full`` asks for every row and every entry of every array in the table; JSON gives arrays of more than
    ``max_elements`` entries by their figures (None: never).
    """

    width: int | None = None
    color: bool = False
    full: bool = False
    max_elements: int | None = 1000


def formats(command: str) -> tuple[str, ...]:
    """The formats that ``command`` can write, its default first."""
    return tuple(RENDERERS[command])


def format_of(command: str, path: str) -> str | None:
    """The format that a file's suffix stands for; None where it says nothing."""
    found = SUFFIXES.get(PurePath(path).suffix.lower())
    return found if found in RENDERERS[command] else None


def render(command: str, format_name: str, result: Any, stream: TextIO, page: Page) -> None:
    """Write ``result`` to ``stream``. Raises ``KeyError`` for a format that the command does not have."""
    module, function = RENDERERS[command][format_name].split(":")
    getattr(import_module(module), function)(result, stream, page)
