"""``gradtool trace``: a NumPy function in, every gradient of what it does out, with the lines where it does it."""

from __future__ import annotations

import contextlib
import json
import random
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import click

import gradtool
from gradtool.cli import options
from gradtool.cli.console import output_aside
from gradtool.cli.evaluating import Evaluation, Showing, evaluate, evaluation_options, show
from gradtool.cli.exit_codes import ExitCode
from gradtool.cli.options import UserError
from gradtool.cli.program import PointOptions, point_options, readable
from gradtool.tracebacks import user_traceback

NO_WORDS = ("nan", "inf", "infinity")
"""What is meant as a number, though the language writes it otherwise."""


class UserCodeFailed(click.ClickException):
    """The user's own code raised. The message is the user's traceback."""

    exit_code = ExitCode.FAILED


@click.command("trace", short_help="Show every gradient of a NumPy function, line by line.")
@click.argument("target", metavar="FILE::FUNCTION")
@click.argument("arguments", nargs=-1, metavar="[NAME=VALUE ...]")
@click.option(
    "--of",
    "output",
    type=int,
    metavar="N",
    help="Which of several values that the function returns: 0 is the first, and the default.",
)
@point_options
@click.option(
    "--definitions-only", is_flag=True, help="Of the module, run only imports, functions, classes and constants."
)
@evaluation_options
@click.pass_context
def trace_command(
    ctx: click.Context,
    /,
    *,
    target: str,
    arguments: tuple[str, ...],
    output: int | None,
    point: PointOptions,
    definitions_only: bool,
    evaluation: Evaluation,
    showing: Showing,
) -> None:
    """Run a plain NumPy function on traced arrays and show it as `gradtool eval` shows an expression: every operation with its
    value, upstream, local and downstream gradient, checked against SymPy and against central differences, and the line of
    your file where it stands.

    This runs your code: it imports the file and calls the function several times. FUNCTION may be CLASS.METHOD. Values are
    given as for eval; what is not given comes from the module's own FUNCTION_inputs(), or is left to the function's defaults.
    Whole numbers that the function needs as such (an axis), labels, masks and words are passed on and not differentiated.

    \b
    Examples:
      gradtool trace net.py::loss "x=randn(4,6)" "w=randn(6,5)"
      gradtool trace layers.py::Affine.forward "x=randn(4,6)" --upstream ones
      gradtool trace losses.py::softmax "x=randn(3,4)" "y=[0,3,1]" --format json
      gradtool trace net.py::Net.loss --inputs batch.npz --fail-on GT102,GT103
    """
    options.diagnostic_codes(showing.fail_on)  # Mistakes in options are told before any work is done.
    evaluation.settings()
    loading: Any = import_module("gradtool.targets.loading")
    named: Any = import_module("gradtool.targets.named_function")
    typed = options.assignments(arguments, None)
    with readable():
        read = point.read()
        values = {name: _value(text, name, point) for name, text in typed.items()}
    try:
        # The user's code may go to another folder; what the options name is meant from here.
        with output_aside(), contextlib.chdir("."):
            function = named.find_function(target, definitions_only=definitions_only)
            _start_random_numbers(point.seed)
            known = {p.name for p in function.parameters or ()}
            unused = [name for name in read if known and name not in known]
            inputs = function.inputs({**{name: read[name] for name in read if name not in unused}, **values})
            graph = gradtool.trace(
                function.call, inputs, output=output, title=f"{function.display}({', '.join(inputs)})"
            )
    except (loading.TargetError, gradtool.ArgumentsError) as error:
        raise UserError(str(error)) from None
    except loading.LoadError as error:
        raise UserCodeFailed(f"{error.message}\n{error.traceback_of_the_user}".rstrip()) from None
    except gradtool.Untraceable as error:
        raise _refused(target, error, loading) from None
    notes = [f"not used by the function, though in {point.inputs_file}: {', '.join(unused)}"] if unused else []
    with readable():
        given = point.at(graph, {name: inputs[name] for name in graph.inputs}, notes)
    ctx.exit(show(evaluate(given, evaluation), given.notes, showing, evaluation.plot))


def _start_random_numbers(seed: int) -> None:
    """Have the user's code draw the same random numbers in every run of gradtool with the same ``--seed``."""
    import numpy as np

    random.seed(seed)
    np.random.seed(seed % 2**32)


def _value(text: str, name: str, point: PointOptions) -> Any:
    """A value as the function is to get it: as the language reads it, but ``None``, booleans and words are Python's, a whole
    number alone stays one (as far as a float has every digit of it), and so do those in brackets where the name is one for
    labels or indices."""
    presets: Any = import_module("gradtool.targets.presets")
    plain = text.strip()
    if re.fullmatch(r"[+-]?[0-9]{1,15}", plain):
        return int(plain)
    if plain in ("None", "true", "false", "True", "False"):
        return {"none": None, "true": True, "false": False}[plain.lower()]
    if plain.startswith("[") and presets.role(name) in ("label", "mask"):
        import numpy as np

        with contextlib.suppress(ValueError):  # What is wrong with it is said below.
            found = np.asarray(json.loads(plain))
            if found.dtype.kind in "biu":
                return found
    try:
        return point.value(text, name)
    except gradtool.SourceError:
        if not plain.isidentifier() or plain.lower() in NO_WORDS:
            raise
        return plain


def _refused(target: str, error: gradtool.Untraceable, loading: Any) -> click.ClickException:
    """What to say of a function that cannot be traced: where it raises without being traced, its own traceback."""
    if isinstance(error, gradtool.FunctionRaised) and error.__cause__ is not None:
        return UserCodeFailed(f"{target} raised:\n{user_traceback(error.__cause__)}")
    where = "" if error.file is None else f"{loading.display_of(Path(error.file))}:{error.line}: "
    return UserError(f"{where}{error.reason}\nhint: what can be traced is NumPy on float64 arrays")
