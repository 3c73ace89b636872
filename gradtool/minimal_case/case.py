"""``MinimalCase``: inputs and an upstream gradient at which one entry of a gradient is plainly not the derivative."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from gradtool.results import Cause
from gradtool.target import Calling, Case, Target

Array = NDArray[Any]
Problem = Literal["value", "not finite", "missing", "shape", "raised", "tie"]
"""In which way a gradient is WRONG: ``tie`` is a number outside of what the two one-sided derivatives leave open."""


class NotShownError(Exception):
    """No single entry shows by a plain difference that the gradient is WRONG; the message says so."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What one entry of a gradient shows, or at a tie several that are moved together. ``step`` is that of the difference.

    A right gradient (the sum of these entries) is within ``tolerance`` of the ``difference``, or where ``is_kink`` of the
    interval between ``left`` and ``right``."""

    problem: Problem
    indices: tuple[tuple[int, ...], ...]
    step: float
    tolerance: float
    yours: float | None
    difference: float
    left: float
    right: float
    is_kink: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class MinimalCase:
    """The gradient ``name`` of a target, WRONG at ``case.values`` with ``upstream`` (one array an output), as ``failure`` shows.

    ``case`` has one calling. ``checks`` counts how many cases were looked at on the way.
    """

    target: Target
    case: Case
    name: str
    upstream: tuple[Array, ...]
    failure: Failure
    cause: Cause | None
    checks: int
    pinned: bool = False
    """Forward is random: generators begin anew for each call."""

    @property
    def calling(self) -> Calling:
        """How it is called."""
        return self.case.callings[0]
