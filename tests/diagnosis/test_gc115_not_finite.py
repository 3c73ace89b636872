"""GC115: NaN or inf where the right gradient is finite; large numbers are finite."""

import numpy as np


def stable(x):
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)


def test_nan(cause_of):
    def backward(u, x):
        with np.errstate(all="ignore"):
            return (u * np.exp(x) / (1 + np.exp(x)),)

    cause = cause_of(stable, backward, [np.array([1.0, 800.0, -2.0])])
    assert (cause.code, cause.message) == ("GC115", "is NaN at [1], where x is 800")


def test_infinite(cause_of):
    def backward(u, x):
        with np.errstate(all="ignore"):
            return (np.abs(u) * 2 * x**2 / x**2 / np.where(x > 1, x - x, 1.0),)

    cause = cause_of(lambda x: 2 * x, backward, [np.array([0.5, 3.0, 0.25])])
    assert cause.code == "GC115"
    assert "inf at [1]" in cause.message


def test_large_is_finite(cause_of):
    assert cause_of(lambda x: 2 * x, lambda u, x: (u * 2e300,), [np.array([0.5, 3.0, 0.25])]).code == "GC102"
