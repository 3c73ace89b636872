import pytest
from click.testing import CliRunner

import gradtool
from gradtool.cli import main


def explain(*arguments):
    return CliRunner().invoke(main, ["explain", *arguments])


@pytest.mark.parametrize("code", gradtool.codes())
def test_every_code_is_explained(code):
    found = explain(code)
    assert found.exit_code == 0
    assert found.stdout.startswith(f"{code}: ")
    for section in ("What it means", "Why it matters", "Example", "What to do"):
        assert f"\n{section}\n" in found.stdout


def test_letters_may_be_small_and_thresholds_are_shown():
    assert "\nThresholds" in explain("gt103").stdout


def test_without_a_code_all_are_listed():
    lines = explain().stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(gradtool.codes())


def test_an_unknown_code_says_what_was_meant():
    found = explain("GC1O1")
    assert found.exit_code == 2
    assert "did you mean GC101" in found.stderr
