"""What is WRONG with a target, one by one."""

from gradtool.acceptance.failures import Failure, failures_of
from gradtool.results import Cause, GradientResult, Hygiene, Outcome, TargetResult, Verdict


def test_gradients_and_hygiene():
    gradients = (
        GradientResult("x", (), Verdict.OK, 1, 1),
        GradientResult("w", (), Verdict.WRONG, 1, 1, cause=Cause("GC103", "")),
        GradientResult("b", (), Verdict.WRONG, 1, 1),
        GradientResult("c", (), Verdict.UNDECIDED, 1, 1),
    )
    hygiene = (Hygiene("GC305", ""), Hygiene("GC301", ""))
    target = TargetResult("a.py::f", "class", "f", "b", Outcome.WRONG, gradients=gradients, hygiene=hygiene)
    assert failures_of(target) == (
        Failure("a.py::f", "w", "GC103"),
        Failure("a.py::f", "b", "GC199"),
        Failure("a.py::f", None, "GC301"),
    )
    assert failures_of(target, also=["GC305"])[-2:] == (
        Failure("a.py::f", None, "GC305"),
        Failure("a.py::f", None, "GC301"),
    )
