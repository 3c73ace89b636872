# A function for an optimizer, as SciPy wants it: with its gradient and its Hessian. The Hessian is checked against rosen_der.
#   gradtool check samples/gradients/rosenbrock.py

import numpy as np


def rosen(x):
    x = np.asarray(x)
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def rosen_der(x):
    x = np.asarray(x)
    der = np.zeros_like(x)
    der[:-1] += -400 * x[:-1] * (x[1:] - x[:-1] ** 2) - 2 * (1 - x[:-1])
    der[1:] += 200 * (x[1:] - x[:-1] ** 2)
    return der


def rosen_hess(x):
    x = np.asarray(x)
    hess = np.diag(-400 * x[:-1], 1) + np.diag(-400 * x[:-1], -1)
    diagonal = np.zeros_like(x)
    diagonal[:-1] += 1200 * x[:-1] ** 2 - 400 * x[1:] + 2
    diagonal[1:] += 200
    return hess + np.diag(diagonal)
