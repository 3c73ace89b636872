"""References for the Hessian: differences of the gradient, which use no rule for a second derivative.

Both look at all differentiated inputs as one vector of N entries. The *symbolic* one differences SymPy's exact gradient in so
many digits that nothing is lost: with a step of 2^-110 in 100 digits some 35 remain, and the same in 200 digits says how many
of them are right. The *numeric* one is the numeric reference of the gradient that backward computes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gradtool.autodiff import Plan, Rounding, backward, decided_by_tied_conditions, forward, run_batch
from gradtool.graph import Graph
from gradtool.ops import Resolved
from gradtool.references.exact import (
    AWAY_FROM_ZERO,
    NEAREST,
    ONE,
    TOWARDS_ZERO,
    ZERO,
    Arithmetic,
    Raw,
    from_float,
    magnitude,
    to_float,
)
from gradtool.references.formulas import Unsupported
from gradtool.references.graph_function import NOISE_DRAWS, NOISE_SAFETY
from gradtool.references.numeric import Samples, numeric_gradient
from gradtool.references.scalars import TooManyOperations, negated
from gradtool.references.symbolic import MAX_OPERATIONS, Problem, Replacement

Array = NDArray[Any]
Mask = NDArray[np.bool_]

LADDER = (100, 200, 400, 800)
SETTLED, NEGLIGIBLE = 1e-14, 1e-30
"""Two precisions that differ by no more of the largest entry agree; what is smaller by that much is nothing."""
DIRECTIONS = 2
"""Random ones, along which the gradient is followed from a kink."""
BENT, TINY = 1e-10, 1e-30
WORK = 8
"""Exact gradients are many: all together may take this many times the operations that one of them may."""
SLACK = 10
"""Bits of an exact gradient that roundings on the way may have cost, where two precisions do not show more."""
DOUBT = 20_000
"""With more operations times entries than this, results at two precisions are taken as they are."""
MAX_VISITS = 400_000
"""Of nodes, by the gradients that are differenced: some twenty microseconds each."""
POINTS = 16
"""That a difference takes if all is well."""


@dataclass(frozen=True, slots=True, eq=False)
class SecondDerivatives:
    """The Hessian as a reference has it: ``value`` and ``error`` of shape (N, N), NaN and infinite where it has none.

    ``kink`` marks entries where the gradient jumps or has a corner: there is no second derivative. ``reason`` says why entries
    are missing, or all of them where ``status`` is not ``"ok"``.
    """

    value: Array
    error: Array
    kink: Mask
    status: Literal["ok", "skipped", "failed"] = "ok"
    reason: str | None = None
    evaluations: int = 0

    @staticmethod
    def unknown(size: int, status: Literal["skipped", "failed"], reason: str) -> SecondDerivatives:
        """Nothing is known of any entry."""
        nothing, endless = np.full((size, size), np.nan), np.full((size, size), np.inf)
        return SecondDerivatives(nothing, endless, np.zeros((size, size), dtype=bool), status, reason)


# --- symbolic ---


def symbolic_hessian(
    graph: Graph,
    inputs: Mapping[str, float | Array],
    upstream: float | Array,
    resolved: Sequence[Resolved | None],
    wrt: Sequence[str],
    *,
    tied: bool = False,
    max_operations: int = MAX_OPERATIONS,
) -> SecondDerivatives:
    """The exact Hessian of ``sum(upstream * output)`` in the inputs ``wrt``; parameters as for ``symbolic_gradient``.

    ``error`` is how far the last two precisions are apart. ``tied`` says that the point sits on a kink: the gradient is then
    followed along random directions as well, as along every axis ``|x| |y|`` looks smooth.
    """
    problem = Problem(graph, inputs, upstream, resolved, wrt, max_operations)
    places = [(name, flat) for name in wrt for flat in range(prod(problem.shape(graph.inputs[name])))]
    size = len(places)
    try:
        problem.check_size()
        problem.forward(Arithmetic(LADDER[0], TOWARDS_ZERO))
        operations = 2 * (2 * size + 1) * problem.count
        if operations > WORK * max_operations:
            raise TooManyOperations
        return _settled(problem, places, tied)
    except TooManyOperations:
        limit = f"more than {WORK} x {max_operations:,} scalar operations; --max-symbolic N raises the limit"
        return SecondDerivatives.unknown(size, "skipped", limit)
    except Unsupported as unsupported:
        return SecondDerivatives.unknown(size, "skipped", str(unsupported))


@dataclass(slots=True, eq=False)
class _Exact:
    """At one precision: differences over both sides, and over one side less the other, as floats; NaN where undefined."""

    value: Array
    corner: Array
    noise: Array
    """What rounding of the gradients can have done to the differences."""
    gradient: float
    """The gradient's largest entry."""
    reason: str | None


def _settled(problem: Problem, places: Sequence[tuple[str, int]], tied: bool) -> SecondDerivatives:
    """At rising precision, and falling steps, until two results agree."""
    size = len(places)
    before = _differences(problem, places, LADDER[0], TOWARDS_ZERO)
    evaluations = 2 * size + 1
    for step, digits in enumerate(LADDER[1:]):
        found = _differences(problem, places, digits, (AWAY_FROM_ZERO, TOWARDS_ZERO)[step % 2])
        evaluations += 2 * size + 1
        with np.errstate(invalid="ignore", over="ignore"):
            apart = np.abs(found.value - before.value)
            sizes, scale = np.abs(found.value), np.abs(before.value)
            # Less than this is what roundings leave of nothing.
            floor = NEGLIGIBLE * max(found.gradient, float(np.max(scale, initial=0.0, where=np.isfinite(scale))))
            # Of a smooth gradient the corner shrinks with the step, by 2^-110 and more.
            corner = np.abs(found.corner) > np.maximum(2.0**-30 * np.abs(before.corner), floor)
            jump = (sizes > 2.0**60 * scale) & (sizes > floor)
            largest = float(np.max(sizes, initial=0.0, where=np.isfinite(sizes) & ~jump))
            settled = (apart + found.noise <= np.maximum(SETTLED * np.maximum(sizes, largest), floor)) & ~jump
            # What shrinks with the step has the limit 0, unless more digits say otherwise.
            shrinks = (sizes <= 2.0**-30 * np.abs(before.value)) & ~jump & np.isfinite(sizes)
        if settled.all() or problem.count * size > DOUBT:
            break
        before = found
    kink = (corner | jump) & np.isfinite(found.value)
    if tied:
        kink |= _bends_between(problem, places, digits, found.value)[:, None]
    kink |= kink.T  # The Hessian is symmetric, or there is none.
    good = (settled | shrinks) & ~kink
    value, error = np.where(good, found.value, np.nan), np.where(good, apart + found.noise, np.inf)
    reason = None
    if not good.all():
        if np.isinf(found.value).any():
            found.reason = found.reason or "beyond the range of float64"
        digits_ = f"its digits do not settle: {digits} decimal digits are not enough"
        reason = "the gradient has a jump or a corner here" if kink.any() else found.reason or digits_
    status: Literal["ok", "failed"] = "ok" if good.any() or not size else "failed"
    return SecondDerivatives(value, error, kink, status, reason, evaluations)


def _differences(problem: Problem, places: Sequence[tuple[str, int]], digits: int, rounding: str) -> _Exact:
    size = len(places)
    arithmetic = Arithmetic(digits, rounding)
    exact = Arithmetic(10 * digits, NEAREST)  # Every bit of x + h counts.
    here = problem.chain(arithmetic)
    value, corner, noise = np.full((3, size, size), np.nan)
    reason = None
    for column, place in enumerate(places):
        step = _step(problem, place, arithmetic)
        if step is None:
            reason = "an input is not finite"
            continue
        above, below = (problem.chain(arithmetic, [_moved(problem, exact, place, by)]) for by in (step, negated(step)))
        for row, (up, middle, down) in enumerate(zip(above, here, below, strict=True)):
            if isinstance(up, str) or isinstance(down, str) or isinstance(middle, str):
                reason = next(entry for entry in (middle, up, down) if isinstance(entry, str))
                continue
            right, left = exact.add(up, negated(middle)), exact.add(middle, negated(down))
            value[row, column] = to_float(exact.divide(exact.add(right, left), exact.add(step, step)))
            corner[row, column] = to_float(exact.divide(exact.add(right, negated(left)), step))
            lost: Raw = (0, 1, magnitude(middle) - arithmetic.precision + SLACK - step[2], 1)
            noise[row, column] = to_float(lost) if middle[1] else 0.0
    gradient = max((abs(to_float(entry)) for entry in here if not isinstance(entry, str)), default=0.0)
    return _Exact(value, corner, noise, gradient if np.isfinite(gradient) else 0.0, reason)


def _step(problem: Problem, place: tuple[str, int], arithmetic: Arithmetic) -> Raw | None:
    """A third of the digits for the step leaves a third for the difference, and one for what the step itself is off by. No
    more than that beside 1, however large x is: ``tan`` is as rough at 1e100 as at 1. None where the point is not finite."""
    x = float(np.asarray(problem.inputs[place[0]]).ravel()[place[1]])
    if not np.isfinite(x):
        return None
    return (0, 1, (min(0, magnitude(from_float(x))) if x else 0) - arithmetic.precision // 3, 1)


def _moved(problem: Problem, exact: Arithmetic, place: tuple[str, int], by: Raw) -> Replacement:
    name, flat = place
    return name, flat, exact.add(from_float(float(np.asarray(problem.inputs[name]).ravel()[flat])), by)


def _bends_between(problem: Problem, places: Sequence[tuple[str, int]], digits: int, hessian: Array) -> Mask:
    """The entries of the gradient that change along random directions otherwise than the ``hessian`` says."""
    arithmetic, exact = Arithmetic(digits, TOWARDS_ZERO), Arithmetic(10 * digits, NEAREST)
    steps = [_step(problem, place, arithmetic) for place in places]
    bends = np.zeros(len(places), dtype=bool)
    for seed in range(DIRECTIONS):
        weights = np.random.default_rng(seed).standard_normal(len(places))
        ends = []
        for sign in (1.0, -1.0):
            moves = [
                _moved(problem, exact, place, exact.multiply(from_float(sign * float(weight)), step))
                for place, step, weight in zip(places, steps, weights, strict=True)
                if step is not None
            ]
            ends.append(problem.chain(arithmetic, moves))
        for row, (up, down) in enumerate(zip(*ends, strict=True)):
            if isinstance(up, str) or isinstance(down, str):
                continue
            expected, size = ZERO, 0.0
            for column, (step, weight) in enumerate(zip(steps, weights, strict=True)):
                entry = float(hessian[row, column])
                if step is None or not np.isfinite(entry):
                    break
                term = exact.multiply(from_float(2.0 * entry), exact.multiply(from_float(float(weight)), step))
                expected, size = (
                    exact.add(expected, term),
                    max(size, abs(to_float(exact.divide(term, steps[0] or ONE)))),
                )
            else:
                found = exact.add(exact.add(up, negated(down)), negated(expected))
                # In units of the first step, beside the largest term: float64 kept 16 digits of each entry.
                off = abs(to_float(exact.divide(found, steps[0] or ONE)))
                bends[row] |= off > BENT * size + TINY
    return bends


# --- numeric ---


class GradientFunction:
    """The gradient of a program, flattened and joined, as a function to be differenced: an ``Evaluable``.

    ``inputs`` are float64 arrays. Every point costs a forward and a backward, once."""

    def __init__(self, plan: Plan, inputs: Mapping[str, Array], upstream: Any) -> None:
        self._plan, self._inputs, self._upstream = plan, inputs, upstream
        self._values = forward(plan, inputs)
        self._excused = decided_by_tied_conditions(plan, self._values)
        self._base = self._joined(self._values)
        self._known: dict[tuple[str, bytes], Array] = {}
        self._noise: Array | None = None

    @property
    def evaluations(self) -> int:
        """How many gradients were computed beside the point."""
        return len(self._known)

    def _joined(self, values: Sequence[Any], perturb: Callable[[Array], Array] | None = None) -> Array:
        gradients = backward(self._plan, values, self._upstream, perturb=perturb)
        found = [np.ravel(np.asarray(gradients.of(name), dtype=np.float64)) for name in self._plan.wrt]
        return np.concatenate(found) if found else np.empty(0)

    def base(self) -> Array:
        """The gradient at the base point."""
        return self._base

    def many(self, name: str, points: Array) -> Samples:
        """Gradients with the input ``name`` replaced by each of ``points``."""
        outputs = np.empty((len(points), self._base.size))
        for row, point in enumerate(points):
            key = (name, point.tobytes())
            if key not in self._known:
                self._known[key] = self._joined(forward(self._plan, {**self._inputs, name: point}))
            outputs[row] = self._known[key]
        node = self._plan.graph.inputs[name]
        batch = run_batch(self._plan, self._values, {node: points}, excused=self._excused)
        return Samples(outputs, batch.same_piece)

    def noise(self) -> Array:
        """A bound on the rounding error of each entry, by Monte Carlo arithmetic as for values."""
        if self._noise is None:
            epsilon = float(np.finfo(np.float64).eps)
            drawn = []
            for seed in range(NOISE_DRAWS):
                rounding = Rounding(epsilon, np.float64, seed=seed)
                drawn.append(self._joined(forward(self._plan, self._inputs, perturb=rounding), rounding))
            with np.errstate(invalid="ignore"):
                self._noise = NOISE_SAFETY * np.max(np.abs(np.asarray(drawn) - self._base), axis=0, initial=0.0)
        return self._noise


def numeric_hessian(plan: Plan, inputs: Mapping[str, Array], upstream: Any) -> SecondDerivatives:
    """The Hessian of ``sum(upstream * output)`` by central differences of the gradient, with an error bound for each entry.

    ``plan`` is in float64, and ``inputs`` are its inputs as arrays.
    """
    size = sum(np.size(inputs[name]) for name in plan.wrt)
    visits = POINTS * size * len(plan.graph)
    if visits > MAX_VISITS:
        return SecondDerivatives.unknown(
            size, "skipped", "differences of the gradient along each entry would take too long"
        )
    function = GradientFunction(plan, inputs, upstream)
    if not np.isfinite(function.base()).all():
        return SecondDerivatives.unknown(size, "failed", "the gradient is not finite at this point")
    value, error = np.full((size, size), np.nan), np.full((size, size), np.inf)
    kink = np.zeros((size, size), dtype=bool)
    reasons: dict[str, None] = {}
    for row in range(size):
        unit = np.zeros(size)
        unit[row] = 1.0
        column = 0
        for numeric in numeric_gradient(function, inputs, unit, plan.wrt).values():
            stop = column + numeric.value.size
            value[row, column:stop], error[row, column:stop] = numeric.value.ravel(), numeric.error.ravel()
            kink[row, column:stop] = numeric.kink.ravel()
            if numeric.one_sided is not None:
                # A first derivative may be seen from one side where there is a second one on that side only.
                error[row, column:stop][numeric.one_sided.ravel()] = np.inf
            column = stop
            if numeric.reason is not None:
                reasons[numeric.reason] = None
    kink |= kink.T
    reason = "; ".join(reasons) or None
    error = np.where(kink, np.inf, error)
    value = np.where(np.isinf(error), np.nan, value)
    status: Literal["ok", "failed"] = "ok" if np.isfinite(error).any() or not size else "failed"
    return SecondDerivatives(value, error, kink, status, reason, function.evaluations)
