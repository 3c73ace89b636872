"""What a lecture writes on the board: steps, and formulas of local derivatives."""

import re

import numpy as np
import pytest

import gradtool
from gradtool.ops import REGISTRY
from gradtool.textbook import MOST_BY_SYMPY
from tests.ops.test_registry import cases_of, draw, graph_of


def walk_of(program, **inputs):
    given = {name: np.asarray(value, float) if np.ndim(value) else float(value) for name, value in inputs.items()}
    return gradtool.evaluate(gradtool.parse(program), given, upstream="ones", references=(), steps=True).walk


def formulas(program, **inputs):
    return [(f.text, f.latex, f.remark) for f in walk_of(program, **inputs).formulas]


def test_steps_in_names_and_figures():
    walk = walk_of("(x+y)*max(y,z)", x=1, y=2, z=0)
    assert [(s.label, s.text, s.figures) for s in walk.steps[3:]] == [
        ("n3", "x+y", "1+2"),
        ("n4", "max(y,z)", "max(2,0)"),
        ("f", "n3*n4", "3*2"),
    ]
    assert [s.latex for s in walk.steps[3:]] == ["x + y", r"\max\left(y, z\right)", r"n_{3} \cdot n_{4}"]
    assert [s.latex_figures for s in walk.steps[3:]] == ["1 + 2", r"\max\left(2, 0\right)", r"3 \cdot 2"]


def test_names_of_the_program_are_used():
    walk = walk_of("z1 = W@x; loss = sum(z1)", W=np.ones((2, 2)), x=[1, 2])
    assert [(s.label, s.text, s.figures) for s in walk.steps[2:]] == [
        ("z1", "W@x", "W@[1, 2]"),
        ("loss", "sum(z1)", "sum([3, 3])"),
    ]
    assert walk.steps[2].latex_label == "z_{1}"


def test_an_input_called_f_leaves_the_output_its_number():
    assert walk_of("f*2", f=3).steps[-1].label == "n2"


def test_a_name_that_is_bound_again_is_no_label():
    assert [s.label for s in walk_of("h = exp(x); h = exp(h); h*2", x=0).steps if s.text.startswith("exp")] == [
        "n2",
        "n3",
    ]


def test_a_name_like_the_number_of_another_node_stays_its_own():
    assert [s.label for s in walk_of("n3 = x+1; n3*x*x", x=3).steps[2:]] == ["n3", "n3_", "f"]


def test_a_long_program_has_the_formulas_of_the_declarations():
    program = "+".join(["x^y"] * 2 * MOST_BY_SYMPY)
    assert formulas(program, x=2, y=3)[:2] == [
        ("y x^(y-1)", r"\text{y x}^{\text{y-1}}", ""),
        ("x^y log x", r"\text{x}^{\text{y}}\text{ log x}", ""),
    ]


def test_powers_of_powers_of_ten():
    squares = walk_of("square(x) + x^2", x=1e10).steps[2:4]
    assert [s.latex_figures for s in squares] == [r"\left(1 \cdot 10^{10}\right)^{2}"] * 2


def test_negative_figures_stand_in_parentheses():
    assert walk_of("x*y", x=-1, y=-2).steps[-1].figures == "(-1)*(-2)"


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("a*b", [("b", "b", ""), ("a", "a", "")]),
        ("a/b", [("1/b", r"\frac{1}{b}", ""), ("-a/b²", r"- \frac{a}{b^{2}}", "")]),
        ("atan2(a, -2.5)", [("(-2.5)/((-2.5)²+a²)", r"\frac{\left(-2.5\right)}{\left(-2.5\right)^{2} + a^{2}}", "")]),
        ("sin(a)", [("cos a", r"\cos{\left(a \right)}", "")]),
        ("a^3", [("3*a^2", "3 a^{2}", "")]),
        ("exp(theta)", [("e^theta", r"e^{\theta}", "")]),
        ("sigmoid(a)", [("s(1-s)", r"\frac{e^{- a}}{\left(1 + e^{- a}\right)^{2}}", "s = sigmoid(a)")]),
        ("relu(a)", [("", "", "1 if a>0, else 0")]),
        ("gelu(W1)", [("Phi(W1) + W1 phi(W1)", r"\text{Phi(W1) + W1 phi(W1)}", "")]),
        ("leaky_relu(a, b)", [("", "", "1 or b"), ("min(a, 0)", r"\text{min(a, 0)}", "")]),
        ("swish(a, b)", [("s + b a s(1-s)", None, "s = sigmoid(b a)"), ("a² s(1-s)", None, "s = sigmoid(b a)")]),
    ],
)
def test_formulas_in_the_operands_names(program, expected):
    names = {name: 0.5 for name in ("a", "b", "theta", "W1") if name in gradtool.parse(program).inputs}
    found = formulas(program, **names)
    assert len(found) == len(expected)
    for one, wanted in zip(found, expected, strict=True):
        assert all(w is None or x == w for x, w in zip(one, wanted, strict=True)), (one, wanted)


@pytest.mark.parametrize(
    ("program", "rules"),
    [
        ("W@x", [("outer(upstream, x)", r"\mathrm{outer}(\bar{g}, x)"), ("W.T @ upstream", r"W^{\top} \, \bar{g}")]),
        ("sum(x)", [("broadcast upstream to the shape of x", r"\text{broadcast upstream to the shape of x}")]),
    ],
)
def test_rules_of_what_is_not_elementwise(program, rules):
    inputs = {"W": np.ones((2, 2)), "x": np.ones(2)}
    given = {name: inputs[name] for name in gradtool.parse(program).inputs}
    assert [(text, latex) for text, latex, _ in formulas(program, **given)] == rules


def test_what_is_not_differentiated_has_no_formula():
    graph = gradtool.parse("x*y")
    walk = gradtool.evaluate(graph, {"x": 1, "y": 2}, wrt=["x"], references=(), steps=True).walk
    assert [(f.node, f.argument) for f in walk.formulas] == [(2, 0)]


@pytest.mark.parametrize("name", ["a_b", "w_in", "x1", "theta_2", "lambda", "é", "data", "_", "__", "n3_"])
def test_names_are_safe_in_latex(name):
    latex = walk_of(f"{name}*2", **{name: 1.0}).steps[-1].latex
    assert latex.count("{") == latex.count("}")
    assert "__" not in latex
    assert not re.search(r"(?<!\\)_(?!{)", latex)  # An index of nothing.


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_operation_has_formulas(name):
    """Text that is whole: no names of the declaration left in braces, as many brackets opened as closed."""
    operation = REGISTRY[name]
    case = cases_of(operation)[0]
    graph = graph_of(operation, len(case.shapes), case.parameters)
    inputs = draw(operation, case, np.random.default_rng(0))
    walk = gradtool.evaluate(graph, inputs, upstream="ones", references=(), steps=True).walk
    for formula in walk.formulas:
        assert formula.text or formula.remark
        assert "{" not in formula.text
        assert formula.latex.count("{") == formula.latex.count("}")
