"""What ``eval`` and ``trace`` have in common: what is computed at a point, and how the result is shown."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import click

import gradtool
from gradtool import report
from gradtool.cli import options
from gradtool.cli.console import make_page, progress, telling, writing
from gradtool.cli.exit_codes import ExitCode, of_evaluation
from gradtool.cli.files import extras_installed, write_file, write_picture
from gradtool.cli.options import OutputFile, named_axes, positive_number, size_list
from gradtool.cli.program import ProgramAtPoint, configured_thresholds, readable, tell_notes

if TYPE_CHECKING:
    from gradtool.results import Bars, Chart

F = TypeVar("F", bound=Callable[..., Any])

REFERENCES = {
    "all": ("symbolic", "numeric"),
    "symbolic": ("symbolic",),
    "numeric": ("numeric",),
    "none": (),
}


class Sweep(NamedTuple):
    """An input and the range it goes through."""

    name: str
    low: float
    high: float


class Evaluation(NamedTuple):
    """What was typed for the options of ``evaluation_options``. The names are those of ``gradtool.evaluate``, but for
    ``reference``, ``microbatches`` and ``sizes``."""

    reference: str
    step: float | None
    jacobians: bool
    clip_norm: float | None
    clip_value: float | None
    microbatches: dict[str, int] | None
    sizes: tuple[int, ...] | None
    max_symbolic: int
    hessian: bool
    max_hessian: int
    sweeps: tuple[Sweep, ...]
    step_errors: tuple[str, ...]
    norms: bool
    plot: Path | None
    steps: bool

    def settings(self) -> dict[str, Any]:
        """The keywords for ``gradtool.evaluate``. Raises ``click.UsageError`` where options do not go together."""
        found = self._asdict()
        for name in ("sweeps", "step_errors", "norms", "plot"):
            del found[name]
        axes, sizes = found.pop("microbatches"), found.pop("sizes")
        if (axes is None) != (sizes is None):
            raise click.UsageError("--microbatches and --sizes go together, as in: --microbatches x:0,y:0 --sizes 3,1")
        found["micro_batches"] = None if axes is None else (axes, sizes)
        found["references"] = REFERENCES[found.pop("reference")]
        return found

    def charts(self, given: ProgramAtPoint, result: gradtool.EvaluationResult) -> Iterator[Chart | Bars]:
        """The charts that were asked for. Raises what ``gradtool.sweep`` and ``gradtool.step_errors`` raise."""
        for sweep in self.sweeps:
            yield gradtool.sweep(given.graph, given.inputs, *sweep)
        for entry in self.step_errors:
            name, index = _entry(entry)
            yield gradtool.step_errors(given.graph, given.inputs, name, index)
        if self.norms or (self.plot is not None and not self.sweeps and not self.step_errors):
            yield gradtool.gradient_norms(result)


class Showing(NamedTuple):
    """What was typed for how the result is written, and what makes the command fail."""

    format_name: str
    output_files: tuple[OutputFile, ...]
    full: bool
    max_elements: int
    color: str
    strict: bool
    fail_on: tuple[tuple[str, ...], ...]

    def wants(self, format_name: str) -> bool:
        """Whether the result is written in a format."""
        return format_name in (self.format_name, *(output.format_name for output in self.output_files))


def evaluation_options(function: F) -> F:
    """The options that say what is computed, as the keyword ``evaluation``, and how it is shown, as ``showing``."""

    @wraps(function)
    def gathered(**typed: Any) -> Any:
        showing = Showing(**{name: typed.pop(name) for name in Showing._fields})
        if showing.wants("markdown"):
            typed["steps"] = True  # It shows nothing else.
        evaluation = Evaluation(**{name: typed.pop(name) for name in Evaluation._fields})
        return function(evaluation=evaluation, showing=showing, **typed)

    command = cast(F, gathered)
    for decorate in reversed(
        (
            click.option("--reference", type=click.Choice(tuple(REFERENCES)), default="all", show_default=True,
                         help="What the gradients are checked against."),
            click.option("--step", type=positive_number, metavar="H",
                         help="Plain central differences of this step, instead of steps chosen and extrapolated."),
            click.option("--jacobians", is_flag=True,
                         help="Show the Jacobian of every operation that is not elementwise."),
            click.option("--clip-norm", type=positive_number, metavar="C",
                         help="Show what clipping all gradients together to norm C would leave."),
            click.option("--clip-value", type=positive_number, metavar="C",
                         help="Show what clipping every entry to [-C, C] would leave."),
            click.option("--microbatches", type=named_axes, metavar="NAME:AXIS,...",
                         help="Show what gradients accumulated over micro-batches would be: the inputs to cut, and along "
                              "which axis."),
            click.option("--sizes", type=size_list, metavar="N,N,...", help="How many samples each micro-batch gets."),
            click.option("--max-symbolic", type=click.IntRange(min=0), default=200_000, show_default=True, metavar="N",
                         help="Leave SymPy out where it would have more scalar operations to do."),
            click.option("--hessian", is_flag=True, help="Show all second derivatives, checked as the gradients are."),
            click.option("--max-hessian", type=click.IntRange(min=0), default=250_000, show_default=True, metavar="N",
                         help="Refuse a Hessian of more entries."),
            click.option("--sweep", "sweeps", type=sweep_range, multiple=True, metavar="NAME=LOW:HIGH",
                         help="Draw value and derivative of a scalar program over a range of a scalar input. Repeatable."),
            click.option("--step-errors", multiple=True, metavar="NAME",
                         help="Draw the error of central differences over their step, for an input or an entry: W[0,1]."),
            click.option("--norms", is_flag=True, help="Draw the gradient's norm at every named node."),
            click.option("--plot", type=picture_file, metavar="FILE",
                         help="Write these charts (the norms, where none is asked for) as a .png or .svg picture."),
            click.option("--steps", is_flag=True, help="Show the calculation as a lecture writes it on the board."),
            options.output_options("eval"),
            options.verdict_options("eval"),
        )
    ):  # fmt: skip
        command = decorate(command)
    return command


def evaluate(given: ProgramAtPoint, evaluation: Evaluation) -> gradtool.EvaluationResult:
    """Forward, backward and references, with progress on a terminal. Raises ``click.ClickException``."""
    settings = evaluation.settings()
    if evaluation.plot is not None:
        with extras_installed():  # Told before any work is done.
            report.load_picture_library()
    thresholds = configured_thresholds()
    for sweep in evaluation.sweeps:  # An input that is swept needs no value of its own.
        if sweep.name not in given.inputs and sweep.name in given.graph.inputs:
            given.inputs[sweep.name] = (sweep.low + sweep.high) / 2
    with readable(), progress(sys.stderr, os.environ) as say:
        result = gradtool.evaluate(
            given.graph,
            given.inputs,
            upstream=given.upstream,
            wrt=given.wrt,
            seed=given.seed,
            dtype=given.dtype,
            max_size=given.max_size,
            thresholds=thresholds,
            progress=say,
            **settings,
        )
        return replace(result, charts=tuple(evaluation.charts(given, result)))


def show(
    result: gradtool.EvaluationResult, notes: Sequence[str], showing: Showing, plot: Path | None = None
) -> ExitCode:
    """Write the result where it is wanted; the exit code comes back."""
    code = of_evaluation(result, strict=showing.strict, fail_on=options.diagnostic_codes(showing.fail_on))
    with telling():
        if showing.format_name == "concise" and (result.charts or result.walk is not None):
            click.echo("note: --format concise has no place for charts and steps; --format table shows them", err=True)
        tell_notes(result, notes, tell_seed=showing.format_name != "table")  # The table says it itself.
    with writing():
        page = make_page(sys.stdout, showing.color, os.environ, full=showing.full, max_elements=showing.max_elements)
        report.render("eval", showing.format_name, result, sys.stdout, page)
    for output in showing.output_files:
        write_file("eval", output, result, report.Page(full=showing.full, max_elements=showing.max_elements))
    if plot is not None:
        write_picture(plot, result.charts)
    return code


def sweep_range(text: str) -> Sweep:
    """``x=-4:4``. Raises ``click.BadParameter``."""
    name, equals, ends = text.partition("=")
    low, colon, high = ends.partition(":")
    try:
        found = Sweep(name.strip(), float(low), float(high))
    except ValueError:
        found = Sweep("", 0.0, 0.0)
    if not (equals and colon and found.name.isidentifier()):
        raise click.BadParameter(f"expected NAME=LOW:HIGH, as in x=-4:4, found {text!r}")
    return found


def picture_file(text: str) -> Path:
    """A file that a picture can be written to. Raises ``click.BadParameter``."""
    path = Path(text)
    if report.picture_format(path) is None:
        raise click.BadParameter(f"cannot tell the format from {text!r}; a picture's name ends in .png or .svg")
    if not path.parent.is_dir():
        raise click.BadParameter(f"there is no folder {str(path.parent)!r}")
    return path


def _entry(text: str) -> tuple[str, tuple[int, ...] | None]:
    """``W[0,1]`` as a name and an index, ``x`` as a name alone. Raises ``click.UsageError``."""
    name, bracket, rest = text.partition("[")
    if not bracket:
        return text.strip(), None
    try:
        return name.strip(), tuple(int(part) for part in rest.removesuffix("]").split(","))
    except ValueError:
        raise click.UsageError(f"--step-errors: expected NAME or NAME[INDEX], as in W[0,1], found {text!r}") from None
