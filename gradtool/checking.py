"""What ``check`` does with one target, in order: forward, upstream, backward, reference, verdicts, hygiene, other points,
causes."""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradtool.examination import Examination, Settings
from gradtool.results import Outcome, TargetResult, Verdict
from gradtool.target import Calling, Case, PlainRun, Run, Target, Values
from gradtool.targets.contraction import contract
from gradtool.tracebacks import user_traceback
from gradtool.verdict.caller import UnsupportedError, UserCodeError, is_float

__all__ = [
    "GradientError", "Settings", "check", "check_jacobian", "check_target", "check_value_and_grad", "contained",
    "input_names",
]  # fmt: skip

Array = NDArray[Any]


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
        several = not isinstance(raw, np.ndarray) and isinstance(raw, tuple | list)
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
    derivative, of the output's shape followed by x's; of x's alone where the output is one number, or is elementwise."""

    def start(given: Values) -> Run:
        at = given["x"]
        output = np.asarray(fun(at, *args))

        def run_backward(*upstream: Array) -> Mapping[str, Any]:
            derivative = jac(at, *args)
            return {"x": contract(upstream[0], derivative, np.shape(at))}

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
    tried: list[Examination] = []
    for calling in given.callings:
        examination = Examination(target, given, calling, settings)
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
        varied = Examination(target, case, case.callings[index], settings)
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


def _right_instead(target: Target, settings: Settings, tried: Sequence[Examination]) -> Iterator[str]:
    """What is to be said of ways to call a WRONG backward that its names speak against, and in which it would be right."""
    given = target.cases[0]
    for calling, said in given.instead:
        examination = Examination(target, given, calling, settings)
        with contextlib.suppress(UnsupportedError, UserCodeError):
            examination.look(known=tried)
            if examination.verdict is Verdict.OK:
                yield said


def _call_unknown(target: Target) -> str:
    return (
        f"how {target.backward} wants to be called could not be told: name its parameters dout for the upstream gradient, and "
        f"like what {target.forward} takes or returns for the others"
    )
