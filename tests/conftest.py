"""What holds for all tests: the terminal that happens to run them does not matter."""

import os
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
NUMBERS = {"autodiff", "diagnosis", "ops", "references", "tracing", "verdict"}


def pytest_collection_modifyitems(items):
    """GRADTOOL_SKIP_NUMBERS=1 leaves out the tests of numbers alone, whose answers no Python version changes."""
    if os.environ.get("GRADTOOL_SKIP_NUMBERS"):
        skip = pytest.mark.skip(reason="GRADTOOL_SKIP_NUMBERS is set: run on another Python")
        for item in items:
            folder = item.path.relative_to(TESTS).parts[0] if item.path.is_relative_to(TESTS) else ""
            if folder in NUMBERS:
                item.add_marker(skip)


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch):
    """Neither the environment's size nor its colours (pytest-xdist sets COLUMNS for its workers)."""
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TERM"):
        monkeypatch.delenv(name, raising=False)
