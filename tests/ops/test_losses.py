"""Losses: PyTorch's meaning, accuracy of confident predictions, labels, kinks."""

import numpy as np
import pytest

from gradtool.ops import OperationError

NAMES = [
    "mse", "mae", "huber", "smooth_l1", "bce", "bce_with_logits", "kl_div", "hinge", "cross_entropy", "nll",
    "cosine_similarity",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_cases(name, check_cases):
    check_cases(name)


@pytest.mark.parametrize("z", [-800.0, -700.123, -40.0, -1e-9, 0.0, 1e-12, 40.0, 700.5, 800.0])
@pytest.mark.parametrize("y", [0.0, 1.0, 0.3])
def test_logits(z, y, at):
    assert at("bce_with_logits", [z], [y]).worst() < 1e-14


@pytest.mark.parametrize("p", [1e-300, 1e-10, 0.3, 0.5, 0.5000001, 1 - 1e-10])
@pytest.mark.parametrize("y", [0.0, 1.0, 0.25, 1 - 1e-16])
def test_probabilities(p, y, at):
    assert at("bce", [p], [y]).worst() < 1e-14


def test_probabilities_that_are_certain(at):
    point = at("bce", [0.0, 1.0], [0.0, 1.0], reduction="sum")
    assert point.out() == 0
    assert point.vjp(0).tolist() == [1, -1]


@pytest.mark.parametrize(
    ("z", "y"),
    [
        ([800.0, 0.0, -5.0], 1.0),
        ([40.0, 0.0, -5.0], 0.0),
        ([40.0, 0.0, -5.0], 2.0),
        ([600.0, 0.0, 2.0], 0.0),
        ([[800.0, 0.1, -5.0], [3.0, 2.0, 700.5]], [1.0, 2.0]),
        ([800.0, 0.0, -5.0], [0.2, 0.3, 0.5]),
        ([30.0, 0.0, -5.0], [1.0, 0.0, 0.0]),
        ([50.0, 0.0, -5.0], [0.999, 0.001, 0.0]),
        ([50.0, 0.0, -5.0], [2.0, 0.5, 0.0]),
    ],
)
def test_saturated_cross_entropy(z, y, at):
    assert at("cross_entropy", z, y).worst() < 1e-14


def test_cross_entropy_as_pytorch(at):
    """Figures of torch.nn.functional.cross_entropy in float64."""
    z = [[1.0, 2.0, 3.0], [1.0, 0.0, -1.0]]
    expected = np.array([2.4076059644443806, 1.4076059644443804])
    np.testing.assert_allclose(at("cross_entropy", z, [0.0, 1.0], reduction="none").out(), expected, rtol=1e-15)
    np.testing.assert_allclose(at("cross_entropy", z, [0.0, 1.0]).out(), expected.mean(), rtol=1e-15)
    one_hot = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    np.testing.assert_allclose(at("cross_entropy", z, one_hot).out(), expected.mean(), rtol=1e-15)
    # Classes on axis 1, the mean over samples and places.
    scores = np.random.default_rng(0).standard_normal((2, 3, 4))
    y = np.array([[0.0, 1, 2, 0], [2, 2, 1, 0]])
    logp = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    expected = -np.take_along_axis(logp, y.astype(int)[:, None], axis=1).mean()
    np.testing.assert_allclose(at("cross_entropy", scores, y).out(), expected, rtol=1e-14)
    np.testing.assert_allclose(at("nll", logp, y).out(), expected, rtol=1e-14)


def test_labels_are_frozen_and_probabilities_are_not(at):
    assert at("cross_entropy", np.ones((2, 3)), [0.0, 1.0]).settled.frozen == (1,)
    assert at("cross_entropy", np.ones((2, 3)), np.ones((2, 3))).settled.frozen == ()
    assert at("cross_entropy", np.ones(3), 1.0).settled.frozen == (1,)
    assert at("nll", np.ones((2, 3)), [0.0, 1.0]).settled.frozen == (1,)


@pytest.mark.parametrize("label", [3.0, -1.0, 0.5, np.nan, -100.0])
def test_wrong_labels(label, at):
    for name in ("cross_entropy", "nll"):
        with pytest.raises(OperationError, match="not one of the 3 classes"):
            at(name, np.ones((2, 3)), [0.0, label]).out()


def test_impossible_but_irrelevant_class(at):
    inf = np.inf
    assert at("cross_entropy", [-inf, 0.0, 0.0], [0.0, 0.5, 0.5]).out() == np.log(2)
    assert at("nll", [-inf, -1.0], 1.0).out() == 1.0
    assert at("nll", [-inf, -1.0], 1.0).vjp(0).tolist() == [0, -1]


def test_kl_div(at):
    for p, q in [([0.3, 0.7], [0.3000001, 0.6999999]), ([1e-300, 0.3], [1e-5, 0.9])]:
        assert at("kl_div", p, q).worst(value=False) < 1e-13
    point = at("kl_div", [0.0, 1.0], [0.5, 0.5])
    assert point.out() == np.log(2)
    assert point.vjp(1).tolist() == [0, -2]
    assert at("kl_div", [0.0], [0.0]).out() == 0
    np.testing.assert_allclose(at("kl_div", [1e300], [1e-300]).vjp(0), 600 * np.log(10) + 1, rtol=1e-15)


def test_mae_tie(at, check_kink):
    valid = lambda a, b: abs(a[0]) <= 0.5 and a[0] == -b[0] and a[1] == 0.5
    check_kink(at("mae", [1.0, 2.0], [1.0, 1.0]), 0, [[0, 0.5], [0, -0.5]], valid)


def test_hinge_at_the_margin(at, check_kink):
    valid = lambda s, y: 0 <= s[0] <= 0.5 and s[0] == y[0] and s[1] == -0.5
    check_kink(at("hinge", [-1.0, 0.0], [-1.0, 1.0]), 0, [[0, -0.5], [0, 0]], valid)


def test_huber_changes_formula_smoothly(at):
    for name, d in [("huber", 1.0), ("smooth_l1", 1.0)]:
        inside, outside = (at(name, [d * s], [0.0]) for s in (1 - 1e-9, 1 + 1e-9))
        np.testing.assert_allclose(inside.vjp(0), outside.vjp(0), rtol=1e-8)
        piece = inside.operation.piece
        pieces = [piece(*p.arguments, **p.settled.parameters) for p in (inside, outside)]
        assert (pieces[0] != pieces[1]).all()
        at_corner = [k for k in inside.operation.kinks if k.tied(*inside.arguments, **inside.settled.parameters).any()]
        assert not at_corner
    assert at("huber", [5.0], [0.0], 2.0).out() == 2 * (5 - 1)
    assert at("smooth_l1", [5.0], [0.0], 2.0).out() == 4


def test_smooth_l1_without_a_smooth_part(at, check_kink):
    valid = lambda x, y, beta: abs(x[0]) <= 0.5 and x[0] == -y[0] and x[1] == -0.5
    check_kink(at("smooth_l1", [1.0, 2.0], [1.0, 3.0], 0.0), 0, [[0, -0.5], [0, 0.5]], valid)


@pytest.mark.parametrize("y", [0.5, 0.5 + 1e-12, 0.0, 1.0])
def test_logits_near_zero(at, y):
    """The labels are exact; so is then the gradient: z/4 for a label of 1/2."""
    for z in (1e-300, -1e-16, 1e-8, 0.999, -1.001):
        assert at("bce_with_logits", [z], [y]).worst(positions=[0], value=False) < 1e-15


def test_cosine_similarity(at):
    # The large length divides, so that one gradient is tiny and the other huge.
    assert at("cosine_similarity", [1e200, 2e200], [3e-200, -1e-200]).worst() < 1e-14
    assert at("cosine_similarity", [1.0, 2, 3], [1.0, 2, 3.0000001]).worst() < 1e-14
    for b in ([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [-1.0, -2.0, -3.0]):
        assert at("cosine_similarity", [1.0, 2.0, 3.0], b).vjp(0).tolist() == [0, 0, 0]
    assert at("cosine_similarity", [2.0], [3.0, 4.0, 5.0]).vjp(0).tolist() == [0]
    rng = np.random.default_rng(4)
    a, c = rng.standard_normal(200), rng.standard_normal(200)
    u, v = a / np.linalg.norm(a), c / np.linalg.norm(c)
    np.testing.assert_allclose(
        at("cosine_similarity", a, c).vjp(0), (v - (u @ v) * u) / np.linalg.norm(a), rtol=1e-11, atol=1e-15
    )


def test_cosine_similarity_of_the_zero_vector(at):
    point = at("cosine_similarity", [[0.0, 0.0], [1.0, 0.0]], [1.0, 2.0])
    assert point.out()[0] == 0
    assert point.vjp(0)[0].tolist() == [0, 0]
    assert np.isfinite(point.vjp(1)).all()
    (kink,) = point.operation.kinks
    assert kink.tied(*point.arguments, **point.settled.parameters).tolist() == [True, False]
    assert kink.choose is None


def test_refusals(refuses):
    message = refuses("cross_entropy", (4, 3), (3,))
    assert "shapes (4, 3) and (3,) do not fit" in message
    assert "(4,) (class indices) or (4, 3) (probabilities)" in message
    assert "probabilities" not in refuses("nll", (4, 3), (4, 3))
    assert "scalar" in refuses("cross_entropy", (), ())
    assert "shapes (2,) and (3,) do not broadcast" in refuses("mse", (2,), (3,))
    assert "no entries" in refuses("mse", (0,), (0,))
    assert "out of range" in refuses("cosine_similarity", (3,), (3,), axis=1)


@pytest.mark.parametrize("z", [0.0021, -0.7, 5.0, -40.0])
@pytest.mark.parametrize("y", [1318.6, -20.0, 1 + 1e-10, 1e6])
def test_logits_with_labels_that_are_no_probabilities(z, y, at):
    assert at("bce_with_logits", [z], [y]).worst() < 1e-14
