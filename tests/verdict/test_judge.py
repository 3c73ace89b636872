"""The judge on whole programs: which references are asked, large inputs, and planted faults among many entries."""

import dataclasses

import numpy as np
import pytest

import gradtool
from gradtool.ops import REGISTRY
from gradtool.references import Numeric
from gradtool.results import Verdict
from gradtool.verdict.judge import slopes_text

RNG = np.random.default_rng(21)
LARGE = {"A": RNG.normal(size=(120, 130)) / 10, "B": RNG.normal(size=(130, 110)) / 10}


def run(program, inputs, **more):
    return gradtool.evaluate(gradtool.parse(program), inputs, **more)


def test_inputs_too_large_for_either_reference_are_judged_along_random_directions():
    result = run("sum(tanh(A@B))", LARGE)
    for found in result.inputs:
        assert found.verdict is Verdict.OK, found.reason
        assert found.symbolic.status == found.numeric.status == "skipped"
        assert "--max-symbolic" in found.symbolic.reason
        assert "random directions agree" in found.numeric.reason
        assert found.numeric.evaluations > 0


@pytest.mark.parametrize("fault", ["factor", "one entry"])
def test_a_fault_among_many_entries_is_wrong_and_located(fault, monkeypatch):
    matmul = REGISTRY["matmul"]

    def spoiled(upstream, out, a, b, ranks):
        right = matmul.vjp[1](upstream, out, a, b, ranks)
        if fault == "factor":
            return right * 1.01
        right = np.array(right)
        right[17, 23] += 0.5 * np.max(np.abs(right))
        return right

    monkeypatch.setitem(REGISTRY, "matmul", dataclasses.replace(matmul, vjp=(matmul.vjp[0], spoiled)))
    result = run("sum(tanh(A@B))", LARGE)
    assert result["A"].verdict is Verdict.OK
    assert result["B"].verdict is Verdict.WRONG
    if fault == "one entry":
        assert "entry [17, 23]" in result["B"].reason


def test_only_the_references_asked_for_have_a_word():
    only = run("x*y", {"x": 2.0, "y": 3.0}, references=["symbolic"])["x"]
    assert (only.symbolic.status, only.numeric.status, only.numeric.reason) == ("ok", "skipped", "not asked for")
    assert only.numeric.evaluations == 0


def test_what_is_said_of_a_tie():
    left, right = np.array([-1.0, 0.0]), np.array([1.0, -1e-20])
    numeric = Numeric(left, right, left, right, np.array([True, True]), 1)
    assert slopes_text((0,), numeric) == "entry [0]: at a tie or kink: the slope is -1 to the left and 1 to the right"
    scalar = Numeric(*(np.array(v) for v in (0.5, 0.5, 1e-18, 1.0)), np.array(True), 1)
    assert slopes_text((), scalar) == "at a tie or kink: the slope is 0 to the left and 1 to the right"
