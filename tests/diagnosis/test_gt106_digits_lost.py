"""GT106: digits that cancellation took, counted against the exact value, at the node that lost them."""

import numpy as np
import pytest


@pytest.mark.parametrize(
    ("program", "inputs", "node_text", "digits"),
    [
        ("(1 - cos(x)) / x^2", {"x": 1e-5}, "1-cos(x)", (5, 10)),
        ("exp(x) - 1", {"x": 1e-10}, "exp(x)-1", (8, 11)),
        ("(x + 1e8) - 1e8", {"x": 0.1}, "x+100000000-100000000", (6, 9)),
        ("x^2 - y^2", {"x": 1.0 + 1e-9, "y": 1.0}, "x^2-y^2", (6, 10)),
    ],
)
def test_cancellation(findings, program, inputs, node_text, digits):
    (found,) = findings("GT106", program, **inputs)
    lost = int(found.message.split(" digits")[0].split()[-1])
    assert digits[0] <= lost <= digits[1], found.message
    assert f"= {node_text} loses" in found.message


@pytest.mark.parametrize(
    ("program", "inputs"),
    [
        ("expm1(x)", {"x": 1e-10}),
        ("2*sin(x/2)^2 / x^2", {"x": 1e-5}),
        ("x - y", {"x": 1.0 + 1e-9, "y": 1.0}),
        ("sum(x)", {"x": np.array([1e16, 1.0, 2.0])}),
    ],
)
def test_no_digits_lost(findings, program, inputs):
    assert findings("GT106", program, **inputs) == []


def test_who_inherits_a_loss_is_not_listed(findings):
    found = findings("GT106", "a = exp(x) - 1; b = 3*a; b + 0", x=1e-10)
    assert len(found) == 1
    assert "a = exp(x)-1" in found[0].message
