"""The way in: where the files of a run are checked, and how their results become one report."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from gradtool.isolation.crew import work_off
from gradtool.isolation.ledger import File, Finished, Ledger, Progress
from gradtool.isolation.messages import Task
from gradtool.results import TargetResult

if TYPE_CHECKING:
    from gradtool.targets.given import Names


def run(
    tasks: Sequence[Task],
    *,
    jobs: int = 1,
    timeout: float = 60.0,
    maxfail: int | None = None,
    seed: int = 0,
    scheduler: str | None = None,
    accept: Callable[[TargetResult], TargetResult] | None = None,
    look_over: Callable[[Mapping[str, tuple[Names, ...]]], None] | None = None,
    progress: Progress | None = None,
) -> Finished:
    """Check the files of ``tasks``, in ``jobs`` processes at a time (0: one for each core). The CLI's and a program's way in; a
    script calls it under ``if __name__ == "__main__":``, as everything that starts processes.

    A target, and the import of a module, may take ``timeout`` seconds. With ``maxfail`` the report ends at the target that
    is the ``maxfail``-th to fail, in the report's order, whatever ``jobs`` is. ``scheduler`` is the address of a Dask cluster
    to do it on instead, as ``tcp://HOST:PORT``; ``jobs`` is then how many of its slots to use (0: all).

    ``accept`` sees every result before it counts, and may accept it. ``look_over`` sees what was found (as in
    ``Finished.found``) as soon as that is known of all files, and may raise. Raises ``MisuseError``, ``ClusterError`` and what
    these two raise. No worker is left, whatever is raised.
    """
    ledger = Ledger([File(task) for task in tasks], maxfail, accept, look_over, progress)
    if scheduler is None:
        work_off(ledger, jobs or cores(), timeout)
    else:
        cluster: Any = import_module("gradtool.isolation.cluster")
        cluster.work_off(ledger, scheduler, jobs, timeout)
    return ledger.finished(seed)


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1
