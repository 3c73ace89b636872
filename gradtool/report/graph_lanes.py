"""A graph laid out in rows with a lane for every edge that is under way, as ``git log --graph`` shows history.

The output is on top, and a node stands below all that is computed from it. Edges to one node share a lane: what is used twice is
reached by two edges and drawn once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

NODE, DOWN, RIGHT, TO_NAME, OUT_OF_SIGHT, OPEN = "●", "│", "─", "▸", "…", "┆"
ASCII = str.maketrans("●│─▸…┆├┤╮╯╭╰", "*|->~:++.'.'")
"""What the characters of a gutter are where a stream lacks them."""

_LOOP = -1
"""In place of the node that a lane runs to: the second edge of ``x*x``, until it meets the first."""


class Way(Enum):
    """How an edge is drawn: as a lane down to its node; by the node's name, as there was no room for a lane; or by the name of a
    node that is not drawn at all."""

    LANE = "lane"
    NAME = "name"
    HIDDEN = "hidden"


class NodeRow(NamedTuple):
    """A row with a node in it. ``gutter`` is what stands in the lanes, two characters a lane."""

    gutter: str
    node: int


class EdgeRow(NamedTuple):
    """A row with the edge from ``node`` to its ``argument`` (a position)."""

    gutter: str
    node: int
    argument: int
    source: int
    way: Way


Row = NodeRow | EdgeRow
Arguments = Mapping[int, Sequence[tuple[int, int]]]
"""Node -> (position, source) of each argument to be drawn."""


def drawing_order(shown: Sequence[int], arguments: Arguments, first: int) -> list[int]:
    """The nodes from the top down, ``first`` before all others that nothing is computed from.

    Goes down one branch at a time, the one first that has less open on its way (as registers are allocated in trees: Sethi and
    Ullman, 1970), so that few lanes run at once. ``shown`` is in topological order.
    """
    visible = set(shown)
    sources = {node: list(dict.fromkeys(s for _, s in arguments[node] if s in visible)) for node in shown}
    waiting = Counter(source for node in shown for source in sources[node])
    need: dict[int, int] = {}
    for node in shown:
        # What several nodes need is drawn after the last of them, wherever that is: until then it is one lane.
        below = sorted(1 if waiting[source] > 1 else need[source] for source in sources[node])
        need[node] = max((n + len(below) - 1 - k for k, n in enumerate(below)), default=1)
    tops = [node for node in shown if not waiting[node]]
    pending = sorted(tops, key=lambda node: node == first)
    order = []
    while pending:
        node = pending.pop()
        order.append(node)
        ready = []
        for source in sources[node]:
            waiting[source] -= 1
            if not waiting[source]:
                ready.append(source)
        pending += sorted(ready, key=need.__getitem__)[::-1]
    return order


def rows(order: Sequence[int], arguments: Arguments, most: int) -> Iterator[Row]:
    """The rows of a drawing with at most ``most`` lanes, of which one is kept for nodes that no lane runs to."""
    layout = _Layout(order, arguments, most)
    for node in order:
        yield from layout.draw(node)


def running_on(gutter: str, glyph: str = DOWN, node_too: bool = False) -> str:
    """What stands below a gutter where text needs another line, or where a drawing breaks off: the lanes that go on, and the
    node's own where ``node_too``."""
    going = "│├┤╮╭" + NODE * node_too
    return "".join(glyph if above in going else " " for above in gutter)


class _Layout:
    def __init__(self, order: Sequence[int], arguments: Arguments, most: int) -> None:
        self._position = {node: k for k, node in enumerate(order)}
        self._arguments = arguments
        self._most = most
        self._lanes: list[int | None] = []
        self._lane_of: dict[int, int] = {}

    def draw(self, node: int) -> Iterator[Row]:
        """The row of a node, and one for each of its arguments."""
        stem = self._lane_of.pop(node, None)
        if stem is None:
            stem = self._free(0, self._most)
            assert stem is not None, "one lane is kept free of edges"
            self._open(stem, node)
        yield NodeRow(self._gutter(stem, NODE), node)
        edges = self._arguments[node]
        own = self._goes_on(stem, [source for _, source in edges])
        times = Counter(source for _, source in edges)[own] if own is not None else 0
        loop: int | None = None
        for k, (position, source) in enumerate(edges):
            ends = own is None and k == len(edges) - 1
            way = Way.LANE
            if source not in self._position:
                way = Way.HIDDEN
                gutter = self._short(stem, OUT_OF_SIGHT, ends)
            elif source == own:
                before, times = loop, times - 1
                if loop is None and times:
                    loop = self._free(stem + 1, self._most - 1)
                    if loop is not None:
                        self._open(loop, _LOOP)
                if loop is None:
                    gutter = self._gutter(stem, DOWN)
                elif before is None:
                    gutter = self._across(stem, loop, "╮", ends)
                else:
                    gutter = self._across(stem, loop, "┤" if times else "╯", ends)
                    if not times:
                        self._lanes[loop] = None
            elif (lane := self._lane_of.get(source)) is not None:
                gutter = self._across(stem, lane, "┤" if lane > stem else "├", ends)
            elif (lane := self._free(stem + 1, self._most - 1)) is not None:
                self._open(lane, source)
                self._lane_of[source] = lane
                gutter = self._across(stem, lane, "╮" if lane > stem else "╭", ends)
            else:
                way = Way.NAME
                gutter = self._short(stem, TO_NAME, ends)
            yield EdgeRow(gutter, node, position, source, way)
        self._lanes[stem] = own
        if own is not None:
            self._lane_of[own] = stem
        while self._lanes and self._lanes[-1] is None:
            self._lanes.pop()

    def _goes_on(self, stem: int, sources: Sequence[int]) -> int | None:
        """The argument that gets the node's own lane: of those that no lane runs to yet the one that is drawn last."""
        new = [source for source in sources if source in self._position and source not in self._lane_of]
        if not new or stem >= self._most - 1:
            return None
        return max(new, key=self._position.__getitem__)

    def _free(self, start: int, stop: int) -> int | None:
        """A lane below ``stop`` that nothing runs in: the next from ``start`` on, else the next to the left of it."""
        right = next((k for k in range(start, len(self._lanes)) if k < stop and self._lanes[k] is None), None)
        if right is not None:
            return right
        if max(start, len(self._lanes)) < stop and len(self._lanes) >= start:
            return len(self._lanes)
        return next((k for k in range(min(start, stop) - 1, -1, -1) if self._lanes[k] is None), None)

    def _open(self, lane: int, node: int) -> None:
        self._lanes += [None] * (lane + 1 - len(self._lanes))
        self._lanes[lane] = node

    def _gutter(self, stem: int, glyph: str) -> str:
        """All lanes running straight down, but ``glyph`` in one of them."""
        return "".join(
            (glyph if k == stem else " " if node is None else DOWN) + " " for k, node in enumerate(self._lanes)
        )

    def _short(self, stem: int, glyph: str, ends: bool) -> str:
        """An edge that leaves its stem and runs nowhere."""
        gutter = self._gutter(stem, "╰" if ends else "├")
        return gutter[: 2 * stem + 1] + glyph + gutter[2 * stem + 2 :]

    def _across(self, stem: int, lane: int, corner: str, ends: bool) -> str:
        """An edge from a stem to another lane, behind the lanes between them."""
        left, right = sorted((stem, lane))
        leaving = ("╰" if lane > stem else "╯") if ends else ("├" if lane > stem else "┤")
        gutter = list(self._gutter(stem, leaving))
        gutter[2 * lane] = corner
        for k in range(2 * left + 1, 2 * right):
            if gutter[k] == " ":
                gutter[k] = RIGHT
        return "".join(gutter)
