"""A glance at the slopes along some lines: one evaluation each, no error bound.

It serves to tell in passing that nothing is wrong. Where it seems that something is, a reference with an error bound is asked.
"""

from __future__ import annotations

import numpy as np

from gradtool.references.sampling import Array, Evaluable, Measure

STEP = 2.0**-26
"""Curvature and rounding both disturb some seven digits then."""


def glance(function: Evaluable, name: str, at: Array, lines: Array, measure: Measure) -> Array:
    """The slopes of what ``measure`` makes of the output, ahead along each of ``lines``, shape (K, *shape of at); NaN where a
    step leaves the domain. Those on the other side are the opposite of the slopes along ``-lines``."""
    step = STEP * max(1.0, float(np.abs(at).max(initial=0.0)))
    with np.errstate(all="ignore"):
        return measure.change(function.many(name, at + step * lines).outputs) / step
