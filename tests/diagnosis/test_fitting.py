"""What fits: inside the error, much nearer than the right gradient, at every sight."""

import numpy as np
import pytest

from gradtool.diagnosis.fitting import agreement, largest, norm, numbers


def square(x):
    return x**2


def twice(u, x):
    return (4 * u * x,)


POINTS = [[np.array([0.3, -1.2])], [np.array([1.1, 0.4])]]


def test_a_fit_has_a_residual(evidence_of):
    residual = evidence_of(square, twice, POINTS).fit(lambda look: (2 * look.right, look.error))
    assert residual is not None
    assert residual < 1e-9


def test_the_right_gradient_does_not_explain_a_wrong_one(evidence_of):
    assert evidence_of(square, twice, POINTS).fit(lambda look: (look.right, look.error)) is None


def test_a_wide_error_makes_no_match():
    yours, right = np.array([1.0, 2.0]), (np.array([1.1, 2.2]), np.array([0.01, 0.01]))
    guess = (np.array([1.05, 2.1]), np.array([1.0, 1.0]))
    assert agreement(yours, guess, right, 2.2) is None


def test_all_sights_must_fit(evidence_of):
    evidence = evidence_of(square, lambda u, x: (u * x * (4 if x[0] < 1 else 6),), POINTS)
    assert evidence.fit(lambda look: (2 * look.right, look.error)) is None


def test_the_matrix_of_backward(evidence_of):
    (first, second) = evidence_of(square, twice, POINTS).matrices
    np.testing.assert_allclose(first.yours, np.diag([1.2, -4.8]))
    np.testing.assert_allclose(second.right, np.diag([2.2, 0.8]), atol=1e-9)
    assert first.wrong.sum() == 2


def test_no_matrix_where_backward_is_not_linear(evidence_of):
    assert evidence_of(square, lambda u, x: (np.abs(u) * x,), POINTS).matrices == []
    assert evidence_of(square, lambda u, x: (u * x + 1,), POINTS).matrices == []


def test_ties_count_only_where_nothing_else_is_wrong(evidence_of):
    evidence = evidence_of(square, twice, POINTS, kinds=("tie", "given"))
    assert len(evidence.looks) == 1
    assert len(evidence.all_looks) == 2


def test_a_backward_that_does_not_like_the_upstream_is_no_evidence(evidence_of):
    def backward(u, x):
        if not u.any():
            raise ValueError("all zero")
        return twice(u, x)

    evidence = evidence_of(square, backward, POINTS)
    assert evidence.offset is None
    assert evidence.yours_for(evidence.first, np.zeros(2)) is None


@pytest.mark.parametrize(("value", "size"), [([], 0.0), ([3.0, -4.0], 4.0)])
def test_largest(value, size):
    assert largest(np.array(value)) == size


def test_norm_does_not_overflow():
    assert norm(np.array([3e300, 4e300])) == pytest.approx(5e300)
    assert norm(np.zeros(2)) == 0


def test_numbers():
    assert numbers(None) is None
    assert numbers("x") is None
    assert numbers([1, 2]).dtype == np.float64
