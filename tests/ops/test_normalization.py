"""Normalisation: large offsets, extreme scales, rows of two entries, constant rows."""

import numpy as np
import pytest


def test_cases(check_cases):
    check_cases("layer_norm")


@pytest.mark.parametrize(
    "x",
    [
        [1e9, 1e9 + 1, 1e9 + 3],
        [1e200, -1e200, 3e199],
        [1e-200, -1e-200, 3e-200],
        [100.0, -50.0],
        [1e4, -1e4],
        [100.0, -50.0, 3.0],
        [1.0, 1.0],
        [5.0],
        [1e8, 1.0, 2.0],
        [1.0, 1e150, 3e-150],
    ],
)
def test_extremes(x, at):
    assert at("layer_norm", x).worst(np.array([1.0, 2.0, -1.0])[: len(x)]) < 1e-13


def test_one_entry_far_from_the_others(at):
    """Next to nothing is left of the upstream: what is along the constants or the deviations has no effect. Exact
    arithmetic finds it in short rows."""
    assert at("layer_norm", [1e8, 1.0, 2.0], [2.0, 3.0, 5.0]).worst([1.0, 0.0, 0.0], positions=[0]) < 1e-15
    assert at("layer_norm", [3.0, -2e12, 7.0, 1.0]).worst([0.0, 1.0, 0.0, 0.0], positions=[0]) < 1e-15


def test_long_rows_are_as_short_ones(at):
    rng = np.random.default_rng(0)
    x, upstream = rng.standard_normal((1000, 4)), rng.standard_normal((1000, 4))
    together = at("layer_norm", x).vjp(0, upstream)
    alone = [at("layer_norm", row).vjp(0, up) for row, up in zip(x, upstream, strict=True)]
    np.testing.assert_allclose(together, alone, rtol=1e-12, atol=1e-14)


def test_without_eps(at):
    assert at("layer_norm", [1e-200, 3e-200, 1e-201], eps=0.0).worst([1.0, 2.0, -1.0]) < 1e-13


def test_weight_and_bias(at):
    rng = np.random.default_rng(0)
    x, weight, bias = rng.standard_normal((2, 4, 3)), rng.standard_normal(3), rng.standard_normal(3)
    point = at("layer_norm", x, weight, bias)
    normal = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(point.out(), normal * weight + bias, rtol=1e-13)
    np.testing.assert_allclose(point.vjp(1), normal.sum((0, 1)), rtol=1e-12, atol=1e-13)
    np.testing.assert_array_equal(point.vjp(2), [8, 8, 8])


def test_refusals(refuses):
    message = refuses("layer_norm", (4, 3), (4,), ())
    assert "shapes (4, 3) and (4,)" in message
    assert "weight" in message
    assert "bias" in refuses("layer_norm", (3,), (), (2, 3))
    assert "last axis" in refuses("layer_norm", (), (), ())
    assert "eps" in refuses("layer_norm", (3,), (), (), eps=-1.0)
