"""The graph as one page that needs nothing else: the picture to move and zoom, a panel with all that is known of a node, search,
and the paths that carry the gradient. Its style and script stand beside this module.

The page has no access to the network: its Content-Security-Policy allows the two by their hashes, and nothing else. What the
script shows it takes from a JSON document in the page, the one that ``--format json`` writes, and sets as text, never as markup.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from html import escape
from importlib.resources import files
from io import StringIO
from typing import Any, NamedTuple, TextIO

from gradtool.report import Page
from gradtool.report.graph_drawing import brief
from gradtool.report.graph_json import render_graph as write_json
from gradtool.report.graph_parts import GraphParts
from gradtool.report.graph_svg import (
    SAMPLE,
    STYLE,
    element,
    legend_entries,
    picture,
    sample,
    svg,
    without_streams_limits,
)
from gradtool.report.graph_terminal import difference_blocks, path_remarks, route, share_text
from gradtool.report.json_images import encode
from gradtool.report.layout import write_plain
from gradtool.report.numbers import count_text
from gradtool.report.printable import one_line, printable
from gradtool.report.table import summary_line
from gradtool.results import GradientPath, GraphResult, InputPaths

HINT = "Click a node, or search for one, to see its value, its gradients and its place in the source."
KEYS = (
    ("/", "search"), ("+", "larger"), ("-", "smaller"), ("0", "all of it"), ("1", "full size"),
    ("Tab", "next node"), ("\u2191 \u2193", "along an edge"), ("Esc", "nothing selected"),
)  # fmt: skip
TOOLS = (("in", "+", "larger"), ("out", "\u2212", "smaller"), ("fit", "fit", "all of it"), ("real", "1:1", "full size"))


class Way(NamedTuple):
    """A path as the page lists and highlights it."""

    text: str
    nodes: tuple[int, ...]
    edges: tuple[str, ...]


def render_graph(result: GraphResult, stream: TextIO, page: Page) -> None:
    """Write the page, in ASCII alone. Raises ``MissingExtraError`` where igraph is not installed."""
    page = without_streams_limits(page)
    parts = GraphParts(result, page)
    ways = [[_way(path, parts) for path in found.paths] for found in result.paths]
    style = STYLE + _beside("graph_page.css")
    script = _beside("graph_page.js")
    policy = "; ".join(
        ("default-src 'none'", f"style-src {_hash(style)}", f"script-src {_hash(script)}", "img-src data:",
         "base-uri 'none'", "form-action 'none'")
    )  # fmt: skip
    head = [
        element("meta", {"charset": "utf-8"}),
        element("meta", {"http-equiv": "Content-Security-Policy", "content": policy}),
        element("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        element("link", {"rel": "icon", "href": "data:,"}),
        element("title", {}, escape(" ".join(parts.title()[:1]) or "gradtool")),
        element("style", {}, style),
    ]
    data = {"hint": HINT, "first": parts.centre, **_beside_document(parts, ways)}
    body = [
        element("header", {}, "\n".join(_header(parts))),
        element("main", {"tabindex": "0", "aria-label": "the graph"}, _drawing(parts)),
        element("aside", {}, "\n".join(_panel(parts, ways, page))),
        element("script", {"type": "application/json", "id": "data"}, _data(parts, page, data)),
        element("script", {}, script),
    ]
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        *head,
        "</head>",
        "<body>",
        *body,
        "</body>",
        "</html>",
        "",
    ]
    stream.write("\n".join(lines).encode("ascii", "xmlcharrefreplace").decode("ascii"))


def _header(parts: GraphParts) -> Iterator[str]:
    yield element("h1", {}, escape("\n".join(parts.title())))
    field = {
        "id": "search", "type": "search", "placeholder": "search nodes", "aria-label": "search nodes",
        "autocomplete": "off", "spellcheck": "false", "role": "combobox", "aria-controls": "found",
        "aria-expanded": "false",
    }  # fmt: skip
    hits = element("ul", {"id": "found", "role": "listbox", "aria-label": "nodes found", "hidden": ""}, "\n")
    yield element("div", {"class": "tools search"}, element("input", field) + hits)
    buttons = [
        element("button", {"type": "button", "data-zoom": name, "title": title, "aria-label": title}, escape(text))
        for name, text, title in TOOLS
    ]
    yield element("div", {"class": "tools"}, "".join(buttons))


def _drawing(parts: GraphParts) -> str:
    drawn = picture(parts)
    width, height = f"{drawn.width:.0f}", f"{drawn.height:.0f}"
    attributes = {
        "viewBox": f"0 0 {width} {height}", "data-width": width, "data-height": height, "role": "group",
        "aria-label": "nodes",
    }  # fmt: skip
    return svg(attributes, [element("g", {"class": "scene"}, "\n" + drawn.text)])


def _panel(parts: GraphParts, ways: list[list[Way]], page: Page) -> Iterator[str]:
    evaluation = parts.result.evaluation
    if evaluation.references:
        yield element("p", {}, element("strong", {"class": str(evaluation.verdict)}, escape(summary_line(evaluation))))
    yield element("section", {"id": "node", "aria-live": "polite"}, element("p", {"class": "dim"}, escape(HINT)))
    count = 0
    for found, listed in zip(parts.result.paths, ways, strict=True):
        buttons = []
        for way in listed:
            attributes = {"type": "button", "data-path": str(count), "aria-pressed": "false"}
            buttons.append(element("button", attributes, escape(way.text)))
            count += 1
        yield element("h2", {}, escape(_heading(found, parts)))
        yield element("div", {"class": "paths"}, "\n".join(buttons) or escape("no path from the output"))
        yield from (element("p", {"class": "dim"}, escape(remark)) for remark in _remarks(found))
    if parts.result.difference is not None:
        text = StringIO()
        write_plain(difference_blocks(parts.result.difference, page), text)
        yield element("h2", {}, "Difference")
        yield element("pre", {"id": "difference"}, escape(printable(text.getvalue())))
    if evaluation.diagnostics:
        yield element("h2", {}, "Diagnostics")
    yield element("div", {"id": "diagnostics"}, "\n")
    yield element("h2", {}, "Legend")
    entries = []
    for strength, meaning in legend_entries(parts):
        line = svg({"viewBox": f"0 0 {SAMPLE:.0f} 10", "aria-hidden": "true"}, [sample(strength)])
        entries.append(line + element("span", {}, escape(meaning)))
    yield element("div", {"class": "legend"}, "\n".join(entries) or "\n")
    yield from (element("p", {"class": "dim"}, escape(note)) for note in parts.notes())
    keys = "  ".join(f"{element('kbd', {}, escape(key))} {escape(what)}" for key, what in KEYS)
    yield element("p", {"class": "dim"}, keys)


def _heading(found: InputPaths, parts: GraphParts) -> str:
    signs, output = parts.signs, parts.result.evaluation.output
    what = f"{signs.partial}{one_line(parts.labels[output])}/{signs.partial}{one_line(found.name)}"
    return f"{what} = {brief(found.total)}"


def _remarks(found: InputPaths) -> Iterator[str]:
    others = found.count - len(found.paths)
    if others > 0:
        yield f"{count_text(others)} other path{'s' * (others != 1)}, together {brief(found.rest)}"
    yield from path_remarks(found)


def _way(path: GradientPath, parts: GraphParts) -> Way:
    text = one_line(route(path, parts.nodes, parts.labels, parts.signs))
    edges = tuple(f"{above}:{k}" for above, k in zip(path.nodes[1:], path.arguments, strict=True))
    return Way("   ".join(filter(None, (brief(path.contribution), share_text(path), text))), path.nodes, edges)


def _beside_document(parts: GraphParts, ways: list[list[Way]]) -> dict[str, Any]:
    """What the script needs and the document does not say."""
    known = {node for i in parts.drawn for node in (i, *parts.nodes[i].arguments)}
    remarks = {}
    for box in parts.boxes:
        said = [line for line in box.lines[1:] if not line.startswith(parts.signs.up)]
        if box.kind == "constant":
            remarks[str(box.id)] = "no gradient: it depends on no input"
        elif said and box.verdict is None:
            remarks[str(box.id)] = said[0]
    return {
        "labels": {str(i): one_line(parts.labels[i]) for i in sorted(known)},
        "arguments": {str(i): list(parts.nodes[i].arguments) for i in parts.drawn},
        "remarks": remarks,
        "ways": [{"nodes": way.nodes, "edges": way.edges} for listed in ways for way in listed],
    }


def _data(parts: GraphParts, page: Page, beside: dict[str, Any]) -> str:
    """JSON in which nothing ends a script or begins a comment or an entity, whoever reads it."""
    document = StringIO()
    write_json(replace(parts.result, shown=parts.drawn, paths=(), difference=None), document, page)
    text = f'{{"graph": {document.getvalue()}, "beside": {encode(beside)}}}'
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _beside(name: str) -> str:
    """A file that stands beside this module."""
    return files("gradtool.report").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
