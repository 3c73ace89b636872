"""GT107: what is flat at both ends and driven there; not one-sided operations, nor entries that nothing depends on."""

import numpy as np
import pytest

A = np.array


@pytest.mark.parametrize(
    ("program", "inputs", "words"),
    [
        ("sigmoid(x)", {"x": 20.0}, ["sigmoid(x) is saturated: its slope is 8e-09 of the steepest"]),
        ("tanh(w*x)", {"w": 3.0, "x": -4.0}, ["tanh(w*x) is saturated"]),
        ("sum(sigmoid(30*x))", {"x": A([-1.0, 0.7, 2.0])}, ["at 3 of 3 entries", "at most"]),
        ("sum(erf(x))", {"x": A([5.0, 5.0, 0.1])}, ["at 2 of 3 entries"]),
        ("sum(clip(x, 0, 1))", {"x": A([-1.0, 2.0, 3.0])}, ["at 3 of 3 entries: its slope is 0"]),
        ("sum(hardtanh(x))", {"x": A([-1.5, 2.0, 0.3])}, ["at 2 of 3 entries"]),
        ("sum(softmax(x)*[1,2,3])", {"x": A([100.0, 1.0, 2.0])}, ["softmax(x) is saturated: its slope"]),
        ("sum(softmax(x)*w)", {"x": A([[50.0, 0.0], [0.0, 50.0], [0.0, 0.1]]), "w": A([1.0, 2.0])}, ["at 2 of 3 rows"]),
        ("sum(softmax(x, axis=0)*w)", {"x": A([[50.0, 0.0], [0.0, 50.0]]), "w": A([1.0, 2.0])}, ["at 2 of 2 rows"]),
        ("sum(atan2(x, 1)*w)", {"x": A([1e4, 1e4]), "w": A([1.0, 2.0])}, ["at 2 of 2 entries"]),
    ],
)  # fmt: skip
def test_saturated(findings, program, inputs, words):
    (found,) = findings("GT107", program, **inputs)
    assert found.severity == "warning"
    for word in words:
        assert word in found.message


@pytest.mark.parametrize(
    ("program", "inputs"),
    [
        ("sigmoid(x)", {"x": 9.0}),
        ("tanh(x)", {"x": 4.0}),
        ("relu(x)", {"x": -4.0}),
        ("softplus(x)", {"x": -40.0}),
        ("exp(x)", {"x": -40.0}),
        ("sin(x)", {"x": np.pi / 2}),
        ("sum(sigmoid(x))", {"x": A([20.0, 0.0])}),  # Half is no large share.
        ("sum(softmax(x)*w)", {"x": A([[50.0, 0.0], [0.0, 0.0]]), "w": A([1.0, 2.0])}),
        ("sum(softmax(x)*w)", {"x": A([[1.0], [2.0]]), "w": A([1.0])}),  # One entry is 1 by design.
        ("sum(softmax(x)*w)", {"x": A([[1.0, -np.inf], [2.0, -np.inf]]), "w": A([1.0, 2.0])}),  # And under a mask.
        ("sum(sigmoid(x)*m)", {"x": A([20.0, 20.0, 0.0]), "m": A([0.0, 0.0, 1.0])}),  # Nothing depends on these.
        ("sigmoid(x)", {"x": np.inf}),
        ("sigmoid(x)", {"x": np.nan}),
        ("sum(sigmoid(x))", {"x": A([np.nan, np.nan, 0.0])}),
        ("floor(x)*y", {"x": 1.5, "y": 1.0}),
    ],
)
def test_not_saturated(findings, program, inputs):
    assert findings("GT107", program, **inputs) == []


def test_twenty_layers_that_vanish_are_not_saturated(findings):
    assert findings("GT107", "\n".join(["h = sigmoid(w*h)"] * 20), w=0.5, h=1.0) == []


def test_the_thresholds_can_be_moved(findings):
    assert findings("GT107", "sigmoid(x)", thresholds={"GT107": {"slope": 1e-2}}, x=9.0)
    x = A([20.0, 0.0])
    assert findings("GT107", "sum(sigmoid(x))", thresholds={"GT107": {"share": 0.4}}, x=x)
