"""Kernels on tangents: lifted code computes the same values, and the functions that are not looked into have right slopes."""

import functools
import operator
from types import FunctionType

import mpmath
import numpy as np
import pytest

from gradtool.autodiff.lifting import lifted
from gradtool.autodiff.tangent import TangentArray, parts
from gradtool.ops import elementary, exact, kernels, linear_algebra, reductions, softmax, special

POINTS = [-30.0, -2.5, -1e-9, 0.0, 1e-9, 0.3, 4.0, 30.0]


@pytest.mark.parametrize(
    ("kernel", "truth", "points"),
    [
        (special.erf, mpmath.erf, POINTS),
        (special.erfc, mpmath.erfc, POINTS),
        (special.normal_cdf, mpmath.ncdf, POINTS),
        (special.lgamma, mpmath.loggamma, [1e-9, 0.3, 4.0, 30.0]),
        (special.digamma, mpmath.digamma, [-2.5, -0.3, 1e-9, 0.3, 4.0, 30.0]),
        (special.trigamma, lambda x: mpmath.psi(1, x), [-2.25, -0.3, 1e-3, 0.3, 4.0, 30.0]),
        (kernels.sigmoid, lambda x: 1 / (1 + mpmath.exp(-x)), POINTS),
        (kernels.log1pexp, lambda x: mpmath.log(1 + mpmath.exp(x)), POINTS),
        (kernels.sigmoid_slope, lambda x: 1 / (2 + mpmath.exp(x) + mpmath.exp(-x)), POINTS),
        (kernels.sech_squared, lambda x: mpmath.sech(x) ** 2, POINTS),
        (elementary._arc_slope, lambda x: 1 / mpmath.sqrt(1 - x * x), [-0.9, -1e-9, 0.0, 1e-9, 0.5]),
        (elementary._area_slope, lambda x: 1 / (1 - x * x), [-0.9, -1e-9, 0.0, 1e-9, 0.5]),
        (functools.partial(kernels.times_gaussian, 2.5, scale=0.5), lambda x: 2.5 * mpmath.exp(-x * x / 2), POINTS),
    ],
)  # fmt: skip
def test_a_slope_of_its_own_is_right_to_the_last_digits(kernel, truth, points):
    with mpmath.workdps(60), np.errstate(all="ignore"):
        for x in points:
            found = lifted(kernel)(TangentArray(x, 2.0))
            wanted = float(2 * mpmath.diff(truth, mpmath.mpf(x)))
            assert float(found.tangent) == pytest.approx(wanted, rel=2e-14, abs=1e-40)


def test_plain_arguments_give_plain_results():
    x = np.array([0.5, -1.0])
    assert np.array_equal(lifted(kernels.sigmoid)(x), kernels.sigmoid(x))
    assert np.array_equal(lifted(linear_algebra._determinant)(np.eye(2)), 1.0)
    assert np.array_equal(lifted(linear_algebra._solve_matrices)(2 * np.eye(2), np.eye(2)), 0.5 * np.eye(2))
    assert lifted(exact.worthwhile)(np.eye(2))
    assert not lifted(exact.worthwhile)(TangentArray(np.eye(2), np.eye(2)))


def test_what_a_kernel_calls_is_lifted_with_it():
    """Functions, modules, closures, containers of functions, classes; all else stays."""
    rows = TangentArray([[1.0, 2.0, 3.0]], [[1.0, 0.0, 0.0]])
    y = softmax.softmax_rows(rows.value)
    assert np.allclose(
        lifted(softmax.softmax_rows)(rows).tangent, y * (np.array([1.0, 0.0, 0.0]) - y[0, 0]), rtol=1e-15
    )
    assert isinstance(lifted(softmax).Weights, type)
    assert issubclass(lifted(softmax.Weights), softmax.Weights)
    assert lifted((kernels.sigmoid, 3))[1] == 3
    assert isinstance(lifted({"f": kernels.decayed})["f"], FunctionType)
    assert lifted(np.exp) is np.exp
    assert lifted(operator.add) is operator.add
    assert lifted(kernels.sigmoid) is lifted(kernels.sigmoid)


def test_arrays_made_in_a_kernel_can_hold_tangents():
    x = TangentArray([3.0, 1.0, 2.0], [1.0, 10.0, 100.0])
    sent = TangentArray([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert lifted(reductions._unsort)(sent, x, -1).tangent.tolist() == [3.0, 1.0, 2.0]


def singular(n):
    x = np.arange(float(n * n)).reshape(n, n) % 5
    x[-1] = x[0] + x[1] if n > 2 else x[0]
    return x


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("make", [singular, lambda n: np.random.default_rng(n).normal(size=(n, n))])
def test_cofactors_move_as_they_should(n, make):
    """Of a small matrix, also of a singular one."""
    x, dx = make(n), np.random.default_rng(n + 1).normal(size=(n, n))
    if n > 6 and make is singular:
        return  # By the inverse, which there is none of: NaN, and never a wrong number.
    found = lifted(linear_algebra._determinant_vjp)(np.array(1.0), None, TangentArray(x, dx))
    h = 2.0**-10
    at = [linear_algebra._determinant_vjp(np.array(1.0), None, x + k * h * dx) for k in (-2, -1, 1, 2)]
    wanted = (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * h)
    assert np.allclose(parts(found)[1], wanted, rtol=1e-7, atol=1e-7 * (1 + np.abs(wanted).max()))
