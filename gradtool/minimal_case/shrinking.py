"""Shrinks a case in which a gradient is WRONG: shorter axes first, then simpler numbers, while it stays WRONG for one cause.

Each attempt is judged by plain differences (``differences.Prober``). What they have led to is confirmed by ``check_target``, and
taken back where that says something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradtool.checking import Settings, check_target, contained
from gradtool.minimal_case.case import Failure, MinimalCase, NotShownError
from gradtool.minimal_case.differences import MARGIN, Prober, differentiable
from gradtool.results import Cause, GradientResult, TargetResult, Verdict
from gradtool.target import Calling, Case, Target, Values
from gradtool.targets.points import branch_points, random_points, tie_points
from gradtool.verdict.caller import Caller, is_float

Array = NDArray[Any]
CHECKS = 200
"""Attempts that are looked at, of which at least half are left for the numbers."""
CONFIRMATIONS = 24
SECONDS = 10.0
"""After this no new attempt is made, and the smallest case so far is given."""
GRACE = 2.0
"""After this much longer the attempt that is under way is given up."""
LENGTHS = (1, 2, 3, 4)
SIMPLE = (0.0, 1.0, -1.0, 2.0, 0.5)
"""Numbers to put in place of others, the simplest first."""
FEW = 16
"""Entries that are made simple one by one."""
UPSTREAMS = 3


def shrink(
    target: Target,
    result: TargetResult,
    settings: Settings | None = None,
    *,
    checks: int = CHECKS,
    seconds: float = SECONDS,
) -> MinimalCase:
    """The smallest case found in which the first WRONG gradient of ``result`` is still WRONG, for the same cause.

    Raises ``NotShownError`` where no gradient is WRONG, or no entry shows it by a plain difference.
    """
    wrong = [found for found in result.gradients if found.verdict is Verdict.WRONG]
    if not wrong:
        codes = ", ".join(one.code for one in result.hygiene if one.is_wrong)
        raise NotShownError(f"no gradient is wrong, but {codes}" if codes else "no gradient is wrong")
    for found in wrong:
        with contained():
            shrinking = _Shrinking(target, result, found, settings or Settings(), checks, seconds)
            if shrinking.begin():
                return shrinking.run()
    names = ", ".join(found.name for found in wrong)
    raise NotShownError(f"a plain difference of one entry does not show what is wrong with the gradient of {names}")


@dataclass(frozen=True, slots=True, eq=False)
class _Attempt:
    """A case with what fails in it."""

    values: dict[str, Any]
    upstream: tuple[Array, ...]
    failure: Failure


class _Shrinking:
    def __init__(
        self,
        target: Target,
        result: TargetResult,
        found: GradientResult,
        settings: Settings,
        checks: int,
        seconds: float,
    ) -> None:
        self.target, self.found = target, found
        self.until = until = monotonic() + seconds
        self.settings = replace(settings, points=0)
        self.base = _case_of(target, found)
        self.calling = _calling_of(self.base, result)
        self.caller = Caller(self.calling, target.generators, settings.seed)
        self.prober = Prober(self.caller, until + GRACE)
        self.cause, self.code = found.cause, _code(found.cause)
        self.checks, self.confirmations = checks, CONFIRMATIONS
        fine = {one.name for one in result.gradients if one.verdict is not Verdict.WRONG}
        self.others = tuple(name for name in differentiable(self.base.values, self.base.wrt) if name in fine)

    # Where it begins ----------------------------------------------------------------------------------------------------

    def begin(self) -> bool:
        """Find a case that fails: where it was found, else at the points that a check looks at."""
        self._pin()
        for tie in (False, True):
            for values in self._starts():
                for seed in range(UPSTREAMS):
                    if monotonic() > self.prober.until:
                        return False
                    upstream = self.prober.upstream(values, seed)
                    failure = None if upstream is None else self._look(values, upstream, tie=tie)
                    if upstream is not None and failure is not None:
                        self.best = _Attempt(values, upstream, failure)
                        self.confirmed = self.best
                        self.prober.checks = 0
                        return True
        return False

    best: _Attempt
    confirmed: _Attempt

    def _pin(self) -> None:
        """Pin random generators where forward is random."""
        values = self.base.values
        once, again = (self.prober.upstream(values, 0) and self.caller.outputs(values) for _ in range(2))
        if once is not None and again is not None:
            same = all(np.array_equal(a, b, equal_nan=True) for a, b in zip(once, again, strict=True))
            self.caller.pinned = not same

    def _starts(self) -> Iterator[dict[str, Any]]:
        base = dict(self.base.values)
        shown = {name: value for name, value in self.found.point.inputs.items() if name in base}
        if shown and all(np.shape(value) == np.shape(base[name]) for name, value in shown.items()):
            yield base | shown
        yield base
        names, rng = differentiable(base, self.base.wrt), np.random.default_rng([self.settings.seed, 7])
        points = (random_points(base, names, 3, rng), branch_points(base, names, rng), tie_points(base, names, rng))
        for chosen in chain(*points):
            if self._late():
                return
            yield dict(chosen.values)

    def _look(self, values: Values, upstream: Sequence[Array], *, tie: bool = False) -> Failure | None:
        """What fails at the start."""
        worst = self.found.worst
        first = None if worst is None else worst.index
        return self.prober.failure(values, upstream, self.found.name, "tie" if tie else None, first, most=64)

    # Attempts -----------------------------------------------------------------------------------------------------------

    def run(self) -> MinimalCase:
        """Shrink as far as the means allow."""
        trail = [self.best]
        self._shorten(trail)
        if self._walk_back(trail):
            if self.best is not trail[-1]:
                self._shorten()
            self._simplify()
        best = self.confirmed
        case = replace(self.base, values=best.values, callings=(self.calling,))
        return MinimalCase(
            self.target, case, self.found.name, best.upstream, best.failure, self.cause, self.prober.checks,
            self.caller.pinned,
        )  # fmt: skip

    code: str | None = None
    """The cause that has to stay."""

    def _late(self) -> bool:
        return monotonic() > self.until

    def _spent(self, share: float) -> bool:
        return self.prober.checks >= share * self.checks or self.confirmations <= 0 or self._late()

    def _try(self, values: dict[str, Any], upstream: tuple[Array, ...], *, whole: bool) -> bool:
        """Take this case as the best where the same fails in it. With ``whole`` the gradients that were right have to stay so."""
        before = self.best.failure
        failure = self.prober.failure(values, upstream, self.found.name, before.problem, before.indices[0])
        if failure is None or (_tells(before) and not _tells(failure)) or (whole and self._spoils(values, upstream)):
            return False
        self.best = _Attempt(values, upstream, failure)
        return True

    def _spoils(self, values: Values, upstream: tuple[Array, ...]) -> bool:
        """Whether a gradient that was right is WRONG here: then the case is not what the code was written for."""
        return any(self.prober.failure(values, upstream, name, None, None, most=4) is not None for name in self.others)

    def _settle(self) -> bool:
        """Keep the best case if a check finds the same; else go back to the last that it did."""
        if self.best is self.confirmed:
            return True
        if self.confirmations > 0 and not self._late() and self._confirms(self.best):
            self.confirmed = self.best
            return True
        self.best = self.confirmed
        return False

    def _walk_back(self, trail: Sequence[_Attempt]) -> bool:
        """Go back on the way to the shortest case that a check finds WRONG for the same cause: the shortest are checked in no
        time. Where there is none, it begins again with what a check says at the start. False if that is not WRONG."""
        for attempt in reversed(trail):
            if self._late():
                break
            if self._confirms(attempt):
                self.best = self.confirmed = attempt
                return True
        self.best = self.confirmed = trail[0]
        begun = None if self._late() else self._checked(trail[0])
        if begun is None or begun.verdict is not Verdict.WRONG:
            return False
        self.code = _code(begun.cause)
        return True

    def _confirms(self, attempt: _Attempt) -> bool:
        self.confirmations -= 1
        found = self._checked(attempt)
        if found is None or found.verdict is not Verdict.WRONG:
            return False
        if _code(found.cause) == _code(self.found.cause):
            self.cause = found.cause  # In the words that fit this case.
        return attempt.failure.problem == "tie" or _code(found.cause) == self.code

    def _checked(self, attempt: _Attempt) -> GradientResult | None:
        """What a check of this case alone says of the gradient."""
        case = replace(self.base, values=attempt.values, callings=(self.calling,))
        found = check_target(replace(self.target, cases=(case,)), self.settings)
        return next((one for one in found.gradients if one.name == self.found.name), None)

    # Shorter axes -------------------------------------------------------------------------------------------------------

    def _shorten(self, trail: list[_Attempt] | None = None) -> None:
        """Cut axes, all of one length together, as long as anything can be cut. With a ``trail`` each step is only entered
        there, to be confirmed later."""
        cut = True
        while cut and not self._spent(0.5):
            cut = False
            for values in _cuts(self.best.values, self.found.name, self.best.failure.indices[0]):
                if self._spent(0.5):
                    break
                upstream = self.prober.upstream(values, 0)
                if upstream is None or not self._try(values, upstream, whole=True):
                    continue
                if trail is not None:
                    trail.append(self.best)
                elif not self._settle():
                    continue
                cut = True
                break

    # Simpler numbers ----------------------------------------------------------------------------------------------------

    def _simplify(self) -> None:
        """All numbers at once, to be confirmed at the end; where that fails, one input at a time."""
        names = [name for name, value in self.best.values.items() if is_float(value)]
        for name in names:
            self._one_input(name)
        self._upstream()
        if not self._settle():
            for name in names:
                self._one_input(name, careful=True)
                self._settle()
            self._upstream()
            self._settle()

    def _one_input(self, name: str, *, careful: bool = False) -> None:
        """The same simple number everywhere, else round numbers (with ``careful`` only as far as a check confirms it), and then
        simple ones entry by entry."""
        for candidate in _plainer(self.best.values[name]):
            if self._spent(1.0):
                return
            taken = self._try({**self.best.values, name: candidate}, self.best.upstream, whole=False)
            if taken and (not careful or self._settle()):
                break
        for candidate in _entry_by_entry(lambda: self.best.values[name]):
            if self._spent(1.0):
                return
            self._try({**self.best.values, name: candidate}, self.best.upstream, whole=False)

    def _upstream(self) -> None:
        """1 at one place and 0 elsewhere, else ones, else round numbers."""
        if self.calling.upstream == "one":
            return
        for candidate in _upstreams(self.best.upstream):
            if self._spent(1.0) or self._try(self.best.values, candidate, whole=False):
                return


# Where it is found -----------------------------------------------------------------------------------------------------


def _case_of(target: Target, found: GradientResult) -> Case:
    """The case in which a gradient was found WRONG."""
    return next((case for case in target.cases if case.label == found.point.label), target.cases[0])


def _calling_of(case: Case, result: TargetResult) -> Calling:
    """The calling that a result speaks of."""
    said = {note.removeprefix("called as ") for note in result.notes}
    return next((calling for calling in case.callings if calling.description in said), case.callings[0])


def _tells(failure: Failure) -> bool:
    """Whether the derivative is not 0 where backward gave no number: a test with 0 would pass for many a wrong one."""
    return failure.yours is not None or abs(failure.difference) > MARGIN * failure.tolerance


def _code(cause: Cause | None) -> str | None:
    return None if cause is None else cause.code


# Candidates ------------------------------------------------------------------------------------------------------------


def _cuts(values: Values, name: str, index: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    """Cases with shorter axes, the longest cut first and most: axes of one length are cut together, and with them those whose
    length is a multiple (a flattened image); labels stay below the new length. The entry at ``index`` of ``name`` is kept."""
    arrays = {key: value for key, value in values.items() if isinstance(value, np.ndarray)}
    lengths = sorted({n for value in arrays.values() for n in value.shape if n > 1}, reverse=True)
    places = dict(zip(np.shape(values[name]), index, strict=False))
    labelled = any(value.dtype.kind in "iu" for value in arrays.values())
    for length in lengths:
        for short in (n for n in LENGTHS if n < length):
            multiples = {n: n // length * short for n in lengths if n > length and n % length == 0}
            for sizes in ({length: short}, {length: short, **multiples})[: 2 if multiples else 1]:
                cut = {key: _cut(value, sizes, places) for key, value in arrays.items()}
                yield {**values, **cut}
                if labelled:
                    below = {k: v % short if v.dtype.kind in "iu" else v for k, v in cut.items()}
                    yield {**values, **below}


def _cut(array: Array, sizes: dict[int, int], places: dict[int, int]) -> Array:
    """A part of an array in which axes have the new sizes, around the places to be kept."""
    windows = []
    for n in array.shape:
        size = sizes.get(n, n)
        first = max(0, min(places.get(n, 0), n - size))
        windows.append(slice(first, first + size))
    return np.ascontiguousarray(array[tuple(windows)])


def _plainer(value: Any) -> Iterator[Any]:
    """The same simple number everywhere, then the value rounded."""
    numbers = np.asarray(value, dtype=np.float64)
    if np.isin(numbers, SIMPLE).all():
        return
    for simple in SIMPLE:
        yield _like(value, np.full_like(numbers, simple))
    for rounded in (np.round(numbers), np.round(2 * numbers) / 2, np.round(numbers, 1), np.round(numbers, 2)):
        if not np.array_equal(rounded, numbers):
            yield _like(value, rounded + 0.0)  # No -0.


def _entry_by_entry(current: Callable[[], Any]) -> Iterator[Any]:
    """What ``current()`` gives at that time with one entry made simple, entry after entry."""
    size = np.size(current())
    for place in range(size if size <= FEW else 0):
        for simple in SIMPLE:
            numbers = np.array(current(), dtype=np.float64)
            if numbers.flat[place] in SIMPLE:
                break
            numbers.flat[place] = simple
            yield _like(current(), numbers)


def _upstreams(upstream: tuple[Array, ...]) -> Iterator[tuple[Array, ...]]:
    size = sum(u.size for u in upstream)
    for place in range(min(size, FEW)):
        yield _filled(upstream, np.eye(1, size, place).ravel())
    yield _filled(upstream, np.ones(size))
    for digits in (0, 1):
        yield tuple((np.round(u, digits) + 0.0).astype(u.dtype) for u in upstream)


def _filled(upstream: tuple[Array, ...], numbers: Array) -> tuple[Array, ...]:
    ends = np.cumsum([u.size for u in upstream])
    parts = np.split(numbers, ends[:-1])
    return tuple(part.reshape(u.shape).astype(u.dtype) for part, u in zip(parts, upstream, strict=True))


def _like(value: Any, numbers: Array) -> Any:
    """Numbers in the form of ``value``: a Python float, or an array of its dtype."""
    return numbers.astype(value.dtype) if isinstance(value, np.ndarray) else float(numbers)
