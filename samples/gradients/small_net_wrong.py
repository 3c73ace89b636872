# Three mistakes in the backward of small_net.py: @ for *, no derivative of the sigmoid, no sum over the batch.
#   gradtool check samples/gradients/small_net_wrong.py

import numpy as np


def matrix_product_forward(X, W1, b1, W2, b2):
    """X: (m, 2), W1: (2, 3), b1: (3,), W2: (3, 1), b2: (1,)."""
    z = X @ W1 + b1
    h = 1 / (1 + np.exp(-z))
    out = h @ W2 + b2
    return out, (X, W1, W2, h)


def matrix_product_backward(dout, cache):
    """The derivative of the sigmoid is taken entry by entry: `@` does not even fit."""
    X, W1, W2, h = cache
    dW2 = h.T @ dout
    db2 = dout.sum(axis=0)
    dh = dout @ W2.T
    dz = dh @ (h * (1 - h))
    dW1 = X.T @ dz
    db1 = dz.sum(axis=0)
    dX = dz @ W1.T
    return dX, dW1, db1, dW2, db2


def no_sigmoid_forward(X, W1, b1, W2, b2):
    """X: (m, 2), W1: (2, 3), b1: (3,), W2: (3, 1), b2: (1,)."""
    z = X @ W1 + b1
    h = 1 / (1 + np.exp(-z))
    out = h @ W2 + b2
    return out, (X, W1, W2, h)


def no_sigmoid_backward(dout, cache):
    """The way back from h to z passes the sigmoid: the factor h(1 - h) is forgotten."""
    X, W1, W2, h = cache
    dW2 = h.T @ dout
    db2 = dout.sum(axis=0)
    dz = dout @ W2.T
    dW1 = X.T @ dz
    db1 = dz.sum(axis=0)
    dX = dz @ W1.T
    return dX, dW1, db1, dW2, db2


def unsummed_forward(X, W1, b1, W2, b2):
    """X: (m, 2), W1: (2, 3), b1: (3,), W2: (3, 1), b2: (1,)."""
    z = X @ W1 + b1
    h = 1 / (1 + np.exp(-z))
    out = h @ W2 + b2
    return out, (X, W1, W2, h)


def unsummed_backward(dout, cache):
    """Each bias reaches every row of the batch: its gradient is the sum over the rows, not a row each."""
    X, W1, W2, h = cache
    dW2 = h.T @ dout
    db2 = dout
    dh = dout @ W2.T
    dz = dh * h * (1 - h)
    dW1 = X.T @ dz
    db1 = dz
    dX = dz @ W1.T
    return dX, dW1, db1, dW2, db2
