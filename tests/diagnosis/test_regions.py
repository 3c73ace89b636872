"""A bound parts wrong entries from right ones, is simple, and is not believed where chance would do as well."""

import numpy as np
import pytest

from gradtool.diagnosis.regions import between, parted, wrong_region

X = np.array([-2.1, 0.4, -0.7, 1.3, 2.6, -1.2, 0.9, -0.3, 1.8, -1.6])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (X < 0, "x < 0"), (X > 0, "x > 0"), (np.abs(X) > 1, "|x| > 1"), (X > 1.5, None),
        (np.arange(10) % 2 == 0, None), (X.max() == X, None), (X.max() != X, None),
    ],
)  # fmt: skip
def test_parted(wrong, words):
    found = parted(wrong, X, "x")
    assert found == words


def test_a_bound_of_its_own():
    values = np.linspace(-3, 3, 30)
    assert parted(values > 1.5, values, "x") in ("x > 1.4", "x > 1.5")


def test_an_interval():
    values = np.linspace(-6, 6, 40)
    assert parted((values > 1.0) & (values < 4.0), values, "x") == "1 < x < 4"


@pytest.mark.parametrize(
    ("low", "high", "bound"),
    [(-0.3, 0.4, 0.0), (0.4, 2.0, 1.0), (2.3, 3.9, 3.0), (0.123, 0.124, 0.123), (-3.0, -1.0, -1.0)],
)
def test_between(low, high, bound):
    assert low <= between(low, high)[0] < high
    if bound != -1.0:
        assert between(low, high)[0] == bound


def test_in_the_jacobian(evidence_of, rng):
    def scale(x, g):
        return x * g

    points = [[rng.normal(size=(5, 3)), rng.normal(size=3)] for _ in range(2)]
    found = wrong_region(
        evidence_of(scale, lambda u, x, g: (u * g, (u * np.abs(x)).sum(axis=0)), points, "g", traced=False)
    )
    assert (found.where, found.there) == ("x at the output's entry < 0", "it has the opposite sign there")


def test_no_region(evidence_of, rng):
    evidence = evidence_of(lambda x: x**2, lambda u, x: (3 * u * x,), [[rng.normal(size=12)] for _ in range(2)])
    assert wrong_region(evidence) is None
