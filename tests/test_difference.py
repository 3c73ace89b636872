"""Which nodes of two programs correspond, what of a difference is rounding, and where two programs part."""

import re

import numpy as np
import pytest

from gradtool.difference import compare
from gradtool.evaluation import evaluate
from gradtool.language import parse


def difference(left, right, inputs, other=None, **settings):
    sides = []
    for text, values in ((left, inputs), (right, inputs if other is None else other)):
        graph = parse(text)
        given = {name: values[name] for name in graph.inputs}
        sides.append((evaluate(graph, given, references=(), **settings), graph))
    (first, graph), (second, other_graph) = sides
    return compare(first, second, graph, other_graph)


def shown(found):
    """(expression here, expression there, kind) of each pair."""

    def text(result, i):
        return None if i is None else result.nodes[i].expression

    return [(text(found.left, p.left), text(found.right, p.right), p.kind) for p in found.nodes]


def first(found):
    pair = found.first
    return None if pair is None else shown(found)[found.nodes.index(pair)][:2]


def test_one_program_at_two_points():
    found = difference("(x+y)*max(y,z)", "(x+y)*max(y,z)", {"x": 1, "y": 2, "z": 0}, {"x": 1, "y": 3, "z": 0})
    assert [(p.left, p.right) for p in found.nodes] == [(i, i) for i in range(6)]
    assert [p.value for p in found.nodes] == [0, 1, 0, 1, 1, 6]
    assert [p.upstream for p in found.nodes] == [1, 2, 0, 1, 1, 0]
    assert [p.kind for p in found.nodes] == ["changed", "changed", "same", "changed", "changed", "changed"]
    assert first(found) == ("y", "y")


def test_a_program_and_itself():
    found = difference("x*2 + sin(x)", "x*2 + sin(x)", {"x": 0.7})
    assert {(p.kind, p.value) for p in found.nodes} == {("same", 0)}
    assert found.first is None


@pytest.mark.parametrize(
    ("left", "right", "pairs", "part"),
    [
        ("x*2 + 1", "x*3 + 1", {("x*2", "x*3", "changed"), ("2", "3", "changed"), ("1", "1", "same")}, ("2", "3")),
        ("h = relu(x); h*y", "h = sigmoid(x); h*y", {("relu(x)", "sigmoid(x)", "changed"), ("h*y", "h*y", "changed")},
         ("relu(x)", "sigmoid(x)")),
        ("sin(x)", "exp(sin(x))", {("sin(x)", "sin(x)", "changed"), (None, "exp(sin(x))", "right")},
         (None, "exp(sin(x))")),
        ("exp(sin(x*2))", "log(exp(sin(x*3)))",
         {("exp(sin(x*2))", "exp(sin(x*3))", "changed"), (None, "log(exp(sin(x*3)))", "right")}, ("2", "3")),
        ("cos(sin(x)*y)", "cos(tanh(sin(x))*y)",
         {("sin(x)", "sin(x)", "changed"), (None, "tanh(sin(x))", "right"), ("sin(x)*y", "tanh(sin(x))*y", "changed")},
         (None, "tanh(sin(x))")),
        ("x^2 + y", "x*x + y", {("x", "x", "same"), ("x^2", None, "left"), (None, "x*x", "right"), ("2", None, "left"),
                                ("x^2+y", "x*x+y", "same")}, ("x^2", None)),
        ("x*x + x*x", "x*x", {("x*x", "x*x", "same"), ("x*x", None, "left")}, ("x*x", None)),
        ("exp(x*y)", "exp(x*t)", {("y", "t", "same"), ("x*y", "x*t", "same")}, None),
        ("[1, 2, 3]*x", "[1, 2, 4]*x", {("[1,2,3]", "[1,2,4]", "changed")}, ("[1,2,3]", "[1,2,4]")),
        ("softplus(x)", "log(1 + exp(x))", {("softplus(x)", "log(1+exp(x))", "same"), (None, "exp(x)", "right")},
         (None, "exp(x)")),
        ("cumsum(x)", "cumsum(2*x)", {("cumsum(x)", "cumsum(2*x)", "changed")}, (None, "2*x")),
        ("sum(x)", "sum(x, axis=0)", {("sum(x)", "sum(x,axis=0)", "same")}, ("sum(x)", "sum(x,axis=0)")),
    ],
)  # fmt: skip
def test_nodes_that_correspond_and_where_the_programs_part(left, right, pairs, part):
    inputs = {"x": 0.5, "y": 3.0, "t": 3.0}
    if "sum" in left:
        inputs["x"] = np.array([0.5, 1.5])
    found = difference(left, right, inputs, upstream="ones")
    assert pairs <= set(shown(found))
    assert first(found) == part


STEPS = ["{a}*{b}", "{a} + {b}", "sin({a})", "{a} - 2*{b}", "max({a}, {b})", "3*{a}", "tanh({b})"]


def a_program(rng, length):
    names, text = ["x", "y"], []
    for k in range(length):
        a, b = rng.choice(names[-4:], 2)
        text.append((f"v{k}", str(rng.choice(STEPS)).format(a=a, b=b)))
        names.append(f"v{k}")
    return text


def written(statements):
    return "; ".join(["x; y", *(f"{name} = {text}" for name, text in statements), "x + y + v7"])


@pytest.mark.parametrize("seed", range(20))
def test_another_order_of_statements_makes_no_difference(seed):
    rng = np.random.default_rng(seed)
    statements = a_program(rng, 8)
    moved, waiting = [], list(statements)
    while waiting:  # Any statement whose names are there may be next.
        known = {"x", "y", *(name for name, _ in moved)}
        ready = [s for s in waiting if all(w in known for w in re.findall(r"\bv\d+|\b[xy]\b", s[1]))]
        moved.append(ready[rng.integers(len(ready))])
        waiting.remove(moved[-1])
    found = difference(written(statements), written(moved), {"x": 0.3, "y": 0.4})
    assert {p.kind for p in found.nodes} == {"same"}
    assert found.first is None


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("a = x*y; b = x*y; sin(a) + a*b", "b = x*y; a = x*y; sin(a) + a*b"),
        ("a = x*y; b = x*y; sin(a) + a*b", "p = x*y; q = x*y; sin(q) + q*p"),
        ("sin(x*y) + exp(x*y)", "exp(x*y) + sin(x*y)"),
    ],
)
def test_what_is_computed_twice_is_told_apart_by_what_uses_it(left, right):
    found = difference(left, right, {"x": 0.3, "y": 0.4})
    assert {p.kind for p in found.nodes} == {"same"}
    assert found.first is None


@pytest.mark.parametrize("seed", range(40))
def test_every_node_is_in_one_pair_and_in_its_programs_order(seed):
    rng = np.random.default_rng(seed)
    statements = a_program(rng, 8)
    changed = [(name, str(rng.choice(STEPS)).format(a="x", b="y") if rng.random() < 0.2 else text)
               for name, text in statements]  # fmt: skip
    found = difference(written(statements), written(changed), {"x": 0.3, "y": 0.4})
    if statements == changed:
        assert {p.kind for p in found.nodes} == {"same"}
    for side, result in (("left", found.left), ("right", found.right)):
        ids = [getattr(p, side) for p in found.nodes if getattr(p, side) is not None]
        assert sorted(ids) == list(range(len(result.nodes)))
    alone = [p.right for p in found.nodes if p.left is None]
    assert alone == sorted(alone)
    assert [p.left for p in found.nodes if p.left is not None] == list(range(len(found.left.nodes)))


# Rounding. ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right", "inputs"),
    [
        ("(a+b)+c", "a+(b+c)", {"a": 0.1, "b": 0.2, "c": 0.3}),
        ("(a+b)-a", "(a-a)+b", {"a": 1e16, "b": 1.0}),  # 0 and 1: that much is lost.
        ("exp((a+b)+c)", "exp(a+(b+c))", {"a": 300.1, "b": 200.2, "c": 100.3}),
        ("1/((a+b)+c)", "1/(a+(b+c))", {"a": 0.1, "b": 0.2, "c": -0.3 + 1e-12}),
        ("sum(X@W)", "sum(W.T@X.T)", {"X": np.linspace(0, 1, 30).reshape(5, 6), "W": np.linspace(-1, 1, 24).reshape(6, 4)}),
        ("log(sum(exp(a)))", "logsumexp(a)", {"a": np.array([1.0, 2.0, 3.3])}),
        ("a/b", "a*(1/b)", {"a": 0.7, "b": 0.3}),
    ],
)  # fmt: skip
def test_what_differs_by_rounding_alone_is_the_same(left, right, inputs):
    found = difference(left, right, inputs)
    output = next(p for p in found.nodes if p.left == found.left.output)
    assert output.right == found.right.output
    assert output.kind == "same"
    assert output.value_rounds == (output.value != 0)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_rounding_is_that_of_the_precision(dtype):
    (pair,) = (
        p for p in difference("(a+b)+c", "a+(b+c)+d", {"a": 0.1, "b": 0.2, "c": 0.3, "d": 1e-10}, dtype=dtype).nodes
        if p.left == 4
    )  # fmt: skip
    assert pair.right is not None
    assert (pair.kind == "same") == (dtype == "float32")


@pytest.mark.parametrize(
    ("left", "right", "inputs"),
    [
        ("x + 1e-9", "x", {"x": 1.0}),
        ("x*(1 + 1e-12)", "x*1", {"x": 3.0}),
        ("x*[1, 1e-9]", "x*[1, 2e-9]", {"x": 1.0}),  # A small entry beside a large one.
        ("1e-300*x", "2e-300*x", {"x": 1.0}),
    ],
)
def test_what_differs_by_more_is_changed(left, right, inputs):
    found = difference(left, right, inputs, upstream="ones")
    assert found.first is not None
    output = next(p for p in found.nodes if p.left == found.left.output)
    assert (output.right, output.kind) != (found.right.output, "same")


def test_inputs_that_differ_by_rounding():
    found = difference("x*3", "x*3", {"x": 0.3}, {"x": 0.1 + 0.2})
    assert found.first is None
    assert [(p.kind, p.value_rounds) for p in found.nodes] == [("same", True), ("same", False), ("same", True)]


@pytest.mark.parametrize(
    ("here", "there", "value", "kind"),
    [
        (np.inf, np.inf, 0.0, "same"),
        (np.nan, np.nan, 0.0, "same"),
        (np.inf, 1.0, np.inf, "changed"),
        (np.inf, -np.inf, np.inf, "changed"),
        (np.nan, 1.0, np.nan, "changed"),
        (np.zeros(2), np.zeros(3), np.nan, "changed"),
        (np.array([1.0, np.nan]), np.array([1.5, np.nan]), 0.5, "changed"),
    ],
)
def test_what_is_no_number(here, there, value, kind):
    pair = difference("x", "x", {"x": here}, {"x": there}, upstream="ones").nodes[0]
    assert pair.value == pytest.approx(value, nan_ok=True)
    assert pair.kind == kind


def test_constants_have_no_upstream_to_compare():
    found = difference("2*x", "2*x", {"x": 1.0}, {"x": 2.0})
    assert [(p.left, p.upstream) for p in found.nodes] == [(0, 0), (1, None), (2, 0)]


# Size. -------------------------------------------------------------------------------------------------------------


def test_work_is_linear_in_the_number_of_nodes(effort):
    """The same hundreds of terms, one of them with another factor; all of them have the same arguments."""
    calls = []
    for half in (150, 300):
        terms = [f"{1 + k % 7}*sin(x)" for k in range(2 * half)]
        left, right = "+".join(terms), "+".join([*terms[:half], "0*sin(x)", *terms[half:]])
        graphs = [parse(text) for text in (left, right)]
        results = [evaluate(graph, {"x": 0.0}, references=()) for graph in graphs]
        found, work = effort(compare, *results, *graphs)
        calls.append(work.calls)
        alone = [p for p in found.nodes if p.left is None]
        assert len(found.nodes) - len(graphs[0]) == len(alone) == len(graphs[1]) - len(graphs[0])
    assert calls[1] < 2.2 * calls[0]
