import numpy as np
import pytest

from gradtool.references.numeric import Numeric
from gradtool.results import Verdict, Worst
from gradtool.verdict.judgement import Judgement, at_entry, figures, largest, relative


def numeric(value):
    value = np.asarray(value, dtype=float)
    nan = np.full(value.shape, np.nan)
    return Numeric(value, np.full(value.shape, 1e-12), nan, nan, np.zeros(value.shape, bool), 6)


def test_the_worst_entry_is_furthest_outside_of_its_bound():
    bound = np.array([1e-12, 1e-3, 1e-12])
    found = figures(np.array([1.0, 2.1, 3.0 + 1e-9]), numeric([1.0, 2.0, 3.0]), bound, 3.0)
    assert found["worst"].index == (2,)
    assert found["detectable"] == pytest.approx(1e-3 / 3)
    assert found["digits"] == 9


def test_what_is_not_finite_is_worst_of_all():
    found = figures(np.array([5.0, np.nan]), numeric([1.0, 2.0]), np.full(2, 1e-12), 2.0)
    assert found["worst"].index == (1,)
    assert found["digits"] == 0
    assert found["relative_error"] is None


def test_empty_arrays_have_no_worst_entry():
    assert figures(np.zeros((0, 3)), numeric(np.zeros((0, 3))), np.zeros((0, 3)), 0.0) == {"detectable": 0.0}


@pytest.mark.parametrize(
    ("yours", "reference", "error", "digits"),
    [(-0.41, 0.41, 2.0, 0), (1.0, 1.0, 0.0, 16), (0.0, 0.0, 0.0, 16), (1.001, 1.0, 1e-3, 2)],
)
def test_relative_errors_and_digits(yours, reference, error, digits):
    found = relative(Worst((), yours, reference, 1e-15))
    assert found["relative_error"] == pytest.approx(error, rel=1e-9)
    assert found["digits"] in (digits, digits + 1)


def test_zero_means_within_its_bound_and_not_wrong():
    right, error = np.array([1e-13, 0.0]), np.full(2, 1e-12)
    assert Judgement(Verdict.OK, None, right, error).is_zero
    assert not Judgement(Verdict.WRONG, None, right, error).is_zero
    assert not Judgement(Verdict.OK, None, right + 1, error).is_zero


def test_places():
    assert at_entry((1, 2)) == "entry [1, 2]: "
    assert at_entry(()) == ""
    assert largest(np.array([[1, 5], [2, 3]])) == (0, 1)
