import pytest

from gradtool.diagnosis.explaining import codes, explain
from gradtool.report.codes import TITLES


def test_codes_are_listed_by_kind_and_number():
    found = list(codes())
    kinds = [code[:3] for code in found]
    assert kinds == sorted(kinds, key=("GC1", "GC3", "GT1").index)
    assert [c for c in found if c.startswith("GC3")] == [f"GC30{k}" for k in range(1, 9)]


def test_every_code_of_check_has_a_title_in_reports():
    assert {code for code in codes() if code.startswith("GC")} == set(TITLES) - {"UNDECIDED"}


def test_an_unknown_code_is_a_key_error():
    with pytest.raises(KeyError):
        explain("GC999")
