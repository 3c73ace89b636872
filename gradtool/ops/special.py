"""Special functions on arrays. SciPy is loaded at the first call that needs it, never at start."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradtool.ops.kernels import product, times_gaussian
from gradtool.ops.operation import Array, Function

_FEW = 1000
"""Up to so many entries Python's ``math`` is faster than loading SciPy, and as accurate."""

_ROOT_2 = 1.4142135623730951
_ROOT_2_REST = -9.667293313452913e-17
_ERF_SLOPE = 2.0 / math.sqrt(math.pi)
_NORMAL_PEAK = 1.0 / math.sqrt(2.0 * math.pi)


def _one_by_one(function: Function, x: Any) -> Array:
    array = np.asarray(x, dtype=np.float64)
    return np.fromiter(map(function, array.ravel().tolist()), np.float64, array.size).reshape(array.shape)


def erf(x: Any) -> Array:
    """The error function."""
    if np.size(x) <= _FEW:
        return _one_by_one(math.erf, x)
    import scipy.special

    return np.asarray(scipy.special.erf(x))


def erfc(x: Any) -> Array:
    """``1 - erf(x)``, without cancellation. SciPy's own loses hundreds of ulp in the tail; its ``erfcx`` does not."""
    if np.size(x) <= _FEW:
        return _one_by_one(math.erfc, x)
    import scipy.special

    return np.where(
        np.greater(x, 1.0),
        times_gaussian(scipy.special.erfcx(np.maximum(x, 1.0)), x, 1.0),
        scipy.special.erfc(np.minimum(x, 1.0)),
    )


def erf_slope(x: Any) -> Array:
    """``2/√π exp(-x²)``, the derivative of ``erf``."""
    return times_gaussian(_ERF_SLOPE, x, 1.0)


def normal_cdf(x: Any) -> Array:
    """Φ, the distribution function of the standard normal: ``erfc(-x/√2) / 2``, with what the quotient's rounding
    left out put back to first order."""
    bounded = np.clip(x, -64.0, 64.0)
    quotient = -bounded / _ROOT_2
    back, rest = product(quotient, _ROOT_2)
    missing = ((-bounded - back) - rest - quotient * _ROOT_2_REST) / _ROOT_2
    return np.asarray(0.5 * (erfc(quotient) - missing * erf_slope(quotient)))


def times_normal_pdf(factor: Any, x: Any) -> Array:
    """``factor * φ(x)``, φ being the density of the standard normal."""
    return times_gaussian(_NORMAL_PEAK * factor, x, 0.5)


def lgamma(x: Any) -> Array:
    """``log |Γ(x)|``."""
    import scipy.special

    return np.asarray(scipy.special.gammaln(x))


def _sine_angle(x: Any) -> Array:
    """π times what x is off the nearest integer: taken exactly, so that poles are approached at full accuracy."""
    return np.asarray(np.pi * np.subtract(x, np.rint(x)))


def digamma(x: Any) -> Array:
    """ψ, the derivative of ``lgamma``, by ``ψ(x) = ψ(1 - x) - π / tan πx`` left of 0 (Abramowitz and Stegun 6.3.7); NaN
    at the poles there."""
    import scipy.special

    negative = np.less(x, 0)
    right = scipy.special.digamma(np.where(negative, np.subtract(1.0, x), x))
    angle = _sine_angle(x)
    left = np.where(np.equal(angle, 0), np.nan, right - np.divide(np.pi, np.tan(angle)))
    return np.asarray(np.where(negative, left, right))


def trigamma(x: Any) -> Array:
    """ψ', by ``ψ'(x) = (π / sin πx)² - ψ'(1 - x)`` left of 0 (Abramowitz and Stegun 6.4.7)."""
    import scipy.special

    negative = np.less_equal(x, 0)
    right = scipy.special.zeta(2.0, np.where(negative, np.subtract(1.0, x), x))
    left = np.square(np.divide(np.pi, np.sin(_sine_angle(x)))) - right
    return np.asarray(np.where(negative, left, right))
