"""Whether an entry that differs is a mistake, or what is left where rounding has eaten its digits.

Some things look like mistakes beside a reference and are none. A formula such as ``(x cos x - sin x) / x**2`` loses all its
digits near 0, though it is right: its errors then change erratically from point to point, and are gone at a plain point. A
function that is constant on small scales and slopes on large ones is a staircase or was rounded, and nobody can tell which: a
gradient of 0 is right for the staircase. And where forward is noisy, slopes can be told over large steps alone, with a kink
between: then the claim's average over such a step is the slope, though the claim at the point is another. The same holds where
forward rounds an inner number, so that an output stands still between jumps: a share of a softmax that is nearly 1. What looks
like noise over the steps that a reference takes may be forward itself, which goes up and down over smaller ones: sin(x**2) at
1e7. And where an entry is added to a much larger number, small steps are absorbed, though other paths still show them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradtool.references.plateau import plateau_difference
from gradtool.references.quick import quick_gradient
from gradtool.references.sampling import EPSILON, Array, Evaluable, Measure, Samples

Index = tuple[int, ...]
Claimed = Callable[[Array], Array | None]
"""Backward's gradient of the input, or None, where that input has these values."""
PLAIN_POINTS = 2
DIGITS = 30.0
"""By this much more a reference may be off there: single precision is still told from it."""
SHIFTS = 0.25 * np.array([-1.0, -0.8, -0.55, -0.35, 0.0, 0.3, 0.6, 0.75, 1.0])
ERRATIC = 0.25
"""Errors whose second differences keep this share of their size follow no smooth curve of some few percent a step."""
FACTORS = np.array([0.11, 0.19, 0.31, 0.47, 0.83, 1.0, 1.7, 2.3, 3.1, 4.7, 6.1, 7.9, 11.0, 13.0])
CROSSINGS = 3
"""Errors that change their sign so often over two decades follow no rule either."""
PLAIN = 0.7123
EXACT = 1e-10
"""A share of the gradient that its errors must be below at a plain point; single precision leaves more."""
MIDPOINTS = 257
STRIDE = 32
"""Every so manieth of them is looked at first, where claims must vary."""
STILL = 4.0
AVERAGED = 0.25
"""The average of the claim must explain the difference but for this share."""
LOUD = 10.0
"""The noise over the step of an average is smaller than the difference by this factor."""
FINE = 2.0**-12
"""No kink is hidden in smaller steps than that, and what is averaged there is single precision's rounding."""
STEPS = 2.0 ** -np.arange(10.0, 41.0, 2.0)
SMALLEST = 3
UNITS = 64
OCTAVES = 60
NEIGHBOURS = np.sort(np.random.default_rng(17).uniform(-8, 8, size=17))
"""Unevenly spaced, all gaps of their own: waves must not fall in step with them."""
LOWEST = 12
"""Of so many steps, each twice the one before, three in a row have the claim as their difference."""
COARSER = 4.0 ** np.arange(24)
"""Increments are looked at over the smallest step that changes forward, and over larger ones."""
SCALES = 5
AS_LARGE = 0.5
"""Increments twice as large as those that the claim promises are none of its doing."""
BOUNDED = 1 / 8
"""Increments of what goes up and down grow less than the step, by this factor over all scales."""
VARIED = 0.3
LARGER = 0.7390851332151607 * 2.0 ** -np.arange(31.0)
ROUGHLY, NEARLY = 0.3, 0.1
"""Differences over some steps are the claim but for this share of how far it is off: over three in a row, and over one."""
PARTS = 128
SPREADS = 4.0 ** -np.arange(1, 15)
JUMPS = 3
"""So many jumps, with nothing beside them, make stairs: one is a kink's beginning or a jump."""
COARSE, ITS_OWN = 4.0, 2.0**-8
"""Jumps of so many units are no rounding of the output; of such a share of it they are what forward means to do."""
QUIET = 0.75
"""So many of the parts of a staircase have no jump."""


def loses_its_digits(
    function: Evaluable, name: str, at: Array, index: Index, upstream: Array, claimed: Claimed
) -> bool:
    """Whether an entry's errors are erratic beside the point, and all errors are gone where the input has plain values."""
    if at[index] == 0 or not _right_at_a_plain_point(function, name, at, upstream, claimed):
        return False
    near = _errors(SHIFTS, function, name, at, index, upstream, claimed)
    if near is None:
        return False
    bends = np.abs(near[2:] - 2 * near[1:-1] + near[:-2])
    if np.median(bends) > ERRATIC * np.max(np.abs(near)):
        return True
    far = _errors(FACTORS - 1, function, name, at, index, upstream, claimed)
    return far is not None and int(np.count_nonzero(far[1:] * far[:-1] < 0)) >= CROSSINGS


def _right_at_a_plain_point(function: Evaluable, name: str, at: Array, upstream: Array, claimed: Claimed) -> bool:
    sign, size, rng = np.where(at < 0, -1.0, 1.0), np.abs(at), np.random.default_rng(8128)
    for _ in range(PLAIN_POINTS):
        spread = 1 + 0.3 * rng.random(at.shape)
        plain = sign * np.where((size >= 0.1) & (size <= 10), 1.3 * size * spread + 0.1, PLAIN * spread)
        mine = claimed(plain)
        if mine is None or mine.shape != at.shape:
            return False
        right = quick_gradient(_Beside(function, name, plain), {name: plain}, upstream, [name])[name]
        limit = EXACT * float(np.max(np.abs(right.value), initial=0.0))
        if not ((np.abs(mine - right.value) <= limit + right.error) & (right.error <= DIGITS * limit)).all():
            return False
    return True


def _errors(
    shifts: Array, function: Evaluable, name: str, at: Array, index: Index, upstream: Array, claimed: Claimed
) -> Array | None:
    """The claim's errors where the entry is moved by these shares of itself; None where either side has none."""
    found = []
    for shift in shifts:
        moved = at.copy()
        moved[index] *= 1 + shift
        mine = claimed(moved)
        if mine is None or mine.shape != at.shape or not np.isfinite(mine[index]):
            return None
        right = plateau_difference(_Beside(function, name, moved), name, moved, index, upstream)
        if right is None:
            return None
        found.append(float(mine[index]) - right[0])
    return np.array(found)


def agrees_on_average(
    function: Evaluable,
    name: str,
    at: Array,
    index: Index,
    upstream: Array,
    claimed: Claimed,
    apart: float,
    unit: float,
    least: float = FINE,
) -> bool:
    """Whether the claim's average over the smallest step that shows a difference of ``apart`` is the slope over that step,
    where such a step is larger than ``least``, or claims vary within it and forward stands still: it rounds their waves away.
    ``unit`` is forward's noise as a share of its output."""
    measure = Measure.of(function, upstream)
    x = float(at[index])
    half = LOUD * 2 * max(unit, EPSILON) * measure.magnitude / apart
    if not np.isfinite(half):
        return False
    varies = not half > least
    half = max(half, UNITS * float(np.spacing(abs(x))))
    ends: Any = np.repeat(at[None], 2, axis=0)
    ends[(slice(None), *index)] = x - half, x + half
    change = measure.change(function.many(name, ends).outputs)
    if varies and not abs(change[1] - change[0]) <= STILL * max(unit, EPSILON) * measure.magnitude:
        return False  # Forward shows its slope, and it is backward that is erratic.
    places = x + half * (2 * (np.arange(MIDPOINTS) + 0.5) / MIDPOINTS - 1)
    few = np.arange(MIDPOINTS) % STRIDE == 0
    mine: list[float] = []
    for some in (places[few], places[~few]):
        for place in some[some != x]:
            moved = at.copy()
            moved[index] = place
            found = claimed(moved)
            if found is None or found.shape != at.shape or not np.isfinite(found[index]):
                return False
            mine.append(float(found[index]))
        if varies and np.std(mine) <= VARIED * _size(np.array(mine)):
            return False  # A claim that is the same all around is held against forward elsewhere.
    return bool(abs(np.mean(mine) - (change[1] - change[0]) / (2 * half)) <= AVERAGED * apart)


@np.errstate(all="ignore")
def inner_spacing(function: Evaluable, name: str, at: Array, index: Index, upstream: Array) -> float:
    """By how much ``sum(upstream * output)`` may be off since forward rounds inner numbers: the smallest jumps of those outputs
    that stand still between jumps, where these are larger than rounding of the output itself and smaller than what a function
    does that is a staircase; 0 where there are none.

    No step that is smaller than from one jump to the next shows anything of what such an output does.
    """
    measure, x = Measure.of(function, upstream), float(at[index])
    unit = max(EPSILON, 2 * float(getattr(function, "roundoff", 0.0)))
    found = np.full(measure.base.size, np.inf)
    for step in (abs(x) or 1.0) * SPREADS:
        places: Any = np.repeat(at[None], PARTS + 1, axis=0)
        places[(slice(None), *index)] = x + step * np.linspace(-1, 1, PARTS + 1)
        outputs = function.many(name, places).outputs.reshape(PARTS + 1, -1)
        outputs = outputs if measure.used is None else outputs[:, measure.used]
        moves = np.abs(np.diff(outputs, axis=0))
        still = moves == 0
        alone = ~still[1:-1] & still[:-2] & still[2:]
        stairs = (np.count_nonzero(alone, axis=0) >= JUMPS) & (2 * np.count_nonzero(still, axis=0) > PARTS)
        jumps = np.min(np.where(alone, moves[1:-1], np.inf), axis=0)
        size = np.max(np.abs(outputs), axis=0)
        stairs &= (jumps > COARSE * unit * size) & (jumps < ITS_OWN * size)
        found = np.where(stairs, np.fmin(found, jumps), found)
    return float(np.sum(np.where(np.isfinite(found), np.abs(measure.upstream) * found, 0.0)))


class _Beside:
    """``function`` with its base point moved to where the input ``name`` is ``at``."""

    def __init__(self, function: Evaluable, name: str, at: Array) -> None:
        self._function = function
        self._base = np.asarray(function.many(name, at[None]).outputs[0])
        self.roundoff = float(getattr(function, "roundoff", 2.0**-53))

    def base(self) -> Array:
        return self._base

    def many(self, name: str, points: Array) -> Samples:
        return self._function.many(name, points)

    def noise(self) -> Array | None:
        return self._function.noise()


def stands_still(
    function: Evaluable, name: str, at: Array, index: Index, upstream: Array, slope: float, roundoff: float
) -> bool:
    """Whether the function is constant on either side of the point (with a jump between, perhaps), over the smallest steps of an
    entry at which the slope over large ones would show in the precision of what it returns."""
    measure = Measure.of(function, upstream)
    steps = STEPS * max(1.0, abs(float(at[index])))
    points: Any = np.repeat(at[None], 2 * len(steps), axis=0)
    points[(slice(None), *index)] += np.concatenate((steps, -steps))
    change = measure.change(function.many(name, points).outputs)
    seen = abs(slope) * steps > UNITS * max(EPSILON, 2 * roundoff) * measure.magnitude
    up, down = (side[seen][-SMALLEST:] for side in np.split(change, 2))
    return bool(np.count_nonzero(seen) >= SMALLEST and np.ptp(up) == 0 and np.ptp(down) == 0)


@np.errstate(all="ignore")
def varies_on_smaller_scales(
    function: Evaluable,
    name: str,
    at: Array,
    index: Index,
    upstream: Array,
    claimed: Claimed,
    mine: float,
    slope: float,
) -> bool:
    """Whether forward goes up and down about its ``slope`` over steps that are too small for a reference, as the claim says.

    Either differences over the smallest steps that stand out of rounding are the claim, ``mine``. Or they are erratic, and no
    larger than the claims promise: over larger steps they are hardly more then, and the claims differ from point to point.
    """
    measure, x, apart = Measure.of(function, upstream), float(at[index]), abs(mine - slope)
    unit = max(EPSILON, 2 * float(getattr(function, "roundoff", 0.0))) * measure.magnitude

    def moved(steps: Array) -> Any:
        points: Any = np.repeat(at[None], len(steps), axis=0)
        points[(slice(None), *index)] += steps
        return points

    def changes(steps: Array) -> Array:
        return measure.contract(function.many(name, moved(steps)).outputs)[0]

    ladder = (float(np.spacing(abs(x))) if x else 2.0**-OCTAVES) * 2.0 ** np.arange(OCTAVES)
    up, down = np.split(changes(np.concatenate((ladder, -ladder))), 2)
    visible = (np.nan_to_num(up) != 0) & (np.nan_to_num(down) != 0)
    if not visible.any():
        return False
    clear = 4 * unit <= NEARLY / 2 * apart * ladder
    near = np.abs((up - down) / (2 * ladder) - mine) <= NEARLY * apart
    lowest = slice(int(np.argmax(clear)), int(np.argmax(clear)) + LOWEST)
    if clear.any() and bool((near[:-2] & near[1:-1] & near[2:])[lowest].any()):
        return True
    sizes: list[float] = []
    steps: list[float] = []
    for step in float(ladder[np.argmax(visible)]) * COARSER:
        size = _size(np.diff(changes(step * NEIGHBOURS) - slope * step * NEIGHBOURS))
        if not np.isfinite(size):
            return False
        if size > UNITS * unit or sizes:
            sizes.append(size)
            steps.append(step)
        if len(sizes) > SCALES:
            break
    if len(sizes) <= SCALES or sizes[-1] * steps[0] > BOUNDED * sizes[0] * steps[-1]:
        return False
    promised = [claimed(point) for point in moved(steps[-1] * NEIGHBOURS)]
    slopes = np.array([np.nan if g is None or g.shape != at.shape else g[index] for g in promised])
    return bool(_size(slopes) * steps[-1] >= AS_LARGE * sizes[-1] and np.std(slopes) >= VARIED * _size(slopes))


@np.errstate(all="ignore")
def absorbs_small_steps(
    function: Evaluable, name: str, at: Array, index: Index, upstream: Array, mine: float, right: float
) -> bool:
    """Whether forward has the slope that is claimed over large steps, and comes to it from ``right`` by jumps, as a sum with a
    number does that is too large for small steps to change it."""
    measure, apart = Measure.of(function, upstream), abs(mine - right)
    rounding = 4 * max(EPSILON, 2 * float(getattr(function, "roundoff", 0.0))) * measure.magnitude

    def changes(steps: Array) -> Array:
        points: Any = np.repeat(at[None], len(steps), axis=0)
        points[(slice(None), *index)] += steps
        return measure.contract(function.many(name, points).outputs)[0]

    steps = LARGER * max(1.0, abs(float(at[index])))
    up, down = np.split(changes(np.concatenate((steps, -steps))), 2)
    off = np.where(rounding <= NEARLY * apart * steps, np.abs((up - down) / (2 * steps) - mine), np.inf)
    near = off <= ROUGHLY * apart
    thrice = steps[:-2][near[:-2] & near[1:-1] & near[2:]]
    if not thrice.size or not (off <= NEARLY * apart).any():
        return False
    half = float(thrice[-1])  # Four times the smallest: some jumps, not one.
    places = np.linspace(-half, half, PARTS + 1)
    jumps = np.abs(np.diff(changes(places) - right * places))
    if not np.isfinite(jumps).all() or not apart * 2 * half > PARTS * rounding:
        return False
    quiet = jumps <= rounding
    return bool(np.mean(quiet) >= QUIET and np.sum(jumps[~quiet]) >= apart * half)


def _size(numbers: Array) -> float:
    return float(np.sqrt(np.mean(numbers**2)))
