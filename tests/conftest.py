"""What holds for all tests: the terminal that happens to run them does not matter."""

import pytest


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch):
    """Neither the environment's size nor its colours (pytest-xdist sets COLUMNS for its workers)."""
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TERM"):
        monkeypatch.delenv(name, raising=False)
