"""GT105: units that pass no gradient for any sample; not those that are off by chance, nor leaky ones."""

import numpy as np
import pytest

X = np.random.default_rng(1).standard_normal((32, 3))
W = np.random.default_rng(2).standard_normal((3, 4))
BIAS = np.array([0.0, 0.0, -20.0, 0.5])


@pytest.mark.parametrize(
    "unit",
    [
        "relu(z)", "max(z, 0)", "max(0, z)", "clip(z, 0)", "where(z > 0, z, 0)", "where(z < 0, 0, z)", "z*(z > 0)",
        "gelu(z)", "elu(9*z)", "softplus(9*z)",
    ],
)  # fmt: skip
def test_one_unit_of_four(findings, unit):
    (found,) = findings("GT105", f"z = X@w + b; sum({unit})", X=X, w=W, b=BIAS)
    assert found.severity == "warning"
    assert "1 of 4 units are dead" in found.message
    assert "for all 32 samples" in found.message
    assert found.message.endswith("(2)")


def test_samples_lie_where_the_bias_is_broadcast(findings):
    (found,) = findings("GT105", "sum(relu(w@X + b))", X=X.T, w=W.T, b=BIAS[:, None])
    assert "1 of 4 units are dead" in found.message


def test_samples_lie_where_the_weights_are_not(findings):
    w2 = np.vstack([np.ones(4), -np.ones(4)])
    (found,) = findings("GT105", "h = exp(w@X); sum(relu(w2@h))", X=X.T, w=W.T, w2=w2)
    assert "1 of 2 units are dead" in found.message
    (found,) = findings("GT105", "h = exp(X@w); sum(relu(h@w2))", X=X, w=W, w2=w2.T)
    assert "1 of 2 units are dead" in found.message


def test_a_sequence_has_its_features_last(findings):
    x = np.abs(np.random.default_rng(0).standard_normal((4, 8, 3)))
    (found,) = findings("GT105", "sum(relu(x*[1,-1,1]))", x=x)
    assert "1 of 3 units are dead, their slope is 0 for all 32 samples" in found.message


def test_all_of_a_small_layer_is_information(findings):
    (found,) = findings("GT105", "sum(relu(x))", x=-np.arange(1.0, 5.0))
    assert found.severity == "info"
    assert "4 of 4 units are dead, their slope is 0 for this one sample" in found.message


@pytest.mark.parametrize(
    ("program", "inputs"),
    [
        ("relu(x)", {"x": -1.0}),
        ("sum(relu(x))", {"x": np.array([-1.0, 2.0, -3.0])}),
        ("sum(relu(X@w + b))", {"X": X[:8], "w": W, "b": BIAS}),  # Too few samples to tell.
        ("sum(relu(X@w))", {"X": X, "w": W}),
        ("sum(leaky_relu(X - 10))", {"X": X}),
        ("sum(where(m > 0, X, 0))", {"X": X, "m": -np.ones((32, 3))}),  # A mask that is no comparison with X.
        ("sum(max(X, Y))", {"X": X, "Y": X + 1}),  # Both are units.
        ("sum(relu(x))", {"x": np.full(20, np.nan)}),
        ("sum(relu(x)*w)", {"x": np.zeros((20, 2)), "w": np.ones((20, 2))}),  # At the kink: that is GT101.
        ("sum(softplus(X))", {"X": X}),
    ],
)
def test_no_finding(findings, program, inputs):
    assert findings("GT105", program, **inputs) == []


def test_one_sample_that_is_not_finite_does_not_make_a_unit_dead(findings):
    broken = X.copy()
    broken[0, 0] = -np.inf
    assert all("3 of 4" not in d.message for d in findings("GT105", "sum(relu(X@w + b))", X=broken, w=W, b=BIAS))


def test_the_thresholds_can_be_moved(findings):
    few = {"X": X[:8], "w": W, "b": BIAS}
    assert findings("GT105", "sum(relu(X@w + b))", thresholds={"GT105": {"samples": 4}}, **few)
    assert findings("GT105", "sum(gelu(x))", x=np.array([-5.0, -5.0])) == []
    assert findings("GT105", "sum(gelu(x))", thresholds={"GT105": {"slope": 1e-3}}, x=np.array([-5.0, -5.0]))
