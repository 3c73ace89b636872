"""Which entries of the input each entry of the outputs is made of, whether or not the derivative is zero there: a maximum is
made of all its candidates, a window of all that lies in it; and which of them forward picks by an index or a mask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from gradtool.diagnosis.fitting import Array, Evidence, Mask
from gradtool.diagnosis.program import MAX_SWEPT, Change, Edge, Program, sum_to

CHOICES = frozenset({"reduce_max", "reduce_min"})


def coverage(evidence: Evidence, program: Program) -> Mask | None:
    """One row for each entry of the outputs, one column for each of the input; None where that would take too long."""
    rows = evidence.upstream(program.look).size
    if rows * len(program.graph) > MAX_SWEPT:
        return None
    change = Change(edges={edge: _everything(program, edge) for edge in program.edges})
    found = np.zeros((rows, program.look.right.size), dtype=bool)
    for row in range(rows):
        unit = np.zeros(rows)
        unit[row] = 1.0
        seed = np.asarray(program.traced.upstream(*evidence.split(program.look, unit)), dtype=np.float64)
        value = program.gradient_with(change, seed)
        if value is None:
            return None
        found[row] = (value != 0).ravel()
    return found


def _everything(program: Program, edge: Edge) -> Callable[[Array, Array], Array]:
    """What an edge would send down if no derivative along it were zero or negative."""
    i, position = edge
    shape = program.plan.shapes[program.graph.arguments[i][position]]
    if program.operation(i).elementwise:
        return lambda upstream, _: sum_to(np.where(upstream != 0, 1.0, 0.0), shape)
    if program.graph.operations[i] in CHOICES:
        return lambda upstream, _: _at_equal_entries(program, i, upstream)
    return lambda _, sent: np.where(sent != 0, 1.0, 0.0)


def _at_equal_entries(program: Program, i: int, upstream: Array) -> Array:
    x = np.zeros_like(program.operands(i)[0])
    out, parameters = np.zeros(program.plan.shapes[i]), program.parameters(i)
    found = program.operation(i).vjp_of(0)(np.where(upstream != 0, 1.0, 0.0), out, x, **parameters)
    return np.where(np.asarray(found) != 0, 1.0, 0.0)


def picked(program: Program) -> Iterator[tuple[int, Mask]]:
    """(node, entries of the input) for every node that takes entries out of an array of the input's shape, and for every
    mask of that shape."""
    shape = program.plan.shapes[program.source]
    for i, operation in enumerate(program.graph.operations):
        if operation == "take" and program.plan.shapes[program.graph.arguments[i][0]] == shape:
            mask = np.zeros(int(np.prod(shape)), dtype=bool)
            mask[np.asarray(program.parameters(i)["places"], dtype=np.intp)] = True
            yield i, mask.reshape(shape)
        elif program.plan.shapes[i] == shape and not program.below[i]:
            value = program.values[i]
            if ((value == 0) | (value == 1)).all() and value.any():
                yield i, value == 1
