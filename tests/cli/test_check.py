"""``gradtool check`` as a user types it: what it reads, what it says where, and what it returns."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from click.testing import CliRunner

import gradtool
from gradtool.cli import main
from tests.cli.signals import HEARD

GOOD = """
def square_forward(x):
    return x * x, x


def square_backward(dout, cache):
    return 2 * cache * dout
"""
WRONG = """
def cube_forward(x):
    return x**3, x


def cube_backward(dout, cache):
    return -3 * cache**2 * dout
"""
PICKY = """
def picky_forward(x):
    if x.shape != (17, 3):
        raise ValueError("x must be of shape (17, 3)")
    return 2 * x, None


def picky_backward(dout, cache):
    return 2 * dout
"""
RANDOM = """
import numpy as np


def drop_forward(x):
    mask = np.random.rand(*x.shape) > 0.5
    return x * mask, mask


def drop_backward(dout, cache):
    return dout * cache
"""
SWITCH = """
import numpy as np


def switch_forward(x, sharp=1):
    return np.tanh(sharp * x), (x, sharp)


def switch_backward(dout, cache):
    x, sharp = cache
    return dout * (1 - np.tanh(sharp * x) ** 2) * (sharp if sharp < 3 else 1)
"""


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Write files, and run the command on them in their folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, **files):
        for name, text in files.items():
            path = tmp_path / (name.replace("__", "/") + ("" if "." in name else ".py"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return CliRunner().invoke(main, ["check", *arguments])

    return run


def verdicts(result):
    document = json.loads(result.stdout)
    assert document["schema"] == "gradtool/check/1"
    return {target["id"]: target["verdict"] for target in document["targets"]}


# Verdicts and exit codes -----------------------------------------------------------------------------------------------


def test_all_is_well(check):
    result = check("layers.py", layers=GOOD)
    assert result.exit_code == 0
    assert result.stdout.startswith("OK  layers.py::square ")
    assert result.stdout.rstrip().endswith("(--seed 0)")


def test_something_is_wrong(check):
    result = check("layers.py", "--format", "concise", layers=GOOD + WRONG)
    assert result.exit_code == 1
    first, second = result.stdout.splitlines()
    assert first.startswith("layers.py:6: OK square: ")
    assert second.startswith("layers.py:13: GC101 cube: ")


def test_files_of_a_folder_in_order_with_any_number_of_jobs(check):
    files = {
        "src__b": WRONG,
        "src__a": GOOD,
        "src__deep__c": PICKY,
        "src__test_a": "raise SystemError",
        "src__empty": "x = 1\n",
    }
    one = check("src", "--jobs", "1", "--format", "json", **files)
    two = check("src", "--jobs", "2", "--format", "json")
    assert verdicts(one) == verdicts(two) == {"src/a.py::square": "OK", "src/b.py::cube": "WRONG"}
    assert list(verdicts(two)) == ["src/a.py::square", "src/b.py::cube"]
    skipped = json.loads(two.stdout)["skipped"]
    assert [one["id"] for one in skipped] == ["src/deep/c.py::picky"]
    assert (one.exit_code, two.exit_code) == (1, 1)


def test_a_module_by_its_name(check):
    result = check("package.layers", "--format", "json", package____init__="", package__layers=GOOD)
    assert verdicts(result) == {"package/layers.py::square": "OK"}


def test_strict(check):
    assert check("layers.py", layers=GOOD + PICKY).exit_code == 0
    failed = check("layers.py", "--strict")
    assert failed.exit_code == 4
    assert "note: exit code 4, as --strict asks for: 1 skipped\n" in failed.stderr
    assert check("layers.py", "--strict", "-k", "not picky").exit_code == 0


def test_nothing_to_check(check):
    result = check("layers.py", layers="def f(x):\n    return x\n")
    assert result.exit_code == 5
    assert "note: no hand-written gradient was recognized in 1 file; they are known by their names: affine_forward" in (
        result.stdout
    )
    assert "recognized in 1 file" in check("layers.py", "--format", "concise").stderr
    assert check("layers.py", "--allow-nothing").exit_code == 0
    only_skipped = check("picky.py", picky=PICKY)
    assert only_skipped.exit_code == 5
    assert "picky.py::picky" in only_skipped.stdout
    assert "picky_inputs" in only_skipped.stdout


def test_a_folder_without_python_files_is_nothing_to_check(check, tmp_path):
    (tmp_path / "empty").mkdir()
    result = check("empty")
    assert result.exit_code == 5
    assert "note: empty: no Python files in this folder" in result.stderr
    assert check("empty", "--allow-nothing").exit_code == 0
    assert check("nowhere", "--allow-nothing").exit_code == 2
    assert check("empty", "layers.py", layers=GOOD).exit_code == 0, "the rest is checked"


def test_a_fixed_rule_is_said_once(check):
    two = "def f_forward(x, y):\n    return x * y, (x, y)\ndef f_backward(d, cache):\n    x, y = cache\n    return {}\n"
    for returned in ("d * y, d * x", "d * y, -d * x", "-d * y, -d * x"):
        shown = check("layers.py", "--rtol", "1e-6", layers=two.format(returned)).stdout
        assert shown.count("by the fixed rule rtol=1e-06, atol=0") == 1, returned


def test_a_module_that_raises(check):
    result = check("broken.py", "layers.py", broken="def f(x):\n    return x\n\n\n1 / 0\n", layers=GOOD)
    assert result.exit_code == 3
    assert "ZeroDivisionError" in result.stdout
    assert 'broken.py", line 5' in result.stdout
    assert "gradtool/" not in result.stdout, "the user's own traceback, not ours"
    assert "OK  layers.py::square" in result.stdout
    assert check("broken.py", "layers.py", layers=WRONG).exit_code == 1, "WRONG comes before a failure"


def test_an_input_maker_that_raises(check):
    result = check("layers.py", layers=GOOD + "\n\ndef square_inputs():\n    raise OSError('no data')\n")
    assert result.exit_code == 3
    assert "OSError: no data" in result.stdout


def test_fail_on(check):
    result = check("layers.py", "--fail-on", "GC306", layers=RANDOM)
    assert result.exit_code == 0
    assert "GC305" in result.stdout
    failed = check("layers.py", "--fail-on", "gc305,GC306")
    assert failed.exit_code == 1
    assert "note: exit code 1, as --fail-on asks for: GC305\n" in failed.stderr
    assert "exit code" not in result.stderr
    unknown = check("layers.py", "--fail-on", "GC999")
    assert unknown.exit_code == 2
    assert "no diagnostic 'GC999'; there are GC101, " in unknown.stderr
    assert "UNDECIDED" not in unknown.stderr


def test_maxfail(check):
    files = {"a": WRONG, "b": WRONG.replace("cube", "other"), "c": GOOD}
    result = check("a.py", "b.py", "c.py", "--maxfail", "1", "--format", "json", **files)
    assert result.exit_code == 1
    assert list(verdicts(result)) == ["a.py::cube"]
    assert "note: stopped after 1 failure (--maxfail); what comes after that was not checked\n" in result.stderr


# What to check ---------------------------------------------------------------------------------------------------------


def test_names_patterns_and_expressions(check):
    files = {"layers": GOOD + WRONG}
    assert verdicts(check("layers.py::square", "--format", "json", **files)) == {"layers.py::square": "OK"}
    assert verdicts(check("layers.py::s*", "--format", "json")) == {"layers.py::square": "OK"}
    assert verdicts(check("layers.py", "-k", "cube and not square", "--format", "json")) == {"layers.py::cube": "WRONG"}
    for arguments in (["layers.py::z*"], ["layers.py", "-k", "z"]):
        nothing = check(*arguments)
        assert nothing.exit_code == 5
        assert "note: 2 targets were found, and none is selected: square, cube\n" in nothing.stdout
    both = check("layers.py::square", "layers.py::cube", "--format", "json")
    assert list(verdicts(both)) == ["layers.py::square", "layers.py::cube"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["layrs.py"], "did you mean layers.py?"),
        (["layers.py::sqare"], "there is no target 'sqare'; did you mean square?"),
        (["layers.py::zzz"], "there is no target 'zzz'; there are square, cube"),
        (["layers.py", "-k", "a or"], "found the end"),
        (["layers.py", "--arg", "x"], "expected [TARGET:]NAME=VALUE"),
        (["layers.py", "--arg", "=3"], "expected [TARGET:]NAME=VALUE"),
        (["layers.py", "--arg", "x=1", "--arg", "x=2"], "x is given twice"),
        (["layers.py", "--arg", "x=randn(3,"], "x="),
        (["layers.py", "--arg", "xx=randn(3)"], "--arg xx: no target has an input of this name; did you mean x?"),
        (["layers.py", "--arg", "sqare:x=randn(3)"], "--arg sqare: no target of this name; did you mean square?"),
        (["layers.py", "--set", "zz=3"], "--set zz: no target has an input of this name"),
        (["layers.py", "--inputs", "no.json"], "no.json"),
        (["layers.py", "--baseline", "no.json"], "--write-baseline no.json makes it"),
        (["layers.py", "--jobs", "many"], "expected a whole number or auto"),
        (["layers.py", "--scheduler", "10.0.0.1"], "as tcp://HOST:PORT, found '10.0.0.1'"),
        (["layers.py", "--timeout", "0"], "not a positive number"),
        (["layers.py", "--rtol", "-1"], "expected a number of 0 or more, found '-1'"),
        (["layers.py", "--atol", "inf"], "expected a number of 0 or more, found 'inf'"),
        (["layers.py", "--list", "--format", "junit"], "--list can be written as table or json, not as junit"),
        (["layers.py", "--list", "--write-config"], "give one"),
        (["no.module.of.this.name"], "no file, folder or module of this name"),
        ([], "as in: gradtool check layers.py"),
    ],
)
def test_mistakes_exit_2_and_help(check, arguments, message):
    result = check(*arguments, layers=GOOD + WRONG)
    assert result.exit_code == 2, result.stdout
    assert message in result.stderr
    assert result.stdout == ""


def test_a_cluster_needs_what_is_not_installed_with_gradtool(check, monkeypatch):
    monkeypatch.setitem(sys.modules, "joblib", None)
    result = check("layers.py", "--scheduler", "tcp://127.0.0.1:9", layers=GOOD)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "pip install 'gradtool[cluster]'" in result.stderr


def test_values_from_the_command_line(check):
    for given in (
        ["--arg", "x=randn(17,3)"],
        ["--arg", "picky:x=randn(17,3)"],
        ["--arg", "layers.py::picky:x=ones(17,3)"],
    ):
        result = check("layers.py::picky", "--format", "json", *given, layers=GOOD + PICKY)
        target = json.loads(result.stdout)["targets"][0]
        assert (target["verdict"], target["inputs"]) == ("OK", {"x": [17, 3]})
        assert target["input_source"] == "command-line"


def test_values_from_a_file(check, tmp_path):
    (tmp_path / "values.json").write_text(json.dumps({"x": [[1.5, 2.5, 3.5]] * 17, "of_others": 3}))
    result = check("layers.py", "--inputs", "values.json", "--format", "json", layers=PICKY)
    assert verdicts(result) == {"layers.py::picky": "OK"}
    (target,) = json.loads(result.stdout)["targets"]
    assert (target["input_source"], target["notes"][0]) == ("inputs-file", "x given by values.json")
    shown = check("layers.py", "--inputs", "values.json").stdout
    assert "x (17, 3) from the file of --inputs; " in shown
    assert "x given by values.json" in shown


def test_a_value_that_forward_does_not_take(check):
    result = check("layers.py", "--arg", "x=randn(2,2)", layers=PICKY)
    assert result.exit_code == 3
    assert "x must be of shape (17, 3)" in result.stdout


def test_mistakes_of_the_configuration_are_told_as_its_own(check, tmp_path):
    for text, message in (
        ('paths = ["nowhere"]', "gradtool.toml: paths: nowhere: "),
        ('paths = ["layers.py"]\nfail-on = ["GC9"]', "gradtool.toml: fail-on: there is no diagnostic 'GC9'"),
    ):
        (tmp_path / "gradtool.toml").write_text(text)
        result = check(layers=GOOD)
        assert result.exit_code == 2
        assert message in result.stderr


def test_many_excluded_files_are_counted(check, tmp_path):
    (tmp_path / "gradtool.toml").write_text('exclude = ["old"]')
    result = check(".", layers=GOOD, **{f"old/a{k:02}": GOOD for k in range(13)})
    assert result.exit_code == 0
    assert "old/a09.py and 3 more\n" in result.stderr
    assert "a10" not in result.stderr


def test_settings(check):
    right = check("layers.py", "--set", "sharp=2", layers=SWITCH)
    assert right.exit_code == 0
    assert "; sharp = 2 given on the command line" in right.stdout
    assert check("layers.py", "--set", "sharp=4").exit_code == 1
    assert check("layers.py", "--set", "switch:sharp=4").exit_code == 1


def test_the_seed_and_points(check):
    first = check("layers.py", "--format", "json", "--seed", "7", "--points", "0", layers=GOOD)
    assert json.loads(first.stdout)["seed"] == 7
    again = check("layers.py", "--format", "json", "--seed", "7", "--points", "0")

    def timeless(result):
        document = json.loads(result.stdout)
        for target in document["targets"]:
            del target["seconds"]
        return document

    assert timeless(first) == timeless(again)


def test_definitions_only(check):
    source = GOOD + "\n\nprint('training')\nraise RuntimeError('this trains at import')\n"
    assert check("train.py", train=source).exit_code == 3
    result = check("train.py", "--definitions-only", "--format", "json")
    assert verdicts(result) == {"train.py::square": "OK"}
    assert "train.py: 2 statements at the top level left out" in result.stderr


# --list and --write-config ---------------------------------------------------------------------------------------------


def test_list(check):
    result = check("layers.py", "--list", layers=WRONG + PICKY)
    assert result.exit_code == 0
    assert "layers.py::cube  (line 6, forward-backward-pair)" in result.stdout
    assert "called as cube_backward(dout, " in result.stdout
    assert "inputs: x (" in result.stdout
    assert "SKIPPED  layers.py::picky: no inputs found" in result.stdout
    assert "WRONG" not in result.stdout
    document = json.loads(check("layers.py", "--list", "--format", "json").stdout)
    assert document["schema"] == "gradtool/list/1"
    (target,) = document["targets"]
    assert (target["id"], target["line"], target["input_source"]) == ("layers.py::cube", 6, "search")
    assert check("layers.py", "--list", layers="x = 1\n").exit_code == 5


def test_write_config_drafts_what_is_missing_and_the_draft_can_be_used(check, tmp_path):
    result = check("src/layers.py", "--write-config", src__layers=GOOD + PICKY)
    assert result.exit_code == 0
    drafted = tomllib.loads(result.stdout)["tool"]["gradtool"]["targets"]
    assert list(drafted) == ["src/layers.py::picky"]
    assert list(drafted["src/layers.py::picky"]["inputs"]) == ["x"]
    filled = result.stdout.replace("randn(3, 4)", "randn(17, 3)")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "p"\n\n' + filled)
    after = check("src/layers.py", "--format", "json")
    assert verdicts(after) == {"src/layers.py::square": "OK", "src/layers.py::picky": "OK"}
    nothing = check("src/layers.py", "--write-config")
    assert (nothing.exit_code, nothing.stdout) == (0, "")
    assert "no target needs an entry" in nothing.stderr


# Configuration, baseline, comments -------------------------------------------------------------------------------------


def test_the_configuration_names_what_to_check_and_how(check):
    configuration = (
        'paths = ["src"]\nexclude = ["src/old"]\nseed = 5\nstrict = true\n'
        '[targets.cube]\nintentional = "the sign is turned on purpose"\n'
        '[targets."src/layers.py::picky"]\nskip = "needs a device"\n'
    )
    files = {"src__layers": GOOD + WRONG + PICKY, "src__old__a": WRONG, "gradtool.toml": configuration}
    result = check("--format", "json", **files)
    assert result.exit_code == 4, "strict, as something is skipped"
    document = json.loads(result.stdout)
    assert document["seed"] == 5
    cube = document["targets"][1]
    assert (cube["verdict"], cube["intentional"]) == ("WRONG", "the sign is turned on purpose")
    assert document["skipped"][0]["reason"] == "needs a device"
    assert "excluded by" in result.stderr
    typed = check("--no-strict", "--seed", "6", "--format", "json")
    assert typed.exit_code == 0, "the command line wins"
    assert json.loads(typed.stdout)["seed"] == 6
    assert "the sign is turned on purpose" in check("src/layers.py").stdout


@pytest.mark.parametrize("target", [[], ["layers.py"]])
def test_a_configured_target_that_there_is_not_is_warned_of(check, target):
    configuration = 'paths = ["layers.py"]\n[targets.cubes]\nintentional = "why"\n'
    result = check(*target, layers=GOOD + WRONG, **{"gradtool.toml": configuration})
    assert result.exit_code == 1
    assert re.search(
        r"^warning: \S*gradtool\.toml: targets\.cubes: no target of this name; did you mean cube\?$",
        result.stderr,
        re.MULTILINE,
    )
    right = check(*target, **{"gradtool.toml": configuration.replace("cubes", "cube")})
    assert (right.exit_code, right.stderr) == (0, "")


def test_a_configuration_that_cannot_be_used(check):
    result = check("layers.py", layers=GOOD, **{"pyproject.toml": "[tool.gradtool]\npoint = 3\n"})
    assert result.exit_code == 2
    assert "pyproject.toml: tool.gradtool.point: " in result.stderr
    assert "did you mean points?" in result.stderr
    codes = check("layers.py", **{"pyproject.toml": '[tool.gradtool]\nfail-on = ["GT101"]\n'})
    assert codes.exit_code == 2


def test_a_baseline_accepts_what_is_known_and_nothing_else(check, tmp_path):
    written = check("layers.py", "--write-baseline", "known.json", layers=GOOD + WRONG)
    assert written.exit_code == 0
    assert "wrote 1 failure to known.json" in written.stderr
    assert "GC101" in written.stdout
    known = check("layers.py", "--baseline", "known.json")
    assert known.exit_code == 0
    assert "WRONG  layers.py::cube" in known.stdout, "shown all the same"
    worse = check("layers.py", "--baseline", "known.json", layers=GOOD.replace("2 * cache", "3 * cache") + WRONG)
    assert worse.exit_code == 1
    better = check("layers.py", "--baseline", "known.json", layers=GOOD + WRONG.replace("-3", "3"))
    assert better.exit_code == 0
    assert "known.json needs no GC101 of x of layers.py::cube any more" in better.stderr
    (tmp_path / "gradtool.toml").write_text('baseline = "known.json"\n')
    assert check("layers.py", layers=WRONG).exit_code == 0


def test_a_baseline_of_warnings(check):
    assert check("layers.py", "--fail-on", "GC305", "--write-baseline", "known.json", layers=RANDOM).exit_code == 0
    assert check("layers.py", "--fail-on", "GC305", "--baseline", "known.json").exit_code == 0
    assert check("layers.py", "--fail-on", "GC305").exit_code == 1


def test_a_comment_accepts_one_target(check):
    comment = "(dout, cache):  # gradtool: ignore[GC101] turned on purpose"
    source = GOOD + WRONG.replace("(dout, cache):", comment)
    result = check("layers.py", layers=source)
    assert result.exit_code == 0
    assert "turned on purpose" in result.stdout
    other = check("layers.py", layers=source.replace("-3 *", "2 *"))
    assert other.exit_code == 1, "another cause is not accepted"
    without = check("layers.py", layers=source.replace(" turned on purpose", ""))
    assert without.exit_code == 2
    assert "layers.py:13: the ignore comment does not say why" in without.stderr


# Output ----------------------------------------------------------------------------------------------------------------


def test_several_outputs_at_once(check, tmp_path):
    result = check(
        "layers.py", "--format", "github", "--output-file", "junit=report.xml", "--output", "out.json",
        "--output-file", "out.sarif", layers=GOOD + WRONG,
    )  # fmt: skip
    assert result.exit_code == 1
    assert result.stdout.startswith("::error file=layers.py,line=13")
    assert json.loads((tmp_path / "out.json").read_text())["summary"]["wrong"] == 1
    assert json.loads((tmp_path / "out.sarif").read_text())["version"] == "2.1.0"
    assert ElementTree.parse(tmp_path / "report.xml").getroot() is not None


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a terminal")
def test_progress_is_shown_on_a_terminal_alone(tmp_path):
    (tmp_path / "layers.py").write_text(GOOD + WRONG)
    ours, theirs = os.openpty()
    process = gradtool_check(tmp_path, "layers.py", "--format", "concise", stderr=theirs)
    stdout, _ = process.communicate(timeout=100)
    shown = os.read(ours, 100_000).decode()
    os.close(theirs)
    os.close(ours)
    assert "[1/2] layers.py::square" in shown
    assert "[2/2] layers.py::cube" in shown
    assert shown.endswith("\r\x1b[K"), "the line is clean again"
    assert "[1/2]" not in stdout
    assert len(stdout.splitlines()) == 2


def test_the_hook_of_pre_commit_runs():
    hooks = Path(gradtool.__file__).parent.parent / ".pre-commit-hooks.yaml"
    if not hooks.exists():
        pytest.skip("installed without its source tree")
    entry = re.search(r"^  entry: gradtool (.*)$", hooks.read_text(), re.MULTILINE)
    assert entry is not None
    result = CliRunner().invoke(main, [*entry[1].split(), str(hooks.parent / "gradtool" / "__main__.py")])
    assert result.exit_code == 0, result.stderr


def test_help_says_that_code_is_run():
    result = CliRunner().invoke(main, ["check", "--help"])
    assert "check only code that you would run" in " ".join(result.stdout.split())


# What the user's code may do ---------------------------------------------------------------------------------------------

HOSTILE = {
    "a_prints.py": "import os, sys\nprint('SPOILED')\nos.write(1, b'SPOILED')\n"
    "sys.__stdout__.write('SPOILED')\nos.system('echo SPOILED')\n"
    "def f_forward(x):\n    print('SPOILED')\n    return 2 * x, None\n"
    "def f_backward(d, cache):\n    return 2 * d\n",
    "b_exits.py": "import os, sys\n"
    "def f_forward(x):\n    os._exit(0)\ndef f_backward(d, cache):\n    return d\n"
    "def h_forward(x):\n    return 3 * x, None\ndef h_backward(d, cache):\n    return 3 * d\n",
    "c_hangs.py": "import time\n"
    "def f_forward(x):\n    while True:\n        pass\ndef f_backward(d, cache):\n    return d\n"
    "def g_forward(x):\n    return 3 * x, None\ndef g_backward(d, cache):\n    return 3 * d\n",
    "d_changes.py": "import numpy as np, os, sys, tempfile, warnings\n"
    "os.chdir(tempfile.gettempdir())\nnp.seterr(all='raise')\nwarnings.simplefilter('error')\nsys.argv = []\n"
    "def f_forward(x):\n    os.chdir('/')\n    np.seterr(all='raise')\n    return np.exp(x), x\n"
    "def f_backward(d, x):\n    return d * np.exp(x)\n"
    "def g_forward(x):\n    y = 3 * x\n    x += 1\n    return y, None\ndef g_backward(d, cache):\n    return 3 * d\n",
    "e_exits_on_import.py": "import sys\ndef f(x):\n    return x\nsys.exit(0)\n",
    "f_syntax.py": "def f(:\n",
    "g_reads.py": "def f_forward(x):\n    input()\n    return x, None\ndef f_backward(d, cache):\n    return d\n"
    "try:\n    input()\nexcept EOFError:\n    pass\n",
    "h_good.py": GOOD,
}


def gradtool_check(folder, *arguments, **more):
    environment = {**os.environ, "PYTHONPATH": str(Path(gradtool.__file__).parent.parent)}
    command = [sys.executable, "-m", "gradtool", "check", *arguments]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **more}
    return subprocess.Popen(command, cwd=folder, env=environment, **options)


def test_no_module_spoils_the_report_of_the_others(tmp_path):
    for name, text in HOSTILE.items():
        (tmp_path / name).write_text(text)
    process = gradtool_check(tmp_path, ".", "--format", "json", "--timeout", "6", "--jobs", "2")
    stdout, stderr = process.communicate(timeout=200)
    assert process.returncode == 3
    assert "SPOILED" not in stdout
    assert "SPOILED" in stderr
    document = json.loads(stdout)
    found = {target["id"]: target["verdict"] for target in document["targets"]}
    assert found == {
        "a_prints.py::f": "OK",
        "b_exits.py::f": "ERROR",
        "b_exits.py::h": "OK",
        "c_hangs.py::f": "ERROR",
        "c_hangs.py::g": "OK",
        "d_changes.py::f": "OK",
        "d_changes.py::g": "OK",
        "e_exits_on_import.py": "ERROR",
        "f_syntax.py": "ERROR",
        "h_good.py::square": "OK",
    }
    assert [one["id"] for one in document["skipped"]] == ["g_reads.py::f"]


def children(pid):
    found = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in found.splitlines() if int(line.split()[1]) == pid]


def is_running(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes as Linux shows them")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_an_interrupt_or_a_violent_end_leaves_no_process(tmp_path, number, code):
    marker = tmp_path / "running"
    text = HOSTILE["c_hangs.py"].replace("    while True", f"    open({str(marker)!r}, 'w').close()\n    while True")
    (tmp_path / "hangs.py").write_text(text)
    process = gradtool_check(tmp_path, "hangs.py", "--timeout", "100", start_new_session=True, **HEARD)
    until = time.monotonic() + 60
    while not marker.exists() and time.monotonic() < until:
        time.sleep(0.05)
    workers = children(process.pid)
    assert workers, "it runs in a process of its own"
    os.kill(process.pid, number)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == code
    assert stdout == ""
    assert "Traceback" not in stderr
    until = time.monotonic() + 20
    while any(map(is_running, workers)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(is_running, workers))


# A minimal case, and what the verdict is worth -----------------------------------------------------------------------------


def test_reproduce_writes_a_test_that_fails_until_the_code_is_right(check, tmp_path):
    result = check("layers.py", "--reproduce", "test_layers.py", layers=GOOD + WRONG)
    assert result.exit_code == 1
    assert "note: wrote 1 test to test_layers.py" in result.stderr
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_layers.py"]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    before = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment)
    assert before.stdout.strip().splitlines()[-1].startswith("1 failed")
    (tmp_path / "layers.py").write_text((GOOD + WRONG).replace("-3", "3"))
    after = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment)
    assert after.stdout.strip().splitlines()[-1].startswith("1 passed")


def test_reproduce_where_nothing_is_wrong(check, tmp_path):
    result = check("layers.py", "--reproduce", "test_layers.py", layers=GOOD)
    assert result.exit_code == 0
    assert "note: nothing to reproduce, test_layers.py is not written" in result.stderr
    assert not (tmp_path / "test_layers.py").exists()


def test_reproduce_with_settings_of_the_command_line(check, tmp_path):
    result = check("layers.py", "--set", "sharp=4", "--reproduce", "test_layers.py", layers=SWITCH)
    assert result.exit_code == 1
    assert "layers.switch_forward(x, 4)" in (tmp_path / "test_layers.py").read_text()


def test_a_folder_that_is_not_there_is_said(check):
    result = check("layers.py", "--reproduce", "nowhere/test_layers.py", layers=WRONG)
    assert result.exit_code != 0
    assert "nowhere" in result.stderr
    assert "Traceback" not in result.stderr


def test_self_test(check):
    result = check("layers.py", "--self-test", layers=GOOD)
    assert result.exit_code == 0
    assert re.search(r"^    self-test: (\d+) of \1 planted faults caught$", result.stdout, re.MULTILINE)
    document = json.loads(check("layers.py", "--self-test", "--format", "json", layers=GOOD + WRONG).stdout)
    square, cube = document["targets"]
    assert square["self_test"]["share"] == 1.0
    assert "self_test" not in cube


@pytest.mark.parametrize("option", [["--self-test"], ["--reproduce", "t.py"]])
@pytest.mark.parametrize("instead", ["--list", "--write-config"])
def test_what_needs_verdicts_is_refused_without_them(check, option, instead):
    result = check("layers.py", *option, instead, layers=GOOD)
    assert result.exit_code == 2
    assert "need verdicts" in result.stderr
