"""Arrays with tangents: every rule against differences, ties decided by the tangent, views that share memory."""

import numpy as np
import pytest
import scipy.special

from gradtool.autodiff.tangent import FUNCTIONS, TangentArray, as_tangent, holds_tangents, parts, times

RNG = np.random.default_rng(5)
X, DX = RNG.uniform(0.2, 0.9, (3, 4)), RNG.normal(size=(3, 4))
Y, DY = RNG.uniform(0.2, 0.9, (3, 4)), RNG.normal(size=(3, 4))
SQUARE, SQUARE_MOVED = RNG.normal(size=(3, 3)) + 3 * np.eye(3), RNG.normal(size=(3, 3))


def filled(make, x):
    """``make`` an array from nothing like ``x`` and put x into it."""
    result = make(x)
    result[...] = x
    return result


def put(x):
    result = np.zeros_like(x)
    np.put_along_axis(result, np.argsort(x, axis=-1), x, -1)
    return result


def added_at(x):
    result = np.zeros_like(x)
    np.add.at(result, ([0, 0, 2],), x)
    return result


def in_place(x):
    result = x.copy()
    result *= x
    result[..., 1:] += x[..., :-1]
    result[0] -= 2.0
    result /= x + 3.0
    return result


def symmetric(x):
    return x @ x.T + np.eye(3)


OF_ONE = {
    **{name: getattr(np, name) for name in (
        "exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "sqrt", "cbrt", "square", "reciprocal", "sin", "cos", "tan",
        "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "arctanh", "abs", "fabs", "negative", "positive",
        "sum", "mean", "prod", "cumsum", "max", "min", "sort", "ravel", "transpose", "flip", "diagonal", "trace", "tril", "triu",
        "copy", "sign", "floor", "ceil", "rint",
    )},
    **{name: getattr(scipy.special, name) for name in (
        "erf", "erfc", "erfcx", "ndtr", "log_ndtr", "gammaln", "psi", "expit", "logit", "log_expit",
    )},
    "zeta": lambda x: scipy.special.zeta(2.0, x), "neg": lambda x: -x, "pos": lambda x: +x,
    "abs method": lambda x: abs(x - 0.5),
    "sum axes": lambda x: x.sum(axis=(0, 1), keepdims=True), "max axis": lambda x: np.max(x, axis=0, keepdims=True),
    "min axis": lambda x: x.min(axis=-1), "max initial": lambda x: np.max(x, axis=1, initial=0.5),
    "reduce": lambda x: np.add.reduce(x, axis=1) + np.maximum.reduce(x, axis=1) + np.multiply.reduce(x, axis=1),
    "prod axis": lambda x: np.prod(x, axis=1, keepdims=True), "prod zero": lambda x: np.prod(x * [0.0, 1, 1, 1], axis=1),
    "cumprod": lambda x: np.cumprod(x, axis=1), "clip": lambda x: np.clip(x, 0.35, 0.65),
    "where": lambda x: np.where(x > 0.5, x, 1),
    "heaviside": lambda x: x * np.heaviside(x - 0.5, 0.0), "ldexp": lambda x: np.ldexp(*np.frexp(x * 9)) + np.frexp(x)[0],
    "copysign": lambda x: np.copysign(x - 0.5, -1.0) + np.copysign(2.0, x),
    "power": lambda x: 2.0**x + x**3 + np.float_power(x, 2),
    "index": lambda x: x[1:, ::-1] * x[[0, 2]], "T": lambda x: x.T @ x, "swapaxes": lambda x: x.swapaxes(0, 1),
    "stack": lambda x: np.stack([x, 2 * x]), "concatenate": lambda x: np.concatenate([x, np.ones((1, 4))]),
    "reshape": lambda x: x.reshape(2, 6), "flatten": lambda x: x.flatten(), "squeeze": lambda x: x[None].squeeze(0),
    "einsum": lambda x: np.einsum("ij,kj->ik", x, x), "einsum one": lambda x: np.einsum("ij->j", x),
    "dot": lambda x: np.dot(x, x.T), "outer": lambda x: np.outer(x, x), "multiply.outer": lambda x: np.multiply.outer(x, x),
    "tensordot": lambda x: np.tensordot(x, x, 2), "pad": lambda x: np.pad(x, 1, constant_values=3.0),
    "bincount": lambda x: np.bincount([0, 2, 2, 1], weights=x[0]),
    "windows": lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, 1),
    "full_like": lambda x: np.full_like(x, 2.0) * x, "zeros_like": lambda x: filled(np.zeros_like, x), "put": put,
    "add.at": added_at, "in place": in_place, "split": lambda x: np.split(x, 2, axis=1)[1],
    "broadcast": lambda x: np.broadcast_to(x, (2, 3, 4)),
    "broadcast_arrays": lambda x: np.broadcast_arrays(x, np.ones((2, 1, 1)))[0], "roll": lambda x: np.roll(x, 1, axis=0),
    "solve": lambda x: np.linalg.solve(symmetric(x), x), "inv": lambda x: np.linalg.inv(symmetric(x)),
    "cholesky": lambda x: np.linalg.cholesky(symmetric(x)), "slogdet": lambda x: np.linalg.slogdet(symmetric(x))[1],
    "accumulate": lambda x: np.add.accumulate(x, axis=1), "take": lambda x: np.take(x, [1, 0], axis=1),
    "argmax": lambda x: np.take_along_axis(x, np.argmax(x, axis=1, keepdims=True), 1) - np.ravel(x)[np.argmin(x)],
    "astype": lambda x: x.astype(np.float64) * x.astype(np.int64),
    "logical": lambda x: np.where(np.any(x > 2) | np.all(x), x, 0),
    "copyto": lambda x: filled(lambda x: np.ones_like(x), x), "mean method": lambda x: x.mean(axis=0) * len(x) * x.size,
}  # fmt: skip
OF_TWO = {
    name: getattr(np, name)
    for name in (
        "add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "fmax", "fmin", "arctan2", "hypot", "logaddexp",
    )
} | {"xlogy": scipy.special.xlogy, "xlog1py": scipy.special.xlog1py}  # fmt: skip


def checked(function, *pairs):
    """The tangent of ``function``, held against a difference of fourth order."""
    found = function(*(TangentArray(x.copy(), dx.copy()) for x, dx in pairs))
    h = 2.0**-10
    at = [function(*(x + k * h * dx for x, dx in pairs)) for k in (-2, -1, 1, 2)]
    wanted = (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * h)
    assert np.allclose(parts(found)[0], function(*(x for x, _ in pairs)), rtol=1e-14, atol=0)
    assert parts(found)[1].shape == np.shape(wanted)
    assert np.allclose(parts(found)[1], wanted, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", OF_ONE)
def test_functions_of_one_array(name):
    checked(OF_ONE[name], (X, 0.02 * DX))


@pytest.mark.parametrize("name", OF_TWO)
def test_functions_of_two_arrays(name):
    checked(OF_TWO[name], (X, 0.02 * DX), (Y, 0.02 * DY))
    checked(lambda x: OF_TWO[name](x, Y), (X, 0.02 * DX))
    checked(lambda y: OF_TWO[name](X, y), (Y, 0.02 * DY))


@pytest.mark.parametrize(
    ("function", "x", "dx", "value", "tangent"),
    [
        (np.abs, 0.0, -2.0, 0.0, 2.0),
        (np.sign, 0.0, -2.0, -1.0, 0.0),
        (lambda x: np.maximum(x, 0.0), 0.0, 3.0, 0.0, 3.0),
        (lambda x: np.maximum(0.0, x), 0.0, -3.0, 0.0, 0.0),
        (lambda x: np.minimum(x, 0.0), 0.0, 3.0, 0.0, 0.0),
        (lambda x: np.clip(x, 0.0, 1.0), 1.0, 1.0, 1.0, 0.0),
        (lambda x: np.where(x >= 0, x, 7 * x), 0.0, -1.0, 0.0, -7.0),
        (lambda x: np.where(np.equal(x, 0), 5.0, x), 0.0, 1.0, 0.0, 1.0),
        (lambda x: np.where(x == 0, 5.0, x), 0.0, 0.0, 5.0, 0.0),
        (lambda x: np.heaviside(x, 0.5), 0.0, 1.0, 1.0, 0.0),
        (np.floor, 2.0, -1.0, 1.0, 0.0),
        (np.floor, 2.0, 0.0, 2.0, 0.0),
        (np.sqrt, 0.0, 0.0, 0.0, 0.0),  # What does not move has no slope, not even an infinite one.
    ],
)
def test_the_tangent_decides_at_a_tie(function, x, dx, value, tangent):
    with np.errstate(divide="ignore", invalid="ignore"):
        found = as_tangent(function(TangentArray(x, dx)))
    assert (float(found.value), float(found.tangent)) == (value, tangent)


def test_extremes_and_orders_of_tied_entries_go_by_the_tangent():
    x = TangentArray([1.0, 1.0, 0.0, 1.0], [0.0, 2.0, 9.0, 2.0])
    assert np.argmax(x) == 1
    assert np.max(x).tangent == 2.0
    assert np.min(-x).tangent == -2.0
    assert np.argsort(x).tolist() == [2, 0, 1, 3]
    assert np.sort(x).tangent.tolist() == [9.0, 0.0, 2.0, 2.0]
    assert (x == np.max(x)).tolist() == [False, True, False, True]


def test_views_share_memory_and_numbers_do_not():
    x = TangentArray(X.copy(), DX.copy())
    x[1][2] = TangentArray(5.0, 7.0)
    assert (x.value[1, 2], x.tangent[1, 2]) == (5.0, 7.0)
    x[0] = 3.0
    assert not x.tangent[0].any()
    scalar = before = TangentArray(1.0, 1.0)
    scalar += 1.0
    assert (float(before.value), float(scalar.value)) == (1.0, 2.0)


def test_what_has_no_rule_is_refused_by_name():
    x = TangentArray(X, DX)
    with pytest.raises(NotImplementedError, match=r"np\.spacing of tangents"):
        np.spacing(x)
    with pytest.raises(NotImplementedError, match=r"np\.interp of tangents"):
        np.interp(x, [0.0, 1.0], [0.0, 1.0])
    assert np.interp not in FUNCTIONS


def test_small_questions():
    x = TangentArray(X, DX)
    assert (x.shape, x.ndim, x.size, len(x), x.dtype) == ((3, 4), 2, 12, 3, np.float64)
    assert holds_tangents([1.0, (x,)])
    assert not holds_tangents(X, [1.0])
    assert bool(TangentArray(0.0, 1.0))
    assert as_tangent([x, X]).shape == (2, 3, 4)
    with np.errstate(invalid="ignore"):
        assert times(np.inf, np.array([0.0, 1.0])).tolist() == [0.0, np.inf]
    assert "TangentArray(" in repr(x)
