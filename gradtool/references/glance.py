"""A glance at the slopes along some lines: four evaluations each, no error bound.

It serves to tell in passing that nothing is wrong. Where it seems that something is, a reference with an error bound is asked.
"""

from __future__ import annotations

import numpy as np

from gradtool.references.sampling import Array, Evaluable, Measure

STEP = 2.0**-16


def glance(function: Evaluable, name: str, at: Array, lines: Array, upstream: Array) -> tuple[Array, Array]:
    """``(left, right)``: the one-sided slopes of ``sum(upstream * output)`` along each of ``lines``, shape (K, *shape of at),
    extrapolated once; NaN where a step leaves the domain."""
    measure = Measure.of(function, upstream)
    step = STEP * max(1.0, float(np.max(np.abs(at), initial=0.0)))
    signed = np.array([step, step / 2, -step / 2, -step])
    points = at + signed.reshape(-1, *[1] * (at.ndim + 1)) * lines
    with np.errstate(all="ignore"):
        outputs = function.many(name, points.reshape(len(signed) * len(lines), *at.shape)).outputs
        change = measure.contract(outputs)[0].reshape(4, len(lines))
        slopes = change / signed[:, None]
        return 2 * slopes[2] - slopes[3], 2 * slopes[1] - slopes[0]
