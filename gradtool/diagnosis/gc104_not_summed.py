"""GC104: not summed over a broadcast or batch axis, or only one slice kept.

What it means
    Every entry of this input takes part in several entries of the output, and its gradient is the sum of what comes from
    all of them. What is returned comes from one slice only: the first row, the last sample of a loop that assigns
    in place of adding. Or, the other way round, what should be spread over several entries goes to one of them, or
    what belongs to one entry is summed over an axis of the input itself.

Why it matters
    The gradient has the right shape and the right sign as a rule, so training works with a fraction of the data.

Example
    def bias_backward(dout, b):
        return dout[0]                      # should be dout.sum(axis=0)

What to do
    Sum over the axis that is named; in a loop over samples write ``+=``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import combinations, product

import numpy as np

from gradtool.diagnosis.chain import kept_slice
from gradtool.diagnosis.factors import summed_axes
from gradtool.diagnosis.fitting import Array, Evidence, Look, Mask, Pair
from gradtool.results import Cause

MAX_LENGTH = 64
MAX_AXES = 3


def find(evidence: Evidence) -> Cause | None:
    """Fits where an upstream that is masked to one slice gives the user's gradient."""
    if not evidence.usable:
        return None
    for output, slices in _slices(evidence):
        residual = evidence.fit(partial(_masked, evidence, output, slices))
        if residual is not None:
            of = "the output" if len(evidence.first.sight.outputs) == 1 else f"output {output}"
            where = " and ".join(f"index {k} of axis {axis}" for axis, k in slices)
            axes = tuple(axis for axis, _ in slices)
            over = f"axis {axes[0]}" if len(axes) == 1 else f"axes {axes}"
            message = f"has only one slice, {where} of {of}: it is not summed over {over}"
            fix = f"sum over {over} in place of taking one index (in a loop: += in place of =)"
            return Cause("GC104", message, fix, residual=residual)
    spread = _not_spread(evidence)
    if spread is not None:
        return spread
    too_far = _summed_too_far(evidence)
    if too_far is not None:
        return too_far
    found = kept_slice(evidence)
    if found is not None:
        return Cause("GC104", found.message, found.fix, found.file, found.line, residual=found.residual)
    return None


def _slices(evidence: Evidence) -> Iterator[tuple[int, tuple[tuple[int, int], ...]]]:
    """(output, ((axis, index), ...)) for the axes of the outputs that this gradient is summed over."""
    outputs = evidence.first.sight.outputs
    owners = ["the output"] if len(outputs) == 1 else [f"output {k}" for k in range(len(outputs))]
    for number, owner in enumerate(owners):
        axes = [axis for axis in summed_axes(evidence) if axis.owner == owner]
        for axis in axes:
            for k in range(min(axis.length, MAX_LENGTH)):
                yield number, ((axis.axis, k),)
        for count in range(2, min(len(axes), MAX_AXES) + 1):
            for chosen in combinations(axes, count):
                for ends in product((0, -1), repeat=count):
                    yield number, tuple((a.axis, k % a.length) for a, k in zip(chosen, ends, strict=True))


def _masked(evidence: Evidence, output: int, slices: tuple[tuple[int, int], ...], look: Look) -> Pair | None:
    parts = []
    for number, upstream in enumerate(look.sight.upstream):
        kept = np.array(upstream, dtype=np.float64)
        if number == output:
            mask: Mask = np.ones(kept.shape, dtype=bool)
            for axis, k in slices:
                if axis >= kept.ndim or k >= kept.shape[axis]:
                    return None
                mask &= np.arange(kept.shape[axis]).reshape([-1 if d == axis else 1 for d in range(kept.ndim)]) == k
            kept = np.where(mask, kept, 0.0)
        parts.append(kept.ravel())
    upstream_flat: Array = np.concatenate(parts)
    return evidence.pulled(look, upstream_flat)


def _summed_too_far(evidence: Evidence) -> Cause | None:
    """The sum, or the mean, over an axis of the input itself, at every entry along it."""
    for axis, length in enumerate(evidence.first.right.shape):
        for word in ("sum", "mean"):
            several = (evidence.first.right != 0).sum(axis=axis) > 1
            if length < 2 or not several.any():
                continue
            residual = evidence.fit(partial(_all_along, axis, word))
            if residual is not None:
                message = f"is the {word} over its own axis {axis}, the same at every entry along it"
                return Cause(
                    "GC104",
                    message,
                    f"do not {'sum' if word == 'sum' else 'average'} over axis {axis}",
                    residual=residual,
                )
    return None


def _all_along(axis: int, word: str, look: Look) -> Pair:
    reduction = np.sum if word == "sum" else np.mean
    value, error = (reduction(part, axis=axis, keepdims=True) for part in (look.right, look.error))
    return np.broadcast_to(value, look.right.shape), np.broadcast_to(error, look.right.shape)


def _not_spread(evidence: Evidence) -> Cause | None:
    """Each output's upstream goes to one of the entries it should be shared out to, whole."""
    if not evidence.matrices:
        return None
    for both in evidence.matrices:
        shares, ours = both.nonzero.sum(axis=1), both.yours_nonzero.sum(axis=1)
        if not (ours <= 1).all() or not (shares > 1).any() or (both.yours_nonzero & ~both.nonzero).any():
            return None
        total = both.right.sum(axis=1)
        if (np.abs(both.yours.sum(axis=1) - total) > both.error.sum(axis=1) + 1e-9 * both.scale).any():
            return None
    message = "goes whole to one entry of each group, in place of being shared out to all that were summed or averaged"
    return Cause("GC104", message, "spread it: np.repeat or broadcasting over the axis that forward summed")
