"""Objects with a value, a score and a Hessian, made by the user's own factory."""

from tests.conventions.looking import look, told, words

MODEL = """
import numpy as np


class Poisson:
    def __init__(self, endog, exog):
        self.endog, self.exog = endog, exog

    def loglike(self, params):
        eta = self.exog @ params
        return np.sum(self.endog * eta - np.exp(eta))

    def score(self, params):
        eta = self.exog @ params
        return self.exog.T @ (self.endog - np.exp(eta))

    def hessian(self, params):
        eta = self.exog @ params
        return -(self.exog.T * np.exp(eta)) @ self.exog


def poisson():
    rng = np.random.default_rng(5)
    return Poisson(rng.poisson(2.0, 12).astype(float), rng.normal(size=(12, 3)))


def poisson_inputs():
    rng = np.random.default_rng(5)
    return {"endog": rng.poisson(2.0, 12).astype(float), "exog": rng.normal(size=(12, 3)), "params": np.array([0.3, -0.2, 0.5])}
"""


def test_score_and_hessian_with_the_users_own_inputs(tmp_path):
    results = look(MODEL, tmp_path)
    assert "WRONG" not in words(results).values(), told(results)
    assert "OK" in words(results).values(), told(results)


def test_a_wrong_score(tmp_path):
    results = look(MODEL.replace("(self.endog - np.exp(eta))", "(self.endog - eta)"), tmp_path)
    assert "WRONG" in words(results).values(), told(results)
