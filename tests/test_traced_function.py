"""A Python function as a program."""

import math
import random
from pathlib import Path

import numpy as np
import pytest

import gradtool

X = np.array([[1.0, -2.0], [0.5, 3.0]])
HERE = Path(__file__)


def net(x, w, axis=0):
    z = x @ w
    a = np.tanh(z)
    return np.sum(a, axis=axis).sum()


def with_cache(x):
    out = x * 2.0
    return out, {"x": x}


def branching(x):
    if x > 0:
        return x * 2.0
    return -x


def gradients(function, **inputs):
    graph = gradtool.trace(function, inputs)
    return gradtool.value_and_gradient(graph, {name: inputs[name] for name in graph.inputs})


def test_it_is_evaluated_like_any_program():
    w = np.array([[0.1, 0.2], [0.3, -0.4]])
    graph = gradtool.trace(net, {"x": X, "w": w})
    result = gradtool.evaluate(graph, {"x": X, "w": w})
    assert result.verdict == "OK"
    assert np.allclose(result["w"].gradient, X.T @ (1 - np.tanh(X @ w) ** 2))
    assert result.expression == "net(x, w)"


def test_every_operation_knows_its_name_file_and_line():
    result = gradtool.evaluate(gradtool.trace(net, {"x": X, "w": X}), {"x": X, "w": X}, references=())
    first = net.__code__.co_firstlineno
    found = {node.operation: (node.name, Path(node.file).name, node.line - first) for node in result.nodes if node.file}
    assert found["matmul"] == ("z", HERE.name, 1)
    assert found["tanh"] == ("a", HERE.name, 2)


def test_the_first_of_several_values_with_a_note():
    graph = gradtool.trace(with_cache, {"x": X})
    assert graph.notes == ["the function returns 2 values, of which this is the first (--of 1: the next)"]
    value, _ = gradtool.value_and_gradient(graph, {"x": X}, upstream="ones")
    assert np.array_equal(value, 2 * X)


def test_another_of_several_values():
    graph = gradtool.trace(lambda x: (x, x**3), {"x": 2.0}, output=1)
    assert gradtool.value_and_gradient(graph, {"x": 2.0}) == (8.0, {"x": 12.0})
    assert graph.notes == []


@pytest.mark.parametrize("output", [2, -3])
def test_a_value_that_is_not_there(output):
    with pytest.raises(gradtool.Untraceable, match=f"no output {output}: the function returns 2 values"):
        gradtool.trace(lambda x: (x, x), {"x": 2.0}, output=output)


def test_a_single_value_has_no_second():
    with pytest.raises(gradtool.Untraceable, match="no output 1"):
        gradtool.trace(lambda x: x, {"x": 2.0}, output=1)


def test_whole_numbers_are_numbers_where_the_function_takes_them():
    assert gradients(lambda x, y: x * y, x=2, y=3) == (6.0, {"x": 3.0, "y": 2.0})


def test_whole_numbers_that_are_needed_as_such():
    graph = gradtool.trace(lambda x, n: np.sum(x[:n]), {"x": X, "n": 1})
    assert list(graph.inputs) == ["x"]
    assert graph.notes == ["passed as whole numbers, and not differentiated: n"]


def test_a_default_says_that_a_number_is_whole():
    assert list(gradtool.trace(net, {"x": X, "w": X, "axis": 1}).inputs) == ["x", "w"]


def test_lists_are_arrays_and_single_precision_becomes_double():
    assert list(gradtool.trace(lambda x, y: x * y, {"x": [1, 2], "y": np.float32([1, 2])}).inputs) == ["x", "y"]


def test_labels_are_passed_on():
    labels = np.array([0, 1])
    assert list(gradtool.trace(lambda x, y: x[np.arange(2), y].sum(), {"x": X, "y": labels}).inputs) == ["x"]


def test_a_branch_is_noted():
    graph = gradtool.trace(branching, {"x": 2.0})
    line = branching.__code__.co_firstlineno + 1
    assert graph.notes[-1].endswith(
        f"{HERE.name}:{line} goes by a value: the program holds as long as it goes the same way there"
    )


@pytest.mark.parametrize("draw", [random.random, np.random.rand])
def test_random_numbers_are_noted(draw):
    graph = gradtool.trace(lambda x: x * draw(), {"x": 2.0})
    assert graph.notes == [
        "the function draws random numbers: those of one run are constants here (--seed: those of another)"
    ]


def test_positional_only_and_variadic_parameters():
    def function(x, /, *rest):
        return x * rest[0]

    assert gradients(function, a=2.0, b=3.0) == (6.0, {"a": 3.0, "b": 2.0})


def test_inputs_that_are_no_parameters():
    with pytest.raises(gradtool.ArgumentsError, match="net: got an unexpected keyword argument 'v'"):
        gradtool.trace(net, {"x": X, "w": X, "v": X})


def test_too_many_inputs_in_their_order():
    def function(x, /):
        return x

    with pytest.raises(gradtool.ArgumentsError, match="too many positional arguments"):
        gradtool.trace(function, {"a": 1.0, "b": 2.0})


def test_what_raises_says_where():
    with pytest.raises(gradtool.Untraceable, match=r"the function itself raises ValueError") as found:
        gradtool.trace(lambda x, y: x @ y, {"x": X, "y": np.ones(3)})
    assert isinstance(found.value.__cause__, ValueError)


def test_what_is_no_operation_says_which_and_where():
    def function(x):
        return np.fft.fft(x).real

    with pytest.raises(gradtool.Untraceable, match="fft") as found:
        gradtool.trace(function, {"x": np.ones(4)})
    assert found.value.line == function.__code__.co_firstlineno + 1


def test_scalar_code_with_math():
    value, found = gradients(lambda x: 1 / (1 + math.exp(-x)), x=0.5)
    assert found["x"] == pytest.approx(value * (1 - value), rel=1e-14)
