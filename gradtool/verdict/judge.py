"""``Judge``: the gradients of a program against their references, in the order in which things are found out.

References are asked for every input; ties are told from what is smooth; ``decide`` gives each input its verdict; and only
where one would be WRONG are the slow, independent methods asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradtool.autodiff import Gradients, Plan, forward, make_plan
from gradtool.references import GraphFunction, Numeric, SymbolicResult, symbolic_gradient
from gradtool.references import numeric_gradient as central_differences
from gradtool.results import Reference, Verdict
from gradtool.verdict.allowance import quick_allowance, rounding_allowance
from gradtool.verdict.along import Along, along_random_directions, too_much_work
from gradtool.verdict.confirm import SecondMethod
from gradtool.verdict.decide import RESOLUTION, Decision, Opinion, decide, scale_of
from gradtool.verdict.ties import Tie, convention_matters, find_ties

Array = NDArray[Any]
SINGLE_RESOLUTION = 1e-2
NOT_ASKED = Reference("skipped", reason="not asked for")


class Judged(NamedTuple):
    """One input's references and verdict."""

    symbolic: Reference
    numeric: Reference
    verdict: Verdict
    reason: str | None


@dataclass(eq=False)
class Judge:
    """A program after forward and backward, and what the references say of its gradients, each computed when first needed.

    ``contributions`` gives, for every differentiated input, what the edges that arrive at it add to its gradient.
    """

    plan: Plan
    arrays: dict[str, Array]
    values: list[Any]
    upstream: Array
    gradients: Gradients
    contributions: Mapping[str, Sequence[Array]]
    references: tuple[str, ...]
    step: float | None
    max_symbolic: int
    say: Callable[[str], None]

    @cached_property
    def ties(self) -> list[Tie]:
        return find_ties(self.plan, self.values)

    @cached_property
    def tie_matters(self) -> dict[str, NDArray[np.bool_]]:
        return convention_matters(self.plan, self.arrays, self.upstream, self.gradients, self.ties)

    @cached_property
    def double(self) -> tuple[Plan, list[Any]]:
        """Plan and values in double precision, at the same numbers: what the numeric reference differentiates."""
        if self.plan.dtype == np.float64:
            return self.plan, self.values
        plan = make_plan(self.plan.graph, self.arrays, wrt=self.plan.wrt)
        return plan, forward(plan, self.arrays)

    @cached_property
    def exact_inputs(self) -> dict[str, Array]:
        return {name: np.asarray(value, dtype=np.float64) for name, value in self.arrays.items()}

    @cached_property
    def symbolic(self) -> SymbolicResult:
        self.say("symbolic reference")
        return symbolic_gradient(
            self.plan.graph,
            self.exact_inputs,
            np.asarray(self.upstream, dtype=np.float64),
            self.plan.resolved,
            self.plan.wrt,
            max_operations=self.max_symbolic,
        )

    @cached_property
    def function(self) -> GraphFunction:
        return GraphFunction(*self.double)

    @cached_property
    def differences(self) -> dict[str, Numeric]:
        """Central differences, of the inputs at a tie at least: it is always shown with the slopes on its two sides."""
        plan = self.plan
        names = [name for name in plan.wrt if "numeric" in self.references or self.tie_matters[name].any()]
        if not names:
            return {}
        sizes = {name: self.arrays[name].size for name in names}
        elements = sum(prod(shape) for shape in plan.shapes)
        refused = too_much_work(sizes, len(plan.graph), elements)
        self.say("central differences")
        found = {name: not_tried(self.arrays[name].shape) for name in names if name in refused}
        tried = [name for name in names if name not in refused]
        if tried:
            found |= central_differences(
                self.function,
                self.exact_inputs,
                np.asarray(self.upstream, dtype=np.float64),
                tried,
                step=self.step,
                tied={name: self.tie_matters[name] for name in tried},
            )
        return {name: found[name] for name in names}

    @cached_property
    def along(self) -> dict[str, Along]:
        """Random directions for the inputs that have too many entries for a difference each."""
        names = [name for name, numeric in self.differences.items() if numeric.status == "skipped"]
        if not names or "numeric" not in self.references:
            return {}
        self.say("random directions")
        gradients = {name: np.asarray(self.gradients.of(name), dtype=np.float64) for name in names}
        upstream = np.asarray(self.upstream, dtype=np.float64)
        return along_random_directions(self.function, self.exact_inputs, gradients, upstream)

    @cached_property
    def full_allowance(self) -> dict[str, Array]:
        return rounding_allowance(self.plan, self.arrays, self.upstream, self.gradients)

    def exact_value(self, i: int) -> Array | None:
        return self.symbolic.exact_values.rounded(i) if "symbolic" in self.references else None

    def judge(self) -> dict[str, Judged]:
        """Every differentiated input with its references and its verdict, in the graph's order."""
        plan = self.plan
        gradient = {name: np.asarray(self.gradients.of(name), dtype=np.float64) for name in plan.wrt}
        quick = {name: quick_allowance(plan, gradient[name], self.contributions[name]) for name in plan.wrt}
        symbolic = self.symbolic.gradients if "symbolic" in self.references else dict.fromkeys(plan.wrt, NOT_ASKED)
        difference = {
            name: self._numeric_reference(name) if "numeric" in self.references else NOT_ASKED for name in plan.wrt
        }
        found = {}
        for name, decision in self._decide(gradient, quick, symbolic, difference).items():
            reason = decision.reason
            if reason is None and decision.index is not None:
                reason = slopes_text(decision.index, self.differences[name])
            found[name] = Judged(symbolic[name], difference[name], decision.verdict, reason)
        return found

    def _numeric_reference(self, name: str) -> Reference:
        numeric = self.differences[name]
        if numeric.status == "ok":
            return Reference("ok", numeric.value, numeric.error, numeric.evaluations, numeric.reason)
        if numeric.status == "skipped" and name in self.along:
            return Reference("skipped", evaluations=self.along[name].evaluations, reason=self.along[name].summary)
        return Reference(numeric.status, evaluations=numeric.evaluations, reason=numeric.reason)

    def _decide(
        self,
        gradient: Mapping[str, Array],
        quick: Mapping[str, Array],
        symbolic: Mapping[str, Reference],
        numeric: Mapping[str, Reference],
    ) -> dict[str, Decision]:
        def judged(scales: Mapping[str, float]) -> dict[str, Decision]:
            return {
                name: decide(
                    gradient[name],
                    self._opinions(name, symbolic[name], numeric[name]),
                    scale=scales[name],
                    quick=quick[name],
                    full=partial(self._full_allowance, name),
                    tied=self.tie_matters[name],
                    resolution=self.resolution,
                    small=self.resolution * max(1.0, self.magnitude),
                    largest=float(np.finfo(self.plan.dtype).max),
                )
                for name in gradient
            }

        decisions = judged(scale_of(gradient, quick))
        undecided = [
            n for n, d in decisions.items() if d.verdict is Verdict.UNDECIDED and not self.tie_matters[n].any()
        ]
        if undecided and self.references:
            # A gradient that is nothing but rounding was perhaps measured against itself.
            full = {name: np.maximum(quick[name], self._full_allowance(name)) for name in gradient}
            decisions = judged(scale_of(gradient, full))
        return decisions

    @cached_property
    def resolution(self) -> float:
        return RESOLUTION if self.plan.dtype == np.float64 else SINGLE_RESOLUTION

    @cached_property
    def magnitude(self) -> float:
        """The size of what is differentiated."""
        output = np.abs(np.asarray(self.values[self.plan.graph.output], dtype=np.float64))
        with np.errstate(invalid="ignore", over="ignore"):
            size = float(np.sum(np.abs(self.upstream) * output))
        return size if np.isfinite(size) else 0.0

    def _full_allowance(self, name: str) -> Array:
        return self.full_allowance[name]

    def _opinions(self, name: str, symbolic: Reference, numeric: Reference) -> list[Opinion]:
        opinions = []
        if symbolic.value is not None and not self.second.exact_form_is_faithful:
            symbolic = Reference("failed", reason="the exact form of an operation does not give the value of forward")
        for method, reference, other in (("SymPy", symbolic, numeric), ("central difference", numeric, symbolic)):
            if reference.status == "skipped" and reference.reason == "not asked for":
                continue
            value = None if reference.value is None else np.asarray(reference.value)
            error = None if reference.error is None else np.asarray(reference.error)
            singular = reference.status == "failed" and method == "SymPy"
            opinions.append(
                Opinion(method, value, error, reference.reason, partial(self._second_word, name, other), singular)
            )
        if name in self.along and "numeric" in self.references:
            opinions[-1] = self._along_opinion(self.along[name], opinions[-1], name, symbolic)
        return opinions

    def _along_opinion(self, along: Along, opinion: Opinion, name: str, symbolic: Reference) -> Opinion:
        other = symbolic if along.second is None else Reference("ok", along.second[0], along.second[1])
        return opinion._replace(
            method="random directions",
            value=along.value,
            error=along.error,
            reason=along.summary,
            confirm=partial(self._second_word, name, other),
        )

    def _second_word(self, name: str, other: Reference, index: tuple[int, ...]) -> tuple[float, float] | None:
        return self.second.derivative(name, index, other)

    @cached_property
    def second(self) -> SecondMethod:
        """What is asked before a gradient is called WRONG."""
        plan, exact = self.double[0], self.exact_value(self.plan.graph.output)
        upstream = np.asarray(self.upstream, dtype=np.float64)
        return SecondMethod(plan, self.exact_inputs, upstream, self.function, exact)


def not_tried(shape: tuple[int, ...]) -> Numeric:
    """The numeric reference of an input with too many entries for a difference each."""
    reason = "a difference for each entry would take too long"
    unknown = np.full(shape, np.nan)
    return Numeric(unknown, np.full(shape, np.inf), unknown, unknown, np.zeros(shape, dtype=bool), 0, "skipped", reason)


def slopes_text(index: tuple[int, ...], numeric: Numeric) -> str:
    """What is said of an entry at a tie: the slopes on its two sides."""
    where = f"entry {list(index)}: " if index else ""
    if numeric.status != "ok":
        return f"{where}at a tie or kink"
    if not np.isfinite(numeric.error[index]):
        return f"{where}at a jump, or where a slope is infinite"
    left, right = (float(side[index]) for side in (numeric.left, numeric.right))
    rounding = 1e-9 * max(abs(left), abs(right))  # What is left of a slope of 0 beside another.
    left, right = (0.0 if abs(slope) <= rounding else slope for slope in (left, right))
    return f"{where}at a tie or kink: the slope is {left:.6g} to the left and {right:.6g} to the right"
