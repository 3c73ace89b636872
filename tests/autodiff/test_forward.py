"""Forward: values, IEEE results at the edges, and errors of operations with their place."""

import math

import numpy as np
import pytest

from gradtool.autodiff import forward, make_plan
from gradtool.language import SourceError, parse


def value(text, **inputs):
    graph = parse(text)
    plan = make_plan(graph, inputs)
    return forward(plan, inputs)[graph.output]


@pytest.mark.parametrize(
    ("text", "inputs", "expected"),
    [
        ("(x+y)*max(y,z)", {"x": 1.0, "y": 2.0, "z": 0.0}, 6.0),
        ("-x^2", {"x": 3.0}, -9.0),
        ("2^3^2", {}, 512.0),
        ("9**9**9", {}, math.inf),
        ("1/x", {"x": 0.0}, math.inf),
        ("-1/x", {"x": 0.0}, -math.inf),
        ("exp(x)", {"x": 1000.0}, math.inf),
        ("log(x)", {"x": 0.0}, -math.inf),
    ],
)
def test_scalar_values(text, inputs, expected):
    found = value(text, **inputs)
    assert isinstance(found, float)
    assert found == expected


@pytest.mark.parametrize("text", ["log(x)", "sqrt(x)", "x^0.5", "acosh(x)", "asin(x-1)", "0*x/0"])
def test_undefined_is_nan(text):
    assert math.isnan(value(text, x=-1.0))


def test_scalar_and_array_runs_agree():
    text = "y = tanh(x)*exp(-x^2) + max(x, 0.3) - sqrt(x); y / (1 + sigmoid(y))"
    xs = np.linspace(0.1, 3.0, 30)
    together = value(text, x=xs)
    assert together == pytest.approx([value(text, x=float(x)) for x in xs], rel=1e-15)


def test_float32_stays_single():
    graph = parse("exp(x)*2.5 + mean(x)")
    inputs = {"x": np.array([0.1, 0.2])}
    values = forward(make_plan(graph, inputs, dtype="float32"), inputs)
    assert {v.dtype for v in values} == {np.dtype("float32")}


def test_a_label_out_of_range_is_an_error_with_its_place():
    with pytest.raises(SourceError, match="cross_entropy") as caught:
        value("cross_entropy(z, y)", z=np.ones((2, 3)), y=np.array([0.0, 3.0]))
    assert "^" in str(caught.value)


def test_depth_is_no_limit():
    depth = 20_000
    assert value("x" + "+x" * (depth - 1), x=1.0) == depth
    assert value("sin(" * depth + "x" + ")" * depth, x=0.0) == 0.0
