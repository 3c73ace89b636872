"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Sequence
from itertools import takewhile
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from unicodedata import normalize

import click

import gradtool
from gradtool import report

F = TypeVar("F", bound=Callable[..., Any])

MOST_SHOWN = 60
"""Characters of an argument that a message shows."""


class UserError(click.ClickException):
    """What the user gave does not work; the message says where and what to do."""


class OutputFile(NamedTuple):
    """Where to write, and in which format."""

    format_name: str
    path: Path


def positive_number(text: str) -> float:
    """A finite number above zero. Raises ``click.BadParameter``."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not (isfinite(number) and number > 0):
        raise click.BadParameter(f"{text!r} is not a positive number")
    return number


def name_list(text: str) -> tuple[str, ...]:
    """Names separated by commas. Raises ``click.BadParameter`` where one is empty."""
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise click.BadParameter(f"{text!r} has an empty name")
    return names


def named_axes(text: str) -> dict[str, int]:
    """``x:0,y:0`` as a dictionary. Raises ``click.BadParameter``."""
    axes = {}
    for part in name_list(text):
        name, colon, axis = part.partition(":")
        if not colon or not name.strip() or not axis.strip().removeprefix("-").isdecimal():
            raise click.BadParameter(f"expected NAME:AXIS, as in x:0,y:0, found {part!r}")
        axes[normalize("NFKC", name.strip())] = int(axis)
    return axes


def size_list(text: str) -> tuple[int, ...]:
    """``3,1`` as numbers. Raises ``click.BadParameter``."""
    parts = name_list(text)
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise click.BadParameter(f"expected sizes of 1 or more, as in 3,1, found {text!r}")
    return tuple(map(int, parts))


def output_file(command: str) -> Callable[[str], OutputFile]:
    """A reader of ``[FORMAT=]FILE`` for the formats of ``command``."""
    formats = report.formats(command)

    def read(text: str) -> OutputFile:
        """Find format and path, and see that the folder is there before any work is done."""
        before, equals, after = text.partition("=")
        if equals and before in formats:
            format_name, path = before, Path(after)
        elif equals and before.isalpha():
            raise click.BadParameter(f"{before!r} is not a format; choose from {', '.join(formats)}")
        else:
            found = report.format_of(command, text)
            if found is None:
                raise click.BadParameter(f"cannot tell the format from {text!r}; write FORMAT={text}")
            format_name, path = found, Path(text)
        if path.is_dir() or not path.name:
            raise click.BadParameter(f"{str(path)!r} is not a file")
        if not path.parent.is_dir():
            raise click.BadParameter(f"there is no folder {str(path.parent)!r}")
        return OutputFile(format_name, path)

    return read


def output_options(command: str) -> Callable[[F], F]:
    """How and where results are written."""

    def decorate(function: F) -> F:
        for option in reversed(
            (
                click.option("--format", "format_name", type=click.Choice(report.formats(command)),
                             default=report.formats(command)[0], show_default=True,
                             help="How to write the result to standard output."),
                click.option("--output-file", "--output", "output_files", type=output_file(command), multiple=True,
                             metavar="[FORMAT=]FILE", help="Write the result to FILE as well. Repeatable."),
                click.option("--full", is_flag=True, help="Show all rows, and every array entry by entry."),
                click.option("--max-elements", type=click.IntRange(min=0), default=1000, show_default=True, metavar="N",
                             help="In JSON, larger arrays are given by shape, range, mean and norm."),
                click.option("--color", type=click.Choice(("auto", "always", "never")), default="auto",
                             show_default=True, help="Colours; auto means on a terminal."),
            )
        ):  # fmt: skip
            function = option(function)
        return function

    return decorate


def verdict_options(command: str) -> Callable[[F], F]:
    """What makes the command fail."""
    codes = {"check": "causes or warnings is found (GC114,GC305,...)"}.get(
        command, "diagnostics is found (GT101,GT102,...)"
    )

    def decorate(function: F) -> F:
        for option in reversed(
            (
                click.option("--strict/--no-strict", default=False,
                             help="Exit with 4 where something could not be decided."),
                click.option("--fail-on", "fail_on", type=name_list, multiple=True, metavar="CODES",
                             help=f"Exit with 1 where one of these {codes}."),
            )
        ):  # fmt: skip
            function = option(function)
        return function

    return decorate


def flatten(lists: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The names of an option that may be repeated and that takes lists."""
    return tuple(name for names in lists for name in names)


def diagnostic_codes(
    lists: Sequence[tuple[str, ...]], known: Collection[str] | None = None, place: str = "--fail-on"
) -> frozenset[str]:
    """The codes of ``--fail-on``, out of ``known`` (None: the diagnostics of a graph's health); ``place`` is where they
    stand. Raises ``click.UsageError`` for one that does not exist."""
    codes = frozenset(code.upper() for code in flatten(lists))
    if codes:  # The rules are loaded only where they are asked for.
        there_are = gradtool.HEALTH_RULES if known is None else known
        for code in sorted(codes - set(there_are)):
            raise click.UsageError(f"{place}: there is no diagnostic {code!r}; there are {', '.join(there_are)}")
    return codes


def assignments(arguments: Sequence[str], expression: str | None = None) -> dict[str, str]:
    """``NAME=VALUE`` arguments as a dictionary of texts. Raises ``click.UsageError``.

    ``expression`` is what stood before them on the command line: the shell may have split it.
    """
    found: dict[str, str] = {}
    for position, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        name = normalize("NFKC", name.strip())  # As Python reads identifiers, and as the language does.
        if not equals or not name.isidentifier() or value.startswith("="):
            raise click.UsageError(str(_no_assignment(arguments, position, expression)))
        if not value.strip():
            after = "".join(arguments[position + 1 : position + 2])
            blanks = "there are no blanks around the =: " if after and "=" not in after else "as in "
            hint = f"{blanks}{name}={_shortened([after]) if after and '=' not in after else 1}"
            place = (len(argument), len(argument))
            raise click.UsageError(str(gradtool.SourceError(f"{name}= has no value", argument, place, hint)))
        if name in found:
            raise click.UsageError(f"{name} is given twice, as {found[name]!r} and as {value!r}")
        found[name] = value
    return found


def _no_assignment(arguments: Sequence[str], position: int, expression: str | None) -> gradtool.SourceError:
    """What is wrong with an argument that is not ``NAME=VALUE``, and what was probably meant."""
    argument = arguments[position]
    name, equals, value = argument.partition("=")
    shown = repr(argument if len(argument) <= MOST_SHOWN else argument[:MOST_SHOWN] + "...")
    message, span = f"expected NAME=VALUE after the expression, found {shown}", (0, len(argument))
    if equals:
        if value.startswith("="):
            meant = f"{_shortened([name.strip()]) or 'x'}={_shortened([value[1:]]) or 1}"
            span, hint = (len(name), len(name) + 2), f"write one =, as in {meant}"
        elif not name.strip():
            span, hint = (
                (len(name), len(name) + 1),
                f"write a name before the =, as in x{_shortened([argument.strip()])}",
            )
        else:
            span, hint = (0, len(name)), "a name has letters, digits and underscores, and does not begin with a digit"
        return gradtool.SourceError(message, argument, span, hint)
    before = arguments[position - 1] if position else ""
    after = arguments[position + 1 :]
    words = list(takewhile(lambda word: "=" not in word, arguments[position:]))
    if before.count("[") + before.count("(") > before.count("]") + before.count(")"):
        hint = f'a value that holds blanks needs quotes: "{_shortened([before, *words])}"'
    elif after and after[0].startswith("="):
        given = _shortened([after[0][1:] or (after[1] if len(after) > 1 else "1")])
        hint = f"there are no blanks around the =: {_shortened([argument])}={given}"
    elif os.path.exists(argument):
        hint = "a * or ? outside of quotes becomes the names of files: put the expression in quotes"
    elif expression is None:
        hint = "the program is in the file; after it come values only, as in x=1"
    elif position:
        hint = "what holds blanks needs quotes, an expression as well as a value"
    else:
        hint = f'an expression that holds blanks needs quotes: "{_shortened([expression, *words])}"'
    return gradtool.SourceError(message, argument, span, hint)


def _shortened(words: Sequence[str]) -> str:
    """Words of the command line as a message can show them."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in " ".join(words))
    return text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + " ..."


def read_program(path: str) -> str:
    """The text of a program file; ``-`` is standard input. Raises ``click.UsageError``."""
    if path == "-" and sys.stdin is None:
        raise click.UsageError("there is no standard input to read the program from")
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        return data.decode("utf-8-sig")
    except OSError as error:
        hint = f"; an expression is given as --expr=-f{path}" if "(" in path else ""
        raise click.UsageError(f"cannot read {path!r}: {error.strerror}{hint}") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        utf16 = "; it looks like UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ""
        raise click.UsageError(f"{path!r} is not UTF-8 text (line {line}, byte {error.start}){utf16}") from None
