"""Second derivatives: known Hessians, products with vectors, forward mode, smooth kernels at their seams, random programs."""

import math

import numpy as np
import pytest

import gradtool
from gradtool.autodiff import SecondOrder, backward, forward, make_plan
from gradtool.language import parse
from gradtool.references import symbolic_hessian


def made(text, upstream=1.0, **inputs):
    plan = make_plan(parse(text), inputs)
    values = forward(plan, inputs)
    return SecondOrder(plan, values, backward(plan, values, upstream))


def hessian(text, upstream=1.0, **inputs):
    return made(text, upstream, **inputs).hessian()


@pytest.mark.parametrize(
    ("text", "at", "second"),
    [
        ("x^3", 2.0, 12.0), ("x^2", 0.0, 2.0), ("x^3", 0.0, 0.0), ("1/x", 2.0, 0.25), ("exp(x)", 0.0, 1.0), ("3*x + 1", 5.0, 0.0),
        ("softplus(x)", 0.0, 0.25), ("silu(x)", 0.0, 0.5), ("gelu(x)", 0.0, 2 / math.sqrt(2 * math.pi)), ("tanh(x)", 0.0, 0.0),
        ("sigmoid(x)", 0.0, 0.0), ("logsigmoid(x)", 0.0, -0.25), ("gelu(x, approximate=tanh)", 0.0, math.sqrt(2 / math.pi)),
        ("tanh(x)", 1e-9, -2e-9), ("softplus(x)", 700.0, math.exp(-700)), ("softplus(x)", -700.0, math.exp(-700)),
        ("x*x*x", 2.0, 12.0), ("x + x", 1.0, 0.0), ("sqrt(x)", 4.0, -1 / 32), ("x^x", 1.0, 2.0), ("abs(x)*x", -3.0, -2.0),
        ("abs(x)^2", 0.0, 2.0), ("abs(x)*abs(x)", 0.0, 2.0), ("relu(x)^2 + relu(-x)^2", 0.0, 2.0), ("max(x, -x)^2", 0.0, 2.0),
        ("sum(sort(stack(x, -x))^2)", 0.0, 4.0),
    ],
)  # fmt: skip
def test_second_derivatives_of_one_number(text, at, second):
    """At 0 several kernels have their seam; far out they must not lose what is left."""
    assert float(hessian(text, x=at)["x"]["x"]) == pytest.approx(second, rel=1e-13, abs=1e-300)


def test_blocks_have_the_shapes_of_both_inputs():
    W, x = np.arange(6.0).reshape(2, 3) / 10, np.array([1.0, -1.0, 2.0])
    found = hessian("sum((W@x)^2)", W=W, x=x)
    assert found["W"]["x"].shape == (2, 3, 3)
    assert np.allclose(found["x"]["x"], 2 * W.T @ W, rtol=1e-14)
    assert np.allclose(found["W"]["W"], 2 * np.einsum("ik,j,l->ijkl", np.eye(2), x, x), rtol=1e-14)
    assert np.allclose(found["W"]["x"], np.moveaxis(found["x"]["W"], 0, -1), rtol=1e-14)


def test_the_upstream_weighs_the_outputs():
    found = hessian("x^3", upstream=np.array([1.0, 10.0]), x=np.array([1.0, 2.0]))
    assert found["x"]["x"].tolist() == [[6.0, 0.0], [0.0, 120.0]]


def test_broadcast_inputs_add_up():
    found = hessian("sum(x*b^2)", x=np.ones((2, 3)), b=3.0)
    assert float(found["b"]["b"]) == 12.0
    assert np.array_equal(found["x"]["b"], np.full((2, 3), 6.0))


def test_a_constant_or_missing_path_is_zero():
    found = hessian("a = y*2; x^2", x=1.0, y=3.0)
    assert (float(found["y"]["y"]), float(found["x"]["y"]), float(found["x"]["x"])) == (0.0, 0.0, 2.0)


def test_a_product_is_the_matrix_times_the_vector():
    rng = np.random.default_rng(0)
    second = made("logsumexp(tanh(W@x)*c)", W=rng.normal(size=(3, 4)), x=rng.normal(size=4), c=rng.normal(size=3))
    v = {"W": rng.normal(size=(3, 4)), "c": rng.normal(size=3)}
    full, product = second.hessian(), second.product(v)
    for name in ("W", "x", "c"):
        wanted = np.tensordot(full[name]["W"], v["W"], 2) + full[name]["c"] @ v["c"]
        assert np.allclose(product[name], wanted, rtol=1e-12, atol=1e-14)


def test_forward_mode_needs_no_backward():
    plan = make_plan(parse("sin(x)*y"), {"x": 1.0, "y": 2.0})
    second = SecondOrder(plan, forward(plan, {"x": 1.0, "y": 2.0}))
    moved = second.tangents({"x": np.array(1.0)})[plan.graph.output]
    assert float(moved) == pytest.approx(2 * math.cos(1.0), rel=1e-15)


def test_deep_programs_take_no_recursion():
    found = gradtool.hessian_vector_product(parse("+".join(["x*x"] * 5000)), {"x": 0.5}, {"x": 1.0})
    assert found == {"x": 10_000.0}


UNARY = (
    "sin",
    "tanh",
    "exp",
    "softplus",
    "silu",
    "square",
    "atan",
    "gelu",
    "sigmoid",
    "expm1",
    "cos",
    "asinh",
    "erf",
    "mish",
)
BINARY = ("({a} + {b})", "({a} - {b})", "({a} * {b})", "({a} / (2 + square({b})))", "hypot(1 + square({a}), {b})")
REDUCING = (
    "sum({a})",
    "mean(({a})^2)",
    "logsumexp({a})",
    "norm({a} + 3)",
    "sum(softmax({a}) * w)",
    "var({a})",
    "dot({a}, w)",
)


def drawn(rng, depth, leaves):
    if depth == 0:
        return str(rng.choice(leaves))
    if rng.random() < 0.5:
        return f"{rng.choice(UNARY)}({drawn(rng, depth - 1, leaves)})"
    a, b = drawn(rng, depth - 1, leaves), drawn(rng, int(rng.integers(depth)), leaves)
    return str(rng.choice(BINARY)).format(a=a, b=b)


@pytest.mark.parametrize("seed", range(40))
def test_random_programs_agree_with_the_exact_hessian_and_are_symmetric(seed):
    rng = np.random.default_rng(seed)
    text = str(rng.choice(REDUCING)).format(a=drawn(rng, 3, ["x", "w", "(x*w)", "b"])) + " + 0*sum(x + w) + 0*b"
    inputs = {"x": rng.normal(size=2), "w": rng.normal(size=2), "b": float(rng.normal())}
    graph = parse(text)
    plan = make_plan(graph, inputs)
    if plan.output_shape != ():
        pytest.fail(text)
    values = forward(plan, inputs)
    found = SecondOrder(plan, values, backward(plan, values)).hessian()
    sizes = {name: np.size(inputs[name]) for name in plan.wrt}
    ours = np.block([[found[a][b].reshape(sizes[a], sizes[b]) for b in plan.wrt] for a in plan.wrt])
    exact = symbolic_hessian(graph, inputs, 1.0, plan.resolved, plan.wrt)
    assert exact.status == "ok", (text, exact.reason)
    scale = np.abs(exact.value).max() + 1e-12
    assert np.abs(ours - exact.value).max() <= 1e-12 * scale, text
    assert np.abs(ours - ours.T).max() <= 1e-12 * scale, text
