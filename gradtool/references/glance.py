"""A glance at the slopes along some lines: two evaluations each, no error bound.

It serves to tell in passing that nothing is wrong. Where it seems that something is, a reference with an error bound is asked.
"""

from __future__ import annotations

import numpy as np

from gradtool.references.sampling import Array, Evaluable, Measure

STEP = 2.0**-26
"""Curvature and rounding both disturb some seven digits then."""


def glance(function: Evaluable, name: str, at: Array, lines: Array, upstream: Array) -> tuple[Array, Array]:
    """``(left, right)``: the one-sided slopes of ``sum(upstream * output)`` along each of ``lines``, shape (K, *shape of at);
    NaN where a step leaves the domain."""
    measure = Measure.of(function, upstream)
    step = STEP * max(1.0, float(np.max(np.abs(at), initial=0.0)))
    points = np.concatenate((at - step * lines, at + step * lines))
    with np.errstate(all="ignore"):
        change = measure.contract(function.many(name, points).outputs)[0].reshape(2, len(lines))
        return -change[0] / step, change[1] / step
