"""GC108: one path missing, or overwritten instead of added up.

What it means
    An input reaches the output along several paths, and its gradient is the sum over all of them. One is left out, or a
    later one overwrites an earlier one, or some
    are counted more than once. Where forward can be traced, the message names the operation and its line.

Why it matters
    Shared weights, residual connections, windows that overlap and normalisations (the mean depends on x as well) all
    have several paths. The rest of the gradient is right, so it looks plausible.

Example
    h = np.tanh(x @ W) @ W.T                # W is used twice
    dW = x.T @ da                           # should be x.T @ da + dh.T @ a

What to do
    Add what is named. Write ``+=`` wherever a gradient may arrive a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from gradtool.diagnosis.chain import counted_paths, dropped_paths
from gradtool.diagnosis.coverage import coverage, picked
from gradtool.diagnosis.fitting import Evidence, Look, Mask, Matrices, Pair
from gradtool.diagnosis.program import programs
from gradtool.results import Cause

LONG_ENOUGH = 4
"""Entries of which a mean says something."""
Keep = Callable[[Matrices], Mask | None]


def find(evidence: Evidence) -> Cause | None:
    """Fits where leaving out paths of the traced forward, or contributions of single outputs, gives the user's gradient."""
    if not evidence.usable:
        return None
    dropped = dropped_paths(evidence)
    if dropped is not None:
        message = f"lacks what comes {dropped.through}"
        fix = f"add it to d_{evidence.name}, with += where it may come second"
        return Cause("GC108", message, fix, dropped.file, dropped.line, residual=dropped.residual)
    counted = counted_paths(evidence)
    if counted is not None:
        return Cause("GC108", counted.message, counted.fix, counted.file, counted.line, residual=counted.residual)
    shape = evidence.first.right.shape
    if len(shape) == 2 and shape[0] == shape[1] > 1:
        eye = np.eye(shape[0])
        residual = evidence.fit(lambda look: (look.right * eye, look.error * eye))
        if residual is not None:
            message = "has only its diagonal: what is off it is zero"
            return Cause("GC108", message, "compute the entries off the diagonal as well", residual=residual)
    uncentred = _not_centred(evidence)
    if uncentred is not None:
        return uncentred
    only = _only_picked(evidence)
    if only is not None:
        return only
    if not evidence.matrices:
        return None
    covered = _covered(evidence) if all(map(_is_part, evidence.matrices)) else {}
    for window, message, fix in _WINDOWS if covered else ():
        residual = evidence.fit_matrix(partial(_kept_of, window, covered))
        if residual is not None:
            return Cause("GC108", message, fix, residual=residual)
    for keep, message, fix in _WAYS:
        residual = evidence.fit_matrix(partial(_kept, keep))
        if residual is not None:
            return Cause("GC108", message, fix, residual=residual)
    return None


def _not_centred(evidence: Evidence) -> Cause | None:
    """Where the right gradient has a mean of zero, and the user's is it plus one number at every entry."""
    shape = evidence.first.right.shape
    for axis in (None, *range(len(shape))):
        if (evidence.first.right.size if axis is None else shape[axis]) < LONG_ENOUGH:
            continue
        if len(shape) > 1 and axis is None and any(n == 1 for n in shape):
            continue
        residual = evidence.fit(partial(_plus_a_number, axis))
        if residual is not None:
            over = "" if axis is None or len(shape) == 1 else f" over axis {axis}"
            message = (
                f"lacks what comes through a mean: its own mean{over} is not zero, and without it the gradient is right"
            )
            fix = "subtract the mean: forward does so, or divides by a sum"
            return Cause("GC108", message, fix, residual=residual)
    return None


def _plus_a_number(axis: int | None, look: Look) -> Pair | None:
    mean = np.abs(look.right.mean(axis=axis, keepdims=True))
    if look.yours is None or (mean > look.error.mean(axis=axis, keepdims=True) + 1e-9 * look.scale).any():
        return None
    number = (look.yours - look.right).mean(axis=axis, keepdims=True)
    return look.right + number, look.error + look.error.mean(axis=axis, keepdims=True)


def _only_picked(evidence: Evidence) -> Cause | None:
    """Where all that is there is what belongs to the entries that forward takes by an index or a mask."""
    traced = programs(evidence)
    if not traced or len(traced) < len(evidence.looks):
        return None
    for node, _ in picked(traced[0]):
        masks = {id(program.look): mask for program in traced for i, mask in picked(program) if i == node}
        residual = evidence.fit(partial(_where, masks))
        if residual is not None:
            words = f"the entries that {traced[0].label(node)} picks"
            message = f"has only {words}: what reaches the output from the others is missing"
            return Cause(
                "GC108",
                message,
                "the others take part as well: add what they get",
                *traced[0].place(node),
                residual=residual,
            )
    return None


def _where(masks: Mapping[int, Mask], look: Look) -> Pair | None:
    mask = masks.get(id(look))
    return None if mask is None else (np.where(mask, look.right, 0.0), np.where(mask, look.error, 0.0))


def _is_part(both: Matrices) -> bool:
    """Whether every entry of the user's Jacobian is either the right one or zero."""
    return bool((~both.wrong | (np.abs(both.yours) <= both.tolerance)).all())


def _covered(evidence: Evidence) -> dict[int, Mask]:
    """For every look with a matrix which entries each output entry is made of; empty where that is not known."""
    by_look = {id(program.look): program for program in programs(evidence)}
    found: dict[int, Mask] = {}
    for both in evidence.matrices:
        program = by_look.get(id(both.look))
        mask = None if program is None else coverage(evidence, program)
        if mask is None or mask.shape != both.right.shape:
            return {}
        found[id(both.look)] = mask
    return found


def _kept_of(window: Callable[[Mask], Mask], covered: Mapping[int, Mask], both: Matrices) -> Pair:
    mask = window(covered[id(both.look)])
    return np.where(mask, both.right, 0.0), np.where(mask, both.error, 0.0)


def _kept(keep: Keep, both: Matrices) -> Pair | None:
    mask = keep(both)
    return None if mask is None else (np.where(mask, both.right, 0.0), np.where(mask, both.error, 0.0))


def _diagonal(both: Matrices) -> Mask | None:
    rows, columns = both.right.shape
    return np.eye(rows, dtype=bool) if rows == columns else None


def _off_diagonal(both: Matrices) -> Mask | None:
    rows, columns = both.right.shape
    return ~np.eye(rows, dtype=bool) if rows == columns else None


def _last(both: Matrices) -> Mask:
    return _first_of(both.nonzero[::-1])[::-1]


def _first(both: Matrices) -> Mask:
    return _first_of(both.nonzero)


def _first_of(nonzero: Mask) -> Mask:
    """For every column only the first entry that is set."""
    return np.asarray(nonzero & (np.cumsum(nonzero, axis=0) == 1))


_OVERWRITTEN = "it is overwritten where it should be added up"
_WINDOWS: tuple[tuple[Callable[[Mask], Mask], str, str], ...] = (
    (
        lambda covered: _first_of(covered[::-1])[::-1],
        f"has for each entry only what comes from the last window that covers it: {_OVERWRITTEN}",
        "+= in place of =",
    ),
    (
        lambda covered: _first_of(covered),
        f"has for each entry only what comes from the first window that covers it: {_OVERWRITTEN}",
        "+= in place of =",
    ),
)
_WAYS: tuple[tuple[Keep, str, str], ...] = (
    (
        _diagonal,
        "lacks what comes from other entries: only the diagonal of the Jacobian is there",
        "each output entry depends on several entries of the input: add what comes from each",
    ),
    (
        _off_diagonal,
        "lacks the direct path: only what comes from other entries is there",
        "add what each output entry sends to its own input entry",
    ),
    (
        _last,
        f"has only one contribution for each entry, that of the last output entry: {_OVERWRITTEN}",
        "+= in place of =",
    ),
    (
        _first,
        f"has only one contribution for each entry, that of the first output entry: {_OVERWRITTEN}",
        "+= in place of =",
    ),
)
