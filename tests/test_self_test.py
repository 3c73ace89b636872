"""What a green check is worth: the faults that are planted, and that the count of those caught is honest."""

import numpy as np
import pytest

from gradtool.checking import Settings, check_target
from gradtool.results import Outcome
from gradtool.self_test import faults, self_test
from gradtool.target import Calling, Case, Target

RNG = np.random.default_rng(3)
SETTINGS = Settings(points=0)


class Run:
    def __init__(self, outputs, backward):
        self.outputs, self._backward, self.kept = outputs, backward, None

    def backward(self, *upstream):
        return self._backward(*upstream)


def target_of(forward, backward, **values):
    def start(given):
        output = forward(*given.values())
        return Run((np.asarray(output),), lambda u: dict(zip(given, backward(u, *given.values()), strict=True)))

    wrt = tuple(name for name, value in values.items() if isinstance(value, float) or value.dtype.kind == "f")
    case = Case(values, wrt, (Calling(start, "backward(dout)"),))
    return Target("f.py::f", "forward-backward-pair", "forward", "backward", (case,))


def outcome_of(target, settings=SETTINGS, **more):
    return self_test(target, check_target(target, settings), settings, **more)


def affine():
    values = {"x": RNG.normal(size=(4, 3)), "w": RNG.normal(size=(3, 3)), "b": RNG.normal(size=3)}
    return target_of(lambda x, w, b: x @ w + b, lambda u, x, w, b: (u @ w.T, x.T @ u, u.sum(axis=0)), **values)


def test_all_that_can_be_planted_in_an_affine_map_is_caught():
    found = outcome_of(affine())
    assert found.planted >= 25
    assert found.missed == ()
    assert (found.caught, found.share) == (found.planted, 1.0)


def titles(gradients, outputs):
    return {fault.title for fault in faults(gradients, outputs, {})}


def test_what_is_planted_depends_on_the_shapes():
    square, other, row = RNG.normal(size=(3, 3)), RNG.normal(size=(3, 3)), RNG.normal(size=3)
    found = titles({"w": square, "v": other, "b": row}, [RNG.normal(size=(4, 3))])
    assert {"w: transposed", "w: opposite sign", "w: divided by 4", "w: one row kept", "w and v: exchanged"} <= found
    assert "b: mean of 4 in place of the sum" not in found  # It is the same as a division by 4, which is there.
    assert "b: transposed" not in found
    assert not any("w and b" in title for title in found)
    assert titles({"x": np.float64(2.0)}, [np.float64(1.0)]) == {
        "x: opposite sign", "x: factor 2", "x: zero", "x: one entry off by 0.001", "x: one entry off by 1e-05",
    }  # fmt: skip


@pytest.mark.parametrize("gradient", [np.zeros((3, 3)), np.zeros(())], ids=str)
def test_a_fault_that_changes_nothing_is_not_counted(gradient):
    assert titles({"x": gradient}, [np.ones((4, 3))]) == set()


def test_a_symmetric_gradient_has_no_transpose_and_a_constant_one_no_shift():
    symmetric = np.array([[1.1, 2.3], [2.3, 5.7]])
    assert "w: transposed" not in titles({"w": symmetric}, [np.ones((2, 2))])
    found = titles({"w": np.ones((2, 2))}, [np.ones((2, 2))])
    assert not {"w: transposed", "w: shifted by one place", "w: rounded to float32"} & found
    equal = titles({"v": symmetric, "w": symmetric.copy()}, [np.ones((2, 2))])
    assert "v and w: exchanged" not in equal


def test_a_fault_changes_one_gradient_and_leaves_the_users_arrays_alone():
    gradients = {"x": RNG.normal(size=(2, 2)), "k": 1.5, "none": None}
    before = {"x": gradients["x"].copy(), "k": 1.5, "none": None}
    found = list(faults(gradients, [np.ones((2, 2))], {}))
    for fault in found:
        changed = fault.change(gradients)
        np.testing.assert_equal(gradients, before)
        differing = [name for name in gradients if not np.array_equal(changed[name], gradients[name])]
        assert differing == [fault.title.partition(":")[0]]
        assert isinstance(changed["k"], float)
        assert changed["none"] is None
    assert {fault.title.partition(":")[0] for fault in found} == {"x", "k"}


def test_faults_are_linear_so_that_only_their_values_are_wrong():
    gradient = RNG.normal(size=(3, 3))
    for fault in faults({"x": gradient}, [np.ones((4, 3))], {}):
        if "float32" not in fault.title:
            once, thrice = fault.change({"x": gradient})["x"], fault.change({"x": 3 * gradient})["x"]
            np.testing.assert_allclose(thrice, 3 * once, rtol=1e-13)


def test_what_a_check_cannot_see_is_named():
    """A forward in single precision hides an entry that is off by 1e-5 of the largest."""
    x = RNG.normal(size=(4, 3)).astype(np.float32)
    single = target_of(lambda x: np.tanh(x.astype(np.float32)), lambda u, x: (u * (1 - np.tanh(x) ** 2),), x=x)
    found = outcome_of(single)
    assert "x: one entry off by 1e-05" in found.missed
    assert "x: opposite sign" not in found.missed
    assert 0 < found.share < 1


def test_a_coarse_rule_is_seen_to_be_coarse():
    fine, coarse = outcome_of(affine()), outcome_of(affine(), Settings(points=0, rtol=0.5, atol=0.1))
    assert fine.planted == coarse.planted
    assert len(coarse.missed) > len(fine.missed) == 0


def test_only_a_gradient_that_is_ok_is_outcome_of():
    wrong = target_of(lambda x: x**2, lambda u, x: (3 * x * u,), x=RNG.normal(size=3))
    result = check_target(wrong, SETTINGS)
    assert result.verdict is Outcome.WRONG
    assert self_test(wrong, result, SETTINGS) is None


def test_no_fault_can_be_planted_where_all_is_zero():
    found = outcome_of(target_of(lambda x: np.sign(x), lambda u, x: (0.0 * x,), x=RNG.normal(size=3) + 2.0))
    assert (found.planted, found.share) == (0, None)


def test_random_forwards_are_pinned():
    def forward(x):
        forward.mask = np.random.rand(*x.shape) > 0.5
        return x * forward.mask

    np.random.seed(1)
    found = outcome_of(target_of(forward, lambda u, x: (u * forward.mask,), x=RNG.normal(size=(4, 6))))
    assert found.planted > 3
    assert found.missed == ()


def test_without_time_nothing_is_planted():
    assert outcome_of(affine(), seconds=0.0).planted == 0
