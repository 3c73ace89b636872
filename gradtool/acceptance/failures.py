"""What is WRONG with a target, one by one."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from gradtool.results import TargetResult, Verdict

UNKNOWN_CAUSE = "GC199"


class Failure(NamedTuple):
    """A gradient that is WRONG and its cause, or, with no gradient, what the target does beside it (GC3xx)."""

    id: str
    gradient: str | None
    code: str


def failures_of(result: TargetResult, also: Collection[str] = ()) -> tuple[Failure, ...]:
    """The failures of a target, gradients first; with the warnings that have one of the codes in ``also``."""
    gradients = tuple(
        Failure(result.id, found.name, UNKNOWN_CAUSE if found.cause is None else found.cause.code)
        for found in result.gradients
        if found.verdict is Verdict.WRONG
    )
    beside = (found.code for found in result.hygiene if found.is_wrong or found.code in also)
    return gradients + tuple(Failure(result.id, None, code) for code in beside)
