# Code that computes in single precision is judged by it: OK, to the digits that it can have.
#   gradtool check samples/gradients/single_precision.py

import numpy as np


def swish_forward(x):
    """x: shape (N, D)"""
    x = np.asarray(x, dtype=np.float32)
    s = 1 / (1 + np.exp(-x))
    return x * s, (x, s)


def swish_backward(dout, cache):
    x, s = cache
    return np.asarray(dout, dtype=np.float32) * (s + x * s * (1 - s))
