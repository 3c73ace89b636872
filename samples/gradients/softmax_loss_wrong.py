# softmax_loss.py without the division by the batch size: the loss is a mean, its gradient is that of a sum.
#   gradtool check samples/gradients/softmax_loss_wrong.py

import numpy as np


def softmax_loss(x, y):
    """x: scores, of shape (N, C); y: labels, of shape (N,), from 0 to C - 1. Returns the mean loss and its gradient."""
    shifted = x - x.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    rows = np.arange(len(y))
    loss = -log_p[rows, y].mean()
    dx = np.exp(log_p)
    dx[rows, y] -= 1
    return loss, dx
