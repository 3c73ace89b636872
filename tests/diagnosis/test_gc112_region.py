"""GC112: a bound parts wrong entries from right ones; wrong entries that no bound parts are none."""

import numpy as np
import pytest

X = np.array([-2.1, 0.4, -0.7, 1.3, 2.6, -1.2, 0.9, -0.3, 1.8, -1.6])


CLIP = np.frompyfunc(lambda v: min(max(v, -1.0), 1.0), 1, 1)
"""Where tracing sees no clip: else its slope is a factor that is missing (GC109)."""


def leaky(x):
    return np.where(x > 0, x, 0.1 * x)


@pytest.mark.parametrize(
    ("forward", "derivative", "where", "there"),
    [
        (leaky, lambda x: (x > 0) * 1.0, "x < 0", "zero"),
        (lambda x: x**3, lambda x: 3 * x * np.abs(x), "x < 0", "opposite sign"),
        (lambda x: CLIP(x).astype(float), np.ones_like, "|x| > 1", "should be zero"),
        (lambda x: np.exp(-x), lambda x: np.where(x > 1, -0.5, -1) * np.exp(-x), "x > 1", "0.5 times"),
    ],
)
def test_the_region_is_named(cause_of, forward, derivative, where, there):
    cause = cause_of(forward, lambda u, x: (u * derivative(x),), [X])
    assert cause.code == "GC112"
    assert where in cause.message
    assert there in cause.message


def test_the_slope_of_a_traced_clip_is_a_missing_factor(cause_of):
    assert cause_of(lambda x: np.clip(x, -1, 1), lambda u, x: (u,), [X]).code == "GC109"


def hidden(x, w, v):
    return np.maximum(x @ w, 0) @ v


def masked(mask):
    def backward(u, x, w, v):
        z = x @ w
        d = (u @ v.T) * mask(z)
        return d @ w.T, x.T @ d, np.maximum(z, 0).T @ u

    return backward


def test_an_inner_mask_turned_round(cause_of, rng):
    inputs = [rng.normal(size=(5, 3)), rng.normal(size=(3, 4)), rng.normal(size=(4, 2))]
    cause = cause_of(hidden, masked(lambda z: z < 0), inputs, "w")
    assert cause.code == "GC112"
    assert "turned round" in cause.message
    assert cause.line == hidden.__code__.co_firstlineno + 1


def test_an_inner_region(cause_of, rng):
    inputs = [2 * rng.normal(size=(6, 3)), rng.normal(size=(3, 4)), rng.normal(size=(4, 3))]
    cause = cause_of(hidden, masked(lambda z: (z > 0) & (z < 1.5)), inputs, "w")
    assert cause.code == "GC112"
    assert "nothing is sent down there" in cause.message


def test_the_sign_of_the_upstream(cause_of, rng):
    cause = cause_of(
        lambda x, b: x + b, lambda u, x, b: (u, np.maximum(u, 0).sum(axis=0)), [rng.normal(size=(5, 3)), rng.normal(size=3)]
    )  # fmt: skip
    assert cause.code == "GC112"
    assert "the upstream gradient < 0" in cause.message


def test_entries_that_no_bound_parts(cause_of):
    wrong = np.zeros(10)
    wrong[[3, 7]] = 0.3
    cause = cause_of(lambda x: x**2, lambda u, x: (u * 2 * x * (1 + wrong),), [X])
    assert cause.code == "GC113"


def test_a_loss_with_two_branches(cause_of):
    def huber(x):
        return np.where(np.abs(x) < 1, 0.5 * x * x, np.abs(x) - 0.5).sum()

    cause = cause_of(huber, lambda u, x: (u * x,), [np.concatenate([X, X * 0.45 + 0.01])])
    assert cause.code == "GC112"
    assert "|x| > 1" in cause.message
