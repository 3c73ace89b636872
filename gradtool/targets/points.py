"""More points at which to look at a target, inside what the given one shows of its domain.

That is the sign, the range, integers, and features that hardly come about by accident: rows that sum to one or to zero or have
length 1, sorted entries, symmetric, positive definite, triangular and orthogonal matrices. Code that is right on its domain alone
must not be judged beyond it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradtool.target import Values

Array = NDArray[Any]
Kind = Literal["random", "branch", "tie"]
Place = tuple[str, int]
"""An entry of an input, by its place in the flat array."""
SUMS_TO_ONE = 1e-5
"""How far from one, as single precision makes them."""
EXACT = 1e-9
"""What rounding leaves of a feature."""
SORTED = 3
"""Fewer entries than this are sorted by accident."""
REMEMBERED = 1000
"""Of smaller arrays the features are remembered."""
WIDE = 1e3
"""Entries whose sizes differ by more than this are each redrawn on their own scale."""
LARGE, SMALL = 8.0, 1 / 64
LARGEST = 30.0
"""Larger numbers are not made of smaller ones: exp of them is on its way to overflow, which is another matter."""
MOST_TIES = 6
NUDGE = 1e-3


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


def nudged_points(values: Values, names: Sequence[str], rng: np.random.Generator) -> Iterator[Chosen]:
    """The point itself, moved a little to one side and to the other: off a tie or a kink that it sits on."""
    signs = {name: rng.choice((-1.0, 1.0), size=np.shape(values[name])) for name in names}
    for side in (1.0, -1.0):
        moved = {name: _nudged(values[name], side * signs[name], rng) for name in names}
        yield Chosen("branch", "nudged", _with(values, moved))


def _nudged(value: Any, signs: Array, rng: np.random.Generator) -> Any:
    """The same numbers but for a thousandth; None where that would leave the domain."""
    x = _numbers(value)
    if not x.size or _axis_that_sums_to_one(x) is not None or (x.size > 1 and ((x == 0) | (x == 1)).all()):
        return None
    size = NUDGE * np.maximum(np.abs(x), NUDGE * float(np.max(np.abs(x))) or NUDGE)
    moved = x + size * rng.uniform(0.3, 1.0, size=x.shape) * signs
    low, high = float(x.min()), float(x.max())
    return _like(value, np.clip(moved, low, high) if low >= 0 or high <= 0 else moved)


def branch_points(values: Values, names: Sequence[str], rng: np.random.Generator) -> Iterator[Chosen]:
    """Points where code may take another branch: all larger, all smaller, of the other sign, and equal magnitudes apart."""
    for factor, label in ((LARGE, "larger"), (SMALL, "smaller")):
        scaled = {name: _scaled(_redrawn(values[name], rng), factor, values[name]) for name in names}
        if any(value is not None for value in scaled.values()):
            yield Chosen("branch", label, _with(values, scaled))
    mixed = [name for name in names if _has_both_signs(values[name])]
    for sign, label in ((1.0, "positive"), (-1.0, "negative")):
        if mixed:
            turned = {
                name: _inside(values[name], sign * np.abs(_numbers(_redrawn(values[name], rng)))) for name in mixed
            }
            if any(value is not None for value in turned.values()):
                yield Chosen("branch", label, _with(values, turned))


def tie_points(values: Values, names: Sequence[str], rng: np.random.Generator) -> Iterator[Chosen]:
    """Points with ties made on purpose, where the domain has room for them: zeros and ones, neighbours that are equal, and
    entries that two inputs of one shape share. ``ties`` says which entries to move."""
    signed = {name: _numbers(values[name]) for name in names if _has_both_signs(values[name])}
    largest = {name: float(np.abs(x).max()) for name, x in signed.items()}
    for label, level in (("zeros", 0.0), ("ones", 1.0), ("minus ones", -1.0)):
        changed, ties = {}, []
        for name, x in signed.items():
            if largest[name] < abs(level):
                continue
            places = _one_in_a_row(x, rng)
            tied = _put(x, places, level)
            if not _keeps(x, tied):
                places = np.array([np.argmin(np.abs(x - level))])  # The nearest alone.
                tied = _put(x, places, level)
            if _keeps(x, tied):
                changed[name] = _like(values[name], tied)
                ties += [((name, k),) for k in places[:MOST_TIES].tolist()]
        if ties:
            yield Chosen("tie", label, _with(values, changed), tuple(ties))
    yield from _equal_neighbours(values, names, rng)
    yield from _equal_inputs(values, names, rng)


def _one_in_a_row(x: Array, rng: np.random.Generator) -> NDArray[np.intp]:
    """The places of one entry in each of some rows: two in a row would be equal to each other as well."""
    rows = x.size // x.shape[-1] if x.ndim else 1
    width = x.size // rows
    chosen = rng.permutation(rows)[: max(1, rows // 2)]
    return np.asarray(chosen * width + rng.integers(width, size=len(chosen)), dtype=np.intp)


def _put(x: Array, places: NDArray[np.intp], numbers: float | Array) -> Array:
    """``x`` with other numbers at these places."""
    found = x.copy()
    found.reshape(-1)[places] = numbers
    return found


def _equal_neighbours(values: Values, names: Sequence[str], rng: np.random.Generator) -> Iterator[Chosen]:
    """The largest entry along an axis met by its neighbour, and any other by the next: ties for maxima and sorts."""
    for axis in (-1, 0):
        changed, ties = {}, []
        for name in names:
            x = _numbers(values[name])
            if not x.ndim or x.shape[axis] < 2 or (axis == 0 and x.ndim < 2) or _axis_that_sums_to_one(x) is not None:
                continue
            order = (*range(1, x.ndim), 0) if axis == 0 else tuple(range(x.ndim))  # The axis last.
            rows = x.transpose(order).reshape(-1, x.shape[axis])
            rank = (-rows).argsort(axis=1, kind="stable")
            places = np.arange(x.size).reshape(x.shape).transpose(order).reshape(rows.shape)
            every = np.arange(len(rows))
            first, second = places[every, rank[:, 0]], places[every, rank[:, 1]]
            tied = _put(x, second, x.reshape(-1)[first])
            if not _keeps(x, tied):
                continue
            changed[name] = _like(values[name], tied)
            chosen = rng.permutation(len(rows))[:MOST_TIES]
            ties += [
                ((name, one), (name, other))
                for one, other in zip(first[chosen].tolist(), second[chosen].tolist(), strict=True)
            ]
        if ties:
            yield Chosen("tie", "equal entries", _with(values, changed), tuple(ties))


def _equal_inputs(values: Values, names: Sequence[str], rng: np.random.Generator) -> Iterator[Chosen]:
    """Two inputs of one shape that share entries: ties for ``maximum(x, y)``."""
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            x, y = _numbers(values[one]), _numbers(values[other])
            if (
                x.shape != y.shape
                or not x.size
                or _axis_that_sums_to_one(x) is not None
                or not np.isfinite([x, y]).all()
            ):
                continue
            if (x.min() < 0 and y.min() >= 0) or (x.max() > 0 and y.max() <= 0):
                continue
            places = rng.permutation(x.size)[: max(1, x.size // 2)]
            flat = y.ravel().copy()
            flat[places] = x.ravel()[places]
            if not _keeps(y, flat.reshape(y.shape)):
                continue
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
    return np.asarray(numbers, dtype=value.dtype) if isinstance(value, np.ndarray) else float(numbers)


def _has_both_signs(value: Any) -> bool:
    """Whether the domain is seen to have both signs; a single number shows too little."""
    x = _numbers(value)
    return bool(x.size > 1 and (x > 0).any() and (x < 0).any())


def _axis_that_sums_to_one(x: Array) -> int | None:
    if not (x >= 0).all():
        return None
    for axis in range(x.ndim - 1, -1, -1):
        if x.shape[axis] > 1 and (np.abs(x.sum(axis=axis) - 1) <= SUMS_TO_ONE).all():
            return axis
    return None


def _redrawn(value: Any, rng: np.random.Generator) -> Any:
    """Other numbers of the same kind."""
    x = _numbers(value)
    if not x.size or _manner(x).kind == "mask":
        return value
    found = _inside(value, _drawn(x, rng))
    return value if found is None else found


class _Manner(NamedTuple):
    """How numbers of the sign and range of an array are drawn, with what that takes to know of it."""

    kind: Literal["mask", "sums to one", "whole", "definite", "orthogonal", "share", "own scale", "negative", "any"]
    low: float
    high: float
    axis: int = 0
    zero: float = 1.0
    """What stands for entries that are 0 where each is drawn on its own scale."""
    mean: float = 0.0
    spread: float = 0.0


def _drawn(x: Array, rng: np.random.Generator) -> Array:
    """Numbers of the sign and range of ``x``."""
    manner = _manner(x)
    if manner.kind == "sums to one":
        drawn = rng.gamma(1.5, size=x.shape) + 0.02
        return np.asarray(drawn / drawn.sum(axis=manner.axis, keepdims=True))
    if manner.kind == "whole":
        return rng.permutation(x.ravel()).reshape(x.shape)
    if manner.kind == "definite":
        return _congruent(x, rng)
    if manner.kind == "orthogonal":
        return _rotated(x, rng)
    shares = rng.random(x.shape)
    if manner.kind == "share":
        return rng.uniform(max(manner.low / 2, 0.01), (1 + manner.high) / 2, size=x.shape)
    if manner.kind == "any":
        return np.asarray(manner.mean + manner.spread * rng.standard_normal(x.shape))
    own = np.where(x == 0, manner.zero, x) * np.exp(1.4 * shares - 0.7)
    return np.asarray(own if manner.kind == "own scale" else -np.abs(own))


def _manner(x: Array) -> _Manner:
    """The manner of a given array, which is asked for time and again; it is not empty."""
    return _manner_of(x.shape, x.tobytes()) if x.size <= REMEMBERED else _found_manner(x)


@lru_cache(maxsize=64)
def _manner_of(shape: tuple[int, ...], numbers: bytes) -> _Manner:
    return _found_manner(np.frombuffer(numbers).reshape(shape))


def _found_manner(x: Array) -> _Manner:
    low, high = float(x.min()), float(x.max())
    if x.size > 1 and ((x == 0) | (x == 1)).all():
        return _Manner("mask", low, high)
    axis = _axis_that_sums_to_one(x)
    if axis is not None:
        return _Manner("sums to one", low, high, axis)
    if x.size > 1 and (x == np.round(x)).all():
        return _Manner("whole", low, high)
    if _is_definite(x):
        return _Manner("definite", low, high)
    if _is_orthogonal(x):
        return _Manner("orthogonal", low, high)
    sizes = np.abs(x[x != 0])
    zero = float(np.mean(sizes)) if sizes.size else 1.0
    if low >= 0 and high <= 1:
        return _Manner("share", low, high)
    if low >= 0 or high < 0 or (x.size > 1 and sizes.max() > WIDE * sizes.min()):
        return _Manner("own scale", low, high, zero=zero)
    if high <= 0:
        return _Manner("negative", low, high, zero=zero)
    return _Manner("any", low, high, mean=float(np.mean(x)), spread=float(np.std(x)) or 1.0)


def _congruent(x: Array, rng: np.random.Generator) -> Array:
    """Another positive definite matrix: rows and columns scaled alike, or nearer to the identity where x has its diagonal."""
    n = x.shape[-1]
    if "unit diagonal" in _features(x):
        share = rng.uniform(0.5, 1)
        return np.asarray(share * x + (1 - share) * np.eye(n))
    d = np.exp(rng.uniform(-0.5, 0.5, size=x.shape[:-1]))
    return np.asarray(d[..., :, None] * x * d[..., None, :])


def _rotated(x: Array, rng: np.random.Generator) -> Array:
    """An orthogonal matrix turned by a rotation, the Cayley transform of a random skew matrix."""
    n = x.shape[-1]
    a = rng.standard_normal(x.shape)
    skew = (a - np.swapaxes(a, -1, -2)) / 4
    return np.asarray(x @ np.linalg.solve(np.eye(n) - skew, np.eye(n) + skew))


def _scaled(drawn: Any, factor: float, given: Any) -> Any:
    """``drawn`` times ``factor``; None where that would leave the domain."""
    x = _numbers(given)
    if not x.size:
        return None
    manner = _manner(x)
    if manner.kind in ("mask", "sums to one", "whole") or (factor > 1 and manner.low >= 0 and manner.high <= 1):
        return None
    found = _numbers(drawn) * factor
    limit = max(LARGEST, abs(manner.low), abs(manner.high))
    largest = float(np.abs(found).max())
    return _inside(given, found * (limit / largest) if factor > 1 and largest > limit else found)


# What a given array shows of its domain ---------------------------------------------------------------------------------


def _inside(given: Any, numbers: Array) -> Any:
    """``numbers`` in the form of ``given`` and with its features; None where they cannot have them."""
    x = _numbers(given)
    wanted = _wanted(x)
    found = _conformed(x, numbers, wanted)
    return _like(given, found) if not wanted or wanted <= _features(found) else None


def _keeps(given: Array, numbers: Array) -> bool:
    """Whether ``numbers`` has every feature of ``given``."""
    wanted = _wanted(given)
    return not wanted or wanted <= _features(numbers)


def _conformed(given: Array, numbers: Array, wanted: frozenset[str]) -> Array:
    """``numbers`` with those ``wanted`` features of ``given`` that can be had by a small change."""
    found = numbers
    if not wanted:
        return numbers
    if "symmetric" in wanted:
        found = (found + np.swapaxes(found, -1, -2)) / 2
    if "lower" in wanted:
        found = np.tril(found)
    if "upper" in wanted:
        found = np.triu(found)
    for axis in range(given.ndim):
        if f"ascends {axis}" in wanted:
            found = np.sort(found, axis=axis)
        if f"descends {axis}" in wanted:
            found = -np.sort(-found, axis=axis)
        if f"centred {axis}" in wanted:
            found = found - found.mean(axis=axis, keepdims=True)
        if f"unit {axis}" in wanted:
            found = found / np.linalg.norm(found, axis=axis, keepdims=True)
    return np.asarray(found)


def _wanted(given: Array) -> frozenset[str]:
    """The features of a given array, which is asked for time and again."""
    return _features_of(given.shape, given.tobytes()) if given.size <= REMEMBERED else _features(given)


@lru_cache(maxsize=64)
def _features_of(shape: tuple[int, ...], numbers: bytes) -> frozenset[str]:
    return _features(np.frombuffer(numbers).reshape(shape))


def _features(x: Array) -> frozenset[str]:
    """What is true of an array and hardly so by accident."""
    if x.size < 2 or not np.isfinite(x).all():
        return frozenset()
    found = {name for name, test in MATRICES.items() if x.ndim >= 2 and x.shape[-1] == x.shape[-2] > 1 and test(x)}
    if "lower" in found and "upper" in found:
        found.discard("symmetric")  # It is diagonal.
    for axis, length in enumerate(x.shape):
        found |= _features_along(x, axis) if length > 1 else set()
    return frozenset(found)


def _features_along(x: Array, axis: int) -> set[str]:
    steps = np.diff(x, axis=axis)
    tests = {
        "ascends": x.shape[axis] >= SORTED and (steps >= 0).all() and steps.any(),
        "descends": x.shape[axis] >= SORTED and (steps <= 0).all() and steps.any(),
        "unit": bool((np.abs((x * x).sum(axis=axis) - 1) <= EXACT).all()),
        "centred": bool((np.abs(x.sum(axis=axis)) <= EXACT * np.abs(x).sum(axis=axis)).all() and x.any()),
    }
    return {f"{name} {axis}" for name, holds in tests.items() if holds}


def _is_symmetric(x: Array) -> bool:
    return bool((np.abs(x - np.swapaxes(x, -1, -2)) <= EXACT * np.abs(x).max()).all())


def _is_definite(x: Array) -> bool:
    if x.ndim < 2 or not x.shape[-1] == x.shape[-2] > 1 or not _is_symmetric(x):
        return False
    return bool((np.linalg.eigvalsh(x)[..., 0] > 0).all())


def _is_orthogonal(x: Array) -> bool:
    if x.ndim < 2 or not x.shape[-1] == x.shape[-2] > 1:
        return False
    return bool((np.abs(x @ np.swapaxes(x, -1, -2) - np.eye(x.shape[-1])) <= EXACT).all())


MATRICES: dict[str, Callable[[Array], bool]] = {
    "symmetric": _is_symmetric,
    "definite": _is_definite,
    "orthogonal": _is_orthogonal,
    "unit diagonal": lambda x: bool((np.diagonal(x, axis1=-2, axis2=-1) == 1).all()),
    "lower": lambda x: bool((np.triu(x, 1) == 0).all()),
    "upper": lambda x: bool((np.tril(x, -1) == 0).all()),
}
