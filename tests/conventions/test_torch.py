"""``torch.autograd.Function`` and ``torch.nn.Module`` with real PyTorch."""

import pytest

from tests.conventions.looking import causes, hygiene, look, told, words

pytest.importorskip("torch", reason="PyTorch is not installed: pip install gradtool[torch]")

LINEAR = """
import torch


class Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input, weight, bias=None):
        ctx.save_for_backward(input, weight, bias)
        output = input.mm(weight.t())
        if bias is not None:
            output += bias.unsqueeze(0).expand_as(output)
        return output

    @staticmethod
    def backward(ctx, grad_output):
        input, weight, bias = ctx.saved_tensors
        grad_input = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_input = grad_output.mm(weight)
        if ctx.needs_input_grad[1]:
            grad_weight = grad_output.t().mm(input)
        if bias is not None and ctx.needs_input_grad[2]:
            grad_bias = grad_output.sum(0)
        return grad_input, grad_weight, grad_bias
"""

RIGHT = {
    "linear": LINEAR,
    "exponential with its output saved": """
import torch


class Exp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, i):
        result = i.exp()
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx, grad_output):
        (result,) = ctx.saved_tensors
        return grad_output * result
""",
    "setup_context": """
import torch


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return x**3

    @staticmethod
    def setup_context(ctx, inputs, output):
        (x,) = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * 3 * x**2
""",
    "a number that has no gradient": """
import torch


class MulConstant(torch.autograd.Function):
    @staticmethod
    def forward(ctx, tensor, constant: float = 2.5):
        ctx.constant = constant
        return tensor * constant

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.constant, None
""",
    "two outputs": """
import torch


class SinCos(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin(), x.cos()

    @staticmethod
    def backward(ctx, gs, gc):
        (x,) = ctx.saved_tensors
        return gs * x.cos() - gc * x.sin()
""",
    "upstream clamped in place on a copy": """
import torch


class MyReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return input.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved_tensors
        grad_input = grad_output.clone()
        grad_input[input < 0] = 0
        return grad_input
""",
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_ones_are_ok(name, tmp_path):
    results = look(RIGHT[name], tmp_path)
    assert set(words(results).values()) == {"OK"}, told(results)


WRONG = {
    "the weight's gradient transposed": ("grad_output.t().mm(input)", "input.t().mm(grad_output)", {"weight": "GC116"}),
    "the bias not summed": ("grad_output.sum(0)", "grad_output", {"bias": "GC116"}),
    "the sign of the input's flipped": (" grad_output.mm(weight)", " -grad_output.mm(weight)", {"input": "GC101"}),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_ones_are_wrong(name, tmp_path):
    right, wrong, cause = WRONG[name]
    assert right in LINEAR
    results = look(LINEAR.replace(right, wrong), tmp_path)
    assert words(results) == {"Linear": "WRONG"}, told(results)
    assert causes(results["Linear"]) == cause, told(results)


def test_a_fault_that_shows_without_the_bias_alone(tmp_path):
    wrong = LINEAR.replace("grad_output.mm(weight)", "grad_output.mm(weight) * (1 if bias is not None else 2)")
    results = look(wrong, tmp_path)
    assert words(results) == {"Linear": "WRONG"}, told(results)
    assert causes(results["Linear"]) == {"input": "GC102"}, told(results)
    assert results["Linear"]["input"].point.label == "without bias"


def test_tensors_from_the_users_own_maker(tmp_path):
    results = look(LINEAR + """

def linear_inputs():
    return torch.randn(3, 4), torch.randn(2, 4)
""", tmp_path)  # fmt: skip
    assert words(results) == {"Linear": "OK"}, told(results)
    inputs = results["Linear"].inputs
    assert (inputs["input"], inputs["weight"]) == ((3, 4), (2, 4))
    assert hygiene(results["Linear"]) == set(), "float32 is PyTorch's default, and no finding"


def test_a_kind_of_tensor_that_is_not_supported(tmp_path):
    results = look(RIGHT["exponential with its output saved"] + """

def exp_inputs():
    return {"i": torch.ones(3, dtype=torch.bfloat16)}
""", tmp_path)  # fmt: skip
    assert words(results) == {"Exp": "SKIPPED"}, told(results)
    assert "bfloat16" in results["Exp"].reason
