"""A target of a file, called at values of one's own."""

import numpy as np
import pytest

import gradtool
from gradtool.targets.loaded_target import load_target
from gradtool.targets.loading import LoadError, TargetError

LAYERS = """
import numpy as np


def pool_forward(x, stride=2):
    '''x (N, D)'''
    return x[:, ::stride] * 2.0, (x.shape, stride)


def pool_backward(dout, cache):
    shape, stride = cache
    dx = np.zeros(shape)
    dx[:, ::stride] = 2.0 * dout
    dout *= 0
    return dx


def fussy_forward(x, w):
    if x.shape != (17, 3):
        raise ValueError("seventeen rows")
    return x * w, (x, w)


def fussy_backward(dout, cache):
    x, w = cache
    dx, dw = dout * w, dout * x
    return dx, dw


def drop_forward(x):
    mask = np.random.rand(*x.shape) > 0.5
    return x * mask, mask


def drop_backward(dout, mask):
    return dout * mask
"""


@pytest.fixture
def layers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "layers.py").write_text(LAYERS)
    return "layers.py"


def test_forward_and_gradients_at_values_of_ones_own(layers):
    target = gradtool.load_target(f"{layers}::pool")
    x, upstream = np.arange(10.0).reshape(1, 10), np.ones((1, 5))
    (out,) = target.forward({"x": x})
    np.testing.assert_array_equal(out, 2 * x[:, ::2])
    found = target.gradients({"x": x}, [upstream])
    np.testing.assert_array_equal(found["x"], [[2, 0] * 5])
    np.testing.assert_array_equal(upstream, np.ones((1, 5)))  # The user's code changes its upstream: a copy.
    assert target.gradients({"x": x})["x"].shape == (1, 10)
    assert set(target.values) == {"x"}


def test_settings_cases_and_callings(layers):
    given = load_target(f"{layers}::pool", inputs={"stride": 5})
    assert given.forward({"x": np.ones((1, 10))})[0].shape == (1, 2)
    labels = [case.label for case in load_target(f"{layers}::pool").target.cases]
    assert "stride=1" in labels
    other = load_target(f"{layers}::pool", case="stride=1", calling="pool_backward(dout, cache)")
    assert other.case.label == "stride=1"
    assert other.forward({"x": np.ones((1, 10))})[0].shape == (1, 10)


def test_generators_begin_anew_where_they_are_pinned(layers):
    x = np.ones((20, 20))
    pinned = load_target(f"{layers}::drop", pinned=True)
    np.testing.assert_array_equal(pinned.forward({"x": x})[0], pinned.forward({"x": x})[0])
    free = load_target(f"{layers}::drop")
    assert not np.array_equal(free.forward({"x": x})[0], free.forward({"x": x})[0])


def test_what_the_users_code_raises_is_raised(layers):
    target = load_target(f"{layers}::fussy", inputs={"x": np.ones((17, 3)), "w": np.ones((17, 3))})
    with pytest.raises(ValueError, match="seventeen rows"):
        target.forward({"x": np.ones((2, 3))})
    with pytest.raises(ValueError, match="seventeen rows"):
        target.gradients({"x": np.ones((2, 3))}, [np.ones((2, 3))])


def test_names_that_are_not_there(layers):
    with pytest.raises(TargetError, match="did you mean pool"):
        load_target(f"{layers}::pol")
    with pytest.raises(TargetError, match="no target of this name; there are pool, fussy, drop"):
        load_target(layers)
    with pytest.raises(ValueError, match="has no input 'y'; it has x"):
        load_target(f"{layers}::pool").forward({"y": 1.0})


def test_what_cannot_be_loaded(layers, tmp_path):
    with pytest.raises(TargetError, match="no inputs found"):
        load_target(f"{layers}::fussy")
    (tmp_path / "broken.py").write_text("1 / 0\n")
    with pytest.raises(LoadError, match="ZeroDivisionError"):
        load_target("broken.py::f")
    (tmp_path / "other.py").write_text("def f(x):\n    return x\n")
    with pytest.raises(TargetError, match="several files"):
        load_target(f"{tmp_path}::pool")


def test_definitions_only(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(LAYERS + "\nraise RuntimeError('at work')\n")
    assert load_target(f"{path}::pool", definitions_only=True).values["x"].ndim == 2
