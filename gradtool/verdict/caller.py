"""Calling the user's forward and backward so that nothing leaks from one call into the next: copies of every array, a fresh
forward each time, and random generators put back to one state where forward draws from them."""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradtool.references.sampling import Samples
from gradtool.target import Calling, Run, Values

Array = NDArray[Any]
SAME = 1e-2
"""What single and double precision make of one computation differs by less than this share of it, or it has no digits at all."""


class UnsupportedError(Exception):
    """What the user's code gives or takes cannot be checked (complex numbers, no floating-point output, ...)."""


class UserCodeError(Exception):
    """The user's forward or backward raised; ``cause`` is what it raised (``SystemExit`` too)."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}")
        self.cause = cause


@dataclass(frozen=True, slots=True, eq=False)
class Handed:
    """A forward that was run, with the very arrays that it was handed and copies of them as they were before."""

    run: Run
    values: Values
    before: Values


class Caller:
    """Runs one calling of a target. ``seed`` is what pinned generators start from.

    ``pinned`` is set by the caller's owner where forward turns out to be random.
    """

    def __init__(self, calling: Calling, generators: Sequence[Any] = (), seed: int = 0) -> None:
        self.calling = calling
        self.pinned = False
        self._seed = seed
        self._generators = tuple(generators)
        self._states = [_state(generator) for generator in generators]

    def forward(self, values: Values) -> Handed:
        """A fresh forward on copies of ``values``. Raises ``UserCodeError``."""
        handed = {name: fresh(value) for name, value in values.items()}
        return Handed(self.run(handed), handed, values)

    def run(self, handed: Values) -> Run:
        """A fresh forward on these very values. Raises ``UserCodeError``."""
        try:
            if not self.pinned:
                return self.calling.start(handed)
            with self._pins():
                return self.calling.start(handed)
        except UnsupportedError:
            raise
        except (Exception, SystemExit) as error:
            raise UserCodeError(error) from error

    def backward(self, handed: Handed, upstream: Sequence[Array]) -> Mapping[str, Any]:
        """The gradients for these very upstream arrays, one an output. Raises ``UserCodeError``."""
        try:
            return handed.run.backward(*upstream)
        except UnsupportedError:
            raise
        except (Exception, SystemExit) as error:
            raise UserCodeError(error) from error

    def gradients(self, values: Values, upstream: Sequence[Array]) -> Mapping[str, Any]:
        """A fresh forward and its backward, on copies of everything."""
        return self.backward(self.forward(values), [np.array(u) for u in upstream])

    def outputs(self, values: Values) -> tuple[Array, ...]:
        """Forward's outputs at ``values``, copied: a user's code may reuse its buffers."""
        return tuple(np.array(output) for output in self.forward(values).run.outputs)

    @contextlib.contextmanager
    def _pins(self) -> Iterator[None]:
        random.seed(self._seed)
        np.random.seed(self._seed)
        if "torch" in sys.modules:
            sys.modules["torch"].manual_seed(self._seed)
        for generator, state in zip(self._generators, self._states, strict=True):
            generator.bit_generator.state = state
        made = np.random.default_rng
        np.random.default_rng = _seeded(made, self._seed)
        try:
            yield
        finally:
            np.random.default_rng = made


def _seeded(make: Callable[..., Any], pinned: int) -> Callable[..., Any]:
    """``default_rng`` that gives a generator without a seed of its own this one."""

    def default_rng(seed: Any = None) -> Any:
        return make(pinned if seed is None else seed)

    return default_rng


def _state(generator: Any) -> Any:
    return generator.bit_generator.state


def fresh(value: Any) -> Any:
    """A copy of an array; anything else as it is."""
    return np.array(value) if isinstance(value, np.ndarray) else value


def is_float(value: Any) -> bool:
    """Whether a value can be differentiated: a Python float, or an array of floating-point numbers."""
    return isinstance(value, float) or (isinstance(value, np.ndarray) and value.dtype.kind == "f")


def like(value: Any, numbers: Array) -> Any:
    """``numbers`` in the form of ``value``: a Python float, or an array of its dtype."""
    return np.asarray(numbers, dtype=value.dtype) if isinstance(value, np.ndarray) else float(numbers)


def checked_outputs(outputs: Sequence[Array]) -> tuple[Array, ...]:
    """The outputs, if they can be checked. Raises ``UnsupportedError``."""
    if not outputs:
        raise UnsupportedError("forward returns nothing that an upstream gradient could belong to")
    for output in outputs:
        kind = np.asarray(output).dtype
        if kind.kind == "c":
            raise UnsupportedError("forward returns complex numbers")
        if kind.kind == "O":
            raise UnsupportedError("forward returns an array of objects, not of numbers")
    if not any(np.asarray(output).dtype.kind == "f" for output in outputs):
        raise UnsupportedError("forward returns integers alone: there is nothing to differentiate")
    return tuple(outputs)


def _each(value: Any, points: Array) -> list[Any]:
    """Every point by itself in the form of ``value``: Python floats, or arrays of its dtype, which do not overlap."""
    if not isinstance(value, np.ndarray):
        return [float(point) for point in points]
    copied = points.astype(value.dtype, order="C")
    return list(copied) if value.ndim else [np.array(point) for point in copied]


class TargetFunction:
    """A target's forward at a point, as the numeric reference wants a function: its outputs as one flat vector.

    An exception at a perturbed point counts as leaving the domain: forward has taken the point itself, and code guards its
    domain with assertions and exceptions of all kinds. ``raised`` is the first of them. Only ``SystemExit`` raises
    ``UserCodeError``. Raises ``UnsupportedError`` where the outputs change their shape.
    """

    def __init__(self, caller: Caller, values: Values, outputs: Sequence[Array]) -> None:
        self._caller = caller
        self._values = values
        self._base = flat(outputs)
        self.raised: BaseException | None = None
        kinds = [np.asarray(o).dtype for o in outputs]
        self.roundoff = max((roundoff_of(kind) for kind in kinds if kind.kind == "f"), default=2.0**-53)
        """The unit roundoff of what forward returns."""

    def base(self) -> Array:
        """The outputs at the point, flat."""
        return self._base

    def many(self, name: str, points: Array) -> Samples:
        """The outputs with ``name`` replaced by each of ``points``; a row of NaN outside the domain."""
        return self.many_inputs({name: points})

    def many_inputs(self, points: Mapping[str, Array]) -> Samples:
        """The same with several inputs replaced at once."""
        count, size = len(next(iter(points.values()))), self._base.size
        found = np.full((count, size), np.nan)
        moved = [(name, _each(self._values[name], rows)) for name, rows in points.items()]
        arrays = [(n, x) for n, x in self._values.items() if n not in points and isinstance(x, np.ndarray)]
        run = self._caller.run
        for i in range(count):
            handed = dict(self._values)
            for name, value in arrays:
                handed[name] = np.array(value)
            for name, rows in moved:
                handed[name] = rows[i]
            try:
                outputs = run(handed).outputs
            except UserCodeError as error:
                if not isinstance(error.cause, Exception):
                    raise
                self.raised = self.raised or error.cause
                continue
            row = np.asarray(outputs[0]).ravel() if len(outputs) == 1 else flat(outputs)
            if row.size != size:
                raise UnsupportedError(f"the outputs change their size, from {size} to {row.size}")
            found[i] = row
        return Samples(found)

    def noise(self) -> None:
        """None: nothing is known of a black box."""
        return


def in_double(caller: Caller, values: Values, outputs: Sequence[Array]) -> tuple[Values, Sequence[Array]]:
    """The values in double precision and forward's outputs for them, where some were given in less and forward takes and
    returns double: its slopes are then free of rounding. As they were given where it does not, or gives something else."""
    widened = {name: value.astype(np.float64) for name, value in values.items() if is_short(value)}
    if not widened:
        return values, outputs
    wide = {**values, **widened}
    try:
        found = caller.outputs(wide)
    except UserCodeError:
        return values, outputs
    for short, long in zip(outputs, found, strict=False):
        if is_short(long) or np.shape(short) != np.shape(long):
            return values, outputs
        scale = float(np.max(np.abs(long), initial=0.0))
        if not np.allclose(short, long, rtol=0, atol=SAME * scale):
            return values, outputs
    return (wide, found) if len(found) == len(outputs) else (values, outputs)


def is_short(value: Any) -> bool:
    """Whether it is an array of less than double precision."""
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.dtype.itemsize < 8


@lru_cache(maxsize=16)
def roundoff_of(kind: np.dtype[Any]) -> float:
    """The unit roundoff of a floating-point type."""
    return float(np.finfo(kind).eps) / 2


def flat(outputs: Sequence[Array]) -> Array:
    """All outputs as one float64 vector."""
    if len(outputs) == 1:
        return np.asarray(outputs[0], np.float64).ravel()
    return np.concatenate([np.asarray(output, dtype=np.float64).ravel() for output in outputs])
