"""The parser: text to ``Graph``.

The grammar, in EBNF. Ends of lines inside brackets are blanks, and so is all from ``#`` to the end of its line.

    program    = { separator } statement { separator { separator } statement } { separator } ;
    separator  = ";" | end of line ;
    statement  = [ name "=" ] expression ;
    expression = sum [ ( "<" | "<=" | ">" | ">=" | "==" | "!=" ) sum ] ;
    sum        = product { ( "+" | "-" ) product } ;
    product    = unary { ( "*" | "/" | "@" ) unary } ;
    unary      = ( "-" | "+" ) unary | power ;
    power      = postfix [ ( "**" | "^" ) unary ] ;
    postfix    = atom { "." "T" | "[" item { "," item } [ "," ] "]" } ;
    item       = constant | [ constant ] ":" [ constant ] [ ":" [ constant ] ] | "..." | "None" ;
    atom       = number | name | "(" expression ")" | array | call ;
    array      = "[" [ expression { "," expression } [ "," ] ] "]" ;
    call       = name "(" [ argument { "," argument } [ "," ] ] ")" ;
    argument   = [ name "=" ] ( expression | tuple | word | text ) ;
    tuple      = "(" [ expression "," [ expression { "," expression } [ "," ] ] ] ")" ;
    constant   = expression ;    (* of numbers alone *)
    word       = name ;          (* one that the parameter knows, such as inf, mean, true, None *)
    text       = "'" { any character but "'" } "'" | '"' { any character but '"' } '"' ;    (* in one line *)

A precedence parser with a stack of operators, a stack of operands and a stack of open brackets, so that depth costs
memory and never the interpreter's stack. One pass, in time linear in the number of tokens.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from itertools import islice, pairwise
from typing import Any, NoReturn

import numpy as np

from gradtool.graph import CONSTANT, Graph, GraphBuilder
from gradtool.graph.graph import NO_PARAMETERS
from gradtool.language.calls import (
    Callee,
    Generator,
    Given,
    Text,
    call,
    constant_value,
    defaults,
    is_word,
    parameters_at,
    unknown_keyword,
    whole,
)  # fmt: skip
from gradtool.language.errors import SourceError, Span
from gradtool.language.suggestions import (
    attribute,
    expected,
    mismatched,
    nearest,
    no_operand,
    no_operator,
    quote,
    unclosed,
    unknown_function,
)  # fmt: skip
from gradtool.language.tokens import END, NAME, NUMBER, OPEN, SEPARATORS, TEXT, Token, read_tokens, tokenize
from gradtool.ops import CALLS

COMPARISON, SUM, PRODUCT, UNARY, POWER = range(1, 6)
"""Precedences; 0 is a bracket, below which nothing is reduced."""

BINARY: dict[str, tuple[int, int, str]] = {
    # symbol: (reduce what binds at least so tightly on the left, its own precedence, operation)
    "<": (COMPARISON, COMPARISON, "less"),
    "<=": (COMPARISON, COMPARISON, "less_equal"),
    ">": (COMPARISON, COMPARISON, "greater"),
    ">=": (COMPARISON, COMPARISON, "greater_equal"),
    "==": (COMPARISON, COMPARISON, "equal"),
    "!=": (COMPARISON, COMPARISON, "not_equal"),
    "+": (SUM, SUM, "add"),
    "-": (SUM, SUM, "subtract"),
    "*": (PRODUCT, PRODUCT, "multiply"),
    "/": (PRODUCT, PRODUCT, "divide"),
    "@": (PRODUCT, PRODUCT, "matmul"),
    "**": (POWER + 1, POWER, "power"),
    "^": (POWER + 1, POWER, "power"),
}
PREFIX = {"-": "negative", "+": ""}
CONSTANTS = {"pi": math.pi, "e": math.e, "true": 1.0, "false": 0.0}
MAX_DIMENSIONS = 64 if int(np.__version__.split(".")[0]) >= 2 else 32
"""NumPy's limit, so the limit of an array literal."""

_STRETCH = 1000
"""Far more tokens than are looked at from one operand to the next."""

_PROGRAM, _GROUP, _CALL, _ARRAY, _INDEX = "program", "group", "call", "array", "index"


def parse(
    text: str,
    *,
    input_names: Collection[str] = (),
    of: str | None = None,
    filename: str | None = None,
    generators: Mapping[str, Generator] | None = None,
) -> Graph:
    """The graph of a program. Its output is the last statement, or the name ``of``, or the node ``of="n12"``.

    ``input_names`` are names that the user gave values for: they are inputs even where they would read as constants
    (``e``). ``filename`` is shown in errors. ``generators`` are functions of constants that give a constant array.

    Raises ``SourceError`` with the place, what was expected or found, and where there is one a suggestion.
    """
    try:
        graph = _Parser(text, frozenset(input_names), generators or {}).run()
    except SourceError as error:
        error.label = filename
        raise
    return graph if of is None else graph.with_output(_named(graph, of))


def _named(graph: Graph, name: str) -> int:
    if name in graph.bindings:
        return graph.bindings[name]
    label = re.fullmatch(r"n([0-9]{1,12})", name)
    if label and int(label[1]) < len(graph):
        return int(label[1])
    known = sorted(graph.bindings)
    listed = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
    near = nearest(name, known)
    hint = f"did you mean {near}? " if near else ""
    raise SourceError(f"the program has no name {quote(name)}", hint=f"{hint}its names: {listed or 'none'}")


class _Frame:
    """An open bracket, or the program itself."""

    # Of calls and indices; class attributes, because most brackets only group.
    callee: Callee | None = None
    keyword: Token | None = None  # of the argument being read
    special: tuple[Any, int, int] | None = None  # the argument or item just read, where it is no array
    pieces: list[int | None] | None = None  # of the slice being read
    commas = False

    def __init__(self, kind: str, start: int, operands: int, first: int, depth: int) -> None:
        self.kind = kind
        self.start = start
        self.operands = operands  # height of the stack of operands below
        self.first = first  # the first node made here; in calls and indices, by the argument being read
        self.depth = depth  # of array literals directly inside each other
        if kind == _CALL:
            self.given: list[Given] = []
        elif kind == _INDEX:
            self.items: list[Any] = []


class _Parser:
    def __init__(self, source: str, input_names: Collection[str], generators: Mapping[str, Generator]) -> None:
        self.source = source
        self.unread = read_tokens(source)
        self.tokens = list(islice(self.unread, 2 * _STRETCH))  # never all at once: they take more than the graph
        self.position = 0
        self.builder = GraphBuilder(source)
        self.input_names = input_names
        self.generators = generators
        self.scope: dict[str, int] = {}
        self.operators: list[tuple[int, str, int]] = [(0, "", 0)]
        self.nodes: list[int] = []  # the operands: node, start and end of each
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.frames = [_Frame(_PROGRAM, 0, 0, 0, 0)]
        self.callees: dict[str, Callee] = {}
        self.target: str | None = None
        self.first = 0  # the first node of this statement
        self.output: int | None = None

    def run(self) -> Graph:
        tokens, operators = self.tokens, self.operators
        wants_operand = True
        while True:
            if self.position >= _STRETCH:
                self._read_on()
            token = tokens[self.position]
            kind, text, start, end = token
            self.position += 1
            if not wants_operand:
                if kind in BINARY:
                    floor, precedence, operation = BINARY[kind]
                    if operators[-1][0] >= floor:
                        self._reduce(floor if precedence != COMPARISON else SUM)
                    if precedence == COMPARISON == operators[-1][0]:
                        self._fail("comparisons cannot be chained", (start, end), "write (a < b)*(b < c) for a < b < c")
                    operators.append((precedence, operation, start))
                    wants_operand = True
                elif kind == ",":
                    wants_operand = self._comma(token)
                elif kind == ")" or kind == "]":
                    self._close(token)
                elif kind == "[":
                    self._open(_INDEX, start)
                    wants_operand = self._begin()
                elif kind == ".":
                    self._transpose(token)
                elif kind == ":" and self.frames[-1].kind == _INDEX and self.frames[-1].special is None:
                    self._reduce(1)
                    self._colon(token, self._index_constant())
                    wants_operand = True
                elif kind in SEPARATORS:
                    self._end_statement()
                    if kind == END:
                        break
                    wants_operand = True
                else:
                    kind_of_bracket, named = self.frames[-1].kind, self.target is not None
                    raise no_operator(self.source, tokens, self.position - 1, self._bracket(), kind_of_bracket, named)
            elif kind == NAME:
                following = tokens[self.position][0]
                if following == "(":
                    wants_operand = self._open_call(token)
                elif following == "=" and self.target is None and self._at_start():
                    self.target = text
                    self.position += 1
                else:
                    self._push(self._variable(text, start, end), start, end)
                    wants_operand = False
            elif kind == NUMBER:
                self._push(self.builder.constant(float(text), (start, end)), start, end)
                wants_operand = False
            elif kind in PREFIX:
                operators.append((UNARY, PREFIX[kind], start))
            elif kind == "(":
                self._open(_GROUP, start, self.frames[-1].depth)
            elif kind == "[":
                depth = self.frames[-1].depth + 1
                if depth > MAX_DIMENSIONS:
                    hint = "NumPy has no more dimensions"
                    self._fail(f"array literals nest at most {MAX_DIMENSIONS} deep", (start, end), hint)
                self._open(_ARRAY, start, depth)
            elif (kind == ")" or kind == "]") and self._may_be_empty():
                self._close(token, empty=True)
                wants_operand = False
            elif kind == ":" and self.frames[-1].kind == _INDEX and operators[-1][0] == 0:
                self._colon(token, None)
            elif kind == "," and self.frames[-1].pieces is not None and operators[-1][0] == 0:
                self._end_item(None)
                wants_operand = self._begin()
            elif kind in SEPARATORS and self.target is None and self._at_start():
                if kind == END:
                    break
            else:
                raise no_operand(self.source, tokens, self.position - 1, self._bracket())
        if self.output is None:
            raise SourceError("the program is empty", self.source, None, "write an expression, such as (x+y)*max(y,z)")
        return self.builder.finish(self.output, self.scope)

    def _read_on(self) -> None:
        """Have at least the next ``_STRETCH`` tokens of the program at hand. Complaints are about the last two read."""
        done = self.position - 2
        del self.tokens[:done]
        self.tokens += islice(self.unread, done)
        self.position = 2

    # Operands and operators.

    def _push(self, node: int, start: int, end: int) -> None:
        self.nodes.append(node)
        self.starts.append(start)
        self.ends.append(end)

    def _variable(self, name: str, start: int, end: int) -> int:
        node = self.scope.get(name)
        if node is not None:
            return node
        if name in CONSTANTS and name not in self.input_names:
            if name == "e":
                self._note("e is read as the constant 2.71828...; give it a value (e=...) to make it an input")
            return self.builder.constant(CONSTANTS[name], (start, end))
        node = self.scope[name] = self.builder.input(name, (start, end))
        return node

    def _reduce(self, floor: int) -> None:
        """Apply the operators on top of the stack that bind at least as tightly as ``floor``."""
        operators, nodes, starts, ends, builder = self.operators, self.nodes, self.starts, self.ends, self.builder
        while operators[-1][0] >= floor:
            precedence, operation, where = operators.pop()
            if precedence != UNARY:
                right = nodes.pop()
                starts.pop()
                end = ends.pop()
                nodes[-1] = builder.add(operation, (nodes[-1], right), NO_PARAMETERS, (starts[-1], end))
                ends[-1] = end
                continue
            node = nodes[-1]
            if operation:
                value = builder.value(node)
                span = (where, ends[-1])
                literal = type(value) is float and node == len(builder) - 1 and node >= self.first
                if literal and self.source[starts[-1]] != "(":
                    # -2 is a number, and so may stand in an array literal; -(2) is an operation.
                    builder.drop(node, node + 1)
                    nodes[-1] = builder.constant(-value, span)
                else:
                    nodes[-1] = builder.add(operation, (node,), NO_PARAMETERS, span)
            starts[-1] = where

    def _transpose(self, token: Token) -> None:
        kind, text, _, end = self.tokens[self.position]
        if kind != NAME or text != "T":
            operand = self.source[self.starts[-1] : self.ends[-1]]
            self._fail(*attribute(operand, text if kind == NAME else None, (token[2], max(end, token[3]))))
        self.position += 1
        span = (self.starts[-1], end)
        self.nodes[-1] = self.builder.add("transpose", (self.nodes[-1],), defaults("transpose"), span)
        self.ends[-1] = end

    # Brackets.

    def _open(self, kind: str, start: int, depth: int = 0) -> _Frame:
        frame = _Frame(kind, start, len(self.nodes), len(self.builder), depth)
        self.frames.append(frame)
        self.operators.append((0, "", start))
        return frame

    def _open_call(self, token: Token) -> bool:
        _, name, start, end = token
        callee = self.callees.get(name)
        if callee is None:
            generator, operations = self.generators.get(name), CALLS.get(name, ())
            if generator is None and not operations:
                self._fail(*unknown_function(name, (start, end), self._is_value(name), self.generators))
            callee = self.callees[name] = Callee(name, operations, generator)
        self.position += 1
        self._open(_CALL, start).callee = callee
        return self._begin()

    def _begin(self) -> bool:
        """Read what is special at the start of an argument of a call or an item of an index. Returns whether an operand
        must follow."""
        frame, tokens, position = self.frames[-1], self.tokens, self.position
        frame.first = len(self.builder)
        kind, text, start, end = tokens[position]
        if frame.kind == _INDEX:
            if kind == "..." or (kind == NAME and text == "None" and tokens[position + 1][0] in (",", "]")):
                if kind == "..." and Ellipsis in frame.items:
                    self._fail("an index can have one ... only", (start, end))
                frame.special = (Ellipsis if kind == "..." else None, start, end)
                self.position += 1
                following = tokens[self.position]
                if following[0] not in (",", "]"):
                    raise expected(self.source, "',' or ']'", following)
                return False
            self._skip_none()
            return True
        callee = frame.callee
        assert callee is not None
        frame.keyword = None
        if kind == NAME and tokens[position + 1][0] == "=":
            self._check_keyword(frame, callee, tokens[position])
            frame.keyword = tokens[position]
            self.position = position = position + 2
            kind, text, start, end = tokens[position]
        elif frame.given and frame.given[-1].keyword is not None and kind != ")":
            message = "an argument without a name comes after one with a name"
            self._fail(message, (start, end), "put it first, or name it too")
        if kind == TEXT:
            frame.special = (Text(text), start, end)
            self.position += 1
            if tokens[self.position][0] not in (",", ")"):
                raise expected(self.source, "',' or ')'", tokens[self.position])
            return False
        if kind == NAME and tokens[position + 1][0] in (",", ")"):
            keyword = frame.keyword and frame.keyword[1]
            if any(is_word(p, text, keyword) for p in parameters_at(callee.operations, len(frame.given), keyword)):
                frame.special = (text, start, end)
                self.position += 1
                return False
        return True

    def _check_keyword(self, frame: _Frame, callee: Callee, token: Token) -> None:
        _, keyword, start, end = token
        if any(given.keyword == keyword for given in frame.given):
            self._fail(f"{quote(keyword)} is given twice", (start, end), "keep one of the two")
        if keyword not in callee.keywords:
            self._fail(*unknown_keyword(callee, keyword, (start, end), self._is_value(keyword)))

    def _comma(self, token: Token) -> bool:
        frame = self.frames[-1]
        if frame.kind == _PROGRAM:
            hint = "an array is written [1, 2]; statements are separated by ;"
            self._fail("found ',' outside of brackets", token[2:], hint)
        self._reduce(1)
        frame.commas = True
        if frame.kind == _CALL:
            self._end_argument(frame)
        elif frame.kind == _INDEX:
            self._end_item(None if frame.special else self._index_constant())
        return frame.kind not in (_CALL, _INDEX) or self._begin()

    def _may_be_empty(self) -> bool:
        """Whether a bracket may close where an operand could stand: empty, after a comma, or in a slice."""
        if self.operators[-1][0]:
            return False
        frame = self.frames[-1]
        previous = self.tokens[self.position - 2][0] if self.position > 1 else ""
        return frame.kind == _PROGRAM or previous == "," or frame.pieces is not None or (
            previous in OPEN and frame.kind != _INDEX
        )  # fmt: skip

    def _close(self, token: Token, empty: bool = False) -> None:
        bracket, _, _, end = token
        frame = self.frames[-1]
        if (bracket == ")") != (frame.kind in (_GROUP, _CALL)) or frame.kind == _PROGRAM:
            raise mismatched(self.source, token, self._bracket())
        self._reduce(1)
        if frame.kind == _CALL and not empty:
            self._end_argument(frame)
        elif frame.kind == _INDEX and not (empty and frame.pieces is None):
            self._end_item(None if empty or frame.special else self._index_constant())
        self.operators.pop()
        self.frames.pop()
        if frame.kind == _GROUP and not empty and not frame.commas:
            self.starts[-1], self.ends[-1] = frame.start, end
            if self.nodes[-1] >= frame.first:
                self.builder.widen(self.nodes[-1], (frame.start, end))
            return
        if frame.kind == _INDEX:
            span = (self.starts[-1], end)
            self.nodes[-1] = self.builder.add("index", (self.nodes[-1],), {"key": tuple(frame.items)}, span)
            self.ends[-1] = end
            return
        items = self.nodes[frame.operands :]
        spans = list(zip(self.starts[frame.operands :], self.ends[frame.operands :], strict=True))
        for stack in (self.nodes, self.starts, self.ends):
            del stack[frame.operands :]
        if frame.kind == _GROUP:
            self._end_tuple(items, (frame.start, end))
        elif frame.kind == _ARRAY:
            self._push(self._array(items, spans, frame, end), frame.start, end)
        else:
            assert frame.callee is not None
            node = call(self.builder, frame.callee, frame.given, (frame.start, end), self._fail, self._note)
            self._push(node, frame.start, end)

    def _end_tuple(self, items: list[int], span: Span) -> None:
        frame = self.frames[-1]
        following = self.tokens[self.position][0]
        if frame.kind == _CALL and self.operators[-1][0] == 0 and following in (",", ")"):
            frame.special = (items, *span)
        elif items:
            hint = "a tuple is for shapes and axes, as in reshape(A, (3, 2)); an array is written [1, 2]"
            self._fail("a tuple cannot stand here", span, hint)
        else:
            self._fail("found nothing between the parentheses", span, "write an expression there")

    def _array(self, items: list[int], spans: list[Span], frame: _Frame, end: int) -> int:
        builder, span = self.builder, (frame.start, end)
        if not all(item >= frame.first and builder.operation(item) == CONSTANT for item in items):
            return builder.add("stack", items, {**defaults("stack"), "axis": 0}, span)
        values = [builder.value(item) for item in items]
        shapes = list(map(np.shape, values))
        for shape, place in zip(shapes, spans, strict=True):
            if shape != shapes[0]:
                message = f"the entries of an array must have one shape: the first has {shapes[0]}, this one {shape}"
                self._fail(message, place, "write rows of equal length")
        builder.drop(frame.first, len(builder))
        return builder.constant(np.array(values, dtype=np.float64), span)

    def _end_argument(self, frame: _Frame) -> None:
        value: Any
        if frame.special is None:
            value, start, end = self.nodes.pop(), self.starts.pop(), self.ends.pop()
        else:
            value, start, end = frame.special
            frame.special = None
        keyword = frame.keyword and frame.keyword[1]
        frame.given.append(Given(keyword, value, (start, end), frame.first, len(self.builder)))

    # Indices.

    def _index_constant(self) -> int:
        node, span = self.nodes.pop(), (self.starts.pop(), self.ends.pop())
        frame = self.frames[-1]
        number = constant_value(self.builder, node)
        value = whole(number)
        if value is None:
            hint = None if isinstance(number, float) else "numbers and arithmetic on them are constants, inputs are not"
            self._fail("an index must be a constant whole number", span, hint)
        self.builder.drop(frame.first, len(self.builder))
        return value

    def _colon(self, token: Token, piece: int | None) -> None:
        frame = self.frames[-1]
        frame.first = len(self.builder)
        frame.pieces = [*(frame.pieces or ()), piece]
        if len(frame.pieces) > 2:
            self._fail("a slice has at most two colons", token[2:], "write start:stop:step")
        self._skip_none()

    def _skip_none(self) -> None:
        """In a slice, ``None`` says what nothing says."""
        kind, text, _, _ = self.tokens[self.position]
        if kind == NAME and text == "None" and self.tokens[self.position + 1][0] in (":", ",", "]"):
            self.position += 1

    def _end_item(self, piece: int | None) -> None:
        frame = self.frames[-1]
        if frame.special is not None:
            frame.items.append(frame.special[0])
        elif frame.pieces is None:
            frame.items.append(piece)
        else:
            if len(frame.pieces) == 2 and piece == 0:
                self._fail("the step of a slice cannot be 0", self.tokens[self.position - 2][2:])
            start, stop, step = (*frame.pieces, piece, None)[:3]
            frame.items.append(slice(start, stop, step))
        frame.special = frame.pieces = None

    # Statements.

    def _at_start(self) -> bool:
        return len(self.operators) == 1 and not self.nodes

    def _end_statement(self) -> None:
        if len(self.frames) > 1:
            raise unclosed(self.source, self._bracket())
        self._reduce(1)
        node = self.nodes.pop()
        self.starts.clear()
        self.ends.clear()
        if self.target is not None:
            self.builder.name(node, self.target)
            self.scope[self.target] = node
            self.target = None
        self.first = len(self.builder)
        self.output = node

    # Complaints.

    def _note(self, text: str) -> None:
        if text not in self.builder.notes:
            self.builder.notes.append(text)

    def _fail(self, message: str, span: Span, hint: str | None = None) -> NoReturn:
        raise SourceError(message, self.source, span, hint)

    def _is_value(self, name: str) -> bool:
        """Whether the program or its inputs use the name for a value. Reads the whole program: for complaints only."""
        return name in self.input_names or any(
            token[0] == NAME and token[1] == name and after[0] not in ("(", "=")
            for token, after in pairwise(tokenize(self.source))
        )

    def _bracket(self) -> int:
        """The place of the innermost open bracket; -1 outside of all."""
        frame = self.frames[-1]
        if frame.kind == _PROGRAM:
            return -1
        return frame.start if frame.callee is None else self.source.index("(", frame.start)
