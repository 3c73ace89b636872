"""What holds for all tests: the terminal that happens to run them does not matter."""

import os

import pytest


def pytest_collection_modifyitems(items):
    """GRADTOOL_SKIP_EXHAUSTIVE=1 leaves out the long numerical tests, whose answers no Python version changes."""
    if os.environ.get("GRADTOOL_SKIP_EXHAUSTIVE"):
        skip = pytest.mark.skip(reason="GRADTOOL_SKIP_EXHAUSTIVE is set: run on another Python")
        for item in items:
            if "exhaustive" in item.keywords:
                item.add_marker(skip)


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch):
    """Neither the environment's size nor its colours (pytest-xdist sets COLUMNS for its workers)."""
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TERM"):
        monkeypatch.delenv(name, raising=False)
