"""``path:line: CODE message``, one line a verdict: what editors, grep and problem matchers read."""

from __future__ import annotations

from typing import TextIO

from gradtool.report import Page
from gradtool.report.findings import findings
from gradtool.report.printable import one_line
from gradtool.results import CheckReport

NOWHERE = "-"


def render_check(report: CheckReport, stream: TextIO, page: Page) -> None:  # noqa: ARG001 (as all renderers)
    """Write what ``gradtool check`` found. ``-`` stands for the path of code that is in no file; a finding on a whole
    file has line 1."""
    for found in findings(report):
        path = NOWHERE if found.path is None else one_line(found.path)
        stream.write(f"{path}:{found.line or 1}: {found.code} {found.message}\n")
