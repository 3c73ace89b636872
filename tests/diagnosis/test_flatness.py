"""Which operations are flat, and at how many ends, is read off the operations themselves."""

import numpy as np
import pytest

from gradtool.diagnosis.flatness import listed, profile


@pytest.mark.parametrize(
    ("name", "others", "ends", "steepest"),
    [
        ("relu", (), 1, 1.0), ("softplus", (), 1, 1.0), ("elu", (1.0,), 1, 1.0), ("max", (3.0,), 1, 1.0),
        ("clip", (0.0, np.inf), 1, 1.0),
        ("sigmoid", (), 2, 0.25), ("tanh", (), 2, 1.0), ("atan", (), 2, 1.0), ("erf", (), 2, 2 / np.sqrt(np.pi)),
        ("softsign", (), 2, 1.0), ("hardtanh", (-1.0, 1.0), 2, 1.0), ("clip", (1e5, 1e5 + 1), 2, 1.0),
        ("hardsigmoid", (), 2, 1 / 6),
        ("exp", (), 0, 0.0), ("reciprocal", (), 0, 0.0), ("floor", (), 0, 0.0), ("asinh", (), 0, 0.0), ("sin", (), 0, 0.0),
        ("leaky_relu", (0.01,), 0, 0.0), ("multiply", (0.0,), 0, 0.0), ("abs", (), 0, 0.0),
    ],
)  # fmt: skip
def test_profile(name, others, ends, steepest):
    assert profile(name, 0, others, ()) == (ends, pytest.approx(steepest))


def test_few_indices_are_listed():
    assert listed([(3,), (17,)]) == "3, 17"
    assert listed([(0, k) for k in range(7)], most=2) == "(0, 0), (0, 1) and 5 more"
