"""The symbolic reference: exact gradients of a graph, from SymPy's derivatives, with as many digits as it takes.

Two ways. *Chain*: the operations' ``symbolic`` forms run on a tape of exact scalars, and the derivative of every scalar
function, worked out by SymPy once, is chained backwards along the tape: linear in the number of scalar operations.
*Whole*, for small graphs, on top of that: the whole output as one SymPy expression in the inputs' entries,
differentiated by SymPy, must agree with the chain.

Both run at 50 and at 100 digits with opposite rounding. Where the two differ by more than 1e-25 of an entry, or where a
difference of rounded numbers left nothing, 200, 400 and 800 digits follow until two in a row agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gradtool.graph import CONSTANT, Graph
from gradtool.ops import REGISTRY, Resolved
from gradtool.references.exact import (
    AWAY_FROM_ZERO,
    NEAREST,
    TOWARDS_ZERO,
    ZERO,
    Arithmetic,
    Raw,
    Undefined,
    from_float,
    from_integer,
    magnitude,
    to_float,
)
from gradtool.references.formulas import Number, Program, Unsupported, formulas
from gradtool.references.scalars import Scalar, SymPySpace, Tape, TapeSpace, TooManyOperations, negated
from gradtool.results import Reference

Array = NDArray[Any]
Mode = Literal["whole", "chain"]
Replacement = tuple[str, int, Raw]
"""An input's name, a flat index, and what stands there instead."""

MAX_OPERATIONS = 200_000
LADDER = (50, 100, 200, 400, 800)
AGREED_BITS = 83
"""Two results agree where they differ by at most 2^-83 = 1e-25 of the entry."""
NEGLIGIBLE = -1097
"""Below 2^-1097 = 1e-330 a number is 0 in float64 with room to spare."""
LADDER_LIMIT = 20_000
"""A tape with more operations runs at the first two precisions only."""
DOUBT_LIMIT = 2_000
"""Up to this many operations, results that agree are still refined where a difference left no digits."""

# Measured: SymPy takes about 0.2 ms for each path of the output and entry to differentiate by, so at most some 40 ms.
WHOLE_TREE = 100
WHOLE_ENTRIES = 12
WHOLE_WORK = 200
WHOLE_DEPTH = 24
WHOLE_EXPRESSION = 400
WHOLE_EXPRESSION_DEPTH = 40
WHOLE_DEGREE = 1 << 12
LARGEST_WHOLE_EXPONENT = 16

DEPTH_OF_ONE = frozenset(
    (
        "add", "subtract", "multiply", "divide", "negative", "reciprocal", "power", "exp", "log", "sqrt", "abs", "sign",
        "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc",
        "max", "min", "less", "less_equal", "greater", "greater_equal", "equal", "not_equal",
    )
)  # fmt: skip
"""Operations that are one function in SymPy; any other is taken to be four deep and to raise to the fourth power."""


class NodeNumbers:
    """Exact numbers by node: ``numbers(i)`` is an object array of mpmath numbers, None where node i has none and for
    single entries that are not defined; ``numbers.rounded(i)`` is the same as float64, with NaN for None."""

    def __init__(self, raws: Callable[[int], list[Raw | None] | None], shape: Callable[[int], tuple[int, ...]]) -> None:
        self._raws = raws
        self._shape = shape

    def __call__(self, node: int) -> Array | None:
        raws = self._raws(node)
        if raws is None:
            return None
        from mpmath import mp

        numbers = np.empty(len(raws), dtype=object)
        numbers[:] = [None if raw is None else mp.make_mpf(raw) for raw in raws]
        return numbers.reshape(self._shape(node))

    def rounded(self, node: int) -> NDArray[np.float64] | None:
        """The numbers of one node, each rounded to the nearest float64."""
        raws = self._raws(node)
        if raws is None:
            return None
        values = [float("nan") if raw is None else to_float(raw) for raw in raws]
        return np.array(values, dtype=np.float64).reshape(self._shape(node))


NO_NUMBERS = NodeNumbers(lambda _: None, lambda _: ())


@dataclass(frozen=True, slots=True, eq=False)
class SymbolicResult:
    """What the symbolic reference found.

    ``gradients`` has a ``Reference`` for each name asked for: values are the exact gradient correctly rounded to
    float64 (the rounding is not part of ``error``, which is the disagreement of the two last precisions); beyond
    float64's range they are infinite. ``exact_values`` and ``adjoints`` give every node's value and gradient, for the
    nodes that the output is made of; the latter None where the node does not depend on what is differentiated.
    ``operations`` counts the scalar operations of one run and ``digits`` is the last precision used.
    """

    gradients: Mapping[str, Reference]
    exact_values: NodeNumbers
    adjoints: NodeNumbers
    mode: Mode
    operations: int = 0
    digits: int = 0


def symbolic_gradient(
    graph: Graph,
    inputs: Mapping[str, float | Array],
    upstream: float | Array,
    resolved: Sequence[Resolved | None],
    wrt: Sequence[str],
    *,
    max_operations: int = MAX_OPERATIONS,
) -> SymbolicResult:
    """The exact gradients of ``sum(upstream * output)`` with respect to the inputs named in ``wrt``.

    ``inputs`` gives every input of the graph, ``resolved`` the settled shape and parameters of every operation node
    (None for inputs and constants); ``upstream`` has the output's shape. An operation without a symbolic form, or more
    than ``max_operations`` scalar operations, gives references with status ``skipped``; a value or derivative that
    does not exist at this point gives ``failed`` for the inputs it reaches. Raises ``KeyError`` for an input or
    operation that is unknown.
    """
    problem = Problem(graph, inputs, upstream, resolved, wrt, max_operations)
    try:
        problem.check_size()
        settled = _settle(problem.chain, problem)
    except TooManyOperations:
        return _skipped(f"more than {max_operations:,} scalar operations; --max-symbolic N raises the limit", wrt)
    except Unsupported as unsupported:
        return _skipped(str(unsupported), wrt)
    mode: Mode = "chain"
    if any(isinstance(entry, _Entry) for entry in settled) and problem.is_small():
        whole = _settled_whole(problem)
        if whole is not None:
            settled, mode = _confirmed(settled, whole), "whole"
    run = problem.last
    return SymbolicResult(
        dict(zip(wrt, _references(problem, settled), strict=True)),
        NodeNumbers(run.value, problem.shape),
        NodeNumbers(run.adjoint, problem.shape),
        mode,
        run.tape.count,
        run.tape.arithmetic.digits,
    )


def exact_run(
    graph: Graph,
    inputs: Mapping[str, float | Array],
    resolved: Sequence[Resolved | None],
    digits: int,
    rounding: str = TOWARDS_ZERO,
) -> NodeNumbers:
    """The values of the nodes that the output depends on, computed once with so many digits.

    Raises ``Unsupported`` where an operation has no symbolic form, ``TooManyOperations`` past ten times the usual
    limit.
    """
    problem = Problem(graph, inputs, 1.0, resolved, (), 10 * MAX_OPERATIONS)
    run = problem.forward(Arithmetic(digits, rounding))
    return NodeNumbers(run.value, problem.shape)


def central_difference_exact(
    graph: Graph,
    inputs: Mapping[str, float | Array],
    upstream: float | Array,
    resolved: Sequence[Resolved | None],
    name: str,
    index: int | tuple[int, ...] = 0,
    digits: int = 80,
) -> float | None:
    """The derivative of ``sum(upstream * output)`` with respect to one entry (a flat or a full index) of an input.

    A central difference on the forward in ``digits`` digits, with step 2^-digits of the entry (2^-digits at 0): it
    uses no rule for any derivative. The digits are doubled, up to four times, until two results agree to 1e-10. At a
    kink it is the mean of the two slopes. None where the output is not defined on both sides, where the results never
    agree, or where the forward is too large for exact arithmetic.
    """
    problem = Problem(graph, inputs, upstream, resolved, (), MAX_OPERATIONS)
    if isinstance(index, tuple):
        index = int(np.ravel_multi_index(index, np.shape(inputs[name]))) if index else 0
    before: Raw | None = None
    doubtful = False
    for step in range(5):
        arithmetic = Arithmetic(digits << step, (TOWARDS_ZERO, AWAY_FROM_ZERO)[step % 2])
        try:
            problem.check_size()
            found = _central_difference(problem, arithmetic, name, index)
        except (Undefined, TooManyOperations, Unsupported):
            return None
        if before is not None:
            last = step == 4 or problem.count > LADDER_LIMIT
            # Nothing at all may be what two different values, both rounded to 1, have left.
            sure = found[1] and not (doubtful or arithmetic.cancelled)
            if _agree(found, before, 33) and (last or sure):
                return to_float(found)
            if last:
                return None
        before, doubtful = found, arithmetic.cancelled
    return None


def _central_difference(problem: Problem, arithmetic: Arithmetic, name: str, flat: int) -> Raw:
    at = from_float(float(np.asarray(problem.inputs[name]).ravel()[flat]))
    scale = at if at[1] else from_integer(1)
    step: Raw = (0, scale[1], scale[2] - arithmetic.digits, scale[3])
    # Every bit of x + h counts: the sum is exact.
    exact = Arithmetic(10 * arithmetic.digits, NEAREST)
    above = problem.contracted(arithmetic, name, flat, exact.add(at, step))
    below = problem.contracted(arithmetic, name, flat, exact.add(at, negated(step)))
    return arithmetic.divide(arithmetic.add(above, negated(below)), arithmetic.add(step, step))


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    """An entry of a gradient on which two precisions agree, and how well."""

    raw: Raw
    error: float


Outcome = _Entry | str


@dataclass(slots=True, eq=False)
class _Run:
    """One pass over the graph: for every node the entries as scalars."""

    tape: Tape
    entries: list[list[Scalar] | None]

    def value(self, node: int) -> list[Raw | None] | None:
        entries = self.entries[node]
        return None if entries is None else [scalar.raw for scalar in entries]

    def adjoint(self, node: int) -> list[Raw | None] | None:
        entries = self.entries[node]
        if entries is None or all(scalar.kind is None for scalar in entries):
            return None
        return [
            ZERO if scalar.adjoint is None else None if isinstance(scalar.adjoint, Undefined) else scalar.adjoint
            for scalar in entries
        ]


class Problem:
    """A graph at a point, and what is wanted of it. The parameters are those of ``symbolic_gradient``."""

    def __init__(
        self,
        graph: Graph,
        inputs: Mapping[str, Any],
        upstream: Any,
        resolved: Sequence[Resolved | None],
        wrt: Sequence[str],
        limit: int,
    ) -> None:
        self.graph = graph
        self.inputs = inputs
        self.resolved = resolved
        self.wrt = tuple(wrt)
        self.limit = limit
        self.name_of = {node: name for name, node in graph.inputs.items()}
        self.needed = self._needed()
        self.size = prod(self.shape(graph.output))
        weights = np.broadcast_to(np.asarray(upstream, dtype=np.float64), self.shape(graph.output))
        self.upstream: list[float] = weights.ravel().tolist()
        self.count = 0
        """How many scalar operations the last forward took."""
        self._last: _Run | None = None

    @property
    def last(self) -> _Run:
        """The last run of ``chain``."""
        assert self._last is not None
        return self._last

    def shape(self, node: int) -> tuple[int, ...]:
        """The shape of a node's value."""
        settled = self.resolved[node]
        return np.shape(self._given(node)) if settled is None else settled.shape

    def _given(self, node: int) -> Any:
        if self.graph.operations[node] == CONSTANT:
            return self.graph.parameters[node]["value"]
        return self.inputs[self.name_of[node]]

    def _needed(self) -> list[int]:
        """The nodes that the output is made of, in order."""
        needed = bytearray(len(self.graph))
        needed[self.graph.output] = 1
        for node in range(self.graph.output, -1, -1):
            if needed[node]:
                for argument in self.graph.arguments[node]:
                    needed[argument] = 1
        return [node for node in range(self.graph.output + 1) if needed[node]]

    def check_size(self) -> None:
        """Raise ``TooManyOperations`` where the shapes alone show it: before time and memory are spent."""
        held = least = 0
        for node in self.needed:
            size = prod(self.shape(node))
            held += size
            operation, settled = self.graph.operations[node], self.resolved[node]
            if settled is not None:
                declared = REGISTRY[operation]
                if declared.work is not None:
                    least += declared.work([self.shape(a) for a in self.graph.arguments[node]], settled)
                elif declared.elementwise and operation not in ("max", "min", "where", "clip", "relu"):
                    least += size
            if least > self.limit or held > 10 * self.limit:
                raise TooManyOperations

    def forward(self, arithmetic: Arithmetic, replaced: Sequence[Replacement] = ()) -> _Run:
        """The value of every needed node, with entries of inputs ``replaced``."""
        tape = Tape(arithmetic, self.limit)
        space = TapeSpace(tape)
        entries: list[list[Scalar] | None] = [None] * len(self.graph)
        for node in self.needed:
            tape.enter(node)
            settled = self.resolved[node]
            if settled is None:
                entries[node] = self._given_entries(tape, node, replaced)
            else:
                entries[node] = self._computed(tape, space, node, settled, entries)
        self.count = tape.count
        return _Run(tape, entries)

    def _given_entries(self, tape: Tape, node: int, replaced: Sequence[Replacement]) -> list[Scalar]:
        live = self.name_of.get(node) in self.wrt
        scalars = []
        for value in np.asarray(self._given(node), dtype=np.float64).ravel().tolist():
            scalar = tape.number(value)
            scalars.append(tape.leaf(scalar.raw) if live and scalar.raw is not None else scalar)
        for name, flat, raw in replaced:
            if self.name_of.get(node) == name:
                scalars[flat] = tape.leaf(raw) if live else Scalar(tape, raw)
        for scalar in scalars:
            scalar.owner = node
        return scalars

    def _computed(
        self, tape: Tape, space: TapeSpace, node: int, settled: Resolved, entries: Sequence[list[Scalar] | None]
    ) -> list[Scalar]:
        name = self.graph.operations[node]
        given: list[Any] = []
        for position, argument in enumerate(self.graph.arguments[node]):
            scalars = entries[argument]
            assert scalars is not None
            given.append(self._floats(argument, scalars) if position in settled.frozen else scalars)
        try:
            results = self._apply(space, name, settled, node, given)
            claimed = [tape.claim(result) for result in results]
        except (Unsupported, ArithmeticError, ValueError, IndexError) as error:
            raise Unsupported(f"{name}: {error}") from None
        return claimed

    def _floats(self, node: int, scalars: Sequence[Scalar]) -> list[float]:
        """The values of labels, indices and conditions."""
        if self.resolved[node] is None:
            return np.asarray(self._given(node), dtype=np.float64).ravel().tolist()
        return [float("nan") if scalar.raw is None else to_float(scalar.raw) for scalar in scalars]

    def _apply(self, space: Any, name: str, settled: Resolved, node: int, given: Sequence[list[Any]]) -> list[Any]:
        """An operation's symbolic form on the entries of its arguments: one by one where it is elementwise, else on
        object arrays. Arguments in ``settled.frozen`` hold floats."""
        operation = REGISTRY[name]
        symbolic = operation.symbolic
        if symbolic is None:
            raise Unsupported("there is no symbolic form")
        arguments = self.graph.arguments[node]
        if operation.elementwise:
            if not settled.shape:
                return [symbolic(space, *(entries[0] for entries in given), **settled.parameters)]
            columns = [
                np.broadcast_to(_objects(entries, self.shape(argument)), settled.shape).ravel().tolist()
                for argument, entries in zip(arguments, given, strict=True)
            ]
            return [symbolic(space, *row, **settled.parameters) for row in zip(*columns, strict=True)]
        arrays = [
            np.array(entries, dtype=np.float64).reshape(self.shape(argument))
            if position in settled.frozen
            else _objects(entries, self.shape(argument))
            for position, (argument, entries) in enumerate(zip(arguments, given, strict=True))
        ]
        result = symbolic(space, *arrays, **settled.parameters)
        if not isinstance(result, np.ndarray):
            result = _objects([result], ())
        if result.shape != settled.shape:
            result = np.broadcast_to(result, settled.shape)
        return result.ravel().tolist()  # type: ignore[no-any-return]

    def chain(self, arithmetic: Arithmetic, replaced: Sequence[Replacement] = ()) -> list[Raw | str]:
        """The gradients' entries by chaining along the tape, or for each what is in the way; with entries of inputs
        ``replaced``."""
        run = self._last = self.forward(arithmetic, replaced)
        output = run.entries[self.graph.output]
        assert output is not None
        for scalar, weight in zip(output, self.upstream, strict=True):
            if weight == 0:
                continue
            if not isfinite(weight):
                return ["the upstream gradient is not finite"] * sum(1 for _ in self.places())
            if scalar.undefined is not None:
                return [str(scalar.undefined)] * sum(1 for _ in self.places())
            if scalar.kind is not None:
                scalar.adjoint = from_float(weight)
        run.tape.backward()
        gradients: list[Raw | str] = []
        for node, i in self.places():
            entries = run.entries[node]
            found = None if entries is None else entries[i].undefined or entries[i].adjoint
            gradients.append(str(found) if isinstance(found, Undefined) else ZERO if found is None else found)
        return gradients

    def places(self) -> Iterator[tuple[int, int]]:
        """(node, flat index) of every entry of a gradient that is wanted."""
        for name in self.wrt:
            node = self.graph.inputs[name]
            for i in range(prod(self.shape(node))):
                yield node, i

    def contracted(self, arithmetic: Arithmetic, name: str, flat: int, value: Raw) -> Raw:
        """``sum(upstream * output)`` with one entry of an input replaced. Raises ``Undefined``."""
        output = self.forward(arithmetic, [(name, flat, value)]).entries[self.graph.output]
        assert output is not None
        total = ZERO
        for scalar, weight in zip(output, self.upstream, strict=True):
            if weight == 0:
                continue
            if scalar.raw is None:
                raise scalar.undefined or Undefined("not defined")
            total = arithmetic.add(total, arithmetic.multiply(from_float(weight), scalar.raw))
        return total

    def is_small(self) -> bool:
        """Whether SymPy would be quick on the whole expression, by the number of paths and not of nodes.

        The degree bounds the powers of integers that SymPy works out on its own, such as those in ((x + x)^16)^16.
        """
        entries = sum(prod(self.shape(self.graph.inputs[name])) for name in self.wrt)
        if len(self.needed) > WHOLE_TREE or entries > WHOLE_ENTRIES:
            return False
        paths: dict[int, int] = {}
        depths: dict[int, int] = {}
        degree = 1
        for node in self.needed:
            arguments = self.graph.arguments[node]
            simple = self.graph.operations[node] in DEPTH_OF_ONE
            paths[node] = sum(paths[a] for a in arguments) + (1 if simple or not arguments else 4)
            depths[node] = max((depths[a] for a in arguments), default=0) + (1 if simple else 4)
            if arguments and not REGISTRY[self.graph.operations[node]].elementwise:
                paths[node] *= max(1, *(prod(self.shape(a)) for a in arguments))
            if self.graph.operations[node] == "power":
                degree *= self._integer_exponent(node) or 1
            elif arguments and not simple:
                degree *= 4
            if paths[node] > WHOLE_TREE or depths[node] > WHOLE_DEPTH or degree > WHOLE_DEGREE:
                return False
        total = self.size * paths[self.graph.output]
        return total <= WHOLE_TREE and total * entries <= WHOLE_WORK

    def _integer_exponent(self, node: int) -> int | None:
        """The exponent of a power, where it is a constant that SymPy may see as an integer."""
        exponent = self.graph.arguments[node][1]
        if self.graph.operations[exponent] != CONSTANT or self.shape(exponent):
            return None
        value = float(self._given(exponent))
        return int(value) if value.is_integer() and 1 <= value <= LARGEST_WHOLE_EXPONENT else None

    def whole(self) -> _Whole:
        """The output as SymPy expressions, differentiated. Raises ``Unsupported`` where that is not possible."""
        return _Whole(self)


class _Whole:
    """The whole output as one SymPy expression, and its derivatives as a program.

    Inputs and constants are symbols entry by entry, and so is every entry that SymPy reduced to a number; only a
    constant integer exponent stays a number. A symbol is known as (node, entry), or by its float for numbers in
    formulas.
    """

    def __init__(self, problem: Problem) -> None:
        self._sympy = formulas().sympy
        self._problem = problem
        self._symbols: dict[Any, tuple[int, int] | float] = {}
        self._by_key: dict[tuple[int, int] | float, Any] = {}
        space = SymPySpace(self._symbol)
        graph = problem.graph
        expressions: dict[int, list[Any]] = {}
        for node in problem.needed:
            settled = problem.resolved[node]
            if settled is None:
                expressions[node] = [self._symbol((node, i)) for i in range(prod(problem.shape(node)))]
                continue
            expressions[node] = self._computed(space, node, settled, expressions)
        weights = [self._sympy.S.One if w == 1 else space.number(w) for w in problem.upstream]
        total = self._sympy.Add(*(w * e for w, e in zip(weights, expressions[graph.output], strict=True) if w != 0))
        self._limit(total)
        zero = self._sympy.S.Zero
        slopes = [total.diff(self._by_key[place]) if place in self._by_key else zero for place in problem.places()]
        self.program = Program(slopes, list(self._symbols))

    def _symbol(self, key: tuple[int, int] | float) -> Any:
        known = self._by_key.get(key)
        if known is None:
            known = self._by_key[key] = formulas().variable(f"v{len(self._by_key)}")
            self._symbols[known] = key
        return known

    def _computed(
        self, space: SymPySpace, node: int, settled: Resolved, expressions: Mapping[int, list[Any]]
    ) -> list[Any]:
        problem, graph = self._problem, self._problem.graph
        given: list[Any] = []
        for position, argument in enumerate(graph.arguments[node]):
            if position in settled.frozen:
                scalars = problem.last.entries[argument]
                assert scalars is not None
                given.append(problem._floats(argument, scalars))
            else:
                given.append(expressions[argument])
        if graph.operations[node] == "power":
            exponent = problem._integer_exponent(node)
            if exponent is not None:
                given[1] = [self._sympy.Integer(exponent)]
        results = problem._apply(space, graph.operations[node], settled, node, given)
        computed = []
        for i, result in enumerate(results):
            expression = result if isinstance(result, self._sympy.Basic) else space.number(result)
            if expression.is_number or expression.is_Float:
                expression = self._symbol((node, i))
            elif expression.has(self._sympy.Float):
                raise Unsupported("SymPy rounded a number of the formula")
            self._limit(expression)
            computed.append(expression)
        return computed

    def _limit(self, expression: Any) -> None:
        """Raise ``Unsupported`` for an expression that turned out larger than it looked."""
        stack, count = [(expression, 1)], 0
        while stack:
            tree, depth = stack.pop()
            count += 1
            if count > WHOLE_EXPRESSION or depth > WHOLE_EXPRESSION_DEPTH:
                raise Unsupported("too large for one expression")
            stack.extend((child, depth + 1) for child in tree.args)

    def run(self, arithmetic: Arithmetic) -> list[Raw | str]:
        """The gradients' entries at the point of the problem."""
        values = self._problem.forward(arithmetic)
        numbers: list[Number] = []
        for key in self._symbols.values():
            if isinstance(key, float):
                numbers.append(from_float(key))
                continue
            entries = values.entries[key[0]]
            assert entries is not None
            scalar = entries[key[1]]
            numbers.append(scalar.raw if scalar.raw is not None else scalar.undefined or Undefined("not defined"))
        slopes = self.program.run(arithmetic, numbers)
        return [str(slope) if isinstance(slope, Undefined) else slope for slope in slopes]


def _objects(entries: Sequence[Any], shape: tuple[int, ...]) -> Array:
    array = np.empty(len(entries), dtype=object)
    array[:] = entries
    return array.reshape(shape)


def _settle(run: Callable[[Arithmetic], list[Raw | str]], problem: Problem) -> list[Outcome]:
    """Run at rising precision until two in a row agree, entry by entry."""
    before: list[Raw | str] | None = None
    doubtful = False
    outcomes: list[Outcome] = []
    for step, digits in enumerate(LADDER):
        arithmetic = Arithmetic(digits, (TOWARDS_ZERO, AWAY_FROM_ZERO)[step % 2])
        found = run(arithmetic)
        if before is not None:
            outcomes = [_outcome(a, b, digits) for a, b in zip(before, found, strict=True)]
            settled = all(isinstance(outcome, _Entry) for outcome in outcomes)
            if settled and not ((doubtful or arithmetic.cancelled) and problem.count <= DOUBT_LIMIT):
                break
            if problem.count > LADDER_LIMIT:
                break
        before, doubtful = found, arithmetic.cancelled
    return outcomes


def _outcome(before: Raw | str, found: Raw | str, digits: int) -> Outcome:
    if isinstance(found, str):
        return found
    if isinstance(before, str) or not _agree(found, before, AGREED_BITS):
        return f"its digits do not settle: {digits} decimal digits are not enough"
    difference = to_float(Arithmetic(20, AWAY_FROM_ZERO).add(found, negated(before)))
    return _Entry(found, abs(difference) if isfinite(to_float(found)) else 0.0)


def _agree(a: Raw, b: Raw, bits: int) -> bool:
    if a == b or all(not raw[1] or magnitude(raw) < NEGLIGIBLE for raw in (a, b)):
        return True
    if not a[1] or not b[1]:
        return False
    difference = Arithmetic(20, AWAY_FROM_ZERO).add(a, negated(b))
    return not difference[1] or magnitude(difference) <= magnitude(a) - bits


def _settled_whole(problem: Problem) -> list[Outcome] | None:
    """The gradients by way of the whole expression; None where SymPy cannot take it as one."""
    try:
        return _settle(problem.whole().run, problem)
    except (Unsupported, TypeError, ValueError, ArithmeticError):
        # A formula that asks for the value of an expression, or a constant that SymPy finds infinite: the chain will
        # do.
        return None


def _confirmed(chain: Sequence[Outcome], whole: Sequence[Outcome]) -> list[Outcome]:
    """The results of the whole expression where the chain agrees. What the chain found in the way stays in the way:
    SymPy simplifies x/x to 1 before it looks at x = 0. And where only the whole expression fails, as x^y/x does at 0,
    the chain is right."""
    outcomes: list[Outcome] = []
    for a, b in zip(chain, whole, strict=True):
        if isinstance(a, str) or isinstance(b, str):
            outcomes.append(a)
        elif _agree(a.raw, b.raw, AGREED_BITS - 10):
            outcomes.append(b)
        else:
            two = f"{to_float(b.raw):.6g}, differs from the chained one, {to_float(a.raw):.6g}"
            outcomes.append(f"SymPy's derivative of the whole, {two}")
    return outcomes


def _references(problem: Problem, outcomes: Sequence[Outcome]) -> Iterator[Reference]:
    start = 0
    for name in problem.wrt:
        shape = problem.shape(problem.graph.inputs[name])
        own = outcomes[start : start + prod(shape)]
        start += prod(shape)
        reason = next((outcome for outcome in own if isinstance(outcome, str)), None)
        if reason is not None:
            yield Reference("failed", reason=reason)
            continue
        values = [to_float(entry.raw) for entry in own if isinstance(entry, _Entry)]
        errors = [entry.error for entry in own if isinstance(entry, _Entry)]
        if shape:
            yield Reference("ok", np.array(values).reshape(shape), np.array(errors).reshape(shape))
        else:
            yield Reference("ok", values[0], errors[0])


def _skipped(reason: str, wrt: Sequence[str]) -> SymbolicResult:
    return SymbolicResult({name: Reference("skipped", reason=reason) for name in wrt}, NO_NUMBERS, NO_NUMBERS, "chain")
