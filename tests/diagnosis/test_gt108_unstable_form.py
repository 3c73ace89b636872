"""GT108 shows what is written and what to write; a warning where it failed at this point, information where it did not."""

import numpy as np
import pytest

import gradtool

A = np.array


@pytest.mark.parametrize(
    ("program", "inputs", "words"),
    [
        ("log(sum(exp(z)))", {"z": A([1000.0, 0.0])}, ["log(sum(exp(z))) is not finite here: write logsumexp(z)"]),
        ("log(1 + x)", {"x": 1e-10}, ["loses", "of 16 digits here: write log1p(x)"]),
        ("1/(1 + exp(-x))", {"x": -800.0}, ["overflows on the way here: write sigmoid(x)"]),
        ("s = sum(exp(z)); log(s)", {"z": A([1000.0, 0.0])}, ["= log(s), that is log(sum(exp(z))), is not finite"]),
        ("sum(log(1 + x))", {"x": A([1e-10, 1e-11])}, ["write log1p(x)"]),
        ("exp(z)/sum(exp(z), axis=1, keepdims=true)", {"z": A([[1.0, 900.0]])}, ["write softmax(z,axis=1)"]),
    ],
)  # fmt: skip
def test_what_failed_here(program, inputs, words):
    result = gradtool.evaluate(gradtool.parse(program), inputs, upstream="ones")
    (found,) = [d for d in result.diagnostics if d.code == "GT108"]
    assert found.severity == "warning"
    for word in words:
        assert word in found.message


@pytest.mark.parametrize(
    ("program", "inputs", "stable"),
    [
        ("log(sum(exp(z)))", {"z": A([1.0, 0.0])}, "logsumexp(z)"),
        ("log(1 + x)", {"x": 1.0}, "log1p(x)"),
        ("1 - cos(x)", {"x": 1.0}, "2*sin(x/2)^2"),
        ("log(det(M))", {"M": A([[2.0, 1.0], [1.0, 4.0]])}, "slogdet(M)"),
        ("inv(M)@v", {"M": A([[2.0, 1.0], [1.0, 4.0]]), "v": A([1.0, 2.0])}, "solve(M,v)"),
        ("p = softmax(z); -sum(y*log(p))", {"z": A([1.0, 2.0]), "y": A([0.0, 1.0])}, "cross_entropy(z,y,reduction=sum)"),
        ("p = softmax(z, axis=0); -sum(y*log(p))", {"z": A([[1.0, 2.0]] * 2), "y": A([[0.0, 1.0]] * 2)}, "log_softmax(z,axis=0)"),
    ],
)  # fmt: skip
def test_harmless_here(program, inputs, stable):
    result = gradtool.evaluate(gradtool.parse(program), inputs, upstream="ones")
    (found,) = [d for d in result.diagnostics if d.code == "GT108"]
    assert found.severity == "info"
    assert found.message.endswith(f"write {stable}")


@pytest.mark.parametrize(
    ("program", "inputs"),
    [
        ("logsumexp(z)", {"z": A([1000.0, 0.0])}),
        ("m = max(z); m + log(sum(exp(z - m)))", {"z": A([1000.0, 0.0])}),
        ("exp(1) - 1 + x", {"x": 1.0}),  # No input in it.
        ("sum(exp(z)/sum(exp(z)))", {"z": np.ones((2, 3))}),  # Over all entries, where softmax takes rows.
        ("log(det(M))", {"M": A([[1.0, 2.0], [3.0, 4.0]])}),  # Undefined, where slogdet gives log |det|.
        ("log(prod(x))", {"x": A([-1.0, -2.0])}),  # sum(log(x)) is not finite there.
    ],
)
def test_no_finding(findings, program, inputs):
    assert findings("GT108", program, **inputs) == []


@pytest.mark.parametrize("x", [np.nan, np.inf])
def test_operands_that_are_not_finite_are_not_the_forms_fault(findings, x):
    (found,) = findings("GT108", "log(1 + x)", x=x)
    assert found.severity == "info"


def test_the_largest_form_is_named_and_not_its_parts(findings):
    assert len(findings("GT108", "p = sigmoid(w*x); -(y*log(p) + (1 - y)*log(1 - p))", w=1.0, x=2.0, y=1.0)) == 1


def test_a_long_operand_goes_by_its_label(findings):
    names = [c * 30 for c in "abcd"]
    (found,) = findings("GT108", f"log(1 + {'*'.join(names)})", **dict.fromkeys(names, 1.0))
    graph = gradtool.parse(f"log(1 + {'*'.join(names)})")
    product = max(i for i in range(len(graph)) if graph.operations[i] == "multiply")
    assert found.message.endswith(f"write log1p(n{product})")


def test_what_occurs_often_is_said_once_where_it_is_worst(findings):
    program = "log(1 + x) + log(1 + y) + log(1 + z) + log(1 + 2*z)"
    found = findings("GT108", program, x=1e-7, y=1e-12, z=1.0)
    assert [d.severity for d in found] == ["warning", "info"]
    assert found[0].message.endswith("write log1p(y) (and 1 more of this form)")
    assert found[1].message.endswith("write log1p(z) (and 1 more of this form)")


def test_the_threshold_can_be_moved(findings):
    (found,) = findings("GT108", "log(1 + x)", thresholds={"GT108": {"digits": 12}}, x=1e-10)
    assert found.severity == "info"


def test_an_equivalent_that_is_not_finite_either_mends_nothing(findings):
    messages = [found.message for found in findings("GT108", "log(1 - cos(x))", x=1e-9)]
    assert not any("log1p" in message for message in messages)
    assert any("2*sin(" in message for message in messages)
