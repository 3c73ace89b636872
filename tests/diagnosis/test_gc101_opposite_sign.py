"""GC101: a sign turned round as a whole or along one path; a factor of -2 is none."""

import numpy as np


def difference(a, b):
    return a * a - b


def test_the_whole_gradient(cause_of, rng):
    cause = cause_of(difference, lambda u, a, b: (2 * u * a, u), [rng.normal(size=3), rng.normal(size=3)], "b")
    assert (cause.code, cause.message, cause.fix) == ("GC101", "has the opposite sign", "d_b = -(what you return)")
    assert cause.residual < 1e-6


def gate(x):
    return np.tanh(x) * np.exp(x)


def test_one_path(cause_of, rng):
    def backward(u, x):
        return (u * (np.tanh(x) * np.exp(x) - (1 - np.tanh(x) ** 2) * np.exp(x)),)

    cause = cause_of(gate, backward, [rng.normal(size=4)])
    assert cause.code == "GC101"
    assert "in one part" in cause.message
    assert "tanh at test_gc101_opposite_sign.py" in cause.message
    assert cause.line == gate.__code__.co_firstlineno + 1


def test_minus_two_is_a_factor(cause_of, rng):
    cause = cause_of(difference, lambda u, a, b: (2 * u * a, 2 * u), [rng.normal(size=3), rng.normal(size=3)], "b")
    assert cause.code == "GC102"
    assert "-2" in cause.message
