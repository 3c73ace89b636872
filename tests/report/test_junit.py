import re
from io import StringIO
from xml.etree import ElementTree

import pytest

from gradtool.report import Page
from gradtool.report.junit import render_check
from gradtool.results import CheckReport

junitparser = pytest.importorskip("junitparser", reason="junitparser is not installed")


def written(report):
    stream = StringIO()
    render_check(report, stream, Page())
    return stream.getvalue()


def suites(report):
    return {suite.name: suite for suite in junitparser.JUnitXml.fromstring(written(report).encode("utf-8"))}


def test_a_suite_a_file_and_a_case_a_target(reports):
    found = suites(reports.everything())
    assert {name: [case.name for case in suite] for name, suite in found.items()} == {
        "layers.py": ["affine", "relu", "pool", "ste", "gpu", "conv"],
        "bad.py": ["affine"],
        "net.py": ["net", "broken"],
        "old.py": ["affine"],
        "big.py": ["big"],
    }
    assert {case.classname for case in found["net.py"]} == {"net.py"}
    assert all(case.time == 0.02 for case in found["net.py"])
    assert [p.value for suite in found.values() for p in suite.properties() if p.name == "seed"] == ["7"] * 5


def test_counts_are_what_the_cases_say(reports):
    everything = junitparser.JUnitXml.fromstring(written(reports.everything()).encode("utf-8"))
    counts = (everything.tests, everything.failures, everything.errors, everything.skipped)
    assert counts == (11, 3, 1, 4)
    for suite in everything:
        said = (suite.tests, suite.failures, suite.errors, suite.skipped)
        suite.update_statistics()
        assert (suite.tests, suite.failures, suite.errors, suite.skipped) == said
    everything.update_statistics()
    assert (everything.tests, everything.failures, everything.errors, everything.skipped) == counts


def test_outcomes(reports):
    found = suites(reports.everything())
    cases = {f"{suite.name}::{case.name}": case for suite in found.values() for case in suite}
    outcomes = {name: [type(result).__name__ for result in case.result] for name, case in cases.items()}
    assert outcomes == {
        "layers.py::affine": [],
        "layers.py::relu": ["Failure"],
        "layers.py::pool": [],
        "layers.py::ste": ["Skipped"],
        "layers.py::gpu": ["Skipped"],
        "layers.py::conv": ["Skipped"],
        "bad.py::affine": ["Failure"],
        "net.py::net": ["Failure"],
        "net.py::broken": ["Error"],
        "old.py::affine": ["Skipped"],
        "big.py::big": [],
    }
    failure = cases["bad.py::affine"].result[0]
    assert failure.type == "GC101"
    assert failure.message == ("gradient of b has the opposite sign (entry [3]: yours -0.41, reference 0.41 ± 3e-11)")
    assert "  b         WRONG    [3]        -0.41  0.41 ± 3e-11            0       1e-09\n" in failure.text
    assert cases["net.py::broken"].result[0].message == "ValueError: matmul: (4, 3) and (4, 2)"
    assert reports.TRACEBACK.splitlines()[1] in cases["net.py::broken"].result[0].text
    assert cases["layers.py::conv"].result[0].message == "no inputs found; add conv_inputs()"
    assert cases["layers.py::ste"].result[0].message == "intentional: straight-through estimator"
    assert "too noisy" in cases["layers.py::pool"].system_out
    assert "GC306" in cases["big.py::big"].system_out


def test_user_text_stays_text(reports):
    text = written(reports.hostile())
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]", text)
    root = ElementTree.fromstring(text)
    assert {element.tag for element in root.iter()} == {
        "testsuites", "testsuite", "properties", "property", "testcase", "failure", "error", "skipped", "system-out",
    }  # fmt: skip
    message = root.find(".//skipped").get("message")
    assert message.startswith("intentional: a]]>b<c>&\"'::error::%0A,[red]x[/red] :smile: \\x1b[31m\\x00 second")
    assert "a]]>b<c>&" in root.find(".//failure").text
    assert len(list(suites(reports.hostile()).values())) == 2


def test_code_that_is_in_no_file(reports):
    found = reports.target("f", "OK", reports.gradient("x"), id="f", file=None, line=None)
    assert [case.name for case in suites(CheckReport((found,)))["gradtool"]] == ["f"]


def test_nothing_found_is_a_document_all_the_same():
    assert suites(CheckReport(())) == {}
