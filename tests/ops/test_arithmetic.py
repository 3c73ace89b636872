"""Arithmetic: products and quotients at all magnitudes, the power's corner cases, jumps of comparisons."""

from __future__ import annotations

import math
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from gradtool import ops

REGISTRY: dict[str, Any] = ops.REGISTRY

EXACT = {
    "add": (lambda a, b: mp.mpf(1), lambda a, b: mp.mpf(1)),
    "subtract": (lambda a, b: mp.mpf(1), lambda a, b: mp.mpf(-1)),
    "multiply": (lambda a, b: b, lambda a, b: a),
    "divide": (lambda a, b: 1 / b, lambda a, b: -a / b**2),
}


@pytest.mark.parametrize("name", EXACT)
def test_derivative(name, point_sets, worst_ulp):
    rng = np.random.default_rng(11)
    a = point_sets["everywhere"]
    a = a[a != 0]
    b = rng.permutation(a)
    for i in (0, 1):
        computed = REGISTRY[name].local_of(i)(REGISTRY[name].forward(a, b), a, b)
        error, place = worst_ulp(computed, EXACT[name][i], list(zip(a.tolist(), b.tolist(), strict=True)))
        assert error < 4, place


@pytest.mark.parametrize(
    ("name", "exact"),
    [("negative", lambda x: mp.mpf(-1)), ("reciprocal", lambda x: -1 / x**2), ("square", lambda x: 2 * x)],
)
def test_derivative_of_one_argument(name, exact, point_sets, worst_ulp):
    x = point_sets["everywhere"]
    x = x[x != 0]
    operation = REGISTRY[name]
    error, place = worst_ulp(operation.local_of(0)(operation.forward(x), x), exact, [(v,) for v in x.tolist()])
    assert error < 4, place


def _slopes(x, y):
    operation = REGISTRY["power"]
    out = operation.forward(x, y)
    return [operation.local_of(i)(out, x, y) for i in (0, 1)]


def test_power_of_positive_bases(worst_ulp):
    rng = np.random.default_rng(12)
    x = np.r_[10.0 ** rng.uniform(-300, 300, 400), rng.uniform(0.01, 10, 400), 1 + rng.uniform(-1e-3, 1e-3, 100)]
    y = rng.choice([-1, 1], x.size) * 10.0 ** rng.uniform(-20, 2, x.size)
    y[::5] = rng.choice([-3, -2, -1, -0.5, 0.1, 0.3, 0.5, 0.7, 1, 1.1, 1.5, 2, 3, 10], y[::5].size)
    points = list(zip(x.tolist(), y.tolist(), strict=True))
    by_base, by_exponent = _slopes(x, y)
    error, place = worst_ulp(by_base, lambda x, y: y * x ** (y - 1), points)
    assert error < 10, place
    # Where x^y itself underflows or overflows, log(x) times it may not quite: such points are left out.
    fits = [(point, slope) for point, slope in zip(points, by_exponent.tolist(), strict=True)
            if abs(point[1] * math.log(point[0])) < 690]  # fmt: skip
    error, place = worst_ulp([slope for _, slope in fits], lambda x, y: x**y * mp.log(x), [point for point, _ in fits])
    assert error < 10, place


def test_power_of_negative_bases(worst_ulp):
    rng = np.random.default_rng(13)
    x = -(10.0 ** np.r_[rng.uniform(-60, 60, 100), rng.uniform(-1, 1, 100)])
    y = rng.integers(-4, 5, x.size).astype(float)
    exact = lambda x, y: y * x ** int(y - 1)
    error, place = worst_ulp(_slopes(x, y)[0], exact, list(zip(x.tolist(), y.tolist(), strict=True)))
    assert error < 5, place


@pytest.mark.parametrize(
    ("x", "y", "by_base", "by_exponent"),
    [
        (0.0, 0.0, 0.0, -math.inf), (0.0, 1.0, 1.0, 0.0), (0.0, 2.0, 0.0, 0.0), (0.0, 3.0, 0.0, 0.0),
        (0.0, 0.5, math.inf, 0.0), (0.0, 0.3, math.inf, 0.0), (0.0, 1.5, 0.0, 0.0), (0.0, -1.0, -math.inf, -math.inf),
        (-2.0, 0.0, 0.0, math.nan), (-2.0, 3.0, 12.0, math.nan), (-2.0, 0.5, math.nan, math.nan),
        (1e-300, 2.0, 2e-300, 0.0), (1e200, 2.0, 2e200, math.inf), (-1e200, 2.0, -2e200, math.nan),
    ],
)  # fmt: skip
def test_power_corner_cases(x, y, by_base, by_exponent):
    np.testing.assert_array_equal(_slopes(x, y), [by_base, by_exponent])


def test_power_pieces():
    operation = REGISTRY["power"]
    piece = operation.piece
    assert piece(-1.0, 2.0) == piece(0.0, 2.0) == piece(1.0, 2.0) == piece(1.0, -0.5)
    assert piece(-1.0, -1.0) != piece(1.0, -1.0)
    assert piece(0.0, 0.5) != piece(1.0, 0.5)
    assert operation.kinks[0].tied(np.array([0.0, 0.0, 0.0, 1.0]), np.array([0.5, 1.0, 2.0, 0.5])).tolist() == [
        True, False, False, False,
    ]  # fmt: skip


def test_a_pole_separates_pieces():
    for name, arguments in [("divide", (1.0,)), ("reciprocal", ())]:
        piece = REGISTRY[name].piece
        assert piece(*arguments, -1e-9) != piece(*arguments, 1e-9)
        assert piece(*arguments, 5.0) == piece(*arguments, 1e-9)
    assert REGISTRY["divide"].piece(np.ones((2, 3)), 2.0).shape == (2, 3)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("less", [1, 0, 0]), ("less_equal", [1, 1, 0]), ("greater", [0, 0, 1]), ("greater_equal", [0, 1, 1]),
        ("equal", [0, 1, 0]), ("not_equal", [1, 0, 1]),
    ],
)  # fmt: skip
def test_comparisons(name, values):
    operation = REGISTRY[name]
    a, b = np.array([1.0, 2.0, 3.0]), 2.0
    out = operation.forward(a, b)
    assert out.dtype == np.float64
    assert out.tolist() == values
    assert [operation.scalar.forward(v, b) for v in a.tolist()] == values
    assert [operation.local_of(i)(out, a, b) for i in (0, 1)] == [0.0, 0.0]
    (kink,) = operation.kinks
    assert kink.tied(a, b).tolist() == [False, True, False]
    assert kink.choose is None
    assert len(set(operation.piece(a, b).tolist())) == 3


def test_division_by_zero_does_not_raise():
    operation = REGISTRY["divide"]
    out = operation.forward(1.0, 0.0)
    assert out == math.inf
    assert operation.local_of(0)(float(out), 1.0, 0.0) == math.inf
    assert operation.local_of(1)(float(out), 1.0, 0.0) == -math.inf
    assert REGISTRY["reciprocal"].forward(0.0) == math.inf
    assert REGISTRY["power"].forward(0.0, -1.0) == math.inf
