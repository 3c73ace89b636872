"""Inputs with too many entries for a difference each: a wrong entry is found by halving a random direction, and what agrees is
held against several random directions, with the probability that an error was missed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradtool.references.directional import DIRECTIONS, MISS, directional, find_entry
from gradtool.references.plateau import plateau_difference
from gradtool.references.sampling import Evaluable
from gradtool.results import Verdict, Worst
from gradtool.verdict.judgement import Judgement, at_entry, largest, relative

Array = NDArray[Any]
FEWER_OCTAVES = 24
"""Steps at which a single entry is measured: from its own scale to ten millionths of it."""
UNITS = 64


def judge_along(
    function: Evaluable, name: str, at: Array, claim: Array | None, upstream: Array, *, unit: float, resolution: float
) -> Judgement:
    """Judge the gradient ``claim`` of the input ``name`` at ``at``.

    ``unit`` is the unit roundoff of the claim, ``resolution`` the share of its norm that an error must have to be worth
    seeing. One wrong entry of a million takes some hundred evaluations.
    """
    unknown, silent = np.full(at.shape, np.nan), np.full(at.shape, np.inf)
    blank = Judgement(Verdict.OK, None, unknown, silent)
    if claim is not None and claim.shape != at.shape:
        said = f"has shape {claim.shape}, but the input has shape {at.shape}"
        return replace(blank, verdict=Verdict.WRONG, reason=said, problem="shape")
    yours = np.zeros(at.shape) if claim is None else claim.astype(np.float64)
    if not np.isfinite(yours).all():
        return _one_entry(function, name, at, yours, upstream, blank, largest(~np.isfinite(yours)), unit)
    counted = _Counted(function)
    index = find_entry(counted, {name: at}, yours, upstream, name, seed=2)
    if index is not None:
        found = _one_entry(counted, name, at, yours, upstream, blank, index, unit)
        if found.verdict is Verdict.WRONG:
            corrected = yours.copy()
            corrected[index] = found.right[index]
            only = find_entry(counted, {name: at}, corrected, upstream, name, seed=3) is None
            return replace(found, evaluations=counted.evaluations, checked=at.size, only=index if only else None)
    seen = directional(counted, {name: at}, yours, upstream, name)
    size = float(np.sqrt(np.sum(yours**2)))
    agrees = bool((np.abs(seen.values - seen.predicted) <= seen.errors + seen.rounding + UNITS * unit * size).all())
    detectable = seen.detectable / size if size > 0 else seen.detectable
    blank = replace(
        blank, evaluations=counted.evaluations, checked=at.size, miss_probability=MISS, detectable=detectable
    )
    if not agrees:
        said = "random directions do not all agree, and it could not be told which entry differs"
    elif not detectable <= resolution:
        said = f"along random directions the derivative is known only to ± {float(np.max(seen.errors)):.1g}"
    else:
        said = (
            f"{DIRECTIONS} random directions agree: an error of norm {seen.detectable:.1g} "
            f"would be missed with probability {MISS:g}"
        )
        return replace(blank, reason=said)
    return replace(blank, verdict=Verdict.UNDECIDED, reason=said)


def _one_entry(
    function: Evaluable,
    name: str,
    at: Array,
    yours: Array,
    upstream: Array,
    blank: Judgement,
    index: tuple[int, ...],
    unit: float,
) -> Judgement:
    """An entry that random directions led to, measured by itself."""
    second = plateau_difference(function, name, at, index, upstream, octaves=FEWER_OCTAVES)
    mine = float(yours[index])
    if second is None or abs(mine - second[0]) <= second[1] + UNITS * unit * abs(second[0]):
        said = f"{at_entry(index)}random directions differ, and a difference of this entry alone does not confirm it"
        return replace(blank, verdict=Verdict.UNDECIDED, reason=said)
    worst = Worst(index, mine, *second)
    right, error = blank.right.copy(), blank.error.copy()
    right[index], error[index] = second
    said = f"{at_entry(index)}yours {mine:.6g}, a difference of this entry {second[0]:.6g} ± {second[1]:.1g}"
    problem = "value" if np.isfinite(mine) else "not finite"
    return replace(
        blank, verdict=Verdict.WRONG, reason=said, problem=problem, worst=worst, right=right, error=error,
        **relative(worst),
    )  # fmt: skip


class _Counted:
    """A function, and how many points it was evaluated at."""

    def __init__(self, function: Evaluable) -> None:
        self._function = function
        self.roundoff = float(getattr(function, "roundoff", 2.0**-53))
        self.evaluations = 0

    def base(self) -> Array:
        return self._function.base()

    def many(self, name: str, points: Array) -> Any:
        self.evaluations += len(points)
        return self._function.many(name, points)

    def noise(self) -> Array | None:
        return self._function.noise()
