"""Several inputs of a function as one vector: for derivatives along directions in which all of them move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from math import prod
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from gradtool.references.sampling import Array, Samples

TOGETHER = "all"
"""The name of the one input that is left."""


@runtime_checkable
class ManyInputs(Protocol):
    """A function at a base point, of which several inputs may be replaced at once."""

    def base(self) -> Array:
        """The output at the base point."""
        ...

    def many_inputs(self, points: Mapping[str, NDArray[Any]]) -> Samples:
        """Outputs with the named inputs replaced by each of their points, shape ``(P, *shape)``."""
        ...

    def noise(self) -> Array | None:
        """A bound on the rounding error of each entry of the output; None where it must be measured."""
        ...


class Joined:
    """``function`` with its inputs ``names`` joined into one flat vector, in that order; an ``Evaluable``."""

    def __init__(self, function: ManyInputs, inputs: Mapping[str, Any], names: Sequence[str]) -> None:
        self._function = function
        self.shapes = {name: np.shape(inputs[name]) for name in names}
        ends = [0, *accumulate(prod(shape) for shape in self.shapes.values())]
        self._parts = [slice(*cut) for cut in pairwise(ends)]
        self.roundoff = float(getattr(function, "roundoff", 2.0**-53))
        self.inputs = {TOGETHER: self.join(inputs)}

    def join(self, arrays: Mapping[str, Any]) -> Array:
        """One vector of what ``arrays`` has for each name."""
        return np.concatenate([np.ravel(arrays[name]) for name in self.shapes]).astype(np.float64, copy=False)

    def split(self, vector: Array) -> dict[str, Array]:
        """The vector's parts by name, in their shapes; leading axes stay."""
        named, leading = zip(self.shapes.items(), self._parts, strict=True), vector.shape[:-1]
        return {name: vector[..., part].reshape((*leading, *shape)) for (name, shape), part in named}

    def base(self) -> Array:
        """The output at the base point."""
        return self._function.base()

    def many(self, name: str, points: Array) -> Samples:
        """The outputs at ``points``, one flat vector each."""
        assert name == TOGETHER
        return self._function.many_inputs(self.split(points))

    def noise(self) -> Array | None:
        """A bound on the rounding of the output; None where it must be measured."""
        return self._function.noise()
