"""What holds for all tests: the terminal that happens to run them does not matter."""

import os
import sys
import tracemalloc
from pathlib import Path
from typing import NamedTuple

import pytest

TESTS = Path(__file__).parent
NUMBERS = {"autodiff", "diagnosis", "ops", "references", "verdict"}
PEER = "pytorch"
"""A test that compares with it is so named."""


def pytest_collection_modifyitems(items):
    """GRADTOOL_SKIP_NUMBERS=1 leaves out the tests of numbers alone, whose answers no Python version changes, but for those
    that compare with PyTorch: it is installed beside one Python alone."""
    if os.environ.get("GRADTOOL_SKIP_NUMBERS"):
        skip = pytest.mark.skip(reason="GRADTOOL_SKIP_NUMBERS is set: run on another Python")
        for item in items:
            folder = item.path.relative_to(TESTS).parts[0] if item.path.is_relative_to(TESTS) else ""
            if folder in NUMBERS and PEER not in item.name:
                item.add_marker(skip)


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch):
    """Neither the environment's size nor its colours (pytest-xdist sets COLUMNS for its workers)."""
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TERM"):
        monkeypatch.delenv(name, raising=False)


class Effort(NamedTuple):
    """What a function did: how many functions it called, Python's and C's, and the most bytes that it held at a time."""

    calls: int
    memory: int


@pytest.fixture
def effort():
    """``effort(function, *args)`` gives the result and the ``Effort``, which unlike seconds is the same on a busy machine.

    Calls show what goes on and on in Python; memory what one call would go on with, as large arrays and long integers do."""

    def measured(function, *args, **kwargs):
        calls = 0

        def count(frame, event, argument):
            nonlocal calls
            del frame, argument
            calls += event in ("call", "c_call")

        before = sys.getprofile()
        tracemalloc.start()
        sys.setprofile(count)
        try:
            result = function(*args, **kwargs)
        finally:
            sys.setprofile(before)
            memory = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return result, Effort(calls, memory)

    return measured
