"""GC116: wrong shape.

What it means
    The gradient does not have the shape of its input. Where one transformation of what you return would be right in
    shape and in value, the message names it: a transposition, a sum over an axis that broadcasting added, a reshape.

Why it matters
    ``W -= 0.1 * dW`` broadcasts in silence: a bias of shape (5,) minus a gradient of shape (20, 5) becomes a matrix.

Example
    def affine_backward(dout, cache):
        x, w, b = cache
        return dout @ w.T, x.T @ dout, dout          # db has shape (N, M): should be dout.sum(axis=0)

What to do
    Apply the transformation that is named. The gradient of an input that was broadcast is summed over every axis it
    was broadcast along; with f = x @ w, dx = dout @ w.T and dw = x.T @ dout have the shapes of x and w by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations, permutations

import numpy as np

from gradtool.diagnosis.fitting import Array, Evidence, agreement, numbers
from gradtool.results import Cause

Shape = tuple[int, ...]
Transformation = Callable[[Array], Array]
MAX_RANK = 6


def find(evidence: Evidence) -> Cause | None:
    """Fits where the user's gradient at the first sight is an array, or no array of numbers, but not of the input's shape."""
    look = evidence.all_looks[0]
    given = look.sight.yours.get(evidence.name)
    if given is None or look.yours is not None:
        return None
    yours = numbers(given)
    if yours is None:
        return Cause(
            "GC116",
            f"is no array of numbers but {type(given).__name__}",
            f"return an array of shape {look.right.shape}",
        )
    says = f"has shape {yours.shape}, not {look.right.shape}"
    for text, fix, change in _transformations(yours.shape, look.right.shape, evidence.name):
        residual = _fits(evidence, evidence.name, change)
        if residual is not None:
            message = f"{says}: what makes it right is {text}"
            return Cause("GC116", message, fix, transformation=text, residual=residual)
    for other in evidence.suspect.wrt:
        if other != evidence.name and np.shape(look.right) != yours.shape == np.shape(look.sight.right[other]):
            residual = _fits_other(evidence, other)
            if residual is not None:
                return Cause(
                    "GC116",
                    f"{says}: it is the gradient of {other}",
                    f"return the gradients in the order of {', '.join(evidence.suspect.wrt)}",
                    residual=residual,
                )
    return Cause("GC116", says, f"d_{evidence.name} must have the shape of {evidence.name}")


def _fits(evidence: Evidence, name: str, change: Transformation) -> float | None:
    """The residual if ``change`` makes every gradient right; there need be nothing wrong with the values themselves."""
    worst = 0.0
    for look in evidence.looks:
        yours = numbers(look.sight.yours.get(name))
        if yours is None:
            return None
        try:
            changed = change(yours)
        except ValueError:
            return None
        measured = agreement(changed, (look.right, look.error), (look.right, look.error), look.scale)
        if measured is None or measured[1]:
            return None
        worst = max(worst, measured[0])
    return worst


def _fits_other(evidence: Evidence, other: str) -> float | None:
    worst = 0.0
    for look in evidence.looks:
        yours, there = numbers(look.sight.yours.get(evidence.name)), evidence.other(look, other)
        if yours is None:
            return None
        measured = agreement(yours, (there.right, there.error), (there.right, there.error), there.scale)
        if measured is None or measured[1]:
            return None
        worst = max(worst, measured[0])
    return worst


def _transformations(given: Shape, wanted: Shape, name: str) -> Iterator[tuple[str, str, Transformation]]:
    """(text, fix, transformation) from one shape to the other, the simplest first."""
    if len(given) == len(wanted) and 2 <= len(given) <= MAX_RANK:
        for axes in permutations(range(len(given))):
            if tuple(given[k] for k in axes) == wanted:
                text = "a transposition (.T)" if len(given) == 2 else f"a transposition (transpose{axes})"
                fix = (
                    f"d_{name} = (what you return).T"
                    if len(given) == 2
                    else f"d_{name} = (what you return).transpose{axes}"
                )
                yield text, fix, partial(np.transpose, axes=axes)
    for count in range(1, min(len(given), MAX_RANK) + 1):
        for axes in combinations(range(len(given)), count):
            for keep in (False, True):
                shape = tuple(1 if k in axes else n for k, n in enumerate(given) if keep or k not in axes)
                if shape != wanted or all(given[k] == 1 for k in axes):
                    continue
                over = f"axis={axes[0] if count == 1 else axes}{', keepdims=True' if keep else ''}"
                for word in ("sum", "mean"):
                    change = partial(_reduced, word, axes, keep)
                    yield f"a {word} ({word}({over}))", f"d_{name} = (what you return).{word}({over})", change
    if int(np.prod(given)) == int(np.prod(wanted)):
        yield (
            f"a reshape (reshape{wanted})",
            f"d_{name} = (what you return).reshape{wanted}",
            lambda a: a.reshape(wanted),
        )
        if len(given) > 1:
            yield (
                f"a transposition and a reshape (.T.reshape{wanted})",
                f"d_{name} = (what you return).T.reshape{wanted}",
                lambda a: a.T.reshape(wanted),
            )
    elif int(np.prod(given)) == 1 or _broadcasts(given, wanted):
        yield (
            f"broadcasting to {wanted}",
            f"d_{name} = np.broadcast_to(what you return, {wanted})",
            lambda a: np.array(np.broadcast_to(a, wanted)),
        )


def _reduced(word: str, axes: tuple[int, ...], keep: bool, values: Array) -> Array:
    found = values.sum(axis=axes, keepdims=True) if word == "sum" else values.mean(axis=axes, keepdims=True)
    return np.asarray(found if keep else np.squeeze(found, axis=axes))


def _broadcasts(given: Shape, wanted: Shape) -> bool:
    return len(given) <= len(wanted) and all(a in (1, b) for a, b in zip(given[::-1], wanted[::-1], strict=False))
