"""GC113: few entries, listed; a third of them is not few."""

import numpy as np


def test_the_last_entry(cause_of, rng):
    def backward(u, x):
        dx = 2 * u * x
        dx[-1] += 0.5
        return (dx,)

    cause = cause_of(lambda x: x**2, backward, [rng.normal(size=9)])
    assert cause.code == "GC113"
    assert "[8] of 9" in cause.message


def test_a_third_is_not_few(cause_of, rng):
    def backward(u, x):
        return (2 * u * x + 0.5 * u * (np.arange(9) % 3 == 1),)

    assert cause_of(lambda x: x**2, backward, [rng.normal(size=9)]).code != "GC113"


def test_a_single_entry_is_not_few(cause_of):
    cause = cause_of(lambda x: np.tan(x) + np.exp(x), lambda u, x: (u * (np.cos(x) + 0.3 * x),), [np.array([0.4])])
    assert cause.code != "GC113"
