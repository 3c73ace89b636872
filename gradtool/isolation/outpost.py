"""What a run does on a cluster's worker: a process beside it, the outpost, looks after the user's code there.

The worker itself runs none of the user's code. It starts the outpost, hands it a file, passes on how far it is, and gives back
what was found; it sees to it that the outpost ends where nobody wants the answer any more. The outpost is what gradtool's own
process is elsewhere: a crew of one that starts a process for the file, with its time limits.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import IO, Any, Literal

import gradtool
from gradtool.isolation.crew import LOOK, ending, work_off
from gradtool.isolation.ledger import File, Ledger, MisuseError
from gradtool.isolation.messages import Announced, Task
from gradtool.results import Skipped, TargetResult

START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); "
    "from gradtool.isolation.outpost import main; main()"
)  # fmt: skip
PROGRESS, FINDINGS = b"p", b"f"
Kind = Literal["findings", "lost", "stranger"]


@dataclass(frozen=True, slots=True, eq=False)
class Errand:
    """A file to check on a cluster. ``folder`` is the working directory that its path is relative to."""

    task: Task
    folder: str
    timeout: float


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """What was found out of a file, as in ``File``; ``misuse`` says what the user wrote for gradtool that does not do."""

    announced: tuple[Announced, ...] | None
    notes: tuple[str, ...]
    results: Mapping[str, TargetResult | Skipped]
    parameters: Mapping[str, tuple[str, ...]]
    failure: TargetResult | None
    misuse: str | None = None


def packed(value: Any) -> bytes:
    """A value as bytes: what goes through the cluster is rebuilt at its two ends alone."""
    return bytes(ForkingPickler.dumps(value))


def unpacked(data: bytes) -> Any:
    """What ``packed`` was given."""
    return ForkingPickler.loads(data)


# In the cluster's worker -----------------------------------------------------------------------------------------------


def check_there(number: int, errand: bytes, topic: str, version: str) -> tuple[int, Kind, bytes]:
    """Have an errand done; the task that runs on the cluster. ``number`` comes back with what was found. Where the outpost is
    lost, or gradtool is of another version here, the bytes say in words what there is. How far it is goes to ``topic``."""
    if gradtool.__version__ != version:
        return number, "stranger", gradtool.__version__.encode()
    distributed: Any = import_module("distributed")
    worker = distributed.get_worker()
    key = worker.get_current_task()

    def is_wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state != "cancelled"

    def tell(text: bytes) -> None:
        worker.log_event(topic, [number, *json.loads(text)])

    found, why = errand_done(errand, is_wanted, tell)
    return (number, "lost", why.encode()) if found is None else (number, "findings", found)


def errand_done(
    errand: bytes, is_wanted: Callable[[], bool], tell: Callable[[bytes], None]
) -> tuple[bytes | None, str]:
    """What an outpost found, packed; or None and how it ended. ``tell`` gets how far it is, as JSON."""
    # Not a process of multiprocessing: those of Dask may not have children of that kind.
    paths = [path or os.getcwd() for path in sys.path]
    command = [sys.executable, "-P", "-c", START, json.dumps(paths)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 (it is ours)
    assert process.stdin is not None
    assert process.stdout is not None
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(LOOK):
            if not is_wanted():
                process.kill()

    threading.Thread(target=watch, daemon=True, name="gradtool: is it still wanted?").start()
    try:
        with process.stdin, process.stdout, contextlib.suppress(OSError, EOFError):
            _write(process.stdin, errand)
            while True:
                message = _read(process.stdout)
                if message[:1] == FINDINGS:
                    return message[1:], ""
                tell(message[1:])
        return None, ending(process.wait())
    finally:
        ended.set()
        process.kill()
        process.wait()


# In the outpost --------------------------------------------------------------------------------------------------------


def main() -> None:
    """Do the errand that standard input brings, and write what was found to standard output. Ends with who started it."""
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.dup2(2, 1)
    errand: Errand = unpacked(_read(incoming))
    threading.Thread(target=_end_with, args=(incoming,), daemon=True, name="gradtool: is the worker there?").start()

    def tell(done: int, total: int, name: str) -> None:
        _write(outgoing, PROGRESS + json.dumps([done, total, name]).encode())

    _write(outgoing, FINDINGS + packed(look_after(errand, tell)))


def look_after(errand: Errand, progress: Callable[[int, int, str], None] | None = None) -> Findings:
    """Check the targets of a file as on a machine of one's own; it is an ERROR where it is not there."""
    task = errand.task
    path = Path(errand.folder, task.path)
    try:
        os.chdir(errand.folder)
    except OSError:  # Then the file may be there all the same.
        task = replace(task, path=path)
    file = File(task)
    ledger = Ledger([file], progress=progress)
    misuse = None
    if not path.is_file():
        ledger.not_imported(
            file,
            f"{path} is not there on the cluster's worker {platform.node()}: "
            "it must be readable there under the same path, as in a folder that the machines share",
        )
    else:
        try:
            work_off(ledger, 1, errand.timeout)
        except MisuseError as error:
            misuse = str(error)
    return Findings(file.announced, file.notes, file.results, file.parameters, file.failure, misuse)


def _end_with(stream: IO[bytes]) -> None:
    """End when the stream does: nobody waits for an answer. The processes of the crew end with this one."""
    with contextlib.suppress(OSError):
        stream.read()
    os._exit(1)


def _write(stream: IO[bytes], data: bytes) -> None:
    stream.write(len(data).to_bytes(8, "big") + data)
    stream.flush()


def _read(stream: IO[bytes]) -> bytes:
    """What was written at once. Raises ``EOFError`` where the other side has ended."""
    length = stream.read(8)
    data = stream.read(int.from_bytes(length, "big"))
    if len(length) < 8 or len(data) < int.from_bytes(length, "big"):
        raise EOFError
    return data
