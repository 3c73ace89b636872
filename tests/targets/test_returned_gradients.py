"""Which input a returned gradient belongs to."""

from dataclasses import dataclass

import numpy as np
import pytest

from gradtool.targets.arguments import Arguments
from gradtool.targets.found import CannotBindError
from gradtool.targets.returned_gradients import assign, claimed

X, W, B = np.ones((4, 3)), np.ones((3, 2)), np.ones(2)
AFFINE = Arguments.of({"x": X, "w": W, "b": B})


def test_names_come_before_positions():
    assert assign((1, 2, 3), [("db", "dx", "dw")], AFFINE) == {"x": 2, "w": 3, "b": 1}
    assert assign((1, 2, 3), [("db", None, None)], AFFINE) == {"x": 2, "w": 3, "b": 1}
    assert assign((1, 2, 3), [(None, None, None)], AFFINE) == {"x": 1, "w": 2, "b": 3}
    assert assign((1, 2, 3), [], AFFINE) == {"x": 1, "w": 2, "b": 3}
    assert assign((1, 2, 3), [("dx", "dw", "db"), ("db", "dw", "dx")], AFFINE) == {"x": 1, "w": 2, "b": 3}


def test_fewer_than_inputs():
    assert assign((1, 2), [("dw", "db")], AFFINE) == {"w": 1, "b": 2}
    result = assign(W, [(None,)], AFFINE)
    assert list(result) == ["w"]
    with pytest.raises(CannotBindError, match="which belongs to which is open"):
        assign(np.ones(7), [(None,)], AFFINE)
    assert list(assign(X, [(None,)], Arguments.of({"target": X, "p": X}))) == ["p"]


def test_more_than_inputs():
    only = Arguments.of({"x": X, "y": np.arange(3)})
    assert assign((1, None), [(None, None)], only) == {"x": 1}
    assert assign((1, 5, 6), [("dx", "a", "b")], only) == {"x": 1}
    with pytest.raises(CannotBindError):
        assign((1, 5, 6), [(None, None, None)], only)


@dataclass
class Grads:
    dw: int
    dx: int


def test_keys():
    assert assign({"dw": 1, "x": 2, "loss": 3}, [], AFFINE) == {"x": 2, "w": 1}
    assert assign(Grads(1, 2), [], AFFINE) == {"x": 2, "w": 1}
    assert assign((5, {"dw": 1, "db": 2}), [("dx", "grads")], AFFINE) == {"x": 5, "w": 1, "b": 2}
    with pytest.raises(CannotBindError, match="nothing that is the gradient"):
        assign({"loss": 1}, [], AFFINE)


def test_containers():
    opened = Arguments.of({"x": X, "params": {"W1": W, "b1": B}, "layers": [W, B]})
    result = assign((1, {"W1": 2, "b1": 3}, [4, 5]), [("dx", "dparams", "dlayers")], opened)
    assert result == {"x": 1, "W1": 2, "b1": 3, "layers[0]": 4, "layers[1]": 5}
    assert assign({"dW1": 2, "db1": 3}, [("grads",)], opened) == {"W1": 2, "b1": 3}
    assert assign([4, 5], [("grads",)], Arguments.of({"layers": [W, B]})) == {"layers[0]": 4, "layers[1]": 5}


def test_a_list_that_is_one_gradient():
    vector = Arguments.of({"x": np.ones(3)})
    assert assign([1, 2, 3], [(None, None, None)], vector) == {"x": [1, 2, 3]}
    scalars = Arguments.of({"x": 1.0, "y": 2.0})
    assert assign(np.array([1.0, 2.0]), [(None,)], scalars) == {"x": 1.0, "y": 2.0}


def test_jacobians_count_by_their_shape():
    both = Arguments.of({"x": np.ones(3), "w": np.ones(5)})
    assert list(assign(np.ones((2, 5)), [(None,)], both, (2,))) == ["w"]


def test_claimed():
    assert claimed([("dx", "dalpha"), (None, "grad")], ["x", "alpha", "w"]) == {"x", "alpha"}
