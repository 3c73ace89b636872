"""Attention: values averaged by how well their keys fit each query."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from gradtool.ops.operation import (
    Argument,
    Array,
    Case,
    Operation,
    OperationError,
    Parameter,
    Resolved,
    Shape,
    declare,
    show_shape,
)
from gradtool.ops.softmax import softmax_rows, softmax_vjp_rows
from gradtool.ops.structured import lift, scaled_rows, sum_to

Ranks = tuple[int, ...]


def _resolve(shapes: Sequence[Shape], given: Mapping[str, Any]) -> Resolved:
    for name, shape in zip("qkv", shapes, strict=True):
        if len(shape) < 2:
            raise OperationError(f"needs matrices (or stacks of them), but {name} has shape {show_shape(shape)}")
    q, k, v = shapes
    for names, axis, first, second in (("q and k", -1, q, k), ("k and v", -2, k, v)):
        if first[axis] != second[axis]:
            what = "entries of a row" if axis == -1 else "rows"
            raise OperationError(
                f"shapes {show_shape(first)} and {show_shape(second)} of {names} do not fit: they have {first[axis]} "
                f"and {second[axis]} {what}, which must be as many"
            )
    if q[-1] == 0 or k[-2] == 0:
        raise OperationError(f"needs rows with entries, but k has shape {show_shape(k)}")
    try:
        batch = np.broadcast_shapes(q[:-2], k[:-2], v[:-2])
    except ValueError:
        raise OperationError(
            f"shapes {', '.join(map(show_shape, shapes))} do not fit: the leading axes do not broadcast"
        ) from None
    return Resolved((*batch, q[-2], v[-1]), {"causal": bool(given.get("causal")), "ranks": tuple(map(len, shapes))})


def _turned(x: Array) -> Array:
    return np.swapaxes(x, -1, -2)


def _unseen(q: Array, k: Array) -> Array:
    """Which keys stand behind each query."""
    return np.arange(k.shape[-2]) > np.arange(q.shape[-2])[:, None]


def _lifted(arguments: Sequence[Any], ranks: Ranks) -> list[Array]:
    return [lift(a, rank, max(ranks)) for a, rank in zip(arguments, ranks, strict=True)]


_LARGE = 1000


def _in_range(q: Array, k: Array, products: Array) -> Array:
    """Products of queries and keys; those beyond 2^1000, which may have overflowed, smaller but in the same order. (All
    weight is then with the largest, whatever its size.)"""
    if (np.abs(products) < 2.0**_LARGE).all():
        return products
    (q, left), (k, right) = scaled_rows(q), scaled_rows(k)
    scaled, exponent = q @ _turned(k), left + _turned(right)
    mantissa, own = np.frexp(scaled)
    order = np.sign(mantissa) * (own + exponent + np.abs(mantissa))
    again = np.ldexp(scaled, exponent)
    again = np.where(np.abs(again) < 2.0**_LARGE, again, np.ldexp(order, _LARGE))
    return np.where(np.abs(products) < 2.0**_LARGE, products, again)


def _scores(q: Array, k: Array, causal: bool) -> Array:
    scores = _in_range(q, k, q @ _turned(k)) / math.sqrt(q.shape[-1])
    return np.where(_unseen(q, k), -np.inf, scores) if causal else scores


def _forward(q: Any, k: Any, v: Any, causal: bool, ranks: Ranks) -> Array:
    q, k, v = _lifted((q, k, v), ranks)
    return np.asarray(softmax_rows(_scores(q, k, causal)) @ v)


def _score_gradient(upstream: Any, q: Array, k: Array, v: Array, causal: bool) -> Array:
    """What arrives at the products of queries and keys, before their division by the root of d."""
    scores = _scores(q, k, causal)
    return softmax_vjp_rows(np.asarray(upstream) @ _turned(v), scores) / math.sqrt(q.shape[-1])


def _by_q(upstream: Any, out: Any, q: Any, k: Any, v: Any, causal: bool, ranks: Ranks) -> Array:
    q, k, v = map(np.asarray, (q, k, v))
    return sum_to(_score_gradient(upstream, q, k, v, causal) @ k, q.shape)


def _by_k(upstream: Any, out: Any, q: Any, k: Any, v: Any, causal: bool, ranks: Ranks) -> Array:
    q, k, v = map(np.asarray, (q, k, v))
    return sum_to(_turned(_score_gradient(upstream, q, k, v, causal)) @ q, k.shape)


def _by_v(upstream: Any, out: Any, q: Any, k: Any, v: Any, causal: bool, ranks: Ranks) -> Array:
    q, k = np.asarray(q), np.asarray(k)
    return sum_to(_turned(softmax_rows(_scores(q, k, causal))) @ np.asarray(upstream), np.shape(v))


def _exact(S: Any, q: Array, k: Array, v: Array, causal: bool, ranks: Ranks) -> Array:
    weights = S.exp(np.matmul(q, _turned(k)) / S.sqrt(S.number(q.shape[-1])))
    if causal:
        weights = np.where(_unseen(q, k), 0, weights)
    return np.asarray(np.matmul(weights, v) / np.sum(weights, axis=-1, keepdims=True))


def _work(shapes: Sequence[Shape], settled: Resolved) -> int:
    """Of the second of the two products; the first is done for fewer batches, it may be."""
    return prod(settled.shape) * (2 * shapes[1][-2] - 1)


_ANY = (-3.0, 3.0)

declare(
    Operation(
        name="attention", arguments=(Argument("q"), Argument("k"), Argument("v")),
        parameters=(Parameter("causal", "bool", False),), aliases=("scaled_dot_product_attention",),
        formula="p @ v with p = softmax(q @ k.T / sqrt(d)), d entries in a row of q (causal: query i sees keys up to i)",
        derivative="s @ k, s.T @ q and p.T @ upstream with s = p (g - sum(g p)) / sqrt(d), g = upstream @ v.T",
        derivative_range="unbounded", resolve=_resolve, forward=_forward, vjp=(_by_q, _by_k, _by_v),
        rules=(
            "s @ {k} with s = p * (g - sum(g * p)) / sqrt(d), g = {upstream} @ {v}.T, p = softmax({q} @ {k}.T / sqrt(d))",
            "s.T @ {q} with s = p * (g - sum(g * p)) / sqrt(d), g = {upstream} @ {v}.T, p = softmax({q} @ {k}.T / sqrt(d))",
            "p.T @ {upstream} with p = softmax({q} @ {k}.T / sqrt(d))",
        ),
        symbolic=_exact, work=_work, domain=(_ANY, _ANY, _ANY),
        cases=(
            Case(((2, 3), (2, 3), (2, 2)), {}), Case(((1, 2), (3, 2), (3, 1)), {}),
            Case(((2, 2), (2, 2), (2, 1)), {"causal": True}), Case(((2, 2, 1), (2, 3, 1), (2, 3, 2)), {}),
            Case(((3, 2), (2, 3, 2), (3, 2)), {}), Case(((2, 3, 2), (2, 4, 2), (1, 4, 2)), {"causal": True}),
            Case(((3, 2), (1, 2), (1, 2)), {"causal": True}),
        ),
        source="Vaswani et al., Attention Is All You Need (2017)",
    )
)  # fmt: skip
