"""The graph as a picture: SVG of our own, for light and dark, laid out in layers. The output is on top, values go up along the
arrows, and beside each arrow stands what it does to the gradient on its way down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from math import ceil, isfinite, log10
from typing import NamedTuple, TextIO

from gradtool.report import Page
from gradtool.report.graph_drawing import Strength
from gradtool.report.graph_layout import Link, Place, Route, Run, Size, lay_out
from gradtool.report.graph_parts import MEANING, Arrow, Box, GraphParts, Stub
from gradtool.report.layout import text_width
from gradtool.results import GraphResult, Verdict

FONT = 13.0
SMALL = 11.0
ADVANCE = 0.61
"""The width of a character, of its size: the widest of the common monospaced fonts."""
LINE = 17.0
SMALL_LINE = 14.0
PAD_X, PAD_Y = 10.0, 7.0
BESIDE = 6.0
"""From a line to its label."""
MARGIN = 24.0
HEAD_LENGTH, HEAD_WIDTH = 7.0, 7.0
THIN, THICK = 1.0, 3.5
DECADES = 4
"""A gradient that many powers of ten below the largest has the thinnest line."""
SAMPLE = 28.0

STYLE = """\
.graph{--page:#ffffff;--ink:#1f2328;--faint:#656d76;--line:#57606a;--box:#f6f8fa;--input:#ddf4ff;--zero:#8c959f;
--vanished:#9a6700;--exploded:#8250df;--bad:#cf222e;--bad-box:#ffebe9;--good:#1a7f37;--mark:#0969da}
@media (prefers-color-scheme:dark){.graph{--page:#0d1117;--ink:#e6edf3;--faint:#8d96a0;--line:#9198a1;--box:#161b22;
--input:#0c2d4a;--zero:#6e7681;--vanished:#d29922;--exploded:#bc8cff;--bad:#ff7b72;--bad-box:#3c1618;--good:#3fb950;
--mark:#58a6ff}}
.graph text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono","Liberation Mono",monospace;
fill:var(--ink);white-space:pre}
.graph .page{fill:var(--page)}
.graph .small text,.graph .edge text,.graph .note{font-size:11px}
.graph .node rect{fill:var(--box);stroke:var(--line);stroke-width:1.2}
.graph .input rect{fill:var(--input)}
.graph .constant rect{stroke:var(--zero);stroke-dasharray:2 3}
.graph .constant text,.graph .stub text,.graph .note{fill:var(--faint)}
.graph .output rect{stroke-width:3}
.graph .wrong rect{fill:var(--bad-box);stroke:var(--bad);stroke-width:2.5}
.graph .label{font-weight:bold}
.graph .verdict{font-weight:bold;fill:var(--faint)}
.graph .OK .verdict{fill:var(--good)}
.graph .UNDECIDED .verdict{fill:var(--vanished)}
.graph .WRONG .verdict{fill:var(--bad)}
.graph .edge path{fill:none;stroke:var(--line)}
.graph .edge polygon{fill:var(--line)}
.graph .zero path{stroke:var(--zero);stroke-dasharray:6 4}
.graph .zero polygon,.graph .none polygon{fill:var(--zero)}
.graph .zero text,.graph .none text{fill:var(--faint)}
.graph .none path{stroke:var(--zero);stroke-dasharray:1.5 4}
.graph .beyond path{stroke-dasharray:3 3}
.graph .vanished path{stroke:var(--vanished)}
.graph .vanished polygon,.graph .edge.vanished text,.graph .upstream.vanished{fill:var(--vanished)}
.graph .exploded path{stroke:var(--exploded)}
.graph .exploded polygon,.graph .edge.exploded text,.graph .upstream.exploded{fill:var(--exploded)}
.graph .nonfinite path{stroke:var(--bad)}
.graph .nonfinite polygon,.graph .edge.nonfinite text,.graph .upstream.nonfinite{fill:var(--bad)}
.graph .upstream.zero{fill:var(--faint)}
"""

_PAINTED = (
    Strength.NONE, Strength.ZERO, Strength.PLAIN, Strength.VANISHED, Strength.EXPLODED, Strength.NOT_FINITE,
)  # fmt: skip
"""In this order, the last on top: edges from one node share their way."""


class Picture(NamedTuple):
    """The inside of an SVG, and how large it is."""

    text: str
    width: float
    height: float


def render_graph(result: GraphResult, stream: TextIO, page: Page) -> None:
    """Write an SVG document, in ASCII alone. Raises ``MissingExtraError`` where igraph is not installed."""
    parts = GraphParts(result, without_streams_limits(page))
    heading = parts.title()
    drawn = picture(parts)
    legend, legend_width = _legend(parts)
    notes = list(parts.notes())
    shown = [*heading, *notes]
    width = max(drawn.width, legend_width, *(_width(line, FONT) for line in shown)) + 2 * MARGIN
    above = MARGIN + LINE * len(heading) + MARGIN / 2
    height = above + drawn.height + MARGIN + SMALL_LINE * (len(notes) + 1) + MARGIN / 2
    below = above + drawn.height + MARGIN
    left = (width - drawn.width) / 2
    size = {"width": _number(width), "height": _number(height), "viewBox": f"0 0 {_number(width)} {_number(height)}"}
    inside = [
        element("title", {}, escape("\n".join(heading))),
        element("style", {}, escape(STYLE, quote=False)),
        element("rect", {"class": "page", "width": "100%", "height": "100%"}),
        *_lines(heading, MARGIN, MARGIN + FONT, LINE, {"class": "label"}),
        element("g", {"transform": f"translate({_number(left)} {_number(above)})"}, "\n" + drawn.text),
        element("g", {"class": "small", "transform": f"translate({_number(MARGIN)} {_number(below)})"}, legend),
        *_lines(notes, MARGIN, below + 2 * SMALL_LINE, SMALL_LINE, {"class": "note"}),
    ]
    document = svg({**size, "role": "img"}, inside)
    stream.write(_ascii(f'<?xml version="1.0" encoding="UTF-8"?>\n{document}\n'))


def svg(attributes: Mapping[str, str], inside: Iterable[str]) -> str:
    """The element ``svg`` around what is inside."""
    inside = "".join(f"\n{part}" for part in inside) + "\n"
    return element("svg", {"xmlns": "http://www.w3.org/2000/svg", "class": "graph", **attributes}, inside)


def picture(parts: GraphParts) -> Picture:
    """Boxes, arrows and their labels. Raises ``MissingExtraError`` where igraph is not installed."""
    sizes = [_box_size(box) for box in parts.boxes]
    stubs = list(parts.stubs)
    # Arrows lead from earlier boxes to later ones: what is below a node comes before it, what is above after it.
    order = [*((box.id, 1, k) for k, box in enumerate(parts.boxes))]
    order += [(stub.node, 2 if stub.above else 0, k) for k, stub in enumerate(stubs)]
    order.sort()
    position = {(kind == 1, k): place for place, (_, kind, k) in enumerate(order)}
    box_at = {box.id: position[True, k] for k, box in enumerate(parts.boxes)}
    extents = [sizes[k] if kind == 1 else _stub_size(stubs[k]) for _, kind, k in order]
    links = [Link(box_at[arrow.source], box_at[arrow.node], _label_size(arrow)) for arrow in parts.arrows]
    for k, stub in enumerate(stubs):
        ends = (box_at[stub.node], position[False, k])
        lower, upper = ends if stub.above else ends[::-1]
        links.append(Link(lower, upper, _label_size(stub.only)))
    layout = lay_out(extents, links)
    arrows = [*parts.arrows, *(stub.only for stub in stubs if stub.only is not None)]
    largest = max((arrow.norm for arrow in arrows if isfinite(arrow.norm)), default=0.0)
    drawn: list[tuple[int, str]] = []
    for arrow, route in zip(parts.arrows, layout.routes, strict=False):
        drawn.append((_PAINTED.index(arrow.strength), _edge(arrow, route, largest)))
    for stub, route in zip(stubs, layout.routes[len(parts.arrows) :], strict=True):
        drawn.append((0, _leaving(stub, route, largest)))
    drawn.sort(key=lambda pair: pair[0])
    texts = [text for _, text in drawn]
    for (_, kind, k), place, size in zip(order, layout.places, extents, strict=True):
        texts.append(_box(parts.boxes[k], place, size, parts) if kind == 1 else _stub(stubs[k], place))
    return Picture("\n".join(texts) + "\n", layout.width, layout.height)


def element(name: str, attributes: Mapping[str, str], inside: str = "") -> str:
    """An element. Attributes are escaped; what is inside is taken as it is."""
    listed = "".join(f' {key}="{escape(value)}"' for key, value in attributes.items())
    return f"<{name}{listed}>{inside}</{name}>" if inside else f"<{name}{listed}/>"


def _box(box: Box, place: Place, size: Size, parts: GraphParts) -> str:
    classes = ["node", box.kind]
    classes += ["output"] * box.is_output + ["wrong"] * (box.verdict is Verdict.WRONG)
    if box.verdict is not None:
        classes.append(str(box.verdict))
    left, top = place.x - size.width / 2, place.y - size.height / 2
    x, y = left + PAD_X, top + PAD_Y + FONT - 1
    head = element("tspan", {"class": "label"}, escape(box.label))
    if box.expression:
        head += escape(f"  {box.expression}")
    texts = [element("text", _at(x, y), head)]
    for k, line in enumerate(box.lines, 1):
        attributes = _at(x, y + k * LINE)
        if box.verdict is not None and k == len(box.lines):
            attributes["class"] = "verdict"
        elif line.startswith(parts.signs.up):
            attributes["class"] = f"upstream {box.strength}"
        texts.append(element("text", attributes, escape(line)))
    frame = {
        "x": _number(left), "y": _number(top), "width": _number(size.width), "height": _number(size.height),
        "rx": "5" if box.kind != "input" else "14",
    }  # fmt: skip
    whole = escape("\n".join((box.whole, *box.lines)))
    inside = [element("title", {}, whole), element("rect", frame), *texts]
    return element("g", {"class": " ".join(classes), "data-node": str(box.id)}, "".join(inside))


def _stub(stub: Stub, place: Place) -> str:
    width = _width(stub.text, SMALL)
    text = element("text", _at(place.x - width / 2, place.y + SMALL / 2 - 1), escape(stub.text))
    return element("g", {"class": "stub small"}, text)


def _edge(arrow: Arrow, route: Route, largest: float) -> str:
    title = element("title", {}, escape(arrow.whole))
    inside = title + _line(route, _thickness(arrow, largest)) + _label(arrow, route)
    return element("g", {"class": f"edge {arrow.strength}", "data-edge": arrow.key}, inside)


def _leaving(stub: Stub, route: Route, largest: float) -> str:
    if stub.only is not None:
        return _edge(stub.only, route, largest)
    return element("g", {"class": "edge beyond"}, _line(route, THIN))


def _line(route: Route, thickness: float) -> str:
    """From the lower box to the upper one: straight past what stands in a layer, curved between layers."""
    x, y = route.start
    tip = route.end
    path = [f"M{_number(x)} {_number(y)}"]
    for to_x, top, bottom in (*route.runs, Run(tip.x, tip.y + HEAD_LENGTH, tip.y + HEAD_LENGTH)):
        if _number(to_x) != _number(x):
            path += [f"V{_number(y)}", _curve(x, y, to_x, bottom)]
        x, y = to_x, top
    path.append(f"V{_number(y)}")
    half = HEAD_WIDTH / 2 + thickness / 2
    corners = [(tip.x, tip.y + 1), (tip.x - half, tip.y + HEAD_LENGTH + 1), (tip.x + half, tip.y + HEAD_LENGTH + 1)]
    points = " ".join(f"{_number(a)},{_number(b)}" for a, b in corners)
    return element("path", {"d": "".join(path), "stroke-width": _number(thickness)}) + element(
        "polygon", {"points": points}
    )


def _curve(x: float, y: float, to_x: float, to_y: float) -> str:
    middle = (y + to_y) / 2
    points = ((x, middle), (to_x, middle), (to_x, to_y))
    return "C" + " ".join(f"{_number(a)} {_number(b)}" for a, b in points)


def _label(arrow: Arrow, route: Route) -> str:
    if not arrow.sent:
        return ""
    run = route.runs[-1]
    return "".join(_lines([arrow.local, arrow.sent], run.x + BESIDE, run.top + SMALL, SMALL_LINE, {}))


def _thickness(arrow: Arrow, largest: float) -> float:
    """By the norm of the gradient sent, relative to the largest of all, on a logarithmic scale."""
    if arrow.strength in (Strength.NONE, Strength.ZERO):
        return THIN
    if arrow.strength is Strength.NOT_FINITE or arrow.norm >= largest:
        return THICK
    below = min(log10(largest) - log10(arrow.norm), DECADES) / DECADES
    return THICK - (THICK - THIN) * below


def legend_entries(parts: GraphParts) -> list[tuple[Strength, str]]:
    """The kinds of edges in the picture, and what a legend says of them."""
    found = {arrow.strength for arrow in parts.arrows} | {s.only.strength for s in parts.stubs if s.only is not None}
    return [(strength, MEANING[strength]) for strength in Strength if strength in found]


def sample(strength: Strength, x: float = 0.0, y: float = 5.0) -> str:
    """A short line as edges of that kind are drawn."""
    line = {"d": f"M{_number(x)} {_number(y)}h{_number(SAMPLE)}", "stroke-width": "2"}
    return element("g", {"class": f"edge {strength}"}, element("path", line))


def _legend(parts: GraphParts) -> tuple[str, float]:
    texts, x = [], 0.0
    for strength, meaning in legend_entries(parts):
        texts.append(sample(strength, x, SMALL_LINE / 2))
        texts.append(element("text", {**_at(x + SAMPLE + BESIDE, SMALL), "class": "note"}, escape(meaning)))
        x += SAMPLE + BESIDE + _width(meaning, SMALL) + 2 * BESIDE
    return "".join(texts), x


def _lines(lines: Sequence[str], x: float, y: float, step: float, attributes: Mapping[str, str]) -> list[str]:
    return [
        element("text", {**_at(x, y + k * step), **attributes}, escape(line)) for k, line in enumerate(lines) if line
    ]


def _at(x: float, y: float) -> dict[str, str]:
    return {"x": _number(x), "y": _number(y)}


def _box_size(box: Box) -> Size:
    width = max(_width(line, FONT) for line in (box.head, *box.lines))
    return Size(width + 2 * PAD_X, LINE * (1 + len(box.lines)) + 2 * PAD_Y - 3)


def _stub_size(stub: Stub) -> Size:
    return Size(_width(stub.text, SMALL), SMALL_LINE)


def _label_size(arrow: Arrow | None) -> Size:
    if arrow is None or not arrow.sent:
        return Size(0.0, 0.0)
    return Size(BESIDE + max(_width(arrow.local, SMALL), _width(arrow.sent, SMALL)), 2 * SMALL_LINE)


def _width(text: str, size: float) -> float:
    return ceil(text_width(text) * size * ADVANCE)


def _number(value: float) -> str:
    """A length to a tenth of a pixel: what machines round differently is never seen."""
    text = f"{value:.1f}"
    return "0" if text == "-0.0" else text.removesuffix(".0")


def without_streams_limits(page: Page) -> Page:
    """The page of a document that holds any character, whatever the stream's encoding."""
    return Page(page.width, page.color, page.full, page.max_elements)


def _ascii(text: str) -> str:
    return text.encode("ascii", "xmlcharrefreplace").decode("ascii")
