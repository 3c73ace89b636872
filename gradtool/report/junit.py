"""JUnit's XML, which every CI server reads: a suite for each file, a test case for each target.

There is no one schema; this keeps to what the readers have in common (``junitparser``, Jenkins, GitLab). WRONG is a
failure; ERROR an error; SKIPPED, and WRONG where somebody accepted it, are skipped; UNDECIDED passes, as it exits 0, and
says why in ``system-out``.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from typing import TextIO
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from gradtool.report import Page
from gradtool.report.check_table import target_blocks
from gradtool.report.findings import Finding, name_of, of_skipped, of_target, pardon_of, path_of, why
from gradtool.report.layout import write_plain
from gradtool.report.printable import one_line, printable
from gradtool.results import CheckReport, Outcome, Skipped, TargetResult

NOWHERE = "gradtool"
"""The suite of targets that stand in no file."""


def render_check(report: CheckReport, stream: TextIO, page: Page) -> None:
    """Write what ``gradtool check`` found."""
    everything: list[TargetResult | Skipped] = [*report.targets, *report.skipped]
    suites: dict[str, list[TargetResult | Skipped]] = {}
    for found in everything:
        suites.setdefault(one_line(path_of(found.id, found.file) or NOWHERE), []).append(found)
    root = Element("testsuites", {"name": "gradtool check", **_counts(everything)})
    for file, members in suites.items():
        suite = SubElement(root, "testsuite", {"name": file, **_counts(members)})
        properties = SubElement(suite, "properties")
        SubElement(properties, "property", {"name": "seed", "value": str(report.seed)})
        for member in members:
            _case(suite, file, member, page.full)
    indent(root)
    stream.write('<?xml version="1.0" encoding="utf-8"?>\n')
    stream.write(tostring(root, encoding="unicode"))
    stream.write("\n")


def _case(suite: Element, file: str, found: TargetResult | Skipped, full: bool) -> None:
    seconds = found.seconds if isinstance(found, TargetResult) else 0.0
    case = SubElement(suite, "testcase", {"classname": file, "name": name_of(found.id), "time": _time(seconds)})
    if found.line is not None:
        case.attrib.update(file=file, line=str(found.line))
    if isinstance(found, Skipped):
        SubElement(case, "skipped", {"message": of_skipped(found).text})
    elif found.verdict is Outcome.SKIPPED:
        SubElement(case, "skipped", {"message": why(found)})
    elif pardon_of(found) is not None:
        _say(case, "skipped", pardon_of(found) or "", found, full)
    elif found.verdict is Outcome.WRONG:
        wrong = _that_fail(found)
        failure = _say(case, "failure", "; ".join(finding.text for finding in wrong), found, full)
        failure.set("type", wrong[0].code)
    elif found.verdict is Outcome.ERROR:
        error = _say(case, "error", why(found), found, full)
        error.set("type", "ERROR")
    elif found.verdict is Outcome.UNDECIDED or found.hygiene:
        SubElement(case, "system-out").text = _text(found, full)


def _say(case: Element, outcome: str, message: str, found: TargetResult, full: bool) -> Element:
    element = SubElement(case, outcome, {"message": message})
    element.text = _text(found, full)
    return element


def _text(found: TargetResult, full: bool) -> str:
    """What the table shows of a target."""
    text = StringIO()
    write_plain(target_blocks(found, full), text)
    return printable(text.getvalue())


def _that_fail(found: TargetResult) -> list[Finding]:
    return [finding for finding in of_target(found) if finding.level == "error"]


def _counts(found: Sequence[TargetResult | Skipped]) -> dict[str, str]:
    targets = [member for member in found if isinstance(member, TargetResult)]
    failures = sum(target.fails for target in targets)
    errors = sum(target.verdict is Outcome.ERROR for target in targets)
    pardoned = sum(target.verdict is Outcome.SKIPPED or pardon_of(target) is not None for target in targets)
    skipped = len(found) - len(targets) + pardoned
    return {
        "tests": str(len(found)),
        "failures": str(failures),
        "errors": str(errors),
        "skipped": str(skipped),
        "time": _time(sum(target.seconds for target in targets)),
    }


def _time(seconds: float) -> str:
    return f"{seconds:.3f}"
