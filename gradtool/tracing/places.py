"""Where in the user's code an operation stands: the innermost frame that belongs neither to tracing nor to a library."""

from __future__ import annotations

import dis
import linecache
import os
import sys
from collections.abc import Mapping
from types import CodeType, FrameType
from typing import NamedTuple

_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
LIBRARIES = ("numpy", "scipy", "gradtool")


class Place(NamedTuple):
    """Lines count from 1, columns from 0 and in UTF-8 bytes, as Python counts them; a column is None where unknown."""

    file: str
    line: int
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None


_positions: dict[tuple[CodeType, str], list[Place]] = {}
"""By the file as well: the same function in two files has code that is equal."""


def is_library(frame: FrameType) -> bool:
    """Whether a frame runs code of NumPy, SciPy or gradtool."""
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in LIBRARIES


def is_installed(frame: FrameType) -> bool:
    """Whether a frame runs code of an installed package."""
    return "site-packages" in frame.f_code.co_filename or "dist-packages" in frame.f_code.co_filename


def is_tracing(frame: FrameType) -> bool:
    """Whether a frame runs code of this room."""
    return frame.f_code.co_filename.startswith(_HERE)


def here() -> Place | None:
    """The place in the user's code that is running; None where the traced function is itself no Python code."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == RUNNER and is_tracing(frame):
            return None
        if not is_tracing(frame) and not is_library(frame):
            return _place(frame)
        frame = frame.f_back
    return None


def path_here() -> tuple[tuple[str, int], ...]:
    """The lines of the user's function that are running, the outermost first; none where it is itself no Python code."""
    found: list[tuple[str, int]] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if is_tracing(frame):
            if frame.f_code.co_name == RUNNER:
                return tuple(reversed(found))
        elif not is_library(frame):
            found.append((frame.f_code.co_filename, frame.f_lineno))
        frame = frame.f_back
    return ()


def outer_lines(paths: Mapping[int, tuple[tuple[str, int], ...]]) -> dict[int, tuple[str, int]]:
    """For every path the outermost line that is not part of all of them: of a function that only hands its arguments on to
    another one, the line says nothing."""
    known = [path for path in paths.values() if path]
    shortest = min((len(path) for path in known), default=0)
    shared = 0
    while shared < shortest - 1 and len({path[shared] for path in known}) == 1:
        shared += 1
    return {node: path[shared] for node, path in paths.items() if path}


RUNNER = "run_users_function"
"""The name of the function of this room below which frames are no longer the user's function."""


def _place(frame: FrameType) -> Place:
    code = frame.f_code
    file = code.co_filename
    known = _positions.get((code, file))
    if known is None:
        known = _positions[code, file] = [
            Place(file, line or code.co_firstlineno, column, end_line, end_column)
            for line, end_line, column, end_column in code.co_positions()
        ]
    index = frame.f_lasti // 2
    return known[index] if 0 <= index < len(known) else Place(code.co_filename, frame.f_lineno)


_calls: dict[tuple[CodeType, int], str | None] = {}


def called_name(frame: FrameType) -> str | None:
    """The last name of what the frame is calling: ``zeros`` in ``np.zeros(3)``. None where its code does not tell.

    The call stands from the beginning of what is called to the closing parenthesis; what is called is loaded last of all that
    begins there."""
    key = (frame.f_code, frame.f_lasti)
    if key not in _calls:
        _calls[key] = _called_name(*key)
    return _calls[key]


def _called_name(code: CodeType, at: int) -> str | None:
    instructions = [found for found in dis.get_instructions(code) if found.offset <= at]
    call = instructions[-1].positions if instructions else None
    if call is None or None in call or not instructions[-1].opname.startswith("CALL"):
        return None
    best, name = (0, 0), None
    for found in instructions[:-1]:
        place = found.positions
        if (
            not found.opname.startswith("LOAD")
            or place is None
            or place.end_lineno is None
            or place.end_col_offset is None
        ):
            continue
        end = (place.end_lineno, place.end_col_offset)
        if (
            (place.lineno, place.col_offset) == (call.lineno, call.col_offset)
            and end >= best
            and isinstance(found.argval, str)
        ):
            best, name = end, found.argval
    return name


def innermost(error: BaseException) -> Place | None:
    """The line of the user's that an exception passed through last."""
    found = None
    trace = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if not is_tracing(frame) and not is_library(frame):
            found = Place(frame.f_code.co_filename, trace.tb_lineno)
        trace = trace.tb_next
    return found


class Sources:
    """The files that places lie in, one after the other as one text, so that a place is a span of characters."""

    def __init__(self) -> None:
        self._starts: dict[str, list[int]] = {}
        self._lines: dict[str, list[str]] = {}
        self._texts: list[str] = []
        self._length = 0

    def text(self) -> str:
        """All files that ``span`` was asked for, in that order."""
        return "".join(self._texts)

    def span(self, place: Place | None) -> tuple[int, int]:
        """The place as half-open character offsets; (0, 0) where the file's text is not known."""
        if place is None:
            return (0, 0)
        starts = self._starts.get(place.file)
        if starts is None:
            starts = self._add(place.file)
        lines = self._lines[place.file]
        if not 1 <= place.line <= len(lines):
            return (0, 0)
        if place.column is None or place.end_column is None or not 1 <= (place.end_line or 0) <= len(lines):
            line = lines[place.line - 1]
            start = starts[place.line - 1]
            return start + len(line) - len(line.lstrip()), start + len(line.rstrip())
        end_line = place.end_line or place.line
        return (
            starts[place.line - 1] + _characters(lines[place.line - 1], place.column),
            starts[end_line - 1] + _characters(lines[end_line - 1], place.end_column),
        )

    def _add(self, file: str) -> list[int]:
        lines = linecache.getlines(file)
        if lines and not lines[-1].endswith("\n"):
            lines = [*lines[:-1], lines[-1] + "\n"]
        starts = []
        for line in lines:
            starts.append(self._length)
            self._length += len(line)
        self._texts += lines
        self._lines[file] = lines
        self._starts[file] = starts
        return starts


def _characters(line: str, column: int) -> int:
    """A column in bytes as one in characters."""
    return len(line.encode("utf-8")[:column].decode("utf-8", errors="ignore"))
