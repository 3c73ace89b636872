"""Charts as a picture, PNG or SVG, by matplotlib (the extra ``plot``)."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, nan
from typing import Any, BinaryIO

from gradtool.report.extras import extra
from gradtool.report.numbers import number
from gradtool.results import Bars, Chart

WIDTH, HEIGHT = 7.0, 4.2
"""Inches, of one chart."""
DOTS = 150
"""A PNG's dots an inch."""


def load() -> tuple[Any, Any]:
    """matplotlib and its figures. Raises ``MissingExtraError`` where it is not installed."""
    purpose = "a picture of a chart"
    return extra("matplotlib", "plot", purpose), extra("matplotlib.figure", "plot", purpose)


def write_charts(charts: Sequence[Chart | Bars], stream: BinaryIO, format_name: str) -> None:
    """Write the charts, one under the other. Raises ``MissingExtraError`` where matplotlib is not installed."""
    matplotlib, figures = load()
    # Without a date and with ids of its own making always the same: the same charts give the same bytes.
    with matplotlib.rc_context({"svg.hashsalt": "gradtool", "svg.fonttype": "none"}):
        figure = figures.Figure(figsize=(WIDTH, HEIGHT * len(charts)), layout="constrained")
        axes = figure.subplots(len(charts), 1, squeeze=False)[:, 0]
        for chart, axis in zip(charts, axes, strict=True):
            _bars(chart, axis) if isinstance(chart, Bars) else _curves(chart, axis)
        metadata = {"Date": None} if format_name == "svg" else {"Software": None}
        figure.savefig(stream, format=format_name, dpi=DOTS, metadata=metadata)


def _curves(chart: Chart, axis: Any) -> None:
    for curve in chart.curves:
        axis.plot(curve.x, [y if isfinite(y) else nan for y in curve.y], label=_plain(curve.label))
    for mark in chart.marks:
        label = f"{mark.label}: {number(mark.x)}"
        axis.plot([mark.x], [mark.y], "o", color="black", label=_plain(label))
    if chart.logarithmic:
        axis.set_xscale("log")
        axis.set_yscale("log")
    axis.set_title(_plain(chart.title), wrap=True, fontsize="medium")
    axis.set_xlabel(_plain(chart.x_label))
    axis.set_ylabel(_plain(chart.y_label))
    axis.grid(visible=True, alpha=0.3)
    axis.legend()


def _bars(chart: Bars, axis: Any) -> None:
    places = range(len(chart.labels))
    axis.barh(places, [value if isfinite(value) else nan for value in chart.values])
    axis.set_yticks(places, [_plain(label) for label in chart.labels])
    axis.invert_yaxis()
    if any(isfinite(value) and value > 0 for value in chart.values):
        axis.set_xscale("log")
    axis.set_title(_plain(chart.title), wrap=True, fontsize="medium")
    axis.set_xlabel("norm")


def _plain(text: str) -> str:
    """Text as it is: a dollar sign would begin a formula."""
    return text.replace("$", r"\$")
