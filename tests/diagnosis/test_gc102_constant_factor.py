"""GC102: one constant at all points, named; what changes from point to point is none."""

import numpy as np
import pytest


def square(x):
    return x**2


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (2.0, "2 times"),
        (0.5, "1/2 of"),
        (np.pi, "pi times"),
        (np.sqrt(2), "sqrt(2) times"),
        (2 / 3, "2/3 of"),
        (1.001, "1.001 times"),
    ],
)
def test_the_constant_is_named(cause_of, rng, factor, words):
    cause = cause_of(square, lambda u, x: (u * 2 * x * factor,), [rng.normal(size=7)])
    assert cause.code == "GC102"
    assert words in cause.message


def test_the_fix_undoes_it(cause_of, rng):
    assert cause_of(square, lambda u, x: (u * x,), [rng.normal(size=7)]).fix == "d_x = (what you return) * 2"
    assert cause_of(square, lambda u, x: (u * 6 * x,), [rng.normal(size=7)]).fix == "d_x = (what you return) / 3"


def test_a_batch_size_that_two_axes_have_is_no_axis(cause_of, rng):
    cause = cause_of(
        lambda x, b: x + b, lambda u, x, b: (u, u.mean(axis=0)), [rng.normal(size=(5, 5)), rng.normal(size=5)]
    )
    assert cause.code == "GC102"
    assert "1/5" in cause.message


def curve(x):
    return np.sin(x) + x**3


def test_in_one_part(cause_of, rng):
    cause = cause_of(curve, lambda u, x: (u * (np.cos(x) + x**2),), [rng.normal(size=5)])
    assert cause.code == "GC102"
    assert "has a part that is 1/3 of what it should be" in cause.message
    assert "**" in cause.message


def test_a_factor_that_is_a_power_is_none(cause_of, rng):
    cause = cause_of(square, lambda u, x: (u * 2 * x * x,), [rng.normal(size=7) + 3])
    assert cause.code == "GC110"
