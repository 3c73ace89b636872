"""A forward on a fresh object and the gradients that backward leaves: what is kept, and what begins anew."""

import numpy as np
import pytest

from gradtool.targets.found import CannotBindError
from gradtool.targets.layer import Layer
from gradtool.targets.layer_call import Argument
from gradtool.targets.layer_run import RATE, Claim, Run, Setting, Variable, Way, has
from gradtool.targets.object_state import attribute
from gradtool.targets.scope import Parameter
from tests.targets.scopes import scope_of

SOURCE = """
import numpy as np
class L:
    def __init__(self):
        self.W = np.eye(2)
        self.dW = np.zeros((2, 2))
        self.seen = []
        self.zeroed = 0
    def zero_grad(self):
        self.zeroed += 1
    def init_gradients(self, required):
        raise AssertionError
    def forward(self, x):
        self.x = x
        self.grads = {"x": np.zeros(2)}
        return x @ self.W, {"rows": x.copy()}
    def backward(self, grad, lr=0.1):
        self.dW += self.x.T @ grad
        self.seen.append(1)
        dx = grad @ self.W.T
        self.W -= lr * (self.x.T @ grad)
        return dx
"""
X = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.0]])
G = np.array([[1.0, 0.5], [2.0, -1.0], [0.25, 4.0]])
GRAD, RATE_ARGUMENT = Argument(Parameter("grad"), "upstream", 0), Argument(Parameter("lr"), "rate")


def setting_of(tmp_path):
    scope = scope_of(SOURCE, tmp_path)
    owner = scope.classes["L"]
    layer = Layer(scope, owner, owner.methods["forward"], owner.methods["backward"])
    setting = Setting(layer, {"x": X}, base=owner.type())
    setting.variables = [Variable("W", (attribute("W"),))]
    setting.initial = {"W": np.eye(2)}
    return setting


def run_of(tmp_path, claims, arrangement=(GRAD,), weights=None):
    setting = setting_of(tmp_path)
    given = {} if weights is None else {setting.variables[0]: weights}
    return Run(setting, Way(arrangement, "given"), {"x": X}, given, claims)


RETURNED, SLOT = Claim("x", "returned", ()), Claim("W", "slot", attribute("dW"))


def test_gradients_by_name_and_parameters_set(tmp_path):
    weights = np.array([[2.0, 0.0], [1.0, 1.0]])
    run = run_of(tmp_path, (RETURNED, SLOT), weights=weights)
    np.testing.assert_array_equal(run.outputs[0], X @ weights)
    found = run.backward(G)
    np.testing.assert_array_equal(found["x"], G @ weights.T)
    np.testing.assert_array_equal(found["W"], X.T @ G)


def test_what_accumulates_begins_anew_at_the_second_call(tmp_path):
    run = run_of(tmp_path, (RETURNED, SLOT))
    run.backward(G)
    found = run.backward(2 * G)
    np.testing.assert_array_equal(found["W"], X.T @ (2 * G))
    np.testing.assert_array_equal(found["x"], 2 * G)
    assert run.obj.seen == [1]


def test_room_is_made_for_gradients_by_methods_that_take_nothing(tmp_path):
    assert run_of(tmp_path, (RETURNED,)).obj.zeroed == 1


def test_a_gradient_read_from_an_update(tmp_path):
    run = run_of(tmp_path, (Claim("W", "update", attribute("W")),), (GRAD, RATE_ARGUMENT))
    np.testing.assert_allclose(run.backward(G)["W"], X.T @ G, rtol=1e-15)
    np.testing.assert_allclose(run.obj.W, np.eye(2) - RATE * (X.T @ G))
    ascending = run_of(tmp_path, (Claim("W", "update", attribute("W"), -1.0),), (GRAD, RATE_ARGUMENT))
    np.testing.assert_allclose(ascending.backward(G)["W"], -(X.T @ G), rtol=1e-15)


def test_kept_is_what_forward_set_without_slots_and_parameters(tmp_path):
    run = run_of(tmp_path, (RETURNED, SLOT))
    assert set(run.kept) == {"x", "returned[1]"}
    assert run.kept["x"] is X


def test_a_slot_that_is_not_there_is_none(tmp_path):
    assert run_of(tmp_path, (Claim("b", "slot", attribute("db")),)).backward(G)["b"] is None


def test_an_argument_that_is_missing_is_named(tmp_path):
    run = run_of(tmp_path, (RETURNED,), (Argument(Parameter("mask"), "value", "mask"),))
    with pytest.raises(CannotBindError, match="backward needs mask"):
        run.backward()


def test_setting(tmp_path):
    setting = setting_of(tmp_path)
    assert setting.differentiable == ["x"]
    assert setting.first() == "x"
    assert set(setting.inputs()) == {"x"}
    assert setting.fresh() is not setting.base
    assert has(setting.base, attribute("W"))
    assert not has(setting.base, attribute("V"))
