"""The second method: a difference quotient in 80 digits, if the exact form is the function that forward computes."""

import dataclasses

import numpy as np
import pytest

from gradtool.autodiff import forward, make_plan
from gradtool.language import parse
from gradtool.ops import REGISTRY
from gradtool.references import GraphFunction
from gradtool.results import Reference
from gradtool.verdict import SecondMethod

NOBODY = Reference("skipped", reason="not asked for")


def second(program, **inputs):
    plan = make_plan(parse(program), inputs)
    arrays = {name: np.asarray(value, dtype=np.float64) for name, value in inputs.items()}
    return SecondMethod(plan, arrays, np.array(1.0), GraphFunction(plan, forward(plan, inputs)))


@pytest.mark.parametrize(
    ("program", "x", "derivative"),
    [
        ("x^3", 2.0, 12.0),
        ("exp(x)", 1.0, np.e),
        ("sigmoid(x)", -700.0, np.exp(-700.0)),
        ("1e8 + sin(x)", 0.0, 1.0),
        ("5 + 0*x", 2.0, 0.0),
    ],
)
def test_the_derivative_to_the_last_digit(program, x, derivative):
    value, error = second(program, x=x).derivative("x", (), NOBODY)
    assert value == pytest.approx(derivative, rel=3e-16)
    assert error <= 3e-16 * abs(value)


def test_one_entry_of_an_array():
    value, _ = second("sum(x^2)", x=np.array([1.0, 5.0])).derivative("x", (1,), NOBODY)
    assert value == 10.0


def test_without_a_faithful_exact_form_the_other_reference_or_a_difference_is_asked(monkeypatch):
    square = REGISTRY["square"]
    monkeypatch.setitem(REGISTRY, "square", dataclasses.replace(square, symbolic=lambda S, x: 3 * x * x / 2))
    found = second("square(x)", x=2.0)
    assert not found.exact_form_is_faithful
    value, error = found.derivative("x", (), NOBODY)
    assert abs(value - 4.0) <= error < 1e-6
    assert found.derivative("x", (), Reference("ok", 4.0, 1e-9)) == (4.0, 1e-9)


def test_a_textbook_form_that_loses_digits_is_still_the_same_function():
    assert second("logsigmoid(x)", x=-700.0).exact_form_is_faithful
    assert second("(1 - cos(x))/x^2", x=1e-7).exact_form_is_faithful


def test_nothing_is_said_where_the_function_is_not_finite():
    assert second("log(x)", x=-1.0).derivative("x", (), NOBODY) is None


def test_one_entry_is_measured_where_the_exact_form_is_undefined():
    """0 log(0/q) is 0 to forward, and nothing to the exact form."""
    p, q = np.array([0.0, 1.0]), np.array([0.25, 0.75])
    value, error = second("kl_div(p, q)", p=p, q=q).derivative("q", (1,), NOBODY)
    assert abs(value + 1 / 0.75) <= error < 1e-6
