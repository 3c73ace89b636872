"""Gradient accumulation: weighted micro-batches give the batch of a mean, unweighted ones that of a sum."""

import numpy as np
import pytest

from gradtool.autodiff import accumulate, backward, forward, make_plan
from gradtool.language import SourceError, parse

RNG = np.random.default_rng(8)
INPUTS = {"X": RNG.normal(size=(6, 3)), "Y": RNG.normal(size=(6, 2)), "W": RNG.normal(size=(3, 2))}
AXES = {"X": 0, "Y": 0}
NAMES = ("X", "W")


def whole(program):
    plan = make_plan(parse(program), INPUTS, wrt=NAMES)
    gradients = backward(plan, forward(plan, INPUTS))
    return {name: gradients.of(name) for name in NAMES}


@pytest.mark.parametrize("sizes", [(6,), (3, 3), (1, 5), (2, 1, 3), (1,) * 6], ids=str)
def test_a_mean_needs_the_weights(sizes):
    program = "mean((tanh(X@W) - Y)^2)"
    weighted, unweighted = accumulate(parse(program), INPUTS, AXES, sizes, NAMES)
    for name, gradient in whole(program).items():
        assert weighted[name] == pytest.approx(gradient, rel=1e-13, abs=1e-16)
        if len(sizes) > 1:
            assert np.linalg.norm(unweighted[name] - gradient) > 0.1 * np.linalg.norm(gradient)


@pytest.mark.parametrize("sizes", [(3, 3), (1, 5)], ids=str)
def test_a_sum_needs_none(sizes):
    program = "sum((tanh(X@W) - Y)^2)"
    weighted, unweighted = accumulate(parse(program), INPUTS, AXES, sizes, NAMES)
    for name, gradient in whole(program).items():
        assert unweighted[name] == pytest.approx(gradient, rel=1e-13, abs=1e-16)
        assert np.linalg.norm(weighted[name] - gradient) > 0.1 * np.linalg.norm(gradient)


def test_another_axis():
    program = "mean((X.T@W.T - Y)^2)"
    inputs = {"X": RNG.normal(size=(3, 4)), "Y": RNG.normal(size=(4, 2)), "W": RNG.normal(size=(2, 3))}
    plan = make_plan(parse(program), inputs, wrt=("W",))
    expected = backward(plan, forward(plan, inputs)).of("W")
    weighted, _ = accumulate(parse(program), inputs, {"X": 1, "Y": 0}, (1, 3), ("W",))
    assert weighted["W"] == pytest.approx(expected, rel=1e-13)


def test_a_part_that_does_not_fit_says_where():
    with pytest.raises(SourceError, match="shapes"):
        accumulate(parse("mean((X@W - Y)^2)"), INPUTS, {"X": 0}, (2, 4), ("W",))
