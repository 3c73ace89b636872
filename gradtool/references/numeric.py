"""The numeric reference: central differences that know how wrong they can be.

A derivative along a line through the base point is read off a ladder of steps. Each step gives a central difference,
whose rounding error is bounded; a Richardson tableau extrapolates to step 0, and its own disagreement bounds the rest.
Nothing is believed at a large step that a smaller step contradicts, and where the smallest steps have not settled (the
function varies on a smaller scale, a kink or the end of the domain is near) the ladder goes on down until they have, or
until rounding drowns them. The last resort is an honest large error, never a wrong value with a small one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradtool.references.sampling import (
    EPSILON,
    Array,
    Entries,
    Evaluable,
    Field,
    FunctionEvaluable,
    Integers,
    Mask,
    Measure,
    Rungs,
    Samples,
)
from gradtool.references.tableau import Limits, Series, bent_at, central, doubt, extrapolate, last_valid, one_sided

__all__ = ["Evaluable", "FunctionEvaluable", "Numeric", "Samples", "Slopes", "numeric_gradient", "slopes"]

MAX_EVALUATIONS = 400_000
MANTISSA = 1.34375
"""Steps are this times a power of two: few bits, so that points are exact and polynomials lose nothing, but no power
of two, so that a period of 1 or 1/2 does not hide."""
ODD = 1.2720195651054382
"""The mantissa of the last step of a ladder and of widely spread ones: it shares no period with the others."""
POOR = 1e-6
"""A bound above this share of the gradient's scale is worth more evaluations."""
POOR_NOISE = 1e-4
"""The same where rounding makes the bound: smaller steps cannot help."""


@dataclass(frozen=True, slots=True, eq=False)
class Numeric:
    """The gradient of one input. Arrays have the input's shape, and ``|value - truth| <= error`` entry by entry.

    ``left`` and ``right`` are the one-sided slopes at step 0, where they were asked for or a kink was found, else NaN.
    ``kink`` marks entries where these differ by more than their errors: ``value`` is then their mean and ``error`` at
    least half their difference. ``evaluations`` counts the points evaluated for this input, the base point not among
    them.
    """

    value: Array
    error: Array
    left: Array
    right: Array
    kink: Mask
    evaluations: int
    status: Literal["ok", "skipped", "failed"] = "ok"
    reason: str | None = None
    noise: float = 0.0
    """The function's noise beside the base point, known or measured, as a share of the size of its output."""
    one_sided: Mask | None = None
    """Entries whose value comes from one side alone, as the other leaves the domain or the smooth piece; None means none."""


def numeric_gradient(
    function: Evaluable,
    inputs: Mapping[str, Any],
    upstream: Any = 1.0,
    wrt: Sequence[str] | None = None,
    *,
    step: float | None = None,
    max_evaluations: int = MAX_EVALUATIONS,
    tied: Mapping[str, Mask] | None = None,
) -> dict[str, Numeric]:
    """The gradient of ``sum(upstream * output)`` with respect to each input in ``wrt`` (all, if None), with its error.

    ``upstream`` broadcasts to the output's shape. ``tied`` marks entries known to sit at a tie: their one-sided slopes
    are given. ``step`` asks for the plain textbook central difference with that step. An input that would need more
    than ``max_evaluations`` (over all inputs together) is skipped. Raises ``ValueError`` for a step that is not
    positive.
    """
    if step is not None and not (step > 0 and np.isfinite(step)):
        raise ValueError(f"the step must be a positive number, not {step}")
    names = list(inputs if wrt is None else wrt)
    points = {name: np.asarray(inputs[name], dtype=np.float64) for name in names}
    with np.errstate(all="ignore"):
        measure = Measure.of(function, upstream)
        if measure.failure is not None:
            return {name: _nothing(points[name].shape, "failed", measure.failure) for name in names}
        entries = sum(x.size for x in points.values())
        fields, result = [], {}
        planned = 0
        for name in names:
            line = Entries(points[name])
            cost = 6 * line.count if step is not None else _first_cost(line.reach, entries)
            if planned + cost > max_evaluations:
                reason = f"needs {cost:,} evaluations, and {max_evaluations:,} are allowed for all inputs together"
                result[name] = _nothing(points[name].shape, "skipped", reason)
                continue
            planned += cost
            mask = None if tied is None or name not in tied else np.asarray(tied[name], dtype=bool).ravel()
            fields.append(Field(function, name, line, measure, mask))
        found = plain_slopes(fields, step) if step is not None else slopes(fields, max_evaluations)
    for place, lot in zip(fields, found, strict=True):
        result[place.name] = lot.shaped(points[place.name].shape, place.evaluations, place.relative)
    return {name: result[name] for name in names}


def _nothing(shape: tuple[int, ...], status: Literal["skipped", "failed"], reason: str) -> Numeric:
    nan = np.full(shape, np.nan)
    return Numeric(nan, np.full(shape, np.inf), nan, nan, np.zeros(shape, dtype=bool), 0, status, reason)


@dataclass(slots=True, eq=False)
class Slopes:
    """Results, one a line: arrays of shape (lines,). ``noise`` is the part of ``error`` that is rounding."""

    value: Array
    error: Array
    noise: Array
    left: Array
    right: Array
    settled: Mask
    kink: Mask
    one_sided: Mask
    jump: Mask

    @staticmethod
    def blank(count: int) -> Slopes:
        """Nothing known yet."""
        value, noise, left, right = np.full((4, count), np.nan)
        settled, kink, one_sided, jump = np.zeros((4, count), dtype=bool)
        return Slopes(value, np.full(count, np.inf), noise, left, right, settled, kink, one_sided, jump)

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """The nine arrays."""
        return (
            self.value, self.error, self.noise, self.left, self.right,
            self.settled, self.kink, self.one_sided, self.jump,
        )  # fmt: skip

    def put(self, lines: Integers, other: Slopes) -> None:
        """Enter the results for some lines."""
        for mine, theirs in zip(self.arrays(), other.arrays(), strict=True):
            mine[lines] = theirs

    def widen(self, other: Slopes) -> None:
        """Make each error large enough for what ``other`` says, too."""
        apart = np.abs(self.value - other.value)
        beyond = ~(apart <= self.error + other.error) & ~np.isinf(self.error)
        self.error[beyond] = np.nan_to_num((apart + other.error)[beyond], nan=np.inf, posinf=np.inf)
        self.settled &= ~beyond

    def shaped(self, shape: tuple[int, ...], evaluations: int, noise: float) -> Numeric:
        """The result for one input."""
        value, error, left, right = (a.reshape(shape) for a in (self.value, self.error, self.left, self.right))
        kink = self.kink.reshape(shape)
        one_sided = self.one_sided.reshape(shape)
        return Numeric(value, error, left, right, kink, evaluations, "ok", self.reason(), noise, one_sided)

    def reason(self) -> str | None:
        """What is out of the ordinary, or None."""
        count = len(self.value)
        texts = (
            (self.jump, "a jump or an infinite slope"),
            (self.kink & ~self.jump, "a kink: the one-sided slopes differ"),
            (self.one_sided, "one-sided: the other side leaves the domain or the smooth piece"),
            (~(self.settled | self.kink | self.jump), "the differences do not settle as the step shrinks"),
        )
        found = []
        for mask, text in texts:
            hits = int(np.count_nonzero(mask))
            if hits:
                found.append(text if count == 1 else f"{text} ({hits} of {count} entries)")
        return "; ".join(found) or None


# ---- the search ---------------------------------------------------------------------------------------------------


def _first_cost(reach: Array, entries: int) -> int:
    steps = _first_steps(reach, entries)
    return 2 * int(np.count_nonzero(~np.isnan(steps)))


def _first_steps(reach: Array, entries: int) -> Array:
    """The steps to begin with: a ladder on the scale 1, and one on the scale of x where that differs much."""
    rungs = 8 if entries <= 256 else 5
    top = 2.0**-2 if entries <= 256 else 2.0**-3
    ladder = top * 2.0 ** -np.arange(rungs) * MANTISSA
    ladder[-1] *= ODD / MANTISSA
    own = np.exp2(np.floor(np.log2(np.where(reach > 0, reach, 1.0))))
    usual = (own >= 2.0**-6) & (own <= 64)
    first = np.where(usual, np.minimum(own, 1.0), 1.0)
    # A step of 1 does not move 1e300.
    first = np.where(ladder[-1] < 2.0**-46 * own, np.nan, first)
    second = np.where(usual, np.nan, own)
    steps = [first[:, None] * ladder]
    if not np.isnan(second).all():
        steps.append(second[:, None] * ladder)
    return np.concatenate(steps, axis=1)


def slopes(fields: Sequence[Field], max_evaluations: int = MAX_EVALUATIONS) -> list[Slopes]:
    """The derivative along every line of every field, with its error."""
    for place in fields:
        place.prepare()
    found = _Search(fields, max_evaluations).run()
    for i, place in enumerate(fields):
        if place.coarse[0] > 8 * place.fine[0]:
            # Noise on two scales, or waves so short that they look like noise: only an error that covers both is
            # honest.
            place.noise, place.relative = place.fine
            found[i].widen(_Search([place], max_evaluations).run()[0])
    return found


def _new_steps(steps: Array, table: Rungs) -> Array:
    """The steps that the table does not have yet. Two that lie close together agree, and prove nothing by it."""
    covered = ~np.isfinite(steps)
    for k in range(table.up_step.shape[1]):
        here = table.up_step[:, k : k + 1]
        covered |= (steps > here / 1.45) & (steps < here * 1.45)
    return np.where(covered, np.nan, steps)


class _Entered(NamedTuple):
    """What a table said: for the choice of the lines that deserve more evaluations."""

    lines: Integers
    now: Slopes
    wants: Mask
    done: Mask
    seen: Array
    """The largest change of the function that was seen."""


class _Search:
    """All lines of all inputs together: the tableau's cost is that of a few NumPy calls, however many lines there
    are."""

    def __init__(self, fields: Sequence[Field], max_evaluations: int) -> None:
        self.fields = fields
        self.limit = max_evaluations
        self.offsets = np.concatenate(([0], np.cumsum([f.lines.count for f in fields]))).astype(np.intp)
        self.count = int(self.offsets[-1])
        self.owner = np.repeat(np.arange(len(fields)), [f.lines.count for f in fields])
        self.reach = np.concatenate([f.lines.reach for f in fields]) if fields else np.empty(0)
        self.floor = np.concatenate([f.lines.floor for f in fields]) if fields else np.empty(0)
        ties = [np.zeros(f.lines.count, dtype=bool) if f.tied is None else f.tied for f in fields]
        self.tied = np.concatenate(ties) if fields else np.empty(0, dtype=bool)
        self.result = Slopes.blank(self.count)
        self.noisy = np.zeros(self.count, dtype=bool)
        self.bent = np.zeros(self.count, dtype=bool)

    def run(self) -> list[Slopes]:
        """One ladder for all lines; where that does not settle the matter a scan over all scales, then ladders where
        the scan looked best."""
        if self.count:
            bounds = [np.full(f.lines.count, EPSILON * f.measure.magnitude + f.noise) for f in self.fields]
            self.base_bound = np.concatenate(bounds)
            lots = self.first_tables()
            self.allow_for_low_precision(lots)
            entered = [self.enter(lines, table, last=False) for lines, table in lots]
            usual = Rungs.holes(self.count)
            opened = []
            for (lines, table), found in zip(lots, entered, strict=True):
                usual.put(lines, _typical(table, searched=False))
                still = self.open(found)
                opened.append((lines[still], table.take(still)))
            open_ = np.concatenate([lines for lines, _ in opened])
            kept = self.affordable(open_, 80)
            if len(kept):
                chosen = np.isin(open_, kept)
                table, open_ = Rungs.stacked([table for _, table in opened]).take(chosen), open_[chosen]
                table = table.with_more(self.sample(open_, self.scan(open_, table)))
                for _ in range(3):
                    table = table.with_more(self.sample(open_, self.ladder(table)))
                    usual.put(open_, _typical(table, searched=True))
                    still = self.open(self.enter(open_, table, last=True))
                    open_, table = open_[still], table.take(still)
                    kept = self.affordable(open_, 24)
                    if len(kept) < len(open_):
                        chosen = np.isin(open_, kept)
                        open_, table = open_[chosen], table.take(chosen)
                    if not len(open_):
                        break
            for i, place in enumerate(self.fields):
                rows = slice(self.offsets[i], self.offsets[i + 1])
                self.result.error[rows] += place.unseen(np.arange(place.lines.count), usual.take(rows))
        pieces = zip(self.offsets[:-1], self.offsets[1:], strict=True)
        return [Slopes(*(a[i:j] for a in self.result.arrays())) for i, j in pieces]

    def first_tables(self) -> list[tuple[Integers, Rungs]]:
        """The first samples of all lines. The few with steps on two scales are a table of their own: the others need not
        be given the room."""
        every, steps = np.arange(self.count), _first_steps(self.reach, self.count)
        two = ~np.isnan(steps[:, -1])
        if two.all() or not two.any():
            return [(every, self.sample(every, steps))]
        parts = ((every[~two], steps[~two, : steps.shape[1] // 2]), (every[two], steps[two]))
        return [(lines, self.sample(lines, asked)) for lines, asked in parts]

    def allow_for_low_precision(self, tables: Sequence[tuple[Integers, Rungs]]) -> None:
        """Widen the bounds where what was sampled looks like numbers of low precision."""
        for i, place in enumerate(self.fields):
            if not place.flat:
                continue
            mine = [(table, self.owner[lines] == i) for lines, table in tables]
            share = place.low_precision(np.concatenate([c[rows].ravel() for t, rows in mine for c in (t.up, t.down)]))
            self.base_bound[self.owner == i] += share * place.measure.magnitude
            for table, rows in mine:
                table.up_bound[rows] += share * place.measure.magnitude
                table.down_bound[rows] += share * place.measure.magnitude

    def affordable(self, lines: Integers, cost: int) -> Integers:
        """As many of the lines, the worst first, as the budget has evaluations for."""
        spent = sum(f.evaluations for f in self.fields)
        room = max(0, (self.limit - spent) // cost)
        if len(lines) <= room:
            return lines
        worst = np.argsort(-self.result.error[lines], kind="stable")[:room]
        return np.sort(lines[worst])

    def sample(self, lines: Integers, steps: Array) -> Rungs:
        """A table of samples at ``steps``, shape (lines, rungs), where NaN asks for none."""
        columns = [np.full(steps.shape, np.nan, order="F") for _ in range(6)]
        whole = not np.isnan(steps).any()
        for i, place in enumerate(self.fields):
            mine = self.owner[lines] == i
            if whole and mine.all():
                # A rung after the other, as they lie in memory.
                found = place.sample(np.tile(lines, steps.shape[1]) - self.offsets[i], steps.ravel(order="F"))
                columns = [column.reshape(steps.shape, order="F") for column in found.columns()]
                break
            rows, rungs = np.nonzero(~np.isnan(steps) & mine[:, None])
            if not len(rows):
                continue
            found = place.sample(lines[rows] - self.offsets[i], steps[rows, rungs])
            for column, values in zip(columns, found.columns(), strict=True):
                column[rows, rungs] = values
        return Rungs(*columns).in_order()

    def scan(self, lines: Integers, table: Rungs) -> Array:
        """Widely spread steps over all scales: from the largest that makes sense down to where rounding hides the
        slope or the point no longer moves."""
        reach, floor = self.reach[lines], self.floor[lines]
        sides = np.fmax(np.abs(table.up / table.up_step), np.abs(table.down / table.down_step))
        sides[~np.isfinite(sides)] = np.nan
        steepest = np.fmax.reduce(sides, axis=1, initial=0.0)
        top = np.maximum(1.0, reach)
        drowned = 2.0**-24 * self.base_bound[lines] / np.where(steepest > 0, steepest, 1.0)
        flat = np.where(steepest > 0, 0.0, 2.0**-60 * top)
        bottom = np.minimum(np.maximum(np.maximum(floor, drowned), flat), top * 2.0**-12)
        octaves = np.log2(top) - np.log2(bottom)
        rows = np.arange(40.0)
        # Fine near the top, where most scales are met, and coarser on the long way down to 1e-300.
        stride = np.maximum(4.0, octaves / 40)
        fine = stride[:, None] * rows
        steps = np.exp2(np.log2(top)[:, None] - fine) * ODD
        steps[fine > octaves[:, None]] = np.nan
        noisy = self.noisy[lines]
        larger = np.where(noisy[:, None], top[:, None] * 16.0 ** np.arange(0, 11), np.nan) * ODD
        steps = np.concatenate((larger, steps), axis=1)
        return _new_steps(steps, table)

    def ladder(self, table: Rungs) -> Array:
        """A ladder where the slopes seen so far agree best with their neighbours and with all smaller steps."""
        nothing = np.zeros(len(table.up))
        best = np.full(len(table.up), np.nan)
        rows = np.arange(len(best))
        for series in (central(table)[0], one_sided(table, True, nothing), one_sided(table, False, nothing)):
            doubts = doubt(series)
            if not doubts.shape[1]:  # Not one step could be made: the point is infinite.
                continue
            k = np.argmin(doubts, axis=1)
            found = np.isfinite(doubts[rows, k]) & np.isnan(best)
            best[found] = series.step[rows, k][found]
        middle = np.exp2(np.floor(np.log2(best)))
        rungs = MANTISSA * 2.0 ** np.arange(7, -3, -1)
        return _new_steps(middle[:, None] * rungs, table)

    def enter(self, lines: Integers, table: Rungs, last: bool) -> _Entered:
        """Enter what the table says into the result."""
        base_bound = self.base_bound[lines]
        series, bend, bend_noise = central(table)
        ordinary = 2 * np.maximum(1.0, self.reach[lines]) if last else None
        natural = np.array([f.measure.magnitude for f in self.fields])[self.owner[lines]]
        natural /= np.maximum(1.0, self.reach[lines])
        limits = extrapolate(series, natural, ordinary)
        if not last:
            self.bent[lines] = bent_at(series.step, bend, bend_noise, base_bound)
        bent = self.bent[lines]
        now = Slopes.blank(len(lines))
        now.value, now.error, now.noise, now.settled = limits.value, limits.error, limits.noise, limits.settled
        tied = self.tied[lines]
        lost = (np.isnan(table.up) != np.isnan(table.down)).any(axis=1)
        sides = tied | bent | limits.grows | ~np.isfinite(now.error) | (lost & (now.error > 1e-9 * np.abs(now.value)))
        if last:
            sides |= ~now.settled
        rows = np.nonzero(sides)[0]
        if len(rows):
            part, large = table.take(rows), None if ordinary is None else ordinary[rows]
            right, left = (
                extrapolate(one_sided(part, side, base_bound[rows]), natural[rows], large) for side in (True, False)
            )
            two_sided = np.asarray(np.isfinite(series.slope[rows]).any(axis=1))
            if last:
                _run_away(now, rows, right, left, limits.grows[rows] & two_sided, two_sided)
            _part(now, rows, right, left, (tied | bent)[rows], last)
            _one_side_only(now, rows, right, left, lost[rows])
        seen = np.fmax.reduce(np.fmax(np.abs(table.up), np.abs(table.down)), axis=1, initial=0.0)
        size = np.array([f.measure.magnitude for f in self.fields])[self.owner[lines]] + seen
        hopeless = (seen > 0) & (base_bound > 0.01 * size)
        now.error[hopeless], now.settled[hopeless] = np.inf, False
        # Where a black box gives 0 all over, something of the size of 1 may have been rounded away inside.
        hush = np.array([EPSILON * f.measure.weight * (f.measure.noise is None) for f in self.fields])
        least = hush[self.owner[lines]] / np.maximum(1.0, self.reach[lines])
        now.error = np.where(seen == 0, np.maximum(now.error, least), now.error)
        if last:
            _unsettled(now, series, limits.drifts)
        self.result.put(lines, now)
        wants = ~now.settled if last else ~now.settled | (bent & ~(tied & now.kink))
        return _Entered(lines, now, wants, now.kink & now.settled & (tied | last), seen)

    def open(self, entered: _Entered) -> Mask:
        """Which lines deserve more evaluations: those that want them, and those whose bound is poor for the gradient's
        scale (the largest entry of this input, else of all, else what the function changes by over a step of its
        own)."""
        lines, now, wants, done, seen = entered
        everything, bounds = self.result.value, self.result.error
        known = np.isfinite(everything) & (bounds < 0.5 * np.abs(everything))
        sizes = np.where(known, np.abs(everything), 0.0)
        owners = np.zeros(len(self.fields))
        np.maximum.at(owners, self.owner, sizes)
        scale = owners[self.owner[lines]]
        scale = np.where(scale > 0, scale, owners.max(initial=0.0))
        natural = np.array([f.measure.magnitude for f in self.fields])[self.owner[lines]]
        natural = np.fmax(natural, seen) / np.maximum(1.0, self.reach[lines])
        scale = np.where(scale > 0, scale, natural)
        value, error, noise = now.value, now.error, now.noise
        noisy = noise > 0.3 * error
        poor = (error > np.where(noisy, POOR_NOISE, POOR) * scale) & (error > 1e-290)
        own = (error - noise > 1e-2 * np.abs(value) + 2 * noise) & (error > 1e-9 * scale)
        self.noisy[lines] = noisy & poor
        return (poor | own | wants) & ~done


def _typical(table: Rungs, searched: bool) -> Rungs:
    """One pair of samples of each line: the third; where a side of that is missing, or other scales had to be ``searched``, the
    one that leaves the slope least in doubt, be it on one side."""
    lines, rungs = table.up.shape
    if not rungs:
        return Rungs.holes(lines)
    column = np.full(lines, min(2, rungs - 1))
    rows = np.arange(lines)
    third = table.up[rows, column] - table.down[rows, column]
    missing = rows if searched else rows[~np.isfinite(third)]
    if len(missing):
        part, nothing = table.take(missing), np.zeros(len(missing))
        series = (central(part)[0], one_sided(part, True, nothing), one_sided(part, False, nothing))
        column[missing] = np.argmin(np.minimum.reduce([doubt(one) for one in series]), axis=1)
    return Rungs(*(values[rows, column] for values in table.columns()))


def _run_away(now: Slopes, rows: Integers, right: Limits, left: Limits, central_grows: Mask, two_sided: Mask) -> None:
    """Enter the lines where a slope grows without limit as the step shrinks."""
    neither = central_grows & ~right.grows & ~left.grows
    hit = right.grows | left.grows | central_grows
    up = np.where(right.grows | neither, np.copysign(np.inf, right.value), right.value)
    down = np.where(left.grows | neither, np.copysign(np.inf, left.value), left.value)
    value = np.where(two_sided, (up + down) / 2, np.where(right.grows, up, down))
    parted = (up != down) & np.isfinite(right.error) & np.isfinite(left.error)
    at = rows[hit]
    now.value[at], now.error[at] = value[hit], np.inf
    now.left[at], now.right[at] = down[hit], up[hit]
    now.jump[at], now.kink[at] = True, parted[hit]


def _part(now: Slopes, rows: Integers, right: Limits, left: Limits, asked: Mask, last: bool) -> None:
    """Enter the one-sided slopes where asked for, and a kink where they differ by more than their errors."""
    usable = asked & np.isfinite(right.error) & np.isfinite(left.error) & ~now.jump[rows]
    if last:
        usable &= ~(right.drifts | left.drifts)
        now.error[rows[asked & (right.drifts | left.drifts)]] = np.inf
    at = rows[usable]
    now.left[at], now.right[at] = left.value[usable], right.value[usable]
    both = right.error + left.error
    apart = np.abs(right.value - left.value)
    kink = usable & (apart > both)
    at = rows[kink]
    now.kink[at] = True
    now.value[at] = (left.value[kink] + right.value[kink]) / 2
    now.error[at] = (apart[kink] + both[kink]) / 2
    now.noise[at] = (right.noise[kink] + left.noise[kink]) / 2
    now.settled[at] = (right.settled & left.settled)[kink]


def _one_side_only(now: Slopes, rows: Integers, right: Limits, left: Limits, lost: Mask) -> None:
    """Enter a one-sided slope where the other side has points outside the domain or the piece, and the central
    difference does no better."""
    for side in (right, left):
        better = lost & side.settled & (side.error < now.error[rows]) & ~now.jump[rows] & ~now.kink[rows]
        at = rows[better]
        now.value[at], now.error[at], now.noise[at] = side.value[better], side.error[better], side.noise[better]
        now.settled[at] = now.one_sided[at] = True


def _unsettled(now: Slopes, series: Series, drifts: Mask) -> None:
    """Where even the smallest steps disagree there is noise that was not known, or no derivative."""
    rows = np.nonzero(~(now.settled | now.kink | now.jump | now.one_sided) & np.isfinite(now.error))[0]
    if not len(rows):
        return
    h, d, r = series.step[rows], series.slope[rows], series.bound[rows]
    tail, widths = last_valid(np.isfinite(d), min(6, d.shape[1]), d, h)
    moves = np.abs(np.diff(tail, axis=1))
    seen = 4 * np.fmax.reduce(moves * widths[:, 1:], axis=1, initial=0.0)
    again = extrapolate(Series(h, d, r + 2 * seen[:, None] / h, 2))
    now.value[rows], now.error[rows] = again.value, again.error
    now.error[rows[drifts[rows]]] = np.inf


# ---- the plain difference -----------------------------------------------------------------------------------------


def plain_slopes(fields: Sequence[Field], step: float) -> list[Slopes]:
    """The textbook central difference with one step, its error judged from half and twice that step."""
    return [_plain(place, step) for place in fields]


def _plain(place: Field, step: float) -> Slopes:
    place.prepare()
    place.all_pieces = True
    count = place.lines.count
    out = Slopes.blank(count)
    if not count:
        return out
    steps = np.repeat([2 * step, step, step / 2], count)
    found = place.sample(np.tile(np.arange(count), 3), steps)
    table = Rungs(*(column.reshape(3, count).T for column in found.columns()))
    series, bend, bend_noise = central(table)
    base_bound = EPSILON * place.measure.magnitude + place.noise
    d, r = series.slope, series.bound
    bend_noise = bend_noise + 2 * base_bound / series.step
    apart = np.fmax(np.abs(d[:, 1] - d[:, 2]) * 4 / 3, np.abs(d[:, 0] - d[:, 1]) / 3)
    rest = np.abs(bend[:, 1] - 2 * bend[:, 2])
    wider = np.abs(bend[:, 0] - 2 * bend[:, 1])
    out.value[:] = d[:, 1]
    error = 2 * apart + np.fmax(rest, wider / 8) + r[:, 1]
    out.error[:] = np.where(np.isfinite(error), error, np.inf)
    limit = bend_noise[:, 1] + 2 * bend_noise[:, 2]
    flat = 2 * bend[:, 2] - bend[:, 1]
    out.kink[:] = (np.abs(flat) > limit) & (np.abs(flat) > 0.35 * wider) & (np.abs(flat) > 0.25 * np.abs(bend[:, 1]))
    right = 2 * table.up[:, 2] / table.up_step[:, 2] - table.up[:, 1] / table.up_step[:, 1]
    left = table.down[:, 1] / table.down_step[:, 1] - 2 * table.down[:, 2] / table.down_step[:, 2]
    asked = out.kink | (np.zeros(count, dtype=bool) if place.tied is None else place.tied)
    out.right[asked], out.left[asked] = right[asked], left[asked]
    out.settled[:] = np.isfinite(out.error)
    return out
