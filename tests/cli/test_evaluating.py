"""What eval and trace have in common, beyond what their own tests show."""

import sys

import pytest
from click.testing import CliRunner

from gradtool.cli import main

VANISHING = ["eval", "h=sigmoid(x)/8; h=sigmoid(h)/8; h=sigmoid(h)/8; h=sigmoid(h)/8; h=sigmoid(h)/8", "x=1"]


def run(*arguments):
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize(
    ("file", "table"), [("pyproject.toml", "tool.gradtool.thresholds"), ("gradtool.toml", "thresholds")]
)
def test_thresholds_come_from_the_nearest_configuration(tmp_path, monkeypatch, file, table):
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    assert "GT103" in run(*VANISHING).stdout
    (tmp_path / file).write_text(f"[{table}.GT103]\nratio = 1e-12\n")
    assert "GT103" not in run(*VANISHING).stdout


def test_a_configuration_that_cannot_be_read_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gradtool.toml").write_text("[thresholds.GT103]\nratoi = 1\n")
    found = run("eval", "x", "x=1")
    assert found.exit_code == 2
    assert "ratoi" in found.stderr


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--fail-on", "GT999"), "there is no diagnostic 'GT999'"),
        (("--microbatches", "x:0"), "--microbatches and --sizes go together"),
    ],
)
@pytest.mark.parametrize("command", [("eval", "x"), ("trace", "there_is_no_such_file.py::f")])
def test_mistakes_in_options_are_told_before_any_work_is_done(command, option, message):
    found = run(*command, *option)
    assert found.exit_code == 2
    assert message in found.stderr


@pytest.mark.parametrize("options", [("--norms",), ("--steps",), ("--sweep", "x=0:1")])
def test_what_a_format_has_no_place_for_is_told(options):
    found = run("eval", "x*2", "x=1", *options, "--format", "concise")
    assert "--format concise has no place for charts and steps" in found.stderr
    assert found.stdout == "x 1 2 OK\n"


def test_a_missing_library_is_told_before_any_work_is_done(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    found = run("eval", "x*2", "x=1", "--plot", str(tmp_path / "x.png"))
    assert found.exit_code == 2
    assert found.stdout == ""
    assert "gradtool[plot]" in found.stderr
