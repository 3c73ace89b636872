# Three mistakes in the backward of torch_linear.py. All three are WRONG, each for a reason of its own.
#   gradtool check samples/gradients/torch_linear_wrong.py

import torch


class TransposedWeight(torch.autograd.Function):
    """input: (20, 10), weight: (5, 10), bias: (5,) or None. The weight's gradient has the shape (10, 5)."""

    @staticmethod
    def forward(ctx, input, weight, bias=None):
        ctx.save_for_backward(input, weight, bias)
        output = input.mm(weight.t())
        return output if bias is None else output + bias

    @staticmethod
    def backward(ctx, grad_output):
        input, weight, bias = ctx.saved_tensors
        grad_input = grad_output.mm(weight)
        grad_weight = input.t().mm(grad_output)
        grad_bias = None if bias is None else grad_output.sum(0)
        return grad_input, grad_weight, grad_bias


class UnsummedBias(torch.autograd.Function):
    """input: (20, 10), weight: (5, 10), bias: (5,) or None. The bias reaches every row, so its gradient is a sum over rows."""

    @staticmethod
    def forward(ctx, input, weight, bias=None):
        ctx.save_for_backward(input, weight, bias)
        output = input.mm(weight.t())
        return output if bias is None else output + bias

    @staticmethod
    def backward(ctx, grad_output):
        input, weight, bias = ctx.saved_tensors
        grad_input = grad_output.mm(weight)
        grad_weight = grad_output.t().mm(input)
        grad_bias = None if bias is None else grad_output
        return grad_input, grad_weight, grad_bias


class FlippedInput(torch.autograd.Function):
    """input: (20, 10), weight: (5, 10), bias: (5,) or None. A sign too many."""

    @staticmethod
    def forward(ctx, input, weight, bias=None):
        ctx.save_for_backward(input, weight, bias)
        output = input.mm(weight.t())
        return output if bias is None else output + bias

    @staticmethod
    def backward(ctx, grad_output):
        input, weight, bias = ctx.saved_tensors
        grad_input = -grad_output.mm(weight)
        grad_weight = grad_output.t().mm(input)
        grad_bias = None if bias is None else grad_output.sum(0)
        return grad_input, grad_weight, grad_bias
