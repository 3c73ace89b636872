import numpy as np
import pytest

from gradtool.references.sampling import FunctionEvaluable
from gradtool.verdict.lost_digits import (
    absorbs_small_steps,
    agrees_on_average,
    inner_spacing,
    loses_its_digits,
    stands_still,
    varies_on_smaller_scales,
)


def sinc(x):
    return np.sinc(x).sum()


def sinc_backward(x):
    return (np.cos(np.pi * x) - np.sinc(x)) / x


def evaluable(function, x):
    found = FunctionEvaluable(function, {"x": x})
    found.base()
    return found


@pytest.mark.parametrize("x", [2e-8, 3e-7, -1e-6, 4e-5])
def test_a_formula_that_cancels_near_zero_is_excused(x):
    at = np.array([x, 1.3])
    assert loses_its_digits(evaluable(sinc, at), "x", at, (0,), np.ones(()), sinc_backward)


@pytest.mark.parametrize(
    "backward",
    [
        lambda x: 2 * np.cos(x),
        lambda x: 1.00001 * np.cos(x),
        lambda x: np.where(np.abs(x) < 0.01, 0, np.cos(x)),
        lambda x: np.where(np.abs(x) < 0.01, 1.001, 1) * np.cos(x),
        lambda x: np.cos(x).astype(np.float32).astype(float),
        lambda x: np.cos(x)[:1],
        lambda x: None,
    ],
)
@pytest.mark.parametrize("x", [2e-8, 1e-3])
def test_mistakes_are_not(backward, x):
    at = np.array([x, 1.3])
    assert not loses_its_digits(evaluable(lambda x: np.sin(x).sum(), at), "x", at, (0,), np.ones(()), backward)


@pytest.mark.parametrize(("function", "x", "still"), [
    (np.floor, 1e4 + 0.3, True),
    (np.round, 30.0, True),
    (np.floor, 30.0, True),
    (np.sin, 0.3, False),
    (lambda x: 1e8 + np.sin(x), 0.3, False),
    (lambda x: 1e15 + np.sin(x), 0.3, False),
])  # fmt: skip
def test_a_staircase_stands_still_on_its_steps_and_rounding_is_none(function, x, still):
    at = np.array([x])
    f = evaluable(lambda x: function(x).sum(), at)
    assert stands_still(f, "x", at, (0,), np.ones(()), 1.0, f.roundoff) is still


def single(x):
    return np.float32(1000) + np.maximum(np.float32(x), np.float32(1.0)).sum(dtype=np.float32)


def test_a_kink_that_noise_hides_is_met_on_average():
    at = np.array([1.0001])
    f = evaluable(single, at)
    assert agrees_on_average(f, "x", at, (0,), np.ones(()), lambda x: (x > 1) * 1.0, 0.5, 2 * f.roundoff)
    assert not agrees_on_average(f, "x", at, (0,), np.ones(()), lambda x: (x > 1) * 2.0, 0.5, 2 * f.roundoff)
    assert not agrees_on_average(f, "x", at, (0,), np.ones(()), lambda x: None, 0.5, 2 * f.roundoff)


def test_where_forward_is_exact_no_average_is_taken():
    at = np.array([1.0001])
    f = evaluable(lambda x: np.maximum(x, 1).sum(), at)
    assert not agrees_on_average(f, "x", at, (0,), np.ones(()), lambda x: (x > 1) * 1.0, 1e-8, 0.0)


@np.errstate(over="ignore", invalid="ignore")
def shares(x):
    e = np.exp(np.concatenate((np.zeros(3), 1 / x)) - 1 / x)
    return e / e.sum()


UPSTREAM = np.array([0.3, -1.1, 0.7, 1.4])


def shares_backward(x):
    s = shares(x)
    u = 50 * UPSTREAM * np.cos(50 * s)
    return -s[3] * ((u[3] - u[:3]) @ s[:3]) / x**2


@pytest.mark.parametrize(("factor", "agrees"), [(1, True), (-1, False), (2, False), (0.5, False), (0, False)])
@pytest.mark.parametrize("x", [0.0277073, 0.028, 0.03])
def test_a_share_that_is_nearly_one_moves_by_jumps(x, factor, agrees):
    at = np.array([x])
    f = evaluable(lambda x: np.sin(50 * shares(x)), at)
    spacing = inner_spacing(f, "x", at, (0,), UPSTREAM)
    assert 1.4 * 50 * 2**-53 * 0.9 < spacing < 1.4 * 50 * 2**-52
    s = shares(at)
    seen = s[3] * 50 * (UPSTREAM[:3] * np.cos(50 * s[:3])) @ s[:3] / x**2  # Without what moves by jumps.
    apart, unit = (
        abs(factor * shares_backward(at)[0] - seen),
        spacing / float(np.abs(UPSTREAM) @ np.abs(np.sin(50 * s))),
    )
    assert agrees_on_average(
        f, "x", at, (0,), UPSTREAM, lambda x: factor * shares_backward(x), apart, unit, least=0.0
    ) is agrees  # fmt: skip


@pytest.mark.parametrize(("function", "spacing"), [
    (lambda x: (1e8 + x) - 1e8, 2.0**-26),
    (lambda x: np.sin(np.float32(x)).astype(float), 2.0**-29),
    (lambda x: np.floor(1e5 * x), 1.0),
    (lambda x: np.maximum(x - 0.03, 0), 0.0),
    (lambda x: np.floor(100 * x), 0.0),
    (lambda x: np.round(1000 * x) / 1000, 0.0),
    (lambda x: 1e8 + np.sin(x), 0.0),
    (np.sin, 0.0),
])  # fmt: skip
def test_jumps_are_larger_than_rounding_of_the_output(function, spacing):
    at = np.array([0.0277])
    assert inner_spacing(evaluable(lambda x: function(x).sum(), at), "x", at, (0,), np.ones(())) == spacing


@pytest.mark.parametrize(("backward", "agrees"), [
    (lambda x: 3 * x**2 * np.cos(x**3), True),
    (lambda x: np.full(1, 4e14), False),
    (lambda x: 3 * x**2, False),
    (lambda x: np.where(x == 1.1535041e7, 4e14, 0.0), False),
    (lambda x: 3 * x**2 * np.cos(x**3) + 4e14, False),
])  # fmt: skip
def test_waves_between_neighbouring_numbers_are_met_on_average(backward, agrees):
    at = np.array([1.1535041e7])
    f = evaluable(lambda x: (1e19 + np.sin(x**3)).sum(), at)
    assert agrees_on_average(f, "x", at, (0,), np.ones(()), backward, 4e14, 2 * f.roundoff) is agrees


def test_where_forward_moves_an_erratic_backward_is_not_excused():
    at = np.array([1.2e8 + 0.3])
    f = evaluable(lambda x: (x**2).sum(), at)
    assert not agrees_on_average(
        f, "x", at, (0,), np.ones(()), lambda x: 2 * x * (x**2 + (1 - x**2)), 2.4e8, 2 * f.roundoff
    )


def waves(x):
    return (1e8 + np.sin(x * x)).sum()


def waves_backward(x):
    return 2 * x * np.cos(x * x)


def unresolved(x):
    return (np.square(x) * 1e8 + np.sin(np.square(1e8 + np.sin(x)))).sum()


def unresolved_backward(x):
    inner = 1e8 + np.sin(x)
    return 2e8 * x + np.cos(inner**2) * 2 * inner * np.cos(x)


def single_wave(x):
    return np.sin(x.astype(np.float32)).sum()


@pytest.mark.parametrize(("function", "backward", "x", "slope", "varies"), [
    (waves, waves_backward, 1.0888e7, 0.0, True),
    (waves, waves_backward, 3.7e7, 0.0, True),
    (lambda x: np.log1p(np.sin(x * x)).sum(), lambda x: 2 * x * np.cos(x * x) / (1 + np.sin(x * x)), 3e6 + 0.3, 0.0, True),
    (waves, lambda x: -2 * x * np.cos(x * x), 1.0888e7, 0.0, True),  # Nobody can tell here.
    (waves, lambda x: np.ones_like(x), 1.0888e7, 0.0, False),
    (unresolved, unresolved_backward, 0.7, 1.4e8, True),
    (unresolved, lambda x: -2e8 * x, 0.7, 1.4e8, False),
    (single_wave, np.cos, -56314612.0, 0.0, True),
    (lambda x: (x**2).sum(), lambda x: 3 * x, 1e-9, 2e-9, False),
    (lambda x: (1 + x**2).sum(), lambda x: 3 * x, 1e-9, 2e-9, False),
    (lambda x: (1e8 + np.sin(x)).sum(), lambda x: -np.cos(x), 0.3, np.cos(0.3), False),
    (lambda x: np.sin(x.astype(np.float32)).sum(), lambda x: -np.cos(x), 0.3, np.cos(0.3), False),
    (lambda x: np.sin(x.astype(np.float32)).astype(float).sum(), lambda x: -np.cos(x), 0.3, np.cos(0.3), False),
    (np.sum, lambda x: -np.ones_like(x), 0.0, 1.0, False),
    (np.sum, lambda x: None, 0.3, 1.0, False),
])  # fmt: skip
def test_what_looks_like_noise_may_be_forward_itself(function, backward, x, slope, varies):
    at = np.array([x])
    f = evaluable(function, at)
    mine = backward(at)
    found = varies_on_smaller_scales(
        f, "x", at, (0,), np.ones(()), backward, np.nan if mine is None else mine[0], slope
    )
    assert found is varies


def absorbing(x):
    return (np.sin(np.float32(x) + np.float32(2000)) + 0.2 * np.float32(x)).sum()


SLOPE = float(np.cos(2000.0)) + 0.2


@pytest.mark.parametrize(("function", "mine", "right", "absorbs"), [
    (absorbing, SLOPE, 0.2, True),
    (absorbing, -SLOPE, 0.2, False),
    (absorbing, 2 * SLOPE, 0.2, False),
    (lambda x: (x + 1e-4 * np.sin(1e4 * x)).sum(), 1.0, 1.995, False),  # Small waves are no jumps.
    (lambda x: np.where(x > 1e-5, 2 * x, x).sum(), 2.0, 1.0, False),
    (lambda x: np.where(x > 1e-5, x + 1e-4, x).sum(), 1.5, 1.0, False),
    (lambda x: np.sin(x).sum(), 1.01, 1.0, False),
    (lambda x: np.sin(np.float32(x)).sum(), 1.01, 1.0, False),
])  # fmt: skip
def test_a_much_larger_number_absorbs_small_steps(function, mine, right, absorbs):
    at = np.array([2e-6])
    f = evaluable(function, at)
    assert absorbs_small_steps(f, "x", at, (0,), np.ones(()), mine, right) is absorbs
