"""The paths by which a gradient comes down from the output to an input, the largest first.

A gradient is the sum over all paths of what each brings (Bauer, *Computational graphs and rounding error*, SIAM J. Numer.
Anal. 11, 1974), and there may be exponentially many: so they are never all looked at unless they are few. At every node, from the
output down, the largest partial contributions are kept. For numbers that is exact, since a larger factor above stays a
larger product below. For arrays what is let go is held against a bound of what it could still have become; where that does not
rule it out, more are kept, as long as the work is bearable.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf, isfinite, nan, prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradtool.autodiff.backward import Gradients, edges, send_down, sum_to, through
from gradtool.autodiff.forward import underflown
from gradtool.autodiff.plan import Plan, carrying
from gradtool.results import GradientPath, InputPaths, Rule

if TYPE_CHECKING:
    from gradtool.results import Value

Array = NDArray[Any]
Path = tuple[tuple[int, ...], tuple[int, ...]]
"""Nodes from the input up, and as which argument each enters the next."""

BUDGET = 10_000_000
"""Work that a search may take to prove its answer, in entries multiplied: some tenths of a second."""
CALL = 2_000
"""What calling an operation costs beside its entries, in the same unit."""
WIDENING = 8
JACOBIAN_ENTRIES, JACOBIAN_ROWS, ALL_ROWS = 1 << 18, 1 << 9, 20_000
"""Jacobians are made for the bounds only up to this size, and so many rows of them in all."""


def gradient_paths(gradients: Gradients, values: Sequence[Any], name: str, top: int = 10) -> InputPaths:
    """The ``top`` paths that carry most of the gradient of the input ``name``, given the values of ``forward``.

    A path's contribution is the upstream of the output pushed down along its edges alone, an array of the input's shape.
    Its size is its 2-norm; one that is not finite is larger than any number. All ways through arguments that carry a
    gradient are counted, also those that bring 0.

    Raises ``KeyError`` for an unknown name and ``ValueError`` for an input that is not differentiated or a negative ``top``.
    """
    plan, node = gradients.plan, gradients.plan.graph.inputs[name]
    if name not in plan.wrt:
        raise ValueError(f"{name} is not differentiated, and so has no gradient that paths could carry")
    if top < 0:
        raise ValueError(f"top is {top}: the number of paths to list cannot be negative")
    total = np.asarray(gradients.of(name))
    if not carrying(plan.graph, plan.resolved, (name,))[plan.graph.output]:
        return InputPaths(name, node, _plain(total), (), _plain(np.zeros_like(total)), 0, None)
    with np.errstate(all="ignore"):
        routes = _Routes(gradients, values, name)
        best, proven, everything = _largest(routes, max(top, 1))
        listed = best[:top]
        paths = tuple(GradientPath(*path, _plain(found), _share(found, total)) for path, found in listed)
        if len(listed) == routes.count:
            rest = np.zeros_like(total)  # Nothing is left, and the rounding of a difference would say otherwise.
        else:
            rest = _rest(total, [found for _, found in listed], max((len(path[0]) for path, _ in listed), default=0))
        if routes.is_scalar:
            everything = _sum_of_sizes(routes)
        cancelled = _cancellation(float(_sizes(total[None])[0]), everything)
    return InputPaths(name, node, _plain(total), paths, _plain(rest), routes.count, cancelled, bool(proven))


class _Edge(NamedTuple):
    """From the node ``consumer`` down to its argument at ``position``. ``local`` has the consumer's shape; None where the
    operation is not elementwise."""

    consumer: int
    position: int
    source: int
    local: Array | None


class _Routes:
    """The part of a graph between its output and one input: all edges that lie on a path."""

    def __init__(self, gradients: Gradients, values: Sequence[Any], name: str) -> None:
        self.gradients, self.values, self.plan = gradients, values, gradients.plan
        plan = self.plan
        self.input, self.output = plan.graph.inputs[name], plan.graph.output
        leads = carrying(plan.graph, plan.resolved, (name,))
        self.down: dict[int, list[_Edge]] = {}
        """The edges of each node on the way, in the order of the arguments; the nodes from the output down."""
        self.ways: dict[int, int] = {}
        """How many paths come down to a node, but no more than ``BUDGET``."""
        ways = {self.output: 1}
        for i in range(self.output, self.input - 1, -1):
            if i not in ways:
                continue
            found = [
                _Edge(i, e.argument, e.source, None if isinstance(e.local, Rule) else np.asarray(e.local))
                for e in (edges(gradients, values, i) if i != self.input else ())
                if leads[e.source]
            ]
            self.down[i] = found
            arrived = ways.pop(i)
            self.ways[i] = min(arrived, BUDGET)
            for edge in found:
                ways[edge.source] = ways.get(edge.source, 0) + arrived
            self.count = arrived  # The input comes last.
        self.is_scalar = all(prod(plan.shapes[i]) == 1 for i in self.down)
        self._weights: dict[int, Array] | None = None

    def seed(self) -> Array:
        """The upstream of the output, as a stack of one."""
        return np.asarray(self.gradients.adjoints[self.output], dtype=self.plan.dtype)[None]

    def push(self, edge: _Edge, rows: Array) -> Array:
        """What a stack of contributions at the edge's consumer becomes at its source."""
        plan, operation, shape = self.plan, self.plan.operations[edge.consumer], self.plan.shapes[edge.source]
        assert operation is not None
        if edge.local is None:
            pushed = [send_down(plan, edge.consumer, operation, edge.position, self.values, row) for row in rows]
            return np.asarray(pushed, dtype=plan.dtype).reshape(len(rows), *shape)
        product = np.asarray(through(operation, rows, edge.local), dtype=plan.dtype)
        if product.shape[1:] == shape:
            return product
        padded = (len(rows), *(1,) * (product.ndim - 1 - len(shape)), *shape)
        return sum_to(product, padded).reshape(len(rows), *shape)

    def cost(self, width: int) -> int:
        """The work of pushing down all that arrives at each node, but no more than ``width``."""
        cost = 0
        for i, found in self.down.items():
            rows, size = min(width, self.ways[i]), prod(self.plan.shapes[i])
            for edge in found:
                cost += CALL + rows * (size + prod(self.plan.shapes[edge.source]) + CALL * (edge.local is None))
        return cost

    def upper(self, i: int, rows: Array) -> Array:
        """For each of a stack of contributions at node ``i`` a bound of its size at the input, whichever path it takes."""
        if self._weights is None:
            self._weights = _weights(self)
        return _sizes(rows * self._weights[i])


def _largest(routes: _Routes, top: int) -> tuple[list[tuple[Path, Array]], bool, float | None]:
    """The largest contributions and their paths; whether they are proven to be so; the sum of all sizes, if it came out."""
    found: dict[Path, tuple[float, Array]] = {}
    reached = 0.0
    for width in _widths(routes, top):
        rows, paths, sizes, dropped = _descend(routes, width, top, reached)
        found.update((path, (size, row)) for path, size, row in zip(paths, sizes, rows, strict=False))
        best = sorted(found, key=lambda path: (-found[path][0], path))[:top]
        reached = found[best[-1]][0] if len(best) == min(top, routes.count) else 0.0
        if dropped <= reached * (1 + _slack(routes.plan)):
            break
    everything = float(np.sum(sizes)) if len(sizes) == routes.count else None
    return [(path, found[path][1]) for path in best], dropped <= reached * (1 + _slack(routes.plan)), everything


def _widths(routes: _Routes, top: int) -> Iterator[int]:
    """How many contributions to keep at a node: all, if that is bearable, else more and more."""
    most = max(routes.ways.values())
    if not routes.is_scalar and routes.cost(most) <= BUDGET:
        yield max(top, most)
        return
    width = top
    yield width
    while width < most:
        width *= WIDENING
        if routes.cost(width) > BUDGET:
            return
        yield width


def _slack(plan: Plan) -> float:
    """What rounding may do to a bound, relative."""
    return float(np.sqrt(np.finfo(plan.dtype).eps))


def _descend(routes: _Routes, width: int, top: int, reached: float) -> tuple[Array, list[Path], Array, float]:
    """One sweep down that keeps ``width`` contributions at each node, less those that cannot reach the size ``reached``.

    Gives the contributions that arrive at the input, the paths of the ``top`` largest of them, which come first, the
    sizes, and a bound of the size of the largest that was let go for want of room.
    """
    arriving: dict[int, list[tuple[_Edge | None, Array]]] = {routes.output: [(None, routes.seed())]}
    came: dict[int, tuple[list[_Edge | None], Array, Array]] = {}
    dropped, floor = 0.0, reached * (1 - _slack(routes.plan))
    for i, down in routes.down.items():
        pieces = arriving.pop(i)[::-1]  # The first consumer first: of equals that one is kept.
        rows = pieces[0][1] if len(pieces) == 1 else np.concatenate([piece for _, piece in pieces])
        which = np.repeat(np.arange(len(pieces)), [len(piece) for _, piece in pieces])
        row_above = np.concatenate([np.arange(len(piece)) for _, piece in pieces])
        if len(rows) > width or floor > 0:
            sizes = _sizes(rows)
            upper = sizes if routes.is_scalar else routes.upper(i, rows)
            order = np.lexsort((-sizes, -upper))
            if not routes.is_scalar:  # Of numbers the larger one stays so.
                order = order[upper[order] >= floor]
                if len(order) > width:
                    dropped = max(dropped, float(upper[order[width]]))
            order = np.sort(order[:width])
            rows, which, row_above = rows[order], which[order], row_above[order]
        came[i] = ([edge for edge, _ in pieces], which, row_above)
        for edge in reversed(down):
            arriving.setdefault(edge.source, []).append((edge, routes.push(edge, rows)))
    sizes = _sizes(rows)
    order = np.argsort(-sizes, kind="stable")
    paths = [_path(came, routes.input, int(row)) for row in order[:top]]
    return rows[order], paths, sizes[order], dropped


def _path(came: dict[int, tuple[list[_Edge | None], Array, Array]], node: int, row: int) -> Path:
    """The way up from a row at ``node``."""
    nodes: list[int] = [node]
    arguments: list[int] = []
    while True:
        from_, which, row_above = came[node]
        edge = from_[which[row]]
        if edge is None:
            return tuple(nodes), tuple(arguments)
        node, row = edge.consumer, int(row_above[row])
        nodes.append(node)
        arguments.append(edge.position)


# Bounds ------------------------------------------------------------------------------------------------------------


def _weights(routes: _Routes) -> dict[int, Array]:
    """For each node an array w of its shape: whatever path a contribution u takes from there, its size at the input is at most
    that of w*u.

    Through an edge with the Jacobian J, whose sum over outputs gives what arrives, ``w_above^2 = |J| (w_below^2 * sum |J|)``:
    the Cauchy-Schwarz inequality with the weights |J| (Schur's test). It is exact for what only picks, moves and
    scales entries, and infinite where the Jacobian would be too large to make.
    """
    plan = routes.plan
    found: dict[int, Array] = {routes.input: np.ones(plan.shapes[routes.input])}
    rows_left = ALL_ROWS
    for i, down in reversed(routes.down.items()):
        if i == routes.input:
            continue
        jacobians: dict[int, Array] = {}
        if any(edge.local is None for edge in down):
            jacobians = _jacobians(routes, i, rows_left)
            rows_left -= len(jacobians) * prod(plan.shapes[i])
        bound = np.zeros(plan.shapes[i])
        for edge in down:
            below = found[edge.source]
            if edge.local is not None:
                above = _above_elementwise(plan, edge, edge.local, below)
            elif edge.position in jacobians:
                above = _above_structured(jacobians[edge.position].reshape(-1, below.size), below.ravel())
            else:
                above = np.full(bound.size, inf)
            bound = np.maximum(bound, above.reshape(bound.shape))
        found[i] = np.where(np.isnan(bound), inf, bound)
    return found


def _jacobians(routes: _Routes, i: int, rows_left: int) -> dict[int, Array]:
    """|Jacobian| of each argument of a node that is not elementwise; nothing where they would be too large."""
    shapes = routes.plan.shapes
    size, sources = prod(shapes[i]), routes.plan.graph.arguments[i]
    if size > JACOBIAN_ROWS or size * len(sources) > rows_left:
        return {}
    if size * max(prod(shapes[a]) for a in sources) > JACOBIAN_ENTRIES:
        return {}
    return {
        edge.argument: np.abs(np.asarray(edge.local.jacobian, dtype=np.float64))
        for edge in edges(routes.gradients, routes.values, i, jacobians=True)
        if isinstance(edge.local, Rule)
    }


def _above_elementwise(plan: Plan, edge: _Edge, local: Array, below: Array) -> Array:
    operation = plan.operations[edge.consumer]
    assert operation is not None
    local = np.abs(local.astype(np.float64))
    if local.shape == below.shape:
        return underflown(through(operation, below, local), (local, below))
    # The roots one by one: their product neither overflows nor underflows where the bound does not.
    summed = np.sqrt(sum_to(local, below.shape)) * below
    below = np.broadcast_to(below, local.shape)
    return underflown(through(operation, np.broadcast_to(summed, local.shape), np.sqrt(local)), (local, below))


def _above_structured(jacobian: Array, below: Array) -> Array:
    if not np.isfinite(below).all():
        return np.full(len(jacobian), inf)
    scale = float(below.max(initial=0.0)) or 1.0
    squared = jacobian @ ((below / scale) ** 2 * jacobian.sum(axis=0))
    reaches = (jacobian > 0).astype(float) @ (below > 0).astype(float)
    return underflown(scale * np.sqrt(squared), (reaches,))


# What is made of it ------------------------------------------------------------------------------------------------


def _sizes(rows: Array) -> Array:
    """The 2-norm of each of a stack, without overflow on the way; infinity where it is not a number."""
    flat = np.abs(rows.reshape(len(rows), prod(rows.shape[1:])).astype(np.float64))
    largest = flat.max(axis=1, initial=0.0)
    scale = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
    found = scale * np.sqrt(((flat / scale[:, None]) ** 2).sum(axis=1))
    return np.where(np.isnan(found), inf, found)


def _sum_of_sizes(routes: _Routes) -> float:
    """The sum of the sizes of all contributions, where each is a number: the sweep of ``backward`` with absolute values."""
    amounts = {routes.output: np.abs(routes.seed())}
    for down in routes.down.values():
        for edge in down:
            pushed = np.abs(routes.push(edge, amounts[edge.consumer]))
            before = amounts.get(edge.source)
            amounts[edge.source] = pushed if before is None else before + pushed
    return float(amounts[routes.input].item())


def _cancellation(total: float, everything: float | None) -> float | None:
    if everything is None or everything == 0 or not isfinite(everything):
        return None
    return min(1.0, total / everything)


def _share(contribution: Array, total: Array) -> float:
    scale = float(np.max(np.abs(total), initial=0.0))
    if scale == 0 or not isfinite(scale):
        return nan
    unit = (total / scale).astype(np.float64).ravel()
    return float((contribution / scale).astype(np.float64).ravel() @ unit / (unit @ unit))


def _rest(total: Array, listed: list[Array], length: int) -> Array:
    """What is left of the total, and 0 where that is no more than the rounding of products of ``length`` factors."""
    eps = float(np.finfo(total.dtype).eps)
    rest, size = np.array(total), np.abs(total)
    for contribution in listed:
        rest = rest - contribution
        size = size + np.abs(contribution)
    return np.where(np.abs(rest) <= (length + len(listed)) * eps * size, 0.0, rest).astype(total.dtype)


def _plain(value: Array) -> Value:
    """A float where it is a scalar."""
    return float(value) if value.ndim == 0 else value
