"""Edge rules: what people write in place of the rule of a matrix product, a transposition, a shift, an index, a maximum; and
parts of the program that are left out of backward altogether.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gradtool.diagnosis.fitting import Array
from gradtool.diagnosis.program import Block, Change, Edge, Program, sum_to
from gradtool.diagnosis.slopes import MAX_BLOCKS, PLAIN, Kind, describe_block, place_of
from gradtool.ops import REGISTRY

MAX_FACTORS = 10
SHARPNESS = (1.0, 2.0, 3.0, 4.0, 5.0, 8.0, 10.0, 20.0, 50.0, 100.0)
"""Of the softmax that stands in the place of a maximum."""
MOVING = frozenset({"roll", "flip", "sort"})
"""Operations that put entries elsewhere: to leave one out moves the gradient."""
MAX_LOOP = 9
"""Of a loop with more rounds only all at once are changed."""
PRODUCT = "dA = dC @ B.T, dB = A.T @ dC"

EdgeRule = Callable[[Program, int, Array], Array | None]
"""What somebody sends down from a node, given its upstream; None where the shapes do not fit."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """``make(program)`` is the change, the same one at every sight. ``node`` tells the place."""

    message: str
    fix: str
    node: int
    make: Callable[[Program], Change]


def structured(program: Program, kind: Kind) -> Iterator[Rewrite]:
    """Rewrites of matrix products, transpositions and shifts, and blocks that are left out."""
    graph = program.graph
    for group in program.groups:
        i = group[0]
        operation = graph.operations[i]
        for position, source in program.arguments(i):
            if not program.below[source]:
                continue
            edges = [(node, position) for node in group if (node, position) in program.edges]
            for rule_kind, words, fix, rule in _rules(program, i, operation, position):
                if rule_kind != kind:
                    continue
                for some in _subsets(edges):
                    yield Rewrite(
                        f"matches when {words}{program.at(some[0][0])}", fix, some[0][0], _edges_changed(some, rule)
                    )
    if kind == "wrong":
        yield from _neighbours(program)
        yield from _soft_choices(program)
        for block in program.blocks[:MAX_BLOCKS]:
            found = program.derivative(block)
            if found is not None and bool(((found == 0) | (found == 1)).all()):
                what = describe_block(program, block)
                yield Rewrite(
                    f"matches when {what} has its mask taken from the upstream gradient",
                    "take the mask from the forward's argument",
                    block.top,
                    _masked_by_upstream(block),
                )
    if kind == "missing":
        for block in program.blocks[:MAX_BLOCKS]:
            if graph.operations[block.top] in PLAIN | MOVING and len(program.inside(block)) == 1:
                continue
            what = describe_block(program, block)
            yield Rewrite(
                f"matches when {what} is left out", f"multiply by {what}", place_of(program, block), _left_out(block)
            )


def _left_out(block: Block) -> Callable[[Program], Change]:
    def make(program: Program) -> Change:
        shape = program.plan.shapes[block.bottom]
        return Change(jumps={block.top: (block.bottom, lambda upstream: np.broadcast_to(upstream, shape))})

    return make


def _masked_by_upstream(block: Block) -> Callable[[Program], Change]:
    return lambda _: Change(jumps={block.top: (block.bottom, lambda upstream: np.maximum(upstream, 0))})


def _subsets(edges: list[Edge]) -> Iterator[list[Edge]]:
    """All edges of a loop, one of them, all but one."""
    yield edges
    if 1 < len(edges) <= MAX_LOOP:
        yield from ([edge] for edge in edges)
        if len(edges) > 2:
            yield from ([other for other in edges if other != edge] for edge in edges)


def _as_it_came(program: Program, i: int, upstream: Array) -> Array:
    del program, i
    return upstream


def _edges_changed(edges: Sequence[Edge], rule: EdgeRule) -> Callable[[Program], Change]:
    def make(program: Program) -> Change:
        changed = {}
        for i, position in edges:
            shape = program.plan.shapes[program.graph.arguments[i][position]]
            changed[(i, position)] = _sending(program, i, rule, shape)
        return Change(edges=changed)

    return make


def _sending(program: Program, i: int, rule: EdgeRule, shape: tuple[int, ...]) -> Callable[[Array, Array], Array]:
    return lambda upstream, _: _fitted(rule(program, i, upstream), shape)


def _fitted(value: Array | None, shape: tuple[int, ...]) -> Array:
    """A value of the shape wanted, summed over leading axes where it has more; what does not fit shows by its shape."""
    if value is None:
        return np.empty((0, *shape))
    extra = value.ndim - len(shape)
    if extra < 0 or not all(n == 1 or n == m for n, m in zip(shape, value.shape[extra:], strict=True)):
        return np.empty((0, *shape))
    return sum_to(value, shape)


def _product(one: Array, other: Array) -> Array | None:
    """``one @ other``; None where their shapes have no matrix product, as that of a number has none."""
    if not one.ndim or not other.ndim or one.shape[-1] != other.shape[-2 if other.ndim > 1 else 0]:
        return None
    if not _broadcast_together(one.shape[:-2], other.shape[:-2]):
        return None
    return np.asarray(one @ other, dtype=np.float64)


def _broadcast_together(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return all(a == b or 1 in (a, b) for a, b in zip(one[::-1], other[::-1], strict=False))


def _t(a: Array) -> Array:
    return np.swapaxes(a, -1, -2) if a.ndim > 1 else a


Named = tuple[Kind, str, str, EdgeRule]
"""(kind, message, fix, rule)"""


def _rules(program: Program, node: int, operation: str, position: int) -> Iterator[Named]:
    if operation == "matmul":
        yield from _product_rules(position)
        for other in _of_same_shape(program, program.graph.arguments[node][1 - position]):
            message = f"the matrix product has {program.label(other)} in place of its other factor"
            yield "wrong", message, PRODUCT, _with_factor(position, other)
    elif operation == "transpose":
        message = "the gradient of the transposition is not transposed back"
        yield "transposed", message, "transpose it back", _as_it_came
    elif operation == "roll":
        fix = "shift it back: np.roll with the shift negated"
        yield "moved", "the gradient of np.roll is shifted the same way as forward", fix, _forward_again
        yield "moved", "the gradient of np.roll is not shifted back", fix, _as_it_came
    elif operation in ("flip", "sort"):
        yield "moved", f"the gradient of {operation} is not put back in order", "put it back in order", _as_it_came
    elif operation in ("take", "scatter", "index", "pad"):
        for axis in range(program.values[program.graph.arguments[node][position]].ndim):
            for step in (1, -1, 2, -2):
                message = f"an index is off by {step} along axis {axis}"
                yield "moved", message, "use the index that forward uses", _rolled(position, step, axis)
    elif operation in ("reduce_max", "reduce_min"):
        word = "max" if operation == "reduce_max" else "min"
        fix = f"only the entries that are the {word} get the gradient"
        yield "missing", f"the mask of {word} is left out: every entry gets the gradient", fix, _spread
        yield "wrong", f"the derivative of {word} is that of mean", fix, _as_mean
        message = f"the derivative of {word} is taken at absolute values: it is wrong where the argument is negative"
        yield "region", message, f"look for the {word} of the argument itself", _at_absolute
        yield "moved", f"the derivative of {word} goes to the entry at the other end", fix, _at_opposite
    elif operation == "reshape":
        message = "the gradient of a reshape is read in column order"
        yield "moved", message, "reshape it back in the same order", _reshaped_by_columns


def _neighbours(program: Program) -> Iterator[Rewrite]:
    """In a loop, the state of the round after, or before, in place of the round's own."""
    graph = program.graph
    for group in program.groups:
        operation = graph.operations[group[0]]
        if operation not in ("multiply", "matmul") or len(group) < 2:
            continue
        for position in (0, 1):
            edges = [(i, position) for i in sorted(group) if (i, position) in program.edges]
            for step, words in ((1, "next"), (-1, "previous")):
                others = _shifted(program, [graph.arguments[i][1 - position] for i, _ in edges], step)
                if others is not None and len(edges) > 1:
                    message = (
                        f"matches when every round of the loop takes the {words} round's value as the other factor of "
                    )
                    yield Rewrite(
                        f"{message}{program.words(group[0])}", "use the value that forward uses in the same round",
                        group[0], _with_others(edges, others, operation),
                    )  # fmt: skip


def _shifted(program: Program, factors: list[int], step: int) -> list[int] | None:
    """The nodes that stand ``step`` rounds further in the loop that makes most of these factors; at the end the last one.
    None where no loop makes them."""
    graph = program.graph

    def made_by(node: int) -> tuple[str, int, int]:
        return graph.operations[node], graph.starts[node], graph.ends[node]

    made = [made_by(node) for node in factors if program.plan.operations[node] is not None]
    if len(set(factors)) < len(factors) or not made:
        return None
    loop = max(set(made), key=made.count)
    rounds = [i for i in range(len(graph)) if made_by(i) == loop]
    if len(rounds) < 2:
        return None
    found = []
    for node in factors:
        # What comes before the first round, such as a state of zeros, is followed by that round's.
        place = rounds.index(node) if node in rounds else -1
        further = place + step
        if further < 0:
            further = 0 if step > 0 else -1
        found.append(rounds[min(further, len(rounds) - 1)] if further >= 0 else node)
    shapes = [program.plan.shapes[node] for node in factors]
    return found if found != factors and [program.plan.shapes[node] for node in found] == shapes else None


def _with_others(edges: list[Edge], others: list[int], operation: str) -> Callable[[Program], Change]:
    """The other factor of every edge, replaced."""

    def make(program: Program) -> Change:
        changed = {}
        for (i, position), other in zip(edges, others, strict=True):
            shape = program.plan.shapes[program.graph.arguments[i][position]]
            rule = _with_factor(position, other) if operation == "matmul" else _times_node(other)
            changed[(i, position)] = _sending(program, i, rule, shape)
        return Change(edges=changed)

    return make


def _times_node(other: int) -> EdgeRule:
    return lambda program, _, upstream: upstream * program.values[other]


def _of_same_shape(program: Program, node: int) -> list[int]:
    shape = program.plan.shapes[node]
    return [i for i in range(len(program.graph)) if i != node and program.plan.shapes[i] == shape][:MAX_FACTORS]


def _with_factor(position: int, other: int) -> EdgeRule:
    def rule(program: Program, i: int, upstream: Array) -> Array | None:
        del i
        return _of_product(position, upstream, program.values[other])

    return rule


def _of_product(position: int, upstream: Array, other: Array) -> Array | None:
    """What a matrix product sends to one of its arguments, given its other one; for two vectors upstream is a number."""
    if not upstream.ndim:
        return upstream * other
    if upstream.ndim == 1 and other.ndim == 1:
        return np.outer(upstream, other) if position == 0 else np.outer(other, upstream)
    return _product(upstream, _t(other)) if position == 0 else _product(_t(other), upstream)


def _product_rules(position: int) -> Iterator[Named]:
    """For ``A @ B``: right is ``u @ B.T`` for A and ``A.T @ u`` for B. The products are written for A; those for B are their
    mirror image."""

    def mirrored(make: Callable[[Array, Array, Array], Array | None]) -> EdgeRule:
        def rule(program: Program, i: int, upstream: Array) -> Array | None:
            own, other = program.operands(i)[position], program.operands(i)[1 - position]
            if position == 0:
                return make(upstream, own, other)
            found = make(_t(upstream), _t(own), _t(other))
            return None if found is None else _t(found)

        return rule

    for kind, message, make in _PRODUCTS:
        yield kind, message, PRODUCT, mirrored(make)
    yield "missing", "the other factor of the matrix product is left out", PRODUCT, _as_it_came


_PRODUCTS: tuple[tuple[Kind, str, Callable[[Array, Array, Array], Array | None]], ...] = (
    ("transposed", "a factor of the matrix product is not transposed", lambda u, _, b: _product(u, b)),
    ("transposed", "the upstream gradient of the matrix product is transposed", lambda u, _, b: _product(_t(u), _t(b))),
    ("transposed", "the matrix product's gradient is transposed", lambda u, _, b: _product(b, _t(u))),
    ("wrong", "the matrix product has its factors in the wrong order", lambda u, _, b: _product(_t(b), u)),
    ("wrong", "the matrix product has its factors in the wrong order, untransposed", lambda u, _, b: _product(b, u)),
    ("wrong", "an elementwise product stands where a matrix product belongs", lambda u, _, b: _times(u, b)),
    ("wrong", "an elementwise product stands where a matrix product belongs", lambda u, _, b: _times(u, _t(b))),
    (
        "wrong",
        "the matrix product has the argument itself in place of the other factor",
        lambda u, a, _: _product(u, _t(a)),
    ),
)


def _times(a: Array, b: Array) -> Array | None:
    return a * b if a.shape == b.shape else None


def _forward_again(program: Program, i: int, upstream: Array) -> Array:
    return np.asarray(program.operation(i).forward(upstream, **program.parameters(i)), dtype=np.float64)


def _rolled(position: int, step: int, axis: int) -> EdgeRule:
    return lambda program, i, upstream: np.roll(program.sent((i, position), upstream), step, axis=axis)


def _at_absolute(program: Program, i: int, upstream: Array) -> Array:
    return _at_value(program, i, upstream, np.abs(program.operands(i)[0]))


def _at_opposite(program: Program, i: int, upstream: Array) -> Array:
    return _at_value(program, i, upstream, -program.operands(i)[0])


def _reshaped_by_columns(program: Program, i: int, upstream: Array) -> Array:
    return upstream.reshape(program.operands(i)[0].shape, order="F")


def _at_value(program: Program, i: int, upstream: Array, x: Array) -> Array:
    """What a reduction would send down if its argument were ``x``."""
    operation, parameters = program.operation(i), program.parameters(i)
    out = np.asarray(operation.forward(x, **parameters), dtype=np.float64)
    return np.asarray(operation.vjp_of(0)(upstream, out, x, **parameters), dtype=np.float64)


def _soft_choices(program: Program) -> Iterator[Rewrite]:
    """The softmax of an argument, or of a multiple of it, for the derivative of its maximum; everywhere in a loop."""
    for group in program.groups:
        operation = program.graph.operations[group[0]]
        if operation not in ("reduce_max", "reduce_min"):
            continue
        word = operation.removeprefix("reduce_")
        edges = [(i, 0) for i in group if (i, 0) in program.edges]
        for sharpness in SHARPNESS if edges else ():
            of = "its argument" if sharpness == 1 else f"{sharpness:g} times its argument"
            message = f"matches when the derivative of {word} is the softmax of {of}{program.at(group[0])}"
            fix = f"only the entries that are the {word} get the gradient"
            yield Rewrite(message, fix, group[0], _edges_changed(edges, _as_softmax(sharpness, word)))


def _as_softmax(sharpness: float, word: str) -> EdgeRule:
    """The upstream of a reduction shared out by the softmax of its argument (for min of its opposite): the rule of logsumexp."""

    def rule(program: Program, i: int, upstream: Array) -> Array:
        x = (sharpness if word == "max" else -sharpness) * program.operands(i)[0]
        soft, parameters = REGISTRY["logsumexp"], program.parameters(i)
        out = np.asarray(soft.forward(x, **parameters), dtype=np.float64)
        return np.asarray(soft.vjp_of(0)(upstream, out, x, **parameters), dtype=np.float64)

    return rule


def _spread(program: Program, i: int, upstream: Array) -> Array:
    """The upstream of a reduction, at every entry that was reduced: what a tie of all would get, times their number."""
    x = program.operands(i)[0]
    return _at_value(program, i, upstream, np.zeros_like(x)) * (x.size / max(upstream.size, 1))


def _as_mean(program: Program, i: int, upstream: Array) -> Array:
    return _at_value(program, i, upstream, np.zeros_like(program.operands(i)[0]))
