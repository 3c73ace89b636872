"""The graph in DOT, the language of Graphviz (https://graphviz.org/doc/info/lang.html): values and upstream gradients on nodes,
local and downstream gradients on edges. Edges point the way values flow, and the output is on top."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from gradtool.report import Page
from gradtool.report.graph_drawing import Strength
from gradtool.report.graph_parts import Arrow, Box, GraphParts, Stub
from gradtool.results import GraphResult, Verdict

HEAD = """\
digraph gradient {
  graph [rankdir=BT, labelloc=t, labeljust=l, fontname="monospace", fontsize=11];
  node [shape=box, style=rounded, fontname="monospace", fontsize=11];
  edge [fontname="monospace", fontsize=9];
"""

STYLES = {
    Strength.PLAIN: {},
    Strength.ZERO: {"style": "dashed", "color": "gray50", "fontcolor": "gray40"},
    Strength.VANISHED: {"color": "darkorange3", "fontcolor": "darkorange3"},
    Strength.EXPLODED: {"color": "purple", "fontcolor": "purple", "penwidth": "2"},
    Strength.NOT_FINITE: {"color": "red3", "fontcolor": "red3", "penwidth": "2"},
    Strength.NONE: {"style": "dotted", "color": "gray60"},
}


def render_graph(result: GraphResult, stream: TextIO, page: Page) -> None:
    """Write the graph as a ``digraph``."""
    parts = GraphParts(result, page, most=len(result.shown))
    stream.write(HEAD)
    stream.write(f"  label={_quoted(*parts.title(), *parts.notes(), left=True)};\n")
    for statement in _statements(parts):
        stream.write(f"  {statement};\n")
    stream.write("}\n")


def _statements(parts: GraphParts) -> Iterator[str]:
    for box in parts.boxes:
        yield f"n{box.id}{_box(box)}"
    for arrow in parts.arrows:
        yield f"n{arrow.source} -> n{arrow.node}{_arrow(arrow)}"
    for stub in parts.stubs:
        name = _stub(stub)
        yield f'{name} [label={_quoted(stub.text)}, shape=plaintext, fontcolor="gray40"]'
        ends = (f"n{stub.node}", name) if stub.above else (name, f"n{stub.node}")
        yield f"{' -> '.join(ends)}{_arrow(stub.only)}"


def _box(box: Box) -> str:
    attributes = {"label": _quoted(box.head, *box.lines), "tooltip": _quoted(box.whole)}
    if box.verdict is Verdict.WRONG:
        attributes |= {"color": '"red3"', "fontcolor": '"red3"', "penwidth": "2"}
    elif box.is_output:
        attributes["penwidth"] = "2"
    elif box.kind == "constant":
        attributes |= {"color": '"gray60"', "fontcolor": '"gray40"'}
    if box.kind == "input":
        attributes["style"] = "solid"
    return _listed(attributes)


def _arrow(arrow: Arrow | None) -> str:
    """The attributes of an edge; of several that leave the picture together, None."""
    if arrow is None:
        return _listed({"style": '"dashed"'})
    label = {"label": _quoted(arrow.local, arrow.sent)} if arrow.sent else {}
    return _listed(label | {name: f'"{value}"' for name, value in STYLES[arrow.strength].items()})


def _stub(stub: Stub) -> str:
    return f"n{stub.node}_{'above' if stub.above else 'below'}"


def _listed(attributes: dict[str, str]) -> str:
    return f" [{', '.join(f'{name}={value}' for name, value in attributes.items())}]" if attributes else ""


def _quoted(*lines: str, left: bool = False) -> str:
    """Lines of text as a quoted string. Graphviz reads escapes in it (``\\N`` is the node's name), and the entities of HTML."""
    end = "\\l" if left else "\\n"
    escaped = [line.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;") for line in lines]
    return f'"{end.join(escaped)}{end if left else ""}"'
