"""Stable building blocks that several families share: the logistic function, sech², the Gaussian, and exact products.

Each keeps full relative accuracy in its tails. Two things spoil a tail in the textbook form. The exponent's rounding
error is multiplied by the exponent itself, so an exponent that is a product or a square is carried as a pair, the
rounded value and the rest (Dekker, "A floating-point technique for extending the available precision", 1971).
And ``exp`` underflows before ``factor * exp`` does, so the exponential is multiplied on in two halves.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradtool.ops.operation import Array

Pair = tuple[Any, Any]
"""An unevaluated sum: a float64 value and a rest of the order of its rounding error."""

_SPLITTER = 134217729.0  # 2^27 + 1


def _halves(a: Any) -> Pair:
    """``a`` as an exact sum of two numbers of 26 bits each."""
    scaled = _SPLITTER * a
    high = scaled - (scaled - a)
    return high, a - high


def product(a: Any, b: Any) -> Pair:
    """``a * b`` exactly, as a pair. Where halving overflows the rest is given as 0."""
    (a_high, a_low), (b_high, b_low) = _halves(a), _halves(b)
    value = a * b
    rest = a_low * b_low - (((value - a_high * b_high) - a_low * b_high) - a_high * b_low)
    return value, np.where(np.isfinite(rest), rest, 0.0)


def pair_product(a: Pair, b: Pair) -> Pair:
    """The product of two pairs, good to some 2^-100."""
    value, rest = product(a[0], b[0])
    return value, rest + (a[0] * b[1] + a[1] * b[0])


def one_plus(a: Pair) -> Pair:
    """``1 + a`` for a pair (the two-sum of Knuth)."""
    value = 1.0 + a[0]
    taken = value - 1.0
    return value, (1.0 - (value - taken)) + (a[0] - taken) + a[1]


def decayed(factor: Any, x: Any, rest: Any = 0.0) -> Array:
    """``factor * exp(-|x + rest|)``, zero only where that product is."""
    half = np.exp(-0.5 * np.abs(x))
    return np.asarray((factor * half) * (half * (1.0 - np.sign(x) * rest)))


def sigmoid(x: Any) -> Array:
    """``1 / (1 + exp(-x))``."""
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(np.less(x, 0), small, 1.0) / (1.0 + small))


def sigmoid_slope(x: Any) -> Array:
    """The derivative of ``sigmoid``."""
    small = np.exp(-np.abs(x))
    return np.asarray(small / (1.0 + small) / (1.0 + small))


def times_sigmoid(factor: Any, x: Any, rest: Any = 0.0) -> Array:
    """``factor * sigmoid(x + rest)``."""
    small = decayed(1.0, x, rest)
    return np.asarray(np.where(np.less(x, 0), decayed(factor, x, rest), factor) / (1.0 + small))


def times_sigmoid_slope(factor: Any, x: Any, rest: Any = 0.0) -> Array:
    """``factor * sigmoid'(x + rest)``."""
    small = decayed(1.0, x, rest)
    return np.asarray(decayed(factor, x, rest) / (1.0 + small) / (1.0 + small))


def log1pexp(x: Any) -> Array:
    """``log(1 + exp(x))``."""
    return np.asarray(np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0.0))


def sech_squared(x: Any) -> Array:
    """``1 / cosh(x)²``, the derivative of tanh."""
    small = np.exp(-np.abs(x))
    sech = 2.0 * small / (1.0 + small * small)
    return np.asarray(sech * sech)


def times_gaussian(factor: Any, x: Any, scale: float) -> Array:
    """``factor * exp(-scale * x²)`` for ``scale`` a power of 2: the square of the leading bits of x is exact, and the
    rest of x² is small."""
    bounded = np.clip(x, -64.0, 64.0)  # beyond, the result is 0 for every scale in use; it keeps halving from overflow
    high = _halves(bounded)[0]
    half = np.exp(-0.5 * scale * (high * high))
    return np.asarray((factor * half) * (half * np.exp(-scale * (bounded - high) * (bounded + high))))
