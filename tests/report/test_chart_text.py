"""Charts as characters, exactly."""

from gradtool.report.chart_text import chart_blocks
from gradtool.report.layout import Grid
from gradtool.results import Bars, Chart, Curve, Mark

XS = tuple(k / 4 for k in range(-8, 9))
LOG = Chart(
    "errors", "step", "error", (Curve("e", (1.0, 0.1, 0.01, 1e-3), (1e-1, 1e-3, 1e-5, 0.0)),), (Mark("best", 0.01, 1e-5),),
    logarithmic=True,
)  # fmt: skip
HUNDREDTHS = tuple(k / 100 for k in range(1, 201))
POLE = Chart("1/x", "x", "", (Curve("f", HUNDREDTHS, tuple(1 / x for x in HUNDREDTHS)),))
LINE = Chart("f[red] over x", "x", "", (Curve("f", XS, XS), Curve("g", XS, tuple(x * x - 2 for x in XS))))


def lines(chart, width=None, unicode=True):
    found = []
    for block in chart_blocks(chart, width, unicode):
        found += block.lines() if isinstance(block, Grid) else [block.text]
    return found


def test_two_curves():
    assert lines(LINE, 40) == [
        "f[red] over x",
        "   2 │ ×                              ••",
        "     │ ×                             • ×",
        "     │  ×                         ••• ×",
        "     │   ×                       •   ×",
        "     │   ×                    •••    ×",
        "     │    ×                  •      ×",
        "     │    ×               •••       ×",
        "     │     ×             •         ×",
        "   0 │      ×       •••••         ×",
        "     │       ×     •             ×",
        "     │        × •••             ×",
        "     │         •               ×",
        "     │      ••• ×             ×",
        "     │     •     ×           ×",
        "     │  •••       ×××     ×××",
        "  -2 │ •             ×××××",
        "     └──────────────────────────────────",
        "       -2              x               2",
        "  • f   × g",
    ]


def test_in_ascii():
    assert lines(LINE, 40, False) == [
        "f[red] over x",
        "   2 | x                              **",
        "     | x                             * x",
        "     |  x                         *** x",
        "     |   x                       *   x",
        "     |   x                    ***    x",
        "     |    x                  *      x",
        "     |    x               ***       x",
        "     |     x             *         x",
        "   0 |      x       *****         x",
        "     |       x     *             x",
        "     |        x ***             x",
        "     |         *               x",
        "     |      *** x             x",
        "     |     *     x           x",
        "     |  ***       xxx     xxx",
        "  -2 | *             xxxxx",
        "     +----------------------------------",
        "       -2              x               2",
        "  * f   x g",
    ]


def test_a_mark_on_logarithmic_axes():
    assert lines(LOG, 50) == [
        "errors",
        "    0.1 │                                       ••",
        "        │                                     ••",
        "        │                                   ••",
        "        │                                •••",
        "        │                              ••",
        "        │                           •••",
        "        │                         ••",
        "        │                       ••",
        "  0.001 │                    •••",
        "        │                 •••",
        "        │              •••",
        "        │            ••",
        "        │         •••",
        "        │      •••",
        "        │   •••",
        "  1e-05 │ ◆•",
        "        └─────────────────────────────────────────",
        "          0.01               step                1",
        "  • e   ◆ best: 0.01, error 1e-05",
    ]


def test_what_goes_far_beyond_the_rest():
    assert lines(POLE, 50) == [
        "1/x",
        "   9.09 │   •",
        "        │   •",
        "        │   •",
        "        │    •",
        "        │    •",
        "        │    •",
        "        │    •",
        "        │     •",
        "   4.81 │     •",
        "        │      •",
        "        │      ••",
        "        │       ••",
        "        │         •••",
        "        │           •••••",
        "        │               •••••••••••",
        "  0.526 │                         ••••••••••••••",
        "        └─────────────────────────────────────────",
        "          0.01                 x                 2",
        "  • f   what goes far beyond the rest is not drawn",
    ]


def test_bars():
    assert lines(Bars("norms", ("a", "b", "c", "d"), (1.0, 1e-3, 0.0, float("inf")))) == [
        "norms (bars on a logarithmic scale)",
        "  layer   norm",
        "  a          1  ########################################",
        "  b      0.001  #",
        "  c          0",
        "  d        inf  ########################################",
    ]


def test_nothing_to_draw():
    nan = float("nan")
    assert lines(Chart("log x", "x", "", (Curve("f", (-1.0, 0.0), (nan, nan)),))) == [
        "log x",
        "  nothing to draw: no value in this range is a number",
    ]
    zero = Chart("error", "step", "error", (Curve("f", (1.0, 0.1), (0.0, 0.0)),), logarithmic=True)
    assert lines(zero) == [
        "error",
        "  nothing to draw: no value in this range is a positive number",
    ]


def test_a_constant_and_a_gap():
    found = lines(Chart("c", "x", "", (Curve("f", (0.0, 1.0, 2.0, 3.0), (5.0, 5.0, float("nan"), 5.0)),)), 40)
    row = next(line for line in found if "•" in line)
    assert row.rstrip().endswith("•")
    assert " " * 5 in row.partition("•")[2]
    assert "5 │" in row


def test_no_line_is_wider_than_the_page():
    for chart in (LINE, LOG, POLE):
        for width in (30, 60, 80, 120):
            assert max(map(len, lines(chart, width))) <= width


def test_a_page_of_any_width_is_filled_up_to_a_limit():
    assert max(map(len, lines(LINE))) == max(map(len, lines(LINE, 200))) <= 80
