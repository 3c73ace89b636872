"""The graph as a flowchart of Mermaid (https://mermaid.js.org/syntax/flowchart.html), for Markdown: values go up by whole arrows,
gradients come down by dotted ones. The output comes first: Mermaid's layout breaks the cycles of the two as it meets them, and so
keeps most gradients on their way down.

Mermaid draws no more than 500 edges (its setting ``maxEdges``); of a larger graph the part nearest to the output is written,
unless the page is full.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import TextIO

from gradtool.report import Page
from gradtool.report.graph_drawing import Strength
from gradtool.report.graph_parts import Arrow, Box, GraphParts
from gradtool.results import GraphResult, Verdict

MOST_EDGES = 500

CLASSES = """\
classDef input stroke-width:2px
classDef constant stroke-dasharray:2 2
classDef output stroke-width:3px
classDef wrong stroke:#cf222e,stroke-width:3px
classDef beyond stroke-dasharray:2 2"""

STYLES = {
    Strength.ZERO: "stroke:#8c959f",
    Strength.VANISHED: "stroke:#bc6c00",
    Strength.EXPLODED: "stroke:#8250df,stroke-width:3px",
    Strength.NOT_FINITE: "stroke:#cf222e,stroke-width:3px",
}

_MARKUP = re.compile(r"[^\w\s(),.=+/^\[\]@-]|(?<![^\W_])_|_(?![^\W_])", re.ASCII)
"""What Mermaid may read as something other than text: in quotes, in Markdown, as HTML, as an entity or as a directive."""

_FORMULA = re.compile(r"(?<=\$)(?=\$)|(?<=:)(?=fa-)")
"""Where a blank without width keeps Mermaid from seeing a formula (``$$``) or an icon, which it looks for in the text itself."""


def render_graph(result: GraphResult, stream: TextIO, page: Page) -> None:
    """Write the graph as a ``flowchart TB``."""
    parts = GraphParts(result, page, most := MOST_EDGES // 2)
    while not page.full and len(parts.drawn) > 1 and _edges(parts) > MOST_EDGES:
        most = min(most, len(parts.drawn)) // 2
        parts = GraphParts(result, page, most)
    stream.write("flowchart TB\n")
    for note in (*parts.title(), *parts.notes()):
        stream.write(f"  %% {re.sub('[{}]', ' ', note)}\n")  # A brace would begin a directive.
    for statement in _statements(parts):
        stream.write(f"  {statement}\n")


def _edges(parts: GraphParts) -> int:
    return 2 * (len(parts.arrows) + len(parts.stubs))


def _statements(parts: GraphParts) -> Iterator[str]:
    styled: defaultdict[Strength, list[int]] = defaultdict(list)
    for box in reversed(parts.boxes):
        yield f'n{box.id}["{"<br/>".join(map(_escaped, (box.head, *box.lines)))}"]{_class(box)}'
    for stub in parts.stubs:
        yield f'{_beyond(stub.node, stub.above)}(["{_escaped(stub.text)}"]):::beyond'
    for position, (source, node, arrow) in enumerate(_ends(parts)):
        yield f"{source} --> {node}"
        if arrow is None:
            yield f"{node} -.-> {source}"
        elif arrow.sent:
            yield f'{node} -. "{_escaped(f"{arrow.local} {arrow.sent}")}" .-> {source}'
            styled[arrow.strength].append(2 * position + 1)
        else:
            yield f"{node} ~~~ {source}"  # Not seen: it keeps what has no gradient below what is computed from it.
    yield from CLASSES.split("\n")
    for strength, style in STYLES.items():
        if styled[strength]:
            yield f"linkStyle {','.join(map(str, styled[strength]))} {style}"


def _ends(parts: GraphParts) -> Iterator[tuple[str, str, Arrow | None]]:
    """From where to where values go, and the edge by which they do; None for several that leave the picture together."""
    for arrow in reversed(parts.arrows):
        yield f"n{arrow.source}", f"n{arrow.node}", arrow
    for stub in parts.stubs:
        node, beyond = f"n{stub.node}", _beyond(stub.node, stub.above)
        yield (node, beyond, stub.only) if stub.above else (beyond, node, stub.only)


def _beyond(node: int, above: bool) -> str:
    return f"n{node}{'above' if above else 'below'}"


def _class(box: Box) -> str:
    if box.verdict is Verdict.WRONG:
        return ":::wrong"
    return ":::output" if box.is_output else "" if box.kind == "operation" else f":::{box.kind}"


def _escaped(text: str) -> str:
    """Text in quotes: what might be markup goes by its number, as in ``#35;``."""
    text = _FORMULA.sub("\u200b", text)
    return _MARKUP.sub(lambda found: found[0] if ord(found[0]) > 127 else f"#{ord(found[0])};", text)
