"""Objects with a method and its derivative, right and wrong."""

import numpy as np
import pytest

from gradtool.targets.found import CannotBindError
from gradtool.targets.model_object import find
from tests.targets.scopes import differing, scope_of

X = np.random.default_rng(0).normal(size=(5, 3))
P = np.random.default_rng(1).normal(size=3)

POISSON = """
import numpy as np
X = np.random.default_rng(0).normal(size=(6, 3))
Y = np.array([0, 1, 2, 1, 0, 3])

class Poisson:
    def __init__(self, endog, exog):
        self.endog, self.exog = endog, exog
    def loglike(self, params):
        mean = np.exp(self.exog @ params)
        return np.sum(self.endog * np.log(mean) - mean)
    def score(self, params):
        return self.exog.T @ (self.endog - FACTOR * np.exp(self.exog @ params))
    def hessian(self, params):
        return -HESSIAN * (self.exog.T * np.exp(self.exog @ params)) @ self.exog

def make_poisson():
    return Poisson(Y, X)
"""
GAUSSIAN = """
import numpy as np
class Gaussian:
    @staticmethod
    def evaluate(x, amplitude, mean, stddev):
        return amplitude * np.exp(-0.5 * (x - mean) ** 2 / stddev**2)
    @staticmethod
    def fit_deriv(x, amplitude, mean, stddev):
        d_amplitude = np.exp(-0.5 * (x - mean) ** 2 / stddev**2)
        d_mean = FACTOR * amplitude * d_amplitude * (x - mean) / stddev**2
        d_stddev = amplitude * d_amplitude * (x - mean) ** 2 / stddev**3
        return [d_amplitude, d_mean, d_stddev]
"""
RESIDUALS = """
import numpy as np
class Fit:
    def residuals(self, p):
        return np.array([p[0] * p[1], np.sin(p[2]), p[0] ** 2, p[1] + p[2]])
    def jacobian(self, p):
        return np.array([[p[1], p[0], 0], [0, 0, FACTOR * np.cos(p[2])], [2 * p[0], 0, 0], [0, 1, 1]])
"""
KERNEL = """
import numpy as np
class RBF:
    def __init__(self, lengthscale=1.3):
        self.lengthscale = lengthscale
    def K(self, X, X2=None):
        X2 = X if X2 is None else X2
        d = X[:, None, :] - X2[None, :, :]
        return np.exp(-0.5 * (d**2).sum(-1) / self.lengthscale**2)
    def gradients_X(self, dL_dK, X, X2=None):
        d = X[:, None, :] - (X if X2 is None else X2)[None, :, :]
        weight = dL_dK * self.K(X, X2)
        if X2 is None:
            weight = weight + weight.T
        return -FACTOR * (weight[:, :, None] * d).sum(1) / self.lengthscale**2
"""
OBJECTIVE = """
class Quadratic:
    def objective(self, x):
        return (x**4).sum() / 4
    def gradient(self, x):
        return FACTOR * x**3
"""
SPELLED = """
import numpy as np
class Potential:
    def wave(self, x):
        return np.sin(x) * x
    def wave_prime(self, x):
        return np.sin(x) + FACTOR * np.cos(x) * x
"""


def bound(source, values, tmp_path, name, **settings):
    header = "".join(f"{key} = {value}\n" for key, value in {"FACTOR": 1.0, "HESSIAN": 1.0, **settings}.items())
    founds = {found.name: found for found in find(scope_of(header + source, tmp_path), frozenset())}
    found = founds[name]
    found.try_forward(values)
    return found.bind(values)


@pytest.mark.parametrize(
    ("source", "name", "values", "settings", "wrt", "wrong"),
    [
        (POISSON, "Poisson.loglike", {"params": P}, {"FACTOR": 1.5}, ("params",), ["params"]),
        (POISSON, "Poisson.score", {"params": P}, {"HESSIAN": 1.5}, ("params",), ["params"]),
        (
            GAUSSIAN,
            "Gaussian.evaluate",
            {"x": X[:, 0], "amplitude": 1.2, "mean": 0.3, "stddev": 0.8},
            {"FACTOR": 1.5},
            ("amplitude", "mean", "stddev"),
            ["mean"],
        ),
        (RESIDUALS, "Fit.residuals", {"p": P}, {"FACTOR": -1.0}, ("p",), ["p"]),
        (KERNEL, "RBF.K", {"X": X}, {"FACTOR": 0.5}, ("X",), ["X"]),
        (OBJECTIVE, "Quadratic.objective", {"x": P}, {"FACTOR": 3.0}, ("x",), ["x"]),
        (SPELLED, "Potential.wave", {"x": P}, {"FACTOR": 2.0}, ("x",), ["x"]),
    ],
)
def test_right_and_wrong(source, name, values, settings, wrt, wrong, tmp_path):
    case = bound(source, values, tmp_path, name)
    assert case.wrt == wrt
    assert any(differing(case, calling) == [] for calling in case.callings)
    faulty = bound(source, values, tmp_path, name, **settings)
    assert all(differing(faulty, calling) == wrong for calling in faulty.callings)


def test_a_model_without_a_maker_needs_its_constructors_arguments(tmp_path):
    source = POISSON.partition("def make_poisson")[0]
    found = next(iter(find(scope_of("FACTOR = HESSIAN = 1.0\n" + source, tmp_path), frozenset())))
    assert [p.name for p in found.parameters] == ["params", "endog", "exog"]


def test_data_and_model_disagreeing_is_the_users_error(tmp_path):
    with pytest.raises(ValueError, match="matmul"):
        bound(POISSON, {"params": np.ones(7)}, tmp_path, "Poisson.loglike")


def test_a_derivative_of_no_fitting_shape_cannot_be_bound(tmp_path):
    source = """
class Model:
    def value(self, x):
        return x.sum(0)
    def gradient(self, x):
        return x
"""
    with pytest.raises(CannotBindError, match="no derivative of what value gives"):
        bound(source, {"x": X}, tmp_path, "Model.value")


def test_classes_that_are_taken_or_only_look_alike_are_left_alone(tmp_path):
    source = """
class Taken:
    def f(self, x):
        return x
    def grad(self, x):
        return 1.0
class OtherArguments:
    def value(self, x):
        return x
    def gradient(self, tolerance, maximum):
        return tolerance
class NoArguments:
    def score(self):
        return 1.0
    def hessian(self):
        return 0.0
class Unwritten:
    def f(self, x):
        raise NotImplementedError
    def grad(self, x):
        raise NotImplementedError
"""
    assert list(find(scope_of(source, tmp_path), frozenset({"Taken"}))) == []
