"""What a hand-written backward claims at one point, held against the numeric reference of its forward.

An entry may differ by the reference's own error plus an allowance: 64 units of roundoff of the larger of entry and scale,
and never less than forward's own noise. It is WRONG only where it lies outside of that, outside of what the backward's own
conditioning excuses, and outside of what a second, independent method says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradtool.references.directional import directional
from gradtool.references.jacobian import jacobian
from gradtool.references.joined import TOGETHER, Joined
from gradtool.references.numeric import Numeric, numeric_gradient
from gradtool.references.plateau import plateau_difference
from gradtool.references.quick import quick_gradient
from gradtool.references.sampling import EPSILON, Measure
from gradtool.results import Verdict, Worst
from gradtool.target import Values
from gradtool.verdict.caller import (
    Caller,
    TargetFunction,
    UserCodeError,
    flat,
    in_double,
    is_float,
    is_short,
    like,
    roundoff_of,
)
from gradtool.verdict.decide import RESOLUTION, Decision, Opinion, decide, scale_of
from gradtool.verdict.judgement import (
    Judgement,
    as_array,
    at_entry,
    figures,
    largest,
    relative,
)
from gradtool.verdict.kinks import Outside, Tie, all_within, is_slope_beside, mask_of, outside_valid_set, pairs_of
from gradtool.verdict.large_inputs import judge_along
from gradtool.verdict.lost_digits import (
    absorbs_small_steps,
    agrees_on_average,
    inner_spacing,
    loses_its_digits,
    stands_still,
    varies_on_smaller_scales,
)
from gradtool.verdict.traced import traced_gradient

Array = NDArray[Any]
UNITS = 64
"""Units of roundoff that an honestly computed gradient may be off by."""
SINGLE_RESOLUTION = 1e-2
SINGLE_NOISE = 1e-9
"""A forward noisier than this was computed in single precision or less."""
CONDITION_DRAWS = 3
CONDITION_SAFETY = 8.0
EVALUATIONS_AN_ENTRY = 18
MOST_EVALUATIONS = 200_000
QUICK = 1e-7
"""What share of the scale an error must have to be worth seeing by the cheap reference: less, and the full one is asked."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How a difference is judged. ``rtol`` and ``atol`` replace the measured bounds by a fixed rule."""

    resolution: float | None = None
    rtol: float | None = None
    atol: float | None = None
    most_evaluations: int = MOST_EVALUATIONS

    @property
    def is_fixed(self) -> bool:
        """Whether the user wants a fixed rule."""
        return self.rtol is not None or self.atol is not None


class PointJudge:
    """One calling of a target at one point: values, forward's outputs, an upstream gradient, what backward made of it."""

    def __init__(
        self,
        caller: Caller,
        values: Values,
        outputs: Sequence[Array],
        upstream: Sequence[Array],
        wrt: Sequence[str],
        rule: Rule,
        known: PointJudge | None = None,
        function: Callable[..., Any] | None = None,
    ) -> None:
        self.caller = caller
        self.values = values
        self.outputs = tuple(outputs)
        self.upstream = tuple(upstream)
        self.wrt = tuple(name for name in wrt if is_float(values[name]))
        self.rule = rule
        self.plain = function
        """The forward without any wrapping, where there is one: it can perhaps be traced."""
        self.is_single = any(is_short(values[name]) for name in self.wrt)
        wide, found = in_double(caller, values, outputs)
        self.function = TargetFunction(caller, wide, found)
        self._lost = 0.0 if found is outputs else _relative_distance(flat(outputs), self.function.base())
        self._weights = flat(upstream)
        self._arrays = {name: np.asarray(values[name], dtype=np.float64) for name in self.wrt}
        same = known is not None and known.is_same_question(self)
        self._excuses: dict[str, str | None] = {}
        self._full: dict[str, Numeric] = known._full if known is not None and same else {}
        self._quick: dict[str, Numeric] | None = known.quick if known is not None and same else None
        self._jacobians: dict[str, tuple[Array, Array]] = {}
        self._spread: dict[str, Array] | None = None

    @property
    def is_short(self) -> bool:
        """Whether forward returns less than double precision, whatever it is given."""
        return self.function.roundoff > 2.0**-53

    def is_same_question(self, other: PointJudge) -> bool:
        """Whether the reference is the same: of the same inputs, with the same outputs and upstream."""
        return (
            self.wrt == other.wrt
            and np.array_equal(flat(self.outputs), flat(other.outputs))
            and np.array_equal(self._weights, other._weights)
            and all(np.array_equal(self._arrays[name], other._arrays[name]) for name in self.wrt)
        )

    @property
    def affordable(self) -> bool:
        """Whether every entry can be moved by itself."""
        entries = sum(x.size for x in self._arrays.values())
        return entries * EVALUATIONS_AN_ENTRY <= self.rule.most_evaluations

    @property
    def quick(self) -> dict[str, Numeric]:
        """The cheap reference of every input in ``wrt``: enough for those whose gradient agrees with it."""
        if self._quick is None:
            self._quick = quick_gradient(self.function, self._arrays, self._weights, self.wrt)
        return self._quick

    @cached_property
    def joined(self) -> Joined:
        """The function of all inputs in ``wrt`` as one vector."""
        return Joined(self.function, self.values, self.wrt)

    def numeric(self, name: str) -> Numeric:
        """The best reference there is for an input; the full one is made where the cheap one does not say it all."""
        if name not in self._full and not np.isfinite(self.quick[name].error).all():
            self._make([name])
        return self._full.get(name, self.quick[name])

    def _make(self, names: Sequence[str]) -> None:
        """Make the full reference for these inputs."""
        missing = [name for name in names if name not in self._full]
        if missing:
            most = 4 * self.rule.most_evaluations
            self._full |= numeric_gradient(self.function, self._arrays, self._weights, missing, max_evaluations=most)

    def bound(self, name: str, gradients: Mapping[str, Any]) -> Array:
        """The reference's error with the allowance for rounding, entry by entry."""
        references = {other: self.numeric(other) for other in self.wrt}
        numeric = references[name]
        return numeric.error + self._allowance(name, numeric, _scales(references)[name], gradients)

    @cached_property
    def traced(self) -> Mapping[str, tuple[Array, Array]]:
        """The exact gradient and its error for each input, where forward can be traced; made when first asked."""
        return traced_gradient(self.plain, self.values, self.upstream)

    @cached_property
    def magnitude(self) -> float:
        """The size of what is differentiated."""
        size = float(np.sum(np.abs(self._weights) * np.abs(flat(self.outputs))))
        return size if np.isfinite(size) else 0.0

    def jacobian(self, name: str) -> tuple[Array, Array]:
        """The Jacobian of the flat outputs by one input, with its error."""
        if name not in self._jacobians:
            self._jacobians[name] = jacobian(self.function, name, self._arrays[name])
        return self._jacobians[name]

    # The fast question: does it agree along a direction in which everything moves? ---------------------------------

    def agrees_along_directions(self, gradients: Mapping[str, Any], seed: int, directions: int = 1) -> bool:
        """Whether the gradients agree with derivatives along random directions of all inputs together. False says no
        more than that a closer look is needed."""
        claims = self._claims(gradients)
        if any(claim is None or claim.shape != self._arrays[name].shape for name, claim in claims.items()):
            return False
        joined = self.joined
        claimed = joined.join(claims)
        if not np.isfinite(claimed).all():
            return False
        drawn = _directions(seed, directions, claimed.size)
        if all_within(joined, drawn, claimed, Measure.of(joined, self._weights)):
            return True
        found = directional(joined, joined.inputs, claimed, self._weights, TOGETHER, directions=directions, seed=seed)
        size = float(np.max(np.abs(claimed), initial=0.0))
        sharp = np.isfinite(found.errors) & (found.errors <= self.resolution(SINGLE_NOISE / 2) * max(size, 1e-300))
        slack = UNITS * self.unit(gradients, 0.0) * float(np.sum(np.abs(claimed)))
        apart = np.abs(found.values - found.predicted)
        return bool((sharp & (apart <= found.errors + found.rounding + slack)).all())

    # The full question ----------------------------------------------------------------------------------------------

    def judge(self, gradients: Mapping[str, Any]) -> dict[str, Judgement]:
        """A judgement for each input in ``wrt``. Raises ``NotNumbersError``."""
        claims = self._claims(gradients)
        if not self.affordable:
            unit, resolution = self.unit(gradients, 0.0), self.resolution(0.0)
            return {
                name: judge_along(
                    self.function, name, self._arrays[name], claim, self._weights, unit=unit, resolution=resolution
                )
                for name, claim in claims.items()
            }
        scales = _scales(self.quick)
        bounds = {
            name: quick.error + self._allowance(name, quick, scales[name], gradients)
            for name, quick in self.quick.items()
        }
        open_ = [name for name in self.wrt if not self._agrees_quickly(name, claims[name], scales[name], bounds[name])]
        if not open_ and not self._full:
            return {name: self._right(self.quick[name], claims[name], bounds[name], scales[name]) for name in self.wrt}
        self._make(open_)
        scales = _scales({name: self._full.get(name, self.quick[name]) for name in self.wrt})
        found = {}
        for name in self.wrt:
            allowance = self._allowance(name, self.numeric(name), scales[name], gradients)
            found[name] = self._judged(name, claims[name], allowance, scales[name], gradients)
        return self._judged_together(found, claims, gradients)

    def _agrees_quickly(self, name: str, claim: Array | None, scale: float, bound: Array) -> bool:
        quick = self.quick[name]
        if claim is None or claim.shape != quick.value.shape or self.rule.is_fixed or scale == 0:
            return False
        with np.errstate(invalid="ignore"):
            apart = np.abs(claim.astype(np.float64) - quick.value)
        return bool((apart <= bound).all() and (bound <= min(QUICK, self.resolution(quick.noise)) * scale).all())

    @staticmethod
    def _right(quick: Numeric, claim: Array | None, bound: Array, scale: float) -> Judgement:
        """What is said of a gradient that agrees with the cheap reference to within a sharp bound: there is nothing to decide."""
        assert claim is not None
        return Judgement(
            Verdict.OK, None, quick.value, bound, checked=quick.value.size, evaluations=quick.evaluations,
            **figures(claim.astype(np.float64), quick, bound, scale),
        )  # fmt: skip

    def _allowance(self, name: str, numeric: Numeric, scale: float, gradients: Mapping[str, Any]) -> Array:
        share = max(UNITS * self.unit(gradients, numeric.noise), numeric.noise, self._lost)
        found: Array = share * np.maximum(np.abs(_finite(numeric.value)), scale)
        return np.maximum(found, self._hush(name)) if scale == 0 else found

    def _hush(self, name: str) -> Array:
        """What may be hidden where all is zero: forward may have added something small to a number of size 1, and lost it, and in
        backward parts of the size of a slope over the input's own scale may cancel."""
        size = np.abs(self._arrays[name])
        unit = UNITS * max(EPSILON / 2, self.function.roundoff)
        return np.asarray(unit * float(np.sum(np.abs(self._weights))) / np.where(size > 0, size, 1.0))

    def _judged_together(
        self, found: dict[str, Judgement], claims: Mapping[str, Array | None], gradients: Mapping[str, Any]
    ) -> dict[str, Judgement]:
        """Entries at kinks must lie in the valid set one by one, and in pairs that meet in one kink."""
        kinks = {name: mask_of(self.numeric(name)) for name in self.wrt}
        if not any(mask.any() for mask in kinks.values()) or self.rule.is_fixed:
            return found
        places = [int(k) for k in np.flatnonzero(np.concatenate([kinks[name].ravel() for name in self.wrt]))]
        ties: list[Tie] = [(k,) for k in places] + pairs_of(places, np.random.default_rng(1729))
        outside = self.outside_valid_set(claims, ties, gradients)
        if outside is None:
            return found
        said = dict(self._names_of(outside.places))
        return found | {name: self._at_a_tie(found[name], name, said[name], outside, claims[name]) for name in said}

    def outside_valid_set(
        self, claims: Mapping[str, Array | None], ties: Sequence[Tie], gradients: Mapping[str, Any]
    ) -> Outside | None:
        """The tie along which the claims are outside the valid set, if there is one. The places of ``ties`` are those of all
        inputs in ``wrt``, one after the other."""
        yours = {name: claim for name, claim in claims.items() if claim is not None}
        if len(yours) < len(self.wrt) or any(yours[n].shape != self._arrays[n].shape for n in self.wrt):
            return None
        claimed = self.joined.join(yours)
        return outside_valid_set(self.joined, claimed, ties, self._weights, self.unit(gradients, 0.0))

    def _names_of(self, places: Tie) -> list[tuple[str, tuple[int, ...]]]:
        """The inputs and indices of places in the joined vector."""
        found: list[tuple[str, tuple[int, ...]]] = []
        first = 0
        for name in self.wrt:
            x = self._arrays[name]
            mine = [place - first for place in places if first <= place < first + x.size]
            found += [(name, tuple(int(k) for k in np.unravel_index(place, x.shape))) for place in mine]
            first += x.size
        return found

    def _at_a_tie(
        self, judgement: Judgement, name: str, index: tuple[int, ...], outside: Outside, claim: Array | None
    ) -> Judgement:
        numeric = self.numeric(name) if self.affordable else None
        mine = None if claim is None else float(claim[index])
        worst = judgement.worst
        if numeric is not None:
            worst = Worst(index, mine, float(numeric.value[index]), float(numeric.error[index]))
        said = f"{at_entry(index)}{outside.said}"
        return replace(judgement, verdict=Verdict.WRONG, reason=said, problem="tie", worst=worst)

    def judge_tie(self, gradients: Mapping[str, Any], ties: Sequence[Tie]) -> dict[str, Judgement]:
        """Judgements for the inputs whose gradients are outside the valid set at one of these ties; no others are looked
        at. Raises ``NotNumbersError``."""
        claims = self._claims(gradients)
        outside = self.outside_valid_set(claims, ties, gradients)
        if outside is None or self._is_conventional(claims, outside):
            return {}
        found = {}
        for name, index in self._names_of(outside.places):
            numeric = self.numeric(name)
            blank = Judgement(
                Verdict.OK, None, numeric.value, numeric.error, checked=numeric.value.size,
                evaluations=numeric.evaluations,
            )  # fmt: skip
            found[name] = self._at_a_tie(blank, name, index, outside, claims[name])
        return found

    def _is_conventional(self, claims: Mapping[str, Array | None], outside: Outside) -> bool:
        """Whether the claims are what the usual conventions at ties make of a forward that can be traced. Where several kinks
        meet, these may add up to what is no subgradient; at a tie that gradtool made itself nobody is to blame for that."""
        for name, index in self._names_of(outside.places):
            claim = claims[name]
            if claim is None or name not in self.traced:
                return False
            exact = self.traced[name][0]
            if not abs(float(claim[index]) - float(exact[index])) <= 1e-9 * max(1.0, float(np.max(np.abs(exact)))):
                return False
        return True

    def _claims(self, gradients: Mapping[str, Any]) -> dict[str, Array | None]:
        return {name: as_array(gradients.get(name)) for name in self.wrt}

    def unit(self, gradients: Mapping[str, Any], noise: float) -> float:
        """The unit roundoff of what was computed: single precision where forward, its inputs or a gradient is single."""
        units = [self.function.roundoff, 2.0**-24 if self.is_single else 2.0**-53]
        for name in self.wrt:
            claim = gradients.get(name)
            kind = np.asarray(claim).dtype if claim is not None else np.dtype(np.float64)
            if kind.kind == "f":
                value = self.values[name]
                single = isinstance(value, np.ndarray) and value.dtype == kind
                if single or self.function.roundoff > 2.0**-53 or noise > SINGLE_NOISE:
                    units.append(roundoff_of(kind))
        return max(units)

    def resolution(self, noise: float) -> float:
        """What share of the scale an error must have to be worth seeing."""
        if self.rule.resolution is not None:
            return self.rule.resolution
        single = self.is_single or noise > SINGLE_NOISE or self.function.roundoff > 2.0**-53
        return SINGLE_RESOLUTION if single else RESOLUTION

    def _judged(
        self, name: str, claim: Array | None, allowance: Array, scale: float, gradients: Mapping[str, Any]
    ) -> Judgement:
        numeric = self.numeric(name)
        shape = numeric.value.shape
        blank = Judgement(
            Verdict.OK, None, numeric.value, numeric.error + allowance,
            checked=numeric.value.size, evaluations=numeric.evaluations,
        )  # fmt: skip
        if numeric.status != "ok":
            return replace(
                blank, verdict=Verdict.UNDECIDED, reason=numeric.reason, checked=0, error=np.full(shape, np.inf)
            )
        if claim is None:
            return self._missing(blank)
        if claim.shape != shape:
            reason = f"has shape {claim.shape}, but the input has shape {shape}"
            return replace(blank, verdict=Verdict.WRONG, reason=reason, problem="shape", worst=None)
        yours = claim.astype(np.float64)
        blank = replace(blank, **figures(yours, numeric, blank.error, scale))
        if self.rule.is_fixed:
            return self._by_fixed_rule(blank, yours, numeric)
        kinks = mask_of(numeric)
        opinion = Opinion(
            "central difference", numeric.value, numeric.error, numeric.reason, self._second_word(name, yours), False
        )

        def decided(opinions: list[Opinion]) -> Decision:
            return decide(
                yours,
                opinions,
                scale=scale,
                quick=allowance,
                full=self._conditioned(name, allowance, gradients),
                tied=kinks,
                resolution=self.resolution(numeric.noise),
                small=self.resolution(numeric.noise) * max(1.0, self.magnitude),
            )

        decision = decided([opinion])
        if decision.verdict is Verdict.UNDECIDED and not kinks.any() and name in self.traced:
            # The differences are too blunt; the exact gradient may not be. The plain differences confirm what it says.
            exact, error = self.traced[name]
            second = Opinion("the traced forward", exact, error, "it is not finite", opinion.confirm)
            decision = decided([opinion, second])
        elif decision.verdict is Verdict.WRONG and self._is_exact(name, yours, decision):
            decision = Decision(
                Verdict.UNDECIDED, f"{decision.reason}; but the traced forward gives yours", decision.index
            )
        return self._said(name, blank, decision, yours, numeric, kinks)

    def _is_exact(self, name: str, yours: Array, decision: Decision) -> bool:
        """Whether the exact gradient of a traced forward is the user's where differences say that it is wrong."""
        if decision.index is None or not np.isfinite(yours[decision.index]) or name not in self.traced:
            return False
        exact, error = (float(part[decision.index]) for part in self.traced[name])
        return abs(yours[decision.index] - exact) <= error + UNITS * EPSILON * abs(exact) and error <= abs(exact)

    def _missing(self, blank: Judgement) -> Judgement:
        """None where the reference is zero is right."""
        bound = np.where(np.isfinite(blank.error), blank.error, np.inf)
        beyond = np.abs(blank.right) > bound
        if beyond.any():
            index = largest(np.where(beyond, np.abs(blank.right), -1.0))
            worst = Worst(index, None, float(blank.right[index]), float(blank.error[index]))
            said = "backward gives no gradient, but it is not zero"
            return replace(blank, verdict=Verdict.WRONG, reason=said, problem="missing", worst=worst)
        if np.isfinite(bound).all():
            return replace(blank, reason="backward gives none, and it is zero")
        return replace(blank, verdict=Verdict.UNDECIDED, reason="backward gives none, and it may be zero")

    def _by_fixed_rule(self, blank: Judgement, yours: Array, numeric: Numeric) -> Judgement:
        rtol, atol = self.rule.rtol or 0.0, self.rule.atol or 0.0
        limit = atol + rtol * np.abs(numeric.value)
        with np.errstate(invalid="ignore"):
            beyond = ~(np.abs(yours - numeric.value) <= limit)
        said = f"by the fixed rule rtol={rtol:g}, atol={atol:g}"
        if beyond.any():
            return replace(blank, verdict=Verdict.WRONG, reason=said, problem="value")
        return replace(blank, reason=said)

    def _said(
        self, name: str, blank: Judgement, decision: Decision, yours: Array, numeric: Numeric, kinks: NDArray[np.bool_]
    ) -> Judgement:
        reason, index = decision.reason, decision.index
        if decision.verdict is Verdict.UNDECIDED and kinks.any() and reason is None and index is not None:
            left, right = float(numeric.left[index]), float(numeric.right[index])
            mine, slack = float(yours[index]), float(blank.error[index]) - abs(right - left) / 2
            between = min(left, right) - slack <= mine <= max(left, right) + slack
            said = "lies in the valid set" if between else "is what several kinks may add up to that meet here"
            reason = (
                f"{at_entry(index)}at a tie or kink: {mine:.6g} {said}; the slope is "
                f"{_tidy(left, right):.6g} to the left and {_tidy(right, left):.6g} to the right"
            )
        if decision.verdict is Verdict.UNDECIDED and self._excuses.get(name):
            reason = f"{reason} ({self._excuses[name]})"
        found = replace(blank, verdict=decision.verdict, reason=reason)
        if decision.verdict is Verdict.WRONG and index is not None:
            problem = "value" if np.isfinite(yours[index]) else "not finite"
            worst = Worst(index, float(yours[index]), float(numeric.value[index]), float(numeric.error[index]))
            return replace(found, problem=problem, worst=worst, **relative(worst))
        return found

    def _second_word(self, name: str, yours: Array) -> Callable[[tuple[int, ...]], tuple[float, float] | None]:
        """A second method's word on an entry; None as well where the difference is none of backward's making."""

        def confirm(index: tuple[int, ...]) -> tuple[float, float] | None:
            noise = self.numeric(name).noise if self.numeric(name).noise > SINGLE_NOISE else 0.0
            found = plateau_difference(self.function, name, self._arrays[name], index, self._weights, noise)
            if found is not None and np.isfinite(yours[index]) and yours[index] != found[0]:
                self._excuses[name] = self._excuse(name, index, float(yours[index]), found[0])
            return None if self._excuses.get(name) else found

        return confirm

    def _excuse(self, name: str, index: tuple[int, ...], mine: float, right: float) -> str | None:
        """Why an entry may be right though it differs; None where nothing speaks for that."""
        at, weights = self._arrays[name], self._weights
        unit = max(self.numeric(name).noise, 2 * self.function.roundoff)

        def claimed(moved: Array) -> Array | None:
            return self._claim_at(name, moved)

        if varies_on_smaller_scales(self.function, name, at, index, weights, claimed, mine, right):
            return "forward goes up and down over steps too small for a reference, as the gradient says"
        if absorbs_small_steps(self.function, name, at, index, weights, mine, right):
            return "forward has this slope over large steps, and absorbs small ones: it adds a much larger number"
        zeros = {other: np.zeros(x.shape) for other, x in self._arrays.items()}
        zeros[name][index] = 1.0
        if is_slope_beside(self.joined, self.joined.join(zeros), weights, mine, right):
            return "several smooth pieces of forward meet here, and it is a slope of one beside the point"
        if agrees_on_average(self.function, name, at, index, weights, claimed, abs(mine - right), unit):
            return "forward is noisy: over the steps that it allows, the gradient agrees on average"
        spacing = inner_spacing(self.function, name, at, index, weights)
        if spacing > 0 and agrees_on_average(
            self.function, name, at, index, weights, claimed, abs(mine - right), spacing / self.magnitude, least=0.0
        ):
            return "forward rounds inside and moves by jumps: over steps of many jumps, the gradient agrees on average"
        if right == 0 and self.function.roundoff > 2.0**-53:
            return "forward does not move at all in single precision: what it depends on may be rounded away inside"
        if mine == 0:
            still = stands_still(self.function, name, at, index, weights, right, self.function.roundoff)
            return "forward is constant on small scales: it is a staircase, or rounded" if still else None
        if loses_its_digits(self.function, name, at, index, weights, claimed):
            return "backward loses its digits here to cancellation: its errors are erratic, and gone elsewhere"
        return None

    def _claim_at(self, name: str, moved: Array) -> Array | None:
        """The gradient of an input where it has other values; None where backward has none."""
        values = {**self.values, name: like(self.values[name], moved)}
        try:
            found = as_array(self.caller.gradients(values, self.upstream).get(name))
        except UserCodeError:
            return None
        return None if found is None else found.astype(np.float64)

    def _conditioned(self, name: str, allowance: Array, gradients: Mapping[str, Any]) -> Callable[[], Array]:
        """The allowance, widened to what backward itself makes of inputs that are changed in their last digit: a gradient
        cannot be more exact than that."""

        def widened() -> Array:
            spread = self._moves(gradients).get(name)
            return allowance if spread is None else np.maximum(allowance, CONDITION_SAFETY * spread)

        return widened

    def _moves(self, gradients: Mapping[str, Any]) -> dict[str, Array]:
        """How far each gradient moves where the inputs change in their last digit."""
        if self._spread is not None:
            return self._spread
        rng = np.random.default_rng(8128)
        found: dict[str, Array] = {}
        base = {name: as_array(gradients.get(name)) for name in self.wrt}
        for _ in range(CONDITION_DRAWS):
            values = {name: _nudged(value, rng) if is_float(value) else value for name, value in self.values.items()}
            try:
                again = self.caller.gradients(values, [_nudged(u, rng) for u in self.upstream])
            except UserCodeError:
                continue  # Beside the point it may.
            for name, first in base.items():
                second = as_array(again.get(name))
                if first is None or second is None or first.shape != second.shape:
                    continue
                moved = np.abs(second.astype(np.float64) - first.astype(np.float64))
                found[name] = np.fmax(found.get(name, np.zeros(first.shape)), np.nan_to_num(moved))
        self._spread = found
        return found


@lru_cache(maxsize=2)
def _directions(seed: int, count: int, size: int) -> Array:
    """Random directions, which are the same at every point; not to be written to."""
    drawn = np.random.default_rng([seed, 3]).standard_normal((count, size))
    drawn.flags.writeable = False
    return drawn


def _relative_distance(one: Array, other: Array) -> float:
    """How far two vectors are apart, as a share of their largest entry."""
    scale = float(np.max(np.abs(other), initial=0.0))
    with np.errstate(invalid="ignore"):
        apart = float(np.max(np.abs(one - other), initial=0.0))
    return apart / scale if scale > 0 and np.isfinite(apart) else 0.0


def _scales(references: Mapping[str, Numeric]) -> dict[str, float]:
    """What errors are measured against, by the references rather than by what the user claims."""
    right = {name: _finite(n.value) for name, n in references.items()}
    doubts = {name: np.where(np.isfinite(n.error), n.error, 0.0) for name, n in references.items()}
    return scale_of(right, doubts)


def _finite(numbers: Array) -> Array:
    return numbers if np.isfinite(numbers).all() else np.nan_to_num(numbers)


def _tidy(slope: float, other: float) -> float:
    """What is left of a slope of 0 beside another is rounding."""
    return 0.0 if abs(slope) <= 1e-9 * max(abs(slope), abs(other)) else slope


def _nudged(value: Any, rng: np.random.Generator) -> Any:
    """The value with its last digit changed at random."""
    numbers = np.asarray(value, dtype=np.float64)
    unit = float(np.finfo(numbers.dtype if not isinstance(value, np.ndarray) else value.dtype).eps)
    return like(value, np.asarray(numbers * (1 + unit * rng.choice((-1.0, 0.0, 1.0), size=numbers.shape))))
