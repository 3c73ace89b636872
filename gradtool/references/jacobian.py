"""The Jacobian of a black box by central differences, all outputs at once.

Two Richardson extrapolations over three steps; their disagreement and rounding make the error. It serves to tell hypotheses
about a wrong gradient apart, not to judge one.
Source: Press et al., Numerical Recipes (3rd ed.), section 5.7.
"""

from __future__ import annotations

import numpy as np

from gradtool.references.sampling import EPSILON, Array, Evaluable

STEPS = (2.0**-6, 2.0**-7, 2.0**-8)


def jacobian(function: Evaluable, name: str, at: Array) -> tuple[Array, Array]:
    """``(value, error)``, both of shape ``(outputs, size of the input)``, of the outputs by ``name`` at ``at``.

    Takes six evaluations an entry. Where a step leaves the domain the value is NaN and the error infinite.
    """
    base = np.asarray(function.base(), dtype=np.float64).ravel()
    flat = np.asarray(at, dtype=np.float64).ravel()
    value, error = np.empty((base.size, flat.size)), np.empty((base.size, flat.size))
    with np.errstate(all="ignore"):
        for k in range(flat.size):
            scale = max(abs(flat[k]), 1e-3)
            points = np.repeat(flat[None], 2 * len(STEPS), axis=0)
            for row, step in enumerate(STEPS):
                points[2 * row, k] += step * scale
                points[2 * row + 1, k] -= step * scale
            outputs = function.many(name, points.reshape(-1, *np.shape(at))).outputs.reshape(len(points), -1)
            widths = (points[0::2, k] - points[1::2, k])[:, None]
            d = (outputs[0::2] - outputs[1::2]) / widths
            first = (4 * d[1:] - d[:-1]) / 3
            value[:, k] = (16 * first[1] - first[0]) / 15
            rounding = 4 * EPSILON * np.max(np.abs(outputs), axis=0) / widths[-1]
            # Near a kink one difference alone may happen to be small.
            error[:, k] = np.maximum(np.abs(value[:, k] - first[1]), np.abs(first[1] - first[0])) + rounding
    error[~np.isfinite(value)] = np.inf
    return value, error
