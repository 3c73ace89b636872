"""Attention: PyTorch's meaning, masked keys, scores beyond the range of float64."""

import numpy as np
import pytest


def test_cases(check_cases):
    check_cases("attention")


def test_by_hand(at):
    """Equal scores average the values."""
    point = at("attention", [[0.0, 0.0]], [[1.0, 2.0], [3.0, 4.0]], [[1.0], [5.0]])
    assert point.out().tolist() == [[3.0]]
    np.testing.assert_allclose(point.vjp(0), 0.25 * (5 - 1) * np.array([[2.0, 2.0]]) / np.sqrt(2), rtol=1e-15)
    assert point.vjp(1).tolist() == [[0, 0], [0, 0]]
    assert point.vjp(2).tolist() == [[0.5], [0.5]]


def test_a_causal_query_sees_no_later_key(at):
    rng = np.random.default_rng(0)
    q, k, v = rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), rng.normal(size=(4, 2))
    point = at("attention", q, k, v, causal=True)
    np.testing.assert_array_equal(point.out()[0], v[0])
    np.testing.assert_allclose(point.out()[:2], at("attention", q[:2], k[:2], v[:2], causal=True).out(), rtol=1e-14)
    first = np.zeros((4, 2))
    first[1] = 1.0
    assert not point.vjp(2, first)[2:].any()
    assert not point.vjp(1, first)[2:].any()
    assert not point.vjp(0, first)[[0, 2, 3]].any()


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    ("q", "k"),
    [
        ([[1e200, 0.0]], [[1e200, 0.0], [-1e200, 1.0], [1e199, 1.0]]),  # one score is inf
        ([[-1e200, 0.0]], [[1e200, 0.0], [2e200, 1.0], [3e200, 1.0]]),  # all are -inf
        ([[1e200, 1e200]], [[1e200, -1e200], [-2e200, 1e200], [-3e200, 1.0]]),  # inf - inf
        ([[1e200, 0.0]], [[2e200, 0.0], [3e200, 1.0], [4e200, 1.0]]),  # all are inf
        ([[30.0, 5.0]], [[25.0, 1.0], [-20.0, 1.0], [24.0, 1.0]]),
    ],
)
def test_large_scores(q, k, causal, at):
    v = [[1.0, 2.0], [3.0, 5.0], [-7.0, 11.0]]
    point = at("attention", q, k, v, causal=causal)
    assert point.worst([[1.0, -2.0]], positions=[2]) < 1e-12
    for i in (0, 1):
        assert np.isfinite(point.vjp(i)).all()


def test_leading_axes_broadcast(at):
    rng = np.random.default_rng(1)
    q, k, v = rng.normal(size=(3, 2)), rng.normal(size=(4, 5, 2)), rng.normal(size=(6, 1, 5, 3))
    point = at("attention", q, k, v)
    assert point.out().shape == (6, 4, 3, 3)
    np.testing.assert_allclose(point.out()[2, 1], at("attention", q, k[1], v[2, 0]).out(), rtol=1e-13)
    assert [point.vjp(i).shape for i in range(3)] == [q.shape, k.shape, v.shape]


@pytest.mark.parametrize("causal", [False, True])
def test_as_pytorch(causal, at):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    arrays = [rng.normal(size=shape) for shape in ((2, 3, 4, 5), (2, 3, 6, 5), (2, 3, 6, 7))]
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    expected = torch.nn.functional.scaled_dot_product_attention(*tensors, is_causal=causal)
    point = at("attention", *arrays, causal=causal)
    np.testing.assert_allclose(point.out(), expected.detach().numpy(), rtol=1e-12, atol=1e-12)
    upstream = rng.normal(size=point.out().shape)
    expected.backward(torch.tensor(upstream))
    for i, tensor in enumerate(tensors):
        np.testing.assert_allclose(point.vjp(i, upstream), tensor.grad.numpy(), rtol=1e-12, atol=1e-12)


def test_refusals(refuses):
    assert "k has shape (3,)" in refuses("attention", (2, 3), (3,), (3, 2))
    assert "shapes (2, 3) and (4, 5) of q and k do not fit: they have 3 and 5 entries of a row" in refuses(
        "attention", (2, 3), (4, 5), (4, 2)
    )
    assert "of k and v do not fit: they have 4 and 5 rows" in refuses("attention", (2, 3), (4, 3), (5, 2))
    assert "rows with entries" in refuses("attention", (2, 0), (4, 0), (4, 2))
    assert "leading axes do not broadcast" in refuses("attention", (2, 2, 3), (3, 4, 3), (4, 2))
