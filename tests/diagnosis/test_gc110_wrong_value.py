"""GC110: a derivative at the wrong value, of the wrong power, applied twice; one that is left out is GC109."""

import numpy as np
import pytest


def layer(x, w):
    return np.tanh(x @ w)


@pytest.mark.parametrize(
    ("derivative", "words"),
    [
        (lambda z: 1 - z**2, "written for the output and given the input"),
        (lambda z: 1 - np.tanh(np.tanh(z)) ** 2, "at the output in place of the input"),
        (lambda z: (1 - np.tanh(z) ** 2) ** 2, "applied twice"),
        (lambda z: 1 / (1 - np.tanh(z) ** 2), "divided by"),
        (lambda z: 1 + np.tanh(z) ** 2, "1 plus the square of its output"),
    ],
)
def test_an_activation(cause_of, rng, derivative, words):
    def backward(u, x, w):
        d = u * derivative(x @ w)
        return d @ w.T, x.T @ d

    cause = cause_of(layer, backward, [rng.normal(size=(4, 3)), rng.normal(size=(3, 2))], "w")
    assert cause.code == "GC110"
    assert words in cause.message
    assert f"tanh at test_gc110_wrong_value.py:{layer.__code__.co_firstlineno + 1}" in cause.message


def test_a_power(cause_of, rng):
    cause = cause_of(
        lambda a, b: a / b, lambda u, a, b: (u / b, -u * a / b), [rng.normal(size=4), rng.normal(size=4) + 3]
    )
    assert cause.code == "GC110"


def test_elementwise_for_a_matrix_product(cause_of, rng):
    inputs = [rng.normal(size=(3, 3)), rng.normal(size=(3, 3))]
    cause = cause_of(lambda a, b: a @ b, lambda u, a, b: (u * b, a.T @ u), inputs)
    assert cause.code == "GC110"


def test_the_upstream_twice(cause_of, rng):
    cause = cause_of(np.sin, lambda u, x: (u * u * np.cos(x),), [rng.normal(size=4)])
    assert cause.code == "GC110"
    assert "twice" in cause.message


def test_left_out_is_not_wrong(cause_of, rng):
    cause = cause_of(layer, lambda u, x, w: (u @ w.T, x.T @ u), [rng.normal(size=(4, 3)), rng.normal(size=(3, 2))], "w")
    assert cause.code == "GC109"


def recurrent(x, w):
    h = np.zeros(3)
    for row in x:
        h = np.tanh(w @ h + row)
    return h


def test_the_next_state(cause_of, rng):
    def backward(u, x, w):
        states = [np.zeros(3)]
        for row in x:
            states.append(np.tanh(w @ states[-1] + row))
        dx, dw = np.zeros_like(x), np.zeros_like(w)
        for t in reversed(range(len(x))):
            dx[t] = u * (1 - states[t + 1] ** 2)
            dw += np.outer(dx[t], states[t + 1])  # should be states[t]
            u = w.T @ dx[t]
        return dx, dw

    cause = cause_of(recurrent, backward, [rng.normal(size=(4, 3)), rng.normal(size=(3, 3))], "w")
    assert cause.code == "GC110"
    assert "takes the next round's value" in cause.message
    assert cause.line == recurrent.__code__.co_firstlineno + 3


def test_a_softmax_for_a_maximum(cause_of, rng):
    def backward(u, x):
        weights = np.exp(4 * x)
        return (u[:, None] * weights / weights.sum(axis=1, keepdims=True),)

    cause = cause_of(lambda x: x.max(axis=1), backward, [rng.normal(size=(4, 5))])
    assert cause.code == "GC110"
    assert "the softmax of 4 times its argument" in cause.message
