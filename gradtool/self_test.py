"""What a green check is worth: faults planted in what a right backward returns, and how many of them a check catches.

A fault changes the gradients that the user's backward gave, not its code, as a wrong formula would: turned sign, a factor, a sum
that is a mean, one entry that is off. Each is judged as ``check_target`` judges a gradient, first at the given point, and where
nothing is found there, with all else that a check does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradtool.checking import Settings, check_target, contained
from gradtool.results import Outcome, SelfTestResult, TargetResult, Verdict
from gradtool.target import Calling, Case, Run, Target, Values
from gradtool.verdict.black_box import PointJudge
from gradtool.verdict.caller import Caller, UnsupportedError, UserCodeError, checked_outputs, is_float
from gradtool.verdict.judgement import NotNumbersError

Array = NDArray[Any]
Gradients = Mapping[str, Any]
SECONDS = 10.0
"""After this no further fault is planted."""
SMALL_CHANGES = (1e-3, 1e-5)
"""What one entry is off by, relative to the largest of its gradient."""


@dataclass(frozen=True, slots=True, eq=False)
class Fault:
    """A change of gradients: linear in them, so that only their values are wrong, and the same at every point."""

    title: str
    change: Callable[[Gradients], Gradients]


@dataclass(frozen=True, slots=True, eq=False)
class _FaultyRun:
    """A run whose backward has a fault."""

    run: Run
    change: Callable[[Gradients], Gradients]

    @property
    def outputs(self) -> tuple[Array, ...]:
        return self.run.outputs

    @property
    def kept(self) -> Any:
        return self.run.kept

    def backward(self, *upstream: Array) -> Gradients:
        return self.change(self.run.backward(*upstream))


def self_test(
    target: Target, result: TargetResult, settings: Settings | None = None, *, seconds: float = SECONDS
) -> SelfTestResult | None:
    """How many of the faults that can be planted in ``target`` a check catches; None where ``result`` is not OK.

    What is planted depends on the shapes: only a square matrix has a transpose that is a fault of value. Ends after
    ``seconds``, and counts what was planted by then.
    """
    if result.verdict is not Outcome.OK:
        return None
    chosen = settings or Settings()
    case = target.cases[0]
    said = {note.removeprefix("called as ") for note in result.notes}
    calling = next((one for one in case.callings if one.description in said), case.callings[0])
    until = monotonic() + seconds
    planted, missed = 0, []
    with contained():
        bench = _Bench(target, case, calling, chosen)
        for fault in faults(bench.gradients, bench.outputs, case.values):
            if monotonic() > until:
                break
            planted += 1
            if not bench.catches(fault):
                missed.append(fault.title)
    return SelfTestResult(planted, tuple(missed))


class _Bench:
    """A target at its given point, where faults are tried. The reference is made once."""

    def __init__(self, target: Target, case: Case, calling: Calling, settings: Settings) -> None:
        self.target, self.case, self.calling, self.settings = target, case, calling, settings
        self.pinned = False
        self.wrt = tuple(name for name in case.wrt if is_float(case.values[name]))
        caller = self._caller(calling)
        values = case.values
        self.outputs = caller.outputs(values)
        if not all(np.array_equal(a, b) for a, b in zip(self.outputs, caller.outputs(values), strict=True)):
            self.pinned = True
            caller = self._caller(calling)
            self.outputs = caller.outputs(values)
        self.upstream = self._upstream()
        self.gradients = dict(caller.gradients(values, self.upstream))
        self.right = self._judge(caller, None)
        self.right.judge(self.gradients)

    def _caller(self, calling: Calling) -> Caller:
        caller = Caller(calling, self.target.generators, self.settings.seed)
        caller.pinned = self.pinned
        return caller

    def _upstream(self) -> list[Array]:
        if self.calling.upstream == "one":
            return [np.ones_like(np.asarray(o, dtype=np.float64)) for o in self.outputs]
        rng = np.random.default_rng([self.settings.seed, 71])
        drawn = []
        for output in self.outputs:
            u = np.asarray(rng.standard_normal(np.shape(output)))
            u = np.asarray(u + np.copysign(0.3, u))
            drawn.append(u.astype(output.dtype) if output.dtype.kind == "f" else u)
        return drawn

    def _judge(self, caller: Caller, known: PointJudge | None) -> PointJudge:
        outputs = checked_outputs(self.outputs)
        return PointJudge(caller, self.case.values, outputs, self.upstream, self.wrt, self.settings.rule, known=known)

    def catches(self, fault: Fault) -> bool:
        """Whether a check calls this fault WRONG."""

        def start(values: Values) -> Run:
            return _FaultyRun(self.calling.start(values), fault.change)

        faulty = Calling(start, self.calling.description, self.calling.upstream)
        try:
            judge = self._judge(self._caller(faulty), self.right)
            found = judge.judge(fault.change(self.gradients))
            if any(one.verdict is Verdict.WRONG for one in found.values()):
                return True
        except (NotNumbersError, UnsupportedError, UserCodeError):
            return False
        cases = (replace(self.case, callings=(faulty,)),)
        return check_target(replace(self.target, cases=cases), self.settings).verdict is Outcome.WRONG


# Faults ----------------------------------------------------------------------------------------------------------------


def faults(gradients: Gradients, outputs: Sequence[Array], values: Values) -> Iterator[Fault]:
    """The faults that change these gradients, one gradient after the other, then exchanges of two."""
    arrays = {name: np.asarray(g) for name, g in gradients.items() if g is not None and np.size(g)}
    arrays = {name: g for name, g in arrays.items() if g.dtype.kind == "f" and np.isfinite(g).all()}
    single = any(np.asarray(o).dtype == np.float32 for o in (*outputs, *values.values()))
    for name, gradient in arrays.items():
        seen: list[Array] = [gradient]
        for what, change in _changes(gradient, outputs, single):
            changed = change(gradient)
            if not any(np.array_equal(changed, other) for other in seen):
                seen.append(changed)
                yield Fault(f"{name}: {what}", _on(name, change))
    names = list(arrays)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            if arrays[one].shape == arrays[other].shape and not np.array_equal(arrays[one], arrays[other]):
                yield Fault(f"{one} and {other}: exchanged", _exchange(one, other))


def _changes(gradient: Array, outputs: Sequence[Array], single: bool) -> Iterator[tuple[str, Callable[[Array], Array]]]:
    """What may be wrong with a gradient of this shape."""
    yield "opposite sign", lambda g: -g
    yield "factor 2", lambda g: 2 * g
    yield "zero", np.zeros_like
    batch = next((o.shape[0] for o in outputs if np.ndim(o) and o.shape[0] > 1), 1)
    batch = gradient.shape[0] if batch == 1 and gradient.ndim else batch
    if batch > 1:
        yield f"divided by {batch}", lambda g: g / batch
    terms = max((o.size for o in outputs), default=1) // max(gradient.size, 1)
    if terms > 1:
        yield f"mean of {terms} in place of the sum", lambda g: g / terms
    if gradient.ndim == 2 and gradient.shape[0] == gradient.shape[1]:
        yield "transposed", lambda g: g.T.copy()
    if gradient.ndim and gradient.shape[0] > 1:
        yield "one row kept", _first_row
    if gradient.size > 1:
        yield "shifted by one place", lambda g: np.roll(g.ravel(), 1).reshape(g.shape)
    place = int(np.random.default_rng(gradient.size).integers(gradient.size))
    largest = int(np.argmax(np.abs(gradient)))
    for share in SMALL_CHANGES:
        yield f"one entry off by {share:g}", _one_entry(place, largest, share)
    if not single and gradient.dtype == np.float64:
        yield "rounded to float32", lambda g: g.astype(np.float32).astype(np.float64)


def _first_row(gradient: Array) -> Array:
    found = np.zeros_like(gradient)
    found[0] = gradient[0]
    return found


def _one_entry(place: int, largest: int, share: float) -> Callable[[Array], Array]:
    """One entry off by a share of the largest."""

    def change(gradient: Array) -> Array:
        found = gradient.copy()
        if found.size > max(place, largest):
            found.ravel()[place] += share * gradient.ravel()[largest]
        return found

    return change


def _on(name: str, change: Callable[[Array], Array]) -> Callable[[Gradients], Gradients]:
    """The change of one gradient, in the form that the user's code gave it."""

    def changed(gradients: Gradients) -> Gradients:
        mine = gradients[name]
        found: Any = change(np.ascontiguousarray(mine)) if np.ndim(mine) else change(np.asarray(mine))
        return {**gradients, name: float(found) if isinstance(mine, float) else found}

    return changed


def _exchange(one: str, other: str) -> Callable[[Gradients], Gradients]:
    return lambda gradients: {**gradients, one: gradients[other], other: gradients[one]}
