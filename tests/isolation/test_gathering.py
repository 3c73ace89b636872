"""From what a user names to files."""

from pathlib import Path

import pytest

from gradtool.configuration import Configuration, TargetConfiguration
from gradtool.isolation.gathering import Wish, gather, unfulfilled, unmeant
from gradtool.targets.given import Names
from gradtool.targets.loading import TargetError


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "a.py": "def f(x):\n    return x\n",
        "src/b.py": "class B:\n    pass\n",
        "src/constants.py": "DEFAULT = 3  # define: class of\n",
        "src/nested.py": "if True:\n    async  def f(): ...\n",
        "src/old/c.py": "def f(x):\n    return x\n",
        "plain.py": "x = 1\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def displays(gathered):
    return [file.display for file in gathered.files]


def test_files_and_folders_in_the_order_they_are_named(project):
    assert displays(gather(["src", "a.py"])) == ["src/b.py", "src/nested.py", "src/old/c.py", "a.py"]
    assert displays(gather(["a.py", "src"]))[0] == "a.py"


def test_a_file_without_definitions_is_taken_if_it_is_named(project):
    assert displays(gather(["plain.py"])) == ["plain.py"]
    assert "plain.py" not in displays(gather(["."]))


def test_a_file_named_twice_is_checked_once(project):
    (file,) = gather(["a.py::f", "a.py::g", "./a.py::h*"]).files
    assert file.names == ("f", "g", "h*")
    for texts in (["a.py::f", "a.py"], ["a.py", "a.py::f"]):
        (file,) = gather(texts).files
        assert file.names == (), "once it is wanted whole"


def test_excluded_files(project):
    gathered = gather(["."], lambda path: "old" in path.parts)
    assert gathered.excluded == ("src/old/c.py",)
    assert "src/old/c.py" not in displays(gathered)


def test_what_is_not_there(project):
    with pytest.raises(TargetError, match=r"did you mean a\.py"):
        gather(["aa.py"])


FOUND = {
    "a.py": (Names("a.py::affine", "affine", "affine_forward", "affine_backward", ()),),
    "b.py": (Names("b.py::conv", "conv", "conv_forward", "conv_backward", ()),),
}


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        (Wish("a.py::affine", "affine", ("a.py",)), None),
        (Wish("src::conv", "conv", ("a.py", "b.py")), None),
        (Wish("a.py::*", "*", ("a.py",)), None),
        (Wish("a.py::z*", "z*", ("a.py",)), None),
        (Wish("broken.py::f", "f", ("broken.py",)), None),
        (Wish("a.py::afine", "afine", ("a.py",)), "a.py::afine: there is no target 'afine'; did you mean affine?"),
        (Wish("a.py::zzz", "zzz", ("a.py",)), "a.py::zzz: there is no target 'zzz'; there are affine"),
        (Wish("c::f", "f", ()), "c::f: there is no target 'f'; no hand-written gradient was found there"),
    ],
)
def test_names_that_nothing_has(wish, message):
    assert unfulfilled([wish], FOUND) == message


def test_a_file_that_cannot_be_read(project, monkeypatch):
    opened = Path.open

    def refused(path, *arguments, **options):
        if path.name == "a.py":
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(TargetError, match=r"^a\.py: cannot be read: Permission denied$"):
        gather(["plain.py", "a.py"])
    assert "a.py" in displays(gather(["."])), "one of many is an error of its own, and the others are checked"


def test_a_folder_without_python_files(project):
    (project / "empty").mkdir()
    gathered = gather(["empty", "a.py"])
    assert displays(gathered) == ["a.py"]
    assert gathered.notes == ("empty: no Python files in this folder (tests, hidden and build folders are left out)",)


AFFINE = Names("src/b.py::affine", "affine", "affine_forward", "affine_backward", ("x", "w"))


@pytest.mark.parametrize(
    ("pattern", "in_part", "in_whole"),
    [
        ("affine", None, None),
        ("aff*", None, None),
        ("src/b.py::affine", None, None),
        ("src/*::affine", None, None),
        ("afine", "; did you mean affine?", "; did you mean affine?"),
        ("src/b.py::afine", "; did you mean src/b.py::affine?", "; did you mean src/b.py::affine?"),
        ("scr/b.py::affine", "; did you mean src/b.py::affine?", "; did you mean src/b.py::affine?"),
        ("conv", None, ""),
        ("src/old/c.py::conv", None, ""),
        ("lib/*.py::conv", None, ""),
    ],
)
def test_configured_targets_that_mean_nothing(project, pattern, in_part, in_whole):
    said = Configuration(project / "gradtool.toml", targets=(TargetConfiguration(pattern, intentional="why"),))
    for whole, hint in ((False, in_part), (True, in_whole)):
        expected = [] if hint is None else [f"{said.file}: targets.{pattern}: no target of this name{hint}"]
        assert list(unmeant(said, {"src/b.py": (AFFINE,)}, whole=whole)) == expected


def test_configured_inputs_that_mean_nothing(project):
    one = TargetConfiguration("affine", inputs={"x": 1, "ww": 2}, settings={"stride": 3})
    said = Configuration(project / "gradtool.toml", targets=(one,))
    assert list(unmeant(said, {"src/b.py": (AFFINE,)}, whole=False)) == [
        f"{said.file}: targets.affine.inputs.ww: no input of this name; did you mean w?",
        f"{said.file}: targets.affine.settings.stride: no input of this name",
    ]
