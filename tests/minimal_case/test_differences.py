"""Plain differences: what they show, and that they say nothing where they cannot be sure."""

import numpy as np
import pytest

from gradtool.minimal_case.differences import Prober, differences, moved, problem_of
from gradtool.target import Calling
from gradtool.verdict.caller import Caller, UnsupportedError

UNIT = 2.0**-53
X = np.array([0.3, -1.2, 2.0])
ONES = (np.ones(3),)


class Run:
    def __init__(self, outputs, backward):
        self.outputs, self._backward, self.kept = outputs, backward, None

    def backward(self, *upstream):
        return self._backward(*upstream)


def prober(forward, backward):
    def start(values):
        x = values["x"]
        return Run((np.asarray(forward(x)),), lambda u: {"x": backward(u, x)})

    return Prober(Caller(Calling(start, "f_backward(dout, x)")))


def test_moving_an_entry_leaves_the_value_alone():
    assert moved(X, ((1,),), 0.5).tolist() == [0.3, -0.7, 2.0]
    assert moved(X, ((0,), (2,)), 0.5).tolist() == [0.8, -1.2, 2.5]
    assert X.tolist() == [0.3, -1.2, 2.0]
    assert moved(1.0, ((),), 0.5) == 1.5


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_the_error_is_a_bound_and_the_step_a_round_number(scale):
    x = np.array([0.7 * scale])
    found = differences(lambda v: float(np.exp(v[0] / scale)), x, ((0,),), float(np.exp(0.7)), UNIT)
    right = np.exp(0.7) / scale
    assert found.smooth
    assert abs(found.value - right) <= found.error <= 1e-6 * right
    assert repr(found.step) == f"{found.step:.0e}" or float(f"{found.step:.0e}") == found.step


def test_a_kink_is_told_from_a_curve():
    at_kink = differences(lambda v: float(abs(v[0])), np.array([0.0]), ((0,),), 1.0, UNIT)
    assert not at_kink.smooth
    assert (at_kink.left, at_kink.right) == (-1.0, 1.0)
    assert differences(lambda v: float(v[0] ** 2), np.array([0.0]), ((0,),), 1.0, UNIT).smooth
    beside = differences(lambda v: float(abs(v[0])), np.array([0.004]), ((0,),), 1.0, UNIT)
    assert beside.smooth
    assert beside.value == pytest.approx(1.0)


def test_nothing_where_the_function_is_not_finite():
    assert differences(lambda v: float("nan"), X, ((0,),), 1.0, UNIT) is None


def test_a_wrong_entry_is_shown_and_a_right_gradient_is_not():
    right = prober(np.sin, lambda u, x: u * np.cos(x))
    assert right.failure({"x": X}, ONES, "x") is None

    def off(u, x):
        found = u * np.cos(x)
        found[2] *= 1 + 1e-5
        return found

    failure = prober(np.sin, off).failure({"x": X}, ONES, "x")
    assert failure.problem == "value"
    assert failure.indices == ((2,),)
    assert abs(failure.yours - failure.difference) > 4 * failure.tolerance
    assert abs(np.cos(2.0) - failure.difference) < failure.tolerance


@pytest.mark.parametrize("scale", [1e-8, 1e8])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_right_gradients_of_any_size_and_precision_are_left_alone(scale, dtype):
    x = (np.array([0.3, -1.2, 2.0]) * scale).astype(dtype)
    good = prober(
        lambda v: np.tanh(v / dtype(scale)), lambda u, v: u * (1 - np.tanh(v / dtype(scale)) ** 2) / dtype(scale)
    )
    assert good.failure({"x": x}, ONES, "x") is None
    bad = prober(
        lambda v: np.tanh(v / dtype(scale)), lambda u, v: -u * (1 - np.tanh(v / dtype(scale)) ** 2) / dtype(scale)
    )
    assert bad.failure({"x": x}, ONES, "x") is not None


def test_what_is_wrong_at_first_sight():
    shape = (2,)
    assert problem_of({}, "x", shape) == "missing"
    assert problem_of({"x": np.ones((1, 2))}, "x", shape) == "shape"
    assert problem_of({"x": np.array([1.0, np.nan])}, "x", shape) == "not finite"
    assert problem_of({"x": np.ones(2)}, "x", shape) is None
    with pytest.raises(UnsupportedError):
        problem_of({"x": np.ones(2) * 1j}, "x", shape)


def test_only_the_problem_that_is_asked_for():
    wrong_shape = prober(np.sin, lambda u, x: (u * np.cos(x))[None])
    assert wrong_shape.failure({"x": X}, ONES, "x").problem == "shape"
    assert wrong_shape.failure({"x": X}, ONES, "x", "value") is None
    raising = prober(np.sin, lambda u, x: u @ np.ones((7, 7)))
    assert raising.failure({"x": X}, ONES, "x").problem == "raised"
    unwritten = prober(np.sin, lambda u, x: (_ for _ in ()).throw(NotImplementedError))
    assert unwritten.failure({"x": X}, ONES, "x") is None


def test_a_missing_gradient_is_a_fault_only_where_it_is_not_zero():
    assert prober(np.sin, lambda u, x: None).failure({"x": X}, ONES, "x").problem == "missing"
    assert prober(lambda x: x * 0.0, lambda u, x: None).failure({"x": X}, ONES, "x") is None


def test_an_entry_that_is_not_finite_is_found_among_many():
    x = np.linspace(1.0, 2.0, 500)

    def backward(u, v):
        found = u / v
        found[411] = np.nan
        return found

    failure = prober(np.log, backward).failure({"x": x}, (np.ones(500),), "x")
    assert (failure.problem, failure.indices) == ("not finite", ((411,),))


def test_at_a_kink_only_what_is_outside_both_derivatives_is_wrong():
    at = {"x": np.array([0.0, 1.0])}
    ups = (np.ones(2),)

    def with_slope(slope):
        return prober(lambda x: np.maximum(x, 0), lambda u, x: u * np.where(x == 0, slope, x > 0))

    for valid in (0.0, 0.5, 1.0):
        assert with_slope(valid).failure(at, ups, "x", "tie") is None
    failure = with_slope(1.5).failure(at, ups, "x", "tie")
    assert failure.is_kink
    assert (failure.yours, failure.left, failure.right) == (1.5, 0.0, pytest.approx(1.0))
    assert with_slope(1.5).failure(at, ups, "x") is None  # Not plainly wrong: the entry has no derivative.


def test_tied_entries_are_moved_together():
    at = {"x": np.array([1.0, 3.0, 3.0])}
    ups = (np.array(1.0),)
    twice = prober(np.max, lambda u, x: u * (x == x.max()))
    failure = twice.failure(at, ups, "x", "tie")
    assert failure.indices == ((1,), (2,))
    assert (failure.yours, failure.difference) == (2.0, pytest.approx(1.0))
    shared = prober(np.max, lambda u, x: u * (x == x.max()) / (x == x.max()).sum())
    assert shared.failure(at, ups, "x", "tie") is None


def test_no_upstream_where_forward_gives_nothing_to_look_at():
    assert prober(lambda x: x[:0], lambda u, x: u).upstream({"x": X}, 0) is None
    assert prober(lambda x: x * np.nan, lambda u, x: u).upstream({"x": X}, 0) is None
    drawn = prober(np.sin, lambda u, x: u).upstream({"x": X}, 0)
    assert [u.shape for u in drawn] == [(3,)]
    assert np.abs(drawn[0]).min() >= 0.3


def test_nothing_is_seen_after_its_time():
    wrong = prober(np.sin, lambda u, x: -u * np.cos(x))
    assert wrong.failure({"x": X}, ONES, "x") is not None
    wrong.until = 0.0
    assert wrong.failure({"x": X}, ONES, "x") is None
