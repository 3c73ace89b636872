import json
import math
from dataclasses import replace
from io import StringIO

import numpy as np

from gradtool.report import Page
from gradtool.report.check_json import render_check
from gradtool.results import CheckReport, Point, Reproduction, SelfTestResult

TARGET = [
    "id", "file", "line", "convention", "forward", "backward", "inputs", "input_source", "verdict", "seconds",
    "gradients", "hygiene", "notes", "intentional", "error",
]  # fmt: skip
GRADIENT = [
    "name", "shape", "verdict", "checked", "of", "worst", "relative_error", "digits", "detectable", "evaluations",
    "miss_probability", "point", "cause", "reason",
]  # fmt: skip


def refuse(token):
    raise AssertionError(f"{token} is not JSON")


def document(report, **page):
    stream = StringIO()
    render_check(report, stream, Page(**page))
    return json.loads(stream.getvalue(), parse_constant=refuse)


def test_keys_and_their_order(reports):
    found = document(reports.everything())
    assert list(found) == ["schema", "targets", "skipped", "summary", "seed", "verdict"]
    for target in found["targets"]:
        assert list(target)[: len(TARGET)] == TARGET
        assert list(target)[len(TARGET) :] in ([], ["accepted"])
        for gradient in target["gradients"]:
            assert list(gradient) == GRADIENT
            assert list(gradient["point"]) in (["kind", "inputs"], ["kind", "inputs", "label"])


def test_a_wrong_target_exactly(reports):
    found = document(CheckReport((reports.wrong_affine(),), seed=3))
    target = found["targets"][0]
    assert target["gradients"][2] == {
        "name": "b", "shape": [5], "verdict": "WRONG", "checked": 5, "of": 5,
        "worst": {"index": [3], "yours": -0.41, "reference": 0.41, "error": 3e-11},
        "relative_error": 2.0, "digits": 0, "detectable": 1e-9, "evaluations": 40, "miss_probability": 0.0,
        "point": {"kind": "given", "inputs": {}},
        "cause": {
            "code": "GC101", "message": "has the opposite sign", "fix": "d_b = -(what you return)",
            "file": "layers.py", "line": 14, "transformation": None, "residual": 1e-15,
        },
        "reason": None,
    }  # fmt: skip
    del target["gradients"]
    assert target == {
        "id": "layers.py::affine", "file": "layers.py", "line": 41, "convention": "forward-backward-pair",
        "forward": "affine_forward", "backward": "affine_backward", "inputs": {"x": [4, 6], "w": [6, 5], "b": [5]},
        "input_source": "docstring", "verdict": "WRONG", "seconds": 0.02, "hygiene": [],
        "notes": ["called as affine_backward(dout, cache)"], "intentional": None, "error": None,
    }  # fmt: skip
    del found["targets"]
    assert found == {
        "schema": "gradtool/check/1", "skipped": [],
        "summary": {"targets": 1, "ok": 0, "wrong": 1, "undecided": 0, "errors": 0, "skipped": 0},
        "seed": 3, "verdict": "WRONG",
    }  # fmt: skip


def test_counts_and_what_was_skipped(reports):
    found = document(reports.everything())
    assert found["summary"] == {"targets": 10, "ok": 2, "wrong": 5, "undecided": 1, "errors": 1, "skipped": 2}
    assert found["skipped"] == [{"id": "layers.py::conv", "reason": "no inputs found; add conv_inputs()"}]
    assert [target["verdict"] for target in found["targets"]].count("SKIPPED") == 1
    assert document(CheckReport(()))["verdict"] == "SKIPPED"


def test_keys_beyond_the_schema_only_where_they_say_something(reports):
    found = {target["id"]: target for target in document(reports.everything())["targets"]}
    assert found["old.py::affine"]["accepted"] == "in the baseline"
    assert found["layers.py::relu"]["gradients"][0]["point"] == {
        "kind": "tie", "inputs": {"x": [[0.0, 1.0], [-2.5, 3.0]], "k": 2.0}, "label": "alpha=0",
    }  # fmt: skip
    assert found["net.py::net"]["gradients"][0]["cause"]["traceback"] == reports.TRACEBACK


def test_what_is_not_finite(reports):
    worst = reports.Worst((np.int64(1),), math.nan, -math.inf, math.inf)
    point = Point("random", {"x": np.array([math.nan, 1.0])})
    wrong = reports.gradient(
        "x", (2,), "WRONG", worst=worst, relative_error=math.inf, detectable=np.float32(0.5), point=point
    )
    found = document(CheckReport((reports.target("f", "WRONG", wrong),)))["targets"][0]["gradients"][0]
    assert found["worst"] == {"index": [1], "yours": "NaN", "reference": "-Infinity", "error": "Infinity"}
    assert (found["relative_error"], found["detectable"]) == ("Infinity", 0.5)
    assert found["point"]["inputs"] == {"x": ["NaN", 1.0]}
    missing = reports.gradient("x", (), "WRONG", worst=reports.Worst((), None, 1.0, 0.0))
    found = document(CheckReport((reports.target("f", "WRONG", missing),)))["targets"][0]["gradients"][0]
    assert found["worst"]["yours"] is None


def test_large_inputs_are_given_by_their_figures(reports):
    point = Point("random", {"x": np.ones((40, 40))})
    wrong = reports.gradient("x", (40, 40), "WRONG", point=point)
    report = CheckReport((reports.target("f", "WRONG", wrong),))

    def inputs(**page):
        return document(report, **page)["targets"][0]["gradients"][0]["point"]["inputs"]["x"]

    assert inputs(max_elements=1000)["shape"] == [40, 40]
    assert inputs(max_elements=None) == inputs(full=True) == [[1.0] * 40] * 40


def test_user_text_is_kept_as_it_is(reports):
    found = document(reports.hostile())
    assert found["targets"][0]["notes"] == [reports.HOSTILE]
    assert found["targets"][0]["gradients"][0]["name"] == reports.HOSTILE


def test_a_self_test_and_a_reproduction(reports):
    tested = replace(reports.right_affine(), self_test=SelfTestResult(27, ("b: zero",)))
    shown = replace(
        reports.wrong_affine(), reproduction=Reproduction("test_b", "def test_b():\n    pass\n", "f.py", "f")
    )
    right, wrong = document(CheckReport((tested, shown)))["targets"]
    assert right["self_test"] == {"planted": 27, "caught": 26, "share": 26 / 27, "missed": ["b: zero"]}
    assert wrong["reproduction"] == {"name": "test_b", "text": "def test_b():\n    pass\n"}
    empty = replace(reports.right_affine(), self_test=SelfTestResult(0))
    assert document(CheckReport((empty,)))["targets"][0]["self_test"]["share"] is None
