import json
import re
from io import StringIO

from gradtool.report import Page
from gradtool.report.gitlab import render_check
from gradtool.results import CheckReport


def entries(report):
    stream = StringIO()
    render_check(report, stream, Page())
    return json.loads(stream.getvalue())


def test_an_entry_exactly(reports):
    entry = entries(CheckReport((reports.wrong_affine(),)))[0]
    assert re.fullmatch("[0-9a-f]{64}", entry.pop("fingerprint"))
    assert entry == {
        "description": ("affine: gradient of b has the opposite sign (entry [3]: yours -0.41, reference 0.41 ± 3e-11)"),
        "check_name": "GC101",
        "severity": "critical",
        "location": {"path": "layers.py", "lines": {"begin": 41}},
    }


def test_severities(reports):
    found = [(entry["check_name"], entry["severity"]) for entry in entries(reports.everything())]
    assert found == [
        ("GC101", "critical"), ("GC118", "critical"), ("GC301", "critical"), ("GC120", "critical"),
        ("UNDECIDED", "minor"), ("ERROR", "critical"), ("GC199", "info"), ("GC101", "info"), ("GC306", "minor"),
        ("SKIPPED", "info"), ("SKIPPED", "info"),
    ]  # fmt: skip


def test_fingerprints_are_unique_and_do_not_hang_on_lines(reports):
    names = [entry["fingerprint"] for entry in entries(reports.everything())]
    assert len(set(names)) == len(names)
    here, there = (entries(CheckReport((reports.wrong_affine(line=line),)))[0] for line in (41, 50))
    assert here["fingerprint"] == there["fingerprint"]
    assert here["location"] != there["location"]


def test_every_entry_has_a_path_and_a_line(reports):
    found = reports.wrong_affine(id="affine", file=None, line=None)
    assert entries(CheckReport((found,)))[0]["location"] == {"path": "affine", "lines": {"begin": 1}}
    assert all(entry["location"]["lines"]["begin"] >= 1 for entry in entries(reports.everything()))


def test_user_text(reports):
    for entry in entries(reports.hostile()):
        assert "\x1b" not in entry["description"] + entry["location"]["path"]


def test_nothing_found_is_an_empty_list():
    assert entries(CheckReport(())) == []
