"""GC111: entries shifted, flipped, permuted, or in another order.

What it means
    The right numbers stand in the wrong places: moved along an axis, in reverse, in column order where row order belongs, or
    sent to other entries than those they come from. Or the upstream gradient is read in such an order.

Why it matters
    Norms, means and histograms of the gradient are all right.

Example
    def roll_backward(dout, k):
        return np.roll(dout, k)             # for np.roll(x, k): should be np.roll(dout, -k)

What to do
    Undo in backward what forward did, in the reverse order: a shift by k with a shift by -k, a permutation with its
    inverse (``np.argsort(order)``), ``x[index]`` with ``np.add.at(dx, index, dout)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from gradtool.diagnosis.chain import changed_rule, shifted_index
from gradtool.diagnosis.fitting import Array, Evidence, Look, Mask, Pair, largest
from gradtool.results import Cause

Order = NDArray[np.intp]
Move = Callable[[Array], Array]
MAX_SHIFT = 8


def find(evidence: Evidence) -> Cause | None:
    """Fits where moving entries of the right gradient, of the upstream, or of the Jacobian's rows gives the user's gradient."""
    if not evidence.usable:
        return None
    name, fix = evidence.name, f"move the entries of d_{evidence.name} back"
    for words, move in moves(evidence.first.right.shape):
        residual = evidence.fit(partial(_moved, move))
        if residual is not None:
            return Cause("GC111", f"is {words}", fix, transformation=words, residual=residual)
    for words, move in moves(evidence.first.sight.upstream[0].shape, upstream=True):
        residual = evidence.fit(partial(_upstream_moved, evidence, move))
        if residual is not None:
            return Cause(
                "GC111",
                f"is computed with the upstream gradient {words}",
                "read the upstream gradient in forward's order",
                residual=residual,
            )
    order = _permutation(evidence)
    if order is not None:
        residual = evidence.fit(lambda look: (_taken(look.right, order), _taken(look.error, order)))
        if residual is not None:
            moved = int((order != np.arange(order.size)).sum())
            message = f"has its entries in another order: {moved} of {order.size} stand in the wrong place"
            return Cause("GC111", message, fix, residual=residual)
    rule = changed_rule(evidence, "moved")
    if rule is not None:
        return Cause("GC111", rule.message, rule.fix, rule.file, rule.line, residual=rule.residual)
    index = shifted_index(evidence)
    if index is not None:
        return Cause("GC111", index.message, index.fix, index.file, index.line, residual=index.residual)
    other = _other_axis(evidence)
    if other is not None:
        message = f"sums over axis {other[0]} where forward sums over axis {other[1]}"
        return Cause("GC111", message, f"sum over axis {other[1]}")
    if _rows_permuted(evidence) and changed_rule(evidence, "region") is None:
        message = (
            "goes to the wrong entries: each output's share is right in size and reaches other entries of the input"
        )
        return Cause("GC111", message, f"look at the indices with which {name} is read in forward")
    return None


def moves(shape: tuple[int, ...], upstream: bool = False) -> Iterator[tuple[str, Move]]:
    """(words, move) for the orders in which entries are commonly confused; a move keeps the shape."""
    for axis, n in enumerate(shape):
        along = "" if len(shape) == 1 else f" along axis {axis}"
        for k in range(1, min(n, MAX_SHIFT + 1)):
            for step in (k, -k):
                if abs(step) * 2 > n and step < 0:
                    continue
                yield f"shifted by {step}{along}", partial(np.roll, shift=step, axis=axis)
        for step in (1, -1, 2, -2):
            if abs(step) < n:
                yield f"shifted by {step}{along}, with zeros moved in", partial(_shifted, step=step, axis=axis)
        if n > 1:
            yield f"flipped{along}", partial(np.flip, axis=axis)
    if len(shape) > 1:
        yield "flipped along all axes", np.flip
        yield "in column order where row order belongs", lambda a: a.ravel(order="F").reshape(a.shape)
        yield "in row order where column order belongs", lambda a: a.ravel().reshape(a.shape, order="F")
        for i in range(len(shape)):
            for j in range(i + 1, len(shape)):
                if shape[i] == shape[j] and upstream:
                    yield f"with axes {i} and {j} exchanged", partial(np.swapaxes, axis1=i, axis2=j)


def _shifted(a: Array, step: int, axis: int) -> Array:
    moved = np.roll(a, step, axis=axis)
    empty = [slice(None)] * a.ndim
    empty[axis] = slice(0, step) if step > 0 else slice(step, None)
    moved[tuple(empty)] = 0
    return moved


def _moved(move: Move, look: Look) -> Pair:
    return move(look.right), move(look.error)


def _upstream_moved(evidence: Evidence, move: Move, look: Look) -> Pair:
    parts = [np.asarray(u, dtype=np.float64) for u in look.sight.upstream]
    parts[0] = move(parts[0])
    return evidence.pulled(look, np.concatenate([part.ravel() for part in parts]))


def _taken(values: Array, order: Order) -> Array:
    taken: Array = values.ravel()[order].reshape(values.shape)
    return taken


def _permutation(evidence: Evidence) -> Order | None:
    """The order that makes the right gradient the user's at the first wrong sight, if the values are all different."""
    look = next((look for look in evidence.looks if look.wrong.any()), None)
    if look is None or look.yours is None or look.right.size < 3:
        return None
    right, yours = look.right.ravel(), look.yours.ravel()
    by_right, by_yours = np.argsort(right, kind="stable"), np.argsort(yours, kind="stable")
    tolerance = 2 * largest(look.error) + 1e-9 * look.scale
    if (np.abs(right[by_right] - yours[by_yours]) > tolerance).any() or (
        np.diff(right[by_right]) <= 2 * tolerance
    ).any():
        return None
    order = np.empty(right.size, dtype=np.intp)
    order[by_yours] = by_right
    return order


def _rows_permuted(evidence: Evidence) -> bool:
    """Whether all rows of the Jacobian have the right numbers, and two or more of them, a quarter at least, elsewhere."""
    wrong = filled = 0
    for both in evidence.matrices:
        if both.right.shape[1] < 3:
            return False
        right, yours = np.sort(both.right, axis=1), np.sort(both.yours, axis=1)
        if (np.abs(right - yours) > 2 * both.error.max(axis=1, keepdims=True) + 1e-9 * both.scale).any():
            return False
        wrong, filled = wrong + int(both.wrong.any(axis=1).sum()), filled + int(both.nonzero.any(axis=1).sum())
    return wrong >= 2 and wrong * 4 >= filled


def _other_axis(evidence: Evidence) -> tuple[int, int] | None:
    """(axis along which backward mixes entries, the one along which forward does) where forward mixes along one only and
    backward along another, told by which entries of the Jacobians are zero."""
    found: set[tuple[int, int]] = set()
    for both in evidence.matrices:
        shape = both.look.right.shape
        if len(both.look.sight.outputs) != 1 or both.look.sight.outputs[0].shape != shape or len(shape) < 2:
            return None
        right, yours = _mixed_axes(both.nonzero, shape), _mixed_axes(both.yours_nonzero, shape)
        if right is None or yours is None or len(right) != 1 or yours == right:
            return None
        found.update((axis, next(iter(right))) for axis in yours - right)
    return found.pop() if len(found) == 1 else None


def _mixed_axes(nonzero: Mask, shape: tuple[int, ...]) -> set[int] | None:
    """The axes along which entries depend on one another; None where some differ in more than one index."""
    rows, columns = (np.array(np.unravel_index(k, shape)) for k in np.nonzero(nonzero))
    differ = rows != columns
    return None if (differ.sum(axis=0) > 1).any() else {int(k) for k in np.flatnonzero(differ.any(axis=1))}
