"""For unit tests: a check that raises, with the report as its message."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import StringIO
from typing import Any

from gradtool import report
from gradtool.checking import GradientError, Settings, check
from gradtool.report import Page
from gradtool.results import CheckReport, Outcome, TargetResult


def assert_gradients(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    inputs: Sequence[Any],
    *,
    names: Sequence[str] | None = None,
    settings: Settings | None = None,
    strict: bool = False,
) -> TargetResult:
    """Check a hand-written backward pass as ``check`` does, and give the result.

    Raises ``GradientError``, an ``AssertionError``, where a gradient is WRONG, where forward raises, or where nothing could be
    checked; with ``strict`` also where something could not be decided. Its message is the report, its ``result`` the result.
    """
    result = check(forward, backward, inputs, names=names, settings=settings)
    bad = {Outcome.WRONG, Outcome.ERROR, Outcome.SKIPPED} | ({Outcome.UNDECIDED} if strict else set())
    if result.verdict in bad:
        raise GradientError(as_text(result), result)
    return result


def as_text(result: TargetResult) -> str:
    """The report on one target, as ``gradtool check`` prints it."""
    stream = StringIO()
    report.render("check", "table", CheckReport((result,)), stream, Page())
    return stream.getvalue().rstrip()
