"""``gradtool eval``: an expression in, every node's gradient out, checked twice."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

import gradtool
from gradtool import report
from gradtool.cli import options
from gradtool.cli.console import make_page, progress, telling, writing
from gradtool.cli.exit_codes import of_evaluation
from gradtool.cli.files import write_file
from gradtool.cli.options import OutputFile, name_list, named_axes, positive_number, size_list

REFERENCES = {
    "all": ("symbolic", "numeric"),
    "symbolic": ("symbolic",),
    "numeric": ("numeric",),
    "none": (),
}


class UserError(click.ClickException):
    """What the user gave does not work; the message says where and what to do."""


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


@click.command("eval", cls=ExpressionCommand, short_help="Show every gradient of an expression, checked twice.")
@click.argument("arguments", nargs=-1, metavar="EXPR [NAME=VALUE ...]")
@click.option("--expr", "expr", metavar="EXPR", help="The expression, where it begins with a minus: --expr=-x*y.")
@click.option(
    "-f",
    "--file",
    "program",
    metavar="FILE",
    type=click.Path(),
    help="Read the program from FILE; - is standard input.",
)
@click.option(
    "--inputs",
    "inputs_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Read values from a .json, .toml or .npz file; those on the command line win.",
)
@click.option("--of", "of", metavar="NAME", help="The name to differentiate, instead of the last statement.")
@click.option(
    "--wrt",
    multiple=True,
    type=name_list,
    metavar="NAMES",
    help="Differentiate with respect to these inputs alone. Repeatable.",
)
@click.option("--upstream", metavar="VALUE", help="The upstream gradient of the output: a value of its shape, or ones.")
@click.option(
    "--reference",
    type=click.Choice(tuple(REFERENCES)),
    default="all",
    show_default=True,
    help="What the gradients are checked against.",
)
@click.option(
    "--step",
    type=positive_number,
    metavar="H",
    help="Plain central differences of this step, instead of steps chosen and extrapolated.",
)
@click.option("--jacobians", is_flag=True, help="Show the Jacobian of every operation that is not elementwise.")
@click.option(
    "--clip-norm",
    type=positive_number,
    metavar="C",
    help="Show what clipping all gradients together to norm C would leave.",
)
@click.option(
    "--clip-value", type=positive_number, metavar="C", help="Show what clipping every entry to [-C, C] would leave."
)
@click.option(
    "--microbatches",
    type=named_axes,
    metavar="NAME:AXIS,...",
    help="Show what gradients accumulated over micro-batches would be: the inputs to cut, and along which axis.",
)
@click.option("--sizes", type=size_list, metavar="N,N,...", help="How many samples each micro-batch gets.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="For values such as randn(3,4).",
)
@click.option(
    "--dtype",
    type=click.Choice(("float64", "float32")),
    default="float64",
    show_default=True,
    help="The precision to compute in.",
)
@click.option(
    "--max-size",
    type=click.IntRange(min=1),
    default=10_000_000,
    show_default=True,
    metavar="N",
    help="Refuse arrays of more entries.",
)
@click.option(
    "--max-symbolic",
    type=click.IntRange(min=0),
    default=200_000,
    show_default=True,
    metavar="N",
    help="Leave SymPy out where it would have more scalar operations to do.",
)
@options.output_options("eval")
@options.verdict_options("eval")
@click.pass_context
def evaluate_command(
    ctx: click.Context,
    /,
    *,
    arguments: tuple[str, ...],
    expr: str | None,
    program: str | None,
    inputs_file: Path | None,
    of: str | None,
    wrt: tuple[tuple[str, ...], ...],
    upstream: str | None,
    reference: str,
    microbatches: dict[str, int] | None,
    sizes: tuple[int, ...] | None,
    seed: int,
    max_size: int,
    format_name: str,
    output_files: tuple[OutputFile, ...],
    full: bool,
    max_elements: int,
    color: str,
    strict: bool,
    fail_on: tuple[tuple[str, ...], ...],
    **settings: Any,
) -> None:
    """Show the value, upstream, local and downstream gradient of every node of EXPR, checked against SymPy and against
    central differences.

    EXPR is one expression, or statements separated by semicolons of which the last is the output. Every name that is
    not defined is an input, and gets its value as NAME=VALUE: a number, a nested list, @file.npy, @file.npz:key,
    @file.csv, @file.json, or randn(3,4), rand, zeros, ones, full, arange, linspace, eye.

    \b
    Examples:
      gradtool eval "(x+y)*max(y,z)" x=1 y=2 z=0
      gradtool eval "sin(x)/x" x=1.2 --reference numeric
      gradtool eval "2*dot(x,x)" "x=[0,1,2,3]" --format json
      gradtool eval "X@W" "X=randn(4,3)" "W=randn(3,2)" --upstream ones
      gradtool eval -f network.txt --inputs values.json --output-file out.json
      gradtool eval -- "-x*y" x=1 y=2
    """
    text, values = _program(arguments, expr, program)
    texts = options.assignments(values, None if program is not None else text)
    codes = options.diagnostic_codes(fail_on)
    if (microbatches is None) != (sizes is None):
        raise click.UsageError("--microbatches and --sizes go together, as in: --microbatches x:0,y:0 --sizes 3,1")
    try:
        read = {} if inputs_file is None else dict(gradtool.read_inputs(inputs_file, seed=seed, max_size=max_size))
        typed = {name: gradtool.parse_value(value, name, seed=seed, max_size=max_size) for name, value in texts.items()}
        where = "standard input" if program == "-" else program
        graph = gradtool.parse(text, input_names=(*read, *typed), of=of, filename=where)
        # A file of inputs may serve several programs; a name that was typed must mean something.
        unused = [name for name in read if name not in graph.inputs]
        inputs = {name: value for name, value in {**read, **typed}.items() if name in typed or name in graph.inputs}
        seeds: Any = upstream
        if upstream is not None and upstream != "ones":
            seeds = gradtool.parse_value(upstream, "upstream", seed=seed, max_size=max_size)
        random = any(getattr(value, "random", False) for value in (*inputs.values(), seeds))
        with progress(sys.stderr, os.environ) as say:
            result = gradtool.evaluate(
                graph,
                inputs,
                upstream=seeds,
                wrt=options.flatten(wrt) or None,
                references=REFERENCES[reference],
                micro_batches=None if microbatches is None or sizes is None else (microbatches, sizes),
                seed=seed if random else None,
                max_size=max_size,
                progress=say,
                **settings,
            )
    except (gradtool.SourceError, gradtool.InputError, gradtool.InputFileError, gradtool.OperationError) as error:
        raise UserError(str(error)) from None
    code = of_evaluation(result, strict=strict, fail_on=codes)

    with telling():
        if unused:
            click.echo(f"note: not used by the program, though in {inputs_file}: {', '.join(unused)}", err=True)
        for note in result.notes:
            click.echo(f"note: {note}", err=True)
        if result.seed is not None and format_name != "table":  # The table says it itself.
            click.echo(f"note: random values were drawn with --seed {result.seed}", err=True)
    with writing():
        page = make_page(sys.stdout, color, os.environ, full=full, max_elements=max_elements)
        report.render("eval", format_name, result, sys.stdout, page)
    for output in output_files:
        write_file("eval", output, result, report.Page(full=full, max_elements=max_elements))
    ctx.exit(code)


def _program(arguments: Sequence[str], expr: str | None, program: str | None) -> tuple[str, Sequence[str]]:
    """The program's text, and the arguments that follow it."""
    if expr is not None and program is not None:
        raise click.UsageError("--expr and --file are two programs; give one")
    if expr is not None:
        return expr, arguments
    if program is not None:
        return options.read_program(program), arguments
    if not arguments:
        raise click.UsageError('expected an expression, as in: gradtool eval "x*y" x=1 y=2 (or --file, or --expr)')
    return arguments[0], arguments[1:]
