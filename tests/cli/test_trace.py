"""``gradtool trace``: functions of a module, shown as ``eval`` shows expressions."""

import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from gradtool.cli import main

SOURCE = """import numpy as np

print("imported")


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def net(W, x, b):
    print("called")
    z = W @ x + b
    a = sigmoid(z)
    return np.sum(a), {"a": a}


def net_inputs():
    return {"W": np.ones((2, 3)), "x": np.array([0.1, -0.2, 0.3]), "b": np.zeros(2)}


def total(x, axis=0):
    return np.sum(x, axis=axis)


def picked(x, y):
    return x[np.arange(2), y].sum()


def mode(x, kind):
    return np.tanh(x) if kind == "tanh" else 10 * x


def fails(x):
    raise ValueError("no such thing")


def spectrum(x):
    return np.fft.fft(x).real


def once(x):
    import os
    os.chdir("/")
    return x * x


def noisy(x):
    import random
    return x * np.random.rand() * random.random()


def leaves(x):
    raise SystemExit(3)


class Layer:
    def forward(self, x):
        return 2 * x
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    (tmp_path / "net.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)


def run(*arguments, exit_code=0):
    found = CliRunner().invoke(main, ["trace", *arguments])
    assert found.exit_code == exit_code, found.output
    return found


def document(*arguments):
    return json.loads(run(*arguments, "--format", "json").stdout)


def test_a_function_with_inputs_of_its_own():
    found = document("net.py::net")
    assert found["schema"] == "gradtool/eval/1"
    assert found["expression"] == "net.py::net(W, x, b)"
    assert found["verdict"] == "OK"
    assert [given["name"] for given in found["inputs"]] == ["W", "x", "b"]
    W, x = np.ones((2, 3)), np.array([0.1, -0.2, 0.3])
    s = 1 / (1 + np.exp(-(W @ x)))
    gradients = {given["name"]: given["gradient"] for given in found["inputs"]}
    assert np.allclose(gradients["b"], s * (1 - s), rtol=1e-14, atol=0)
    assert np.allclose(gradients["W"], np.outer(s * (1 - s), x), rtol=1e-14, atol=0)


def test_every_node_has_its_place():
    nodes = [node for node in document("net.py::net")["nodes"] if "file" in node]
    assert [(node["operation"], node["name"], node["file"], node["line"]) for node in nodes] == [
        ("matmul", None, "net.py", 12),
        ("add", "z", "net.py", 12),
        ("negative", None, "net.py", 7),
        ("exp", None, "net.py", 7),
        ("add", None, "net.py", 7),
        ("divide", "a", "net.py", 7),
        ("sum", None, "net.py", 14),
    ]


def test_the_table_has_the_lines():
    found = run("net.py::net")
    assert "  node  at         expression" in found.stdout
    assert "  n6    net.py:12  z = W@x+b" in found.stdout


def test_what_the_code_prints_goes_to_standard_error():
    found = run("net.py::net", "--format", "json")
    json.loads(found.stdout)
    assert "imported" in found.stderr
    assert "called" in found.stderr


def test_values_from_the_command_line_and_a_file(tmp_path):
    (tmp_path / "v.json").write_text('{"x": [1, 2, 3], "b": 1, "beside": 4}')
    found = run("net.py::net", "--inputs", "v.json", "b=5", "--format", "json")
    given = {one["name"]: one["value"] for one in json.loads(found.stdout)["inputs"]}
    assert given["x"] == [1, 2, 3]
    assert given["b"] == 5
    assert "not used by the function, though in v.json: beside" in found.stderr


def test_whole_numbers_labels_and_words():
    assert document("net.py::total", "x=[[1,2],[3,4]]", "axis=1", "--upstream", "[1,0]")["inputs"][0]["gradient"] == [
        [1, 1],
        [0, 0],
    ]
    assert document("net.py::picked", "x=[[1,2],[3,4]]", "y=[1,0]")["inputs"][0]["gradient"] == [[0, 1], [1, 0]]
    assert document("net.py::mode", "x=0", "kind=tanh")["inputs"][0]["gradient"] == 1


def test_a_seed_that_was_used_is_told():
    assert "--seed 3" in run("net.py::Layer.forward", "x=randn(2)", "--upstream", "ones", "--seed", "3").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("net.py::nte", "x=1"), "did you mean net?"),
        (("net.py",), "no function named"),
        (("nte.py::net",), "did you mean net.py?"),
        (("net.py::total",), "parameter x has no value"),
        (("net.py::total", "y=1"), "no parameter 'y'"),
        (("net.py::total", "x=rnadn(3)"), "randn"),
        (("net.py::total", "x"), "expected NAME=VALUE"),
        (("net.py::total", "x=[1,2]", "--of", "1"), "no output 1"),
        (("net.py::total", "x=[[1,2]]"), "needs an upstream gradient of that shape"),
        (("net.py::total", "x=[1,2]", "--wrt", "z"), "cannot differentiate with respect to 'z'"),
        (("net.py::spectrum", "x=[1,2]"), "net.py:38: np.fft.fft gives complex128"),
        (("net.py::mode", "x=1", "kind=[[1],[2,3]]"), "kind"),
    ],
)
def test_usage(arguments, message):
    found = run(*arguments, exit_code=2)
    assert message in found.stderr
    assert found.stdout == ""


@pytest.mark.parametrize(("value", "gradient"), [("--5", 2), ("1" * 400, 2), ("1" * 5000, 2), ("+3", 2), ("1e999", 2)])
def test_numbers_of_any_length(value, gradient):
    assert document("net.py::Layer.forward", f"x={value}")["inputs"][0]["gradient"] == gradient


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_numbers_that_are_written_otherwise(value):
    assert "has no value here" in run("net.py::Layer.forward", f"x={value}", exit_code=2).stderr


def test_the_function_may_go_to_another_folder(tmp_path):
    run("net.py::once", "x=2", "--output-file", "found.json")
    assert json.loads((tmp_path / "found.json").read_text())["verdict"] == "OK"


@pytest.mark.parametrize(("name", "message"), [("fails", "ValueError: no such thing"), ("leaves", "SystemExit: 3")])
def test_a_function_that_raises(name, message):
    found = run(f"net.py::{name}", "x=1", exit_code=3)
    assert message in found.stderr
    assert "gradtool/tracing" not in found.stderr


def test_a_module_that_raises(tmp_path):
    (tmp_path / "broken.py").write_text("import numpy as np\nraise OSError('no data')\n")
    found = run("broken.py::f", exit_code=3)
    assert "OSError: no data" in found.stderr


def test_a_diagnostic_says_in_which_line_it_is():
    found = run("net.py::mode", "x=1e308", "kind=big", "--fail-on", "GT102", exit_code=1)
    assert "GT102 error: n2 = 10*x (net.py:30)" in found.stdout


def test_random_numbers_are_the_same_for_the_same_seed():
    first, again = (run("net.py::noisy", "x=1", "--format", "concise") for _ in range(2))
    assert first.stdout == again.stdout != run("net.py::noisy", "x=1", "--format", "concise", "--seed", "1").stdout
    assert "note: the function draws random numbers" in first.stderr


def test_only_the_result_is_on_standard_output(tmp_path):
    """Whoever writes to it: the stream itself, another process, and what runs at the end."""
    (tmp_path / "loud.py").write_text(
        "import atexit, os, subprocess, sys\n"
        "sys.__stdout__.write('stream')\n"
        "atexit.register(print, 'exit')\n"
        "def f(x):\n"
        "    subprocess.run([sys.executable, '-c', 'print(\"process\")'])\n"
        "    return x * x\n"
    )
    command = [sys.executable, "-m", "gradtool", "trace", "loud.py::f", "x=1", "--format", "json"]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(found.stdout)["verdict"] == "OK"
    assert [word in found.stderr for word in ("stream", "process", "exit")] == [True] * 3
