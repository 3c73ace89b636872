"""Entering rules."""

import numpy as np
import pytest

from gradtool.tracing import Untraceable
from gradtool.tracing.array import FUNCTION_RULES, MUTATING
from gradtool.tracing.function_rules import axes, float64, mutating_rule, rule
from gradtool.tracing.tape import Tape


def test_a_rule_is_found_by_each_of_its_functions():
    first, second = (lambda x: x), (lambda x: x)

    @rule(first, second)
    def found(tape, x):
        return x

    @mutating_rule(first)
    def changing(tape, x):
        return None

    try:
        assert FUNCTION_RULES[first] is FUNCTION_RULES[second] is found
        assert MUTATING[first] is changing
    finally:
        del FUNCTION_RULES[first], FUNCTION_RULES[second], MUTATING[first]


def test_axes_are_python_numbers():
    assert axes(None) is None
    assert type(axes(np.int64(2))) is int
    assert axes(np.array([0, 2])) == (0, 2)
    assert axes([1]) == (1,)


def test_only_float64():
    float64(Tape(), None)
    float64(Tape(), float)
    with pytest.raises(Untraceable, match="dtype=float32"):
        float64(Tape(), np.float32)
