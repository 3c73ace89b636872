"""What an operation is: the one declaration from which parser, engine, references, catalogue and tests all work.

Small records are named tuples and not dataclasses: those take half a millisecond each to make, at every start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Shape = tuple[int, ...]
Function = Callable[..., Any]


class OperationError(ValueError):
    """An operation cannot take these shapes, parameters or labels. The message says which and why; whoever knows
    the place in the source adds it."""


class Argument(NamedTuple):
    """An array argument. One with a ``default`` may be left out; one that is not ``differentiable`` (a condition,
    labels, indices) is never given a gradient."""

    name: str
    default: float | None = None
    differentiable: bool = True


class Parameter(NamedTuple):
    """Metadata that must be constant: an axis, a shape, a switch.

    ``kind`` says what the parser accepts: ``int``, ``number``, ``bool``, ``axes`` (int, tuple of ints or None),
    ``shape`` (tuple of ints, or one int), ``ints`` (one int, a tuple of them or rows of them: what they mean is the
    operation's to say), ``word`` (one of ``words``, written bare; numbers among them as text), ``text`` (in quotes; of
    several arguments it comes first)."""

    name: str
    kind: Literal["int", "number", "bool", "axes", "shape", "ints", "word", "text"]
    default: Any
    words: tuple[str, ...] = ()


class Kink(NamedTuple):
    """A place where an operation has no derivative: which value is used there by convention, which would be valid.

    ``tied(*arguments, **parameters)`` gives a boolean array, of the output's shape for an elementwise operation and of
    any shape for others: True where the point sits exactly on the kink.
    ``choose(rng, out, *arguments, **parameters)`` draws at random from the valid set: for an elementwise operation a
    tuple with one local derivative an argument, equal to the ordinary one wherever nothing is tied. For others
    ``choose(rng, upstream, out, *arguments, **parameters)`` gives a tuple with one downstream gradient an argument.
    ``None`` where no value is valid: at a jump. ``sides`` are the two values that the output jumps between, where they
    are the same everywhere (0 and 1 for a comparison): what a condition might as well have been.
    """

    where: str
    convention: str
    valid: str
    tied: Function
    choose: Function | None = None
    sides: tuple[float, float] | None = None


class Resolved(NamedTuple):
    """What shapes settle: the output's shape, parameters as ``forward`` wants them (axes counted from the end, so that
    extra leading batch axes do no harm), and which arguments are labels or indices here."""

    shape: Shape
    parameters: Mapping[str, Any]
    frozen: tuple[int, ...] = ()


class ScalarForm(NamedTuple):
    """The same operation on Python floats, for speed: ``forward(*args)`` and ``local(out, *args)``, a tuple of one
    local derivative an argument. Either may raise ``ArithmeticError`` or ``ValueError``: then the array form is used.
    """

    forward: Function
    local: Function


class Case(NamedTuple):
    """One way to call an operation in tests: shapes of the arguments and parameters. ``domain`` overrides the
    operation's own for this case; ``values`` gives an argument outright (labels)."""

    shapes: tuple[Shape, ...]
    parameters: Mapping[str, Any]
    values: Mapping[int, Any] | None = None


Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Operation:
    """An operation of the language. Exactly one of ``local`` and ``vjp`` is given.

    Elementwise: ``forward(*arguments, **parameters)`` broadcasts; ``local[i](out, *arguments, **parameters)`` is the
    derivative of each entry of the output with respect to the entry of argument i that it comes from, of the output's
    shape or one that broadcasts to it. (Summing over broadcast axes is the engine's work.)

    Structured: ``vjp[i](upstream, out, *arguments, **parameters)`` is the vector-Jacobian product for argument i, of
    that argument's shape; ``rules[i]`` says it as text, with the operands' names in braces: ``"{upstream} @ {b}.T"``.

    A variadic operation gives a function of i in place of each sequence; where the rule depends on the arguments' shapes,
    ``rules`` is a function of i and these.

    ``resolve(shapes, parameters)`` gives a ``Resolved`` or raises ``OperationError``; left out, the arguments
    broadcast. ``forward`` is called with the resolved parameters and must accept extra leading batch axes on all
    arguments.

    ``symbolic(S, *arguments, **resolved_parameters)`` is the forward written with ``S``, a namespace of exact scalar
    functions (see ``gradtool.references.scalars``): on scalars for elementwise operations, on object arrays for others.
    It should be the textbook formula, independent of how ``forward`` is made stable.

    ``piece(*arguments, **parameters)`` numbers the smooth pieces: an array (batch axes first) that changes exactly
    where a kink, jump or change of formula is crossed. ``domain`` is one interval an argument from which tests draw.
    """

    name: str
    arguments: tuple[Argument, ...]
    forward: Function
    formula: str
    derivative: str
    local: Sequence[Function] | Callable[[int], Function] | None = None
    vjp: Sequence[Function] | Callable[[int], Function] | None = None
    rules: Sequence[str] | Callable[[int, Sequence[Shape]], str] = ()
    parameters: tuple[Parameter, ...] = ()
    variadic: bool = False
    resolve: Callable[[Sequence[Shape], Mapping[str, Any]], Resolved] | None = None
    symbolic: Function | None = None
    kinks: tuple[Kink, ...] = ()
    piece: Function | None = None
    scalar: ScalarForm | None = None
    work: Callable[[Sequence[Shape], Resolved], int] | None = None
    """At least so many scalar operations its symbolic form takes for arguments of these shapes, where that is far more than
    it has entries: what is too much is then not begun."""
    switch: bool = False
    """An elementwise operation that passes an argument on or does not (``relu``, ``max``, comparisons): where a local
    derivative is 0 nothing comes through from above, not even an infinity or NaN."""
    derivative_range: str = ""
    domain: tuple[Interval, ...] = ((-3.0, 3.0),)
    cases: tuple[Case, ...] = ()
    aliases: tuple[str, ...] = ()
    call: str = ""
    """The name used in a program where it differs from ``name``: ``max`` over axes is ``reduce_max``."""
    operator: str = ""
    """How the printer writes it: ``+`` infix, ``u-`` prefix, ``[]`` for an index (which no call can write), empty for a
    call."""
    source: str = ""
    """Where the formula or the algorithm comes from, if it is not obvious."""

    @property
    def elementwise(self) -> bool:
        """Whether it works entry by entry with broadcasting."""
        return self.local is not None

    def local_of(self, i: int) -> Function:
        """The local derivative for argument ``i`` of an elementwise operation."""
        assert self.local is not None
        return self.local(i) if callable(self.local) else self.local[i]

    def vjp_of(self, i: int) -> Function:
        """The vector-Jacobian product for argument ``i`` of a structured operation."""
        assert self.vjp is not None
        return self.vjp(i) if callable(self.vjp) else self.vjp[i]

    def rule_of(self, i: int, shapes: Sequence[Shape] = ()) -> str:
        """The vector-Jacobian product for argument ``i`` as text, for arguments of these shapes."""
        return self.rules(i, shapes) if callable(self.rules) else self.rules[i]

    def resolved(self, shapes: Sequence[Shape], parameters: Mapping[str, Any]) -> Resolved:
        """Settle shapes and parameters. Raises ``OperationError`` where they do not fit."""
        if self.resolve is not None:
            return self.resolve(shapes, parameters)
        return Resolved(broadcast(shapes), parameters, self.frozen)

    @property
    def frozen(self) -> tuple[int, ...]:
        """Positions of arguments that never have a gradient."""
        return tuple(i for i, argument in enumerate(self.arguments) if not argument.differentiable)


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """The shape that all broadcast to, by NumPy's rule. Raises ``OperationError``."""
    first = shapes[0]
    if all(shape == first for shape in shapes):
        return first
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise OperationError(f"shapes {' and '.join(map(show_shape, shapes))} do not broadcast") from None


def show_shape(shape: Shape) -> str:
    """``(3, 4)`` as users write it; ``()`` reads as a scalar."""
    return str(tuple(shape)) if shape else "() (a scalar)"


REGISTRY: dict[str, Operation] = {}
CALLS: dict[str, list[Operation]] = {}


def declare(operation: Operation) -> Operation:
    """Enter an operation in the registry, under its name and under what a program calls it."""
    if operation.name in REGISTRY:
        raise ValueError(f"operation {operation.name} is declared twice")
    if (operation.local is None) == (operation.vjp is None):
        raise ValueError(f"operation {operation.name} needs either local derivatives or vector-Jacobian products")
    REGISTRY[operation.name] = operation
    if operation.operator == "[]":
        return operation
    for call in (operation.call or operation.name, *operation.aliases):
        CALLS.setdefault(call, []).append(operation)
    return operation
