"""The second method that is asked before a gradient is called WRONG."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradtool.autodiff import Plan
from gradtool.references import (
    GraphFunction,
    TooManyOperations,
    Unsupported,
    central_difference_exact,
    exact_run,
)
from gradtool.references.exact import AWAY_FROM_ZERO, TOWARDS_ZERO
from gradtool.references.sampling import Measure
from gradtool.results import Reference
from gradtool.verdict.along import measured_entry

Array = NDArray[Any]
Index = tuple[int, ...]
EXACT_DIGITS = 50
SEED = 5
"""Of the length of the direction that an entry is measured along."""
AGREES = 1e-12
"""A forward that is within this share of the exact value computes the same function."""


@dataclass(eq=False)
class SecondMethod:
    """A derivative found in a way that neither reference uses: a difference quotient in 80-digit arithmetic. Where that
    cannot be had, the word of the other reference, and at last a difference with steps that the numeric reference does not
    take.

    ``inputs`` and ``upstream`` are in double precision, and ``function`` is the program of ``plan`` on them. ``exact`` is the
    exact output rounded to float64, where a reference knows it.
    """

    plan: Plan
    inputs: Mapping[str, Array]
    upstream: Array
    function: GraphFunction
    exact: Array | None = None

    def derivative(self, name: str, index: Index, other: Reference) -> tuple[float, float] | None:
        """The gradient's entry and its error; by the ``other`` reference or by a difference where there is no exact form of
        the program that gives the value of forward, or no derivative to be had from it. None where nobody has a word."""
        if self.exact_form_is_faithful:
            found = central_difference_exact(
                self.plan.graph, self.inputs, self.upstream, self.plan.resolved, name, index
            )
            if found is not None:
                return found, abs(found) * float(np.finfo(np.float64).eps)
        if other.value is not None and other.error is not None:
            value, error = float(np.asarray(other.value)[index]), float(np.asarray(other.error)[index])
            if isfinite(value) and isfinite(error):
                return value, error
        return self._difference_at(name, index)

    def _difference_at(self, name: str, index: Index) -> tuple[float, float] | None:
        if Measure.of(self.function, self.upstream).failure is not None:
            return None
        value, error = measured_entry(self.function, self.inputs, name, index, self.upstream, SEED)
        return (value, error) if isfinite(value) and isfinite(error) else None

    @cached_property
    def exact_form_is_faithful(self) -> bool:
        """Whether the operations' exact forms give the value that forward gives: else they are not the same function, and
        what is exact about them says nothing of the gradient."""
        exact = self._rounded(TOWARDS_ZERO) if self.exact is None else self.exact
        if exact is None:
            return False
        difference = self._difference(exact)
        near = AGREES * np.abs(exact)
        if np.all(difference <= near) or np.all(difference <= near + 4 * self.function.noise()):
            return True
        # The textbook form may lose what forward keeps: log(1/(1 + exp(-700))) needs 300 digits. Then it knows no better.
        low, high = self._rounded(TOWARDS_ZERO), self._rounded(AWAY_FROM_ZERO)
        if low is None or high is None:
            return False
        with np.errstate(invalid="ignore"):
            unsure = np.abs(high - low)
        return bool(np.all((difference <= near + 4 * self.function.noise() + unsure) | np.isnan(unsure)))

    def _difference(self, exact: Array) -> Array:
        value = self.function.base()
        with np.errstate(invalid="ignore", over="ignore"):
            unknown = ~np.isfinite(value) | ~np.isfinite(exact)
            return np.where(unknown, 0.0, np.abs(value - exact))

    def _rounded(self, rounding: str) -> Array | None:
        """The output in 50-digit arithmetic; None where that is not to be had."""
        graph = self.plan.graph
        try:
            numbers = exact_run(graph, self.inputs, self.plan.resolved, EXACT_DIGITS, rounding)
        except (Unsupported, TooManyOperations):
            return None
        return numbers.rounded(graph.output)
