"""GC119: a penalty's gradient missing, there twice, or there without a penalty; half of it is GC102."""

import numpy as np
import pytest


def loss(x, w):
    return np.sum(np.tanh(x @ w)) + 0.05 * np.sum(w * w)


def plain(x, w):
    return np.sum(np.tanh(x @ w))


def backward(penalty):
    def run(u, x, w):
        d = u * (1 - np.tanh(x @ w) ** 2)
        return d @ w.T, x.T @ d + penalty(u, w)

    return run


def inputs(rng):
    return [rng.normal(size=(4, 3)), rng.normal(size=(3, 2))]


@pytest.mark.parametrize(
    ("forward", "penalty", "message"),
    [
        (loss, lambda u, w: 0, "lacks a regularisation term: 0.1 * w"),
        (loss, lambda u, w: 0.2 * u * w, "has a regularisation term twice: 0.1 * w"),
        (plain, lambda u, w: 0.1 * u * w, "has a regularisation term that forward has not, or has it twice: 0.1 * w"),
        (
            plain,
            lambda u, w: 0.1 * u * np.sign(w),
            "has a regularisation term that forward has not, or has it twice: 0.1 * sign(w)",
        ),
        (plain, lambda u, w: 0.25, "has a constant term that forward has not, or has it twice: 0.25"),
    ],
)
def test_the_term_is_named(cause_of, rng, forward, penalty, message):
    cause = cause_of(forward, backward(penalty), inputs(rng))
    assert (cause.code, cause.message) == ("GC119", message)


def test_half_of_it_is_a_factor(cause_of, rng):
    cause = cause_of(loss, backward(lambda u, w: 0.05 * u * w), inputs(rng))
    assert cause.code == "GC102"
    assert "1/2" in cause.message
