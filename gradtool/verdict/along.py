"""Inputs with too many entries for a difference each: their gradients are held against derivatives along random directions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradtool.references import GraphFunction, directional, find_entry
from gradtool.references.directional import DIRECTIONS, MISS
from gradtool.references.joined import TOGETHER, Joined
from gradtool.references.sampling import Evaluable, Measure

Array = NDArray[Any]
APART = 8
"""Up to so many inputs are looked at one by one; more of them move together."""


class Along(NamedTuple):
    """What random directions say of one input. ``value`` and ``error`` have its shape: the gradient itself and the size of an
    error that would have been seen, or, at an entry that was found to be wrong, what it should be. ``second`` is a second
    measurement of that, along another direction. All are None where the directions found an error in another input, and where
    the function is not finite, so that there are no differences."""

    value: Array | None
    error: Array | None
    second: tuple[Array, Array] | None
    evaluations: int
    summary: str


def along_random_directions(
    function: GraphFunction, inputs: Mapping[str, Array], gradients: Mapping[str, Array], upstream: Array
) -> dict[str, Along]:
    """Judge ``gradients``, arrays by the name of their input, along a few random directions."""
    names = list(gradients)
    groups = [[name] for name in names] if len(names) <= APART else [names]
    found: dict[str, Along] = {}
    for group in groups:
        found.update(_judged(Joined(function, inputs, group), gradients, upstream))
    return found


def measured_entry(
    function: Evaluable, inputs: Mapping[str, Array], name: str, index: tuple[int, ...], upstream: Array, seed: int
) -> tuple[float, float]:
    """One entry of the gradient with respect to ``inputs[name]``, and its error: the derivative along a direction of random
    length that has no other entry. Raises ``ValueError`` where the function is not finite."""
    unit = np.zeros(inputs[name].shape)
    unit[index] = 1.0
    support = unit.astype(bool)
    found = directional(function, inputs, unit, upstream, name, directions=1, seed=seed, support=support)
    length = float(found.predicted[0])
    return float(found.values[0]) / length, float(found.errors[0] + found.rounding[0]) / abs(length)


def _judged(joined: Joined, gradients: Mapping[str, Array], upstream: Array) -> dict[str, Along]:
    claimed = joined.join(gradients)
    size = f"{claimed.size:,} entries are too many for a difference each"
    failure = Measure.of(joined, upstream).failure
    if failure is not None:
        return {name: Along(None, None, None, 0, f"{size}, and {failure}") for name in joined.shapes}
    found = directional(joined, joined.inputs, claimed, upstream, TOGETHER)
    evaluations = found.evaluations
    wrong = None
    if not found.agrees:
        # Other directions, with other steps, must see it too; and it must be somewhere.
        again = directional(joined, joined.inputs, claimed, upstream, TOGETHER, seed=1)
        evaluations += again.evaluations
        wrong = None if again.agrees else find_entry(joined, joined.inputs, claimed, upstream, TOGETHER, seed=2)
        if wrong is None:
            summary = f"{size}, and along random directions it could not be told which differs"
            return {name: Along(None, None, None, evaluations, summary) for name in joined.shapes}
    if wrong is None:
        summary = (
            f"{size}; {DIRECTIONS} random directions agree: an error of norm {found.detectable:.1g} "
            f"would be missed with probability {MISS:g}"
        )
        errors = joined.split(np.full(claimed.size, found.detectable))
        return {
            name: Along(np.asarray(gradients[name], dtype=np.float64), errors[name], None, evaluations, summary)
            for name in joined.shapes
        }
    measured = [measured_entry(joined, joined.inputs, TOGETHER, wrong, upstream, seed) for seed in (3, 4)]
    by_name = [_one_entry_replaced(joined, claimed, wrong[0], *value_and_error) for value_and_error in measured]
    results = {}
    for name in joined.shapes:
        value, error = by_name[0][name]
        if np.isinf(error).all():
            summary = f"{size}; random directions found an error in another input"
            results[name] = Along(None, None, None, evaluations, summary)
        else:
            summary = f"{size}; random directions differ, and halving them led to one entry"
            results[name] = Along(value, error, by_name[1][name], evaluations, summary)
    return results


def _one_entry_replaced(
    joined: Joined, claimed: Array, place: int, value: float, error: float
) -> dict[str, tuple[Array, Array]]:
    """The gradients with one entry as measured; nothing is known of the others."""
    values, errors = claimed.copy(), np.full(claimed.size, np.inf)
    values[place], errors[place] = value, error
    split = joined.split(values), joined.split(errors)
    return {name: (split[0][name], split[1][name]) for name in joined.shapes}


def too_much_work(sizes: Mapping[str, int], nodes: int, elements: int) -> set[str]:
    """The inputs whose entries cannot be moved one by one in some ten seconds.

    ``sizes`` counts each input's entries; the graph has so many ``nodes``, with so many ``elements`` in all. A node costs some
    ten microseconds each time it runs, and an element of it some nanoseconds for each of the points an entry takes.
    """
    cost = {name: nodes * NODE_SECONDS + size * POINTS * elements * ELEMENT_SECONDS for name, size in sizes.items()}
    if len(sizes) > APART:
        return set(sizes) if sum(cost.values()) > MOST_SECONDS else set()
    spent, refused = 0.0, set()
    for name in sorted(cost, key=lambda n: cost[n]):
        if spent + cost[name] > MOST_SECONDS:
            refused.add(name)
        else:
            spent += cost[name]
    return refused


MOST_SECONDS = 10.0
NODE_SECONDS = 1e-5
ELEMENT_SECONDS = 3e-9
POINTS = 16
