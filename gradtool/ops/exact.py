"""Small matrices in exact integer arithmetic, rounded once at the end: inverses, determinants, normalised rows.

A float64 is an integer times a power of two, so a matrix of them is, row by row. Elimination without fractions
(Bareiss, *Mathematics of Computation* 22, 1968) then stays in integers. LAPACK loses as many digits as the condition
number has, and cannot tell a singular matrix from one that is nearly so; for the matrices that people type, exactness
costs less than a millisecond.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gradtool.ops.operation import Array

MAX_SIZE = 20
"""Larger matrices go to LAPACK, as do stacks of more than ``MAX_WORK / n³`` (but 32) matrices."""
MAX_WORK = 8000
MAX_ENTRIES = 500
"""Of rows that are normalised."""


def worthwhile(matrices: Array) -> bool:
    """Whether these matrices (in the last two axes) are finite, small and few enough."""
    n = matrices.shape[-1]
    count = math.prod(matrices.shape[:-2])
    few = 0 < n <= MAX_SIZE and 0 < count <= 32 and count * n**3 <= MAX_WORK
    return few and matrices.dtype == np.float64 and bool(np.isfinite(matrices).all())


def integers(matrix: Array) -> tuple[Array, list[int]]:
    """``matrix`` as integers, and an exponent for each row: ``matrix[i, j] = N[i, j] * 2**exponents[i]``."""
    result = np.empty(matrix.shape, dtype=object)
    exponents = []
    for i, row in enumerate(matrix.tolist()):
        ratios = [x.as_integer_ratio() for x in row]
        # Denominators are powers of two. Common factors of two go into the exponent: integers stay short.
        common = max((d.bit_length() for _, d in ratios), default=1) - 1
        numbers = [n << (common + 1 - d.bit_length()) for n, d in ratios]
        spare = min(((n & -n).bit_length() - 1 for n in numbers if n), default=0)
        result[i, :] = [n >> spare for n in numbers]
        exponents.append(spare - common)
    return result, exponents


def scaled_integers(matrix: Array) -> tuple[Array, int]:
    """The same with one exponent for all rows."""
    numbers, exponents = integers(matrix.reshape((1, matrix.size)))
    return numbers.reshape(matrix.shape), exponents[0]


def rounded(numerator: int, denominator: int, exponent: int) -> float:
    """``numerator / denominator * 2**exponent`` as the nearest float; infinite beyond the range."""
    if numerator == 0:
        return 0.0
    try:
        # One division of integers rounds once, to a subnormal number as well.
        return (numerator << max(0, exponent)) / (denominator << max(0, -exponent))
    except OverflowError:
        return math.inf if (numerator > 0) == (denominator > 0) else -math.inf


def eliminate(matrix: Array, right: Array) -> tuple[int, Array]:
    """``(d, Y)`` with ``matrix @ Y = d * right`` in integers, where d is the determinant; Y means nothing if d is 0."""
    n = len(matrix)
    work = np.concatenate((matrix, right), axis=1)
    previous, sign = 1, 1
    for k in range(n):
        pivot = next((i for i in range(k, n) if work[i, k] != 0), None)
        if pivot is None:
            return 0, work[:, n:]
        if pivot != k:
            work[[k, pivot]] = work[[pivot, k]]
            sign = -sign
        lead = work[k, k]
        row = work[k].copy()
        work = (lead * work - np.multiply.outer(work[:, k], row)) // previous
        work[k] = row
        previous = lead
    # All pivots are now the determinant of the matrix with its rows permuted.
    return sign * previous, sign * work[:, n:]


def identity(n: int) -> Array:
    """The identity in Python integers."""
    result = np.zeros((n, n), dtype=object)
    result[range(n), range(n)] = 1
    return result


def faddeev_leverrier(matrix: Array, divide: Callable[[Any, int], Any]) -> tuple[Any, Array]:
    """Determinant and adjugate of the matrices in the last two axes, by products and division by whole numbers only, so
    that it also works for singular ones (Faddeev & Faddeeva, *Computational Methods of Linear Algebra*, section 47)."""
    n = matrix.shape[-1]
    if n == 0:
        return np.ones(matrix.shape[:-2], dtype=object), matrix
    unit = identity(n)

    def coefficient(product: Array, k: int) -> Array:
        return np.asarray(divide(np.sum(np.diagonal(product, axis1=-2, axis2=-1), axis=-1), k), dtype=object)

    power = np.broadcast_to(unit, matrix.shape)
    for k in range(1, n):
        product = matrix @ power
        power = product - coefficient(product, k)[..., None, None] * unit
    sign = -1 if n % 2 == 0 else 1
    return np.asarray(sign * coefficient(matrix @ power, n), dtype=object), sign * power


def inverse(matrix: Array) -> Array:
    """The inverse, every entry correctly rounded; NaN for a singular matrix."""
    return solution(matrix, np.eye(len(matrix)))


def solution(matrix: Array, right: Array) -> Array:
    """``X`` with ``matrix @ X = right`` (a matrix), every entry correctly rounded; NaN for a singular matrix."""
    numbers, exponents = integers(matrix)
    # Row i of the equation is divided by 2**exponents[i]; the right side keeps whole numbers over one power of two.
    top = max(exponents, default=0)
    rights, shift = scaled_integers(right)
    for i, exponent in enumerate(exponents):
        rights[i] = rights[i] * (1 << (top - exponent))
    determinant, solved = eliminate(numbers, rights)
    return _rounded_matrix(solved, determinant, [shift - top] * len(matrix))


def determinant(matrix: Array) -> float:
    """The determinant, correctly rounded."""
    numbers, exponents = integers(matrix)
    found, _ = eliminate(numbers, np.empty((len(matrix), 0), dtype=object))
    return rounded(found, 1, sum(exponents))


def log_determinant(matrix: Array) -> float:
    """The logarithm of the determinant's magnitude, to the last digit also where that is nearly 1; -inf for 0."""
    numbers, exponents = integers(matrix)
    found = abs(eliminate(numbers, np.empty((len(matrix), 0), dtype=object))[0])
    if found == 0:
        return -math.inf
    # A power of two times a number between 2/3 and 4/3.
    power = found.bit_length()
    power -= 3 * found < 2 << power
    return math.log1p((found - (1 << power)) / (1 << power)) + (power + sum(exponents)) * math.log(2)


def cofactors(matrix: Array, factor: float) -> Array:
    """``factor`` times the matrix of cofactors (the gradient of the determinant), every entry correctly rounded, of
    singular matrices too."""
    n = len(matrix)
    numbers, exponents = integers(matrix)
    found, adjugate = eliminate(numbers, identity(n))
    if found == 0:
        _, adjugate = faddeev_leverrier(numbers, lambda a, k: a // k)
    multiple, denominator = factor.as_integer_ratio()
    return _rounded_matrix(adjugate.T * multiple, denominator, [sum(exponents) - e for e in exponents])


def inverse_vjp(matrix: Array, upstream: Array) -> Array:
    """``-B.T @ upstream @ B.T`` for the exact inverse B, every entry correctly rounded; NaN for a singular matrix."""
    numbers, exponents = integers(matrix)
    found, adjugate = eliminate(numbers, identity(len(matrix)))
    # B[i, j] = adjugate[i, j] / found * 2**-exponents[j]
    top = max(exponents, default=0)
    middle, shift = scaled_integers(upstream)
    for j, exponent in enumerate(exponents):
        middle[:, j] = middle[:, j] * (1 << (top - exponent))
    product = -(adjugate.T @ middle @ adjugate.T)
    return _rounded_matrix(product, found * found, [shift - top - e for e in exponents])


def worthwhile_rows(*rows: Array) -> bool:
    """Whether these arrays of rows (of one shape) are finite and small."""
    return rows[0].size <= MAX_ENTRIES and all(r.dtype == np.float64 and bool(np.isfinite(r).all()) for r in rows)


def normalised_vjp(x: Array, upstream: Array, weight: Array, eps: float, divisor: float) -> Array:
    """The gradient for the row x of ``weight * (x - mean(x)) / divisor`` with ``divisor = sqrt(var(x) + eps)``: but for
    the divisor, which is given, a rational number, rounded once.

    With g = upstream * weight and centred g and x it is ``(g - x mean(g x) / (var + eps)) / divisor``. That subtraction
    is what needs exactness: next to one entry that is far from all others hardly anything may be left."""
    n = len(x)
    (numbers, shift), (left, left_shift), (right, right_shift) = map(scaled_integers, (x, upstream, weight))
    factors = left * right
    x_centred = n * numbers - sum(numbers.tolist())
    g_centred = n * factors - sum(factors.tolist())
    eps_top, eps_bottom = eps.as_integer_ratio()
    # Numbers for x are off by 2**shift / n, so their squares by 4**shift / n², and eps counts as much more.
    scale = eps_bottom << max(0, 2 * shift)
    spread = scale * int(x_centred @ x_centred) + (n**3 * eps_top << max(0, -2 * shift))
    together = scale * int(x_centred @ g_centred)
    mantissa, exponent = math.frexp(divisor)
    if spread == 0 or mantissa == 0:
        return np.full(n, np.nan)
    numerators = (g_centred * spread - x_centred * together).reshape((1, n))
    return np.asarray(_rounded_matrix(numerators, n * spread, [left_shift + right_shift - exponent])[0] / mantissa)


def _rounded_matrix(numerators: Array, denominator: int, exponents: list[int]) -> Array:
    if denominator == 0:
        return np.full(numerators.shape, np.nan)
    result = np.empty(numerators.shape)
    for i, row in enumerate(numerators):
        result[i] = [rounded(n, denominator, exponents[i]) for n in row]
    return result
