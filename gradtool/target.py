"""``Target``: a hand-written gradient, ready to be called, whatever convention it was written in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

Array = NDArray[Any]
Values = Mapping[str, Any]
"""Inputs by name: NumPy arrays, Python floats where the code is written for scalars, integers (labels, masks)."""


class Run(Protocol):
    """One forward, and the backward that belongs to it."""

    @property
    def outputs(self) -> tuple[Array, ...]:
        """Forward's outputs that an upstream gradient is wanted for, as arrays, in order."""
        ...

    @property
    def kept(self) -> Any:
        """What forward kept for backward (a cache, the attributes an object set in forward): it is searched for arrays
        that backward changes in place. None where nothing is kept."""
        ...

    def backward(self, *upstream: Array) -> Mapping[str, Any]:
        """One gradient for each name in the case's ``wrt``, as the user's code gave it; None where it gave none.

        Takes one upstream array for each output and hands on that very array, so that a change in place can be seen.
        What the user's code raises reaches the caller.
        """
        ...


@dataclass(slots=True, eq=False)
class PlainRun:
    """A ``Run`` made of forward's outputs and a function that takes the upstream gradients."""

    outputs: tuple[Array, ...]
    run: Callable[..., Mapping[str, Any]]
    kept: Any = None

    def backward(self, *upstream: Array) -> Mapping[str, Any]:
        """What the function gives."""
        return self.run(*upstream)


@dataclass(frozen=True, slots=True, eq=False)
class Calling:
    """One way to call a forward and its backward.

    ``start(values)`` runs a fresh forward, on a fresh object where there is one, and hands it these very arrays: the caller
    makes the copies. What the user's code raises reaches the caller.
    """

    start: Callable[[Values], Run]
    description: str
    """As users would write it: ``affine_backward(dout, cache)``."""
    upstream: Literal["given", "contracted", "one"] = "given"
    """Whether backward takes the upstream; gives the derivative itself (gradtool multiplies); or is for a scalar output and
    an upstream of 1 alone."""
    certain: bool = True
    """Whether it is known that backward wants to be called like this. Where it was guessed, a gradient that comes out wrong says
    nothing of backward."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A target at one setting of its shapes and hyper-parameters.

    ``values`` has every input that may change from point to point, in forward's order; ``wrt`` names those whose gradients
    backward gives. ``callings`` are the ways to call it, the likeliest first: it is WRONG only if it is wrong in all.
    ``function`` takes ``values`` in order, as arrays, and gives what forward computes, without any wrapping: it can be traced.
    """

    values: Values
    wrt: tuple[str, ...]
    callings: tuple[Calling, ...]
    label: str | None = None
    """What is special about this case (``stride=2, pad=0``); None for the given one."""
    function: Callable[..., Any] | None = None
    instead: tuple[tuple[Calling, str], ...] = ()
    """Ways to call it that the names in the source speak against, each with what is to be said where it is WRONG in all of
    ``callings`` and right in this one. It stays WRONG."""


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A forward, a backward, inputs, and where they stand.

    ``cases`` begins with the given one; the others can only turn the target WRONG. ``line`` is the backward's first line.
    ``generators`` are random generators that forward may draw from (a module's, an object's), to be pinned.
    """

    id: str
    convention: str
    forward: str
    backward: str
    cases: tuple[Case, ...]
    file: str | None = None
    line: int | None = None
    input_source: str = "given"
    notes: tuple[str, ...] = ()
    intentional: str | None = None
    generators: tuple[Any, ...] = field(default=())
