"""``Evidence``: what is known about a WRONG gradient, as arrays, and the one place that says whether a hypothesis fits it.

A hypothesis is a value for the user's gradient at every sight, with the error that the reference's own error leaves in it.
It fits if the user's gradient is inside that error at every sight, and much nearer to it than to the right gradient
wherever it is wrong: a wide error alone never makes a match.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradtool.diagnosis.suspect import Sight, Suspect

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

ROUNDING = 1e-11
"""Rounding of the user's and of our own arithmetic in a transformation, as a share of its largest entry."""
NEARER = 0.05
"""A hypothesis must leave at most this share of the difference between the user's gradient and the right one."""
NEARLY = 1e-5
"""An error up to this share of the gradient's largest entry is no wrong derivative but an approximation."""
WIDE = 1e-6
"""A finite error beyond this share of the gradient's largest entry is that of a tie or kink."""
MAX_OUTPUTS = 256
"""Backward is not probed with every unit upstream where the outputs have more entries than this."""
MAX_MATRIX = 200_000
MAX_JACOBIAN = 200_000
"""Entries beyond which a Jacobian is not asked for: nothing is known about it then."""
MAX_SIGHTS = 3
"""Sights at which backward's whole matrix is looked at."""


@dataclass(frozen=True, eq=False)
class Look:
    """One sight, for one gradient. ``yours`` is None where the user's gradient has the wrong shape or is no array of
    numbers; ``error`` is infinite where nothing is known."""

    sight: Sight
    yours: Array | None
    right: Array
    error: Array
    is_tie: bool = False
    """Whether the point sits on a tie, by gradtool's choice or as it was given, and the gradient is WRONG for that."""

    @cached_property
    def scale(self) -> float:
        """The largest entry of the right gradient, or of the user's where that is zero."""
        known = np.isfinite(self.error)
        size = largest(self.right[known])
        return size if size > 0 or self.yours is None else largest(self.yours[known])

    @cached_property
    def wrong(self) -> Mask:
        """The entries that differ from the right ones by more than their error."""
        if self.yours is None:
            return np.ones(self.right.shape, dtype=bool)
        with np.errstate(all="ignore"):
            inside = np.abs(self.yours - self.right) <= self.error + ROUNDING * self.scale
        return ~inside & np.isfinite(self.error)


@dataclass(frozen=True, eq=False)
class Matrices:
    """At one sight: the Jacobian that the user's backward applies, and the right one with its error. Rows are the entries
    of all outputs one after the other, columns those of the input."""

    look: Look
    yours: Array
    right: Array
    error: Array

    @cached_property
    def scale(self) -> float:
        """The largest entry of the right matrix, or of the user's where that is zero."""
        return largest(self.right) or largest(self.yours)

    @cached_property
    def tolerance(self) -> Array:
        """How far an entry may be off and still be called right."""
        tolerance: Array = 2 * self.error + 10 * ROUNDING * self.scale
        return tolerance

    @cached_property
    def wrong(self) -> Mask:
        """The entries that differ from the right ones."""
        return np.asarray(np.abs(self.yours - self.right) > self.tolerance)

    @cached_property
    def nonzero(self) -> Mask:
        """The entries of the right matrix that are certainly not zero."""
        return np.asarray(np.abs(self.right) > self.tolerance)

    @cached_property
    def yours_nonzero(self) -> Mask:
        """The entries of the user's matrix that are not zero."""
        return np.asarray(np.abs(self.yours) > 10 * ROUNDING * self.scale)


Pair = tuple[Array, Array]
Hypothesis = Callable[[Look], Pair | None]
"""The value that the user's gradient would have at a sight, and its error; None where the hypothesis says nothing."""


Exact = Callable[["Evidence", Look], Array | None]
"""The Jacobian of the suspect's own input at a sight, exact to rounding; None where it is not to be had."""


class Evidence:
    """A suspect, looked at from all sides. What is costly is made when first asked for, and kept."""

    def __init__(self, suspect: Suspect, exact: Exact | None = None) -> None:
        self.suspect = suspect
        self._exact = exact
        self.name = suspect.name
        self._jacobians: dict[tuple[int, str], Pair] = {}
        self._kept: dict[str, Any] = {}

    def once(self, key: str, make: Callable[[], Any]) -> Any:
        """What ``make`` gives, made once: several rules share a search."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    @cached_property
    def all_looks(self) -> list[Look]:
        """One look a sight, ties included."""
        return [self._look(sight, self.name) for sight in self.suspect.sights]

    @cached_property
    def looks(self) -> list[Look]:
        """The looks that a hypothesis must fit: those at ties are left to GC118 where the gradient is wrong elsewhere too."""
        plain = [look for look in self.all_looks if not look.is_tie]
        return plain if any(bool(look.wrong.any()) for look in plain) else self.all_looks

    @property
    def first(self) -> Look:
        """The look at the first sight that counts."""
        return self.looks[0]

    @property
    def usable(self) -> bool:
        """Whether the user's gradient is an array of finite numbers of the right shape at every sight."""
        return all(look.yours is not None and bool(np.isfinite(look.yours).all()) for look in self.looks)

    @cached_property
    def nearly_right(self) -> bool:
        """Whether the gradient agrees with the right one to so many digits, at every sight, that it is computed by an
        approximation: a derivative that is wrong in itself shows in the leading digits of some sight."""
        for look in self.looks:
            known = np.isfinite(look.error)
            if look.yours is None or not largest((look.yours - look.right)[known]) <= NEARLY * look.scale:
                return False
        return True

    def _look(self, sight: Sight, name: str) -> Look:
        right = np.asarray(sight.right[name], dtype=np.float64)
        yours = numbers(sight.yours.get(name))
        error = np.broadcast_to(np.asarray(sight.error[name], dtype=np.float64), right.shape)
        found = Look(sight, yours if yours is not None and yours.shape == right.shape else None, right, error)
        at_tie = self.suspect.at_tie and (sight is self.suspect.sights[0] or _is_wrong_at_kinks(found))
        return replace(found, is_tie=sight.point.kind == "tie" or at_tie)

    def other(self, look: Look, name: str) -> Look:
        """The same sight for the gradient of another input."""
        return self._look(look.sight, name)

    def jacobian(self, look: Look, name: str | None = None) -> Pair:
        """The right Jacobian of an input (the suspect's own, if not named) at a sight, and its error."""
        wanted = self.name if name is None else name
        key = (id(look.sight), wanted)
        if key not in self._jacobians:
            size = int(np.size(look.sight.values[wanted]))
            rows = sum(int(np.size(u)) for u in look.sight.upstream)
            if rows * size > MAX_JACOBIAN:
                return np.zeros((rows, size)), np.full((rows, size), np.inf)
            exact = self._exact(self, look) if self._exact is not None and wanted == self.name else None
            value, error = look.sight.jacobian(wanted) if exact is None else (exact, ROUNDING * np.abs(exact))
            value = np.asarray(value, dtype=np.float64).reshape(rows, size)
            error = np.broadcast_to(np.asarray(error, dtype=np.float64), value.shape)
            known = np.isfinite(value) & np.isfinite(error)
            self._jacobians[key] = (np.where(known, value, 0.0), np.where(known, error, np.inf))
        return self._jacobians[key]

    def pulled(self, look: Look, upstream: Array) -> Pair:
        """What the gradient would be for another upstream (all outputs one after the other), with its error."""
        value, error = self.jacobian(look)
        weights = np.abs(upstream)
        bound = np.zeros(value.shape[1])
        with np.errstate(all="ignore"):
            np.add(bound, np.where(weights[:, None] > 0, error * weights[:, None], 0.0).sum(axis=0), out=bound)
        return (upstream @ value).reshape(look.right.shape), bound.reshape(look.right.shape)

    def upstream(self, look: Look) -> Array:
        """The upstream of all outputs, one after the other."""
        return np.concatenate([np.asarray(u, dtype=np.float64).ravel() for u in look.sight.upstream])

    def split(self, look: Look, flat: Array) -> tuple[Array, ...]:
        """The reverse of ``upstream``: one array an output."""
        parts, start = [], 0
        for u in look.sight.upstream:
            parts.append(flat[start : start + u.size].reshape(u.shape))
            start += u.size
        return tuple(parts)

    def yours_for(self, look: Look, upstream: Array, name: str | None = None) -> Array | None:
        """The user's gradient for another upstream; None where backward raises or gives no array of the right shape."""
        try:
            found = look.sight.yours_at(self.split(look, np.array(upstream)))
        except Exception:  # The user's code: it may not like this upstream, which is no finding of ours.
            return None
        wanted = self.name if name is None else name
        yours = numbers(found.get(wanted))
        return yours if yours is not None and yours.shape == np.shape(look.sight.right[wanted]) else None

    @cached_property
    def offset(self) -> Array | None:
        """The user's gradient at the first sight for an upstream of zeros; None where it is zero or cannot be had."""
        if not self.suspect.passes_upstream:
            return None
        found = self.yours_for(self.first, np.zeros(self.upstream(self.first).size))
        if found is None or not np.isfinite(found).all() or largest(found) <= ROUNDING * self.first.scale:
            return None
        return found

    @cached_property
    def matrices(self) -> list[Matrices]:
        """The user's matrix beside the right one at the first sights; empty where backward is not linear, or too large."""
        return list(self._matrices())

    def _matrices(self) -> Iterator[Matrices]:
        if not self.usable or self.offset is not None:
            return
        looks = sorted(self.looks, key=lambda look: not look.wrong.any())[:MAX_SIGHTS]
        for look in looks:
            upstream = self.upstream(look)
            if upstream.size > MAX_OUTPUTS or upstream.size * look.right.size > MAX_MATRIX:
                return
            assert look.yours is not None
            single = upstream.size == 1
            yours = look.yours.reshape(1, -1) / upstream[0] if single else self._probed(look, upstream.size)
            if yours is None or not np.isfinite(yours).all():
                return
            again = (upstream @ yours).reshape(look.right.shape)
            allowed = 2 * np.where(np.isfinite(look.error), look.error, 0.0) + 1e-9 * max(
                largest(look.yours), look.scale
            )
            if (np.abs(again - look.yours) > allowed).any():
                return
            right, error = self.jacobian(look)
            yield Matrices(look, yours, right, error)

    def _probed(self, look: Look, rows: int) -> Array | None:
        found = []
        for k in range(rows):
            unit = np.zeros(rows)
            unit[k] = 1.0
            row = self.yours_for(look, unit)
            if row is None:
                return None
            found.append(row.ravel())
        return np.array(found).reshape(rows, look.right.size)

    def fit(self, hypothesis: Hypothesis, looks: Sequence[Look] | None = None) -> float | None:
        """The residual of a hypothesis that fits at every sight, relative to its size; None where it does not fit."""
        worst, told = 0.0, False
        for look in self.looks if looks is None else looks:
            found = hypothesis(look)
            if found is None or look.yours is None:
                return None
            measured = agreement(look.yours, found, (look.right, look.error), look.scale)
            if measured is None:
                return None
            worst, told = max(worst, measured[0]), told or measured[1]
        return worst if told else None

    def fit_matrix(self, hypothesis: Callable[[Matrices], Pair | None]) -> float | None:
        """The same for the user's whole matrix."""
        worst, told = 0.0, False
        for both in self.matrices:
            found = hypothesis(both)
            if found is None:
                return None
            measured = agreement(both.yours, found, (both.right, both.error), both.scale)
            if measured is None:
                return None
            worst, told = max(worst, measured[0]), told or measured[1]
        return worst if told else None


def _is_wrong_at_kinks(look: Look) -> bool:
    """Whether every wrong entry sits where a range of values is valid: other points may have the same zeros."""
    wide = look.error > WIDE * look.scale
    return bool(look.wrong.any()) and bool(wide[look.wrong].all())


def agreement(yours: Array, guess: Pair, right: Pair, scale: float) -> tuple[float, bool] | None:
    """(residual, whether it says more than the right gradient does), or None where ``yours`` is not ``guess``."""
    value, error = guess
    if value.shape != yours.shape:
        return None
    known = np.isfinite(error) & np.isfinite(value) & np.isfinite(right[1])
    if not known.any():
        return None
    y, g, r = yours[known], value[known], right[0][known]
    size = max(largest(g), scale)
    off = np.abs(y - g)
    if (off > 2 * error[known] + 10 * ROUNDING * size).any():
        return None
    wrong = np.abs(y - r) > right[1][known] + ROUNDING * size
    is_wrong = bool(wrong.any())
    if is_wrong and norm((y - g)[wrong]) > NEARER * norm((y - r)[wrong]):
        return None
    return (norm(y - g) / size if size > 0 else 0.0), is_wrong


def numbers(value: Any) -> Array | None:
    """What the user's code gave as a float64 array; None where it is no array of numbers."""
    if value is None:
        return None
    try:
        found = np.asarray(value, dtype=np.float64)
    except Exception:  # What it gave may be an object of the user's own, whose __array__ or __float__ runs here.
        return None
    return found


def largest(values: Any) -> float:
    """The largest absolute value; 0 of nothing."""
    return float(np.max(np.abs(values), initial=0.0))


def norm(values: Array) -> float:
    """The Euclidean norm, scaled so that it neither overflows nor underflows."""
    size = largest(values)
    return size * math.sqrt(float(np.sum((values / size) ** 2))) if 0 < size < math.inf else size
