"""GC117: the same for any upstream, or for part of it; zeros are GC107, and one row of an axis is GC104."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_the_same_for_any_upstream(cause_of, rng):
    cause = cause_of(sigmoid, lambda u, x: (sigmoid(x) * (1 - sigmoid(x)),), [rng.normal(size=5)])
    assert cause.code == "GC117"
    assert "right for an upstream of ones" in cause.message


def test_one_of_two_outputs(cause_of, rng):
    cause = cause_of(lambda x: (np.sin(x), x**2), lambda u, x: (u[0] * np.cos(x),), [rng.normal(size=4)])
    assert cause.code == "GC117"
    assert "output 1" in cause.message


def test_only_its_sum(cause_of, rng):
    cause = cause_of(np.sin, lambda u, x: (u.sum() * np.cos(x),), [rng.normal(size=4)])
    assert cause.code == "GC117"
    assert "sum" in cause.message


def softmax(x):
    e = np.exp(x)
    return e / e.sum()


def test_a_constant_part(cause_of, rng):
    def backward(u, x):
        y = softmax(x)
        return (y * (u - (y * y).sum()),)

    cause = cause_of(softmax, backward, [rng.normal(size=4)])
    assert cause.code == "GC117"
    assert "even for one of zeros" in cause.message


def test_zeros_are_not_that(cause_of, rng):
    assert cause_of(np.sin, lambda u, x: (0 * x,), [rng.normal(size=4)]).code == "GC107"


def test_one_row_is_not_that(cause_of, rng):
    inputs = [rng.normal(size=(4, 3)), rng.normal(size=3)]
    assert cause_of(lambda x, b: x + b, lambda u, x, b: (u, u[0]), inputs).code == "GC104"
