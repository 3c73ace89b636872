"""Arguments taken apart into inputs, and put together again."""

import numpy as np
import pytest

from gradtool.targets.arguments import Arguments, is_floating
from gradtool.targets.found import CannotBindError

X, W = np.ones((2, 3)), np.zeros(3)


def test_arrays_labels_and_settings():
    labels, mask = np.array([1, 2]), np.array([True, False])
    found = Arguments.of({"x": X, "y": labels, "mask": mask, "eps": 0.1, "n": 3, "mode": "train", "b": None})
    assert list(found.values) == ["x", "y", "mask"]
    assert found.floating == ("x",)
    assert found.hyper == ("eps", "n", "mode", "b")


def test_floats_in_code_for_scalars_and_claimed_ones():
    assert Arguments.of({"x": 1.0, "k": 2.0, "n": 3}, settings=["k"]).floating == ("x",)
    assert Arguments.of({"x": X, "k": 2.0}).floating == ("x",)
    assert Arguments.of({"x": X, "k": 2.0}, claimed=["k"]).floating == ("x", "k")


def test_containers_are_opened_and_closed():
    params = {"W": W, "b": X, "deep": {"v": W}}
    found = Arguments.of({"x": X, "params": params, "layers": [W, (X, W)], "options": {"mode": "train", "mean": W}})
    assert list(found.values) == ["x", "W", "b", "deep.v", "layers[0]", "layers[1][0]", "layers[1][1]"]
    values = {name: value + 1 for name, value in found.values.items()}
    filled = found.filled(values)
    assert filled["params"]["deep"]["v"] is values["deep.v"]
    assert filled["layers"][1][1] is values["layers[1][1]"]
    assert filled["x"] is values["x"]
    assert filled["options"]["mode"] == "train"
    assert filled["options"]["mean"] is not W
    assert filled["options"] is not found.given["options"]
    assert params["W"] is W


def test_equal_names_are_told_apart():
    found = Arguments.of({"W": W, "p": {"W": X}})
    assert list(found.values) == ["W", "p['W']"]


def test_complex_arrays_are_not_supported():
    with pytest.raises(CannotBindError, match="complex"):
        Arguments.of({"x": X.astype(complex)})


def test_floating():
    assert all(map(is_floating, [X, 1.0, np.float32(1), X.astype("float32")]))
    assert not any(map(is_floating, [1, True, "x", None, X.astype(int), X.astype(complex), [1.0]]))
