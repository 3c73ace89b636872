"""User text made safe to show: names, messages and tracebacks may hold anything, terminal commands included."""

from __future__ import annotations

import re

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # Control characters but for tab and newline: colours, bells, cursor movements.
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # Line separators and what turns the direction of writing.
    "\ud800-\udfff\ufffe\uffff]"  # What no encoding and no XML document can hold.
)


def printable(text: str) -> str:
    """``text`` with every character that does not show itself as an escape (``\\x1b``); newlines stay, tabs become
    blanks."""
    return _UNSEEN.sub(_escape, text.replace("\r\n", "\n").expandtabs())


def one_line(text: str) -> str:
    """``text`` on a single line, the way ``printable`` shows it: its lines joined by blanks."""
    return " ".join(line.strip() for line in printable(text).split("\n") if line.strip())


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
