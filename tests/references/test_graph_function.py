"""A graph around a point: many points at once, and how noisy its output is."""

from fractions import Fraction

import numpy as np
import pytest

from gradtool.autodiff import forward, make_plan
from gradtool.language import parse
from gradtool.references import GraphFunction, numeric_gradient


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


class TestEntrywise:
    def test_many_entries_that_reach_little_are_looked_at_alone(self):
        x = np.linspace(0.1, 1, 40)
        assert function("sum(sin(x)^2)", x=x).entrywise("x") is not None
        assert function("sum(sin(x)^2)", x=x[:5]).entrywise("x") is None
        assert function("sum(softmax(x) * exp(x))", x=x).entrywise("x") is None

    @pytest.mark.parametrize(
        ("text", "upstream"),
        [
            ("sum(100*(x[1:] - x[:-1]^2)^2 + (1 - x[:-1])^2)", 1.0),
            ("tanh(W @ x) * 3", "random"),
            ("sum((V @ tanh(W @ x))^2)", 1.0),
            ("sum(relu(x) * sin(x)) + max(W)", 1.0),
        ],
    )
    def test_numeric_gradients_are_those_of_whole_passes(self, monkeypatch, text, upstream):
        rng = np.random.default_rng(8)
        shapes = {"x": (40,), "W": (6, 40), "V": (4, 6)}
        inputs = {name: rng.normal(size=shape) for name, shape in shapes.items() if name in text}
        made = function(text, **inputs)
        weights = rng.normal(size=made.base().shape) if upstream == "random" else upstream
        found = numeric_gradient(made, inputs, weights)
        monkeypatch.setattr(GraphFunction, "entrywise", lambda self, name: None)
        for name, whole in numeric_gradient(function(text, **inputs), inputs, weights).items():
            one = found[name]
            assert (np.abs(one.value - whole.value) <= one.error + whole.error).all()
            assert (one.kink == whole.kink).all()
            assert (one.error <= 3 * whole.error + 1e-12).all()

    def test_roundings_that_no_difference_shows_are_in_the_error(self):
        """Where a sum that cancels is squared, the slope is twice what is left of it: rounding, by and large."""
        rng = np.random.default_rng(0)
        x, w = rng.uniform(0.5, 1, (2, 300))
        exact = sum(Fraction(a) * Fraction(b) for a, b in zip(x, w, strict=True))
        for off in (1e-9, 1e-6, 1e-3):
            c = float(exact) + off
            inputs = {"x": x, "w": w, "c": c}
            found = numeric_gradient(function("(sum(x*w) - c)^2", **inputs), inputs, wrt=["x"])["x"]
            truth = np.array([float(2 * (exact - Fraction(c)) * Fraction(b)) for b in w])
            assert (np.abs(found.value - truth) <= found.error).all()
            assert (found.error < 0.1 * np.abs(truth)).all()

    def test_an_upstream_gradient_that_ignores_an_infinity(self):
        x = np.concatenate(([0.0], np.linspace(0.5, 1, 40)))
        upstream = np.concatenate(([0.0], np.ones(40)))
        found = numeric_gradient(function("1/x", x=x), {"x": x}, upstream)["x"]
        assert found.value == pytest.approx(np.concatenate(([0.0], -1 / x[1:] ** 2)), rel=1e-9)
