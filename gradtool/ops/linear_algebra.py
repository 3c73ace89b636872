"""Products of vectors and matrices, transposes, traces, inverses, determinants, linear systems.

Derivatives as in Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation"
(2008).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from gradtool.ops import exact
from gradtool.ops.operation import (
    Argument,
    Array,
    Case,
    Function,
    Operation,
    OperationError,
    Parameter,
    Resolved,
    Shape,
    declare,
    show_shape,
)
from gradtool.ops.structured import axis_of, lift, sum_to, total

# --- matmul, dot, outer ---


def _show(first: Shape, second: Shape) -> str:
    return f"shapes {show_shape(first)} and {show_shape(second)}"


def _check_inner(first: Shape, second: Shape) -> None:
    inner = second[-2] if len(second) > 1 else second[-1]
    if first[-1] != inner:
        axis = "-2" if len(second) > 1 else "-1"
        raise OperationError(
            f"{_show(first, second)} do not fit: the last axis of the first has {first[-1]} entries, "
            f"axis {axis} of the second has {inner}; they must be equal"
        )


def _resolve_matmul(shapes: Sequence[Shape], given: Mapping[str, Any]) -> Resolved:
    first, second = shapes
    if not first or not second:
        raise OperationError(f"{_show(first, second)}: both need at least one axis; use * with a scalar")
    _check_inner(first, second)
    try:
        batch = np.broadcast_shapes(first[:-2], second[:-2])
    except ValueError:
        raise OperationError(
            f"{_show(first, second)} do not fit: the leading axes {first[:-2]} and {second[:-2]} do not broadcast"
        ) from None
    columns = (second[-1],) if len(second) > 1 else ()
    return Resolved((*batch, *first[-2:-1], *columns), {"ranks": (len(first), len(second))})


def _matrices(a: Any, b: Any, ranks: tuple[int, int]) -> tuple[Array, Array]:
    """Both as stacks of matrices whose batch axes broadcast. A vector is a row on the left, a column on the right."""
    a, b = np.asarray(a), np.asarray(b)
    a = a[..., None, :] if ranks[0] == 1 else a
    b = b[..., :, None] if ranks[1] == 1 else b
    wanted = max(2, *ranks)
    return lift(a, max(2, ranks[0]), wanted), lift(b, max(2, ranks[1]), wanted)


def _matmul(a: Any, b: Any, ranks: tuple[int, int]) -> Array:
    left, right = _matrices(a, b, ranks)
    out = left @ right
    out = out[..., 0] if ranks[1] == 1 else out
    if ranks[0] == 1:
        out = out[..., 0] if ranks[1] == 1 else out[..., 0, :]
    return out


def _matmul_upstream(upstream: Any, ranks: tuple[int, int]) -> Array:
    upstream = np.asarray(upstream)
    upstream = upstream[..., None] if ranks[1] == 1 else upstream
    return np.asarray(upstream[..., None, :] if ranks[0] == 1 else upstream)


def _matmul_vjp_a(upstream: Any, out: Any, a: Any, b: Any, ranks: tuple[int, int]) -> Array:
    left, right = _matrices(a, b, ranks)
    return sum_to(_matmul_upstream(upstream, ranks) @ np.swapaxes(right, -1, -2), left.shape).reshape(np.shape(a))


def _matmul_vjp_b(upstream: Any, out: Any, a: Any, b: Any, ranks: tuple[int, int]) -> Array:
    left, right = _matrices(a, b, ranks)
    return sum_to(np.swapaxes(left, -1, -2) @ _matmul_upstream(upstream, ranks), right.shape).reshape(np.shape(b))


def _product_rule(i: int, shapes: Sequence[Shape]) -> str:
    """The rule of ``a @ b`` for argument ``i``: of matrices, unless the shapes say that a vector or a scalar takes part."""
    ranks = [len(shape) for shape in shapes] or [2, 2]
    if 0 in ranks or ranks == [1, 1]:
        other = "{b}" if i == 0 else "{a}"
        return f"{{upstream}} * {other}" if ranks[i] > 0 or 0 not in ranks else f"sum({{upstream}} * {other})"
    if i == 0:
        return "outer({upstream}, {b})" if ranks == [2, 1] else "{upstream} @ {b}.T"
    return "outer({a}, {upstream})" if ranks == [1, 2] else "{a}.T @ {upstream}"


def _product_work(shapes: Sequence[Shape], settled: Resolved) -> int:
    return prod(settled.shape) * (2 * shapes[0][-1] - 1)


def _pair_cases(*shapes: tuple[Shape, Shape]) -> tuple[Case, ...]:
    return tuple(Case(pair, {}) for pair in shapes)


_ANY = (-3.0, 3.0)

declare(
    Operation(
        name="matmul", arguments=(Argument("a"), Argument("b")), operator="@",
        formula="a @ b: out_ij = sum over k of a_ik b_kj", derivative="upstream @ b.T and a.T @ upstream",
        derivative_range="unbounded", resolve=_resolve_matmul, forward=_matmul, vjp=(_matmul_vjp_a, _matmul_vjp_b),
        rules=_product_rule, symbolic=lambda S, a, b, ranks: np.matmul(a, b), work=_product_work,
        domain=(_ANY, _ANY),
        cases=_pair_cases(
            ((2, 3), (3, 4)), ((2, 3), (3,)), ((3,), (3, 2)), ((3,), (3,)), ((2, 2, 3), (2, 3, 2)),
            ((2, 3), (2, 3, 2)), ((2, 1, 2, 3), (3, 3, 2)), ((3,), (2, 3, 2)), ((2, 2, 3), (3,)),
        ),
    )
)  # fmt: skip


def _resolve_dot(shapes: Sequence[Shape], given: Mapping[str, Any]) -> Resolved:
    first, second = shapes
    if first and second:
        _check_inner(first, second)
        shape = (*first[:-1], *second[:-2], *(second[-1:] if len(second) > 1 else ()))
    else:
        shape = first or second
    return Resolved(shape, {"ranks": (len(first), len(second))})


def _flat_factors(a: Any, b: Any, ranks: tuple[int, int]) -> tuple[Array, Array, Shape]:
    """Both as plain matrices (after any batch axes), and the shape of the product. The summed axis of ``b`` is its last
    but one, or its only one."""
    a, b = np.asarray(a), np.asarray(b)
    left, right = a.ndim - ranks[0], b.ndim - ranks[1]
    b = np.moveaxis(b, -2, right) if ranks[1] > 2 else b
    rest = b.shape[right + 1 :]
    flat_a = a.reshape((*a.shape[:left], prod(a.shape[left:-1]), a.shape[-1]))
    flat_b = b.reshape((*b.shape[: right + 1], prod(rest)))
    return flat_a, flat_b, (*a.shape[:-1], *rest)


def _dot(a: Any, b: Any, ranks: tuple[int, int]) -> Array:
    if 0 in ranks:
        return lift(a, ranks[0], ranks[1]) * lift(b, ranks[1], ranks[0])
    flat_a, flat_b, shape = _flat_factors(a, b, ranks)
    return (flat_a @ flat_b).reshape(shape)


def _dot_vjp_a(upstream: Any, out: Any, a: Any, b: Any, ranks: tuple[int, int]) -> Array:
    if 0 in ranks:
        return sum_to(np.multiply(upstream, b), np.shape(a))
    flat_a, flat_b, _ = _flat_factors(a, b, ranks)
    return (np.reshape(upstream, (len(flat_a), -1)) @ flat_b.T).reshape(np.shape(a))


def _dot_vjp_b(upstream: Any, out: Any, a: Any, b: Any, ranks: tuple[int, int]) -> Array:
    if 0 in ranks:
        return sum_to(np.multiply(upstream, a), np.shape(b))
    flat_a, _, _ = _flat_factors(a, b, ranks)
    down = flat_a.T @ np.reshape(upstream, (len(flat_a), -1))
    if ranks[1] <= 2:
        return down.reshape(np.shape(b))
    moved = np.moveaxis(np.empty(np.shape(b), dtype=bool), -2, 0).shape
    return np.moveaxis(down.reshape(moved), 0, -2)


declare(
    Operation(
        name="dot", arguments=(Argument("a"), Argument("b")),
        formula="sum of a_k b_k (of matrices: a @ b; with a scalar: a b)",
        derivative="b and a (of matrices: upstream @ b.T and a.T @ upstream)", derivative_range="unbounded",
        resolve=_resolve_dot, forward=_dot, vjp=(_dot_vjp_a, _dot_vjp_b),
        rules=_product_rule,
        symbolic=lambda S, a, b, ranks: a * b if 0 in ranks else np.dot(a, b), domain=(_ANY, _ANY),
        cases=_pair_cases(
            ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 4)), ((), (2, 3)), ((3,), ()), ((), ()),
            ((2, 3, 2), (2,)), ((2, 3), (2, 3, 2)), ((2, 2, 3), (2, 3, 2)),
        ),
    )
)  # fmt: skip


def _resolve_outer(shapes: Sequence[Shape], given: Mapping[str, Any]) -> Resolved:
    first, second = shapes
    return Resolved((prod(first), prod(second)), {"ranks": (len(first), len(second))})


def _vector(x: Any, rank: int) -> Array:
    x = np.asarray(x)
    kept = x.shape[: x.ndim - rank]
    return np.asarray(x.reshape((*kept, prod(x.shape[x.ndim - rank :]))))


declare(
    Operation(
        name="outer", arguments=(Argument("a"), Argument("b")), formula="out_ij = a_i b_j (both flattened)",
        derivative="b_j and a_i", derivative_range="unbounded", resolve=_resolve_outer,
        forward=lambda a, b, ranks: _vector(a, ranks[0])[..., :, None] * _vector(b, ranks[1])[..., None, :],
        vjp=(
            lambda upstream, out, a, b, ranks: (np.asarray(upstream) @ np.ravel(b)).reshape(np.shape(a)),
            lambda upstream, out, a, b, ranks: (np.ravel(a) @ np.asarray(upstream)).reshape(np.shape(b)),
        ),
        rules=("{upstream} @ {b}", "{upstream}.T @ {a}"),
        symbolic=lambda S, a, b, ranks: a.reshape((-1, 1)) * b.reshape((1, -1)), domain=(_ANY, _ANY),
        cases=_pair_cases(((3,), (4,)), ((2, 2), (3,)), ((), (3,)), ((2,), (1, 2))),
    )
)  # fmt: skip


# --- transpose, trace ---


def _resolve_transpose(shapes: Sequence[Shape], given: Mapping[str, Any]) -> Resolved:
    (shape,) = shapes
    rank = len(shape)
    wanted = given.get("axes")
    if wanted is None:
        axes = tuple(range(-1, -rank - 1, -1))
    else:
        axes = tuple(axis_of(a, shape) for a in ((wanted,) if isinstance(wanted, int) else wanted))
        if sorted(axes) != list(range(-rank, 0)):
            raise OperationError(
                f"axes {wanted} must name each of the {rank} axes of shape {show_shape(shape)} exactly once"
            )
    return Resolved(tuple(shape[a] for a in axes), {"axes": axes})


def _transpose(x: Any, axes: tuple[int, ...]) -> Array:
    x = np.asarray(x)
    return np.transpose(x, (*range(x.ndim - len(axes)), *(x.ndim + a for a in axes)))


def _untranspose(upstream: Any, out: Any, x: Any, axes: tuple[int, ...]) -> Array:
    return np.transpose(upstream, np.argsort([len(axes) + a for a in axes]).tolist())


declare(
    Operation(
        name="transpose", arguments=(Argument("x"),), parameters=(Parameter("axes", "axes", None),), aliases=("T",),
        formula="x with its axes reversed, or in the order of axes", derivative="1 from an entry to its new place",
        derivative_range="{1}", resolve=_resolve_transpose, forward=_transpose, vjp=(_untranspose,),
        rules=("{upstream} transposed back",), symbolic=lambda S, x, axes: _transpose(x, axes),
        cases=(
            Case(((2, 3),), {}), Case(((4,),), {}), Case(((2, 3, 4),), {}), Case(((2, 3, 4),), {"axes": (1, -1, 0)}),
            Case(((),), {}),
        ),
    )
)  # fmt: skip


def _resolve_trace(shapes: Sequence[Shape], given: Mapping[str, Any]) -> Resolved:
    (shape,) = shapes
    if len(shape) < 2:
        raise OperationError(f"needs a matrix, but has shape {show_shape(shape)}")
    return Resolved(shape[2:], {"rank": len(shape)})


def _diagonal(x: Any, rank: int) -> Array:
    return np.diagonal(np.asarray(x), axis1=-rank, axis2=1 - rank)


def _trace_vjp(upstream: Any, out: Any, x: Any, rank: int) -> Array:
    rows, columns = np.shape(x)[:2]
    eye = np.eye(rows, columns).reshape((rows, columns, *(1,) * (rank - 2)))
    return np.where(eye == 1, upstream, 0.0)


declare(
    Operation(
        name="trace", arguments=(Argument("x"),), formula="sum of x_ii", derivative="1 on the diagonal, else 0",
        derivative_range="{0, 1}", resolve=_resolve_trace,
        forward=lambda x, rank: total(_diagonal(x, rank), (-1,)), vjp=(_trace_vjp,), rules=("{upstream} * identity",),
        symbolic=lambda S, x, rank: np.sum(_diagonal(x, rank), axis=-1),
        cases=(Case(((3, 3),), {}), Case(((2, 4),), {}), Case(((3, 2, 2),), {})),
    )
)  # fmt: skip


# --- inv, det, solve ---


def _square(shape: Shape) -> None:
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise OperationError(f"needs a square matrix (or a stack of them), but has shape {show_shape(shape)}")


def _each(function: Function, *stacks: Array) -> Array:
    """``function`` of the matrices in the last two axes, one at a time; batch axes broadcast."""
    batch = np.broadcast_shapes(*(s.shape[:-2] for s in stacks))
    flat = [np.broadcast_to(s, (*batch, *s.shape[-2:])).reshape((prod(batch), *s.shape[-2:])) for s in stacks]
    found = np.asarray([function(*matrices) for matrices in zip(*flat, strict=True)])
    return found.reshape((*batch, *found.shape[1:]))


def _exponents(x: Array, axis: int) -> Array:
    """Powers of two that bring the largest magnitude along ``axis`` into [1/2, 1)."""
    return np.asarray(np.frexp(np.max(np.abs(x), axis=axis, keepdims=True, initial=0.0))[1])


def _solve_one(a: Array, b: Array) -> Array:
    try:
        return np.linalg.solve(a, b)
    except np.linalg.LinAlgError:
        return np.full(b.shape, np.nan)


def _solve_matrices(a: Array, b: Array) -> Array:
    """``X`` with ``a @ X = b`` for stacks of matrices; NaN where a is singular."""
    if exact.worthwhile(a) and bool(np.isfinite(b).all()) and b.size <= exact.MAX_WORK:
        return _each(exact.solution, a, b)
    # Rows and columns scaled by powers of two: exact, and partial pivoting then sees what is large for its row.
    row = _exponents(a, -1)
    a = np.ldexp(a, -row)
    column = _exponents(a, -2)
    a, b = np.ldexp(a, -column), np.ldexp(b, -row)
    try:
        scaled = np.linalg.solve(a, b)
    except np.linalg.LinAlgError:
        scaled = _each(_solve_one, a, b)
    return np.ldexp(scaled, -np.swapaxes(column, -1, -2))


def _inverse(x: Any) -> Array:
    x = np.asarray(x)
    return _solve_matrices(x, np.eye(x.shape[-1], dtype=x.dtype))


def _inverse_vjp(upstream: Any, out: Any, x: Any) -> Array:
    x, upstream = np.asarray(x), np.asarray(upstream)
    if exact.worthwhile(x) and bool(np.isfinite(upstream).all()):
        return _each(exact.inverse_vjp, x, upstream)
    turned = np.swapaxes(np.asarray(out), -1, -2)
    return np.asarray(-(turned @ upstream @ turned))


def _resolve_inv(shapes: Sequence[Shape], given: Mapping[str, Any]) -> Resolved:
    _square(shapes[0])
    return Resolved(shapes[0], {})


def _exact_inverse(S: Any, x: Array) -> Array:
    determinant, adjugate = exact.faddeev_leverrier(x, lambda a, k: a / k)
    return np.asarray(adjugate / determinant[..., None, None])


_MATRIX_CASES = (Case(((2, 2),), {}), Case(((3, 3),), {}), Case(((2, 3, 3),), {}), Case(((1, 1),), {}))

declare(
    Operation(
        name="inv", arguments=(Argument("x"),), formula="x⁻¹", derivative="-x⁻ᵀ @ upstream @ x⁻ᵀ",
        derivative_range="unbounded", resolve=_resolve_inv, forward=_inverse, vjp=(_inverse_vjp,),
        rules=("-{out}.T @ {upstream} @ {out}.T",), symbolic=_exact_inverse, domain=((0.5, 2.0),), cases=_MATRIX_CASES,
        source="Giles 2008, section 2.2.3",
    )
)  # fmt: skip


def _determinant(x: Any) -> Array:
    x = np.asarray(x)
    if exact.worthwhile(x):
        return _each(exact.determinant, x)
    exponents = _exponents(x, -1)
    scaled = np.linalg.det(np.ldexp(x, -exponents))
    return np.asarray(np.ldexp(scaled, np.sum(exponents, axis=(-1, -2), dtype=np.int32)))


def _cofactors_by_svd(x: Array, upstream: Array) -> Array:
    """``upstream`` times det(U V) U diag(products of the other singular values) Vᵀ: no division, so that singular
    matrices are no exception."""
    exponents = _exponents(x, -1)
    if not np.isfinite(x).all():
        return np.full(x.shape, np.nan)
    u, s, vh = np.linalg.svd(np.ldexp(x, -exponents))
    one = np.ones_like(s[..., :1])
    before = np.cumprod(np.concatenate((one, s[..., :-1]), axis=-1), axis=-1)
    after = np.cumprod(np.concatenate((one, s[..., :0:-1]), axis=-1), axis=-1)[..., ::-1]
    orientation = np.sign(np.linalg.det(u) * np.linalg.det(vh))
    scaled = (u * (before * after)[..., None, :]) @ vh * (orientation * upstream)[..., None, None]
    return np.asarray(np.ldexp(scaled, np.sum(exponents, axis=-2, keepdims=True, dtype=np.int32) - exponents))


def _determinant_vjp(upstream: Any, out: Any, x: Any) -> Array:
    x, upstream = np.asarray(x), np.asarray(upstream)
    if exact.worthwhile(x) and bool(np.isfinite(upstream).all()):
        return _each(lambda matrix, factor: exact.cofactors(matrix, float(factor[0, 0])), x, upstream[..., None, None])
    return _cofactors_by_svd(x, upstream)


def _resolve_det(shapes: Sequence[Shape], given: Mapping[str, Any]) -> Resolved:
    _square(shapes[0])
    return Resolved(shapes[0][:-2], {})


declare(
    Operation(
        name="det", arguments=(Argument("x"),), formula="determinant of x", derivative="det(x) x⁻ᵀ (the cofactors)",
        derivative_range="unbounded", resolve=_resolve_det, forward=_determinant, vjp=(_determinant_vjp,),
        rules=("{upstream} * cofactors of {x}",),
        symbolic=lambda S, x: exact.faddeev_leverrier(x, lambda a, k: a / k)[0],
        cases=(*_MATRIX_CASES, Case(((4, 4),), {})), source="Jacobi's formula",
    )
)  # fmt: skip


# --- slogdet: of NumPy's pair the part that has a derivative ---


def _log_determinant(x: Any) -> Array:
    x = np.asarray(x)
    if exact.worthwhile(x):
        return _each(exact.log_determinant, x)
    exponents = _exponents(x, -1)
    scaled = np.linalg.slogdet(np.ldexp(x, -exponents))[1]
    return np.asarray(scaled + np.sum(exponents, axis=(-1, -2)) * np.log(2))


def _log_determinant_vjp(upstream: Any, out: Any, x: Any) -> Array:
    return np.asarray(np.swapaxes(_inverse(x), -1, -2) * np.asarray(upstream)[..., None, None])


declare(
    Operation(
        name="slogdet", arguments=(Argument("x"),), aliases=("logabsdet",),
        formula="log |det(x)| (the second of NumPy's two results; the first is sign(det(x)))", derivative="x⁻ᵀ",
        derivative_range="unbounded", resolve=_resolve_det, forward=_log_determinant, vjp=(_log_determinant_vjp,),
        rules=("{upstream} * inv({x}).T",),
        symbolic=lambda S, x: S.log(S.abs(exact.faddeev_leverrier(x, lambda a, k: a / k)[0])),
        domain=((0.5, 2.0),), cases=(*_MATRIX_CASES, Case(((4, 4),), {})), source="Giles 2008, section 2.2.4",
    )
)  # fmt: skip


# --- solve ---


def _resolve_solve(shapes: Sequence[Shape], given: Mapping[str, Any]) -> Resolved:
    first, second = shapes
    _square(first)
    if not second:
        raise OperationError(f"{_show(first, second)}: the right side must be a vector or a matrix")
    if (second[-1] if len(second) == 1 else second[-2]) != first[-1]:
        raise OperationError(
            f"{_show(first, second)} do not fit: the right side needs {first[-1]} "
            f"{'entries' if len(second) == 1 else 'rows'}, one for each row of the matrix"
        )
    ranks = {"ranks": (len(first), len(second))}
    if len(second) == 1:
        return Resolved(first[:-1], ranks)
    try:
        batch = np.broadcast_shapes(first[:-2], second[:-2])
    except ValueError:
        raise OperationError(
            f"{_show(first, second)} do not fit: the leading axes {first[:-2]} and {second[:-2]} do not broadcast"
        ) from None
    return Resolved((*batch, *second[-2:]), ranks)


def _system(a: Any, b: Any, ranks: tuple[int, int]) -> tuple[Array, Array]:
    b = np.asarray(b)
    b = b[..., None] if ranks[1] == 1 else b
    wanted = max(2, *ranks)
    return lift(a, ranks[0], wanted), lift(b, max(2, ranks[1]), wanted)


def _solve(a: Any, b: Any, ranks: tuple[int, int]) -> Array:
    found = _solve_matrices(*_system(a, b, ranks))
    return found[..., 0] if ranks[1] == 1 else found


def _solve_back(upstream: Any, a: Any, b: Any, ranks: tuple[int, int]) -> tuple[Array, Array, Array]:
    """The system as matrices, and the upstream of the right side before it is summed over broadcast axes."""
    matrix, right = _system(a, b, ranks)
    upstream = np.asarray(upstream)
    upstream = upstream[..., None] if ranks[1] == 1 else upstream
    return matrix, right, _solve_matrices(np.swapaxes(matrix, -1, -2), upstream)


def _solve_vjp_a(upstream: Any, out: Any, a: Any, b: Any, ranks: tuple[int, int]) -> Array:
    matrix, _, back = _solve_back(upstream, a, b, ranks)
    solution = np.asarray(out)[..., None] if ranks[1] == 1 else np.asarray(out)
    return sum_to(-(back @ np.swapaxes(solution, -1, -2)), matrix.shape).reshape(np.shape(a))


def _solve_vjp_b(upstream: Any, out: Any, a: Any, b: Any, ranks: tuple[int, int]) -> Array:
    _, right, back = _solve_back(upstream, a, b, ranks)
    return sum_to(back, right.shape).reshape(np.shape(b))


def _exact_solution(S: Any, a: Array, b: Array, ranks: tuple[int, int]) -> Array:
    determinant, adjugate = exact.faddeev_leverrier(a, lambda x, k: x / k)
    down = np.matmul(adjugate, b)
    return np.asarray(down / determinant[(..., *(None,) * (1 if ranks[1] == 1 else 2))])


declare(
    Operation(
        name="solve", arguments=(Argument("a"), Argument("b")), formula="x with a @ x = b",
        derivative="-(a⁻ᵀ @ upstream) @ xᵀ and a⁻ᵀ @ upstream", derivative_range="unbounded",
        resolve=_resolve_solve, forward=_solve, vjp=(_solve_vjp_a, _solve_vjp_b),
        rules=("-solve({a}.T, {upstream}) @ {out}.T", "solve({a}.T, {upstream})"), symbolic=_exact_solution,
        domain=((0.5, 2.0), _ANY),
        cases=_pair_cases(
            ((2, 2), (2,)), ((3, 3), (3,)), ((3, 3), (3, 2)), ((2, 2, 2), (2, 2, 1)), ((2, 2), (3, 2, 2)),
            ((2, 2, 2), (2,)),
        ),
        source="Giles 2008, section 2.3.1",
    )
)  # fmt: skip


# --- cholesky ---


def _symmetric(x: Array) -> Array:
    """The symmetric part; each half taken first, so that large entries do not overflow."""
    return np.asarray(0.5 * x + 0.5 * np.swapaxes(x, -1, -2))


def _cholesky_one(x: Array) -> Array:
    try:
        return np.linalg.cholesky(x)
    except np.linalg.LinAlgError:
        return np.full(x.shape, np.nan)


def _cholesky(x: Any) -> Array:
    """Rows and columns are scaled by powers of two first, which is exact and takes care of widely scaled matrices."""
    x = _symmetric(np.asarray(x))
    diagonal = np.diagonal(x, axis1=-2, axis2=-1)[..., None]
    half = np.where(np.isfinite(diagonal), np.frexp(diagonal)[1], 0) // 2
    scaled = np.ldexp(np.ldexp(x, -half), -np.swapaxes(half, -1, -2))
    return np.asarray(np.ldexp(_each(_cholesky_one, scaled), half))


def _cholesky_vjp(upstream: Any, out: Any, x: Any) -> Array:
    """Half of L⁻ᵀ (P + Pᵀ) L⁻¹, P the lower triangle of Lᵀ @ upstream with its diagonal halved."""
    turned = np.swapaxes(np.asarray(out), -1, -2)
    p = np.tril(turned @ np.tril(upstream))
    p = p - 0.5 * p * np.eye(p.shape[-1])
    half = _solve_matrices(turned, _symmetric(p))
    return _symmetric(_solve_matrices(turned, np.swapaxes(half, -1, -2)))


def _exact_cholesky(S: Any, x: Array) -> Array:
    """Row by row (Cholesky-Banachiewicz)."""
    x = (x + np.swapaxes(x, -1, -2)) / 2
    found = np.zeros(x.shape, dtype=object)
    for i, j in zip(*np.tril_indices(x.shape[-1]), strict=True):
        rest = x[..., i, j] - np.sum(found[..., i, :j] * found[..., j, :j], axis=-1)
        found[..., i, j] = S.sqrt(rest) if i == j else rest / found[..., j, j]
    return found


_TWO = np.array([[2.0, 0.5], [0.25, 1.5]])
_THREE = np.array([[2.0, 0.5, -0.25], [0.25, 1.5, 0.75], [-0.5, 0.5, 1.0]])

declare(
    Operation(
        name="cholesky", arguments=(Argument("x"),),
        formula="lower triangular L with L @ L.T = x (of its symmetric part, (x + x.T) / 2)",
        derivative="L⁻ᵀ @ (P + Pᵀ)/2 @ L⁻¹, P the lower triangle of Lᵀ @ upstream, its diagonal halved",
        derivative_range="unbounded", resolve=_resolve_inv, forward=_cholesky, vjp=(_cholesky_vjp,),
        rules=(
            "inv({out}).T @ (P + P.T)/2 @ inv({out}) with P the lower triangle of {out}.T @ {upstream}, its diagonal halved",
        ),
        symbolic=_exact_cholesky, domain=((0.5, 2.0),),
        # A matrix drawn at random need not have one: these are positive definite.
        cases=(
            Case(((1, 1),), {}), Case(((2, 2),), {}, {0: _TWO}), Case(((3, 3),), {}, {0: _THREE}),
            Case(((2, 2, 2),), {}, {0: np.stack((_TWO, 3 * _TWO.T))}),
        ),
        source="Murray, Differentiation of the Cholesky decomposition (2016), arXiv 1602.07527, equation 10",
    )
)  # fmt: skip
