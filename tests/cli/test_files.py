import errno
import json
import os
from pathlib import Path

import click
import pytest

from gradtool import report
from gradtool.cli.files import write_file
from gradtool.cli.options import OutputFile
from gradtool.report import Page
from gradtool.results import EvaluationResult, NodeResult, Verdict

RESULT = EvaluationResult("3", 0, (), (NodeResult(0, None, "3", "constant", (), 3.0, 1.0, (0, 1), 1),), Verdict.OK)


def test_a_file_is_written_whole(tmp_path):
    target = tmp_path / "out.json"
    for _ in range(2):
        write_file("eval", OutputFile("json", target), RESULT, Page())
        assert json.loads(target.read_text())["output"]["value"] == 3.0
    assert os.listdir(tmp_path) == ["out.json"]


def test_a_failure_leaves_the_old_file(tmp_path, monkeypatch):
    target = tmp_path / "out.json"
    target.write_text("old")

    def fail(*arguments):
        arguments[3].write("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(report, "render", fail)
    with pytest.raises(click.FileError) as caught:
        write_file("eval", OutputFile("json", target), RESULT, Page())
    assert "No space left on device" in caught.value.format_message()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["out.json"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to("real.json")
    write_file("eval", OutputFile("json", tmp_path / "link.json"), RESULT, Page())
    assert (tmp_path / "link.json").is_symlink()
    assert "eval" in (tmp_path / "real.json").read_text()


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="needs a device file")
def test_a_device_stays_a_device():
    write_file("eval", OutputFile("json", Path("/dev/null")), RESULT, Page())
    assert not Path("/dev/null").is_file()


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(click.FileError, match="No such file"):
        write_file("eval", OutputFile("json", tmp_path / "none" / "out.json"), RESULT, Page())
