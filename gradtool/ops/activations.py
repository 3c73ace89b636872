"""Activation functions of neural networks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gradtool.ops import special
from gradtool.ops.elementwise import ANYWHERE, interval, spread, unary
from gradtool.ops.kernels import (
    Pair,
    decayed,
    log1pexp,
    one_plus,
    pair_product,
    product,
    sigmoid,
    sigmoid_slope,
    times_sigmoid,
    times_sigmoid_slope,
)
from gradtool.ops.operation import (
    Argument,
    Array,
    Case,
    Function,
    Interval,
    Kink,
    Operation,
    Parameter,
    ScalarForm,
    declare,
)
from gradtool.ops.selection import clipped

_SOME: Interval = (0.5, 2.0)


def _positive(x: Any, *others: Any) -> Array:
    """Where the formula changes at 0."""
    return spread(np.greater(x, 0), *others)


# The logistic family.


def _sigmoid(x: float) -> float:
    """``kernels.sigmoid`` on a float."""
    small = math.exp(-abs(x))
    return (1.0 if x >= 0 else small) / (1.0 + small)


def _sigmoid_slope(x: float) -> float:
    """``kernels.sigmoid_slope`` on a float."""
    small = math.exp(-abs(x))
    return small / (1.0 + small) / (1.0 + small)


unary(
    "sigmoid", sigmoid, lambda out, x: sigmoid_slope(x), "1/(1+e^-x)", "s(1-s)", aliases=("logistic", "expit"),
    derivative_range="(0, 1/4]", symbolic=lambda S, x: 1 / (1 + S.exp(-x)),
    scalar=ScalarForm(_sigmoid, lambda out, x: (_sigmoid_slope(x),)),
)  # fmt: skip

unary(
    "logsigmoid", lambda x: -log1pexp(np.negative(x)), lambda out, x: sigmoid(np.negative(x)), "log(1/(1+e^-x))",
    "1/(1+e^x)", aliases=("log_sigmoid",), derivative_range="(0, 1)", symbolic=lambda S, x: -S.log(1 + S.exp(-x)),
    scalar=ScalarForm(lambda x: min(x, 0.0) - math.log1p(math.exp(-abs(x))), lambda out, x: (_sigmoid(-x),)),
)  # fmt: skip

unary(
    "softplus", log1pexp, lambda out, x: sigmoid(x), "log(1+e^x)", "1/(1+e^-x)", derivative_range="(0, 1)",
    symbolic=lambda S, x: S.log(1 + S.exp(x)),
    scalar=ScalarForm(lambda x: max(x, 0.0) + math.log1p(math.exp(-abs(x))), lambda out, x: (_sigmoid(x),)),
)  # fmt: skip


# Straight pieces.


def _relu_slope(_out: Any, x: Any) -> Any:
    return np.heaviside(x, 0.0)


def _corner_at_zero(x: Any) -> Array:
    return np.asarray(np.equal(x, 0))


unary(
    "relu", lambda x: np.maximum(x, 0.0), _relu_slope, "max(0, x)", "1 if x>0, else 0", derivative_range="{0, 1}",
    switch=True, symbolic=lambda S, x: S.maximum(x, 0), piece=_positive,
    kinks=(interval("x = 0", _corner_at_zero, _relu_slope, 0.0, 1.0, "0"),),
    scalar=ScalarForm(lambda x: 0.0 if x <= 0 else x, lambda out, x: (1.0 if x > 0 else 0.0 if x <= 0 else x,)),
)  # fmt: skip


def _alpha_corner(locals_: Sequence[Function]) -> Kink:
    """The corner at 0 of a function whose slope is alpha on the left and 1 on the right."""

    def tied(x: Any, alpha: Any) -> Array:
        return np.asarray(np.equal(x, 0) & np.not_equal(alpha, 1))

    def choose(rng: np.random.Generator, out: Any, x: Any, alpha: Any) -> tuple[Any, Any]:
        there = tied(x, alpha)
        random = alpha + (1.0 - alpha) * rng.random(there.shape)
        return np.where(there, random, locals_[0](out, x, alpha)), locals_[1](out, x, alpha)

    return Kink("x = 0, unless alpha is 1", "alpha", "[alpha, 1]", tied, choose)


def _leaky(name: str, forward: Function, locals_: tuple[Function, Function], alpha: float, **more: Any) -> Operation:
    """Declare an activation that is x on the right of 0 and proportional to alpha on the left."""
    return declare(
        Operation(
            name=name, arguments=(Argument("x"), Argument("alpha", alpha)), forward=forward, local=locals_,
            kinks=(_alpha_corner(locals_),), piece=_positive, **more,
        )
    )  # fmt: skip


_leaky(
    "leaky_relu", lambda x, alpha: np.where(np.less_equal(x, 0), alpha * x, x),
    (
        lambda out, x, alpha: np.where(np.less_equal(x, 0), alpha, np.heaviside(x, 0.0)),
        lambda out, x, alpha: np.minimum(x, 0.0),
    ),
    0.01, aliases=("prelu",), formula="x if x>0, else alpha x (alpha 0.01)",
    derivative="1 or alpha; by alpha min(x, 0)",
    derivative_range="{alpha, 1}", domain=(ANYWHERE, (0.05, 0.5)),
    symbolic=lambda S, x, alpha: S.maximum(x, 0) + alpha * S.minimum(x, 0),
    scalar=ScalarForm(
        lambda x, alpha: alpha * x if x <= 0 else x,
        lambda out, x, alpha: (alpha, x) if x <= 0 else (1.0, 0.0) if x > 0 else (x, x),
    ),
)  # fmt: skip

clipped("hardtanh", (Argument("min_val", -1.0), Argument("max_val", 1.0)))


def _ramp(name: str, low: float, high: float, divisor: float, **more: Any) -> Operation:
    """Declare ``(min(max(x, low), high) - low) / divisor``; by convention a bound belongs to the middle."""

    def local(_out: Any, x: Any) -> Array:
        return np.where(np.greater_equal(x, low) & np.less_equal(x, high), 1.0 / divisor, 0.0 * np.sign(x))

    return unary(
        name, lambda x: (np.clip(x, low, high) - low) / divisor, local,
        switch=True, piece=lambda x: np.greater(x, low) + 1 * np.greater(x, high), domain=((low - 3.0, high + 3.0),),
        kinks=(
            interval(
                f"x = {low:g} and x = {high:g}", lambda x: np.equal(x, low) | np.equal(x, high),
                local, 0.0, 1.0 / divisor, f"{1.0 / divisor:.6g}",
            ),
        ), **more,
    )  # fmt: skip


_ramp(
    "relu6", 0.0, 6.0, 1.0, formula="min(max(x, 0), 6)", derivative="1 for x in [0, 6], else 0",
    derivative_range="{0, 1}", symbolic=lambda S, x: S.minimum(S.maximum(x, 0), 6),
)  # fmt: skip

_ramp(
    "hardsigmoid", -3.0, 3.0, 6.0, formula="min(max(x + 3, 0), 6) / 6",
    derivative="1/6 for x in [-3, 3], else 0", derivative_range="{0, 1/6}",
    symbolic=lambda S, x: S.minimum(S.maximum(x + 3, 0), 6) / 6,
)  # fmt: skip


# Exponential pieces.


def _decay(factor: Any, x: Any) -> Array:
    """``factor * e^x`` for x <= 0, and ``factor`` beyond."""
    return decayed(factor, np.minimum(x, 0.0))


_leaky(
    "elu", lambda x, alpha: np.where(np.greater(x, 0), x, alpha * np.expm1(np.minimum(x, 0.0))),
    (
        lambda out, x, alpha: np.where(np.greater(x, 0), 1.0, _decay(alpha, x)),
        lambda out, x, alpha: np.expm1(np.minimum(x, 0.0)),
    ),
    1.0, formula="x if x>0, else alpha (e^x - 1) (alpha 1)", derivative="1 or alpha e^x; by alpha e^min(x, 0) - 1",
    derivative_range="(0, max(alpha, 1)]", domain=(ANYWHERE, _SOME),
    symbolic=lambda S, x, alpha: S.maximum(x, 0) + alpha * (S.exp(S.minimum(x, 0)) - 1),
)  # fmt: skip

_SELU_SCALE = 1.0507009873554804934193349852946
_SELU_ALPHA = 1.6732632423543772848170429916717


def _selu_slope(_out: Any, x: Any) -> Array:
    return np.where(np.greater(x, 0), _SELU_SCALE, _decay(_SELU_SCALE * _SELU_ALPHA, x))


unary(
    "selu", lambda x: _SELU_SCALE * np.where(np.greater(x, 0), x, _SELU_ALPHA * np.expm1(np.minimum(x, 0.0))),
    _selu_slope, "c x if x>0, else c alpha (e^x - 1), c = 1.0507, alpha = 1.67326", "c or c alpha e^x",
    derivative_range="(0, 1.7580993408]", piece=_positive,
    symbolic=lambda S, x: S.number(_SELU_SCALE)
    * (S.maximum(x, 0) + S.number(_SELU_ALPHA) * (S.exp(S.minimum(x, 0)) - 1)),
    kinks=(
        Kink(
            "x = 0", "1.758099", "[1.050701, 1.758099]", _corner_at_zero,
            interval("", _corner_at_zero, _selu_slope, _SELU_SCALE, _SELU_SCALE * _SELU_ALPHA, "").choose,
        ),
    ),
    source="Klambauer et al., Self-Normalizing Neural Networks, 2017",
)  # fmt: skip


def _softsign_slope(_out: Any, x: Any) -> Array:
    root = np.divide(1.0, 1.0 + np.abs(x))
    return np.asarray(root * root)


unary(
    "softsign", lambda x: np.divide(x, 1.0 + np.abs(x)), _softsign_slope, "x/(1+|x|)", "1/(1+|x|)²",
    derivative_range="(0, 1]", piece=_positive, symbolic=lambda S, x: x / (1 + S.abs(x)),
)  # fmt: skip


# Gated: x times something that rises from 0 to 1.


def _gate(x: Any, beta: Any) -> Pair:
    """``beta * x`` as a pair, kept where the sigmoid is not constant."""
    value, rest = product(x, beta)
    bounded = np.clip(value, -5000.0, 5000.0)  # whatever it is multiplied by, e^-5000 leaves 0
    return bounded, np.where(np.equal(bounded, value), rest, 0.0)


def _swish(x: Any, beta: Any, factor: Any = 1.0) -> Array:
    """``factor * x * sigmoid(beta x)``, the sigmoid's root on either side of ``factor``: ``factor * x`` may overflow
    where the gate is all but closed."""
    u, rest = _gate(x, beta)
    left = (decayed(x, 0.5 * u, 0.5 * rest) * factor) * decayed(1.0, 0.5 * u, 0.5 * rest)
    return np.asarray(np.where(np.less(u, 0), left, factor * x) / (1.0 + decayed(1.0, u, rest)))


def _swish_by_x(x: Any, beta: Any, factor: Any = 1.0) -> Array:
    """``factor`` times s + u s' with u = beta x: on the left, where both terms are small, as one product with e^u."""
    u, rest = _gate(x, beta)
    small = decayed(1.0, u, rest)
    root = decayed(1.0, 0.5 * u, 0.5 * rest)
    left = ((1.0 / (1.0 + small)) * (1.0 + u / (1.0 + small)) * root * factor) * root
    right = factor * ((1.0 + decayed(u, u, rest) / (1.0 + small)) / (1.0 + small))
    return np.asarray(np.where(np.less(u, 0), left, right))


def _swish_by_beta(x: Any, beta: Any, factor: Any = 1.0) -> Array:
    """``factor * x² s'(beta x)``, the exponential split so that x² need not be formed."""
    u, rest = _gate(x, beta)
    root = decayed(x, 0.5 * u, 0.5 * rest) / (1.0 + decayed(1.0, u, rest))
    return np.asarray((factor * root) * root)


_SILU_RANGE = "[-0.0998393201, 1.0998393201]"

unary(
    "silu", lambda x: _swish(x, 1.0), lambda out, x: _swish_by_x(x, 1.0), "x/(1+e^-x)", "s + x s(1-s)",
    derivative_range=_SILU_RANGE, symbolic=lambda S, x: x / (1 + S.exp(-x)),
)  # fmt: skip

declare(
    Operation(
        name="swish", arguments=(Argument("x"), Argument("beta", 1.0)), forward=_swish,
        local=(lambda out, x, beta: _swish_by_x(x, beta), lambda out, x, beta: _swish_by_beta(x, beta)),
        formula="x sigmoid(beta x) (beta 1)", derivative="s + beta x s(1-s); by beta x² s(1-s)",
        derivative_range=f"{_SILU_RANGE} at beta 1", domain=(ANYWHERE, _SOME),
        symbolic=lambda S, x, beta: x / (1 + S.exp(-beta * x)),
        source="Ramachandran et al., Searching for Activation Functions, 2017",
    )
)  # fmt: skip

declare(
    Operation(
        name="swiglu", arguments=(Argument("a"), Argument("b"), Argument("beta", 1.0)),
        forward=lambda a, b, beta: _swish(a, beta, b),
        local=(
            lambda out, a, b, beta: _swish_by_x(a, beta, b),
            lambda out, a, b, beta: _swish(a, beta),
            lambda out, a, b, beta: _swish_by_beta(a, beta, b),
        ),
        formula="swish(a) b = a sigmoid(beta a) b (beta 1)",
        derivative="b (s + beta a s(1-s)) and a s; by beta b a² s(1-s)", derivative_range="unbounded",
        domain=(ANYWHERE, ANYWHERE, _SOME), symbolic=lambda S, a, b, beta: a / (1 + S.exp(-beta * a)) * b,
        source="Shazeer, GLU Variants Improve Transformer, 2020",
    )
)  # fmt: skip


# gelu by tanh is x sigmoid(2u) with 2u = 2 √(2/π) (x + 0.044715 x³), and 2√(2/π) as a pair.
_GELU_CUBIC = 0.044715
_GELU_SCALE: Pair = (1.5957691216057308, -9.96930880911092e-17)


def _gelu_exponent(x: Any) -> tuple[Pair, Any]:
    """2u, and its derivative times x."""
    bounded = np.clip(x, -32.0, 32.0)  # where the sigmoid is constant
    square = product(bounded, bounded)
    bracket = one_plus(pair_product(square, (_GELU_CUBIC, 0.0)))
    value = pair_product(_GELU_SCALE, pair_product((bounded, 0.0), bracket))
    return value, _GELU_SCALE[0] * bounded * (1.0 + 3.0 * _GELU_CUBIC * square[0])


def _gelu(x: Any, approximate: str) -> Array:
    if approximate == "tanh":
        return times_sigmoid(x, *_gelu_exponent(x)[0])
    return np.asarray(x * special.normal_cdf(x))


def _gelu_slope(_out: Any, x: Any, approximate: str) -> Array:
    if approximate == "tanh":
        exponent, rise = _gelu_exponent(x)
        return np.asarray(times_sigmoid(1.0, *exponent) + times_sigmoid_slope(rise, *exponent))
    return np.asarray(special.normal_cdf(x) + special.times_normal_pdf(x, x))


def _gelu_exact(S: Any, x: Any, approximate: str) -> Any:
    if approximate == "tanh":
        return x * (1 + S.tanh(S.sqrt(2 / S.pi) * (x + S.number(_GELU_CUBIC) * x**3))) / 2
    return x * (1 + S.erf(x / S.sqrt(S.number(2)))) / 2


declare(
    Operation(
        name="gelu", arguments=(Argument("x"),),
        parameters=(Parameter("approximate", "word", "none", ("none", "tanh")),),
        forward=_gelu, local=(_gelu_slope,), formula="x Phi(x)", derivative="Phi(x) + x phi(x)",
        derivative_range="[-0.128904145185, 1.128904145185] at ∓√2 (tanh: [-0.128993068659, 1.128993068659])",
        symbolic=_gelu_exact,
        cases=(Case(((2, 3),), {"approximate": "none"}), Case(((2, 3),), {"approximate": "tanh"})),
        source="Hendrycks and Gimpel, Gaussian Error Linear Units, 2016",
    )
)  # fmt: skip


# mish is x tanh(log(1+e^x)), and tanh(log(1+t)) = t(t+2)/(t²+2t+2); on the right in n = 1/t, so that nothing overflows.


def _mish(x: Any) -> Array:
    small = np.exp(-np.abs(x))
    left = decayed(x, x) * (small + 2.0) / (small * (small + 2.0) + 2.0)
    right = x * (1.0 + 2.0 * small) / (1.0 + 2.0 * small * (1.0 + small))
    return np.asarray(np.where(np.less(x, 0), left, right))


def _mish_slope(_out: Any, x: Any) -> Array:
    """tanh(softplus) + x sech²(softplus) sigmoid."""
    small = np.exp(-np.abs(x))
    left_divisor = small * (small + 2.0) + 2.0
    left = decayed((small + 2.0 + 4.0 * x * (1.0 + small) / left_divisor) / left_divisor, x)
    divisor = 1.0 + 2.0 * small * (1.0 + small)
    right = (1.0 + 2.0 * small + 4.0 * x * small * small * (1.0 + small) / divisor) / divisor
    return np.asarray(np.where(np.less(x, 0), left, right))


unary(
    "mish", _mish, _mish_slope, "x tanh(log(1+e^x))", "tanh(p) + x sech²(p) sigmoid(x), p = log(1+e^x)",
    derivative_range="[-0.1125261224, 1.0884981613]", symbolic=lambda S, x: x * S.tanh(S.log(1 + S.exp(x))),
    source="Misra, Mish: A Self Regularized Non-Monotonic Activation Function, 2019",
)  # fmt: skip
