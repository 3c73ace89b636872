# A linear layer for PyTorch, with a bias or without one: both are checked.
#   gradtool check samples/gradients/torch_linear.py

import torch


class Linear(torch.autograd.Function):
    """input: (20, 10), weight: (5, 10), bias: (5,) or None."""

    @staticmethod
    def forward(ctx, input, weight, bias=None):
        ctx.save_for_backward(input, weight, bias)
        output = input.mm(weight.t())
        if bias is not None:
            output = output + bias
        return output

    @staticmethod
    def backward(ctx, grad_output):
        input, weight, bias = ctx.saved_tensors
        grad_input = grad_output.mm(weight)
        grad_weight = grad_output.t().mm(input)
        grad_bias = None if bias is None else grad_output.sum(0)
        return grad_input, grad_weight, grad_bias
