"""What a project says of its gradients in pyproject.toml or gradtool.toml."""

import numpy as np
import pytest

import gradtool
from gradtool.configuration import ConfigurationError, find, input_value, read, setting_value

ALL = """
paths = ["layers", "losses.py"]
exclude = ["layers/old", "*_test.py"]
points = 5
seed = 7
jobs = "auto"
timeout = 2.5
resolution = 1e-3
strict = true
fail-on = ["GC305"]
definitions-only = true
baseline = "baseline.json"
"""


def written(folder, text, name="gradtool.toml"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_all_keys(tmp_path):
    found = read(written(tmp_path, ALL))
    assert found.paths == ("layers", "losses.py")
    assert found.exclude == ("layers/old", "*_test.py")
    assert (found.points, found.seed, found.jobs, found.timeout, found.resolution) == (5, 7, 0, 2.5, 1e-3)
    assert (found.strict, found.definitions_only, found.baseline) == (True, True, "baseline.json")
    assert found.fail_on == ("GC305",)
    assert found.folder == tmp_path


def test_an_empty_file_says_nothing(tmp_path):
    found = read(written(tmp_path, ""))
    assert (found.points, found.strict, found.paths, found.targets) == (None, None, (), ())


@pytest.mark.parametrize("name", ["gradtool.toml", "pyproject.toml"])
def test_both_files_may_have_the_table_of_a_project(tmp_path, name):
    assert read(written(tmp_path, "[tool.gradtool]\npoints = 2\n[tool.other]\nx = 1", name)).points == 2


def test_the_nearest_file_counts(tmp_path):
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    written(tmp_path, "[tool.gradtool]\npoints = 1", "pyproject.toml")
    assert find(below) == tmp_path / "pyproject.toml"
    written(tmp_path / "a", "[tool.other]\nx = 1", "pyproject.toml")
    assert find(below) == tmp_path / "pyproject.toml", "one that says nothing of gradtool is passed over"
    own = written(tmp_path / "a", "points = 2")
    assert find(below) == own
    assert find(tmp_path) == tmp_path / "pyproject.toml"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("point = 3", "point: gradtool knows no such key; did you mean points\\?"),
        ("fail_on = ['GC305']", "fail_on: gradtool knows no such key; did you mean fail-on\\?"),
        ("zzz = 3", "zzz: gradtool knows no such key; there are paths, exclude, points"),
        ("points = 'three'", "points: expected a whole number of 0 or more, found 'three'"),
        ("points = true", "points: expected a whole number"),
        ("points = -1", "points: expected a whole number"),
        ("timeout = 0", "timeout: expected a number above 0"),
        ("timeout = inf", "timeout: expected a number"),
        ("strict = 1", "strict: expected true or false, found 1"),
        ("paths = 3", "paths: expected a list of texts"),
        ("targets = 3", "targets: expected a table"),
        ("[targets.'a.py::f']\ninput = {x = 1}", 'targets."a.py::f".input: gradtool knows .* did you mean inputs'),
        ("[targets.f]\nintentional = true", "targets.f.intentional: expected the reason as a text"),
        ("[targets.f]\nintentional = ' '", "targets.f.intentional: expected the reason as a text"),
        ("[targets.f]\ninputs = {x = 1979-05-27}", "targets.f.inputs.x: expected a number, a text or a list"),
        ("[targets.f]\ninputs = {'a b' = 1}", 'targets.f.inputs."a b": is not a name'),
        ("[thresholds.GT999]\nx = 1", "thresholds.GT999: there is no such diagnostic; there are GT101"),
        ("[thresholds.GT103]\nzzz = 1", "thresholds.GT103.zzz: gradtool knows no such key"),
        ("points = ", "is not valid TOML: "),
    ],
)
def test_mistakes_name_the_file_and_the_key(tmp_path, text, message):
    path = written(tmp_path, text)
    with pytest.raises(ConfigurationError, match=message) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))


def test_the_path_of_a_key_in_a_project(tmp_path):
    path = written(tmp_path, "[tool.gradtool]\npoint = 3", "pyproject.toml")
    with pytest.raises(ConfigurationError, match=r"pyproject\.toml: tool\.gradtool\.point: "):
        read(path)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot read"):
        read(tmp_path / "no.toml")
    path = tmp_path / "gradtool.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        read(path)


def test_thresholds(tmp_path):
    code, rule = next((code, rule) for code, rule in gradtool.HEALTH_RULES.items() if rule.thresholds)
    name = next(iter(rule.thresholds))
    assert read(written(tmp_path, f"[thresholds.{code}]\n{name} = 3")).thresholds == {code: {name: 3.0}}


TARGETS = """
[targets.'src/layers.py::affine']
inputs = {x = 'randn(4,6)', w = [[1, 2]]}
skip = 'exact'
[targets.'a*']
settings = {mode = 'train'}
intentional = 'straight-through'
"""


def test_what_is_said_of_targets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = read(written(tmp_path, TARGETS)).given(seed=0)
    inputs = given.configured["src/layers.py::affine"]
    assert inputs["x"].shape == (4, 6)
    assert inputs["w"] == [[1, 2]]
    assert given.configured_settings == {"a*": {"mode": "train"}}
    assert given.skip["src/layers.py::affine"] == "exact"
    assert given.intentional == {"a*": "straight-through"}


def test_a_target_is_known_from_any_folder(tmp_path, monkeypatch):
    (tmp_path / "src" / "deep").mkdir(parents=True)
    found = read(written(tmp_path, TARGETS))
    for folder, shown in (("src", "layers.py::affine"), ("src/deep", "../layers.py::affine")):
        monkeypatch.chdir(tmp_path / folder)
        assert shown in found.given(seed=0).skip
        assert f"{(tmp_path / 'src' / 'layers.py').as_posix()}::affine" in found.given(seed=0).skip


def test_files_of_values_are_looked_for_beside_the_configuration(tmp_path):
    np.save(tmp_path / "x.npy", np.array([1.5, 2.5]))
    found = read(written(tmp_path, "[targets.f]\ninputs = {x = '@x.npy', p = {w = 'ones(2)', stride = 2}, n = 3}"))
    inputs = found.given(seed=0).configured["f"]
    np.testing.assert_array_equal(inputs["x"], [1.5, 2.5])
    np.testing.assert_array_equal(inputs["p"]["w"], [1.0, 1.0])
    assert (inputs["n"], type(inputs["n"])) == (3.0, float)
    assert type(inputs["p"]["stride"]) is int


def test_a_value_that_cannot_be_read_is_named(tmp_path):
    found = read(written(tmp_path, '[tool.gradtool.targets.f]\ninputs = {x = "randn(3"}\n'))
    with pytest.raises(ConfigurationError, match=r"gradtool\.toml: targets\.f\.inputs\.x: '\(' is never closed"):
        found.given(seed=0)


def test_values_of_settings():
    texts = ["2", "-3", "2.5", "true", "False", "None", "same", "ones(2)", "[1, 2]"]
    assert [setting_value(text, "s", 0) for text in texts[:7]] == [2, -3, 2.5, True, False, None, "same"]
    assert [type(setting_value(text, "s", 0)) for text in texts[:4]] == [int, int, float, bool]
    assert setting_value("[1, 2]", "s", 0) == [1, 2]


def test_values_of_inputs():
    assert input_value("None", "x", 0) is None
    assert input_value("pi/2", "x", 0) == np.pi / 2
    assert input_value(" [0, 2,-1] ", "y", 0) == [0, 2, -1]
    np.testing.assert_array_equal(input_value("[0, 2.5]", "y", 0), [0.0, 2.5])
    with pytest.raises(gradtool.SourceError):
        input_value("[0, 2", "y", 0)
    with pytest.raises(gradtool.SourceError):
        input_value("abc", "x", 0)


@pytest.mark.parametrize(
    ("file", "excluded"),
    [
        ("layers/old/a.py", True),
        ("layers/old/deep/a.py", True),
        ("layers/new/a.py", False),
        ("layers/new/a_test.py", True),
        ("older.py", False),
    ],
)
def test_excluded_files(tmp_path, file, excluded):
    assert read(written(tmp_path, ALL)).excludes(tmp_path / file) is excluded
