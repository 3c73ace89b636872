"""What an entry of an input reaches: the same numbers as whole passes give, and few of them."""

import numpy as np
import pytest

from gradtool.autodiff import Influence, decided_by_tied_conditions, forward, make_plan, run_batch
from gradtool.language import parse

# program, shapes, and how many numbers at most a point with one entry of x moved takes in one node
PROGRAMS = [
    ("sum(100*(x[1:] - x[:-1]^2)^2 + (1 - x[:-1])^2)", {"x": (12,)}, 3),
    ("sum((W @ tanh(x @ v + b))^2)", {"x": (5, 4), "v": (4,), "b": (5,), "W": (3, 5)}, 3),
    ("sum((x @ v)^2) + sum(v)", {"x": (5, 4), "v": (4, 2)}, 2),
    ("sum(sin(x) * v)", {"x": (3, 1), "v": (3, 4)}, 4),
    ("exp(x)[::2] * v", {"x": (9,), "v": (5,)}, 1),
    ("concat(v, x^2, axis=0).T + w", {"x": (2, 3), "v": (1, 3), "w": (3, 3)}, 1),
    ("stack(x, v)[0] * stack(v, x)[1] + roll(x, 1)", {"x": (6,), "v": (6,)}, 2),
    ("pad(reshape(x, (3, 2)), 1) * flip(pad(reshape(x, (3, 2)), 1))", {"x": (6,)}, 2),
    ("mean(x * v, axis=0) / sum(v)", {"x": (4, 3), "v": (4, 3)}, 1),
    ("broadcast_to(x, (4, 6)) * v", {"x": (6,), "v": (4, 6)}, 4),
    ("dot(v, x) * 2 + 0 * w", {"x": (6,), "v": (6,), "w": (3,)}, 3),
    ("gather(x, i)^2", {"x": (6, 2), "i": (3,)}, 3),
    ("relu(x) + abs(x[::-1])", {"x": (8,)}, 2),
    ("softmax(x) * exp(x)", {"x": (6,)}, 6),
    ("max(x, axis=0) + cumsum(x)[0]", {"x": (4, 3)}, 12),
    ("x @ x.T", {"x": (3, 3)}, 9),
    ("logsumexp(concat(x, v)) * x", {"x": (5,), "v": (5,)}, 10),
]


def problem(text, shapes, seed=4):
    rng = np.random.default_rng(seed)
    inputs = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    if "i" in inputs:
        inputs["i"] = np.array([1.0, 1.0, 4.0])
    return parse(text), inputs


def moved_points(x, entries, moved):
    points = np.repeat(x[None], len(entries), axis=0).reshape(len(entries), -1)
    points[np.arange(len(entries)), entries] = moved
    return points.reshape(len(entries), *x.shape)


def filled(found, base):
    """The outputs that the changed entries make."""
    outputs = np.repeat(np.ravel(base)[None], found.value.shape[1], axis=0)
    for places, value in zip(found.places, found.value, strict=True):
        used = places >= 0
        outputs[np.nonzero(used)[0], places[used]] = value[used]
    return outputs.reshape(-1, *np.shape(base))


@pytest.mark.parametrize(("text", "shapes", "width"), PROGRAMS, ids=[p[0] for p in PROGRAMS])
def test_the_reached_entries_are_what_a_whole_pass_gives(text, shapes, width):
    graph, inputs = problem(text, shapes)
    plan = make_plan(graph, inputs)
    values = forward(plan, inputs)
    influence = Influence(plan, values, "x")
    assert influence.width <= width
    rng = np.random.default_rng(1)
    entries = rng.permutation(np.tile(np.arange(inputs["x"].size), 3))
    moved = rng.normal(size=len(entries))
    found = influence.run(entries, moved)
    whole = run_batch(plan, values, {graph.inputs["x"]: moved_points(inputs["x"], entries, moved)})
    base = np.asarray(values[graph.output])
    assert filled(found, base) == pytest.approx(whole.outputs, rel=1e-12, abs=1e-12)
    changes = (whole.outputs - base).reshape(len(entries), -1)
    assert found.change.sum(axis=0) == pytest.approx(changes.sum(axis=1), rel=1e-11, abs=1e-11)
    assert found.same_piece.tolist() == whole.same_piece.tolist()


def test_an_output_that_does_not_see_the_input_has_no_changes():
    graph, inputs = parse("y = x*2; v + 1"), {"x": np.ones(5), "v": np.ones(5)}
    plan = make_plan(graph, inputs)
    found = Influence(plan, forward(plan, inputs), "x").run(np.arange(5), np.zeros(5))
    assert found.change.shape == (0, 5)
    assert found.same_piece.all()


def test_a_large_part_of_a_sum_costs_no_digits():
    inputs = {"x": np.linspace(0, 1, 5), "c": np.array([1e16])}
    plan = make_plan(parse("sum(concat(sin(x), c))"), inputs)
    found = Influence(plan, forward(plan, inputs), "x").run(np.arange(5), inputs["x"] + 0.5)
    assert found.change[0] == pytest.approx(np.sin(inputs["x"] + 0.5) - np.sin(inputs["x"]), rel=1e-15)


@pytest.mark.parametrize(
    "text", ["relu(x - 1)", "max(x, 1)", "where(x > 1, x, x^2)", "sum(abs(x - 1)) * 2", "max(x) + x", "x / (x - 1)"]
)
def test_ties_and_pieces_are_those_of_a_whole_pass(text):
    x = np.array([1.0, 1.0, 0.5, 2.0, 1.5])
    graph = parse(text)
    plan = make_plan(graph, {"x": x})
    values = forward(plan, {"x": x})
    excused = decided_by_tied_conditions(plan, values)
    entries = np.tile(np.arange(5), 4)
    moved = x[entries] + np.repeat([0.25, -0.25, 1.0, -1.0], 5)
    found = Influence(plan, values, "x", excused).run(entries, moved)
    whole = run_batch(plan, values, {0: moved_points(x, entries, moved)}, excused=excused)
    assert found.same_piece.tolist() == whole.same_piece.tolist()


def test_what_only_looks_like_moving_entries_is_not_taken_for_it():
    """Largest of labels, or the one that a saturated softmax picks: other numbers tell."""
    for text in ("logsumexp(x)", "softmax(x) @ x", "sort(x)", "max(x)", "cumsum(x)", "var(x)"):
        graph, x = parse(text), np.array([3.0, 1.0, 2.0])
        plan = make_plan(graph, {"x": x})
        values = forward(plan, {"x": x})
        entries, moved = np.arange(3), np.array([2.5, 2.6, 3.7])
        found = Influence(plan, values, "x").run(entries, moved)
        whole = run_batch(plan, values, {0: moved_points(x, entries, moved)})
        assert filled(found, values[graph.output]) == pytest.approx(whole.outputs, rel=1e-13, abs=1e-14), text


def test_it_pays_where_entries_reach_little():
    def pays(text, **inputs):
        plan = make_plan(parse(text), inputs)
        return Influence(plan, forward(plan, inputs), "x").pays

    x = np.linspace(0.1, 1, 40)
    assert pays("sum(sin(x)^2)", x=x)
    assert pays("sum(tanh(x @ v))", x=x.reshape(8, 5), v=np.ones(5))
    assert not pays("sum(softmax(x) * exp(x))", x=x)
    assert not pays("x", x=1.0)


def test_other_roundings_are_refused_where_they_change_the_piece():
    x = np.linspace(-1, 1, 40)
    plan = make_plan(parse("sum(relu(x - 0.5))"), {"x": x})
    values = forward(plan, {"x": x})
    influence = Influence(plan, values, "x")
    same = influence.at(forward(plan, {"x": x + 1e-15}))
    assert same is not None
    assert same.run(np.array([39]), np.array([2.0])).change == pytest.approx(1.0)
    assert influence.at(forward(plan, {"x": x[::-1]})) is None


def test_infinities_that_stay_spoil_nothing():
    inputs = {"x": np.ones((3, 3)), "v": np.array([np.inf, 1.0, 1.0]), "w": np.array([0.0, 1.0, 1.0])}
    graph = parse("1 / (x @ v) + x @ w")
    plan = make_plan(graph, inputs)
    values = forward(plan, inputs)
    found = Influence(plan, values, "x").run(np.arange(9), np.full(9, 2.0))
    whole = run_batch(plan, values, {graph.inputs["x"]: moved_points(inputs["x"], np.arange(9), np.full(9, 2.0))})
    assert filled(found, values[graph.output]).tolist() == whole.outputs.tolist()
