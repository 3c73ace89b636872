"""The numeric reference: central differences that know how wrong they can be.

A derivative along a line through the base point is read off a ladder of steps. Each step gives a central difference,
whose rounding error is bounded; a Richardson tableau extrapolates to step 0, and its own disagreement bounds the rest.
Nothing is believed at a large step that a smaller step contradicts, and where the smallest steps have not settled (the
function varies on a smaller scale, a kink or the end of the domain is near) the ladder goes on down until they have, or
until rounding drowns them. The last resort is an honest large error, never a wrong value with a small one.

Sources: Ridders, "Accurate computation of F'(x) and F'(x) F''(x)" (Adv. Eng. Software 4, 1982) for choosing from the
tableau by its disagreement; Richardson and Neville for the tableau; Moré and Wild, "Estimating computational noise"
(SIAM J. Sci. Comput. 33, 2011) for measuring the noise of a black box by what differs from a polynomial over a tiny
interval, and for widening that where the values are equal.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import log2
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Integers = NDArray[np.intp]

EPSILON = 2.0**-52
TINY = 5e-324
BLOCK = 1_000_000
"""Elements of one array of points, or of outputs, that are held at a time."""
MAX_EVALUATIONS = 400_000
MANTISSA = 1.34375
"""Steps are this times a power of two: few bits, so that points are exact and polynomials lose nothing, but no power
of two, so that a period of 1 or 1/2 does not hide."""
ODD = 1.2720195651054382
"""The mantissa of the last step of a ladder and of widely spread ones: it shares no period with the others."""
DEPTH = 6
SAFETY = 3.0
POOR = 1e-6
"""A bound above this share of the gradient's scale is worth more evaluations."""
POOR_NOISE = 1e-4
"""The same where rounding makes the bound: smaller steps cannot help."""

STENCIL = np.sort(np.arange(1, 12) * (5**0.5 - 1) / 2 % 1)
"""Where noise is sampled: unevenly, as rounding on a grid would not show in samples that fall in step with it."""
POLYNOMIALS = np.linalg.qr(np.vander(2 * STENCIL - 1, 7, increasing=True))[0]
"""Orthonormal polynomials on the stencil, by degree."""
UNSEEN = 5e-7
"""What is believed of a slope, as a share of it, where steps 40 times smaller can neither confirm nor deny it."""

DOMAIN_ERRORS = (ArithmeticError, ValueError, np.linalg.LinAlgError)


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Numeric:
    """The gradient of one input. Arrays have the input's shape, and ``|value - truth| <= error`` entry by entry.

    ``left`` and ``right`` are the one-sided slopes at step 0, where they were asked for or a kink was found, else NaN.
    ``kink`` marks entries where these differ by more than their errors: ``value`` is then their mean and ``error`` at
    least half their difference. ``evaluations`` counts the points evaluated for this input, the base point not among
    them.
    """

    value: Array
    error: Array
    left: Array
    right: Array
    kink: Mask
    evaluations: int
    status: Literal["ok", "skipped", "failed"] = "ok"
    reason: str | None = None


class FunctionEvaluable:
    """A Python function as an ``Evaluable``, called point by point.

    ``inputs`` is a mapping (passed by keyword where the function allows it, else in order) or a sequence (passed in
    order; the names are then ``"0"``, ``"1"``, ...). A float goes in as a float, an array as a fresh copy. At a perturbed
    point ``ArithmeticError``, ``ValueError`` and ``LinAlgError`` count as leaving the domain; at the base point they, and
    any other exception anywhere, reach the caller. Raises ``TypeError`` for a complex output.
    """

    def __init__(self, function: Callable[..., Any], inputs: Mapping[str, Any] | Sequence[Any]) -> None:
        named = isinstance(inputs, Mapping)
        items: Mapping[str, Any] = inputs if isinstance(inputs, Mapping) else {str(i): v for i, v in enumerate(inputs)}
        self._function = function
        self._inputs = {name: np.asarray(value) for name, value in items.items()}
        self._by_keyword = named and _takes_keywords(function, list(items))
        self._base: Array | None = None
        self.calls = 0

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

    def noise(self) -> None:
        """Not known: a black box."""
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


def numeric_gradient(
    function: Evaluable,
    inputs: Mapping[str, Any],
    upstream: Any = 1.0,
    wrt: Sequence[str] | None = None,
    *,
    step: float | None = None,
    max_evaluations: int = MAX_EVALUATIONS,
    tied: Mapping[str, Mask] | None = None,
) -> dict[str, Numeric]:
    """The gradient of ``sum(upstream * output)`` with respect to each input in ``wrt`` (all, if None), with its error.

    ``upstream`` broadcasts to the output's shape. ``tied`` marks entries known to sit at a tie: their one-sided slopes
    are given. ``step`` asks for the plain textbook central difference with that step. An input that would need more than
    ``max_evaluations`` (over all inputs together) is skipped. Raises ``ValueError`` for a step that is not positive.
    """
    if step is not None and not (step > 0 and np.isfinite(step)):
        raise ValueError(f"the step must be a positive number, not {step}")
    names = list(inputs if wrt is None else wrt)
    points = {name: np.asarray(inputs[name], dtype=np.float64) for name in names}
    with np.errstate(all="ignore"):
        measure = Measure.of(function, upstream)
        if measure.failure is not None:
            return {name: _nothing(points[name].shape, "failed", measure.failure) for name in names}
        entries = sum(x.size for x in points.values())
        fields, result = [], {}
        planned = 0
        for name in names:
            line = Entries(points[name])
            cost = 6 * line.count if step is not None else _first_cost(line.reach, entries)
            if planned + cost > max_evaluations:
                reason = f"needs {cost:,} evaluations, and {max_evaluations:,} are allowed for all inputs together"
                result[name] = _nothing(points[name].shape, "skipped", reason)
                continue
            planned += cost
            mask = None if tied is None or name not in tied else np.asarray(tied[name], dtype=bool).ravel()
            fields.append(Field(function, name, line, measure, mask))
        found = plain_slopes(fields, step) if step is not None else slopes(fields, max_evaluations)
    for place, lot in zip(fields, found, strict=True):
        result[place.name] = lot.shaped(points[place.name].shape, place.evaluations)
    return {name: result[name] for name in names}


def _nothing(shape: tuple[int, ...], status: Literal["skipped", "failed"], reason: str) -> Numeric:
    nan = np.full(shape, np.nan)
    return Numeric(nan, np.full(shape, np.inf), nan, nan, np.zeros(shape, dtype=bool), 0, status, reason)


# ---- what is measured: differences of outputs, contracted with the upstream gradient ------------------------------


@dataclass(slots=True)
class Measure:
    """Turns outputs into one number a point: ``sum(upstream * (output - base))``. Outputs are differenced before they
    are contracted, so a large part that does not change costs no digits."""

    base: Array
    upstream: Array
    used: Mask | None
    magnitude: float
    noise: float | None
    failure: str | None = None

    @staticmethod
    def of(function: Evaluable, upstream: Any) -> Measure:
        """The measure for a function and an upstream gradient that broadcasts to its output."""
        output = np.asarray(function.base(), dtype=np.float64)
        weights = np.broadcast_to(np.asarray(upstream, dtype=np.float64), output.shape).ravel()
        base = output.ravel()
        used = None
        if not np.all(weights):
            # What the upstream gradient ignores may be infinite: 0 * inf must not spoil the rest.
            used = weights != 0
            weights, base = weights[used], base[used]
        failure = None if np.isfinite(base).all() else "the function is not finite at this point"
        if failure is None and not np.isfinite(weights).all():
            failure = "the upstream gradient is not finite"
        known = function.noise()
        noise = None
        if known is not None:
            flat = np.broadcast_to(np.asarray(known, dtype=np.float64), output.shape).ravel()
            noise = float(np.abs(weights) @ (flat if used is None else flat[used]))
            if not np.isfinite(noise):
                noise = None
        return Measure(base, weights, used, float(np.abs(weights) @ np.abs(base)), noise, failure)

    def contract(self, outputs: Array) -> tuple[Array, Array, Array]:
        """``(change, magnitude, rounding)`` for outputs of shape ``(P, ...)``: the contracted change, the contracted
        size of the outputs, and a bound on the rounding of the contraction itself. NaN where an output is not finite."""
        flat = np.asarray(outputs, dtype=np.float64).reshape(len(outputs), -1)
        if self.used is not None:
            flat = flat[:, self.used]
        weights = np.abs(self.upstream)
        difference = flat - self.base
        change = difference @ self.upstream
        rounding = (4 + log2(max(self.base.size, 1))) * EPSILON * (np.abs(difference) @ weights)
        rounding += 4 * TINY * (self.base.size + float(weights.sum()))
        change[~np.isfinite(change)] = np.nan
        return change, np.abs(flat) @ weights, rounding


class Lines(Protocol):
    """Straight lines through the base point of one input."""

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
        self.reach = np.abs(self._flat)
        self.floor = np.maximum(self.reach * 2.0**-50, 2.0**-1010)
        self.extra = np.zeros(self.count)

    def points(self, lines: Integers, steps: Array) -> tuple[Array, Array]:
        """Points with one entry moved. Away from 0 first: the step that float64 makes of that is then exact on the
        other side too."""
        half = len(steps) // 2
        at = self._flat[lines[:half]]
        sign = np.where(at < 0, -1.0, 1.0)
        far = at + sign * steps[:half]
        taken = np.abs(far - at)
        near = at - sign * taken
        moved = np.concatenate((np.where(sign > 0, far, near), np.where(sign > 0, near, far)))
        base = self._flat[lines]
        points = np.empty((len(steps), self.size))
        points[:] = self._flat
        points[np.arange(len(steps)), lines] = moved
        return points.reshape(len(steps), *self.x.shape), np.abs(moved - base)


@dataclass(slots=True)
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
    all_pieces: bool = False
    """Take points on other smooth pieces too: with one step they are part of what was asked for."""

    def prepare(self) -> None:
        """Settle the noise: known, or measured."""
        known = self.measure.noise
        if known is None:
            self.fine, self.coarse = self._measured_noise()
            self.noise, self.relative = self.coarse
        else:
            self.noise, self.most = known, 8 * known
            self.relative = known / self.measure.magnitude if self.measure.magnitude > 0 else 0.0

    def sample(self, lines: Integers, steps: Array) -> Rungs:
        """Both points at each step along each line; ``lines`` and ``steps`` have the same length."""
        pairs = len(lines)
        block = max(1, BLOCK // max(self.lines.size, self.measure.base.size, 1) // 2)
        parts = [self._sample(lines[i : i + block], steps[i : i + block]) for i in range(0, pairs, block)]
        return parts[0] if len(parts) == 1 else Rungs(*(np.concatenate(column) for column in zip(*map(Rungs.columns, parts), strict=True)))

    def _sample(self, lines: Integers, steps: Array) -> Rungs:
        pairs = len(lines)
        points, taken = self.lines.points(np.concatenate((lines, lines)), np.concatenate((steps, -steps)))
        samples = self.function.many(self.name, points)
        self.evaluations += 2 * pairs
        change, magnitude, rounding = self.measure.contract(samples.outputs)
        if samples.same_piece is not None and not self.all_pieces:
            change[~samples.same_piece] = np.nan
        change[~(np.isfinite(taken) & (taken > 0))] = np.nan
        noise = np.maximum(np.minimum(self.relative * magnitude, self.most), self.noise)
        bound = EPSILON * magnitude + noise + rounding + np.tile(self.lines.extra[lines], 2)
        return Rungs(taken[:pairs], taken[pairs:], change[:pairs], change[pairs:], bound[:pairs], bound[pairs:])

    def _measured_noise(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Twice ``(at the base point, elsewhere as a share of the output's size)``: the noise of ``sum(upstream * output)``
        over a narrow and over a wider interval, six standard deviations of what is left of samples when a polynomial is
        taken out. Both are the same where the narrow one sees no change at all."""
        if self.lines.size == 0:
            return (0.0, 0.0), (0.0, 0.0)
        x = self._input()
        rng = np.random.default_rng(20110817)
        size = np.abs(x)
        scale = np.where(x == 0, 1.0, size)
        sign = np.where(rng.random(x.shape) < 0.5, -1.0, 1.0)
        narrow = 2.0**-37 * scale
        # Rounding to float32, or of a large intermediate result, shows over a wider interval only. That is looked at some
        # way off: beside the point there may be a kink, which is no noise.
        wide = [np.minimum(2.0**-19 * scale, 0.5)]
        wide += [np.maximum(wide[0], 2.0**-e * size) for e in (13, 6)]
        wide += [np.maximum(wide[-1], 2.0**-e) for e in (25, 19, 13, 6) if size.min() < 2.0**-e]
        places = [x + start * sign * scale for start in (0.11, -0.07)]
        fine = self._noise_at(places[0], narrow * sign, 4)
        coarse: tuple[float, float] | None = None
        for width in wide:
            coarse = self._noise_at(places[0], width * sign, 7)
            if coarse is not None:
                break
        again = self._noise_at(places[1], width * sign, 7)
        if again is not None:
            coarse = again if coarse is None else (max(coarse[0], again[0]), max(coarse[1], again[1]))
        here = self._noise_at(x, narrow * sign, 4)
        if coarse is None or (fine is not None and coarse[1] > 2.0**-8):
            # More than half precision would leave: that is the function itself.
            coarse = fine or (0.0, 0.0)
        fine = coarse if fine is None or here is None else fine
        at_base = coarse[0] if here is None else here[0]
        far = coarse[0] if coarse[1] > 8 * fine[1] else at_base
        return (at_base, fine[1]), (max(far, at_base), max(coarse[1], fine[1]))

    def _noise_at(self, origin: Array, width: Array, terms: int) -> tuple[float, float] | None:
        """The noise seen over an interval, outright and as a share of the output's size; None where most of the values are
        equal, 0 where they leave the domain."""
        samples = self.function.many(self.name, origin + STENCIL.reshape(-1, *[1] * origin.ndim) * width)
        self.evaluations += len(STENCIL)
        change, magnitude, _ = self.measure.contract(samples.outputs)
        if not np.isfinite(change).all():
            return 0.0, 0.0
        if np.count_nonzero(np.diff(change) == 0) >= 6:
            return None
        basis = POLYNOMIALS[:, :terms]
        rest = change - basis @ (basis.T @ change)
        noise, size = 6 * float(np.sqrt(rest @ rest / (len(rest) - terms))), float(magnitude.max())
        return noise, noise / size if size > 0 else 0.0

    def _input(self) -> Array:
        return np.asarray(self.lines.points(np.zeros(2, dtype=np.intp), np.zeros(2))[0][0], dtype=np.float64)


# ---- the ladder ---------------------------------------------------------------------------------------------------


@dataclass(slots=True)
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

    def take(self, rows: Integers | Mask) -> Rungs:
        """These lines of a table."""
        return Rungs(*(column[rows] for column in self.columns()))

    def with_more(self, other: Rungs) -> Rungs:
        """Both tables side by side, the largest steps first, holes last."""
        joined = [np.concatenate(pair, axis=1) for pair in zip(self.columns(), other.columns(), strict=True)]
        order = np.argsort(-(joined[0] + joined[1]), axis=1, kind="stable")
        keep = ~np.isnan(np.take_along_axis(joined[0], order, axis=1)).all(axis=0)
        return Rungs(*(np.take_along_axis(column, order, axis=1)[:, keep] for column in joined))

    @staticmethod
    def empty(lines: int) -> Rungs:
        """A table without rungs."""
        return Rungs(*(np.empty((lines, 0)) for _ in range(6)))


@dataclass(slots=True)
class Series:
    """Slopes over shrinking steps: central or one-sided, with a bound on the rounding of each, shape (lines, rungs)."""

    step: Array
    slope: Array
    bound: Array
    power: int
    """The error of a slope goes with even powers of the step (2) or with all of them (1)."""


@dataclass(slots=True)
class Limits:
    """What a series says of the slope at step 0: shape (lines,). ``noise`` is the part of ``error`` that is rounding;
    ``settled`` whether the smallest steps agree, or come ever closer together."""

    value: Array
    error: Array
    noise: Array
    settled: Mask
    grows: Mask
    drifts: Mask


@dataclass(slots=True)
class Slopes:
    """One-dimensional results, a line each."""

    value: Array
    error: Array
    left: Array
    right: Array
    kink: Mask
    one_sided: Mask
    unsettled: Mask
    jump: Mask

    @staticmethod
    def blank(count: int) -> Slopes:
        """Nothing known yet."""
        nan, no = np.full(count, np.nan), np.zeros(count, dtype=bool)
        return Slopes(nan.copy(), np.full(count, np.inf), nan.copy(), nan.copy(), no.copy(), no.copy(), no.copy(), no.copy())

    def widen(self, other: Slopes) -> None:
        """Make each error large enough for what ``other`` says, too."""
        apart = np.abs(self.value - other.value)
        with np.errstate(invalid="ignore"):
            beyond = ~(apart <= self.error + other.error) & ~np.isinf(self.error)
        self.error[beyond] = np.nan_to_num((apart + other.error)[beyond], nan=np.inf, posinf=np.inf)
        self.unsettled |= beyond

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """The eight arrays."""
        return self.value, self.error, self.left, self.right, self.kink, self.one_sided, self.unsettled, self.jump

    def shaped(self, shape: tuple[int, ...], evaluations: int) -> Numeric:
        """The result for one input."""
        value, error, left, right = (a.reshape(shape) for a in (self.value, self.error, self.left, self.right))
        return Numeric(value, error, left, right, self.kink.reshape(shape), evaluations, "ok", self.reason())

    def reason(self) -> str | None:
        """What is out of the ordinary, or None."""
        count = len(self.value)
        texts = (
            (self.jump, "a jump or an infinite slope"),
            (self.kink & ~self.jump, "a kink: the one-sided slopes differ"),
            (self.one_sided, "one-sided: the other side leaves the domain or the smooth piece"),
            (self.unsettled & ~self.jump, "the differences do not settle as the step shrinks"),
        )
        found = []
        for mask, text in texts:
            hits = int(np.count_nonzero(mask))
            if hits:
                found.append(text if count == 1 else f"{text} ({hits} of {count} entries)")
        return "; ".join(found) or None


def _central(table: Rungs) -> tuple[Series, Array, Array]:
    """Central differences; with them the difference J of the one-sided slopes and a bound on its rounding but for the
    base value's."""
    width = table.up_step + table.down_step
    slope = (table.up - table.down) / width
    bend = table.up / table.up_step + table.down / table.down_step
    noise = table.up_bound / table.up_step + table.down_bound / table.down_step
    # Points that are not quite symmetric measure the slope beside the base point: the second derivative is bend / step.
    skew = np.abs(table.up_step - table.down_step) / width + EPSILON
    bound = (table.up_bound + table.down_bound) / width + np.abs(bend) * skew + 2 * EPSILON * np.abs(slope) + TINY
    return Series(width / 2, _finite(slope), bound, 2), bend, noise


def _one_sided(table: Rungs, right: bool, base_bound: Array) -> Series:
    step, change, bound = (
        (table.up_step, table.up, table.up_bound) if right else (table.down_step, -table.down, table.down_bound)
    )
    slope = change / step
    return Series(step, _finite(slope), (bound + base_bound[:, None]) / step + 2 * EPSILON * np.abs(slope) + TINY, 1)


def _finite(values: Array) -> Array:
    return np.where(np.isfinite(values), values, np.nan)


def _after(values: Array, combine: np.ufunc) -> Array:
    """``combine`` over all columns to the right of each; NaN does not count."""
    running = combine.accumulate(values[:, ::-1], axis=1)[:, ::-1]
    result = np.full_like(values, np.nan)
    result[:, :-1] = running[:, 1:]
    return result


def _change(values: Array) -> Array:
    """How far each column is from the one before; NaN in the first."""
    result = np.full_like(values, np.nan)
    result[:, 1:] = np.abs(values[:, 1:] - values[:, :-1])
    return result


def extrapolate(series: Series, ordinary: Array | None = None, depth: int = DEPTH) -> Limits:
    """The best entry of each line's Richardson tableau.

    Entry (k, j) is extrapolated from the j + 1 steps that end with step k. Its error is the largest of its differences
    from its two parents and from entry (k-1, j) (so one lucky agreement is not enough), scaled up where the column
    converges slowly, plus the rounding carried through, plus what smaller steps contradict. What steps larger than
    ``ordinary`` say counts only where it stands out of the noise: a function that oscillates within bounds has no slope over
    a large step, and that is not its derivative.
    """
    h, d, r = series.step, series.slope, series.bound
    count, rungs = d.shape
    value, noise = np.full(count, np.nan), np.full(count, np.nan)
    error = np.full(count, np.inf)
    if rungs < 2:
        none = np.zeros(count, dtype=bool)
        return Limits(value, error, noise, none, none, none)
    change = _change(d)
    following = np.full_like(change, np.nan)
    following[:, :-1] = change[:, 1:]
    slack = r + np.where(np.isnan(change), 4 * following, change)
    low, high = _after(d - slack, np.fmax), _after(d + slack, np.fmin)
    far = h[:, :-1] > 40 * h[:, 1:]
    blur = r + np.fmax(change, following)
    hidden = np.stack([np.fmin.reduce(np.where(h < h[:, k : k + 1] / 40, blur, np.nan), axis=1) for k in range(rungs)], axis=1)
    hidden = np.nan_to_num(hidden, nan=0.0)
    t, e = d, r
    every = np.arange(count)
    for j in range(min(depth, rungs - 1) + 1):
        if j:
            ratio = (h[:, :-j] / h[:, j:]) ** series.power - 1
            newer, older = t[:, 1:], t[:, :-1]
            t = newer + (newer - older) / ratio
            if j == 1:
                t = np.where(far, np.nan, t)
            e = e[:, 1:] + (e[:, 1:] + e[:, :-1]) / ratio
            step = _change(t)
            apart = np.maximum(np.maximum(np.abs(t - newer), np.abs(t - older)), _slowed(step, e))
        else:
            apart = np.fmax(_slowed(change, r), following)
            apart[np.isnan(change)] = np.nan
        contradiction = np.fmax(np.fmax(low[:, j:] - t, t - high[:, j:]), 0.0)
        bound = SAFETY * apart + e + 2 * contradiction + np.minimum(hidden[:, j:], UNSEEN * np.abs(t))
        if ordinary is not None:
            bound[(h[:, j:] > ordinary[:, None]) & (np.abs(t) < 10 * bound)] = np.inf
        bound[np.isnan(bound)] = np.inf
        k = np.argmin(bound, axis=1)
        better = bound[every, k] < error
        value[better], error[better], noise[better] = (a[every, k][better] for a in (t, bound, e))
    return Limits(value, error, noise, *_tail(series))


def _slowed(change: Array, noise: Array) -> Array:
    """Differences along a column, scaled up to the sum of those still to come where they shrink slowly."""
    before = np.full_like(change, np.nan)
    before[:, 1:] = change[:, :-1]
    rate = np.minimum(change / before, 0.95)
    factor = np.where((change > 4 * noise) & (rate > 0.5), rate / (1 - rate), 1.0)
    return np.where(np.isnan(factor), 1.0, factor) * change


def _last(valid: Mask, how_many: int) -> tuple[Integers, Mask]:
    """Columns of the last ``how_many`` valid rungs of each line, smallest step last, and whether there are so many."""
    order = np.argsort(valid, axis=1, kind="stable")[:, -how_many:]
    return order, np.count_nonzero(valid, axis=1) >= how_many


def _tail(series: Series) -> tuple[Mask, Mask, Mask]:
    """``(settled, grows, drifts)``: do the smallest steps agree within rounding or come closer together; do the slopes grow
    without limit; do they still move in one direction."""
    valid = np.isfinite(series.slope)
    columns, enough = _last(valid, min(5, valid.shape[1]))
    h, d, r = (np.take_along_axis(a, columns, axis=1) for a in (series.step, series.slope, series.bound))
    if d.shape[1] < 3:
        return np.zeros(len(d), dtype=bool), np.zeros(len(d), dtype=bool), np.zeros(len(d), dtype=bool)
    moves = np.diff(d, axis=1)
    sizes = np.abs(moves)
    quiet = sizes <= 2 * (r[:, 1:] + r[:, :-1])
    falls = sizes[:, 1:] <= 0.75 * sizes[:, :-1]
    # Slopes without any meaning fall once in a while: three times in a row they hardly do.
    calm = falls | (quiet[:, 1:] & quiet[:, :-1])
    settled = calm[:, -3:].all(axis=1) | quiet[:, -2:].all(axis=1)
    some = np.count_nonzero(valid, axis=1) >= min(3, valid.shape[1])
    growth = (h[:, :-1] / h[:, 1:]) ** 0.05
    same = (np.sign(d) == np.sign(d[:, -1:])).all(axis=1)
    grows = enough & same & (np.abs(d) > 4 * r).all(axis=1) & ~quiet.any(axis=1)
    grows &= (np.abs(d[:, 1:]) >= growth * np.abs(d[:, :-1])).all(axis=1)
    drifts = _drifts(series)
    return settled & some & ~grows & ~drifts, grows, drifts


def _drifts(series: Series) -> Mask:
    """Whether the slopes move on in one direction, no slower with each step, for as long as rounding lets one see."""
    order = np.argsort(np.isfinite(series.slope), axis=1, kind="stable")
    h, d, r = (np.take_along_axis(a, order, axis=1) for a in (series.step, series.slope, series.bound))
    moves, limit = np.diff(d, axis=1), 4 * (r[:, 1:] + r[:, :-1])
    loud = np.abs(moves) > limit
    columns, enough = _last(loud, 4)
    if columns.shape[1] < 4:
        return np.zeros(len(d), dtype=bool)
    # A step may be half of the one before or a millionth: what counts is the move an octave.
    pace = np.take_along_axis(moves / np.log2(h[:, :-1] / h[:, 1:]), columns, axis=1)
    steady = (np.abs(pace[:, 1:]) >= 0.8 * np.abs(pace[:, :-1])).all(axis=1)
    one_way = (np.sign(pace) == np.sign(pace[:, -1:])).all(axis=1)
    last = np.take_along_axis(np.abs(moves), columns[:, -1:], axis=1)
    later = np.arange(moves.shape[1]) > columns[:, -1:]
    stopped = (later & ~loud & (limit < 0.5 * last)).any(axis=1)
    return enough & steady & one_way & ~stopped


def _bent(step: Array, bend: Array, noise: Array, base_bound: Array) -> Mask:
    """Whether J, the difference of the one-sided slopes, fails to go to zero with the step.

    For a smooth function J(h) is proportional to h but for terms in h**3, so J(h) - 2 J(h/2) falls eightfold a halving.
    """
    valid = np.isfinite(bend)
    if bend.shape[1] < 3:
        return np.zeros(len(bend), dtype=bool)
    columns, enough = _last(valid, 3)
    h, j, r = (np.take_along_axis(a, columns, axis=1) for a in (step, bend, noise + 2 * base_bound[:, None] / step))
    ratio = h[:, 1:] / h[:, :-1]
    rest = np.abs(j[:, 1:] - j[:, :-1] * ratio)
    limit = r[:, 1:] + r[:, :-1] * ratio
    return enough & (rest[:, 1] > limit[:, 1]) & (rest[:, 1] > 0.35 * rest[:, 0])


# ---- the search ---------------------------------------------------------------------------------------------------


def _first_cost(reach: Array, entries: int) -> int:
    steps = _first_steps(reach, entries)
    return 2 * int(np.count_nonzero(~np.isnan(steps)))


def _first_steps(reach: Array, entries: int) -> Array:
    """The steps to begin with: a ladder on the scale 1, and one on the scale of x where that differs much."""
    rungs = 8 if entries <= 256 else 5
    top = 2.0**-2 if entries <= 256 else 2.0**-3
    ladder = top * 2.0 ** -np.arange(rungs) * MANTISSA
    ladder[-1] *= ODD / MANTISSA
    own = np.exp2(np.floor(np.log2(np.where(reach > 0, reach, 1.0))))
    usual = (own >= 2.0**-6) & (own <= 64)
    first = np.where(usual, np.minimum(own, 1.0), 1.0)
    # A step of 1 does not move 1e300.
    first = np.where(ladder[-1] < 2.0**-46 * own, np.nan, first)
    second = np.where(usual, np.nan, own)
    steps = [first[:, None] * ladder]
    if not np.isnan(second).all():
        steps.append(second[:, None] * ladder)
    return np.concatenate(steps, axis=1)


def slopes(fields: Sequence[Field], max_evaluations: int = MAX_EVALUATIONS) -> list[Slopes]:
    """The derivative along every line of every field, with its error."""
    for place in fields:
        place.prepare()
    found = _Search(fields, max_evaluations).run()
    for i, place in enumerate(fields):
        if place.coarse[0] > 8 * place.fine[0]:
            # Noise on two scales, or waves so short that they look like noise: only an error that covers both is honest.
            place.noise, place.relative = place.fine
            found[i].widen(_Search([place], max_evaluations).run()[0])
    return found


def _new_steps(steps: Array, table: Rungs) -> Array:
    """The steps that the table does not have yet. Two that lie close together agree, and prove nothing by it."""
    covered = ~np.isfinite(steps)
    for k in range(table.up_step.shape[1]):
        here = table.up_step[:, k : k + 1]
        covered |= (steps > here / 1.45) & (steps < here * 1.45)
    return np.where(covered, np.nan, steps)


class _Search:
    """All lines of all inputs together: the tableau's cost is that of a few NumPy calls, however many lines there are."""

    def __init__(self, fields: Sequence[Field], max_evaluations: int) -> None:
        self.fields = fields
        self.limit = max_evaluations
        self.offsets = np.concatenate(([0], np.cumsum([f.lines.count for f in fields]))).astype(np.intp)
        self.count = int(self.offsets[-1])
        self.owner = np.repeat(np.arange(len(fields)), [f.lines.count for f in fields])
        self.reach = np.concatenate([f.lines.reach for f in fields]) if fields else np.empty(0)
        self.floor = np.concatenate([f.lines.floor for f in fields]) if fields else np.empty(0)
        ties = [np.zeros(f.lines.count, dtype=bool) if f.tied is None else f.tied for f in fields]
        self.tied = np.concatenate(ties) if fields else np.empty(0, dtype=bool)
        self.result = Slopes.blank(self.count)
        self.noisy = np.zeros(self.count, dtype=bool)
        self.bent = np.zeros(self.count, dtype=bool)

    def run(self) -> list[Slopes]:
        """One ladder for all lines; where that does not settle the matter a scan over all scales, then ladders where the
        scan looked best."""
        if self.count:
            every = np.arange(self.count)
            bounds = [np.full(f.lines.count, EPSILON * f.measure.magnitude + f.noise) for f in self.fields]
            self.base_bound = np.concatenate(bounds)
            table = self.sample(every, _first_steps(self.reach, self.count))
            open_ = every[self.judge(every, table, last=False)]
            open_ = self.affordable(open_, 80)
            if len(open_):
                table = table.take(open_)
                table = table.with_more(self.sample(open_, self.scan(open_, table)))
                for _ in range(3):
                    table = table.with_more(self.sample(open_, self.ladder(table)))
                    still = self.judge(open_, table, last=True)
                    open_, table = open_[still], table.take(still)
                    kept = self.affordable(open_, 24)
                    if len(kept) < len(open_):
                        table = table.take(np.isin(open_, kept))
                        open_ = kept
                    if not len(open_):
                        break
        pieces = zip(self.offsets[:-1], self.offsets[1:], strict=True)
        return [Slopes(*(a[i:j] for a in self.result.arrays())) for i, j in pieces]

    def affordable(self, lines: Integers, cost: int) -> Integers:
        """As many of the lines, the worst first, as the budget has evaluations for."""
        spent = sum(f.evaluations for f in self.fields)
        room = max(0, (self.limit - spent) // cost)
        if len(lines) <= room:
            return lines
        worst = np.argsort(-self.result.error[lines], kind="stable")[:room]
        return np.sort(lines[worst])

    def sample(self, lines: Integers, steps: Array) -> Rungs:
        """A table of samples at ``steps``, shape (lines, rungs), where NaN asks for none."""
        columns = [np.full(steps.shape, np.nan) for _ in range(6)]
        for i, place in enumerate(self.fields):
            rows, rungs = np.nonzero(~np.isnan(steps) & (self.owner[lines] == i)[:, None])
            if not len(rows):
                continue
            found = place.sample(lines[rows] - self.offsets[i], steps[rows, rungs])
            for column, values in zip(columns, found.columns(), strict=True):
                column[rows, rungs] = values
        return Rungs.empty(len(lines)).with_more(Rungs(*columns))

    def scan(self, lines: Integers, table: Rungs) -> Array:
        """Widely spread steps over all scales: from the largest that makes sense down to where rounding hides the slope or
        the point no longer moves."""
        reach, floor = self.reach[lines], self.floor[lines]
        sides = np.fmax(np.abs(table.up / table.up_step), np.abs(table.down / table.down_step))
        sides[~np.isfinite(sides)] = np.nan
        steepest = np.fmax.reduce(sides, axis=1, initial=0.0)
        top = np.maximum(1.0, reach)
        drowned = 2.0**-24 * self.base_bound[lines] / np.where(steepest > 0, steepest, 1.0)
        flat = np.where(steepest > 0, 0.0, 2.0**-60 * top)
        bottom = np.minimum(np.maximum(np.maximum(floor, drowned), flat), top * 2.0**-12)
        octaves = np.log2(top) - np.log2(bottom)
        rows = np.arange(40.0)
        # Fine near the top, where most scales are met, and coarser on the long way down to 1e-300.
        stride = np.maximum(4.0, octaves / 40)
        fine = stride[:, None] * rows
        steps = np.exp2(np.log2(top)[:, None] - fine) * ODD
        steps[fine > octaves[:, None]] = np.nan
        noisy = self.noisy[lines]
        larger = np.where(noisy[:, None], top[:, None] * 16.0 ** np.arange(0, 11), np.nan) * ODD
        steps = np.concatenate((larger, steps), axis=1)
        return _new_steps(steps, table)

    def ladder(self, table: Rungs) -> Array:
        """A ladder where the slopes seen so far agree best with their neighbours and with all smaller steps."""
        central = _central(table)[0]
        base_bound = np.zeros(len(table.up))
        right, left = _one_sided(table, True, base_bound), _one_sided(table, False, base_bound)
        best = np.full(len(table.up), np.nan)
        for series in (central, right, left):
            d, r = series.slope, series.bound
            change = _change(d)
            following = np.full_like(change, np.nan)
            following[:, :-1] = change[:, 1:]
            slack = 3 * r + np.where(np.isnan(change), 4 * following, change)
            low, high = _after(d - slack, np.fmax), _after(d + slack, np.fmin)
            doubt = np.fmax(change, following) + r + 2 * np.fmax(np.fmax(low - d, d - high), 0.0)
            doubt[np.isnan(doubt)] = np.inf
            k = np.argmin(doubt, axis=1)
            rows = np.arange(len(k))
            found = np.isfinite(doubt[rows, k]) & np.isnan(best)
            best[found] = series.step[rows, k][found]
        middle = np.exp2(np.floor(np.log2(best)))
        rungs = MANTISSA * 2.0 ** np.arange(7, -3, -1)
        return _new_steps(middle[:, None] * rungs, table)

    def judge(self, lines: Integers, table: Rungs, last: bool) -> Mask:
        """Enter what the table says into the result, and tell which lines deserve more evaluations."""
        base_bound = self.base_bound[lines]
        series, bend, bend_noise = _central(table)
        ordinary = 2 * np.maximum(1.0, self.reach[lines]) if last else None
        limits = extrapolate(series, ordinary)
        out = self.result
        if not last:
            self.bent[lines] = _bent(series.step, bend, bend_noise, base_bound)
        bent = self.bent[lines]
        value, error, noise = limits.value.copy(), limits.error.copy(), limits.noise.copy()
        settled = limits.settled.copy()
        tied = self.tied[lines]
        both = np.isfinite(series.slope)
        lost = np.isnan(table.up) != np.isnan(table.down)
        sides = tied | bent | limits.grows | ~np.isfinite(error) | (lost.any(axis=1) & (error > 1e-9 * np.abs(value)))
        if last:
            sides |= ~settled
        left, right = np.full(len(lines), np.nan), np.full(len(lines), np.nan)
        kink, one_sided = np.zeros(len(lines), dtype=bool), np.zeros(len(lines), dtype=bool)
        jump = np.zeros(len(lines), dtype=bool)
        rows = np.nonzero(sides)[0]
        if len(rows):
            part, bounds = table.take(rows), base_bound[rows]
            up, down = (extrapolate(_one_sided(part, side, bounds), None if ordinary is None else ordinary[rows]) for side in (True, False))
            self._sides(rows, up, down, limits, tied[rows] | bent[rows], lost[rows], both[rows],
                        value, error, noise, settled, left, right, kink, one_sided, jump, last)  # fmt: skip
        seen = np.fmax.reduce(np.fmax(np.abs(table.up), np.abs(table.down)), axis=1, initial=0.0)
        size = np.array([f.measure.magnitude for f in self.fields])[self.owner[lines]] + seen
        hopeless = (seen > 0) & (base_bound > 0.1 * size)
        error[hopeless], settled[hopeless] = np.inf, False
        if last:
            self._unsettled(table, series, limits, settled, kink, jump, one_sided, value, error)
        for array, entries in zip(
            out.arrays(), (value, error, left, right, kink, one_sided, ~settled & ~kink, jump), strict=True
        ):
            array[lines] = entries
        wants = ~settled if last else ~settled | (bent & ~(tied & kink))
        return self._open(lines, value, error, noise, wants, kink & settled & (tied | last), seen)

    def _sides(
        self, rows: Integers, up: Limits, down: Limits, limits: Limits, look: Mask, lost: Mask, both: Mask,
        value: Array, error: Array, noise: Array, settled: Mask, left: Array, right: Array, kink: Mask,
        one_sided: Mask, jump: Mask, last: bool,
    ) -> None:  # fmt: skip
        """What the one-sided slopes say: a kink, a jump, or the only slope there is."""
        for i, row in enumerate(rows):
            r, er, l, el = up.value[i], up.error[i], down.value[i], down.error[i]
            if last and (up.grows[i] or down.grows[i] or (limits.grows[row] and both[i].any())):
                right[row] = np.copysign(np.inf, r) if up.grows[i] else r
                left[row] = np.copysign(np.inf, l) if down.grows[i] else l
                jump[row], kink[row] = True, left[row] != right[row] and np.isfinite(er) and np.isfinite(el)
                value[row] = (left[row] + right[row]) / 2 if both[i].any() else right[row] if up.grows[i] else left[row]
                error[row] = np.inf
                continue
            if look[i] and np.isfinite(er) and np.isfinite(el):
                left[row], right[row] = l, r
                if abs(r - l) > er + el:
                    kink[row] = True
                    value[row], error[row] = (l + r) / 2, abs(r - l) / 2 + (er + el) / 2
                    noise[row] = (up.noise[i] + down.noise[i]) / 2
                    settled[row] = up.settled[i] and down.settled[i]
                    if last and (up.drifts[i] or down.drifts[i]):
                        error[row] = np.inf
                    continue
            if lost[i].any():
                for side, slope, bound in ((up, r, er), (down, l, el)):
                    if side.settled[i] and bound < error[row]:
                        value[row], error[row], noise[row] = slope, bound, side.noise[i]
                        settled[row], one_sided[row] = True, True

    def _unsettled(
        self, table: Rungs, series: Series, limits: Limits, settled: Mask, kink: Mask, jump: Mask, one_sided: Mask,
        value: Array, error: Array,
    ) -> None:  # fmt: skip
        """Where even the smallest steps disagree there is noise that was not known, or no derivative."""
        rows = np.nonzero(~settled & ~kink & ~jump & ~one_sided & np.isfinite(error))[0]
        if not len(rows):
            return
        h, d, r = series.step[rows], series.slope[rows], series.bound[rows]
        valid = np.isfinite(d)
        columns, _ = _last(valid, min(6, valid.shape[1]))
        hs, ds = (np.take_along_axis(a, columns, axis=1) for a in (h, d))
        seen = 4 * np.nanmax(np.abs(np.diff(ds, axis=1)) * hs[:, 1:], axis=1)
        again = extrapolate(Series(h, d, r + 2 * seen[:, None] / h, 2))
        value[rows], error[rows] = again.value, again.error
        error[rows[limits.drifts[rows]]] = np.inf

    def _open(
        self, lines: Integers, value: Array, error: Array, noise: Array, wants: Mask, done: Mask, seen: Array
    ) -> Mask:
        """Which lines deserve more evaluations: those that want them, and those whose bound is poor for the gradient's scale
        (the largest entry of this input, else of all, else what the function changes by over a step of its own)."""
        everything, bounds = self.result.value, self.result.error
        known = np.isfinite(everything) & (bounds < 0.5 * np.abs(everything))
        sizes = np.where(known, np.abs(everything), 0.0)
        owners = np.zeros(len(self.fields))
        np.maximum.at(owners, self.owner, sizes)
        scale = owners[self.owner[lines]]
        scale = np.where(scale > 0, scale, owners.max(initial=0.0))
        natural = np.array([f.measure.magnitude for f in self.fields])[self.owner[lines]]
        natural = np.fmax(natural, seen) / np.maximum(1.0, self.reach[lines])
        scale = np.where(scale > 0, scale, natural)
        noisy = noise > 0.3 * error
        poor = (error > np.where(noisy, POOR_NOISE, POOR) * scale) & (error > 1e-290)
        own = (error - noise > 1e-2 * np.abs(value) + 2 * noise) & (error > 1e-9 * scale)
        self.noisy[lines] = noisy & poor
        return (poor | own | wants) & ~done


# ---- the plain difference -----------------------------------------------------------------------------------------


def plain_slopes(fields: Sequence[Field], step: float) -> list[Slopes]:
    """The textbook central difference with one step, its error judged from half and twice that step."""
    return [_plain(place, step) for place in fields]


def _plain(place: Field, step: float) -> Slopes:
    place.prepare()
    place.all_pieces = True
    count = place.lines.count
    out = Slopes.blank(count)
    if not count:
        return out
    steps = np.repeat([2 * step, step, step / 2], count)
    found = place.sample(np.tile(np.arange(count), 3), steps)
    table = Rungs(*(column.reshape(3, count).T for column in found.columns()))
    series, bend, bend_noise = _central(table)
    base_bound = EPSILON * place.measure.magnitude + place.noise
    d, r = series.slope, series.bound
    bend_noise = bend_noise + 2 * base_bound / series.step
    apart = np.fmax(np.abs(d[:, 1] - d[:, 2]) * 4 / 3, np.abs(d[:, 0] - d[:, 1]) / 3)
    rest = np.abs(bend[:, 1] - 2 * bend[:, 2])
    wider = np.abs(bend[:, 0] - 2 * bend[:, 1])
    out.value[:] = d[:, 1]
    error = 2 * apart + np.fmax(rest, wider / 8) + r[:, 1]
    out.error[:] = np.where(np.isfinite(error), error, np.inf)
    limit = bend_noise[:, 1] + 2 * bend_noise[:, 2]
    flat = 2 * bend[:, 2] - bend[:, 1]
    out.kink[:] = (np.abs(flat) > limit) & (np.abs(flat) > 0.35 * wider) & (np.abs(flat) > 0.25 * np.abs(bend[:, 1]))
    right = 2 * table.up[:, 2] / table.up_step[:, 2] - table.up[:, 1] / table.up_step[:, 1]
    left = table.down[:, 1] / table.down_step[:, 1] - 2 * table.down[:, 2] / table.down_step[:, 2]
    asked = out.kink | (np.zeros(count, dtype=bool) if place.tied is None else place.tied)
    out.right[asked], out.left[asked] = right[asked], left[asked]
    out.unsettled[:] = ~np.isfinite(out.error)
    return out
