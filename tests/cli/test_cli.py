"""The group: help, what every failure becomes, and what it does not load."""

import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

import gradtool
from gradtool.cli import COMMANDS, main
from gradtool.cli.exit_codes import ExitCode


def run(*arguments, **more):
    return CliRunner().invoke(main, arguments, **more)


def test_help_lists_commands_and_exit_codes():
    result = run("--help")
    assert result.exit_code == 0
    for command in COMMANDS:
        assert f"  {command} " in result.stdout
    for code in ExitCode:
        assert f" {code.value} {code.meaning} " in " ".join(result.stdout.split()) + " "


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help_with_examples(command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "Examples:\n" in result.stdout
    documented = [p for p in main.get_command(click.Context(main), command).params if isinstance(p, click.Option)]
    assert all(option.help for option in documented)


def test_version():
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"gradtool, version {gradtool.__version__}\n")


def test_an_unknown_command_or_option_is_a_usage_error():
    assert run("evla", "x").exit_code == 2
    result = run("eval", "x", "--formt", "json")
    assert result.exit_code == 2
    assert "--format" in result.stderr
    assert result.stdout == ""


def failing_with(monkeypatch, error):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(gradtool, "parse", fail)
    return run("eval", "x", "x=1")


def test_a_failure_of_gradtool_itself_says_so(monkeypatch):
    result = failing_with(monkeypatch, RuntimeError("a wheel came off"))
    assert result.exit_code == 3
    assert "Traceback" in result.stderr
    assert "RuntimeError: a wheel came off" in result.stderr
    assert "bug in gradtool, please report" in result.stderr
    assert result.stdout == ""


def test_memory(monkeypatch):
    result = failing_with(monkeypatch, MemoryError("cannot allocate 4 TiB"))
    assert result.exit_code == 3
    assert result.stderr == "Error: out of memory cannot allocate 4 TiB\n"


def test_an_interrupt(monkeypatch):
    result = failing_with(monkeypatch, KeyboardInterrupt())
    assert result.exit_code == 130
    assert "Traceback" not in result.stderr


def test_without_standalone_mode_errors_are_raised():
    with pytest.raises(click.UsageError):
        main(["eval"], standalone_mode=False)


@pytest.mark.parametrize("arguments", [["--help"], ["eval", "--help"], ["--version"], ["eval"]])
def test_help_loads_no_slow_library(arguments):
    code = (
        "import sys\n"
        "from gradtool.cli import COMMANDS, main\n"
        "try:\n"
        "    main(sys.argv[1:])\n"
        "except SystemExit:\n"
        "    print(sorted({'numpy', 'scipy', 'sympy', 'mpmath', 'rich'} & sys.modules.keys()))\n"
    )
    found = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "[]"


def test_a_plain_eval_loads_nothing_that_it_does_not_need():
    code = (
        "import sys\n"
        "from gradtool.cli import main\n"
        "try:\n"
        "    main(['eval', 'x*y', 'x=1', 'y=2', '--reference', 'numeric'])\n"
        "except SystemExit:\n"
        "    needless = 'scipy sympy rich matplotlib gradtool.textbook gradtool.charting gradtool.catalogue gradtool.targets'\n"
        "    print(sorted(set(needless.split()) & sys.modules.keys()))\n"
    )
    environment = dict(os.environ)  # Without the COLUMNS that readline sets behind its back.
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert found.stdout.splitlines()[-1] == "[]"
