"""Whether one entry of a gradient is plainly not the derivative: held against central differences with safe margins.

The margins are so wide that a right gradient passes, and the difference so plain that a reader can repeat it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradtool.minimal_case.case import Failure, Problem
from gradtool.target import Values
from gradtool.verdict.caller import Caller, UnsupportedError, UserCodeError, checked_outputs, is_float

Array = NDArray[Any]
Index = tuple[int, ...]
Indices = tuple[Index, ...]
STEPS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
"""Steps to try, relative to the entry."""
MARGIN = 4.0
"""By how many tolerances a gradient has to be off."""
RELATIVE, UNITS = 2e-9, 64.0
"""What a right gradient may be off by at least, relative to its size, and in units of roundoff where that is more."""
UNSURE = 1e-2
"""How large a tolerance may be, relative to the difference, where there is no number to compare with."""
MOST_PAIRS = 2
"""Pairs of entries that are moved together, for each entry that is looked at."""
SHRINKS = 0.75
"""The one-sided differences of a smooth function draw together by half where the step is halved."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Differences with one step: the central one and the two one-sided ones, and whether they belong to a smooth function.
    ``error`` bounds the error of the central one, and at a kink that of the one-sided ones."""

    step: float
    value: float
    error: float
    left: float
    right: float
    smooth: bool


def moved(value: Any, indices: Indices, step: float) -> Any:
    """``value`` with some entries moved by ``step``."""
    if not isinstance(value, np.ndarray):
        return value + step
    found = value.copy()
    for index in indices:
        found[index] += step
    return found


def differences(
    loss: Callable[[Any], float], value: Any, indices: Indices, size: float, unit: float
) -> Difference | None:
    """The best of the differences with several steps; None where ``loss`` is finite for none of them.

    ``size`` is that of what ``loss`` adds up, ``unit`` its unit roundoff.
    """
    x = float(value[indices[0]]) if isinstance(value, np.ndarray) else float(value)
    scale = abs(x) or float(np.max(np.abs(value), initial=0.0)) or 1.0
    base = loss(value)
    found = []
    for share in STEPS:
        step = float(f"{share * scale:.0e}")
        near, far = (_one_sided(loss, base, value, indices, s) for s in (step / 2, step))
        if near is None or far is None:
            continue
        centre, wide = sum(near) / 2, sum(far) / 2
        rounding = 8 * unit * size / step
        apart, wider = abs(near[1] - near[0]), abs(far[1] - far[0])
        smooth = apart <= SHRINKS * wider + 4 * rounding
        drift = abs(centre - wide) if smooth else max(abs(n - f) for n, f in zip(near, far, strict=True))
        found.append(Difference(step, wide, 2 * drift + rounding, *far, smooth))
    if not found:
        return None
    found.sort(key=lambda one: (not one.smooth, one.error))
    best, *others = found
    doubt = abs(best.value - others[0].value) if others and best.smooth and others[0].smooth else 0.0
    return Difference(best.step, best.value, best.error + doubt, best.left, best.right, best.smooth)


def _one_sided(
    loss: Callable[[Any], float], base: float, value: Any, indices: Indices, step: float
) -> tuple[float, float] | None:
    """The differences to the left and to the right, by the steps that rounding left."""
    below, above = moved(value, indices, -step), moved(value, indices, step)
    at = (lambda v: float(v[indices[0]])) if isinstance(value, np.ndarray) else float
    backward, forward = at(value) - at(below), at(above) - at(value)
    if not (backward > 0 and forward > 0):
        return None
    left, right = (base - loss(below)) / backward, (loss(above) - base) / forward
    return (left, right) if np.isfinite(left) and np.isfinite(right) else None


class Prober:
    """Looks at single cases of one calling. ``checks`` counts those at which forward ran. After ``until`` (of ``time.monotonic``)
    nothing more is seen."""

    def __init__(self, caller: Caller, until: float = inf) -> None:
        self.caller = caller
        self.until = until
        self.checks = 0

    def upstream(self, values: Values, seed: int) -> tuple[Array, ...] | None:
        """A random upstream gradient for the outputs at ``values``; None where there is nothing to look at."""
        outputs = self._outputs(values)
        if outputs is None:
            return None
        if self.caller.calling.upstream == "one":
            return tuple(np.ones_like(np.asarray(o, dtype=np.float64)) for o in outputs)
        rng = np.random.default_rng([seed, 61])
        drawn = []
        for output in outputs:
            u = np.asarray(rng.standard_normal(np.shape(output)))
            u = np.asarray(u + np.copysign(0.3, u))
            kind = np.asarray(output).dtype
            drawn.append(u.astype(kind) if kind.kind == "f" else u)
        return tuple(drawn)

    def _outputs(self, values: Values) -> tuple[Array, ...] | None:
        try:
            outputs = checked_outputs(self.caller.forward(values).run.outputs)
        except (UserCodeError, UnsupportedError):
            return None
        arrays = tuple(np.array(o) for o in outputs)
        good = all(o.size and np.isfinite(np.asarray(o, dtype=np.float64)).all() for o in arrays)
        return arrays if good else None

    def failure(
        self,
        values: Values,
        upstream: Sequence[Array],
        name: str,
        wanted: Problem | None = None,
        first: Index | None = None,
        most: int = 12,
    ) -> Failure | None:
        """What shows that the gradient ``name`` is WRONG here, in the ``wanted`` way (None: in any but at a tie); None where
        nothing does. ``first`` is looked at before ``most`` others."""
        outputs = self._outputs(values)
        if outputs is None or [o.shape for o in outputs] != [np.shape(u) for u in upstream]:
            return None
        self.checks += 1
        try:
            gradients = self.caller.gradients(values, upstream)
            problem = problem_of(gradients, name, np.shape(values[name]))
        except UnsupportedError:
            return None
        except UserCodeError as error:
            if isinstance(error.cause, NotImplementedError):
                return None
            gradients, problem = {}, "raised"
        if (problem or "value") != ("value" if wanted == "tie" else wanted or problem or "value"):
            return None
        kind: Problem = "tie" if wanted == "tie" else problem or "value"
        try:
            return self._entry(values, upstream, outputs, name, gradients.get(name), kind, first, most)
        except (UserCodeError, UnsupportedError):
            return None

    def _entry(
        self, values: Values, upstream: Sequence[Array], outputs: Sequence[Array], name: str, gradient: Any, kind: Problem,
        first: Index | None, most: int,
    ) -> Failure | None:  # fmt: skip
        """The first entry that shows it."""
        value = values[name]
        size = float(sum(np.sum(np.abs(np.asarray(u * o, np.float64))) for u, o in zip(upstream, outputs, strict=True)))
        kinds = [o.dtype for o in (*outputs, np.asarray(value)) if o.dtype.kind == "f"]
        unit = max((float(np.finfo(one).eps) / 2 for one in kinds), default=2.0**-53)

        def loss(at: Any) -> float:
            found = self.caller.forward({**values, name: at}).run.outputs
            terms = (np.sum(np.asarray(u, np.float64) * np.asarray(o, np.float64))
                     for u, o in zip(upstream, found, strict=True))  # fmt: skip
            return float(sum(terms))

        yours = None if kind in ("missing", "shape", "raised") else np.asarray(gradient, dtype=np.float64)
        single = _indices(np.shape(value), first, most, yours if kind == "not finite" else None)
        together = _equal_pairs(value, most) if kind == "tie" else ()
        for indices in (*((index,) for index in single), *together):
            if monotonic() > self.until:
                return None
            found = differences(loss, value, indices, size, unit)
            if found is None:
                continue
            mine = None if yours is None else float(sum(yours[index] for index in indices))
            failure = _judged(kind, indices, mine, found, unit)
            if failure is not None:
                return failure
        return None


def problem_of(gradients: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> Problem | None:
    """What is wrong with a gradient at first sight; None where it is an array of finite numbers of the right shape."""
    gradient = gradients.get(name)
    if gradient is None:
        return "missing"
    if np.shape(gradient) != shape:
        return "shape"
    array = np.asarray(gradient)
    if array.dtype.kind not in "fiub":
        raise UnsupportedError(f"the gradient of {name} is not of real numbers")
    return None if np.isfinite(array.astype(np.float64)).all() else "not finite"


def _judged(kind: Problem, indices: Indices, mine: float | None, found: Difference, unit: float) -> Failure | None:
    """The failure that entries show, if any. Where there is no number to compare, the difference has to be sure of itself,
    and for a gradient that is missing it has to be apart from 0."""
    is_kink = not found.smooth
    if is_kink != (kind == "tie") and not (kind == "tie" and len(indices) > 1):
        return None
    low, high = sorted((found.left, found.right)) if is_kink else (found.value, found.value)
    numbers = [abs(number) for number in (low, high, mine) if number is not None and np.isfinite(number)]
    if mine is None or not np.isfinite(mine):
        numbers.append(1.0)
    tolerance = _rounded_up(max(10 * found.error, max(RELATIVE, UNITS * unit) * max(numbers)))
    failure = Failure(kind, indices, found.step, tolerance, mine, found.value, found.left, found.right, is_kink)
    if kind == "missing":
        return failure if abs(found.value) > MARGIN * tolerance else None
    if kind in ("value", "tie"):
        assert mine is not None
        return failure if max(low - mine, mine - high) > MARGIN * tolerance else None
    return failure if tolerance <= UNSURE * max(abs(found.value), 1.0) else None


def _equal_pairs(value: Any, most: int) -> list[Indices]:
    """Pairs of entries that are equal: where they are tied, they have to be moved together."""
    numbers = np.asarray(value).ravel()
    order = np.argsort(numbers, kind="stable")
    found: list[Indices] = []
    for place, one in enumerate(order):
        for other in order[place + 1 :]:
            if numbers[one] != numbers[other] or len(found) >= MOST_PAIRS * most:
                break
            pair = (np.unravel_index(int(k), np.shape(value)) for k in (one, other))
            found.append(tuple(tuple(int(k) for k in index) for index in pair))
    return found


def _indices(shape: tuple[int, ...], first: Index | None, most: int, yours: Array | None) -> Iterable[Index]:
    """Entries to look at: ``first``, then all or ``most`` of them; with ``yours`` only those that are not finite."""
    size = int(np.prod(shape))
    places = np.arange(size) if size <= most else np.sort(np.random.default_rng(29).permutation(size)[:most])
    if yours is not None:
        places = np.flatnonzero(~np.isfinite(yours.ravel()))[:most]
    found = [tuple(int(k) for k in np.unravel_index(int(place), shape)) for place in places]
    inside = first is not None and len(first) == len(shape) and all(i < n for i, n in zip(first, shape, strict=True))
    if first is not None and inside and (yours is None or not np.isfinite(yours[first])):
        found = [first, *(index for index in found if index != first)]
    return found


def _rounded_up(number: float) -> float:
    """A number of one digit that is not smaller."""
    if number == 0 or not np.isfinite(number):
        return number
    found = float(f"{number:.0e}")
    return found if found >= number else float(f"{found + 10.0 ** np.floor(np.log10(number)):.0e}")


def differentiable(values: Values, names: Sequence[str]) -> tuple[str, ...]:
    """Those of ``names`` whose values are floats."""
    return tuple(name for name in names if is_float(values[name]))
