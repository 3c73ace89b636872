"""GT101 is found exactly on a kink, says which values are valid, and is a warning only where the gradient depends on it."""

import numpy as np
import pytest


@pytest.mark.parametrize(
    ("program", "inputs", "words"),
    [
        ("relu(x)", {"x": 0.0}, ["relu(x)", "0 is used", "[0, 1]"]),
        ("abs(x)", {"x": 0.0}, ["[-1, 1]"]),
        ("max(x, y)", {"x": 2.0, "y": 2.0}, ["max(x,y)", "1/k"]),
        ("(x > 1)*x", {"x": 1.0}, ["x>1", "no value is valid"]),
        ("floor(x)*x", {"x": 3.0}, ["floor(x)"]),
        ("sum(clip(x, 0, 1))", {"x": np.array([0.5, 1.0, 1.0])}, ["at 2 of 3 entries"]),
    ],
)
def test_on_a_kink(findings, program, inputs, words):
    (found,) = findings("GT101", program, **inputs)
    assert found.severity == "warning"
    for word in words:
        assert word in found.message


@pytest.mark.parametrize(
    ("program", "inputs"),
    [("relu(x)", {"x": 1e-300}), ("max(x, y)", {"x": 2.0, "y": np.nextafter(2.0, 3.0)}), ("floor(x)", {"x": 2.5})],
)
def test_beside_a_kink(findings, program, inputs):
    assert findings("GT101", program, **inputs) == []


@pytest.mark.parametrize(("program", "inputs"), [("relu(x)^2", {"x": 0.0}), ("max(x, x)", {"x": 1.0})])
def test_a_kink_that_makes_no_difference_is_information(findings, program, inputs):
    (found,) = findings("GT101", program, **inputs)
    assert found.severity == "info"
