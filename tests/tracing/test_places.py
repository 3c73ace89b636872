"""Where an operation stands in the user's code."""

import linecache

import numpy as np

from gradtool.tracing import trace
from gradtool.tracing.places import Place, Sources


def helper(x):
    return np.exp(x)


def layered(x):
    h = np.tanh(x * 2.0)
    return sum([
        helper(h),
        h.mean(),
    ])  # fmt: skip


def test_every_operation_knows_its_line_also_in_a_helper():
    traced = trace(layered, {"x": np.array([0.3, 0.4])})
    found = {traced.graph.operations[node]: place for node, place in traced.lines.items()}
    first = layered.__code__.co_firstlineno
    assert {file for file, _ in found.values()} == {__file__}
    assert found["tanh"][1] == found["multiply"][1] == first + 1
    assert found["mean"][1] == first + 4
    assert found["exp"][1] == helper.__code__.co_firstlineno + 1


def twice(x):
    h = helper(x)
    return helper(h + 1.0)


def handed_on(x):
    return twice(x)


def test_the_line_that_calls_a_helper_is_kept_beside_its_own():
    for function in (twice, handed_on):
        traced = trace(function, {"x": np.array([0.3, 0.4])})
        nodes = [node for node in traced.lines if traced.graph.operations[node] == "exp"]
        assert {traced.lines[node][1] for node in nodes} == {helper.__code__.co_firstlineno + 1}
        first = twice.__code__.co_firstlineno
        assert [traced.outer_lines[node] for node in nodes] == [(__file__, first + 1), (__file__, first + 2)]


def test_spans_are_the_expressions_themselves():
    graph = trace(layered, {"x": np.array([0.3, 0.4])}).graph
    texts = {node.operation: graph.source[slice(*node.span)] for node in graph if node.arguments}
    assert texts["multiply"] == "x * 2.0"
    assert texts["tanh"] == "np.tanh(x * 2.0)"
    assert texts["mean"] == "h.mean()"
    assert graph.node(graph.output).line == layered.__code__.co_firstlineno + 2


def test_a_function_that_is_no_python_code_has_no_lines():
    traced = trace(np.tanh, {"x": np.array([0.3])})
    assert traced.lines == traced.outer_lines == {}
    assert traced.graph.source == ""


def test_columns_count_bytes_and_spans_characters(monkeypatch):
    lines = ["α = 1\n", "β = αα + γ"]
    monkeypatch.setitem(linecache.cache, "greek.py", (1, None, lines, "greek.py"))
    sources = Sources()
    start, end = sources.span(Place("greek.py", 2, 5, 2, 9))
    assert sources.text()[start:end] == "αα"
    assert sources.span(Place("greek.py", 1)) == (0, 5)
    assert sources.span(Place("greek.py", 7)) == (0, 0)
    assert sources.span(Place("not a file", 1, 0, 1, 2)) == (0, 0)
    assert sources.span(None) == (0, 0)
