"""Lines and grids: what a page for people is made of, and how it is written where nothing need be folded or coloured.

That path does without rich: it is the one that pipes and files take, it writes 100,000 rows in a second, and what it
writes has no trailing blanks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import zip_longest
from typing import TextIO
from unicodedata import combining, east_asian_width

from gradtool.report import Page

INDENT = "  "
GAP = "  "

_NUMBER = re.compile(r"-?[\d.]+(e[+-]\d+)?|-?inf|nan|-|")
_WORDS = re.compile(r"-?[^\W\d].* .*")

_WORD = re.compile(r"(?:\S+ )?[(\[]\d+(?:, \d+)*,?[)\]]\S*|\S+")
"""What a line is not broken in: a word, or a name with its shape or index (``x (4, 6),``)."""

STYLES = {"OK": "green", "WRONG": "bold red", "UNDECIDED": "yellow", "SKIPPED": "cyan", "ERROR": "bold red"}
"""The style of a verdict, by its name."""

FOLDED = 12
"""A cell is not folded to fewer columns than this, as long as there is another way to show it."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of running text, which is never part of a grid. ``style`` is one of rich's; ``marks`` are parts of the line with a
    style of their own, as (start, stop, style)."""

    text: str = ""
    style: str = ""
    marks: tuple[tuple[int, int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """``styles`` gives the style of a cell by its text. Where space is short, a column that may ``fold`` is made
    narrower, and of any other only cells that hold words (``upstream @ W.T``) are folded."""

    header: str
    numeric: bool = False
    fold: bool = False
    styles: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """A table without lines. A cell may have several lines of its own."""

    columns: tuple[Column, ...]
    rows: Sequence[tuple[str, ...]]

    def flush_right(self) -> list[bool]:
        """Which columns stand flush right: those that hold nothing but single numbers."""
        return [
            column.numeric and all(_NUMBER.fullmatch(row[k]) for row in self.rows)
            for k, column in enumerate(self.columns)
        ]

    def widths(self) -> list[int]:
        """The width that each column needs to show every cell unfolded."""
        return [
            max(text_width(column.header), max((_block_width(row[k]) for row in self.rows), default=0))
            for k, column in enumerate(self.columns)
        ]

    def least_widths(self) -> list[int]:
        """The width that each column needs to show every number and every array unfolded."""
        least = []
        for k, (column, natural) in enumerate(zip(self.columns, self.widths(), strict=True)):
            if not column.fold:
                cells = (FOLDED if _WORDS.fullmatch(row[k]) else _block_width(row[k]) for row in self.rows)
                least.append(min(natural, max(text_width(column.header), max(cells, default=0))))
            else:
                least.append(min(natural, FOLDED))
        return least

    def width(self) -> int:
        """The length of the longest line, with every cell unfolded."""
        widths = self.widths()
        return len(INDENT) + sum(widths) + len(GAP) * (len(widths) - 1)

    def fits(self, width: int | None) -> bool:
        """Whether lines of ``width`` columns hold every number and every array unfolded."""
        least = self.least_widths()
        return width is None or len(INDENT) + sum(least) + len(GAP) * (len(least) - 1) <= width

    def lines(self) -> Iterator[str]:
        """The grid as text, header first, as wide as it needs to be."""
        widths, flush_right = self.widths(), self.flush_right()
        for row in (tuple(column.header for column in self.columns), *self.rows):
            for parts in zip_longest(*(cell.split("\n") for cell in row), fillvalue=""):
                padded = (
                    " " * (width - text_width(part)) + part if right else part + " " * (width - text_width(part))
                    for part, width, right in zip(parts, widths, flush_right, strict=True)
                )
                yield (INDENT + GAP.join(padded)).rstrip()


Block = Line | Grid


def write_page(blocks: Iterable[Block], stream: TextIO, page: Page) -> None:
    """Write blocks as ``page`` wants them."""
    if page.color or page.width is not None:
        # Loaded here as only a terminal needs rich, and rich takes longer to load than a table to write.
        import_module("gradtool.report.terminal").write(blocks, stream, page.width, page.color)
    else:
        write_plain(blocks, stream)


def wrapped(text: str, width: int | None, first: str = "", rest: str = "", style: str = "") -> Iterator[Line]:
    """Running text as lines of at most ``width`` columns (None: of any length), a longer word alone on its line.
    ``first`` is put before the first line and ``rest`` before all others; newlines in the text are kept."""
    before = first
    for paragraph in text.split("\n"):
        line, end = before, 0
        if width is None:
            line, end = line + paragraph, len(paragraph)
        for word in _WORD.finditer(paragraph, end):
            gap = paragraph[end : word.start()]
            if line not in (first, rest) and text_width(line + gap + word[0]) > (width or 0):
                yield Line(line, style)
                line, gap = rest, ""
            line, end = line + gap + word[0], word.end()
        yield Line(line.rstrip(), style)
        before = rest


def write_plain(blocks: Iterable[Block], stream: TextIO) -> None:
    """Write blocks at their natural width, without colour."""
    for block in blocks:
        lines: Iterable[str] = (block.text,) if isinstance(block, Line) else block.lines()
        stream.writelines(line + "\n" for line in lines)


def text_width(text: str) -> int:
    """The number of terminal cells that a line of text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def _block_width(cell: str) -> int:
    return text_width(cell) if "\n" not in cell else max(map(text_width, cell.split("\n")))
