from dataclasses import replace

import pytest

from gradtool.report.findings import (
    agreement,
    assumptions,
    findings,
    fingerprints,
    inputs,
    name_of,
    of_target,
    path_of,
    where,
    why,
    worth_of_all,
)
from gradtool.results import CheckReport, Outcome, Point, SelfTestResult


def told(*targets):
    return [(found.code, found.level, found.text) for found in findings(CheckReport(targets))]


def test_every_target_has_a_finding_and_the_order_is_theirs(reports):
    found = list(findings(reports.everything()))
    ids = [target.id for target in reports.everything().targets] + ["layers.py::conv"]
    assert list(dict.fromkeys(finding.id for finding in found)) == ids
    codes = "OK GC101 OK GC118 GC301 GC120 UNDECIDED ERROR GC199 GC101 OK GC306 OK SKIPPED SKIPPED"
    assert " ".join(finding.code for finding in found) == codes


def test_only_what_fails_the_run_is_an_error(reports):
    failing = [finding.id for finding in findings(reports.everything()) if finding.level == "error"]
    assert failing == ["bad.py::affine", "layers.py::relu", "layers.py::relu", "net.py::net", "net.py::broken"]


def test_the_sentence_of_a_wrong_gradient(reports):
    assert told(reports.wrong_affine())[0] == (
        "GC101", "error", "gradient of b has the opposite sign (entry [3]: yours -0.41, reference 0.41 ± 3e-11)",
    )  # fmt: skip


def test_a_gradient_that_is_no_number_or_has_no_axes(reports):
    worst = reports.Worst((), None, 2.0, 1e-12)
    wrong = reports.gradient("x", (), "WRONG", worst=worst, cause=reports.Cause("GC107", "is None"))
    assert told(reports.target("f", "WRONG", wrong))[0][2] == (
        "gradient of x is None (yours None, reference 2 ± 1e-12)"
    )


def test_without_a_cause_it_is_wrong_all_the_same(reports):
    wrong = reports.gradient("x", (), "WRONG", reason="off by 2")
    assert told(reports.target("f", "WRONG", wrong)) == [("GC199", "error", "gradient of x is wrong: off by 2")]


def test_backward_that_raised_is_one_finding(reports):
    assert told(reports.raising_net()) == [
        ("GC120", "error", "backward raised ValueError: matmul: (4, 3) and (4, 2)"),
    ]


def test_what_is_accepted_is_told_and_is_no_error(reports):
    found, *_ = findings(CheckReport((reports.straight_through(),)))
    assert (found.code, found.level) == ("GC199", "note")
    assert found.message.endswith("(intentional: straight-through estimator)")
    found, *_ = findings(CheckReport((reports.in_baseline(),)))
    assert found.message.endswith("(accepted: in the baseline)")


def test_hygiene(reports):
    def with_code(verdict, code):
        return told(reports.target("f", verdict, reports.gradient("x"), hygiene=(reports.Hygiene(code, "does"),)))

    assert with_code("WRONG", "GC304")[0] == ("GC304", "error", "does")
    assert with_code("OK", "GC306")[0] == ("GC306", "warning", "does")


def test_a_verdict_that_no_gradient_explains_is_told(reports):
    assert told(reports.target("f", "WRONG", reports.gradient("x")))[0][:2] == ("GC199", "error")
    assert told(reports.target("f", "UNDECIDED"))[0][:2] == ("UNDECIDED", "warning")


def test_agreement(reports):
    gradient = reports.gradient
    assert agreement([]) == "no gradient to check"
    one = gradient("x", digits=1, detectable=1e-3)
    assert agreement([one]) == "1 gradient agrees to 1 digit (an error of 0.001 would have been seen)"
    assert agreement([one, gradient("y", digits=None, detectable=float("inf"))]).startswith("2 gradients agree to 1")
    zero = gradient("z", digits=None, detectable=None, reason="zero to within 1e-12")
    assert agreement([zero]) == "1 gradient agrees; z: zero to within 1e-12"
    same = [gradient(name, digits=None, detectable=None, reason="by a rule") for name in "xy"]
    assert agreement([*same, zero]) == "3 gradients agree; x, y: by a rule; z: zero to within 1e-12"
    assert agreement(reports.large().gradients) == (
        "1 gradient agrees (an error of 0.0001 is missed with probability 0.001); W: 40 of 1,000,000 entries compared"
    )


def test_assumptions_say_inputs_then_the_call_then_the_rest(reports):
    more = {"inputs": {"x": (4, 3), "y": (4,)}, "input_source": "docstring+search"}
    notes = ("y: labels 0..2", "called as f_backward(dout, cache)")
    assert assumptions(reports.target("f", "OK", notes=notes, **more)) == (
        "x (4, 3), y (4,) from the docstring and found by trying; f_backward(dout, cache); y: labels 0..2"
    )
    assert inputs(reports.target("f", "OK", input_source="elsewhere")) == "no inputs elsewhere"


def test_why_is_the_exception(reports):
    assert why(reports.broken_module()) == "ValueError: matmul: (4, 3) and (4, 2)"
    assert why(reports.target("f", "ERROR", error="timed out after 60 s")) == "timed out after 60 s"
    assert why(reports.target("f", "SKIPPED", notes=("no inputs",))) == "no inputs"
    assert why(reports.target("f", "ERROR")) == "no reason was given"
    hinted = "Traceback (most recent call last):\n  File ...\nKeyError: 'x'\nhint: look it up"
    assert why(reports.target("f", "ERROR", error=hinted)) == "KeyError: 'x'"


@pytest.mark.parametrize(
    ("point", "text"),
    [
        (Point(), ""),
        (Point("random"), "at a random point"),
        (Point("branch"), "on another branch"),
        (Point("given", label="stride=2"), "with stride=2"),
        (Point("tie", label="pad=0"), "at a tie, with pad=0"),
    ],
)
def test_where(point, text):
    assert where(point) == text


def test_names_and_paths():
    assert (name_of("a/b.py::Layer.w"), name_of("affine")) == ("Layer.w", "affine")
    assert (path_of("a.py::f", "b.py"), path_of("a.py::f", None), path_of("f", None)) == ("b.py", "a.py", None)


def test_fingerprints_are_stable_and_each_its_own(reports):
    found = list(findings(reports.everything()))
    names = fingerprints(found)
    assert len(set(names)) == len(names)
    moved = reports.wrong_affine(id="bad.py::affine", file="bad.py", line=400)
    assert fingerprints(list(findings(CheckReport((moved,)))))[0] == names[1]
    twice = [found[4], found[4]]
    assert len(set(fingerprints(twice))) == 2


def test_all_text_is_on_one_line(reports):
    for found in findings(reports.hostile()):
        assert len(found.message.splitlines()) == 1
        assert "\x1b" not in found.message
        assert found.name


def test_every_outcome_is_a_word_of_its_own(reports):
    for outcome in Outcome:
        assert told(reports.target("f", outcome, error="why"))


def test_what_a_green_check_is_worth(reports):
    tested = replace(reports.right_affine(), self_test=SelfTestResult(27, ("b: zero",)))
    (found,) = of_target(tested)
    assert found.text.endswith("; self-test: 26 of 27 planted faults caught; missed: b: zero")
    assert worth_of_all([tested, reports.wrong_affine()]) == "self-test: 26 of 27 planted faults caught in 1 target"
    assert worth_of_all([reports.right_affine()]) is None
