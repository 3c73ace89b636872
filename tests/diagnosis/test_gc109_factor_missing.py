"""GC109: a local derivative left out, named with its line; one that is there twice is GC110."""

import numpy as np
import pytest


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def net(x, w, b, v):
    h = sigmoid(x @ w + b)
    return sigmoid(h @ v)


def backward(first, second):
    def run(u, x, w, b, v):
        h = sigmoid(x @ w + b)
        o = sigmoid(h @ v)
        d2 = u * second(o)
        d1 = (d2 @ v.T) * first(h)
        return d1 @ w.T, x.T @ d1, d1.sum(axis=0), h.T @ d2

    return run


def right(s):
    return s * (1 - s)


SHAPES = [(5, 2), (2, 3), (3,), (3, 1)]
LINE = net.__code__.co_firstlineno


@pytest.mark.parametrize(("first", "second", "name", "line"), [
    (np.ones_like, right, "w", LINE + 1), (np.ones_like, right, "x", LINE + 1), (right, np.ones_like, "v", LINE + 2),
    (right, np.ones_like, "b", LINE + 2),
])  # fmt: skip
def test_the_derivative_of_an_activation(cause_of, rng, first, second, name, line):
    cause = cause_of(net, backward(first, second), [rng.normal(size=s) for s in SHAPES], name)
    assert cause.code == "GC109"
    assert "the derivative of sigmoid" in cause.message
    assert "is left out" in cause.message
    assert cause.line == line
    assert f"sigmoid at test_gc109_factor_missing.py:{line} is left out" in cause.message


@pytest.mark.parametrize("function", [np.sign, lambda x: np.sign(np.tanh(x)), lambda x: np.round(x / 8)])
def test_what_is_meant_to_go_straight_through_can_be_declared(cause_of, rng, function):
    cause = cause_of(lambda x: 2 * function(x), lambda u, x: (2 * u,), [rng.normal(size=(4, 3))])
    assert cause.code == "GC109"
    assert cause.fix.endswith(
        ', which is 0; where the gradient is meant to go straight through, declare it in the configuration: intentional = "why"'
    )


def test_a_derivative_that_is_not_zero_is_not_declared(cause_of, rng):
    cause = cause_of(lambda x: np.tanh(x - np.floor(x)), lambda u, x: (u,), [rng.normal(size=(4, 3))])
    assert (cause.code, "intentional" in cause.fix) == ("GC109", False)


@pytest.mark.parametrize("function", [np.tanh, np.exp, np.sin, np.square, np.arctan])
def test_an_operation_is_named(cause_of, rng, function):
    w = rng.normal(size=(3, 3))

    def forward(x):
        return np.cos(function(x @ w))

    def leave_out(u, x):
        return ((u * -np.sin(function(x @ w))) @ w.T,)

    cause = cause_of(forward, leave_out, [rng.normal(size=(4, 3))])
    assert cause.code == "GC109"
    assert cause.line == forward.__code__.co_firstlineno + 1
    assert {"tanh": "tanh", "exp": "exp", "sin": "sin", "square": "square", "arctan": "atan"}[
        function.__name__
    ] in cause.message


def untraceable(x, y):
    return np.array([[float(a) * float(b) for a, b in zip(r, s, strict=True)] for r, s in zip(x, y, strict=True)])


def test_a_factor_in_code_that_cannot_be_traced(cause_of, rng):
    cause = cause_of(untraceable, lambda u, x, y: (u, u * x), [rng.normal(size=(3, 2)), rng.normal(size=(3, 2))])
    assert cause.code == "GC109"


def test_twice_is_not_missing(cause_of, rng):
    cause = cause_of(net, backward(lambda h: right(h) ** 2, right), [rng.normal(size=s) for s in SHAPES], "w")
    assert cause.code == "GC110"
