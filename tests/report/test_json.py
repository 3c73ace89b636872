import json
import math
from io import StringIO

import numpy as np
import pytest

from gradtool.report import Page
from gradtool.report.json import render_evaluation
from gradtool.results import EdgeResult, MicroBatches, Reference, Rule


def refuse(token):
    raise AssertionError(f"{token} is not JSON")


def document(result, **page):
    stream = StringIO()
    render_evaluation(result, stream, Page(**page))
    return json.loads(stream.getvalue(), parse_constant=refuse)


def test_the_first_example(make):
    found = document(make.first_example())
    assert list(found) == [
        "schema", "expression", "output", "inputs", "nodes", "diagnostics", "seed", "verdict",
    ]  # fmt: skip
    assert found["schema"] == "gradtool/eval/1"
    assert found["output"] == {"node": 5, "name": None, "shape": [], "value": 6.0}
    y = found["inputs"][1]
    assert list(y) == ["name", "node", "shape", "value", "gradient", "references", "verdict", "reason"]
    assert y["references"] == {
        "symbolic": {"status": "ok", "value": 5.0, "reason": None},
        "numeric": {"status": "ok", "value": 5.0, "error": 1e-11, "evaluations": 6, "reason": None},
    }
    assert found["nodes"][3] == {
        "id": 3, "name": None, "expression": "x+y", "operation": "add", "shape": [], "value": 3.0, "upstream": 2.0,
        "span": [0, 3], "line": 1,
        "edges": [
            {"argument": 0, "from": 0, "local": 1.0, "downstream": 2.0},
            {"argument": 1, "from": 1, "local": 1.0, "downstream": 2.0},
        ],
    }  # fmt: skip
    assert (found["diagnostics"], found["seed"], found["verdict"]) == ([], None, "OK")


def test_a_program_without_inputs_and_findings(make):
    found = document(make.result([]))
    assert (found["inputs"], found["diagnostics"]) == ([], [])


def test_diagnostics_and_layers(make):
    diagnostic = make.Diagnostic("GT101", "warning", 'a "tie"\nand \N{GREEK SMALL LETTER ALPHA}', 0)
    found = document(make.result([make.input("α")], diagnostics=(diagnostic,), layers=((0, math.inf),)))
    assert found["diagnostics"] == [
        {"code": "GT101", "severity": "warning", "message": 'a "tie"\nand α', "node": 0},
    ]
    assert found["inputs"][0]["name"] == "α"
    assert found["layers"] == [{"node": 0, "norm": "Infinity"}]


def test_what_was_asked_for(make):
    batches = MicroBatches((3, 1), {"x": 1e-16}, {"x": math.inf})
    result = make.result([make.input("x", clipped=0.5), make.input("t")], dtype="float32", micro_batches=batches)
    found = document(result)
    assert found["dtype"] == "float32"
    assert found["microbatches"] == {"sizes": [3, 1], "weighted": {"x": 1e-16}, "unweighted": {"x": "Infinity"}}
    assert [found.get("clipped") for found in found["inputs"]] == [0.5, None]


def test_skipped_references_have_no_value(make):
    skipped = Reference("skipped", reason="not asked for")
    found = document(make.result([make.input("x", symbolic=skipped)]))["inputs"][0]["references"]["symbolic"]
    assert found == {"status": "skipped", "value": None, "reason": "not asked for"}


def test_rules(make):
    for jacobian, more in ((None, {}), (np.eye(2), {"jacobian": [[1.0, 0.0], [0.0, 1.0]]})):
        edge = EdgeResult(0, 0, Rule("upstream @ W.T", (2, 2), jacobian), np.array([1.0, 2.0]))
        nodes = [make.node(0, "x", "input"), make.node(1, "W@x", "matmul", edges=(edge,))]
        found = document(make.result([make.input("x")], nodes))["nodes"][1]["edges"][0]
        assert found["local"] == {"rule": "upstream @ W.T", "jacobian_shape": [2, 2], **more}
        assert found["downstream"] == [1.0, 2.0]


def test_large_arrays_are_given_by_their_figures(make):
    large = np.arange(12.0).reshape(3, 4)
    large[0, 0] = np.nan
    found = make.input("x", value=large, gradient=large)
    image = document(make.result([found]), max_elements=11)["inputs"][0]["value"]
    assert list(image) == ["shape", "min", "max", "mean", "norm", "nonfinite"]
    assert image == {
        "shape": [3, 4], "min": 1.0, "max": 11.0, "mean": 6.0, "norm": pytest.approx(506**0.5), "nonfinite": 1,
    }  # fmt: skip
    for page in ({"max_elements": 12}, {"max_elements": None}, {"max_elements": 0, "full": True}):
        assert document(make.result([found]), **page)["inputs"][0]["value"][2][3] == 11.0
