"""One calling of one case; the whole of a check is tested in test_checking.py."""

import numpy as np
import pytest

from gradtool.examination import Examination, Settings
from gradtool.results import Verdict
from gradtool.target import Calling, Case, PlainRun, Target
from gradtool.verdict.caller import UnsupportedError

X = np.array([0.5, -1.5, 2.0])


def examination(forward, backward, upstream="given", label=None, **settings):
    def start(values):
        x = values["x"]
        return PlainRun((np.asarray(forward(x)),), lambda u: {"x": backward(u, x)})

    calling = Calling(start, "b(dout, x)", upstream)
    case = Case({"x": X}, ("x",), (calling,), label)
    return Examination(Target("t", "test", "f", "b", (case,)), case, calling, Settings(**settings))


def test_a_look_judges_the_given_point_alone():
    found = examination(lambda x: x**2, lambda u, x: np.where(np.abs(x) > 2.1, 0.0, 2 * x) * u)
    found.look()
    assert found.verdict is Verdict.OK
    assert found.badness == (0, 0)
    found.look_further()
    assert found.verdict is Verdict.WRONG
    assert found.badness[0] == 2


def test_a_glance_leaves_what_agrees_unjudged():
    found = examination(np.sin, lambda u, x: u * np.cos(x))
    found.look(glance=True)
    assert found.gradients == {}
    wrong = examination(np.sin, lambda u, x: -u * np.cos(x))
    wrong.look(glance=True)
    assert wrong.verdict is Verdict.WRONG


def test_an_upstream_of_one_is_for_scalars():
    found = examination(lambda x: (x**2).sum(), lambda u, x: 2 * x, "one")
    found.look()
    assert found.looks[0].judge.upstream[0] == 1
    assert found.verdict is Verdict.OK
    with pytest.raises(UnsupportedError, match="not a scalar"):
        examination(lambda x: x**2, lambda u, x: 2 * x, "one").look()


def test_upstreams_have_both_signs_and_no_small_entries():
    found = examination(np.sin, lambda u, x: u * np.cos(x))
    for seed in range(20):
        found.rng = np.random.default_rng(seed)
        (u,) = found._upstream([np.zeros(2)])
        assert u.min() < 0 < u.max()
        assert np.abs(u).min() >= 0.3


def test_causes_are_named_at_several_points():
    found = examination(np.sin, lambda u, x: -u * np.cos(x))
    found.look()
    found.name_causes()
    assert found.gradients["x"].cause.code == "GC101"


def test_another_case_that_is_wrong_is_taken_over_with_its_label():
    given, other = (
        examination(np.sin, lambda u, x: u * np.cos(x)),
        examination(np.sin, lambda u, x: u, label="stride=2"),
    )
    given.look()
    assert other.turns_wrong()
    given.take(other)
    assert given.verdict is Verdict.WRONG
    assert given.gradients["x"].point.label == "stride=2"
    assert np.array_equal(given.gradients["x"].point.inputs["x"], X)


def test_what_cannot_be_called_is_withheld():
    found = examination(np.sin, lambda u, x: u)
    found.look()
    found.withhold("who knows")
    assert found.verdict is Verdict.UNDECIDED
    assert found.gradients["x"].reason == "who knows"
