"""Scripts and declared exceptions as a user meets them: a process, its exit code, what it prints."""

import os
import subprocess
import sys
from pathlib import Path

import gradtool

TOP = Path(gradtool.__file__).parent.parent

SCRIPT = """
import sys

import numpy as np

RATE = 0.5


def scale_forward(x):
    return RATE * np.sin(x), x


def scale_backward(dout, x):
    return RATE * dout * np.cos(x)


def reverse_forward(x):
    return x * 1.0, None


def reverse_backward(dout, cache):
    return -dout


weights = np.load(sys.argv[1])
for step in range(10**9):
    weights -= RATE
"""


def check(folder, *arguments):
    command = [sys.executable, "-m", "gradtool", "check", *arguments]
    return subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": str(TOP)}, capture_output=True, text=True, timeout=120, check=False
    )  # fmt: skip


def test_a_script_that_trains(tmp_path):
    (tmp_path / "train.py").write_text(SCRIPT, encoding="utf-8")
    imported = check(tmp_path, "train.py")
    assert imported.returncode == 3
    assert "weights = np.load(sys.argv[1])" in imported.stdout
    assert "gradtool/" not in imported.stdout, "the user's own traceback, not ours"
    defined = check(tmp_path, "train.py", "--definitions-only", "--format", "concise")
    assert defined.returncode == 1
    assert [line.split(":")[2].split()[:2] for line in defined.stdout.splitlines()] == [
        ["OK", "scale"],
        ["GC101", "reverse"],
    ]


def test_a_gradient_that_is_meant_to_differ(tmp_path):
    (tmp_path / "train.py").write_text(SCRIPT, encoding="utf-8")
    (tmp_path / "gradtool.toml").write_text(
        'definitions-only = true\n[targets.reverse]\nintentional = "gradient reversal"\n', encoding="utf-8"
    )
    result = check(tmp_path, "train.py")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "gradient reversal" in result.stdout
    assert "reverse" in result.stdout, "shown, not hidden"
