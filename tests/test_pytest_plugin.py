"""The pytest plugin, in a pytest of its own."""

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import gradtool

TOP = Path(gradtool.__file__).parent.parent

LAYERS = """
print("imported")


def square_forward(x):
    return x * x, x


def square_backward(dout, cache):
    return 2 * cache * dout


def cube_forward(x):
    return x**3, x


def cube_backward(dout, cache):
    return -3 * cache**2 * dout


def picky_forward(x):
    if x.shape != (17, 3):
        raise ValueError("x must be of shape (17, 3)")
    return 2 * x, None


def picky_backward(dout, cache):
    return 2 * dout


def known_forward(x):
    return x**3, x


def known_backward(dout, cache):  # gradtool: ignore[GC101] turned on purpose
    return -3 * cache**2 * dout


def broken_forward(x):
    return x, None


def broken_backward(dout, cache):
    return dout


def broken_inputs():
    raise OSError("no data")
"""


@pytest.fixture
def run_pytest(tmp_path):
    """Write files and run pytest on them, with this plugin and no other."""

    def run(*arguments, **files):
        for name, text in files.items():
            (tmp_path / (name if "." in name else f"{name}.py")).write_text(text)
        environment = {**os.environ, "PYTHONPATH": str(TOP), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        environment.pop("PYTEST_ADDOPTS", None)
        command = [sys.executable, "-m", "pytest", "-p", "gradtool.pytest_plugin", "-p", "no:cacheprovider", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    return run


def test_every_target_is_a_test(run_pytest):
    found = run_pytest("--gradtool", "layers.py", "-v", "-rA", layers=LAYERS)
    assert found.returncode == 1, found.stdout + found.stderr
    for line in (
        "layers.py::square PASSED", "layers.py::cube FAILED", "layers.py::picky SKIPPED",
        "layers.py::known XFAIL", "layers.py::broken ERROR",
    ):  # fmt: skip
        assert line in found.stdout
    assert "collected 5 items" in found.stdout
    assert "1 failed, 1 passed, 1 skipped, 1 xfailed, 1 error in" in found.stdout


def test_a_failure_is_the_targets_part_of_the_report(run_pytest):
    found = run_pytest("--gradtool", "layers.py::cube", layers=LAYERS)
    assert "WRONG  layers.py::cube  (layers.py:17)\n  GC101: gradient of x has the opposite sign" in found.stdout
    assert "FAILED layers.py::cube - Failed: GC101: gradient of x has the opposi" in found.stdout, (
        "the summary says it too"
    )
    assert "gradtool/" not in found.stdout
    assert "OSError" not in found.stdout


def test_the_input_maker_of_the_user_is_an_error_with_its_traceback(run_pytest):
    found = run_pytest("--gradtool", "layers.py::broken", layers=LAYERS)
    assert found.returncode == 1
    assert "ERROR at setup of gradtool: broken" in found.stdout
    assert "OSError: no data" in found.stdout


def test_a_module_that_raises_is_one_error(run_pytest):
    found = run_pytest(
        "--gradtool", "bad.py", "--gradtool", "layers.py::square", bad="def f(x): pass\n1 / 0\n", layers=LAYERS
    )
    assert found.returncode == 1
    assert "1 passed, 1 error in" in found.stdout
    assert "ERROR bad.py::import - Failed: ZeroDivisionError: division by zero" in found.stdout


def test_tests_and_targets_together_and_selected(run_pytest):
    files = {"layers": LAYERS, "test_it": "def test_square():\n    pass\n"}
    found = run_pytest("--gradtool", "layers.py", "-k", "square", **files)
    assert found.returncode == 0
    assert "2 passed, 4 deselected" in found.stdout
    without = run_pytest("-q", **files)
    assert without.stdout.startswith(".")
    assert "1 passed" in without.stdout


def test_the_configuration_counts(run_pytest):
    configuration = (
        '[tool.gradtool.targets]\ncube = {intentional = "turned on purpose"}\n'
        'picky = {inputs = {x = "randn(17,3)"}}\nbroken = {skip = "needs a device"}\n'
    )
    found = run_pytest("--gradtool", "layers.py", "-rxs", layers=LAYERS, **{"pyproject.toml": configuration})
    assert found.returncode == 0, found.stdout
    assert "2 passed, 1 skipped, 2 xfailed" in found.stdout
    assert "needs a device" in found.stdout
    assert "turned on purpose" in found.stdout


@pytest.mark.parametrize(
    ("path", "files", "message"),
    [
        ("layrs.py", {"layers": LAYERS}, "did you mean layers.py?"),
        ("layers.py", {"layers": LAYERS, "pyproject.toml": "[tool.gradtool]\npoint = 3\n"}, "did you mean points?"),
        ("layers.py::sqare", {"layers": LAYERS}, "did you mean square?"),
    ],
)
def test_mistakes_are_usage_errors(run_pytest, path, files, message):
    found = run_pytest("--gradtool", path, **files)
    assert found.returncode == 4
    assert message in found.stderr
    assert "Traceback" not in found.stderr


FIXTURE = """
import numpy as np
import pytest


def forward(x, w):
    return x @ w


def right(dout, x, w):
    return dout @ w.T, x.T @ dout


def wrong(dout, x, w):
    return dout @ w.T, -x.T @ dout


def inputs():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(3, 4)), rng.normal(size=(4, 2))]


def test_right(gradcheck):
    gradcheck(forward, right, inputs=inputs())


def test_wrong(gradcheck):
    gradcheck(forward, wrong, inputs=inputs())


def test_wrong_is_an_assertion_error(gradcheck):
    with pytest.raises(AssertionError, match="GC101"):
        gradcheck(forward, wrong, inputs=inputs())
"""


def test_the_fixture(run_pytest):
    found = run_pytest("-q", test_fixture=FIXTURE)
    assert found.returncode == 1
    assert "1 failed, 2 passed" in found.stdout
    assert "GC101: gradient of w has the opposite sign" in found.stdout
    assert ">       gradcheck(forward, wrong, inputs=inputs())" in found.stdout
    assert "checking.py" not in found.stdout, "the frames of gradtool are left out"


def test_a_pytest_that_does_not_use_it_loads_nothing(run_pytest):
    test = "import sys\n\ndef test_it():\n    assert not {'numpy', 'click', 'rich', 'gradtool.checking'} & sys.modules.keys()\n"
    found = run_pytest("-q", test_modules=test)
    assert found.returncode == 0, found.stdout


def test_an_installed_gradtool_has_the_plugin():
    installed = [entry.value for entry in entry_points(group="pytest11") if entry.name == "gradtool"]
    if not installed:
        pytest.skip("gradtool is not installed here")
    assert set(installed) == {"gradtool.pytest_plugin"}
