"""Rules for linear algebra: products, contractions, inverses, determinants, norms."""

# ruff: noqa: ARG001 -- a rule has the signature of its NumPy function

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from gradtool.ops.contraction import subscripts as letters_of
from gradtool.tracing.array import UFUNC_RULES, TracedArray, apply, as_traced, call, plain, taken
from gradtool.tracing.function_rules import axes, rule
from gradtool.tracing.tape import Tape


@rule(np.dot)
def _dot(tape: Tape, a: Any, b: Any) -> Any:
    ranks = np.ndim(plain(a)), np.ndim(plain(b))
    return apply(tape, "matmul" if 0 not in ranks and max(ranks) == 2 else "dot", a, b)


@rule(np.vdot)
def _vdot(tape: Tape, a: Any, b: Any) -> Any:
    return apply(tape, "dot", as_traced(tape, a).reshape(-1), as_traced(tape, b).reshape(-1))


@rule(np.inner)
def _inner(tape: Tape, a: Any, b: Any) -> Any:
    a, b = as_traced(tape, a), as_traced(tape, b)
    if a.ndim == 0 or b.ndim == 0:
        return apply(tape, "multiply", a, b)
    return _tensordot(tape, a, b, (-1, -1))


def _vecdot(tape: Tape, x1: Any, x2: Any, axis: int = -1) -> Any:
    return apply(tape, "sum", apply(tape, "multiply", x1, x2), axis=axis)


UFUNC_RULES["vecdot"] = _vecdot


@rule(np.outer)
def _outer(tape: Tape, a: Any, b: Any) -> Any:
    return apply(tape, "outer", a, b)


@rule(np.kron)
def _kron(tape: Tape, a: Any, b: Any) -> Any:
    a, b = as_traced(tape, a), as_traced(tape, b)
    rank = max(a.ndim, b.ndim)
    first = (1,) * (rank - a.ndim) + a.shape
    second = (1,) * (rank - b.ndim) + b.shape
    left = a.reshape([n for m in first for n in (m, 1)])
    right = b.reshape([n for m in second for n in (1, m)])
    return (left * right).reshape([m * n for m, n in zip(first, second, strict=True)])


@rule(np.cross)
def _cross(tape: Tape, a: Any, b: Any) -> Any:
    a, b = as_traced(tape, a), as_traced(tape, b)
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        tape.fail("np.cross can be traced for vectors of three entries only")

    def turned(x: Any, by: int) -> Any:
        return call(np.roll, (x, -by, -1), {})

    return turned(a, 1) * turned(b, 2) - turned(a, 2) * turned(b, 1)


@rule(np.tensordot)
def _tensordot(tape: Tape, a: Any, b: Any, axes: Any = 2) -> Any:  # The name is NumPy's.
    """Both as matrices, the summed axes last in the first and first in the second."""
    a, b = as_traced(tape, a), as_traced(tape, b)
    if np.ndim(axes) == 0:
        left, right = list(range(a.ndim - axes, a.ndim)), list(range(axes))
    else:
        left, right = ([int(n) for n in np.ravel(side)] for side in axes)
    left, right = [n % a.ndim for n in left], [n % b.ndim for n in right]
    kept_a = [n for n in range(a.ndim) if n not in left]
    kept_b = [n for n in range(b.ndim) if n not in right]
    shape = [a.shape[n] for n in kept_a] + [b.shape[n] for n in kept_b]
    summed = prod(a.shape[n] for n in left)
    first = _permuted(tape, a, kept_a + left).reshape((prod(a.shape[n] for n in kept_a), summed))
    second = _permuted(tape, b, right + kept_b).reshape((summed, prod(b.shape[n] for n in kept_b)))
    return apply(tape, "matmul", first, second).reshape(shape)


def _permuted(tape: Tape, x: TracedArray, order: Sequence[int]) -> TracedArray:
    return x if list(order) == list(range(x.ndim)) else apply(tape, "transpose", x, axes=tuple(order))


# --- einsum ---


@rule(np.einsum)
def _einsum(tape: Tape, subscripts: Any, *operands: Any, optimize: Any = False) -> Any:
    """Two operands at a time: axes that only one of them has and nothing else wants are summed, the rest is a product of
    stacks of matrices."""
    if not isinstance(subscripts, str):
        tape.fail("np.einsum can be traced with its subscripts as text only")
    parts = [as_traced(tape, x) for x in operands]
    terms, result = letters_of(subscripts, [x.ndim for x in parts])
    pending = [_diagonal(tape, x, term) for x, term in zip(parts, terms, strict=True)]
    while len(pending) > 1:
        (a, first), (b, second), *others = pending
        wanted = set(result).union(*(term for _, term in others))
        pending = [_contracted(tape, a, first, b, second, wanted), *others]
    x, term = pending[0]
    x, term = _summed(tape, x, term, set(result))
    return _permuted(tape, x, [term.index(letter) for letter in result])


def _diagonal(tape: Tape, x: TracedArray, term: str) -> tuple[TracedArray, str]:
    """An operand in which a letter stands twice has only its diagonal left."""
    for letter in sorted(set(term)):
        while term.count(letter) > 1:
            i = term.index(letter)
            j = term.index(letter, i + 1)
            places = np.diagonal(np.arange(x.size).reshape(x.shape), 0, i, j)
            node = taken(tape, x.node, places)
            x = TracedArray(tape, node, tape.entries[node].value)
            term = term[:i] + term[i + 1 : j] + term[j + 1 :] + letter
    return x, term


def _summed(tape: Tape, x: TracedArray, term: str, wanted: set[str]) -> tuple[TracedArray, str]:
    gone = tuple(i for i, letter in enumerate(term) if letter not in wanted)
    if not gone:
        return x, term
    return apply(tape, "sum", x, axis=gone), "".join(letter for letter in term if letter in wanted)


def _contracted(
    tape: Tape, a: TracedArray, first: str, b: TracedArray, second: str, wanted: set[str]
) -> tuple[TracedArray, str]:
    a, first = _summed(tape, a, first, wanted | set(second))
    b, second = _summed(tape, b, second, wanted | set(first))
    lengths: dict[str, int] = {}
    for letter, n in [*zip(first, a.shape, strict=True), *zip(second, b.shape, strict=True)]:
        lengths[letter] = max(n, lengths.get(letter, 1))
    stretched = [
        letter for letter in set(first) & set(second) if a.shape[first.index(letter)] != b.shape[second.index(letter)]
    ]
    if stretched:  # An axis of length 1 broadcasts.
        a = apply(tape, "broadcast_to", a, shape=tuple(lengths[n] for n in first))
        b = apply(tape, "broadcast_to", b, shape=tuple(lengths[n] for n in second))
    batch = [n for n in first if n in second and n in wanted]
    inner = [n for n in first if n in second and n not in wanted]
    rows = [n for n in first if n not in second]
    columns = [n for n in second if n not in first]

    def size(letters: Sequence[str]) -> int:
        return prod(lengths[n] for n in letters)

    term = "".join([*batch, *rows, *columns])
    shape = tuple(lengths[n] for n in term)
    if not inner:
        left = _permuted(tape, a, [first.index(n) for n in batch + rows]).reshape(
            [lengths[n] for n in batch + rows] + [1] * len(columns)
        )
        right = _permuted(tape, b, [second.index(n) for n in batch + columns]).reshape(
            [lengths[n] for n in batch] + [1] * len(rows) + [lengths[n] for n in columns]
        )
        return apply(tape, "multiply", left, right), term
    left = _permuted(tape, a, [first.index(n) for n in batch + rows + inner])
    right = _permuted(tape, b, [second.index(n) for n in batch + inner + columns])
    product = apply(
        tape, "matmul",
        left.reshape((size(batch), size(rows), size(inner))), right.reshape((size(batch), size(inner), size(columns))),
    )  # fmt: skip
    return product.reshape(shape), term


# --- matrices ---


@rule(np.trace)
def _trace(tape: Tape, a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    a = as_traced(tape, a)
    if a.ndim == 2 and (offset, axis1, axis2) == (0, 0, 1):
        return apply(tape, "trace", a)
    return apply(tape, "sum", call(np.diagonal, (a, offset, axis1, axis2), {}), axis=-1)


@rule(np.linalg.inv)
def _inv(tape: Tape, a: Any) -> Any:
    return apply(tape, "inv", a)


@rule(np.linalg.det)
def _det(tape: Tape, a: Any) -> Any:
    return apply(tape, "det", a)


@rule(np.linalg.slogdet)
def _slogdet(tape: Tape, a: Any) -> Any:
    return apply(tape, "sign", apply(tape, "det", a)), apply(tape, "slogdet", a)


@rule(np.linalg.cholesky)
def _cholesky(tape: Tape, a: Any, /, *, upper: bool = False) -> Any:
    """NumPy reads one triangle only, the operation both: so it is given that one and its mirror image."""
    a = as_traced(tape, a)
    n = a.shape[-1]
    read = np.tri(n).T if upper else np.tri(n)
    kept = apply(tape, "where", read, a, 0.0)
    beside = apply(tape, "where", read - np.eye(n), a, 0.0)
    lower = apply(tape, "cholesky", apply(tape, "add", kept, _turned(tape, beside)))
    return _turned(tape, lower) if upper else lower


def _turned(tape: Tape, x: TracedArray) -> TracedArray:
    """Every matrix transposed."""
    return apply(tape, "transpose", x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


@rule(np.linalg.solve)
def _solve(tape: Tape, a: Any, b: Any) -> Any:
    return apply(tape, "solve", a, b)


@rule(np.linalg.matrix_power)
def _matrix_power(tape: Tape, a: Any, n: int) -> Any:
    a = as_traced(tape, a)
    if n == 0:
        return apply(tape, "broadcast_to", np.eye(a.shape[-1]), shape=a.shape)
    factor = a if n > 0 else apply(tape, "inv", a)
    found = factor
    for _ in range(abs(n) - 1):
        found = apply(tape, "matmul", found, factor)
    return found


@rule(np.linalg.multi_dot)
def _multi_dot(tape: Tape, arrays: Any) -> Any:
    found = as_traced(tape, arrays[0])
    for other in arrays[1:]:
        found = apply(tape, "matmul", found, other)
    return found


@rule(np.linalg.norm)
def _norm(tape: Tape, x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Of a vector: 1, 2, inf, or another power. Of a matrix: Frobenius, 1, inf."""
    x = as_traced(tape, x)
    settings = {"axis": axes(axis), "keepdims": bool(keepdims)}
    rank = x.ndim if axis is None else np.size(axis)
    if ord is None or (ord == "fro" and rank == 2) or (rank == 1 and ord == 2):
        return apply(tape, "norm", x, ord="2", **settings)
    if rank == 1:
        if ord in (1, np.inf):
            return apply(tape, "norm", x, ord="1" if ord == 1 else "inf", **settings)
        if isinstance(ord, (int, float)) and np.isfinite(ord) and ord != 0:
            powers = apply(tape, "power", apply(tape, "abs", x), float(ord))
            return apply(tape, "power", apply(tape, "sum", powers, **settings), 1.0 / ord)
    if rank == 2 and ord in (1, np.inf) and not keepdims:
        rows, columns = (0, 1) if axis is None else (axis[0] % x.ndim, axis[1] % x.ndim)
        summed, other = (rows, columns) if ord == 1 else (columns, rows)
        sums = apply(tape, "sum", apply(tape, "abs", x), axis=summed)
        return apply(tape, "reduce_max", sums, axis=other - (other > summed))
    return tape.fail(f"np.linalg.norm with ord={ord!r} cannot be traced")


@rule(np.convolve)
def _convolve(tape: Tape, a: Any, v: Any, mode: str = "full") -> Any:
    """Every entry of the shorter one times the longer one, shifted by its place."""
    a, v = as_traced(tape, a).reshape(-1), as_traced(tape, v).reshape(-1)
    if a.size < v.size:
        a, v = v, a
    length = a.size + v.size - 1
    products = apply(tape, "outer", v, a)
    places = np.arange(v.size)[:, None] + np.arange(a.size)
    full = apply(tape, "scatter", products, places=tuple(places.ravel().tolist()), shape=(length,))
    if mode == "valid":
        return full[v.size - 1 : a.size]
    if mode == "same":
        start = (v.size - 1) // 2
        return full[start : start + a.size]
    return full


@rule(np.correlate)
def _correlate(tape: Tape, a: Any, v: Any, mode: str = "valid") -> Any:
    a, v = as_traced(tape, a), as_traced(tape, v)
    if a.size < v.size:
        tape.fail("np.correlate can be traced only if the first argument is the longer one")
    return _convolve(tape, a, call(np.flip, (v,), {}), mode)
