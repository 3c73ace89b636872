"""Checks the targets of files in processes of their own, so that no module can spoil the report of another.

A worker takes one file: it imports the module, says which targets there are, and sends the result of each as it is done.
Where it dies or takes too long, that target is an ERROR, and a fresh worker goes on with the file's remaining ones. Whatever
order they finish in, the report has the files in the order given and their targets in the order of the source.
"""

from __future__ import annotations

import contextlib
import faulthandler
import itertools
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradtool.isolation.messages import Announced, Begun, Broken, Done, Loaded, Loading, Message, Misused, Result, Task
from gradtool.results import CheckReport, Outcome, Skipped, TargetResult

if TYPE_CHECKING:
    from gradtool.targets.given import Names

STARTUP = 120.0
"""Seconds that a worker may take before it begins with the user's module."""
GRACE = 2.0
"""Seconds that a worker may take to end after its last target (what the user's module does at exit)."""
LOOK = 0.25
"""Seconds after which to look for workers that ended without a sign."""

ASK = getattr(signal, "SIGUSR1", None) if hasattr(faulthandler, "register") else None
"""The signal that asks a worker what it is at, where there are such signals."""

MOST_NAMES = 20
"""Names of targets that a note lists."""

WORKER = "gradtool.isolation.worker"
PACKAGE = str(Path(__file__).resolve().parent.parent) + os.sep

Progress = Callable[[int, int, str], None]
"""``progress(done, total, id)``, when something is begun and when it is done: a file counts as one target until it is known
how many it has."""


class MisuseError(ValueError):
    """What the user wrote for gradtool (a comment, a value) does not do; the message says where and why."""


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """A run's report, with what is known beside it. ``found`` are all targets that were found, wanted or not, by the file
    as it is shown, without the files that could not be imported; ``parameters`` names what a target that was skipped
    would need values for; ``stopped`` says that ``maxfail`` ended the run.
    """

    report: CheckReport
    found: Mapping[str, tuple[Names, ...]]
    parameters: Mapping[str, tuple[str, ...]]
    stopped: bool = False


def run(
    tasks: Sequence[Task],
    *,
    jobs: int = 1,
    timeout: float = 60.0,
    maxfail: int | None = None,
    seed: int = 0,
    accept: Callable[[TargetResult], TargetResult] | None = None,
    look_over: Callable[[Mapping[str, tuple[Names, ...]]], None] | None = None,
    progress: Progress | None = None,
) -> Finished:
    """Check the files of ``tasks``, ``jobs`` at a time (0: one for each core). The CLI's and a program's way in; a script calls
    it under ``if __name__ == "__main__":``, as everything that starts processes.

    A target, and the import of a module, may take ``timeout`` seconds. With ``maxfail`` the report ends at the target that
    is the ``maxfail``-th to fail, in the report's order, whatever ``jobs`` is. ``accept`` sees every result before it
    counts, and may accept it. ``look_over`` sees what was found (as in ``Finished.found``) as soon as that is known of all files,
    and may raise. Raises ``MisuseError`` and what these two raise. No worker is left, whatever is raised.
    """
    crew = _Crew([_File(task) for task in tasks], timeout, maxfail, accept, look_over, progress)
    try:
        crew.work(jobs or cores())
    finally:
        crew.close()
    return crew.finished(seed)


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


@dataclass(eq=False)
class _File:
    """How far a file is. ``announced`` is None until its module was imported."""

    task: Task
    announced: tuple[Announced, ...] | None = None
    notes: tuple[str, ...] = ()
    results: dict[str, TargetResult | Skipped] = field(default_factory=dict)
    parameters: dict[str, tuple[str, ...]] = field(default_factory=dict)
    failure: TargetResult | None = None
    """Where the module could not be imported."""
    finished: bool = False

    @property
    def wanted(self) -> tuple[Announced, ...]:
        return tuple(one for one in self.announced or () if one.wanted)

    def remaining(self) -> tuple[Announced, ...]:
        return tuple(one for one in self.wanted if one.id not in self.results)

    def in_order(self) -> Iterator[TargetResult | Skipped | None]:
        """The results in the order of the source; None for what is not known yet."""
        if self.failure is not None and self.announced is None:
            yield self.failure
        elif self.announced is None:
            yield None
        else:
            for one in self.wanted:
                yield self.results.get(one.id)


@dataclass(eq=False)
class _Worker:
    file: _File
    process: BaseProcess
    connection: Connection
    trace: Connection
    """Where it writes what it is at, when it is asked to by ``ASK``."""
    deadline: float
    stage: str = "starting"
    current: Announced | None = None
    delivered: bool = False
    """Whether it has sent a result: one that has not, and ended between two targets, would end there again."""

    def kill(self) -> None:
        """End the worker, and what it may have started."""
        if hasattr(os, "killpg") and self.process.pid is not None and self.process.is_alive():
            # It leads a group of its own as soon as it runs any code of the user's.
            with contextlib.suppress(OSError):
                if os.getpgid(self.process.pid) == self.process.pid:
                    os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()

    def close(self) -> None:
        """Wait for its end, and give back what it took."""
        self.process.join()
        if hasattr(os, "killpg") and self.process.pid is not None:
            with contextlib.suppress(OSError):  # Mostly there is nobody left in its group.
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.close()
        self.connection.close()
        self.trace.close()

    def asked(self) -> str:
        """Where the user's code is, the innermost call first; empty where the worker does not say. It is a signal that asks,
        so the answer comes out of an endless loop too."""
        if ASK is None or self.process.pid is None or self.stage == "starting":
            return ""
        with contextlib.suppress(OSError):
            os.kill(self.process.pid, ASK)
            if wait([self.trace], LOOK):
                time.sleep(LOOK / 5)  # It writes line by line.
                lines = os.read(self.trace.fileno(), 65536).decode(errors="replace").splitlines()
                calls = [line for line in lines if line.startswith("  File ")]
                return "\n".join(itertools.takewhile(lambda line: PACKAGE not in line, calls))
        return ""


class _Crew:
    """All files, and the workers that are at it."""

    def __init__(
        self,
        files: Sequence[_File],
        timeout: float,
        maxfail: int | None,
        accept: Callable[[TargetResult], TargetResult] | None,
        look_over: Callable[[Mapping[str, tuple[Names, ...]]], None] | None,
        progress: Progress | None,
    ) -> None:
        self.files = files
        self.timeout = timeout
        self.maxfail = maxfail
        self.accept = accept
        self.look_over = look_over
        self.progress = progress
        self.waiting = list(files)
        self.workers: list[_Worker] = []
        self.leaving: list[_Worker] = []
        self.context = multiprocessing.get_context("spawn")

    def work(self, jobs: int) -> None:
        """Until all is done, or ``maxfail`` is reached."""
        while (self.waiting or self.workers) and not self._has_failed_enough():
            while self.waiting and len(self.workers) < jobs:
                self.workers.append(self._start(self.waiting.pop(0)))
            self._listen()
        for worker in self.workers:
            worker.kill()
        self._leave(GRACE)

    def close(self) -> None:
        """End all workers at once."""
        for worker in (*self.workers, *self.leaving):
            worker.kill()
        for worker in (*self.workers, *self.leaving):
            worker.close()
        self.workers, self.leaving = [], []

    def finished(self, seed: int) -> Finished:
        """What was found, in order, up to where ``maxfail`` stops."""
        results: list[TargetResult] = []
        skipped: list[Skipped] = []
        stopped = False
        for found in self._in_order():
            if found is None:
                break
            if isinstance(found, Skipped):
                skipped.append(found)
            else:
                results.append(found)
            if self.maxfail and sum(result.fails for result in results) >= self.maxfail:
                stopped = True
                break
        parameters = {name: names for file in self.files for name, names in file.parameters.items()}
        notes = tuple(f"{file.task.display}: {note}" for file in self.files for note in file.notes)
        if stopped:
            failures = "1 failure" if self.maxfail == 1 else f"{self.maxfail} failures"
            notes += (f"stopped after {failures} (--maxfail); what comes after that was not checked",)
        if not results and not skipped:
            notes += (self._nothing(),)
        return Finished(CheckReport(tuple(results), tuple(skipped), seed, notes), self._found(), parameters, stopped)

    def _nothing(self) -> str:
        """Why there is nothing to report."""
        there = [one.names.name for file in self.files for one in file.announced or ()]
        if there:
            targets = (
                "1 target was found, and it is" if len(there) == 1 else f"{len(there)} targets were found, and none is"
            )
            more = f" and {len(there) - MOST_NAMES} more" if len(there) > MOST_NAMES else ""
            return f"{targets} {'not ' if len(there) == 1 else ''}selected: {', '.join(there[:MOST_NAMES])}{more}"
        if not self.files:
            return "no file with a function or a class in it was named"
        files = "1 file" if len(self.files) == 1 else f"{len(self.files)} files"
        return (
            f"no hand-written gradient was recognized in {files}; they are known by their names: "
            "affine_forward and affine_backward, f and f_grad, a class with forward and backward, ..."
        )

    def _found(self) -> dict[str, tuple[Names, ...]]:
        announced = {file.task.display: file.announced for file in self.files if file.announced is not None}
        return {display: tuple(one.names for one in found) for display, found in announced.items()}

    def _look_over(self) -> None:
        """Show what was found, once, when it is known of all files."""
        if self.look_over is not None and all(f.announced is not None or f.failure is not None for f in self.files):
            look_over, self.look_over = self.look_over, None
            look_over(self._found())

    def _in_order(self) -> Iterator[TargetResult | Skipped | None]:
        for file in self.files:
            yield from file.in_order()

    def _has_failed_enough(self) -> bool:
        """Whether the results known without a gap, from the first on, hold ``maxfail`` failures."""
        if not self.maxfail:
            return False
        failures = 0
        for found in self._in_order():
            if found is None:
                return False
            failures += isinstance(found, TargetResult) and found.fails
            if failures >= self.maxfail:
                return True
        return False

    # Workers ------------------------------------------------------------------------------------------------------

    def _start(self, file: _File) -> _Worker:
        ours, theirs = self.context.Pipe(duplex=False)
        trace, traced = self.context.Pipe(duplex=False)
        task = replace(file.task, done=frozenset(file.results))
        process = self.context.Process(
            target=_enter, args=(theirs, traced, WORKER, task), name=f"gradtool {file.task.display}"
        )
        process.start()
        theirs.close()
        traced.close()
        return _Worker(file, process, ours, trace, time.monotonic() + STARTUP)

    def _listen(self) -> None:
        """Take what the workers have to say, or see that one of them has ended or is late."""
        first = min((worker.deadline for worker in self.workers), default=0.0)
        patience = max(0.0, min(LOOK, first - time.monotonic()))
        ready = wait([worker.connection for worker in self.workers], patience)
        for worker in list(self.workers):
            if worker.connection in ready:
                self._receive(worker)
            elif not worker.process.is_alive() and not worker.connection.poll():
                self._died(worker)
            elif time.monotonic() > worker.deadline:
                self._late(worker)
        self._leave(0.0)

    def _receive(self, worker: _Worker) -> None:
        try:
            message: Message = worker.connection.recv()
        except (EOFError, OSError):
            self._died(worker)
            return
        except Exception as error:  # What came cannot be rebuilt here, such as an object of the user's.
            worker.kill()
            self._failed(worker, f"the result cannot be handed over: {type(error).__name__}: {error}")
            return
        self._handle(worker, message)

    def _handle(self, worker: _Worker, message: Message) -> None:
        file = worker.file
        match message:
            case Loading():
                worker.stage = "importing"
                self._tell(file.task.display)
            case Loaded(targets, notes):
                worker.stage = "between"
                if file.announced is None:
                    file.announced, file.notes = targets, notes
                    self._look_over()
            case Begun(target_id):
                worker.stage = "checking"
                worker.current = next((one for one in file.wanted if one.id == target_id), None)
                self._tell(target_id)
            case Result(target_id, result, parameters):
                worker.stage, worker.current, worker.delivered = "between", None, True
                self._record(file, target_id, result)
                if parameters:
                    file.parameters[target_id] = parameters
            case Broken(text, line):
                self._retire(worker)
                self._not_imported(file, text, line)
            case Misused(text):
                raise MisuseError(text)
            case Done():
                self._retire(worker)
                # A module that changes from one import to the next may have lost some of its targets.
                for one in file.remaining():
                    self._record(file, one.id, _error(file.task, one, "was there at first, not when imported again"))
                file.finished = True
        worker.deadline = time.monotonic() + self.timeout

    def _retire(self, worker: _Worker) -> None:
        """It has said its last word."""
        self.workers.remove(worker)
        worker.deadline = time.monotonic() + GRACE
        self.leaving.append(worker)

    def _leave(self, patience: float) -> None:
        """Close the workers that have ended; those whose time is up are made to."""
        until = time.monotonic() + patience
        for worker in list(self.leaving):
            worker.process.join(max(0.0, min(until, worker.deadline) - time.monotonic()))
            if worker.process.is_alive() and time.monotonic() > worker.deadline:
                worker.kill()
            if patience or not worker.process.is_alive():
                if worker.process.is_alive():
                    worker.kill()
                worker.close()
                self.leaving.remove(worker)

    def _died(self, worker: _Worker) -> None:
        worker.process.join(LOOK)
        if worker.process.is_alive():  # It closed its end, and is of no use any more.
            worker.kill()
            worker.process.join()
        self._failed(worker, _ending(worker.process.exitcode))

    def _late(self, worker: _Worker) -> None:
        calls = worker.asked()
        worker.kill()
        seconds = STARTUP if worker.stage == "starting" else self.timeout
        option = "" if worker.stage == "starting" else "--timeout "
        why = f"took longer than {option}{seconds:g} s"
        if worker.stage == "importing":
            why += " (--definitions-only leaves out the work that a script does)"
        self._failed(worker, f"{why}, in\n{calls}" if calls else why)

    def _failed(self, worker: _Worker, why: str) -> None:
        """A worker is gone: its target is an ERROR, and a fresh worker goes on with the rest."""
        file = worker.file
        self.workers.remove(worker)
        worker.close()
        if worker.stage in ("starting", "importing"):
            what = "on import of the module" if worker.stage == "importing" else "at the start of its process"
            self._not_imported(file, f"{what}: {why}")
            return
        remaining = file.remaining()
        if worker.stage == "checking" or (remaining and not worker.delivered):
            at = worker.current or (remaining[0] if remaining else None)
            if at is not None:
                self._record(file, at.id, _error(file.task, at, why))
        if file.remaining():
            self.waiting.insert(0, file)
        else:
            file.finished = True

    def _not_imported(self, file: _File, text: str, line: int = 1) -> None:
        file.finished = True
        if file.announced is None:
            file.failure = TargetResult(
                file.task.display, "module", "", "", Outcome.ERROR, file=file.task.display, line=line, error=text
            )
            self._tell(file.task.display)
            self._look_over()
        for one in file.remaining():  # It could be imported once.
            self._record(file, one.id, _error(file.task, one, f"the module could not be imported again:\n{text}"))

    # Results ------------------------------------------------------------------------------------------------------

    def _record(self, file: _File, target_id: str, result: TargetResult | Skipped) -> None:
        if self.accept is not None and isinstance(result, TargetResult):
            result = self.accept(result)
        file.results[target_id] = result
        self._tell(target_id)

    def _tell(self, name: str) -> None:
        if self.progress is not None:
            done = sum(len(file.results) + (file.failure is not None) for file in self.files)
            total = sum(1 if file.announced is None else len(file.wanted) for file in self.files)
            self.progress(done, total, name)


def _enter(connection: Connection, trace: Connection, worker: str, task: Task) -> None:
    """A worker's main. The module of this function stays cheap to import; what a worker needs is loaded in it."""
    if ASK is not None:
        faulthandler.register(ASK, file=trace.fileno(), all_threads=False)
    work: Any = import_module(worker).work
    work(connection, task)


def _error(task: Task, at: Announced, why: str) -> TargetResult:
    return TargetResult(
        at.id, at.convention, at.names.forward, at.names.backward, Outcome.ERROR,
        file=task.display, line=at.line, error=why,
    )  # fmt: skip


def _ending(code: int | None) -> str:
    """How a process ended, in words."""
    if code is not None and code < 0:
        try:
            return f"its process was ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"its process was ended by signal {-code}"
    return f"its process ended with exit code {code} (does the code call os._exit?)"
