"""GT111: contributions that leave next to nothing of each other; not those that cancel to exactly 0, nor single ones."""

import numpy as np
import pytest

import gradtool

A = np.array


@pytest.mark.parametrize(
    ("program", "inputs", "digits"),
    [
        ("x^2 - x*y", {"x": 1.0, "y": 2 + 1e-10}, 11),
        ("exp(x) - exp(x*y)", {"x": 1.0, "y": 1 + 1e-12}, 12),
        ("a = x + 0; a^2 - a*y", {"x": 1.0, "y": 2 + 1e-10}, 11),
        ("sum(x^2 - x*y)", {"x": A([1.0, 1.0]), "y": A([2 + 1e-10, 2 + 1e-10])}, 11),
    ],
)
def test_cancelling(findings, program, inputs, digits):
    (found,) = findings("GT111", program, **inputs)
    assert found.severity == "warning"
    assert f"costs {digits} of 16 digits" in found.message


def test_the_worst_entry_is_named(findings):
    (found,) = findings("GT111", "sum(x^2 - x*y)", x=A([1.0, 1.0, 1.0]), y=A([0.5, 2 + 1e-9, 2 + 1e-11]))
    assert "at 2 of 3 entries, worst at 2:" in found.message
    assert found.severity == "info"  # The first entry is far larger than what is left.


@pytest.mark.parametrize(
    ("program", "inputs"),
    [
        ("x - x", {"x": 3.0}),
        ("sum(x - x)", {"x": A([3.0, 4.0])}),
        ("x^2 - x*y", {"x": 1.0, "y": 2 + 1e-6}),
        ("x*1e-12", {"x": 1.0}),  # One contribution, small.
        ("x^2 + x*y", {"x": 1e-9, "y": 1e-9}),
        ("x*y - x*z", {"x": np.inf, "y": 1.0, "z": 1.0}),
        ("sum(x*y - x*z)", {"x": A([1.0, 2.0]), "y": A([np.nan, 1.0]), "z": A([1.0, 3.0])}),
    ],
)
def test_no_finding(findings, program, inputs):
    assert findings("GT111", program, **inputs) == []


def test_single_precision_has_half_of_fewer_digits():
    result = gradtool.evaluate(gradtool.parse("x^2 - x*y"), {"x": 1.0, "y": 2.0001}, dtype="float32")
    assert "GT111" in [d.code for d in result.diagnostics]


def test_the_threshold_can_be_moved(findings):
    inputs = {"x": 1.0, "y": 2 + 1e-6}
    assert findings("GT111", "x^2 - x*y", thresholds={"GT111": {"ratio": 1e-5}}, **inputs)


def test_a_rest_of_roundings_inside_of_a_program_is_none(findings):
    program = "m = max(z, axis=1, keepdims=true); sum(m[:,0] + log(sum(exp(z - m), axis=1)))"
    scores = np.random.default_rng(0).normal(size=(40, 7))
    assert findings("GT111", program, z=scores) == []
    (found,) = findings("GT111", "0.1*x + 0.2*x - 0.3*x", x=1.0)  # At an input an optimizer would follow it.
    assert "costs 16 of 16 digits" in found.message
