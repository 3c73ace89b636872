import dataclasses

import numpy as np
import pytest

import gradtool
from gradtool.target import Calling, Case, PlainRun, Target


def target(backward):
    def start(values):
        x = values["x"]
        return PlainRun((x**2,), lambda upstream: {"x": backward(upstream, x)}, kept={"x": x})

    case = Case({"x": np.array([1.0, -2.0])}, ("x",), (Calling(start, "square_backward(dout, x)"),))
    return Target("layers.py::square", "test", "square", "square_backward", (case,))


def test_a_run_made_of_functions_is_all_a_check_needs():
    assert str(gradtool.check_target(target(lambda d, x: 2 * d * x)).verdict) == "OK"
    wrong = gradtool.check_target(target(lambda d, x: d * x))
    assert str(wrong.verdict) == "WRONG"
    assert wrong.id == "layers.py::square"
    assert wrong.inputs == {"x": (2,)}


def test_a_run_hands_on_the_very_upstream():
    upstream = np.ones(2)
    seen = []
    run = PlainRun((np.ones(2),), lambda u: seen.append(u) or {"x": u})
    assert run.backward(upstream)["x"] is upstream
    assert seen[0] is upstream


def test_targets_are_data():
    with pytest.raises(dataclasses.FrozenInstanceError):
        target(lambda d, x: d).id = "other"
