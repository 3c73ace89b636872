"""Every sample of a hand-written gradient gets its verdict, its causes and its exit code by the command that stands in it."""

import contextlib
import functools
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner

import gradtool
from gradtool.cli import main

TOP = Path(gradtool.__file__).parent.parent
SAMPLES = TOP / "samples" / "gradients"
FILES = sorted(path.name for path in SAMPLES.glob("*.py"))

if not FILES:
    pytest.skip("installed without its samples", allow_module_level=True)

RIGHT = {
    "affine.py": {"affine": ["x", "w", "b"]},
    "dropout.py": {"dropout": ["x"]},
    "jax_custom.py": {"softplus": ["x"]},
    "multiply_gate.py": {"MultiplyGate": ["x", "y"]},
    "relu.py": {"relu": ["x"]},
    "rosenbrock.py": {"rosen_der": ["x"], "rosen_hess": ["x"]},
    "scalar_sigmoid.py": {"sigmoid": ["x"]},
    "single_precision.py": {"swish": ["x"]},
    "small_net.py": {"net": ["X", "W1", "b1", "W2", "b2"]},
    "softmax_loss.py": {"softmax_loss": ["x"]},
    "torch_linear.py": {"Linear": ["input", "weight", "bias"]},
}
"""What is found in each file that is right, and the gradients that are checked."""

WRONG = {
    "jax_custom_wrong.py": {
        "product": {"a": ("GC106", "exchanged with that of b"), "b": ("GC106", "exchanged with that of a")},
    },
    "rosenbrock_wrong.py": {"valley_der": {}, "valley_hess": {"x": ("GC108", "lacks what comes")}},
    "shared_nodes.py": {
        "recursive": {"x": ("GC102", "times what it should be"), "y": ("GC102", "times what it should be")},
        "ordered": {},
    },
    "small_net_wrong.py": {
        "matrix_product": dict.fromkeys(("X", "W1", "b1", "W2", "b2"), ("GC120", "backward raised ValueError: matmul")),
        "no_sigmoid": dict.fromkeys(("X", "W1", "b1"), ("GC109", "sigmoid at small_net_wrong.py:31 is left out")),
        "unsummed": dict.fromkeys(("b1", "b2"), ("GC116", "what makes it right is a sum")),
    },
    "softmax_loss_wrong.py": {"softmax_loss": {"x": ("GC105", "larger by the batch size 4")}},
    "torch_linear_wrong.py": {
        "TransposedWeight": {"weight": ("GC116", "what makes it right is a transposition")},
        "UnsummedBias": {"bias": ("GC116", "what makes it right is a sum")},
        "FlippedInput": {"input": ("GC101", "has the opposite sign")},
    },
}
"""For each file with something wrong in it: its targets, and the code and words of the cause of each WRONG gradient."""

NEEDS = {"torch": ("torch", "PyTorch"), "jax": ("jax", "JAX")}


def sample(name):
    """A test's parameter; skipped where the library that the sample is written for is not there."""
    module, title = NEEDS.get(name.partition("_")[0], (None, ""))
    missing = module is not None and find_spec(module) is None
    return pytest.param(
        name, id=name, marks=pytest.mark.skipif(missing, reason=f"{title} is not installed: pip install gradtool[{module}]")
    )  # fmt: skip


def commands_of(name):
    """The commands in a sample's first comment."""
    text = (SAMPLES / name).read_text(encoding="utf-8")
    comment = text[: re.search(r"^(?!#)", text, re.MULTILINE).start()]
    found = re.findall(r"^#   (gradtool .*)$", comment, re.MULTILINE)
    assert found, f"{name} does not say how to run it"
    return found


def run(command, *more):
    with contextlib.chdir(TOP):
        return CliRunner().invoke(main, [*shlex.split(command)[1:], *more])


@functools.cache
def checked(name):
    """What a sample's own command prints and returns, and the JSON document of the same run."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        result = run(commands_of(name)[0], "--output-file", f"json={path}")
        found = json.loads(path.read_text(encoding="utf-8"))
    assert found["schema"] == "gradtool/check/1"
    assert found["skipped"] == []
    return result, found


def targets_of(name):
    """The targets of a sample by name, as JSON has them."""
    _, found = checked(name)
    return {target["id"].partition("::")[2]: target for target in found["targets"]}


def test_each_sample_is_known_here_as_right_or_wrong():
    assert sorted([*RIGHT, *WRONG]) == FILES


def test_the_readme_lists_the_commands_of_every_sample():
    text = (TOP / "samples" / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^gradtool check .*$", text, re.MULTILINE)
    assert sorted(listed) == sorted(command for name in FILES for command in commands_of(name))
    assert [name for name in FILES if f"(gradients/{name})" not in text] == []


@pytest.mark.parametrize("name", [sample(name) for name in RIGHT])
def test_right_ones_are_ok_without_any_help(name):
    targets = targets_of(name)
    assert checked(name)[0].exit_code == 0
    assert {target: [g["name"] for g in found["gradients"]] for target, found in targets.items()} == RIGHT[name]
    for found in targets.values():
        assert found["verdict"] == "OK"
        assert {g["verdict"] for g in found["gradients"]} == {"OK"}
        assert not {h["code"] for h in found["hygiene"]} & {"GC301", "GC302", "GC303", "GC304"}


@pytest.mark.parametrize("name", [sample(name) for name in WRONG])
def test_wrong_ones_are_wrong_for_their_reason(name):
    targets = targets_of(name)
    assert checked(name)[0].exit_code == 1
    assert sorted(targets) == sorted(WRONG[name])
    for target, causes in WRONG[name].items():
        found = targets[target]
        assert found["verdict"] == ("WRONG" if causes else "OK")
        wrong = {g["name"]: g["cause"] for g in found["gradients"] if g["verdict"] == "WRONG"}
        assert {g: cause["code"] for g, cause in wrong.items()} == {g: code for g, (code, _) in causes.items()}
        for gradient, (_, words) in causes.items():
            assert words in wrong[gradient]["message"]
            assert wrong[gradient]["fix"]


@pytest.mark.parametrize("name", [sample(name) for name in FILES])
def test_every_sample_reads_well(name):
    """Its own command, as a table: a line for what is right, the causes of what is wrong, and nothing cut off."""
    result, _ = checked(name)
    assert result.exit_code == (name in WRONG)
    assert "…" not in result.stdout
    for target, causes in WRONG.get(name, {}).items():
        word = "WRONG" if causes else "OK"
        assert re.search(rf"^{word}  samples/gradients/{name}::{target}\s", result.stdout, re.MULTILINE)
        assert all(code in result.stdout for code, _ in causes.values())
    last = result.stdout.rstrip().splitlines()[-1]
    assert re.match("WRONG: [1-9]" if name in WRONG else r"OK: [1-9]\d* targets? checked, no gradient is wrong", last)


def test_the_cause_points_into_forward():
    """The factor that is missing has a line, and that is where forward applies the sigmoid."""
    targets = targets_of("small_net_wrong.py")
    lines = (SAMPLES / "small_net_wrong.py").read_text(encoding="utf-8").splitlines()
    for gradient in targets["no_sigmoid"]["gradients"]:
        if gradient["verdict"] == "WRONG":
            cause = gradient["cause"]
            assert cause["file"] == "samples/gradients/small_net_wrong.py"
            assert lines[cause["line"] - 1].strip() == "h = 1 / (1 + np.exp(-z))"
            assert cause["line"] < targets["no_sigmoid"]["line"], "in its own forward"
            assert cause["line"] > targets["matrix_product"]["line"], "and not in another one that looks the same"


@pytest.mark.parametrize("name", [sample("torch_linear_wrong.py")])
def test_a_wrong_shape_comes_with_what_would_make_it_right(name):
    targets = targets_of(name)
    causes = {g["name"]: g["cause"] for t in targets.values() for g in t["gradients"] if g["cause"]}
    assert "transpos" in causes["weight"]["message"]
    assert causes["weight"]["transformation"]
    assert "sum" in causes["bias"]["transformation"]


@pytest.mark.parametrize("name", [sample("torch_linear.py")])
def test_a_bias_that_may_be_none_is_checked_both_ways(name):
    listed = run(commands_of(name)[0], "--list")
    assert listed.exit_code == 0
    assert "without bias" in listed.stdout
    without = run(commands_of(name)[0], "--set", "bias=None", "--format", "json")
    (target,) = json.loads(without.stdout)["targets"]
    assert target["verdict"] == "OK"
    assert [g["name"] for g in target["gradients"]] == ["input", "weight"]


def test_shapes_come_from_the_docstring():
    targets = targets_of("affine.py")
    x, w, b = (targets["affine"]["inputs"][name] for name in "xwb")
    assert targets["affine"]["input_source"] == "docstring"
    assert len(x) >= 3
    assert w == [x[1] * x[2], b[0]]


def test_at_a_kink_the_value_is_a_choice():
    """C7: away from 0 OK; at 0 a tie, and 0 to 1 (times the upstream) is valid."""
    _, at_a_tie = commands_of("relu.py")
    result = run(at_a_tie)
    assert result.exit_code == 0
    assert result.stdout.startswith("UNDECIDED  samples/gradients/relu.py::relu ")
    assert "[1]: at a tie or kink" in result.stdout
    assert "lies in the valid set" in result.stdout
    assert run(at_a_tie, "--strict").exit_code == 4


def test_single_precision_is_told_by_its_digits():
    targets = targets_of("single_precision.py")
    (gradient,) = targets["swish"]["gradients"]
    assert 3 <= gradient["digits"] <= 8
    assert 1e-8 < gradient["detectable"] < 1e-2


def test_dropout_is_told_to_be_random():
    targets = targets_of("dropout.py")
    (finding,) = targets["dropout"]["hygiene"]
    assert finding["code"] == "GC305"
    assert "random" in finding["message"]


def test_a_folder_of_samples_at_once_in_a_process_of_its_own():
    """As a user runs it: all that needs no other library, two files at a time; the order stays."""
    names = [name for name in FILES if name.partition("_")[0] not in NEEDS]
    result = subprocess.run(
        [sys.executable, "-m", "gradtool", "check", *(f"samples/gradients/{name}" for name in names), "--format",
         "concise", "--jobs", "2"],
        cwd=TOP, env={**os.environ, "PYTHONPATH": str(TOP)}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert result.returncode == 1, result.stderr
    assert result.stderr == ""
    files = list(dict.fromkeys(re.findall(r"^samples/gradients/(\w+\.py):\d+: ", result.stdout, re.MULTILINE)))
    assert files == names
    assert "larger by the batch size 4" in result.stdout
