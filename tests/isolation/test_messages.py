"""What goes to a worker and back has to survive the way."""

import pickle
from pathlib import Path

import pytest

from gradtool.isolation.messages import Announced, Begun, Broken, Done, Loaded, Loading, Misused, Result, Task
from gradtool.results import Skipped
from gradtool.selection import Selection, parse_expression
from gradtool.targets.given import Given, Names

NAMES = Names("a.py::f", "f", "f_forward", "f_backward", ("x",))


@pytest.mark.parametrize(
    "message",
    [
        Loading(),
        Loaded((Announced("a.py::f", True, 3, "class", NAMES),), ("a note",)),
        Begun("a.py::f"),
        Broken("text"),
        Misused("text"),
        Done(),
    ],
    ids=lambda message: type(message).__name__,
)
def test_messages_survive_the_way(message):
    assert pickle.loads(pickle.dumps(message)) == message


def test_a_skipped_target_survives_the_way():
    found = pickle.loads(pickle.dumps(Result("a.py::f", Skipped("a.py::f", "why"), ("x",))))
    assert (found.id, found.result.reason, found.parameters) == ("a.py::f", "why", ("x",))


def test_a_task_survives_the_way():
    selection = Selection(("f*",), parse_expression("a and not b"))
    given = Given({"x": [1.0]}, {"f": {"x": 2.0}})
    task = Task(Path("/a/a.py"), "a.py", given, {"points": 2}, selection, only=frozenset({"a.py::f"}))
    found = pickle.loads(pickle.dumps(task))
    assert (found.path, found.settings["points"], found.given.arguments) == (Path("/a/a.py"), 2, {"x": [1.0]})
    assert found.selection == selection
    assert (found.only, found.wants("a.py::f"), found.wants("a.py::fb")) == ({"a.py::f"}, True, False)
