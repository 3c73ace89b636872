import random

import numpy as np
import pytest

from gradtool.target import Calling
from gradtool.verdict.caller import (
    Caller,
    TargetFunction,
    UnsupportedError,
    UserCodeError,
    checked_outputs,
    flat,
    in_double,
    is_float,
    is_short,
    like,
)


class Run:
    kept = None

    def __init__(self, outputs, backward=lambda *u: {}):
        self.outputs = outputs
        self.backward = backward


def caller_of(forward, **more):
    return Caller(Calling(lambda values: Run((np.asarray(forward(**values)),)), "f"), **more)


def test_every_call_gets_copies():
    seen = []

    def forward(x):
        seen.append(x)
        x += 1
        return x

    x = np.zeros(3)
    caller = caller_of(forward)
    first, second = caller.forward({"x": x}), caller.forward({"x": x})
    assert seen[0] is not seen[1]
    assert np.array_equal(x, np.zeros(3))
    assert np.array_equal(first.values["x"], np.ones(3))
    assert second.before["x"] is x


def test_pinned_generators_start_from_one_state():
    own = np.random.default_rng(5)

    def forward(x):
        return x + np.random.rand() + random.random() + own.random() + np.random.default_rng().random()

    caller = caller_of(forward, generators=(own,))
    assert float(caller.outputs({"x": np.zeros(())})[0]) != float(caller.outputs({"x": np.zeros(())})[0])
    caller.pinned = True
    assert float(caller.outputs({"x": np.zeros(())})[0]) == float(caller.outputs({"x": np.zeros(())})[0])
    assert np.random.default_rng.__module__ != "gradtool.verdict.caller"


def test_a_seed_of_the_users_own_is_left_alone():
    def forward(x):
        return np.random.default_rng(7).random()

    caller = caller_of(forward)
    caller.pinned = True
    assert float(caller.outputs({"x": np.zeros(())})[0]) == np.random.default_rng(7).random()


@pytest.mark.parametrize("error", [RuntimeError("no"), SystemExit(2)])
def test_what_the_users_code_raises_is_told_apart(error):
    def forward(x):
        raise error

    with pytest.raises(UserCodeError) as caught:
        caller_of(forward).forward({"x": 1.0})
    assert caught.value.cause is error


@pytest.mark.parametrize("error", [ValueError, ZeroDivisionError, AssertionError, RuntimeError, IndexError])
def test_whatever_forward_raises_beside_the_point_ends_its_domain(error):
    def forward(x):
        if x[0] > 2:
            raise error("beyond the range")
        return x * 2

    caller = caller_of(forward)
    values = {"x": np.zeros(2)}
    function = TargetFunction(caller, values, caller.outputs(values))
    rows = function.many("x", np.array([[0.5, 1.0], [3.0, 1.0]])).outputs
    assert rows[0].tolist() == [1.0, 2.0]
    assert np.isnan(rows[1]).all()
    assert isinstance(function.raised, error)


def test_an_exit_beside_the_point_comes_through():
    def forward(x):
        if x[0] > 2:
            raise SystemExit(3)
        return x * 2

    caller = caller_of(forward)
    values = {"x": np.zeros(2)}
    function = TargetFunction(caller, values, caller.outputs(values))
    with pytest.raises(UserCodeError):
        function.many("x", np.array([[3.0, 1.0]]))


def test_outputs_that_change_their_size_are_unsupported():
    caller = caller_of(lambda x: x[x > 0])
    values = {"x": np.array([1.0, 2.0])}
    function = TargetFunction(caller, values, caller.outputs(values))
    with pytest.raises(UnsupportedError, match="from 2 to 1"):
        function.many("x", np.array([[1.0, -1.0]]))


def test_several_outputs_become_one_vector_and_single_precision_is_noticed():
    outputs = (np.ones((2, 2)), np.float32(3.0) * np.ones(1, np.float32))
    assert flat(outputs).tolist() == [1, 1, 1, 1, 3]
    function = TargetFunction(caller_of(lambda: 0.0), {}, outputs)
    assert function.roundoff == 2.0**-24
    assert function.noise() is None


def test_floats_keep_their_form():
    assert is_float(1.0)
    assert is_float(np.ones(2, np.float32))
    assert not is_float(1)
    assert not is_float(np.ones(2, int))
    assert not is_float("x")
    assert isinstance(like(2.0, np.asarray(3.0)), float)
    assert like(np.ones(2, np.float32), np.zeros(2)).dtype == np.float32


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ((), "returns nothing"),
        ((np.ones(2) * 1j,), "complex"),
        ((np.array([None]),), "objects"),
        ((np.arange(3),), "integers alone"),
    ],
)
def test_outputs_that_cannot_be_checked(outputs, said):
    with pytest.raises(UnsupportedError, match=said):
        checked_outputs(outputs)


def test_single_precision_is_differentiated_in_double_where_forward_takes_it():
    x = np.array([0.5, -1.0], dtype=np.float32)
    caller = caller_of(lambda x: np.tanh(x))
    values, outputs = in_double(caller, {"x": x}, caller.outputs({"x": x}))
    assert values["x"].dtype == outputs[0].dtype == np.float64
    casting = caller_of(lambda x: np.tanh(np.asarray(x, dtype=np.float32)))
    values, outputs = in_double(casting, {"x": x}, casting.outputs({"x": x}))
    assert values["x"].dtype == outputs[0].dtype == np.float32
    choosy = caller_of(lambda x: x * (2.0 if x.dtype == np.float32 else 3.0))
    assert in_double(choosy, {"x": x}, choosy.outputs({"x": x}))[0]["x"] is x


def test_double_precision_is_left_alone():
    values = {"x": np.ones(2), "s": 1.0, "labels": np.array([1])}
    outputs = (np.ones(2),)
    assert in_double(caller_of(np.sin), values, outputs) == (values, outputs)
    assert is_short(np.ones(2, np.float16))
    assert not is_short(1.0)
