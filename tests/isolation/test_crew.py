"""Workers that die, hang and disagree: the report has every target all the same, in order, and no process is left."""

import os
import re
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from gradtool.isolation import MisuseError, Task, crew, run
from gradtool.results import Outcome, Skipped
from gradtool.selection import Selection

WORKER = '''
"""Each word of the file is a target, and does what it says."""
import os, signal, sys, time
from dataclasses import replace

from gradtool.isolation.messages import Announced, Begun, Broken, Done, Loaded, Loading, Misused, Result
from gradtool.results import Outcome, Skipped, TargetResult
from gradtool.targets.given import Names


class OfTheUser:
    def __reduce__(self):
        return (__import__, ("no_such_module",))


def work(connection, task):
    words = task.path.read_text().split()
    pids = task.path.with_suffix(".pids")
    again = pids.exists()
    with pids.open("a") as stream:
        stream.write(f"{os.getpid()}\\n")
    if words[0] == "never-starts":
        os._exit(9)
    connection.send(Loading())
    if words[0] == "broken":
        connection.send(Broken("Traceback: broken", 7))
        return
    if words[0] == "import-hangs":
        time.sleep(60)
    if words[0] == "import-exits":
        os._exit(5)
    if words[0].startswith("imports-once") and again:
        connection.send(Broken("Traceback: only once"))
        return
    if words[0] == "changes" and again:
        words = words[:2]
    ids = [f"{task.display}::{word}" for word in words]
    found = [
        Announced(i, task.wants(i), n, "fake", Names(i, w, w, w, ()))
        for n, (i, w) in enumerate(zip(ids, words))
    ]
    connection.send(Loaded(tuple(found), ("a note",) if words[0] == "notes" else ()))
    by_id = {one.id: one for one in found}
    for target_id in iter(connection.recv, None):
        one = by_id[target_id]
        connection.send(Begun(one.id))
        word = one.names.name.rstrip("0123456789")
        if word == "hang":
            time.sleep(60)
        if word == "exit":
            os._exit(7)
        if word == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        if word == "close":
            connection.close()
            time.sleep(60)
        if word == "misuse":
            connection.send(Misused("a.py:3: says nothing"))
        if word == "skip":
            connection.send(Result(one.id, Skipped(one.id, "no inputs"), ("x", "w")))
            continue
        if word == "slow":
            time.sleep(0.4)
        if word == "meets":
            until = time.monotonic() + 60
            while len(pids.read_text().split()) < 2 and time.monotonic() < until:
                time.sleep(0.05)
        result = TargetResult(one.id, "fake", word, word, Outcome.WRONG if word == "wrong" else Outcome.OK)
        if word == "foreign":
            result = replace(result, notes=(OfTheUser(),))
        connection.send(Result(one.id, result))
        if word == "after":
            os._exit(3)
    connection.send(Done())
    if "lingers" in words:
        time.sleep(60)
'''


@pytest.fixture
def tasks(tmp_path, monkeypatch):
    """Files from texts, for the worker above."""
    (tmp_path / "worker_of_a_test.py").write_text(WORKER)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(crew, "WORKER", "worker_of_a_test")
    monkeypatch.setattr(crew, "GRACE", 0.3)

    def make(*texts, **more):
        made = []
        for i, text in enumerate(texts):
            path = tmp_path / f"f{i}.txt"
            path.write_text(text)
            made.append(Task(path, path.name, None, **more))
        return made

    yield make
    for pids in tmp_path.glob("*.pids"):
        for pid in map(int, pids.read_text().split()):
            assert not os.path.exists(f"/proc/{pid}/status"), "a worker is left"


def outcomes(finished):
    return [(target.id, str(target.verdict)) for target in finished.report.targets]


def errors(finished):
    return {target.id: target.error for target in finished.report.targets if target.verdict is Outcome.ERROR}


@pytest.mark.parametrize("jobs", [1, 3])
def test_the_order_is_that_of_the_files_and_their_targets(tasks, jobs):
    found = run(tasks("slow1 a b", "c wrong", "d"), jobs=jobs)
    assert outcomes(found) == [
        ("f0.txt::slow1", "OK"), ("f0.txt::a", "OK"), ("f0.txt::b", "OK"),
        ("f1.txt::c", "OK"), ("f1.txt::wrong", "WRONG"), ("f2.txt::d", "OK"),
    ]  # fmt: skip


def test_a_target_that_hangs_or_ends_its_process_is_an_error_and_the_rest_goes_on(tasks):
    found = run(tasks("a hang b exit crash c close d", "e"), jobs=2, timeout=0.5)
    assert [name for name, verdict in outcomes(found) if verdict == "OK"] == [
        "f0.txt::a", "f0.txt::b", "f0.txt::c", "f0.txt::d", "f1.txt::e",
    ]  # fmt: skip
    hung = errors(found).pop("f0.txt::hang")
    assert hung.startswith("took longer than --timeout 0.5 s, in\n")
    assert re.search(r'File ".*worker_of_a_test\.py", line \d+ in work', hung)
    assert {name: error for name, error in errors(found).items() if name != "f0.txt::hang"} == {
        "f0.txt::exit": "its process ended with exit code 7 (does the code call os._exit?)",
        "f0.txt::crash": "its process was ended by SIGKILL",
        "f0.txt::close": "its process was ended by SIGKILL",
    }
    failed = next(target for target in found.report.targets if target.id == "f0.txt::hang")
    assert (failed.convention, failed.forward, failed.file, failed.line) == ("fake", "hang", "f0.txt", 1)


def test_a_module_that_cannot_be_imported_is_one_error(tasks):
    found = run(tasks("broken", "import-hangs", "import-exits", "never-starts", "a"), jobs=2, timeout=0.5)
    assert errors(found) == {
        "f0.txt": "Traceback: broken",
        "f1.txt": errors(found)["f1.txt"],
        "f2.txt": "on import of the module: its process ended with exit code 5 (does the code call os._exit?)",
        "f3.txt": "at the start of its process: its process ended with exit code 9 (does the code call os._exit?)",
    }
    assert errors(found)["f1.txt"].startswith("on import of the module: took longer than --timeout 0.5 s")
    assert outcomes(found)[-1] == ("f4.txt::a", "OK")
    assert set(found.found) == {"f4.txt"}


def test_a_process_that_ends_after_a_result_costs_nothing(tasks):
    assert outcomes(run(tasks("after1 after2 a"))) == [
        ("f0.txt::after1", "OK"), ("f0.txt::after2", "OK"), ("f0.txt::a", "OK"),
    ]  # fmt: skip


def test_a_module_that_can_be_imported_only_once(tasks):
    found = run(tasks("imports-once exit a b", "c"))
    assert list(errors(found)) == ["f0.txt::exit", "f0.txt::a", "f0.txt::b"]
    assert "could not be imported again:\nTraceback: only once" in errors(found)["f0.txt::a"]
    assert outcomes(found)[-1] == ("f1.txt::c", "OK")


def workers_of(task):
    return len(task.path.with_suffix(".pids").read_text().split())


def test_the_targets_of_one_file_are_shared_where_others_have_nothing_to_do(tasks):
    made = tasks("meets a b wrong")
    assert outcomes(run(made, jobs=2)) == [
        ("f0.txt::meets", "OK"), ("f0.txt::a", "OK"), ("f0.txt::b", "OK"), ("f0.txt::wrong", "WRONG"),
    ]  # fmt: skip
    assert workers_of(made[0]) == 2


def test_a_file_that_is_soon_done_has_one_worker(tasks):
    made = tasks("a b c d")
    run(made, jobs=4)
    assert workers_of(made[0]) == 1


def test_a_second_worker_that_fails_harms_nothing(tasks):
    found = run(tasks("imports-once meets a b"), jobs=2)
    assert [verdict for _, verdict in outcomes(found)] == ["OK"] * 4


def test_a_second_worker_that_ends_costs_one_target(tasks):
    found = run(tasks("meets exit a b"), jobs=2)
    assert list(errors(found)) == ["f0.txt::exit"]


def test_a_module_that_loses_targets_when_it_is_imported_again(tasks):
    found = run(tasks("changes exit a"))
    assert errors(found)["f0.txt::a"] == "was there at first, not when imported again"


def test_a_result_that_cannot_be_rebuilt(tasks):
    found = run(tasks("a foreign b"))
    assert "cannot be handed over" in errors(found)["f0.txt::foreign"]
    assert outcomes(found)[-1] == ("f0.txt::b", "OK")


def test_a_worker_that_does_not_end_is_made_to(tasks):
    began = time.monotonic()
    assert outcomes(run(tasks("lingers"))) == [("f0.txt::lingers", "OK")]
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize(("maxfail", "last"), [(1, "f0.txt::wrong1"), (2, "f1.txt::wrong2"), (9, "f2.txt::z")])
def test_maxfail_ends_the_report_at_the_same_target_whatever_jobs_is(tasks, jobs, maxfail, last):
    found = run(tasks("slow1 wrong1 a", "b wrong2 c", "wrong3 z"), jobs=jobs, maxfail=maxfail)
    assert outcomes(found)[-1][0] == last
    assert found.stopped == (maxfail < 9)
    assert any("--maxfail" in note for note in found.report.notes) == found.stopped


def test_why_there_is_nothing_to_report(tasks):
    unwanted = [replace(task, selection=Selection(("z",))) for task in tasks("a b", "c")]
    (note,) = run(unwanted).report.notes
    assert note == "3 targets were found, and none is selected: a, b, c"
    (note,) = run(unwanted[1:]).report.notes
    assert note == "1 target was found, and it is not selected: c"
    (note,) = run([]).report.notes
    assert note == "no file with a function or a class in it was named"
    assert run(tasks("broken")).report.notes == ()


def test_a_module_that_cannot_be_imported_is_an_error_at_its_line(tasks):
    (target,) = run(tasks("broken")).report.targets
    assert (target.verdict, target.line) == (Outcome.ERROR, 7)


def test_what_is_accepted_is_no_failure(tasks):
    from dataclasses import replace

    found = run(tasks("wrong1 wrong2 a"), maxfail=1, accept=lambda result: replace(result, accepted="known"))
    assert [target.accepted for target in found.report.targets] == ["known"] * 3
    assert not found.stopped


def test_selection_skips_notes_and_names(tasks):
    found = run(tasks("notes skip b", selection=Selection(("notes", "skip"))), seed=4)
    assert outcomes(found) == [("f0.txt::notes", "OK")]
    assert [(one.id, one.reason) for one in found.report.skipped] == [("f0.txt::skip", "no inputs")]
    assert isinstance(found.report.skipped[0], Skipped)
    assert found.parameters == {"f0.txt::skip": ("x", "w")}
    assert found.report.notes == ("f0.txt: a note",)
    assert found.report.seed == 4
    assert [names.name for names in found.found["f0.txt"]] == ["notes", "skip", "b"]


def test_progress_counts_targets(tasks):
    seen = []
    run(tasks("a b", "broken"), progress=lambda *what: seen.append(what))
    # When something is begun, so that a reader knows what takes long, and when it is done.
    assert [what[2] for what in seen] == [
        "f0.txt", "f0.txt::a", "f0.txt::a", "f0.txt::b", "f0.txt::b", "f1.txt", "f1.txt",
    ]  # fmt: skip
    assert [what[:2] for what in seen] == [(0, 2), (0, 3), (1, 3), (1, 3), (2, 3), (2, 3), (3, 3)]


def test_misuse_ends_the_run(tasks):
    with pytest.raises(MisuseError, match=r"a\.py:3: says nothing"):
        run(tasks("a misuse hang"), timeout=30)


def test_names_are_looked_over_as_soon_as_they_are_known(tasks):
    def look_over(found):
        raise KeyError(sorted(found))

    began = time.monotonic()
    with pytest.raises(KeyError, match=r"f0\.txt"):
        run(tasks("hang", "a", "broken"), jobs=3, timeout=30, look_over=look_over)
    assert time.monotonic() - began < 25


def test_nothing_to_do(tasks):
    assert run([]).report.targets == ()


def test_an_interrupt_leaves_no_process(tasks, monkeypatch):
    def interrupted(*what):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tasks("a hang", "hang"), jobs=2, timeout=30, progress=interrupted)


def test_importing_it_is_cheap():
    code = "import sys, gradtool.isolation.crew; print('numpy' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"
