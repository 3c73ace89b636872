"""Every form means the same as its equivalent, and somewhere is worse; operands and orders are recognised for what they are."""

import numpy as np
import pytest

import gradtool
from gradtool.autodiff import forward, make_plan
from gradtool.diagnosis.forms import FORMS, match, roots, texts
from gradtool.references import symbolic_gradient

# A point for each form where it loses digits or overflows.
NASTY = {
    "-mean(y*log(sigmoid(z)) + (1 - y)*log(1 - sigmoid(z)))": {"y": [0.0, 0.0], "z": [40.0, 41.0]},
    "-(y*log(sigmoid(z)) + (1 - y)*log(1 - sigmoid(z)))": {"y": 0.0, "z": 40.0},
    "-y*log(sigmoid(z)) - (1 - y)*log(1 - sigmoid(z))": {"y": 0.0, "z": 40.0},
    "-sum(y*log(softmax(z)))": {"y": [0.0, 1.0], "z": [800.0, 0.0]},
    "log(sum(exp(x)))": {"x": [1000.0, 0.0]},
    "log(exp(x) + exp(y))": {"x": 1000.0, "y": 999.0},
    "log(softmax(x))": {"x": [800.0, 0.0]},
    "log(sigmoid(x))": {"x": 40.0},
    "log(1/(1 + exp(-x)))": {"x": -800.0},
    "log(1 - sigmoid(x))": {"x": 40.0},
    "log(1 + exp(x))": {"x": 800.0},
    "log1p(exp(x))": {"x": 800.0},
    "log(1 - exp(x))": {"x": -1e-12},
    "log(abs(det(A)))": {"A": [[-1e-200, 0.0], [0.0, 1e-200]]},
    "log(det(A))": {"A": [[1e-200, 0.0], [0.0, 1e-200]]},
    "log(1 + x)": {"x": 1e-12},
    "log(1 - x)": {"x": 1e-12},
    "log(prod(x))": {"x": [1e-200, 1e-200]},
    "exp(x)/sum(exp(x))": {"x": [1000.0, 999.0]},
    "exp(x)/(1 + exp(x))": {"x": 800.0},
    "(exp(x) - exp(-x))/(exp(x) + exp(-x))": {"x": 1e-12},
    "(exp(x) - exp(-x))/2": {"x": 1e-12},
    "exp(x)/exp(y)": {"x": 800.0, "y": 799.0},
    "exp(x) - 1": {"x": 1e-12},
    "1 - exp(x)": {"x": 1e-12},
    "sigmoid(x)*(1 - sigmoid(x))": {"x": 40.0},
    "1 - sigmoid(x)": {"x": 40.0},
    "1 - tanh(x)^2": {"x": 20.0},
    "1 - erf(x)": {"x": 8.0},
    "1 - cos(x)": {"x": 1e-6},
    "sqrt(x^2 + y^2)": {"x": 3e200, "y": 4e200},
    "sqrt(sum(x^2))": {"x": [3e-200, 4e-200]},
    "sqrt(dot(x, x))": {"x": [3e200, 4e200]},
    "sqrt(1 + x) - 1": {"x": 1e-12},
    "sqrt(x + 1) - sqrt(x)": {"x": 1e12},
    "mean(x^2) - mean(x)^2": {"x": [1e8, 1e8 + 1.0, 1e8 + 3.0]},
    "x^2 - y^2": {"x": 1.0 + 1e-9, "y": 1.0},
    "inv(A)@b": {"A": [[0.1, 0.3], [0.7, 2.1 + 1e-11]], "b": [0.4, 2.8 + 1e-11]},
}
# At the points where only the gradient fails.
GRADIENT_ONLY = {"1/(1 + exp(-x))": ({"x": -740.0}, "x")}


def value(program, inputs):
    graph = gradtool.parse(program)
    plan = make_plan(graph, inputs)
    return np.asarray(forward(plan, inputs)[graph.output])


def exact(program, inputs):
    graph = gradtool.parse(program)
    plan = make_plan(graph, inputs)
    ones = np.ones(plan.output_shape)
    found = symbolic_gradient(graph, inputs, ones, plan.resolved, plan.wrt)
    return found.exact_values.rounded(graph.output)


def relative_error(found, truth):
    error = np.max(np.abs(found - truth)) / np.max(np.abs(truth))
    return np.inf if np.isnan(error) else error


def test_every_form_has_a_nasty_point():
    assert {form.written for form in FORMS} == NASTY.keys() | GRADIENT_ONLY.keys()


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f.written)
@pytest.mark.parametrize("seed", range(5))
def test_both_sides_are_equal(form, seed, rng):
    shapes = {"A": (3, 3), "b": (3,)}
    vector = any(word in form.written for word in ("sum", "softmax", "prod", "mean", "dot"))
    names = gradtool.parse(form.written).inputs
    low, high = (-0.9, -0.1) if form.written == "log(1 - exp(x))" else (0.1, 0.9)
    draw = np.random.default_rng(seed)
    inputs = {n: draw.uniform(low, high, shapes.get(n, (4,) if vector else ())) for n in names}
    if "A" in inputs:
        inputs["A"] += 2 * np.eye(3)  # A positive determinant.
    with np.errstate(all="ignore"):
        assert value(form.stable, inputs) == pytest.approx(value(form.written, inputs), rel=1e-9)


@pytest.mark.parametrize(("written", "point"), NASTY.items())
def test_the_equivalent_is_better_at_a_nasty_point(written, point):
    (form,) = (f for f in FORMS if f.written == written)
    inputs = {name: np.asarray(v, dtype=float) for name, v in point.items()}
    with np.errstate(all="ignore"):
        truth = exact(written, inputs)
        ours, theirs = relative_error(value(form.stable, inputs), truth), relative_error(value(written, inputs), truth)
    assert ours < 1e-14
    assert theirs > 1e3 * ours
    assert theirs > 1e-12


@pytest.mark.parametrize(("written", "where"), GRADIENT_ONLY.items())
def test_the_equivalent_has_a_gradient_where_the_form_has_none(written, where):
    (form,) = (f for f in FORMS if f.written == written)
    point, name = where
    assert not np.isfinite(gradtool.value_and_gradient(gradtool.parse(written), point)[1][name])
    assert np.isfinite(gradtool.value_and_gradient(gradtool.parse(form.stable), point)[1][name])


def largest(program):
    graph = gradtool.parse(program)
    return next(match(graph, graph.output), None), graph


@pytest.mark.parametrize(
    ("program", "stable"),
    [
        ("log(sum(exp(z)))", "logsumexp(z)"),
        ("e1 = exp(z); s = sum(e1, axis=1); log(s)", "logsumexp(z,axis=1)"),
        ("log(x + 1)", "log1p(x)"),
        ("log(1 + a*b)", "log1p(a*b)"),
        ("exp(w*x)/sum(exp(w*x))", "softmax(w*x)"),
        ("1 - cos(a + b)", "2*sin((a+b)/2)^2"),
        ("sqrt(y*y + square(x))", "hypot(y,x)"),
        ("log(exp(x) + 1)", "softplus(x)"),
        ("1/(exp(-x) + 1)", "sigmoid(x)"),
        ("p = softmax(z); -sum(log(p)*y)", "cross_entropy(z,y,reduction=sum)"),
    ],
)
def test_operands_and_orders(program, stable):
    found, graph = largest(program)
    assert texts(graph, found)[1] == stable


def test_what_is_written_is_shown_with_names_for_its_parts_written_out():
    found, graph = largest("s = sum(exp(z)); log(s)")
    assert texts(graph, found)[0] == "log(sum(exp(z)))"


@pytest.mark.parametrize(
    "program",
    [
        "log(sum(exp(x)) + 1e-9)",
        "log(2 + x)",
        "log(x + y)",
        "exp(x)/sum(exp(y))",
        "exp(w*x)/sum(exp(w*y))",
        "sqrt(x^3 + y^2)",
        "m = max(z); log(sum(exp(z - m)))",
        "m = max(z, axis=1, keepdims=true); exp(z - m)/sum(exp(z - m), axis=1, keepdims=true)",
        "(exp(x) - exp(-y))/2",
        "1 - sin(x)",
        "mean(x^2, axis=0) - mean(x, axis=1)^2",
    ],
)
def test_near_misses(program):
    assert largest(program)[0] is None


def test_roots_are_where_forms_end():
    assert {"log", "subtract", "divide"} <= roots()
    assert "sum" not in roots()
