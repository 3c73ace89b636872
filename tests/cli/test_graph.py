"""The command, from the command line to the exit code. What it shows has its tests in report."""

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from gradtool.cli import main

PROGRAM = ("(x+y)*max(y,z)", "x=1", "y=2", "z=0")


def run(*arguments, exit_code=0):
    found = CliRunner().invoke(main, ["graph", *arguments])
    assert found.exit_code == exit_code, found.output
    return found


def test_a_drawing():
    found = run(*PROGRAM)
    assert "│ ├─╮      × 1 → 2  into x\n" in found.stdout
    assert found.stderr == ""


def test_depth_and_around():
    assert "3 of 6 nodes are within 1 edge of n5" in run(*PROGRAM, "--depth", "1").stdout
    assert "n5" not in run(*PROGRAM, "--around", "z", "--depth", "1").stdout.split("\n", 1)[1]
    assert "there is no node 'w': give a name" in run(*PROGRAM, "--around", "w", exit_code=2).stderr


def test_paths():
    text = run(*PROGRAM, "--paths", "y,x", "--paths", "z", "--top", "1").stdout
    assert [line.split()[0] for line in text.splitlines() if line.startswith("∂")] == ["∂n5/∂y", "∂n5/∂x", "∂n5/∂z"]
    assert "1 other path, together" in text
    found = json.loads(run(*PROGRAM, "--paths", "y", "--format", "json").stdout)
    assert found["paths"]["y"][1] == {"nodes": [1, 3, 5], "arguments": [1, 0], "contribution": 2.0, "share": 0.4}
    assert (found["rest"], found["total"]) == ({"y": 0.0}, {"y": 5.0})
    assert "there are no paths to 'w'" in run(*PROGRAM, "--paths", "w", exit_code=2).stderr


@pytest.mark.parametrize(
    ("other", "line"),
    [
        ("y=3", "they part first at y: y = 2 here, 3 there"),
        ("(x+y)*min(y,z)", "they part first at n4"),
        ("(y+x)*max(z,y)", "the same structure and values"),
    ],
)
def test_a_difference(other, line):
    assert line in run(*PROGRAM, "--diff", other).stdout


def test_what_cannot_be_compared_with():
    assert "q has no value" in run(*PROGRAM, "--diff", "x*q", exit_code=2).stderr
    assert "no input 'w'" in run(*PROGRAM, "--diff", "w=1", exit_code=2).stderr


def test_the_seed_is_told_where_the_other_point_is_random():
    text = run("sum(x)", "x=[1,2]", "--diff", "x=randn(2)", "--seed", "3").stdout
    assert "random values drawn with --seed 3" in text
    told = run("sum(x)", "x=randn(2)", "--seed", "3", "--format", "json")
    assert "--seed 3" in told.stderr
    assert json.loads(told.stdout)["seed"] == 3


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (PROGRAM, 0),
        ((*PROGRAM, "--strict"), 0),
        (("1+2",), 0),
        (("1+2", "--reference", "all"), 5),
        ((*PROGRAM, "--reference", "all"), 0),
        (("relu(x)", "x=0", "--fail-on", "GT101"), 1),
        (("relu(x)", "x=0", "--fail-on", "GT102"), 0),
        (("sqrt(x^2)", "x=0", "--reference", "numeric", "--strict"), 4),
        (("sqrt(x^2)", "x=0", "--strict"), 0),
        (("x+", "x=1"), 2),
        (("x*y", "x=1"), 2),
        ((*PROGRAM, "--fail-on", "GT999"), 2),
        ((*PROGRAM, "--depth", "-1"), 2),
        ((*PROGRAM, "--format", "table"), 2),
        ((), 2),
    ],
)
def test_exit_codes(arguments, exit_code):
    run(*arguments, exit_code=exit_code)


def test_verdicts_stand_at_the_inputs():
    text = run(*PROGRAM, "--reference", "all").stdout
    assert "= 2  ↑ 5  OK\n" in text
    assert text.endswith("OK: 3 gradients agree with SymPy and with central differences\n")


def test_files_and_standard_output(tmp_path):
    run(*PROGRAM, "--output-file", str(tmp_path / "a.txt"), "--output-file", str(tmp_path / "a.json"))
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == run(*PROGRAM).stdout
    assert json.loads((tmp_path / "a.json").read_text())["schema"] == "gradtool/graph/1"


@pytest.mark.parametrize("name", ["a.dot", "a.gv", "a.mmd", "a.svg", "a.html"])
def test_pictures_by_the_name_of_the_file(tmp_path, name):
    if name in ("a.svg", "a.html"):
        pytest.importorskip("igraph", reason="the extra draw lays graphs out")
    run(*PROGRAM, "--output-file", str(tmp_path / name))
    format_name = {"dot": "dot", "gv": "dot", "mmd": "mermaid", "svg": "svg", "html": "html"}[name[2:]]
    assert (tmp_path / name).read_text(encoding="utf-8") == run(*PROGRAM, "--format", format_name).stdout != ""


@pytest.mark.parametrize("arguments", [("--format", "svg"), ("--output-file", "a.html")])
def test_a_picture_without_igraph(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "igraph", None)
    found = run(*PROGRAM, *arguments, exit_code=2)
    assert "needs igraph: pip install 'gradtool[draw]'" in found.stderr
    assert "Traceback" not in found.stderr
    assert os.listdir() == []


def test_a_leading_minus_and_a_program_from_standard_input():
    assert "gradtool graph -- '-x*y'" in run("-x*y", "x=1", "y=2", exit_code=2).stderr
    found = CliRunner().invoke(main, ["graph", "-f", "-", "x=2"], input="y = x^2\ny*x")
    assert found.stdout.startswith("y*x = 8\n")


def test_notes_go_to_standard_error():
    found = run("cross_entropy(z, y)", "z=randn(2,3)", "y=[true,false]")
    assert "y holds integers or booleans" in found.stderr
    assert "note" not in found.stdout


def test_help_has_examples():
    text = run("--help").stdout
    assert 'gradtool graph "(x+y)*max(y,z)" x=1 y=2 z=0 --paths y' in text
    assert "--around" in text


@pytest.mark.parametrize(("encoding", "sign"), [("utf-8", "├─╮"), ("latin-1", "+-."), ("ascii", "+-.")])
def test_as_a_process_in_any_encoding(encoding, sign):
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "COLUMNS": "80"}
    command = [sys.executable, "-m", "gradtool", "graph", *PROGRAM, "--paths", "y"]
    found = subprocess.run(command, capture_output=True, env=environment, check=True)
    text = found.stdout.decode(encoding)
    assert sign in text
    assert "\\u" not in text


def test_the_same_bytes_twice():
    for format_name in ("terminal", "json"):
        first, second = (run(*PROGRAM, "--paths", "y", "--diff", "y=3", "--format", format_name) for _ in range(2))
        assert first.stdout_bytes == second.stdout_bytes
