"""What a worker does with one file, and how it keeps the user's code from doing harm to anything but the worker itself."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path

import numpy as np

from gradtool.acceptance.comments import CommentError, accept
from gradtool.checking import Settings, check_target, contained
from gradtool.isolation.echo import Echo
from gradtool.isolation.messages import Announced, Begun, Broken, Done, Loaded, Loading, Message, Misused, Result, Task
from gradtool.minimal_case import NotShownError, reproduce, shrink
from gradtool.results import HINT, Outcome, Skipped, TargetResult
from gradtool.self_test import self_test
from gradtool.target import Target
from gradtool.targets import find_targets
from gradtool.targets.found import Found
from gradtool.targets.given import Names
from gradtool.targets.inputs import InputMakerError, make_target, names_of
from gradtool.targets.loading import LoadError, load
from gradtool.targets.scope import MISSING, Scope
from gradtool.tracebacks import user_traceback

PACKAGE = str(Path(__file__).resolve().parent.parent) + os.sep
PATIENCE = 2.0
"""What takes longer, in spare seconds of the task, is not run again and again."""
NO_INPUTS = "no inputs found"
"""How the reason begins where a target is skipped as nobody could make inputs for it."""
BUG = "this is a bug in gradtool, please report it with the text below"


def work(connection: Connection, task: Task) -> None:
    """Say all there is to say of a file. The process is the worker's own."""
    echo = _shut_off()
    try:
        for message in messages(task, connection.recv):
            echo.end()
            echo.begin(f"{message.id if isinstance(message, Begun) else task.display}: ")
            _send(connection, message)
        echo.end()
    except (BrokenPipeError, ConnectionResetError, EOFError):
        return  # Nobody listens any more.


def _send(connection: Connection, message: Message) -> None:
    try:
        connection.send(message)
    except (BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:  # It holds something that cannot leave this process.
        if not isinstance(message, Result):
            raise
        text = f"{BUG}\nthe result cannot be handed over: {type(error).__name__}: {error}"
        connection.send(Result(message.id, TargetResult(message.id, "", "", "", Outcome.ERROR, error=text)))


def messages(task: Task, following: Callable[[], str | None] | None = None) -> Iterator[Message]:
    """All there is to say of a file, each message as soon as it is known. ``following`` gives the id of the target to look at
    next, and None after the last; without it all that are wanted have their turn."""
    yield Loading()
    ready = loaded(task)
    if isinstance(ready, Broken):
        yield ready
        return
    scope, found = ready
    names = [names_of(one, scope) for one in found]
    yield Loaded(
        tuple(
            Announced(name.id, task.wants(name.id), one.line, one.convention, name)
            for one, name in zip(found, names, strict=True)
        ),
        getattr(scope, "notes", ()),
    )
    by_id = {name.id: one for one, name in zip(found, names, strict=True)}
    for target_id in filter(task.wants, by_id) if following is None else iter(following, None):
        yield Begun(target_id)
        try:
            yield look_at(by_id[target_id], scope, task)
        except CommentError as error:
            yield Misused(str(error))
            return
    yield Done()


def loaded(task: Task) -> tuple[Scope, list[Found]] | Broken:
    """The module of a task and its targets; why there are none where it cannot be imported."""
    try:
        with contained():
            scope = load(task.path, task.display, definitions_only=task.definitions_only)
            return scope, find_targets(scope)
    except LoadError as error:
        text = error.traceback_of_the_user.rstrip()
        if isinstance(error.__cause__, SystemExit):  # Nothing is wrong with it, but it is no module to import.
            text += f"\n{error.message.removeprefix(f'{task.display}: ')}"
        line = _line_within(error.__cause__, task.path)
        if line is not None and (hint := _import_hint(error.__cause__, task.definitions_only)):
            text += f"\n{HINT}{hint}"
        return Broken(text, line or 1)
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        return Broken(raised(error, task.path))


def _line_within(error: BaseException | None, path: Path) -> int | None:
    """The innermost line of the file at ``path`` that an exception leads to; None where it leads to none."""
    if isinstance(error, SyntaxError) and error.filename is not None and _is_same(error.filename, path):
        return error.lineno
    frames = [] if error is None else traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if _is_same(frame.filename, path)]
    return lines[-1] if lines else None


def _import_hint(error: BaseException | None, definitions_only: bool) -> str | None:
    """What to do about a module that raises ``error`` on import, where that can be told."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition(".")[0]
        if package == error.name:
            return (
                f"{sys.executable} has no module {package}: install it there, or set PYTHONPATH to the folder it is in"
            )
    if not isinstance(error, Exception) or isinstance(error, SyntaxError | ImportError) or definitions_only:
        return None
    return "where this is a script, --definitions-only leaves out the work that it does on import"


def look_at(found: Found, scope: Scope, task: Task) -> Result:
    """Make a target and check it; or, where the task is to list, only say how it would be called. Whatever the user's code
    raises becomes an ERROR, and what it changes of the process is undone. Raises ``CommentError``."""
    names = names_of(found, scope)
    settings = Settings(**task.settings)
    try:
        with contained():
            target = make_target(found, scope, task.given, settings.seed)
            if isinstance(target, Skipped):
                wanting = target.reason.startswith(NO_INPUTS)
                return Result(names.id, replace(target, file=scope.display), _required(found) if wanting else ())
            result = listed(target) if task.list_only else check_target(target, settings)
            result = accept(_as_shown(result, scope), scope)
            return Result(names.id, result if task.list_only else looked_into(result, target, scope, names, task))
    except CommentError:
        raise
    except InputMakerError as error:
        why = "\n".join(part for part in (error.message, error.traceback_of_the_user.rstrip()) if part)
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        why = raised(error, scope.path)
    failed = TargetResult(
        names.id, found.convention, found.forward, found.backward, Outcome.ERROR,
        file=scope.display, line=found.line, error=why,
    )  # fmt: skip
    return Result(names.id, failed)


def looked_into(result: TargetResult, target: Target, scope: Scope, names: Names, task: Task) -> TargetResult:
    """The result with what the task asks for beyond a verdict: a self-test where it is OK, a minimal case where it fails."""
    settings = Settings(**task.settings)
    if (task.self_test or task.reproduce) and result.seconds > PATIENCE * task.spare_seconds:
        note = f"{'not reproduced' if result.fails else 'no self-test'}: the check alone took {result.seconds:.0f} s"
        return replace(result, notes=(*result.notes, note))
    if task.self_test:
        result = replace(result, self_test=self_test(target, result, settings, seconds=task.spare_seconds))
    if task.reproduce and result.fails:
        told = task.given
        given = {**told.in_configuration(names), **told.in_file(names), **told.on_command_line(names)}
        try:
            minimal = shrink(target, result, settings, seconds=task.spare_seconds)
            test = reproduce(
                minimal, scope.module, inputs=given, seed=settings.seed, definitions_only=task.definitions_only
            )
        except NotShownError as error:
            return replace(result, notes=(*result.notes, f"not reproduced: {error}"))
        result = replace(result, reproduction=test)
    return result


def _required(found: Found) -> tuple[str, ...]:
    return tuple(one.name for one in found.parameters if one.default is MISSING)


def _as_shown(result: TargetResult, scope: Scope) -> TargetResult:
    """The result with the module's path as ids have it."""

    def shown(file: str | None) -> str | None:
        return scope.display if file is not None and _is_same(file, scope.path) else file

    gradients = tuple(
        one if one.cause is None else replace(one, cause=replace(one.cause, file=shown(one.cause.file)))
        for one in result.gradients
    )
    return replace(result, file=shown(result.file), gradients=gradients)


def listed(target: Target) -> TargetResult:
    """How a target would be called, as a result without a verdict: the callings and the further cases are its notes."""
    given, *others = target.cases
    notes = [*target.notes, f"called as {', else as '.join(calling.description for calling in given.callings)}"]
    if others:
        labels = [case.label or "other values" for case in others]
        notes.append("also " + "; ".join(one if one.startswith("with") else f"with {one}" for one in labels))
    return TargetResult(
        target.id, target.convention, target.forward, target.backward, Outcome.SKIPPED, target.file, target.line,
        inputs={name: np.shape(value) for name, value in given.values.items()}, input_source=target.input_source,
        notes=tuple(notes), intentional=target.intentional,
    )  # fmt: skip


def raised(error: BaseException, path: Path) -> str:
    """What to say of an exception: the user's own traceback; all of it where gradtool itself is at fault."""
    frames = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    decisive = [name for name in frames if name.startswith(PACKAGE) or _is_same(name, path)]
    if isinstance(error, Exception) and decisive and decisive[-1].startswith(PACKAGE):
        return f"{BUG}\n{''.join(traceback.format_exception(error)).rstrip()}"
    return user_traceback(error)


def _is_same(filename: str, path: Path) -> bool:
    return filename == str(path) or os.path.realpath(filename) == os.path.realpath(path)


# The process -----------------------------------------------------------------------------------------------------------


def _shut_off() -> Echo:
    """Lead a group of processes of its own, have no input, write to standard error alone (what is printed goes through the
    stream that is returned), leave Ctrl-C to the parent, and end when the parent has ended."""
    if hasattr(os, "setsid"):
        with contextlib.suppress(OSError):  # It leads one already.
            os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    try:
        os.dup2(2, 1)
    except OSError:  # The process was started without standard error.
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 (open until exit)
    sys.stderr = open(  # noqa: SIM115
        2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False
    )
    sys.stdout = echo = Echo(sys.stderr)
    threading.Thread(target=_end_with_parent, daemon=True, name="gradtool: is the parent there?").start()
    return echo


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        if hasattr(os, "killpg"):
            os.killpg(os.getpgid(0), signal.SIGKILL)
        os._exit(1)
