# A net of two inputs, three hidden units and one output, with its backward written line by line.
#   gradtool check samples/gradients/small_net.py

import numpy as np


def net_forward(X, W1, b1, W2, b2):
    """X: (m, 2), W1: (2, 3), b1: (3,), W2: (3, 1), b2: (1,). Gives predictions of shape (m, 1) and a cache."""
    z = X @ W1 + b1
    h = 1 / (1 + np.exp(-z))
    out = h @ W2 + b2
    return out, (X, W1, W2, h)


def net_backward(dout, cache):
    X, W1, W2, h = cache
    dW2 = h.T @ dout
    db2 = dout.sum(axis=0)
    dh = dout @ W2.T
    dz = dh * h * (1 - h)
    dW1 = X.T @ dz
    db1 = dz.sum(axis=0)
    dX = dz @ W1.T
    return dX, dW1, db1, dW2, db2
