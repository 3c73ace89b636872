"""Forward at many points at once gives what one forward a point gives, and sees kinks being crossed."""

import numpy as np
import pytest

from gradtool.autodiff import forward, make_plan, run_batch
from gradtool.language import parse

PROGRAMS = [
    ("(x+y)*max(y,z)", {"x": (), "y": (), "z": ()}),
    ("sum(W@x + b)", {"W": (2, 3), "x": (3,), "b": (2,)}),
    ("X@W + b", {"X": (4, 3), "W": (3, 2), "b": (2,)}),
    ("softmax(W@x)[1:]", {"W": (3, 3), "x": (3,)}),
    ("layer_norm(x*b) + c", {"x": (2, 4), "b": (4,), "c": (2, 1)}),
    ("concat(x, y, axis=1).T @ z", {"x": (2, 1), "y": (2, 3), "z": (2,)}),
    ("norm(x, axis=0) + max(x, axis=0) * mean(y)", {"x": (3, 2), "y": (4,)}),
    ("c = [x, y, x*y]; c / sum(c^2)", {"x": (), "y": ()}),
]


@pytest.mark.parametrize(("text", "shapes"), PROGRAMS, ids=[p[0] for p in PROGRAMS])
def test_a_batch_is_many_single_runs(text, shapes):
    rng = np.random.default_rng(3)
    graph = parse(text)
    inputs = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    plan = make_plan(graph, inputs)
    values = forward(plan, inputs)
    for name, shape in shapes.items():
        points = rng.normal(size=(5, *shape))
        batch = run_batch(plan, values, {graph.inputs[name]: points})
        singles = [forward(plan, {**inputs, name: point})[graph.output] for point in points]
        assert batch.outputs == pytest.approx(np.array(singles), rel=1e-13, abs=1e-14)


def test_an_input_that_the_output_does_not_see_changes_nothing():
    graph = parse("a = x*2; y + 1")
    inputs = {"x": 1.0, "y": 2.0}
    plan = make_plan(graph, inputs)
    batch = run_batch(plan, forward(plan, inputs), {graph.inputs["x"]: np.arange(3.0)})
    assert batch.outputs.tolist() == [3.0, 3.0, 3.0]
    assert batch.same_piece.all()


@pytest.mark.parametrize(
    ("text", "x", "points", "same"),
    [
        ("relu(x)", 0.5, [0.4, 0.1, -0.1], [True, True, False]),
        ("abs(x) + 1/x", -1.0, [-0.5, -2.0, 0.5], [True, True, False]),
        ("max(x, 1)", 2.0, [1.5, 0.5], [True, False]),
        ("floor(x)", 2.5, [2.1, 2.9, 3.1], [True, True, False]),
        ("where(x > 1, x, x^2)", 2.0, [1.5, 0.5], [True, False]),
        ("relu(x)", 0.0, [0.1, -0.1], [True, True]),
    ],
)
def test_crossing_a_kink_is_seen_but_leaving_one_is_not(text, x, points, same):
    graph = parse(text)
    plan = make_plan(graph, {"x": x})
    batch = run_batch(plan, forward(plan, {"x": x}), {0: np.array(points)})
    assert batch.same_piece.tolist() == same
