"""Backward passes that are right for another forward: one inner value is not the one that forward computes, as where a variance
is divided by n - 1, or where a small constant in a denominator is left out.

Whatever forward makes of that value is changed with it, so no single local derivative shows the mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from gradtool.diagnosis.fitting import Array
from gradtool.diagnosis.program import Change, Program, is_constant

SMALL = 0.02
"""A constant that is added is taken for one that keeps a denominator from zero up to this."""
AVERAGES = frozenset({"mean", "sum", "var"})
EXPONENTIAL = frozenset({"log", "add", "logsumexp"})
MAX_OTHERS = 6


class OtherValue(NamedTuple):
    """``gradient(program, seed)`` is what backward gives with the other value; ``node`` tells the place."""

    message: str
    fix: str
    node: int
    gradient: Callable[[Program, Array | None], Array | None]


def other_values(program: Program) -> Iterator[OtherValue]:
    """The values that somebody may have computed in place of the right one."""
    for i in range(program.source + 1, program.graph.output):
        if not program.below[i]:
            continue
        yield from _other_averages(program, i)
        yield from _without_small_constant(program, i)
        yield from _not_normalised(program, i)


def _other_averages(program: Program, i: int) -> Iterator[OtherValue]:
    operation = program.graph.operations[i]
    if operation not in AVERAGES:
        return
    count = program.operands(i)[0].size // max(program.values[i].size, 1)
    if count < 2:
        return
    for factor, words in ((count / (count - 1), f"{count - 1} in place of {count}"),
                          ((count - 1) / count, f"{count} in place of {count - 1}")):  # fmt: skip
        message = f"matches when {program.words(i)} is taken over {words} entries (n - 1 for n, or the reverse)"
        yield OtherValue(message, "divide by the number that forward divides by", i, _scaled(i, factor))


def _scaled(i: int, factor: float) -> Callable[[Program, Array | None], Array | None]:
    return lambda program, seed: program.with_value(i, factor * program.values[i]).gradient_with(Change(), seed)


def _without_small_constant(program: Program, i: int) -> Iterator[OtherValue]:
    arguments = program.graph.arguments[i]
    if program.graph.operations[i] != "add" or len(arguments) != 2:
        return
    for position, source in enumerate(arguments):
        value = program.values[source]
        if is_constant(program, source) and value.size == 1 and 0 < abs(float(value.reshape(()))) <= SMALL:
            message = f"matches when the {float(value.reshape(())):g} that is added{program.at(i)} is left out"
            yield OtherValue(message, "add the same constant in backward", i, _without(i, 1 - position))


def _without(i: int, position: int) -> Callable[[Program, Array | None], Array | None]:
    def gradient(program: Program, seed: Array | None) -> Array | None:
        left = np.broadcast_to(program.operands(i)[position], program.plan.shapes[i])
        return program.with_value(i, left).gradient_with(Change(), seed)

    return gradient


def _not_normalised(program: Program, i: int) -> Iterator[OtherValue]:
    """exp where the derivative of a logarithm of a sum of exponentials, a softmax, belongs."""
    if program.graph.operations[i] not in EXPONENTIAL:
        return
    for bottom in range(program.source, i):
        if not program.below[bottom] or program.values[bottom].size <= program.values[i].size:
            continue
        axes = _summed_axes(program, i, bottom)
        if axes is None:
            continue
        shape = program.plan.shapes[bottom]
        same = [n for n in range(i) if program.plan.shapes[n] == shape and program.below[n] and n != bottom]
        for node in [bottom, *same[:MAX_OTHERS]]:
            message = f"matches when exp of {program.label(node)} stands in the place of its softmax"
            yield OtherValue(message, "divide by the sum of exp", i, _exponentials(i, bottom, node, axes))


def _exponentials(
    i: int, bottom: int, node: int, axes: tuple[int, ...]
) -> Callable[[Program, Array | None], Array | None]:
    def gradient(program: Program, seed: Array | None) -> Array | None:
        kept = tuple(1 if k in axes else n for k, n in enumerate(program.plan.shapes[bottom]))
        weights = np.exp(program.values[node])
        return program.gradient_with(
            Change(jumps={i: (bottom, lambda upstream: upstream.reshape(kept) * weights)}), seed
        )

    return gradient


def _summed_axes(program: Program, i: int, bottom: int) -> tuple[int, ...] | None:
    """The axes over which a node is the logarithm of the sum of exp of another one; None where it is not."""
    x, value = program.values[bottom], program.values[i]
    for axes in (*((k,) for k in range(x.ndim)), tuple(range(x.ndim))):
        if value.size * int(np.prod([x.shape[k] for k in axes])) != x.size:
            continue
        largest = x.max(axis=axes, keepdims=True)
        found = (largest + np.log(np.exp(x - largest).sum(axis=axes, keepdims=True))).ravel()
        if np.allclose(found, value.ravel(), rtol=1e-12, atol=1e-12):
            return axes
    return None
