"""A graph as the numeric reference wants a function: its value at many perturbed points, in one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradtool.autodiff import Plan, Rounding, decided_by_tied_conditions, run_batch
from gradtool.references.numeric import Samples

Array = NDArray[Any]
NOISE_DRAWS = 8
NOISE_SAFETY = 3.0


class GraphFunction:
    """The program of a plan around the base point ``values`` (as ``forward`` returned them, in float64)."""

    def __init__(self, plan: Plan, values: Sequence[Any]) -> None:
        self._plan = plan
        self._values = values
        self._noise: Array | None = None
        self._excused: frozenset[int] | None = None

    def base(self) -> Array:
        """The output at the base point."""
        return np.asarray(self._values[self._plan.graph.output], dtype=np.float64)

    def many(self, name: str, points: Array) -> Samples:
        """The outputs, shape (points, *output shape), with the input ``name`` replaced by each of ``points``."""
        return self.many_inputs({name: points})

    def many_inputs(self, points: Mapping[str, Array]) -> Samples:
        """The same with several inputs replaced at once."""
        if self._excused is None:
            self._excused = decided_by_tied_conditions(self._plan, self._values)
        changed = {self._plan.graph.inputs[name]: p for name, p in points.items()}
        batch = run_batch(self._plan, self._values, changed, excused=self._excused)
        return Samples(batch.outputs, batch.same_piece)

    def noise(self) -> Array:
        """A bound on the rounding error of each entry of the output, by Monte Carlo arithmetic: every operation's result
        is changed by one rounding, at random."""
        if self._noise is None:
            rounding = Rounding(float(np.finfo(np.float64).eps), np.float64)
            base = self.base()
            graph = self._plan.graph
            if self._plan.operations[graph.output] is None:
                self._noise = np.zeros_like(base)
            else:
                first = min(i for i, operation in enumerate(self._plan.operations) if operation is None)
                start = np.asarray(self._values[first], dtype=np.float64)
                same = {first: np.broadcast_to(start, (NOISE_DRAWS, *start.shape))}
                drawn = run_batch(self._plan, self._values, same, perturb=rounding).outputs
                with np.errstate(invalid="ignore"):
                    self._noise = NOISE_SAFETY * np.max(np.abs(drawn - base), axis=0)
        return self._noise
