# A Hessian whose cross block was left zero: how the gradient in `position` depends on `weight` is missing.
#   gradtool check samples/gradients/rosenbrock_wrong.py

import numpy as np


def valley(x):
    """x: shape (4,), two positions and two weights."""
    position, weight = x[:2], x[2:]
    return np.sum(weight * position**2) + np.sum(weight**4)


def valley_der(x):
    position, weight = x[:2], x[2:]
    return np.concatenate([2 * weight * position, position**2 + 4 * weight**3])


def valley_hess(x):
    position, weight = x[:2], x[2:]
    hess = np.zeros((4, 4))
    hess[:2, :2] = np.diag(2 * weight)
    hess[2:, :2] = np.diag(2 * position)
    hess[2:, 2:] = np.diag(12 * weight**2)  # hess[:2, 2:] is forgotten
    return hess
