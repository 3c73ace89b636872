"""Libraries that may be missing."""

import sys

import pytest

from gradtool.report.extras import MissingExtraError, extra


def test_a_library_that_is_there():
    assert extra("json", "none", "this") is sys.modules["json"]


def test_a_library_that_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"a picture needs matplotlib: pip install 'gradtool\[plot\]'"):
        extra("matplotlib.figure", "plot", "a picture")


def test_a_library_that_is_there_and_broken(tmp_path, monkeypatch):
    (tmp_path / "broken_library.py").write_text("import there_is_no_such_module\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="there_is_no_such_module"):
        extra("broken_library", "plot", "a picture")
