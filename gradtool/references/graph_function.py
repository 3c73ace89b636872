"""A graph as the numeric reference wants a function: its value at many perturbed points, in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradtool.autodiff import (
    Changes,
    Influence,
    Plan,
    Rounding,
    decided_by_tied_conditions,
    forward,
    run_batch,
)
from gradtool.references.numeric import Samples

Array = NDArray[Any]
Integers = NDArray[np.intp]
NOISE_DRAWS = 8
NOISE_SAFETY = 3.0
SMALL = 32
"""Inputs with fewer entries are not worth finding out what each entry reaches."""


REDRAWN = 2
"""Draws whose roundings of all nodes are kept: for what entries do not reach."""
LARGE = 1024
"""Nodes of so many entries are drawn one after the other: then they stay in the cache."""


class Roundings:
    """Points with one entry of an input moved, with the entries that it does not reach as they are and as other roundings
    would have left them.

    What a whole pass rounds anew at every point, a pass over the reached entries takes as it is: all slopes share the error
    that this makes, and none shows it. How large it is, other roundings tell."""

    def __init__(self, influence: Influence, others: Iterable[Sequence[Any]]) -> None:
        self.block = influence.block
        found = (influence.at(values) for values in others)
        self._passes = [influence, *(other for other in found if other is not None)]

    @property
    def kinds(self) -> int:
        """How many roundings there are; number 0 is what ``forward`` made."""
        return len(self._passes)

    def run(self, entries: Integers, moved: Array, kind: int) -> Changes:
        """The changed outputs with the input's ``entries[p]`` replaced by ``moved[p]``, seen with roundings number ``kind``."""
        return self._passes[kind].run(entries, moved)


class GraphFunction:
    """The program of a plan around the base point ``values`` (as ``forward`` returned them, in float64)."""

    def __init__(self, plan: Plan, values: Sequence[Any]) -> None:
        self._plan = plan
        self._values = values
        self._noise: Array | None = None
        self._excused: frozenset[int] | None = None
        self._entrywise: dict[str, Roundings | None] = {}
        self._redrawn: list[list[Any]] = []

    @cached_property
    def _rounding(self) -> Rounding:
        return Rounding(float(np.finfo(np.float64).eps), np.float64)

    def base(self) -> Array:
        """The output at the base point."""
        return np.asarray(self._values[self._plan.graph.output], dtype=np.float64)

    def many(self, name: str, points: Array) -> Samples:
        """The outputs, shape (points, *output shape), with the input ``name`` replaced by each of ``points``."""
        return self.many_inputs({name: points})

    def many_inputs(self, points: Mapping[str, Array]) -> Samples:
        """The same with several inputs replaced at once."""
        changed = {self._plan.graph.inputs[name]: p for name, p in points.items()}
        batch = run_batch(self._plan, self._values, changed, excused=self._decided())
        return Samples(batch.outputs, batch.same_piece)

    def entrywise(self, name: str) -> Roundings | None:
        """The same at points with one entry of the input ``name`` moved; None where that is no faster."""
        if name not in self._entrywise:
            found = None
            if prod(self._plan.shapes[self._plan.graph.inputs[name]]) >= SMALL:
                found = Influence(self._plan, self._values, name, self._decided())
            self._entrywise[name] = Roundings(found, self._drawn(REDRAWN)) if found is not None and found.pays else None
        return self._entrywise[name]

    def _drawn(self, count: int) -> Iterator[list[Any]]:
        """The values of all nodes as other roundings might have given them; the first few are kept."""
        inputs = {name: self._values[node] for name, node in self._plan.graph.inputs.items()}
        for number in range(count):
            if number < len(self._redrawn):
                yield self._redrawn[number]
                continue
            values = forward(self._plan, inputs, perturb=self._rounding)
            if number < REDRAWN:
                self._redrawn.append(values)
            yield values

    def _decided(self) -> frozenset[int]:
        if self._excused is None:
            self._excused = decided_by_tied_conditions(self._plan, self._values)
        return self._excused

    def noise(self) -> Array:
        """A bound on the rounding error of each entry of the output, by Monte Carlo arithmetic: every operation's result
        is changed by one rounding, at random."""
        if self._noise is None:
            base = self.base()
            graph = self._plan.graph
            if self._plan.operations[graph.output] is None:
                self._noise = np.zeros_like(base)
            else:
                if max(map(prod, self._plan.shapes)) >= LARGE:
                    drawn = np.array([values[graph.output] for values in self._drawn(NOISE_DRAWS)])
                else:
                    first = min(i for i, operation in enumerate(self._plan.operations) if operation is None)
                    start = np.asarray(self._values[first], dtype=np.float64)
                    same = {first: np.broadcast_to(start, (NOISE_DRAWS, *start.shape))}
                    drawn = run_batch(self._plan, self._values, same, perturb=self._rounding).outputs
                with np.errstate(invalid="ignore"):
                    self._noise = NOISE_SAFETY * np.max(np.abs(drawn - base), axis=0)
        return self._noise
