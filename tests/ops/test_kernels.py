"""Stable building blocks: a few ulp down to the smallest normal number, and exact products."""

from fractions import Fraction

import mpmath as mp
import numpy as np
import pytest

from gradtool.ops.kernels import (
    decayed,
    log1pexp,
    one_plus,
    pair_product,
    product,
    sech_squared,
    sigmoid,
    sigmoid_slope,
    times_gaussian,
    times_sigmoid,
    times_sigmoid_slope,
)

FACTORS = (1.0, -1e300, 3e-150)


def points(low, high):
    rng = np.random.default_rng(1)
    tiny = 10.0 ** rng.uniform(-300, -1, 40)
    near = rng.uniform(-1, 1, 100)
    return np.concatenate((rng.uniform(low, high, 300), near, tiny, -tiny, [0.0, low, high]))


def logistic(x):
    return 1 / (1 + mp.exp(-x))


def sum_of(pair):
    return Fraction(float(pair[0])) + Fraction(float(pair[1]))


@pytest.mark.parametrize(
    ("function", "exact", "ulps"),
    [
        (sigmoid, logistic, 2.5),
        (sigmoid_slope, lambda x: logistic(x) * logistic(-x), 6),
        (log1pexp, lambda x: mp.log1p(mp.exp(x)), 2),
        (sech_squared, lambda x: mp.sech(x) ** 2, 8),
    ],
)
def test_functions_of_one_number(function, exact, ulps, worst_ulp):
    x = points(-354.0, 354.0)
    error, place = worst_ulp(function(x), exact, [(v,) for v in x.tolist()])
    assert error < ulps, place


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize(
    ("function", "exact"),
    [
        (decayed, lambda x: mp.exp(-abs(x))),
        (times_sigmoid, logistic),
        (times_sigmoid_slope, lambda x: logistic(x) * logistic(-x)),
    ],
)
def test_a_factor_is_multiplied_on_before_the_exponential_underflows(function, exact, factor, worst_ulp):
    x = points(-1390.0, 1390.0)
    error, place = worst_ulp(function(factor, x), lambda v: mp.mpf(factor) * exact(v), [(v,) for v in x.tolist()])
    assert error < 5, place
    if abs(factor) == 1e300:
        assert function(factor, -1000.0) != 0.0  # exp(-1000) alone is 0


@pytest.mark.parametrize("scale", [0.5, 1.0])
@pytest.mark.parametrize("factor", FACTORS)
def test_gaussian(scale, factor, worst_ulp):
    x = points(-52.0, 52.0)
    exact = lambda v: mp.mpf(factor) * mp.exp(-scale * v * v)
    error, place = worst_ulp(times_gaussian(factor, x, scale), exact, [(v,) for v in x.tolist()])
    assert error < 5, place


@pytest.mark.parametrize(
    ("function", "exact"),
    [
        (decayed, lambda x: mp.exp(-abs(x))),
        (times_sigmoid, logistic),
        (times_sigmoid_slope, lambda x: logistic(x) * logistic(-x)),
    ],
)
def test_the_rest_of_the_exponent_counts(function, exact, worst_ulp):
    """At an exponent of 600 its rounding error is worth 50 ulp of the result: it must not be lost, nor its sign."""
    rng = np.random.default_rng(2)
    a, b = rng.uniform(-25, 25, (2, 300))
    x, rest = product(a, b)
    computed = function(1.0, x, rest)
    pairs = list(zip(a.tolist(), b.tolist(), strict=True))
    error, place = worst_ulp(computed, lambda u, v: exact(u * v), pairs)
    assert error < 5, place
    assert worst_ulp(function(1.0, x), lambda u, v: exact(u * v), pairs)[0] > 20


@pytest.mark.parametrize(
    ("function", "at_minus_inf", "at_inf"),
    [
        (sigmoid, 0.0, 1.0),
        (sigmoid_slope, 0.0, 0.0),
        (log1pexp, 0.0, np.inf),
        (sech_squared, 0.0, 0.0),
        (lambda x: decayed(2.0, x), 0.0, 0.0),
        (lambda x: times_sigmoid(2.0, x), 0.0, 2.0),
        (lambda x: times_sigmoid_slope(2.0, x), 0.0, 0.0),
        (lambda x: times_gaussian(2.0, x, 0.5), 0.0, 0.0),
    ],
)
def test_infinity_and_nan(function, at_minus_inf, at_inf):
    found = function(np.array([-np.inf, np.inf, np.nan, -1e300, 1e300]))
    ends = [at_minus_inf, at_inf]
    assert found[:2].tolist() == ends
    assert np.isnan(found[2])
    assert found[3:].tolist() == [1e300 if end == np.inf else end for end in ends]


def test_a_python_float_gives_an_array_without_axes():
    for found in (sigmoid(0.0), sigmoid_slope(0.0), log1pexp(0.0), sech_squared(0.0), decayed(1.0, 0.0)):
        assert isinstance(found, np.ndarray)
        assert found.shape == ()


def test_product_is_exact():
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((2, 500)) * 10.0 ** rng.uniform(-100, 100, (2, 500))
    value, rest = product(a, b)
    assert value.tolist() == (a * b).tolist()
    assert any(rest)
    for i in range(500):
        assert sum_of((value[i], rest[i])) == Fraction(a[i]) * Fraction(b[i])


@pytest.mark.parametrize(("a", "b", "value"), [(1e305, 1e-200, 1e105), (1e200, 1e200, np.inf), (np.inf, 2.0, np.inf)])
def test_product_of_what_cannot_be_halved_has_no_rest(a, b, value):
    found, rest = product(a, b)
    assert found == pytest.approx(value, rel=1e-15)
    assert rest == 0.0


def test_product_of_pairs():
    rng = np.random.default_rng(4)
    for _ in range(200):
        a, b = ((high, high * 2.0**-53 * rng.uniform(-1, 1)) for high in rng.standard_normal(2))
        exact = sum_of(a) * sum_of(b)
        assert abs(sum_of(pair_product(a, b)) - exact) <= abs(exact) / 2**98


@pytest.mark.parametrize("size", [1e-30, 1e-3, 1.0, 1e3, 1e30])
def test_one_plus(size):
    rng = np.random.default_rng(5)
    for high in (size * rng.standard_normal(100)).tolist():
        exact = 1 + Fraction(high)
        assert sum_of(one_plus((high, 0.0))) == exact  # nothing of either is lost
        rest = high * 2.0**-54
        found = one_plus((high, rest))
        assert found[0] == 1.0 + high
        assert abs(sum_of(found) - exact - Fraction(rest)) <= 2.0**-53 * (abs(rest) + abs(found[1]))
