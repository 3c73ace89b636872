"""Regions of an inner value of the traced forward: where backward treats some entries of a hidden layer wrongly.

For every inner node the multipliers are solved for that its upstream gradient must have got, entry by entry, to give the
user's Jacobian: with A the Jacobian of the outputs by the node, B that of the node by the input, ``K - J = A diag(m - 1) B``
is linear in m. If it has a solution, and a bound on the node's value parts the entries with m = 1 from the others, that
is the region.
"""

from __future__ import annotations

import numpy as np

from gradtool.diagnosis.fitting import Array, Evidence, Mask, Matrices, largest
from gradtool.diagnosis.program import Change, Program, programs
from gradtool.diagnosis.regions import Region, parted

MAX_ENTRIES = 100
MAX_NODES = 60
SOLVED = 1e-6
CHANGED = 1e-4


def inner_region(evidence: Evidence) -> Region | None:
    """The first inner node, from the output down, with a region that explains the user's Jacobian at every sight."""
    found: Region | None = evidence.once("inner region", lambda: _search(evidence))
    return found


def _search(evidence: Evidence) -> Region | None:
    by_look = {id(program.look): program for program in programs(evidence)}
    pairs = [(both, by_look[id(both.look)]) for both in evidence.matrices if id(both.look) in by_look]
    if not pairs:
        return None
    first = pairs[0][1]
    rows = [_rows(program, both) for both, program in pairs]
    nodes = [
        i for i in range(first.graph.output - 1, first.source, -1) if first.below[i] and first.adjoints[i] is not None
    ]
    for node in nodes[:MAX_NODES]:
        if not 2 <= first.values[node].size <= MAX_ENTRIES:
            continue
        region = _at(node, pairs, rows)
        if region is not None:
            return region
    return None


def _rows(program: Program, both: Matrices) -> list[list[Array | None]]:
    """For every entry of the outputs, the upstream of all nodes."""
    found, start = [], 0
    upstream = program.look.sight.upstream
    for row in range(both.right.shape[0]):
        unit = np.zeros(both.right.shape[0])
        unit[row] = 1.0
        parts, start = [], 0
        for u in upstream:
            parts.append(unit[start : start + u.size].reshape(u.shape))
            start += u.size
        found.append(program.sweep(Change(), np.asarray(program.traced.upstream(*parts), dtype=np.float64)))
    return found


def _at(node: int, pairs: list[tuple[Matrices, Program]], rows: list[list[list[Array | None]]]) -> Region | None:
    values: list[Array] = []
    multipliers: list[Array] = []
    for (both, program), swept in zip(pairs, rows, strict=True):
        found = _multipliers(node, both, program, swept)
        if found is None:
            return None
        solved, known = found
        values.append(program.values[node].ravel()[known])
        multipliers.append(solved[known])
    value, multiplier = np.concatenate(values), np.concatenate(multipliers)
    wrong = np.abs(multiplier - 1) > CHANGED
    if not wrong.any() or wrong.all():
        return None
    where = parted(wrong, value, pairs[0][1].label(node))
    if where is None:
        return None
    there = multiplier[wrong]
    words = "what is sent down has other values there"
    if largest(there) <= CHANGED:
        words = "nothing is sent down there"
    elif float(np.ptp(there)) <= CHANGED:
        words = f"what is sent down is {float(there[0]):.6g} times what it should be there"
    return Region(where, words, *pairs[0][1].place(node))


def _multipliers(
    node: int, both: Matrices, program: Program, swept: list[list[Array | None]]
) -> tuple[Array, Mask] | None:
    """(multiplier of every entry, where it is known); None where no multipliers give the user's Jacobian."""
    size, shape = program.values[node].size, program.plan.shapes[node]
    above, right = _stacked(swept, node, size), _stacked(swept, program.source, both.right.shape[1])
    below = np.empty((size, both.right.shape[1]))
    for k in range(size):
        unit = np.zeros(size)
        unit[k] = 1.0
        below[k] = program.gradient_from(node, unit.reshape(shape)).ravel()
    difference = both.yours - right
    normal = (above.T @ above) * (below @ below.T)
    known = np.diag(normal) > 1e-12 * largest(normal)
    solved = np.ones(size)
    if not (np.isfinite(normal).all() and np.isfinite(difference).all()):
        return None
    if known.any():
        wanted = np.einsum("ri,rc,ic->i", above, difference, below)[known]
        solution, _, rank, _ = np.linalg.lstsq(normal[np.ix_(known, known)], wanted, rcond=1e-10)
        if rank < int(known.sum()):
            return None
        solved[known] += solution
    left = difference - above @ ((solved - 1)[:, None] * below)
    if largest(left) > SOLVED * largest(right):
        return None
    return solved, known


def _stacked(swept: list[list[Array | None]], node: int, size: int) -> Array:
    """The Jacobian of the outputs by a node, from one sweep a row."""
    found = np.zeros((len(swept), size))
    for row, adjoints in enumerate(swept):
        at = adjoints[node]
        if at is not None:
            found[row] = at.ravel()
    return found
