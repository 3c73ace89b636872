"""Which gradients a layer claims: by the names of what it returns and leaves, never by a doubtful shape."""

import numpy as np
import pytest

from gradtool.targets.class_layer import find
from gradtool.targets.found import CannotBindError
from tests.targets.scopes import scope_of

X = np.random.default_rng(0).normal(size=(4, 3))

LAYER = """
import numpy as np
class L:
    def __init__(self):
        self.W, self.V = np.random.randn(3, 3), np.random.randn(3, 3)
        {more}
    def forward(self, x):
        self.x = x
        return x @ self.W + x @ self.V
    def backward(self, dout{extra}):
        dx = dout @ (self.W + self.V).T
        dW = dV = self.x.T @ dout
        {body}
"""


def claimed(tmp_path, body, more="pass", extra=""):
    (found,) = find(scope_of(LAYER.format(body=body, more=more, extra=extra), tmp_path), frozenset())
    return set(found.bind({"x": X}).wrt)


@pytest.mark.parametrize(
    ("body", "wrt"),
    [
        ("return dx", {"x"}),
        ("self.dW = dW; return dx", {"x", "W"}),
        ("self.dW, self.dV = dW, dV", {"W", "V"}),
        ("return dV, dW, dx", {"x", "W", "V"}),
        ("return dict(x=dx, W=dW)", {"x", "W"}),
        ("self.grads = {'V': dV}; return dx", {"x", "V"}),
        ("self.grads = [dW]; return dx", {"x"}),
        ("self.unrelated = dW; return dx", {"x"}),
        ("self.dQ = dW; return dx", {"x"}),
        ("self.dx = dx", {"x"}),
        ("self.dinput = dx", {"x"}),
        ("self.grad_input = dx; return None", {"x"}),
    ],
)
def test_claims(body, wrt, tmp_path):
    assert claimed(tmp_path, body) == wrt


def test_a_slot_that_waits_is_claimed_beside_one_of_its_kind(tmp_path):
    assert claimed(tmp_path, "self.dW = dW; return dx", more="self.dW = self.dV = None") == {"x", "W", "V"}
    assert claimed(tmp_path, "return dx", more="self.delta_W = np.zeros((3, 3))") == {"x"}


def test_an_update_that_is_proportional_to_the_upstream_is_claimed(tmp_path):
    assert claimed(tmp_path, "self.W -= lr * dW; return dx", extra=", lr") == {"x", "W"}
    assert claimed(tmp_path, "self.W -= lr * np.sign(dW); return dx", extra=", lr") == {"x"}
    assert claimed(tmp_path, "self.W -= 0.1 * dW; return dx") == {"x"}


def test_moments_that_forward_does_not_depend_on_are_no_parameters(tmp_path):
    body = "self.m = 0.9 * self.m + 0.1 * dW; self.W -= lr * self.m; return dx"
    assert claimed(tmp_path, body, more="self.m = np.zeros((3, 3))", extra=", lr") == {"x", "W"}


def test_running_averages_are_no_parameters(tmp_path):
    source = """
    import numpy as np
    class L:
        def __init__(self):
            self.mean, self.dmean = np.zeros(3), None
        def forward(self, x):
            self.mean = 0.9 * self.mean + 0.1 * x.mean(0)
            return x * 2.0
        def backward(self, dout):
            self.dmean = dout.sum(0)
            return 2.0 * dout
    """
    (found,) = find(scope_of(source, tmp_path), frozenset())
    assert found.bind({"x": X}).wrt == ("x",)


def test_gradients_of_something_else_are_not_taken_for_those_of_the_inputs(tmp_path):
    with pytest.raises(CannotBindError, match="nothing that is named as the gradient of an input"):
        claimed(tmp_path, "dpi = dmu = dsigma = dx; return dpi, dmu, dsigma")
