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

from gradtool.report.layout import GAP, INDENT, Block, Grid, Line, text_width, write_plain

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
        if isinstance(block, Line):
            console.print(Text(block.text, style=block.style), soft_wrap=True)
        elif len(block.rows) > MOST_ROWS:
            write_plain([block], stream)
        else:
            console.print(Padding(_table(block, console.width), (0, 0, 0, len(INDENT)), expand=False))


def _table(grid: Grid, width: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, len(GAP), 0, 0), header_style="bold")
    natural = grid.widths()
    rigid = [n for n, column in zip(natural, grid.columns, strict=True) if not column.fold]
    # Numbers keep their width as long as what may fold can give way to them; on a still narrower terminal all fold.
    space = width - len(INDENT) - len(GAP) * (len(natural) - 1) - sum(rigid)
    spared = space >= 12 * (len(natural) - len(rigid))
    for column, needed, right in zip(grid.columns, natural, grid.flush_right(), strict=True):
        table.add_column(
            Text(column.header),
            justify="right" if right else "left",
            overflow="fold",
            min_width=needed if spared and not column.fold else None,
        )
    for row in grid.rows:
        table.add_row(
            *(
                Text(cell, style=(column.styles or {}).get(cell, ""))
                for cell, column in zip(row, grid.columns, strict=True)
            )
        )
    return table


def _natural_width(blocks: list[Block]) -> int:
    """Room for every grid unfolded."""
    grids = (sum(block.widths()) + len(GAP) * len(block.columns) for block in blocks if isinstance(block, Grid))
    return len(INDENT) + max(grids, default=0) + text_width(GAP)
