"""``SourceError``: what is wrong with a text, with the line, a caret under the place, and what to do."""

from __future__ import annotations

import unicodedata

Span = tuple[int, int]

WIDTH = 100
"""Columns of a source line that a message shows at most."""

TAB = 4


class SourceError(ValueError):
    """A program or a value that cannot be read.

    ``span`` is the place in ``source`` as half-open character offsets, or None where there is none to show. ``hint``
    says what to write instead. ``label`` names the source (a file). ``str()`` gives all of it, a caret under the place.
    """

    def __init__(
        self,
        message: str,
        source: str = "",
        span: Span | None = None,
        hint: str | None = None,
        label: str | None = None,
    ) -> None:
        super().__init__(message, source, span, hint, label)
        self.message = message
        self.source = source
        self.span = span
        self.hint = hint
        self.label = label

    @property
    def line(self) -> int:
        """The line of the place, counted from 1."""
        return 1 if self.span is None else self.source.count("\n", 0, self.span[0]) + 1

    @property
    def column(self) -> int:
        """The column of the place, counted from 1 in characters."""
        return 1 if self.span is None else self.span[0] - self.source.rfind("\n", 0, self.span[0])

    def within(self, before: str, after: str = "") -> SourceError:
        """The same error in a longer text that has ``before`` in front of this one's source."""
        shift = len(before)
        span = None if self.span is None else (self.span[0] + shift, self.span[1] + shift)
        return SourceError(self.message, before + self.source + after, span, self.hint, self.label)

    def __str__(self) -> str:
        parts = [self.message if self.label is None and "\n" not in self.source.strip() else self._placed()]
        if self.span is not None:
            parts += show_place(self.source, self.span)
        if self.hint:
            parts.append(f"hint: {self.hint}")
        return "\n".join(parts)

    def _placed(self) -> str:
        if self.span is None:
            return self.message if self.label is None else f"{self.label}: {self.message}"
        if self.label is None:
            return f"line {self.line}: {self.message}"
        return f"{self.label}:{self.line}:{self.column}: {self.message}"


def show_place(source: str, span: Span) -> list[str]:
    """The source line that holds ``span`` and, below it, carets under the place, both indented by two columns.

    Of a long line only the part around the place is shown, with ``...`` for what is left out. Of a place that goes over
    several lines only the first is marked. Works in time independent of the length of the line.
    """
    start, stop = span
    begin = source.rfind("\n", 0, start) + 1
    end = source.find("\n", start)
    end = len(source) if end < 0 else end
    if end > start and source[end - 1] == "\r":
        end -= 1
    stop = max(start, min(stop, end))
    left, right = begin, end
    if end - begin > WIDTH:
        right = min(end, max(start + WIDTH // 2, begin + WIDTH))
        left = max(begin, right - WIDTH)
        if right < stop:
            stop = right
    opening = "..." if left > begin else ""
    closing = "..." if right < end else ""
    before, first = _visible(source[left:start])
    marked, width = _visible(source[start:stop], first)
    after, _ = _visible(source[stop:right], first + width)
    if source[start:stop] and unicodedata.category(source[start]).startswith("M") and start > left:
        # A combining mark is drawn on the character before it, and so must the caret be.
        previous = _visible(source[left : start - 1])[1]
        first, width = previous, width + first - previous
    line = f"  {opening}{before}{marked}{after}{closing}".rstrip()
    return [line, " " * (2 + len(opening) + first) + "^" * max(1, width)]


def _visible(text: str, column: int = 0) -> tuple[str, int]:
    """The text as a terminal can show it (tabs expanded, control characters replaced) and how many columns it takes
    when it starts at ``column``."""
    if text.isascii() and text.isprintable():
        return text, len(text)
    shown = []
    at = column
    for character in text:
        category = unicodedata.category(character)
        if character == "\t":
            character = " " * (TAB - at % TAB)
            at += len(character)
        elif category in ("Cc", "Cf", "Cs", "Zl", "Zp"):
            # Directional marks and escapes would move everything after them.
            character = "\N{REPLACEMENT CHARACTER}"
            at += 1
        elif category in ("Mn", "Me") or "\u1160" <= character <= "\u11ff":
            pass  # drawn on top of the character before
        else:
            at += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        shown.append(character)
    return "".join(shown), at - column
