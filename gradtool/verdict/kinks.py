"""Gradients of a black box at a kink: valid is what lies between the one-sided slopes along a direction.

Entries are looked at one by one, and in pairs that meet in one kink: of k entries that are tied in a maximum each may get up
to 1, but all together 1. A pair whose slopes simply add up along every diagonal belongs to two kinks that know nothing of each
other, and along the sum of two kinks that bend in opposite ways the criterion would mean nothing.
Source: F. H. Clarke, Optimization and Nonsmooth Analysis (1983), section 2.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradtool.references.directional import Directions
from gradtool.references.glance import glance
from gradtool.references.joined import TOGETHER, Joined
from gradtool.references.numeric import Numeric, Slopes, slopes
from gradtool.references.sampling import EPSILON, Array, Field, Measure

Mask = NDArray[np.bool_]
Tie = tuple[int, ...]
"""One or two places in the joined vector of inputs that are moved at a kink."""
SIGNS = {1: np.ones((1, 1)), 2: np.array([(1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, -1.0)])}
"""By the number of places of a tie: the directions in which they are moved."""
STEPS = 2.0 ** -np.array([20.0, 21.0])
ROUNDING = 1e-9
UNITS = 64
GLANCE = 1e-6
"""A share of the slopes that a glance may be off by; worse errors are looked at closely."""
MOST_PAIRS = 60
BESIDE, BESIDE_SINGLE = 2.0**-24, 2.0**-9
"""How far beside the point a line is that tells kinks apart, in double and in lower precision."""
LINES_BESIDE = 8
REACH = 2.0 ** np.arange(-4, 8.25, 0.5)
"""Where samples are taken along it, on either side, in units of that distance."""
PIECES_BESIDE = 32
DISTANCES = 2.0 ** -np.array([24.0, 18.0, 12.0, 8.0])
"""How far beside the point other smooth pieces are looked for: as near as rounding allows."""
WITHIN = 2.0**-6
"""Slopes there are taken over this share of that distance."""
SAME_SLOPE = 0.05
"""A share of how far a gradient is outside; slopes nearer than that belong to one smooth piece."""


class Outside(NamedTuple):
    """A gradient outside the valid set: the places that were moved, and what is said of it."""

    places: Tie
    said: str


def outside_valid_set(
    joined: Joined, claimed: Array, ties: Sequence[Tie], upstream: Array, unit: float
) -> Outside | None:
    """The first of ``ties`` along which ``claimed``, the joined gradient, is outside the valid set; None where there is
    none. ``unit`` is the unit roundoff of the claim. Plain one-sided differences confirm it first."""
    measure = Measure.of(joined, upstream)
    if measure.failure is not None or not ties:
        return None
    lines = _lines(ties, claimed.size)
    at = joined.inputs[TOGETHER]
    if all_within(joined, lines, claimed, measure):
        return None
    field = Field(joined, TOGETHER, Directions(at, lines, np.nan_to_num(claimed)), measure, np.ones(len(lines), bool))
    with np.errstate(all="ignore"):
        found = slopes([field])[0]
        first = 0
        for tie in ties:
            rows = range(first, first + (1 if len(tie) == 1 else 4))
            first = rows.stop
            if len(tie) == 2 and not _meet(found, rows):
                rows = rows[:2]
            for row in rows:
                if row < rows[0] + 2 and not found.kink[row]:
                    continue  # No kink after all: the reference for smooth points speaks of it.
                said = _outside(joined, lines[row], found, row, claimed, measure, unit)
                if said is not None:
                    return Outside(tie if len(tie) == 1 or row >= rows[0] + 2 else (tie[row - rows[0]],), said)
    return None


def all_within(joined: Joined, lines: Array, claimed: Array, measure: Measure) -> bool:
    """Whether a glance sees the claim between the slopes on the two sides along every line, to some digits."""
    at = joined.inputs[TOGETHER]
    mine, size = lines @ claimed, np.abs(lines) @ np.abs(claimed)
    right = glance(joined, TOGETHER, at, lines, measure)
    other = ~(np.abs(mine - right) <= GLANCE * (size + np.abs(right)))
    if not other.any():
        return True  # A slope on one side is between those on both.
    left, right = -glance(joined, TOGETHER, at, -lines[other], measure), right[other]
    low, high = np.minimum(left, right), np.maximum(left, right)
    slack = GLANCE * (size[other] + np.maximum(-low, high))
    return bool(((mine[other] >= low - slack) & (mine[other] <= high + slack)).all())


def _lines(ties: Sequence[Tie], size: int) -> Array:
    """The directions of each tie: of a pair each alone, their sum, and their difference."""
    rows, first = np.zeros((sum(len(SIGNS[len(tie)]) for tie in ties), size)), 0
    for tie in ties:
        signs = SIGNS[len(tie)]
        rows[first : first + len(signs), tie] = signs
        first += len(signs)
    return rows


def _sides(found: Slopes, row: int) -> tuple[float, float, float]:
    """The slopes to the left and to the right along a line, and their error."""
    if found.kink[row]:
        left, right = float(found.left[row]), float(found.right[row])
        return left, right, max(2 * float(found.error[row]) - abs(right - left), 0.0)
    return float(found.value[row]), float(found.value[row]), float(found.error[row])


def _meet(found: Slopes, rows: Sequence[int]) -> bool:
    """Whether the two entries of a pair meet in one kink: their slopes do not add up along the diagonals."""
    (l1, r1, e1), (l2, r2, e2), (l3, r3, e3), (l4, r4, e4) = (_sides(found, row) for row in rows)
    sums = ((r1 + r2, r3), (l1 + l2, l3), (r1 - l2, r4), (l1 - r2, l4))
    doubt = e1 + e2 + e3 + e4 + ROUNDING * max(abs(x) for x in (l1, r1, l2, r2, l3, r3, l4, r4))
    return not all(abs(expected - seen) <= doubt for expected, seen in sums)


def _outside(
    joined: Joined, line: Array, found: Slopes, row: int, claimed: Array, measure: Measure, unit: float
) -> str | None:
    left, right, error = _sides(found, row)
    if not np.isfinite([left, right, error]).all():
        return None
    moved = line != 0
    mine = float(line[moved] @ claimed[moved])
    low, high = min(left, right), max(left, right)
    slack = error + UNITS * unit * float(np.abs(line[moved]) @ np.abs(claimed[moved]))
    slack += ROUNDING * max(abs(low), abs(high))
    if not mine < low - slack and not mine > high + slack:
        return None
    least, most, doubt = _plain_sides(joined, line, measure)
    if not (mine < least - doubt or mine > most + doubt):
        return None
    if several_kinks(joined, line, measure, unit, max(low - mine, mine - high)):
        return None
    together = "" if np.count_nonzero(moved) == 1 else " along a direction that moves two tied entries"
    return f"at a tie or kink{together} {mine:.6g} is outside the valid set, [{_tidy(low, high):.6g}, {_tidy(high, low):.6g}]"


def _plain_sides(joined: Joined, line: Array, measure: Measure) -> tuple[float, float, float]:
    """The smaller and the larger of the plain one-sided slopes along a line, and how far two steps differ on them; the
    doubt is infinite where a step leaves the domain."""
    at = joined.inputs[TOGETHER]
    steps = STEPS * _own_scale(at, line)
    signed = np.concatenate((steps, -steps))
    points = at + signed[:, None] * line
    change, magnitude, _ = measure.contract(joined.many(TOGETHER, points).outputs)
    found = change / signed
    if not np.isfinite(found).all():
        return 0.0, 0.0, float("inf")
    unit = max(EPSILON, 2 * joined.roundoff)
    rounding = 4 * unit * float(np.max(magnitude) + measure.magnitude) / float(np.min(steps))
    doubt = 4 * float(max(abs(found[0] - found[1]), abs(found[2] - found[3]))) + rounding
    return float(min(found[1], found[3])), float(max(found[1], found[3])), doubt


def several_kinks(joined: Joined, line: Array, measure: Measure, unit: float, excess: float) -> bool:
    """Whether a line through the point meets more than one kink there: beside the point the slope changes at several places,
    by what counts beside ``excess``, the slope that is to be explained. Also where samples leave the domain, or
    rounding hides it."""
    at, rng = joined.inputs[TOGETHER], np.random.default_rng(271828)
    near = BESIDE if unit <= EPSILON else BESIDE_SINGLE
    scale = _own_scale(at, line)
    steps = near * scale * np.concatenate((-REACH[::-1], REACH))
    for _ in range(LINES_BESIDE):
        beside = at + near * np.where(at == 0, scale, np.abs(at)) * rng.standard_normal(at.size)
        change, magnitude, _ = measure.contract(joined.many(TOGETHER, beside + steps[:, None] * line).outputs)
        if not np.isfinite(change).all():
            return True
        widths = np.diff(steps)
        rounding = 8 * max(EPSILON, unit) * (float(np.max(magnitude)) + measure.magnitude) / widths
        if not np.median(rounding) < excess / 2:
            return True
        if _breaks(np.diff(change) / widths, rounding + SAME_SLOPE * excess) > 1:
            return True
    return False


@np.errstate(all="ignore")
def is_slope_beside(joined: Joined, line: Array, upstream: Array, mine: float, right: float) -> bool:
    """Whether ``mine`` lies between the slopes along a line of the smooth pieces that meet at the point, though the slope along
    the line itself is ``right``. One entry that moves alone at a kink of several may miss a piece: max(min(x, y), 0) has the
    slope 0 along x at 0, and 1 beside it."""
    measure, at = Measure.of(joined, upstream), joined.inputs[TOGETHER]
    own, unit = np.where(at == 0, float(np.max(np.abs(at))) or 1.0, np.abs(at)), max(EPSILON, 2 * joined.roundoff)
    drawn = np.random.default_rng(57721).standard_normal((PIECES_BESIDE, at.size))
    slack = SAME_SLOPE * abs(mine - right)
    for distance in DISTANCES:
        hulls = []
        for near in (distance, 4 * distance):
            step = WITHIN * near * _own_scale(at, line)
            points = at + near * own * drawn
            outputs = joined.many(TOGETHER, np.concatenate((points - step * line, points + step * line))).outputs
            change, magnitude, _ = measure.contract(outputs)
            down, up = np.split(change, 2)
            slopes_ = (up - down) / (2 * step)
            rounding = 4 * unit * np.max(np.split(magnitude, 2), axis=0) / step
            known = slopes_[np.isfinite(slopes_) & (rounding < slack)]
            if known.size:
                hulls.append((float(known.min()), float(known.max())))
        if len(hulls) == 2:
            # The slopes of one smooth piece come together where the points do: those of several do not.
            (low, high), (least, most) = hulls
            return bool(low - slack <= mine <= high + slack and most - least <= 2 * (high - low))
    return False


def _own_scale(at: Array, line: Array) -> float:
    """The size of the entries that a line moves; 1 where they are 0."""
    return float(np.max(np.abs(at[line != 0]))) or 1.0


def _breaks(slopes_: Array, limit: Array) -> int:
    """How many of the slopes along a line belong neither to the piece at its beginning nor to that at its end: one, where a
    kink lies between two samples; 0 where the line is smooth. Slopes are the same to ``limit``."""
    first = np.abs(slopes_ - slopes_[0]) <= limit
    last = np.abs(slopes_ - slopes_[-1]) <= limit
    if first.all():
        return 0
    return int(np.count_nonzero(~(np.logical_and.accumulate(first) | np.logical_and.accumulate(last[::-1])[::-1])))


def _tidy(slope: float, other: float) -> float:
    """What is left of a slope of 0 beside another is rounding."""
    return 0.0 if abs(slope) <= ROUNDING * max(abs(slope), abs(other)) else slope


def mask_of(numeric: Numeric) -> Mask:
    """The entries at a kink with a slope on either side."""
    return np.asarray(numeric.kink & np.isfinite(numeric.left) & np.isfinite(numeric.right), dtype=bool)


def pairs_of(places: Sequence[int], rng: np.random.Generator) -> list[Tie]:
    """Pairs of places at kinks: neighbours, and some at random."""
    found: dict[Tie, None] = dict.fromkeys(pairwise(places))
    several = list(places)
    for _ in range(3):
        rng.shuffle(several)
        found |= dict.fromkeys((min(p), max(p)) for p in zip(several[::2], several[1::2], strict=False))
    return [(int(a), int(b)) for a, b in list(found)[:MOST_PAIRS]]
