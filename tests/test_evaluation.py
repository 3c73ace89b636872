"""``evaluate`` and its smaller sisters: what they give, and what they refuse."""

import dataclasses
import math

import numpy as np
import pytest

import gradtool
from gradtool.evaluation import InputError
from gradtool.ops import REGISTRY
from gradtool.results import Verdict


def run(program, /, **inputs):
    return gradtool.evaluate(gradtool.parse(program), inputs)


def test_the_first_example():
    result = run("(x+y)*max(y,z)", x=1, y=2, z=0)
    assert result.verdict is Verdict.OK
    assert [(i.name, i.gradient) for i in result.inputs] == [("x", 2.0), ("y", 5.0), ("z", 0.0)]
    assert result["y"].paths == ((3, 2.0), (4, 3.0))
    assert result["y"].symbolic.value == 5.0
    assert abs(result["y"].numeric.value - 5.0) <= result["y"].numeric.error < 1e-9
    assert result.nodes[result.output].value == 6.0


@pytest.mark.parametrize(
    ("program", "inputs"),
    [
        ("1e8 + sin(x)", {"x": 1.0}),
        ("1e-6*sin(x)", {"x": 1.0}),
        ("sin(x)", {"x": 1e8}),
        ("log(x)", {"x": 1e-8}),
        ("1/x", {"x": 1e-150}),
        ("x^2", {"x": 1e150}),
        ("sigmoid(x)", {"x": 700.0}),
        ("sigmoid(x)", {"x": -700.0}),
        ("tanh(x)", {"x": 300.0}),
        ("log(x)", {"x": 1e-300}),
        ("x*y", {"x": 1e8, "y": 1e-8}),
        ("relu(x)", {"x": 1e-9}),
        ("1 + relu(x)", {"x": 1e-12}),
        ("max(x, y)", {"x": 1.0, "y": 1.0 + 1e-8}),
        ("gelu(x)", {"x": -30.0}),
        ("((x + 1e8) - 1e8)^2", {"x": 0.1}),
        ("3*x + 2", {"x": 5.0}),
        ("x^3", {"x": 0.0}),
        ("cos(x)", {"x": 0.0}),
        ("x*0", {"x": 2.0}),
        ("sin(1e5*x)", {"x": 1.0}),
        ("acos(x)", {"x": 1 - 1e-12}),
        ("x^x", {"x": 1e-6}),
        ("lgamma(x)", {"x": 1e10}),
        ("logsigmoid(x)", {"x": 700.0}),
        ("exp(x)*1e300 + y", {"x": -800.0, "y": 1.0}),
        ("x*1e-200*1e-200*1e300", {"x": 1.0}),
        ("lgamma(atan(exp(x)))", {"x": 539.0}),
        ("sqrt(relu(x))", {"x": -1.0}),
        ("max(x, y)", {"x": 1.0, "y": math.nextafter(1.0, 2.0)}),
        ("max(((x + 1e8) - 1e8)^2, y)", {"x": 0.1, "y": -1.0}),
        ("mae(acos(sign(x)), x)", {"x": 0.92}),
        ("digamma(x)", {"x": -55599415.93695432}),
    ],
    ids=str,
)
@pytest.mark.parametrize("references", [["symbolic"], ["symbolic", "numeric"]], ids=["symbolic", "both"])
def test_right_gradients_at_nasty_points_are_ok(program, inputs, references):
    result = gradtool.evaluate(gradtool.parse(program), inputs, references=references)
    assert result.verdict is Verdict.OK, [(i.gradient, i.reason) for i in result.inputs]


@pytest.mark.parametrize(
    ("program", "x", "slopes"),
    [
        ("relu(x)", 0.0, ("0", "1")),
        ("abs(x)", 0.0, ("-1", "1")),
        ("relu(x) - relu(-x)", 0.0, ("1", "1")),
        ("sqrt(x^2)", 0.0, ("-1", "1")),
        ("max(x, 2*x - 1)", 1.0, ("1", "2")),
        ("where(x < 0, -3*x, x^2)", 0.0, ("-3", "0")),
    ],
)
@pytest.mark.parametrize("references", [["symbolic"], ["numeric"], ["symbolic", "numeric"]], ids=str)
def test_a_tie_is_undecided_and_shows_both_slopes(program, x, slopes, references):
    result = gradtool.evaluate(gradtool.parse(program), {"x": x}, references=references)
    assert result["x"].verdict is Verdict.UNDECIDED
    left, right = slopes
    assert f"the slope is {left} to the left and {right} to the right" in result["x"].reason.replace("-0 ", "0 ")
    assert {d.code for d in result.diagnostics} & {"GT101", "GT102"}


def test_a_tie_spoils_only_what_depends_on_it():
    result = run("max(x, y) + z^2", x=1.0, y=1.0, z=3.0)
    assert [i.verdict.value for i in result.inputs] == ["UNDECIDED", "UNDECIDED", "OK"]
    assert [i.gradient for i in result.inputs] == [0.5, 0.5, 6.0]


def test_a_tie_that_makes_no_difference_spoils_nothing():
    assert run("relu(x)^2", x=0.0).verdict is Verdict.OK


def test_an_overflow_on_the_way_to_a_finite_gradient_is_wrong():
    result = run("log(exp(x) + exp(y))", x=1000.0, y=1000.0)
    assert result.verdict is Verdict.WRONG
    assert math.isnan(result["x"].gradient)
    assert "0.5" in result["x"].reason
    assert run("logsumexp([x, y])", x=1000.0, y=1000.0).verdict is Verdict.OK


@pytest.mark.parametrize("factor", [-1.0, 2.0, 1.001, 1 + 1e-5, 1 + 1e-9])
@pytest.mark.parametrize("references", [["symbolic"], ["symbolic", "numeric"]], ids=["symbolic", "both"])
def test_a_wrong_derivative_deep_inside_is_wrong(factor, references, monkeypatch):
    tanh = REGISTRY["tanh"]
    spoiled = dataclasses.replace(tanh, local=(lambda out, x: factor * (1 - out * out),), scalar=None)
    monkeypatch.setitem(REGISTRY, "tanh", spoiled)
    graph = gradtool.parse("h = tanh(W@x); sum(h^2) + y")
    inputs = {"W": np.array([[0.3, -0.2], [0.5, 0.1]]), "x": np.array([1.0, 2.0]), "y": 1.0}
    result = gradtool.evaluate(graph, inputs, references=references)
    assert [i.verdict.value for i in result.inputs] == ["WRONG", "WRONG", "OK"]
    assert "confirmed by a second method" in result["W"].reason


def test_a_wrong_exact_form_is_seen_by_the_differences(monkeypatch):
    """If declaration and exact form shared a mistake, central differences would still see it."""
    square = REGISTRY["square"]
    spoiled = dataclasses.replace(
        square, local=(lambda out, x: 3 * x,), scalar=None, symbolic=lambda S, x: 3 * x * x / 2
    )
    monkeypatch.setitem(REGISTRY, "square", spoiled)
    result = run("square(x)", x=2.0)
    assert result.verdict is not Verdict.OK


def test_upstream_selects_and_ones_is_a_word():
    graph = gradtool.parse("x^2")
    x = np.array([1.0, 2.0])
    assert gradtool.evaluate(graph, {"x": x}, upstream=[1, -1])["x"].gradient.tolist() == [2.0, -4.0]
    assert gradtool.evaluate(graph, {"x": x}, upstream="ones")["x"].gradient.tolist() == [2.0, 4.0]


def test_one_entry_needs_no_upstream():
    assert run("x^2", x=np.array([3.0]))["x"].gradient.tolist() == [6.0]


def test_an_output_that_is_no_scalar_needs_an_upstream():
    with pytest.raises(gradtool.SourceError, match="--upstream"):
        run("x^2", x=np.array([1.0, 2.0]))
    with pytest.raises(InputError, match=r"shape \(3,\).*shape \(2,\)"):
        gradtool.evaluate(gradtool.parse("x^2"), {"x": np.ones(2)}, upstream=np.ones(3))


def test_missing_and_unknown_inputs():
    with pytest.raises(gradtool.SourceError, match="y has no value"):
        run("x*y", x=1)
    with pytest.raises(InputError, match=r"no input 'z'.*x, y"):
        run("x*y", x=1, y=2, z=3)
    with pytest.raises(InputError, match="differentiate with respect to 'z'"):
        gradtool.evaluate(gradtool.parse("x*y"), {"x": 1, "y": 2}, wrt=["z"])


@pytest.mark.parametrize("value", ["1", [[1, 2], [3]], 1j, np.array(["a"]), None, object()])
def test_values_that_are_no_numbers(value):
    with pytest.raises(InputError, match="input x"):
        run("sum(x)", x=value)


def test_unknown_choices():
    graph = gradtool.parse("x")
    with pytest.raises(InputError, match="reference"):
        gradtool.evaluate(graph, {"x": 1}, references=["torch"])
    with pytest.raises(InputError, match="dtype"):
        gradtool.evaluate(graph, {"x": 1}, dtype="float16")


def test_integer_arrays_are_labels_unless_asked_for():
    graph = gradtool.parse("sum(x*m)")
    inputs = {"x": np.ones(3), "m": np.array([1, 0, 1])}
    result = gradtool.evaluate(graph, inputs)
    assert result["m"].gradient is None
    assert result["m"].verdict is Verdict.OK
    assert any("m holds integers" in note for note in result.notes)
    assert gradtool.evaluate(graph, inputs, wrt=["x", "m"])["m"].gradient.tolist() == [1.0, 1.0, 1.0]


def test_wrt_leaves_the_others_alone():
    result = gradtool.evaluate(gradtool.parse("x*y"), {"x": 2.0, "y": 3.0}, wrt=["x"])
    assert result["x"].gradient == 3.0
    assert result["y"].gradient is None


def test_no_reference_decides_nothing():
    result = gradtool.evaluate(gradtool.parse("x*y"), {"x": 2.0, "y": 3.0}, references=[])
    assert result["x"].gradient == 3.0
    assert result.verdict is Verdict.UNDECIDED


def test_single_precision_is_judged_by_its_own_rounding():
    graph = gradtool.parse("sum(tanh(W@x)) + 0.1*sum(x^2)")
    rng = np.random.default_rng(2)
    inputs = {"W": rng.normal(size=(4, 3)), "x": rng.normal(size=3)}
    result = gradtool.evaluate(graph, inputs, dtype="float32")
    assert result.verdict is Verdict.OK, [i.reason for i in result.inputs]
    gap = np.max(np.abs(result["x"].gradient - result["x"].symbolic.value))
    assert 0 < gap < 1e-5


def test_clipping_by_norm_and_by_value():
    graph = gradtool.parse("3*x + 4*y")
    by_norm = gradtool.evaluate(graph, {"x": 1, "y": 1}, clip_norm=1.0)
    assert [i.clipped for i in by_norm.inputs] == pytest.approx([0.6, 0.8])
    by_value = gradtool.evaluate(graph, {"x": 1, "y": 1}, clip_value=3.5)
    assert [i.clipped for i in by_value.inputs] == [3.0, 3.5]
    assert [i.clipped for i in gradtool.evaluate(graph, {"x": 1, "y": 1}, clip_norm=9.0).inputs] == [3.0, 4.0]


def test_jacobians_on_demand():
    graph = gradtool.parse("sum(W@x)")
    inputs = {"W": np.array([[1.0, 2.0]]), "x": np.array([3.0, 4.0])}
    edges = gradtool.evaluate(graph, inputs, jacobians=True).nodes[2].edges
    assert edges[1].local.jacobian.tolist() == [[1.0, 2.0]]
    assert edges[0].local.rule == "outer(upstream, x)" or "upstream" in edges[0].local.rule


def test_downstream_values_add_up_to_the_upstream_of_every_node():
    rng = np.random.default_rng(0)
    result = gradtool.evaluate(
        gradtool.parse("h = tanh(X@W + b); y = h*h - softmax(h); mean(y*X[:, :2]) + sum(b)"),
        {"X": rng.normal(size=(4, 3)), "W": rng.normal(size=(3, 2)), "b": rng.normal(size=2)},
    )
    arrived: dict[int, np.ndarray] = {}
    for node in result.nodes:
        for edge in node.edges:
            arrived[edge.source] = arrived.get(edge.source, 0.0) + edge.downstream
    for source, total in arrived.items():
        assert total == pytest.approx(result.nodes[source].upstream, rel=1e-13, abs=1e-15)


def test_value_and_gradient():
    value, gradients = gradtool.value_and_gradient(gradtool.parse("(x+y)*max(y,z)"), {"x": 1, "y": 2, "z": 0})
    assert (value, gradients) == (6.0, {"x": 2.0, "y": 5.0, "z": 0.0})


def test_numeric_gradient_of_a_graph_and_of_a_function():
    x = np.array([0.3, 1.7])
    of_graph = gradtool.numeric_gradient(gradtool.parse("sum(sin(x))"), {"x": x})["x"]
    of_function = gradtool.numeric_gradient(lambda x: np.sum(np.sin(x)), {"x": x})["x"]
    for value, error in (of_graph, of_function):
        assert np.all(np.abs(value - np.cos(x)) <= error)
        assert np.all(error < 1e-9)


def test_a_fixed_step_is_the_plain_central_difference():
    h = 1e-3
    ((value, error),) = gradtool.numeric_gradient(gradtool.parse("exp(x)"), {"x": 0.5}, step=h).values()
    assert float(value) == pytest.approx((math.exp(0.5 + h) - math.exp(0.5 - h)) / (2 * h), rel=1e-11)
    assert abs(float(value) - math.exp(0.5)) <= float(error) < 1e-5


def test_large_programs_run_in_one_go():
    n = 3_000
    result = gradtool.evaluate(gradtool.parse("+".join(["x*y"] * n)), {"x": 2.0, "y": 0.5})
    assert result["x"].gradient == pytest.approx(0.5 * n)
    assert result.verdict is Verdict.OK


def test_many_inputs_are_all_judged():
    graph = gradtool.parse("sum(tanh(x)*w)")
    rng = np.random.default_rng(1)
    result = gradtool.evaluate(graph, {"x": rng.normal(size=5_000), "w": rng.normal(size=5_000)})
    assert result.verdict is Verdict.OK, [i.reason for i in result.inputs]


def test_the_same_call_gives_the_same_result():
    one, other = (run("sum(softmax(W@x)[0])", W=np.eye(3), x=np.arange(3.0)) for _ in range(2))
    assert repr(one) == repr(other)


BATCH = {"X": np.arange(12.0).reshape(4, 3) / 10, "T": np.array([1.0, 0.0, 2.0, 1.0]), "w": np.array([0.3, -0.2, 0.5])}


@pytest.mark.parametrize("sizes", [(3, 1), (1, 1, 2), (2, 2)], ids=str)
def test_micro_batches_need_their_weights(sizes):
    graph = gradtool.parse("mean((X@w - T)^2)")
    result = gradtool.evaluate(graph, BATCH, wrt=["w"], micro_batches=({"X": 0, "T": 0}, sizes))
    assert result.micro_batches.sizes == sizes
    assert result.micro_batches.weighted["w"] < 1e-14
    assert result.micro_batches.unweighted["w"] > 0.1


@pytest.mark.parametrize(
    ("axes", "sizes", "words"),
    [
        ({"X": 0, "T": 0}, (3, 2), "3 \\+ 2 = 5 samples do not make up the 4 of X"),
        ({"Z": 0}, (3, 1), "cannot cut 'Z'"),
        ({"X": 2}, (3, 1), "axis 2"),
        ({"X": 0, "T": 0}, (), "sizes of 1 or more"),
        ({"X": 0, "T": 0}, (5, -1), "sizes of 1 or more"),
    ],
)
def test_micro_batches_that_do_not_fit(axes, sizes, words):
    with pytest.raises(InputError, match=words):
        gradtool.evaluate(gradtool.parse("mean((X@w - T)^2)"), BATCH, micro_batches=(axes, sizes))


def test_nan_is_not_wrong_where_the_function_exists_at_the_point_alone():
    """x^x with a negative x is a real number at integers only: there is no slope to compare with."""
    for references in (["symbolic"], ["numeric"], ["symbolic", "numeric"]):
        result = gradtool.evaluate(gradtool.parse("max(x^x, y)"), {"x": -3.0, "y": 1.0}, references=references)
        assert result["x"].verdict is not Verdict.WRONG, references


@pytest.mark.parametrize(("program", "x"), [("(1 - cos(x))/x^2", 1e-8), ("(exp(x) - 1)/x", 1e-12)])
@pytest.mark.parametrize("references", [["symbolic"], ["numeric"], ["symbolic", "numeric"]], ids=str)
def test_a_gradient_without_a_right_digit_is_neither_ok_nor_wrong(program, x, references):
    result = gradtool.evaluate(gradtool.parse(program), {"x": x}, references=references)
    assert abs(result["x"].gradient) > 1e7
    assert result["x"].verdict is Verdict.UNDECIDED


@pytest.mark.parametrize("program", ["exp(x)", "x*1e20*1e20*x"])
def test_what_single_precision_cannot_hold_is_rightly_infinite(program):
    result = gradtool.evaluate(gradtool.parse(program), {"x": 100.0}, dtype="float32")
    assert result["x"].gradient == math.inf
    assert result["x"].verdict is Verdict.UNDECIDED
    assert "GT102" in {d.code for d in result.diagnostics}


@pytest.mark.parametrize("x", [math.inf, -math.inf, math.nan, [1.0, math.inf]])
@pytest.mark.parametrize("program", ["exp(x)", "relu(x)", "sum(x)", "max(x, 0)", "sigmoid(x)", "x^2", "norm(x)"])
def test_inputs_that_are_not_finite_are_never_wrong(program, x):
    result = gradtool.evaluate(gradtool.parse(program), {"x": x}, upstream="ones")
    assert result["x"].verdict is not Verdict.WRONG


@pytest.mark.parametrize(
    ("program", "shapes"),
    [
        ("sum(tanh(A@B))", {"A": (200, 200), "B": (200, 200)}),
        ("sum(x^2)", {"x": (100_000,)}),
        ("sum(100*(x[1:] - x[:-1]^2)^2 + (1 - x[:-1])^2)", {"x": (1000,)}),
        ("mean(tanh(x)*w)", {"x": (20_000,), "w": (20_000,)}),
        ("max(x) + sum(relu(x))", {"x": (20_000,)}),
    ],
)
def test_large_inputs_are_decided_in_few_evaluations(program, shapes):
    rng = np.random.default_rng(3)
    inputs = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    result = gradtool.evaluate(gradtool.parse(program), inputs, references=["numeric"])
    assert sum(given.numeric.evaluations for given in result.inputs) < 20_000
    assert result.verdict is Verdict.OK, [i.reason for i in result.inputs]


@pytest.mark.parametrize("references", [["numeric"], ["symbolic", "numeric"]], ids=str)
def test_a_wrong_derivative_in_a_large_program_is_wrong(references, monkeypatch):
    tanh = REGISTRY["tanh"]
    spoiled = dataclasses.replace(tanh, local=(lambda out, x: 1.01 * (1 - out * out),), scalar=None)
    monkeypatch.setitem(REGISTRY, "tanh", spoiled)
    rng = np.random.default_rng(5)
    for size in (30, 200):
        inputs = {"A": rng.normal(size=(size, size)), "x": rng.normal(size=size)}
        result = gradtool.evaluate(
            gradtool.parse("sum(tanh(A@A@x/10))"), inputs, references=references, max_symbolic=1000
        )
        assert result["A"].verdict is Verdict.WRONG, result["A"].reason


# Second order ------------------------------------------------------------------------------------------------------

SECOND = gradtool.parse("x^2*y")


def test_forward_mode():
    assert gradtool.jvp(SECOND, {"x": 3, "y": 2}, {"x": 1}) == (18.0, 12.0)
    assert gradtool.jvp(SECOND, {"x": 3, "y": 2}, {"x": 1, "y": 10}) == (18.0, 102.0)
    assert gradtool.jvp(SECOND, {"x": 3, "y": 2}, {}) == (18.0, 0.0)
    relu = gradtool.parse("relu(x)")
    assert [gradtool.jvp(relu, {"x": 0}, {"x": side}) for side in (1, -1)] == [(0.0, 1.0), (0.0, 0.0)]
    value, moved = gradtool.jvp(gradtool.parse("W@x"), {"W": np.eye(2), "x": [1, 2]}, {"W": [[0, 1], [1, 0]]})
    assert (value.tolist(), moved.tolist()) == ([1.0, 2.0], [2.0, 1.0])


def test_hessians_and_their_products():
    assert gradtool.hessian(SECOND, {"x": 3, "y": 2}) == {"x": {"x": 4.0, "y": 6.0}, "y": {"x": 6.0, "y": 0.0}}
    assert gradtool.hessian(SECOND, {"x": 3, "y": 2}, wrt=["x"]) == {"x": {"x": 4.0}}
    assert gradtool.hessian_vector_product(SECOND, {"x": 3, "y": 2}, {"x": 1, "y": 10}) == {"x": 64.0, "y": 6.0}
    assert gradtool.hessian_vector_product(SECOND, {"x": 3, "y": 2}, {"y": 10}, wrt=["x"]) == {"x": 60.0}
    found = gradtool.hessian(gradtool.parse("x^3"), {"x": [1, 2]}, upstream=[1, 10])
    assert found["x"]["x"].tolist() == [[6, 0], [0, 120]]


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        ({"z": 1}, "'z'.* its inputs are m, x"),
        ({"x": [1, 2]}, r"the vector of x has shape \(2,\), but x has shape \(\)"),
        ({"m": 1}, "m cannot move"),
    ],
)
@pytest.mark.parametrize("function", [gradtool.jvp, gradtool.hessian_vector_product])
def test_vectors_that_do_not_fit(function, vectors, said):
    with pytest.raises(InputError, match=said):
        function(gradtool.parse("where(m, x, 2)"), {"x": 1.0, "m": True}, vectors)


def test_a_hessian_that_is_too_large():
    with pytest.raises(InputError, match="4 x 4 = 16 entries, more than the limit of 15"):
        gradtool.hessian(gradtool.parse("sum(x)"), {"x": np.ones(4)}, max_hessian=15)
    with pytest.raises(InputError, match="--max-hessian"):
        gradtool.evaluate(gradtool.parse("sum(x)"), {"x": np.ones(4)}, hessian=True, max_hessian=15)
    with pytest.raises(InputError, match="float64"):
        gradtool.evaluate(SECOND, {"x": 1, "y": 1}, hessian=True, dtype="float32")


@pytest.mark.parametrize("x", [math.inf, math.nan, [1.0, math.inf], [1e200, 1e-200], 1e160, 1e-320])
@pytest.mark.parametrize(
    "program", ["exp(x)", "x^2", "norm(x)", "log(x/3)", "tan(x)", "log(exp(x)+exp(1))", "sqrt(x*x)"]
)
def test_a_hessian_is_never_wrong_where_arithmetic_ends(program, x):
    result = gradtool.evaluate(gradtool.parse(program), {"x": x}, upstream="ones", hessian=True)
    assert result.hessian.verdict is not Verdict.WRONG, [b.reason for b in result.hessian.blocks]


def test_a_plain_result_has_no_hessian():
    assert gradtool.evaluate(SECOND, {"x": 1, "y": 1}).hessian is None
