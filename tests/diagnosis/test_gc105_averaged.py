"""GC105: off by the length of an axis that is summed; the same factor where no axis, or two, have that length is GC102."""

import numpy as np


def shift(x, b):
    return x + b


def test_a_mean_in_place_of_a_sum(cause_of, rng):
    cause = cause_of(shift, lambda u, x, b: (u, u.mean(axis=0)), [rng.normal(size=(5, 3)), rng.normal(size=3)])
    assert cause.code == "GC105"
    assert "smaller by the batch size 5" in cause.message


def softmax_loss(x):
    labels = np.array([0, 2, 1, 2])
    p = np.exp(x - x.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    dx = p.copy()
    dx[np.arange(4), labels] -= 1
    return -np.mean(np.log(p[np.arange(4), labels])), dx  # dx should be divided by 4


def test_a_loss_without_the_mean(cause_of, rng):
    cause = cause_of(lambda x: softmax_loss(x)[0], lambda u, x: (u * softmax_loss(x)[1],), [rng.normal(size=(4, 3))])
    assert cause.code == "GC105"
    assert "larger by the batch size 4" in cause.message
    assert cause.fix == "d_x = (what you return) / 4"


def average(x):
    return x.mean(axis=1)


def test_another_axis(cause_of, rng):
    cause = cause_of(average, lambda u, x: (np.repeat(u[:, None], 5, axis=1),), [rng.normal(size=(3, 5))])
    assert cause.code == "GC105"
    assert "5, the length of axis 1 of x" in cause.message


def test_an_axis_that_nothing_sums_over(cause_of, rng):
    cause = cause_of(lambda x: x**3, lambda u, x: (u * x**2,), [rng.normal(size=(4, 3))])
    assert cause.code == "GC102"


def test_two_axes_of_that_length(cause_of, rng):
    cause = cause_of(average, lambda u, x: (np.repeat(u[:, None], 5, axis=1),), [rng.normal(size=(5, 5))])
    assert cause.code == "GC102"
