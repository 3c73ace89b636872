"""The way back: a node, or a whole graph, as text of the language."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from gradtool.graph import CONSTANT, INPUT, Graph
from gradtool.language.calls import REQUIRED, comes_first, defaults, show_parameter, show_text
from gradtool.language.parser import BINARY, COMPARISON, POWER, UNARY
from gradtool.ops import REGISTRY

LIMIT = 60
"""Operands with a longer text are shown by their label in ``expression``."""

_NUMBER, _ATOM = POWER + 1, POWER + 2
"""A number is no atom, for 2.T and 2[0] would be read as something else, or hard to read."""
_INFIX = {operation: (precedence, symbol) for symbol, (_, precedence, operation) in BINARY.items()}
_SHOWN_ARGUMENTS = 12

Operand = tuple[int, int]
"""A node and the precedence that its text must have at least, lest it be put in parentheses."""

Piece = str | Operand
_DONE = -1
"""In place of a precedence: the node is written, and the parser would make it now."""


def expression(graph: Graph, i: int, limit: int = LIMIT) -> str:
    """A short text for node ``i``: operands by their names where they have one, by labels such as ``n17`` where their
    own text is longer than ``limit``. Takes time independent of the size of the graph."""
    return _expression(graph, i, limit, {})


def expressions(graph: Graph, limit: int = LIMIT) -> list[str]:
    """``expression`` of every node, which is faster than one by one."""
    texts: dict[int, str | None] = {}
    shown = []
    for i in range(len(graph)):
        shown.append(_expression(graph, i, limit, texts))
        texts[i] = _bounded(graph, _pieces(graph, i), limit, texts) if graph.arguments[i] else None
    return shown


def _expression(graph: Graph, i: int, limit: int, texts: dict[int, str | None]) -> str:
    if graph.operations[i] == INPUT:
        return graph.names[i]
    if graph.operations[i] == CONSTANT:
        value = graph.parameters[i]["value"]
        text = _constant(value, _symbol)[0] if np.size(value) <= limit else None
        return text if text is not None and len(text) <= limit else f"constant {np.shape(value)}"
    pieces = _pieces(graph, i)
    operands = [k for k, piece in enumerate(pieces) if isinstance(piece, tuple)]
    if len(operands) > _SHOWN_ARGUMENTS:
        # Commas stand between the operands of what has so many.
        pieces[operands[_SHOWN_ARGUMENTS // 2] : operands[-1]] = ["...,"]
    return "".join(piece if isinstance(piece, str) else _operand(graph, piece, limit, texts) for piece in pieces)


def _operand(graph: Graph, operand: Operand, limit: int, texts: dict[int, str | None]) -> str:
    node = operand[0]
    if node in graph.names:
        return graph.names[node]
    text = _bounded(graph, [operand], limit, texts)
    return f"n{node}" if text is None else text


def _bounded(graph: Graph, pieces: list[Piece], limit: int, texts: dict[int, str | None]) -> str | None:
    """The full text of the pieces; None where it is longer than ``limit``. ``texts`` has the full texts of operations
    known so far, None where they are too long."""
    if len(pieces) > limit:
        return None
    shown: list[str] = []
    length = 0
    pending = pieces[::-1]
    while pending:
        piece = pending.pop()
        if isinstance(piece, str):
            shown.append(piece)
            length += len(piece)
            if length > limit:
                return None
            continue
        node, least = piece
        if node in graph.names:
            pending.append(graph.names[node])
        elif graph.operations[node] == CONSTANT:
            value = graph.parameters[node]["value"]
            if np.size(value) > limit:
                return None
            pending.append(_in_parentheses(*_constant(value, _symbol), least))
        elif node in texts:
            text = texts[node]
            if text is None:
                return None
            pending.append(_in_parentheses(text, _precedence(graph, node), least))
        elif len(graph.arguments[node]) > limit:
            return None
        else:
            pending += _wrapped(graph, piece)[::-1]
        if length + len(pending) > limit:
            return None
    return "".join(shown)


def _wrapped(graph: Graph, operand: Operand) -> list[Piece]:
    node, least = operand
    pieces = _pieces(graph, node)
    return ["(", *pieces, ")"] if _precedence(graph, node) < least else pieces


def _precedence(graph: Graph, node: int) -> int:
    operation = graph.operations[node]
    if operation in _INFIX:
        return _INFIX[operation][0]
    return UNARY if operation == "negative" else _ATOM


def _pieces(graph: Graph, node: int, spelled_out: bool = False) -> list[Piece]:
    """The text of an operation, its operands still to be written. ``spelled_out``: with every argument, even where it
    is the default."""
    operation, arguments, parameters = graph.operations[node], graph.arguments[node], graph.parameters[node]
    if operation in _INFIX:
        precedence, symbol = _INFIX[operation]
        left, right = precedence, precedence + 1
        if precedence == COMPARISON:
            left += 1
        elif precedence == POWER:
            left, right = POWER + 1, UNARY
            symbol = "^"
        return [(arguments[0], left), symbol, (arguments[1], right)]
    if operation == "negative":
        # -2 would be read as a number.
        bare = graph.operations[arguments[0]] == CONSTANT and arguments[0] not in graph.names
        return ["-(", (arguments[0], 0), ")"] if bare else ["-", (arguments[0], UNARY)]
    if operation == "transpose" and _is_default(operation, parameters):
        return [(arguments[0], _ATOM), ".T"]
    if operation == "index":
        return [(arguments[0], _ATOM), f"[{','.join(map(_index_item, parameters['key']))}]"]
    if operation == "stack" and parameters.get("axis") == 0 and any(graph.operations[a] != CONSTANT for a in arguments):
        # (An array literal of numbers alone would be read as one constant.)
        return ["[", *_listed([(a, 0) for a in arguments]), "]"]
    return _call_pieces(graph, node, spelled_out)


def _call_pieces(graph: Graph, node: int, spelled_out: bool) -> list[Piece]:
    name, arguments, parameters = graph.operations[node], graph.arguments[node], graph.parameters[node]
    operation = REGISTRY.get(name)
    given: list[Piece] = []
    keyword = False
    for position, argument in enumerate(arguments):
        declared = None
        if operation is not None and not operation.variadic and position < len(operation.arguments):
            declared = operation.arguments[position]
        if declared is not None and declared.default is not None and not spelled_out and argument not in graph.names:
            value = graph.parameters[argument].get("value") if graph.operations[argument] == CONSTANT else None
            if isinstance(value, float) and repr(value) == repr(float(declared.default)):
                keyword = True
                continue
        if keyword and declared is not None:
            given.append(f"{declared.name}=")
        given.append((argument, 0))
    first = [parameter.name for parameter in operation.parameters if comes_first(parameter)] if operation else []
    given[:0] = [show_text(parameters[key]) for key in first]
    pieces = _listed(given)
    by_place = operation is not None and not operation.variadic and not keyword
    for key, value in parameters.items():
        if key in first:
            continue
        by_place = by_place and value is not None and defaults(name).get(key) is REQUIRED
        if by_place:
            pieces.append(f",{show_parameter(value)}")
            continue
        if operation is None or repr(value) != repr(defaults(name).get(key, ...)):
            pieces.append(f"{',' if pieces else ''}{key}={show_parameter(value)}")
    called = name if operation is None else operation.call or operation.name
    return [f"{called}(", *pieces, ")"]


def _listed(given: list[Piece]) -> list[Piece]:
    """The operands with commas between them."""
    listed: list[Piece] = []
    for piece in given:
        if listed and not (isinstance(listed[-1], str) and listed[-1].endswith("=")):
            listed.append(",")
        listed.append(piece)
    return listed


def _is_default(operation: str, parameters: Any) -> bool:
    return operation in REGISTRY and repr(dict(parameters)) == repr(dict(defaults(operation)))


def _index_item(item: Any) -> str:
    if item is Ellipsis:
        return "..."
    if isinstance(item, slice):
        start, stop, step = ("" if part is None else str(part) for part in (item.start, item.stop, item.step))
        return f"{start}:{stop}:{step}" if step else f"{start}:{stop}"
    return str(item)


def _number(value: float) -> str:
    if math.isnan(value):
        return "(0/0)"
    if math.isinf(value):
        return "1e999" if value > 0 else "-1e999"
    return repr(value).removesuffix(".0")


def _symbol(value: float) -> str:
    """A number as people know it; for texts that are not parsed again."""
    if abs(value) in (math.pi, math.e):
        name = "pi" if abs(value) == math.pi else "e"
        return name if value > 0 else f"-{name}"
    if not math.isfinite(value):
        return str(value)
    return _number(value)


def _constant(value: Any, number: Callable[[float], str]) -> tuple[str, int]:
    """Text and precedence of a constant."""
    shape = np.shape(value)
    if not shape:
        text = number(float(value))
        return text, UNARY if text.startswith("-") else _NUMBER
    texts = [number(entry) for entry in np.asarray(value, dtype=np.float64).ravel().tolist()]
    for axis in reversed(range(len(shape))):
        length, rows = shape[axis], math.prod(shape[:axis])
        texts = [f"[{','.join(texts[k * length : (k + 1) * length])}]" for k in range(rows)]
    return texts[0], _ATOM


def _in_parentheses(text: str, precedence: int, least: int) -> str:
    return f"({text})" if precedence < least else text


def to_source(graph: Graph) -> str:
    """A program for the graph: parsed again, with ``graph.inputs`` as input names, it has the same structure.

    Names are kept where no two nodes share one. A graph whose order no nested program can have (as one that was traced
    may) is written as one statement a node. NaN in a constant cannot be written; it becomes ``0/0``.
    """
    consumers = Counter(a for arguments in graph.arguments for a in arguments)
    hoisted = [
        i
        for i in range(len(graph))
        if graph.operations[i] != INPUT and (i in graph.names or consumers[i] != 1 or i == graph.output)
    ]
    hoisted.sort(key=lambda i: (graph.starts[i], i))
    nested = _Program(graph, hoisted).text()
    if nested is None:
        first = [i for i in range(len(graph)) if graph.operations[i] == INPUT]
        nested = _Program(graph, [*first, *(i for i in range(len(graph)) if graph.operations[i] != INPUT)], True).text()
    assert nested is not None
    return nested


class _Program:
    """Writes statements and watches the order in which the parser would number the nodes."""

    def __init__(self, graph: Graph, statements: list[int], spelled_out: bool = False) -> None:
        self.graph = graph
        self.statements = statements
        self.spelled_out = spelled_out
        self.label = _labels(graph, statements)
        self.written: set[int] = set()
        self.ordered = True
        constants = graph.operations.count(CONSTANT)
        inputs = len(graph.inputs)
        self.next = {INPUT: 0, CONSTANT: inputs, "": inputs + constants}
        self.after = {INPUT: inputs, CONSTANT: inputs + constants, "": len(graph)}

    def text(self) -> str | None:
        """The program; None where it would give other numbers to the nodes."""
        graph, lines = self.graph, []
        for node in self.statements:
            shown = self._statement(node)
            if not self.ordered:
                return None
            named = graph.operations[node] != INPUT and node in self.label
            lines.append(f"{self.label[node]} = {shown}" if named else shown)
        if not self.statements or self.statements[-1] != graph.output:
            lines.append(self.label[graph.output])
            if graph.operations[graph.output] == INPUT:
                self._count(graph.output)
        return "\n".join(lines) if self.ordered and self.next == self.after else None

    def _statement(self, root: int) -> str:
        shown: list[str] = []
        pending: list[Piece] = []
        if self.graph.operations[root] in (INPUT, CONSTANT):
            pending.append((root, 0))
        else:
            self._expand(root, pending)
        while pending:
            piece = pending.pop()
            if isinstance(piece, str):
                shown.append(piece)
            elif piece[1] == _DONE:
                self._count(piece[0])
            else:
                self._operand(piece, pending, shown, piece[0] == root)
        self.written.add(root)
        return "".join(shown)

    def _operand(self, operand: Operand, pending: list[Piece], shown: list[str], is_root: bool) -> None:
        graph, (node, least) = self.graph, operand
        if graph.operations[node] == INPUT:
            shown.append(graph.names[node])
            self._count(node)
        elif node in self.label and not is_root:
            shown.append(self.label[node])
            self.ordered = self.ordered and node in self.written
        elif graph.operations[node] == CONSTANT:
            shown.append(_in_parentheses(*_constant(graph.parameters[node]["value"], _number), least))
            self._count(node)
        elif _precedence(graph, node) < least:
            shown.append("(")
            pending.append(")")
            self._expand(node, pending)
        else:
            self._expand(node, pending)

    def _expand(self, node: int, pending: list[Piece]) -> None:
        pieces = _pieces(self.graph, node, self.spelled_out)
        there = {piece[0] for piece in pieces if isinstance(piece, tuple)}
        # The parser makes the node after its operands, and between them what is not written: constants by default.
        pending.append((node, _DONE))
        pending += [(a, _DONE) for a in reversed(self.graph.arguments[node]) if a not in there]
        pending += pieces[::-1]

    def _count(self, node: int) -> None:
        kind = self.graph.operations[node]
        kind = kind if kind in (INPUT, CONSTANT) else ""
        if node == self.next[kind]:
            self.next[kind] += 1
        elif kind != INPUT or node > self.next[kind]:
            self.ordered = False


def _labels(graph: Graph, statements: list[int]) -> dict[int, str]:
    """A name for each statement but a last one that is the output, none used twice."""
    used = Counter(graph.names.values())
    label = {node: name for name, node in graph.inputs.items()}
    taken = set(used)
    for node in statements:
        if graph.operations[node] == INPUT or (node == graph.output and node == statements[-1]):
            continue
        name = graph.names.get(node, "")
        if used[name] != 1:
            name = f"n{node}"
            while name in taken:
                name += "_"
            taken.add(name)
        label[node] = name
    return label
