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
    only = _only_picked(evidence)
    if only is not None:
        return only
    if not evidence.matrices:
        return None
    covered = _covered(evidence)
    for keep, message, fix in _WINDOWS if covered else ():
        residual = evidence.fit_matrix(lambda both, keep=keep: _kept_of(keep, both, covered))  # type: ignore[misc]
        if residual is not None:
            return Cause("GC108", message, fix, residual=residual)
    for keep, message, fix in _WAYS:
        residual = evidence.fit_matrix(partial(_kept, keep))
        if residual is not None:
            return Cause("GC108", message, fix, residual=residual)
    return None


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
                "GC108", message, "the others take part as well: add what they get", *traced[0].place(node), residual=residual
            )
    return None


def _where(masks: Mapping[int, Mask], look: Look) -> Pair | None:
    mask = masks.get(id(look))
    return None if mask is None else (np.where(mask, look.right, 0.0), np.where(mask, look.error, 0.0))


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


def _kept_of(keep: Callable[[Mask], Mask], both: Matrices, covered: Mapping[int, Mask]) -> Pair:
    mask = keep(covered[id(both.look)])
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
