"""``gradtool ops``."""

import json

import pytest
from click.testing import CliRunner

from gradtool.cli import main
from gradtool.ops import REGISTRY


def run(*arguments, exit_code=0, **more):
    found = CliRunner().invoke(main, ["ops", *arguments], **more)
    assert found.exit_code == exit_code, found.output
    return found


def test_all_of_them():
    lines = run().stdout.splitlines()
    assert lines[0] == "arithmetic"
    assert any(line.startswith("  gelu(x, approximate=none)") for line in lines)
    assert lines[-1] == "`gradtool ops NAME` shows one of them with its rules, names, source and plot"


def test_one_of_them():
    found = run("gelu", env={"COLUMNS": "80"}).stdout
    assert "  its range   [-0.128904145185, 1.128904145185] at ∓√2" in found
    assert "gelu(x) and its derivative" in found
    assert max(map(len, found.splitlines())) <= 80


def test_an_operation_without_a_plot():
    assert "upstream @ b.T" in run("@").stdout


def test_json():
    found = json.loads(run("--format", "json").stdout)
    assert found["schema"] == "gradtool/ops/1"
    assert found["count"] == len(found["operations"]) == len(REGISTRY)
    relu = json.loads(run("relu", "--format", "json").stdout)["operations"][0]
    assert relu["kinks"] == [{"where": "x = 0", "convention": "0", "valid": "[0, 1]"}]
    assert relu["chart"]["curves"][1]["label"] == "derivative"


def test_a_picture(tmp_path):
    pytest.importorskip("matplotlib", reason="the extra plot draws pictures")
    run("gelu", "--plot", str(tmp_path / "gelu.svg"))
    assert (tmp_path / "gelu.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gelo",), "did you mean gelu?"),
        (("matmul", "--plot", "x.png"), "there is nothing to draw"),
        (("gelu", "--plot", "x.bmp"), "a picture's name ends in .png or .svg"),
        (("gelu", "--plot", "no/such/folder/x.png"), "there is no folder"),
    ],
)
def test_usage(arguments, message):
    assert message in run(*arguments, exit_code=2).stderr
