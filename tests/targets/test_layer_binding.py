"""The callings of a layer: several where it is open how to call it, one where names settle it."""

import numpy as np
import pytest

from gradtool.targets.class_layer import find
from gradtool.targets.found import CannotBindError
from gradtool.targets.layer import Layer
from gradtool.targets.layer_binding import case_of
from tests.targets.scopes import differing, scope_of

X = np.random.default_rng(0).uniform(0.1, 0.9, size=(4, 3))
LABELS = np.array([0, 2, 1, 1])


def bound(source, values, tmp_path):
    scope = scope_of("import numpy as np\n" + source, tmp_path)
    owner = scope.classes["L"]
    return case_of(Layer(scope, owner, owner.methods["forward"], owner.methods["backward"]), values)


def shown(case):
    return [(calling.description, calling.upstream) for calling in case.callings]


LOSS = """
class Base:
    def calculate(self, pred, y_true):
        return np.mean(self.forward(pred, y_true))
class L{base}:
    def forward(self, pred, y_true):
        return -np.log(pred[range(len(pred)), y_true])
    def backward(self, dvalues, y_true):
        d = np.zeros_like(dvalues)
        d[range(len(d)), y_true] = -1 / dvalues[range(len(d)), y_true]
        return d / {divisor}
"""


def test_a_loss_is_a_mean_only_where_the_source_says_so(tmp_path):
    values = {"pred": X, "y_true": LABELS}
    case = bound(LOSS.format(base="(Base)", divisor="len(d)"), values, tmp_path)
    assert shown(case) == [("L.backward(pred, y_true), as the gradient of the mean of forward", "one")]
    assert differing(case) == []
    assert differing(bound(LOSS.format(base="(Base)", divisor="1"), values, tmp_path)) == ["pred"]


def test_an_upstream_of_1_that_is_ignored_is_left_out(tmp_path):
    source = """
class L:
    def forward(self, x):
        self.x = x
        return (x**2).sum()
    def backward(self, dout=1):
        return {gradient}
"""
    ignored = bound(source.format(gradient="2 * self.x"), {"x": X}, tmp_path)
    assert shown(ignored) == [("L.backward()", "one")]
    used = bound(source.format(gradient="2 * self.x * dout"), {"x": X}, tmp_path)
    assert shown(used) == [("L.backward(dout)", "given")]
    assert differing(ignored) == differing(used) == []


def test_ways_that_raise_or_give_other_shapes_are_dropped(tmp_path):
    source = """
class L:
    def forward(self, x):
        self.x = x
        return x.sum(1)
    def backward(self, x):
        return np.repeat(x, 3).reshape(4, 3)
"""
    case = bound(source, {"x": X}, tmp_path)
    assert shown(case) == [("L.backward(x)", "given")]
    assert differing(case) == []


def test_where_all_ways_raise_the_checker_gets_to_say_so(tmp_path):
    source = """
class L:
    def forward(self, x):
        return x
    def backward(self, dout):
        return dout @ dout @ dout
"""
    case = bound(source, {"x": X}, tmp_path)
    assert case.wrt == ("x",)
    with pytest.raises(ValueError, match="matmul"):
        case.callings[0].start({"x": X}).backward(np.ones_like(X))


def test_the_description_says_what_was_assumed(tmp_path):
    source = """
class L:
    def __init__(self):
        self.W = np.random.randn(3, 2)
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self, {name}, lr):
        dx = {name} @ self.W.T
        self.W {sign}= lr * self.x.T @ {name}
        return dx
"""
    (descends,) = bound(source.format(name="grad", sign="-"), {"x": X}, tmp_path).callings
    assert descends.description == "L.backward(grad, lr=1024); the gradient of W read from its update"
    (ascends,) = bound(source.format(name="error", sign="+"), {"x": X}, tmp_path).callings
    assert ascends.description.endswith("(added, the upstream being an error)")
    assert differing(bound(source.format(name="grad", sign="+"), {"x": X}, tmp_path)) == ["W"]


def test_parameters_made_by_forward_are_parameters(tmp_path):
    source = """
class L:
    W = None
    def forward(self, x):
        if self.W is None:
            self.W = np.random.randn(x.shape[1], 2)
        self.x = x
        return x @ self.W
    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T
"""
    case = bound(source, {"x": X}, tmp_path)
    assert case.wrt == ("x", "W")
    assert differing(case) == []


def test_values_that_forward_refuses_are_not_put_in_place_of_the_constructors(tmp_path):
    source = """
class L:
    def __init__(self):
        self.scale = np.ones(3)
    def forward(self, x):
        assert np.all(self.scale == 1.0)
        self.x = x
        return x * self.scale
    def backward(self, dout):
        self.dscale = (dout * self.x).sum(0)
        return dout * self.scale
"""
    np.testing.assert_array_equal(bound(source, {"x": X}, tmp_path).values["scale"], np.ones(3))


def test_no_float_output(tmp_path):
    source = "class L:\n    def forward(self, x):\n        return x > 0\n    def backward(self, d):\n        return d\n"
    (found,) = find(scope_of(source, tmp_path), frozenset())
    with pytest.raises(CannotBindError, match="gives no float array"):
        found.bind({"x": X})


def test_a_size_of_1_that_is_only_broadcast_is_refused(tmp_path):
    source = """
class L:
    def __init__(self, dim):
        self.scale = np.random.randn(dim)
    def forward(self, x):
        self.x = x
        return x * self.scale
    def backward(self, dout):
        self.dscale = (dout * self.x).sum(0)
        return dout * self.scale
"""
    assert differing(bound(source, {"x": X, "dim": 3}, tmp_path)) == []
    with pytest.raises(CannotBindError, match="with dim = 1"):
        bound(source, {"x": X, "dim": 1}, tmp_path)
