"""Building a user's object and calling its forward."""

import numpy as np
import pytest

from gradtool.targets.found import CannotBindError
from gradtool.targets.layer import Layer, copy_or, made_by_user, own, pinned
from gradtool.targets.scope import MISSING
from tests.targets.scopes import scope_of


def layer_of(source, tmp_path, forward="forward", backward="backward"):
    scope = scope_of(source, tmp_path)
    owner = scope.classes["L"]
    return Layer(scope, owner, owner.methods[forward], owner.methods[backward])


DENSE = """
import numpy as np
class L:
    def __init__(self, n, m, bias=True):
        self.W, self.bias = np.random.randn(n, m), bias
    def forward(self, x, training=False, *, scale=1.0):
        self.trained_with = training
        return scale * (x @ self.W)
    def backward(self, grad, x, settings, cache=None):
        return grad @ self.W.T
"""


def test_parameters_are_those_of_forward_constructor_and_backward(tmp_path):
    layer = layer_of(DENSE, tmp_path)
    assert [p.name for p in layer.parameters] == ["x", "training", "scale", "n", "m", "bias", "settings"]


def test_built_objects_are_the_same_each_time(tmp_path):
    layer = layer_of(DENSE, tmp_path)
    values = {"n": 3, "m": 2}
    np.testing.assert_array_equal(layer.build(values).W, layer.build(values).W)
    assert layer.build({**values, "bias": False}).bias is False


def test_forward_is_called_as_in_training_and_keywords_by_name(tmp_path):
    layer = layer_of(DENSE, tmp_path)
    obj = layer.build({"n": 3, "m": 2})
    np.testing.assert_allclose(
        layer.call_forward(obj, {"x": np.ones((1, 3)), "scale": 2.0}), 2 * obj.W.sum(0, keepdims=True)
    )
    assert obj.trained_with is True
    layer.call_forward(obj, {"x": np.ones((1, 3)), "training": False})
    assert obj.trained_with is False


def test_a_missing_input_is_named(tmp_path):
    layer = layer_of(DENSE, tmp_path)
    with pytest.raises(CannotBindError, match="forward needs x"):
        layer.call_forward(layer.build({"n": 3, "m": 2}), {})


def test_methods_that_initialise_are_called_where_forward_needs_it(tmp_path):
    source = """
    import numpy as np
    class L:
        def __init__(self, n):
            self.n = n
        def initialize_weights(self):
            self.W = np.ones((self.n, 2))
        def forward(self, x):
            return x @ self.W
        def backward(self, grad):
            return grad @ self.W.T
    """
    layer = layer_of(source, tmp_path)
    values = {"n": 3, "x": np.ones((4, 3))}
    np.testing.assert_array_equal(layer.try_forward(values), np.full((4, 2), 3.0))
    obj, _ = layer.ready(values)
    assert obj.W.shape == (3, 2)


def test_what_forward_raises_reaches_the_caller(tmp_path):
    with pytest.raises(ValueError, match="matmul"):
        layer_of(DENSE, tmp_path).try_forward({"n": 3, "m": 2, "x": np.ones((4, 5))})


def test_an_output_left_in_an_attribute(tmp_path):
    source = """
    class L:
        def forward(self, x):
            self.output = 2 * x
        def backward(self, dvalues):
            self.dinputs = 2 * dvalues
    """
    np.testing.assert_array_equal(layer_of(source, tmp_path).try_forward({"x": np.ones(2)}), [2.0, 2.0])


def test_dataclasses_have_constructors_too(tmp_path):
    source = """
    from dataclasses import dataclass
    @dataclass
    class L:
        slope: float
        offset: float = 1.0
        def forward(self, x):
            return self.slope * x + self.offset
        def backward(self, grad):
            return self.slope * grad
    """
    layer = layer_of(source, tmp_path)
    assert [p.name for p in layer.parameters] == ["x", "slope", "offset"]
    assert layer.try_forward({"x": 2.0, "slope": 3.0}) == 7.0


@pytest.mark.parametrize(
    ("default", "taken"),
    [("0.01", True), ("1", True), ("'relu'", True), ("(1, 1)", True), ("False", True), ("None", False), ("[1]", False),
     ("('a', None)", False)],
)  # fmt: skip
def test_a_default_of_the_constructor_is_a_parameter_where_it_is_a_setting(default, taken, tmp_path):
    source = f"""
    class L:
        def __init__(self, thing={default}, training=True):
            self.thing = thing
        def forward(self, x):
            return x
        def backward(self, grad):
            return grad
    """
    assert [p.name for p in layer_of(source, tmp_path).parameters] == ["x", *(["thing"] if taken else [])]


@pytest.mark.parametrize("maker", ["make_DenseLayer", "make_dense_layer", "make_denselayer", "build_dense_layer"])
def test_makers(maker, tmp_path):
    scope = scope_of(f"class DenseLayer: pass\ndef {maker}(n=3):\n    return DenseLayer()\n", tmp_path)
    found = made_by_user(scope, "DenseLayer")
    assert found is not None
    assert found.name == maker


def test_a_maker_that_needs_arguments_is_none(tmp_path):
    assert made_by_user(scope_of("def make_L(n):\n    return n\n", tmp_path), "L") is None


def test_copies():
    array = np.ones(2)
    assert own(array) is not array
    lock = (n for n in range(2))
    assert own(lock) is lock
    assert copy_or(lock, lambda: "made anew") == "made anew"


def test_pinned_gives_the_generators_back():
    np.random.seed(3)
    expected = np.random.rand()
    np.random.seed(3)
    with pinned():
        first = np.random.rand()
    with pinned():
        assert np.random.rand() == first
    assert np.random.rand() == expected


def test_a_label_without_which_there_are_no_gradients_is_needed(tmp_path):
    source = """
    class L:
        def forward(self, X, y=None):
            return X if y is None else ((X - y) ** 2).sum()
        def backward(self):
            return 0.0
    """
    layer = layer_of(source, tmp_path)
    assert [p.name for p in layer.parameters if p.default is MISSING] == ["X", "y"]
