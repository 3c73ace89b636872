"""GC104: one slice of what should be summed; an average over the axis is none."""

import numpy as np
import pytest


def shift(x, b):
    return x + b


def inputs(rng):
    return [rng.normal(size=(5, 3)), rng.normal(size=3)]


@pytest.mark.parametrize("k", [0, 2, 4])
def test_one_row(cause_of, rng, k):
    cause = cause_of(shift, lambda u, x, b: (u, u[k]), inputs(rng))
    assert cause.code == "GC104"
    assert f"index {k} of axis 0" in cause.message


def loss(x, w):
    return np.sum(np.tanh(x @ w) ** 2)


def test_one_sample_of_a_loss(cause_of, rng):
    def backward(u, x, w):
        h = np.tanh(x @ w)
        d = u * 2 * h * (1 - h**2)
        return d @ w.T, np.outer(x[-1], d[-1])

    cause = cause_of(loss, backward, [rng.normal(size=(4, 3)), rng.normal(size=(3, 2))])
    assert cause.code == "GC104"
    assert "index 3 of axis 0" in cause.message


def pool(x):
    return x.reshape(3, 2).mean(axis=1)


def test_not_spread(cause_of, rng):
    cause = cause_of(pool, lambda u, x: (np.stack([u, 0 * u], axis=1).ravel(),), [rng.normal(size=6)])
    assert cause.code == "GC104"
    assert "shared out" in cause.message


def test_an_average_is_not_a_slice(cause_of, rng):
    assert cause_of(shift, lambda u, x, b: (u, u.mean(axis=0)), inputs(rng)).code == "GC105"


def test_summed_where_it_should_not_be(cause_of, rng):
    def product(a, b):
        return a @ b

    def backward(u, a, b):
        db = np.swapaxes(a, 1, 2) @ u
        return u @ np.swapaxes(b, 1, 2), np.broadcast_to(db.sum(axis=0), db.shape).copy()

    cause = cause_of(product, backward, [rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 4, 5))])
    assert cause.code == "GC104"
    assert "sum over its own axis 0" in cause.message
