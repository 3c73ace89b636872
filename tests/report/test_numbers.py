import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from gradtool.report.numbers import (
    compact,
    count_text,
    error,
    largest,
    largest_difference,
    number,
    show,
    statistics,
    summary,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.0, "2"),
        (0.1, "0.1"),
        (-0.0, "0"),
        (1 / 3, "0.333333"),
        (-1234.5678, "-1234.57"),
        (1.23456789e-200, "1.23457e-200"),
        (-9.87654321e300, "-9.87654e+300"),
        (5e-324, "4.94066e-324"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (math.nan, "nan"),
    ],
)
def test_number(value, text):
    assert number(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_number_reads_back_to_six_digits(value):
    assert math.isclose(float(number(value)), value, rel_tol=5.0000001e-6, abs_tol=5e-324)


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_number_takes_no_more_room_than_six_digits_and_an_exponent_need(value):
    assert len(number(-value)) <= len("-1.23456e-300")


@pytest.mark.parametrize(("value", "text"), [(4.4e-12, "4e-12"), (0.0, "0"), (0.25, "0.2"), (math.inf, "inf")])
def test_error_has_one_digit(value, text):
    assert error(value) == text


def test_small_arrays_are_shown_in_aligned_rows():
    assert show(np.array([[1.0, -20.0], [0.5, 4.0]])) == "[[  1, -20],\n [0.5,   4]]"
    assert show(np.array([1.0, 2.5, -0.0])) == "[1, 2.5, 0]"
    assert show(np.ones((1, 1, 1))) == "[[[1]]]"
    assert show(np.arange(8.0).reshape(2, 2, 2)) == "[[[0, 1],\n  [2, 3]],\n [[4, 5],\n  [6, 7]]]"


def test_long_rows_are_broken():
    assert show(np.arange(10.0)) == "[0, 1, 2, 3, 4, 5, 6, 7,\n 8, 9]"


def test_scalars_of_any_kind():
    assert show(3.0) == show(np.float64(3)) == show(np.array(3.0)) == "3"
    assert compact(np.array(3.0)) == "3"


def test_large_arrays_are_summed_up():
    large = np.zeros((64, 32))
    large[0, :2] = 3.0, -4.0
    assert show(large) == "(64, 32) norm 5 in [-4, 3]"
    assert compact(large) == "(64,32):norm=5:min=-4:max=3"
    large[1, 1] = np.nan
    assert show(large) == "(64, 32) norm 5 in [-4, 3], 1 not finite"
    assert compact(large) == "(64,32):norm=5:min=-4:max=3:nonfinite=1"
    assert show(np.ones((64, 32))) == "(64, 32) all 1"
    assert summary(np.full(20, np.inf)) == "(20,) nowhere finite"


def test_what_counts_as_small():
    assert show(np.zeros((6, 6))).startswith("[[")
    assert show(np.zeros(16)).startswith("[")
    assert show(np.zeros((7, 6))).startswith("(7, 6)")
    assert show(np.zeros(17)).startswith("(17,)")
    assert show(np.zeros((40, 40)), full=True).count("0") == 1600


def test_empty_arrays():
    assert show(np.zeros((0, 3))) == "(0, 3) empty"
    assert compact(np.zeros((0, 3)), full=True) == "(0,3):empty"


@given(arrays(np.float64, array_shapes(max_dims=4, max_side=12), elements=st.floats(-1e6, 1e6)))
def test_every_entry_is_shown_in_order_and_brackets_match(array):
    for text in (show(array, full=True), compact(array, full=True)):
        flat = text.replace("[", " ").replace("]", " ").replace(",", " ").split()
        np.testing.assert_allclose([float(entry) for entry in flat], array.ravel(), rtol=5.0000001e-6)
        assert text.count("[") == text.count("]") == sum(np.prod(array.shape[:k], dtype=int) for k in range(array.ndim))
    assert " " not in compact(array)


def test_lines_of_an_array_align():
    lines = show(np.array([[1.0, -2e-300], [123456.0, 0.25]])).split("\n")
    assert {line.index(",", 2) for line in lines} == {8}
    assert lines[0].endswith("-2e-300],")
    assert lines[1].endswith("0.25]]")


def test_figures_do_not_overflow():
    found = statistics(np.array([1.5e308, 1.5e308]))
    assert found.mean == pytest.approx(1.5e308)
    assert found.norm == math.inf  # 2.1e308 is more than float64 holds.
    assert statistics(np.array([3e200, 4e200])).norm == pytest.approx(5e200)
    assert statistics(np.array([3e-200, 4e-200])).norm == pytest.approx(5e-200)
    assert statistics(np.zeros(3)) == (0, 0, 0, 0, 0)
    assert statistics(np.zeros(0)).norm == 0


@pytest.mark.parametrize("dtype", [np.int64, np.bool_, np.float32])
def test_arrays_of_other_numbers(dtype):
    assert show(np.array([0, 1], dtype=dtype)) == "[0, 1]"


def test_differences():
    assert largest_difference(np.array([1.0, np.inf]), np.array([1.5, np.inf])) == 0.5
    assert math.isnan(largest_difference(1.0, math.nan))
    assert largest(np.array([1e-3, 2e-3])) == 2e-3


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (1234, "1,234"),
        (10**14, "100,000,000,000,000"),
        (10**58, "about 10^58"),
        (3**100_000, "about 10^47712"),
    ],
    ids=("none", "thousands", "all digits", "too many digits", "more digits than Python writes"),
)
def test_counts(count, text):
    assert count_text(count) == text
