"""A draft of the configuration for what nobody could make inputs for."""

import tomllib

from gradtool.isolation.drafting import draft
from gradtool.isolation.ledger import Finished
from gradtool.results import CheckReport, Skipped


def finished(*skipped):
    report = CheckReport((), tuple(Skipped(target_id, reason) for target_id, reason, _ in skipped))
    return Finished(report, {}, {target_id: parameters for target_id, _, parameters in skipped if parameters})


def test_the_draft_is_toml_with_a_place_for_every_input(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = draft(
        finished(
            ("src/a.py::affine", "no inputs found:\nnot even by trying", ("x", "w")),
            ('src/a.py::"odd"', "no inputs found", ("α",)),
            ("src/a.py::abstract", "not implemented", ()),
        ),
        tmp_path,
    )
    targets = tomllib.loads(found)["tool"]["gradtool"]["targets"]
    assert targets == {
        "src/a.py::affine": {"inputs": {"x": "randn(3, 4)", "w": "randn(3, 4)"}},
        'src/a.py::"odd"': {"inputs": {"α": "randn(3, 4)"}},
    }
    assert "# not even by trying\n" in found


def test_paths_are_those_of_the_configurations_folder(tmp_path, monkeypatch):
    (tmp_path / "src").mkdir()
    monkeypatch.chdir(tmp_path / "src")
    found = draft(finished(("a.py::affine", "why", ("x",))), tmp_path)
    assert list(tomllib.loads(found)["tool"]["gradtool"]["targets"]) == ["src/a.py::affine"]


def test_nothing_to_draft(tmp_path):
    assert draft(finished(("a.py::f", "not implemented", ())), tmp_path) == ""
