"""Dimensions in letters."""

import pytest

from gradtool.targets.described import Described, DimensionError, is_dimension, letters_of, size_of


@pytest.mark.parametrize(
    ("dimension", "size"),
    [("N", 4), ("4*H", 20), ("d_1*d_2", 6), ("N+1", 5), ("N-1", 3), ("7", 7), ("(d_1*d_2)//2", 3), ("N/2", 2)],
)
def test_sizes(dimension, size):
    assert size_of(dimension, {"N": 4, "H": 5, "d_1": 2, "d_2": 3}) == size


@pytest.mark.parametrize("dimension", ["N-4", "H//2", "H//0", "H % 2"])
def test_what_has_no_size(dimension):
    with pytest.raises(DimensionError):
        size_of(dimension, {"N": 4, "H": 5})


@pytest.mark.parametrize("text", ["", "two words", "f(x)", "a.b", "1.5", "'x'", "x[0]", "True"])
def test_what_is_no_dimension(text):
    assert not is_dimension(text)


def test_letters_in_order():
    assert list(letters_of("4*H + D*(B + 1)")) == ["H", "D", "B"]
    entry = Described(("D", "H"))
    assert Described(("N", "C"), bound="C", entries={"W": entry}).letters == ("N", "C", "D", "H")
