"""Sampling a function along straight lines: the evaluable things, what is measured of them, and how noisy that is.

Source: Moré and Wild, "Estimating computational noise" (SIAM J. Sci. Comput. 33, 2011): the noise of a black box is
what differs from a polynomial over a tiny interval, which is widened where the values are equal.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite, log2, sqrt
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Integers = NDArray[np.intp]

EPSILON = 2.0**-52
TINY = 5e-324
BLOCK = 1_000_000
"""Elements of one array of points, or of outputs, that are held at a time."""
ROUNDING_SAFETY = 3.0
"""The largest of a few random changes by whole units is not the largest there may be."""
STENCIL = np.sort(np.arange(1, 12) * (5**0.5 - 1) / 2 % 1)
"""Where noise is sampled: unevenly and at points with many digits, as rounding on a grid, or of a product, would not
show in samples that fall in step with it."""
POLYNOMIALS = np.linalg.qr(np.vander(2 * STENCIL - 1, 7, increasing=True))[0]
"""Orthonormal polynomials on the stencil, by degree."""

DOMAIN_ERRORS = (ArithmeticError, ValueError, np.linalg.LinAlgError)


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Outputs at P points, shape ``(P, *output_shape)``. ``same_piece[p]`` says whether point p lies on the same smooth
    piece as the base point (what is tied at the base point aside); None where that is not known."""

    outputs: Array
    same_piece: Mask | None = None


class Evaluable(Protocol):
    """A function at a base point. Where a point is outside the domain its output is not finite."""

    def base(self) -> Array:
        """The output at the base point."""
        ...

    def many(self, name: str, points: Array) -> Samples:
        """Outputs with input ``name`` replaced by each of ``points``, shape ``(P, *shape)``, the rest at the base."""
        ...

    def noise(self) -> Array | None:
        """A bound on the rounding error of each entry of the output; None where it must be measured."""
        ...


class EntryChanges(Protocol):
    """Outputs at P points with one entry moved: their entries that may have changed, arrays of shape (slots, P).

    A slot that is not used has a change of 0, whatever else it says."""

    @property
    def places(self) -> Integers:
        """Which entry of the flattened output a slot holds."""
        ...

    @property
    def value(self) -> Array:
        """The entry."""
        ...

    @property
    def change(self) -> Array:
        """By how much it differs from the base."""
        ...

    @property
    def same_piece(self) -> Mask:
        """As in ``Samples``."""
        ...


class EntryWise(Protocol):
    """A function around a base point, for points with one entry of an input moved."""

    @property
    def block(self) -> int:
        """How many points to take at a time."""
        ...

    @property
    def kinds(self) -> int:
        """How many roundings of what an entry does not reach there are; number 0 is the usual one."""
        ...

    def run(self, entries: Integers, moved: Array, kind: int) -> EntryChanges:
        """The changed outputs with the input's ``entries[p]`` (counted along its rows) replaced by ``moved[p]``, seen with
        roundings number ``kind``."""
        ...


@runtime_checkable
class SeesEntries(Protocol):
    """An ``Evaluable`` that may know which entries of the output an entry of an input reaches."""

    def entrywise(self, name: str) -> EntryWise | None:
        """For the input ``name``; None where that is no faster."""
        ...


class FunctionEvaluable:
    """A Python function as an ``Evaluable``, called point by point.

    ``inputs`` is a mapping (passed by keyword where the function allows it, else in order) or a sequence (passed in
    order; the names are then ``"0"``, ``"1"``, ...). A float goes in as a float, an array as a fresh copy. At a
    perturbed point ``ArithmeticError``, ``ValueError`` and ``LinAlgError`` count as leaving the domain; at the base
    point they, and any other exception anywhere, reach the caller. Raises ``TypeError`` for a complex output.
    """

    def __init__(self, function: Callable[..., Any], inputs: Mapping[str, Any] | Sequence[Any]) -> None:
        named = isinstance(inputs, Mapping)
        items: Mapping[str, Any] = inputs if isinstance(inputs, Mapping) else {str(i): v for i, v in enumerate(inputs)}
        self._function = function
        self._inputs = {name: np.asarray(value) for name, value in items.items()}
        self._by_keyword = named and _takes_keywords(function, list(items))
        self._base: Array | None = None
        self.calls = 0
        self.roundoff = 2.0**-53
        """The unit roundoff of what the function returns."""

    @property
    def inputs(self) -> dict[str, Array]:
        """The inputs as arrays."""
        return dict(self._inputs)

    def base(self) -> Array:
        """The output at the base point, computed once."""
        if self._base is None:
            self._base = self._call(None, None)
        return self._base

    def many(self, name: str, points: Array) -> Samples:
        """The outputs at ``points``; a row of NaN where the function leaves its domain."""
        base = self.base()
        outputs = np.full((len(points), *base.shape), np.nan)
        for i, point in enumerate(points):
            try:
                outputs[i] = self._call(name, point)
            except DOMAIN_ERRORS:
                continue
        return Samples(outputs)

    def noise(self) -> Array | None:
        """None: nothing is known of a black box."""
        return None

    def _call(self, name: str | None, point: Array | None) -> Array:
        self.calls += 1
        values: dict[str, Any] = {}
        for key, value in self._inputs.items():
            chosen = value if key != name or point is None else point
            values[key] = np.array(chosen) if np.ndim(chosen) else np.asarray(chosen).item()
        with np.errstate(all="ignore"):
            output = self._function(**values) if self._by_keyword else self._function(*values.values())
        result = np.asarray(output)
        if np.iscomplexobj(result):
            raise TypeError("the function returns complex numbers")
        if result.dtype.kind == "f" and self._base is None:
            self.roundoff = float(np.finfo(result.dtype).eps) / 2
        result = result.astype(np.float64)
        if self._base is not None and result.shape != self._base.shape:
            raise TypeError(f"the output changes shape, from {self._base.shape} to {result.shape}")
        return result


def _takes_keywords(function: Callable[..., Any], names: list[str]) -> bool:
    try:
        inspect.signature(function).bind(**dict.fromkeys(names))
    except (TypeError, ValueError):
        return False
    return True


@dataclass(slots=True, eq=False)
class Measure:
    """Turns outputs into one number a point: ``sum(upstream * (output - base))``. Outputs are differenced before they
    are contracted, so a large part that does not change costs no digits."""

    base: Array
    upstream: Array
    used: Mask | None
    magnitude: float
    weight: float
    noise: float | None
    failure: str | None = None

    @staticmethod
    def of(function: Evaluable, upstream: Any) -> Measure:
        """The measure for a function and an upstream gradient that broadcasts to its output."""
        output = np.asarray(function.base(), dtype=np.float64)
        weights = np.asarray(upstream, dtype=np.float64)
        if weights.shape != output.shape:
            weights = np.broadcast_to(weights, output.shape)
        weights, base = weights.ravel(), output.ravel()
        used = None
        if not weights.all():
            # What the upstream gradient ignores may be infinite: 0 * inf must not spoil the rest.
            used = weights != 0
            weights, base = weights[used], base[used]
        known, sizes, failure = function.noise(), np.abs(weights), None
        magnitude = float(sizes @ np.abs(base))
        if not isfinite(magnitude):  # Else all of its parts are.
            if not np.isfinite(base).all():
                failure = "the function is not finite at this point"
            elif not np.isfinite(weights).all():
                failure = "the upstream gradient is not finite"
        noise = None
        if known is not None:
            flat = np.broadcast_to(np.asarray(known, dtype=np.float64), output.shape).ravel()
            noise = float(sizes @ (flat if used is None else flat[used]))
            if not np.isfinite(noise):
                noise = None
        return Measure(base, weights, used, magnitude, float(sizes.sum()), noise, failure)

    def change(self, outputs: Array) -> Array:
        """The contracted change alone, for outputs of shape ``(P, ...)``; NaN where an output is not finite."""
        return self._changed(self._flat(outputs))[0]

    def contract(self, outputs: Array) -> tuple[Array, Array, Array]:
        """``(change, magnitude, rounding)`` for outputs of shape ``(P, ...)``: the contracted change, the contracted
        size of the outputs, and a bound on the rounding of the contraction itself. NaN where an output is not
        finite."""
        flat = self._flat(outputs)
        change, difference = self._changed(flat)
        weights = np.abs(self.upstream)
        rounding = (4 + log2(max(self.base.size, 1))) * EPSILON * (np.abs(difference) @ weights)
        rounding += 4 * TINY * (self.base.size + self.weight)
        return change, np.abs(flat) @ weights, rounding

    def contract_changes(self, found: EntryChanges) -> tuple[Array, Array, Array]:
        """The same for the entries that changed: the rest of the output is as large as at the base point."""
        change = found.change
        weights, index = self._weights, found.places
        if self._weights.size == 1:
            taken: Any = weights[0]
        else:
            taken = weights.take(index, mode="wrap")
            if self.used is not None:
                change = np.where(taken == 0, 0.0, change)
        sizes = np.abs(taken)
        moved = (change * taken).sum(axis=0)
        rounding = (4 + log2(max(self.base.size, 1))) * EPSILON * (np.abs(change) * sizes).sum(axis=0)
        rounding += 4 * TINY * (self.base.size + self.weight)
        grown = np.where(change == 0, 0.0, (np.abs(found.value) - np.abs(found.value - change)) * sizes).sum(axis=0)
        moved[~np.isfinite(moved)] = np.nan
        return moved, np.maximum(self.magnitude + grown, 0.0), rounding

    @property
    def _weights(self) -> Array:
        """The upstream gradient for every entry of the flattened output."""
        if self.used is None:
            return self.upstream
        weights = np.zeros(self.used.shape)
        weights[self.used] = self.upstream
        return weights

    def size(self, outputs: Array) -> Array:
        """The contracted size of outputs of shape ``(P, ...)``."""
        return np.asarray(np.abs(self._flat(outputs)) @ np.abs(self.upstream))

    def _flat(self, outputs: Array) -> Array:
        flat = np.asarray(outputs, dtype=np.float64).reshape(len(outputs), -1)
        return flat if self.used is None else flat[:, self.used]

    def _changed(self, flat: Array) -> tuple[Array, Array]:
        """The contracted change, and the change of every output."""
        difference = flat - self.base
        change = difference @ self.upstream
        change[~np.isfinite(change)] = np.nan
        return change, difference


class Lines(Protocol):
    """Straight lines through the base point ``x`` of one input."""

    x: Array
    count: int
    reach: Array
    """How far from 0 the base point is along each line, in units of the line's parameter."""
    floor: Array
    """The smallest step that still moves the point along each line."""
    extra: Array
    """A bound on the change of the output that rounding of the points makes, a line."""
    size: int

    def points(self, lines: Integers, steps: Array) -> tuple[Array, Array]:
        """The points at the signed ``steps`` along ``lines``, and the steps truly taken. Steps come in two halves, the
        second the opposite of the first."""
        ...


class Entries:
    """One line for each entry of an input."""

    def __init__(self, x: Array) -> None:
        self.x = x
        self._flat = x.ravel()
        self.count = self.size = x.size
        self.reach = np.where(np.isnan(self._flat), np.inf, np.abs(self._flat))  # No step moves either.
        self.floor = np.maximum(self.reach * 2.0**-50, 2.0**-1010)
        self.extra = np.zeros(self.count)

    def points(self, lines: Integers, steps: Array) -> tuple[Array, Array]:
        """Points with one entry moved."""
        moved, taken = self.moved(lines, steps)
        points = np.empty((len(steps), self.size))
        points[:] = self._flat
        points[np.arange(len(steps)), lines] = moved
        return points.reshape(len(steps), *self.x.shape), taken

    def moved(self, lines: Integers, steps: Array) -> tuple[Array, Array]:
        """The entries moved, and the steps truly taken. Away from 0 first: the step that float64 makes of that is then
        exact on the other side too."""
        half = len(steps) // 2
        at = self._flat[lines[:half]]
        sign = np.where(at < 0, -1.0, 1.0)
        far = at + sign * steps[:half]
        taken = np.abs(far - at)
        near = at - sign * taken
        moved = np.concatenate((np.where(sign > 0, far, near), np.where(sign > 0, near, far)))
        return moved, np.abs(moved - self._flat[lines])


@dataclass(slots=True, eq=False)
class Field:
    """The lines of one input, and how to take samples along them."""

    function: Evaluable
    name: str
    lines: Lines
    measure: Measure
    tied: Mask | None = None
    evaluations: int = 0
    noise: float = 0.0
    """A bound on the noise of the contracted output at the base point."""
    relative: float = 0.0
    """The same elsewhere, as a share of the contracted output's size, though never more than ``most``."""
    most: float = np.inf
    fine: tuple[float, float] = (0.0, 0.0)
    """``noise`` and ``relative`` as measured over the narrowest interval, and over a wider one."""
    coarse: tuple[float, float] = (0.0, 0.0)
    flat: bool = False
    """Whether the measurement of noise saw no change at all."""
    formats: tuple[bool, bool] = (True, True)
    """Whether all outputs seen so far are numbers of single and of half precision."""
    all_pieces: bool = False
    """Take points on other smooth pieces too: with one step they are part of what was asked for."""

    def prepare(self) -> None:
        """Settle the noise: known, or measured."""
        known = self.measure.noise
        if known is None:
            self.fine, self.coarse = self._measured_noise()
            roundoff = getattr(self.function, "roundoff", 2.0**-53)
            if roundoff > 2.0**-53:
                self.fine = self.coarse = self._at_least(self.coarse, 2 * roundoff)
            self.noise, self.relative = self.coarse
        else:
            self.noise, self.most = known, 8 * known
            self.relative = known / self.measure.magnitude if self.measure.magnitude > 0 else 0.0

    def _note_formats(self, outputs: Array) -> None:
        single, half = (bool((outputs.astype(kind) == outputs).all()) for kind in (np.float32, np.float16))
        self.formats = (self.formats[0] and single, self.formats[1] and half)

    def _at_least(self, noise: tuple[float, float], share: float) -> tuple[float, float]:
        return max(noise[0], share * self.measure.magnitude), max(noise[1], share)

    def low_precision(self, changes: Array) -> float:
        """A share of the output's size that rounding may have changed, where a function that is flat on small scales
        takes several values on large ones, all of them numbers of single or half precision; else 0."""
        sizes = np.abs(changes[np.isfinite(changes)])
        if not self.flat or not self.formats[0] or len(np.unique(sizes[sizes > 0])) < 3:
            return 0.0
        share = 8 * 2.0 ** (-11 if self.formats[1] else -24)
        self.fine = self.coarse = self._at_least(self.coarse, share)
        self.noise, self.relative = self.coarse
        return share

    def sample(self, lines: Integers, steps: Array) -> Rungs:
        """Both points at each step along each line; ``lines`` and ``steps`` have the same length."""
        pairs = len(lines)
        entrywise = self._entrywise()
        if entrywise is not None:
            return self._sample_entries(entrywise, lines, steps)
        block = max(1, BLOCK // max(self.lines.size, self.measure.base.size, 1) // 2)
        parts = [self._sample(lines[i : i + block], steps[i : i + block]) for i in range(0, pairs, block)]
        if len(parts) == 1:
            return parts[0]
        return Rungs(*(np.concatenate(column) for column in zip(*map(Rungs.columns, parts), strict=True)))

    def _entrywise(self) -> EntryWise | None:
        """How to look at changed entries alone, where that will do: measuring noise takes whole outputs."""
        if (
            self.measure.noise is None
            or not isinstance(self.lines, Entries)
            or not isinstance(self.function, SeesEntries)
        ):
            return None
        return self.function.entrywise(self.name)

    def _sample_entries(self, entrywise: EntryWise, lines: Integers, steps: Array, kind: int = 0) -> Rungs:
        """``sample`` by entries alone, with roundings number ``kind``."""
        assert isinstance(self.lines, Entries)
        found, block = np.empty((6, len(lines))), max(1, entrywise.block // 2)
        for start in range(0, len(lines), block):
            part = slice(start, start + block)
            both = np.concatenate((lines[part], lines[part]))
            moved, taken = self.lines.moved(both, np.concatenate((steps[part], -steps[part])))
            seen = entrywise.run(both, moved, kind)
            found[:, part] = self._rungs(both, taken, *self.measure.contract_changes(seen), seen.same_piece)
        self.evaluations += 2 * len(lines)
        return Rungs(*found)

    def unseen(self, lines: Integers, usual: Rungs) -> Array:
        """A bound on what no difference shows: by how much the slope along each line would be another had all that the line
        does not reach been rounded otherwise. ``usual`` is a sample of each line; NaN in it asks for nothing."""
        found = np.zeros(len(lines))
        entrywise = self._entrywise()
        if entrywise is None or self.all_pieces:
            return found
        rows = np.nonzero(np.isfinite(usual.up) | np.isfinite(usual.down))[0]
        width = usual.up_step[rows] + usual.down_step[rows]
        for kind in range(1, entrywise.kinds):
            other = self._sample_entries(entrywise, lines[rows], usual.up_step[rows], kind)
            up, down = other.up - usual.up[rows], other.down - usual.down[rows]
            moves = np.abs(up - down) / width
            moves = np.where(np.isnan(moves), np.fmax(np.abs(up), np.abs(down)) * 2 / width, moves)
            found[rows] = np.fmax(found[rows], ROUNDING_SAFETY * moves)
        return found

    def _sample(self, lines: Integers, steps: Array) -> Rungs:
        both = np.concatenate((lines, lines))
        points, taken = self.lines.points(both, np.concatenate((steps, -steps)))
        samples = self.function.many(self.name, points)
        self.evaluations += len(both)
        change, magnitude, rounding = self.measure.contract(samples.outputs)
        if self.flat:
            self._note_formats(samples.outputs[np.isfinite(change)])
        return Rungs(*self._rungs(both, taken, change, magnitude, rounding, samples.same_piece))

    def _rungs(
        self, both: Integers, taken: Array, change: Array, magnitude: Array, rounding: Array, same_piece: Mask | None
    ) -> tuple[Array, ...]:
        """The columns of ``Rungs`` from what was measured at the points up the lines, then down."""
        pairs = len(both) // 2
        if same_piece is not None and not self.all_pieces:
            change[~same_piece] = np.nan
        change[~(np.isfinite(taken) & (taken > 0))] = np.nan
        noise = np.maximum(np.minimum(self.relative * magnitude, self.most), self.noise)
        bound = EPSILON * magnitude + noise + rounding + self.lines.extra[both]
        return taken[:pairs], taken[pairs:], change[:pairs], change[pairs:], bound[:pairs], bound[pairs:]

    def _measured_noise(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Twice ``(at the base point, elsewhere as a share of the output's size)``: the noise of ``sum(upstream *
        output)`` over a narrow and over a wider interval, six standard deviations of what is left of samples when a
        polynomial is taken out. Both are the same where the narrow one sees no change at all."""
        if self.lines.size == 0:
            return (0.0, 0.0), (0.0, 0.0)
        x = self.lines.x
        size = np.abs(x)
        scale = np.where(x == 0, 1.0, size)
        sign = _signs(x.shape)
        narrow = 2.0**-37 * scale
        # Rounding to float32, or of a large intermediate result, shows over a wider interval only. That is looked at
        # some way off: beside the point there may be a kink, which is no noise.
        wide = np.minimum(2.0**-19 * scale, 0.5)
        places = [x + start * sign * scale for start in (0.11, -0.07)]
        usual = [(x, narrow, 4), (places[0], narrow, 4), (places[0], wide, 7), (places[1], wide, 7)]
        here, fine, coarse, again = self._noise_at([(origin, width * sign, terms) for origin, width, terms in usual])
        if coarse is None:
            for width in _wider(wide, size):
                coarse = self._noise_at([(places[0], width * sign, 7)])[0]
                if coarse is not None:
                    break
            again = self._noise_at([(places[1], width * sign, 7)])[0]
        self.flat = fine is None and coarse is None
        if self.flat:
            self._note_formats(self.measure.base)
        if again is not None:
            coarse = again if coarse is None else (max(coarse[0], again[0]), max(coarse[1], again[1]))
        if coarse is None or (fine is not None and coarse[1] > 2.0**-8):
            # More than half precision would leave: that is the function itself.
            coarse = fine or (0.0, 0.0)
        fine = coarse if fine is None or here is None else fine
        at_base = coarse[0] if here is None else here[0]
        far = coarse[0] if coarse[1] > 8 * fine[1] else at_base
        return (at_base, fine[1]), (max(far, at_base), max(coarse[1], fine[1]))

    def _noise_at(self, asked: Sequence[tuple[Array, Array, int]]) -> list[tuple[float, float] | None]:
        """The noise seen over each of some intervals ``(origin, width, terms)``, outright and as a share of the output's size;
        None where most of the values are equal, 0 where they leave the domain."""
        count = len(STENCIL)
        if len(asked) > 1 and len(asked) * count * max(self.lines.size, self.measure.base.size) > BLOCK:
            return [self._noise_at([one])[0] for one in asked]
        stencil = STENCIL.reshape(-1, *[1] * asked[0][0].ndim)
        points = np.concatenate([origin + stencil * width for origin, width, _ in asked])
        outputs = self.function.many(self.name, points).outputs
        self.evaluations += len(outputs)
        found = []
        for k, (*_, terms) in enumerate(asked):
            found.append(_noise_in(self.measure, outputs[k * count : (k + 1) * count], terms))
        return found


@lru_cache(maxsize=4)
def _signs(shape: tuple[int, ...]) -> Array:
    """The same random signs for every input of a shape; not to be written to."""
    found = np.where(np.random.default_rng(20110817).random(shape) < 0.5, -1.0, 1.0)
    found.flags.writeable = False
    return found


def _wider(width: Array, size: Array) -> Iterator[Array]:
    """Ever wider intervals, for an input whose entries have this ``size``."""
    for e in (13, 6):
        own = np.maximum(width, 2.0**-e * size)
        yield own
    for e in (25, 19, 13, 6):
        if size.min() < 2.0**-e:
            yield np.maximum(own, 2.0**-e)


def _noise_in(measure: Measure, outputs: Array, terms: int) -> tuple[float, float] | None:
    """What is left of samples when a polynomial of so many ``terms`` is taken out, see ``Field``."""
    change = measure.change(outputs)
    if not np.isfinite(change).all():
        return 0.0, 0.0
    if np.count_nonzero(change[1:] == change[:-1]) >= 6:
        return None
    basis = POLYNOMIALS[:, :terms]
    rest = change - basis @ (basis.T @ change)
    noise, size = 6 * sqrt(rest @ rest / (len(rest) - terms)), float(measure.size(outputs).max())
    return noise, noise / size if size > 0 else 0.0


@dataclass(slots=True, eq=False)
class Rungs:
    """Samples in pairs. All arrays have the same shape: (pairs,) as they come, (lines, rungs) in a table, where a step
    of NaN is a hole. ``up`` and ``down`` are changes from the base value, NaN where the point cannot be used."""

    up_step: Array
    down_step: Array
    up: Array
    down: Array
    up_bound: Array
    down_bound: Array

    def columns(self) -> tuple[Array, ...]:
        """The six arrays."""
        return self.up_step, self.down_step, self.up, self.down, self.up_bound, self.down_bound

    def take(self, rows: Integers | Mask | slice) -> Rungs:
        """These lines of a table."""
        return Rungs(*(column[rows] for column in self.columns()))

    def put(self, rows: Integers, other: Rungs) -> None:
        """Enter other samples for these lines."""
        for mine, theirs in zip(self.columns(), other.columns(), strict=True):
            mine[rows] = theirs

    def with_more(self, other: Rungs) -> Rungs:
        """Both tables side by side, the largest steps first, holes last."""
        pairs = zip(self.columns(), other.columns(), strict=True)
        return Rungs(*(np.concatenate(pair, axis=1) for pair in pairs)).in_order()

    @staticmethod
    def holes(count: int) -> Rungs:
        """So many pairs that were not taken."""
        return Rungs(*np.full((6, count), np.nan))

    @staticmethod
    def stacked(tables: Sequence[Rungs]) -> Rungs:
        """The lines of all tables, with holes where one has fewer rungs."""
        widest = max(table.up.shape[1] for table in tables)
        columns = []
        for parts in zip(*(table.columns() for table in tables), strict=True):
            gaps = [((0, 0), (0, widest - part.shape[1])) for part in parts]
            columns.append(
                np.concatenate([np.pad(p, g, constant_values=np.nan) for p, g in zip(parts, gaps, strict=True)])
            )
        return Rungs(*columns)

    def in_order(self) -> Rungs:
        """The table with the largest steps first, holes last."""
        widths = self.up_step + self.down_step
        if (widths[:, 1:] <= widths[:, :-1]).all() and not np.isnan(widths).any():
            return self
        order = np.argsort(-widths, axis=1, kind="stable")
        keep = ~np.isnan(np.take_along_axis(self.up_step, order, axis=1)).all(axis=0)
        return Rungs(*(np.take_along_axis(column, order, axis=1)[:, keep] for column in self.columns()))
