"""Entries as words."""

import numpy as np
import pytest

from gradtool.diagnosis.places import index, list_entries


def test_index():
    assert index((0, 2)) == "[0, 2]"


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        ([False, True, False], "[1]"),
        ([[True, False], [False, True]], "[0, 0], [1, 1]"),
        ([False] + [True] * 6, "6 of 7 entries, the first at [1]"),
        ([True, True], "every entry"),
        ([True], "its only entry"),
    ],
)
def test_list_entries(mask, words):
    assert list_entries(np.array(mask)) == words
