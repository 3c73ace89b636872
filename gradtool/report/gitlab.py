"""GitLab's Code Quality report, a JSON array: https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format."""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import Any, TextIO

from gradtool.report import Page
from gradtool.report.findings import Finding, findings, fingerprints
from gradtool.report.printable import one_line
from gradtool.results import CheckReport

SEVERITIES = {"error": "critical", "warning": "minor", "note": "info"}
"""Level -> one of GitLab's severities (info, minor, major, critical, blocker). What is well is not listed."""


def render_check(report: CheckReport, stream: TextIO, page: Page) -> None:  # noqa: ARG001 (as all renderers)
    """Write an entry for each finding that is not OK."""
    shown = [found for found in findings(report) if found.level != "none"]
    entries = [_entry(found, name) for found, name in zip(shown, fingerprints(shown), strict=True)]
    stream.write(json.dumps(entries, indent=1) + "\n")


def _entry(found: Finding, fingerprint: str) -> dict[str, Any]:
    path = found.id if found.path is None else PurePath(found.path).as_posix()  # A path is required.
    return {
        "description": found.message,
        "check_name": found.code,
        "fingerprint": fingerprint,
        "severity": SEVERITIES[found.level],
        "location": {"path": one_line(path), "lines": {"begin": found.line or 1}},
    }
