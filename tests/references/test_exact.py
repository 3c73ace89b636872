"""The guarded functions on raw numbers: right to the last bits, never slow, and what is out of range is said so."""

import math
import random
from fractions import Fraction

import mpmath
import pytest
from mpmath import libmp, mp, mpf

from gradtool.references.exact import (
    AWAY_FROM_ZERO,
    ONE,
    TOWARDS_ZERO,
    ZERO,
    Arithmetic,
    OutOfRange,
    Raw,
    Undefined,
    from_float,
    from_integer,
    functions,
    magnitude,
    show,
    to_float,
)  # fmt: skip

ONE_ARGUMENT = sorted(set(functions()) - {"atan2", "power", "polygamma"})
DOMAIN = {"acosh": (1, 30), "asin": (-1, 1), "acos": (-1, 1), "atanh": (-1, 1), "log": (0, 30), "log1p": (-1, 30)}
MPMATH = {
    "ceil": mp.ceil, "round": mp.nint, "abs": mp.fabs, "digamma": mp.digamma,
    "lgamma": lambda x: mp.log(abs(mp.gamma(x))), "cbrt": lambda x: mp.sign(x) * mp.cbrt(abs(x)),
}  # fmt: skip
ASTRONOMICAL: list[Raw] = [
    (sign, libmp.from_float(1.3)[1], exponent, libmp.from_float(1.3)[3])
    for sign in (0, 1)
    for exponent in (10**300, -(10**300), 20_000, -20_000, 3_000, -3_000)
]
LONG = [from_float(v) for v in (1e300, -1e300, 1e-300, -1e-300, 5e-324, 1e16, -1e5, 1.0, -1.0, 0.0)]


def plain(raw: Raw) -> mpf:
    return mp.make_mpf(raw)


@pytest.mark.parametrize("name", ONE_ARGUMENT)
def test_a_function_agrees_with_mpmath(name):
    rng = random.Random(name)
    low, high = DOMAIN.get(name, (0 if name == "sqrt" else -30, 30))
    arithmetic = Arithmetic(50, TOWARDS_ZERO)
    for _ in range(40):
        x = rng.uniform(low, high) * rng.choice((1.0, 1.0, 1e-3))
        x = min(max(x, low + 1e-9), high)
        with mp.workdps(90):
            expected = (MPMATH.get(name) or getattr(mp, name))(mpf(x))
            got = plain(arithmetic.call(name, from_float(x)))
            assert abs(got - expected) <= abs(expected) * mpf(10) ** -47, x


@pytest.mark.parametrize("name", ONE_ARGUMENT)
def test_astronomical_arguments_neither_hang_nor_exhaust_memory(effort, name):
    def call_all():
        for x in ASTRONOMICAL + LONG:
            for arithmetic in (Arithmetic(50, TOWARDS_ZERO), Arithmetic(100, AWAY_FROM_ZERO)):
                try:
                    raw = arithmetic.call(name, x)
                except Undefined:
                    continue
                assert raw[1] or not raw[2], "no infinities, no not-a-number"

    _, work = effort(call_all)
    assert work.calls < 50_000
    assert work.memory < 1_000_000


def test_powers_of_astronomical_numbers_neither_hang_nor_exhaust_memory(effort):
    arithmetic = Arithmetic(50, TOWARDS_ZERO)
    outcomes = {"value": 0, "refused": 0}

    def call_all():
        for x in ASTRONOMICAL + LONG:
            for y in ASTRONOMICAL + LONG:
                try:
                    arithmetic.call("power", x, y)
                    outcomes["value"] += 1
                except Undefined:
                    outcomes["refused"] += 1

    _, work = effort(call_all)
    assert work.calls < 200_000
    assert work.memory < 1_000_000
    assert min(outcomes.values()) > 0


@pytest.mark.parametrize(("x", "y", "expected"), [
    (-2.0, 3.0, -8.0), (-2.0, -2.0, 0.25), (0.0, 0.0, 1.0), (0.0, 2.5, 0.0), (4.0, 0.5, 2.0), (-1.0, 1e300, 1.0),
    (-1.0, 2.0**53 - 1, -1.0), (1e-300, -1.0, 1e300),
])  # fmt: skip
def test_power(x, y, expected):
    got = to_float(Arithmetic(50, TOWARDS_ZERO).call("power", from_float(x), from_float(y)))
    assert got == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(("name", "arguments"), [
    ("log", (0.0,)), ("log", (-1.0,)), ("sqrt", (-1.0,)), ("asin", (1.5,)), ("acosh", (0.5,)), ("atanh", (1.0,)),
    ("lgamma", (0.0,)), ("lgamma", (-3.0,)), ("digamma", (-3.0,)), ("power", (-2.0, 0.5)), ("power", (0.0, -1.0)),
])  # fmt: skip
def test_what_is_not_real_is_undefined(name, arguments):
    with pytest.raises(Undefined):
        Arithmetic(50, TOWARDS_ZERO).call(name, *map(from_float, arguments))


def test_what_is_too_large_is_out_of_range_and_not_undefined():
    arithmetic = Arithmetic(50, TOWARDS_ZERO)
    huge = arithmetic.call("exp", from_float(1e300))
    assert plain(arithmetic.call("log", huge)) == pytest.approx(1e300, rel=1e-40)
    with pytest.raises(OutOfRange, match="out of the range"):
        arithmetic.call("exp", huge)
    with pytest.raises(Undefined, match="1/0"):
        arithmetic.divide(ONE, ZERO)


@pytest.mark.parametrize("name", ["tanh", "erf", "cos"])
def test_what_is_almost_one_is_not_rounded_to_one_in_both_directions(name):
    x = from_float(1e-300 if name == "cos" else 300.0)
    inwards, outwards = (Arithmetic(50, r).call(name, x) for r in (TOWARDS_ZERO, AWAY_FROM_ZERO))
    assert inwards != ONE
    assert outwards == ONE


@pytest.mark.parametrize("name", ["exp", "cosh", "erfc"])
def test_what_is_almost_one_from_zero_is_not_one_in_both_directions(name):
    x = from_float(1e-300)
    assert {Arithmetic(50, r).call(name, x) == ONE for r in (TOWARDS_ZERO, AWAY_FROM_ZERO)} == {True, False}


def test_a_difference_that_leaves_no_digits_is_noticed():
    arithmetic = Arithmetic(50, TOWARDS_ZERO)
    x = from_float(200.0)
    arithmetic.add(arithmetic.call("cosh", x), arithmetic.call("exp", x))
    arithmetic.add(from_float(0.1), from_float(-0.1))
    assert not arithmetic.cancelled, "exact numbers may cancel"
    sinh = arithmetic.call("sinh", x)
    arithmetic.add(arithmetic.call("cosh", x), (1, *sinh[1:]))
    assert arithmetic.cancelled


def test_rounding_to_float64_is_right_for_every_size():
    rng = random.Random(1)
    for _ in range(2000):
        mantissa = rng.getrandbits(rng.choice((3, 53, 54, 55, 120))) | 1
        exponent = rng.choice((rng.randint(-1200, 1000), rng.randint(-1140, -1060), -1075, 970))
        exact = Fraction(mantissa) * Fraction(2) ** exponent
        try:
            expected = float(exact)
        except OverflowError:
            expected = math.inf
        assert to_float((1, mantissa, exponent, mantissa.bit_length())) == -expected


@pytest.mark.parametrize(("raw", "text"), [
    (from_float(0.1), "0.1"), (from_float(-2.0), "-2"), (ZERO, "0"), ((0, 1, 10_000, 1), "10^3010"),
    ((1, 1, 10**300, 1), "-10^(10^15) or more"), ((0, 1, -(10**300), 1), "10^-(10^15) or less"),
])  # fmt: skip
def test_numbers_in_messages(raw, text):
    assert show(raw) == text


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_only_finite_floats_are_numbers(value):
    with pytest.raises(Undefined):
        from_float(value)


def test_magnitude_brackets_the_number():
    for value in (1.0, 0.75, 3.0, 1e-300):
        e = magnitude(from_float(value))
        assert Fraction(2) ** (e - 1) <= Fraction(value) < Fraction(2) ** e


@pytest.mark.parametrize("order", [0, 1, 2, 3])
@pytest.mark.parametrize("x", [-0.3, -1.5, -7.1, -1e-9, -3.000001, -0.999999999, -20.25])
def test_polygamma_of_negative_numbers(order, x):
    found = Arithmetic(50, TOWARDS_ZERO).call("polygamma", from_integer(order), from_float(x))
    with mpmath.workdps(80):
        expected = mpmath.psi(order, mpmath.mpf(x))
        assert abs(mpmath.mp.make_mpf(found) / expected - 1) < 1e-48


def test_polygamma_far_to_the_left_takes_no_steps():
    """π²/sin²(πx) but for less than a millionth; a recurrence would take fifty million steps."""
    x = -55599415.93695432
    found = to_float(Arithmetic(50, TOWARDS_ZERO).call("polygamma", from_integer(1), from_float(x)))
    with mpmath.workdps(40):
        assert found == pytest.approx(float((mpmath.pi / mpmath.sinpi(mpmath.mpf(x))) ** 2), rel=1e-6)
