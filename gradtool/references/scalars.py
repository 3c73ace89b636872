"""``S``, the namespace of exact scalar functions in which an operation's ``symbolic`` form is written; two of them.

Functions of both: exp expm1 log log1p sqrt cbrt sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh erf
erfc lgamma digamma abs sign floor ceil round (half to even) maximum minimum (of two or more) where(c, a, b) lt le gt
ge eq ne number(v) sort max min, and pi. Each takes scalars or object arrays, which broadcast; ``+ - * / **`` work on
both directly, and Python numbers mix freely (a float stands for exactly its float64 value).

``TapeSpace``: a scalar holds a number and remembers how it was made, so that a tape of them can be differentiated
backwards. ``SymPySpace``: a scalar is a SymPy expression.

Conventions where there is no derivative: a tie of k arguments of maximum, minimum, max or min shares the derivative
out, 1/k each; abs has 0 at 0; sign, floor, ceil, round and comparisons have 0 everywhere.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import cmp_to_key, partial
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradtool.references.exact import (
    LARGEST_EXPONENT,
    ONE,
    ZERO,
    Arithmetic,
    OutOfRange,
    Raw,
    Undefined,
    compare,
    from_float,
    from_integer,
    out_of_range,
    sign,
)
from gradtool.references.formulas import Program, Unsupported, derivatives, formulas, integer_power_derivative

Objects = NDArray[Any]

SMOOTH = (
    "exp", "expm1", "log", "log1p", "sqrt", "cbrt", "sin", "cos", "tan", "asin", "acos", "atan", "atan2",
    "sinh", "cosh", "tanh",
    "asinh", "acosh", "atanh", "erf", "erfc", "lgamma", "digamma",
)  # fmt: skip
PIECEWISE = ("abs", "sign", "floor", "ceil", "round", "maximum", "minimum", "where", "lt", "le", "gt", "ge", "eq", "ne")

LEAF, ADD, SUBTRACT, MULTIPLY, DIVIDE, NEGATE, SAME, SHARE, POWER, INTEGER_POWER = (
    "input", "add", "subtract", "multiply", "divide", "negative", "same", "share", "power", "integer power",
)  # fmt: skip
"""Kinds of tape entries besides the functions in ``SMOOTH``. ``share`` is a tie of its parents."""


class TooManyOperations(Exception):  # noqa: N818 - not an error: the reference is skipped
    """The tape has reached its limit."""


class Scalar:
    """A number on a tape. ``raw`` is None where the value is undefined, and ``undefined`` says why; ``kind`` is None
    where nothing that is differentiated went in. ``infinite`` is 1 or -1 for an infinity that was given: it has no
    place in exact arithmetic, but as the bound of a maximum or minimum it says that there is none."""

    __slots__ = ("adjoint", "infinite", "kind", "owner", "parents", "raw", "tape", "undefined")

    def __init__(self, tape: Tape, raw: Raw | None, undefined: Undefined | None = None) -> None:
        self.tape = tape
        self.raw = raw
        self.undefined = undefined
        self.infinite = 0
        self.kind: str | None = None
        self.parents: tuple[Scalar, ...] = ()
        self.adjoint: Raw | Undefined | None = None
        self.owner = -1

    def __repr__(self) -> str:
        return f"Scalar({self.raw if self.undefined is None else self.undefined!r})"

    def __add__(self, other: Any) -> Any:
        return self.tape.binary(ADD, self, other)

    def __radd__(self, other: Any) -> Any:
        return self.tape.binary(ADD, other, self)

    def __sub__(self, other: Any) -> Any:
        return self.tape.binary(SUBTRACT, self, other)

    def __rsub__(self, other: Any) -> Any:
        return self.tape.binary(SUBTRACT, other, self)

    def __mul__(self, other: Any) -> Any:
        return self.tape.binary(MULTIPLY, self, other)

    def __rmul__(self, other: Any) -> Any:
        return self.tape.binary(MULTIPLY, other, self)

    def __truediv__(self, other: Any) -> Any:
        return self.tape.binary(DIVIDE, self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self.tape.binary(DIVIDE, other, self)

    def __pow__(self, other: Any) -> Any:
        return self.tape.binary(POWER, self, other)

    def __rpow__(self, other: Any) -> Any:
        return self.tape.binary(POWER, other, self)

    def __neg__(self) -> Scalar:
        return self.tape.negative(self)

    def __pos__(self) -> Scalar:
        return self

    def __abs__(self) -> Scalar:
        return self.tape.absolute(self)


class Tape:
    """Every scalar that depends on what is differentiated, in the order of its making; ``count`` counts all operations.

    Making more than ``limit`` raises ``TooManyOperations``.
    """

    def __init__(self, arithmetic: Arithmetic, limit: int) -> None:
        self.arithmetic = arithmetic
        self.limit = limit
        self.count = 0
        self.node = -1
        self._scalars: list[Scalar] = []
        self._starts: list[int] = []
        self._nodes: list[int] = []

    def enter(self, node: int) -> None:
        """What follows belongs to this node of the graph: messages name it."""
        self.node = node
        self._starts.append(len(self._scalars))
        self._nodes.append(node)

    def leaf(self, raw: Raw) -> Scalar:
        """An input that is differentiated."""
        scalar = Scalar(self, raw)
        scalar.kind = LEAF
        return scalar

    def undefined(self, reason: Undefined | str) -> Scalar:
        """A value that does not exist. It does no harm until the output depends on it."""
        where = f" in n{self.node}" if self.node >= 0 else ""
        what = "" if isinstance(reason, OutOfRange) else "not defined at this point: "
        return Scalar(self, None, Undefined(f"{what}{reason}{where}"))

    def number(self, value: Any) -> Any:
        """A Python or NumPy number as a scalar; ``NotImplemented`` for anything else."""
        if type(value) is Scalar:
            return value
        if isinstance(value, bool | np.bool_ | int | np.integer):
            return Scalar(self, from_integer(int(value)))
        if isinstance(value, float | np.floating):
            try:
                return Scalar(self, from_float(float(value)))
            except Undefined as undefined:
                scalar = self.undefined(undefined)
                scalar.infinite = int(value > 0) - int(value < 0)
                return scalar
        return NotImplemented

    def claim(self, scalar: Any) -> Scalar:
        """The scalar as an entry of the current node. One that is an entry already gets a copy, so that each entry of
        each node has an adjoint of its own."""
        scalar = self.number(scalar)
        if scalar is NotImplemented:
            raise Unsupported("its exact form gave something other than numbers")
        if scalar.owner >= 0 and scalar.kind is not None:
            scalar = self._record(scalar.raw, SAME, (scalar,))
        scalar.owner = self.node
        return scalar  # type: ignore[no-any-return]

    def _record(self, raw: Raw, kind: str, parents: tuple[Scalar, ...]) -> Scalar:
        self.count += 1
        if self.count > self.limit:
            raise TooManyOperations
        scalar = Scalar(self, raw)
        for parent in parents:
            if parent.kind is not None:
                scalar.kind = kind
                scalar.parents = parents
                self._scalars.append(scalar)
                break
        return scalar

    def binary(self, kind: str, a: Any, b: Any) -> Any:
        """``a`` and ``b`` joined by an operator."""
        if type(a) is not Scalar:
            a = self.number(a)
        if type(b) is not Scalar:
            b = self.number(b)
        if a is NotImplemented or b is NotImplemented:
            return NotImplemented
        x, y = a.raw, b.raw
        if x is None or y is None:
            return a if x is None else b
        arithmetic = self.arithmetic
        if kind == ADD:
            raw = arithmetic.add(x, y)
        elif kind == MULTIPLY:
            raw = arithmetic.multiply(x, y)
        elif kind == SUBTRACT:
            raw = ZERO if a is b else arithmetic.add(x, negated(y))
        else:
            try:
                raw = arithmetic.divide(x, y) if kind == DIVIDE else arithmetic.call("power", x, y)
            except Undefined as undefined:
                return self.undefined(undefined)
            if kind == POWER and b.kind is None and y[2] >= 0 and y[2] + y[3] <= 64:
                kind = INTEGER_POWER
        if not -LARGEST_EXPONENT < raw[2] < LARGEST_EXPONENT:
            return self.undefined(out_of_range(kind, (x, y)))
        return self._record(raw, kind, (a, b))

    def negative(self, x: Scalar) -> Scalar:
        """-x."""
        return x if x.raw is None else self._record(negated(x.raw), NEGATE, (x,))

    def absolute(self, x: Scalar) -> Scalar:
        """|x|, by the sign of x."""
        if x.raw is None or not x.raw[0]:
            return self._record(ZERO, SAME, ()) if x.raw == ZERO else x
        return self.negative(x)

    def function(self, name: str, *arguments: Scalar) -> Scalar:
        """A smooth function."""
        raws: list[Raw] = []
        for argument in arguments:
            if argument.raw is None:
                return argument
            raws.append(argument.raw)
        try:
            raw = self.arithmetic.call(name, *raws)
        except Undefined as undefined:
            return self.undefined(undefined)
        return self._record(raw, name, arguments)

    def constant(self, raw: Raw) -> Scalar:
        """A number found by looking at others, with derivative 0."""
        return self._record(raw, SAME, ())

    def extreme(self, direction: int, scalars: Sequence[Scalar]) -> Scalar:
        """The largest (``direction`` 1) or smallest (-1) of the scalars: itself, or the tie of those that are equal."""
        tied: list[Scalar] = []
        best: Raw | None = None
        for scalar in chain.from_iterable(s.parents if s.kind == SHARE else (s,) for s in scalars):
            if scalar.raw is None:
                if scalar.infinite * direction < 0:
                    continue
                return scalar
            order = 1 if best is None else compare(scalar.raw, best) * direction
            if order > 0:
                tied, best = [scalar], scalar.raw
            elif order == 0 and not any(scalar is other for other in tied):
                tied.append(scalar)
        if best is None:
            return scalars[0]
        self.count += len(scalars)
        return tied[0] if len(tied) == 1 else self._record(best, SHARE, tuple(tied))

    def backward(self) -> None:
        """Hand the adjoints that were set on scalars down to everything they were made of.

        An adjoint that does not exist becomes an ``Undefined``, which spoils only what it reaches.
        """
        arithmetic = self.arithmetic
        for position in range(len(self._scalars) - 1, -1, -1):
            scalar = self._scalars[position]
            adjoint = scalar.adjoint
            if adjoint is None:
                continue
            kind, parents = scalar.kind, scalar.parents
            if isinstance(adjoint, Undefined):
                for parent in parents:
                    if parent.kind is not None:
                        parent.adjoint = adjoint
            elif kind == ADD:
                for parent in parents:
                    if parent.kind is not None:
                        self._give(parent, adjoint)
            elif kind == MULTIPLY:
                a, b = parents
                assert a.raw is not None
                assert b.raw is not None
                if a.kind is not None:
                    self._give(a, arithmetic.multiply(adjoint, b.raw))
                if b.kind is not None:
                    self._give(b, arithmetic.multiply(adjoint, a.raw))
            elif kind == SUBTRACT:
                a, b = parents
                if a.kind is not None:
                    self._give(a, adjoint)
                if b.kind is not None:
                    self._give(b, negated(adjoint))
            elif kind == NEGATE:
                self._give(parents[0], negated(adjoint))
            elif kind == SAME:
                self._give(parents[0], adjoint)
            elif kind == SHARE:
                for parent in parents:
                    if parent.kind is not None:
                        self._give(parent, arithmetic.divide(adjoint, from_integer(len(parents))))
            else:
                self._through_function(position, scalar, adjoint)

    def _give(self, parent: Scalar, contribution: Raw) -> None:
        before = parent.adjoint
        if before is None:
            parent.adjoint = contribution
        elif not isinstance(before, Undefined):
            parent.adjoint = self.arithmetic.add(before, contribution)

    def _through_function(self, position: int, scalar: Scalar, adjoint: Raw) -> None:
        values = [parent.raw for parent in scalar.parents if parent.raw is not None]
        for i, parent in enumerate(scalar.parents):
            if parent.kind is None:
                continue
            try:
                slope = local_derivative(scalar.kind or "", i, self.arithmetic, values)
                product = self.arithmetic.multiply(adjoint, slope)
                if not -LARGEST_EXPONENT < product[2] < LARGEST_EXPONENT:
                    raise out_of_range("multiply", (adjoint, slope))
            except Undefined as undefined:
                node = self._nodes[bisect_right(self._starts, position) - 1]
                name = POWER if scalar.kind == INTEGER_POWER else scalar.kind
                what = "" if isinstance(undefined, OutOfRange) else "not differentiable at this point: "
                parent.adjoint = Undefined(f"{what}the derivative of {name} in n{node} needs {undefined}")
            else:
                self._give(parent, product)


def negated(raw: Raw) -> Raw:
    """-raw, exactly."""
    return (1 - raw[0], raw[1], raw[2], raw[3]) if raw[1] else raw


def local_derivative(kind: str, i: int, arithmetic: Arithmetic, values: Sequence[Raw]) -> Raw:
    """SymPy's derivative of a function with respect to argument ``i`` at these values. Raises ``Undefined``.

    Where a power's formula has log 0 or 1/0 in it and its derivative exists nevertheless, that is said here: 0^y is 0
    on both sides of a y > 0, and x^0 is 1 on both sides of x = 0.
    """
    program: Program
    if kind == INTEGER_POWER:
        base, exponent = values
        whole = (exponent[1] << exponent[2]) * (-1 if exponent[0] else 1)
        program, values = integer_power_derivative(int(whole)), [base]
    elif kind == POWER and not values[0][1] and (i == 0) == (sign(values[1]) == 0) and sign(values[1]) >= 0:
        return ZERO
    else:
        program = derivatives(kind)[i]
    slope = program.run(arithmetic, values)[0]
    if isinstance(slope, Undefined):
        raise slope
    return slope


class Space:
    """What both namespaces share: functions of scalars applied to arrays entry by entry."""

    def __init__(self) -> None:
        for name in (*SMOOTH, *PIECEWISE):
            setattr(self, name, partial(self._spread, name))

    def _spread(self, name: str, *arguments: Any) -> Any:
        if any(isinstance(argument, np.ndarray) for argument in arguments):
            return np.frompyfunc(lambda *entries: self.apply(name, *entries), len(arguments), 1)(*arguments)
        return self.apply(name, *arguments)

    def apply(self, name: str, *arguments: Any) -> Any:
        """A function of scalars."""
        raise NotImplementedError

    def max(self, array: Objects) -> Any:
        """The largest entry of an object array."""
        return self.apply("maximum", *array.ravel())

    def min(self, array: Objects) -> Any:
        """The smallest entry of an object array."""
        return self.apply("minimum", *array.ravel())


class TapeSpace(Space):
    """Exact functions of the scalars of a tape."""

    def __init__(self, tape: Tape) -> None:
        super().__init__()
        self._tape = tape

    @property
    def pi(self) -> Scalar:
        """π."""
        from mpmath import libmp

        arithmetic = self._tape.arithmetic
        return self._tape.constant(libmp.mpf_pi(arithmetic.precision, arithmetic.rounding))

    def number(self, value: Any) -> Scalar:
        """A Python number as a scalar. Raises ``Unsupported`` for anything else."""
        scalar = self._tape.number(value)
        if scalar is NotImplemented:
            raise Unsupported(f"{type(value).__name__} is not a number")
        return scalar  # type: ignore[no-any-return]

    def apply(self, name: str, *arguments: Any) -> Scalar:
        """A function of scalars by name."""
        tape = self._tape
        scalars = [argument if type(argument) is Scalar else self.number(argument) for argument in arguments]
        if name == "maximum" or name == "minimum":
            return tape.extreme(1 if name == "maximum" else -1, scalars)
        if name == "where":
            chosen = scalars[0]
            return chosen if chosen.raw is None else scalars[1] if chosen.raw[1] else scalars[2]
        if name not in PIECEWISE:
            return tape.function(name, *scalars)
        for scalar in scalars:
            if scalar.raw is None:
                return scalar
        if name == "abs":
            return tape.absolute(scalars[0])
        if name == "sign":
            return tape.constant(from_integer(sign(scalars[0].raw or ZERO)))
        if name in RELATIONS:
            order = compare(scalars[0].raw or ZERO, scalars[1].raw or ZERO)
            return tape.constant(ONE if RELATIONS[name](order) else ZERO)
        return tape.constant(tape.arithmetic.call(name, scalars[0].raw or ZERO))

    def sort(self, array: Objects) -> Objects:
        """The entries of a one-dimensional object array in ascending order; equal ones keep their order."""
        scalars = [self.number(entry) for entry in array]
        undefined = next((scalar for scalar in scalars if scalar.raw is None), None)
        if undefined is not None:
            scalars = [undefined] * len(scalars)
        else:
            scalars.sort(key=cmp_to_key(lambda a, b: compare(a.raw or ZERO, b.raw or ZERO)))
        self._tape.count += len(scalars)
        result = np.empty(len(scalars), dtype=object)
        result[:] = scalars
        return result


NUMBERS: tuple[type, ...] = (int, float, np.number, np.bool_)

RELATIONS: dict[str, Callable[[int], bool]] = {
    "lt": lambda order: order < 0,
    "le": lambda order: order <= 0,
    "gt": lambda order: order > 0,
    "ge": lambda order: order >= 0,
    "eq": lambda order: order == 0,
    "ne": lambda order: order != 0,
}


class SymPySpace(Space):
    """Exact functions of SymPy expressions. ``symbol_for(value)`` gives the symbol that stands for a float64."""

    LARGEST_INTEGER = 1 << 20
    """A larger one becomes a symbol: SymPy would work out its powers."""

    def __init__(self, symbol_for: Callable[[float], Any]) -> None:
        super().__init__()
        self._formulas = formulas()
        self._symbol_for = symbol_for

    @property
    def pi(self) -> Any:
        """π."""
        return self._formulas.sympy.pi

    def number(self, value: Any) -> Any:
        """A Python number as an expression: a small integer as itself, any other as a symbol for its exact value.
        Raises ``Unsupported`` for what is not a number."""
        if not isinstance(value, int | float | np.number | np.bool_):
            raise Unsupported(f"{type(value).__name__} is not a number")
        exact = float(value)
        if exact.is_integer() and abs(exact) <= self.LARGEST_INTEGER:
            return self._formulas.sympy.Integer(int(exact))
        return self._symbol_for(exact)

    def apply(self, name: str, *arguments: Any) -> Any:
        """A function of scalars by name."""
        expressions = [self.number(argument) if isinstance(argument, NUMBERS) else argument for argument in arguments]
        return self._formulas.define[name](*expressions)

    def sort(self, _array: Objects) -> Objects:
        """Not possible on expressions. Raises ``Unsupported``."""
        raise Unsupported("sort needs numbers")
