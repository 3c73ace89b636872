"""Constant factors and their names: 2, 1/2, the batch size, the length of an axis, its square root, pi, ..."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from gradtool.diagnosis.fitting import ROUNDING, Array, Evidence, Look, Pair, largest

SAME = 1e-7
"""Two factors that differ by less than this share are the same; less where the gradient itself is not known so well."""
TELLING_SIZE = 6
"""A factor that equals a smaller number of entries is more likely to be just that number."""
SMALLEST = 1e-305
"""A factor beyond this, or beyond 1 over it, is no factor that somebody wrote."""
SMALL = 16
"""Numerator and denominator of the fractions that are named."""


class Factor(NamedTuple):
    """The user's gradient is ``value`` times the right one; ``residual`` says how well that fits, and ``spread`` by how much
    (as a share) the factor may be off."""

    value: float
    residual: float
    spread: float


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis that this gradient runs over when it is summed: of an input, or of an output where ``owner`` says so."""

    owner: str
    axis: int
    length: int
    unique: bool
    """Whether no other axis of the same array has this length."""
    dimensions: int

    @property
    def meaning(self) -> str:
        """``the batch size``, or ``the length of axis 1 of x``."""
        if self.axis == 0 and self.dimensions > 1:
            return "the batch size"
        return f"the length of axis {self.axis} of {self.owner}"

    @property
    def words(self) -> str:
        """``the batch size 4``, or ``4, the length of axis 1 of x``."""
        if self.axis == 0 and self.dimensions > 1:
            return f"the batch size {self.length}"
        return f"{self.length}, {self.meaning}"


def constant_factor(evidence: Evidence) -> Factor | None:
    """The one factor, other than 1, that makes the right gradient the user's at every sight."""
    found: Factor | None = evidence.once("constant factor", lambda: _constant_factor(evidence))
    return found


def _constant_factor(evidence: Evidence) -> Factor | None:
    pairs = [(look.yours, look.right, look.error) for look in evidence.looks if look.yours is not None]
    value = best_factor(pairs)
    if value is None or not SMALLEST < abs(value) < 1 / SMALLEST:
        return None

    def hypothesis(look: Look) -> Pair:
        return value * look.right, abs(value) * look.error

    residual = evidence.fit(hypothesis)
    if residual is None:
        return None
    return Factor(value, residual, _spread(pairs, value))


def best_factor(pairs: Sequence[tuple[Array | None, Array, Array]]) -> float | None:
    """The least-squares factor from ``right`` to ``yours``, each place weighed by its own size, and entries that are not known
    well by their error."""
    over = under = 0.0
    for yours, right, error in pairs:
        assert yours is not None
        known = np.isfinite(error) & np.isfinite(yours)
        size = largest(right[known])
        if size == 0 or not math.isfinite(size):
            continue
        r, y = right[known] / size, yours[known] / size
        weight = (ROUNDING / np.maximum(error[known] / size, ROUNDING)) ** 2
        over, under = over + float(np.sum(weight * r * y)), under + float(np.sum(weight * r * r))
    return over / under if under > 0 else None


def _spread(pairs: Sequence[tuple[Array | None, Array, Array]], value: float) -> float:
    bounds = []
    for _, right, error in pairs:
        known = np.isfinite(error)
        size = largest(right[known])
        if size > 0:
            biggest = np.abs(right) >= 0.5 * size
            bounds.append(float(np.min(error[biggest & known] / size, initial=1.0)))
    return max(min(bounds, default=1.0) * 4, 100 * ROUNDING, 1e-15 / abs(value))


def summed_axes(evidence: Evidence) -> list[Axis]:
    """The axes over which something is summed on the way from the outputs to this gradient, outputs first."""
    found: list[Axis] = evidence.once("summed axes", lambda: list(_summed_axes(evidence)))
    return found


def _summed_axes(evidence: Evidence) -> Iterator[Axis]:
    look = evidence.first
    outputs = look.sight.outputs
    nonzero = nonzero_jacobian(evidence, look, evidence.name)
    start = 0
    for k, output in enumerate(outputs):
        shape, size = np.shape(output), int(np.size(output))
        owner = "the output" if len(outputs) == 1 else f"output {k}"
        mine = nonzero[start : start + size].reshape(*shape, nonzero.shape[1])
        start += size
        for axis, length in enumerate(shape):
            if length > 1 and (mine.sum(axis=axis) > 1).any():
                yield Axis(owner, axis, length, shape.count(length) == 1, len(shape))
    names = [evidence.name, *(n for n in evidence.suspect.wrt if n != evidence.name)]
    for name in names:
        shape = np.shape(look.sight.values[name])
        if not shape:
            continue
        mine = nonzero_jacobian(evidence, look, name)
        mine = mine.reshape(len(mine), *shape)
        for axis, length in enumerate(shape):
            if length > 1 and (mine.sum(axis=axis + 1) > 1).any():
                yield Axis(name, axis, length, shape.count(length) == 1, len(shape))


def nonzero_jacobian(evidence: Evidence, look: Look, name: str) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Which outputs depend on which entries of an input."""
    value, error = evidence.jacobian(look, name)
    size = largest(value)
    return np.asarray(np.abs(value) > np.where(np.isfinite(error), 2 * error, np.inf) + 10 * ROUNDING * size)


def axis_of(evidence: Evidence, factor: Factor) -> Axis | None:
    """The axis whose length the factor, or 1 over it, equals; None where there is none, or where two axes of one array do."""
    length = factor.value if abs(factor.value) > 1 else 1 / factor.value
    if not close(length, round(length), factor.spread) or round(length) < 2:
        return None
    candidates = [axis for axis in summed_axes(evidence) if axis.length == round(length)]
    if not candidates or not all(axis.unique for axis in candidates):
        return None
    return candidates[0] if len({axis.axis for axis in candidates}) == 1 or candidates[0].axis == 0 else None


def close(a: float, b: float, spread: float) -> bool:
    """Whether two numbers are the same, as far as can be known."""
    return abs(a - b) <= min(max(spread, 1e-12), SAME) * max(abs(a), abs(b))


def name_of(evidence: Evidence, factor: Factor) -> tuple[str, str | None]:
    """``("1/2", None)``, ``("4", "the batch size")``: the factor as text, and what is known about it."""
    value, spread = factor.value, factor.spread
    lengths = _lengths(evidence)
    if value.is_integer() or close(value, round(value), spread):
        return f"{round(value)}", lengths.get(abs(round(value)))
    if close(1 / value, round(1 / value), spread):
        sign = "-" if value < 0 else ""
        about = lengths.get(abs(round(1 / value)))
        return f"{sign}1/{abs(round(1 / value))}", about and f"1 / {about}"
    for n, about in sorted(lengths.items()):
        for exact, text, meaning in (
            (n / (n - 1), f"{n}/{n - 1}", f"n/(n-1), n being {about}"),
            ((n - 1) / n, f"{n - 1}/{n}", f"(n-1)/n, n being {about}"),
            (math.sqrt(n), f"sqrt({n})", f"the square root of {about}"),
            (1 / math.sqrt(n), f"1/sqrt({n})", f"1 / the square root of {about}"),
        ):
            if n > 1 and close(abs(value), exact, spread):
                return ("-" if value < 0 else "") + text, meaning
    fraction = Fraction(value).limit_denominator(SMALL)
    if abs(fraction.numerator) <= SMALL and fraction and close(value, float(fraction), spread):
        return str(fraction), None
    for text, exact in _NUMBERS:
        if close(abs(value), exact, spread):
            return ("-" if value < 0 else "") + text, None
    return f"{value:.6g}", None


def _roots() -> list[tuple[str, float]]:
    basic = [
        ("pi", math.pi), ("sqrt(2)", math.sqrt(2)), ("sqrt(pi)", math.sqrt(math.pi)), ("log(2)", math.log(2)),
        ("sqrt(2 pi)", math.sqrt(2 * math.pi)), ("sqrt(2/pi)", math.sqrt(2 / math.pi)), ("log(10)", math.log(10)),
        ("sqrt(3)", math.sqrt(3)), ("pi/180", math.pi / 180), ("e", math.e), ("2 pi", 2 * math.pi), ("pi/2", math.pi / 2),
    ]  # fmt: skip
    return [
        *basic,
        *((f"1/({text})" if " " in text or "/" in text else f"1/{text}", 1 / value) for text, value in basic),
    ]


_NUMBERS = _roots()


def _lengths(evidence: Evidence) -> dict[int, str]:
    """Whole numbers that the shapes explain: lengths of axes, sizes, and squares of lengths."""
    found: dict[int, str] = {}
    axes = summed_axes(evidence)
    for axis in axes:
        found.setdefault(axis.length, axis.meaning)
    for axis in axes:
        found.setdefault(axis.length**2, f"the square of {found[axis.length]}")
    for name, value in evidence.first.sight.values.items():
        if np.size(value) >= TELLING_SIZE:
            found.setdefault(int(np.size(value)), f"the number of entries of {name}")
    return found


def describe(evidence: Evidence, factor: Factor) -> str:
    """``is 2 times what it should be``, ``is 1/4 of what it should be (1 / the batch size)``."""
    text, about = name_of(evidence, factor)
    because = f" ({about})" if about else ""
    if abs(factor.value) < 1:
        return f"is {text} of what it should be{because}"
    return f"is {text} times what it should be{because}"


def undo(evidence: Evidence, factor: Factor) -> str:
    """What to do with a returned value to undo the factor: ``/ 2``, ``* 4``."""
    inverse = Factor(1 / factor.value, factor.residual, factor.spread)
    text = name_of(evidence, inverse)[0]
    if text.startswith("1/") and "(" not in text:
        return f"/ {text[2:]}"
    return f"* {text}" if "/" not in text else f"* ({text})"
