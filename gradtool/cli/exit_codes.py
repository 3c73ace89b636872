"""What the process returns, and nothing about how it comes to be."""

from __future__ import annotations

from collections.abc import Collection
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradtool.results import CheckReport, EvaluationResult, GraphResult


class ExitCode(IntEnum):
    """The exit codes of every command. Help and documentation are written from this enum."""

    AGREED = 0, "everything that was asked agrees"
    WRONG = 1, "at least one gradient is WRONG, or a diagnostic of --fail-on was found"
    USAGE = 2, "usage: bad option, expression that does not parse, missing or misshapen input, unreadable file"
    FAILED = 3, "your module raised, or gradtool itself failed"
    UNDECIDED = 4, "nothing WRONG, but something could not be decided, and --strict was given"
    NOTHING = 5, "nothing to check was found"
    INTERRUPTED = 130, "interrupted"

    meaning: str

    def __new__(cls, value: int, meaning: str) -> ExitCode:
        """A member is a number and the sentence that help shows for it."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member


def of_evaluation(result: EvaluationResult, *, strict: bool, fail_on: Collection[str]) -> ExitCode:
    """The code for what ``eval`` found: the first of 1, 4, 5 and 0 that applies. (2, 3 and 130 never get as far as a
    result.) Numbers that were asked for without a check (``--reference none``) are UNDECIDED, not missing."""
    if result.verdict == "WRONG" or any(found.code in fail_on for found in result.diagnostics):
        return ExitCode.WRONG
    if all(found.gradient is None for found in result.inputs):
        return ExitCode.NOTHING
    if strict and result.verdict == "UNDECIDED":
        return ExitCode.UNDECIDED
    return ExitCode.AGREED


def of_graph(result: GraphResult, *, strict: bool, fail_on: Collection[str]) -> ExitCode:
    """The code for what ``graph`` drew: as for ``eval`` where gradients were checked. Where nothing was to be checked, a
    drawing is all that was asked for."""
    if result.evaluation.references:
        return of_evaluation(result.evaluation, strict=strict, fail_on=fail_on)
    found = any(diagnostic.code in fail_on for diagnostic in result.evaluation.diagnostics)
    return ExitCode.WRONG if found else ExitCode.AGREED


def codes_that_count(report: CheckReport) -> frozenset[str]:
    """The causes and hygiene codes of all targets that nobody accepted."""
    counting = [found for found in report.targets if found.intentional is None and found.accepted is None]
    causes = (gradient.cause for found in counting for gradient in found.gradients)
    return frozenset(cause.code for cause in causes if cause is not None) | frozenset(
        hygiene.code for found in counting for hygiene in found.hygiene
    )


def why_not_agreed(report: CheckReport, code: ExitCode, fail_on: Collection[str]) -> str | None:
    """What made ``code`` of a report that reads as if all were well; None where the report itself says it."""
    if code is ExitCode.WRONG and not any(found.fails for found in report.targets):
        return (
            f"exit code 1, as --fail-on asks for: {', '.join(sorted(codes_that_count(report).intersection(fail_on)))}"
        )
    if code is ExitCode.UNDECIDED:
        count = report.summary
        parts = [f"{n} {word}" for n, word in ((count.undecided, "undecided"), (count.skipped, "skipped")) if n]
        return f"exit code 4, as --strict asks for: {', '.join(parts)}"
    return None


def of_check(report: CheckReport, *, strict: bool, fail_on: Collection[str]) -> ExitCode:
    """The code for what ``check`` found: the first of 1, 3, 4, 5 and 0 that applies.

    What is declared intentional, or accepted by a comment or a baseline, never changes the code; it has been checked all the
    same. ``fail_on`` names causes (GC1xx) and hygiene (GC3xx).
    """
    counting = [found for found in report.targets if found.intentional is None and found.accepted is None]
    outcomes = {str(found.verdict) for found in counting}
    if any(found.fails for found in counting) or not codes_that_count(report).isdisjoint(fail_on):
        return ExitCode.WRONG
    if any(found.verdict == "ERROR" for found in report.targets):
        return ExitCode.FAILED
    if strict and (report.skipped or not outcomes.isdisjoint({"UNDECIDED", "SKIPPED"})):
        return ExitCode.UNDECIDED
    if not any(found.verdict in ("OK", "WRONG", "UNDECIDED") for found in report.targets):
        return ExitCode.NOTHING
    return ExitCode.AGREED
