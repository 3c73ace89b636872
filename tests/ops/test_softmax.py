"""softmax and its relatives: full relative accuracy where one entry outweighs the others."""

import mpmath
import numpy as np
import pytest

NAMES = ["softmax", "log_softmax", "logsumexp"]
POINTS = [
    [700.0, 0.0, -3.0],
    [-700.3, 0.1, -20.7],
    [0.0, -745.5, -350.2],
    [37.0, 37.1, 0.0],
    [1e9, 1e9 + 1, 1e9 - 2],
    [1e-9, 0.0, -1e-9],
    [40.0, 0.0, -5.0],
]


@pytest.mark.parametrize("name", NAMES)
def test_cases(name, check_cases):
    check_cases(name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("x", POINTS)
def test_saturated(name, x, at):
    point = at(name, x)
    for upstream in ([1.0, -2.0, 0.5], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [2.0, 3.0, 5.0]):
        assert point.worst(upstream if point.settled.shape else upstream[0]) < 1e-14


def test_a_constant_in_the_upstream_cancels(at):
    assert at("softmax", [2.0, -1.0, 0.5]).worst([1e6, 1e6 + 1, 1e6 - 1], value=False) < 1e-14
    assert np.abs(at("softmax", [800.0, 0.0, -5.0]).vjp(0)).max() == 0.0


def test_many_classes(at):
    x = np.random.default_rng(0).standard_normal(60)
    for k in (int(np.argmax(x)), 7):
        assert at("softmax", x).worst(np.eye(60)[k]) < 1e-14


def test_a_huge_upstream_of_a_tiny_probability(at):
    """exp(-740) has two digits left in float64; 1e300 times it need not."""
    point = at("softmax", [0.0, -740.0])
    found = point.vjp(0, [0.0, 1e300])
    expected = mpmath.mpf(1e300) * mpmath.exp(-740)
    assert abs(found[1] / float(expected) - 1) < 1e-13
    assert abs(at("logsumexp", [0.0, -740.0]).vjp(0, 1e300)[1] / float(expected) - 1) < 1e-13


def test_beyond_the_range_of_exp(at):
    assert at("softmax", [1000.0, 0.0, -1000.0]).out().tolist() == [1, 0, 0]
    assert np.abs(at("softmax", [1000.0, 0.0, -1000.0]).vjp(0, [1.0, 2.0, 3.0])).tolist() == [0, 0, 0]
    assert at("log_softmax", [1000.0, 0.0, -1000.0]).out().tolist() == [0, -1000, -2000]
    assert at("log_softmax", [1000.0, 0.0, -1000.0]).vjp(0, [0.0, 1.0, 0.0]).tolist() == [-1, 1, 0]
    assert at("logsumexp", [1e308, -1e308]).out() == 1e308
    assert at("logsumexp", [1e308, -1e308]).vjp(0).tolist() == [1, 0]


def test_infinities(at):
    inf = np.inf
    assert at("logsumexp", [-inf, -inf]).out() == -inf
    assert at("logsumexp", [-inf, -inf]).vjp(0).tolist() == [0, 0]
    assert at("logsumexp", [-inf, 2.0]).out() == 2
    assert at("logsumexp", [-inf, 2.0]).vjp(0).tolist() == [0, 1]
    assert at("logsumexp", [inf, 1.0]).out() == inf
    assert at("logsumexp", [inf, 1.0]).vjp(0).tolist() == [1, 0]
    assert at("softmax", [-inf, 1.0, 1.0]).out().tolist() == [0, 0.5, 0.5]
    assert (at("softmax", [-inf, 1.0, 1.0]).vjp(0, [1.0, 2.0, 3.0]) == [0, -0.25, 0.25]).all()
    assert np.isnan(at("softmax", [-inf, -inf]).out()).all()
    assert np.isnan(at("softmax", [np.nan, 1.0]).out()).all()


def test_sum_of_probabilities_has_no_gradient(at):
    x = np.random.default_rng(1).standard_normal((5, 7))
    assert np.abs(at("softmax", x).vjp(0)).max() < 1e-17


def test_refusals(refuses):
    assert "no axes" in refuses("softmax", ())
    assert "axis 2 is out of range" in refuses("log_softmax", (2, 3), axis=2)
    assert "at least one entry" in refuses("logsumexp", (0,))
