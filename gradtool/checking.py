"""What ``check`` does with one target, in order: forward, upstream, backward, reference, verdicts, hygiene, other points,
causes."""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradtool.diagnosis.causes import name_cause
from gradtool.diagnosis.hygiene import Trial, differs, find_hygiene
from gradtool.diagnosis.suspect import Sight, Suspect
from gradtool.references.sampling import DOMAIN_ERRORS
from gradtool.results import Cause, GradientResult, Hygiene, Outcome, Point, TargetResult, Verdict
from gradtool.target import Calling, Case, PlainRun, Run, Target, Values
from gradtool.targets.points import Chosen, branch_points, random_points, tie_points
from gradtool.tracebacks import user_traceback
from gradtool.verdict.black_box import Judgement, NotNumbersError, PointJudge, Rule
from gradtool.verdict.caller import Caller, Handed, UnsupportedError, UserCodeError, checked_outputs, is_float

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


class GradientError(AssertionError):
    """A gradient is WRONG; ``result`` has the whole story."""

    def __init__(self, message: str, result: TargetResult) -> None:
        super().__init__(message)
        self.result = result


# The Python API --------------------------------------------------------------------------------------------------------


def check(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    inputs: Sequence[Any],
    *,
    names: Sequence[str] | None = None,
    settings: Settings | None = None,
) -> TargetResult:
    """Check a hand-written backward pass.

    ``forward(*inputs)`` gives an array or a tuple of arrays; ``backward(upstream, *inputs)`` gives one gradient an input, a
    single array where there is one input (``upstream`` is a tuple where forward gives one). Arrays of integers, booleans and
    Python integers are labels or masks and not differentiated; their gradient should be None. ``names`` are what the inputs
    are called in the result; else they are called as in forward's signature.

    Raises ``TypeError`` where ``inputs`` holds something else than numbers and arrays of them.
    """
    labels = list(names) if names is not None else input_names(forward, len(inputs))
    if len(labels) != len(inputs):
        raise TypeError(f"{len(inputs)} inputs and {len(labels)} names")
    values = {label: _as_input(label, value) for label, value in zip(labels, inputs, strict=True)}
    wrt = tuple(name for name, value in values.items() if is_float(value))

    def start(given: Values) -> Run:
        arguments = list(given.values())
        raw = forward(*arguments)
        several = isinstance(raw, tuple | list)
        outputs = tuple(np.asarray(o) for o in raw) if several else (np.asarray(raw),)

        def run_backward(*upstream: Array) -> Mapping[str, Any]:
            found = backward(tuple(upstream) if several else upstream[0], *arguments)
            return _by_name(found, given, wrt)

        return PlainRun(outputs, run_backward)

    def function(*arguments: Any) -> Any:
        return forward(*arguments)

    called = f"{_name_of(backward)}(upstream, {', '.join(labels)})"
    case = Case(values, wrt, (Calling(start, called),), function=function)
    return check_target(_target_of(forward, backward, "function", case), settings)


def check_jacobian(
    fun: Callable[..., Any], jac: Callable[..., Any], x: Any, *args: Any, settings: Settings | None = None
) -> TargetResult:
    """Check a Jacobian or gradient in the style of SciPy: ``fun(x, *args)`` gives a number or a vector, ``jac(x, *args)`` its
    derivative, of the output's shape followed by x's."""

    def start(given: Values) -> Run:
        at = given["x"]
        output = np.asarray(fun(at, *args))

        def run_backward(*upstream: Array) -> Mapping[str, Any]:
            derivative = jac(at, *args)
            if derivative is None:
                return {"x": None}
            return {"x": contracted(upstream[0], np.asarray(derivative), np.shape(at))}

        return PlainRun((output,), run_backward)

    case = Case({"x": _as_input("x", x)}, ("x",), (Calling(start, f"{_name_of(jac)}(x)", "contracted"),), None,
                lambda at: fun(at, *args))  # fmt: skip
    return check_target(_target_of(fun, jac, "jacobian", case), settings)


def check_value_and_grad(f: Callable[..., Any], x: Any, *args: Any, settings: Settings | None = None) -> TargetResult:
    """Check a function that gives ``(value, gradient)`` at once: ``f(x, *args)``, with a scalar value and a gradient of x's
    shape."""

    def start(given: Values) -> Run:
        value, gradient = f(given["x"], *args)
        return PlainRun((np.asarray(value),), lambda *_: {"x": gradient})

    case = Case({"x": _as_input("x", x)}, ("x",), (Calling(start, f"{_name_of(f)}(x)", "one"),), None,
                lambda at: f(at, *args)[0])  # fmt: skip
    return check_target(_target_of(f, f, "value-and-gradient", case), settings)


def input_names(forward: Callable[..., Any], count: int) -> list[str]:
    """What forward calls its positional parameters; ``x0``, ``x1``, ... where it does not say."""
    try:
        parameters = list(inspect.signature(forward).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return positional[:count] if len(positional) >= count else [f"x{i}" for i in range(count)]


def contracted(upstream: Array, derivative: Array, shape: tuple[int, ...]) -> Array:
    """``upstream`` times a Jacobian of shape output + input. A derivative of another shape is given back as it is, for the
    shape to be told wrong; but a derivative that has the shape of output and input both is elementwise."""
    if derivative.shape == (*upstream.shape, *shape):
        return np.asarray(np.tensordot(upstream, derivative, axes=upstream.ndim))
    if derivative.shape == shape == upstream.shape:
        return np.asarray(upstream * derivative)
    return derivative


def _by_name(found: Any, given: Values, wrt: Sequence[str]) -> Mapping[str, Any]:
    """Returned gradients by their input's name: one an input, or one for each that is differentiated. A list of numbers of the
    only input's shape is its gradient."""
    if isinstance(found, Mapping):
        return found
    labels = list(given)
    only = (wrt or labels)[0] if len(wrt) == 1 or len(labels) == 1 else None
    if not isinstance(found, tuple | list):
        return {only or (wrt or labels)[0]: found}
    if only is not None and _is_one_array(found, np.shape(given[only])):
        return {only: found}
    if len(found) == len(labels):
        return dict(zip(labels, found, strict=True))
    if len(found) == len(wrt):
        return dict(zip(wrt, found, strict=True))
    raise ValueError(f"backward gave {len(found)} gradients for {len(labels)} inputs ({', '.join(labels)})")


def _is_one_array(found: Sequence[Any], shape: tuple[int, ...]) -> bool:
    """Whether a list is an array of this shape itself, and not a list that holds one."""
    if any(item is None or (isinstance(item, np.ndarray) and item.shape == shape) for item in found):
        return False
    with contextlib.suppress(ValueError):  # Lists of unequal lengths.
        return np.shape(found) == shape
    return False


def _as_input(name: str, value: Any) -> Any:
    if isinstance(value, bool | int | float | np.ndarray | np.generic):
        return np.asarray(value) if isinstance(value, np.generic) else value
    found = np.asarray(value)
    if found.dtype.kind not in "fiub":
        raise TypeError(f"input {name} is no number and no array of numbers, but {type(value).__name__}")
    return found


def _name_of(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", type(function).__name__)


def _target_of(forward: Callable[..., Any], backward: Callable[..., Any], convention: str, case: Case) -> Target:
    code = getattr(inspect.unwrap(backward), "__code__", None)
    names = (_name_of(forward), _name_of(backward))
    return Target(
        id=names[0] if names[0] == names[1] else f"{names[0]}/{names[1]}",
        convention=convention,
        forward=names[0],
        backward=names[1],
        cases=(case,),
        file=None if code is None else code.co_filename,
        line=None if code is None else code.co_firstlineno,
    )


# One target ------------------------------------------------------------------------------------------------------------


def check_target(target: Target, settings: Settings | None = None) -> TargetResult:
    """Check one target. What the user's code raises becomes part of the result: a backward that raises is WRONG (GC120), a
    forward that raises is an ERROR. Runs the user's own code, and puts the working directory, NumPy's error state and
    the warning filters back afterwards."""
    chosen = settings or Settings()
    began = perf_counter()
    with contained():
        result = _checked(target, chosen)
    return replace(result, seconds=perf_counter() - began)


@contextlib.contextmanager
def contained() -> Iterator[None]:
    """Undo what the user's code may change for others: the working directory, NumPy's error state, warnings, arguments."""
    folder, arguments = os.getcwd(), list(sys.argv)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            sys.argv[:] = arguments
            with contextlib.suppress(OSError):  # The folder may be gone.
                os.chdir(folder)


def _blank(target: Target, verdict: Outcome, **more: Any) -> TargetResult:
    given = target.cases[0]
    return TargetResult(
        target.id, target.convention, target.forward, target.backward, verdict, target.file, target.line,
        inputs={name: np.shape(value) for name, value in given.values.items()},
        input_source=target.input_source, intentional=target.intentional,
        **{"notes": target.notes, **more},
    )  # fmt: skip


def _checked(target: Target, settings: Settings) -> TargetResult:
    given = target.cases[0]
    tried: list[_Examination] = []
    for calling in given.callings:
        examination = _Examination(target, given, calling, settings)
        try:
            examination.look(known=tried)
        except UnsupportedError as error:
            examination.unusable = str(error)
        except UserCodeError as error:
            return _blank(target, Outcome.ERROR, error=user_traceback(error.cause))
        tried.append(examination)
        if examination.verdict is Verdict.OK:
            break
    usable = [e for e in tried if e.unusable is None]
    if not usable:
        return _blank(target, Outcome.SKIPPED, error=None, notes=(*target.notes, tried[0].unusable or ""))
    best = min(usable, key=lambda e: e.badness)
    wrong_here = best.verdict is Verdict.WRONG
    unknown = wrong_here and not any(calling.certain for calling in given.callings)
    try:
        if unknown:
            best.withhold(_call_unknown(target))
        else:
            best.look_further()
            best.name_causes()
    except UnsupportedError as error:
        return _blank(target, Outcome.SKIPPED, notes=(*target.notes, str(error)))
    except UserCodeError as error:
        return _blank(target, Outcome.ERROR, error=user_traceback(error.cause))
    others = [e.calling.description for e in usable if e is not best]
    notes = [*target.notes, f"called as {best.calling.description}", *best.notes]
    if wrong_here and not unknown:
        notes += _right_instead(target, settings, tried)
    if others and best.verdict is not Verdict.OK:
        notes.append(f"also tried, and no better: {', '.join(others)}")
    for case in target.cases[1:]:
        if unknown or best.verdict is Verdict.WRONG:
            break
        index = best.calling_index if best.calling_index < len(case.callings) else 0
        varied = _Examination(target, case, case.callings[index], settings)
        if varied.turns_wrong():
            best.take(varied)
    wrong = best.verdict is Verdict.WRONG or any(found.is_wrong for found in best.hygiene)
    return _blank(
        target,
        Outcome.WRONG if wrong else Outcome(best.verdict.value),
        gradients=tuple(best.gradients.values()),
        hygiene=tuple(best.hygiene),
        notes=tuple(notes),
    )


def _right_instead(target: Target, settings: Settings, tried: Sequence[_Examination]) -> Iterator[str]:
    """What is to be said of ways to call a WRONG backward that its names speak against, and in which it would be right."""
    given = target.cases[0]
    for calling, said in given.instead:
        examination = _Examination(target, given, calling, settings)
        with contextlib.suppress(UnsupportedError, UserCodeError):
            examination.look(known=tried)
            if examination.verdict is Verdict.OK:
                yield said


def _call_unknown(target: Target) -> str:
    return (
        f"how {target.backward} wants to be called could not be told: name its parameters dout for the upstream gradient, and "
        f"like what {target.forward} takes or returns for the others"
    )


@dataclass(eq=False)
class _Look:
    """A calling at one point: the judge, what backward gave, and what was said of it."""

    judge: PointJudge
    point: Point
    gradients: Mapping[str, Any]
    judgements: dict[str, Judgement] = field(default_factory=dict)
    raised: str | None = None


class _Examination:
    """One calling of one case of a target, examined."""

    def __init__(self, target: Target, case: Case, calling: Calling, settings: Settings) -> None:
        self.target = target
        self.case = case
        self.calling = calling
        self.calling_index = case.callings.index(calling) if calling in case.callings else 0
        self.settings = settings
        self.caller = Caller(calling, target.generators, settings.seed)
        self.rng = np.random.default_rng([settings.seed, 4099])
        self.unusable: str | None = None
        self.notes: list[str] = []
        self.hygiene: list[Hygiene] = []
        self.gradients: dict[str, GradientResult] = {}
        self.looks: list[_Look] = []

    @property
    def wrt(self) -> tuple[str, ...]:
        return tuple(name for name in self.case.wrt if is_float(self.case.values[name]))

    @property
    def verdict(self) -> Verdict:
        return Verdict.worst([found.verdict for found in self.gradients.values()])

    @property
    def badness(self) -> tuple[int, int]:
        """OK before UNDECIDED before WRONG, and of the WRONG ones those with the fewest wrong gradients."""
        wrong = sum(found.verdict is Verdict.WRONG for found in self.gradients.values())
        return (list(Verdict).index(self.verdict) if self.verdict is Verdict.OK else 2 - (not wrong), wrong)

    # The given point ----------------------------------------------------------------------------------------------------

    def look(self, known: Sequence[_Examination] = (), *, glance: bool = False) -> None:
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
        upstream = self._upstream(outputs)
        judge = PointJudge(
            self.caller, values, outputs, upstream, self.wrt, self.settings.rule,
            known=known[0].looks[0].judge if known and known[0].looks else None,
        )  # fmt: skip
        look = _Look(judge, Point("given", {}, self.case.label), {})
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
            if u.size > 1 and ((u > 0).all() or (u < 0).all()):
                u.ravel()[0] *= -1
            kind = np.asarray(output).dtype
            drawn.append(u.astype(kind) if kind.kind == "f" else u)
        return drawn

    def _judge(self, look: _Look, handed: Handed, glance: bool) -> None:
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

    def _enter(self, look: _Look) -> None:
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
        self._ignores = self._ignores_upstream(look)
        zeros = frozenset(name for name, found in look.judgements.items() if found.is_zero)
        trial = Trial(
            self.caller, self.case.values, self.wrt, look.judge.upstream, look.gradients, self._ignores, zeros
        )  # fmt: skip
        self.hygiene = find_hygiene(trial)
        if self.verdict is Verdict.WRONG:
            return
        for chosen in self._points():
            if self._turned_by(chosen):
                return

    _ignores = False

    def _ignores_upstream(self, look: _Look) -> bool:
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
        yield from random_points(values, names, self.settings.points, rng)
        if self.settings.points:
            yield from branch_points(values, names, rng)
            yield from tie_points(values, names, rng)

    def _turned_by(self, chosen: Chosen) -> bool:
        """Whether a point that gradtool chose shows that a gradient is WRONG. What raises there is left alone."""
        point = Point(chosen.kind, _shown(chosen.values, self.wrt), chosen.label)
        look = self._look_at(chosen.values, point, ties=self._places(chosen))
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
        first = dict(zip(self.wrt, np.cumsum([0, *sizes[:-1]]).tolist(), strict=True))
        return [tuple(first[name] + k for name, k in tie) for tie in chosen.ties]

    def _look_at(
        self, values: Values, point: Point, *, ties: Sequence[tuple[int, ...]] = (), always: bool = False
    ) -> _Look | None:
        """A look at another point; None where forward or backward raises there, forward is not finite, or (unless ``always``)
        a random direction, or at ties the directions that move them, show no difference."""
        try:
            handed = self.caller.forward(values)
            outputs = checked_outputs(handed.run.outputs)
            if not all(np.isfinite(np.asarray(o, dtype=np.float64)).all() for o in outputs):
                return None
            judge = PointJudge(self.caller, values, outputs, self._upstream(outputs), self.wrt, self.settings.rule)
            gradients = dict(self.caller.backward(handed, [np.array(u) for u in judge.upstream]))
            if ties:
                found = judge.judge_tie(gradients, ties)
                return _Look(judge, point, gradients, found) if found else None
            if not always and judge.agrees_along_directions(gradients, seed=self.settings.seed):
                return None
            return _Look(judge, point, gradients, judge.judge(gradients))
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

    def take(self, other: _Examination) -> None:
        """Enter what another case showed."""
        for name, found in other.gradients.items():
            if found.verdict is Verdict.WRONG and name in self.gradients:
                point = replace(found.point, inputs=_shown(other.case.values, other.wrt), label=other.case.label)
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
            suspect = Suspect(
                name, self.wrt, sights, self.case, raised, passes_upstream=self.calling.upstream == "given"
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
            more = self._look_at(chosen.values, Point("random"), always=True)
            if more is not None:
                looks.append(more)
        return [self._sight(look) for look in looks]

    def _sight(self, look: _Look) -> Sight:
        judge = look.judge
        values = {name: np.asarray(value) for name, value in judge.values.items()}
        return Sight(
            look.point,
            values,
            tuple(np.asarray(o, dtype=np.float64) for o in judge.outputs),
            tuple(np.asarray(u, dtype=np.float64) for u in judge.upstream),
            look.gradients,
            {name: judge.numeric(name).value for name in self.wrt},
            {name: _bound_of(look, name) for name in self.wrt},
            lambda upstream: self.caller.gradients(judge.values, upstream),
            judge.jacobian,
        )


def _bound_of(look: _Look, name: str) -> Array:
    """The reference's error with the allowance, where there is a judgement."""
    found = look.judgements.get(name)
    return look.judge.numeric(name).error if found is None else found.error


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
