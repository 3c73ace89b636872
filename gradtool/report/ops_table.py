"""The catalogue as a page: a table of all operations, or all that there is to know of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TextIO

from gradtool.report import Page
from gradtool.report.chart_text import chart_blocks
from gradtool.report.layout import Block, Column, Grid, Line, wrapped, write_page
from gradtool.results import OperationEntry

INDENT = "  "
FEW = 4
"""So many operations are shown in full."""


def render_operations(result: Sequence[OperationEntry], stream: TextIO, page: Page) -> None:
    """Write the catalogue, or the operations of one name with all that is known of them (``page.full`` asks for that, too)."""
    in_full = page.full or len(result) <= FEW
    write_page(_details(result, page) if in_full else _tables(result), stream, page)


def _tables(entries: Sequence[OperationEntry]) -> Iterator[Block]:
    columns = (
        Column("operation", fold=True),
        Column("formula", fold=True),
        Column("derivative", fold=True),
        Column("its range", fold=True),
        Column("at ties: value used (valid)", fold=True),
    )
    for position, (family, members) in enumerate(groupby(entries, lambda entry: entry.family)):
        if position:
            yield Line()
        yield Line(family, "bold")
        rows = [
            (entry.signature, entry.formula, entry.derivative, entry.derivative_range,
             "; ".join(f"{k.where}: {k.convention} ({k.valid})" for k in entry.kinks))
            for entry in members
        ]  # fmt: skip
        yield Grid(columns, rows)
    yield Line()
    yield Line("`gradtool ops NAME` shows one of them with its rules, names, source and plot")


def _details(entries: Sequence[OperationEntry], page: Page) -> Iterator[Block]:
    for position, entry in enumerate(entries):
        if position:
            yield Line()
        yield Line(entry.signature, "bold")
        kind = "elementwise" if entry.elementwise else "not elementwise"
        facts = [
            ("family", f"{entry.family}, {kind}"),
            ("other names", ", ".join(entry.aliases)),
            ("formula", entry.formula),
            ("derivative", entry.derivative),
            ("its range", entry.derivative_range),
            *((f"gradient of {name}", rule) for name, rule in entry.rules),
            *((f"at {kink.where}", _kink(kink.convention, kink.valid)) for kink in entry.kinks),
            ("source", entry.source),
        ]
        known = [(label, text) for label, text in facts if text]
        width = min(max(len(label) for label, _ in known), 24)
        for label, text in known:
            yield from wrapped(text, page.width, f"{INDENT}{label:{width}}  ", INDENT + " " * (width + 2))
        if entry.chart is not None:
            yield Line()
            yield from chart_blocks(entry.chart, page.width, page.unicode)


def _kink(convention: str, valid: str) -> str:
    if valid == "none":
        return f"no derivative; the value used is {convention}"
    return f"a kink; the value used is {convention}, valid is {valid}"
