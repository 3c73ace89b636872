"""``gradtool graph``: an expression in, its computation graph out, as a drawing or for another program to draw."""

from __future__ import annotations

import os
import sys

import click

import gradtool
from gradtool import report
from gradtool.cli import options
from gradtool.cli.console import make_page, progress, telling, writing
from gradtool.cli.evaluating import REFERENCES
from gradtool.cli.exit_codes import of_graph
from gradtool.cli.files import extras_installed, write_file
from gradtool.cli.options import OutputFile, name_list
from gradtool.cli.other_program import read_other
from gradtool.cli.program import (
    ExpressionCommand,
    ProgramOptions,
    configured_thresholds,
    program_options,
    read_program,
    readable,
    tell_notes,
)


@click.command("graph", cls=ExpressionCommand, short_help="Draw the computation graph of an expression.")
@program_options
@click.option(
    "--depth",
    type=click.IntRange(min=0),
    metavar="N",
    help="Draw only what is within N edges of the output, or of --around.",
)
@click.option("--around", metavar="NODE", help="Draw only what is near this node: a name, or a label such as n7.")
@click.option(
    "--paths",
    type=name_list,
    multiple=True,
    metavar="NAMES",
    help="List the paths that carry most of the gradient to these inputs. Repeatable.",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="K",
    help="How many paths --paths lists for each input.",
)
@click.option(
    "--diff",
    "other",
    metavar="OTHER",
    help='Compare with other values, as in "x=2 y=3", or with another program at the same values.',
)
@click.option(
    "--reference",
    type=click.Choice(tuple(REFERENCES)),
    default="none",
    show_default=True,
    help="What the gradients are checked against; the verdicts are shown at the inputs.",
)
@options.output_options("graph")
@options.verdict_options("graph")
@click.pass_context
def graph_command(
    ctx: click.Context,
    /,
    *,
    program: ProgramOptions,
    depth: int | None,
    around: str | None,
    paths: tuple[tuple[str, ...], ...],
    top: int,
    other: str | None,
    reference: str,
    format_name: str,
    output_files: tuple[OutputFile, ...],
    full: bool,
    max_elements: int,
    color: str,
    strict: bool,
    fail_on: tuple[tuple[str, ...], ...],
) -> None:
    """Draw the computation graph of EXPR: every node with its value and upstream gradient, every edge with its local
    and downstream gradient.

    The output is on top, and lanes lead from each node down to what it is computed from; a node that is used twice is
    reached by two edges. EXPR and its values are as for gradtool eval.

    \b
    Examples:
      gradtool graph "(x+y)*max(y,z)" x=1 y=2 z=0
      gradtool graph "(x+y)*max(y,z)" x=1 y=2 z=0 --paths y
      gradtool graph -f network.txt --inputs values.json --around h2 --depth 3
      gradtool graph "sum(sigmoid(W@x))" "W=randn(2,3)" "x=[1,2,3]" --format json
      gradtool graph "sum(relu(x))" "x=[1,-1]" --diff "x=[1,1]"
      gradtool graph "x*x" x=3 --diff "x^2" --output-file x.json
      gradtool graph "(x+y)*y" x=1 y=2 --paths y --output-file graph.html
    """
    codes = options.diagnostic_codes(fail_on)
    given = read_program(program)
    thresholds = configured_thresholds()
    point, against, seed = program.point, None, given.seed
    if other is not None:
        with readable():
            against = read_other(other, given.graph, given.inputs, seed=point.seed, max_size=point.max_size)
        seed = point.seed if any(getattr(value, "random", False) for value in against.inputs.values()) else seed
    with readable(), progress(sys.stderr, os.environ) as say:
        result = gradtool.draw(
            given.graph,
            given.inputs,
            depth=depth,
            around=around,
            paths=options.flatten(paths),
            top=top,
            against=against,
            references=REFERENCES[reference],
            upstream=given.upstream,
            wrt=given.wrt,
            seed=seed,
            dtype=given.dtype,
            max_size=given.max_size,
            thresholds=thresholds,
            progress=say,
        )
    code = of_graph(result, strict=strict, fail_on=codes)
    with telling():
        tell_notes(result.evaluation, given.notes, tell_seed=format_name != "terminal")  # The drawing says it itself.
    with writing(), extras_installed():
        page = make_page(sys.stdout, color, os.environ, full=full, max_elements=max_elements)
        report.render("graph", format_name, result, sys.stdout, page)
    for output in output_files:
        write_file("graph", output, result, report.Page(full=full, max_elements=max_elements))
    ctx.exit(code)
