import pytest

from gradtool.cli.exit_codes import ExitCode, of_evaluation
from gradtool.results import Diagnostic, EvaluationResult, InputResult, Reference, Verdict

SKIPPED = Reference("skipped", reason="not asked for")


def result(verdict, gradients=(1.0,), codes=()):
    inputs = tuple(InputResult("x", 0, (), 1.0, gradient, SKIPPED, SKIPPED, verdict) for gradient in gradients)
    diagnostics = tuple(Diagnostic(code, "info", "") for code in codes)
    return EvaluationResult("x", 0, inputs, (), verdict, diagnostics)


def test_the_codes_are_what_scripts_rely_on():
    assert {code.name: int(code) for code in ExitCode} == {
        "AGREED": 0,
        "WRONG": 1,
        "USAGE": 2,
        "FAILED": 3,
        "UNDECIDED": 4,
        "NOTHING": 5,
        "INTERRUPTED": 130,
    }
    assert all(code.meaning for code in ExitCode)


@pytest.mark.parametrize(
    ("found", "strict", "fail_on", "code"),
    [
        (result(Verdict.OK), False, (), 0),
        (result(Verdict.OK), True, (), 0),
        (result(Verdict.WRONG), False, (), 1),
        (result(Verdict.WRONG), True, (), 1),
        (result(Verdict.UNDECIDED), False, (), 0),
        (result(Verdict.UNDECIDED), True, (), 4),
        (result(Verdict.OK, gradients=()), True, (), 5),
        (result(Verdict.OK, gradients=(None, None)), False, (), 5),
        (result(Verdict.OK, gradients=(None, 1.0)), False, (), 0),
        (result(Verdict.OK, codes=["GT103"]), False, ("GT101",), 0),
        (result(Verdict.OK, codes=["GT103"]), False, ("GT103",), 1),
        (result(Verdict.UNDECIDED, codes=["GT101"]), True, ("GT101",), 1),
        (result(Verdict.OK, gradients=(), codes=["GT102"]), False, ("GT102",), 1),
    ],
)
def test_evaluation(found, strict, fail_on, code):
    assert of_evaluation(found, strict=strict, fail_on=fail_on) == code
