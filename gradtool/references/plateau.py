"""A second opinion on one entry: plain central differences over many steps, read where they agree best.

It shares nothing with the extrapolated reference but the function: other steps, no tableau, errors judged by neighbours alone.
Source: Gill, Murray, Saunders and Wright, "Computing forward-difference intervals for numerical optimization" (SIAM J. Sci. Stat.
Comput. 4, 1983) for balancing truncation against rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradtool.references.sampling import BLOCK, EPSILON, Array, Evaluable, Measure

FRACTION = 0.7390851332151607
"""The mantissa of all steps; no other method here uses it."""
OCTAVES = 46
MOST_OCTAVES = 40
SAFETY = 4.0
CONTRADICTED = 4.0
"""Slopes further apart than so many times their errors contradict each other."""
BEND = 0.7
"""One-sided slopes whose difference keeps this share of itself when the step falls to a quarter belong to a kink."""
OWN = 4.0
"""Steps of more than so many times an entry's own size say nothing of its slope where smaller ones are drowned in noise."""
SEEN = 1e-2
"""A slope of which smaller ones show two digits is not drowned."""


def _octaves_below_one(size: float) -> int:
    """How many more steps it takes for an entry smaller than 1 to be moved on its own scale."""
    return min(int(-np.log2(size)), MOST_OCTAVES) if 0 < size < 1 else 0


def plateau_difference(
    function: Evaluable,
    name: str,
    at: Any,
    index: tuple[int, ...],
    upstream: Any,
    noise: float = 0.0,
    octaves: int = OCTAVES,
) -> tuple[float, float] | None:
    """``(value, error)`` of ``d sum(upstream * output) / d at[index]``; None where the steps do not agree on one, smaller
    steps contradict it, or the slopes on the two sides differ. Where these differ by little, the error covers both.

    ``noise`` is what is known of the function's own noise, as a share of the size of its output. Takes some hundred
    evaluations.
    """
    x = np.asarray(at, dtype=np.float64)
    measure = Measure.of(function, upstream)
    if measure.failure is not None:
        return None
    scale = max(1.0, abs(float(x[index]))) if x[index] != 0 else 1.0
    octaves += _octaves_below_one(abs(float(x[index])))
    steps = FRACTION * scale * 2.0 ** -np.arange(0, octaves)
    entry = float(x[index]) + np.concatenate((steps, -steps))
    with np.errstate(all="ignore"):
        change, magnitude, rounding = measure.contract(_outputs(function, name, x, index, entry))
        up, down = change[:octaves], change[octaves:]
        h_up, h_down = entry[:octaves] - x[index], x[index] - entry[octaves:]
        unit = max(EPSILON, 2 * float(getattr(function, "roundoff", 0.0))) + noise
        bound = rounding + unit * (magnitude + measure.magnitude)
        bound = bound[:octaves] + bound[octaves:]
        slope = (up - down) / (h_up + h_down)
        blur = bound / (h_up + h_down)
        moves = np.abs(np.diff(slope))
        doubt = np.full(octaves, np.inf)
        doubt[1:-1] = np.maximum(moves[:-1], moves[1:]) + blur[1:-1]
        doubt[~np.isfinite(doubt)] = np.inf
        if x[index] != 0:
            own = np.where(np.minimum(h_up, h_down) > OWN * abs(x[index]), np.inf, doubt)
            seen = int(np.argmin(own))
            doubt = doubt if SAFETY * own[seen] <= SEEN * abs(slope[seen]) else own
        best = int(np.argmin(doubt))
        if not np.isfinite(doubt[best]):
            return None
        # Over a step of many waves a bounded function has no slope: what smaller steps say for sure counts.
        apart = np.abs(slope[best + 1 :] - slope[best])
        if (apart > CONTRADICTED * SAFETY * (doubt[best + 1 :] + doubt[best])).any():
            return None
        bend = np.abs(up / h_up + down / h_down)
        loud = 4 * bound / np.minimum(h_up, h_down)
        later = min(best + 2, octaves - 1)
        corner = _corner(np.stack((up / h_up + down / h_down, 4 * bound / np.minimum(h_up, h_down))))
        kinked = bend[later] > BEND * bend[best] and bend[later] > loud[later] + 4 * doubt[best]
    return None if kinked else (float(slope[best]), float(SAFETY * doubt[best]) + corner / 2)


def _corner(bends: Array) -> float:
    """By how much the slopes on the two sides may differ as the step goes to 0; 0 where it is not sure that they do. ``bends``
    holds their difference at steps that are halved each time, and its noise: of a smooth function it is halved with the step."""
    bend, noise = bends
    limit, blur = 2 * bend[1:] - bend[:-1], 2 * noise[1:] + noise[:-1]
    sure = np.full(len(limit), np.inf)
    sure[1:] = blur[1:] + 2 * np.abs(np.diff(limit))
    sure[~np.isfinite(sure)] = np.inf
    best = int(np.argmin(sure))
    return float(abs(limit[best]) + sure[best]) if abs(limit[best]) > sure[best] else 0.0


def _outputs(function: Evaluable, name: str, x: Array, index: tuple[int, ...], entry: Array) -> Array:
    """Outputs with one entry at each of these values; a few points at a time where the input is large."""
    block = max(1, BLOCK // max(x.size, 1))
    found = []
    for first in range(0, len(entry), block):
        part = entry[first : first + block]
        points: Any = np.repeat(x[None], len(part), axis=0)
        points[(slice(None), *index)] = part
        found.append(function.many(name, points).outputs)
    return np.concatenate(found)
