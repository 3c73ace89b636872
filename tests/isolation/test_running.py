"""Where a run's files go."""

import os
from pathlib import Path

import pytest

from gradtool.isolation import Task, cores, run, running


def test_there_is_a_core():
    assert 1 <= cores() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(("jobs", "used"), [(3, 3), (0, cores())])
def test_without_a_scheduler_it_is_this_machine(monkeypatch, jobs, used):
    seen = []
    monkeypatch.setattr(
        running, "work_off", lambda ledger, jobs, timeout: seen.append((len(ledger.files), jobs, timeout))
    )
    run([Task(Path("a.py"), "a.py", None)], jobs=jobs, timeout=5.0)
    assert seen == [(1, used, 5.0)]


def test_with_a_scheduler_it_is_the_cluster(monkeypatch):
    from gradtool.isolation import cluster

    seen = []
    monkeypatch.setattr(cluster, "work_off", lambda ledger, *more: seen.append((len(ledger.files), *more)))
    run([Task(Path("a.py"), "a.py", None)], jobs=2, timeout=5.0, scheduler="tcp://host:8786")
    assert seen == [(1, "tcp://host:8786", 2, 5.0)]
