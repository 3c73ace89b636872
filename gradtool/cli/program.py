"""What ``eval`` and ``graph`` have in common: a program and the values of its inputs, and how both are read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import click

import gradtool
from gradtool.cli import options
from gradtool.cli.options import UserError, name_list

F = TypeVar("F", bound=Callable[..., Any])

CONFIGURATIONS = ("gradtool.toml", "pyproject.toml")


class ExpressionCommand(click.Command):
    """A command whose first argument is an expression, which may begin with a minus."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does it, with an error that helps where an expression was taken for an option."""
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.option_name.startswith("--"):
                expressions = (a for a in given if a.startswith("--") and re.search(r"[*/+^@()]", a))
            else:  # The letter at fault may come after others: -hx is read as -h -x.
                expressions = (a for a in given if re.match(r"-[^-]", a) and error.option_name[1] in a)
            found = next(expressions, None)
            if found is None:
                raise
            raise click.UsageError(
                f"{found!r} was taken for an option, as it begins with '-'. If it is the expression, write either\n"
                f"  gradtool {self.name} -- '{found}' NAME=VALUE ...\n"
                f"  gradtool {self.name} --expr='{found}' NAME=VALUE ...",
                ctx,
            ) from error


class PointOptions(NamedTuple):
    """What was typed for the options of ``point_options``."""

    inputs_file: Path | None
    wrt: tuple[tuple[str, ...], ...]
    upstream: str | None
    seed: int
    dtype: str
    max_size: int

    def value(self, text: str, name: str) -> gradtool.InputValue:
        """The value of the input ``name``. Raises what ``gradtool.parse_value`` raises."""
        return gradtool.parse_value(text, name, seed=self.seed, max_size=self.max_size)

    def read(self) -> dict[str, gradtool.InputValue]:
        """What the file of inputs holds. Raises what ``gradtool.read_inputs`` raises."""
        if self.inputs_file is None:
            return {}
        return dict(gradtool.read_inputs(self.inputs_file, seed=self.seed, max_size=self.max_size))

    def at(self, graph: gradtool.Graph, inputs: dict[str, Any], notes: Sequence[str] = ()) -> ProgramAtPoint:
        """A program at the point. Raises what ``gradtool.parse_value`` raises where the upstream cannot be read."""
        upstream: Any = self.upstream
        if upstream is not None and upstream != "ones":
            upstream = self.value(upstream, "upstream")
        random = any(getattr(value, "random", False) for value in (*inputs.values(), upstream))
        return ProgramAtPoint(
            graph=graph,
            inputs=inputs,
            upstream=upstream,
            wrt=options.flatten(self.wrt) or None,
            seed=self.seed if random else None,
            dtype=self.dtype,
            max_size=self.max_size,
            notes=tuple(notes),
        )


class ProgramOptions(NamedTuple):
    """What was typed for the options of ``program_options``."""

    arguments: tuple[str, ...]
    expr: str | None
    program: str | None
    of: str | None
    point: PointOptions


class ProgramAtPoint(NamedTuple):
    """A program and what is to be known of the point: values by name, the upstream of the output, which inputs to
    differentiate (None: all). ``seed`` is None where no value is random; ``notes`` is what the user should be told."""

    graph: gradtool.Graph
    inputs: dict[str, Any]
    upstream: Any
    wrt: tuple[str, ...] | None
    seed: int | None
    dtype: str
    max_size: int
    notes: tuple[str, ...]


def point_options(function: F) -> F:
    """The options that say where a program is evaluated. The command gets them together, as the keyword ``point``."""

    @wraps(function)
    def gathered(**typed: Any) -> Any:
        point = PointOptions(**{name: typed.pop(name) for name in PointOptions._fields})
        return function(point=point, **typed)

    command = cast(F, gathered)
    for decorate in reversed(
        (
            click.option("--inputs", "inputs_file", metavar="FILE", type=click.Path(path_type=Path),
                         help="Read values from a .json, .toml or .npz file; those on the command line win."),
            click.option("--wrt", multiple=True, type=name_list, metavar="NAMES",
                         help="Differentiate with respect to these inputs alone. Repeatable."),
            click.option("--upstream", metavar="VALUE",
                         help="The upstream gradient of the output: a value of its shape, or ones."),
            click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N",
                         help="For values such as randn(3,4)."),
            click.option("--dtype", type=click.Choice(("float64", "float32")), default="float64", show_default=True,
                         help="The precision to compute in."),
            click.option("--max-size", type=click.IntRange(min=1), default=10_000_000, show_default=True, metavar="N",
                         help="Refuse arrays of more entries."),
        )
    ):  # fmt: skip
        command = decorate(command)
    return command


def program_options(function: F) -> F:
    """The argument ``EXPR [NAME=VALUE ...]`` and the options that say what the program is, and where it is evaluated.

    The command gets them together, as the keyword ``program``, for ``read_program``.
    """

    @wraps(function)
    def gathered(**typed: Any) -> Any:
        program = ProgramOptions(**{name: typed.pop(name) for name in ProgramOptions._fields})
        return function(program=program, **typed)

    command = point_options(cast(F, gathered))
    for decorate in reversed(
        (
            click.argument("arguments", nargs=-1, metavar="EXPR [NAME=VALUE ...]"),
            click.option("--expr", "expr", metavar="EXPR",
                         help="The expression, where it begins with a minus: --expr=-x*y."),
            click.option("-f", "--file", "program", metavar="FILE", type=click.Path(),
                         help="Read the program from FILE; - is standard input."),
            click.option("--of", "of", metavar="NAME", help="The name to differentiate, instead of the last statement."),
        )
    ):  # fmt: skip
        command = decorate(command)
    return command


def read_program(given: ProgramOptions) -> ProgramAtPoint:
    """The program and the point of the command line. Raises ``click.ClickException`` where they cannot be read."""
    text, values = _text(given.arguments, given.expr, given.program)
    texts = options.assignments(values, None if given.program is not None else text)
    with readable():
        read = given.point.read()
        typed = {name: given.point.value(value, name) for name, value in texts.items()}
        where = "standard input" if given.program == "-" else given.program
        graph = gradtool.parse(text, input_names=(*read, *typed), of=given.of, filename=where)
        # A file of inputs may serve several programs; a name that was typed must mean something.
        unused = [name for name in read if name not in graph.inputs]
        inputs = {name: value for name, value in {**read, **typed}.items() if name in typed or name in graph.inputs}
        notes = [f"not used by the program, though in {given.point.inputs_file}: {', '.join(unused)}"] if unused else []
        return given.point.at(graph, inputs, notes)


def configured_thresholds() -> Mapping[str, Mapping[str, float]]:
    """The thresholds of diagnostics that the configuration nearest to the working directory changes, by code.

    Raises ``click.ClickException`` for a configuration that cannot be read.
    """
    here = Path.cwd()
    if not any((folder / name).is_file() for folder in (here, *here.parents) for name in CONFIGURATIONS):
        return {}
    configuration: Any = import_module("gradtool.configuration")  # Not loaded by a plain eval, which is to start fast.
    try:
        thresholds: Mapping[str, Mapping[str, float]] = configuration.nearest(()).thresholds
    except configuration.ConfigurationError as error:
        raise UserError(str(error)) from None
    return thresholds


@contextmanager
def readable() -> Iterator[None]:
    """What is wrong with a program or its inputs becomes a usage error."""
    try:
        yield
    except (gradtool.SourceError, gradtool.InputError, gradtool.InputFileError, gradtool.OperationError) as error:
        raise UserError(str(error)) from None


def tell_notes(result: gradtool.EvaluationResult, before: Sequence[str] = (), *, tell_seed: bool) -> None:
    """Say on standard error what was assumed: ``before``, then the result's notes. ``tell_seed`` where the output itself does
    not say it."""
    for note in (*before, *result.notes):
        click.echo(f"note: {note}", err=True)
    if result.seed is not None and tell_seed:
        click.echo(f"note: random values were drawn with --seed {result.seed}", err=True)


def _text(arguments: Sequence[str], expr: str | None, program: str | None) -> tuple[str, Sequence[str]]:
    """The program's text, and the arguments that follow it."""
    if expr is not None and program is not None:
        raise click.UsageError("--expr and --file are two programs; give one")
    if expr is not None:
        return expr, arguments
    if program is not None:
        return options.read_program(program), arguments
    if not arguments:
        name = click.get_current_context().info_name
        raise click.UsageError(f'expected an expression, as in: gradtool {name} "x*y" x=1 y=2 (or --file, or --expr)')
    return arguments[0], arguments[1:]
