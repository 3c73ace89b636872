"""Exact arithmetic for matrices: every result is the exact one, rounded once."""

from fractions import Fraction
from itertools import permutations

import mpmath
import numpy as np
import pytest

from gradtool.ops import exact


def fractions(matrix):
    return [[Fraction(x) for x in row] for row in np.asarray(matrix).tolist()]


def determinant(rows):
    """By Leibniz's formula."""
    total = Fraction(0)
    for order in permutations(range(len(rows))):
        inversions = sum(order[i] > order[j] for j in range(len(order)) for i in range(j))
        term = Fraction((-1) ** inversions)
        for i, j in enumerate(order):
            term *= rows[i][j]
        total += term
    return total


def cofactors(rows):
    n = len(rows)
    rest = lambda i, j: [[rows[r][c] for c in range(n) if c != j] for r in range(n) if r != i]
    return [[(-1) ** (i + j) * determinant(rest(i, j)) for j in range(n)] for i in range(n)]


def multiplied(a, b):
    return [
        [sum((x * y for x, y in zip(row, column, strict=True)), Fraction(0)) for column in zip(*b, strict=True)]
        for row in a
    ]


def floats(rows):
    return [[float(x) for x in row] for row in rows]


def scaled_at_random(n, seed, spread=40):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, n)) * 2.0 ** rng.integers(-spread, spread, (n, n))


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_everything_is_correctly_rounded(n):
    matrix, other = scaled_at_random(n, n), scaled_at_random(n, 10 + n)
    rows = fractions(matrix)
    found = determinant(rows)
    inverse = [[c / found for c in column] for column in zip(*cofactors(rows), strict=True)]
    assert exact.determinant(matrix) == float(found)
    assert exact.inverse(matrix).tolist() == floats(inverse)
    assert exact.solution(matrix, other).tolist() == floats(multiplied(inverse, fractions(other)))
    assert exact.cofactors(matrix, 0.1).tolist() == floats(
        [[Fraction(0.1) * c for c in row] for row in cofactors(rows)]
    )
    transposed = list(zip(*inverse, strict=True))
    vjp = multiplied(multiplied(transposed, fractions(other)), transposed)
    assert exact.inverse_vjp(matrix, other).tolist() == floats([[-x for x in row] for row in vjp])


def test_a_pivot_of_zero_swaps_rows_and_the_sign():
    matrix = np.array([[0.0, 2.0, 0.0], [0.0, 0.0, 4.0], [8.0, 0.0, 0.0]])
    assert exact.determinant(matrix) == 64.0
    assert exact.determinant(matrix[[1, 0, 2]]) == -64.0
    assert exact.inverse(matrix).tolist() == [[0, 0, 0.125], [0.5, 0, 0], [0, 0.25, 0]]


def test_nearly_singular_is_told_from_singular():
    singular = np.array([[1.0, 3.0], [1.0 / 3.0, 1.0]])
    assert exact.determinant(singular) == float(1 - 3 * Fraction(1.0 / 3.0)) != 0.0
    thirds = np.array([[0.1, 0.2], [0.3, 3 * 0.2]])
    assert exact.determinant(thirds) == float(Fraction(0.1) * Fraction(3 * 0.2) - Fraction(0.2) * Fraction(0.3))
    doubled = np.array([[0.1, 0.2], [0.2, 0.4]])
    assert exact.determinant(doubled) == 0.0
    for found in (
        exact.inverse(doubled),
        exact.solution(doubled, np.ones((2, 1))),
        exact.inverse_vjp(doubled, doubled),
    ):
        assert np.isnan(found).all()
    assert exact.solution(doubled, np.ones((2, 1))).shape == (2, 1)


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_cofactors_of_a_singular_matrix(rank):
    rng = np.random.default_rng(rank)
    matrix = (rng.integers(-9, 9, (4, rank)) @ rng.integers(-9, 9, (rank, 4))) * 2.0 ** np.array(
        [[-30], [0], [5], [90]]
    )
    assert exact.determinant(matrix) == 0.0
    found = exact.cofactors(matrix, -3.0)
    assert found.tolist() == floats([[-3 * c for c in row] for row in cofactors(fractions(matrix))])
    assert found.any() == (rank == 3)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_faddeev_leverrier(n):
    """Determinants and adjugates of a stack, one of them singular."""
    rng = np.random.default_rng(n)
    stack = rng.integers(-5, 6, (3, n, n)).astype(object)
    stack[1, 0] = 0
    found, adjugates = exact.faddeev_leverrier(stack, lambda a, k: a // k)
    for i in range(3):
        rows = [[Fraction(x) for x in row] for row in stack[i]]
        assert found[i] == determinant(rows)
        assert adjugates[i].T.tolist() == (cofactors(rows) if n > 1 else [[1]])


def test_matrices_without_entries():
    empty = np.zeros((0, 0))
    assert exact.determinant(empty) == 1.0
    assert exact.inverse(empty).shape == (0, 0)
    found, adjugate = exact.faddeev_leverrier(np.zeros((2, 0, 0), dtype=object), lambda a, k: a // k)
    assert found.tolist() == [1, 1]
    assert adjugate.shape == (2, 0, 0)
    assert exact.solution(np.eye(2), np.zeros((2, 0))).shape == (2, 0)


def test_eliminate_keeps_its_promise():
    rng = np.random.default_rng(7)
    for n in range(1, 7):
        matrix, right = (rng.integers(-9, 10, (n, k)).astype(object) for k in (n, 2))
        matrix[0, 0] = 0 if n > 1 else 5
        found, solved = exact.eliminate(matrix, right)
        assert found == determinant([[Fraction(x) for x in row] for row in matrix])
        assert found == 0 or (matrix @ solved).tolist() == (found * right).tolist()


def test_integers_are_as_short_as_can_be():
    numbers, exponents = exact.integers(np.array([[0.75, -6.0], [2.0**300, 2.0**302], [0.0, 0.0], [5e-324, -1e-323]]))
    assert numbers.tolist() == [[3, -24], [1, 4], [0, 0], [1, -2]]
    assert exponents == [-2, 300, 0, -1074]
    together, exponent = exact.scaled_integers(np.array([[0.5, 3.0], [0.0, -4.0]]))
    assert (together.tolist(), exponent) == ([[1, 6], [0, -8]], -1)
    assert {type(n) for n in together.flat} == {int}


@pytest.mark.parametrize("low", [-1140, -1080, -1030, -60, 900, 960])
def test_rounded_once_over_the_whole_range(low):
    """Subnormal numbers have fewer bits: rounding to 53 bits first would round some of them twice."""
    rng = np.random.default_rng(low + 2000)
    for _ in range(2000):
        numerator, denominator = (int(n) for n in rng.integers(1, 2**62, 2))
        exponent = low + int(rng.integers(0, 60))
        found = exact.rounded(-numerator, denominator, exponent)
        value = -Fraction(numerator, denominator) * Fraction(2) ** exponent
        if found == -np.inf:
            assert value <= -(2**1024 - 2**970)
            continue
        assert value > -(2**1024 - 2**970)
        error = abs(Fraction(found) - value)
        for side in (-np.inf, np.inf):
            neighbour = float(np.nextafter(found, side))
            if np.isfinite(neighbour):
                assert error <= abs(Fraction(neighbour) - value)


@pytest.mark.parametrize(
    ("numerator", "denominator", "exponent", "value"),
    [
        (0, -7, 5000, "0.0"),  # and not -0.0
        (1, 1, -1074, "5e-324"),
        (1, 2, -1074, "0.0"),  # half way: to even
        (3, 2, -1074, "1e-323"),
        (2**60 + 1, 2**61, -1074, "5e-324"),
        (-1, 3, -5000, "-0.0"),
        (2**54 - 1, 2, 971, "inf"),
        (1, -1, 5000, "-inf"),
        (-1, -1, 5000, "inf"),
        (10**400, 10**400, 0, "1.0"),
    ],
)
def test_rounded(numerator, denominator, exponent, value):
    assert repr(exact.rounded(numerator, denominator, exponent)) == value


@pytest.mark.parametrize(
    ("shape", "yes"),
    [
        ((3, 3), True), ((20, 20), True), ((21, 21), False), ((2, 20, 20), False), ((8, 10, 10), True),
        ((9, 10, 10), False), ((32, 2, 2), True), ((33, 2, 2), False), ((4, 8, 2, 2), True), ((0, 0), False),
        ((0, 2, 2), False),
    ],
)  # fmt: skip
def test_worthwhile(shape, yes):
    assert exact.worthwhile(np.ones(shape)) is yes


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_worthwhile_where_something_is_not_finite(value):
    assert not exact.worthwhile(np.array([[1.0, 0.0], [value, 1.0]]))
    assert not exact.worthwhile(np.eye(2, dtype=object))


@pytest.mark.parametrize(
    "matrix", [[[1e200, 1.0], [0.0, -1e200]], [[1.0, 1e-17], [0.0, 1.0]], [[0.7]], [[1.4]], [[5e-324]]]
)
def test_the_logarithm_of_a_determinant(matrix):
    with mpmath.workdps(50):
        truth = mpmath.log(abs(mpmath.mpf(1) * matrix[0][0] * (matrix[1][1] if len(matrix) > 1 else 1)))
    assert exact.log_determinant(np.array(matrix)) == pytest.approx(float(truth), rel=4e-16)


def test_the_logarithm_of_a_determinant_that_is_nearly_one():
    matrix = np.array([[1.0, 1e-9], [1e-9, 1.0]])
    assert exact.log_determinant(matrix) == pytest.approx(-1e-18, rel=1e-15)
    assert exact.log_determinant(np.zeros((2, 2))) == -np.inf
