"""What ``graph --diff`` compares with: the same program with other values, or another program with the same ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import gradtool
from gradtool.cli import options

_COMMENT = re.compile(r"#[^\r\n]*")
_STATEMENT = re.compile(r"(?:^|(?<=[\s;]))[^\W\d]\w*\s*=(?!=)")
_BRACKET_OR_END = re.compile(r"[\[\](),;\r\n]")
_NAME = re.compile(r"(?<![\w.])[^\W\d]\w*(?!\w*\s*\()")
_CONSTANTS = frozenset({"pi", "e", "true", "false"})


class OtherProgram(NamedTuple):
    """The other side of a comparison: a program and the values of its inputs."""

    graph: gradtool.Graph
    inputs: dict[str, Any]


def read_other(
    text: str, graph: gradtool.Graph, inputs: Mapping[str, Any], *, seed: int = 0, max_size: int = 10_000_000
) -> OtherProgram:
    """What ``text`` says to compare the program ``graph`` at ``inputs`` with.

    Values (see ``values_in``) are put in place of those in ``inputs``, for the same program; anything else is a program
    of its own, whose inputs get the values of the same name. Whether the names are inputs is for ``evaluate`` to see.

    Raises ``SourceError`` where the program or a value cannot be read, or where the other program has inputs of its own,
    ``InputFileError`` for a file, and ``click.UsageError`` where a name is given two values.
    """
    values = values_in(text)
    if values is not None:
        read = {name: gradtool.parse_value(v, name, seed=seed, max_size=max_size) for name, v in values.items()}
        return OtherProgram(graph, {**inputs, **read})
    other = gradtool.parse(text, input_names=tuple(inputs))
    missing = [name for name in other.inputs if name not in inputs]
    if missing:
        node = other.inputs[missing[0]]
        raise gradtool.SourceError(
            f"{missing[0]} has no value in the program that is compared with",
            text,
            (other.starts[node], other.ends[node]),
            f"its inputs get the values of the first program; give this one there, as in: {missing[0]}=1; ...",
        )
    return OtherProgram(other, {name: inputs[name] for name in other.inputs})


def values_in(text: str) -> dict[str, str] | None:
    """``x=2 y=[1, 2]``, or the same with semicolons or ends of lines between, as a dictionary of texts; None for anything else.

    It is a list of values if each statement gives a name a constant: something without names, or a file. Raises
    ``click.UsageError`` where a name is given two values.
    """
    text = _COMMENT.sub("", text)
    starts, depth, seen = [], 0, 0
    for found in _STATEMENT.finditer(text):
        depth += sum(1 if c in "([" else -1 if c in ")]" else 0 for c in text[seen : found.start()])
        seen = found.start()
        if depth == 0:
            starts.append(seen)
    if not starts or text[: starts[0]].strip(" \t\r\n;"):
        return None
    pieces = [text[a:b].strip(" \t\r\n;") for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]
    if not all(_is_constant(piece.partition("=")[2].strip()) for piece in pieces):
        return None
    return options.assignments([re.sub(r"\s*=\s*", "=", piece, count=1) for piece in pieces])


def _is_constant(value: str) -> bool:
    if value.startswith("@"):
        return not re.search(r"[;\r\n]", value)
    depth = 0
    for found in _BRACKET_OR_END.finditer(value):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(found[0], 0)
        if depth == 0 and found[0] in ";\r\n":
            return False
    return bool(value) and all(name in _CONSTANTS for name in _NAME.findall(value))
