"""GT102 names the node where the first non-finite number is made, not those that inherit it."""

import math

import pytest


@pytest.mark.parametrize(
    ("program", "inputs", "node_text"),
    [
        ("y = exp(x); log(1 + y)", {"x": 1000.0}, "exp(x)"),
        ("log(x - 3) + 1", {"x": 2.0}, "log(x-3)"),
        ("x / (y - y)", {"x": 2.0, "y": 1.0}, "x/(y-y)"),
        ("x * 9**9**9", {"x": 1.0}, "9"),
    ],
)
def test_the_first_value(findings, program, inputs, node_text):
    (found,) = findings("GT102", program, **inputs)
    assert node_text in found.message
    assert found.severity == "error"


def test_an_input_is_said_to_be_given_so(findings):
    (found,) = findings("GT102", "x + 1", x=math.inf)
    assert "given as inf" in found.message


def test_an_infinite_derivative_at_finite_values(findings):
    (found,) = findings("GT102", "sqrt(x)", x=0.0)
    assert "the gradient is not finite" in found.message
    assert "sqrt(x)" in found.message


@pytest.mark.parametrize(("program", "x"), [("exp(x)", 700.0), ("sqrt(x)", 1e-300), ("log1p(exp(-x))", 700.0)])
def test_large_but_finite(findings, program, x):
    assert findings("GT102", program, x=x) == []
