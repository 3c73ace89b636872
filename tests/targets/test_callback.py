"""Forwards that return their backward."""

import numpy as np
import pytest

from gradtool.targets.callback import CONVENTION, find
from gradtool.targets.found import CannotBindError
from tests.targets.scopes import agrees, differing, scope_of

rng = np.random.default_rng(3)
X, W = rng.normal(size=(4, 3)), rng.normal(size=(3, 2))


def all_of(source, tmp_path, taken=()):
    found = list(find(scope_of("import numpy as np\n" + source, tmp_path), frozenset(taken)))
    assert all(f.convention == CONVENTION for f in found)
    return found


def only(source, tmp_path):
    (found,) = all_of(source, tmp_path)
    return found


LINEAR = "def linear(X, W):\n    Y = X @ W\n    def backprop({}):\n        return {}\n    return Y, backprop\n"


@pytest.mark.parametrize(
    ("signature", "returned"),
    [
        ("dY", "dY @ W.T, X.T @ dY"),
        ("g", "(g @ W.T, X.T @ g)"),
        ("thing", "thing @ W.T, X.T @ thing"),
        ("dY, X", "dY @ W.T, X.T @ dY"),
        ("X, W, dY", "dY @ W.T, X.T @ dY"),
        ("dY, Y", "dY @ W.T, X.T @ dY + 0 * Y.sum()"),
        ("dY", "{'dW': X.T @ dY, 'dX': dY @ W.T}"),
    ],
)
def test_names_say_what_to_pass(signature, returned, tmp_path):
    found = only(LINEAR.format(signature, returned), tmp_path)
    assert (found.name, found.forward, found.backward, found.line) == ("linear", "linear", "backprop", 4)
    assert [p.name for p in found.parameters] == ["X", "W"]
    case = found.bind({"X": X, "W": W})
    assert case.wrt == ("X", "W")
    assert len(case.callings) == 1
    assert agrees(case)
    wrong = only(LINEAR.format(signature, returned.replace("@ W.T", "@ W.T * 2")), tmp_path)
    assert differing(wrong.bind({"X": X, "W": W})) == ["X"]


def test_one_of_two_gradients(tmp_path):
    case = only(LINEAR.format("dY", "dY @ W.T"), tmp_path).bind({"X": X, "W": W})
    assert case.wrt == ("X",)
    assert agrees(case)


@pytest.mark.parametrize(
    "inner", ["    back = lambda dY: 2 * dY * X\n    return Y, back\n", "    return Y, lambda dY: 2 * dY * X\n"]
)
def test_lambdas(inner, tmp_path):
    source = "def square(X):\n    Y = X ** 2\n" + inner
    assert agrees(only(source, tmp_path).bind({"X": X}))
    assert differing(only(source.replace("2 * dY", "dY"), tmp_path).bind({"X": X})) == ["X"]


def test_two_outputs(tmp_path):
    source = (
        "def both(x):\n    a, b = x ** 2, x ** 3\n    def back(da, db):\n"
        "        return 2 * x * da + 3 * x ** 2 * db\n    return a, b, back\n"
    )
    assert agrees(only(source, tmp_path).bind({"x": X}))
    assert differing(
        only(source.replace("back(da, db)", "back(db, da)").replace("2 * x", "x"), tmp_path).bind({"x": X})
    ) == ["x"]


def test_a_zero_dimensional_output(tmp_path):
    source = "def total(x):\n    def back(d=1.0):\n        return 2 * d * x\n    return (x ** 2).sum(), back\n"
    assert agrees(only(source, tmp_path).bind({"x": X}))


def test_each_forward_makes_its_own_callback(tmp_path):
    source = (
        "def f(x):\n    kept = [x]\n    def back(dout):\n        dout *= 2\n"
        "        return dout * kept.pop()\n    return x ** 2, back\n"
    )
    case = only(source, tmp_path).bind({"x": X})
    assert agrees(case)
    run = case.callings[0].start({"x": X})
    upstream = np.ones((4, 3))
    run.backward(upstream)
    assert (upstream == 2).all()
    with pytest.raises(IndexError):
        run.backward(upstream)


def test_the_plain_forward(tmp_path):
    case = only(LINEAR.format("dY", "dY @ W.T, X.T @ dY"), tmp_path).bind({"X": X, "W": W})
    assert np.array_equal(case.function(X, W), X @ W)


@pytest.mark.parametrize(
    "source",
    [
        "def f(x):\n    def g(d): return d\n    return g\n",
        "def back(d): return d\ndef f(x):\n    return x, back\n",
        "def _f(x):\n    def g(d): return d\n    return x, g\n",
        "def f(x, g):\n    return x, g\n",
    ],
)
def test_what_is_no_callback(source, tmp_path):
    assert all_of(source, tmp_path) == []


def test_taken_and_unfit_values(tmp_path):
    source = LINEAR.format("dY", "dY @ W.T, X.T @ dY")
    assert all_of(source, tmp_path, taken=["linear"]) == []
    conditional = "def f(x, train):\n    def back(d): return d\n    if train:\n        return x, back\n    return x\n"
    assert agrees(only(conditional, tmp_path).bind({"x": X, "train": True}))
    with pytest.raises(CannotBindError, match="no callback"):
        only(conditional, tmp_path).bind({"x": X, "train": False})


def test_not_implemented(tmp_path):
    source = "def f(x):\n    def back(d):\n        raise NotImplementedError\n    return x, back\n"
    assert "not implemented" in (only(source, tmp_path).skip or "")
    found = only("def f(x):\n    def back(d):\n        y = d\n    return x, back\n", tmp_path)
    with pytest.raises(CannotBindError, match="not implemented"):
        found.bind({"x": X})
