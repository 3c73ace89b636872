"""The same report from a cluster of two processes as from this one; workers that are killed, and what the user is told."""

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

import gradtool
from gradtool.isolation import ClusterError, MisuseError, Task, cluster, run
from gradtool.isolation.ledger import File, Ledger
from gradtool.targets.given import Given
from tests.cli.signals import HEARD

LACKING = [name for name in ("joblib", "distributed") if importlib.util.find_spec(name) is None]
needs_dask = pytest.mark.skipif(bool(LACKING), reason=f"{' and '.join(LACKING)} not installed: gradtool[cluster]")
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes as Linux shows them")
pytestmark = pytest.mark.filterwarnings("default")  # Those of Dask are no affair of ours.

HERE = Path(__file__).parent
GOOD = """
def NAME_forward(x):
    FIRST
    return x * x, x
def NAME_backward(dout, cache):
    return 2 * cache * dout
"""
WRONG = GOOD.replace("2 * cache", "-2 * cache")
PARENT = "int(open(f'/proc/{PID}/stat').read().rpartition(')')[2].split()[1])"
WORKER_PID = PARENT.replace("PID", "os.getppid()")
"""``WORKER`` in code of the user's, the cluster's worker: who started the process that started this one."""


def target(name, first="pass", text=GOOD):
    return text.replace("NAME", name).replace("FIRST", first).replace("WORKER", WORKER_PID)


@contextlib.contextmanager
def cluster_of_two():
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(gradtool.__file__).parent.parent),
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
    }
    process = subprocess.Popen(
        [sys.executable, str(HERE / "local_cluster.py")], env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(60)
        process.stdout.close()


@pytest.fixture(scope="module")
def address():
    with cluster_of_two() as found:
        yield found


@pytest.fixture
def another():
    """One whose workers a test kills: Dask takes its time to replace them."""
    with cluster_of_two() as found:
        yield found


@pytest.fixture
def tasks(tmp_path, monkeypatch):
    """Files from texts, in the working directory."""
    monkeypatch.chdir(tmp_path)

    def make(**texts):
        for name, text in texts.items():
            Path(f"{name}.py").write_text(text)
        return [Task(Path(f"{name}.py"), f"{name}.py", Given(), {"points": 0}) for name in texts]

    return make


def outcomes(finished):
    return {found.id: str(found.verdict) for found in finished.report.targets}


def untimed(finished):
    return replace(finished.report, targets=tuple(replace(found, seconds=0.0) for found in finished.report.targets))


@needs_dask
def test_the_report_is_that_of_this_machine(tasks, address):
    texts = {
        "a": target("f", "import time; time.sleep(0.02)") + target("g", text=WRONG),
        "b": "raise ValueError('broken')\ndef f(): pass\n",
        "c": target("f") + target("ends", "import os; os._exit(3)") + target("g"),
        "d": target("hangs", "while True: pass")
        + "def h_forward(x, y):\n    raise TypeError\ndef h_backward(d, c): return d\n",
    }
    made, seen = tasks(**texts), []
    there = run(made, jobs=0, timeout=8, seed=3, scheduler=address, progress=lambda *what: seen.append(what))
    here = run(made, jobs=2, timeout=8, seed=3)
    assert repr(untimed(there)) == repr(untimed(here))
    assert there.found.keys() == here.found.keys()
    assert there.parameters == here.parameters
    assert list(outcomes(there)) == ["a.py::f", "a.py::g", "b.py", "c.py::f", "c.py::ends", "c.py::g", "d.py::hangs"]
    assert set(outcomes(there).values()) == {"OK", "WRONG", "ERROR"}
    assert seen[-1][:2] == (8, 8)
    assert {"a.py::g", "c.py", "d.py::hangs"} <= {name for _, _, name in seen}


@needs_dask
@needs_proc
def test_the_targets_of_one_file_are_dealt_out(tasks, address, tmp_path):
    note = f"import os; open({str(tmp_path / 'pids')!r}, 'a').write(str(WORKER) + ' ')"
    found = run(tasks(a="".join(target(f"f{i}", note) for i in range(4))), jobs=0, scheduler=address)
    assert outcomes(found) == {f"a.py::f{i}": "OK" for i in range(4)}
    assert len(set((tmp_path / "pids").read_text().split())) == 2


@needs_dask
def test_maxfail_ends_the_report_at_the_same_target(tasks, address):
    made = tasks(a=target("f") + target("g", text=WRONG) + target("h"), b=target("f", text=WRONG), c=target("f"))
    there, here = run(made, jobs=0, maxfail=1, scheduler=address), run(made, maxfail=1)
    assert repr(untimed(there)) == repr(untimed(here))
    assert there.stopped


@needs_dask
@needs_proc
def test_a_worker_that_is_killed_costs_no_result(tasks, another, tmp_path):
    marker = tmp_path / "pid"
    sleeps = f"""import os, time
    if not os.path.exists({str(marker)!r}):
        with open("pid.new", "w") as stream:
            stream.write(str(WORKER))
        os.rename("pid.new", {str(marker)!r})
        time.sleep(60)"""
    made = tasks(a=target("f") + target("slow", sleeps), b=target("g"), c=target("h"))

    def kill():
        until = time.monotonic() + 60
        while not marker.exists() and time.monotonic() < until:
            time.sleep(0.05)
        os.kill(int(marker.read_text()), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    found = run(made, jobs=0, scheduler=another)
    killer.join()
    assert outcomes(found) == {"a.py::f": "OK", "a.py::slow": "OK", "b.py::g": "OK", "c.py::h": "OK"}


@needs_dask
@needs_proc
def test_a_target_that_ends_its_worker_each_time_is_an_error_of_that_target(tasks, another):
    kills = "import os, signal; os.kill(WORKER, signal.SIGKILL)"
    text = target("f") + target("kills", kills) + target("g")
    made = tasks(a=text, b=target("h"), c=f"{kills}\ndef f(): pass\n".replace("WORKER", WORKER_PID))
    found = run(made, jobs=0, scheduler=another)
    assert outcomes(found) == {
        "a.py::f": "OK", "a.py::kills": "ERROR", "a.py::g": "OK", "b.py::h": "OK", "c.py": "ERROR",
    }  # fmt: skip
    errors = [one.error for one in found.report.targets if one.error]
    lost = "each of the 2 workers of the cluster that ran it was lost"
    assert errors == [lost, f"on import of the module: {lost}"]


@needs_dask
@needs_proc
def test_an_interrupt_ends_what_the_workers_are_at(tmp_path, address):
    marker = tmp_path / "pids"
    hangs = f"import os; open({str(marker)!r}, 'w').write(f'{{os.getpid()}} {{os.getppid()}}')\n    while True: pass"
    (tmp_path / "hangs.py").write_text(target("f", hangs))
    environment = {**os.environ, "PYTHONPATH": str(Path(gradtool.__file__).parent.parent)}
    process = subprocess.Popen(
        [sys.executable, "-m", "gradtool", "check", "hangs.py", "--scheduler", address],
        cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **HEARD,
    )  # fmt: skip
    until = time.monotonic() + 60
    while not (marker.exists() and marker.read_text()) and time.monotonic() < until:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr.strip()) == (130, "", "interrupted")
    there = [Path(f"/proc/{pid}/status") for pid in marker.read_text().split()]
    assert len(there) == 2
    until = time.monotonic() + 20
    while any(path.exists() for path in there) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(path.exists() for path in there)


@needs_dask
def test_what_the_user_wrote_for_gradtool_and_does_not_do_ends_the_run(tasks, address):
    text = target("f").replace("(dout, cache):", "(dout, cache):  # gradtool: ignore")
    with pytest.raises(MisuseError, match=r"^a\.py:\d+: "):
        run(tasks(a=text), jobs=0, scheduler=address)


@needs_dask
def test_a_file_that_the_workers_do_not_see(tasks, address, tmp_path):
    made = [*tasks(a=target("f")), Task(Path("gone.py"), "gone.py", Given())]
    found = run(made, jobs=0, scheduler=address)
    assert outcomes(found) == {"a.py::f": "OK", "gone.py": "ERROR"}
    assert found.report.targets[1].error.startswith(f"{tmp_path / 'gone.py'} is not there on the cluster's worker ")


@needs_dask
def test_another_version_on_the_workers(tasks, address, monkeypatch):
    version = gradtool.__version__
    monkeypatch.setattr(gradtool, "__version__", "0.0.1")
    with pytest.raises(ClusterError, match=rf"gradtool is 0\.0\.1 here and {version} on the cluster's workers"):
        run(tasks(a=target("f")), jobs=0, scheduler=address)


@needs_dask
@needs_proc
def test_a_scheduler_that_is_lost_ends_the_run(tasks, another, monkeypatch):
    monkeypatch.setattr(cluster, "WORKERS", 3.0)
    scheduler = PARENT.replace("PID", "worker")  # It started the workers, in this cluster.
    with pytest.raises(ClusterError):
        run(tasks(a=f"import os\nworker = {WORKER_PID}\nos.kill({scheduler}, 9)\ndef f(): pass\n"), scheduler=another)


@needs_dask
def test_no_scheduler_at_the_address(tasks, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT", 0.5)
    with pytest.raises(ClusterError, match=r"^no Dask scheduler answers at tcp://127\.0\.0\.1:9 within 0\.5 s"):
        run(tasks(a=target("f")), scheduler="tcp://127.0.0.1:9")


@pytest.mark.parametrize("name", ["joblib", "distributed"])
def test_what_is_missing_is_named(tasks, monkeypatch, name):
    for other in ("joblib", "distributed"):
        monkeypatch.setitem(sys.modules, other, None if other == name else sys)
    with pytest.raises(ClusterError, match=rf"\({name} is missing\): pip install 'gradtool\[cluster\]'"):
        run(tasks(a=target("f")), scheduler="tcp://127.0.0.1:9")


class Client:
    def ncores(self):
        return {"one": 2}

    def subscribe_topic(self, topic, handler):
        self.hear = handler


class OfTheUser:
    def __reduce__(self):
        return (__import__, ("no_such_module",))


def test_what_cannot_be_rebuilt_here_is_lost(tasks):
    there = cluster._Cluster(Ledger([]), Client(), None, 0, 60.0)
    lost = there._understood("findings", cluster.packed(OfTheUser()))
    assert lost == cluster.Lost(
        "the result cannot be handed over: ModuleNotFoundError: No module named 'no_such_module'"
    )


def test_what_the_workers_say_of_how_far_they_are(tasks):
    seen, client = [], Client()
    files = [File(task) for task in tasks(a=target("f"), b=target("f"))]
    there = cluster._Cluster(Ledger(files, progress=lambda *what: seen.append(what)), client, None, 0, 60.0)
    there.parts = {0: cluster.Part(files[0]), 1: cluster.Part(files[1])}
    for said in ([0, 0, 1, "a.py"], [0, 1, 3, "a.py::f"], [1, 1, 2, "b.py::f"], [7, 1, 1, "late"]):
        client.hear((0.0, json.loads(json.dumps(said))))
    assert seen == [(0, 2, "a.py"), (1, 4, "a.py::f"), (2, 5, "b.py::f")]
