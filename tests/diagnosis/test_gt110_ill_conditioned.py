"""GT110 measures how a node enlarges relative errors; what was lost already is GT106's."""

import numpy as np
import pytest

import gradtool

HILBERT = np.array([[1.0 / (i + j + 1) for j in range(8)] for i in range(8)])


@pytest.mark.parametrize(
    ("program", "inputs", "condition", "digits"),
    [
        ("sin(x)", {"x": 1e10}, 1.8e10, 10),
        ("sin(x)", {"x": np.pi}, 2.6e16, 16),
        ("log(x)", {"x": 1 + 1e-10}, 1e10, 10),
        ("x^y", {"x": 1.0, "y": 1e9}, 1e9, 9),
        ("sum(sin(x))", {"x": np.array([1e10, 1e10])}, 1.8e10, 10),
        ("det(A)", {"A": HILBERT}, 1.2e10, 10),
        ("sum(inv(A))", {"A": HILBERT}, 1.2e10, 10),
        ("sum(solve(A, b))", {"A": HILBERT, "b": np.ones(8)}, 1.2e10, 10),
        ("sum(cholesky(A))", {"A": np.array([[1.0, 1.0], [1.0, 1 + 1e-9]])}, 4e9, 10),
        ("sum(inv(A))", {"A": np.stack([np.eye(8), HILBERT])}, 1.2e10, 10),
    ],
)
def test_ill_conditioned(findings, program, inputs, condition, digits):
    (found,) = findings("GT110", program, **inputs)
    assert found.severity == "warning"
    number = float(found.message.split("condition number ")[1].split(")")[0])
    assert number == pytest.approx(condition, rel=0.1)
    assert f"costs {digits} of the argument's 16 digits" in found.message


@pytest.mark.parametrize(
    ("program", "inputs"),
    [
        ("sin(x)", {"x": 10.0}),
        ("sin(x)", {"x": 0.0}),
        ("log(x)", {"x": 1.0}),  # Exactly 0: meant.
        ("sum(log(x))", {"x": np.array([1 + 1e-10, 3.0])}),  # Small beside what is large.
        ("x - y", {"x": 1 + 1e-10, "y": 1.0}),  # GT106's, if anything was lost.
        ("x/y", {"x": 1e-300, "y": 1e300}),
        ("sum(inv(A))", {"A": np.diag([1.0, 1e-10])}),  # A row's scale is no condition.
        ("det(A)", {"A": np.array([[1.0, 2.0], [2.0, 4.0]])}),
        ("sin(x)", {"x": np.inf}),
        ("sum(log(x))", {"x": np.array([np.nan, 3.0])}),
        ("sum(inv(A))", {"A": np.full((2, 2), np.nan)}),
        ("sin(1e10)*x", {"x": 1.0}),  # No input in it.
    ],
)
def test_well_conditioned(findings, program, inputs):
    assert findings("GT110", program, **inputs) == []


@pytest.mark.parametrize(("program", "inputs"), [("(1 + 1/n)^n", {"n": 1e9}), ("log(1 + x)", {"x": 1e-10})])
def test_what_gt106_says_is_not_said_twice(findings, program, inputs):
    assert findings("GT106", program, **inputs)
    assert findings("GT110", program, **inputs) == []


def test_single_precision_has_half_of_fewer_digits():
    def codes(x):
        found = gradtool.evaluate(gradtool.parse("sin(x)"), {"x": x}, dtype="float32")
        return [d.code for d in found.diagnostics]

    assert "GT110" in codes(1e5)
    assert "GT110" not in codes(100.0)


def test_the_threshold_can_be_moved(findings):
    assert findings("GT110", "sin(x)", thresholds={"GT110": {"condition": 100.0}}, x=1000.0)
