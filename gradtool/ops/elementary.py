"""Elementary and special functions of a real argument."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradtool.ops import special
from gradtool.ops.elementwise import binary, inside, interval, jump, unary, zero
from gradtool.ops.kernels import sech_squared
from gradtool.ops.operation import Array, Kink, ScalarForm

_POSITIVE = ((1e-3, 5.0),)
_LOG_2 = math.log(2.0)
_LOG_10 = math.log(10.0)


def _positive(x: Any) -> Array:
    return np.asarray(np.greater(x, 0))


def _at_zero(x: Any) -> Array:
    return np.asarray(np.equal(x, 0))


# Pieces: the value or the slope jumps, and is constant or linear in between.

unary(
    "abs", np.abs, lambda out, x: np.sign(x), "|x|", "sign(x)", aliases=("absolute", "fabs"),
    derivative_range="{-1, 1}", piece=_positive,
    kinks=(interval("x = 0", _at_zero, lambda out, x: np.sign(x), -1.0, 1.0, "0"),),
    scalar=ScalarForm(abs, lambda out, x: (1.0 if x > 0 else -1.0 if x < 0 else x,)),
)  # fmt: skip

unary(
    "sign", np.sign, zero, "-1, 0 or 1 as x is negative, zero or positive", "0", switch=True, derivative_range="{0}",
    kinks=(jump("x = 0", _at_zero),), piece=np.sign,
)  # fmt: skip

unary(
    "floor", np.floor, zero, "the largest integer <= x", "0", switch=True, derivative_range="{0}",
    kinks=(jump("x an integer", lambda x: np.equal(x, np.floor(x))),), piece=np.floor,
)  # fmt: skip

unary(
    "ceil", np.ceil, zero, "the smallest integer >= x", "0", switch=True, derivative_range="{0}",
    kinks=(jump("x an integer", lambda x: np.equal(x, np.ceil(x))),), piece=np.ceil,
)  # fmt: skip

unary(
    "round", np.rint, zero, "the nearest integer, the even one of two", "0", derivative_range="{0}", aliases=("rint",),
    switch=True,
    kinks=(jump("x halfway between integers", lambda x: np.equal(np.subtract(x, np.floor(x)), 0.5)),), piece=np.rint,
)  # fmt: skip


# Exponentials, logarithms and roots.

unary(
    "exp", np.exp, lambda out, x: out, "e^x", "e^x", derivative_range="(0, ∞)",
    scalar=ScalarForm(math.exp, lambda out, x: (out,)),
)  # fmt: skip

unary(
    "exp2", np.exp2, lambda out, x: _LOG_2 * out, "2^x", "2^x log 2", derivative_range="(0, ∞)",
    symbolic=lambda S, x: S.exp(x * S.log(S.number(2))),
    scalar=ScalarForm(math.exp2, lambda out, x: (_LOG_2 * out,)),
)  # fmt: skip

unary(
    "expm1", np.expm1, lambda out, x: np.exp(x), "e^x - 1", "e^x", derivative_range="(0, ∞)",
    scalar=ScalarForm(math.expm1, lambda out, x: (math.exp(x),)),
)  # fmt: skip

unary(
    "log", np.log, lambda out, x: inside(np.greater_equal(x, 0), np.divide(1.0, x)), "log x (natural)", "1/x",
    aliases=("ln",), derivative_range="(0, ∞)", piece=_positive, domain=_POSITIVE,
    scalar=ScalarForm(math.log, lambda out, x: (1.0 / x if x >= 0 else math.nan,)),
)  # fmt: skip

unary(
    "log1p", np.log1p, lambda out, x: inside(np.greater_equal(x, -1), np.divide(1.0, np.add(1.0, x))),
    "log(1 + x)", "1/(1+x)", derivative_range="(0, ∞)", piece=lambda x: np.greater(x, -1), domain=((-0.9, 5.0),),
    scalar=ScalarForm(math.log1p, lambda out, x: (1.0 / (1.0 + x) if x >= -1 else math.nan,)),
)  # fmt: skip

unary(
    "log2", np.log2, lambda out, x: inside(np.greater_equal(x, 0), np.divide(1.0 / _LOG_2, x)),
    "log x / log 2", "1/(x log 2)", derivative_range="(0, ∞)", piece=_positive, domain=_POSITIVE,
    symbolic=lambda S, x: S.log(x) / S.log(S.number(2)),
    scalar=ScalarForm(math.log2, lambda out, x: (1.0 / _LOG_2 / x if x >= 0 else math.nan,)),
)  # fmt: skip

unary(
    "log10", np.log10, lambda out, x: inside(np.greater_equal(x, 0), np.divide(1.0 / _LOG_10, x)),
    "log x / log 10", "1/(x log 10)", derivative_range="(0, ∞)", piece=_positive, domain=_POSITIVE,
    symbolic=lambda S, x: S.log(x) / S.log(S.number(10)),
    scalar=ScalarForm(math.log10, lambda out, x: (1.0 / _LOG_10 / x if x >= 0 else math.nan,)),
)  # fmt: skip

unary(
    "sqrt", np.sqrt, lambda out, x: np.divide(0.5, np.abs(out)), "√x", "1/(2√x)", derivative_range="(0, ∞]",
    kinks=(jump("x = 0", _at_zero, "inf"),), piece=_positive, domain=_POSITIVE,
    scalar=ScalarForm(math.sqrt, lambda out, x: (0.5 / out,)),
)  # fmt: skip

unary(
    "cbrt", np.cbrt, lambda out, x: np.divide(1.0, 3.0 * (out * out)), "x^(1/3)", "1/(3 x^(2/3))",
    derivative_range="(0, ∞]", kinks=(jump("x = 0", _at_zero, "inf"),), piece=_positive,
    scalar=ScalarForm(math.cbrt, lambda out, x: (1.0 / (3.0 * (out * out)),)),
)  # fmt: skip


# Trigonometric functions and their inverses.

unary(
    "sin", np.sin, lambda out, x: np.cos(x), "sin x", "cos x", derivative_range="[-1, 1]",
    scalar=ScalarForm(math.sin, lambda out, x: (math.cos(x),)),
)  # fmt: skip

unary(
    "cos", np.cos, lambda out, x: -np.sin(x), "cos x", "-sin x", derivative_range="[-1, 1]",
    scalar=ScalarForm(math.cos, lambda out, x: (-math.sin(x),)),
)  # fmt: skip

unary(
    "tan", np.tan, lambda out, x: 1.0 + out * out, "tan x", "1 + tan² x", derivative_range="[1, ∞)",
    piece=lambda x: np.floor(np.divide(x, np.pi) + 0.5), domain=((-1.4, 1.4),),
    scalar=ScalarForm(math.tan, lambda out, x: (1.0 + out * out,)),
)  # fmt: skip


def _at_one(x: Any) -> Array:
    return np.asarray(np.equal(np.abs(x), 1))


def _arc_slope(x: Any) -> Array:
    """1/√(1-x²), with 1-x² as a product: near 1 it would cancel."""
    return np.asarray(np.divide(1.0, np.sqrt(np.subtract(1.0, x) * np.add(1.0, x))))


unary(
    "asin", np.arcsin, lambda out, x: _arc_slope(x), "arcsin x", "1/√(1-x²)", aliases=("arcsin",),
    derivative_range="[1, ∞]", kinks=(jump("|x| = 1", _at_one, "inf"),), domain=((-0.95, 0.95),),
    scalar=ScalarForm(math.asin, lambda out, x: (1.0 / math.sqrt((1.0 - x) * (1.0 + x)),)),
)  # fmt: skip

unary(
    "acos", np.arccos, lambda out, x: -_arc_slope(x), "arccos x", "-1/√(1-x²)", aliases=("arccos",),
    derivative_range="[-∞, -1]", kinks=(jump("|x| = 1", _at_one, "-inf"),), domain=((-0.95, 0.95),),
    scalar=ScalarForm(math.acos, lambda out, x: (-1.0 / math.sqrt((1.0 - x) * (1.0 + x)),)),
)  # fmt: skip


def _bell(x: Any) -> Array:
    """1/(1+x²), its root squared: x² may overflow where the quotient does not vanish."""
    return np.asarray(np.square(np.divide(1.0, np.hypot(1.0, x))))


unary(
    "atan", np.arctan, lambda out, x: _bell(x), "arctan x", "1/(1+x²)", aliases=("arctan",), derivative_range="(0, 1]",
    scalar=ScalarForm(math.atan, lambda out, x: ((root := 1.0 / math.hypot(1.0, x)) * root,)),
)  # fmt: skip


# Hyperbolic functions and their inverses.

unary(
    "sinh", np.sinh, lambda out, x: np.cosh(x), "sinh x", "cosh x", derivative_range="[1, ∞)",
    scalar=ScalarForm(math.sinh, lambda out, x: (math.cosh(x),)),
)  # fmt: skip

unary(
    "cosh", np.cosh, lambda out, x: np.sinh(x), "cosh x", "sinh x", derivative_range="(-∞, ∞)",
    scalar=ScalarForm(math.cosh, lambda out, x: (math.sinh(x),)),
)  # fmt: skip


def _sech_squared(x: float) -> float:
    """``kernels.sech_squared`` on a float."""
    small = math.exp(-abs(x))
    sech = 2.0 * small / (1.0 + small * small)
    return sech * sech


unary(
    "tanh", np.tanh, lambda out, x: sech_squared(x), "tanh x", "1 - tanh² x", derivative_range="(0, 1]",
    scalar=ScalarForm(math.tanh, lambda out, x: (_sech_squared(x),)),
)  # fmt: skip

unary(
    "asinh", np.arcsinh, lambda out, x: np.divide(1.0, np.hypot(1.0, x)), "arsinh x", "1/√(1+x²)",
    aliases=("arcsinh",), derivative_range="(0, 1]",
    scalar=ScalarForm(math.asinh, lambda out, x: (1.0 / math.hypot(1.0, x),)),
)  # fmt: skip

unary(
    "acosh", np.arccosh,
    lambda out, x: np.divide(1.0, np.sqrt(np.subtract(x, 1.0)) * np.sqrt(np.add(x, 1.0))),
    "arcosh x", "1/√(x²-1)", aliases=("arccosh",), derivative_range="(0, ∞]",
    kinks=(jump("x = 1", lambda x: np.equal(x, 1), "inf"),), domain=((1.1, 5.0),),
    scalar=ScalarForm(math.acosh, lambda out, x: (1.0 / (math.sqrt(x - 1.0) * math.sqrt(x + 1.0)),)),
)  # fmt: skip


def _area_slope(x: Any) -> Array:
    """1/(1-x²), NaN outside the domain."""
    return inside(np.less_equal(np.abs(x), 1), np.divide(1.0, np.subtract(1.0, x) * np.add(1.0, x)))


unary(
    "atanh", np.arctanh, lambda out, x: _area_slope(x), "artanh x", "1/(1-x²)", aliases=("arctanh",),
    derivative_range="[1, ∞)", domain=((-0.95, 0.95),),
    scalar=ScalarForm(math.atanh, lambda out, x: (1.0 / ((1.0 - x) * (1.0 + x)) if abs(x) <= 1 else math.nan,)),
)  # fmt: skip


# The plane: angle and distance.


def _at_origin(a: Any, b: Any) -> Array:
    return np.asarray(np.equal(a, 0) & np.equal(b, 0))


def _toward(part: Any, a: Any, b: Any) -> Array:
    """``part / (a² + b²)``, without squares that overflow."""
    distance = np.hypot(a, b)
    return np.asarray(np.divide(np.divide(part, distance), distance))


def _branch(y: Any, x: Any) -> Array:
    """The angle jumps across the negative x axis only. No numbering of the plane changes across a half-line and
    nowhere else: so a wedge around it, bounded where no round numbers lie, is split in an upper and a lower part."""
    wedge = np.less(x, 0) & np.less(np.abs(y), -0.3718 * np.asarray(x))
    return np.where(wedge, np.where(np.less(y, 0), -1, 1), 0)


binary(
    "atan2", np.arctan2, (lambda out, y, x: _toward(x, y, x), lambda out, y, x: -_toward(y, y, x)),
    "the angle of the point (x, y)", "x/(x²+y²) and -y/(x²+y²)", names=("y", "x"), aliases=("arctan2",),
    derivative_range="unbounded",
    kinks=(
        jump("the origin", _at_origin, "nan"),
        jump(
            "y = 0 with x < 0 (the angle jumps by 2π)", lambda y, x: np.equal(y, 0) & np.less(x, 0),
            "the slopes of the angle on either side, which agree",
        ),
    ),
    piece=_branch,
    scalar=ScalarForm(math.atan2, lambda out, y, x: (x / (h := math.hypot(x, y)) / h, -(y / h) / h)),
)  # fmt: skip


def _hypot_slope(part: Any, a: Any, b: Any) -> Array:
    """``part`` divided by the distance of (a, b), all scaled by a power of two so that the distance neither overflows
    nor is rounded to a few bits."""
    exponent = -np.frexp(np.maximum(np.abs(a), np.abs(b)))[1]
    distance = np.hypot(np.ldexp(a, exponent), np.ldexp(b, exponent))
    return np.where(np.equal(distance, 0), 0.0, np.divide(np.ldexp(part, exponent), distance))


def _hypot_slopes(out: float, a: float, b: float) -> tuple[float, float]:
    """Both on floats. Raises ``ArithmeticError`` where the distance is too large or too small to divide by."""
    if not 1e-290 < out < math.inf:
        raise ArithmeticError
    return a / out, b / out


def _hypot_choose(rng: np.random.Generator, out: Any, a: Any, b: Any) -> tuple[Array, Array]:
    """At the origin a point of the unit disc, evenly."""
    tied = _at_origin(a, b)
    radius, angle = np.sqrt(rng.random(tied.shape)), rng.uniform(0.0, 2.0 * np.pi, tied.shape)
    return (
        np.where(tied, radius * np.cos(angle), _hypot_slope(a, a, b)),
        np.where(tied, radius * np.sin(angle), _hypot_slope(b, a, b)),
    )


binary(
    "hypot", np.hypot, (lambda out, a, b: _hypot_slope(a, a, b), lambda out, a, b: _hypot_slope(b, a, b)),
    "√(a² + b²)", "a/√(a²+b²) and b/√(a²+b²)", derivative_range="[-1, 1]",
    symbolic=lambda S, a, b: S.sqrt(a * a + b * b),
    kinks=(Kink("the origin", "0 and 0", "both together in the unit disc", _at_origin, _hypot_choose),),
    piece=lambda a, b: np.greater(np.multiply(0.3718, b), np.negative(a)),  # every line through the origin crosses this
    scalar=ScalarForm(math.hypot, _hypot_slopes),
)  # fmt: skip


# Special functions.

unary(
    "erf", special.erf, lambda out, x: special.erf_slope(x), "2/√π ∫ e^(-t²) dt from 0 to x", "2/√π e^(-x²)",
    derivative_range="(0, 1.1283791671]",
)  # fmt: skip

unary(
    "erfc", special.erfc, lambda out, x: -special.erf_slope(x), "1 - erf x", "-2/√π e^(-x²)",
    derivative_range="[-1.1283791671, 0)",
)  # fmt: skip


def _between_poles(x: Any) -> Array:
    """Γ has its poles at 0, -1, -2, ..."""
    return np.asarray(np.minimum(np.floor(x), 0.0))


unary(
    "lgamma", special.lgamma, lambda out, x: special.digamma(x), "log |Γ(x)|", "ψ(x)", aliases=("gammaln",),
    derivative_range="unbounded", piece=_between_poles, domain=((0.2, 5.0),),
)  # fmt: skip

unary(
    "digamma", special.digamma, lambda out, x: special.trigamma(x), "ψ(x) = Γ'(x)/Γ(x)", "ψ'(x)", aliases=("psi",),
    derivative_range="(0, ∞)", piece=_between_poles, domain=((0.2, 5.0),),
)  # fmt: skip
