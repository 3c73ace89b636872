"""What ``check --list`` shows."""

import io
import json

import pytest

from gradtool import report
from gradtool.report import Page
from gradtool.results import CheckReport, Outcome, Skipped, TargetResult

AFFINE = TargetResult(
    "layers.py::affine", "forward-backward-pair", "affine_forward", "affine_backward", Outcome.SKIPPED, "layers.py", 41,
    inputs={"x": (4, 6), "b": ()}, input_source="docstring",
    notes=("called as affine_backward(dout, cache)", "also with pad=0"), intentional="a [bold]reason[/]",
)  # fmt: skip
BROKEN = TargetResult("bad.py", "module", "", "", Outcome.ERROR, "bad.py", 1, error="Traceback:\n  boom")
REPORT = CheckReport((AFFINE, BROKEN), (Skipped("layers.py::conv", "no inputs found"),), seed=3)


def written(format_name, found=REPORT, **page):
    stream = io.StringIO()
    report.render("list", format_name, found, stream, Page(**page))
    return stream.getvalue()


def test_the_table():
    assert written("table") == (
        "layers.py::affine  (line 41, forward-backward-pair)\n"
        "  affine_forward, affine_backward\n"
        "  inputs: x (4, 6), b () from the docstring\n"
        "  called as affine_backward(dout, cache)\n"
        "  also with pad=0\n"
        "  intentional: a [bold]reason[/]\n"
        "bad.py  (line 1, module)\n"
        "  Traceback:\n"
        "    boom\n"
        "SKIPPED  layers.py::conv: no inputs found\n"
        "\n"
        "1 target, 1 skipped (--seed 3)\n"
    )


def test_narrow_lines_lose_nothing():
    assert written("table", width=30).split() == written("table").split()


def test_json():
    document = json.loads(written("json"))
    assert list(document) == ["schema", "targets", "skipped", "seed"]
    assert document["schema"] == "gradtool/list/1"
    affine, broken = document["targets"]
    assert affine["inputs"] == {"x": [4, 6], "b": []}
    assert affine["notes"] == ["called as affine_backward(dout, cache)", "also with pad=0"]
    assert broken["error"] == "Traceback:\n  boom"
    assert document["skipped"] == [{"id": "layers.py::conv", "reason": "no inputs found"}]
    assert document["seed"] == 3


@pytest.mark.parametrize("format_name", report.formats("list"))
def test_nothing_found(format_name):
    assert written(format_name, CheckReport(()))
