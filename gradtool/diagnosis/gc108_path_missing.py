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

from collections.abc import Callable
from functools import partial

import numpy as np

from gradtool.diagnosis.chain import counted_paths, dropped_paths
from gradtool.diagnosis.fitting import Evidence, Mask, Matrices, Pair
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
    if not evidence.matrices:
        return None
    for keep, message, fix in _WAYS:
        residual = evidence.fit_matrix(partial(_kept, keep))
        if residual is not None:
            return Cause("GC108", message, fix, residual=residual)
    return None


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
