"""What a worker says of a file, without a process around it."""

import sys

import numpy as np
import pytest

from gradtool.isolation import worker
from gradtool.isolation.messages import Begun, Broken, Done, Loaded, Loading, Misused, Result, Task
from gradtool.results import Outcome, Skipped
from gradtool.selection import Selection
from gradtool.targets.given import Given

MODULE = """
def square_forward(x):
    return x * x, x


def square_backward(dout, cache):
    return 2 * cache * dout


def cube_forward(x):
    return x**3, x


def cube_backward(dout, cache):
    return -3 * cache**2 * dout
"""


@pytest.fixture
def task(tmp_path):
    def make(text, **more):
        path = tmp_path / "layers.py"
        path.write_text(text)
        return Task(path, "shown/layers.py", more.pop("given", Given()), {"points": 1}, **more)

    return make


def test_all_there_is_to_say(task):
    found = list(worker.messages(task(MODULE)))
    assert [type(one) for one in found] == [Loading, Loaded, Begun, Result, Begun, Result, Done]
    assert [one.id for one in found[1].targets] == ["shown/layers.py::square", "shown/layers.py::cube"]
    assert [one.names.parameters for one in found[1].targets] == [("x",), ("x",)]
    square, cube = found[3].result, found[5].result
    assert (square.verdict, cube.verdict) == (Outcome.OK, Outcome.WRONG)
    assert (cube.file, cube.line) == ("shown/layers.py", 14)


def test_only_what_is_wanted_and_asked_for(task):
    found = list(worker.messages(task(MODULE, selection=Selection(("square",)))))
    assert [one.wanted for one in found[1].targets] == [True, False]
    assert [one.id for one in found if isinstance(one, Result)] == ["shown/layers.py::square"]
    found = list(worker.messages(task(MODULE, only=frozenset({"shown/layers.py::cube"}))))
    assert [one.id for one in found if isinstance(one, Result)] == ["shown/layers.py::cube"]
    asked = iter(["shown/layers.py::cube", "shown/layers.py::square", None])
    found = list(worker.messages(task(MODULE), lambda: next(asked)))
    assert [one.id for one in found if isinstance(one, Result)] == ["shown/layers.py::cube", "shown/layers.py::square"]


def test_listing_checks_nothing(task):
    found = [one.result for one in worker.messages(task(MODULE, list_only=True)) if isinstance(one, Result)]
    assert [one.verdict for one in found] == [Outcome.SKIPPED] * 2
    assert found[0].inputs == {"x": (4, 6)}
    assert any(note.startswith("called as square_backward(dout, ") for note in found[0].notes)


@pytest.mark.parametrize("text", ["1 / 0", "import sys; sys.exit(3)", "raise KeyboardInterrupt", "def f(:"])
def test_a_module_that_cannot_be_imported(task, text):
    *_, last = worker.messages(task(text))
    assert isinstance(last, Broken)
    assert "layers.py" in last.text
    assert ("--definitions-only" in last.text) == ("sys.exit" in text or "1 / 0" in text)
    assert "gradtool/isolation" not in last.text


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ("\n\n1 / 0", 3, "hint: where this is a script, --definitions-only leaves out the work that it does on import"),
        ("def main():\n    raise OSError\nmain()", 2, "--definitions-only"),
        ("x = 1\nimport no_such_package", 2, f"hint: {sys.executable} has no module no_such_package: install it there"),
        ("x = 1\nimport no_such_package.part", 2, "has no module no_such_package: "),
        ("x = 1\nimport json.no_such_part", 2, None),
        ("x = 1\nfrom json import no_such_name", 2, None),
        ("x = 1\n\ndef f(:", 3, None),
        ("import json\njson.loads('{')", 2, "--definitions-only"),
    ],
)
def test_where_an_import_fails_and_what_to_do_about_it(task, text, line, hint):
    *_, last = worker.messages(task(text))
    assert last.line == line
    assert ("hint: " in last.text) == (hint is not None)
    assert (hint or "") in last.text


def test_no_hint_at_what_was_done_already(task):
    *_, last = worker.messages(task("@1\ndef f(): pass", definitions_only=True))
    assert isinstance(last, Broken)
    assert "hint: " not in last.text


def test_a_comment_that_does_not_do(task):
    *_, last = worker.messages(
        task(MODULE.replace("cube_backward(dout, cache):", "cube_backward(dout, cache):  # gradtool: ignore"))
    )
    assert last == Misused("shown/layers.py:14: " + last.text.partition(": ")[2])


def test_a_comment_that_accepts(task):
    text = MODULE.replace("cube_backward(dout, cache):", "cube_backward(dout, cache):  # gradtool: ignore[GC101] why")
    found = [one.result for one in worker.messages(task(text)) if isinstance(one, Result)]
    assert [one.accepted for one in found] == [None, "why"]


def test_what_would_be_needed_is_said_of_a_target_without_inputs(task):
    text = MODULE.replace("    return x * x, x", "    assert x.shape == (17, 3)\n    return x * x, x")
    first = next(one for one in worker.messages(task(text)) if isinstance(one, Result))
    assert isinstance(first.result, Skipped)
    assert first.result.file == "shown/layers.py"
    assert first.parameters == ("x",)
    declared = task(text, given=Given(skip={"square": "why"}))
    first = next(one for one in worker.messages(declared) if isinstance(one, Result))
    assert (first.result.reason, first.parameters) == ("why", ())


def test_values_that_forward_does_not_take_are_an_error(task):
    wrong = task(MODULE.replace("x * x", "x @ x"), given=Given(arguments={"x": np.ones((2, 3))}))
    first = next(one for one in worker.messages(wrong) if isinstance(one, Result))
    assert first.result.verdict is Outcome.ERROR
    assert "x (2, 3)" in first.result.error
    assert "layers.py" in first.result.error


def test_a_failure_of_gradtool_itself_says_so(task, monkeypatch):
    def fail(*arguments):
        raise RuntimeError("a wheel came off")

    monkeypatch.setattr(worker, "check_target", fail)
    monkeypatch.setattr(worker, "PACKAGE", __file__)
    found = next(one.result for one in worker.messages(task(MODULE)) if isinstance(one, Result))
    assert found.verdict is Outcome.ERROR
    assert found.error.startswith("this is a bug in gradtool")
    assert "RuntimeError: a wheel came off" in found.error


def test_the_users_own_exception_is_shown_without_gradtool(tmp_path):
    path = tmp_path / "a.py"
    path.write_text("def f():\n    raise ValueError('theirs')\n")
    names: dict = {}
    exec(compile(path.read_text(), str(path), "exec"), names)
    with pytest.raises(ValueError, match="theirs") as caught:
        names["f"]()
    text = worker.raised(caught.value, path)
    assert text.endswith("ValueError: theirs")
    assert "bug" not in text


def test_more_than_a_verdict_where_it_is_asked_for(task):
    results = [one.result for one in worker.messages(task(MODULE)) if isinstance(one, Result)]
    assert all(one.self_test is None and one.reproduction is None for one in results)
    more = task(MODULE, self_test=True, reproduce=True)
    square, cube = [one.result for one in worker.messages(more) if isinstance(one, Result)]
    assert square.self_test.planted == square.self_test.caught > 5
    assert square.reproduction is None
    assert cube.self_test is None
    assert cube.reproduction.name == "test_cube_gradient_of_x"
    assert "layers.cube_backward(upstream, result[1])" in cube.reproduction.text


def test_no_test_is_written_for_what_is_meant_to_differ(task):
    accepted = MODULE.replace(
        "def cube_backward(dout, cache):", "def cube_backward(dout, cache):  # gradtool: ignore[GC101] why"
    )
    for text, given in ((accepted, Given()), (MODULE, Given(intentional={"cube": "a joke"}))):
        more = task(text, reproduce=True, given=given)
        cube = [message.result for message in worker.messages(more) if isinstance(message, Result)][1]
        assert cube.verdict is Outcome.WRONG
        assert not cube.fails
        assert cube.reproduction is None


def test_what_no_entry_shows_is_said(task):
    impure = (
        "def twice_forward(x):\n    return 2 * x, x\n\n\ndef twice_backward(dout, x):\n    dout *= 2\n    return dout\n"
    )
    (result,) = [one.result for one in worker.messages(task(impure, reproduce=True)) if isinstance(one, Result)]
    assert result.verdict is Outcome.WRONG
    assert result.reproduction is None
    assert result.notes[-1] == "not reproduced: no gradient is wrong, but GC301"


def test_what_is_slow_is_not_run_again_and_again(task):
    slow = "import time\n" + MODULE.replace("return x", "time.sleep(0.002)\n    return x")
    more = task(slow, self_test=True, reproduce=True, spare_seconds=1e-3)
    square, cube = [one.result for one in worker.messages(more) if isinstance(one, Result)]
    assert (square.self_test, cube.reproduction) == (None, None)
    assert square.notes[-1].startswith("no self-test: the check alone took ")
    assert cube.notes[-1].startswith("not reproduced: the check alone took ")
