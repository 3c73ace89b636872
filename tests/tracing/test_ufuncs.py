"""Every ufunc that has a rule, against differences."""

import numpy as np
import pytest
import scipy.special

from gradtool.tracing import Untraceable, trace
from gradtool.tracing.array import METHOD_RULES, UFUNC_RULES

rng = np.random.default_rng(5)
X = rng.uniform(0.3, 0.9, (2, 3)) * np.where(rng.random((2, 3)) < 0.5, -1, 1)
P = rng.uniform(0.3, 0.9, (2, 3))
ROW = rng.uniform(1.2, 2.5, 3)
ANYWHERE = [
    "negative",
    "positive",
    "square",
    "absolute",
    "fabs",
    "sign",
    "floor",
    "ceil",
    "rint",
    "trunc",
    "exp",
    "exp2",
    "expm1",
    "log1p",
    "cbrt",
    "sin",
    "cos",
    "tan",
    "arcsin",
    "arccos",
    "arctan",
    "sinh",
    "cosh",
    "tanh",
    "arcsinh",
    "arctanh",
    "deg2rad",
    "rad2deg",
    "radians",
    "degrees",
    "reciprocal",
    "erf",
    "erfc",
    "expit",
    "log_expit",
    "ndtr",
]
POSITIVE = ["log", "log2", "log10", "sqrt", "gammaln", "psi", "entr"]
PAIRS = [
    "add",
    "subtract",
    "multiply",
    "divide",
    "maximum",
    "minimum",
    "fmax",
    "fmin",
    "hypot",
    "arctan2",
    "logaddexp",
    "logaddexp2",
    "copysign",
]


def named(name):
    return getattr(np, name, None) or getattr(scipy.special, name)


@pytest.mark.parametrize("name", ANYWHERE)
def test_of_one_argument(check, name):
    check(named(name), X)


@pytest.mark.parametrize("name", POSITIVE)
def test_of_one_positive_argument(check, name):
    check(named(name), P)


def test_arccosh(check):
    check(np.arccosh, ROW)


@pytest.mark.parametrize("name", PAIRS)
def test_of_two_arguments_that_broadcast(check, name):
    check(named(name), X, ROW)
    check(lambda x: named(name)(x, 1.5), X)
    check(lambda x: named(name)(ROW, x), X)


@pytest.mark.parametrize(
    "name", ["power", "float_power", "remainder", "fmod", "floor_divide", "xlogy", "xlog1py", "rel_entr"]
)
def test_of_two_positive_arguments(check, name):
    check(named(name), P, ROW)


@pytest.mark.parametrize("name", ["less", "less_equal", "greater", "greater_equal", "equal", "not_equal"])
def test_comparisons_are_masks_of_zero_derivative(check, name):
    traced = check(lambda x, y: named(name)(x, y) * x, X, X + np.sign(X[::-1]))
    assert name in traced.graph.operations
    assert not traced.branched


def test_masks_combine(check):
    check(lambda x: ((x > 0) & (x < 0.6)) * x + (~(x > 0) | (x < -0.6)) * x**2 + ((x > 0) ^ (x > 0.5)) * x**3, X)
    check(lambda x: np.logical_and(x > 0, x < 0.6) * x + np.logical_not(x) * x + np.logical_or(x, 0.0) * x, X)
    check(lambda x: np.logical_xor(x > 0, x) * x, X)


def test_heaviside_and_ldexp(check):
    check(lambda x: np.heaviside(x, 0.5) * x, X)
    check(lambda x: np.ldexp(x, 3), X)


def test_matmul(check):
    check(np.matmul, X, P.T)
    check(lambda a, b: a @ b, X, ROW)


@pytest.mark.parametrize("keepdims", [True, False])
def test_reductions_as_methods_of_ufuncs(check, keepdims):
    check(lambda x: np.add.reduce(x, axis=1, keepdims=keepdims), X)
    check(lambda x: np.multiply.reduce(x, axis=0, keepdims=keepdims), X)
    check(lambda x: np.maximum.reduce(x, axis=1, keepdims=keepdims), X)
    check(lambda x: np.minimum.reduce(x), X)
    check(lambda x: np.logaddexp.reduce(x, axis=1), X)


def test_accumulate_and_outer(check):
    check(lambda x: np.add.accumulate(x, axis=1), X)
    for ufunc in (np.add, np.subtract, np.multiply, np.divide, np.hypot):
        check(ufunc.outer, X, ROW)


def test_add_at_adds_entries_named_twice(check):
    def scattered(x):
        out = np.zeros(5)
        np.add.at(out, np.array([0, 3, 0]), x)
        np.subtract.at(out, [1, 1, 1], x * x)
        return out**2

    traced = check(scattered, ROW)
    assert "scatter" in traced.graph.operations


def test_out_and_where(check):
    def guarded(x, y):
        out = np.zeros_like(x)
        np.divide(y, x, out=out, where=x > 0)
        return np.multiply(out, 2.0, out=out)

    assert check(guarded, X, P).branched


def test_where_leaves_no_trace_of_what_it_did_not_compute(check):
    check(lambda x: np.log(x, out=np.zeros(3), where=x > 0), np.array([0.5, -1.0, 2.0]))


def test_methods_without_a_rule_are_refused():
    with pytest.raises(Untraceable, match=r"np\.multiply\.accumulate cannot be traced"):
        trace(lambda x: np.multiply.accumulate(x), {"x": ROW})
    with pytest.raises(Untraceable, match=r"np\.multiply\.at cannot be traced"):
        trace(lambda x: (np.multiply.at(x, [0], 2.0), x)[1], {"x": ROW})


@pytest.mark.parametrize("function", [np.nextafter, scipy.special.jv, scipy.special.j0])
def test_ufuncs_without_a_rule_are_refused_by_name(function):
    with pytest.raises(Untraceable, match=function.__name__):
        trace(lambda x: function(x) if function.nin == 1 else function(x, 2.0), {"x": ROW})


def test_every_rule_is_tested_here():
    tested = {*ANYWHERE, *POSITIVE, *PAIRS, "arccosh", "matmul", "power", "float_power", "remainder", "fmod", "ldexp"}
    tested |= {"floor_divide", "xlogy", "xlog1py", "rel_entr", "heaviside", "vecdot", "invert"}
    tested |= {"less", "less_equal", "greater", "greater_equal", "equal", "not_equal"}
    tested |= {f"{kind}_{name}" for kind in ("logical", "bitwise") for name in ("and", "or", "xor", "not")}
    assert set(UFUNC_RULES) <= tested
    assert {name for name, _ in METHOD_RULES} <= tested


@pytest.mark.skipif(not hasattr(np, "vecdot"), reason="NumPy 2 has it")
def test_vecdot(check):
    check(lambda a, b: np.vecdot(a, b), X, ROW)
