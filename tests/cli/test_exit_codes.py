import pytest

from gradtool.cli.exit_codes import ExitCode, of_check, of_evaluation, of_graph, why_not_agreed
from gradtool.results import (
    Cause,
    CheckReport,
    Diagnostic,
    EvaluationResult,
    GradientResult,
    GraphResult,
    Hygiene,
    InputResult,
    Outcome,
    Reference,
    Skipped,
    TargetResult,
    Verdict,
)

SKIPPED = Reference("skipped", reason="not asked for")


def result(verdict, gradients=(1.0,), codes=(), references=("symbolic", "numeric")):
    inputs = tuple(InputResult("x", 0, (), 1.0, gradient, SKIPPED, SKIPPED, verdict) for gradient in gradients)
    diagnostics = tuple(Diagnostic(code, "info", "") for code in codes)
    return EvaluationResult("x", 0, inputs, (), verdict, diagnostics, references=references)


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
    assert of_graph(GraphResult(found, ()), strict=strict, fail_on=fail_on) == code


@pytest.mark.parametrize(
    ("found", "fail_on", "code"),
    [
        (result(Verdict.UNDECIDED, references=()), (), 0),
        (result(Verdict.OK, gradients=(), references=()), (), 0),
        (result(Verdict.UNDECIDED, codes=["GT103"], references=()), ("GT103",), 1),
    ],
)
def test_a_graph_that_was_drawn_is_all_that_was_asked_for(found, fail_on, code):
    assert of_graph(GraphResult(found, ()), strict=True, fail_on=fail_on) == code


def report(*targets, skipped=0):
    return CheckReport(targets, tuple(Skipped(f"a.py::s{i}", "") for i in range(skipped)))


def target(verdict, hygiene=(), cause=None, **more):
    wrong = Verdict.WRONG if verdict is Outcome.WRONG else Verdict.OK
    gradient = GradientResult("x", (), wrong, 1, 1, cause=None if cause is None else Cause(cause, ""))
    return TargetResult(
        "a.py::f",
        "class",
        "f",
        "b",
        verdict,
        gradients=(gradient,),
        hygiene=tuple(Hygiene(c, "") for c in hygiene),
        **more,
    )


OK, WRONG, UNDECIDED = target(Outcome.OK), target(Outcome.WRONG, cause="GC101"), target(Outcome.UNDECIDED)
ERROR, SKIPPED = target(Outcome.ERROR), target(Outcome.SKIPPED)
MEANT = target(Outcome.WRONG, cause="GC107", intentional="straight-through")
KNOWN = target(Outcome.WRONG, cause="GC114", accepted="baseline")
RANDOM = target(Outcome.OK, hygiene=["GC305"])


@pytest.mark.parametrize(
    ("found", "strict", "fail_on", "code"),
    [
        (report(OK), False, (), 0),
        (report(OK), True, (), 0),
        (report(OK, WRONG), False, (), 1),
        (report(OK, WRONG, ERROR, UNDECIDED, SKIPPED), True, (), 1),
        (report(OK, ERROR, UNDECIDED), True, (), 3),
        (report(ERROR), False, (), 3),
        (report(OK, UNDECIDED), False, (), 0),
        (report(OK, UNDECIDED), True, (), 4),
        (report(OK, SKIPPED), False, (), 0),
        (report(OK, SKIPPED), True, (), 4),
        (report(OK, skipped=1), False, (), 0),
        (report(OK, skipped=1), True, (), 4),
        (report(UNDECIDED), False, (), 0),
        (report(), False, (), 5),
        (report(), True, (), 5),
        (report(skipped=2), False, (), 5),
        (report(skipped=2), True, (), 4),
        (report(SKIPPED), False, (), 5),
        (report(MEANT, KNOWN), True, (), 0),
        (report(MEANT, KNOWN), True, ("GC107", "GC114"), 0),
        (report(MEANT, WRONG), False, (), 1),
        (report(target(Outcome.UNDECIDED, intentional="why")), True, (), 0),
        (report(RANDOM), False, (), 0),
        (report(RANDOM), True, ("GC306",), 0),
        (report(RANDOM), False, ("GC305",), 1),
        (report(RANDOM, ERROR), False, ("GC305",), 1),
        (report(target(Outcome.OK, hygiene=["GC305"], intentional="why")), False, ("GC305",), 0),
    ],
)
def test_check(found, strict, fail_on, code):
    assert of_check(found, strict=strict, fail_on=fail_on) == code


@pytest.mark.parametrize(
    ("found", "code", "fail_on", "why"),
    [
        (report(RANDOM), ExitCode.WRONG, ["GC305", "GC306"], "exit code 1, as --fail-on asks for: GC305"),
        (report(RANDOM, WRONG), ExitCode.WRONG, ["GC305"], None),
        (report(RANDOM), ExitCode.AGREED, [], None),
        (
            report(UNDECIDED, SKIPPED, skipped=1),
            ExitCode.UNDECIDED,
            [],
            "exit code 4, as --strict asks for: 1 undecided, 2 skipped",
        ),
        (report(OK, skipped=1), ExitCode.UNDECIDED, [], "exit code 4, as --strict asks for: 1 skipped"),
        (report(), ExitCode.NOTHING, [], None),
        (report(ERROR), ExitCode.FAILED, [], None),
    ],
)
def test_why_a_report_that_reads_well_fails(found, code, fail_on, why):
    assert why_not_agreed(found, code, fail_on) == why
