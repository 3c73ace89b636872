"""What happens on a cluster's worker, without a cluster: errands, and outposts that end."""

import json
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from gradtool.isolation import Task, outpost
from gradtool.isolation.outpost import Errand, errand_done, look_after, packed, unpacked
from gradtool.results import Outcome
from gradtool.targets.given import Given

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes as Linux shows them")
GOOD = "def f_forward(x):\n    return x * x, x\ndef f_backward(d, x):\n    return 2 * x * d\n"


@pytest.fixture
def errand(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # An outpost changes it.

    def make(text, path=Path("a.py"), folder=tmp_path, timeout=60.0):
        (tmp_path / "a.py").write_text(text)
        return Errand(Task(path, "a.py", Given(), {"points": 0}), str(folder), timeout)

    return make


def test_what_is_packed_comes_out_the_same():
    assert (unpacked(packed({"x": np.arange(3)}))["x"] == np.arange(3)).all()
    # joblib would leave another object in the memory of one worker, and lose it with that one.
    assert isinstance(packed(1), bytes)


def test_an_errand(errand):
    told = []
    data, why = errand_done(packed(errand(GOOD)), lambda: True, lambda text: told.append(json.loads(text)))
    found = unpacked(data)
    assert (why, found.failure, found.misuse) == ("", None, None)
    assert [one.id for one in found.announced] == ["a.py::f"]
    assert found.results["a.py::f"].verdict is Outcome.OK
    assert told == [[0, 1, "a.py"], [0, 1, "a.py::f"], [1, 1, "a.py::f"]]


def test_a_file_is_found_where_only_its_own_path_is_there(errand, tmp_path):
    found = look_after(errand(GOOD, path=tmp_path / "a.py", folder=tmp_path / "elsewhere"))
    assert found.results["a.py::f"].verdict is Outcome.OK


def test_a_file_that_is_not_there(errand, tmp_path):
    found = look_after(errand(GOOD, path=Path("b.py")))
    assert found.failure.error.startswith(f"{tmp_path / 'b.py'} is not there on the cluster's worker ")
    assert found.announced is None


def test_misuse_is_told_not_raised(errand):
    found = look_after(errand(GOOD.replace("(d, x):", "(d, x):  # gradtool: ignore")))
    assert found.misuse.startswith("a.py:3: ")


@needs_proc
@pytest.mark.parametrize("ended_by", ["nobody wants it", "the code itself"])
def test_an_outpost_that_ends_takes_all_with_it(errand, tmp_path, ended_by):
    last = "os.kill(os.getppid(), 9)" if ended_by == "the code itself" else "time.sleep(60)"
    text = f"import os, time\nopen('pids', 'w').write(f'{{os.getpid()}} {{os.getppid()}}')\n{last}\n{GOOD}"
    wanted = threading.Event()
    wanted.set()

    def tell(said):
        if ended_by == "nobody wants it":
            threading.Timer(2.0, wanted.clear).start()

    began = time.monotonic()
    assert errand_done(packed(errand(text)), wanted.is_set, tell) == (None, "its process was ended by SIGKILL")
    assert time.monotonic() - began < 55
    written = tmp_path / "pids"
    pids = written.read_text().split() if written.exists() else []
    until = time.monotonic() + 20
    while any(os.path.exists(f"/proc/{pid}/status") for pid in pids) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(os.path.exists(f"/proc/{pid}/status") for pid in pids)


def test_a_message_that_is_cut_off_is_none(tmp_path):
    path = tmp_path / "stream"
    with path.open("wb") as stream:
        outpost._write(stream, b"whole")
        outpost._write(stream, b"cut off")
    path.write_bytes(path.read_bytes()[:-1])
    with path.open("rb") as stream:
        assert outpost._read(stream) == b"whole"
        with pytest.raises(EOFError):
            outpost._read(stream)
