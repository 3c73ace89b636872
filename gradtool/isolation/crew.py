"""Checks the targets of files in processes of their own, so that no module can spoil the report of another.

A worker takes one file: it imports the module, says which targets there are, and is handed one after another. Where it dies or
takes too long, that target is an ERROR, and a fresh worker goes on with the file's remaining ones. Where a file keeps one worker
busy while others have nothing to do, they import it too, and the targets are shared among them.

Why these processes are looked after here and not by joblib: its pool (loky) knows no time limit for one task, cannot end a task
that hangs without ending the pool, and where one process dies every task of the pool fails with it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import itertools
import multiprocessing
import os
import signal
import time
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from gradtool.isolation.ledger import File, Ledger, MisuseError
from gradtool.isolation.messages import Announced, Begun, Broken, Done, Loaded, Loading, Message, Misused, Result, Task

STARTUP = 120.0
"""Seconds that a worker may take before it begins with the user's module."""
GRACE = 2.0
"""Seconds that a worker may take to end after its last target (what the user's module does at exit)."""
LOOK = 0.25
"""Seconds after which to look for workers that ended without a sign."""

ASK = getattr(signal, "SIGUSR1", None) if hasattr(faulthandler, "register") else None
"""The signal that asks a worker what it is at, where there are such signals."""

WORKER = "gradtool.isolation.worker"
PACKAGE = str(Path(__file__).resolve().parent.parent) + os.sep


@dataclass(eq=False)
class _Worker:
    file: File
    process: BaseProcess
    connection: Connection
    trace: Connection
    """Where it writes what it is at, when it is asked to by ``ASK``."""
    deadline: float
    began: float = field(default_factory=time.monotonic)
    stage: str = "starting"
    there: frozenset[str] = frozenset()
    """The targets that its import of the module has."""
    handed: Announced | None = None
    """The target that it was told to check."""
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


def work_off(ledger: Ledger, jobs: int, timeout: float) -> None:
    """Check all that the ledger wants, with ``jobs`` workers at a time. Raises ``MisuseError`` and what the ledger's entries
    raise. No worker is left, whatever is raised."""
    crew = _Crew(ledger, timeout)
    try:
        crew.work(jobs)
    finally:
        crew.close()


class _Crew:
    """The workers that are at the files of a ledger."""

    def __init__(self, ledger: Ledger, timeout: float) -> None:
        self.ledger = ledger
        self.timeout = timeout
        self.waiting = list(ledger.files)
        self.workers: list[_Worker] = []
        self.leaving: list[_Worker] = []
        self.cost: dict[File, float] = {}
        """Seconds that it took until a file's first worker had imported it."""
        self.known_since: dict[File, float] = {}
        self.alone: set[File] = set()
        """Files that could not be imported by a second worker beside the first."""
        self.context = multiprocessing.get_context("spawn")

    def work(self, jobs: int) -> None:
        """Until all is done, or ``maxfail`` is reached."""
        while (self.waiting or self.workers) and not self.ledger.has_failed_enough():
            while self.waiting and len(self.workers) < jobs:
                self.workers.append(self._start(self.waiting.pop(0)))
            while len(self.workers) < jobs and (file := self._worth_another()) is not None:
                self.workers.append(self._start(file))
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

    def _at(self, file: File) -> list[_Worker]:
        return [worker for worker in self.workers if worker.file is file]

    def _open(self, file: File) -> list[Announced]:
        """The targets of a file that nobody is at."""
        taken = {worker.handed.id for worker in self._at(file) if worker.handed is not None}
        return [one for one in file.remaining() if one.id not in taken]

    def _worth_another(self) -> File | None:
        """A file that deserves one more worker: there are targets that nobody is at, and those at it have been checking for as
        long as it takes to start. (What is left may take any time; so the most that is lost is what was already spent.)"""
        now = time.monotonic()
        for file in dict.fromkeys(worker.file for worker in self.workers):
            starting = sum(worker.stage in ("starting", "importing") for worker in self._at(file))
            busy = now - self.known_since.get(file, now)
            if file not in self.alone and busy > self.cost.get(file, 0.0) and len(self._open(file)) > starting:
                return file
        return None

    # Workers ------------------------------------------------------------------------------------------------------

    def _start(self, file: File) -> _Worker:
        ours, theirs = self.context.Pipe()
        trace, traced = self.context.Pipe(duplex=False)
        process = self.context.Process(
            target=_enter, args=(theirs, traced, WORKER, file.task), name=f"gradtool {file.task.display}"
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
                self.ledger.tell(file.task.display)
            case Loaded(targets, notes):
                worker.there = frozenset(one.id for one in targets)
                now = time.monotonic()
                self.cost.setdefault(file, now - worker.began)
                self.known_since.setdefault(file, now)
                self.ledger.announce(file, targets, notes)
                self._hand_out(worker)
            case Begun(target_id):
                worker.stage = "checking"
                self.ledger.tell(target_id)
            case Result(target_id, result, parameters):
                worker.delivered = True
                self.ledger.record(file, target_id, result, parameters)
                self._hand_out(worker)
            case Broken(text, line):
                self._retire(worker)
                self._not_imported(file, text, line)
            case Misused(text):
                raise MisuseError(text)
            case Done():
                self._retire(worker)
        worker.deadline = time.monotonic() + self.timeout

    def _hand_out(self, worker: _Worker) -> None:
        """Tell a worker what to check next, or that there is nothing left."""
        file = worker.file
        worker.stage, worker.handed = "between", None
        for one in self._open(file):
            if one.id in worker.there:
                worker.handed = one
                break
            # A module that changes from one import to the next may have lost some of its targets.
            self.ledger.record(file, one.id, file.error(one, "was there at first, not when imported again"))
        with contextlib.suppress(OSError):  # It has ended, as will be seen when it is listened to.
            worker.connection.send(None if worker.handed is None else worker.handed.id)

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
        self._failed(worker, ending(worker.process.exitcode))

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
        at = worker.handed
        if at is not None and (worker.stage == "checking" or not worker.delivered):
            self.ledger.record(file, at.id, file.error(at, why))
        if file.remaining() and not self._at(file):
            self.waiting.insert(0, file)

    def _not_imported(self, file: File, text: str, line: int = 1) -> None:
        if self._at(file):  # The others go on with it.
            self.alone.add(file)
        else:
            self.ledger.not_imported(file, text, line)


def _enter(connection: Connection, trace: Connection, worker: str, task: Task) -> None:
    """A worker's main. The module of this function stays cheap to import; what a worker needs is loaded in it."""
    if ASK is not None:
        faulthandler.register(ASK, file=trace.fileno(), all_threads=False)
    work: Any = import_module(worker).work
    work(connection, task)


def ending(code: int | None) -> str:
    """How a process ended, in words."""
    if code is not None and code < 0:
        try:
            return f"its process was ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"its process was ended by signal {-code}"
    return f"its process ended with exit code {code} (does the code call os._exit?)"
