"""Gradient accumulation: the gradient of a batch from those of its micro-batches, with the weights and without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradtool.autodiff.backward import backward
from gradtool.autodiff.forward import forward
from gradtool.autodiff.plan import make_plan
from gradtool.graph import Graph

Array = NDArray[Any]


def accumulate(
    graph: Graph, inputs: Mapping[str, Any], axes: Mapping[str, int], sizes: Sequence[int], wrt: Sequence[str]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Gradients summed over micro-batches: weighted each by its share of the batch, and unweighted.

    ``axes`` says along which axis each batched input is cut, ``sizes`` how many samples each micro-batch gets; they add up
    to the length of those axes. A loss that averages over its batch needs the weights, ``sum_k (n_k / m) gradient_k``; one
    that sums needs none. The gradient of an input that is cut itself is put together from its parts. The output must be a
    scalar. Raises ``SourceError`` where a micro-batch does not fit the program.
    """
    total = sum(sizes)
    weighted: dict[str, list[Array]] = {name: [] for name in wrt}
    unweighted: dict[str, list[Array]] = {name: [] for name in wrt}
    start = 0
    for size in sizes:
        part = {
            name: np.take(value, range(start, start + size), axis=axes[name]) if name in axes else value
            for name, value in inputs.items()
        }
        start += size
        plan = make_plan(graph, part, wrt=wrt)
        gradients = backward(plan, forward(plan, part), np.ones(plan.output_shape))
        for name in wrt:
            gradient = np.asarray(gradients.of(name))
            weighted[name].append(gradient * (size / total))
            unweighted[name].append(gradient)
    return _together(weighted, axes), _together(unweighted, axes)


def _together(parts: Mapping[str, list[Array]], axes: Mapping[str, int]) -> dict[str, Array]:
    return {
        name: np.concatenate(found, axis=axes[name]) if name in axes else np.sum(found, axis=0)
        for name, found in parts.items()
    }
