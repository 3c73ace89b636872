import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import gradtool
from gradtool.autodiff import SecondOrder
from gradtool.cli import main
from gradtool.results import EvaluationResult, InputResult, NodeResult, Reference, Verdict

E1 = ("(x+y)*max(y,z)", "x=1", "y=2", "z=0")


def run(*arguments, **more):
    result = CliRunner().invoke(main, ["eval", *arguments], **more)
    assert "Traceback" not in result.stderr
    return result


def process(*arguments, **more):
    return subprocess.run(
        [sys.executable, "-m", "gradtool", "eval", *arguments], capture_output=True, text=True, **more
    )


def gradients(result):
    document = json.loads(result.stdout)
    return {found["name"]: found["gradient"] for found in document["inputs"]}


# What it shows


def test_the_first_example_as_a_table():
    result = run(*E1)
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == ["(x+y)*max(y,z)", "=", "6"]
    assert ["n5", "(x+y)*max(y,z)", "6", "1", "n3", "2", "2"] in lines
    assert ["n4", "max(y,z)", "2", "3", "y", "1", "3"] in lines
    assert ["n3", "x+y", "3", "2", "x", "1", "2"] in lines
    (y,) = (line for line in result.stdout.splitlines() if line.startswith("  y "))
    assert re.fullmatch(r"  y +2 +5 +5  5 ± \S+ +OK +2 through n3 \+ 3 through n4", y)
    assert lines[-1] == ["OK:", "3", "gradients", "agree", "with", "SymPy", "and", "with", "central", "differences"]


def test_the_first_example_concisely():
    assert run(*E1, "--format", "concise").stdout == "x 1 2 OK\ny 2 5 OK\nz 0 0 OK\n"


def test_the_first_example_as_json():
    document = json.loads(run(*E1, "--format", "json").stdout)
    assert document["schema"] == "gradtool/eval/1"
    assert document["expression"] == "(x+y)*max(y,z)"
    assert document["output"] == {"node": 5, "name": None, "shape": [], "value": 6.0}
    assert [found["gradient"] for found in document["inputs"]] == [2.0, 5.0, 0.0]
    assert {node["id"]: node["upstream"] for node in document["nodes"]} == {0: 2, 1: 5, 2: 0, 3: 2, 4: 3, 5: 1}
    assert document["verdict"] == "OK"
    assert document["seed"] is None


@pytest.mark.parametrize("format_name", ["table", "concise", "json"])
def test_the_same_bytes_every_time(format_name):
    arguments = ("sum(W@x)", "W=randn(3,2)", "x=rand(2)", "--format", format_name)
    assert run(*arguments).stdout == run(*arguments).stdout != ""


def test_nothing_is_cut_in_a_pipe():
    arguments = [f"{name}=-1.23456789e-200" for name in ("alpha_beta_gamma_delta_epsilon", "b")]
    result = process("alpha_beta_gamma_delta_epsilon*b*1e200 + " * 5 + "b", *arguments)
    assert result.returncode == 0
    assert "-1.23457e-200" in result.stdout
    assert "…" not in result.stdout
    assert "\x1b" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) > 80


# Where things come from


def test_the_program_from_a_file_and_from_standard_input(tmp_path):
    path = tmp_path / "program.txt"
    path.write_text("a = x*y  # a comment\na^2\n")
    for more in ({"args": (str(path),)}, {"args": ("-",), "input": path.read_text()}):
        result = run("-f", *more.pop("args"), "x=2", "y=3", "--format", "json", **more)
        assert gradients(result) == {"x": 36.0, "y": 24.0}


def test_an_expression_that_begins_with_a_minus():
    for arguments in (("--", "-x*y"), ("--expr=-x*y",), ("--expr", "-x*y")):
        values = ("x=-1", "y=2")
        options = ("--format", "concise")
        assert run(*options, *arguments, *values).stdout == "x -1 -2 OK\ny 2 1 OK\n"


@pytest.mark.parametrize("expression", ["-x*y", "-exp(x)", "-1*x", "-x", "--x*y", "-(x+y)", "-h*x", "-2"])
def test_taking_an_expression_for_an_option_says_what_to_do(expression):
    result = run(expression, "x=1", "y=2")
    assert result.exit_code == 2
    assert f"gradtool eval -- '{expression}'" in result.stderr
    assert f"--expr='{expression}'" in result.stderr


def test_inputs_from_a_file_and_from_the_command_line(tmp_path):
    path = tmp_path / "values.json"
    path.write_text('{"x": 1, "y": 2.5}')
    result = run("x*y", "--inputs", str(path), "x=4", "--format", "json")
    assert gradients(result) == {"x": 2.5, "y": 4.0}


def test_the_seed_is_said_where_random_values_were_used():
    for format_name in ("table", "concise", "json"):
        result = run("sum(x)", "x=randn(3)", "--seed", "7", "--format", format_name)
        assert result.output.count("--seed 7") == 1
        assert ("--seed 7" in result.stdout) == (format_name == "table")
    assert json.loads(result.stdout)["seed"] == 7
    assert "--seed 0" in run("sum(x)", "x=randn(3)").stdout
    assert "seed" not in run("sum(x)", "x=[1,2]").output
    assert json.loads(run("x*2", "x=ones(3)", "--upstream=rand(3)", "--format", "json").stdout)["seed"] == 0
    different = [run("x^2", "x=randn()", "--seed", seed, "--format", "concise").stdout for seed in "01"]
    assert different[0] != different[1]


# Options that reach the engine


def test_wrt_and_of():
    assert gradients(run(*E1, "--wrt", "x,y", "--format", "json")) == {"x": 2.0, "y": 5.0, "z": None}
    assert gradients(run(*E1, "--wrt", "x", "--wrt", "z", "--format", "json")) == {"x": 2.0, "y": None, "z": 0.0}
    assert gradients(run("a = x*y; b = a^2", "x=2", "y=3", "--of", "a", "--format", "json")) == {"x": 3.0, "y": 2.0}


def test_upstream():
    assert run("2*x", "x=[1,2]").exit_code == 2
    assert gradients(run("2*x", "x=[1,2]", "--upstream", "ones", "--format", "json")) == {"x": [2.0, 2.0]}
    assert gradients(run("2*x", "x=[1,2]", "--upstream", "[1,-1]", "--format", "json")) == {"x": [2.0, -2.0]}


@pytest.mark.parametrize(
    ("reference", "symbolic", "numeric", "last"),
    [
        ("all", "ok", "ok", "OK: 1 gradient agrees with SymPy and with central differences"),
        ("symbolic", "ok", "skipped", "OK: 1 gradient agrees with SymPy"),
        ("numeric", "skipped", "ok", "OK: 1 gradient agrees with central differences"),
        ("none", "skipped", "skipped", "not checked: --reference none (1 gradient)"),
    ],
)
def test_references(reference, symbolic, numeric, last):
    result = run("sin(x)/x", "x=1.2", "--reference", reference, "--format", "json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)["inputs"][0]["references"]
    assert (found["symbolic"]["status"], found["numeric"]["status"]) == (symbolic, numeric)
    assert run("sin(x)/x", "x=1.2", "--reference", reference).stdout.splitlines()[-1] == last


def test_step():
    result = run("x^3", "x=2", "--step", "0.5", "--reference", "numeric", "--format", "json")
    assert json.loads(result.stdout)["inputs"][0]["references"]["numeric"]["value"] == pytest.approx(12.25)


def test_jacobians_and_clipping():
    arguments = ("sum(W@x)", "W=[[1,2],[3,4]]", "x=[1,1]", "--format", "json")
    document = json.loads(run(*arguments, "--jacobians").stdout)
    (product,) = (node for node in document["nodes"] if node["operation"] == "matmul")
    assert product["edges"][1]["local"]["jacobian"] == [[1.0, 2.0], [3.0, 4.0]]
    document = json.loads(run(*arguments, "--clip-value", "5").stdout)
    assert document["inputs"][1]["clipped"] == [4.0, 5.0]
    document = json.loads(run("3*x + 4*y", "x=1", "y=1", "--clip-norm", "1", "--format", "json").stdout)
    assert [found["clipped"] for found in document["inputs"]] == pytest.approx([0.6, 0.8])


def test_second_derivatives():
    found = run("x^2*y", "x=3", "y=2", "--hessian")
    assert found.exit_code == 0
    assert "  x  4  6\n  y  6  0\n" in found.stdout
    assert "Hessian" not in run("x^2*y", "x=3", "y=2").stdout
    weighed = run("x^3", "x=[1,2]", "--upstream", "[1,10]", "--hessian", "--format", "json")
    assert json.loads(weighed.stdout)["hessian"]["blocks"][0]["value"] == [[6.0, 0.0], [0.0, 120.0]]
    assert run("x*abs(x)", "x=0", "--hessian", "--strict").exit_code == 4
    assert run("x*abs(x)", "x=0", "--strict").exit_code == 0


def test_a_wrong_hessian_fails_the_run(monkeypatch):
    true = SecondOrder.hessian
    monkeypatch.setattr(SecondOrder, "hessian", lambda self: {"x": {"x": -true(self)["x"]["x"]}})
    found = run("sin(x)", "x=1", "--hessian")
    assert found.exit_code == 1
    assert found.stdout.splitlines()[-1].startswith("WRONG: the Hessian is wrong; OK: 1 gradient agrees")


def test_single_precision():
    document = json.loads(run("x/3", "x=1", "--dtype", "float32", "--format", "json").stdout)
    assert document["output"]["value"] == float(np.float32(1) / np.float32(3))
    assert document["dtype"] == "float32"


def test_max_elements():
    arguments = ("sum(x)", "x=ones(3,4)", "--format", "json", "--max-elements")
    assert json.loads(run(*arguments, "12").stdout)["inputs"][0]["value"][0] == [1.0] * 4
    assert json.loads(run(*arguments, "11").stdout)["inputs"][0]["value"]["norm"] == pytest.approx(12**0.5)


# Where it goes


def test_output_files(tmp_path):
    document, table = tmp_path / "out.json", tmp_path / "out.txt"
    result = run(
        *E1, "--output-file", str(document), "--output-file", str(table), "--output-file", f"concise={tmp_path}/c"
    )
    assert result.stdout == table.read_text()
    assert document.read_text() == run(*E1, "--format", "json").stdout
    assert (tmp_path / "c").read_text() == "x 1 2 OK\ny 2 5 OK\nz 0 0 OK\n"


def test_output_file_of_no_format():
    result = run(*E1, "--output-file", "out.pdf")
    assert result.exit_code == 2
    assert "FORMAT=" in result.stderr
    assert result.stdout == ""


def test_colour():
    assert "\x1b[" not in run(*E1).stdout
    assert "\x1b[" not in run(*E1, env={"FORCE_COLOR": "0"}).stdout
    assert "\x1b[" in run(*E1, env={"FORCE_COLOR": "1"}).stdout
    assert "\x1b[" not in run(*E1, "--color", "never", env={"FORCE_COLOR": "1"}).stdout
    assert "\x1b[32mOK" in run(*E1, "--color", "always", env={"NO_COLOR": "1"}).stdout


def test_columns():
    narrow = run(*E1, env={"COLUMNS": "60"}).stdout
    tables = narrow.split("\n\n")[1:3]
    assert max(len(line) for table in tables for line in table.splitlines()) <= 60
    assert "max(y,z)" in narrow


def test_notes_go_to_standard_error():
    result = run("e*x", "x=1")
    assert "e" in result.stderr
    assert "note:" in result.stderr
    assert "note:" not in result.stdout


# Exit codes


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (E1, 0),
        (("max(x,y)", "x=2", "y=2"), 0),
        (("max(x,y)", "x=2", "y=2", "--strict"), 4),
        (("max(x,y)", "x=2", "y=2", "--fail-on", "GT101"), 1),
        (("max(x,y)", "x=2", "y=2", "--fail-on", "GT102,GT101", "--strict"), 1),
        (("max(x,y)", "x=2", "y=1", "--fail-on", "GT101", "--strict"), 0),
        (("1+2",), 5),
        ((*E1, "--reference", "none"), 0),
    ],
)
def test_exit_codes(arguments, code):
    assert run(*arguments).exit_code == code


def test_an_expression_without_inputs_shows_its_value():
    result = run("1+2")
    assert result.stdout == "1+2 = 3\n\nnothing to check: no differentiable input\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "expected an expression"),
        (("--expr=x", "-f", "p"), "give one"),
        (("x*y", "x=1", "y"), "expected NAME=VALUE after the expression, found 'y'"),
        (("--expr=x", "x*y"), "expected NAME=VALUE"),
        (("x*y", "x=1"), "y"),
        (("x*", "x=1"), "^"),
        (("x*yy", "x=1", "yx=2"), "yy"),
        (("x", "x=1", "z=1"), "z"),
        (("x", "x=1", "x=2"), "given twice"),
        (("x", "x="), "no value"),
        (("foo(x)", "x=1"), "foo"),
        (("A@B", "A=ones(2,3)", "B=ones(2,3)"), "(2, 3)"),
        (("x", "x=[1,[2]]"), "x"),
        (("x", "x=@no.npy"), "no.npy"),
        (("x", "x=zeros(10000000,10000000)"), "--max-size"),
        (("x", "x=__import__('os').getcwd()"), "x"),
        (("().__class__",), "^"),
        (("__import__('os')",), "^"),
        (("-f", "no-such-file", "x=1"), "no-such-file"),
        (("-f(x)", "x=1"), "--expr=-f(x)"),
        (("x", "--inputs", "no-such-file.json"), "no-such-file.json"),
        (("x", "x=1", "--of", "y"), "y"),
        (("x", "x=1", "--wrt", "y"), "y"),
        (("x", "x=1", "--upstream", "[1,2]"), "(2,)"),
        (("x", "x=1", "--step", "0"), "--step"),
        (("x", "x=1", "--clip-norm", "nan"), "--clip-norm"),
        (("x", "x=1", "--dtype", "float16"), "--dtype"),
        (
            ("sum(x)", "x=ones(10)", "--hessian", "--max-hessian", "99"),
            "10 x 10 = 100 entries, more than the limit of 99",
        ),
        (("x", "x=1", "--hessian", "--dtype", "float32"), "float64"),
        (("x", "x=1", "--format", "xml"), "--format"),
        (("x", "x=1", "--fail-on", "GT999"), "GT999"),
        (("x", "x=1", "--seed", "-1"), "--seed"),
        (("x", "x=1", "--max-elements", "many"), "--max-elements"),
    ],
)
def test_what_the_user_got_wrong(arguments, said):
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


def judged(verdict):
    skipped = Reference("skipped", reason="not asked for")
    found = InputResult("x", 0, (), 1.0, 2.0, skipped, skipped, verdict)
    node = NodeResult(0, "x", "x", "input", (), 1.0, 2.0, (0, 1), 1)
    return EvaluationResult("x", 0, (found,), (node,), verdict)


def test_a_wrong_gradient(monkeypatch):
    monkeypatch.setattr(gradtool, "evaluate", lambda *arguments, **options: judged(Verdict.WRONG))
    assert run("x", "x=1", "--strict").exit_code == 1


def test_a_file_that_cannot_be_written_beats_a_wrong_gradient(monkeypatch, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()

    def evaluate(*arguments, **options):
        folder.rmdir()
        return judged(Verdict.WRONG)

    monkeypatch.setattr(gradtool, "evaluate", evaluate)
    result = run("x", "x=1", "--output-file", f"{folder}/out.json")
    assert result.exit_code == 2
    assert "No such file" in result.stderr
    assert "WRONG" in result.stdout


# Real processes


@pytest.mark.parametrize(("arguments", "code"), [(E1, 0), (("max(x,y)", "x=2", "y=2", "--strict"), 4), (("1+2",), 5)])
def test_a_closed_pipe_changes_nothing(arguments, code):
    """``| head -1``: the reader has gone before the first byte, and again after a long document has begun."""
    command = [sys.executable, "-m", "gradtool", "eval", *arguments]
    for more in ([], ["--format", "json"]):
        with subprocess.Popen([*command, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
            assert started.stdout is not None
            assert started.stderr is not None
            started.stdout.close()
            errors = started.stderr.read()
        assert (started.returncode, "Traceback" in errors, "BrokenPipe" in errors) == (code, False, False)


def test_head_of_a_long_document():
    expression = " + ".join(["x"] * 5000)
    arguments = [sys.executable, "-m", "gradtool", "eval", expression, "x=1", "--format", "json", "--reference", "none"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        assert started.stderr is not None
        assert started.stdout.readline() == '{"schema": "gradtool/eval/1",\n'
        started.stdout.close()
        assert started.stderr.read() == ""
    assert started.returncode == 0


def test_help_into_a_closed_pipe():
    arguments = [sys.executable, "-m", "gradtool", "eval", "--help"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        assert started.stderr is not None
        started.stdout.close()
        assert started.stderr.read() == ""
    assert started.returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("arguments", [E1, ("--help",)])
def test_a_full_disk(arguments):
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "gradtool", "eval", *arguments]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (result.returncode, result.stderr) == (2, "Error: cannot write the output: No space left on device\n")


def test_an_output_that_lacks_the_letters():
    result = process("α*x", "α=2", "x=3", env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "1"}, encoding="ascii")
    assert result.returncode == 0
    assert "\\u03b1" in result.stdout


def test_a_long_program():
    """Deep and long programs meet no limit on the way out."""
    program = " + ".join(["x"] * 20_000)
    result = run("-f", "-", "x=1", "--reference", "none", "--format", "json", input=program)
    assert result.exit_code == 0
    assert gradients(result) == {"x": 20_000.0}
    table = run("-f", "-", "x=1", "--reference", "none", input=program).stdout
    assert "rows left out; --full shows them" in table


def test_the_expression_command_leaves_other_errors_alone():
    result = run("x", "x=1", "--formt=json")
    assert result.exit_code == 2
    assert "was taken for an option" not in result.stderr
