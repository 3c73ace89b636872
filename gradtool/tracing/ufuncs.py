"""Rules for NumPy's and SciPy's ufuncs, by name: which operations of gradtool each is."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gradtool.tracing.array import (
    METHOD_RULES,
    UFUNC_RULES,
    TracedArray,
    again,
    apply,
    as_traced,
    call,
    isinstance_traced,
    plain,
    replaced,
    spread,
)
from gradtool.tracing.tape import Tape

SAME = [
    "add",
    "subtract",
    "multiply",
    "divide",
    "negative",
    "reciprocal",
    "square",
    "sign",
    "floor",
    "ceil",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
    "sqrt",
    "cbrt",
    "sin",
    "cos",
    "tan",
    "sinh",
    "cosh",
    "tanh",
    "hypot",
    "erf",
    "erfc",
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "equal",
    "not_equal",
    "matmul",
]
OTHERWISE = {
    "absolute": "abs", "fabs": "abs", "rint": "round", "arcsin": "asin", "arccos": "acos", "arctan": "atan",
    "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh", "arctan2": "atan2", "maximum": "max",
    "minimum": "min", "fmax": "max", "fmin": "min", "gammaln": "lgamma", "psi": "digamma", "expit": "sigmoid",
    "log_expit": "logsigmoid",
}  # fmt: skip


def ufunc_rule(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function as the rule of calling the ufunc of that name."""

    def enter(rule: Callable[..., Any]) -> Callable[..., Any]:
        UFUNC_RULES[name] = rule
        return rule

    return enter


def _float64(tape: Tape, dtype: Any) -> None:
    if dtype is not None and np.dtype(dtype) != np.float64:
        tape.fail(f"dtype={np.dtype(dtype)} cannot be traced, only float64 can")


def _direct(operation: str) -> None:
    def alone(tape: Tape, x: Any, *, dtype: Any = None) -> Any:
        _float64(tape, dtype)
        return apply(tape, operation, x)

    def pair(tape: Tape, a: Any, b: Any, *, dtype: Any = None) -> Any:
        _float64(tape, dtype)
        return apply(tape, operation, a, b)

    for name in _names_of(operation):
        ufunc = getattr(np, name, None)
        takes_two = name in _TWO if ufunc is None else ufunc.nin == 2
        UFUNC_RULES[name] = pair if takes_two else alone


_TWO: frozenset[str] = frozenset()  # None of SciPy's in the table takes two.


def _names_of(operation: str) -> list[str]:
    return [operation] * (operation in SAME) + [name for name, known in OTHERWISE.items() if known == operation]


for _operation in {*SAME, *OTHERWISE.values()}:
    _direct(_operation)


@ufunc_rule("positive")
def _positive(tape: Tape, x: Any) -> Any:
    return again(as_traced(tape, x))


@ufunc_rule("power")
def _power(tape: Tape, x: Any, y: Any) -> Any:
    if not isinstance_traced(y) and np.ndim(y) == 0 and y == 2:
        return apply(tape, "square", x)
    return apply(tape, "power", x, y)


UFUNC_RULES["float_power"] = _power


@ufunc_rule("trunc")
def _trunc(tape: Tape, x: Any) -> Any:
    return apply(tape, "multiply", apply(tape, "sign", x), apply(tape, "floor", apply(tape, "abs", x)))


@ufunc_rule("floor_divide")
def _floor_divide(tape: Tape, x: Any, y: Any) -> Any:
    return apply(tape, "floor", apply(tape, "divide", x, y))


@ufunc_rule("remainder")
def _remainder(tape: Tape, x: Any, y: Any) -> Any:
    return x - y * as_traced(tape, _floor_divide(tape, x, y))


@ufunc_rule("fmod")
def _fmod(tape: Tape, x: Any, y: Any) -> Any:
    return x - y * as_traced(tape, _trunc(tape, apply(tape, "divide", x, y)))


@ufunc_rule("copysign")
def _copysign(tape: Tape, x: Any, y: Any) -> Any:
    signs = np.copysign(1.0, plain(y))
    if isinstance_traced(y):
        tape.branch()
    return apply(tape, "multiply", apply(tape, "abs", x), signs)


@ufunc_rule("heaviside")
def _heaviside(tape: Tape, x: Any, half: Any) -> Any:
    return apply(tape, "where", apply(tape, "equal", x, 0.0), half, apply(tape, "greater", x, 0.0))


@ufunc_rule("logaddexp")
def _logaddexp(tape: Tape, a: Any, b: Any) -> Any:
    """The larger, plus the logarithm of 1 + exp(smaller - larger)."""
    first, second = call(np.broadcast_arrays, (as_traced(tape, a), as_traced(tape, b)), {})
    return apply(tape, "logsumexp", apply(tape, "stack", first, second, axis=-1), axis=-1)


@ufunc_rule("logaddexp2")
def _logaddexp2(tape: Tape, a: Any, b: Any) -> Any:
    scale = math.log(2.0)
    return _logaddexp(tape, as_traced(tape, a) * scale, as_traced(tape, b) * scale) / scale


@ufunc_rule("deg2rad")
def _deg2rad(tape: Tape, x: Any) -> Any:
    return apply(tape, "multiply", x, math.pi / 180)


@ufunc_rule("rad2deg")
def _rad2deg(tape: Tape, x: Any) -> Any:
    return apply(tape, "multiply", x, 180 / math.pi)


UFUNC_RULES["radians"] = _deg2rad
UFUNC_RULES["degrees"] = _rad2deg


@ufunc_rule("ldexp")
def _ldexp(tape: Tape, x: Any, exponent: Any) -> Any:
    return apply(tape, "multiply", x, np.exp2(np.asarray(plain(exponent), np.float64)))


@ufunc_rule("xlogy")
def _xlogy(tape: Tape, x: Any, y: Any) -> Any:
    """x log y, and 0 where x is, whatever y."""
    zero = apply(tape, "equal", x, 0.0)
    return apply(tape, "where", zero, 0.0, apply(tape, "multiply", x, apply(tape, "log", _unless(tape, zero, y, 1.0))))


@ufunc_rule("xlog1py")
def _xlog1py(tape: Tape, x: Any, y: Any) -> Any:
    zero = apply(tape, "equal", x, 0.0)
    return apply(
        tape, "where", zero, 0.0, apply(tape, "multiply", x, apply(tape, "log1p", _unless(tape, zero, y, 0.0)))
    )


@ufunc_rule("rel_entr")
def _relative_entropy(tape: Tape, x: Any, y: Any) -> Any:
    return apply(tape, "multiply", x, apply(tape, "log", apply(tape, "divide", x, y)))


@ufunc_rule("entr")
def _entropy(tape: Tape, x: Any) -> Any:
    return apply(tape, "negative", _xlogy(tape, x, x))


@ufunc_rule("ndtr")
def _ndtr(tape: Tape, x: Any) -> Any:
    """The normal distribution function, through erfc, which keeps the lower tail."""
    return apply(tape, "multiply", 0.5, apply(tape, "erfc", apply(tape, "multiply", x, -math.sqrt(0.5))))


def _unless(tape: Tape, condition: Any, value: Any, otherwise: float) -> TracedArray:
    return apply(tape, "where", condition, otherwise, value)


# --- truth values: 0 and 1 ---


def _truth(tape: Tape, x: Any) -> TracedArray:
    """1 where ``x`` is not 0."""
    x = as_traced(tape, x)
    return x if x.dtype == np.bool_ else apply(tape, "not_equal", x, 0.0)


@ufunc_rule("logical_not")
def _not(tape: Tape, x: Any) -> Any:
    return apply(tape, "subtract", 1.0, _truth(tape, x))


@ufunc_rule("logical_and")
def _and(tape: Tape, a: Any, b: Any) -> Any:
    return apply(tape, "multiply", _truth(tape, a), _truth(tape, b))


@ufunc_rule("logical_or")
def _or(tape: Tape, a: Any, b: Any) -> Any:
    return _not(tape, _and(tape, _mask(_not(tape, a)), _mask(_not(tape, b))))


@ufunc_rule("logical_xor")
def _xor(tape: Tape, a: Any, b: Any) -> Any:
    return apply(tape, "abs", apply(tape, "subtract", _truth(tape, a), _truth(tape, b)))


UFUNC_RULES |= {"bitwise_and": _and, "bitwise_or": _or, "bitwise_xor": _xor, "invert": _not}


def _mask(x: TracedArray) -> TracedArray:
    return TracedArray(x.tape, x.node, x.value.astype(bool))


# --- methods of ufuncs ---


def _reduction(name: str, operation: str) -> None:
    def reduce(tape: Tape, x: Any, axis: Any = 0, dtype: Any = None, *, keepdims: Any = False) -> Any:
        _float64(tape, dtype)
        return apply(tape, operation, x, axis=axis, keepdims=bool(keepdims))

    METHOD_RULES[(name, "reduce")] = reduce


for _name, _operation in {
    "add": "sum", "multiply": "prod", "maximum": "reduce_max", "minimum": "reduce_min", "logaddexp": "logsumexp",
}.items():  # fmt: skip
    _reduction(_name, _operation)


def _running_sum(tape: Tape, x: Any, axis: int = 0, dtype: Any = None) -> Any:
    _float64(tape, dtype)
    return apply(tape, "cumsum", x, axis=axis)


METHOD_RULES[("add", "accumulate")] = _running_sum


def _all_pairs(name: str) -> None:
    def outer(tape: Tape, a: Any, b: Any) -> Any:
        left, right = as_traced(tape, a), as_traced(tape, b)
        return UFUNC_RULES[name](tape, left.reshape((*left.shape, *(1,) * right.ndim)), right)

    METHOD_RULES[(name, "outer")] = outer


for _name in ("add", "subtract", "multiply", "divide", "maximum", "minimum", "power", "hypot"):
    _all_pairs(_name)


def _add_at(tape: Tape, array: Any, key: Any, new: Any = None) -> None:
    """``np.add.at(array, key, new)``: where an entry is named twice, both are added."""
    _at(tape, array, key, new, 1.0)


def _subtract_at(tape: Tape, array: Any, key: Any, new: Any = None) -> None:
    _at(tape, array, key, new, -1.0)


def _at(tape: Tape, array: Any, key: Any, new: Any, sign: float) -> None:
    if not isinstance_traced(array) or array.value.dtype.kind != "f":
        tape.fail("np.add.at adds traced values to a plain array, which cannot hold them")
    if any(not tape.entries[part.node].fixed for part in [key] if isinstance_traced(part)):
        tape.branch()
    key = plain(key)
    places = np.asarray(array.places()[key])
    data = as_traced(tape, new)
    sent = tape.record("multiply", [tape.constant(sign), spread(tape, data.node, places.shape)], {})
    np.add.at(array.value, key, sign * np.asarray(plain(new)))
    where = {"places": tuple(places.ravel().tolist()), "shape": array.storage.shape}
    everywhere = np.arange(int(np.prod(array.storage.shape, dtype=int)))
    added = tape.record("add", [array.storage.node, tape.record("scatter", [sent], where)], {})
    array.storage.node = replaced(tape, array.storage, everywhere, added)
    array.storage.version += 1


METHOD_RULES[("add", "at")] = _add_at
METHOD_RULES[("subtract", "at")] = _subtract_at
