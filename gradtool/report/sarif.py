"""SARIF 2.1.0, the OASIS standard for what static analysis finds; GitHub's code scanning and many editors read it.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html. What is found of the user's gradients is a ``result``; that a
target could not be called or was skipped is a ``notification`` of the ``invocation``, as it says nothing of the code.
"""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import Any, TextIO
from urllib.parse import quote

from gradtool import __version__
from gradtool.report import Page
from gradtool.report.codes import TITLES
from gradtool.report.findings import Finding, findings, fingerprints
from gradtool.report.printable import one_line
from gradtool.results import CheckReport

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
NOTIFIED = ("ERROR", "SKIPPED")


def render_check(report: CheckReport, stream: TextIO, page: Page) -> None:  # noqa: ARG001 (as all renderers)
    """Write the log of one run."""
    shown = [found for found in findings(report) if found.level != "none"]
    results = [found for found in shown if found.code not in NOTIFIED]
    notified = [found for found in shown if found.code in NOTIFIED]
    codes = sorted({found.code for found in results})
    invocation: dict[str, Any] = {"executionSuccessful": all(found.level != "error" for found in notified)}
    if notified:
        invocation["toolExecutionNotifications"] = [_notification(found) for found in notified]
    run = {
        "tool": {"driver": {"name": "gradtool", "version": __version__, "rules": [_rule(code) for code in codes]}},
        "invocations": [invocation],
        "results": [
            _result(found, codes.index(found.code), name)
            for found, name in zip(results, fingerprints(results), strict=True)
        ],
        "columnKind": "unicodeCodePoints",
        "properties": {"seed": report.seed},
    }
    stream.write(json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n")


def _rule(code: str) -> dict[str, Any]:
    title = TITLES.get(code)
    return {"id": code} if title is None else {"id": code, "shortDescription": {"text": title}}


def _result(found: Finding, rule: int, fingerprint: str) -> dict[str, Any]:
    undecided = found.code == "UNDECIDED"
    result: dict[str, Any] = {
        "ruleId": found.code,
        "ruleIndex": rule,
        # The standard's word for what could not be decided; it has no level.
        "kind": "open" if undecided else "fail",
        "level": "none" if undecided else found.level,
        "message": {"text": _text(found)},
        "locations": [_location(found)],
        "partialFingerprints": {"gradtool/v1": fingerprint},
        "properties": {"target": one_line(found.id)} | _gradient(found),
    }
    cause = found.cause
    if cause is not None and cause.file is not None:
        related = {
            "id": 1,
            "physicalLocation": _physical(cause.file, cause.line),
            "message": {"text": "the forward whose derivative this is"},
        }
        result["relatedLocations"] = [related]
    if found.pardon is not None:
        # Suppressed results are kept and shown as such.
        result["level"] = "error"
        result["suppressions"] = [{"kind": "external", "justification": found.pardon}]
    return result


def _gradient(found: Finding) -> dict[str, str]:
    return {} if found.gradient is None else {"gradient": one_line(found.gradient)}


def _text(found: Finding) -> str:
    if found.cause is None or found.cause.fix is None:
        return found.message
    return f"{found.message}\nfix: {one_line(found.cause.fix)}"


def _notification(found: Finding) -> dict[str, Any]:
    return {"level": found.level, "message": {"text": found.message}, "locations": [_location(found)]}


def _location(found: Finding) -> dict[str, Any]:
    location: dict[str, Any] = {}
    if found.path is not None:
        location["physicalLocation"] = _physical(found.path, found.line)
    location["logicalLocations"] = [{"fullyQualifiedName": one_line(found.id), "kind": "function"}]
    return location


def _physical(path: str, line: int | None) -> dict[str, Any]:
    location: dict[str, Any] = {"artifactLocation": {"uri": _uri(path)}}
    if line is not None:
        location["region"] = {"startLine": line}
    return location


def _uri(path: str) -> str:
    """A relative reference where the path is relative, else a ``file:`` URI."""
    pure = PurePath(path)
    return pure.as_uri() if pure.is_absolute() else quote(pure.as_posix(), errors="surrogateescape")
