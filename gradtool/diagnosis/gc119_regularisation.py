"""GC119: a regularisation or constant term missing, or there twice.

What it means
    The difference between your gradient and the right one is a multiple of the parameter itself (weight decay), of its
    sign, or a constant: a penalty's gradient is left out, there twice, or there though forward has none.

Why it matters
    The loss that is reported and the one that is minimised differ; the strength of the regularisation has no effect.

Example
    loss = data_loss + 0.5 * reg * np.sum(W * W)
    dW = X.T @ dscores                      # should be X.T @ dscores + reg * W

What to do
    Add the penalty's gradient once, in the same place where forward adds the penalty. It is a penalty of the weights,
    not of their gradient.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gradtool.diagnosis.chain import Path, scaled_path
from gradtool.diagnosis.factors import best_factor
from gradtool.diagnosis.fitting import NEARER, Array, Evidence, largest, norm
from gradtool.results import Cause

SAME = 1e-5


def find(evidence: Evidence) -> Cause | None:
    """Fits where the difference is one constant times the input, its sign or 1, at all sights."""
    if not evidence.usable:
        return None
    name = evidence.name
    scalar = evidence.upstream(evidence.first).size == 1
    for term, text in ((_itself, f"{name}"), (np.sign, f"sign({name})"), (np.ones_like, "1")):
        for weighed in (True, False) if scalar else (False,):
            found = _multiple(evidence, term, weighed)
            if found is None:
                continue
            path = scaled_path(evidence)
            if path is not None and not path.is_term:
                return None
            return _cause(evidence, *found, text, weighed, path)
    return None


def _cause(evidence: Evidence, value: float, residual: float, text: str, weighed: bool, path: Path | None) -> Cause:
    """``path`` is the way from forward's penalty to the input, where forward was traced and has one."""
    amount = (
        f"{abs(value):.6g}" if text == "1" else text if abs(abs(value) - 1) < SAME else f"{abs(value):.6g} * {text}"
    )
    kind = "a constant term" if text == "1" else "a regularisation term"
    if value < 0:
        message, fix = f"lacks {kind}: {amount}", f"d_{evidence.name} += {amount}"
    else:
        known = "has {} twice" if path is not None else "has {} that forward has not, or has it twice"
        message, fix = f"{known.format(kind)}: {amount}", f"d_{evidence.name} -= {amount}"
    if weighed:
        fix += ", times the upstream gradient"
    if path is None:
        return Cause("GC119", message, fix, residual=residual)
    return Cause("GC119", message, fix, path.file, path.line, residual=residual)


def _multiple(evidence: Evidence, term: Callable[[Array], Array], weighed: bool) -> tuple[float, float] | None:
    rows = []
    for look in evidence.looks:
        x = np.asarray(look.sight.values[evidence.name], dtype=np.float64)
        if look.yours is None or x.shape != look.right.shape:
            return None
        part = term(x) * (evidence.upstream(look)[0] if weighed else 1.0)
        rows.append((look, look.yours - look.right, part))
    if sum(part.size for _, _, part in rows) < 3:
        return None
    value = best_factor([(change, part, np.zeros(part.shape)) for _, change, part in rows])
    if value is None or value == 0:
        return None
    worst = 0.0
    for look, change, part in rows:
        bound = 2 * look.error + 1e-9 * (look.scale + largest(value * part))
        if (np.abs(change - value * part) > bound).any():
            return None
        if norm(change - value * part) > NEARER * norm(change):
            return None
        size = max(look.scale, largest(change))
        worst = max(worst, norm(change - value * part) / size if size > 0 else 0.0)
    return value, worst


def _itself(x: Array) -> Array:
    return x
