"""Where the parts of a picture of a graph go: in layers from the top down, without overlaps.

The four steps of Sugiyama, Tagawa and Toda (1981). Layers: a box lies one below the lowest of those that it leads to.
Edges that cross layers are cut into pieces; those from one box share their pieces, and each edge has a piece of its own, with its
label, just below the box where it ends. The order within layers is igraph's (``layout_sugiyama``; the extra ``draw``). Positions
are ours, as boxes and labels have widths that igraph does not know: sweeps down and up put everything as near to what it is
joined with as its neighbours in the layer allow, which is an isotonic regression for each layer.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import NamedTuple

from gradtool.report.extras import extra

PURPOSE = "a drawing as SVG or HTML"
SIDE = 22.0
"""Between boxes, and between labels."""
LANE = 12.0
"""Between an edge that passes by and anything else."""
BETWEEN, MOST_BETWEEN = 26.0, 80.0
"""From layer to layer: the more, the further edges run to the side."""
SWEEPS = 24
STRAIGHT = 8.0
"""How much more the pieces of a long edge are drawn to each other than boxes are."""
PORT = 14.0
"""Between edges where they meet a box; less where there is no room."""

ORDERINGS = 24

Neighbours = defaultdict[int, list[tuple[int, float]]]


class Size(NamedTuple):
    """Of a box, or of an edge's label, which stands to the right of its line."""

    width: float
    height: float


class Link(NamedTuple):
    """An edge between two boxes, by their positions. ``label`` has no extent where there is none."""

    lower: int
    upper: int
    label: Size


class Place(NamedTuple):
    """The middle of a box."""

    x: float
    y: float


class Run(NamedTuple):
    """A vertical piece of an edge."""

    x: float
    top: float
    bottom: float


class Route(NamedTuple):
    """An edge from its ``start`` on the lower box up to its ``end`` on the upper one, through ``runs``, the lowest first. The
    last run is where the label stands."""

    start: Place
    runs: tuple[Run, ...]
    end: Place


class Layout(NamedTuple):
    """Where everything is: a place for each box, a route for each link."""

    width: float
    height: float
    places: tuple[Place, ...]
    routes: tuple[Route, ...]


@dataclass(slots=True)
class _Vertex:
    """A box, or a piece of an edge. ``left`` and ``right`` are its extents from the x that is looked for."""

    layer: int
    left: float
    right: float
    height: float
    space: float
    x: float = 0.0


def lay_out(boxes: Sequence[Size], links: Sequence[Link]) -> Layout:
    """A place for every box and a route for every link, which lead from boxes that come earlier to later ones.

    Raises ``MissingExtraError`` where igraph is not installed.
    """
    layers = box_layers(len(boxes), links)
    vertices = [
        _Vertex(2 * layer, size.width / 2, size.width / 2, size.height, SIDE)
        for layer, size in zip(layers, boxes, strict=True)
    ]
    edges: dict[tuple[int, int], float] = {}
    passing: dict[tuple[int, int], int] = {}
    chains = [_chain(link, vertices, edges, passing) for link in links]
    order = _order(vertices, edges)
    _spread_out(vertices, edges, order)
    _straighten(vertices, passing, order)
    tops, bottoms = _heights(vertices, edges, order)
    places = [Place(vertex.x, (tops[vertex.layer] + bottoms[vertex.layer]) / 2) for vertex in vertices[: len(boxes)]]
    ports = _ports(vertices, edges, len(boxes))
    routes = []
    for link, chain in zip(links, chains, strict=True):
        start = Place(ports[link.lower, chain[0]], places[link.lower].y - boxes[link.lower].height / 2)
        end = Place(ports[link.upper, chain[-1]], places[link.upper].y + boxes[link.upper].height / 2)
        runs = tuple(Run(vertices[v].x, tops[vertices[v].layer], bottoms[vertices[v].layer]) for v in chain)
        routes.append(Route(start, runs, end))
    width = max((vertex.x + vertex.right for vertex in vertices), default=0.0)
    return Layout(width, bottoms[-1] if bottoms else 0.0, tuple(places), tuple(routes))


def box_layers(count: int, links: Sequence[Link]) -> list[int]:
    """The layer of each box, 0 at the top."""
    below: defaultdict[int, list[int]] = defaultdict(list)
    layers = [0] * count
    tops = set(range(count)) - {link.lower for link in links}
    for link in links:
        below[link.upper].append(link.lower)
    for box in range(count - 1, -1, -1):  # Whatever a box leads to comes later.
        for lower in below[box]:
            layers[lower] = max(layers[lower], layers[box] + 1)
    for box in tops:
        layers[box] = max(0, min((layers[lower] for lower in below[box]), default=1) - 1)
    return layers


def nearest_apart(targets: Sequence[float], apart: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The positions next to ``targets``, by weighted least squares, of which each is at least ``apart[k]`` right of the one
    before (``apart[0]`` has no meaning).

    By pooling neighbours that are too near to each other (Ayer et al., 1955).
    """
    offsets, offset = [], 0.0
    for k, distance in enumerate(apart):
        offset += distance if k else 0.0
        offsets.append(offset)
    pools: list[tuple[float, float, int]] = []
    for target, offset, weight in zip(targets, offsets, weights, strict=True):
        mean, total, count = target - offset, weight, 1
        while pools and pools[-1][0] > mean:
            before, heavy, many = pools.pop()
            mean = (mean * total + before * heavy) / (total + heavy)
            total, count = total + heavy, count + many
        pools.append((mean, total, count))
    means = [mean for mean, _, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def _chain(
    link: Link,
    vertices: list[_Vertex],
    edges: dict[tuple[int, int], float],
    passing: dict[tuple[int, int], int],
) -> list[int]:
    """The pieces of an edge, from its lower box up. ``passing`` are those by (box, layer) that edges from a box share."""
    chain, low, high = [], vertices[link.lower].layer, vertices[link.upper].layer
    last = link.lower
    for layer in range(low - 1, high + 1, -1):
        piece = passing.get((link.lower, layer))
        if piece is None:
            piece = passing[link.lower, layer] = len(vertices)
            vertices.append(_Vertex(layer, 0.0, 0.0, 0.0, LANE))
        edges[last, piece] = 1.0 if last == link.lower else STRAIGHT
        chain.append(piece)
        last = piece
    label, size = len(vertices), link.label
    vertices.append(_Vertex(high + 1, 0.0, size.width, size.height, SIDE if size.width else LANE))
    edges[last, label] = 1.0
    edges[label, link.upper] = 1.0
    return [*chain, label]


def _order(vertices: Sequence[_Vertex], edges: dict[tuple[int, int], float]) -> list[list[int]]:
    """The vertices of each layer from left to right, so that edges cross as little as may be."""
    igraph = extra("igraph", "draw", PURPOSE)
    graph = igraph.Graph(n=len(vertices), edges=[(upper, lower) for lower, upper in edges], directed=True)
    found = graph.layout_sugiyama(layers=[vertex.layer for vertex in vertices], maxiter=200)
    order: list[list[int]] = [[] for _ in range(max((vertex.layer for vertex in vertices), default=-1) + 1)]
    for _, v in sorted((float(found[v][0]), v) for v in range(len(vertices))):
        order[vertices[v].layer].append(v)
    return _swept(order, edges)


def _swept(order: list[list[int]], edges: Iterable[tuple[int, int]]) -> list[list[int]]:
    """The order with the fewest crossings of those that more sweeps down and up lead to, in each of which a layer is ordered by
    the mean place of what it is joined with in the layer before. It is igraph's own where none has fewer."""
    above, below = _neighbours((edge, 1.0) for edge in edges)
    best, fewest = order, crossings(order, above)
    for sweep in range(ORDERINGS):
        if not fewest:
            break
        joined = below if sweep % 2 else above
        order = [list(layer) for layer in order]
        in_turn = order[::-1] if sweep % 2 else order
        for before, layer in pairwise(in_turn):
            place = {v: k for k, v in enumerate(before)}
            means = {
                v: sum(place[u] for u, _ in joined[v]) / len(joined[v]) if joined[v] else k for k, v in enumerate(layer)
            }
            layer.sort(key=means.__getitem__)
        found = crossings(order, above)
        if found < fewest:
            best, fewest = order, found
    return best


def crossings(order: Sequence[Sequence[int]], above: Neighbours) -> int:
    """How many pairs of edges cross."""
    count = 0
    for upper, lower in pairwise(order):
        place = {v: k for k, v in enumerate(upper)}
        ends: list[int] = []
        for v in lower:
            ways = sorted(place[u] for u, _ in above[v])
            count += sum(len(ends) - bisect_right(ends, way) for way in ways)
            for way in ways:
                insort(ends, way)
    return count


def _neighbours(edges: Iterable[tuple[tuple[int, int], float]]) -> tuple[Neighbours, Neighbours]:
    """What each vertex is joined with above and below it, and how much that weighs."""
    above: Neighbours = defaultdict(list)
    below: Neighbours = defaultdict(list)
    for (lower, upper), weight in edges:
        above[lower].append((upper, weight))
        below[upper].append((lower, weight))
    return above, below


def _spread_out(vertices: list[_Vertex], edges: dict[tuple[int, int], float], order: Sequence[Sequence[int]]) -> None:
    """Set every ``x``, from 0 on."""
    above, below = _neighbours(edges.items())
    apart = [[0.0, *(_distance(vertices[a], vertices[b]) for a, b in pairwise(layer))] for layer in order]
    for layer, distances in zip(order, apart, strict=True):
        x = 0.0
        for v, distance in zip(layer, distances, strict=True):
            x += distance
            vertices[v].x = x
    for sweep in range(SWEEPS):
        last = sweep >= SWEEPS - 2
        down = sweep % 2 == 0
        for k in range(len(order)) if down else range(len(order) - 1, -1, -1):
            targets, weights = [], []
            for v in order[k]:
                joined = above[v] + below[v] if last else (above[v] if down else below[v])
                total = sum(weight for _, weight in joined)
                mean = sum(vertices[u].x * weight for u, weight in joined) / total if joined else vertices[v].x
                targets.append(mean)
                weights.append(total or 0.1)
            for v, x in zip(order[k], nearest_apart(targets, apart[k], weights), strict=True):
                vertices[v].x = x
    left = min((vertex.x - vertex.left for vertex in vertices), default=0.0)
    for vertex in vertices:
        vertex.x -= left


def _straighten(
    vertices: list[_Vertex], passing: Mapping[tuple[int, int], int], order: Sequence[Sequence[int]]
) -> None:
    """Let edges that pass by several layers run straight as far as what stands beside them allows."""
    room = {}
    for layer in order:
        for k, v in enumerate(layer):
            room[v] = (layer[k - 1] if k else None, layer[k + 1] if k + 1 < len(layer) else None)

    def limits(v: int) -> tuple[float, float]:
        left, right = room[v]
        return (
            -inf if left is None else vertices[left].x + _distance(vertices[left], vertices[v]),
            inf if right is None else vertices[right].x - _distance(vertices[v], vertices[right]),
        )

    def settle(pieces: Sequence[int], low: float, high: float) -> None:
        mean = sum(vertices[v].x for v in pieces) / len(pieces)
        for v in pieces:
            vertices[v].x = min(max(mean, low), high)

    ways: defaultdict[int, list[int]] = defaultdict(list)
    for (box, _), v in sorted(passing.items(), reverse=True):  # From the box up.
        ways[box].append(v)
    for way in ways.values():
        straight: list[int] = []
        low, high = -inf, inf
        for v in way:
            least, most = limits(v)
            if straight and max(low, least) > min(high, most):
                settle(straight, low, high)
                straight, low, high = [], -inf, inf
            straight.append(v)
            low, high = max(low, least), min(high, most)
        settle(straight, low, high)


def _distance(a: _Vertex, b: _Vertex) -> float:
    return a.right + b.left + max(a.space, b.space)


def _heights(
    vertices: Sequence[_Vertex], edges: dict[tuple[int, int], float], order: Sequence[Sequence[int]]
) -> tuple[list[float], list[float]]:
    """Where each layer begins and ends."""
    aside = [0.0] * (len(order) + 1)
    for lower, upper in edges:
        k = vertices[lower].layer
        aside[k] = max(aside[k], abs(vertices[lower].x - vertices[upper].x))
    tops, bottoms, y = [], [], 0.0
    for k, layer in enumerate(order):
        y += min(BETWEEN + aside[k] / 10, MOST_BETWEEN) if k else 0.0
        tops.append(y)
        y += max((vertices[v].height for v in layer), default=0.0)
        bottoms.append(y)
    return tops, bottoms


def _ports(
    vertices: Sequence[_Vertex], edges: dict[tuple[int, int], float], boxes: int
) -> dict[tuple[int, int], float]:
    """(box, piece beside it) -> x where they meet: straight above or below the piece, as far as there is room for all."""
    beside: defaultdict[tuple[int, bool], list[int]] = defaultdict(list)
    for lower, upper in edges:
        if lower < boxes:
            beside[lower, True].append(upper)
        if upper < boxes:
            beside[upper, False].append(lower)
    found = {}
    for (box, _), pieces in beside.items():
        pieces.sort(key=lambda v: vertices[v].x)
        middle, room = vertices[box].x, max(vertices[box].left - 8.0, 0.0)
        step = min(PORT, 2 * room / len(pieces))
        xs = nearest_apart([vertices[v].x for v in pieces], [step] * len(pieces), [1.0] * len(pieces))
        for k, (v, x) in enumerate(zip(pieces, xs, strict=True)):
            first, last = middle - room + k * step, middle + room - (len(pieces) - 1 - k) * step
            found[box, v] = min(max(x, first), last)
    return found
