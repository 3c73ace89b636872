"""Charts in a terminal: curves as rows of characters, bars as lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import isfinite, log10

from gradtool.report.layout import Block, Column, Grid, Line, text_width, wrapped
from gradtool.report.numbers import number
from gradtool.results import Bars, Chart, Curve

ROWS = 16
WIDEST = 76
NARROWEST = 20
BAR = 40
OUTLIERS = 20
"""One of so many values at either end may lie outside of what is drawn, if the range is ``FAR`` times as large with them."""
FAR = 5.0
GLYPHS, ASCII_GLYPHS = "•×+", "*x+"
MARK, ASCII_MARK = "◆", "O"
STYLES = ("cyan", "magenta", "yellow")
MARK_STYLE = "bold red"


def chart_blocks(chart: Chart | Bars, width: int | None = None, unicode: bool = True) -> Iterator[Block]:
    """A chart for lines of ``width`` columns (None: of any length)."""
    yield from _bars(chart) if isinstance(chart, Bars) else _curves(chart, width, unicode)


def _bars(chart: Bars) -> Iterator[Block]:
    """The scale is logarithmic: what vanishes falls by a factor from bar to bar."""
    logs = [log10(value) if isfinite(value) and value > 0 else None for value in chart.values]
    known = [log for log in logs if log is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    rows = []
    for label, value, log in zip(chart.labels, chart.values, logs, strict=True):
        if log is not None:
            length = 1 + round((BAR - 1) * ((log - low) / (high - low) if high > low else 1.0))
        else:
            length = 0 if value == 0 else BAR
        rows.append((label, number(value), "#" * length))
    yield Line(f"{chart.title} (bars on a logarithmic scale)")
    yield Grid((Column("layer"), Column("norm", numeric=True), Column("", fold=True)), rows)


def _curves(chart: Chart, width: int | None, unicode: bool) -> Iterator[Block]:
    yield from wrapped(chart.title, width)
    place: Callable[[float], float] = _log if chart.logarithmic else float
    points = [(place(x), place(y)) for curve in chart.curves for x, y in zip(curve.x, curve.y, strict=True)]
    seen = [(x, y) for x, y in points if isfinite(x) and isfinite(y)]
    if not seen:
        yield Line(f"  nothing to draw: no value in this range is a {'positive ' if chart.logarithmic else ''}number")
        return
    frame = _Frame(chart, seen, width)
    cells: dict[tuple[int, int], tuple[str, str]] = {}
    glyphs = GLYPHS if unicode else ASCII_GLYPHS
    for k, curve in enumerate(chart.curves):
        for cell in frame.cells(curve, place):
            cells.setdefault(cell, (glyphs[k % len(glyphs)], STYLES[k % len(STYLES)]))
    for mark in chart.marks:
        if (cell_of_mark := frame.cell(place(mark.x), place(mark.y))) is not None:
            cells[cell_of_mark] = (MARK if unicode else ASCII_MARK, MARK_STYLE)
    yield from frame.lines(cells, unicode)
    legend = [f"{glyphs[k % len(glyphs)]} {curve.label}" for k, curve in enumerate(chart.curves)]
    legend += [
        f"{MARK if unicode else ASCII_MARK} {mark.label}: {number(mark.x)}, {chart.y_label} {number(mark.y)}"
        for mark in chart.marks
    ]
    if frame.clipped:
        legend.append("what goes far beyond the rest is not drawn")
    yield from wrapped("   ".join(legend), width, "  ", "  ")


def _log(value: float) -> float:
    return log10(value) if value > 0 and isfinite(value) else float("nan")


class _Frame:
    """The plane that curves are drawn on: columns and rows from the top left, and what stands at its edges."""

    def __init__(self, chart: Chart, seen: list[tuple[float, float]], width: int | None) -> None:
        self._logarithmic = chart.logarithmic
        self._x_label = chart.x_label
        xs, ys = [x for x, _ in seen], [y for _, y in seen]
        self._left, self._right = min(xs), max(xs)
        self._bottom, self._top = _room(*_usual(ys))
        self.clipped = any(not self._bottom <= y <= self._top for y in ys)
        labels = [self._tick(y) for y in (self._top, (self._top + self._bottom) / 2, self._bottom)]
        self._margin = max(map(text_width, labels))
        self._labels = dict(zip((0, ROWS // 2, ROWS - 1), labels, strict=True))
        self.columns = max(NARROWEST, min(WIDEST, (width or WIDEST)) - self._margin - 5)

    def _tick(self, value: float) -> str:
        return number(float(f"{10**value if self._logarithmic else value:.3g}"))

    def cell(self, x: float, y: float) -> tuple[int, int] | None:
        """The cell of a point; None where it is no point, or lies outside."""
        if not (isfinite(x) and self._bottom <= y <= self._top):
            return None
        across = (x - self._left) / (self._right - self._left) if self._right > self._left else 0.5
        up = (y - self._bottom) / (self._top - self._bottom)
        return round((ROWS - 1) * (1 - up)), round((self.columns - 1) * across)

    def cells(self, curve: Curve, place: Callable[[float], float]) -> Iterator[tuple[int, int]]:
        """The cells that a curve goes through; between neighbouring points it is drawn without a gap."""
        before: tuple[int, int] | None = None
        for x, y in zip(curve.x, curve.y, strict=True):
            now = self.cell(place(x), place(y))
            if now is not None:
                if before is not None:
                    steps = max(abs(now[0] - before[0]), abs(now[1] - before[1]))
                    for k in range(1, steps):
                        part = k / steps
                        row, column = (a + (b - a) * part for a, b in zip(before, now, strict=True))
                        yield round(row), round(column)
                yield now
            before = now

    def lines(self, cells: dict[tuple[int, int], tuple[str, str]], unicode: bool) -> Iterator[Line]:
        """The rows, from the top down, and the axis under them."""
        side, corner, floor = ("│", "└", "─") if unicode else ("|", "+", "-")
        start = 2 + self._margin + 3
        for row in range(ROWS):
            text, marks = "", []
            for column in range(self.columns):
                glyph, style = cells.get((row, column), (" ", ""))
                text += glyph
                if style:
                    marks.append((start + column, start + column + 1, style))
            label = self._labels.get(row, "")
            yield Line(f"  {' ' * (self._margin - text_width(label))}{label} {side} {text}".rstrip(), "", tuple(marks))
        yield Line(f"  {' ' * self._margin} {corner}{floor * (self.columns + 1)}")
        left, right = self._tick(self._left), self._tick(self._right)
        gap = self.columns - text_width(left) - text_width(right)
        middle = self._x_label if text_width(self._x_label) + 2 <= gap else ""
        before = (gap - text_width(middle)) // 2
        after = gap - text_width(middle) - before
        yield Line(f"  {' ' * (self._margin + 3)}{left}{' ' * before}{middle}{' ' * after}{right}")


def _usual(values: list[float]) -> tuple[float, float]:
    """The range of the values; of almost all of them, where the few others lie so far off that nothing else could be seen."""
    ordered = sorted(values)
    beside = len(ordered) // OUTLIERS
    low, high = ordered[beside], ordered[-1 - beside]
    whole = ordered[-1] - ordered[0]
    return (low, high) if 0 < high - low < whole / FAR else (ordered[0], ordered[-1])


def _room(low: float, high: float) -> tuple[float, float]:
    """A range that is not empty."""
    if high > low:
        return low, high
    half = abs(low) / 2 or 1.0
    return low - half, high + half
