"""One way to call one setting of a target, looked at from all sides: the given point, hygiene, other points, causes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradtool.diagnosis.causes import name_cause
from gradtool.diagnosis.hygiene import Trial, differs, find_hygiene
from gradtool.diagnosis.suspect import Sight, Suspect
from gradtool.references.sampling import DOMAIN_ERRORS
from gradtool.results import Cause, GradientResult, Hygiene, Point, Verdict
from gradtool.target import Calling, Case, Target, Values
from gradtool.targets.points import Chosen, branch_points, nudged_points, random_points, tie_points
from gradtool.tracebacks import user_traceback
from gradtool.verdict.black_box import PointJudge, Rule
from gradtool.verdict.caller import Caller, Handed, UnsupportedError, UserCodeError, checked_outputs, is_float
from gradtool.verdict.judgement import Judgement, NotNumbersError

Array = NDArray[Any]
MORE_SIGHTS = 3
"""Points beside the one where a gradient was found WRONG at which a hypothesis about the cause must fit as well."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a target is checked. ``points`` random points are looked at beside the given one, and others where code may take
    another branch; ``rtol`` and ``atol`` replace the measured bounds by a fixed rule."""

    points: int = 3
    seed: int = 0
    resolution: float | None = None
    rtol: float | None = None
    atol: float | None = None
    max_evaluations: int = 200_000

    @property
    def rule(self) -> Rule:
        """How differences are judged."""
        return Rule(self.resolution, self.rtol, self.atol, self.max_evaluations)


@dataclass(eq=False)
class Look:
    """A calling at one point: the judge, what backward gave, and what was said of it."""

    judge: PointJudge
    point: Point
    gradients: Mapping[str, Any]
    judgements: dict[str, Judgement] = field(default_factory=dict)
    raised: str | None = None


class Examination:
    """One calling of one case of a target, examined."""

    def __init__(self, target: Target, case: Case, calling: Calling, settings: Settings) -> None:
        self.target = target
        self.case = case
        self.calling = calling
        self.calling_index = case.callings.index(calling) if calling in case.callings else 0
        self.settings = settings
        self.wrt = tuple(name for name in case.wrt if is_float(case.values[name]))
        self.caller = Caller(calling, target.generators, settings.seed)
        self.rng = np.random.default_rng([settings.seed, 4099])
        self.unusable: str | None = None
        self.notes: list[str] = []
        self.hygiene: list[Hygiene] = []
        self.gradients: dict[str, GradientResult] = {}
        self.looks: list[Look] = []

    @property
    def verdict(self) -> Verdict:
        return Verdict.worst([found.verdict for found in self.gradients.values()])

    @property
    def badness(self) -> tuple[int, int]:
        """OK before UNDECIDED before WRONG, and of the WRONG ones those with the fewest wrong gradients."""
        wrong = sum(found.verdict is Verdict.WRONG for found in self.gradients.values())
        return (list(Verdict).index(self.verdict) if self.verdict is Verdict.OK else 2 - (not wrong), wrong)

    # The given point ----------------------------------------------------------------------------------------------------

    def look(self, known: Sequence[Examination] = (), *, glance: bool = False) -> None:
        """Judge every gradient at the case's own point; with ``glance`` only where one random direction, in which all inputs
        move, shows a difference. Raises ``UnsupportedError`` and ``UserCodeError``."""
        if not self.wrt:
            raise UnsupportedError(_nothing_to_differentiate(self.case))
        values = self.case.values
        handed = self._settled(values)
        self._note_changed_inputs(handed)
        outputs = checked_outputs(handed.run.outputs)
        if not all(np.isfinite(np.asarray(o, dtype=np.float64)).all() for o in outputs):
            self.notes.append("forward is not finite at this point")
        judge = self._judge_of(values, outputs, known[0].looks[0].judge if known and known[0].looks else None)
        look = Look(judge, Point("given", {}, self.case.label), {})
        self.looks.append(look)
        self._judge(look, handed, glance)
        self._enter(look)

    def _settled(self, values: Values) -> Handed:
        """A forward that gives the same when it is run again; generators are pinned where that takes it."""
        first = self.caller.forward(values)
        outputs = [np.array(o) for o in first.run.outputs]
        again = self.caller.forward(values)
        if _same(outputs, again.run.outputs):
            return again
        self.caller.pinned = True
        first = self.caller.forward(values)
        outputs = [np.array(o) for o in first.run.outputs]
        again = self.caller.forward(values)
        if _same(outputs, again.run.outputs):
            return again
        raise UnsupportedError(
            "forward gives another result at every call, and pinning NumPy's, Python's and PyTorch's generators does not help: "
            "let it take its random generator or seed as an argument"
        )

    def _note_changed_inputs(self, handed: Handed) -> None:
        for name, before in handed.before.items():
            after = handed.values[name]
            if isinstance(after, np.ndarray) and not np.array_equal(before, after, equal_nan=after.dtype.kind == "f"):
                self.notes.append(f"forward changes its input {name} in place")

    def _judge_of(self, values: Values, outputs: Sequence[Array], known: PointJudge | None = None) -> PointJudge:
        return PointJudge(
            self.caller, values, outputs, self._upstream(outputs), self.wrt, self.settings.rule,
            known=known, function=self.case.function,
        )  # fmt: skip

    def _upstream(self, outputs: Sequence[Array]) -> list[Array]:
        """Random upstream gradients, one an output, with entries of both signs and none near 0."""
        if self.calling.upstream == "one":
            if sum(np.size(output) for output in outputs) != 1:
                raise UnsupportedError("backward takes no upstream gradient, but forward's output is not a scalar")
            return [np.ones_like(np.asarray(output, dtype=np.float64)) for output in outputs]
        drawn = []
        for output in outputs:
            u = np.asarray(self.rng.standard_normal(np.shape(output)))
            u = np.asarray(u + np.copysign(0.3, u))
            if u.size > 1 and np.count_nonzero(u > 0) in (0, u.size):
                u.ravel()[0] *= -1
            kind = np.asarray(output).dtype
            drawn.append(u.astype(kind) if kind.kind == "f" else u)
        return drawn

    def _judge(self, look: Look, handed: Handed, glance: bool) -> None:
        """Run backward and enter the judgements. Raises ``UnsupportedError`` where backward is not implemented."""
        judge = look.judge
        try:
            look.gradients = dict(self.caller.backward(handed, [np.array(u) for u in judge.upstream]))
        except UserCodeError as error:
            if isinstance(error.cause, NotImplementedError):
                raise UnsupportedError(f"backward is not implemented {error.cause}".rstrip()) from None
            look.raised = user_traceback(error.cause)
            return
        try:
            if glance and judge.agrees_along_directions(look.gradients, seed=self.settings.seed):
                return
            look.judgements = judge.judge(look.gradients)
            self._note_where_forward_raised(judge.function.raised)
        except NotNumbersError as error:
            raise UnsupportedError(str(error)) from None

    def _note_where_forward_raised(self, error: BaseException | None) -> None:
        """Beside the point; a domain error is no news, others may be a mistake in forward."""
        if error is not None and not isinstance(error, DOMAIN_ERRORS):
            self.notes.append(
                f"beside the point forward raised {type(error).__name__}: {error}; taken as the end of its domain"
            )

    def _enter(self, look: Look) -> None:
        """The judgements at a point as results."""
        for name in self.wrt:
            if look.raised is not None:
                shape = np.shape(self.case.values[name])
                self.gradients[name] = GradientResult(
                    name, shape, Verdict.WRONG, 0, int(np.prod(shape)), point=look.point,
                    reason=f"backward raised {look.raised.splitlines()[-1]}",
                )  # fmt: skip
            elif name in look.judgements:
                self.gradients[name] = _result(name, look.judgements[name], look.point)

    # Hygiene and more points --------------------------------------------------------------------------------------------

    def look_further(self) -> None:
        """Hygiene, random points, other branches and ties."""
        look = self.looks[0]
        if look.raised is not None:
            return
        ignores = self._ignores_upstream(look)
        zeros = frozenset(name for name, found in look.judgements.items() if found.is_zero)
        trial = Trial(
            self.caller, self.case.values, self.wrt, look.judge.upstream, look.gradients, ignores, zeros
        )  # fmt: skip
        self.hygiene = find_hygiene(trial)
        if self.verdict is Verdict.WRONG:
            return
        for chosen in self._points():
            if self._turned_by(chosen):
                return

    def _ignores_upstream(self, look: Look) -> bool:
        """Whether a gradient is WRONG and the same for another upstream."""
        if self.calling.upstream != "given" or self.verdict is not Verdict.WRONG:
            return False
        other = [np.asarray(-2.0 * u, dtype=u.dtype) for u in look.judge.upstream]
        again = self.caller.gradients(self.case.values, other)
        for name, found in self.gradients.items():
            mine, second = look.gradients.get(name), again.get(name)
            if found.verdict is Verdict.WRONG and mine is not None and second is not None:
                one, two = np.asarray(mine), np.asarray(second)
                if one.dtype.kind == "f" and one.any() and not differs(one, two):
                    return True
        return False

    def _points(self) -> Iterator[Chosen]:
        values, names, rng = self.case.values, self.wrt, np.random.default_rng([self.settings.seed, 7])
        undecided = any(found.verdict is Verdict.UNDECIDED for found in self.gradients.values())
        if self.settings.points and undecided and not self.looks[-1].judge.is_short:
            yield from nudged_points(values, names, rng)
        yield from random_points(values, names, self.settings.points, rng)
        # Where single precision computed forward, other magnitudes tell more of rounding than of backward.
        if self.settings.points and not self.looks[-1].judge.is_short:
            yield from branch_points(values, names, rng)
            yield from tie_points(values, names, rng)

    def _turned_by(self, chosen: Chosen) -> bool:
        """Whether a point that gradtool chose shows that a gradient is WRONG. What raises there is left alone."""
        point = Point(chosen.kind, _shown(chosen.values, self.wrt), chosen.label)
        look = self._look_at(chosen.values, point, ties=self._places(chosen) if chosen.ties else ())
        if look is None:
            return False
        wrong = {name: j for name, j in look.judgements.items() if j.verdict is Verdict.WRONG}
        if not wrong:
            return False
        self.looks.insert(0, look)
        for name, judgement in wrong.items():
            self.gradients[name] = _result(name, judgement, look.point)
        return True

    def _places(self, chosen: Chosen) -> list[tuple[int, ...]]:
        """The ties of a chosen point as places in all inputs of ``wrt``, one after the other."""
        sizes = [np.size(self.case.values[name]) for name in self.wrt]
        first = dict(zip(self.wrt, accumulate(sizes[:-1], initial=0), strict=True))
        return [tuple(first[name] + k for name, k in tie) for tie in chosen.ties]

    def _look_at(
        self, values: Values, point: Point, *, ties: Sequence[tuple[int, ...]] = (), judged: bool = True
    ) -> Look | None:
        """A look at another point; None where forward or backward raises there, forward is not finite, or (where it is to be
        ``judged``) a random direction, or at ties the directions that move them, show no difference."""
        try:
            handed = self.caller.forward(values)
            outputs = checked_outputs(handed.run.outputs)
            if not all(np.isfinite(np.asarray(o, dtype=np.float64)).all() for o in outputs):
                return None
            judge = self._judge_of(values, outputs)
            gradients = dict(self.caller.backward(handed, [np.array(u) for u in judge.upstream]))
            if ties:
                found = judge.judge_tie(gradients, ties)
                return Look(judge, point, gradients, found) if found else None
            if not judged:
                return Look(judge, point, gradients)
            if judge.agrees_along_directions(gradients, seed=self.settings.seed):
                return None
            return Look(judge, point, gradients, judge.judge(gradients))
        except UserCodeError as error:
            said = f"at a point that gradtool chose ({point.label or point.kind}) the code raised {error}"
            if said not in self.notes:
                self.notes.append(said)
            return None
        except (UnsupportedError, NotNumbersError):
            return None

    def turns_wrong(self) -> bool:
        """Whether this case, another setting of a target that is right so far, shows that it is WRONG."""
        try:
            self.look(glance=True)
            if self.verdict is not Verdict.WRONG:
                self.look_further()
            if self.verdict is Verdict.WRONG or any(found.is_wrong for found in self.hygiene):
                self.name_causes()
                return True
        except (UserCodeError, UnsupportedError, NotNumbersError):
            return False  # The setting is gradtool's own guess: what it does not take it need not take.
        return False

    def withhold(self, reason: str) -> None:
        """Leave open what is WRONG, for this reason."""
        for name, found in self.gradients.items():
            if found.verdict is Verdict.WRONG:
                self.gradients[name] = replace(found, verdict=Verdict.UNDECIDED, reason=reason)

    def take(self, other: Examination) -> None:
        """Enter what another case showed."""
        for name, found in other.gradients.items():
            if found.verdict is Verdict.WRONG and name in self.gradients:
                label = other.case.label if found.point.kind == "given" else f"{other.case.label}, {found.point.label}"
                inputs = found.point.inputs or _shown(other.case.values, other.wrt)
                point = replace(found.point, inputs=inputs, label=label)
                self.gradients[name] = replace(found, point=point)
        self.hygiene += [found for found in other.hygiene if found.code not in {h.code for h in self.hygiene}]

    # Causes ---------------------------------------------------------------------------------------------------------------

    def name_causes(self) -> None:
        """Name the cause of every WRONG gradient."""
        wrong = [name for name, found in self.gradients.items() if found.verdict is Verdict.WRONG]
        if not wrong:
            return
        sights = self._sights()
        raised = self.looks[0].raised
        for name in wrong:
            judgement = self.looks[0].judgements.get(name)
            suspect = Suspect(
                name, self.wrt, sights, self.case, raised, passes_upstream=self.calling.upstream == "given",
                at_tie=judgement is not None and judgement.problem == "tie",
                only=None if judgement is None else judgement.only,
            )  # fmt: skip
            cause: Cause = name_cause(suspect)
            self.gradients[name] = replace(self.gradients[name], cause=cause)
        if any(found.cause is not None and found.cause.code == "GC117" for found in self.gradients.values()):
            self.hygiene = [found for found in self.hygiene if found.code != "GC304"]

    def _sights(self) -> list[Sight]:
        """The points where a hypothesis must fit: where it was found, and some more of the same shapes."""
        looks = [look for look in self.looks if look.raised is None]
        if not looks or not looks[0].judge.affordable:
            return [self._sight(look) for look in looks if look.judge.affordable]
        rng = np.random.default_rng([self.settings.seed, 11])
        for chosen in random_points(self.case.values, self.wrt, 2 * MORE_SIGHTS, rng):
            if len(looks) > MORE_SIGHTS:
                break
            more = self._look_at(chosen.values, Point("random"), judged=False)
            if more is not None:
                looks.append(more)
        return [self._sight(look) for look in looks]

    def _sight(self, look: Look) -> Sight:
        judge = look.judge
        values = {name: np.asarray(value) for name, value in judge.values.items()}
        return Sight(
            look.point,
            values,
            tuple(np.asarray(o, dtype=np.float64) for o in judge.outputs),
            tuple(np.asarray(u, dtype=np.float64) for u in judge.upstream),
            look.gradients,
            {name: judge.numeric(name).value for name in self.wrt},
            {name: judge.bound(name, look.gradients) for name in self.wrt},
            lambda upstream: self.caller.gradients(judge.values, upstream),
            judge.jacobian,
        )


def _nothing_to_differentiate(case: Case) -> str:
    if not case.wrt:
        return "none of its inputs is differentiated: all are integers or booleans (give floats, such as 1.0)"
    return f"its inputs are integers: {', '.join(case.wrt)} (give floats, such as 1.0)"


def _same(one: Sequence[Array], other: Sequence[Array]) -> bool:
    return len(one) == len(other) and not any(
        differs(np.asarray(a), np.asarray(b)) for a, b in zip(one, other, strict=True)
    )


def _shown(values: Values, names: Sequence[str]) -> dict[str, Any]:
    return {name: values[name] for name in names}


def _result(name: str, judgement: Judgement, point: Point) -> GradientResult:
    return GradientResult(
        name=name,
        shape=judgement.right.shape,
        verdict=judgement.verdict,
        checked=judgement.checked,
        of=judgement.right.size,
        worst=judgement.worst,
        relative_error=judgement.relative_error,
        digits=judgement.digits,
        detectable=judgement.detectable,
        evaluations=judgement.evaluations,
        miss_probability=judgement.miss_probability,
        point=point,
        reason=judgement.reason,
    )
