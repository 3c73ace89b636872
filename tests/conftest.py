"""What holds for all tests: the terminal that happens to run them does not matter."""

import os
import sys
import tracemalloc
from pathlib import Path
from typing import NamedTuple

import pytest

TESTS = Path(__file__).parent
NUMBERS = {"autodiff", "diagnosis", "ops", "references", "verdict"}
"""Rooms of numbers alone, whose answers no Python version changes."""
QUICK = {"graph", "language", "tracing"}
"""Rooms that hang on the Python version and take little time."""
PEER = "pytorch"
"""A test that compares with it is so named; it is installed beside one Python alone."""
PARTS = {
    "numbers": lambda folder, name: folder in NUMBERS | QUICK,
    "rest": lambda folder, name: folder not in NUMBERS or PEER in name,
}
"""GRADTOOL_PART -> what of the tests is run: CI shares them out over the Pythons. Without it, all are."""


def pytest_collection_modifyitems(config, items):
    """Leave out what is not of this part."""
    part = os.environ.get("GRADTOOL_PART")
    if not part:
        return
    kept, others = [], []
    for item in items:
        inside = item.path.relative_to(TESTS).parts if item.path.is_relative_to(TESTS) else ("",)
        (kept if PARTS[part](inside[0], item.name) else others).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=others)


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
