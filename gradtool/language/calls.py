"""Calls: which operation is meant, which of its arguments and parameters each given argument is."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn, Protocol

import numpy as np

from gradtool.graph import GraphBuilder
from gradtool.graph.graph import NO_PARAMETERS
from gradtool.language.errors import Span
from gradtool.language.suggestions import count, nearest, quote
from gradtool.ops import REGISTRY, Operation
from gradtool.ops.operation import Parameter

Generator = Callable[[Sequence[Any]], Any]
"""Constants (floats and tuples of floats) to a float or an array. Raises ``ValueError`` with a message for the user."""

Complaint = tuple[str, Span, str | None]

SMALL = 4
"""``max(x, 1)`` up to this number is noted: it may have been meant for an axis."""


class Fail(Protocol):
    """Raises the error, with the source."""

    def __call__(self, message: str, span: Span, hint: str | None = None) -> NoReturn: ...


class Text(str):
    """A text that was written in quotes, to tell it from a word."""

    __slots__ = ()


class Given(NamedTuple):
    """An argument as written: a node, a list of nodes (a tuple), a word or a ``Text``. Its nodes are ``first`` to
    ``stop - 1``."""

    keyword: str | None
    value: int | list[int] | str
    span: Span
    first: int
    stop: int


class Callee:
    """What is called: one or more operations of one name, or a generator of values."""

    def __init__(self, name: str, operations: Sequence[Operation], generator: Generator | None) -> None:
        self.name = name
        self.operations = operations
        self.generator = generator
        self.keywords = frozenset[str]().union(*map(names_of, operations))
        """The names by which arguments can be given."""


def call(
    builder: GraphBuilder,
    callee: Callee,
    given: Sequence[Given],
    span: Span,
    fail: Fail,
    note: Callable[[str], None],
) -> int:
    """The node of a call, added to ``builder``; what stood for parameters is taken out of it again."""
    if callee.generator is not None:
        return _generated(builder, callee, callee.generator, given, span, fail)
    operations = callee.operations
    operation = operations[0] if len(operations) == 1 else _choose(operations, given)
    if not operation.parameters and len(given) == len(operation.arguments):
        # By far the most frequent: arrays in their places.
        nodes = [argument.value for argument in given if argument.keyword is None and type(argument.value) is int]
        if len(nodes) == len(given) and len(operations) == 1:
            return builder.add(operation.name, nodes, NO_PARAMETERS, span)
    slots = _assign(callee, operation, given, span, fail)
    parameters = dict(defaults(operation.name))
    for slot, argument in reversed(slots):
        if isinstance(slot, Parameter):
            parameters[slot.name] = _convert(builder, callee, slot, argument, fail)
            builder.drop(argument.first, argument.stop)
    arrays: dict[int, int] = {}
    for slot, argument in slots:
        if not isinstance(slot, Parameter):
            if not isinstance(argument.value, int):
                hint = "an array is written [1, 2]" if isinstance(argument.value, list) else signatures(operations)
                if isinstance(argument.value, Text) and not any(map(comes_first, operation.parameters)):
                    hint = "names are written without quotes"
                fail(f"{callee.name} takes an array here", argument.span, hint)
            arrays[slot] = argument.value
    if not operation.variadic:
        for i, declared in enumerate(operation.arguments):
            if i not in arrays:
                assert declared.default is not None
                arrays[i] = builder.constant(float(declared.default), span)
    if operation.variadic and len(operations) > 1 and len(given) == 2:
        _note_axis(builder, callee, given[1], note)
    return builder.add(operation.name, [arrays[i] for i in sorted(arrays)], parameters or NO_PARAMETERS, span)


def _choose(operations: Sequence[Operation], given: Sequence[Given]) -> Operation:
    """The operation that takes this number of arrays and these names: over one array ``max`` reduces, over more it
    compares entry by entry."""
    positional = sum(argument.keyword is None for argument in given)
    keywords = {argument.keyword for argument in given} - {None}
    fitting = [o for o in operations if keywords <= names_of(o)]
    for operation in fitting:
        if not operation.variadic and positional <= len(operation.arguments):
            return operation
    several = [o for o in operations if o.variadic and positional]
    return (several or fitting or operations)[0]


def _assign(
    callee: Callee, operation: Operation, given: Sequence[Given], span: Span, fail: Fail
) -> list[tuple[int | Parameter, Given]]:
    """The place of each given argument: the number of an array argument, or a parameter."""
    declared, parameters = operation.arguments, operation.parameters
    slots: list[tuple[int | Parameter, Given]] = []
    taken: set[str] = set()

    def complain(message: str, place: Span) -> NoReturn:
        fail(f"{callee.name} {message}", place, f"write {signatures(callee.operations)}")

    # A text can only be what a text is asked for, so it stands before the arrays and does not count as one of them.
    text = next((parameter for parameter in parameters if parameter.kind == "text"), None)
    leading = text is not None and bool(given) and given[0].keyword is None and isinstance(given[0].value, Text)
    if text is not None and leading:
        slots.append((text, given[0]))
        taken.add(text.name)
    for position, argument in enumerate(given[leading:]):
        keyword = argument.keyword
        if keyword is None:
            if operation.variadic or position < len(declared):
                slots.append((position, argument))
                taken.add("" if operation.variadic else declared[position].name)
                continue
            if position - len(declared) >= len(parameters):
                complain(f"takes {_how_many(operation)}, found {len(given)}", argument.span)
            slots.append((parameters[position - len(declared)], argument))
            taken.add(parameters[position - len(declared)].name)
            continue
        if keyword not in names_of(operation):
            complain(f"{'of several arrays ' * operation.variadic}has no argument {quote(keyword)}", argument.span)
        if keyword in taken:
            complain(f"is given {quote(keyword)} twice, first by its place", argument.span)
        taken.add(keyword)
        slots.append((_slot(operation, keyword), argument))
    if operation.variadic:
        arrays = sum(isinstance(slot, int) for slot, _ in slots)
        if arrays < sum(a.default is None for a in declared):
            complain(f"takes {_how_many(operation)}, found {arrays or 'none'}", span)
        if text is not None and text.default is REQUIRED and text.name not in taken:
            complain(f"needs its {text.name}, a text in quotes", span)
        return slots
    missing = [quote(name) for name in _required(operation) if name not in taken]
    if missing:
        what = f"found {len(given) or 'none'}: {' and '.join(missing)} missing"
        complain(f"takes {_how_many(operation)}, {what}", span)
    return slots


def _required(operation: Operation) -> list[str]:
    names = [argument.name for argument in operation.arguments if argument.default is None]
    return names + [parameter.name for parameter in operation.parameters if parameter.default is REQUIRED]


def _how_many(operation: Operation) -> str:
    """``at least 2 arrays``, ``1 to 3 arguments``."""
    if operation.variadic:
        return f"at least {count(sum(argument.default is None for argument in operation.arguments), 'array')}"
    least, most = len(_required(operation)), len(operation.arguments) + len(operation.parameters)
    return count(most, "argument") if least == most else f"{least} to {most} arguments"


def _slot(operation: Operation, keyword: str) -> int | Parameter:
    for parameter in operation.parameters:
        if parameter.name == keyword:
            return parameter
    return [argument.name for argument in operation.arguments].index(keyword)


def names_of(operation: Operation) -> set[str]:
    """The names by which arguments of an operation can be given."""
    names = {parameter.name for parameter in operation.parameters}
    return names if operation.variadic else names | {argument.name for argument in operation.arguments}


def unknown_keyword(callee: Callee, keyword: str, span: Span, is_value: bool) -> Complaint:
    """The complaint about a name that no argument has."""
    known = sorted(callee.keywords)
    near = "axis" if keyword in ("dim", "dims") and "axis" in known else nearest(keyword, known)
    hint: str | None = None
    if near:
        hint = f"did you mean {near}?"
    elif callee.generator is not None:
        pass
    elif is_value or not known:
        hint = f"to compare, write {keyword} == ..."
    else:
        hint = f"write {signatures(callee.operations)}; to compare, write =="
    return f"{callee.name} has no argument {quote(keyword)}", span, hint


def parameters_at(operations: Sequence[Operation], position: int, keyword: str | None) -> Iterator[Parameter]:
    """The parameters that an argument given at this position, or by this name, may be."""
    several = any(operation.variadic for operation in operations)  # then more than one by position are all arrays
    for operation in operations:
        if keyword is not None:
            yield from (p for p in operation.parameters if p.name == keyword)
        elif not several and 0 <= position - len(operation.arguments) < len(operation.parameters):
            yield operation.parameters[position - len(operation.arguments)]


def is_word(parameter: Parameter, text: str, keyword: str | None) -> bool:
    """Whether a name alone is a word for this parameter and no variable."""
    if text == "None" and (parameter.kind == "axes" or parameter.default is None):
        return True
    if parameter.kind == "bool":
        return text in ("true", "false", "True", "False")
    return parameter.kind == "word" and (keyword is not None or text in parameter.words)


REQUIRED = ...
"""The default of a parameter that must be given."""


def defaults(name: str) -> Mapping[str, Any]:
    """The parameters of an operation where nothing is said."""
    operation = REGISTRY[name]
    if not operation.parameters:
        return NO_PARAMETERS
    return {parameter.name: parameter.default for parameter in operation.parameters}


def signatures(operations: Sequence[Operation]) -> str:
    """How to call operations of one name: ``max(x, axis=None) or max(a, b, ...)``."""
    return " or ".join(map(signature, operations))


def signature(operation: Operation) -> str:
    """How to call an operation: ``clip(x, min=-inf, max=inf)``."""
    parts = [f"'{parameter.name}'" for parameter in operation.parameters if comes_first(parameter)]
    parts += [
        argument.name if argument.default is None else f"{argument.name}={show_parameter(float(argument.default))}"
        for argument in operation.arguments
    ]
    if operation.variadic:
        parts.append("...")
    parts += [
        p.name if p.default is REQUIRED else f"{p.name}={show_parameter(p.default)}"
        for p in operation.parameters
        if not comes_first(p)
    ]
    return f"{operation.call or operation.name}({', '.join(parts)})"


def comes_first(parameter: Parameter) -> bool:
    """Whether a call has this parameter before its arrays, as ``einsum('ij->ji', x)`` has."""
    return parameter.kind == "text" and parameter.default is REQUIRED


def show_text(text: str) -> str:
    """A text as a program writes it. (No text has quotes of both kinds.)"""
    return f'"{text}"' if "'" in text else f"'{text}'"


def show_parameter(value: Any) -> str:
    """A parameter as a program writes it; a text in quotes is for ``show_text``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple) and any(isinstance(row, tuple) for row in value):
        return str([list(row) for row in value]).replace(" ", "")
    if isinstance(value, tuple):
        inside = ",".join(map(str, value))
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return str(value)


def _convert(builder: GraphBuilder, callee: Callee, parameter: Parameter, given: Given, fail: Fail) -> Any:
    """The value of a parameter, of the type its kind asks for."""
    name, kind, value = f"{parameter.name} of {callee.name}", parameter.kind, given.value
    if kind == "text" or isinstance(value, Text):
        if isinstance(value, Text) and kind == "text":
            return str(value)
        quoted = isinstance(value, Text)
        instead = "names are written without quotes" if quoted else f"write {signatures(callee.operations)}"
        fail(f"{name} must be {_KINDS[kind]}", given.span, instead)
    if isinstance(value, str):
        if value == "None" and kind != "word":
            return None
        if kind == "bool":
            return value in ("true", "True")
        if value in parameter.words:
            return value
        near = nearest(value, parameter.words)
        hint = f"did you mean {near}?" if near else None
        fail(f"{name} must be one of {', '.join(parameter.words)}, found {quote(value)}", given.span, hint)
    nodes = value if isinstance(value, list) else [value]
    numbers: Any = [constant_value(builder, node) for node in nodes]
    if any(number is None for number in numbers):
        hint = "numbers and arithmetic on them are constants, inputs are not"
        fail(f"{name} must be a constant", given.span, hint)
    if isinstance(value, int):
        numbers = numbers[0]
    if kind == "number" and isinstance(numbers, float):
        return numbers
    if kind == "bool" and isinstance(numbers, float) and numbers in (0.0, 1.0):
        return bool(numbers)
    if kind == "word" and isinstance(numbers, float):
        text = show_parameter(numbers)
        if text in parameter.words:
            return text
        fail(f"{name} must be one of {', '.join(parameter.words)}, found {text}", given.span)
    wholes = _wholes(numbers, kind == "ints") if kind in ("int", "axes", "shape", "ints") else None
    if wholes is None or (kind == "int" and isinstance(wholes, tuple)):
        fail(f"{name} must be {_KINDS[kind]}", given.span, f"write {signatures(callee.operations)}")
    return (wholes,) if kind == "shape" and isinstance(wholes, int) else wholes


def _wholes(numbers: Any, rows: bool = False) -> Any:
    """A float as an int, a list or 1-D array of them as a tuple of ints; with ``rows`` a 2-D array as a tuple of such
    tuples. None where one is not whole."""
    if isinstance(numbers, float):
        return whole(numbers)
    if rows and isinstance(numbers, np.ndarray) and numbers.ndim == 2:
        tuples = tuple(map(_wholes, numbers))
        return None if None in tuples else tuples
    if isinstance(numbers, np.ndarray):
        numbers = numbers.tolist() if numbers.ndim == 1 else [None]
    found = [whole(number) for number in numbers]
    return None if None in found else tuple(number for number in found if number is not None)


_KINDS = {
    "int": "a whole number",
    "number": "a number",
    "bool": "true or false",
    "axes": "a whole number, a tuple of them, or None",
    "shape": "a whole number or a tuple of them, as in (3, 2)",
    "ints": "a whole number, a tuple of them, or rows of them, as in [[1, 2], [0, 3]]",
    "word": "a word",
    "text": "a text in quotes",
}


def whole(value: Any) -> int | None:
    """The int that a float is, as far as floats count in ones; else None."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53:
        return int(value)
    return None


_FOLD: dict[str, Callable[..., Any]] = {
    "negative": operator.neg,
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "power": math.pow,
}


def constant_value(builder: GraphBuilder, node: int) -> Any:
    """The value of a node made of numbers by arithmetic alone: a float, or the array of an array literal; else None."""
    value = builder.value(node)
    if value is not None:
        return value
    known: dict[int, float] = {}
    pending = [node]
    while pending:
        current = pending[-1]
        value = builder.value(current)
        if value is None:
            fold = _FOLD.get(builder.operation(current))
            if fold is None:
                return None
            missing = [a for a in builder.arguments(current) if a not in known]
            if missing:
                pending += missing
                continue
            try:
                value = fold(*(known[a] for a in builder.arguments(current)))
            except OverflowError:
                value = _overflowed(*(known[a] for a in builder.arguments(current)))
            except (ZeroDivisionError, ValueError):
                return None
        if not isinstance(value, float):
            return None
        known[current] = value
        pending.pop()
    return known[node]


def _overflowed(base: float, exponent: float) -> float:
    """A power too large for a float: of a negative number to an odd exponent minus infinity, as in NumPy."""
    return math.copysign(math.inf, base) if exponent % 2 == 1 else math.inf


def _note_axis(builder: GraphBuilder, callee: Callee, second: Given, note: Callable[[str], None]) -> None:
    value = whole(constant_value(builder, second.value)) if isinstance(second.value, int) else None
    if value is not None and abs(value) <= SMALL:
        name = callee.name
        note(f"{name}(x, {value}) compares with the number {value}; for axis {value} write {name}(x, axis={value})")


def _generated(
    builder: GraphBuilder, callee: Callee, generator: Generator, given: Sequence[Given], span: Span, fail: Fail
) -> int:
    values: list[Any] = []
    for argument in given:
        if isinstance(argument.value, str):
            fail(f"{callee.name} takes constant numbers", argument.span, None)
        nodes = argument.value if isinstance(argument.value, list) else [argument.value]
        numbers = [constant_value(builder, node) for node in nodes]
        if not all(isinstance(number, float) for number in numbers):
            fail(f"{callee.name} takes constant numbers", argument.span, None)
        values.append(tuple(numbers) if isinstance(argument.value, list) else numbers[0])
    try:
        value = generator(values)
    except ValueError as error:
        message, _, hint = str(error).partition("; ")
        fail(message, span, hint or None)
    if given:
        builder.drop(given[0].first, given[-1].stop)
    return builder.constant(value, span)
