"""GC114: right to some digits; a constant factor near 1 is GC102."""

import numpy as np


def layer(x, w):
    return np.tanh(x @ w)


def right(u, x, w):
    d = u * (1 - np.tanh(x @ w) ** 2)
    return d @ w.T, x.T @ d


def inputs(rng):
    return [rng.normal(size=(4, 3)), rng.normal(size=(3, 2))]


def test_single_precision(cause_of, rng):
    def backward(u, x, w):
        dx, dw = right(u, x, w)
        return dx, dw.astype(np.float32).astype(np.float64)

    cause = cause_of(layer, backward, inputs(rng))
    assert cause.code == "GC114"
    assert "float32" in cause.message


def test_an_approximation(cause_of, rng):
    def backward(u, x):
        h = 1e-2
        return (u * (np.exp(np.sin(x + h)) - np.exp(np.sin(x))) / h,)

    cause = cause_of(lambda x: np.exp(np.sin(x)), backward, [rng.normal(size=6)])
    assert cause.code == "GC114"
    assert "approximation" in cause.message


def test_a_factor_near_one_is_a_factor(cause_of, rng):
    def backward(u, x, w):
        dx, dw = right(u, x, w)
        return dx, dw * 1.00001

    assert cause_of(layer, backward, inputs(rng)).code == "GC102"


def test_a_small_constant_that_backward_has_not(cause_of, rng):
    t = np.eye(4)[[0, 2, 1]]
    loss = lambda y: -np.sum(t * np.log(y + 1e-7))
    cause = cause_of(loss, lambda u, y: (-u * t / y,), [rng.uniform(0.1, 1.0, size=(3, 4))])
    assert cause.code == "GC114"
