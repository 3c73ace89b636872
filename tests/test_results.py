"""The result types: what little they do by themselves."""

import pytest

from gradtool.results import EvaluationResult, NodeDifference, Verdict


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


@pytest.mark.parametrize(
    ("pair", "kind", "has_other_value"),
    [
        (NodeDifference(0, None), "left", False),
        (NodeDifference(None, 0), "right", False),
        (NodeDifference(0, 0, 0.0, None), "same", False),
        (NodeDifference(0, 0, 0.5, 0.0), "changed", True),
        (NodeDifference(0, 0, 0.0, 0.5), "changed", False),
        (NodeDifference(0, 0, float("nan"), 0.0), "changed", True),
        (NodeDifference(0, 0, 1e-16, 1e-16, value_rounds=True, upstream_rounds=True), "same", False),
        (NodeDifference(0, 0, 1e-16, 0.5, value_rounds=True), "changed", False),
        (NodeDifference(0, 0, 0.5, 1e-16, upstream_rounds=True), "changed", True),
    ],
)
def test_the_kind_of_a_difference(pair, kind, has_other_value):
    assert (pair.kind, pair.has_other_value) == (kind, has_other_value)
