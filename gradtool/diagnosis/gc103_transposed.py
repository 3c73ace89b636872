"""GC103: transposed.

What it means
    The gradient is the right one with two axes exchanged, or is computed with a factor that is not transposed where it
    should be (or the reverse). Shapes do not tell, because the arrays are square.

Why it matters
    It runs for square layers only, and is wrong there; for all others it raises.

Example
    def matmul_backward(dout, x, W):
        return dout @ W, x.T @ dout         # for x @ W: should be dout @ W.T, x.T @ dout

What to do
    Give every axis another length in a test: then a missing transposition cannot run.
"""

from __future__ import annotations

from functools import partial
from itertools import permutations

import numpy as np

from gradtool.diagnosis.chain import changed_rule
from gradtool.diagnosis.fitting import Array, Evidence, Look, Pair, largest
from gradtool.diagnosis.products import confused_product
from gradtool.results import Cause

MAX_RANK = 4


def find(evidence: Evidence) -> Cause | None:
    """Fits where exchanging axes of the right gradient, of the upstream, or of one factor gives the user's gradient."""
    if not evidence.usable:
        return None
    name, shape = evidence.name, evidence.first.right.shape
    if 2 <= len(shape) <= MAX_RANK:
        for axes in _orders(shape):
            residual = evidence.fit(partial(_transposed, axes))
            if residual is not None:
                text = ".T" if len(shape) == 2 else f".transpose{axes}"
                back = ".T" if len(shape) == 2 else f".transpose{tuple(int(k) for k in np.argsort(axes))}"
                return Cause(
                    "GC103",
                    "is transposed",
                    f"d_{name} = (what you return){back}",
                    transformation=text,
                    residual=residual,
                )
        for after, words in (
            ((1, 0), "is computed with the wrong factors transposed"),
            ((0, 1), "is computed with the upstream gradient transposed"),
        ):
            residual = evidence.fit(partial(_upstream_transposed, evidence, after))
            if residual is not None:
                return Cause("GC103", words, "transpose what was not transposed, and the reverse", residual=residual)
    found = confused_product(evidence)
    if found is not None and found.kind == "transposed":
        return Cause(
            "GC103",
            f"is {found.yours} where {found.right} is right",
            f"d_{name} = {found.right}",
            residual=found.residual,
        )
    rule = changed_rule(evidence, "transposed")
    if rule is not None:
        return Cause("GC103", rule.message, rule.fix, rule.file, rule.line, residual=rule.residual)
    residual = evidence.fit(partial(_jacobian_itself, evidence))
    if residual is not None:
        message = "is the Jacobian times the upstream gradient, where the transposed Jacobian belongs"
        return Cause("GC103", message, "transpose the linear map that forward applies", residual=residual)
    return None


def _jacobian_itself(evidence: Evidence, look: Look) -> Pair | None:
    """``J @ u`` in place of ``J.T @ u``. Not for permutations: what they get wrong is an order, which is GC111."""
    value, error = evidence.jacobian(look)
    rows, columns = value.shape
    nonzero = np.abs(value) > 1e-9 * largest(value)
    if rows != columns or not np.isfinite(error).all() or (nonzero.sum(axis=1) <= 1).all():
        return None
    upstream = evidence.upstream(look)
    return (value @ upstream).reshape(look.right.shape), (error @ np.abs(upstream)).reshape(look.right.shape)


def _orders(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The orders of the axes that keep the shape, the exchange of the last two first."""
    same = tuple(range(len(shape)))
    found = [axes for axes in permutations(same) if axes != same and tuple(shape[k] for k in axes) == shape]
    last = (*same[:-2], same[-1], same[-2])
    return sorted(found, key=lambda axes: axes != last)


def _transposed(axes: tuple[int, ...], look: Look) -> Pair:
    return look.right.transpose(axes), look.error.transpose(axes)


def _upstream_transposed(evidence: Evidence, after: tuple[int, int], look: Look) -> Pair | None:
    upstream = look.sight.upstream
    if len(upstream) != 1 or upstream[0].ndim != 2 or upstream[0].shape[0] != upstream[0].shape[1]:
        return None
    turned: Array = np.asarray(upstream[0].T, dtype=np.float64).ravel()
    value, error = evidence.pulled(look, turned)
    if value.ndim != 2:
        return None
    return value.transpose(after), error.transpose(after)
