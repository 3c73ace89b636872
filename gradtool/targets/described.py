"""What is known of an input before it has a value: its shape in letters, and which numbers may stand in it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Domain = Literal[
    "real", "positive", "unit", "probabilities", "probabilities-0", "labels", "mask", "one-hot", "one-hot-0", "sign"
]
"""``unit``: strictly between 0 and 1. ``probabilities``: rows (``-0``: columns) that sum to 1. ``labels``: integers from 0 on.
``sign``: -1 and 1."""

Kind = Literal["array", "number", "integer", "boolean", "string", "dictionary", "generator", "other"]


@dataclass(frozen=True, slots=True)
class Described:
    """What a docstring, an annotation or a name says of an input. ``shape`` is None where nothing is said of it.

    A dimension is a number or an expression over letters (``N``, ``4*H``, ``d_1``). ``bound`` is the dimension that labels
    stay below. ``entries`` are those of a dictionary; ``choices`` the values that a setting may have.
    """

    shape: tuple[str, ...] | None = None
    domain: Domain = "real"
    bound: str | None = None
    kind: Kind = "array"
    entries: Mapping[str, Described] = field(default_factory=dict)
    optional: bool = False
    choices: tuple[Any, ...] = ()

    @property
    def letters(self) -> tuple[str, ...]:
        """The letters of the shape, of the bound and of the entries, in order, once each."""
        found: dict[str, None] = {}
        for dimension in (*(self.shape or ()), *((self.bound,) if self.bound else ())):
            found.update(dict.fromkeys(letters_of(dimension)))
        for entry in self.entries.values():
            found.update(dict.fromkeys(entry.letters))
        return tuple(found)


class DimensionError(ValueError):
    """A dimension that is no number and no sum or product of letters."""


def letters_of(dimension: str) -> Iterator[str]:
    """The letters in a dimension, in order. Raises ``DimensionError``."""
    names = [node for node in ast.walk(_tree(dimension)) if isinstance(node, ast.Name)]
    yield from (node.id for node in sorted(names, key=lambda node: node.col_offset))


def size_of(dimension: str, sizes: Mapping[str, int]) -> int:
    """A dimension's size. Raises ``DimensionError`` where it is no positive whole number, ``KeyError`` for an unknown letter."""
    size = _size(_tree(dimension), sizes)
    if size < 1:
        raise DimensionError(f"{dimension} is {size}")
    return size


def is_dimension(text: str) -> bool:
    """Whether the text can be read as a dimension."""
    try:
        return all(True for _ in letters_of(text))
    except DimensionError:
        return False


def _tree(dimension: str) -> ast.expr:
    try:
        tree = ast.parse(dimension, mode="eval").body
    except SyntaxError as error:
        raise DimensionError(f"{dimension!r} is no dimension") from error
    for node in ast.walk(tree):
        if not isinstance(node, ast.Name | ast.Constant | ast.BinOp | ast.operator | ast.expr_context):
            raise DimensionError(f"{dimension!r} is no dimension")
        if isinstance(node, ast.Constant) and type(node.value) is not int:
            raise DimensionError(f"{dimension!r} is no dimension")
    return tree


def _size(node: ast.expr, sizes: Mapping[str, int]) -> int:
    match node:
        case ast.Name(id=name):
            return sizes[name]
        case ast.Constant(value=int(value)):
            return value
        case ast.BinOp(left=left, op=operator, right=right):
            a, b = _size(left, sizes), _size(right, sizes)
            match operator:
                case ast.Add():
                    return a + b
                case ast.Sub():
                    return a - b
                case ast.Mult():
                    return a * b
                case ast.FloorDiv() | ast.Div() if b and a % b == 0:
                    return a // b
    raise DimensionError(f"{ast.unparse(node)} is no dimension of a whole size")
