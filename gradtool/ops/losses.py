"""Losses, with PyTorch's meaning of arguments: averaged over the batch unless ``reduction`` says otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from gradtool.ops.kernels import log1pexp, product, times_sigmoid
from gradtool.ops.operation import (
    Argument,
    Array,
    Case,
    Function,
    Interval,
    Kink,
    Operation,
    OperationError,
    Parameter,
    Resolved,
    Shape,
    broadcast,
    declare,
    show_shape,
)
from gradtool.ops.softmax import log_softmax_rows, log_softmax_vjp_rows
from gradtool.ops.structured import axis_of, lift, mean_of_rows, scaled_rows, sum_to

Ranks = tuple[int, ...]
_FEW = 64


def _reduction(default: str = "mean") -> Parameter:
    return Parameter("reduction", "word", default, ("mean", "sum", "none"))


def _reduce(loss: Array, rank: int, reduction: str) -> Array:
    """Reduce the last ``rank`` axes."""
    if reduction == "none":
        return loss
    flat = np.ascontiguousarray(loss.reshape((*loss.shape[: loss.ndim - rank], prod(loss.shape[loss.ndim - rank :]))))
    return mean_of_rows(flat)[..., 0] if reduction == "mean" else np.asarray(np.sum(flat, axis=-1))


def _exact_reduce(loss: Array, reduction: str) -> Any:
    loss = np.asarray(loss, dtype=object)
    if reduction == "none":
        return loss
    return np.sum(loss) / loss.size if reduction == "mean" else np.sum(loss)


# --- losses that are a sum over entries ---


def _pointwise(
    name: str,
    names: Sequence[tuple[str, float | None]],
    value: Function,
    slopes: Sequence[Function],
    formula: str,
    derivative: str,
    rules: Sequence[str],
    symbolic: Function,
    *,
    default: str = "mean",
    corner: tuple[str, str, str, Function, Function] | None = None,
    piece: Function | None = None,
    domain: tuple[Interval, ...],
    **more: Any,
) -> Operation:
    """Declare the mean (or ``default``) over entries of ``value(*arguments)``; ``slopes[i](*arguments)`` is its slope.

    ``corner`` is a kink: where, convention, valid set, ``tied(*arguments)`` and ``draw(rng, *arguments)``, which gives
    one derivative an argument to use at tied entries."""

    def resolve(shapes: Sequence[Shape], given: Mapping[str, Any]) -> Resolved:
        whole = broadcast(shapes)
        reduction = given.get("reduction", default)
        _check_count(whole, reduction)
        settled = {"reduction": reduction, "ranks": tuple(map(len, shapes))}
        return Resolved(whole if reduction == "none" else (), settled)

    def lifted(arguments: Sequence[Any], ranks: Ranks) -> list[Array]:
        return [lift(a, rank, max(ranks)) for a, rank in zip(arguments, ranks, strict=True)]

    def forward(*arguments: Any, reduction: str, ranks: Ranks) -> Array:
        return _reduce(np.asarray(value(*lifted(arguments, ranks))), max(ranks), reduction)

    def share(upstream: Any, arguments: Sequence[Any], reduction: str) -> Array:
        """What arrives at each entry."""
        shape = np.broadcast_shapes(*map(np.shape, arguments))
        return np.asarray(upstream) / prod(shape) if reduction == "mean" else np.asarray(upstream)

    def spread(down: Array, arguments: Sequence[Any], i: int) -> Array:
        shape = np.broadcast_shapes(*map(np.shape, arguments))
        return sum_to(np.broadcast_to(down, shape), np.shape(arguments[i]))

    def vjp_of(i: int) -> Function:
        def vjp(upstream: Any, out: Any, *arguments: Any, reduction: str, ranks: Ranks) -> Array:
            return spread(share(upstream, arguments, reduction) * slopes[i](*arguments), arguments, i)

        return vjp

    def piece_of(*arguments: Any, reduction: str, ranks: Ranks) -> Array:
        assert piece is not None
        return np.asarray(piece(*lifted(arguments, ranks)))

    def exact(S: Any, *arguments: Any, reduction: str, ranks: Ranks) -> Any:
        return _exact_reduce(symbolic(S, *arguments), reduction)

    kinks: tuple[Kink, ...] = ()
    if corner is not None:
        where, convention, valid, tied, draw = corner

        def tied_of(*arguments: Any, reduction: str, ranks: Ranks) -> Array:
            return np.asarray(tied(*arguments))

        def choose(
            rng: np.random.Generator, upstream: Any, out: Any, *arguments: Any, reduction: str, ranks: Ranks
        ) -> tuple[Array, ...]:
            here, weight = tied(*arguments), share(upstream, arguments, reduction)
            drawn = draw(rng, *arguments)
            return tuple(
                spread(weight * np.where(here, drawn[i], slopes[i](*arguments)), arguments, i)
                for i in range(len(names))
            )

        kinks = (Kink(where, convention, valid, tied_of, choose),)
    return declare(
        Operation(
            name=name, arguments=tuple(Argument(n, d) for n, d in names), parameters=(_reduction(default),),
            formula=formula, derivative=derivative, resolve=resolve, forward=forward,
            vjp=tuple(vjp_of(i) for i in range(len(names))), rules=tuple(rules), symbolic=exact, kinks=kinks,
            piece=None if piece is None else piece_of, domain=domain, cases=_pointwise_cases(len(names) - 2), **more,
        )
    )  # fmt: skip


def _check_count(shape: Shape, reduction: str) -> None:
    if reduction == "mean" and prod(shape) == 0:
        raise OperationError(f"the mean over no entries (shape {show_shape(shape)}) is undefined")


def _pointwise_cases(scalars: int) -> tuple[Case, ...]:
    more: tuple[Shape, ...] = ((),) * scalars
    return (
        Case(((4,), (4,), *more), {}), Case(((2, 3), (2, 3), *more), {}), Case(((2, 3), (3,), *more), {}),
        Case(((2, 3), (2, 3), *more), {"reduction": "sum"}), Case(((3,), (2, 1), *more), {"reduction": "none"}),
        Case(((2, 1, 2), (2, 3, 1), *more), {}), Case(((), (), *more), {}),
    )  # fmt: skip


_ANY = (-3.0, 3.0)
_PROBABILITY = (0.05, 0.95)
_XY = (("x", None), ("y", None))

_pointwise(
    "mse", _XY, lambda x, y: np.square(x - y),
    (lambda x, y: 2.0 * (x - y), lambda x, y: 2.0 * (y - x)),
    "mean of (x - y)²", "2 (x - y) / n and its negative",
    ("{upstream} * 2 * ({x} - {y}) / n", "{upstream} * 2 * ({y} - {x}) / n"),
    lambda S, x, y: (x - y) * (x - y), domain=(_ANY, _ANY), derivative_range="unbounded", aliases=("mse_loss",),
)  # fmt: skip


def _draw_mae(rng: np.random.Generator, x: Array, y: Array) -> tuple[Array, Array]:
    drawn = rng.uniform(-1, 1, np.broadcast_shapes(np.shape(x), np.shape(y)))
    return drawn, -drawn


_pointwise(
    "mae", _XY, lambda x, y: np.abs(x - y), (lambda x, y: np.sign(x - y), lambda x, y: np.sign(y - x)),
    "mean of |x - y|", "sign(x - y) / n and its negative",
    ("{upstream} * sign({x} - {y}) / n", "{upstream} * sign({y} - {x}) / n"),
    lambda S, x, y: S.abs(x - y), domain=(_ANY, _ANY), derivative_range="[-1, 1] / n", aliases=("l1_loss",),
    corner=("x = y", "0", "[-1, 1] / n", lambda x, y: np.equal(x, y), _draw_mae),
    piece=lambda x, y: np.sign(x - y),
)  # fmt: skip


def _huber(x: Array, y: Array, delta: Array) -> Array:
    d = np.abs(x - y)
    return np.asarray(np.where(d <= delta, 0.5 * d * d, delta * (d - 0.5 * delta)))


def _huber_slope(x: Array, y: Array, delta: Array) -> Array:
    d = x - y
    return np.where(np.abs(d) <= delta, d, delta * np.sign(d))


def _huber_by_delta(x: Array, y: Array, delta: Array) -> Array:
    d = np.abs(x - y)
    return np.where(d <= delta, 0.0, d - delta)


_pointwise(
    "huber", (*_XY, ("delta", 1.0)), _huber,
    (_huber_slope, lambda x, y, delta: _huber_slope(y, x, delta), _huber_by_delta),
    "mean of d²/2 if |d| <= delta, else delta (|d| - delta/2), with d = x - y",
    "d / n if |d| <= delta, else delta sign(d) / n; its negative; for delta 0 and (|d| - delta) / n",
    (
        "{upstream} * clip({x} - {y}, -{delta}, {delta}) / n", "{upstream} * clip({y} - {x}, -{delta}, {delta}) / n",
        "{upstream} * sum(max(|{x} - {y}| - {delta}, 0)) / n",
    ),
    lambda S, x, y, delta: S.where(
        S.le(S.abs(x - y), delta), (x - y) * (x - y) / 2, delta * (S.abs(x - y) - delta / 2)
    ),
    domain=(_ANY, _ANY, (0.5, 1.5)), derivative_range="[-delta, delta] / n", aliases=("huber_loss",),
    piece=lambda x, y, delta: np.sign(x - y) * (np.abs(x - y) > delta),
)  # fmt: skip


def _smooth_l1(x: Array, y: Array, beta: Array) -> Array:
    d = np.abs(x - y)
    return np.asarray(np.where(d < beta, 0.5 * d * (d / beta), d - 0.5 * beta))


def _smooth_l1_slope(x: Array, y: Array, beta: Array) -> Array:
    d = x - y
    return np.where(np.abs(d) < beta, d / beta, np.sign(d))


def _smooth_l1_by_beta(x: Array, y: Array, beta: Array) -> Array:
    d = x - y
    return np.where(np.abs(d) < beta, -0.5 * np.square(d / beta), -0.5)


_pointwise(
    "smooth_l1", (*_XY, ("beta", 1.0)), _smooth_l1,
    (_smooth_l1_slope, lambda x, y, beta: _smooth_l1_slope(y, x, beta), _smooth_l1_by_beta),
    "mean of d²/(2 beta) if |d| < beta, else |d| - beta/2, with d = x - y",
    "d / (beta n) if |d| < beta, else sign(d) / n; its negative; for beta -min(d²/beta², 1) / (2n)",
    (
        "{upstream} * clip(({x} - {y}) / {beta}, -1, 1) / n", "{upstream} * clip(({y} - {x}) / {beta}, -1, 1) / n",
        "-{upstream} * sum(min((({x} - {y}) / {beta})^2, 1)) / (2 * n)",
    ),
    lambda S, x, y, beta: S.where(S.lt(S.abs(x - y), beta), (x - y) * (x - y) / (2 * beta), S.abs(x - y) - beta / 2),
    domain=(_ANY, _ANY, (0.5, 1.5)), derivative_range="[-1, 1] / n", aliases=("smooth_l1_loss",),
    corner=(
        "x = y with beta 0", "0", "[-1, 1] / n", lambda x, y, beta: np.equal(x, y) & np.equal(beta, 0),
        lambda rng, x, y, beta: (*_draw_mae(rng, *np.broadcast_arrays(x, y, beta)[:2]), -0.5),
    ),
    piece=lambda x, y, beta: np.sign(x - y) * (np.abs(x - y) >= beta),
)  # fmt: skip


def _weighted(weight: Any, value: Any) -> Array:
    """``weight * value``, 0 where the weight is, whatever the value: 0 log 0 = 0."""
    return np.where(np.equal(weight, 0), 0.0, np.multiply(weight, value))


def _bce_by_p(p: Array, y: Array) -> Array:
    # At the labels 0 and 1 one of the two terms is absent, and must not bring 0/0.
    return np.where(
        np.equal(y, 0), 1.0 / (1.0 - p), np.where(np.equal(y, 1), -1.0 / p, np.divide(np.divide(p - y, p), 1.0 - p))
    )


def _minus_logit(p: Array, y: Array) -> Array:
    """log((1 - p) / p); near 1/2, where 2p - 1 is exact, by the area tangent, which keeps its relative accuracy."""
    near = np.abs(p - 0.5) <= 0.25
    value = np.where(near, -2.0 * np.arctanh(np.where(near, 2.0 * p - 1.0, 0.0)), np.log1p(-p) - np.log(p))
    return np.broadcast_to(value, np.broadcast_shapes(np.shape(p), np.shape(y)))


_pointwise(
    "bce", (("p", None), ("y", None)), lambda p, y: -(_weighted(y, np.log(p)) + _weighted(1.0 - y, np.log1p(-p))),
    (_bce_by_p, _minus_logit), "mean of -y log(p) - (1 - y) log(1 - p)",
    "(p - y) / (p (1 - p) n) and log((1 - p) / p) / n",
    ("{upstream} * ({p} - {y}) / ({p} * (1 - {p})) / n", "{upstream} * log((1 - {p}) / {p}) / n"),
    lambda S, p, y: -(y * S.log(p) + (1 - y) * S.log(1 - p)), domain=(_PROBABILITY, _PROBABILITY),
    derivative_range="unbounded", aliases=("binary_cross_entropy",),
)  # fmt: skip


def _bce_of_logit(z: Array, y: Array) -> Array:
    """The weighted mean of two positive terms; where y is no probability these would cancel, and the plain form is used."""
    mean = _weighted(1.0 - y, log1pexp(z)) + _weighted(y, log1pexp(-z))
    plain = log1pexp(-np.abs(z)) + z * (np.greater(z, 0) - y)
    return np.where((y >= 0) & (y <= 1), mean, plain)


def _bce_by_logit(z: Array, y: Array) -> Array:
    """sigmoid(z) - y. That as it stands cancels where z is near 0 and y is 1/2, and where y is 0 or 1 and z large."""
    near = 0.5 * np.tanh(0.5 * z) + (0.5 - y)
    return np.where(np.abs(z) <= 1, near, times_sigmoid(1.0 - y, z) - times_sigmoid(y, -z))


_pointwise(
    "bce_with_logits", (("z", None), ("y", None)),
    _bce_of_logit,
    (_bce_by_logit, lambda z, y: np.broadcast_arrays(-z, y)[0]),
    "mean of log(1 + e^z) - y z", "(sigmoid(z) - y) / n and -z / n",
    ("{upstream} * (sigmoid({z}) - {y}) / n", "-{upstream} * {z} / n"),
    lambda S, z, y: S.log(1 + S.exp(z)) - y * z, domain=(_ANY, _PROBABILITY), derivative_range="[-1, 1] / n",
    aliases=("binary_cross_entropy_with_logits",),
)  # fmt: skip


def _log_ratio(p: Array, q: Array) -> Array:
    """log(p/q): within a factor of 2 the difference is exact; far away the quotient might overflow."""
    ratio = np.divide(p, q)
    near = (ratio >= 0.5) & (ratio <= 2.0)
    safe = (ratio > 1e-290) & (ratio < 1e290)
    by_logs = np.where(safe, np.log(ratio), np.log(p) - np.log(q))
    return np.where(near, np.log1p(np.where(near, np.divide(p - q, q), 0.0)), by_logs)


_pointwise(
    "kl_div", (("p", None), ("q", None)), lambda p, q: _weighted(p, _log_ratio(p, q)),
    (lambda p, q: _log_ratio(p, q) + 1.0, lambda p, q: np.where(np.equal(p, 0), 0.0, -np.divide(p, q))),
    "sum of p log(p/q)", "log(p/q) + 1 and -p/q", ("{upstream} * (log({p} / {q}) + 1)", "-{upstream} * {p} / {q}"),
    lambda S, p, q: p * S.log(p / q), default="sum", domain=(_PROBABILITY, _PROBABILITY), derivative_range="unbounded",
)  # fmt: skip


def _draw_hinge(rng: np.random.Generator, s: Array, y: Array) -> tuple[Array, Array]:
    drawn = -rng.uniform(0, 1, np.broadcast_shapes(np.shape(s), np.shape(y)))
    return drawn * y, drawn * s


_pointwise(
    "hinge", (("s", None), ("y", None)), lambda s, y: np.maximum(0.0, 1.0 - y * s),
    (lambda s, y: np.where(y * s < 1.0, np.negative(y), 0.0), lambda s, y: np.where(y * s < 1.0, np.negative(s), 0.0)),
    "mean of max(0, 1 - y s)", "-y / n and -s / n if y s < 1, else 0",
    ("-{upstream} * {y} / n where {y} * {s} < 1", "-{upstream} * {s} / n where {y} * {s} < 1"),
    lambda S, s, y: S.maximum(1 - y * s, S.number(0)), domain=(_ANY, _ANY), derivative_range="-y/n and 0",
    corner=("y s = 1", "0", "[-1, 0] times the label", lambda s, y: np.equal(np.multiply(y, s), 1.0), _draw_hinge),
    piece=lambda s, y: np.sign(1.0 - y * s),
)  # fmt: skip


# --- losses over classes ---


def _class_axis(shape: Shape) -> int:
    if not shape:
        raise OperationError("needs an axis of classes, but the first argument is a scalar")
    return -1 if len(shape) == 1 else 1 - len(shape)


def _resolve_classes(shapes: Sequence[Shape], given: Mapping[str, Any], soft: bool) -> Resolved:
    """The class axis is the second, or the only one. ``soft`` allows probabilities in place of class indices."""
    scores, targets = shapes
    axis = _class_axis(scores)
    place = axis + len(scores)
    without = scores[:place] + scores[place + 1 :]
    labels = targets == without
    if not labels and not (soft and targets == scores):
        wanted = f"{show_shape(without)} (class indices)"
        wanted += f" or {show_shape(scores)} (probabilities)" if soft else ""
        raise OperationError(
            f"shapes {show_shape(scores)} and {show_shape(targets)} do not fit: with classes on axis {place} "
            f"of the first, the second must have shape {wanted}"
        )
    if scores[place] == 0:
        raise OperationError(f"shape {show_shape(scores)} has no classes on axis {place}")
    reduction = given.get("reduction", "mean")
    _check_count(without, reduction)
    settled = {"reduction": reduction, "axis": axis, "labels": labels, "rank": len(without)}
    return Resolved(without if reduction == "none" else (), settled, (1,) if labels else ())


def _one_hot(y: Any, classes: int) -> Array:
    """Class indices as rows of 0 and 1. Raises ``OperationError`` for what is not an index."""
    y = np.asarray(y)
    wrong = ~((y >= 0) & (y < classes) & (y == np.floor(y)))
    if wrong.any():
        first = float(y[wrong].flat[0])
        raise OperationError(
            f"class index {first:g} is not one of the {classes} classes: "
            f"indices are whole numbers from 0 to {classes - 1}"
        )
    return np.asarray(y[..., None] == np.arange(classes))


def _targets(z: Array, y: Any, axis: int, labels: bool) -> Array:
    """The weight of every class, classes last: 1 for the labelled one, or the given probabilities."""
    return _one_hot(y, z.shape[-1]) * np.ones((), z.dtype) if labels else np.moveaxis(np.asarray(y), axis, -1)


def _per_sample(upstream: Any, targets: Array, reduction: str) -> Array:
    """What arrives at each sample, with a last axis for the classes."""
    upstream = np.asarray(upstream)
    return np.asarray(upstream / prod(targets.shape[:-1]) if reduction == "mean" else upstream[..., None] * np.ones(1))


def _class_loss(log_probability: Function) -> Function:
    def forward(z: Any, y: Any, reduction: str, axis: int, labels: bool, rank: int) -> Array:
        moved = np.moveaxis(np.asarray(z), axis, -1)
        loss = -np.sum(_weighted(_targets(moved, y, axis, labels), log_probability(moved)), axis=-1)
        # A sum that starts at 0 gives -0 where the loss is 0.
        return _reduce(loss + 0.0, rank, reduction)

    return forward


def _cross_entropy_by_scores(
    upstream: Any, out: Any, z: Any, y: Any, reduction: str, axis: int, labels: bool, rank: int
) -> Array:
    moved = np.moveaxis(np.asarray(z), axis, -1)
    targets = _targets(moved, y, axis, labels)
    weight = _per_sample(upstream, targets, reduction)
    return np.moveaxis(-weight * log_softmax_vjp_rows(targets, moved), -1, axis)


def _cross_entropy_by_targets(
    upstream: Any, out: Any, z: Any, y: Any, reduction: str, axis: int, labels: bool, rank: int
) -> Array:
    moved = np.moveaxis(np.asarray(z), axis, -1)
    if labels:
        return np.zeros(np.shape(y))
    return np.moveaxis(-_per_sample(upstream, moved, reduction) * log_softmax_rows(moved), -1, axis)


def _nll_by_scores(
    upstream: Any, out: Any, z: Any, y: Any, reduction: str, axis: int, labels: bool, rank: int
) -> Array:
    moved = np.moveaxis(np.asarray(z), axis, -1)
    targets = _targets(moved, y, axis, labels)
    return np.moveaxis(_weighted(targets, -_per_sample(upstream, targets, reduction)), -1, axis)


def _exact_class_loss(log_probability: Callable[[Any, Array], Array]) -> Function:
    def exact(S: Any, z: Array, y: Array, reduction: str, axis: int, labels: bool, rank: int) -> Any:
        moved = log_probability(S, np.moveaxis(z, axis, -1))
        if not labels:
            return _exact_reduce(-np.sum(np.moveaxis(y, axis, -1) * moved, axis=-1), reduction)
        indices = np.asarray(y, dtype=np.int64)[..., None]
        return _exact_reduce(-np.take_along_axis(moved, indices, axis=-1)[..., 0], reduction)

    return exact


def _exact_log_softmax(S: Any, z: Array) -> Array:
    exponentials = S.exp(z)
    return np.asarray(S.log(exponentials / np.sum(exponentials, axis=-1, keepdims=True)))


_LABEL_CASES = (
    Case(((4, 3), (4,)), {}, {1: np.array([0.0, 2.0, 1.0, 2.0])}),
    Case(((3,), ()), {}, {1: np.array(1.0)}),
    Case(((2, 3), (2,)), {"reduction": "sum"}, {1: np.array([2.0, 0.0])}),
    Case(((2, 3), (2,)), {"reduction": "none"}, {1: np.array([1.0, 1.0])}),
    Case(((2, 3, 2), (2, 2)), {}, {1: np.array([[0.0, 1.0], [2.0, 0.0]])}),
    Case(((1, 3, 2, 2), (1, 2, 2)), {"reduction": "none"}, {1: np.array([[[0.0, 1.0], [2.0, 0.0]]])}),
)
_MEAN = "mean over the samples of "

declare(
    Operation(
        name="cross_entropy", arguments=(Argument("z"), Argument("y")), parameters=(_reduction(),),
        formula=_MEAN + "-log softmax(z)[y] (y class indices) or -sum y log softmax(z) (y probabilities)",
        derivative="(softmax(z) - y) / m and -log softmax(z) / m", derivative_range="[-1, 1] / m",
        resolve=lambda shapes, given: _resolve_classes(shapes, given, soft=True),
        forward=_class_loss(log_softmax_rows), vjp=(_cross_entropy_by_scores, _cross_entropy_by_targets),
        rules=("{upstream} * (softmax({z}) * sum({y}) - {y}) / m", "-{upstream} * log_softmax({z}) / m"),
        symbolic=_exact_class_loss(_exact_log_softmax), domain=(_ANY, _PROBABILITY),
        cases=(
            *_LABEL_CASES, Case(((4, 3), (4, 3)), {}), Case(((3,), (3,)), {}),
            Case(((2, 3, 2), (2, 3, 2)), {}), Case(((2, 3), (2, 3)), {"reduction": "none"}),
            Case(((2, 3), (2, 3)), {"reduction": "sum"}),
        ),
    )
)  # fmt: skip

declare(
    Operation(
        name="nll", arguments=(Argument("logp"), Argument("y", differentiable=False)), parameters=(_reduction(),),
        formula=_MEAN + "-logp[y] (y class indices)", derivative="-1/m at the labelled class, else 0",
        derivative_range="[-1/m, 0]", resolve=lambda shapes, given: _resolve_classes(shapes, given, soft=False),
        forward=lambda logp, y, **settled: _class_loss(lambda scores: scores)(logp, y, **settled),
        vjp=(
            lambda upstream, out, logp, y, **settled: _nll_by_scores(upstream, out, logp, y, **settled),
            lambda upstream, out, logp, y, **settled: np.zeros(np.shape(y)),
        ),
        rules=("-{upstream} / m at the class {y} of each sample", "0"),
        symbolic=lambda S, logp, y, **settled: _exact_class_loss(lambda S, scores: scores)(S, logp, y, **settled),
        domain=(_ANY, _ANY), cases=_LABEL_CASES, aliases=("nll_loss",),
    )
)  # fmt: skip


# --- cosine_similarity ---


def _resolve_cosine(shapes: Sequence[Shape], given: Mapping[str, Any]) -> Resolved:
    whole = broadcast(shapes)
    axis = axis_of(given.get("axis", -1), whole)
    place = axis + len(whole)
    return Resolved(whole[:place] + whole[place + 1 :], {"axis": axis, "ranks": tuple(map(len, shapes))})


def _both_rows(a: Any, b: Any, axis: int, ranks: Ranks) -> tuple[Array, Array]:
    a, b = np.broadcast_arrays(lift(a, ranks[0], max(ranks)), lift(b, ranks[1], max(ranks)))
    return np.moveaxis(a, axis, -1), np.moveaxis(b, axis, -1)


def _scaled(x: Array) -> tuple[Array, Array, Array]:
    """Rows divided by a power of two (its exponent comes third) so that no square overflows, and their lengths."""
    scaled, exponent = scaled_rows(x)
    return scaled, np.sqrt(np.sum(scaled * scaled, axis=-1, keepdims=True)), exponent


def _direction(x: Array) -> Array:
    """The unit vector of each row, 0 for a zero row."""
    scaled, length, _ = _scaled(x)
    return np.where(length == 0, 0.0, scaled / length)


def _cosine(a: Any, b: Any, axis: int, ranks: Ranks) -> Array:
    left, right = _both_rows(a, b, axis, ranks)
    return np.asarray(np.sum(_direction(left) * _direction(right), axis=-1))


def _across(x: Array, other: Array) -> Array:
    """The part of ``other`` that is orthogonal to ``x`` (rows that are not 0), divided by the length of ``other``.

    ``sum_j (b_i a_j - b_j a_i) a_j / |a|²``, each bracket without rounding: right to the last digits where the rows
    are nearly parallel, and 0 where they are. That takes memory for all pairs: long rows are projected instead."""
    u, v = _direction(x), _direction(other)
    if x.shape[-1] > _FEW:
        across = v - np.sum(u * v, axis=-1, keepdims=True) * u
        return np.asarray(across - np.sum(u * across, axis=-1, keepdims=True) * u)
    (a, a_length, _), (b, b_length, _) = _scaled(x), _scaled(other)
    value, rest = product(b[..., :, None], a[..., None, :])
    brackets = (value - np.swapaxes(value, -1, -2)) + (rest - np.swapaxes(rest, -1, -2))
    return np.asarray(np.sum(brackets * u[..., None, :], axis=-1) / a_length / b_length)


def _cosine_vjp(i: int) -> Function:
    def vjp(upstream: Any, out: Any, *arguments: Any, axis: int, ranks: Ranks) -> Array:
        """(v - (u.v) u) / |x| for the unit vectors u of x and v of the other; 0 where one of them is zero."""
        shape = np.shape(arguments[i])
        rows = _both_rows(arguments[0], arguments[1], axis, ranks)
        if -axis > len(shape) or (shape[axis] == 1 and rows[0].shape[-1] > 1):
            return np.zeros(shape)  # One number all along the axis: it sets the length of a vector, not its direction.
        x, other = rows[i], rows[1 - i]
        _, length, exponent = _scaled(x)
        zero = np.all(x == 0, axis=-1, keepdims=True) | np.all(other == 0, axis=-1, keepdims=True)
        down = np.where(zero, 0.0, _across(x, other) / length * np.asarray(upstream)[..., None])
        return sum_to(np.moveaxis(np.ldexp(down, -exponent), -1, axis), shape)

    return vjp


def _some_zero(a: Any, b: Any, axis: int, ranks: Ranks) -> Array:
    left, right = _both_rows(a, b, axis, ranks)
    return np.asarray(np.all(left == 0, axis=-1) | np.all(right == 0, axis=-1))


def _exact_cosine(S: Any, a: Array, b: Array, axis: int, ranks: Ranks) -> Any:
    a, b = np.broadcast_arrays(a, b)
    lengths = S.sqrt(np.sum(a * a, axis=axis)) * S.sqrt(np.sum(b * b, axis=axis))
    return np.sum(a * b, axis=axis) / lengths


declare(
    Operation(
        name="cosine_similarity", arguments=(Argument("a"), Argument("b")), parameters=(Parameter("axis", "int", -1),),
        formula="sum(a b) / (norm(a) norm(b)) along the axis",
        derivative="(v - (u.v) u) / norm(a) with u = a / norm(a), v = b / norm(b), and the same with a and b exchanged",
        derivative_range="unbounded", resolve=_resolve_cosine, forward=_cosine, vjp=(_cosine_vjp(0), _cosine_vjp(1)),
        rules=(
            "{upstream} * ({b} / norm({b}) - {out} * {a} / norm({a})) / norm({a})",
            "{upstream} * ({a} / norm({a}) - {out} * {b} / norm({b})) / norm({b})",
        ),
        symbolic=_exact_cosine, domain=(_ANY, _ANY),
        kinks=(Kink("a or b is the zero vector", "value and derivative 0", "none", _some_zero),),
        piece=_some_zero,
        cases=(
            Case(((4,), (4,)), {}), Case(((2, 3), (2, 3)), {}), Case(((3, 2), (3, 2)), {"axis": 0}),
            Case(((2, 3), (3,)), {}), Case(((2, 1, 3), (2, 3)), {"axis": 1}), Case(((1,), (3,)), {}),
        ),
    )
)  # fmt: skip
