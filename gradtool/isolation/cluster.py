"""Checks the targets of files on a Dask cluster, through joblib's back-end for it.

joblib hands out what is to be done and Dask runs it again where a worker was lost. Everything about the user's code (its own
process, time limits, what it does to its process) is the outpost's affair there, as a cluster cannot end a task that hangs.
A file is one task; where there are slots to spare its targets are first listed, then dealt out. Where workers are lost with
one task again and again, it is run once more with nothing beside it, target by target: the one that ends its worker even then
is an ERROR.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any
from uuid import uuid4

import gradtool
from gradtool.isolation.ledger import File, Ledger, MisuseError
from gradtool.isolation.messages import ClusterError, Task
from gradtool.isolation.outpost import Errand, Findings, check_there, packed, unpacked

CONNECT = 5.0
"""Seconds in which a scheduler has to answer."""
WORKERS = 30.0
"""Seconds in which a cluster without workers has to have one."""
LOOK = 1.0
"""Seconds between two looks at whether it has."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What one task of the cluster deals with: a file, or some of its targets."""

    file: File
    only: frozenset[str] | None = None

    @property
    def task(self) -> Task:
        """What is to be done."""
        return self.file.task if self.only is None else replace(self.file.task, only=self.only)

    def is_of(self, target_id: str) -> bool:
        """Whether a target belongs to it."""
        return self.only is None or target_id in self.only


@dataclass(frozen=True, slots=True)
class Lost:
    """The workers that ran a task were lost, or the outpost was, or what it found; ``why`` says how."""

    why: str


def work_off(ledger: Ledger, address: str, jobs: int, timeout: float) -> None:
    """Check all that the ledger wants on the cluster at ``address``, in ``jobs`` of its slots (0: all). Raises ``ClusterError``
    where there is none or it cannot be used, ``MisuseError`` and what the ledger's entries raise. Nothing goes on there, whatever
    is raised."""
    try:
        joblib, distributed = import_module("joblib"), import_module("distributed")
    except ImportError as error:
        raise ClusterError(
            f"--scheduler needs joblib and dask.distributed ({error.name} is missing): pip install 'gradtool[cluster]'"
        ) from None
    with _quiet("distributed"), _connected(distributed, address) as client:
        _Cluster(ledger, client, joblib, jobs, timeout).work()


@contextlib.contextmanager
def _quiet(name: str) -> Iterator[None]:
    """What goes wrong with the cluster is said once, in a message of ours."""
    there = [one for key, one in logging.root.manager.loggerDict.items() if key.partition(".")[0] == name]
    speaking = [one for one in there if isinstance(one, logging.Logger) and not one.disabled]
    for logger in speaking:
        logger.disabled = True
    try:
        yield
    finally:
        for logger in speaking:
            logger.disabled = False


@contextlib.contextmanager
def _connected(distributed: Any, address: str) -> Iterator[Any]:
    """A client of the cluster. Closing it cancels all that it has asked for."""
    try:
        client = distributed.Client(address, timeout=CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"no Dask scheduler answers at {address} within {CONNECT:g} s: {str(error).splitlines()[0]}"
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=WORKERS)
        except TimeoutError:
            raise ClusterError(
                f"the cluster at {address} has had no worker for {WORKERS:g} s; start one with: dask worker {address}"
            ) from None
        yield client


class _Cluster:
    """A cluster at work for a ledger."""

    def __init__(self, ledger: Ledger, client: Any, joblib: Any, jobs: int, timeout: float) -> None:
        self.ledger = ledger
        self.client = client
        self.joblib = joblib
        self.timeout = timeout
        slots = sum(client.ncores().values())
        self.slots = min(slots, jobs) if jobs else slots
        self.at_once: int | str = jobs or "all"
        self.topic = f"gradtool-{uuid4().hex}"
        self.lock = threading.Lock()
        self.numbers = itertools.count()
        self.parts: dict[int, Part] = {}
        """Those that are handed out, by number."""
        self.far: dict[int, tuple[int, int]] = {}
        """How many targets of them are done, and how many there are."""
        # The workers tell of each target as they go: what is entered into the ledger later was shown by then.
        self.show, ledger.progress = ledger.progress, None
        if self.show is not None:
            client.subscribe_topic(self.topic, self._hear)

    def work(self) -> None:
        """Until all is done, or ``maxfail`` is reached."""
        lost: list[tuple[Part, Lost]] = []
        files = self.ledger.files
        if self.slots >= 2 * len(files) > 0:
            lost += self._do([Part(file, frozenset()) for file in files])
        suspects = {id(part.file) for part, _ in lost}
        lost += self._do([part for file in files if id(file) not in suspects for part in self._parts_of(file)])
        for part, _ in lost:
            self._alone(part)

    def _parts_of(self, file: File) -> Iterator[Part]:
        """What a file is dealt out as."""
        if file.announced is None:
            if file.failure is None:
                yield Part(file)
            return
        wanted = [one.id for one in file.wanted]
        count = min(len(wanted), self.slots // len(self.ledger.files))
        for i in range(count):
            yield Part(file, frozenset(wanted[i::count]))

    def _do(self, parts: Sequence[Part]) -> list[tuple[Part, Lost]]:
        """Have these done, as many at a time as there are slots; those that were lost come back."""
        lost: list[tuple[Part, Lost]] = []
        if self.ledger.has_failed_enough():
            return lost
        with contextlib.closing(self._answers(parts)) as answers:
            for part, found in answers:
                if isinstance(found, Lost):
                    lost.append((part, found))
                else:
                    self._enter(part, found)
                if self.ledger.has_failed_enough():
                    return []
        return lost

    def _alone(self, part: Part) -> None:
        """Have it done with nothing beside it, target by target, so that it is certain which one ends the worker."""
        file = part.file
        if not file.is_looked_over:
            for _, lost in self._do([Part(file, frozenset())]):
                self.ledger.not_imported(file, f"on import of the module: {lost.why}")
        for one in file.remaining():
            if part.is_of(one.id):
                for _, lost in self._do([Part(file, frozenset({one.id}))]):
                    self.ledger.record(file, one.id, file.error(one, lost.why))

    def _enter(self, part: Part, found: Findings) -> None:
        """Enter what was found into the ledger."""
        file = part.file
        if found.misuse is not None:
            raise MisuseError(found.misuse)
        was_known = file.announced is not None
        if found.announced is not None:
            wanted = tuple(replace(one, wanted=file.task.wants(one.id)) for one in found.announced)
            self.ledger.announce(file, wanted, found.notes)
        for target_id, result in found.results.items():
            self.ledger.record(file, target_id, result, found.parameters.get(target_id, ()))
        if found.failure is not None and not was_known:
            self.ledger.not_imported(file, found.failure.error or "", found.failure.line or 1)
            return
        why = "was there at first, not when imported again"
        if found.failure is not None:
            why = f"the module could not be imported again:\n{found.failure.error}"
        for one in file.remaining():
            if part.is_of(one.id):
                self.ledger.record(file, one.id, file.error(one, why))

    # Through joblib ---------------------------------------------------------------------------------------------------

    def _answers(self, parts: Sequence[Part]) -> Generator[tuple[Part, Findings | Lost], None, None]:
        """What comes of the parts, as it comes."""
        if not parts:
            return
        numbered = dict(zip(self.numbers, parts, strict=False))
        with self.lock:
            self.parts |= numbered
        calls = [
            self.joblib.delayed(check_there)(
                number, packed(Errand(part.task, os.getcwd(), self.timeout)), self.topic, gradtool.__version__
            )
            for number, part in numbered.items()
        ]
        backend, ended = _backend(self.client), threading.Event()
        threading.Thread(target=self._watch, args=(backend, ended), daemon=True, name="gradtool: any workers?").start()
        with self.joblib.parallel_config(backend=backend, n_jobs=-1):
            parallel = self.joblib.Parallel(batch_size=1, pre_dispatch=self.at_once, return_as="generator_unordered")
            answers = parallel(calls)
        try:
            for number, kind, answer in answers:
                with self.lock:
                    part = self.parts.pop(number)
                    self.far.pop(number, None)
                yield part, self._understood(kind, answer)
                self._show(part.file.task.display)
        finally:
            ended.set()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # That there are answers which nobody waits for.
                answers.close()

    def _watch(self, backend: Any, ended: threading.Event) -> None:
        """Give everything up where the cluster has lost all of its workers, or its scheduler: Dask would wait for ever."""
        seen = time.monotonic()
        while not ended.wait(LOOK):
            # It raises where the client is closed, or tries to reach the scheduler again.
            with contextlib.suppress(OSError, RuntimeError):
                if self.client.ncores():
                    seen = time.monotonic()
            if time.monotonic() - seen > WORKERS:
                backend.give_up(ClusterError(f"the cluster has had no worker for {WORKERS:g} s"))
                return

    def _understood(self, kind: str, answer: Any) -> Findings | Lost:
        """An answer. Raises ``ClusterError`` where the cluster cannot do what is asked of it."""
        if kind == "findings":
            try:
                found: Findings = unpacked(answer)
            except Exception as error:  # What came cannot be rebuilt here, such as an object of the user's.
                return Lost(f"the result cannot be handed over: {type(error).__name__}: {error}")
            return found
        if kind == "lost":
            return Lost(f"the process beside the cluster's worker is gone: {answer.decode()}")
        if kind == "stranger":
            raise ClusterError(
                f"gradtool is {gradtool.__version__} here and {answer.decode()} on the cluster's workers; install the same"
            )
        if type(answer).__name__ == "KilledWorker":
            return Lost(f"each of the {answer.allowed_failures + 1} workers of the cluster that ran it was lost")
        if isinstance(answer, ClusterError):
            raise answer
        if "Cancelled" in type(answer).__name__:
            raise ClusterError("the connection to the cluster was lost")
        said = str(answer).splitlines()
        raise ClusterError(
            "the cluster cannot do it (gradtool and joblib have to be installed on its workers and its scheduler): "
            f"{type(answer).__name__}{f': {said[0]}' if said else ''}"
        )

    # How far it is ----------------------------------------------------------------------------------------------------

    def _hear(self, event: tuple[float, Any]) -> None:
        """A worker says how far it is. Runs in the client's thread."""
        number, done, total, name = event[1]
        with self.lock:
            if number not in self.parts:
                return
            self.far[number] = (done, total)
        self._show(name)

    def _show(self, name: str) -> None:
        if self.show is None:
            return
        with self.lock:
            done, total = self.ledger.count()
            for number, (finished, there) in self.far.items():
                done += finished
                if self.parts[number].file.announced is None:
                    total += max(there, 1) - 1
            self.show(done, total, name)


def _backend(client: Any) -> Any:
    """joblib's back-end for Dask, with two things mended that would leave a run waiting, or on the wrong machine."""
    base: Any = import_module("joblib._dask").DaskDistributedBackend

    class Backend(base):  # type: ignore[misc]
        def __init__(self, **more: Any) -> None:
            super().__init__(**more)
            self.open: dict[int, Callable[[Any], None]] = {}

        def give_up(self, error: ClusterError) -> None:
            """Answer all that is open with this error."""
            for answered in list(self.open.values()):
                answered(error)

        def effective_n_jobs(self, n_jobs: int) -> int:
            """At least two: with one joblib would do it all here, not on the cluster."""
            return max(2, int(super().effective_n_jobs(n_jobs)))

        def submit(self, func: Any, callback: Any = None) -> Any:
            """As joblib does it, since 1.5 by this name."""
            return self._answered_always(super().submit, func, callback)

        def apply_async(self, func: Any, callback: Any = None) -> Any:
            """The same, as joblib 1.4 has it."""
            return self._answered_always(super().apply_async, func, callback)

        def _answered_always(self, submit: Any, func: Any, callback: Any) -> Any:
            """Where Dask itself gives a task up (its workers were lost), joblib tells nobody and waits for ever: that is an
            answer as well."""
            ((_, (number, *_), _),) = func.items

            def answered(out: Any) -> None:
                if self.open.pop(number, None) is not None:
                    callback([(number, "given up", out)] if isinstance(out, BaseException) else out)

            def given_up(future: Any) -> None:
                if future.exception() is not None:
                    answered(future.exception())

            self.open[number] = answered
            future = submit(func, answered)
            future.add_done_callback(given_up)
            return future

    return Backend(client=client)
