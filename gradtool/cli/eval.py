"""``gradtool eval``: an expression in, every node's gradient out, checked twice."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

import gradtool
from gradtool import report
from gradtool.cli import options
from gradtool.cli.console import make_page, progress, telling, writing
from gradtool.cli.exit_codes import of_evaluation
from gradtool.cli.files import write_file
from gradtool.cli.options import OutputFile, named_axes, positive_number, size_list
from gradtool.cli.program import ExpressionCommand, ProgramOptions, program_options, read_program, readable, tell_notes

REFERENCES = {
    "all": ("symbolic", "numeric"),
    "symbolic": ("symbolic",),
    "numeric": ("numeric",),
    "none": (),
}


@click.command("eval", cls=ExpressionCommand, short_help="Show every gradient of an expression, checked twice.")
@program_options
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
    program: ProgramOptions,
    reference: str,
    microbatches: dict[str, int] | None,
    sizes: tuple[int, ...] | None,
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
    if (microbatches is None) != (sizes is None):
        raise click.UsageError("--microbatches and --sizes go together, as in: --microbatches x:0,y:0 --sizes 3,1")
    codes = options.diagnostic_codes(fail_on)
    given = read_program(program)
    with readable(), progress(sys.stderr, os.environ) as say:
        result = gradtool.evaluate(
            given.graph,
            given.inputs,
            upstream=given.upstream,
            wrt=given.wrt,
            references=REFERENCES[reference],
            micro_batches=None if microbatches is None or sizes is None else (microbatches, sizes),
            seed=given.seed,
            dtype=given.dtype,
            max_size=given.max_size,
            progress=say,
            **settings,
        )
    code = of_evaluation(result, strict=strict, fail_on=codes)

    with telling():
        tell_notes(result, given.notes, tell_seed=format_name != "table")  # The table says it itself.
    with writing():
        page = make_page(sys.stdout, color, os.environ, full=full, max_elements=max_elements)
        report.render("eval", format_name, result, sys.stdout, page)
    for output in output_files:
        write_file("eval", output, result, report.Page(full=full, max_elements=max_elements))
    ctx.exit(code)
