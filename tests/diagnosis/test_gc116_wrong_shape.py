"""GC116: the shape is wrong, and what would make it right; the right shape with too little in it is GC104."""

import numpy as np
import pytest


def linear(x, w, b):
    return x @ w.T + b


def inputs(rng):
    return [rng.normal(size=(6, 4)), rng.normal(size=(3, 4)), rng.normal(size=3)]


def backward(dw, db):
    return lambda u, x, w, b: (u @ w, dw(u, x), db(u))


def right_w(u, x):
    return u.T @ x


def right_b(u):
    return u.sum(axis=0)


@pytest.mark.parametrize(
    ("dw", "db", "name", "transformation"),
    [
        (lambda u, x: x.T @ u, right_b, "w", "a transposition (.T)"),
        (right_w, lambda u: u, "b", "a sum (sum(axis=0))"),
        (right_w, lambda u: u.sum(axis=0, keepdims=True), "b", "a reshape (reshape(3,))"),
        (lambda u, x: (u.T @ x).ravel(), right_b, "w", "a reshape (reshape(3, 4))"),
        (lambda u, x: u[:, :, None] * x[:, None, :], right_b, "w", "a sum (sum(axis=0))"),
    ],
)
def test_what_would_make_it_right(cause_of, rng, dw, db, name, transformation):
    cause = cause_of(linear, backward(dw, db), inputs(rng), name)
    assert cause.code == "GC116"
    assert cause.transformation == transformation
    assert cause.message.startswith("has shape (")


def test_the_gradient_of_another_input(cause_of, rng):
    cause = cause_of(linear, lambda u, x, w, b: (u @ w, u.sum(axis=0), u.T @ x), inputs(rng), "w")
    assert cause.code == "GC116"
    assert "it is the gradient of b" in cause.message


def test_nothing_makes_it_right(cause_of, rng):
    cause = cause_of(linear, backward(lambda u, x: np.ones((2, 2)), right_b), inputs(rng))
    assert (cause.code, cause.message, cause.transformation) == ("GC116", "has shape (2, 2), not (3, 4)", None)


def test_the_right_shape_with_one_row(cause_of, rng):
    assert cause_of(linear, backward(right_w, lambda u: u[0]), inputs(rng)).code == "GC104"
