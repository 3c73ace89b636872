"""The order of a report, whatever order its entries come in."""

from pathlib import Path

import pytest

from gradtool.isolation.ledger import File, Ledger
from gradtool.isolation.messages import Announced, Task
from gradtool.results import Outcome, Skipped, TargetResult
from gradtool.targets.given import Names


def announced(display, *words):
    found = [(word, Names(f"{display}::{word}", word, word, word, ())) for word in words]
    return tuple(Announced(names.id, word != "unwanted", 1, "fake", names) for word, names in found)


def result(target_id, verdict=Outcome.OK):
    return TargetResult(target_id, "fake", "f", "f", verdict)


@pytest.fixture
def files():
    return [File(Task(Path(name), name, None)) for name in ("a.py", "b.py")]


def test_entries_in_any_order(files):
    ledger, (a, b) = Ledger(files, maxfail=1), files
    ledger.announce(b, announced("b.py", "f", "g"), ())
    ledger.record(b, "b.py::g", result("b.py::g", Outcome.WRONG))
    assert not ledger.has_failed_enough(), "what comes before it is not known yet"
    ledger.announce(a, announced("a.py", "f", "unwanted", "g"), ("a note",))
    ledger.announce(a, (), ())  # Only the first time counts.
    ledger.record(a, "a.py::g", Skipped("a.py::g", "why"), ("x",))
    ledger.record(a, "a.py::f", result("a.py::f"))
    ledger.record(b, "b.py::f", result("b.py::f"))
    assert ledger.has_failed_enough()
    found = ledger.finished(7)
    assert [one.id for one in found.report.targets] == ["a.py::f", "b.py::f", "b.py::g"]
    assert [one.id for one in found.report.skipped] == ["a.py::g"]
    assert (found.stopped, found.report.seed, found.parameters) == (True, 7, {"a.py::g": ("x",)})
    assert found.report.notes[0] == "a.py: a note"


def test_a_file_that_cannot_be_imported_again_keeps_what_it_has(files):
    ledger, a = Ledger(files), files[0]
    ledger.announce(a, announced("a.py", "f", "g"), ())
    ledger.record(a, "a.py::f", result("a.py::f"))
    for file in files:
        ledger.not_imported(file, "broken", 3)
    found = ledger.finished(0).report.targets
    assert [(one.id, one.error) for one in found] == [
        ("a.py::f", None), ("a.py::g", "the module could not be imported again:\nbroken"), ("b.py", "broken"),
    ]  # fmt: skip


def test_progress_and_names_are_told_as_they_become_known(files):
    seen, looked = [], []
    ledger = Ledger(files, look_over=looked.append, progress=lambda *what: seen.append(what))
    ledger.announce(files[0], announced("a.py", "f", "g", "unwanted"), ())
    ledger.tell("a.py::f")
    assert looked == []
    ledger.not_imported(files[1], "broken")
    assert [sorted(one) for one in looked] == [["a.py"]]
    assert seen == [(0, 3, "a.py::f"), (1, 3, "b.py")]
