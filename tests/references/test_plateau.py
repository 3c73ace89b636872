import numpy as np
import pytest

from gradtool.references.plateau import plateau_difference
from gradtool.references.sampling import FunctionEvaluable


def found(function, x, noise=0.0):
    f = FunctionEvaluable(function, {"x": np.asarray(x)})
    f.base()
    return plateau_difference(f, "x", np.asarray(x), (), 1.0, noise)


@pytest.mark.parametrize(
    ("function", "x", "expected"),
    [
        (np.sin, 1.3, np.cos(1.3)),
        (np.exp, 30.0, np.exp(30.0)),
        (np.exp, -700.0, np.exp(-700.0)),
        (np.sqrt, 1e-6, 500.0),
        (lambda x: 1e8 + np.sin(x), 1.0, np.cos(1.0)),
        (lambda x: np.sin(1e5 * x), 0.3, 1e5 * np.cos(3e4)),
        (lambda x: 1 / x, 1e-4, -1e8),
        (lambda x: x**2, 1e8, 2e8),
        (lambda x: np.maximum(x, 0), 1e-8, 1.0),
        (lambda x: x * 0.0, 1.0, 0.0),
        (lambda x: np.float32(np.sin(np.float32(x))), 1.3, np.cos(1.3)),
    ],
)
def test_the_error_covers_the_truth_and_is_of_use(function, x, expected):
    value, error = found(function, x)
    assert abs(value - expected) <= error
    assert error <= 1e-2 * max(abs(expected), 1e-300)


@pytest.mark.parametrize("function", [lambda x: np.maximum(x, 0), np.abs, lambda x: np.abs(x) + np.sin(x)])
def test_at_a_kink_it_says_nothing(function):
    assert found(function, 0.0) is None


def test_a_function_that_is_not_finite_has_none():
    assert found(lambda x: x * np.inf, 1.0) is None


def test_one_entry_of_an_array():
    f = FunctionEvaluable(lambda x: (x**3).sum(axis=0), {"x": np.array([[1.0, 2.0], [3.0, 4.0]])})
    f.base()
    value, error = plateau_difference(f, "x", np.array([[1.0, 2.0], [3.0, 4.0]]), (1, 0), np.array([2.0, -1.0]))
    assert abs(value - 54.0) <= error < 1e-6


def test_a_small_entry_is_moved_on_its_own_scale():
    value = found(lambda x: np.sin(1 / x), 3e-8)
    assert value is None or abs(value[0] + np.cos(1 / 3e-8) / 9e-16) <= value[1]
    assert found(lambda x: np.sin(1e9 * x), 1e-9)[0] == pytest.approx(1e9 * np.cos(1.0), rel=1e-4)


def test_over_many_waves_there_is_no_slope():
    value = found(lambda x: np.sin(50 * x), 1.04e6)
    assert value is None or abs(value[0] - 50 * np.cos(50 * 1.04e6)) <= value[1]


def test_large_steps_are_not_believed_against_small_ones():
    assert found(np.floor, 1e4 + 0.3) is None


@pytest.mark.parametrize("size", [1.0, 1e-3, 1e-6])
def test_where_a_small_kink_hides_in_curvature_the_error_covers_both_slopes(size):
    value, error = found(lambda x: np.exp(3 * x) + size * np.maximum(x, 0), 0.0) or (3 + size / 2, np.inf)
    assert abs(value - 3) <= error
    assert abs(value - 3 - size) <= error
    assert error < 2 * size or error == np.inf


def test_where_noise_hides_steps_of_an_entrys_own_size_larger_ones_are_no_word():
    # At 1e-6 the slope is 0.4, and over all steps that stand out of the rounding of 1e8 it is none.
    value, error = found(lambda x: 1e8 + 1e-6 * np.tanh(1e6 * x), 1e-6)
    assert abs(value - (1 - np.tanh(1.0) ** 2)) <= error
