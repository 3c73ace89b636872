"""Ties: found exactly on kinks, and told from those whose convention makes no difference."""

import numpy as np
import pytest

from gradtool.autodiff import backward, forward, make_plan
from gradtool.language import parse
from gradtool.verdict import convention_matters, find_ties


def matters(text, upstream=1.0, **inputs):
    plan = make_plan(parse(text), inputs)
    values = forward(plan, inputs)
    ties = find_ties(plan, values)
    found = convention_matters(plan, inputs, upstream, backward(plan, values, upstream), ties)
    return {name: mask.tolist() for name, mask in found.items()}


@pytest.mark.parametrize(
    ("text", "inputs", "expected"),
    [
        ("relu(x)", {"x": 0.0}, {"x": True}),
        ("relu(x)", {"x": 1e-300}, {"x": False}),
        ("max(x, y) + z", {"x": 1.0, "y": 1.0, "z": 1.0}, {"x": True, "y": True, "z": False}),
        ("relu(x)^2", {"x": 0.0}, {"x": False}),
        ("max(x, x)", {"x": 1.0}, {"x": False}),
        ("relu(x) - relu(-x)", {"x": 0.0}, {"x": True}),
        ("sqrt(x^2)", {"x": 0.0}, {"x": True}),
        ("abs(x)*y", {"x": 0.0, "y": 2.0}, {"x": True, "y": False}),
        ("abs(x)*y", {"x": 0.0, "y": 0.0}, {"x": False, "y": False}),
        ("floor(x)*y", {"x": 2.0, "y": 3.0}, {"x": True, "y": False}),
        ("where(x > 0, x, 2*x)", {"x": 0.0}, {"x": True}),
        ("where(x > 0, x, x)", {"x": 0.0}, {"x": False}),
        ("(x >= 1)*x^2", {"x": 1.0}, {"x": True}),
        ("norm([x, y])", {"x": 0.0, "y": 0.0}, {"x": True, "y": True}),
        ("x*y", {"x": 0.0, "y": 0.0}, {"x": False, "y": False}),
    ],
)
def test_which_gradients_depend_on_the_convention(text, inputs, expected):
    assert matters(text, **inputs) == expected


def test_entries_are_told_apart():
    assert matters("sum(relu(x))", x=np.array([-1.0, 0.0, 2.0])) == {"x": [False, True, False]}


def test_a_maximum_over_an_axis():
    x = np.array([[1.0, 3.0, 3.0], [4.0, 2.0, 0.0]])
    assert matters("sum(max(x, axis=1))", x=x) == {"x": [[False, True, True], [False, False, False]]}


def test_an_entry_with_upstream_zero_does_not_matter():
    assert matters("relu(x)", upstream=np.array([0.0, 1.0]), x=np.zeros(2)) == {"x": [False, True]}


def test_a_tie_says_where():
    inputs = {"x": np.array([0.0, 1.0])}
    plan = make_plan(parse("sum(abs(x))"), inputs)
    (tie,) = find_ties(plan, forward(plan, inputs))
    assert tie.where.tolist() == [True, False]
    assert tie.kink.valid == "[-1, 1]"


def test_constants_on_a_kink_are_nobodys_tie():
    plan = make_plan(parse("relu(0)*x"), {"x": 1.0})
    assert find_ties(plan, forward(plan, {"x": 1.0})) == []
