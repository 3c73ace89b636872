"""Activations: full relative accuracy in the tails, by every argument, and the conventions at corners."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from gradtool import ops

REGISTRY: dict[str, Any] = ops.REGISTRY

SELU_SCALE, SELU_ALPHA = mp.mpf(1.0507009873554804934193349852946), mp.mpf(1.6732632423543772848170429916717)


def bounded(function, below, above=None):
    """``function`` where mpmath can do it, its limits beyond: huge exponents take it forever."""
    return lambda x, *rest: function(x, *rest) if abs(x) < 1e5 else (below if x < 0 else above)(x, *rest)


def sigmoid(x):
    return bounded(lambda x: 1 / (1 + mp.exp(-x)), lambda x: mp.mpf(0), lambda x: mp.mpf(1))(x)


def slope(x):
    """The derivative of ``sigmoid``."""
    return sigmoid(x) * sigmoid(-x)


def u_slope(x):
    """``x * slope(x)``."""
    return x * slope(x) if abs(x) < 1e5 else mp.mpf(0)


def swish_by_x(x, beta):
    return sigmoid(beta * x) + u_slope(beta * x)


def softplus(x):
    return mp.log1p(mp.exp(x)) if x < 1e5 else x


def gelu_slope(x):
    if abs(x) > 100:
        return mp.mpf(int(x > 0))
    return mp.erfc(-x / mp.sqrt(2)) / 2 + x * mp.npdf(x)


def gelu(x):
    return x * mp.erfc(-x / mp.sqrt(2)) / 2 if abs(x) < 100 else x * int(x > 0)


def gelu_tanh_parts(x):
    c, k = mp.mpf(0.044715), 2 * mp.sqrt(2 / mp.pi)
    return k * (x + c * x**3), k * (1 + 3 * c * x * x)


def gelu_tanh(x):
    return x * sigmoid(gelu_tanh_parts(x)[0])


def gelu_tanh_slope(x):
    if abs(x) > 100:
        return mp.mpf(int(x > 0))
    u, rise = gelu_tanh_parts(x)
    return sigmoid(u) + x * slope(u) * rise


def mish_slope(x):
    if abs(x) > 1e5:
        return mp.mpf(int(x > 0))
    p = softplus(x)
    return mp.tanh(p) + x * mp.sech(p) ** 2 * sigmoid(x)


def decay(x):
    return mp.exp(x) if x > -1e5 else mp.mpf(0)


# name: points, forward, derivative, parameters, root of the derivative (no relative accuracy right there)
EXACT = {
    "sigmoid": ("everywhere", sigmoid, slope, {}, None),
    "logsigmoid": ("everywhere", lambda x: -softplus(-x), lambda x: sigmoid(-x), {}, None),
    "softplus": ("everywhere", softplus, sigmoid, {}, None),
    "relu": ("everywhere", lambda x: max(x, mp.mpf(0)), lambda x: mp.mpf(int(x > 0)), {}, None),
    "relu6": ("everywhere", lambda x: min(max(x, mp.mpf(0)), mp.mpf(6)), lambda x: mp.mpf(int(0 <= x <= 6)), {}, None),
    "selu": (
        "everywhere", lambda x: SELU_SCALE * (x if x > 0 else SELU_ALPHA * (mp.expm1(x) if x > -1e5 else -1)),
        lambda x: SELU_SCALE * (1 if x > 0 else SELU_ALPHA * decay(x)), {}, None,
    ),
    "softsign": ("everywhere", lambda x: x / (1 + abs(x)), lambda x: 1 / (1 + abs(x)) ** 2, {}, None),
    "silu": ("everywhere", lambda x: x * sigmoid(x), lambda x: swish_by_x(x, 1), {}, -1.2784645427610738),
    "gelu": ("everywhere", gelu, gelu_slope, {"approximate": "none"}, -0.7517915246935645),
    "gelu at the bell": ("gaussian", gelu, gelu_slope, {"approximate": "none"}, -0.7517915246935645),
    "gelu by tanh": ("everywhere", gelu_tanh, gelu_tanh_slope, {"approximate": "tanh"}, -0.7526424616262),
    "gelu by tanh at the bell": ("gaussian", gelu_tanh, gelu_tanh_slope, {"approximate": "tanh"}, -0.7526424616262),
    "mish": (
        "everywhere", bounded(lambda x: x * mp.tanh(softplus(x)), lambda x: mp.mpf(0), lambda x: x), mish_slope, {},
        -1.1924360017,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", EXACT)
def test_value_and_derivative(case, point_sets, worst_ulp):
    which, forward, derivative, parameters, root = EXACT[case]
    x = point_sets[which]
    operation = REGISTRY[case.split()[0]]
    points = [(v,) for v in x.tolist()]
    out = operation.forward(x, **parameters)
    error, place = worst_ulp(out, forward, points)
    assert error < 30, place
    away = np.full(x.shape, True) if root is None else np.abs(x - root) > 0.05
    computed = np.broadcast_to(operation.local_of(0)(out, x, **parameters), x.shape)[away]
    error, place = worst_ulp(computed, derivative, [(v,) for v in x[away].tolist()])
    assert error < 50, place


BY_TWO = {
    "leaky_relu": (
        lambda x, alpha: x if x > 0 else alpha * x, lambda x, alpha: 1 if x > 0 else alpha, lambda x, alpha: min(x, 0),
    ),
    "elu": (
        lambda x, alpha: x if x > 0 else alpha * (mp.expm1(x) if x > -1e5 else -1),
        lambda x, alpha: mp.mpf(1) if x > 0 else alpha * decay(x),
        lambda x, alpha: mp.mpf(0) if x > 0 else mp.expm1(x) if x > -1e5 else mp.mpf(-1),
    ),
    "swish": (
        lambda x, beta: x * sigmoid(beta * x), swish_by_x, lambda x, beta: x * x * slope(beta * x),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_TWO)
def test_value_and_derivatives_by_two(name, point_sets, worst_ulp):
    rng = np.random.default_rng(21)
    x = point_sets["everywhere"]
    second = rng.choice([1.0, 0.01, 0.7, 3.0, 1e-200, 1e200], x.size)
    if name == "swish":
        second = second * rng.choice([-1, 1], x.size)
        huge = np.abs(x) > 1e3
        second[huge] = (rng.uniform(-700, 700, x.size) / x)[huge]
        keep = np.abs(x * second + 1.2784645427610738) > 0.05
        x, second = x[keep], second[keep]
    points = list(zip(x.tolist(), second.tolist(), strict=True))
    operation = REGISTRY[name]
    out = operation.forward(x, second)
    computed = [out, *(operation.local_of(i)(out, x, second) for i in (0, 1))]
    for values, exact in zip(computed, BY_TWO[name], strict=True):
        error, place = worst_ulp(values, lambda *p, exact=exact: mp.mpf(exact(*p)), points)
        assert error < 50, place


def test_swiglu(point_sets, worst_ulp):
    rng = np.random.default_rng(22)
    a = point_sets["everywhere"]
    a = a[(np.abs(a) < 1e3) & (np.abs(a + 1.2784645427610738) > 0.05)]
    b = rng.choice([-1, 1], a.size) * 10.0 ** rng.uniform(-200, 200, a.size)
    beta = np.ones(a.size)
    operation = REGISTRY["swiglu"]
    out = operation.forward(a, b, beta)
    exact = [
        lambda a, b, beta: a * sigmoid(beta * a) * b, lambda a, b, beta: b * swish_by_x(a, beta),
        lambda a, b, beta: a * sigmoid(beta * a), lambda a, b, beta: b * a * a * slope(beta * a),
    ]  # fmt: skip
    points = list(zip(a.tolist(), b.tolist(), beta.tolist(), strict=True))
    computed = [out, *(operation.local_of(i)(out, a, b, beta) for i in range(3))]
    for values, expected in zip(computed, exact, strict=True):
        error, place = worst_ulp(values, expected, points)
        assert error < 50, place


@pytest.mark.parametrize(
    ("a", "b"), [(-1e9, 1e300), (-800.0, 1e307), (-745.5, 1e300), (-1000.0, 1e300), (800.0, 1e300)]
)
def test_a_closed_gate_before_a_huge_factor(a, b):
    """a b overflows where a sigmoid(a) b does not."""
    operation = REGISTRY["swiglu"]
    found = [operation.forward(a, b, 1.0), *(operation.local_of(i)(0.0, a, b, 1.0) for i in (0, 1))]
    gate, x, y = sigmoid(mp.mpf(a)), mp.mpf(a), mp.mpf(b)
    exact = (x * gate * y, y * swish_by_x(x, 1), x * gate)
    assert found == pytest.approx([float(v) for v in exact], rel=1e-14, abs=1e-323)


def test_gates_at_extremes_are_finite():
    for x, beta in [(1e200, 1e200), (-1e200, 1e200), (1e300, 0.0), (0.0, 1e300), (-1e300, -1e300)]:
        operation = REGISTRY["swish"]
        out = operation.forward(x, beta)
        assert np.isfinite(out)
        assert np.isfinite(operation.local_of(0)(out, x, beta))


def is_bounded(operation):
    """Whether it is a function of one number, but for what has a default, whose derivative is bounded on both sides."""
    unbounded = "∞" in operation.derivative_range or operation.derivative_range == "unbounded"
    return operation.elementwise and sum(a.default is None for a in operation.arguments) == 1 and not unbounded


# Every activation, and whatever else has such a derivative.
BOUNDED = [
    (name, {p.name: word for p in operation.parameters})
    for name, operation in REGISTRY.items()
    if is_bounded(operation)
    for word in (("none", "tanh") if name == "gelu" else ("",))
]
MIDDLE = np.r_[np.linspace(-30, 30, 60_001), 0.0]
FAR = np.r_[-(10.0 ** np.arange(1, 300)), MIDDLE, 10.0 ** np.arange(1, 300)]


def stated(text, settings):
    """The kind of a range, its numbers, and how well each is known: to half of its last digit."""
    opening, inside, closing = re.fullmatch(r"([(\[{])(.*)([)\]}])", text).groups()
    inside = inside.replace("max(alpha, 1)", str(max(settings.get("alpha", 1), 1)))
    parts = inside.split(", ")
    numbers = [float(Fraction(str(settings.get(part, part)))) for part in parts]
    known_to = [0.6 * 10.0 ** -len(part.partition(".")[2]) if "." in part else 1e-12 for part in parts]
    return opening + closing, numbers, known_to


def smallest(function, x):
    """The infimum of a function on a grid that is made finer around the smallest value."""
    for _ in range(6):
        values = function(x)
        i = int(np.argmin(values))
        x = np.linspace(x[max(i - 1, 0)], x[min(i + 1, len(x) - 1)], 2001)
    return float(function(x).min())


def test_every_activation_states_a_range():
    names = {name for name, _ in BOUNDED}
    missing = {operation.name for operation in ops.FAMILIES["activations"]} - names
    assert missing == {"swiglu"}  # a product of two numbers


@pytest.mark.parametrize(("name", "parameters"), BOUNDED)
def test_range_of_the_derivative(name, parameters):
    """What the catalogue says: reached, or only approached, and nothing beyond."""
    operation = REGISTRY[name]
    others = {a.name: float(np.clip(a.default, -1, 1)) for a in operation.arguments[1:]}  # clip has bounds, too

    def slope(x):
        out = operation.forward(x, *others.values(), **parameters)
        return np.broadcast_to(operation.local_of(0)(out, x, *others.values(), **parameters), x.shape)

    text = operation.derivative_range
    if parameters.get("approximate") == "tanh":
        text = text.partition("(tanh: ")[2][:-1]
    kind, numbers, known_to = stated(re.sub(r"(?<=[)\]}]) .*", "", text), others)
    if kind == "{}":
        tied = np.zeros(FAR.shape, dtype=bool)
        for kink in operation.kinks:
            tied |= np.broadcast_to(kink.tied(FAR, *others.values()), FAR.shape)
        assert sorted(set(slope(FAR[~tied]).tolist())) == sorted(numbers)
        return
    lowest, highest = smallest(slope, MIDDLE), -smallest(lambda x: -slope(x), MIDDLE)
    for end, found, number, sign, precision in zip(kind, (lowest, highest), numbers, (1, -1), known_to, strict=True):
        if end in "[]":
            assert found == pytest.approx(number, abs=precision)
            assert (sign * (slope(FAR) - number) >= -precision).all()
        else:
            assert (sign * (slope(MIDDLE[np.abs(MIDDLE) < 5]) - number) > 0).all()
            assert np.abs(slope(FAR) - number).min() < 1e-12


@pytest.mark.parametrize(("name", "alpha"), [("elu", 0.5), ("elu", 2.0), ("leaky_relu", 0.3)])
def test_range_of_the_derivative_by_alpha(name, alpha):
    operation = REGISTRY[name]
    found = operation.local_of(0)(0.0, MIDDLE, alpha)
    if name == "leaky_relu":
        assert set(found.tolist()) == {alpha, 1.0}
    else:
        assert found.max() == max(alpha, 1.0)
        assert 0 < found.min() < 1e-12


@pytest.mark.parametrize(
    ("name", "more", "low", "high", "used"),
    [
        ("relu", (), 0.0, 1.0, 0.0), ("leaky_relu", (0.1,), 0.1, 1.0, 0.1), ("elu", (2.0,), 1.0, 2.0, 2.0),
        ("selu", (), float(SELU_SCALE), float(SELU_SCALE * SELU_ALPHA), float(SELU_SCALE * SELU_ALPHA)),
        ("relu6", (), 0.0, 1.0, 1.0), ("hardsigmoid", (), 0.0, 1 / 6, 1 / 6),
    ],
)  # fmt: skip
def test_corner(name, more, low, high, used):
    operation = REGISTRY[name]
    at = -3.0 if name == "hardsigmoid" else 0.0
    x = np.array([at] * 200 + [2.0, -4.0])
    out = operation.forward(x, *more)
    (kink,) = operation.kinks
    assert kink.tied(x, *more).tolist() == [True] * 200 + [False, False]
    ordinary = operation.local_of(0)(out, x, *more)
    assert ordinary[0] == pytest.approx(used, rel=1e-15)
    chosen = kink.choose(np.random.default_rng(0), out, x, *more)
    assert len(chosen) == 1 + len(more)
    assert np.all((chosen[0][:200] >= low) & (chosen[0][:200] <= high))
    assert np.ptp(chosen[0][:200]) > 0.9 * (high - low)
    assert chosen[0][200:].tolist() == ordinary[200:].tolist()
    pieces = operation.piece(np.array([at - 1e-9, at + 1e-9]), *more)
    assert pieces[0] != pieces[1]
    for i, found in enumerate(chosen[1:], 1):
        assert np.array_equal(found, operation.local_of(i)(out, x, *more))


def test_no_corner_where_alpha_is_one():
    for name in ("elu", "leaky_relu"):
        assert REGISTRY[name].kinks[0].tied(np.zeros(2), np.array([1.0, 0.5])).tolist() == [False, True]


def test_a_change_of_formula_is_a_change_of_piece():
    for name, more in [("elu", (1.0,)), ("softsign", ())]:
        piece = REGISTRY[name].piece
        assert piece(-1e-9, *more) != piece(1e-9, *more)
    assert REGISTRY["leaky_relu"].piece(1.0, np.ones((2, 3))).shape == (2, 3)


def test_gelu_in_large_arrays(worst_ulp):
    some = np.linspace(-38, 9, 149)
    x = np.r_[some, np.zeros(1000)]
    operation = REGISTRY["gelu"]
    out = operation.forward(x, "none")
    assert np.min(np.abs(some + 0.7517915246935645)) > 0.05  # the root of the derivative
    for values, exact in [(out, gelu), (operation.local_of(0)(out, x, "none"), gelu_slope)]:
        error, place = worst_ulp(values[: some.size], exact, [(v,) for v in some.tolist()])
        assert error < 30, place
