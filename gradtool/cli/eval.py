"""``gradtool eval``: an expression in, every node's gradient out, checked twice."""

from __future__ import annotations

import click

from gradtool.cli import options
from gradtool.cli.evaluating import Evaluation, Showing, evaluate, evaluation_options, show
from gradtool.cli.program import ExpressionCommand, ProgramOptions, program_options, read_program


@click.command("eval", cls=ExpressionCommand, short_help="Show every gradient of an expression, checked twice.")
@program_options
@evaluation_options
@click.pass_context
def evaluate_command(
    ctx: click.Context, /, *, program: ProgramOptions, evaluation: Evaluation, showing: Showing
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
      gradtool eval "log(1+exp(x*y))" x=1 y=2 --hessian
      gradtool eval -f network.txt --inputs values.json --output-file out.json
      gradtool eval "gelu(x)" --sweep x=-4:4 --plot gelu.png
      gradtool eval "sin(x)/x" x=1.2 --step-errors x
      gradtool eval -- "-x*y" x=1 y=2
    """
    options.diagnostic_codes(showing.fail_on)  # Mistakes in options are told before any work is done.
    evaluation.settings()
    given = read_program(program)
    ctx.exit(show(evaluate(given, evaluation), given.notes, showing, evaluation.plot))
