"""Derivatives along random directions: a check of a gradient with a million entries in some tens of evaluations.

Along a Gaussian direction d a gradient that is wrong by the vector e is off by <e, d>, a normal number with standard
deviation |e|. It goes unseen only where that is smaller than the bound b of the directional derivative, which happens
with probability erf(b / (sqrt(2) |e|)). The directions are independent, so the chances multiply. A fixed direction, or
one with positive entries only, has errors that it never sees; a Gaussian one has none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import erf, inf, isfinite, sqrt
from typing import Any

import numpy as np

from gradtool.references.numeric import Slopes, slopes
from gradtool.references.sampling import EPSILON, Array, Evaluable, Field, Integers, Measure

DIRECTIONS = 6
HALVING_STEP = 2.0**-8
PLAIN = 64
MISS = 1e-3
"""The probability with which an error of the size called detectable is missed."""


@dataclass(frozen=True, slots=True, eq=False)
class Directional:
    """What K random directions say of a gradient; arrays have shape (K,).

    ``values`` with ``errors`` are the derivatives along the directions, ``predicted`` is ``<gradient, d>`` and
    ``rounding`` a bound on the rounding of that product. ``detectable`` is the size |e| of an error of the gradient
    that all directions together miss with probability 1e-3; infinite where no direction could be measured. ``reason``
    says what is out of the ordinary.
    """

    values: Array
    errors: Array
    predicted: Array
    rounding: Array
    detectable: float
    evaluations: int
    reason: str | None = None

    @property
    def agrees(self) -> bool:
        """Whether all predictions are within the errors."""
        return bool((np.abs(self.values - self.predicted) <= self.errors + self.rounding).all())


class Directions:
    """Lines through the base point along whole directions, shape ``(K, *shape)``: ``x + t * d``."""

    def __init__(self, x: Array, directions: Array, gradient: Array) -> None:
        self.x = x
        self.directions = directions
        self.count, self.size = len(directions), x.size
        # The scale of t: how far x is from 0 beside the typical entry of a direction.
        typical = float(np.sqrt(np.mean(x**2))) if x.size else 0.0
        self.reach = np.full(self.count, typical)
        self.floor = np.full(self.count, max(typical * 2.0**-46, 2.0**-900))
        # Points are rounded entry by entry, and the function follows.
        self.extra = np.full(self.count, EPSILON * float(np.sum(np.abs(gradient * x))))

    def points(self, lines: Integers, steps: Array) -> tuple[Array, Array]:
        """Points along the lines; the steps are taken as they are."""
        shape = (-1, *[1] * self.x.ndim)
        return self.x + steps.reshape(shape) * self.directions[lines], np.abs(steps)


def directional(
    function: Evaluable,
    inputs: Mapping[str, Any],
    gradient: Any,
    upstream: Any,
    name: str,
    *,
    directions: int = DIRECTIONS,
    seed: int = 0,
    support: Any = None,
) -> Directional:
    """Compare ``gradient``, a claim about ``d sum(upstream * output) / d inputs[name]``, with derivatives along random
    Gaussian directions.

    ``gradient`` and ``support`` have the input's shape; where ``support`` is given, the directions are 0 outside it,
    and ``detectable`` speaks of errors inside it. Raises ``ValueError`` where the shapes differ, the function is not
    finite at the base point, or no direction is asked for.
    """
    x = np.asarray(inputs[name], dtype=np.float64)
    claimed = np.asarray(gradient, dtype=np.float64)
    if claimed.shape != x.shape:
        raise ValueError(f"the gradient has shape {claimed.shape}, the input {x.shape}")
    if directions < 1:
        raise ValueError("at least one direction is needed")
    drawn = np.random.default_rng(seed).standard_normal((directions, *x.shape))
    if support is not None:
        drawn = drawn * np.asarray(support, dtype=bool)
    with np.errstate(all="ignore"):
        field = _field(function, name, upstream, x, drawn, claimed)
        found = slopes([field])[0]
        return _compared(found, drawn, claimed, field.evaluations)


def _field(function: Evaluable, name: str, upstream: Any, x: Array, drawn: Array, gradient: Array) -> Field:
    measure = Measure.of(function, upstream)
    if measure.failure is not None:
        raise ValueError(measure.failure)
    known = np.where(np.isfinite(gradient), gradient, 0.0)
    return Field(function, name, Directions(x, drawn, known), measure)


def _compared(found: Slopes, drawn: Array, gradient: Array, evaluations: int) -> Directional:
    flat, claimed = drawn.reshape(len(drawn), -1), gradient.ravel()
    products = flat * claimed
    predicted = products.sum(axis=1)
    # NumPy adds in pairs within blocks of 128.
    depth = 128 / 8 + np.log2(max(claimed.size, 2))
    rounding = depth * EPSILON * np.abs(products).sum(axis=1)
    detectable = smallest_seen(found.error + rounding)
    return Directional(found.value, found.error, predicted, rounding, detectable, evaluations, found.reason())


def smallest_seen(bounds: Array, miss: float = MISS) -> float:
    """The |e| with ``prod(erf(b / (sqrt(2) |e|))) == miss`` over the ``bounds`` b of independent Gaussian
    directions."""
    usable = [float(b) for b in bounds if isfinite(b)]
    if not usable:
        return inf

    def missed(size: float) -> float:
        product = 1.0
        for b in usable:
            product *= erf(b / (sqrt(2) * size))
        return product

    low = high = max(max(usable), 5e-324)
    while missed(high) > miss and high < 1e300:
        high *= 4
    while missed(low) < miss and low > 1e-300:
        low /= 4
    for _ in range(60):
        middle = sqrt(low) * sqrt(high)
        low, high = (middle, high) if missed(middle) > miss else (low, middle)
    return high


def find_entry(
    function: Evaluable, inputs: Mapping[str, Any], gradient: Any, upstream: Any, name: str, *, seed: int = 0
) -> tuple[int, ...] | None:
    """The index of an entry of ``gradient`` that is wrong; None where a random direction shows no difference.

    By how much a gradient is off along a direction is a sum over the direction's entries. So the support of one direction is
    halved, and the half that is off by more is kept, down to the very entry: ``6 + 2 log2(size)`` evaluations, twice that for a
    small error of a rough function. Of several
    wrong entries it finds one. What it finds is a suspicion, to be confirmed by a difference of that entry alone.
    """
    x = np.asarray(inputs[name], dtype=np.float64)
    claimed = np.asarray(gradient, dtype=np.float64).ravel()
    measure = Measure.of(function, upstream)
    if measure.failure is not None or not x.size:
        return None
    drawn = np.random.default_rng(seed).standard_normal(x.size)
    step = HALVING_STEP * max(1.0, float(np.sqrt(np.mean(x**2))))

    def off(places: Integers, steps: Sequence[float]) -> Array:
        """By how much the claim is off along the direction's part at ``places``, by differences with each of ``steps``."""
        line = np.zeros(x.size)
        line[places] = drawn[places]
        signed = np.array([sign * h for h in steps for sign in (1.0, -1.0)])
        points = x.ravel() + signed[:, None] * line
        change = measure.change(function.many(name, points.reshape(-1, *x.shape)).outputs)
        slopes_ = (change[0::2] - change[1::2]) / (2 * np.asarray(steps))
        found: Array = float(line @ claimed) - slopes_
        return found

    with np.errstate(all="ignore"):
        places = np.arange(x.size)
        by_step = off(places, (step, step / 2, step / 4))
        once = (4 * by_step[1:] - by_step[:-1]) / 3
        whole = (16 * once[1] - once[0]) / 15
        rounding = 8 * EPSILON * (measure.magnitude + float(np.abs(drawn * claimed).sum())) / step
        if not abs(whole) > 2 * abs(once[1] - once[0]) + rounding:
            return None
        # One step is enough where what it leaves out is small beside what is looked for.
        plain = abs(whole) > PLAIN * abs(by_step[1] - by_step[0])
        while len(places) > 1:
            left, right = places[: len(places) // 2], places[len(places) // 2 :]
            if plain:
                part = off(left, (step / 2,))[0]
            else:
                coarse, fine = off(left, (step, step / 2))
                part = (4 * fine - coarse) / 3
            if not np.isfinite(part):
                return None
            places, whole = (left, part) if abs(part) >= abs(whole - part) else (right, whole - part)
    return tuple(int(i) for i in np.unravel_index(places[0], x.shape))
