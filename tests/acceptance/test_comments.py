"""Comments that accept what is WRONG with one target."""

import ast
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from gradtool.acceptance.comments import CommentError, Ignore, accept, ignore_at
from gradtool.results import Cause, GradientResult, Hygiene, Outcome, TargetResult, Verdict
from gradtool.targets.scope import Scope


def scope(source):
    return Scope(Path("/x/a.py"), "a.py", ModuleType("a"), ast.parse(source), source)


def target(*codes, hygiene=(), line=1):
    gradients = tuple(
        GradientResult(f"x{i}", (), Verdict.WRONG, 1, 1, cause=Cause(code, "")) for i, code in enumerate(codes)
    )
    hygiene = tuple(Hygiene(code, "") for code in hygiene)
    verdict = Outcome.WRONG if codes or hygiene else Outcome.OK
    return TargetResult("a.py::f", "class", "f", "b", verdict, line=line, gradients=gradients, hygiene=hygiene)


def one_line(comment):
    return scope(f"def f(x):  {comment}\n    return x\n")


@pytest.mark.parametrize(
    ("comment", "codes", "why"),
    [
        ("# gradtool: ignore[GC114] float32 is enough", ("GC114",), "float32 is enough"),
        ("# gradtool: ignore[GC114, gc102] both", ("GC114", "GC102"), "both"),
        ("# gradtool:ignore[GC301]: in place on purpose", ("GC301",), "in place on purpose"),
        ("# noqa: E501  # gradtool: ignore[GC114] why  # type: ignore", ("GC114",), "why"),
        ("# gradtool: ignore[GC114] -- see issue [3]", ("GC114",), "see issue [3]"),
    ],
)
def test_reading(comment, codes, why):
    assert ignore_at(one_line(comment), 1) == Ignore(1, codes, why)


@pytest.mark.parametrize(
    ("comment", "message"),
    [
        ("# gradtool: ignore[GC114]", "does not say why"),
        ("# gradtool: ignore[GC114]  # noqa", "does not say why"),
        ("# gradtool: ignore because", "names no code"),
        ("# gradtool: ignore[] because", "names no code"),
        ("# gradtool: ignore[GT101] because", "'GT101', which is no code"),
        ("# gradtool: ignore[sign] because", "'SIGN', which is no code"),
    ],
)
def test_mistakes_say_where_they_are(comment, message):
    with pytest.raises(CommentError, match=message) as caught:
        ignore_at(one_line(comment), 1)
    assert str(caught.value).startswith("a.py:1: ")


def test_what_is_no_comment():
    assert ignore_at(one_line("# gradtool is nice"), 1) is None
    assert ignore_at(scope('def f(x="# gradtool: ignore[GC114] no"):\n    return x\n'), 1) is None
    assert ignore_at(scope("x = 1\n"), 1) is None


def test_a_signature_of_several_lines():
    source = "@wraps\ndef f(\n    x,  # the input\n    y,\n):  # gradtool: ignore[GC114] why\n    return x\n"
    assert ignore_at(scope(source), 2) == Ignore(5, ("GC114",), "why")
    body = "def f(x):\n    y = x  # gradtool: ignore[GC114] not here\n    return y\n"
    assert ignore_at(scope(body), 1) is None


def test_all_codes_must_be_named():
    found = one_line("# gradtool: ignore[GC114,GC301] why")
    assert accept(target("GC114"), found).accepted == "why"
    assert accept(target("GC114", hygiene=["GC301"]), found).accepted == "why"
    assert accept(target("GC114", hygiene=["GC305"]), found).accepted == "why", "a warning fails nothing"
    assert accept(target("GC114", hygiene=["GC302"]), found).fails
    worse = accept(target("GC114", "GC101"), found)
    assert worse.fails


def test_warnings_of_what_is_right():
    found = one_line("# gradtool: ignore[GC305,GC306] why")
    warned = replace(target(hygiene=["GC305"]), verdict=Outcome.OK)
    assert accept(warned, found).accepted == "why"
    more = replace(target(hygiene=["GC305", "GC307"]), verdict=Outcome.OK)
    assert accept(more, found).accepted is None


def test_what_is_not_needed_is_noted():
    found = one_line("# gradtool: ignore[GC114,GC301] why")
    assert accept(target(), found).notes == ("line 1: ignore[GC114,GC301] is not needed",)
    assert accept(target(), found).accepted is None
    assert accept(target("GC114"), found).notes == ("line 1: ignore[GC301] is not needed",)
    assert accept(target("GC114", hygiene=["GC301"]), found).notes == ()


def test_a_comment_for_another_cause_is_told_the_one_that_was_found():
    found = one_line("# gradtool: ignore[GC114] why")
    other = accept(target("GC113", hygiene=["GC302"]), found)
    assert other.fails
    assert other.notes == ("line 1: ignore[GC114] does not fit: what is WRONG is GC113, GC302",)


def test_without_a_comment_nothing_changes():
    result = target("GC114")
    assert accept(result, scope("def f(x):\n    return x\n")) is result
    nowhere = target("GC114", line=None)
    assert accept(nowhere, one_line("# gradtool: ignore[GC114] why")) is nowhere
