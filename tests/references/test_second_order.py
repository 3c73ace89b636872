"""References for the Hessian: exact in what they claim, silent where there is none; no rule for second derivatives in them."""

import numpy as np
import pytest

from gradtool.autodiff import forward, make_plan
from gradtool.language import parse
from gradtool.references import GradientFunction, numeric_hessian, symbolic_hessian


def asked(text, tied=False, upstream=1.0, max_operations=200_000, **inputs):
    arrays = {name: np.asarray(x, dtype=float) for name, x in inputs.items()}
    graph = parse(text)
    plan = make_plan(graph, arrays)
    symbolic = symbolic_hessian(
        graph, arrays, upstream, plan.resolved, plan.wrt, tied=tied, max_operations=max_operations
    )
    return symbolic, numeric_hessian(plan, arrays, upstream)


@pytest.mark.parametrize(
    ("text", "inputs", "wanted"),
    [
        ("x^2*y", {"x": 3, "y": 2}, [[4, 6], [6, 0]]),
        ("softplus(x)", {"x": 0}, [[0.25]]),
        ("3*x + y", {"x": 1, "y": 1}, [[0, 0], [0, 0]]),
        ("x^3", {"x": 0}, [[0]]),
        ("abs(x)^3", {"x": 0}, [[0]]),
        ("x**y", {"x": 2, "y": 0}, [[0, 0.5], [0.5, np.log(2) ** 2]]),
        ("1e8 + sin(x)", {"x": 1}, [[-np.sin(1)]]),
        ("1e-6*sin(x)", {"x": 1}, [[-1e-6 * np.sin(1)]]),
        ("det(A)", {"A": np.ones((2, 2))}, [[0, 0, 0, 1], [0, 0, -1, 0], [0, -1, 0, 0], [1, 0, 0, 0]]),
        ("exp(x)", {"x": -700}, [[np.exp(-700)]]),
    ],
)
def test_known_second_derivatives(text, inputs, wanted):
    symbolic, numeric = asked(text, **inputs)
    assert symbolic.status == numeric.status == "ok"
    assert not symbolic.kink.any()
    assert np.allclose(symbolic.value, wanted, rtol=1e-15, atol=1e-100)
    assert (symbolic.error <= 1e-25 * np.abs(wanted).max() + 1e-60).all()
    assert (np.abs(numeric.value - wanted) <= numeric.error).all()
    assert (numeric.error <= 1e-8 * np.abs(wanted).max() + 1e-12).all()


@pytest.mark.parametrize(
    ("text", "inputs"),
    [
        ("abs(x)", {"x": 0}),
        ("x*abs(x)", {"x": 0}),
        ("relu(x)^2", {"x": 0}),
        ("max(x,y)^2", {"x": 1, "y": 1}),
        ("abs(x)^1.5", {"x": 0}),
        ("floor(x)*x", {"x": 2}),
    ],
)
def test_a_gradient_that_jumps_or_bends_has_no_second_derivative(text, inputs):
    symbolic, numeric = asked(text, tied=True, **inputs)
    assert symbolic.status == "failed"
    assert np.isinf(symbolic.error).all()
    assert symbolic.reason is not None
    assert np.isinf(numeric.error).all()


@pytest.mark.parametrize("text", ["huber(x, 0)", "smooth_l1(x, 0)", "huber(x, 0)^2 * 3"])
def test_differences_on_the_smooth_side_of_a_bend_say_nothing(text):
    """These have one slope at 1 and two second derivatives, of which the base point's own piece shows one."""
    _, numeric = asked(text, x=1)
    assert np.isinf(numeric.error).all()
    assert np.isnan(numeric.value).all()


def test_a_kink_that_hides_from_both_axes_is_found():
    assert asked("abs(x)*abs(y)", tied=False, x=0, y=0)[0].status == "ok"
    assert asked("abs(x)*abs(y)", tied=True, x=0, y=0)[0].kink.all()


def test_a_kink_elsewhere_spoils_nothing():
    symbolic, _ = asked("relu(x) + x*y^2*z", tied=True, x=0, y=2, z=3)
    assert symbolic.kink.tolist() == [[True, True, True], [True, False, False], [True, False, False]]
    assert symbolic.value[1:, 1:].tolist() == [[0, 0], [0, 0]]
    assert asked("relu(x) + x^2*y", tied=True, x=-1, y=2)[0].value.tolist() == [[4, -2], [-2, 0]]


def test_what_is_beyond_float64_is_not_known():
    symbolic, _ = asked("exp(x)", x=1000)
    assert (symbolic.status, symbolic.reason) == ("failed", "beyond the range of float64")


def test_undefined_and_too_large():
    assert "sqrt" in asked("sqrt(x)", x=0)[0].reason
    symbolic, _ = asked("sum(tanh(x))", x=np.ones(4), max_operations=3)
    assert (symbolic.status, "--max-symbolic" in symbolic.reason) == ("skipped", True)
    many = asked("+".join(["x*x"] * 3000), x=np.ones(40), upstream=np.ones(40))[1]
    assert (many.status, "too long" in many.reason) == ("skipped", True)
    assert asked("log(x)", x=0)[1].reason == "the gradient is not finite at this point"


def test_a_gradient_is_computed_once_a_point():
    plan = make_plan(parse("x^2*y"), {"x": 1.0, "y": 2.0})
    inputs = {"x": np.array(3.0), "y": np.array(2.0)}
    function = GradientFunction(plan, inputs, 1.0)
    assert function.base().tolist() == [12.0, 9.0]
    points = np.array([3.5, 3.5, 4.0])
    assert function.many("x", points).outputs.tolist() == [[14.0, 12.25], [14.0, 12.25], [16.0, 16.0]]
    assert function.evaluations == 2
    assert (function.noise() < 1e-13).all()
    assert forward(plan, inputs)[plan.graph.output] == 18.0
