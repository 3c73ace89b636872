"""Verdicts on Hessians: planted faults are WRONG, honest ones OK, kinks UNDECIDED."""

import numpy as np
import pytest

import gradtool
from gradtool.autodiff import SecondOrder
from gradtool.results import Verdict
from gradtool.verdict.second_order import definiteness

RNG = np.random.default_rng(3)
MODEL = "sum(softplus(W@x)*c)"
AT = {"W": RNG.normal(size=(2, 3)), "x": RNG.normal(size=3), "c": RNG.normal(size=2)}


def judged(text, upstream=None, references=("symbolic", "numeric"), **inputs):
    result = gradtool.evaluate(gradtool.parse(text), inputs, hessian=True, upstream=upstream, references=references)
    return result, result.hessian


FAULTS = {
    "sign": lambda value: -value,
    "factor": lambda value: 2.001 * value,
    "small": lambda value: value * (1 + 1e-6),
    "zero": np.zeros_like,
    "one entry": lambda value: value + 1e-3 * np.eye(value.size).ravel()[: value.size].reshape(value.shape),
    "nan": lambda value: np.full(value.shape, np.nan),
}


@pytest.mark.parametrize("references", [("symbolic", "numeric"), ("numeric", "symbolic")])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("pair", [("x", "x"), ("W", "x"), ("W", "W")])
def test_a_planted_fault_is_wrong(monkeypatch, fault, pair, references):
    true = SecondOrder.hessian

    def wrong(self):
        blocks = true(self)
        blocks[pair[0]][pair[1]] = FAULTS[fault](blocks[pair[0]][pair[1]])
        return blocks

    monkeypatch.setattr(SecondOrder, "hessian", wrong)
    result, found = judged(MODEL, references=references, **AT)
    assert found[pair].verdict is Verdict.WRONG
    assert {block.verdict for block in found.blocks if (block.row, block.column) != pair} == {Verdict.OK}
    assert found.verdict is result.verdict is Verdict.WRONG
    assert found.eigenvalues is found.definiteness is None
    assert all(entry.verdict is Verdict.OK for entry in result.inputs)


def test_one_reference_alone_never_says_wrong(monkeypatch):
    true = SecondOrder.hessian
    monkeypatch.setattr(SecondOrder, "hessian", lambda self: {"x": {"x": 2 * true(self)["x"]["x"]}})
    assert judged("sin(x)", references=("symbolic",), x=1.0)[1].verdict is Verdict.UNDECIDED
    assert judged("sin(x)", x=1.0)[1].verdict is Verdict.WRONG


@pytest.mark.parametrize(
    ("text", "inputs"),
    [
        (MODEL, AT),
        ("sin(x)/y", {"x": 0.0, "y": 1e-3}),
        ("tanh(x)", {"x": 1e-9}),
        ("mish(x)", {"x": 30.0}),
        ("sin(x)", {"x": 1e8}),
        ("1e8 + sin(x)", {"x": 1.0}),
        ("exp(x)", {"x": 700.0}),
        ("x", {"x": 1.0}),
        ("relu(x)*y", {"x": -1.0, "y": 2.0}),
        (
            "cross_entropy(relu(X@V), y)",
            {"X": RNG.normal(size=(3, 2)), "V": RNG.normal(size=(2, 3)), "y": np.array([0, 2, 1])},
        ),
        ("det(A)", {"A": np.ones((3, 3))}),
        ("abs(x)^2", {"x": 0.0}),
        ("relu(x)^3", {"x": 0.0}),
        ("sum(sort(x)^2)", {"x": np.array([1.0, 1.0, 0.0])}),
        ("sum(x^2)", {"x": np.zeros(0)}),
        ("exp(x) - exp(x)", {"x": 300.0}),
        ("(1e9*x - 1e9*x) + x^2", {"x": 3.0}),
    ],
)
def test_an_honest_hessian_is_ok(text, inputs):
    _, found = judged(text, **inputs)
    assert found.verdict is Verdict.OK, [(b.row, b.column, b.reason) for b in found.blocks]


@pytest.mark.parametrize(
    ("text", "inputs", "undecided"),
    [
        ("relu(x)*y + y^2", {"x": 0.0, "y": 1.0}, {("x", "x"), ("x", "y"), ("y", "x")}),
        ("abs(x)*abs(y)", {"x": 0.0, "y": 0.0}, {("x", "x"), ("x", "y"), ("y", "x"), ("y", "y")}),
        ("sqrt(x)", {"x": 0.0}, {("x", "x")}),
        ("x*abs(x)", {"x": 0.0}, {("x", "x")}),
        ("norm(stack(x, 0))^2", {"x": 0.0}, {("x", "x")}),
        ("huber(x, 0)", {"x": 1.0}, {("x", "x")}),
    ],
)
def test_at_a_kink_nothing_is_decided_and_it_is_said(text, inputs, undecided):
    _, found = judged(text, **inputs)
    assert {(b.row, b.column) for b in found.blocks if b.verdict is Verdict.UNDECIDED} == undecided
    assert all("kink" in b.reason for b in found.blocks if b.verdict is Verdict.UNDECIDED)
    assert found.definiteness is None


def test_on_a_kink_our_own_side_of_it_is_never_wrong(monkeypatch):
    monkeypatch.setattr(SecondOrder, "hessian", lambda self: {"x": {"x": np.array(0.0)}})
    (block,) = judged("abs(x)^2", x=0.0)[1].blocks
    assert (block.verdict, block.reason.endswith("the point sits on a kink")) == (Verdict.UNDECIDED, True)


def test_at_a_tie_differences_alone_decide_nothing():
    assert judged("relu(x) + y^2", references=("numeric",), x=0.0, y=1.0)[1].verdict is Verdict.UNDECIDED
    assert judged("relu(x) + y^2", references=("numeric",), x=1.0, y=1.0)[1].verdict is Verdict.OK


def test_labels_name_the_entries_and_blocks_are_found_by_name():
    _, found = judged("sum(x)*b", x=np.ones((1, 2)), b=2.0)
    assert found.labels == ("x[0,0]", "x[0,1]", "b")
    assert found["x", "b"].value.tolist() == [[1.0, 1.0]]
    assert found.matrix.tolist() == [[0, 0, 1], [0, 0, 1], [1, 1, 0]]
    with pytest.raises(KeyError):
        found["x", "c"]


@pytest.mark.parametrize(
    ("text", "inputs", "said", "condition"),
    [
        ("x^2 + 4*y^2", {"x": 1.0, "y": 1.0}, "positive definite", 4.0),
        ("-x^2 - y^2", {"x": 1.0, "y": 1.0}, "negative definite", 1.0),
        ("(x + y)^2", {"x": 1.0, "y": 1.0}, "positive semidefinite", np.inf),
        ("-(x + y)^2", {"x": 1.0, "y": 1.0}, "negative semidefinite", np.inf),
        ("x^2 - y^2", {"x": 1.0, "y": 1.0}, "indefinite", 1.0),
        ("x + y", {"x": 1.0, "y": 1.0}, "zero", np.inf),
    ],
)
def test_eigenvalues_in_words(text, inputs, said, condition):
    _, found = judged(text, **inputs)
    assert (found.definiteness, found.condition) == (said, pytest.approx(condition, rel=1e-14))


def test_an_eigenvalue_within_rounding_has_no_sign():
    assert definiteness(-1e-17, 1.0, 1e-15) == "positive semidefinite"
    assert definiteness(-1e-17, 1e-17, 1e-15) == "zero"
    assert definiteness(-1.0, 1e-17, 1e-15) == "negative semidefinite"


def test_without_references_numbers_are_shown_unjudged():
    _, found = judged("x^2", references=(), x=1.0)
    assert (found.verdict, found.definiteness) == (Verdict.UNDECIDED, "positive definite")
    assert found["x", "x"].symbolic.status == found["x", "x"].numeric.status == "skipped"
