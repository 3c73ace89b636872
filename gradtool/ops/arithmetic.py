"""Arithmetic and comparisons: what the operators of the language stand for."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from gradtool.ops.elementwise import ANYWHERE, binary, jump, spread, unary, zero
from gradtool.ops.operation import Array, Function, Operation, ScalarForm

binary(
    "add", np.add, (lambda out, a, b: 1.0, lambda out, a, b: 1.0), "a + b", "1 and 1",
    operator="+", derivative_range="{1}", symbolic=lambda S, a, b: a + b,
    scalar=ScalarForm(operator.add, lambda out, a, b: (1.0, 1.0)),
)  # fmt: skip

binary(
    "subtract", np.subtract, (lambda out, a, b: 1.0, lambda out, a, b: -1.0), "a - b", "1 and -1",
    operator="-", derivative_range="{1} and {-1}", symbolic=lambda S, a, b: a - b,
    scalar=ScalarForm(operator.sub, lambda out, a, b: (1.0, -1.0)),
)  # fmt: skip

binary(
    "multiply", np.multiply, (lambda out, a, b: b, lambda out, a, b: a), "a b", "b and a",
    operator="*", derivative_range="unbounded", symbolic=lambda S, a, b: a * b,
    scalar=ScalarForm(operator.mul, lambda out, a, b: (b, a)),
)  # fmt: skip

# -(a/b)/b and not -a/b²: b² may overflow or underflow where the quotient does not.
binary(
    "divide", np.divide, (lambda out, a, b: np.divide(1.0, b), lambda out, a, b: np.negative(np.divide(out, b))),
    "a / b", "1/b and -a/b²", operator="/", derivative_range="unbounded", symbolic=lambda S, a, b: a / b,
    piece=lambda a, b: spread(np.greater(b, 0), a), domain=(ANYWHERE, (0.5, 3.0)),
    scalar=ScalarForm(operator.truediv, lambda out, a, b: (1.0 / b, -(out / b))),
)  # fmt: skip

unary(
    "negative", np.negative, lambda out, x: -1.0, "-x", "-1", operator="u-", aliases=("neg",),
    derivative_range="{-1}", symbolic=lambda S, x: -x, scalar=ScalarForm(operator.neg, lambda out, x: (-1.0,)),
)  # fmt: skip

unary(
    "reciprocal", lambda x: np.divide(1.0, x), lambda out, x: -(out * out), "1 / x", "-1/x²",
    derivative_range="(-∞, 0)", symbolic=lambda S, x: 1 / x, piece=lambda x: np.greater(x, 0), domain=((0.5, 3.0),),
    scalar=ScalarForm(lambda x: 1.0 / x, lambda out, x: (-(out * out),)),
)  # fmt: skip

unary(
    "square", np.square, lambda out, x: 2.0 * x, "x²", "2x", derivative_range="unbounded",
    symbolic=lambda S, x: x * x, scalar=ScalarForm(lambda x: x * x, lambda out, x: (2.0 * x,)),
)  # fmt: skip


def _power_by_base(out: Any, x: Any, y: Any) -> Array:
    """y x^(y-1). The exponent y - 1 is exact for y >= 1/2; below, its rounding would cost up to log(x) units, and
    y x^y / x is right: x^y has neither overflown nor vanished there unless the derivative has."""
    by_quotient = (np.less(y, 0.5)) & np.isfinite(out) & np.not_equal(out, 0)
    slope = np.where(by_quotient, np.divide(y * out, x), y * np.power(x, np.subtract(y, 1.0)))
    return np.where(np.equal(y, 0), 0.0, slope)


def _power_by_exponent(out: Any, x: Any, y: Any) -> Array:
    """x^y log x, with its limit 0 at x = 0 and y > 0."""
    return np.where(np.equal(x, 0) & np.greater(y, 0), 0.0, out * np.log(x))


def _power_slopes(out: float, x: float, y: float) -> tuple[float, float]:
    """Both local derivatives of ``x**y`` on floats."""
    if y >= 0.5:
        by_base = y * math.pow(x, y - 1.0)
    elif y == 0:
        by_base = 0.0
    elif out != 0 and math.isfinite(out):
        by_base = y * out / x
    else:
        by_base = y * math.pow(x, y - 1.0)
    if x > 0:
        return by_base, out * math.log(x)
    return by_base, math.nan if x != 0 else 0.0 if y > 0 else out * -math.inf


def _power_piece(x: Any, y: Any) -> Array:
    """A whole exponent that is not negative gives a polynomial: one piece. Otherwise the base may not cross 0."""
    polynomial = np.greater_equal(y, 0) & np.equal(y, np.floor(y))
    if np.all(polynomial):
        return np.zeros(np.broadcast_shapes(np.shape(x), np.shape(y)), dtype=np.int64)
    smooth = np.greater(x, 0) | polynomial
    return np.where(smooth, 0, np.where(np.equal(x, 0), 1, 2))


def _power_corner(x: Any, y: Any) -> Array:
    """Base 0 with an exponent between 0 and 1: the slope is infinite."""
    return np.asarray(np.equal(x, 0) & np.greater(y, 0) & np.less(y, 1))


binary(
    "power", np.power, (_power_by_base, _power_by_exponent), "x^y", "y x^(y-1) and x^y log x", names=("x", "y"),
    operator="**", aliases=("pow",), derivative_range="unbounded", symbolic=lambda S, x, y: x**y,
    kinks=(jump("x = 0 with 0 < y < 1", _power_corner, "inf"),),
    piece=_power_piece, domain=((0.5, 3.0), ANYWHERE), scalar=ScalarForm(math.pow, _power_slopes),
)  # fmt: skip


def _comparison(name: str, sign: str, ufunc: Function, relation: Function, exact: Function) -> Operation:
    """0 or 1, with a jump where the sides are equal. ``exact(S)`` is the relation of exact scalars."""
    return binary(
        name, lambda a, b: ufunc(a, b) * 1.0, (zero, zero), f"1 if a {sign} b, else 0", "0",
        operator=sign, switch=True, derivative_range="{0}", symbolic=lambda S, a, b: S.where(exact(S)(a, b), 1, 0),
        kinks=(jump("a = b", np.equal, sides=(0.0, 1.0)),),
        piece=lambda a, b: np.greater(a, b) + 1 * np.greater_equal(a, b),
        scalar=ScalarForm(lambda a, b: 1.0 if relation(a, b) else 0.0, lambda out, a, b: (0.0, 0.0)),
    )  # fmt: skip


_comparison("less", "<", np.less, operator.lt, lambda S: S.lt)
_comparison("less_equal", "<=", np.less_equal, operator.le, lambda S: S.le)
_comparison("greater", ">", np.greater, operator.gt, lambda S: S.gt)
_comparison("greater_equal", ">=", np.greater_equal, operator.ge, lambda S: S.ge)
_comparison("equal", "==", np.equal, operator.eq, lambda S: S.eq)
_comparison("not_equal", "!=", np.not_equal, operator.ne, lambda S: S.ne)
