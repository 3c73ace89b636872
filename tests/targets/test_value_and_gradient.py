"""Functions that return a value and its gradient, right and wrong; and those that only look like one."""

import numpy as np
import pytest

from gradtool.targets.found import CannotBindError
from gradtool.targets.value_and_gradient import CONVENTION, find
from tests.targets.scopes import agrees, differing, scope_of

rng = np.random.default_rng(3)
X = rng.normal(size=(4, 3))
LABELS = np.array([0, 2, 1, 1])


def all_of(source, tmp_path, taken=()):
    found = list(find(scope_of("import numpy as np\nimport math\n" + source, tmp_path), frozenset(taken)))
    assert all(f.convention == CONVENTION for f in found)
    return found


def only(source, tmp_path):
    (found,) = all_of(source, tmp_path)
    return found


SOFTMAX = """
def softmax_loss(x, y):
    p = np.exp(x - x.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    n = len(y)
    loss = -np.log(p[np.arange(n), y]).sum() / n
    dx = p.copy()
    dx[np.arange(n), y] -= 1
    dx /= n
    return loss, dx
"""


def test_softmax_loss(tmp_path):
    found = only(SOFTMAX, tmp_path)
    assert (found.name, found.forward, found.backward, found.line) == ("softmax_loss",) * 3 + (4,)
    case = found.bind({"x": X, "y": LABELS})
    assert (case.wrt, tuple(case.values)) == (("x",), ("x", "y"))
    assert (case.callings[0].upstream, case.callings[0].description) == ("one", "softmax_loss(x, y)")
    assert agrees(case)
    assert case.function(X, LABELS) == case.callings[0].start({"x": X, "y": LABELS}).outputs[0]
    wrong = only(SOFTMAX.replace("    dx /= n\n", ""), tmp_path).bind({"x": X, "y": LABELS})
    assert differing(wrong) == ["x"]


@pytest.mark.parametrize(
    ("returned", "inputs"),
    [
        ("loss, dX", ["X"]),
        ("loss, dX, dw", ["X", "w"]),
        ("dw, loss", ["w"]),
        ("loss, {'dX': dX, 'dw': dw}", ["X", "w"]),
        ("loss, {'X': dX, 'w': dw}", ["X", "w"]),
        ("loss, grads", ["X", "w"]),
        ("grads, loss", ["X", "w"]),
        ("loss, dX, r", ["X"]),
        ("loss, grad_w", ["w"]),
        ("J, grad", ["w"]),
        ("cost, gradient", ["w"]),
        ("f, g", ["w"]),
        ("value, grad", ["w"]),
    ],
)
def test_ways_to_return(returned, inputs, tmp_path):
    source = (
        "def fit(X, w, y):\n    r = X @ w - y\n    loss = (r ** 2).sum()\n"
        "    dX = 2 * np.outer(r, w)\n    dw = 2 * X.T @ r\n"
        "    grads = {'dX': dX, 'dw': dw}\n    J = cost = f = value = loss\n    grad_w = grad = g = gradient = dw\n"
        f"    return {returned}\n"
    )
    point = {"X": X, "w": rng.normal(size=3), "y": rng.normal(size=4)}
    case = only(source, tmp_path).bind(point)
    assert list(case.wrt) == inputs
    assert agrees(case)
    wrong = only(source.replace("2 * np.outer", "np.outer").replace("2 * X.T", "X.T"), tmp_path).bind(point)
    assert differing(wrong) == inputs


def test_parameters_in_a_dictionary(tmp_path):
    source = (
        "def model(X, y, params, reg=0.0):\n    r = X @ params['W'] + params['b'] - y\n"
        "    loss = (r ** 2).sum() + reg * (params['W'] ** 2).sum()\n"
        "    grads = {}\n    grads['W'] = 2 * X.T @ r + 2 * reg * params['W']\n"
        "    grads['b'] = 2 * r.sum(0)\n    return loss, grads\n"
    )
    point = {"X": X, "y": rng.normal(size=(4, 2)), "params": {"W": rng.normal(size=(3, 2)), "b": np.zeros(2)}}
    for reg in (0.0, 0.7):
        case = only(source, tmp_path).bind({**point, "reg": reg})
        assert case.wrt == ("W", "b")
        assert agrees(case)
    unregularised = only(source.replace("+ 2 * reg * params['W']", ""), tmp_path)
    assert agrees(unregularised.bind(point))
    assert differing(unregularised.bind({**point, "reg": 0.7})) == ["W"]


def test_where_two_inputs_have_the_gradient_s_shape_nobody_guesses(tmp_path):
    source = "def dist(a, b):\n    loss = ((a - b) ** 2).sum()\n    grad = 2 * (a - b)\n    return loss, grad\n"
    with pytest.raises(CannotBindError, match="name it after the input"):
        only(source, tmp_path).bind({"a": X, "b": X + 1})
    case = only(source.replace("grad", "da"), tmp_path).bind({"a": X, "b": X + 1})
    assert case.wrt == ("a",)
    assert agrees(case)
    named = source.replace("(a, b)", "(pred, target)").replace("(a - b)", "(pred - target)")
    assert agrees(only(named, tmp_path).bind({"pred": X, "target": X + 1}))


def test_the_function_s_own_name(tmp_path):
    source = "def quad_and_grad(x):\n    return (x ** 2).sum(), 2 * x\n"
    assert agrees(only(source, tmp_path).bind({"x": X}))
    assert differing(only(source.replace("2 * x", "x"), tmp_path).bind({"x": X})) == ["x"]


def test_scalar_math_code(tmp_path):
    found = only("def f(x):\n    value = math.sin(x)\n    grad = math.cos(x)\n    return value, grad\n", tmp_path)
    assert found.scalar
    assert agrees(found.bind({"x": 0.4}))


def test_a_value_of_shape_one_by_one(tmp_path):
    source = "def cost(theta, X):\n    r = X @ theta\n    J = r.T @ r\n    grad = 2 * X.T @ r\n    return J, grad\n"
    case = only(source, tmp_path).bind({"theta": rng.normal(size=(3, 1)), "X": X})
    assert agrees(case)
    assert case.wrt == ("theta",)


@pytest.mark.parametrize(
    "source",
    [
        "def split(x):\n    a, b = x, x\n    return a, b\n",
        "def affine_forward(x):\n    out = cache = x\n    return out, cache\n",
        "def affine_backward(x, w):\n    dx = dw = x\n    return dx, dw\n",
        "def evaluate(x):\n    loss = accuracy = 1.0\n    return loss, accuracy\n",
        "def clip(grad):\n    norm = 1.0\n    return grad, norm\n",
        "def _loss(x):\n    loss = dx = x\n    return loss, dx\n",
        "def test_loss(x):\n    loss = dx = x\n    return loss, dx\n",
        "def loss_only(x):\n    loss = x.sum()\n    return loss\n",
    ],
)
def test_unrelated_functions(source, tmp_path):
    assert all_of(source, tmp_path) == []


def test_what_is_taken_is_left_alone(tmp_path):
    assert all_of(SOFTMAX, tmp_path, taken=["softmax_loss"]) == []


def test_no_number_and_no_gradient(tmp_path):
    with pytest.raises(CannotBindError, match="no number"):
        only("def f(x):\n    loss = x\n    dx = x\n    return loss, dx\n", tmp_path).bind({"x": X})
    with pytest.raises(CannotBindError, match="not implemented"):
        only("def f(x):\n    loss = 0.0\n    dx = None\n    return loss, dx\n", tmp_path).bind({"x": X})


def test_a_second_backward_calls_again(tmp_path):
    source = (
        "TOTAL = {'dx': 0}\ndef f(x):\n    loss = (x ** 2).sum()\n"
        "    TOTAL['dx'] = TOTAL['dx'] + 2 * x\n    dx = TOTAL['dx']\n    return loss, dx\n"
    )
    case = only(source, tmp_path).bind({"x": X})
    assert agrees(case)
    run = case.callings[0].start({"x": X})
    assert np.allclose(2 * run.backward()["x"], run.backward()["x"])


@pytest.mark.parametrize(
    ("returned", "right"),
    [
        ("grad / len(y)", True),
        ("grad * (1 / len(y))", True),
        ("-(-grad) / len(y) + 0 * w", True),
        ("grad / len(y) + 0.1 * w", False),
        ("(grad + w) / len(y)", False),
    ],
)
def test_a_gradient_that_is_scaled_where_it_is_returned(returned, right, tmp_path):
    source = f"""
def fit(w, X, y):
    r = X @ w - y
    loss = 0.5 * (r @ r) / len(y)
    grad = X.T @ r
    return loss, {returned}
"""
    case = only(source, tmp_path).bind({"w": X[0], "X": X, "y": rng.normal(size=4)})
    assert case.wrt == ("w",)
    assert agrees(case) is right


@pytest.mark.parametrize("returned", ["dscores @ W.T", "dscores * x", "W / dscores", "dscores + dW", "np.sum(dscores)"])
def test_the_gradient_of_something_else_is_not_claimed(returned, tmp_path):
    source = f"""
def f(x, W):
    loss, dscores, dW = 1.0, x, W
    return loss, {returned}
"""
    assert all_of(source, tmp_path) == []


def test_the_value_may_be_an_expression_where_the_function_is_called_after_it(tmp_path):
    source = """
def squared_loss(x):
    dx = 2 * x
    return np.sum(x ** 2), dx
def something(x):
    dx = 2 * x
    return np.sum(x ** 2), dx
"""
    (found,) = all_of(source, tmp_path)
    assert found.name == "squared_loss"
    assert agrees(found.bind({"x": X}))
