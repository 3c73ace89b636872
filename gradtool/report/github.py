"""Workflow commands of GitHub Actions: each finding becomes an annotation at its line.

The commands and how their text is escaped: https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
and, for the escapes, ``escapeData`` and ``escapeProperty`` of https://github.com/actions/toolkit.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TextIO

from gradtool.report import Page
from gradtool.report.findings import Finding, findings
from gradtool.report.printable import one_line
from gradtool.results import CheckReport

COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}
"""Level -> command. What is well gives no annotation."""


def render_check(report: CheckReport, stream: TextIO, page: Page) -> None:  # noqa: ARG001 (as all renderers)
    """Write a command for each finding that is not OK."""
    for found in findings(report):
        if found.level != "none":
            stream.write(_command(found))


def _command(found: Finding) -> str:
    properties = {}
    if found.path is not None:
        properties["file"] = one_line(PurePath(found.path).as_posix())
        properties["line"] = str(found.line or 1)
    properties["title"] = found.code
    text = found.message
    if found.cause is not None and found.cause.fix is not None:
        text += f"\nfix: {one_line(found.cause.fix)}"
    given = ",".join(f"{key}={_escaped_property(value)}" for key, value in properties.items())
    return f"::{COMMANDS[found.level]} {given}::{_escaped(text)}\n"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped_property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
