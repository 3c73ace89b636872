"""Reductions: extreme magnitudes, offsets, zeros in products, ties."""

from typing import Any

import numpy as np
import pytest

NAMES = ["sum", "mean", "prod", "var", "std", "norm", "reduce_max", "reduce_min", "cumsum", "sort"]


@pytest.mark.parametrize("name", NAMES)
def test_cases(name, check_cases):
    check_cases(name)


@pytest.mark.parametrize(
    ("name", "x", "parameters"),
    [
        ("mean", 1e9 + np.arange(100) ** 1.5, {}),
        ("mean", [1.7e308, 1.7e308, -1e308], {}),
        ("sum", np.full(100_000, 0.1), {}),
        ("var", 1e9 + np.array([1.0, 2, 4, 7.5]), {}),
        ("var", [1e-100, 3e-100], {"ddof": 1}),
        ("std", 1e9 + np.array([1.0, 2, 4, 7.5]), {}),
        ("std", [1e200, -1e200, 3e199], {}),
        ("std", [1e-200, 3e-200, 1e-201], {"ddof": 1}),
        ("std", [1e-310, 3e-310], {}),
        ("norm", [1e200, 1e200, 1e-200], {}),
        ("norm", [1e-200, 2e-200], {}),
        ("norm", [1e-310, 3e-310], {}),
        ("norm", [1e200, -3e200], {"ord": "1"}),
        ("norm", [1e200, -3e200], {"ord": "inf"}),
        ("prod", [1e-200, 1e-200, 1e300], {}),
        ("prod", [0.0, 2.0, 3.0], {}),
        ("prod", [0.0, 0.0, 3.0], {}),
        ("prod", np.geomspace(1e-3, 1e3, 41), {}),
    ],
)
def test_extremes(name, x, parameters, at):
    point = at(name, x, **parameters)
    value = point.exact(point.arguments).item()
    assert abs(float(point.out()) - value) <= 1e-13 * abs(value) + 1e-320
    if np.size(x) < 200:
        assert point.worst(value=False) < 1e-13


def test_gradient_of_a_norm_that_overflows_nothing(at):
    np.testing.assert_allclose(at("norm", [1.5e308, 1.5e308]).vjp(0), [0.5**0.5] * 2, rtol=1e-15)


def test_product_of_the_others_does_not_overflow_before_the_upstream_brings_it_back(at):
    np.testing.assert_allclose(at("prod", [1e200, 1e200, 1e-300]).vjp(0, 1e-150), [1e-250, 1e-250, 1e250], rtol=1e-13)
    np.testing.assert_allclose(at("prod", [1e200, 1e200, 1e-300]).out(), 1e100, rtol=1e-14)


def test_std_of_a_constant_whose_mean_rounds(at):
    point = at("std", [0.1, 0.1, 0.1])
    assert point.out() == 0.0
    assert point.vjp(0).tolist() == [0.0, 0.0, 0.0]
    assert at("var", [0.1, 0.1, 0.1]).out() == 0.0


def test_std_of_one_entry_is_smooth(at):
    point = at("std", [3.0])
    assert point.vjp(0).tolist() == [0.0]
    assert not np.any(point.operation.kinks[0].tied(*point.arguments, **point.settled.parameters))


def test_constant_std(at, check_kink):
    def valid(d):
        return abs(d.sum()) < 1e-12 and np.linalg.norm(d) <= 1 / 2 + 1e-12

    check_kink(at("std", [2.0, 2.0, 2.0, 2.0]), 0, [[0, 0, 0, 0]], valid)


@pytest.mark.parametrize(
    ("order", "size"), [("2", np.linalg.norm), ("1", lambda d: np.abs(d).max()), ("inf", lambda d: np.abs(d).sum())]
)
def test_norm_at_zero(order, size, at, check_kink):
    check_kink(at("norm", [0.0, 0.0, 0.0], ord=order), 0, [[0, 0, 0]], lambda d: size(d) <= 1 + 1e-12)


def test_norm_1_at_a_zero_entry(at, check_kink):
    valid = lambda d: d[0] == 1 and d[2] == -1 and abs(d[1]) <= 1
    check_kink(at("norm", [3.0, 0.0, -2.0], ord="1"), 1, [[1, 0, -1]], valid)


def test_norm_inf_tie(at, check_kink):
    valid = lambda d: d[0] >= 0 >= d[2] and abs(d[0] - d[2] - 1) < 1e-12 and d[1] == 0
    check_kink(at("norm", [3.0, 1.0, -3.0], ord="inf"), 2, [[0.5, 0, -0.5]], valid)


@pytest.mark.parametrize(("name", "x"), [("reduce_max", [3.0, 1.0, 3.0]), ("reduce_min", [-3.0, 1.0, -3.0])])
def test_largest_tied(name, x, at, check_kink):
    valid = lambda d: min(d) >= 0 and abs(d.sum() - 1) < 1e-12 and d[1] == 0
    check_kink(at(name, x), 0, [[0.5, 0, 0.5]], valid)


def test_largest_by_axis(at):
    x = [[1.0, 5.0, 5.0], [7.0, 2.0, 3.0]]
    assert at("reduce_max", x, axis=1).vjp(0, [6.0, 2.0]).tolist() == [[0, 3, 3], [2, 0, 0]]
    tied = at("reduce_max", x, axis=1)
    (kink,) = tied.operation.kinks
    assert kink.tied(*tied.arguments, **tied.settled.parameters).tolist() == [[False, True, True], [False] * 3]
    assert at("reduce_min", x).vjp(0).tolist() == [[1, 0, 0], [0, 0, 0]]


def test_nan_is_the_largest_as_in_numpy(at):
    assert np.isnan(at("reduce_max", [1.0, np.nan]).out())
    assert at("reduce_max", [1.0, np.nan]).vjp(0).tolist() == [0, 1]


def test_sort_tie(at, check_kink):
    point = at("sort", [2.0, 1.0, 2.0])
    assert point.vjp(0, [1.0, 10.0, 100.0]).tolist() == [55, 1, 55]
    check = lambda d: abs(d.sum() - 111) < 1e-9 and d[1] == 1 and min(d[0], d[2]) >= 10
    (kink,) = point.operation.kinks
    for _ in range(20):
        (drawn,) = kink.choose(point.rng, np.array([1.0, 10.0, 100.0]), point.out(), *point.arguments, axis=-1)
        assert check(drawn)
    assert kink.tied(*point.arguments, axis=-1).tolist() == [True, False, True]
    # An entry that is not tied keeps its piece when the tie beside it breaks.
    before = point.operation.piece(np.array([2.0, 1.0, 2.0, 5.0]), axis=-1)
    after = point.operation.piece(np.array([2.0, 1.0, 2.1, 5.0]), axis=-1)
    assert before.tolist() == [1, 0, 1, 3]
    assert after.tolist() == [1, 0, 2, 3]


def test_axes_as_numpy(at):
    x = np.random.default_rng(0).standard_normal((2, 3, 4))
    for axis in (None, 0, -1, (0, 2), (-1, 1), ()):
        for keepdims in (False, True):
            pairs: list[tuple[str, Any]] = [
                ("sum", np.sum), ("mean", np.mean), ("prod", np.prod), ("var", np.var), ("std", np.std),
                ("reduce_max", np.max), ("reduce_min", np.min),
            ]  # fmt: skip
            for name, function in pairs:
                found = at(name, x, axis=axis, keepdims=keepdims)
                expected = function(x, axis=axis, keepdims=keepdims)
                assert found.settled.shape == expected.shape
                np.testing.assert_allclose(found.out(), expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(at("norm", x[0]).out(), np.linalg.norm(x[0]), rtol=1e-14)


def test_refusals(refuses):
    assert refuses("sum", (2, 3), axis=2) == "axis 2 is out of range: for shape (2, 3) there are axes -2 to 1"
    assert "no axes" in refuses("sum", (), axis=0)
    assert "twice" in refuses("sum", (2, 3), axis=(0, -2))
    assert "at least one entry" in refuses("reduce_max", (0,))
    assert "n = 1 and ddof = 1" in refuses("var", (1,), ddof=1)
    assert "one axis" in refuses("cumsum", (2, 3), axis=(0, 1))
    assert "out of range" in refuses("sort", ())
