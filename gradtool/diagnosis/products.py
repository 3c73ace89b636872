"""Matrix products that were confused: which product of upstream, inputs and outputs is right, and which one the user's is.

For forwards that cannot be traced, such as those that call compiled code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from gradtool.diagnosis.fitting import ROUNDING, Array, Evidence, Look, largest

MAX_MATRICES = 5


class Product(NamedTuple):
    """``sign * left @ upstream @ right``; factors by label, '' for none, a ``.T`` at the end for a transposition. With
    ``elementwise`` it is ``upstream * right``."""

    sign: int
    left: str
    right: str
    elementwise: bool = False

    @property
    def text(self) -> str:
        """As users would write it."""
        parts = [part for part in (self.left, "upstream", self.right) if part]
        return ("-" if self.sign < 0 else "") + (" * " if self.elementwise else " @ ").join(parts)


@dataclass(frozen=True, slots=True)
class Confused:
    """The right product and the user's, as text."""

    right: str
    yours: str
    kind: Literal["transposed", "missing", "other"]
    residual: float


def confused_product(evidence: Evidence) -> Confused | None:
    """Which product was taken for which; None where the right gradient is none, or the user's is none."""
    found: Confused | None = evidence.once("confused product", lambda: _search(evidence))
    return found


def _search(evidence: Evidence) -> Confused | None:
    look = evidence.first
    if len(look.sight.upstream) != 1 or look.sight.upstream[0].ndim < 2 or look.right.ndim < 2:
        return None
    right = next((p for p in _products(look) if _is(evidence, p, of_right=True) is not None), None)
    if right is None or right.elementwise:
        return None
    candidates = sorted(_products(look), key=lambda p: _distance(p, right))
    for yours in candidates:
        residual = _is(evidence, yours, of_right=False)
        if residual is not None:
            return Confused(right.text, yours.text, _kind(right, yours), residual)
    return None


def _kind(right: Product, yours: Product) -> Literal["transposed", "missing", "other"]:
    if yours.elementwise or yours.sign != right.sign:
        return "other"
    mine, theirs = [yours.left, yours.right], [right.left, right.right]
    if [label.removesuffix(".T") for label in mine] == [label.removesuffix(".T") for label in theirs]:
        return "transposed"
    if all(a in (b, "") for a, b in zip(mine, theirs, strict=True)):
        return "missing"
    return "other"


def _distance(a: Product, b: Product) -> int:
    return (a.left != b.left) + (a.right != b.right) + (a.elementwise != b.elementwise) + (a.sign != b.sign)


def _products(look: Look) -> Iterator[Product]:
    labels = ["", *(label for name in _matrices(look) for label in (name, f"{name}.T"))]
    for sign in (1, -1):
        for left in labels:
            for right in labels:
                yield Product(sign, left, right)
        for right in labels[1:]:
            yield Product(sign, "", right, elementwise=True)


def _matrices(look: Look) -> dict[str, Array]:
    found = {
        name: np.asarray(value)
        for name, value in look.sight.values.items()
        if np.ndim(value) >= 2 and np.asarray(value).dtype.kind == "f"
    }
    if look.sight.outputs[0].ndim >= 2:
        found["out"] = look.sight.outputs[0]
    return dict(list(found.items())[:MAX_MATRICES])


def _is(evidence: Evidence, product: Product, of_right: bool) -> float | None:
    """The residual if the product is the right gradient, or the user's, at every sight."""
    if not of_right:
        return evidence.fit(lambda look: _with_error(_value(product, look)))
    worst = 0.0
    for look in evidence.looks:
        value = _value(product, look)
        if value is None or value.shape != look.right.shape:
            return None
        off = np.abs(value - look.right)
        if (off > 2 * look.error + 100 * ROUNDING * look.scale).any() or largest(off) > 1e-5 * look.scale:
            return None
        worst = max(worst, largest(off) / look.scale if look.scale > 0 else 0.0)
    return worst


def _with_error(value: Array | None) -> tuple[Array, Array] | None:
    return None if value is None else (value, np.full(value.shape, 100 * ROUNDING * largest(value)))


def _value(product: Product, look: Look) -> Array | None:
    matrices = _matrices(look)

    def factor(label: str) -> Array:
        found = matrices[label.removesuffix(".T")]
        return np.swapaxes(found, -1, -2) if label.endswith(".T") else found

    value = np.asarray(look.sight.upstream[0], dtype=np.float64)
    try:
        if product.left:
            value = factor(product.left) @ value
        if product.right:
            value = value * factor(product.right) if product.elementwise else value @ factor(product.right)
    except ValueError:
        return None
    extra = value.ndim - look.right.ndim
    if extra > 0:
        value = value.sum(axis=tuple(range(extra)))
    return product.sign * value if value.shape == look.right.shape else None
