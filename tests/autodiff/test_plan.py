"""Plan: shapes, which inputs are differentiated, and errors with their place."""

import numpy as np
import pytest

from gradtool.autodiff import make_plan
from gradtool.language import SourceError, parse


def test_a_graph_of_scalars_runs_on_floats():
    assert make_plan(parse("(x+y)*max(y,z)"), {"x": 1.0, "y": 2.0, "z": 0.0}).scalar


@pytest.mark.parametrize("inputs", [{"x": np.ones(3)}, {"x": np.ones((2, 2))}])
def test_arrays_do_not(inputs):
    plan = make_plan(parse("exp(x)*2"), inputs)
    assert not plan.scalar
    assert plan.output_shape == inputs["x"].shape


def test_shapes_follow_the_operations():
    plan = make_plan(parse("sum(W@x + b)"), {"W": np.ones((2, 3)), "x": np.ones(3), "b": np.ones(2)})
    assert plan.shapes[-3:] == [(2,), (2,), ()]


def test_shapes_that_do_not_fit_name_operation_shapes_and_place():
    with pytest.raises(SourceError) as caught:
        make_plan(parse("z = 1\nW@x + z"), {"W": np.ones((2, 3)), "x": np.ones(4)})
    text = str(caught.value)
    assert "matmul" in text
    assert "(2, 3)" in text
    assert "(4,)" in text
    assert "line 2" in text
    assert "^" in text


def test_too_many_entries_are_refused_before_they_are_made():
    with pytest.raises(SourceError, match=r"10,000,000,000 entries.*limit of 10,000,000") as caught:
        make_plan(parse("outer(x, x)"), {"x": np.ones(100_000)})
    assert "--max-size" in str(caught.value)


def test_wrt_restricts_what_is_live():
    graph = parse("x*y + exp(y)")
    plan = make_plan(graph, {"x": 1.0, "y": 2.0}, wrt=["x"])
    assert plan.wrt == ("x",)
    live = [graph.operations[i] for i in range(len(graph)) if plan.live[i]]
    assert live == ["input", "multiply", "add"]


def test_labels_are_not_differentiated():
    plan = make_plan(parse("cross_entropy(z, y)"), {"z": np.ones((2, 3)), "y": np.array([0.0, 2.0])})
    assert plan.wrt == ("z",)


def test_probabilities_are():
    plan = make_plan(parse("cross_entropy(z, y)"), {"z": np.ones((2, 3)), "y": np.ones((2, 3)) / 3})
    assert plan.wrt == ("z", "y")


def test_a_condition_is_not_differentiated_unless_it_is_used_otherwise_too():
    inputs = {"m": np.array([1.0, 0.0]), "x": np.ones(2)}
    assert make_plan(parse("sum(where(m, x, 2))"), inputs).wrt == ("x",)
    assert make_plan(parse("sum(where(m, x, 2) * m)"), inputs).wrt == ("m", "x")


def test_an_input_without_a_path_stays_wanted():
    assert make_plan(parse("a = x*y; y^2"), {"x": 1.0, "y": 2.0}).wrt == ("x", "y")


def test_what_was_settled_is_settled_once():
    graph = parse("x*y + exp(y)")
    first, again = (make_plan(graph, {"x": x, "y": 2.0}) for x in (1.0, 5.0))
    assert again.graph is graph
    assert all(a is b for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize("text", ["x*y + exp(y)", "sum(x*y) + 2"])
@pytest.mark.parametrize(
    "other",
    [
        {"inputs": {"x": np.ones(3), "y": 2.0}},
        {"wrt": ["x"]},
        {"wrt": []},
        {"integer": ["y"]},
        {"dtype": "float32"},
        {"output": 1},
    ],
    ids=lambda other: next(iter(other)),
)
def test_what_was_settled_for_something_else_is_not_used(text, other):
    def settled(graph, inputs=None, output=None, **options):
        graph = graph if output is None else graph.with_output(output)
        return make_plan(graph, inputs or {"x": 1.0, "y": 2.0}, **options)

    graph = parse(text)
    settled(graph)
    found, fresh = settled(graph, **other), settled(parse(text), **other)
    assert found._replace(graph=graph, resolved=[]) == fresh._replace(graph=graph, resolved=[])
    assert [r and r.shape for r in found.resolved] == [r and r.shape for r in fresh.resolved]
    assert found.graph.output == fresh.graph.output


def test_too_many_entries_are_refused_though_they_were_allowed_before():
    graph, inputs = parse("outer(x, x)"), {"x": np.ones(100)}
    make_plan(graph, inputs)
    with pytest.raises(SourceError, match="more than the limit"):
        make_plan(graph, inputs, max_size=1000)


@pytest.mark.parametrize("wrt", [None, ["x"], ["y"], []])
@pytest.mark.parametrize("text", ["x*y + exp(y)*2", "where(x > 0, y, 3) - y", "x + y", "y = y*y; x + exp(2)"])
def test_a_graph_of_scalars_is_settled_as_any_graph_is(text, wrt):
    """As with an entry each: a plan of arrays is made node by node."""
    scalars, arrays = (make_plan(parse(text), dict.fromkeys("xy", value), wrt=wrt) for value in (1.0, np.ones(1)))
    assert (scalars.live, scalars.wrt, scalars.operations) == (arrays.live, arrays.wrt, arrays.operations)
    assert [r and r.frozen for r in scalars.resolved] == [r and r.frozen for r in arrays.resolved]
