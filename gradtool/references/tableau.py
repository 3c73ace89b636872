"""The Richardson tableau: from slopes over shrinking steps to the slope at step 0, with an error that can be believed.

Sources: Ridders, "Accurate computation of F'(x) and F'(x) F''(x)" (Adv. Eng. Software 4, 1982) for choosing from the
tableau by its own disagreement; Neville for the recurrence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradtool.references.sampling import EPSILON, TINY, Array, Mask, Rungs

DEPTH = 6
IN_CACHE = 2000
"""Lines whose tableaux are worked on at a time."""
SAFETY = 6.0
"""Covers the whole error of a series that converges as slowly as the fourth root of the step."""
UNSEEN = 5e-7
"""What is believed of a slope, as a share of it, where steps 40 times smaller can neither confirm nor deny it."""


@dataclass(slots=True, eq=False)
class Series:
    """Slopes over shrinking steps: central or one-sided, with a bound on the rounding of each, shape (lines, rungs)."""

    step: Array
    slope: Array
    bound: Array
    power: int
    """The error of a slope goes with even powers of the step (2) or with all of them (1)."""


@dataclass(slots=True, eq=False)
class Limits:
    """What a series says of the slope at step 0: shape (lines,). ``noise`` is the part of ``error`` that is rounding;
    ``settled`` whether the smallest steps agree, or come ever closer together."""

    value: Array
    error: Array
    noise: Array
    settled: Mask
    grows: Mask
    drifts: Mask


def central(table: Rungs) -> tuple[Series, Array, Array]:
    """Central differences; with them the difference J of the one-sided slopes and a bound on its rounding but for the
    base value's."""
    width = table.up_step + table.down_step
    slope = (table.up - table.down) / width
    bend = table.up / table.up_step + table.down / table.down_step
    noise = table.up_bound / table.up_step + table.down_bound / table.down_step
    # Points that are not quite symmetric measure the slope beside the base point: the second derivative is bend / step.
    skew = np.abs(table.up_step - table.down_step) / width + EPSILON
    bound = (table.up_bound + table.down_bound) / width + np.abs(bend) * skew + 2 * EPSILON * np.abs(slope) + TINY
    return Series(width / 2, _finite(slope), bound, 2), bend, noise


def one_sided(table: Rungs, right: bool, base_bound: Array) -> Series:
    step, change, bound = (
        (table.up_step, table.up, table.up_bound) if right else (table.down_step, -table.down, table.down_bound)
    )
    slope = change / step
    return Series(step, _finite(slope), (bound + base_bound[:, None]) / step + 2 * EPSILON * np.abs(slope) + TINY, 1)


def _finite(values: Array) -> Array:
    return np.where(np.isfinite(values), values, np.nan)


def after(values: Array, combine: np.ufunc) -> Array:
    """``combine`` over all columns to the right of each; NaN does not count."""
    running = combine.accumulate(values[:, ::-1], axis=1)[:, ::-1]
    result = np.full_like(values, np.nan)
    result[:, :-1] = running[:, 1:]
    return result


def change_of(values: Array) -> Array:
    """How far each column is from the one before; NaN in the first."""
    result = np.full_like(values, np.nan)
    result[:, 1:] = np.abs(values[:, 1:] - values[:, :-1])
    return result


def extrapolate(
    series: Series, natural: Array | None = None, ordinary: Array | None = None, depth: int = DEPTH
) -> Limits:
    """The best entry of each line's Richardson tableau.

    Entry (k, j) is extrapolated from the j + 1 steps that end with step k. Its error is the largest of its differences
    from its two parents and from entry (k-1, j) (so one lucky agreement is not enough), scaled up where the column
    converges slowly, plus the rounding carried through, plus what smaller steps contradict. What steps larger than
    ``ordinary`` say counts only where it stands out of the noise: a function that oscillates within bounds has no
    slope over a large step, and that is not its derivative. ``natural`` is the slope that the function's size would
    suggest: what a slope of 0 over large steps may hide is a share of that.
    """
    lines = len(series.step)
    with np.errstate(all="ignore"):
        if lines <= IN_CACHE:
            return _extrapolate(series, natural, ordinary, depth)
        parts = []
        for start in range(0, lines, IN_CACHE):
            some = slice(start, start + IN_CACHE)
            part = Series(series.step[some], series.slope[some], series.bound[some], series.power)
            size, usual = (None if a is None else a[some] for a in (natural, ordinary))
            parts.append(_extrapolate(part, size, usual, depth))
        names = ("value", "error", "noise", "settled", "grows", "drifts")
        return Limits(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _extrapolate(series: Series, natural: Array | None, ordinary: Array | None, depth: int) -> Limits:
    h, d, r = series.step, series.slope, series.bound
    count, rungs = d.shape
    value, noise = np.full(count, np.nan), np.full(count, np.nan)
    error = np.full(count, np.inf)
    if rungs < 2:
        none = np.zeros(count, dtype=bool)
        return Limits(value, error, noise, none, none, none)
    change = change_of(d)
    following = np.full_like(change, np.nan)
    following[:, :-1] = change[:, 1:]
    slack = r + np.where(np.isnan(change), 4 * following, change)
    low, high = after(d - slack, np.fmax), after(d + slack, np.fmin)
    far = h[:, :-1] > 40 * h[:, 1:]
    if (h[:, -1:] >= h[:, :1] / 40).all():
        hidden = np.zeros_like(h)
    else:
        blur = 4 * (r + np.fmax(change, following))
        smaller = (np.where(h < h[:, k : k + 1] / 40, blur, np.nan) for k in range(rungs))
        hidden = np.nan_to_num(np.stack([np.fmin.reduce(blurs, axis=1) for blurs in smaller], axis=1), nan=0.0)
    t, e = d, r
    every = np.arange(count)
    for j in range(min(depth, rungs - 1) + 1):
        if j:
            ratio = (h[:, :-j] / h[:, j:]) ** series.power - 1
            newer, older = t[:, 1:], t[:, :-1]
            t = newer + (newer - older) / ratio
            if j == 1:
                t = np.where(far, np.nan, t)
            e = e[:, 1:] + (e[:, 1:] + e[:, :-1]) / ratio
            step = change_of(t)
            apart = np.maximum(np.maximum(np.abs(t - newer), np.abs(t - older)), _slowed(step, e))
        else:
            apart = np.fmax(_slowed(change, r), following)
            apart[np.isnan(change)] = np.nan
        contradiction = np.fmax(np.fmax(low[:, j:] - t, t - high[:, j:]), 0.0)
        bound = SAFETY * apart + e + 2 * contradiction
        believed = np.abs(t)
        if natural is not None:
            believed = np.where(believed < 10 * bound, np.fmax(believed, natural[:, None]), believed)
        bound += np.minimum(hidden[:, j:], UNSEEN * believed)
        if ordinary is not None:
            bound[(h[:, j:] > ordinary[:, None]) & (np.abs(t) < 10 * bound)] = np.inf
        bound[np.isnan(bound)] = np.inf
        k = np.argmin(bound, axis=1)
        better = bound[every, k] < error
        value[better], error[better], noise[better] = (a[every, k][better] for a in (t, bound, e))
    return Limits(value, error, noise, *_tail(series))


def doubt(series: Series) -> Array:
    """How far each single slope may be wrong, by its neighbours, by rounding and by what smaller steps contradict;
    infinite where there is none."""
    d, r = series.slope, series.bound
    change = change_of(d)
    following = np.full_like(change, np.nan)
    following[:, :-1] = change[:, 1:]
    slack = 3 * r + np.where(np.isnan(change), 4 * following, change)
    low, high = after(d - slack, np.fmax), after(d + slack, np.fmin)
    found = np.fmax(change, following) + r + 2 * np.fmax(np.fmax(low - d, d - high), 0.0)
    return np.where(np.isnan(found), np.inf, found)


def _slowed(change: Array, noise: Array) -> Array:
    """Differences along a column, scaled up to the sum of those still to come where they shrink slowly."""
    before = np.full_like(change, np.nan)
    before[:, 1:] = change[:, :-1]
    rate = np.minimum(change / before, 0.95)
    factor = np.where((change > 4 * noise) & (rate > 0.5), rate / (1 - rate), 1.0)
    return np.where(np.isnan(factor), 1.0, factor) * change


def last_valid(valid: Mask, how_many: int, *arrays: Array) -> tuple[Array, ...]:
    """The last ``how_many`` valid rungs of each line of the ``arrays``, smallest step last; of a line that has fewer, some
    that are not valid come first."""
    if valid.all():
        first = max(0, valid.shape[1] - how_many)
        return tuple(array[:, first:] for array in arrays)
    order = np.argsort(valid, axis=1, kind="stable")[:, -how_many:]
    return tuple(np.take_along_axis(array, order, axis=1) for array in arrays)


def _tail(series: Series) -> tuple[Mask, Mask, Mask]:
    """``(settled, grows, drifts)``: do the smallest steps agree within rounding or come closer together; do the slopes
    grow without limit; do they still move in one direction."""
    valid = np.isfinite(series.slope)
    seen, wanted = np.count_nonzero(valid, axis=1), min(5, valid.shape[1])
    h, d, r = last_valid(valid, wanted, series.step, series.slope, series.bound)
    if d.shape[1] < 3:
        return np.zeros(len(d), dtype=bool), np.zeros(len(d), dtype=bool), np.zeros(len(d), dtype=bool)
    moves = np.diff(d, axis=1)
    sizes = np.abs(moves)
    quiet = sizes <= 2 * (r[:, 1:] + r[:, :-1])
    falls = sizes[:, 1:] <= 0.75 * sizes[:, :-1]
    # Slopes without any meaning fall once in a while: three times in a row they hardly do.
    calm = falls | (quiet[:, 1:] & quiet[:, :-1])
    settled = np.asarray(calm[:, -3:].all(axis=1) | quiet[:, -2:].all(axis=1))
    some = seen >= min(3, valid.shape[1])
    growth = (h[:, :-1] / h[:, 1:]) ** 0.05
    same = (np.sign(d) == np.sign(d[:, -1:])).all(axis=1)
    grows = (seen >= wanted) & same & (np.abs(d) > 4 * r).all(axis=1) & ~quiet.any(axis=1)
    grows &= (np.abs(d[:, 1:]) >= growth * np.abs(d[:, :-1])).all(axis=1)
    drifts = _drifts(series)
    return settled & some & ~grows & ~drifts, grows, drifts


def _drifts(series: Series) -> Mask:
    """Whether the slopes move on in one direction, no slower with each step, for as long as rounding lets one see."""
    valid = np.isfinite(series.slope)
    found = np.zeros(len(valid), dtype=bool)
    if valid.shape[1] < 5:
        return found
    h, d, r = last_valid(valid, valid.shape[1], series.step, series.slope, series.bound)
    moves, limit = np.diff(d, axis=1), 4 * (r[:, 1:] + r[:, :-1])
    loud = np.abs(moves) > limit
    rows = np.nonzero(np.count_nonzero(loud, axis=1) >= 4)[0]
    if not len(rows):
        return found
    if len(rows) < len(found):
        h, moves, limit, loud = h[rows], moves[rows], limit[rows], loud[rows]
    # A step may be half of the one before or a millionth: what counts is the move an octave.
    places = np.broadcast_to(np.arange(float(moves.shape[1])), moves.shape)
    pace, sizes, places = last_valid(loud, 4, moves / np.log2(h[:, :-1] / h[:, 1:]), np.abs(moves), places)
    steady = (np.abs(pace[:, 1:]) >= 0.95 * np.abs(pace[:, :-1])).all(axis=1)
    one_way = (np.sign(pace) == np.sign(pace[:, -1:])).all(axis=1)
    later = np.arange(moves.shape[1]) > places[:, -1:]
    stopped = (later & ~loud & (limit < 0.5 * sizes[:, -1:])).any(axis=1)
    found[rows] = steady & one_way & ~stopped
    return found


def bent_at(step: Array, bend: Array, noise: Array, base_bound: Array) -> Mask:
    """Whether J, the difference of the one-sided slopes, fails to go to zero with the step.

    For a smooth function J(h) is proportional to h but for terms in h**3, so J(h) - 2 J(h/2) falls eightfold a halving.
    """
    valid = np.isfinite(bend)
    if bend.shape[1] < 3:
        return np.zeros(len(bend), dtype=bool)
    h, j, r = step, bend, noise + 2 * base_bound[:, None] / step
    enough = np.count_nonzero(valid, axis=1) >= 3
    h, j, r = last_valid(valid, 3, h, j, r)
    ratio = h[:, 1:] / h[:, :-1]
    rest = np.abs(j[:, 1:] - j[:, :-1] * ratio)
    limit = r[:, 1:] + r[:, :-1] * ratio
    return np.asarray(enough & (rest[:, 1] > limit[:, 1]) & (rest[:, 1] > 0.35 * rest[:, 0]))
