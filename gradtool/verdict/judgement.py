"""``Judgement``: what is said of one gradient at one point, and the figures that go with it."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, isfinite, log10
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradtool.references.numeric import Numeric
from gradtool.results import Verdict, Worst

Array = NDArray[Any]
MOST_DIGITS = 16
TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """What is said of one gradient at one point. ``right`` and ``error`` have the input's shape; ``error`` bounds
    ``|right - truth|`` and the allowance for rounding, entry by entry. ``problem`` says in which way it is WRONG."""

    verdict: Verdict
    reason: str | None
    right: Array
    error: Array
    worst: Worst | None = None
    relative_error: float | None = None
    digits: int | None = None
    detectable: float | None = None
    checked: int = 0
    evaluations: int = 0
    miss_probability: float = 0.0
    problem: str | None = None
    """``missing``, ``shape``, ``not finite``, ``value`` or ``tie`` where it is WRONG."""
    only: tuple[int, ...] | None = None
    """The one wrong entry, where all others are known to be right."""

    @property
    def is_zero(self) -> bool:
        """Whether it is not WRONG and zero to within its bound."""
        return self.verdict is not Verdict.WRONG and bool((np.abs(self.right) <= self.error).all())


class NotNumbersError(Exception):
    """A gradient is of a kind that cannot be compared (complex, sparse, objects); the message says which."""


def as_array(gradient: Any) -> Array | None:
    """A gradient as backward gave it as an array; None where it gave none. Raises ``NotNumbersError``."""
    if gradient is None:
        return None
    found = np.asarray(gradient)
    if found.dtype.kind == "O":
        if found.size and all(item is None for item in found.ravel()):
            return None
        raise NotNumbersError(f"the gradient is of type {type(gradient).__name__}, not an array of numbers")
    if found.dtype.kind == "c":
        raise NotNumbersError("the gradient is complex")
    if found.dtype.kind not in "fiub":
        raise NotNumbersError(f"the gradient has dtype {found.dtype}")
    return found


def figures(yours: Array, numeric: Numeric, bound: Array, scale: float) -> dict[str, Any]:
    """The worst entry, how many digits agree there, and what error would have been seen."""
    if not yours.size:
        return {"detectable": 0.0}
    with np.errstate(invalid="ignore", divide="ignore"):
        excess = np.abs(yours - numeric.value) / np.where(bound > 0, bound, TINY)
    excess = np.where(np.isfinite(yours), excess, np.inf)
    index = largest(np.where(np.isnan(excess), -1.0, excess))
    worst = Worst(index, float(yours[index]), float(numeric.value[index]), float(numeric.error[index]))
    detectable = float(np.max(bound)) / (scale or 1.0)
    return {"worst": worst, "detectable": detectable, **relative(worst)}


def relative(worst: Worst) -> dict[str, Any]:
    if worst.yours is None or not isfinite(worst.yours) or not isfinite(worst.reference):
        return {"relative_error": None, "digits": 0}
    apart = abs(worst.yours - worst.reference)
    size = abs(worst.reference) or abs(worst.yours)
    relative = float(apart / size) if size > 0 else 0.0
    if relative == 0 or relative >= 1:
        return {"relative_error": relative, "digits": 0 if relative else MOST_DIGITS}
    return {"relative_error": relative, "digits": min(floor(-log10(relative)), MOST_DIGITS)}


def largest(values: Array) -> tuple[int, ...]:
    return tuple(int(k) for k in np.unravel_index(int(values.argmax()), values.shape))


def at_entry(index: tuple[int, ...]) -> str:
    return f"entry {list(index)}: " if index else ""
