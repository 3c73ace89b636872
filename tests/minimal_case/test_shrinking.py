"""Smaller shapes and simpler numbers, as long as the same is wrong."""

from dataclasses import replace

import numpy as np
import pytest

from gradtool.checking import Settings, check_target
from gradtool.minimal_case import NotShownError
from gradtool.minimal_case.differences import Prober
from gradtool.minimal_case.shrinking import CHECKS, SIMPLE
from gradtool.results import Outcome
from gradtool.verdict.caller import Caller

AFFINE = """
def affine_forward(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (x, w, b)


def affine_backward(dout, cache):
    x, w, b = cache
    dx = (dout @ w.T).reshape(x.shape)
    dw = x.reshape(len(x), -1).T @ dout
    db = dout.{how}(axis=0)
    return {sign}dx, dw, db


def affine_inputs():
    rng = np.random.default_rng(3)
    return {{"x": rng.normal(size=(4, 3, 2)), "w": rng.normal(size=(6, 5)), "b": rng.normal(size=5)}}
"""


def sizes(minimal):
    return {name: np.shape(value) for name, value in minimal.case.values.items()}


def numbers(minimal):
    return np.concatenate([np.ravel(value) for value in (*minimal.case.values.values(), *minimal.upstream)])


def still_wrong(found, minimal):
    """What a check of the minimal case alone says of the gradient."""
    result = check_target(replace(found.target, cases=(minimal.case,)), Settings(points=0))
    return str(result[minimal.name].verdict), result[minimal.name].cause.code


def test_axes_of_one_length_and_flattened_ones_are_cut_together(made):
    found = made(AFFINE.format(how="sum", sign="-"))
    minimal = found.shrunk()
    assert minimal.name == "x"
    assert sizes(minimal) == {"x": (1, 1, 1), "w": (1, 1), "b": (1,)}
    assert set(numbers(minimal)) <= set(SIMPLE)
    assert still_wrong(found, minimal) == ("WRONG", "GC101")
    assert minimal.checks <= CHECKS


def test_no_smaller_than_what_shows_it(made):
    """A mean over one row is a sum: two rows are needed."""
    found = made(AFFINE.format(how="mean", sign=""))
    minimal = found.shrunk()
    assert minimal.name == "b"
    assert sizes(minimal)["x"] == (2, 1, 1)
    assert still_wrong(found, minimal) == ("WRONG", "GC105")


def test_labels_stay_below_the_number_of_classes(made):
    found = made(
        """
        def softmax_loss(x, y):
            '''x (N, C), y (N,) labels in 0..C-1'''
            p = np.exp(x - x.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            rows = np.arange(len(x))
            loss = -np.log(p[rows, y]).sum()
            dx = -p
            dx[rows, y] += 1
            return loss, dx
        """
    )
    minimal = found.shrunk()
    assert sizes(minimal) == {"x": (1, 2), "y": (1,)}
    assert minimal.case.values["y"].max() < 2


def test_one_wrong_entry_far_from_the_corner_is_kept(made):
    found = made(
        """
        def square_forward(x):
            '''x (9,)'''
            return x**2, x

        def square_backward(dout, x):
            dx = 2 * x * dout
            dx[x == x.max()] *= 1.001
            return dx
        """
    )
    minimal = found.shrunk()
    assert minimal.failure.problem == "value"
    difference = abs(minimal.failure.yours - minimal.failure.difference)
    assert difference > 4 * minimal.failure.tolerance


def test_it_ends_in_time_and_within_its_means(made):
    found = made(AFFINE.format(how="sum", sign="-"))
    few = found.shrunk(checks=4)
    assert few.checks <= 8
    assert still_wrong(found, few)[0] == "WRONG"
    at_once = found.shrunk(seconds=0.0)
    assert sizes(at_once) == {name: np.shape(v) for name, v in found.target.cases[0].values.items()}


def test_a_tie_is_looked_for(made):
    found = made(
        """
        def size_forward(x):
            return np.abs(x), x

        def size_backward(dout, x):
            return dout * np.where(x == 0, 3.0, np.sign(x))
        """
    )
    minimal = found.shrunk()
    assert minimal.failure.problem == "tie"
    assert numbers(minimal).tolist() == [0.0, 1.0]


def test_another_setting_is_kept(made):
    found = made(
        '''
        def every_forward(x, stride=1):
            """x (N, D)"""
            return x[:, ::stride] ** 2, (x, stride)

        def every_backward(dout, cache):
            x, stride = cache
            dx = np.zeros_like(x)
            dx[:, ::stride] = 2 * x[:, ::stride] * dout / stride
            return dx
        '''
    )
    label = found.result["x"].point.label
    assert label is not None
    minimal = found.shrunk()
    assert minimal.case.label == label
    assert minimal.case.values["x"].shape == (1, 1)


def test_random_forwards_are_pinned(made):
    minimal = made(
        """
        def drop_forward(x):
            mask = np.random.rand(*x.shape) > 0.5
            return x * mask, mask

        def drop_backward(dout, mask):
            return -dout * mask
        """
    ).shrunk()
    assert minimal.pinned
    assert minimal.failure.yours == pytest.approx(-minimal.failure.difference)


def test_what_is_not_wrong_cannot_be_shrunk(made):
    found = made(AFFINE.format(how="sum", sign=""), verdict=Outcome.OK)
    with pytest.raises(NotShownError, match="no gradient is wrong"):
        found.shrunk()


def test_the_failure_holds_at_the_minimal_case(made):
    """What the test will say is what the code gives there."""
    minimal = made(AFFINE.format(how="mean", sign="")).shrunk()
    prober = Prober(Caller(minimal.calling))
    again = prober.failure(minimal.case.values, minimal.upstream, minimal.name, "value", minimal.failure.indices[0])
    assert again == minimal.failure
