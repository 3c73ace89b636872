"""Standard output and standard error: how wide, in colour or not, and what happens when the reader has gone."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from io import TextIOWrapper
from typing import TextIO

import click

from gradtool.report import DRAWN, Page

CLEAR_LINE = "\r\x1b[K"


def make_page(stream: TextIO, color: str, environment: Mapping[str, str], *, full: bool, max_elements: int) -> Page:
    """What a renderer may do on ``stream``. ``color`` is the word of ``--color``."""
    color_wanted = wants_color(stream, color, environment)
    return Page(width(stream, environment), color_wanted, full, max_elements, can_write(stream, DRAWN))


def can_write(stream: TextIO, text: str) -> bool:
    """Whether the stream's encoding has all of these characters. A stream of text that is never encoded takes any."""
    encoding = getattr(stream, "encoding", None)
    try:
        text.encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def wants_color(stream: TextIO, color: str, environment: Mapping[str, str]) -> bool:
    """``--color`` first, then the environment, then whether there is a terminal.

    NO_COLOR (no-color.org) beats FORCE_COLOR, of which 0 means no, and that CLICOLOR_FORCE (bixense.com/clicolors).
    CLICOLOR=0 and TERM=dumb count on a terminal.
    """
    if color != "auto":
        return color == "always"
    if environment.get("NO_COLOR"):
        return False
    if force := environment.get("FORCE_COLOR"):
        return force.lower() not in ("0", "false")
    if environment.get("CLICOLOR_FORCE", "0") not in ("", "0"):
        return True
    return stream.isatty() and environment.get("CLICOLOR") != "0" and environment.get("TERM") != "dumb"


def width(stream: TextIO, environment: Mapping[str, str]) -> int | None:
    """The columns that lines must fit in: COLUMNS if it is set, else the terminal's; None where there is no limit."""
    columns = environment.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return int(columns)
    if stream.isatty():
        with contextlib.suppress(OSError, ValueError):  # A stream may call itself a terminal and have no descriptor.
            return os.get_terminal_size(stream.fileno()).columns or None
    return None


def prepare_streams() -> None:
    """Let nothing that a user typed break the output: what the encoding lacks is written as an escape."""
    # A process may be started without them.
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (open until exit)
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def progress(stream: TextIO, environment: Mapping[str, str]) -> Iterator[Callable[[str], None] | None]:
    """A function that shows what is being done on the last line of a terminal, which is clean again afterwards; None
    where there is no terminal."""
    if not stream.isatty() or environment.get("TERM") == "dumb":
        yield None
        return

    def say(message: str) -> None:
        stream.write(f"{CLEAR_LINE}{message} ...")
        stream.flush()

    try:
        yield say
    finally:
        stream.write(CLEAR_LINE)
        stream.flush()


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """Write inside to standard output, to the last byte.

    A reader that goes away (``| head -1``) ends the writing without any other effect. Where the output cannot be
    written for another reason, such as a full disk, raises ``click.ClickException``.
    """
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        _abandon_output()
        if not isinstance(error, BrokenPipeError):
            raise click.ClickException(f"cannot write the output: {error.strerror}") from None


@contextlib.contextmanager
def output_aside() -> Iterator[None]:
    """Have all that is written inside to standard output go to standard error, also by other processes and C libraries; and
    what functions write that are registered inside to run when the process ends."""
    stream = sys.stdout
    stream.flush()
    try:
        descriptor, beside = stream.fileno(), sys.stderr.fileno()
        kept = os.dup(descriptor)
    except (OSError, ValueError):  # They are none of the operating system's.
        with contextlib.redirect_stdout(sys.stderr):
            yield
        return
    os.dup2(beside, descriptor)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        with contextlib.suppress(OSError, ValueError):  # What was written to the stream itself; it may be closed.
            stream.flush()
        os.dup2(kept, descriptor)
        os.close(kept)
        atexit.register(_end_output, descriptor, beside)  # Run before what was registered inside.


@contextlib.contextmanager
def telling() -> Iterator[None]:
    """Write inside to standard error. Where that cannot be written nobody is told, and nothing else changes."""
    try:
        yield
        sys.stderr.flush()
    except OSError:
        _abandon_output()


def _end_output(descriptor: int, beside: int) -> None:
    """Nothing more is a result."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    os.dup2(beside, descriptor)


def _abandon_output() -> None:
    """Send what is still in a broken stream's buffer nowhere, or the interpreter complains of it at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())
            stream.flush()
    os.close(nowhere)
