"""Pictures of charts, by matplotlib."""

import io
import sys
from xml.etree import ElementTree

import pytest

from gradtool.report.chart_image import write_charts
from gradtool.report.extras import MissingExtraError
from gradtool.results import Bars, Chart, Curve, Mark

LINE = Chart(
    "<title> & $x$", "x", "y", (Curve("a_b", (0.0, 1.0, 2.0), (1.0, float("nan"), 4.0)),), (Mark("m", 1.0, 2.0),)
)
LOG = Chart("errors", "step", "error", (Curve("e", (1.0, 0.1), (0.0, 1e-3)),), logarithmic=True)
BARS = Bars("norms", ("h</svg>", "W[red]"), (1.0, 0.0))


def picture(charts, format_name):
    pytest.importorskip("matplotlib", reason="the extra plot draws pictures")
    stream = io.BytesIO()
    write_charts(charts, stream, format_name)
    return stream.getvalue()


@pytest.mark.parametrize("charts", [(LINE,), (LOG,), (BARS,), (LINE, LOG, BARS)])
def test_svg_is_well_formed_and_has_the_text_as_it_was(charts):
    root = ElementTree.fromstring(picture(charts, "svg"))
    text = "".join(root.itertext())
    for chart in charts:
        assert chart.title in text


def test_png():
    assert picture((LINE,), "png").startswith(b"\x89PNG\r\n")


@pytest.mark.parametrize("format_name", ["svg", "png"])
def test_the_same_chart_gives_the_same_bytes(format_name):
    assert picture((LINE, BARS), format_name) == picture((LINE, BARS), format_name)


def test_bars_that_are_all_zero():
    assert picture((Bars("nothing", ("a",), (0.0,)),), "svg")


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"gradtool\[plot\]"):
        write_charts((LINE,), io.BytesIO(), "svg")
