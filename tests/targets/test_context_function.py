"""The ``ctx`` pattern without torch: by position, by name, with the module's own context or gradtool's."""

import numpy as np
import pytest

from gradtool.targets.context_function import find
from gradtool.targets.found import CannotBindError
from tests.targets.scopes import differing, scope_of

A = np.random.default_rng(0).normal(size=(4, 3))
B = np.random.default_rng(1).normal(size=(4, 3))
W = np.random.default_rng(2).normal(size=(3, 2))

MULTIPLY = """
class Multiply:
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b
    @staticmethod
    def backward(ctx, d):
        a, b = ctx.saved_tensors
        return d * b, {second}
"""
OWN_CONTEXT = """
class Context:
    def __init__(self):
        self._kept = ()
    def save_for_backward(self, *x):
        self._kept = x
    @property
    def unpacked(self):
        return self._kept

class Power:
    @classmethod
    def forward(cls, ctx, x, exponent=3):
        ctx.save_for_backward(x)
        ctx.exponent = exponent
        return x ** exponent
    @classmethod
    def backward(cls, ctx, grad_output):
        x, = ctx.unpacked
        return grad_output * ctx.exponent * x ** {power}, None
"""
TWO_OUTPUTS = """
import numpy as np
class Split:
    @staticmethod
    def forward(ctx, x):
        ctx.x = x
        return np.sin(x), np.exp(x)
    @staticmethod
    def backward(ctx, *grads):
        return grads[0] * np.cos(ctx.x) + {factor} * grads[1] * np.exp(ctx.x)
"""
SELECT = """
class Select:
    @staticmethod
    def forward(ctx, x, index):
        ctx.index, ctx.shape = index, x.shape
        return x[index]
    @staticmethod
    def backward(ctx, d):
        import numpy as np
        dx = np.zeros(ctx.shape)
        {line}
        return dx, None
"""
BY_NAME = """
class Scaled:
    @staticmethod
    def forward(ctx, x, mask, w):
        ctx.save_for_backward(x, mask, w)
        return (x * mask) @ w
    @staticmethod
    def backward(ctx, d):
        x, mask, w = ctx.saved_tensors
        dw = (x * mask).T @ d
        dx = {dx}
        return dw, dx
"""


def bound(source, values, tmp_path):
    (found,) = find(scope_of(source, tmp_path), frozenset())
    found.try_forward(values)
    return found.bind(values)


@pytest.mark.parametrize(
    ("source", "right", "wrong", "values", "differ", "wrt"),
    [
        (MULTIPLY, {"second": "d * a"}, {"second": "-d * a"}, {"a": A, "b": B}, ["b"], ("a", "b")),
        (OWN_CONTEXT, {"power": "(ctx.exponent - 1)"}, {"power": "ctx.exponent"}, {"x": A}, ["x"], ("x",)),
        (TWO_OUTPUTS, {"factor": 1}, {"factor": 2}, {"x": A}, ["x"], ("x",)),
        (
            SELECT,
            {"line": "np.add.at(dx, ctx.index, d)"},
            {"line": "dx[ctx.index] = d"},
            {"x": A, "index": np.array([0, 2, 2])},
            ["x"],
            ("x",),
        ),
        (
            BY_NAME,
            {"dx": "d @ w.T * mask"},
            {"dx": "d @ w.T"},
            {"x": A, "mask": (B > 0).astype(float), "w": W},
            ["x"],
            ("x", "w"),
        ),
    ],
)
def test_right_and_wrong(source, right, wrong, values, differ, wrt, tmp_path):
    case = bound(source.format(**right), values, tmp_path)
    assert case.wrt == wrt
    assert differing(case) == []
    assert differing(bound(source.format(**wrong), values, tmp_path)) == differ


def test_a_fresh_context_each_time_and_what_it_holds(tmp_path):
    case = bound(MULTIPLY.format(second="d * a"), {"a": A, "b": B}, tmp_path)
    one, two = (case.callings[0].start({"a": a, "b": B}) for a in (A, 2 * A))
    assert set(one.kept) == {"saved_tensors[0]", "saved_tensors[1]"}
    np.testing.assert_array_equal(two.backward(np.ones_like(A))["b"], 2 * A)
    np.testing.assert_array_equal(one.backward(np.ones_like(A))["b"], A)


def test_the_function_is_the_unwrapped_forward(tmp_path):
    case = bound(TWO_OUTPUTS.format(factor=1), {"x": A}, tmp_path)
    assert case.function is not None
    np.testing.assert_array_equal(case.function(A)[1], np.exp(A))


def test_none_for_a_float_input_is_claimed(tmp_path):
    case = bound(MULTIPLY.format(second="None"), {"a": A, "b": B}, tmp_path)
    assert case.wrt == ("a", "b")
    assert differing(case) == ["b"]


@pytest.mark.parametrize("body", ["pass", "raise NotImplementedError", "..."])
def test_a_backward_that_is_not_written_is_skipped(body, tmp_path):
    source = f"""
    class F:
        @staticmethod
        def forward(ctx, x):
            return x
        @staticmethod
        def backward(ctx, d):
            {body}
    """
    (found,) = find(scope_of(source, tmp_path), frozenset())
    assert found.skip == "F.backward is not implemented"


def test_a_backward_that_returns_nothing_cannot_be_bound(tmp_path):
    source = """
    class F:
        @staticmethod
        def forward(ctx, x):
            return x
        @staticmethod
        def backward(ctx, d):
            print("to do", end="")
    """
    with pytest.raises(CannotBindError, match="not implemented"):
        bound(source, {"x": A}, tmp_path)


def test_bases_without_a_forward_and_ordinary_layers_are_left_alone(tmp_path):
    source = """
    class Function:
        @staticmethod
        def forward(ctx, *args):
            raise NotImplementedError
        @staticmethod
        def backward(ctx, d):
            raise NotImplementedError
    class Layer:
        def forward(self, x):
            return x
        def backward(self, d):
            return d
    """
    assert list(find(scope_of(source, tmp_path), frozenset())) == []
