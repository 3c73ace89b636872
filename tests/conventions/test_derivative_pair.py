"""A function and its derivative: named after it in one of many ways, a gradient, a Jacobian, a Hessian or entry by entry."""

import pytest

from tests.conventions.looking import causes, look, told, words

NUMPY = "import numpy as np\n"
SUFFIXES = ("_der", "_grad", "_prime", "_derivative", "_gradient", "_deriv", "_jac", "_jacobian")

RIGHT = {
    "sigmoid": """
def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def sigmoid_prime(x):
    return sigmoid(x) * (1 - sigmoid(x))
""",
    "sigmoid of its output": """
def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def sigmoid_derivative(a):
    return a * (1 - a)
""",
    "with an upstream": """
def tanh(x):
    return np.tanh(x)


def tanh_grad(x, dout):
    return dout * (1 - np.tanh(x) ** 2)
""",
    "backprop_ in front": """
def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def backprop_sigmoid(dA, x):
    s = sigmoid(x)
    return dA * s * (1 - s)
""",
    "df": """
def f(x):
    return np.sum(x**3)


def df(x):
    return 3 * x**2
""",
    "grad_f and hess_f": """
def f(x):
    return np.sum(x**4) + x[0] * x[1] ** 2


def grad_f(x):
    g = 4 * x**3
    g[0] += x[1] ** 2
    g[1] += 2 * x[0] * x[1]
    return g


def hess_f(x):
    h = np.diag(12 * x**2)
    h[0, 1] += 2 * x[1]
    h[1, 0] += 2 * x[1]
    h[1, 1] += 2 * x[0]
    return h
""",
    "a Jacobian": """
def spiral(x):
    return np.array([x[0] * np.cos(x[1]), x[0] * np.sin(x[1]), x[0] * x[1]])


def spiral_jac(x):
    return np.array([[np.cos(x[1]), -x[0] * np.sin(x[1])], [np.sin(x[1]), x[0] * np.cos(x[1])], [x[1], x[0]]])
""",
    "a gradient for each parameter": """
def plane(x, a, b):
    return np.sum(a * x**2 + b * x)


def plane_grad(x, a, b):
    return 2 * a * x + b, x**2, x
""",
    "a list of gradients": """
def gaussian(x, mean, width):
    return np.exp(-0.5 * ((x - mean) / width) ** 2)


def gaussian_grad(x, mean, width):
    g = gaussian(x, mean, width)
    d = (x - mean) / width**2
    return [-g * d, g * d, g * d * (x - mean) / width]
""",
    "single numbers": """
import math


def f(x):
    return math.exp(-x * x)


def f_prime(x):
    return -2 * x * math.exp(-x * x)
""",
    "softmax and its Jacobian": """
def softmax(z):
    e = np.exp(z - np.max(z))
    return e / e.sum()


def softmax_jacobian(z):
    s = softmax(z)
    return np.diag(s) - np.outer(s, s)
""",
    "mean squared error": """
def mse(y_true, y_pred):
    return np.mean(np.power(y_true - y_pred, 2))


def mse_prime(y_true, y_pred):
    return 2 * (y_pred - y_true) / np.size(y_true)
""",
    "the derivative first": """
def cube_der(x):
    return 3 * x**2


def cube(x):
    return x**3
""",
    "a switch for the derivative": """
def softplus(x):
    return np.log1p(np.exp(x))


def softplus_derivative(x):
    return 1 / (1 + np.exp(-x))
""",
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_ones_are_ok(name, tmp_path):
    results = look(NUMPY + RIGHT[name], tmp_path)
    assert set(words(results).values()) == {"OK"}, told(results)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_names(suffix, tmp_path):
    results = look(f"""
        import numpy as np


        def swell(x):
            return np.sinh(x)


        def swell{suffix}(x):
            return np.cosh(x)


        def sink(x):
            return np.sinh(x)


        def sink{suffix}(x):
            return -np.cosh(x)
        """, tmp_path)  # fmt: skip
    assert sorted(words(results).values()) == ["OK", "WRONG"], told(results)


def test_what_is_no_derivative_is_left_alone(tmp_path):
    results = look("""
        def dataset(x):
            return x + 1


        def grade(x):
            return x * 2


        def difference(x, y):
            return x - y


        def test_sigmoid_grad(x):
            return x


        def check_sigmoid_prime(x):
            return x


        def _square(x):
            return x * x


        def _square_grad(x):
            return x


        def upgrade(x):
            return x
        """, tmp_path)  # fmt: skip
    assert "WRONG" not in words(results).values(), told(results)
    assert not any("test_" in name or "check_" in name or name.startswith("_") for name in results)


WRONG = {
    "cross block left zero": ("""
def valley(x):
    return x[0] ** 2 * x[1] + x[1] ** 4


def valley_grad(x):
    return np.array([2 * x[0] * x[1], x[0] ** 2 + 4 * x[1] ** 3])


def valley_hess(x):
    return np.array([[2 * x[1], 0.0], [2 * x[0], 12 * x[1] ** 2]])
""", "valley_hess", {"x": "GC108"}),
    "softmax with its diagonal alone": ("""
def softmax(z):
    e = np.exp(z - np.max(z))
    return e / e.sum()


def softmax_jacobian(z):
    s = softmax(z)
    return np.diag(s * (1 - s))
""", "softmax_jacobian", None),
    "sign in one region": ("""
def elu(x):
    return np.where(x > 0, x, np.exp(x) - 1)


def elu_der(x):
    return np.where(x > 0, 1.0, np.cos(3 * x))
""", "elu_der", {"x": "GC112"}),
    "of two inputs, one forgotten in a term": ("""
def f(x, y):
    return np.sum(x**2 * y + np.sin(x))


def grad_f(x, y):
    return 2 * x * y, x**2
""", "grad_f", None),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_ones_are_wrong(name, tmp_path):
    source, target, cause = WRONG[name]
    results = look(NUMPY + source, tmp_path)
    verdicts = words(results)
    wrong = [one for one, verdict in verdicts.items() if verdict == "WRONG"]
    assert len(wrong) == 1, told(results)
    assert results[wrong[0]].backward == target
    if cause is not None:
        assert causes(results[wrong[0]]) == cause, told(results)
