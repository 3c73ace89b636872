"""GC118: right but at ties; a maximum that is wrong everywhere is not about ties."""

import numpy as np


def largest(x):
    return x.max(axis=1)


X = np.array([[0.3, 1.7, -0.4], [2.2, 0.1, 1.4]])


def test_the_whole_gradient_to_every_tied_entry(cause_of):
    every = lambda u, x: (u[:, None] * (x == x.max(axis=1, keepdims=True)),)
    cause = cause_of(largest, every, [X])
    assert cause.code == "GC118"
    assert "at a tie or kink" in cause.message


def test_wrong_everywhere(cause_of):
    twice = lambda u, x: (2 * u[:, None] * (x == x.max(axis=1, keepdims=True)),)
    assert cause_of(largest, twice, [X]).code == "GC102"


def test_a_tie_at_the_given_point(cause_of):
    every = lambda u, x: (u[:, None] * (x == x.max(axis=1, keepdims=True)),)
    assert cause_of(largest, every, [np.array([[1.0, 3.0, 3.0], [2.0, 0.0, 1.0]])]).code == "GC118"


def test_a_corner_at_the_given_point(cause_of):
    slope = lambda u, x: (u * np.where(x > 0, 1, np.where(x == 0, 2, 0)),)
    assert cause_of(lambda x: np.maximum(x, 0), slope, [np.array([1.0, 0.0, -3.0, 0.0])]).code == "GC118"
