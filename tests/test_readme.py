"""The README is true: its commands run, its tables are those of the program, and its steps for extending it work."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import gradtool
from gradtool.cli import main
from gradtool.cli.exit_codes import ExitCode
from gradtool.diagnosis import HEALTH_RULES
from gradtool.diagnosis.causes import CAUSE_RULES
from gradtool.diagnosis.hygiene import HYGIENE_RULES
from gradtool.ops import FAMILIES

PACKAGE = Path(gradtool.__file__).parent
TOP = PACKAGE.parent
if not (TOP / "README.md").exists():
    pytest.skip("installed without its source tree", allow_module_level=True)
README = (TOP / "README.md").read_text(encoding="utf-8")


def between(marker):
    found = re.search(rf"<!-- {re.escape(marker)} -->\n(.*?)<!-- end -->", README, re.DOTALL)
    assert found, f"README.md has lost its marker {marker}"
    return found[1]


def blocks(text, language):
    """Fenced blocks of a language, also inside a numbered list."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```", text, re.MULTILINE | re.DOTALL)
    return [
        "".join(line[len(indent) :] if line.strip() else line for line in body.splitlines(True))
        for indent, body in found
    ]


def section(title):
    found = re.search(rf"^### {title}\n(.*?)(?=^#|\Z)", README, re.MULTILINE | re.DOTALL)
    assert found, f"README.md has no section {title}"
    return found[1]


def table(rows):
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def families():
    rows = []
    for family, operations in FAMILIES.items():
        names = dict.fromkeys(op.call or op.name for op in operations)
        rows.append((family.replace("_", " "), ", ".join(f"`{name}`" for name in names)))
    return rows


def test_the_first_command_shows_what_the_readme_shows():
    command = between("run-command")
    assert 'gradtool eval "(x+y)*max(y,z)" x=1 y=2 z=0' in command
    shown = blocks(between("output: (x+y)*max(y,z) x=1 y=2 z=0"), "")[0]
    found = CliRunner().invoke(main, ["eval", "(x+y)*max(y,z)", "x=1", "y=2", "z=0"])
    assert found.exit_code == 0
    assert [line.rstrip() for line in shown.splitlines()] == [line.rstrip() for line in found.stdout.splitlines()]


def without_estimates(text):
    """Without what hangs on the last bits, and so on the machine's linear algebra: error bounds and counts of digits."""
    return [re.sub(r" +", " ", re.sub(r"\b\d+e-\d+|\d+ digits", "_", line)).rstrip() for line in text.splitlines()]


def test_a_check_shows_what_the_readme_shows(monkeypatch):
    monkeypatch.chdir(TOP)
    monkeypatch.delenv("COLUMNS", raising=False)
    files = ["samples/gradients/affine.py", "samples/gradients/softmax_loss_wrong.py"]
    command = " ".join(["check", *files])
    assert f".venv/bin/gradtool {command}\n" in README
    shown = blocks(between(f"output: {command}"), "")[0]
    found = CliRunner().invoke(main, ["check", *files])
    assert found.exit_code == 1
    assert without_estimates(shown) == without_estimates(found.stdout)
    assert max(map(len, shown.splitlines())) > 80, "at its natural width"


def test_the_exit_codes_are_those_of_the_enum():
    rows = [("code", "meaning"), ("---", "---"), *((str(code.value), code.meaning) for code in ExitCode)]
    assert between("exit-codes") == table(rows)


def test_the_diagnostics_are_those_of_the_rules():
    rows = [("code", "finds"), ("---", "---"), *((code, rule.title) for code, rule in HEALTH_RULES.items())]
    assert between("diagnostics") == table(rows)


def test_the_causes_and_hygiene_rules_are_those_of_the_modules():
    rows = [("code", "cause"), ("---", "---"), *((code, rule.title) for code, rule in CAUSE_RULES.items())]
    assert between("causes") == table(rows)
    rows = [("code", "finds"), ("---", "---"), *((code, rule.title) for code, rule in HYGIENE_RULES.items())]
    assert between("hygiene") == table(rows)


def test_the_operations_are_those_of_the_registry():
    assert all(FAMILIES.values())
    assert between("operations") == table([("family", "operations"), ("---", "---"), *families()])


def lines_that_run():
    text = README[README.index("## Expressions") : README.index("## Extending it")]
    return [
        line
        for block in blocks(text, "sh")
        for line in block.splitlines()
        if line.startswith("gradtool ") and "\\" not in line
    ]


@pytest.mark.parametrize("line", lines_that_run())
def test_every_command_runs(line, tmp_path):
    (tmp_path / "samples").symlink_to(TOP / "samples")  # Some commands write files where they run.
    run = subprocess.run(
        ["sh", "-c", line.replace("gradtool", f'"{sys.executable}" -m gradtool', 1)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TOP), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("command", ["eval", "check"])
def test_the_shell_scripts_tell_that_all_is_well(command):
    scripts = [block for block in blocks(README, "sh") if block.startswith("#!/bin/sh")]
    script = next(text for text in scripts if f"gradtool {command}" in text)
    script = script.replace(f"gradtool {command}", f'"{sys.executable}" -m gradtool {command}', 1)
    run = subprocess.run(["sh", "-c", script], cwd=TOP, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "all gradients agree" in run.stdout


PRINTED = {
    "import gradtool": ["OK 5.0", "[(3.0, (1, 4, 5)), (2.0, (1, 3, 5))]", "[22.0, 44.0]", "[[2.0, 4.0], [4.0, 8.0]]"],
    "import numpy as np\nimport gradtool": ["WRONG GC101 has the opposite sign"],
}


@pytest.mark.parametrize(("start", "printed"), PRINTED.items())
def test_the_python_examples_run(start, printed):
    example = next(block for block in blocks(README, "python") if block.startswith(start))
    run = subprocess.run([sys.executable, "-c", example], cwd=TOP, capture_output=True, text=True)
    assert (run.returncode, run.stdout.splitlines()) == (0, printed), run.stderr


@pytest.fixture
def copy(tmp_path):
    """A copy of the package to extend, and a way to run Python on it."""
    shutil.copytree(PACKAGE, tmp_path / "gradtool", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(TOP / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(TOP / "pyproject.toml", tmp_path)

    def run(*arguments):
        environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
        environment.pop("GRADTOOL_PART", None)
        return subprocess.run(
            [sys.executable, "-m", *arguments], cwd=tmp_path, capture_output=True, text=True, env=environment
        )

    return tmp_path / "gradtool", run


def test_the_steps_to_add_an_operation_work(copy):
    package, run = copy
    steps = section("Add an operation")
    path = package / "ops" / "elementary.py"
    assert "`elementary.py`" in steps
    path.write_text(path.read_text(encoding="utf-8") + "\n\n" + blocks(steps, "python")[0], encoding="utf-8")
    found = run("gradtool", "eval", "rsqrt(x)", "x=1.2", "--format", "concise")
    assert found.returncode == 0, found.stderr
    assert found.stdout.endswith("OK\n")
    tested = run("pytest", "tests/ops/test_registry.py", "-k", "rsqrt", "-q", "-p", "no:cacheprovider")
    assert tested.returncode == 0, tested.stdout
    assert re.search(r"[5-9] passed|\d\d passed", tested.stdout)


CARRIER = """
import numpy as np

def square(x):
    return x * x

def pull(dout, x):
    return {factor} * dout * x

square.vjp = pull
"""


def test_the_steps_to_add_a_convention_work(copy, tmp_path):
    package, run = copy
    steps = section("Add a convention")
    assert "`vjp_attribute.py`" in steps
    (package / "targets" / "vjp_attribute.py").write_text(blocks(steps, "python")[0], encoding="utf-8")
    entry = re.search(r'`("vjp_attribute",)`', steps)
    assert entry
    registry = package / "targets" / "__init__.py"
    text = registry.read_text(encoding="utf-8")
    assert '    "callback",\n' in text
    registry.write_text(text.replace('    "callback",\n', f'    {entry[1]}\n    "callback",\n'), encoding="utf-8")
    for factor, code in ((2, 0), (3, 1)):
        module = tmp_path / f"carrier{factor}.py"
        module.write_text(CARRIER.format(factor=factor), encoding="utf-8")
        found = run("gradtool", "check", str(module), "--format", "json")
        assert found.returncode == code, found.stdout + found.stderr
        assert '"convention": "vjp-attribute"' in found.stdout


def test_the_steps_to_add_a_hygiene_rule_work(copy, tmp_path):
    package, run = copy
    steps = section("Add a cause or a hygiene rule")
    assert "`gc399_more_than_asked.py`" in steps
    (package / "diagnosis" / "gc399_more_than_asked.py").write_text(blocks(steps, "python")[0], encoding="utf-8")
    program = (
        "import numpy as np, gradtool\n"
        "backward = lambda dout, x: {'x': dout * np.cos(x), 'y': dout}\n"
        "print([h.code for h in gradtool.check(np.sin, backward, inputs=[np.ones(3)], names=['x']).hygiene])\n"
    )
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    found = run("program")
    assert (found.returncode, found.stdout) == (0, "['GC399']\n"), found.stderr


def test_the_steps_to_add_a_rule_work(copy):
    package, run = copy
    steps = section("Add a diagnostic rule")
    assert "`gt199_negative_output.py`" in steps
    (package / "diagnosis" / "gt199_negative_output.py").write_text(blocks(steps, "python")[0], encoding="utf-8")
    assert "GT199" in run("gradtool", "eval", "--expr=-x", "x=1").stdout
    assert "GT199" not in run("gradtool", "eval", "x", "x=1").stdout


def test_the_steps_to_add_an_output_format_work(copy):
    package, run = copy
    steps = section("Add an output format")
    (package / "report" / "verdicts.py").write_text(blocks(steps, "python")[0], encoding="utf-8")
    line = re.search(r'`("verdicts": "[^`]*",)`', steps)
    assert line
    registry = package / "report" / "__init__.py"
    text = registry.read_text(encoding="utf-8")
    before = '        "table": "gradtool.report.table:render_evaluation",\n'
    assert before in text
    registry.write_text(text.replace(before, f"{before}        {line[1]}\n"), encoding="utf-8")
    found = run("gradtool", "eval", "x*y", "x=1", "y=2", "--format", "verdicts")
    assert (found.returncode, found.stdout) == (0, "OK OK\n"), found.stderr
