"""Nodes go by the local variables that hold them."""

import sys

import numpy as np

from gradtool.tracing import trace


def names(function, **inputs):
    graph = trace(function, inputs, by_keyword=True, names=True).graph
    return [(graph.names[i], graph.operations[i]) for i in sorted(graph.names) if graph.operations[i] != "input"]


X = np.array([1.0, 2.0])


def test_assignments():
    def function(x):
        a = np.exp(x)
        b = a * x
        return np.sum(b)

    assert names(function, x=X) == [("a", "exp"), ("b", "multiply")]


def test_every_round_of_a_loop():
    def function(x):
        h = x
        for _ in range(3):
            h = np.tanh(h)
        return h

    assert names(function, x=X) == [("h", "tanh")] * 3


def test_the_callers_name_beats_that_inside_of_a_helper():
    def helper(v):
        inner = np.exp(v)
        result = inner + 1.0
        return result  # noqa: RET504  The name is what is tested.

    def function(x):
        outer = helper(x)
        return outer * 2.0

    assert names(function, x=X) == [("inner", "exp"), ("outer", "add")]


def test_a_variable_that_is_not_returned_does_not_name_what_is():
    def helper(v):
        result = np.exp(v)
        beside = np.sum(result)
        return result, beside

    def function(x):
        value, total = helper(x)
        return value * total

    assert names(function, x=X) == [("value", "exp"), ("total", "sum")]


def test_the_first_of_several_names():
    def function(x):
        a = b = np.exp(x)
        c = b
        return a + c

    assert names(function, x=X) == [("a", "exp")]


def test_an_input_keeps_its_name():
    def function(x):
        y = x
        return np.exp(y)

    graph = trace(function, {"x": X}, names=True).graph
    assert graph.names == {0: "x"}


def test_unpacking_and_arrays_changed_in_place():
    def function(x):
        a, b = x[0], x[1]
        total = np.zeros(2)
        total[0] = a * b
        total += x
        return total

    found = names(function, x=X)
    assert ("a", "index") in found
    assert ("b", "index") in found
    assert found[-1] == ("total", "add")


def test_a_tool_that_traces_is_set_aside_and_put_back():
    def tool(frame, event, argument):
        return None

    before = sys.gettrace()
    sys.settrace(tool)
    try:
        trace(lambda x: np.exp(x), {"x": X}, names=True)
        assert sys.gettrace() is tool
    finally:
        sys.settrace(before)


def test_a_tool_that_traces_sees_as_many_frames_end_as_begin():
    """Coverage keeps a stack of them."""
    seen = []

    def tool(frame, event, argument):
        seen.append(event)
        return tool

    before = sys.gettrace()
    sys.settrace(tool)
    try:
        trace(lambda x: np.exp(x), {"x": X}, names=True)
    finally:
        sys.settrace(before)
    assert seen.count("call") == seen.count("return") > 100


def test_without_asking_nothing_is_named():
    def function(x):
        a = np.exp(x)
        return a  # noqa: RET504

    assert trace(function, {"x": X}).graph.names == {0: "x"}
