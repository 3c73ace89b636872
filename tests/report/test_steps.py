"""The walk as numbers: what each gradient is the sum of."""

import numpy as np
import pytest

import gradtool
from gradtool.report.steps import Steps, added, factor
from gradtool.results import Rule

PROGRAMS = {
    "(x+y)*max(y,z)": {"x": 1.0, "y": 2.0, "z": 0.0},
    "sin(x)/x - relu(x)": {"x": 1.2},
    "a = x*x; b = a*x + a; b*b": {"x": 1.5},
    "z = W@x + b; a = sigmoid(z); sum(a*a)": {"W": np.ones((2, 2)), "x": np.array([0.1, 0.2]), "b": 0.5},
}


def steps_of(program, inputs, **more):
    result = gradtool.evaluate(gradtool.parse(program), inputs, references=(), steps=True, **more)
    return result, Steps(result, result.walk)


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_gradient_is_the_sum_of_its_terms(program):
    result, steps = steps_of(program, PROGRAMS[program])
    seen = []
    for found in steps.backward():
        seen.append(found.node.id)
        if found.terms:
            assert np.allclose(sum(term.edge.downstream for term in found.terms), found.node.upstream, rtol=1e-14)
        for term in found.terms:
            if term.scalar:
                assert term.upstream * term.edge.local == pytest.approx(term.edge.downstream, rel=1e-15)
            assert isinstance(term.edge.local, Rule) or term.formula is not None
    reached = {node.id for node in result.nodes if node.depends_on_input}
    assert set(seen) == reached


def test_from_the_output_down_and_inputs_in_their_order():
    _, steps = steps_of("(x+y)*max(y,z)", PROGRAMS["(x+y)*max(y,z)"])
    assert [found.step.label for found in steps.backward()] == ["f", "n4", "n3", "x", "y", "z"]


@pytest.mark.parametrize(
    ("program", "upstream", "of", "seeded"),
    [("x*x", None, "f", False), ("x*x", 2.0, "L", True), ("L = x*x", 2.0, "J", True), ("y = x*x", None, "y", False)],
)
def test_what_is_differentiated(program, upstream, of, seeded):
    _, steps = steps_of(program, {"x": 3.0}, upstream=upstream)
    assert (steps.of, steps.seeded) == (of, seeded)


def test_operands_are_told_apart_where_both_are_the_same():
    result, steps = steps_of("x*x + x", {"x": 3.0})
    square = next(node for node in result.nodes if node.operation == "multiply")
    assert [steps.operand(square, edge) for edge in square.edges] == ["by operand 1", "by operand 2"]
    assert {steps.operand(result.nodes[-1], edge) for edge in result.nodes[-1].edges} == {""}


def test_numbers_as_factors_and_terms():
    assert (factor(2.0), factor(-2.0)) == ("2", "(-2)")
    assert added([2.0, -3.0, 1.0]) == "2 - 3 + 1"
