"""The names that programs import."""

import doctest
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import gradtool


@pytest.mark.parametrize("name", gradtool.__all__)
def test_every_name_is_there(name):
    assert getattr(gradtool, name) is not None
    assert name in dir(gradtool)


def test_an_unknown_name():
    with pytest.raises(AttributeError, match="module 'gradtool' has no attribute 'evalute'"):
        _ = gradtool.evalute


def test_importing_it_loads_nothing():
    code = "import gradtool, sys; print([m for m in sys.modules if m.split('.')[0] in ('numpy', 'click', 'sympy')])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_the_docstring_tells_the_truth():
    assert doctest.testmod(gradtool).failed == 0


def test_the_version_is_that_of_the_distribution():
    path = Path(gradtool.__file__).parent.parent / "pyproject.toml"
    if not path.exists():
        pytest.skip("installed without its source tree")
    project = tomllib.loads(path.read_text())["project"]
    assert project.get("version", gradtool.__version__) == gradtool.__version__
