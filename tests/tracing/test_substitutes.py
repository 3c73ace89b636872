"""Functions that ask nobody's class: np.zeros, np.asarray, math.exp."""

import math
import threading
from math import exp as imported_exp

import numpy as np
import pytest
import scipy.special

from gradtool.tracing import Untraceable, trace

X = np.array([[0.3, -0.7, 1.1], [0.9, 0.2, -0.4]])


def filled(make):
    def run(x):
        out = make(x)
        for i in range(len(x)):
            out[i] = x[i] * x[i - 1]
        out[:, 1:] += x[:, :2] ** 2
        return out

    return run


@pytest.mark.parametrize(
    "make",
    [
        lambda x: np.zeros((2, 3)),
        lambda x: np.zeros(x.shape, dtype=float),
        lambda x: np.zeros_like(x),
        lambda x: np.empty((2, 3)),
        lambda x: np.empty_like(x),
        lambda x: np.ones((2, 3)),
        lambda x: np.full((2, 3), 1.5),
        lambda x: np.full_like(X, 1.5),
        lambda x: np.zeros_like(X),
        lambda x: np.array([[0.0] * 3] * 2),
        lambda x: np.full((2, 3), x[0, 0]),
        lambda x: np.full_like(x, x[0, 0]),
    ],
)
def test_arrays_made_inside_can_be_filled(check, make):
    check(filled(make), X)


def test_identity_and_one_hot(check):
    check(lambda x: np.eye(3)[np.array([0, 2])] * x + np.identity(3)[1], X)


def one_hot(x):
    hot = np.zeros((2, 3))
    hot[np.arange(2), [2, 0]] = 1
    return -np.sum(hot * np.log(np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)))


def test_a_constant_that_is_filled_stays_one(check):
    traced = check(one_hot, X)
    assert "scatter" not in traced.graph.operations


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.asarray(x) ** 2,
        lambda x: np.asarray(x, dtype=float) ** 2,
        lambda x: np.asarray(x, float) ** 2,
        lambda x: np.array(x, dtype=np.float64) ** 2,
        lambda x: np.asanyarray(x) * np.ascontiguousarray(x.T).T,
        lambda x: np.array([x[0, 0], 2.0, x[1, 2] ** 2]),
        lambda x: np.array([[x[0, 0], 2.0], [x[1, 2] ** 2, x[1, 1]]]),
        lambda x: np.array([row.sum() for row in x]),
        lambda x: np.array([x[0], np.ones(3)]),
        lambda x: np.array(x, ndmin=3) * 2,
        lambda x: np.array(x > 0, dtype=float) * x,
        lambda x: np.asarray(x, dtype=int) * x,
    ],
)
def test_arrays_made_of_traced_ones(check, function):
    check(function, X)


def test_an_array_copies_and_asarray_does_not(check):
    def run(x):
        copy, same = np.array(x), np.asarray(x)
        same[0] = copy[1] ** 2
        return x * copy

    check(run, X)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: math.exp(x) + math.sin(x) * math.log(x, 10) + math.log(x),
        lambda x: math.sqrt(x) * math.atan2(x, 2.0) + math.hypot(x, 3.0) + math.pow(x, 3),
        lambda x: math.tanh(x) + math.erf(x) * math.lgamma(x) + math.floor(x) * x + math.ceil(x) * x,
        lambda x: (
            math.fsum([x, x**2, 2.0]) + math.prod([x, x, 3.0]) if hasattr(x, "tape") else x + x**2 + 2.0 + x * x * 3.0
        ),
        lambda x: x * 2.0 if math.isclose(x, 5.0) else x**2,
    ],
)
def test_functions_of_math_on_a_number(check, function):
    check(function, 0.7)


def test_what_was_imported_from_math_is_refused():
    with pytest.raises(Untraceable, match=r"test_substitutes.py:\d+: a traced value is turned into a Python float"):
        trace(lambda x: imported_exp(x), {"x": 0.5})


def test_a_plain_array_from_elsewhere_cannot_be_filled():
    kept = np.zeros(2)

    def run(x):
        kept[0] = x[0]
        return kept * x

    with pytest.raises(Untraceable, match="entries of plain arrays"):
        trace(run, {"x": np.array([1.0, 2.0])})


def test_the_softmax_family_of_scipy(check):
    check(lambda x: scipy.special.softmax(x, axis=1), X)
    check(lambda x: scipy.special.log_softmax(x), X)
    check(lambda x: scipy.special.logsumexp(x, axis=0, keepdims=True), X)


def test_everything_is_put_back():
    before = (np.zeros, np.asarray, np.full_like, math.exp, scipy.special.softmax)

    def failing(x):
        assert np.zeros is not before[0] or not hasattr(x, "tape")
        raise KeyError("x")

    with pytest.raises(Untraceable, match="the function itself raises KeyError"):
        trace(failing, {"x": X})
    trace(lambda x: x + np.zeros(3), {"x": X})
    assert (np.zeros, np.asarray, np.full_like, math.exp, scipy.special.softmax) == before


def test_other_threads_see_plain_arrays():
    seen = []

    def run(x):
        other = threading.Thread(target=lambda: seen.append(type(np.zeros(2)) is np.ndarray))
        other.start()
        other.join()
        return x * 2

    trace(run, {"x": X})
    assert seen
    assert all(seen)
