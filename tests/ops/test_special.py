"""Special functions: accuracy of the few and of the many, at poles and at infinity."""

import mpmath as mp
import numpy as np
import pytest

from gradtool.ops import special


def by_ones(function, x):
    return function(x)


def among_many(function, x):
    """In an array so long that SciPy takes over."""
    return function(np.concatenate((x, np.full(special._FEW + 1, 0.5))))[: len(x)]


def uniform(low, high):
    return np.random.default_rng(1).uniform(low, high, 300)


@pytest.mark.parametrize("way", [by_ones, among_many])
@pytest.mark.parametrize(
    ("name", "exact", "x", "ulps"),
    [
        ("erf", mp.erf, np.r_[uniform(-6, 6), 10.0 ** uniform(-300, -1)], 3),
        ("erfc", mp.erfc, np.r_[uniform(-6, 26.5), 1.0, np.nextafter(1.0, 2.0), 0.0], 8),
        ("erf_slope", lambda x: 2 / mp.sqrt(mp.pi) * mp.exp(-x * x), uniform(-26, 26), 5),
        ("normal_cdf", mp.ncdf, np.r_[uniform(-37.5, 9), uniform(-1, 1), 0.0], 8),
    ],
)
def test_accuracy(name, exact, x, ulps, way, worst_ulp):
    computed = way(getattr(special, name), x)
    error, place = worst_ulp(computed, exact, [(v,) for v in x.tolist()])
    assert error < ulps, place


def test_normal_density(worst_ulp):
    x = uniform(-60, 60)
    error, place = worst_ulp(
        special.times_normal_pdf(1e300, x), lambda v: mp.mpf(1e300) * mp.npdf(v), [(v,) for v in x]
    )
    assert error < 5, place


@pytest.mark.parametrize("way", [by_ones, among_many])
@pytest.mark.parametrize(
    ("name", "below", "above"),
    [("erf", -1.0, 1.0), ("erfc", 2.0, 0.0), ("erf_slope", 0.0, 0.0), ("normal_cdf", 0.0, 1.0)],
)
def test_infinity_and_nan(name, below, above, way):
    found = way(getattr(special, name), np.array([-np.inf, -1e200, 1e200, np.inf, np.nan]))
    assert found[:4].tolist() == [below, below, above, above]
    assert np.isnan(found[4])


@pytest.mark.parametrize("name", ["erf", "erfc", "erf_slope", "normal_cdf", "lgamma", "digamma", "trigamma"])
def test_the_shape_is_kept(name):
    function = getattr(special, name)
    x = np.linspace(0.75, 3.25, 6)
    flat = function(x)
    assert len(set(flat.tolist())) == 6
    assert function(x.reshape(2, 1, 3)).tolist() == flat.reshape(2, 1, 3).tolist()
    assert function(np.zeros((0, 2)) + 1.0).shape == (0, 2)
    alone = function(0.75)
    assert isinstance(alone, np.ndarray)
    assert alone.shape == ()
    assert alone == flat[0]


def test_lgamma(worst_ulp):
    x = np.r_[uniform(0.01, 0.7), uniform(2.1, 200), 10.0 ** uniform(3, 15)]
    error, place = worst_ulp(special.lgamma(x), mp.loggamma, [(v,) for v in x.tolist()])
    assert error < 10, place
    assert special.lgamma(np.array([1.0, 2.0, 0.0, -3.0, np.inf])).tolist() == [0, 0, np.inf, np.inf, np.inf]
    assert special.lgamma(-0.5) == pytest.approx(float(mp.log(2 * mp.sqrt(mp.pi))), rel=1e-15)  # log |Γ|, Γ < 0


@pytest.mark.parametrize(
    ("name", "order", "x"),
    [
        ("digamma", 0, [-0.25, -1.5, -2.75, -100.125, 0.5, 1.0, 3.25, 100.0]),
        ("trigamma", 1, [-0.25, -1.5, -2.75, -100.125, 0.5, 1.0, 3.25, 100.0]),
    ],
)
def test_polygamma(name, order, x):
    for v in x:
        assert getattr(special, name)(v) == pytest.approx(float(mp.psi(order, v)), rel=1e-14)


@pytest.mark.parametrize("pole", [-1.0, -2.0, -1000.0])
def test_beside_a_pole(pole):
    """There all that counts is the distance, which is exact."""
    for step in (-1e-9, 1e-9):
        x = pole + step
        distance = mp.mpf(x) - mp.mpf(pole)
        assert special.digamma(x) == pytest.approx(float(mp.psi(0, mp.mpf(x))), rel=1e-14)
        assert special.digamma(x) * float(distance) == pytest.approx(-1.0, abs=1e-6)
        assert special.trigamma(x) == pytest.approx(float(1 / distance**2), rel=1e-14)


def test_at_the_poles():
    at = np.array([0.0, -1.0, -2.0, -1e20])
    digamma = special.digamma(at)
    assert digamma[0] == -np.inf
    assert special.digamma(-0.0) == np.inf  # from the left
    assert np.isnan(digamma[1:]).all()
    assert special.trigamma(at).tolist() == [np.inf] * 4
    assert special.digamma(np.inf) == np.inf
    assert special.trigamma(np.inf) == 0.0
