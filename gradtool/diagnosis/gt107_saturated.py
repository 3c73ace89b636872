"""GT107: saturated.

What it means
    An operation that is flat at both ends (sigmoid, tanh, erf, softsign, atan, hardtanh, clip, softmax) is driven so far
    out that its local derivative is next to nothing: at most ``slope`` (default 1e-4) times its steepest, at more than
    ``share`` (default 0.5) of its entries. A sigmoid is there beyond |x| = 10.6, a tanh beyond 5.3. A row of a softmax is
    saturated where one entry takes all but ``slope``/4 of the weight. Entries that no gradient arrives at, or whose
    argument is not finite, are not counted.

Why it matters
    What arrives from above is multiplied by that derivative, and little is left for everything below.

Example
    gradtool eval "sum(sigmoid(30*x))" x=[-1,0.7,2]

What to do
    Scale the weights by their fan-in, normalise before the activation, or divide logits by a temperature. Where a loss
    follows, use one that takes logits: cross_entropy(z, y), bce_with_logits(z, y).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from gradtool.diagnosis.flatness import flat_entries
from gradtool.diagnosis.health import Array, Health
from gradtool.results import Diagnostic

THRESHOLDS: Mapping[str, float] = {"slope": 1e-4, "share": 0.5}
_SOFTMAX_STEEPEST = 0.25


def find(health: Health, thresholds: Mapping[str, float]) -> Iterator[Diagnostic]:
    """One finding for each node with a large share of flat entries."""
    found = [
        (f.node, f.where, f.steepness / f.profile.steepest, "entries")
        for f in flat_entries(health, 2, thresholds["slope"])
    ]
    found += [(i, *_rows(health, i, thresholds["slope"]), "rows") for i in health.passing.get("softmax", [])]
    for i, flat, slopes, what in sorted(found, key=lambda one: one[0]):
        counted = _counted(health, i, what == "rows") & np.isfinite(slopes)
        size, of = int((flat & counted).sum()), int(counted.sum())
        if not of or size <= thresholds["share"] * of:
            continue
        largest = float(np.max(slopes[flat & counted]))
        share = "" if slopes.size == 1 else f" at {size} of {of} {what}"
        slope = f"{'at most ' if size > 1 else ''}{largest:.1g} of the steepest" if largest else "0"
        yield Diagnostic("GT107", "warning", f"{health.label(i)} is saturated{share}: its slope is {slope}", i)


def _rows(health: Health, i: int, slope: float) -> tuple[Array, Array]:
    """For each row of a softmax whether it is saturated, and its largest local derivative ``p (1 - p)`` as a share of 1/4.

    NaN for rows with fewer than two finite arguments: nothing is left to decide there, as under a mask."""
    axis, x = _axis(health, i), health.value(health.plan.graph.arguments[i][0])
    p = health.value(i).astype(np.float64)
    shares = np.max(p * (1.0 - p), axis=axis, initial=0.0) / _SOFTMAX_STEEPEST
    shares = np.where(np.isfinite(x).sum(axis=axis) < 2, np.nan, shares)
    return shares <= slope, shares


def _counted(health: Health, i: int, rows: bool) -> Array:
    """Where a gradient arrives, for each entry or for each row of a softmax; and arguments that are finite."""
    upstream = health.upstream(i)
    assert upstream is not None
    return np.asarray((upstream != 0).any(axis=_axis(health, i)) if rows else upstream != 0)


def _axis(health: Health, i: int) -> int:
    settled = health.plan.resolved[i]
    assert settled is not None
    return int(settled.parameters["axis"])
