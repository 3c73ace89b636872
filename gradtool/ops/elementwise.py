"""Small constructors that the elementwise families share, so that one operation is one short declaration.

Forward functions and local derivatives get float64 arrays or Python floats. Python's own ``/`` and ``**`` raise on a
zero divisor where NumPy's give inf, so those two are always written as ``np.divide`` and ``np.power``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradtool.ops.operation import Argument, Array, Function, Interval, Kink, Operation, declare

ANYWHERE: Interval = (-3.0, 3.0)


def unary(name: str, forward: Function, local: Function, formula: str, derivative: str, **more: Any) -> Operation:
    """Declare an operation of one argument ``x``; ``local(out, x)`` is its derivative. Its symbolic form is the exact
    function of the same name unless ``symbolic`` says otherwise."""
    more.setdefault("symbolic", lambda S, x: getattr(S, name)(x))
    return declare(
        Operation(
            name=name, arguments=(Argument("x"),), forward=forward, local=(local,),
            formula=formula, derivative=derivative, **more,
        )
    )  # fmt: skip


def binary(
    name: str, forward: Function, locals_: tuple[Function, Function], formula: str, derivative: str, **more: Any
) -> Operation:
    """Declare an operation of two arguments, called ``a`` and ``b`` unless ``names`` says otherwise."""
    first, second = more.pop("names", ("a", "b"))
    more.setdefault("domain", (ANYWHERE, ANYWHERE))
    more.setdefault("symbolic", lambda S, a, b: getattr(S, name)(a, b))
    return declare(
        Operation(
            name=name, arguments=(Argument(first), Argument(second)), forward=forward, local=locals_,
            formula=formula, derivative=derivative, **more,
        )
    )  # fmt: skip


def zero(*_: Any) -> float:
    """The local derivative of what is constant piece by piece."""
    return 0.0


def spread(value: Any, *others: Any) -> Array:
    """``value`` broadcast against the shapes of ``others``: an answer that depends on some arguments only still has
    the output's shape."""
    return np.broadcast_to(value, np.broadcast_shapes(np.shape(value), *map(np.shape, others)))


def inside(valid: Any, value: Any) -> Array:
    """``value``, but NaN outside the domain, where the formula of a derivative may happen to be finite."""
    return np.where(valid, value, np.nan)


def jump(where: str, tied: Function, convention: str = "0", sides: tuple[float, float] | None = None) -> Kink:
    """A place where the value jumps or the slope is infinite: some value is used, none is valid."""
    return Kink(where=where, convention=convention, valid="none", tied=tied, sides=sides)


def interval(where: str, tied: Function, local: Function, low: float, high: float, convention: str) -> Kink:
    """A corner of an operation of one argument: the slope is ``low`` on one side and ``high`` on the other."""

    def choose(rng: np.random.Generator, out: Any, x: Any) -> tuple[Array]:
        return (np.where(tied(x), rng.uniform(low, high, np.shape(x)), local(out, x)),)

    return Kink(where=where, convention=convention, valid=f"[{low:g}, {high:g}]", tied=tied, choose=choose)
