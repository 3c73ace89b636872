"""A backward for another forward: n - 1 for n, a constant left out, exp for softmax. Not for a value that is right."""

import numpy as np
import pytest


def normalised(x):
    return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 0.01)


def backward(u, x, free=0, small=0.01):
    deviation = np.sqrt(x.var(axis=0, ddof=free) + small)
    z = (x - x.mean(axis=0)) / deviation
    return ((u - u.mean(axis=0) - z * (u * z).mean(axis=0)) / deviation,)


@pytest.mark.parametrize(
    ("how", "words"), [({"free": 1}, "taken over 4 in place of 5 entries"), ({"small": 0}, "the 0.01 that is added")]
)
def test_a_value_that_forward_does_not_have(cause_of, rng, how, words):
    cause = cause_of(normalised, lambda u, x: backward(u, x, **how), [rng.normal(size=(5, 3))])
    assert cause.code == "GC110"
    assert words in cause.message
    assert cause.line == normalised.__code__.co_firstlineno + 1


def log_softmax(x):
    shifted = x - x.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def test_exp_in_the_place_of_softmax(cause_of, rng):
    cause = cause_of(
        log_softmax, lambda u, x: (u - np.exp(x) * u.sum(axis=1, keepdims=True),), [rng.normal(size=(3, 4))]
    )
    assert cause.code == "GC110"
    assert "exp of x stands in the place of its softmax" in cause.message


def test_a_path_is_no_other_value(cause_of, rng):
    without = lambda u, x: ((u - u.mean(axis=0)) / np.sqrt(x.var(axis=0) + 0.01),)
    assert cause_of(normalised, without, [rng.normal(size=(5, 3))]).code == "GC108"
