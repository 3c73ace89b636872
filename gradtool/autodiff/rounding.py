"""Roundings on purpose: numbers changed by one unit, to see how far rounding can carry a result (Monte Carlo arithmetic)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
POOL = 1 << 14


class Rounding:
    """Changes every number by a relative ``size``, up or down by chance, and a subnormal one by the smallest number: call
    it as a ``Perturb``.

    ``direction`` 1 or -1 moves all the same way instead. The chances are fixed by ``seed``: they come from SplitMix64
    (Steele, Lea & Flood, *Fast splittable pseudorandom number generators*, OOPSLA 2014) and not from ``numpy.random``,
    which takes longer to import than all of this takes.
    """

    def __init__(self, size: float, dtype: Any, *, seed: int = 0, direction: int = 0) -> None:
        self._dtype = dtype
        self._fixed = np.asarray(1 + direction * size, dtype=np.float64) if direction else None
        self._pool = np.tile(1 + size * _signs(POOL, seed), 2)  # Twice over: a stretch may begin anywhere.
        self._next = 0
        info = np.finfo(dtype)
        self._normal, self._least = float(info.smallest_normal), float(info.smallest_subnormal)

    def __call__(self, value: Array) -> Array:
        """``value``, changed."""
        if self._fixed is not None:
            return self._changed(value, self._fixed)
        count = value.size
        start = self._next
        self._next = (start + count) % POOL
        stretch = self._pool[start : start + min(count, POOL)]
        factors = stretch if count <= POOL else np.resize(stretch, count)
        return self._changed(value, factors.reshape(value.shape))

    def _changed(self, value: Array, factors: Array) -> Array:
        changed = np.asarray(value * factors, dtype=self._dtype)
        small = np.abs(value) < self._normal
        if small.any():  # There a rounding is of one size, however small the number.
            moved = value + np.copysign(self._least, factors - 1)
            changed = np.where(small & np.not_equal(value, 0), moved, changed).astype(self._dtype, copy=False)
        return changed


def _signs(count: int, seed: int) -> Array:
    golden = 0x9E3779B97F4A7C15
    with np.errstate(over="ignore"):
        z = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(golden) + np.uint64((seed * golden) % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return np.where(z >> np.uint64(63), 1.0, -1.0)
