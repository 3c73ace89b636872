"""A graph around a point: many points at once, and how noisy its output is."""

import numpy as np
import pytest

from gradtool.autodiff import forward, make_plan
from gradtool.language import parse
from gradtool.references import GraphFunction


def function(text, **inputs):
    plan = make_plan(parse(text), inputs)
    return GraphFunction(plan, forward(plan, inputs))


def test_many_points_of_one_input():
    found = function("x*y + y", x=2.0, y=3.0)
    samples = found.many("x", np.array([0.0, 1.0]))
    assert samples.outputs.tolist() == [3.0, 6.0]
    assert samples.same_piece.tolist() == [True, True]
    assert found.base() == 9.0


def test_several_inputs_at_once():
    samples = function("x*y", x=2.0, y=3.0).many_inputs({"x": np.array([1.0, 2.0]), "y": np.array([5.0, 7.0])})
    assert samples.outputs.tolist() == [5.0, 14.0]


@pytest.mark.parametrize(
    ("text", "inputs", "low", "high"),
    [
        ("x*y", {"x": 2.0, "y": 3.0}, 1e-16, 2e-14),
        ("sin(x) + 1e8 - 1e8", {"x": 1.0}, 5e-9, 1e-6),
        ("dot(x, y)", {"x": np.array([1e8, 1.0, -1e8]), "y": np.ones(3)}, 1e-9, 1e-5),
    ],
)
def test_noise_is_that_of_the_arithmetic(text, inputs, low, high):
    assert low < float(function(text, **inputs).noise()) < high


def test_an_input_itself_has_no_noise():
    assert function("x", x=np.ones(3)).noise().tolist() == [0.0, 0.0, 0.0]
