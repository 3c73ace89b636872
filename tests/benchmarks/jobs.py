"""Time of ``gradtool check`` on a folder of slow files: in one process, in two, and on a Dask cluster of two workers; and on one
file with as many targets. Needs ``gradtool[cluster]``."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

FILES = 8
TARGET = """
def f{i}_forward(x):
    time.sleep(0.005)  # A forward that waits: cores that others use do not count.
    return x * x, x


def f{i}_backward(dout, x):
    return 2 * x * dout
"""
CLUSTER = Path(__file__).parent.parent / "isolation" / "local_cluster.py"


@contextlib.contextmanager
def cluster_of_two() -> Iterator[str]:
    """The address of a Dask cluster of two processes."""
    process = subprocess.Popen([sys.executable, CLUSTER], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait()


def seconds(folder: Path, *options: str) -> float:
    """What one run takes."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "gradtool", "check", str(folder), "--format", "concise", *options]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def main() -> None:
    """Print a table of seconds."""
    with tempfile.TemporaryDirectory() as name, cluster_of_two() as address:
        folders = {f"{FILES} files of one target": Path(name, "many"), f"1 file of {FILES} targets": Path(name, "one")}
        many, one = folders.values()
        for folder in folders.values():
            folder.mkdir()
        for i in range(FILES):
            (many / f"slow{i}.py").write_text("import time\n" + TARGET.format(i=i))
        (one / "slow.py").write_text("import time\n" + "".join(TARGET.format(i=i) for i in range(FILES)))
        ways = {"--jobs 1": ["--jobs", "1"], "--jobs 2": ["--jobs", "2"], "cluster of 2": ["--scheduler", address]}
        print(f"{'seconds':26s}" + "".join(f"{way:>14s}" for way in ways))
        for what, folder in folders.items():
            found = [seconds(folder, *options) for options in ways.values()]
            print(f"{what:26s}" + "".join(f"{one:14.1f}" for one in found))


if __name__ == "__main__":
    main()
