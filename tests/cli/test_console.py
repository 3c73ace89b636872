import errno
import os
from io import BytesIO, StringIO, TextIOWrapper

import click
import pytest

from gradtool.cli.console import CLEAR_LINE, make_page, progress, wants_color, width, writing


class Terminal(StringIO):
    """A stream that calls itself a terminal and has no descriptor."""

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("color", "environment", "on_terminal", "in_pipe"),
    [
        ("auto", {}, True, False),
        ("auto", {"NO_COLOR": "1"}, False, False),
        ("auto", {"NO_COLOR": ""}, True, False),
        ("auto", {"FORCE_COLOR": "1"}, True, True),
        ("auto", {"FORCE_COLOR": "0"}, False, False),
        ("auto", {"FORCE_COLOR": ""}, True, False),
        ("auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False),
        ("auto", {"CLICOLOR": "0"}, False, False),
        ("auto", {"CLICOLOR": "1"}, True, False),
        ("auto", {"CLICOLOR_FORCE": "1", "CLICOLOR": "0"}, True, True),
        ("auto", {"CLICOLOR_FORCE": "0"}, True, False),
        ("auto", {"TERM": "dumb"}, False, False),
        ("auto", {"TERM": "dumb", "FORCE_COLOR": "1"}, True, True),
        ("always", {"NO_COLOR": "1", "TERM": "dumb", "FORCE_COLOR": "0"}, True, True),
        ("never", {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1"}, False, False),
    ],
)
def test_colour(color, environment, on_terminal, in_pipe):
    assert wants_color(Terminal(), color, environment) is on_terminal
    assert wants_color(StringIO(), color, environment) is in_pipe


@pytest.mark.parametrize(
    ("columns", "expected"), [("72", 72), ("", None), ("0", None), ("-3", None), ("wide", None), ("²", None)]
)
def test_width_from_the_environment(columns, expected):
    assert width(StringIO(), {"COLUMNS": columns}) == expected
    assert width(Terminal(), {"COLUMNS": columns}) == expected


def test_width_of_a_terminal(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(terminal, "fileno", lambda: 1)
    monkeypatch.setattr(os, "get_terminal_size", lambda descriptor: os.terminal_size((97, 30)))
    assert width(terminal, {}) == 97
    assert width(terminal, {"COLUMNS": "50"}) == 50
    assert width(StringIO(), {}) is None
    monkeypatch.setattr(os, "get_terminal_size", lambda descriptor: os.terminal_size((0, 0)))
    assert width(terminal, {}) is None


def test_page():
    page = make_page(StringIO(), "always", {"COLUMNS": "60"}, full=True, max_elements=5)
    assert (page.width, page.color, page.full, page.max_elements, page.unicode) == (60, True, True, 5, True)


@pytest.mark.parametrize(
    ("encoding", "can"), [("utf-8", True), ("latin-1", False), ("cp1252", False), ("ascii", False), ("utf-16", True)]
)
def test_lines_are_drawn_where_the_encoding_has_them(encoding, can):
    stream = TextIOWrapper(BytesIO(), encoding=encoding)
    assert make_page(stream, "auto", {}, full=False, max_elements=5).unicode is can
    stream.detach()


def test_progress_is_shown_on_a_terminal_and_leaves_no_trace():
    terminal = Terminal()
    with progress(terminal, {}) as say:
        assert say is not None
        say("central differences")
        assert "central differences" in terminal.getvalue()
    assert terminal.getvalue().endswith(CLEAR_LINE)


@pytest.mark.parametrize(("stream", "environment"), [(StringIO(), {}), (Terminal(), {"TERM": "dumb"})])
def test_no_progress_elsewhere(stream, environment):
    with progress(stream, environment) as say:
        assert say is None
    assert stream.getvalue() == ""


def test_a_full_disk_is_an_error_that_says_so():
    with pytest.raises(click.ClickException, match="No space left"), writing():
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_closed_pipe_is_none():
    with writing():
        raise BrokenPipeError
