"""What the user's code prints while it is called a thousand times: each line once, and how many more there were."""

from __future__ import annotations

import os
from io import TextIOBase
from typing import TextIO

MOST_LINES = 40
"""Distinct lines of one target that are shown."""


class Echo(TextIOBase):
    """A text stream that hands a line on when it is seen for the first time; ``end`` says what was held back.

    ``label`` stands before each line, so that a reader knows whose it is.
    """

    encoding = "utf-8"

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        # On a terminal the line may hold how far the run is.
        self._start = "\r\x1b[K" if stream.isatty() and os.environ.get("TERM") != "dumb" else ""
        self._rest = ""
        self.begin("")

    def begin(self, label: str) -> None:
        """What follows is printed by another target."""
        self._label = label
        self._seen: set[str] = set()
        self._held_back = 0

    def end(self) -> None:
        """Say how many lines were held back."""
        if self._rest:
            self.write("\n")
        if self._held_back:
            lines = "line" if self._held_back == 1 else "lines"
            more = f"({self._held_back:,} more {lines} printed, most of them seen before)"
            self._stream.write(f"{self._start}{self._label}{more}\n")
        self.begin("")

    def write(self, text: str) -> int:
        """Take text as a stream does; what is no whole line yet waits for its end."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line in self._seen or len(self._seen) >= MOST_LINES:
                self._held_back += 1
            else:
                self._seen.add(line)
                self._stream.write(f"{self._start}{self._label}{line}\n")
        return len(text)

    def flush(self) -> None:
        """Nothing: whole lines have been written already."""

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        """Of the stream behind it: what a C library or a child process writes goes there."""
        return self._stream.fileno()
