"""Hand-written backward passes with planted faults: how many are flagged, how many causes are named, what a check costs.

Every operation is a forward in plain NumPy, its right backward, inputs, and faults: other backward passes, each with its
category and the codes that name it. A right backward that is not called OK at one of the random points is a false alarm. At the
hard points (far out in the tails, at ties, near poles) a right one must not be WRONG and one of twice the size must be.
"""

from __future__ import annotations

import argparse
import collections
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import gradtool
from gradtool.results import TargetResult

Array = Any  # Arrays and what NumPy makes of them; numbers as well.
Backward = Callable[..., Any]

NAMED_BY = {
    "sign": {"GC101", "GC106"},
    "factor": {"GC102", "GC105"},
    "transposed": {"GC103", "GC116"},
    "not summed": {"GC104", "GC116", "GC105"},
    "exchanged": {"GC106"},
    "nothing": {"GC107"},
    "path": {"GC108", "GC107"},
    "factor of the chain": {"GC109", "GC110"},
    "wrong value": {"GC109", "GC110"},
    "moved": {"GC103", "GC111"},
    "region": {"GC112", "GC113"},
    "few entries": {"GC113", "GC112"},
    "digits": {"GC114", "GC102"},
    "not finite": {"GC115"},
    "upstream": {"GC117", "GC304"},
    "penalty": {"GC119", "GC108"},
    "raises": {"GC120"},
    "changes what it is given": {"GC301", "GC302", "GC303"},
}
"""By category of fault, the codes that name it."""


@dataclass
class Planted:
    """A forward and its backward passes. ``draw(rng)`` gives the inputs; a backward gives a gradient an input."""

    name: str
    forward: Callable[..., Any]
    backward: Backward
    draw: Callable[[np.random.Generator], list[Array]]
    faults: list[tuple[str, Backward]] = field(default_factory=list)
    hard: list[list[Array]] = field(default_factory=list)


OPERATIONS: list[Planted] = []


def planted(
    forward: Callable[..., Any],
    backward: Backward,
    draw: Callable[[np.random.Generator], list[Array]],
    hard: Sequence[list[Array]] = (),
    **faults: Backward | Sequence[Backward],
) -> None:
    """Enter an operation. Faults are given by category, with ``_`` for a space; the common ones are added."""
    entered = Planted(getattr(forward, "__name__", "operation"), forward, backward, draw, hard=list(hard))
    for category, found in faults.items():
        for wrong in found if isinstance(found, Sequence) else (found,):
            entered.faults.append((category.replace("_", " "), wrong))
    entered.faults += [
        ("sign", changed(backward, lambda g: -g)),
        ("factor", changed(backward, lambda g: g / 3)),
        ("digits", changed(backward, lambda g: (g.astype(np.float32) * np.float32(1.0)).astype(np.float64))),
    ]
    OPERATIONS.append(entered)


def changed(backward: Backward, change: Callable[[Array], Array]) -> Backward:
    """A backward that changes every gradient of another one in the same way."""

    def wrong(u: Any, *inputs: Array) -> Any:
        found = backward(u, *inputs)
        return tuple(change(np.asarray(g)) for g in found) if isinstance(found, tuple) else change(np.asarray(found))

    return wrong


def normal(*shapes: tuple[int, ...], scale: float = 1.0) -> Callable[[np.random.Generator], list[Array]]:
    """Inputs from the normal distribution."""
    return lambda rng: [np.asarray(scale * rng.normal(size=shape)) for shape in shapes]


def positive(*shapes: tuple[int, ...]) -> Callable[[np.random.Generator], list[Array]]:
    """Inputs between 1/2 and 2."""
    return lambda rng: [np.asarray(rng.uniform(0.5, 2.0, size=shape)) for shape in shapes]


# Elementwise ------------------------------------------------------------------------------------------------------------


def logistic(x: Array) -> Array:
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


planted(
    logistic, lambda u, x: u * logistic(x) * logistic(-x), normal((3, 4)),
    hard=[[np.array([40.0, -40.0, 0.0, 700.0])], [np.array([-3.0, 1e-9, 12.0])]],
    factor_of_the_chain=lambda u, x: u,
    wrong_value=[lambda u, x: u * x * (1 - x), lambda u, x: u * logistic(x) ** 2, lambda u, x: u * logistic(x)],
    upstream=lambda u, x: logistic(x) * logistic(-x),
    not_finite=lambda u, x: u * np.where(x > 1.2, np.nan, logistic(x) * logistic(-x)),
)  # fmt: skip


def swish(x: Array) -> Array:
    return x / (1 + np.exp(-x))


def swish_slope(x: Array) -> Array:
    p = logistic(x)
    return p + x * p * (1 - p)


planted(
    swish, lambda u, x: u * swish_slope(x), normal((2, 5)),
    hard=[[np.array([30.0, -30.0, 0.0])]],
    path=[lambda u, x: u * logistic(x), lambda u, x: u * x * logistic(x) * (1 - logistic(x))],
    region=lambda u, x: u * np.where(x < 0, 0, swish_slope(x)),
)  # fmt: skip


def soft_plus(x: Array) -> Array:
    return np.logaddexp(0, x)


planted(
    soft_plus, lambda u, x: u * logistic(x), normal((7,), scale=2.0),
    hard=[[np.array([-300.0, 300.0, 1.0])]],
    wrong_value=lambda u, x: u * logistic(x) * (1 - logistic(x)),
    factor_of_the_chain=lambda u, x: u * np.ones_like(x),
    region=lambda u, x: u * np.where(x > 2, 0, logistic(x)),
)  # fmt: skip


def leaky(x: Array) -> Array:
    return np.where(x > 0, x, 0.2 * x)


planted(
    leaky, lambda u, x: u * np.where(x > 0, 1, 0.2), normal((4, 3)),
    region=[lambda u, x: u * (x > 0), lambda u, x: u * np.where(x > 0, 1, -0.2), lambda u, x: u * np.where(x > 1, 1, 0.2)],
    upstream=lambda u, x: np.where(x > 0, 1, 0.2) * np.ones_like(u),
)  # fmt: skip


def elu(x: Array) -> Array:
    return np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1)


planted(
    elu, lambda u, x: u * np.where(x > 0, 1, np.exp(np.minimum(x, 0))), normal((4, 3)),
    hard=[[np.array([-40.0, 3.0, -1e-3])]],
    region=lambda u, x: u * np.where(x > 0, 1, 0),
    wrong_value=lambda u, x: u * np.where(x > 0, 1, np.exp(np.minimum(x, 0)) - 1),
)  # fmt: skip


def hard_tanh(x: Array) -> Array:
    return np.clip(x, -1, 1)


planted(
    hard_tanh, lambda u, x: u * (np.abs(x) < 1), normal((4, 5)),
    region=[lambda u, x: u * (x < 1), lambda u, x: u * (x > 0) * (x < 1)],
    factor_of_the_chain=lambda u, x: u,
)  # fmt: skip


def ratio(a: Array, b: Array) -> Array:
    return a / b


planted(
    ratio, lambda u, a, b: (u / b, -u * a / b**2), positive((3, 4), (3, 4)),
    hard=[[np.array([1e8, 1e-8]), np.array([1e-6, 1e6])]],
    exchanged=lambda u, a, b: (-u * a / b**2, u / b),
    wrong_value=[lambda u, a, b: (u / a, -u * a / b**2), lambda u, a, b: (u / b, -u * a / b)],
    nothing=lambda u, a, b: (u / b, np.zeros_like(b)),
)  # fmt: skip


def power(a: Array, b: Array) -> Array:
    return a**b


planted(
    power, lambda u, a, b: (u * b * a ** (b - 1), u * a**b * np.log(a)), positive((2, 4), (2, 4)),
    factor_of_the_chain=lambda u, a, b: (u * b * a ** (b - 1), u * a**b),
    wrong_value=[
        lambda u, a, b: (u * b * a**b, u * a**b * np.log(a)),
        lambda u, a, b: (u * b * a ** (b - 1), u * a**b * np.log(b)),
    ],
    exchanged=lambda u, a, b: (u * a**b * np.log(a), u * b * a ** (b - 1)),
)  # fmt: skip


def length(a: Array, b: Array) -> Array:
    return np.sqrt(a * a + b * b)


planted(
    length, lambda u, a, b: (u * a / length(a, b), u * b / length(a, b)), normal((3, 3), (3, 3)),
    hard=[[np.array([3e6, 1e-6]), np.array([4e-6, 2e6])]],
    wrong_value=lambda u, a, b: (u * a / length(a, b) ** 2, u * b / length(a, b) ** 2),
    exchanged=lambda u, a, b: (u * b / length(a, b), u * a / length(a, b)),
    raises=lambda u, a, b: (u @ np.ones((7, 7)), u),
)  # fmt: skip


# Layers ---------------------------------------------------------------------------------------------------------------


def dense(x: Array, w: Array, b: Array) -> Array:
    return x @ w + b


planted(
    dense, lambda u, x, w, b: (u @ w.T, x.T @ u, u.sum(0)), normal((5, 3), (3, 3), (3,)),
    transposed=[lambda u, x, w, b: (u @ w, x.T @ u, u.sum(0)), lambda u, x, w, b: (u @ w.T, (x.T @ u).T, u.sum(0))],
    not_summed=[lambda u, x, w, b: (u @ w.T, x.T @ u, u[0]), lambda u, x, w, b: (u @ w.T, x.T @ u, u.mean(0)),
                lambda u, x, w, b: (u @ w.T, x.T @ u, u)],
    nothing=[lambda u, x, w, b: (u @ w.T, x.T @ u, None), lambda u, x, w, b: (u @ w.T, np.zeros_like(w), u.sum(0))],
    penalty=lambda u, x, w, b: (u @ w.T, x.T @ u + 0.1 * w, u.sum(0)),
    few_entries=lambda u, x, w, b: (u @ w.T, x.T @ u, u.sum(0) * np.array([1, 1, 1.5])),
)  # fmt: skip


def two_layers(x: Array, w: Array, v: Array) -> Array:
    h = np.tanh(x @ w)
    return h @ v


def two_layers_backward(u: Array, x: Array, w: Array, v: Array, slope: Any = None) -> tuple[Array, ...]:
    h = np.tanh(x @ w)
    d = (u @ v.T) * ((1 - h * h) if slope is None else slope(x @ w, h))
    return d @ w.T, x.T @ d, h.T @ u


planted(
    two_layers, two_layers_backward, normal((4, 3), (3, 5), (5, 2)),
    factor_of_the_chain=lambda u, x, w, v: two_layers_backward(u, x, w, v, slope=lambda z, h: 1.0),
    wrong_value=[
        lambda u, x, w, v: two_layers_backward(u, x, w, v, slope=lambda z, h: 1 - np.tanh(h) ** 2),
        lambda u, x, w, v: two_layers_backward(u, x, w, v, slope=lambda z, h: 1 - h),
        lambda u, x, w, v: two_layers_backward(u, x, w, v, slope=lambda z, h: 1 - z * z),
    ],
    region=lambda u, x, w, v: two_layers_backward(u, x, w, v, slope=lambda z, h: np.where(z > 0, 1 - h * h, 0)),
)  # fmt: skip


def shortcut(x: Array, w: Array) -> Array:
    return x + np.maximum(x @ w, 0)


planted(
    shortcut, lambda u, x, w: (u + (u * (x @ w > 0)) @ w.T, x.T @ (u * (x @ w > 0))), normal((4, 3), (3, 3)),
    path=lambda u, x, w: ((u * (x @ w > 0)) @ w.T, x.T @ (u * (x @ w > 0))),
    factor_of_the_chain=lambda u, x, w: (u + u @ w.T, x.T @ u),
    transposed=lambda u, x, w: (u + (u * (x @ w > 0)) @ w, x.T @ (u * (x @ w > 0))),
)  # fmt: skip


def tied_weights(x: Array, w: Array) -> Array:
    return np.tanh(x @ w) @ w.T


def tied_weights_backward(u: Array, x: Array, w: Array, first: float = 1, second: float = 1) -> tuple[Array, Array]:
    h = np.tanh(x @ w)
    d = (u @ w) * (1 - h * h)
    return d @ w.T, first * (x.T @ d) + second * (u.T @ h)


planted(
    tied_weights, tied_weights_backward, normal((4, 3), (3, 2)),
    path=[lambda u, x, w: tied_weights_backward(u, x, w, first=0), lambda u, x, w: tied_weights_backward(u, x, w, second=0)],
    factor=lambda u, x, w: tied_weights_backward(u, x, w, second=2),
)  # fmt: skip


def recurrence(x: Array, w: Array) -> Array:
    h = np.zeros(3)
    for row in x:
        h = np.tanh(row + w @ h)
    return h


def recurrence_backward(
    u: Array, x: Array, w: Array, later: int = 0, steps: int = 99, add: bool = True
) -> tuple[Array, Array]:
    states = [np.zeros(3)]
    for row in x:
        states.append(np.tanh(row + w @ states[-1]))
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for t in reversed(range(max(len(x) - steps, 0), len(x))):
        d = u * (1 - states[t + 1] ** 2)
        dx[t] = d
        dw = np.outer(d, states[t + later]) + (dw if add else 0)
        u = w.T @ d
    return dx, dw


planted(
    recurrence, recurrence_backward, normal((4, 3), (3, 3)),
    wrong_value=lambda u, x, w: recurrence_backward(u, x, w, later=1),
    path=lambda u, x, w: recurrence_backward(u, x, w, steps=1),
    nothing=lambda u, x, w: recurrence_backward(u, x, w, add=False),  # The first round's, whose state is zero.
)  # fmt: skip


def normalised(x: Array) -> Array:
    centred = x - x.mean(axis=0)
    return centred / np.sqrt((centred**2).mean(axis=0) + 1e-6)


def normalised_backward(
    u: Array, x: Array, mean: float = 1, spread: float = 1, count: Callable[[int], float] = float, power: int = 1
) -> Array:
    n = len(x)
    deviation = np.sqrt(((x - x.mean(0)) ** 2).sum(0) / count(n) + 1e-6)
    z = (x - x.mean(0)) / deviation
    return (u - mean * u.mean(0) - spread * z * (u * z).mean(0)) / deviation**power


planted(
    normalised, normalised_backward, lambda rng: [rng.normal(size=(6, 3)) * 2 + 1],
    path=[lambda u, x: normalised_backward(u, x, mean=0), lambda u, x: normalised_backward(u, x, spread=0),
          lambda u, x: normalised_backward(u, x, 0, 0)],
    wrong_value=[lambda u, x: normalised_backward(u, x, count=lambda n: n - 1), lambda u, x: normalised_backward(u, x, power=2)],
    factor=lambda u, x: normalised_backward(u, x, spread=0.5),
)  # fmt: skip


# Reductions and losses ------------------------------------------------------------------------------------------------


def soft(x: Array) -> Array:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


planted(
    soft, lambda u, x: soft(x) * (u - (u * soft(x)).sum(-1, keepdims=True)), normal((3, 4)),
    hard=[[np.array([[800.0, 0.0, -800.0]])], [np.array([[1.0, 1.0, 1.0]])]],
    path=[lambda u, x: u * soft(x) * (1 - soft(x)), lambda u, x: u * soft(x)],
    wrong_value=lambda u, x: soft(x) * (u - u.sum(-1, keepdims=True)),
)  # fmt: skip


def log_soft(x: Array) -> Array:
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


planted(
    log_soft, lambda u, x: u - soft(x) * u.sum(-1, keepdims=True), normal((3, 5)),
    hard=[[np.array([[900.0, 1.0, -900.0]])]],
    wrong_value=lambda u, x: u - np.exp(x) * u.sum(-1, keepdims=True),
    path=[lambda u, x: u, lambda u, x: u - soft(x) * u],
)  # fmt: skip

LABELS = np.array([1, 0, 3, 2, 1])


def cross_entropy(z: Array) -> Any:
    return -log_soft(z)[np.arange(len(z)), LABELS].mean()


def cross_entropy_backward(u: Any, z: Array) -> Array:
    return np.asarray(u * (soft(z) - np.eye(4)[LABELS]) / len(z))


planted(
    cross_entropy, cross_entropy_backward, normal((5, 4)),
    hard=[[np.repeat(np.array([[50.0, 0.0, -50.0, 10.0]]), 5, axis=0)]],
    factor=lambda u, z: len(z) * cross_entropy_backward(u, z),
    path=[lambda u, z: u * soft(z) / len(z), lambda u, z: -u * np.eye(4)[LABELS] / len(z),
          lambda u, z: cross_entropy_backward(u, z) * np.eye(4)[LABELS]],
    upstream=lambda u, z: cross_entropy_backward(1.0, z),
    moved=lambda u, z: u * (soft(z) - np.eye(4)[(LABELS + 1) % 4]) / len(z),
)  # fmt: skip


def squared_error(x: Array, t: Array) -> Any:
    return ((x - t) ** 2).mean()


planted(
    squared_error, lambda u, x, t: (2 * u * (x - t) / x.size, -2 * u * (x - t) / x.size), normal((4, 3), (4, 3)),
    hard=[[np.full((2, 2), 1e8), np.full((2, 2), -1e-8)]],
    factor=[lambda u, x, t: (u * (x - t) / x.size, -u * (x - t) / x.size),
            lambda u, x, t: (2 * u * (x - t) / len(x), -2 * u * (x - t) / len(x))],
    sign=lambda u, x, t: (2 * u * (x - t) / x.size, 2 * u * (x - t) / x.size),
    nothing=lambda u, x, t: (2 * u * (x - t) / x.size, None),
)  # fmt: skip


def ridge(x: Array, w: Array) -> Any:
    return 0.5 * ((x @ w) ** 2).sum() + 0.3 * (w * w).sum()


planted(
    ridge, lambda u, x, w: (u * np.outer(x @ w, w), u * (x.T @ (x @ w) + 0.6 * w)), normal((5, 3), (3,)),
    penalty=[lambda u, x, w: (u * np.outer(x @ w, w), u * (x.T @ (x @ w))),
             lambda u, x, w: (u * np.outer(x @ w, w), u * (x.T @ (x @ w) + 1.2 * w))],
)  # fmt: skip


def largest(x: Array) -> Array:
    return x.max(axis=1)


def largest_backward(u: Array, x: Array, where: Callable[[Array], Array] = lambda x: x.argmax(1)) -> Array:
    return np.asarray(u[:, None] * np.eye(x.shape[1])[where(x)])


planted(
    largest, largest_backward, normal((4, 5)),
    hard=[[np.array([[1.0, 1.0, 0.0], [2.0, 3.0, 3.0]])]],
    moved=[lambda u, x: largest_backward(u, x, lambda x: x.argmin(1)), lambda u, x: np.roll(largest_backward(u, x), 1, axis=1)],
    wrong_value=lambda u, x: u[:, None] * soft(5 * x),
    region=lambda u, x: largest_backward(u, x, lambda x: np.abs(x).argmax(1)),
)  # fmt: skip


def deviation(x: Array) -> Any:
    return x.std()


planted(
    deviation, lambda u, x: u * (x - x.mean()) / (x.size * x.std()), normal((7,)),
    factor=lambda u, x: u * (x - x.mean()) / ((x.size - 1) * x.std()),
    path=lambda u, x: u * x / (x.size * x.std()),
    wrong_value=lambda u, x: u * (x - x.mean()) / (x.size * x.std() ** 2),
)  # fmt: skip


def product(x: Array) -> Any:
    return np.prod(x)


planted(
    product, lambda u, x: u * np.prod(x) / x, positive((5,)),
    factor_of_the_chain=lambda u, x: u * np.prod(x) * np.ones_like(x),
    wrong_value=lambda u, x: u * np.prod(x) / x**2,
    moved=lambda u, x: (u * np.prod(x) / x)[::-1].copy(),
)  # fmt: skip


# Moving ---------------------------------------------------------------------------------------------------------------


def running_sum(x: Array) -> Array:
    return np.cumsum(x, axis=0)


planted(
    running_sum, lambda u, x: np.cumsum(u[::-1], axis=0)[::-1], normal((5, 2)),
    moved=lambda u, x: np.cumsum(u, axis=0),
    path=lambda u, x: u,
    changes_what_it_is_given=lambda u, x: np.cumsum(np.flip(np.add(u, 1e-3, out=u) - 1e-3, 0), axis=0)[::-1],
)  # fmt: skip


def shifted(x: Array) -> Array:
    return np.roll(x, 2, axis=1)


planted(
    shifted, lambda u, x: np.roll(u, -2, axis=1), normal((2, 5)),
    moved=[lambda u, x: np.roll(u, 2, axis=1), lambda u, x: u, lambda u, x: np.roll(u, -1, axis=1), lambda u, x: u[:, ::-1]],
)  # fmt: skip


def picked(x: Array) -> Array:
    return x[[0, 2, 2, 4]] * 1.5


def picked_backward(u: Array, x: Array, add: bool = True) -> Array:
    found = np.zeros_like(x)
    if add:
        np.add.at(found, [0, 2, 2, 4], 1.5 * u)
    else:
        found[[0, 2, 2, 4]] = 1.5 * u
    return found


planted(
    picked, picked_backward, normal((5, 2)),
    path=lambda u, x: picked_backward(u, x, add=False),
    moved=lambda u, x: np.roll(picked_backward(u, x), 1, axis=0),
    factor=lambda u, x: picked_backward(u, x) / 1.5,
)  # fmt: skip


def window_sums(x: Array, w: Array) -> Array:
    found = np.zeros(len(x) - len(w) + 1)
    for i in range(len(found)):
        found[i] = x[i : i + len(w)] @ w
    return found


def window_sums_backward(
    u: Array, x: Array, w: Array, add: bool = True, flip: bool = False, last: int = 0
) -> tuple[Array, Array]:
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for i in range(len(u) - last):
        weights = w[::-1] if flip else w
        if add:
            dx[i : i + len(w)] += u[i] * weights
        else:
            dx[i : i + len(w)] = u[i] * weights
        dw += u[i] * x[i : i + len(w)]
    return dx, dw


planted(
    window_sums, window_sums_backward, normal((7,), (3,)),
    path=[lambda u, x, w: window_sums_backward(u, x, w, add=False), lambda u, x, w: window_sums_backward(u, x, w, last=1)],
    moved=lambda u, x, w: window_sums_backward(u, x, w, flip=True),
)  # fmt: skip


def window_maxima(x: Array) -> Array:
    found = np.zeros((x.shape[0] - 1, x.shape[1] - 1))
    for i in range(found.shape[0]):
        for j in range(found.shape[1]):
            found[i, j] = x[i : i + 2, j : j + 2].max()
    return found


def window_maxima_backward(u: Array, x: Array, add: bool = True, all_of_it: bool = False) -> Array:
    found = np.zeros_like(x)
    for i in range(u.shape[0]):
        for j in range(u.shape[1]):
            part = x[i : i + 2, j : j + 2]
            at_largest = np.arange(4).reshape(2, 2) == part.argmax()
            sent = u[i, j] * (np.ones((2, 2)) if all_of_it else at_largest)
            found[i : i + 2, j : j + 2] = found[i : i + 2, j : j + 2] * add + sent
    return found


planted(
    window_maxima, window_maxima_backward, normal((4, 4)),
    path=lambda u, x: window_maxima_backward(u, x, add=False),
    factor_of_the_chain=lambda u, x: window_maxima_backward(u, x, all_of_it=True),
)  # fmt: skip


def quadratic(a: Array, x: Array) -> Any:
    return x @ a @ x


planted(
    quadratic, lambda u, a, x: (u * np.outer(x, x), u * (a + a.T) @ x), normal((4, 4), (4,)),
    path=[lambda u, a, x: (u * np.outer(x, x), u * a @ x), lambda u, a, x: (u * np.outer(x, x), u * a.T @ x)],
    factor=lambda u, a, x: (2 * u * np.outer(x, x), u * (a + a.T) @ x),
)  # fmt: skip


def determinant(a: Array) -> Any:
    return np.linalg.det(a)


planted(
    determinant, lambda u, a: u * np.linalg.det(a) * np.linalg.inv(a).T, lambda rng: [rng.normal(size=(3, 3)) + 2 * np.eye(3)],
    transposed=lambda u, a: u * np.linalg.det(a) * np.linalg.inv(a),
    factor_of_the_chain=lambda u, a: u * np.linalg.inv(a).T,
)  # fmt: skip


# The figures ----------------------------------------------------------------------------------------------------------


def run(forward: Callable[..., Any], backward: Backward, inputs: list[Array]) -> tuple[TargetResult, float]:
    """The result, and seconds."""
    began = time.perf_counter()
    result = gradtool.check(forward, backward, inputs=[np.array(x, dtype=float) for x in inputs])
    return result, time.perf_counter() - began


def visible(operation: Planted, wrong: Backward, inputs: list[Array], rng: np.random.Generator) -> bool:
    """Whether a fault shows at a point at all: it raises, or some gradient differs by more than a millionth of a millionth."""
    outputs = np.asarray(operation.forward(*(np.array(x) for x in inputs)))
    u = rng.normal(size=outputs.shape)
    right = operation.backward(np.array(u), *(np.array(x) for x in inputs))
    try:
        found = wrong(np.array(u), *(np.array(x) for x in inputs))
    except ValueError:
        return True
    pairs = zip(right, found, strict=True) if isinstance(right, tuple) else [(right, found)]
    return any(
        b is None or np.shape(a) != np.shape(b) or not np.allclose(a, b, rtol=1e-12, atol=1e-12) for a, b in pairs
    )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbose", action="store_true", help="print the causes that are not named")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    warnings.simplefilter("ignore")
    seconds: list[float] = []
    counts: dict[str, list[int]] = collections.defaultdict(lambda: [0, 0, 0])
    missed = []
    for operation in OPERATIONS:
        for category, wrong in operation.faults:
            inputs = operation.draw(rng)
            if not visible(operation, wrong, inputs, rng) and category != "changes what it is given":
                inputs = operation.draw(rng)
            result, took = run(operation.forward, wrong, inputs)
            seconds.append(took)
            causes = {g.cause.code: g.cause.message for g in result.gradients if g.cause is not None}
            codes = set(causes) | {found.code for found in result.hygiene}
            flagged = result.verdict.value == "WRONG"
            row = counts[category]
            row[0] += 1
            row[1] += flagged
            row[2] += flagged and bool(codes & NAMED_BY[category])
            if not flagged:
                missed.append(f"{operation.name}/{category}")
            elif options.verbose and not codes & NAMED_BY[category]:
                print(f"  {operation.name}/{category}: {causes}")
    total = [sum(column) for column in zip(*counts.values(), strict=True)]
    print(f"{len(OPERATIONS)} forwards; faults flagged {total[1]} of {total[0]}, causes named {total[2]} of {total[1]}")
    for category, (planted_, flagged_, named) in sorted(counts.items()):
        print(f"  {category:25s} flagged {flagged_} of {planted_}, named {named} of {flagged_}")
    print("not flagged:", ", ".join(missed) or "none")
    alarms, points = [], 0
    while points < 100 or points % len(OPERATIONS):
        operation = OPERATIONS[points % len(OPERATIONS)]
        verdict = run(operation.forward, operation.backward, operation.draw(rng))[0].verdict.value
        points += 1
        if verdict != "OK":
            alarms.append(f"{operation.name} {verdict}")
    print(f"right gradients not called OK: {len(alarms)} of {points}", *alarms)
    hard, failed = 0, []
    for operation in OPERATIONS:
        for inputs in operation.hard:
            hard += 1
            right = run(operation.forward, operation.backward, inputs)[0].verdict.value
            twice = run(operation.forward, changed(operation.backward, lambda g: 2 * g), inputs)[0].verdict.value
            if right == "WRONG" or twice != "WRONG":
                failed.append(f"{operation.name} (right: {right}, twice: {twice})")
    print(f"hard points solved: {hard - len(failed)} of {hard}", *failed)
    print(f"a check of a fault: median {1e3 * float(np.median(seconds)):.0f} ms, longest {max(seconds):.1f} s")


if __name__ == "__main__":
    main()
