# Forward draws a random mask. gradtool notices, and draws the same mask again wherever two results are compared.
#   gradtool check samples/gradients/dropout.py

import numpy as np


def dropout_forward(x, keep=0.75):
    """x: shape (N, D)"""
    mask = (np.random.rand(*x.shape) < keep) / keep
    return x * mask, mask


def dropout_backward(dout, mask):
    return dout * mask
