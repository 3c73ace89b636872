import numpy as np
import pytest

from gradtool.references.joined import Joined
from gradtool.references.sampling import Measure, Samples
from gradtool.verdict.kinks import all_within, is_slope_beside, outside_valid_set, pairs_of

UNIT = 2.0**-53


class Function:
    def __init__(self, function, at):
        self.function, self.at = function, at

    def base(self):
        return np.atleast_1d(np.asarray(self.function(self.at), dtype=float)).ravel()

    def many_inputs(self, points):
        return Samples(np.array([np.atleast_1d(self.function(p)).ravel() for p in points["x"]], dtype=float))

    def noise(self):
        return None


def outside(function, at, claim, ties, upstream=None):
    at = np.asarray(at, dtype=float)
    f = Function(function, at)
    joined = Joined(f, {"x": at}, ["x"])
    u = np.ones_like(f.base()) if upstream is None else np.asarray(upstream, dtype=float)
    return outside_valid_set(joined, np.asarray(claim, dtype=float), ties, u, UNIT)


@pytest.mark.parametrize(
    ("claim", "valid"), [(0, True), (1, True), (0.3, True), (-0.1, False), (1.1, False), (2, False)]
)
def test_relu_at_zero_takes_anything_between_its_slopes(claim, valid):
    found = outside(lambda x: np.maximum(x, 0).sum(), [0.0, 2.0], [claim, 1], [(0,)])
    assert (found is None) is valid
    if found is not None:
        assert found.places == (0,)
        assert "[0, 1]" in found.said


@pytest.mark.parametrize(("claim", "within", "points"), [(1, True, 1), (0, True, 2), (0.3, True, 2), (2, False, 2)])
def test_a_glance_looks_back_only_where_the_claim_is_not_the_slope_ahead(claim, within, points):
    looked_at = []
    f = Function(lambda x: looked_at.append(x) or np.maximum(x, 0).sum(), np.zeros(1))
    joined = Joined(f, {"x": np.zeros(1)}, ["x"])
    measure = Measure.of(joined, np.ones(1))
    looked_at.clear()
    assert all_within(joined, np.ones((1, 1)), np.array([float(claim)]), measure) is within
    assert len(looked_at) == points


def test_tied_maxima_share_one():
    ties = [(0,), (1,), (0, 1)]
    for claim, valid in [((0.5, 0.5), True), ((1, 0), True), ((0.2, 0.8), True), ((1, 1), False), ((0, 0), False)]:
        found = outside(np.max, [2.0, 2.0, 1.0], [*claim, 0], ties)
        assert (found is None) is valid, claim


def test_kinks_that_know_nothing_of_each_other_are_not_mixed_up():
    """Two windows with upstream gradients of opposite sign: along the sum of them the slopes mean nothing."""

    def windows(x):
        return np.array([x[:2].max(), x[2:].max()])

    ties = [(k,) for k in range(4)] + [(a, b) for a in range(4) for b in range(a + 1, 4)]
    for share in ([1, 0], [0.5, 0.5], [0, 1]):
        claim = np.concatenate((1.0 * np.array(share), -1.0 * np.array(share[::-1])))
        assert outside(windows, [1.0, 1.0, 3.0, 3.0], claim, ties, upstream=[1.0, -1.0]) is None
    assert outside(windows, [1.0, 1.0, 3.0, 3.0], [1, 1, -1, 0], ties, upstream=[1.0, -1.0]) is not None


def test_without_a_kink_nothing_is_said():
    assert outside(lambda x: np.sum(x**2), [1.0, 2.0], [7, 7], [(0,), (1,)]) is None


def test_an_absolute_value_beside_something_large():
    f = lambda x: 1e6 + np.abs(x[0])
    assert outside(f, [0.0], [0.0], [(0,)]) is None
    assert outside(f, [0.0], [1.5], [(0,)]) is not None


def test_pairs_are_in_order_and_bounded():
    pairs = pairs_of(list(range(0, 400, 2)), np.random.default_rng(0))
    assert all(a < b for a, b in pairs)
    assert len(pairs) <= 60
    assert pairs_of([3], np.random.default_rng(0)) == []


# Several kinks on one line ---------------------------------------------------------------------------------------------

WEIGHTS = np.array([[1.0, -2.0, 0.5], [0.7, 0.4, -1.5]])
SECOND = np.array([1.0, -2.0, 3.0])


def net(x):
    return np.maximum(x @ WEIGHTS, 0) @ SECOND


def test_units_of_a_layer_at_zero_choose_for_themselves():
    assert outside(net, [0.0, 0.0], [0.0, 0.0], [(0,), (1,), (0, 1)]) is None


def test_beside_the_kink_of_one_unit_the_valid_set_is_as_narrow_as_ever():
    assert outside(lambda x: net(x + np.array([0.0, 1.0])) + 0 * x.sum(), [0.0, 0.0], [99.0, 0.0], [(0,)]) is None
    assert outside(lambda x: np.maximum(x, 0) @ SECOND[:2], [0.0, 0.0], [2.0, 0.0], [(0,)]) is not None


@pytest.mark.parametrize("claim", [[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]])
def test_any_of_the_tied_entries_may_be_the_median(claim):
    assert outside(np.median, [1.0, 1.0, 1.0], claim, [(0,), (1,), (0, 1), (1, 2)]) is None


def test_four_tied_maxima_are_one_kink():
    claim = np.ones(4)
    found = outside(np.max, np.zeros(4), claim, [(0,), (1,), (0, 1)])
    assert found is not None
    assert found.places == (0, 1)


def test_curvature_is_no_kink():
    assert outside(lambda x: np.abs(x[0]) + 50 * x[0] ** 2 + np.sin(9 * x[1]), [0.0, 0.3], [1.5, 0], [(0,)]) is not None


def test_small_entries_have_small_steps():
    def waves(x):  # Over steps of 1e-6 it looks like a kink.
        return np.hypot(x[0], 1e-7) + 0 * x[1]

    at = 3e-7
    assert outside(waves, [at, 1.0], [at / np.hypot(at, 1e-7), 0.0], [(0,)]) is None


@pytest.mark.parametrize(("function", "at", "mine", "right", "beside"), [
    (lambda x: max(min(x[0], x[1]), 0.0), [0.0, 0.0], 1.0, 0.0, True),
    (lambda x: max(min(x[0], x[1]), 0.0), [0.0, 0.0], 0.5, 0.0, True),
    (lambda x: max(min(x[0], x[1]), 0.0), [0.0, 0.0], 1.5, 0.0, False),
    (lambda x: max(min(x[0], x[1]), 0.0), [0.0, 0.0], -0.5, 0.0, False),
    (lambda x: max(x[0], 0) - max(-x[0], 0) + x[1], [0.0, 1.0], 0.0, 1.0, False),
    (lambda x: np.sin(x[0]) + x[1], [0.3, 1.0], 1.001 * np.cos(0.3), np.cos(0.3), False),
    (lambda x: 1e8 + np.sin(x[0]) + x[1], [0.3, 1.0], 1.001 * np.cos(0.3), np.cos(0.3), False),
    (lambda x: 1e8 + max(min(x[0], x[1]), 0.0), [0.0, 0.0], 1.0, 0.0, True),
    (lambda x: 1e15 + max(min(x[0], x[1]), 0.0), [0.0, 0.0], 1.0, 0.0, False),  # Rounding hides it.
])  # fmt: skip
def test_along_one_entry_a_kink_of_several_may_not_show(function, at, mine, right, beside):
    joined = Joined(Function(function, np.array(at)), {"x": np.array(at)}, ["x"])
    assert is_slope_beside(joined, np.array([1.0, 0.0]), np.ones(1), mine, right) is beside
