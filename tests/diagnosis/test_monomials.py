"""Powers of what is at hand, for forwards that cannot be traced."""

import numpy as np
import pytest

from gradtool.diagnosis.monomials import missing_factor


def quotient(x, y):
    return x / y


def points(rng):
    return [[rng.normal(size=(3, 2)), rng.uniform(0.5, 2, size=(3, 2))] for _ in range(2)]


@pytest.mark.parametrize(
    ("backward", "name", "message", "is_missing"),
    [
        (lambda u, x, y: (u, -u * x / y**2), "x", "lacks its whole local derivative", True),
        (lambda u, x, y: (u / y, -u / y**2), "y", "lacks the factor x", True),
        (lambda u, x, y: (u / y, -u * x / y), "y", "is off by the factor y", False),
        (lambda u, x, y: (u * y, -u * x / y**2), "x", "is off by the factor y^2", False),
    ],
)
def test_found(evidence_of, rng, backward, name, message, is_missing):
    found = missing_factor(evidence_of(quotient, backward, points(rng), name, traced=False))
    assert found.message.startswith(message)
    assert found.is_missing is is_missing


@pytest.mark.parametrize("backward", [lambda u, x, y: (2 * u / y, u), lambda u, x, y: (u * np.cos(5 * x + y), u)])
def test_none(evidence_of, rng, backward):
    assert missing_factor(evidence_of(quotient, backward, points(rng), traced=False)) is None


def test_an_inner_value(evidence_of, rng):
    def scaled(x):
        return x / np.sqrt(1 + (x**2).sum(axis=1, keepdims=True))

    def backward(u, x):
        s = np.sqrt(1 + (x**2).sum(axis=1, keepdims=True))
        return (u - x * (u * x).sum(axis=1, keepdims=True) / s**2,)  # not divided by s

    found = missing_factor(evidence_of(scaled, backward, [[rng.normal(size=(4, 3))] for _ in range(2)]))
    assert found.is_missing
    assert found.message.startswith("lacks the factor 1 / (the result of sqrt")


def test_another_value_in_its_place(evidence_of, rng):
    def scaled(x, g):
        return g * np.cosh(x)

    def backward(u, x, g):
        return u * g * np.sinh(x), u * x

    points = [[rng.normal(size=4), rng.normal(size=4)] for _ in range(2)]
    found = missing_factor(evidence_of(scaled, backward, points, "g", traced=False))
    assert (found.message, found.is_missing) == ("has x where another local derivative belongs", False)


def test_a_factor_that_is_one_number_a_point(evidence_of, rng):
    def length(x):
        return np.sqrt(np.sum(x * x))

    found = missing_factor(
        evidence_of(length, lambda u, x: (u * x,), [[rng.normal(size=4)] for _ in range(3)], traced=False)
    )
    assert found.message.startswith("is off by the factor the output")
