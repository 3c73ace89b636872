"""The result types: what little they do by themselves."""

import pytest

from gradtool.results import EvaluationResult, Verdict


@pytest.mark.parametrize(
    ("verdicts", "worst"),
    [([], "OK"), (["OK", "OK"], "OK"), (["OK", "UNDECIDED"], "UNDECIDED"), (["UNDECIDED", "WRONG", "OK"], "WRONG")],
)
def test_the_worst_verdict_wins(verdicts, worst):
    assert Verdict.worst([Verdict(v) for v in verdicts]) is Verdict(worst)


def test_an_unknown_input_is_a_key_error():
    result = EvaluationResult("x", 0, (), (), Verdict.OK)
    with pytest.raises(KeyError):
        result["x"]


def test_results_are_frozen():
    result = EvaluationResult("x", 0, (), (), Verdict.OK)
    with pytest.raises(AttributeError):
        result.verdict = Verdict.WRONG
