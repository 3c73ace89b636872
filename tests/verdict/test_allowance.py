"""The allowance covers what rounding does to honest gradients, and little more."""

import numpy as np
import pytest

from gradtool.autodiff import backward, forward, make_plan
from gradtool.language import parse
from gradtool.references import symbolic_gradient
from gradtool.verdict import quick_allowance, rounding_allowance
from gradtool.verdict.allowance import node_allowances

PROGRAMS = [
    ("exp(sin(x^2))", {"x": 0.7}),
    ("((x + 1e8) - 1e8)^2", {"x": 0.1}),
    ("1e16*x - 1e16*x + x", {"x": 1.0}),
    ("(1 - cos(x)) / x^2", {"x": 1e-5}),
    ("sum(x^2)*mean(x)", {"x": np.linspace(0.1, 1.3, 50)}),
    ("log(sum(exp(x))) - max(x)", {"x": np.array([1.0, 2.0, 30.0])}),
    ("dot(x, y)^3", {"x": np.array([1e8, 1.0, -1e8]), "y": np.array([1.0, 1e-3, 1.0])}),
    ("sum(softmax(x)*y)", {"x": np.array([-1.0, 1.9, 0.1]), "y": np.array([1.0, 2.0, -1.0])}),
]


@pytest.mark.parametrize(("text", "inputs"), PROGRAMS, ids=[p[0] for p in PROGRAMS])
def test_honest_rounding_is_inside(text, inputs):
    graph = parse(text)
    plan = make_plan(graph, inputs)
    gradients = backward(plan, forward(plan, inputs), 1.0)
    exact = symbolic_gradient(graph, inputs, 1.0, plan.resolved, plan.wrt).gradients
    allowed = rounding_allowance(plan, inputs, 1.0, gradients)
    for name in plan.wrt:
        ours = np.asarray(gradients.of(name))
        assert np.all(np.abs(ours - exact[name].value) <= allowed[name])


@pytest.mark.parametrize(("text", "inputs"), PROGRAMS[:1] + PROGRAMS[4:5] + PROGRAMS[7:], ids=lambda p: str(p)[:12])
def test_a_well_conditioned_gradient_is_allowed_little(text, inputs):
    plan = make_plan(parse(text), inputs)
    gradients = backward(plan, forward(plan, inputs), 1.0)
    allowed = rounding_allowance(plan, inputs, 1.0, gradients)
    for name in plan.wrt:
        assert np.max(allowed[name]) <= 1e-12 * np.max(np.abs(np.asarray(gradients.of(name))))


def test_an_ill_conditioned_one_is_allowed_as_much_as_it_lost():
    inputs = {"x": 0.1}
    plan = make_plan(parse("((x + 1e8) - 1e8)^2"), inputs)
    gradients = backward(plan, forward(plan, inputs), 1.0)
    allowed = float(rounding_allowance(plan, inputs, 1.0, gradients)["x"])
    assert 1e-9 < allowed < 1e-5


def test_every_node_is_allowed_what_it_lost():
    inputs = {"x": 0.1}
    plan = make_plan(
        parse("((x + 1e8) - 1e8)^2"), inputs
    )  # Nodes: x, 1e8, 1e8, 2, the sum, the difference, the square.
    values = forward(plan, inputs)
    of_values, of_upstreams = node_allowances(plan, inputs, values, backward(plan, values, 1.0))
    sizes = [float(allowed / abs(value)) for allowed, value in zip(of_values, values, strict=True)]
    assert max(sizes[:5]) < 1e-13
    assert 1e-9 < sizes[5] < 1e-5
    assert 1e-9 < float(of_upstreams[0]) < 1e-5
    assert float(of_upstreams[plan.graph.output]) < 1e-14
    assert not of_upstreams[1].any() or float(of_upstreams[1]) < 1e-300  # No gradient comes to a constant.


def test_the_quick_allowance_grows_with_what_was_added_up():
    plan = make_plan(parse("x"), {"x": 1.0})
    alone = quick_allowance(plan, np.array(1.0), [np.array(1.0)])
    cancelled = quick_allowance(plan, np.array(1.0), [np.array(1e6), np.array(-1e6 + 1)])
    assert float(alone) < 1e-14
    assert float(cancelled) > 1e-10


def test_labels_are_not_perturbed():
    inputs = {"z": np.array([[1.0, 2.0], [0.5, -1.0]]), "y": np.array([0.0, 1.0])}
    plan = make_plan(parse("cross_entropy(z, y)"), inputs)
    gradients = backward(plan, forward(plan, inputs), 1.0)
    assert np.max(rounding_allowance(plan, inputs, 1.0, gradients)["z"]) < 1e-13


def allowed_and_off(text, inputs):
    """The full allowance, and how far the gradient is from the exact one."""
    graph = parse(text)
    plan = make_plan(graph, inputs)
    gradients = backward(plan, forward(plan, inputs), 1.0)
    exact = symbolic_gradient(graph, inputs, 1.0, plan.resolved, plan.wrt).gradients
    allowed = rounding_allowance(plan, inputs, 1.0, gradients)
    off = {name: np.abs(np.asarray(gradients.of(name)) - exact[name].value) for name in plan.wrt}
    return allowed, off


@pytest.mark.parametrize(
    "text", ["max({0}, 0)", "max([{0}, 0])", "relu({0})", "norm([{0}, 0], ord=inf)", "sort([{0}, 0])[1]"]
)
def test_what_was_lost_below_a_selection_is_allowed_for(text):
    allowed, off = allowed_and_off(text.format("((x + 1e8) - 1e8)^2"), {"x": 0.1})
    assert 0 < off["x"] <= allowed["x"] < 1e-5


def test_comparisons_are_exact():
    """Inputs one rounding apart are not taken for each other: neither is the one branch for the other."""
    inputs = {"x": 1.0, "y": float(np.nextafter(1.0, 2.0)), "m": 1.0}
    plan = make_plan(parse("max(x, y) + where(m == 1, x, 5*x) + where((x < y) == 1, 2*y, y)"), inputs, wrt=["x", "y"])
    gradients = backward(plan, forward(plan, inputs), 1.0)
    allowed = rounding_allowance(plan, inputs, 1.0, gradients)
    assert max(allowed["x"], allowed["y"]) < 1e-12


@pytest.mark.parametrize(
    ("text", "x"),
    [
        ("exp(x)*1e300", -800.0),
        ("x*1e-200*1e-200*1e300*1e50", 1.0),
        ("atan(x)*1e200*1e100", 1e200),
        ("x^3*1e300", 1e-160),
    ],
)
def test_underflow_is_allowed_for_however_it_is_amplified_later(text, x):
    allowed, off = allowed_and_off(text, {"x": x})
    assert off["x"] <= allowed["x"]


def test_a_zero_that_is_exact_is_allowed_nothing():
    allowed, _ = allowed_and_off("relu(x)*1e300 + y*0*1e300", {"x": -1.0, "y": 2.0})
    assert max(allowed["x"], allowed["y"]) < 1e-300


def test_a_rounding_that_would_leave_the_domain_says_nothing():
    allowed, off = allowed_and_off("acos(sign(x)) + x^2", {"x": 2.0})
    assert off["x"] <= allowed["x"] < 1e-12


def test_the_quick_allowance_covers_a_sum_of_many_terms():
    n = 4000
    graph = parse("+".join(["sin(x)*y"] * n))
    plan = make_plan(graph, {"x": 1.0, "y": 2.0})
    gradients = backward(plan, forward(plan, {"x": 1.0, "y": 2.0}), 1.0)
    term = np.sin(1.0)
    allowed = quick_allowance(plan, np.asarray(gradients.of("y")), [np.asarray(term)] * n)
    assert 8 * 1.2e-16 * n < abs(gradients.of("y") - n * term) <= allowed < 1e-8
