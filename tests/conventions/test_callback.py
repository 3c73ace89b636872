"""A forward that returns its output and a function for the way back."""

import pytest

from tests.conventions.looking import causes, look, told, words

NUMPY = "import numpy as np\n"

RIGHT = {
    "one input": """
def relu(X):
    Y = np.maximum(X, 0)

    def backprop(dY):
        return dY * (X > 0)

    return Y, backprop
""",
    "several inputs": """
def linear(X, W, b):
    Y = X @ W + b

    def backprop(dY):
        dX = dY @ W.T
        dW = X.T @ dY
        db = dY.sum(axis=0)
        return dX, dW, db

    return Y, backprop
""",
    "parameters of the callback": """
def tanh(X):
    Y = np.tanh(X)

    def backprop_tanh(dY, Y=Y):
        return dY * (1 - Y**2)

    return Y, backprop_tanh
""",
    "a lambda": """
def square(x):
    return x**2, lambda g: 2 * g * x
""",
    "vjp by name": """
def sine_vjp(x):
    y = np.sin(x)

    def vjp(g):
        return (g * np.cos(x),)

    return y, vjp
""",
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_ones_are_ok(name, tmp_path):
    results = look(NUMPY + RIGHT[name], tmp_path)
    assert set(words(results).values()) == {"OK"}, told(results)


def test_a_wrong_one(tmp_path):
    results = look(NUMPY + RIGHT["several inputs"].replace("dY.sum(axis=0)", "dY.mean(axis=0)"), tmp_path)
    (result,) = results.values()
    assert causes(result) == {"b": "GC105"}, told(results)
