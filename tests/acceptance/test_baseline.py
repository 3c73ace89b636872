"""The failures that a project knows of."""

import json
from pathlib import Path

import pytest

from gradtool.acceptance import baseline
from gradtool.acceptance.baseline import BaselineError
from gradtool.acceptance.failures import Failure
from gradtool.results import Cause, GradientResult, Hygiene, Outcome, TargetResult, Verdict


def gradient(name, code=None):
    cause = None if code is None else Cause(code, "")
    return GradientResult(name, (), Verdict.OK if code is None else Verdict.WRONG, 1, 1, cause=cause)


def target(target_id, *gradients, hygiene=(), **more):
    hygiene = tuple(Hygiene(code, "") for code in hygiene)
    wrong = any(g.verdict is Verdict.WRONG for g in gradients) or any(h.is_wrong for h in hygiene)
    verdict = Outcome.WRONG if wrong else Outcome.OK
    return TargetResult(target_id, "class", "f", "b", verdict, gradients=gradients, hygiene=hygiene, **more)


AFFINE = target("layers.py::affine", gradient("x"), gradient("w", "GC103"), gradient("b", "GC104"))
INPLACE = target("layers.py::inplace", gradient("x"), hygiene=["GC301", "GC305"])
RIGHT = target("layers.py::right", gradient("x"))


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "baseline.json"


def test_what_is_written_is_accepted(path):
    assert baseline.write(path, [AFFINE, INPLACE, RIGHT]) == 3
    document = json.loads(path.read_text())
    assert document["schema"] == "gradtool/baseline/1"
    assert document["failures"] == [
        {"id": "layers.py::affine", "gradient": "b", "code": "GC104"},
        {"id": "layers.py::affine", "gradient": "w", "code": "GC103"},
        {"id": "layers.py::inplace", "gradient": None, "code": "GC301"},
    ]
    (path.parent / "layers.py").touch()
    known = baseline.read(path)
    assert [known.accept(t).accepted for t in (AFFINE, INPLACE, RIGHT)] == ["in the baseline", "in the baseline", None]
    assert not known.accept(AFFINE).fails
    assert known.unneeded([AFFINE, INPLACE, RIGHT], {}) == ()
    assert sorted(p.name for p in path.parent.iterdir()) == ["baseline.json", "layers.py"]


def test_the_same_failures_give_the_same_bytes(path):
    baseline.write(path, [AFFINE, INPLACE])
    before = path.read_bytes()
    baseline.write(path, [INPLACE, AFFINE])
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "worse",
    [
        target("layers.py::affine", gradient("x", "GC101"), gradient("w", "GC103"), gradient("b", "GC104")),
        target("layers.py::affine", gradient("w", "GC102"), gradient("b", "GC104")),
        target("layers.py::affine", gradient("b", "GC104"), hygiene=["GC302"]),
        target("other.py::affine", gradient("b", "GC104")),
    ],
    ids=["another gradient", "another cause", "hygiene", "another file"],
)
def test_a_further_failure_fails(path, worse):
    baseline.write(path, [AFFINE])
    assert baseline.read(path).accept(worse).fails


def test_entries_that_are_not_needed(path):
    baseline.write(path, [AFFINE, INPLACE])
    (path.parent / "layers.py").touch()
    known = baseline.read(path)
    better = target("layers.py::affine", gradient("w", "GC103"), gradient("b"))
    assert known.unneeded([better], {}) == (Failure("layers.py::affine", "b", "GC104"),)
    assert known.unneeded([], {}) == ()
    assert known.unneeded([], {"layers.py": ["affine"]}) == (Failure("layers.py::inplace", None, "GC301"),)
    (path.parent / "layers.py").unlink()
    assert known.unneeded([], {}) == tuple(sorted(known.failures, key=lambda f: (f.id, f.gradient or "")))


def test_a_target_that_could_not_be_checked_says_nothing_of_its_entries(path):
    baseline.write(path, [AFFINE])
    (path.parent / "layers.py").touch()
    broken = TargetResult("layers.py::affine", "class", "f", "b", Outcome.ERROR)
    assert baseline.read(path).unneeded([broken], {}) == ()


def test_warnings_count_where_they_fail_the_run(path):
    random = target("a.py::f", gradient("x"), hygiene=["GC305"])
    (path.parent / "a.py").touch()
    assert baseline.write(path, [random]) == 0
    assert baseline.write(path, [random], also=["GC305"]) == 1
    assert baseline.read(path, also=["GC305"]).accept(random).accepted == "in the baseline"
    assert baseline.read(path).accept(random).accepted is None, "it does not fail"
    assert baseline.read(path).unneeded([random], {}) == ()


def test_what_is_meant_or_ignored_is_not_written(path):
    meant = target("a.py::f", gradient("x", "GC107"), intentional="straight-through")
    ignored = target("a.py::g", gradient("x", "GC114"), accepted="good enough")
    assert baseline.write(path, [meant, ignored]) == 0
    assert baseline.read(path).failures == frozenset()


def test_it_does_not_matter_where_gradtool_is_run(tmp_path, monkeypatch):
    (tmp_path / "src").mkdir()
    path = tmp_path / "baseline.json"
    monkeypatch.chdir(tmp_path / "src")
    baseline.write(path, [AFFINE])
    monkeypatch.chdir(tmp_path)
    seen_from_above = target("src/layers.py::affine", gradient("w", "GC103"))
    assert baseline.read(path).accept(seen_from_above).accepted == "in the baseline"
    assert baseline.read(path).accept(target("layers.py::affine", gradient("w", "GC103"))).fails


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a baseline"),
        ('{"schema": "gradtool/check/1"}', "is not a baseline"),
        ('{"schema": "gradtool/baseline/1"}', 'no list "failures"'),
        ('{"schema": "gradtool/baseline/1", "failures": [{"id": "a"}]}', "in entry 0"),
    ],
)
def test_files_that_are_no_baseline(path, text, message):
    path.write_text(text)
    with pytest.raises(BaselineError, match=message):
        baseline.read(path)


def test_a_file_that_is_not_there():
    with pytest.raises(BaselineError, match=r"--write-baseline no\.json makes it"):
        baseline.read(Path("no.json"))
