import numpy as np
import pytest

from gradtool.references.quick import quick_gradient
from gradtool.references.sampling import FunctionEvaluable, Samples


def quick(function, x, upstream=1.0):
    f = FunctionEvaluable(function, {"x": np.asarray(x, dtype=float)})
    f.base()
    return quick_gradient(f, f.inputs, upstream, ["x"])["x"]


@pytest.mark.parametrize("x", [[0.3, -1.2, 2.0], [1e5, -3e4], [1e-5, 2e-6]])
def test_smooth_functions_are_known_to_many_digits(x):
    x = np.asarray(x)
    scale = np.max(np.abs(x))
    found = quick(lambda x: np.sin(x / scale).sum(), x)
    expected = np.cos(x / scale) / scale
    assert (np.abs(found.value - expected) <= found.error).all()
    assert (found.error <= 1e-7 / scale).all()
    assert found.evaluations < 100


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (lambda x: np.maximum(x, 0).sum(), [0.0, 1.0]),
        (lambda x: 0.0 * x.sum(), [1.0, 2.0]),
        (lambda x: np.floor(x * 8).sum(), [0.5, 2.0]),
        (lambda x: np.where(x > 1.003, 3 * x, x).sum(), [1.0, 2.0]),
        (lambda x: (np.abs(x) ** 1.5).sum(), [0.0, 2.0]),
    ],
)
def test_at_kinks_and_in_doubt_it_leaves_the_word_to_the_full_reference(function, x):
    assert quick(function, x).error[0] > 1e-3


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (lambda x: np.abs(x).sum(), [1e-3, 1.0]),
        (lambda x: np.maximum(x, 0).sum(), [2e-8, 1.0]),
        (lambda x: np.where(x > 1.02, 3 * x, x).sum(), [1.0, 0.5]),
    ],
)
def test_a_kink_that_is_not_met_does_no_harm(function, x):
    found = quick(function, x)
    assert (np.abs(found.value - 1) <= found.error).all()


def test_a_function_that_is_not_finite_is_unknown():
    found = quick(lambda x: x.sum() * np.inf, [1.0])
    assert np.isinf(found.error).all()
    assert found.reason is not None


class TwoInputs:
    """Counts how many points it is asked for."""

    def __init__(self):
        self.at = {"x": np.array([0.3, 1.2]), "y": np.array([2.0, -0.4])}
        self.asked = 0

    def base(self):
        return np.array([np.sin(self.at["x"]) @ self.at["y"]])

    def many(self, name, points):
        return self.many_inputs({name: points})

    def many_inputs(self, points):
        count = len(next(iter(points.values())))
        self.asked += count
        rows = [{**self.at, **{name: p[i] for name, p in points.items()}} for i in range(count)]
        return Samples(np.array([[np.sin(row["x"]) @ row["y"]] for row in rows]))

    def noise(self):
        return None


def test_noise_is_measured_once_for_inputs_that_can_move_together():
    function = TwoInputs()
    found = quick_gradient(function, function.at, np.ones(1), ["x", "y"])
    assert np.abs(found["x"].value - function.at["y"] * np.cos(function.at["x"])).max() < 1e-9
    assert np.abs(found["y"].value - np.sin(function.at["x"])).max() < 1e-9
    assert sum(n.evaluations for n in found.values()) == function.asked
    assert function.asked <= 4 * 6 + 4 * 11
