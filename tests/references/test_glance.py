import numpy as np
import pytest

from gradtool.references.glance import glance
from gradtool.references.sampling import FunctionEvaluable, Measure


def slopes(function, at, line):
    f = FunctionEvaluable(function, {"x": np.asarray(at, dtype=float)})
    measure = Measure.of(f, np.ones(np.shape(f.base())))
    left, right = (
        sign * glance(f, "x", np.asarray(at, dtype=float), sign * np.asarray([line], dtype=float), measure)[0]
        for sign in (-1.0, 1.0)
    )
    return float(left), float(right)


def test_both_sides_of_a_smooth_function():
    left, right = slopes(lambda x: np.sin(x).sum(), [0.3, 1.0], [1.0, -2.0])
    expected = np.cos(0.3) - 2 * np.cos(1.0)
    assert left == pytest.approx(expected, rel=1e-6)
    assert right == pytest.approx(expected, rel=1e-6)


def test_a_kink_has_two_slopes():
    assert slopes(lambda x: np.abs(x).sum(), [0.0], [1.0]) == (-1.0, 1.0)


def test_outside_the_domain_there_is_none():
    def log(x):
        if x[0] < 0:
            raise ValueError
        return np.log1p(x[0])

    left, right = slopes(log, [0.0], [1.0])
    assert np.isnan(left)
    assert right == pytest.approx(1.0, rel=1e-7)


def test_an_empty_input_has_lines_without_slopes():
    f = FunctionEvaluable(lambda x: x * 2.0, {"x": np.zeros((0, 3))})
    assert glance(f, "x", np.zeros((0, 3)), np.zeros((2, 0, 3)), Measure.of(f, np.ones((0, 3)))).tolist() == [0.0, 0.0]
