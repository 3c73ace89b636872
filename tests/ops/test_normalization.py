"""Normalisation: large offsets, extreme scales, rows of two entries, constant rows."""

import numpy as np
import pytest


@pytest.mark.parametrize("name", ["layer_norm", "batch_norm"])
def test_cases(name, check_cases):
    check_cases(name)


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


# --- batch_norm ---


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 2), (2, 3, 4, 5)])
def test_each_channel_is_normalised_over_all_other_axes(shape, at):
    rng = np.random.default_rng(0)
    x, weight, bias = rng.normal(size=shape), rng.normal(size=3), rng.normal(size=3)
    point = at("batch_norm", x, weight, bias)
    axes = tuple(axis for axis in range(len(shape)) if axis != 1)
    channel = (3, *(1,) * (len(shape) - 2))
    normal = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5)
    np.testing.assert_allclose(point.out(), normal * weight.reshape(channel) + bias.reshape(channel), rtol=1e-12)
    np.testing.assert_allclose(point.vjp(1), normal.sum(axes), atol=1e-12)
    np.testing.assert_array_equal(point.vjp(2), [x.size / 3] * 3)
    upstream = rng.normal(size=shape)
    as_rows = at("layer_norm", np.moveaxis(x, 1, 0).reshape(3, -1), weight[:, None])
    found = np.moveaxis(
        as_rows.vjp(0, np.moveaxis(upstream, 1, 0).reshape(3, -1)).reshape(3, *np.delete(shape, 1)), 0, 1
    )
    np.testing.assert_allclose(point.vjp(0, upstream), found, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(
    "x", [[1e9, 1e9 + 1, 1e9 + 3], [1e200, -1e200, 3e199], [1e-200, -1e-200, 3e-200], [1e8, 1.0, 2.0]]
)
def test_extreme_channels(x, at):
    point = at("batch_norm", np.array([x, [1.0, 2.0, 4.0]]).T, [2.0, 3.0], [1.0, -1.0])
    assert point.worst([[1.0, 2.0], [2.0, -1.0], [-1.0, 0.5]], positions=[0, 1], value=False) < 1e-13


@pytest.mark.parametrize(("shape", "eps"), [((5, 3), 1e-5), ((4, 3, 6), 0.1), ((2, 3, 4, 5), 1e-5)])
def test_batch_norm_as_pytorch(shape, eps, at):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    arrays = [rng.normal(size=shape), rng.normal(size=3), rng.normal(size=3)]
    x, weight, bias = (torch.tensor(a, requires_grad=True) for a in arrays)
    expected = torch.nn.functional.batch_norm(x, None, None, weight, bias, training=True, eps=eps)
    point = at("batch_norm", *arrays, eps=eps)
    np.testing.assert_allclose(point.out(), expected.detach().numpy(), rtol=1e-12, atol=1e-12)
    upstream = rng.normal(size=shape)
    expected.backward(torch.tensor(upstream))
    for i, tensor in enumerate((x, weight, bias)):
        np.testing.assert_allclose(point.vjp(i, upstream), tensor.grad.numpy(), rtol=1e-12, atol=1e-12)


def test_refusals_of_batch_norm(refuses):
    assert "shape (N, C) or (N, C, ...), but x has shape (3,)" in refuses("batch_norm", (3,), (), ())
    assert "more than one value for each channel, but shape (1, 3) has 1" in refuses("batch_norm", (1, 3), (), ())
    assert "shape (0, 3) has none" in refuses("batch_norm", (0, 3), (), ())
    assert "the weight needs one entry for each of the 3 channels, shape (3,)" in refuses(
        "batch_norm", (4, 3), (4,), ()
    )
    assert "the bias needs one entry" in refuses("batch_norm", (4, 3), (3,), (1,))
    assert "eps must not be negative" in refuses("batch_norm", (4, 3), (), (), eps=-1.0)
