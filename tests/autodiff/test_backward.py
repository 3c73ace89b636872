"""Backward: sums over paths, broadcasting, edges, Jacobians."""

import math

import numpy as np
import pytest

from gradtool.autodiff import backward, edges, forward, make_plan
from gradtool.language import parse
from gradtool.results import Rule


def run(text, upstream=1.0, wrt=None, **inputs):
    graph = parse(text)
    plan = make_plan(graph, inputs, wrt=wrt)
    values = forward(plan, inputs)
    return backward(plan, values, upstream), values


@pytest.mark.parametrize(
    ("text", "inputs", "expected"),
    [
        ("(x+y)*max(y,z)", {"x": 1.0, "y": 2.0, "z": 0.0}, {"x": 2.0, "y": 5.0, "z": 0.0}),
        ("x^3 + x^2", {"x": 2.0}, {"x": 16.0}),
        ("x*x", {"x": 3.0}, {"x": 6.0}),
        ("x+x+x", {"x": 3.0}, {"x": 3.0}),
        ("y = x*x; z = y*y; z*z", {"x": 1.0}, {"x": 8.0}),
        ("x/y", {"x": 1.0, "y": 4.0}, {"x": 0.25, "y": -1 / 16}),
    ],
)
def test_gradients_sum_over_all_paths(text, inputs, expected):
    gradients, _ = run(text, **inputs)
    assert {name: gradients.of(name) for name in inputs} == pytest.approx(expected, rel=1e-15)


def test_a_shared_inner_node_is_counted_once_a_path():
    """Pushing accumulated gradients at every visit counts paths twice on a chain of diamonds; one sweep does not."""
    text = "; ".join(["a = x"] + ["a = a + a"] * 30)
    gradients, _ = run(text, x=1.0)
    assert gradients.of("x") == 2.0**30


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((), 12.0), ((4,), [3.0] * 4), ((3, 1), [[4.0]] * 3), ((1, 4), [[3.0] * 4]), ((1, 1, 1), [[[12.0]]])],
)
def test_broadcast_gradients_are_summed_back(shape, expected):
    gradients, _ = run("sum(X + b)", X=np.zeros((3, 4)), b=np.zeros(shape))
    assert np.shape(gradients.of("b")) == shape
    assert np.array_equal(gradients.of("b"), expected)


def test_an_input_without_a_path_has_gradient_zero():
    gradients, _ = run("a = x*y; y^2", x=np.ones((2, 2)), y=1.0)
    assert np.array_equal(gradients.of("x"), np.zeros((2, 2)))


def test_upstream_scales_and_selects():
    gradients, _ = run("x^2", upstream=np.array([1.0, 0.0, -2.0]), x=np.array([1.0, 2.0, 3.0]))
    assert gradients.of("x").tolist() == [2.0, 0.0, -12.0]


def test_edges_carry_local_and_downstream():
    gradients, values = run("(x+y)*max(y,z)", x=1.0, y=2.0, z=0.0)
    product = edges(gradients, values, 5)
    assert [(e.argument, e.source, e.local, e.downstream) for e in product] == [(0, 3, 2.0, 2.0), (1, 4, 3.0, 3.0)]


def test_downstream_values_add_up_to_the_upstream():
    rng = np.random.default_rng(5)
    inputs = {"W": rng.normal(size=(3, 4)), "x": rng.normal(size=4), "b": rng.normal(size=3)}
    gradients, values = run("h = tanh(W@x + b); y = h*h + sin(h); sum(y*h) + sum(x) + sum(b)", **inputs)
    plan = gradients.plan
    arrived: dict[int, float | np.ndarray] = {}
    for i in range(len(plan.graph)):
        for edge in edges(gradients, values, i):
            arrived[edge.source] = arrived.get(edge.source, 0.0) + edge.downstream
    for node, total in arrived.items():
        assert total == pytest.approx(gradients.adjoints[node], rel=1e-14, abs=1e-300)


def test_an_operation_that_is_not_elementwise_has_a_rule_and_on_demand_a_jacobian():
    W, x = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), np.array([1.0, -1.0])
    gradients, values = run("W@x", upstream=np.ones(3), W=W, x=x)
    _, into_x = edges(gradients, values, 2, jacobians=True)
    assert isinstance(into_x.local, Rule)
    assert into_x.local.jacobian_shape == (3, 2)
    assert np.array_equal(into_x.local.jacobian, W)
    assert edges(gradients, values, 2)[1].local.jacobian is None


def test_infinite_derivative_times_zero_is_nan():
    gradients, _ = run("sqrt(x^2)", x=0.0)
    assert math.isnan(gradients.of("x"))


def test_drawn_choices_change_a_gradient_only_at_a_kink():
    rng = np.random.default_rng(0)
    graph = parse("relu(x) + abs(y)")
    inputs = {"x": 0.0, "y": 2.0}
    plan = make_plan(graph, inputs)
    drawn = backward(plan, forward(plan, inputs), 1.0, choose=rng)
    assert 0 < float(drawn.of("x")) < 1
    assert float(drawn.of("y")) == 1.0


def test_depth_is_no_limit():
    gradients, _ = run("x" + "*1.0" * 20_000, x=3.0)
    assert gradients.of("x") == 1.0


@pytest.mark.parametrize(
    ("text", "inputs"),
    [
        ("sqrt(relu(x))", {"x": -1.0}),
        ("sqrt(clip(x, 0, 1))", {"x": -3.0}),
        ("log(floor(x))", {"x": 0.5}),
        ("sqrt(max(x, y) - y)", {"x": 1.0, "y": 2.0}),
        ("where(y > 0, y, 1/x)*where(y > 0, 1, x)", {"x": 0.0, "y": 1.0}),
        ("sqrt(x > 1)", {"x": 0.5}),
    ],
)
@pytest.mark.parametrize("shape", [(), (2,)])
def test_nothing_comes_through_a_switch_that_is_off(text, inputs, shape):
    arrays = {name: np.full(shape, value) if shape else value for name, value in inputs.items()}
    gradients, _ = run(text, upstream=np.ones(shape), **arrays)
    if "1/x" in text:  # The switch is off, but 1/x is no switch: 0 * inf below it.
        assert np.isnan(gradients.of("x")).all()
    else:
        assert np.array_equal(gradients.of("x"), np.zeros(shape))


def test_a_switch_that_is_on_lets_infinities_through():
    gradients, values = run("sqrt(relu(x) - 1)", x=1.0)
    assert gradients.of("x") == math.inf
    assert edges(gradients, values, 2)[0].downstream == math.inf


def test_the_edges_of_a_switch_show_what_is_sent_down():
    gradients, values = run("sqrt(relu(x))", x=-1.0)
    (edge,) = edges(gradients, values, 1)
    assert (edge.local, edge.downstream) == (0.0, 0.0)
