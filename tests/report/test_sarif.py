import json
from io import StringIO
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from gradtool import __version__
from gradtool.report import Page
from gradtool.report.sarif import render_check
from gradtool.results import CheckReport

SCHEMA = Path(__file__).with_name("data") / "sarif-2.1.0.json"
"""The standard's schema, unchanged from Microsoft's SARIF Multitool, https://github.com/microsoft/sarif-sdk: the file
``sarif-2.1.0.json`` of npm's ``@microsoft/sarif-multitool-linux`` 5.7.0, under the MIT licence."""


def run(report):
    stream = StringIO()
    render_check(report, stream, Page())
    return json.loads(stream.getvalue())["runs"][0]


@pytest.fixture(scope="module")
def validator():
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    of_draft = jsonschema.validators.validator_for(schema)
    of_draft.check_schema(schema)
    return of_draft(schema)


@pytest.mark.parametrize("name", ["everything", "hostile"])
def test_a_log_is_made_of_what_the_standard_has(reports, validator, name):
    stream = StringIO()
    render_check(getattr(reports, name)(), stream, Page())
    validator.validate(json.loads(stream.getvalue()))


def test_the_schema_refuses_what_the_standard_does_not_have(reports, validator):
    for spoil in (
        lambda log: log["runs"][0]["results"][0].update(severity="high"),
        lambda log: log["runs"][0]["results"][0].update(level="notice"),
        lambda log: log["runs"][0]["results"][0].pop("message"),
        lambda log: log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"].update(startLine=0),
        lambda log: log.update(version="2.0.0"),
    ):
        stream = StringIO()
        render_check(reports.everything(), stream, Page())
        log = json.loads(stream.getvalue())
        spoil(log)
        assert not validator.is_valid(log)


def test_a_wrong_gradient_exactly(reports):
    found = run(CheckReport((reports.wrong_affine(),), seed=3))
    (result,) = found["results"]
    assert list(result["partialFingerprints"]) == ["gradtool/v1"]
    del result["partialFingerprints"]
    assert result == {
        "ruleId": "GC101",
        "ruleIndex": 0,
        "kind": "fail",
        "level": "error",
        "message": {
            "text": "affine: gradient of b has the opposite sign (entry [3]: yours -0.41, reference 0.41 ± 3e-11)\n"
            "fix: d_b = -(what you return)"
        },
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": "layers.py"}, "region": {"startLine": 41}},
                "logicalLocations": [{"fullyQualifiedName": "layers.py::affine", "kind": "function"}],
            }
        ],
        "properties": {"target": "layers.py::affine", "gradient": "b"},
        "relatedLocations": [
            {
                "id": 1,
                "physicalLocation": {"artifactLocation": {"uri": "layers.py"}, "region": {"startLine": 14}},
                "message": {"text": "the forward whose derivative this is"},
            }
        ],
    }
    assert found["tool"]["driver"] == {
        "name": "gradtool",
        "version": __version__,
        "rules": [{"id": "GC101", "shortDescription": {"text": "gradient has the opposite sign"}}],
    }
    assert found["invocations"] == [{"executionSuccessful": True}]
    assert found["properties"] == {"seed": 3}


def test_rules_are_those_of_the_results(reports):
    found = run(reports.everything())
    rules = [rule["id"] for rule in found["tool"]["driver"]["rules"]]
    assert rules == sorted({result["ruleId"] for result in found["results"]})
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in found["results"])


def test_levels(reports):
    found = run(reports.everything())["results"]
    assert [(result["ruleId"], result["kind"], result["level"], "suppressions" in result) for result in found] == [
        ("GC101", "fail", "error", False), ("GC118", "fail", "error", False), ("GC301", "fail", "error", False),
        ("GC120", "fail", "error", False), ("UNDECIDED", "open", "none", False), ("GC199", "fail", "error", True),
        ("GC101", "fail", "error", True), ("GC306", "fail", "warning", False),
    ]  # fmt: skip
    assert found[5]["suppressions"] == [
        {"kind": "external", "justification": "intentional: straight-through estimator"},
    ]


def test_errors_and_skipped_targets_are_told_of_the_run(reports):
    (invocation,) = run(reports.everything())["invocations"]
    assert invocation["executionSuccessful"] is False
    told = [(found["level"], found["message"]["text"]) for found in invocation["toolExecutionNotifications"]]
    assert told == [
        ("error", "broken: ValueError: matmul: (4, 3) and (4, 2)"),
        ("note", "gpu: arrays on a GPU are not supported"),
        ("note", "conv: no inputs found; add conv_inputs()"),
    ]
    assert run(CheckReport((), (reports.Skipped("a.py::f", "why"),)))["invocations"][0]["executionSuccessful"] is True


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("a b/ü#?%.py", "a%20b/%C3%BC%23%3F%25.py"),
        ("./src/../c:d.py", "src/../c%3Ad.py"),
        ("/abs/x y.py", "file:///abs/x%20y.py"),
    ],
)
def test_paths_are_uris(reports, path, uri):
    result = run(CheckReport((reports.wrong_affine(id=f"{path}::affine", file=path),)))["results"][0]
    found = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert found == uri
    assert unquote(urlsplit(found).path) == path.removeprefix("./")


def test_code_that_is_in_no_file(reports):
    found = reports.wrong_affine(id="affine", file=None, line=None)
    assert run(CheckReport((found,)))["results"][0]["locations"] == [
        {"logicalLocations": [{"fullyQualifiedName": "affine", "kind": "function"}]},
    ]


def test_nothing_found_is_a_run_without_results():
    assert run(CheckReport(()))["results"] == []
