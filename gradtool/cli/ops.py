"""``gradtool ops``: the catalogue of operations."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

import gradtool
from gradtool import report
from gradtool.cli import options
from gradtool.cli.console import make_page, writing
from gradtool.cli.evaluating import picture_file
from gradtool.cli.files import write_file, write_picture
from gradtool.cli.options import OutputFile, UserError


@click.command("ops", short_help="The operations: formulas, derivatives, and what holds at ties.")
@click.argument("name", required=False, metavar="[NAME]")
@click.option("--plot", type=picture_file, metavar="FILE", help="Write value and derivative as a .png or .svg picture.")
@options.output_options("ops")
def operations_command(
    name: str | None,
    plot: Path | None,
    format_name: str,
    output_files: tuple[OutputFile, ...],
    full: bool,
    max_elements: int,
    color: str,
) -> None:
    """List every operation of the language with its formula, its derivative, the range of that, and the value that is used where
    there is none; or show one of them in full, with a plot where it has one argument.

    \b
    Examples:
      gradtool ops
      gradtool ops gelu
      gradtool ops gelu --plot gelu.svg
      gradtool ops --format json
    """
    if name is None:
        entries = gradtool.list_operations()
    else:
        try:
            entries = gradtool.find_operations(name)
        except KeyError as error:
            raise UserError(error.args[0]) from None
    charts = [entry.chart for entry in entries if entry.chart is not None]
    if plot is not None and not charts:
        raise UserError(
            "--plot: there is nothing to draw; name an operation of one argument, as in: gradtool ops gelu --plot FILE"
        )
    with writing():
        page = make_page(sys.stdout, color, os.environ, full=full, max_elements=max_elements)
        report.render("ops", format_name, entries, sys.stdout, page)
    for output in output_files:
        write_file("ops", output, entries, report.Page(full=full, max_elements=max_elements))
    if plot is not None:
        write_picture(plot, charts)
