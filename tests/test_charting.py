"""Charts hold the numbers that they claim to hold."""

from math import cos, exp, isclose, sin

import numpy as np
import pytest

import gradtool
from gradtool.charting import gradient_norms, operation_chart, step_errors, sweep
from gradtool.ops import REGISTRY


def test_a_sweep_has_value_and_derivative():
    chart = sweep(gradtool.parse("a*sin(x)"), {"a": 2.0, "x": 9.0}, "x", 0.0, 3.0, points=7)
    value, slope = chart.curves
    assert value.x == slope.x == (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
    assert all(isclose(y, 2 * sin(x), abs_tol=1e-15) for x, y in zip(value.x, value.y, strict=True))
    assert all(isclose(y, 2 * cos(x), abs_tol=1e-15) for x, y in zip(slope.x, slope.y, strict=True))


def test_a_sweep_needs_no_value_of_its_own_and_may_leave_the_domain():
    chart = sweep(gradtool.parse("log(x)"), {}, "x", -1.0, 1.0, points=3)
    assert np.isnan(chart.curves[0].y[0])
    assert chart.curves[0].y[2] == 0


@pytest.mark.parametrize(
    ("program", "inputs", "name", "ends", "message"),
    [
        ("x", {}, "x", (1.0, 1.0), "from a number to a larger one"),
        ("x", {}, "x", (0.0, float("inf")), "from a number to a larger one"),
        ("x", {}, "y", (0.0, 1.0), "cannot sweep 'y': the program's inputs are x"),
        ("3", {}, "y", (0.0, 1.0), "cannot sweep 'y': the program has no inputs"),
        ("x*[1,2]", {}, "x", (0.0, 1.0), "scalar value; this one has shape"),
        ("sum(x)", {"x": [1.0, 2.0]}, "x", (0.0, 1.0), "cannot sweep 'x': it is an array"),
    ],
)
def test_sweeps_that_cannot_be_drawn(program, inputs, name, ends, message):
    with pytest.raises(gradtool.InputError, match=message):
        sweep(gradtool.parse(program), inputs, name, *ends)


def test_charts_of_a_function_that_branches_say_that_they_are_of_one_side():
    def leaky(x):
        return x if x > 0 else 0.01 * x

    graph = gradtool.trace(leaky, {"x": 1.0})
    place = f"test_charting.py:{leaky.__code__.co_firstlineno + 1} may go another way)"
    assert place in sweep(graph, {"x": 1.0}, "x", -1.0, 1.0).title
    assert place in step_errors(graph, {"x": 1.0}, "x").title
    assert "go" not in sweep(gradtool.parse("x"), {}, "x", -1.0, 1.0).title


def test_a_number_that_no_step_moves():
    with pytest.raises(gradtool.InputError, match=r"x is so large \(1e\+300\) that no step up to 1 moves it"):
        step_errors(gradtool.parse("sin(x)"), {"x": 1e300}, "x")


def test_the_error_of_central_differences_is_a_v():
    chart = step_errors(gradtool.parse("exp(x)"), {"x": 1.0}, "x")
    true, estimated = chart.curves
    errors = dict(zip((round(np.log10(h), 2) for h in true.x), true.y, strict=True))
    # The truncation error of a central difference is h^2 f''' / 6.
    assert isclose(errors[-2.0], 1e-4 * exp(1) / 6, rel_tol=1e-2)
    assert errors[-5.0] < 1e-9 < errors[-2.0]
    assert errors[-5.0] < errors[-12.0]
    assert all(y <= 20 * bound for y, bound in zip(true.y, estimated.y, strict=True) if np.isfinite(bound))


def test_the_chosen_step_is_good_without_knowing_the_derivative():
    for program, x in (("exp(x)", 1.0), ("sin(x)/x", 1.2), ("tanh(x)^3", 0.3), ("log(x)", 1e3)):
        chart = step_errors(gradtool.parse(program), {"x": x}, "x")
        (mark,) = chart.marks
        assert mark.y <= 1e3 * min(y for y in chart.curves[0].y if y > 0)


def test_the_entry_with_the_largest_gradient_is_looked_at():
    chart = step_errors(gradtool.parse("sum(x^2)"), {"x": np.array([[1.0, -3.0], [2.0, 0.0]])}, "x")
    assert chart.title.startswith("error of central differences for x[0, 1], over the step")


def test_an_entry_by_its_index():
    x = np.array([1.0, 2.0])
    assert "x[0]" in step_errors(gradtool.parse("sum(exp(x))"), {"x": x}, "x", (0,)).title
    with pytest.raises(gradtool.InputError, match=r"no entry \[5\]"):
        step_errors(gradtool.parse("sum(x)"), {"x": x}, "x", (5,))


def test_labels_and_unknown_names_have_no_error():
    labelled = {"z": np.eye(2), "y": np.array([0, 1])}
    with pytest.raises(gradtool.InputError, match="y is not differentiated"):
        step_errors(gradtool.parse("cross_entropy(z, y)"), labelled, "y")
    with pytest.raises(gradtool.InputError, match="with respect to 'y'"):
        step_errors(gradtool.parse("x"), {"x": 1.0}, "y")


def test_gradient_norms_of_named_nodes_from_the_output_down():
    graph = gradtool.parse("a = 3*x; b = 2*a; c = b^2; sum(c)")
    bars = gradient_norms(gradtool.evaluate(graph, {"x": np.array([0.5, 0.5])}, references=()))
    assert bars.labels == ("c", "b", "a", "x")
    # b is 3: dc/db = 6 an entry, two entries.
    assert np.allclose(bars.values, np.sqrt(2) * np.array([1, 6, 12, 36]))


def test_without_names_all_nodes_are_shown():
    bars = gradient_norms(gradtool.evaluate(gradtool.parse("exp(x*y)"), {"x": 1.0, "y": 2.0}, references=()))
    assert bars.labels == ("n3", "n2", "y", "x")


def test_norms_do_not_overflow():
    bars = gradient_norms(gradtool.evaluate(gradtool.parse("sum(1e200*x)"), {"x": np.ones(4)}, references=()))
    assert bars.values[-1] == 2e200


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_operation_of_one_argument_has_a_chart(name):
    operation = REGISTRY[name]
    chart = operation_chart(name)
    assert (chart is not None) == (operation.elementwise and len(operation.arguments) == 1)
    if chart is not None:
        assert np.isfinite(chart.curves[0].y).sum() > 100
