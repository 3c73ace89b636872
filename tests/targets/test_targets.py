"""The conventions in their order, over one module."""

import textwrap

import pytest

from gradtool.targets import CONVENTIONS, find_targets
from gradtool.targets.loading import load


@pytest.fixture
def found(tmp_path):
    def find(text):
        path = tmp_path / "module_to_look_at.py"
        path.write_text(textwrap.dedent(text))
        return [(one.name, one.convention) for one in find_targets(load(path, path.name))]

    return find


def test_by_line_and_each_function_once(found):
    text = """
    import numpy as np
    def tanh(x): return np.tanh(x)
    def tanh_derivative(x): return 1 - np.tanh(x) ** 2
    def relu_forward(x): return np.maximum(x, 0), x
    def relu_backward(dout, cache): return dout * (cache > 0)
    """
    assert [convention for _, convention in found(text)] == ["derivative-pair", "forward-backward-pair"]


def test_names_are_unique(found):
    text = """
    import numpy as np
    def relu_forward(x): return np.maximum(x, 0), x
    def relu_backward(dout, cache): return dout * (cache > 0)
    class relu:
        def forward(self, x):
            self.x = x
            return np.maximum(x, 0)
        def backward(self, dout): return dout * (self.x > 0)
    """
    assert [name for name, _ in found(text)] == ["relu", "relu#2"]


def test_tests_checks_and_private_ones_are_left_out(found):
    text = """
    def test_f_forward(x): return x, x
    def test_f_backward(dout, cache): return dout
    def check_g(x): return x
    def check_g_grad(x): return x
    def _h_forward(x): return x, x
    def _h_backward(dout, cache): return dout
    """
    assert found(text) == []


def test_a_private_name_says_nothing_against_what_a_library_marks(found):
    pytest.importorskip("torch")
    text = """
    import torch
    class _Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x
        @staticmethod
        def backward(ctx, g):
            x, = ctx.saved_tensors
            return 2 * g * x
    class test_Square(_Square):
        @staticmethod
        def forward(ctx, x): return x
        @staticmethod
        def backward(ctx, g): return g
    """
    assert found(text) == [("_Square", "torch-function")]


def test_an_empty_module(found):
    assert found("") == []


def test_the_most_certain_first():
    assert (
        CONVENTIONS.index("torch_function")
        < CONVENTIONS.index("forward_backward_pair")
        < CONVENTIONS.index("derivative_pair")
    )
