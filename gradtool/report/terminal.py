"""Lines and grids on a terminal, by rich: coloured, and folded inside the cells where the terminal is narrow.

Text is always handed to rich as ``Text``, so that ``w[red]`` stays what it is and ``a[:x:]`` does not become a picture.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gradtool.report.layout import FOLDED, GAP, INDENT, Block, Column, Grid, Line, text_width, write_plain

MOST_ROWS = 1000
"""rich lays out a few thousand cells a second; a longer grid is written plain, unfolded and without colour."""


class _Console(Console):
    """A console that leaves a closed pipe to its caller; rich would end the process with code 1."""

    def on_broken_pipe(self) -> None:
        """Called by rich in the handler of the exception."""
        raise BrokenPipeError


def write(blocks: Iterable[Block], stream: TextIO, width: int | None, color: bool) -> None:
    """Write blocks to a terminal of ``width`` columns; None means as wide as needed."""
    blocks = list(blocks)
    console = _Console(
        file=stream,
        width=width or _natural_width(blocks),
        height=25,  # Given, as rich asks the environment for both where one is missing; it has no other use here.
        force_terminal=color,
        color_system="standard" if color else None,
        no_color=not color,
        markup=False,
        emoji=False,
        highlight=False,
        _environ={},  # What the environment says of colours and width was weighed before: see gradtool.cli.console.
    )
    for block in blocks:
        if isinstance(block, Line) and color:
            text = Text(block.text, style=block.style)
            for start, stop, style in block.marks:
                text.stylize(style, start, stop)
            console.print(text, soft_wrap=True)
        elif isinstance(block, Line) or len(block.rows) > MOST_ROWS:
            write_plain([block], stream)
        else:
            console.print(Padding(_table(block, console.width), (0, 0, 0, len(INDENT)), expand=False))


def _table(grid: Grid, width: int) -> Table:
    """The grid as it is, with cells that may fold made narrower; where that is not enough, as records."""
    widths = _fitted(grid, width)
    if widths is None:
        return _records(grid, width)
    table = Table(box=None, pad_edge=False, padding=(0, len(GAP), 0, 0), header_style="bold")
    for column, needed, right in zip(grid.columns, widths, grid.flush_right(), strict=True):
        table.add_column(Text(column.header), justify="right" if right else "left", overflow="fold", width=needed)
    for row in grid.rows:
        table.add_row(*map(_cell, row, grid.columns))
    return table


def _fitted(grid: Grid, width: int) -> list[int] | None:
    """The columns' widths in lines of ``width`` columns, always the widest of those that may fold made narrower; None
    where a number or an array would have to be broken."""
    if not grid.fits(width):
        return None
    widths, least = grid.widths(), grid.least_widths()
    for _ in range(grid.width() - width):
        foldable = [k for k in range(len(widths)) if widths[k] > least[k]]
        widths[max(foldable, key=widths.__getitem__)] -= 1
    return widths


def _records(grid: Grid, width: int) -> Table:
    """The grid with a line for each cell: what the row is about, the column's name, what stands there. Cells that say
    nothing are left out, and a row whose first cell is one of them goes on with the row before."""
    about = max(text_width(text) for text in (grid.columns[0].header, *(row[0] for row in grid.rows)))
    names = max(text_width(column.header) for column in grid.columns[1:])
    spacious = width - len(INDENT) - about - names - 2 * len(GAP) >= FOLDED
    table = Table(box=None, pad_edge=False, padding=(0, len(GAP), 0, 0), header_style="bold")
    table.add_column(Text(grid.columns[0].header), overflow="fold", min_width=about if spacious else None)
    table.add_column("", overflow="fold", min_width=names if spacious else None)
    table.add_column("", overflow="fold")
    for row in grid.rows:
        shown = [k for k in range(1, len(row)) if row[k]]
        heads = [row[0], *[""] * (len(shown) - 1)]
        for head, k in zip(heads, shown, strict=True) if shown else ():
            column = grid.columns[k]
            table.add_row(Text(head), Text(column.header, style="dim"), _cell(row[k], column))
        if not shown:
            table.add_row(Text(row[0]))
    return table


def _cell(text: str, column: Column) -> Text:
    return Text(text, style=(column.styles or {}).get(text, ""))


def _natural_width(blocks: list[Block]) -> int:
    """Room for every grid unfolded."""
    return max((block.width() for block in blocks if isinstance(block, Grid)), default=0) + len(GAP)
