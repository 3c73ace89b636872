"""More points at which to look at a target, inside what the given one shows of its domain: sign, range, rows that sum to one,
integers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradtool.target import Values

Array = NDArray[Any]
Kind = Literal["random", "branch", "tie"]
Place = tuple[str, int]
"""An entry of an input, by its place in the flat array."""
SUMS_TO_ONE = 1e-9
LARGE, SMALL = 8.0, 1 / 64
LARGEST = 30.0
"""Larger numbers are not made of smaller ones: exp of them is on its way to overflow, which is another matter."""
MOST_TIES = 6


class Chosen(NamedTuple):
    """A point that gradtool chose: what kind it is, what was done, and the inputs."""

    kind: Kind
    label: str
    values: dict[str, Any]
    ties: tuple[tuple[Place, ...], ...] = ()
    """At a tie: the entries to move, alone or in pairs."""


def random_points(values: Values, names: Sequence[str], count: int, rng: np.random.Generator) -> Iterator[Chosen]:
    """``count`` points whose inputs ``names`` are drawn anew."""
    for _ in range(count):
        yield Chosen("random", "random", _with(values, {name: _redrawn(values[name], rng) for name in names}))


def branch_points(values: Values, names: Sequence[str], rng: np.random.Generator) -> Iterator[Chosen]:
    """Points where code may take another branch: all larger, all smaller, of the other sign, and equal magnitudes apart."""
    for factor, label in ((LARGE, "larger"), (SMALL, "smaller")):
        scaled = {name: _scaled(_redrawn(values[name], rng), factor, values[name]) for name in names}
        if any(value is not None for value in scaled.values()):
            yield Chosen("branch", label, _with(values, scaled))
    mixed = [name for name in names if _has_both_signs(values[name])]
    for sign, label in ((1.0, "positive"), (-1.0, "negative")):
        if mixed:
            turned = {name: _like(values[name], sign * np.abs(_numbers(_redrawn(values[name], rng)))) for name in mixed}
            yield Chosen("branch", label, _with(values, turned))


def tie_points(values: Values, names: Sequence[str], rng: np.random.Generator) -> Iterator[Chosen]:
    """Points with ties made on purpose, where the domain has room for them: zeros and ones, neighbours that are equal, and
    entries that two inputs of one shape share. ``ties`` says which entries to move."""
    for label, level in (("zeros", 0.0), ("ones", 1.0), ("minus ones", -1.0)):
        changed, ties = {}, []
        for name in names:
            x = _numbers(values[name])
            if not _has_both_signs(values[name]) or np.max(np.abs(x)) < abs(level):
                continue
            places = rng.permutation(x.size)[: max(1, x.size // 4)]
            flat = x.ravel().copy()
            flat[places] = level
            changed[name] = _like(values[name], flat.reshape(x.shape))
            ties += [((name, int(k)),) for k in places[:MOST_TIES]]
        if ties:
            yield Chosen("tie", label, _with(values, changed), tuple(ties))
    yield from _equal_neighbours(values, names, rng)
    yield from _equal_inputs(values, names, rng)


def _equal_neighbours(values: Values, names: Sequence[str], rng: np.random.Generator) -> Iterator[Chosen]:
    """The largest entry along an axis met by its neighbour, and any other by the next: ties for maxima and sorts."""
    for axis in (-1, 0):
        changed, ties = {}, []
        for name in names:
            x = _numbers(values[name])
            if not x.ndim or x.shape[axis] < 2 or (axis == 0 and x.ndim < 2) or _axis_that_sums_to_one(x) is not None:
                continue
            moved, places = np.moveaxis(x.copy(), axis, -1), np.moveaxis(np.arange(x.size).reshape(x.shape), axis, -1)
            rows = moved.reshape(-1, moved.shape[-1])
            rank = np.argsort(-rows, axis=1, kind="stable")
            second = rank[:, 1]
            every = np.arange(len(rows))
            rows[every, second] = rows[every, rank[:, 0]]
            changed[name] = _like(values[name], np.moveaxis(rows.reshape(moved.shape), -1, axis))
            flat = places.reshape(rows.shape)
            ties += [
                ((name, int(flat[k, rank[k, 0]])), (name, int(flat[k, second[k]])))
                for k in rng.permutation(len(rows))[:MOST_TIES]
            ]
        if ties:
            yield Chosen("tie", "equal entries", _with(values, changed), tuple(ties))


def _equal_inputs(values: Values, names: Sequence[str], rng: np.random.Generator) -> Iterator[Chosen]:
    """Two inputs of one shape that share entries: ties for ``maximum(x, y)``."""
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            x, y = _numbers(values[one]), _numbers(values[other])
            if x.shape != y.shape or not x.size or _axis_that_sums_to_one(x) is not None:
                continue
            if (x.min() < 0 and y.min() >= 0) or (x.max() > 0 and y.max() <= 0):
                continue
            places = rng.permutation(x.size)[: max(1, x.size // 2)]
            flat = y.ravel().copy()
            flat[places] = x.ravel()[places]
            ties = tuple(((one, int(k)), (other, int(k))) for k in places[:MOST_TIES])
            changed = {other: _like(values[other], flat.reshape(y.shape))}
            yield Chosen("tie", f"{other} equal to {one}", _with(values, changed), ties)


def _with(values: Values, changed: dict[str, Any]) -> dict[str, Any]:
    found = dict(values)
    found.update({name: value for name, value in changed.items() if value is not None})
    return found


def _numbers(value: Any) -> Array:
    return np.asarray(value, dtype=np.float64)


def _like(value: Any, numbers: Array) -> Any:
    return numbers.astype(value.dtype) if isinstance(value, np.ndarray) else float(numbers)


def _has_both_signs(value: Any) -> bool:
    """Whether the domain is seen to have both signs; a single number shows too little."""
    x = _numbers(value)
    return bool(x.size > 1 and (x > 0).any() and (x < 0).any())


def _axis_that_sums_to_one(x: Array) -> int | None:
    for axis in range(x.ndim - 1, -1, -1):
        if x.shape[axis] > 1 and (x >= 0).all() and np.allclose(x.sum(axis=axis), 1, atol=SUMS_TO_ONE):
            return axis
    return None


def _redrawn(value: Any, rng: np.random.Generator) -> Any:
    """Other numbers of the same kind."""
    x = _numbers(value)
    if not x.size:
        return value
    axis = _axis_that_sums_to_one(x)
    if axis is not None:
        drawn = rng.gamma(1.5, size=x.shape) + 0.02
        return _like(value, drawn / drawn.sum(axis=axis, keepdims=True))
    if ((x == 0) | (x == 1)).all() and x.size > 1:
        return value  # A mask.
    if x.size > 1 and (x == np.round(x)).all():
        return _like(value, rng.permutation(x.ravel()).reshape(x.shape))
    low, high = float(x.min()), float(x.max())
    if low >= 0 and high <= 1:
        return _like(value, rng.uniform(max(low / 2, 0.01), (1 + high) / 2, size=x.shape))
    if low > 0 or high < 0:
        return _like(value, x * np.exp(rng.uniform(-0.7, 0.7, size=x.shape)))
    spread = float(np.std(x)) or 1.0
    center = float(np.mean(x))
    return _like(value, center + spread * rng.standard_normal(x.shape))


def _is_bounded(x: Array) -> bool:
    return bool(x.size and x.min() >= 0 and x.max() <= 1)


def _scaled(drawn: Any, factor: float, given: Any) -> Any:
    """``drawn`` times ``factor``; None where that would leave the domain."""
    x = _numbers(given)
    if not x.size or _axis_that_sums_to_one(x) is not None or (factor > 1 and _is_bounded(x)):
        return None
    if x.size > 1 and (x == np.round(x)).all():
        return None
    found = _numbers(drawn) * factor
    limit = max(LARGEST, float(np.max(np.abs(x))))
    return _like(given, np.clip(found, -limit, limit) if factor > 1 else found)
