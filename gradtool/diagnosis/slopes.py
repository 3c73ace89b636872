"""Slopes: the elementwise parts of a traced forward, and the local derivatives that people write in place of the right ones.

A wrong local derivative of a single part is tried up to a constant, which the sights determine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from gradtool.diagnosis.fitting import Array
from gradtool.diagnosis.program import Block, Change, Edge, Program, is_constant, recognised, sum_to
from gradtool.ops import REGISTRY

Kind = Literal["transposed", "missing", "wrong", "region", "moved"]
MAX_OTHERS = 8
MAX_BLOCK = 14
MAX_BLOCKS = 40
PLAIN = frozenset(
    {
        "add",
        "subtract",
        "negative",
        "transpose",
        "reshape",
        "expand_dims",
        "squeeze",
        "flatten",
        "take",
        "broadcast_to",
        "where",
    }
)
"""Operations without a derivative worth leaving out."""


class Slope(NamedTuple):
    """An elementwise part of the program: edges of one operation, or blocks, that stand at one place in the source."""

    parts: Sequence[Edge | Block]
    what: str
    """``the derivative of tanh at layers.py:14``."""
    node: int

    def change(self, form: Form, scale: float = 1.0) -> Callable[[Program], Change]:
        """Every part with another local derivative."""

        def make(program: Program) -> Change:
            edges, jumps = {}, {}
            for part in self.parts:
                local = form(program, part)
                if isinstance(part, Block):
                    jumps[part.top] = (part.bottom, _times(scale, local))
                else:
                    source = program.graph.arguments[part[0]][part[1]]
                    edges[part] = _edge_times(scale, local, program.plan.shapes[source])
            return Change(edges=edges, jumps=jumps)

        return make


Form = Callable[[Program, Edge | Block], Array]
"""A local derivative that somebody may have written."""


def _times(scale: float, local: Array) -> Callable[[Array], Array]:
    return lambda upstream: np.where(upstream == 0, 0.0, scale * upstream * local)


def _edge_times(scale: float, local: Array, shape: tuple[int, ...]) -> Callable[[Array, Array], Array]:
    return lambda upstream, _: sum_to(np.where(upstream == 0, 0.0, scale * upstream * local), shape)


def value_in(program: Program, part: Edge | Block) -> Array:
    """What goes in: the block's bottom, or the edge's operand."""
    if isinstance(part, Block):
        return program.values[part.bottom]
    return np.broadcast_to(program.operands(part[0])[part[1]], program.plan.shapes[part[0]])


def value_out(program: Program, part: Edge | Block) -> Array:
    """What comes out."""
    return program.values[part.top if isinstance(part, Block) else part[0]]


def slope(program: Program, part: Edge | Block) -> Array:
    """The right local derivative."""
    if isinstance(part, Block):
        found = program.derivative(part)
        return np.full(program.plan.shapes[part.bottom], np.nan) if found is None else found
    return program.local(part)


def slopes(program: Program) -> list[Slope]:
    """The elementwise parts: blocks that compute a function, then edges of operations with several arguments."""
    found: dict[tuple[object, ...], list[Edge | Block]] = {}
    whats: dict[tuple[object, ...], tuple[str, int]] = {}
    graph = program.graph
    for block in program.blocks[:MAX_BLOCKS]:
        inside = program.inside(block)
        if len(inside) > MAX_BLOCK or program.derivative(block) is None:
            continue
        if len(inside) == 1 and graph.operations[block.top] in PLAIN:
            continue
        if all(graph.operations[i] in PLAIN or _by_a_number(program, i) for i in inside):
            continue
        key: tuple[object, ...] = (
            "block",
            graph.operations[block.top],
            graph.starts[block.top],
            graph.ends[block.top],
            graph.starts[block.bottom],
            graph.ends[block.bottom],
            len(inside),
        )
        found.setdefault(key, []).append(block)
        whats.setdefault(key, (describe_block(program, block), place_of(program, block)))
    for edge in program.edges:
        i, position = edge
        if not program.operation(i).elementwise or len(graph.arguments[i]) < 2:
            continue
        if graph.operations[i] in PLAIN or _by_a_number(program, i):
            continue
        doubled = len(set(graph.arguments[i])) < len(graph.arguments[i])
        key = ("edge", graph.operations[i], graph.starts[i], graph.ends[i], -1 if doubled else position)
        found.setdefault(key, []).append(edge)
        whats.setdefault(key, (_edge_what(program, edge), i))
    groups = [Slope(parts, *whats[key]) for key, parts in found.items()]
    groups.sort(key=lambda group: not _is_recognised(program, group))
    return groups + [_alone(program, group, part) for group in groups if len(group.parts) > 1 for part in group.parts]


def _alone(program: Program, group: Slope, part: Edge | Block) -> Slope:
    if isinstance(part, Block):
        return Slope([part], describe_block(program, part), place_of(program, part))
    return Slope([part], group.what, part[0])


def _is_recognised(program: Program, group: Slope) -> bool:
    """Whether it is a function written out in several operations, such as ``1 / (1 + exp(-x))``: that is what people mean."""
    part = group.parts[0]
    return isinstance(part, Block) and len(program.inside(part)) > 1 and program.function(part) is not None


def _by_a_number(program: Program, i: int) -> bool:
    """Whether a node is a product or quotient with a constant: its derivative is a constant factor, which is GC102."""
    return program.graph.operations[i] in ("multiply", "divide") and any(
        is_constant(program, a) for a in program.graph.arguments[i]
    )


def describe_block(program: Program, block: Block) -> str:
    """``the derivative of tanh at layers.py:14``; a helper that is called more than once is told by its argument."""
    function = program.function(block)
    if function is None:
        lines = sorted({place[1] for i in program.inside(block) if (place := program.lines.get(i)) is not None})
        span = "" if not lines or lines[0] == lines[-1] else f" (from line {lines[0]} on)"
        return f"the derivative of what ends in {program.words(block.top)}{span}"
    shared = place_of(program, block) != block.top
    of = f" (of what{program.at(block.bottom).removeprefix(' at')} computes)" if shared else ""
    return f"the derivative of {function}{program.at(block.top)}{of}"


def place_of(program: Program, block: Block) -> int:
    """The node whose line tells where a block stands: its bottom's, where its own stands in a helper that is called on
    several lines."""
    graph, top = program.graph, block.top
    twins = [
        i
        for i in range(len(graph))
        if i != top
        and program.lines.get(i) == program.lines.get(top)
        and graph.operations[i] == graph.operations[top]
        and i not in program.inside(block)
    ]
    known = block.bottom in program.lines and program.lines[block.bottom] != program.lines.get(top)
    return block.bottom if twins and known else top


def _edge_what(program: Program, edge: Edge) -> str:
    i, position = edge
    operation = program.graph.operations[i]
    if operation == "multiply":
        return f"the other factor, {program.label(program.graph.arguments[i][1 - position])}, of {program.words(i)}"
    return f"the derivative of {program.words(i)} for its argument {position + 1}"


# The forms ---------------------------------------------------------------------------------------------------------


def _known(program: Program, part: Edge | Block) -> str | None:
    return program.function(part) if isinstance(part, Block) else None


def _at_output(program: Program, part: Edge | Block) -> Array:
    """f'(f(x)) in place of f'(x)."""
    if not isinstance(part, Block):
        return np.full(program.plan.shapes[part[0]], np.nan)
    found = program.derivative(part, program.values[part.top])
    return np.full(program.plan.shapes[part.bottom], np.nan) if found is None else found


OUTPUT_FORMULAS: Mapping[str, Callable[[Array], Array]] = {
    "sigmoid": lambda t: t * (1 - t),
    "tanh": lambda t: 1 - t * t,
    "exp": lambda t: t,
    "sqrt": lambda t: 0.5 / t,
    "softplus": lambda t: 1 - np.exp(-t),
    "reciprocal": lambda t: -t * t,
    "tan": lambda t: 1 + t * t,
}
"""The derivative of a function in terms of its output."""


def _output_formula(program: Program, part: Edge | Block) -> Array:
    """g(x) in place of g(f(x)), where g is the derivative in terms of the output."""
    return _formula(program, part, value_in(program, part))


def _formula(program: Program, part: Edge | Block, t: Array) -> Array:
    formula = OUTPUT_FORMULAS.get(_known(program, part) or "")
    return np.full(t.shape, np.nan) if formula is None else formula(t)


class At(NamedTuple):
    """What a form is made of: the right slope ``d``, what goes in ``x``, what comes out ``v``, and the other argument of an
    operation with two (NaN elsewhere)."""

    d: Array
    x: Array
    v: Array
    other: Array


def _form(function: Callable[[At], Array]) -> Form:
    def form(program: Program, part: Edge | Block) -> Array:
        x = value_in(program, part)
        other = np.full(x.shape, np.nan)
        if not isinstance(part, Block) and len(program.graph.arguments[part[0]]) == 2:
            other = np.broadcast_to(program.operands(part[0])[1 - part[1]], program.plan.shapes[part[0]])
        return np.asarray(function(At(slope(program, part), x, value_out(program, part), other)), dtype=np.float64)

    return form


def _swapped(program: Program, part: Edge | Block) -> Array:
    """The derivative for the other argument."""
    if isinstance(part, Block) or len(program.graph.arguments[part[0]]) != 2:
        return np.full(value_in(program, part).shape, np.nan)
    i, position = part
    local = program.operation(i).local_of(1 - position)(
        program.values[i], *program.operands(i), **program.parameters(i)
    )
    return np.broadcast_to(np.asarray(local, dtype=np.float64), program.plan.shapes[i])


def is_piecewise_constant(program: Program, slope_: Slope) -> bool:
    """Whether the local derivative takes a few values only: a mask, a leaky slope, a product with a number."""
    part = slope_.parts[0]
    if isinstance(part, Block):
        return bool(len(np.unique(slope(program, part))) <= 2 < value_in(program, part).size)
    return bool(program.operation(part[0]).switch)


def _of(name: str) -> Form:
    """The derivative of another function of one argument."""

    def form(program: Program, part: Edge | Block) -> Array:
        x = value_in(program, part)
        if not isinstance(part, Block):
            return np.full(x.shape, np.nan)
        operation = REGISTRY[name]
        return np.broadcast_to(np.asarray(operation.local_of(0)(operation.forward(x), x), dtype=np.float64), x.shape)

    return form


def _at(node: int) -> Form:
    """The derivative taken at another node's value."""

    def form(program: Program, part: Edge | Block) -> Array:
        other, shape = program.values[node], value_in(program, part).shape
        if other.shape != shape:
            return np.full(shape, np.nan)
        if isinstance(part, Block):
            found = program.derivative(part, other)
            return np.full(shape, np.nan) if found is None else found
        i, position = part
        operands = program.operands(i)
        if program.graph.operations[i] == "multiply":
            return other
        operands[position] = other
        out = np.asarray(program.operation(i).forward(*operands, **program.parameters(i)), dtype=np.float64)
        local = program.operation(i).local_of(position)(out, *operands, **program.parameters(i))
        return np.broadcast_to(np.asarray(local, dtype=np.float64), shape)

    return form


def _formula_at(node: int) -> Form:
    """The derivative's formula for the output, with another node's value in the place of the output."""

    def form(program: Program, part: Edge | Block) -> Array:
        other, x = program.values[node], value_in(program, part)
        return _formula(program, part, other) if other.shape == x.shape else np.full(x.shape, np.nan)

    return form


def _turned(at: At) -> Array:
    """The other one of two slopes: of 0 and 1, or of a leaky pair."""
    if ((at.d == 0) | (at.d == 1)).all():
        return 1 - at.d
    return at.d.min() + at.d.max() - at.d if len(np.unique(at.d)) == 2 else np.full(at.d.shape, np.nan)


TWICE = "is applied twice"
MEANT = 'where the gradient is meant to go straight through, declare it in the configuration: intentional = "why"'
WRONG: tuple[tuple[str, Form], ...] = (
    ("is taken at the output in place of the input", _at_output),
    ("is written for the output and given the input", _output_formula),
    (TWICE, _form(lambda at: at.d * at.d)),
    ("is divided by in place of multiplied with", _form(lambda at: 1 / at.d)),
    ("is that for the other argument", _swapped),
    ("has the argument itself in place of the other one", _form(lambda at: at.x)),
    ("has one factor of its argument too many", _form(lambda at: at.d * at.x)),
    ("has one factor of its argument too few", _form(lambda at: at.d / at.x)),
    ("has one factor of its other argument too many", _form(lambda at: at.d * at.other)),
    ("has one factor of its other argument too few", _form(lambda at: at.d / at.other)),
    ("has two factors of its other argument too many", _form(lambda at: at.d * at.other * at.other)),
    ("has one factor of its output too many", _form(lambda at: at.d * at.v)),
    ("has one factor of its output too few", _form(lambda at: at.d / at.v)),
    ("is replaced by 1 minus it", _form(lambda at: 1 - at.d)),
    ("is replaced by its square root", _form(lambda at: np.sqrt(np.abs(at.d)) * np.sign(at.d))),
    ("is replaced by the third power of it", _form(lambda at: at.d**3)),
    ("is replaced by it times 1 minus it", _form(lambda at: at.d * (1 - at.d))),
    ("is replaced by its output", _form(lambda at: at.v)),
    ("is replaced by its argument", _form(lambda at: at.x)),
    ("is replaced by 1 minus its output", _form(lambda at: 1 - at.v)),
    ("is replaced by 1 plus its output", _form(lambda at: 1 + at.v)),
    ("is replaced by 1 plus the square of its output", _form(lambda at: 1 + at.v * at.v)),
    ("is replaced by 1 minus the square of its output", _form(lambda at: 1 - at.v * at.v)),
    ("is replaced by output * (1 - output)", _form(lambda at: at.v * (1 - at.v))),
    ("is replaced by output * (1 + output)", _form(lambda at: at.v * (1 + at.v))),
    ("is replaced by 1 plus the square of its argument", _form(lambda at: 1 + at.x * at.x)),
    ("is replaced by the square of its output", _form(lambda at: at.v * at.v)),
    ("is replaced by the square of its argument", _form(lambda at: at.x * at.x)),
    ("is replaced by 1 over its output", _form(lambda at: 1 / at.v)),
    ("is replaced by 1 over its argument", _form(lambda at: 1 / at.x)),
    ("is replaced by exp of its argument", _form(lambda at: np.exp(at.x))),
    ("is replaced by exp(-argument^2)", _form(lambda at: np.exp(-at.x * at.x))),
    (
        "is multiplied by the root of the sum of squares of its arguments",
        _form(lambda at: at.d * np.hypot(at.x, at.other)),
    ),
    (
        "is multiplied by the sum of squares of its arguments",
        _form(lambda at: at.d * (at.x * at.x + at.other * at.other)),
    ),
)
REGION: tuple[tuple[str, Form], ...] = (
    ("the mask is turned round", _form(_turned)),
    ("its sign is lost", _form(lambda at: np.abs(at.d))),
    ("it is dropped where it is negative", _form(lambda at: np.maximum(at.d, 0))),
    ("it is dropped where its argument is negative", _form(lambda at: np.where(at.x < 0, 0, at.d))),
    ("it is dropped where its argument is positive", _form(lambda at: np.where(at.x > 0, 0, at.d))),
    ("it has the opposite sign where its argument is negative", _form(lambda at: np.where(at.x < 0, -at.d, at.d))),
    ("it is 1 where its argument is positive", _form(lambda at: np.where(at.x > 0, 1, at.d))),
    ("it is 1 where its argument is negative", _form(lambda at: np.where(at.x < 0, 1, at.d))),
)  # fmt: skip


def _is_flat(program: Program, i: int) -> bool:
    """Whether a node is constant piece by piece: nobody takes a derivative at a comparison."""
    operation = program.plan.operations[i]
    return operation is not None and operation.derivative == "0"


def _is_zero(program: Program, part: Edge | Block) -> bool:
    """Whether a part is constant piece by piece, as rounding is, so that its derivative is 0 by what it does."""
    inside = program.inside(part) if isinstance(part, Block) else [part[0]]
    return any(_is_flat(program, i) for i in inside) and not slope(program, part).any()


def others(program: Program, part: Edge | Block) -> list[int]:
    """Other nodes of the same shape, inputs first: what somebody may have taken by mistake."""
    shape = value_in(program, part).shape
    own = part.bottom if isinstance(part, Block) else program.graph.arguments[part[0]][part[1]]
    nodes = [
        i for i in range(len(program.graph))
        if program.plan.shapes[i] == shape and i != own and program.plan.live[i] and not _is_flat(program, i)
    ]  # fmt: skip
    return nodes[:MAX_OTHERS]


def forms(program: Program, slope_: Slope, kind: Kind) -> Iterator[tuple[str, str, Form]]:
    """(message, fix, form) of the local derivatives that may stand in the place of the right one."""
    what = slope_.what
    if kind == "missing":
        fix = f"multiply by {what}"
        if _is_zero(program, slope_.parts[0]):
            fix += f", which is 0; {MEANT}"
        yield f"matches when {what} is left out", fix, _form(lambda at: np.ones_like(at.d))
    elif kind == "wrong":
        piecewise = is_piecewise_constant(program, slope_)
        for words, form in WRONG:
            if piecewise and words != TWICE:
                continue
            yield f"matches when {what} {words}", f"use {what}", form
        if piecewise:
            return
        for name in recognised():
            if REGISTRY[name].kinks:
                continue
            yield f"matches when {what} is that of {name}", f"use {what}", _of(name)
        for node in others(program, slope_.parts[0]):
            yield f"matches when {what} is taken at {program.label(node)}", f"use {what}", _at(node)
            yield f"matches when {what} is taken at {program.label(node)}", f"use {what}", _formula_at(node)
    elif kind == "region":
        for words, form in REGION:
            yield f"matches when in {what} {words}", f"use {what}", form
