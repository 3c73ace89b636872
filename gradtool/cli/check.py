"""``gradtool check``: a module in, a verdict on each hand-written gradient in it out."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

import gradtool
from gradtool import configuration, report, selection
from gradtool.cli import options
from gradtool.cli.console import make_page, progress, telling, width, writing
from gradtool.cli.exit_codes import ExitCode, of_check, why_not_agreed
from gradtool.cli.files import write_file
from gradtool.cli.options import OutputFile, UserError, positive_number
from gradtool.report.codes import TITLES

if TYPE_CHECKING:
    from gradtool.isolation import Finished, Progress
    from gradtool.isolation.gathering import Gathered
    from gradtool.results import CheckReport
    from gradtool.targets.given import Given, Names

T = TypeVar("T")

TIMEOUT = 60.0
EXAMPLE = "gradtool check layers.py"
MOST_EXCLUDED = 10
"""Files that the note on what was excluded names."""


def job_count(text: str) -> int:
    """A number of processes, ``auto`` being 0. Raises ``click.BadParameter``."""
    if text.lower() == "auto":
        return 0
    if not text.isdecimal():
        raise click.BadParameter(f"expected a whole number or auto, found {text!r}")
    return int(text)


def cluster_address(text: str) -> str:
    """The address of a Dask scheduler. Raises ``click.BadParameter``."""
    if not re.fullmatch(r"[a-z]+://[^\s/]+:\d+", text):
        raise click.BadParameter(f"expected the address of a Dask scheduler, as tcp://HOST:PORT, found {text!r}")
    return text


def expression(text: str) -> selection.Expression:
    """The expression of ``-k``. Raises ``click.BadParameter``."""
    try:
        return selection.parse_expression(text)
    except selection.SelectionError as error:
        raise click.BadParameter(str(error)) from None


def not_negative(text: str) -> float:
    """A finite number of 0 or more. Raises ``click.BadParameter``."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not (isfinite(number) and number >= 0):
        raise click.BadParameter(f"expected a number of 0 or more, found {text!r}")
    return number


@click.command("check", short_help="Check the hand-written gradients of Python files.")
@click.argument("targets", nargs=-1, metavar="TARGET...")
@click.option(
    "-k",
    "wanted",
    type=expression,
    default="",
    metavar="EXPRESSION",
    help="Only targets whose id matches: words, and, or, not and parentheses, as in pytest.",
)
@click.option(
    "--list",
    "list_only",
    is_flag=True,
    help="Show what would be checked, how it would be called and with which inputs, and check nothing.",
)
@click.option(
    "--inputs",
    "inputs_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Read values of inputs from a .json, .toml or .npz file; those on the command line win.",
)
@click.option(
    "--arg",
    "arguments",
    multiple=True,
    metavar="[TARGET:]NAME=VALUE",
    help="The value of an input: a number, a list, @file, randn(3,4), ... Repeatable.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="[TARGET:]NAME=VALUE",
    help="The value of a hyper-parameter; any other text is a string. Repeatable.",
)
@click.option(
    "--write-config",
    is_flag=True,
    help="Write a draft of the configuration for targets whose inputs could not be inferred, and check nothing.",
)
@click.option(
    "--points",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    metavar="N",
    help="Random points to look at beside the given one.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="For random points, upstream gradients and inputs.",
)
@click.option(
    "--jobs",
    type=job_count,
    default="auto",
    show_default=True,
    metavar="N",
    help="In how many processes to check at a time, files and targets of one file; auto or 0 is one for each core.",
)
@click.option(
    "--scheduler",
    type=cluster_address,
    metavar="ADDRESS",
    help="Check on the Dask cluster at tcp://HOST:PORT, where the files are under the same paths; --jobs is then how many of "
    "its slots to use, by default all.",
)
@click.option(
    "--timeout",
    type=positive_number,
    default=str(int(TIMEOUT)),
    show_default=True,
    metavar="SECONDS",
    help="How long a target, or the import of a file, may take.",
)
@click.option("--maxfail", type=click.IntRange(min=1), metavar="N", help="Stop after N targets that are WRONG.")
@click.option(
    "--baseline",
    "baseline_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Do not fail for what is in FILE; it is shown all the same.",
)
@click.option(
    "--write-baseline",
    "new_baseline",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write all that is WRONG to FILE, and do not fail for it.",
)
@click.option(
    "--definitions-only/--no-definitions-only",
    default=False,
    help="Run only imports, functions, classes and constants of a file: for scripts that do work on import.",
)
@click.option(
    "--resolution",
    type=positive_number,
    metavar="R",
    help="OK says that an error of R times the gradient's size would have been seen.  [default: 1e-4, 1e-2 in "
    "single precision]",
)
@click.option("--rtol", type=not_negative, metavar="R", help="A fixed relative tolerance, instead of measured bounds.")
@click.option("--atol", type=not_negative, metavar="A", help="A fixed absolute tolerance, instead of measured bounds.")
@click.option(
    "--self-test",
    is_flag=True,
    help="Plant faults in gradients that are OK, and say how many a check catches: what the verdict is worth.",
)
@click.option(
    "--reproduce",
    "tests_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the smallest case of each target that is WRONG to FILE, as a test for pytest.",
)
@click.option("--allow-nothing", is_flag=True, help="Exit with 0, not 5, where nothing to check was found.")
@options.output_options("check")
@options.verdict_options("check")
@click.pass_context
def check_command(
    ctx: click.Context,
    /,
    *,
    targets: tuple[str, ...],
    wanted: selection.Expression,
    list_only: bool,
    inputs_file: Path | None,
    arguments: tuple[str, ...],
    settings: tuple[str, ...],
    write_config: bool,
    scheduler: str | None,
    maxfail: int | None,
    baseline_file: Path | None,
    new_baseline: Path | None,
    rtol: float | None,
    atol: float | None,
    self_test: bool,
    tests_file: Path | None,
    allow_nothing: bool,
    format_name: str,
    output_files: tuple[OutputFile, ...],
    full: bool,
    max_elements: int,
    color: str,
    fail_on: tuple[tuple[str, ...], ...],
    **configurable: Any,
) -> None:
    """Find the hand-written gradients in Python files and check each one.

    TARGET is a file, a folder, a module or a package, or one of these with ::name (* and ? match as in file names). Functions
    and classes need no preparation: pairs such as affine_forward and affine_backward, classes with forward and backward,
    f and f_grad, torch.autograd.Function and others are found by their names, and inputs are made from docstrings,
    annotations and trial. --list shows what was found.

    This imports the files and runs the functions in them, in processes of their own: check only code that you would run.

    \b
    Examples:
      gradtool check layers.py
      gradtool check layers.py::affine --arg "x=randn(4,6)" --arg "w=randn(6,5)"
      gradtool check src/ -k "conv and not naive" --jobs 4 --maxfail 1
      gradtool check mypackage.layers --list
      gradtool check src/ --format github --output-file junit=report.xml --strict
      gradtool check src/ --write-baseline known.json
      gradtool check layers.py --reproduce test_layers.py
      gradtool check train.py --definitions-only --set stride=2
      gradtool check src/ --scheduler tcp://10.0.0.1:8786
    """
    found, texts = _configured(targets)
    chosen = _chosen(ctx, found, configurable)
    codes = options.diagnostic_codes(
        fail_on or (found.fail_on,),
        [code for code in TITLES if code.startswith("GC")],
        "--fail-on" if fail_on else f"{found.file}: fail-on",
    )
    if list_only or write_config:
        _only_listed(list_only, write_config, format_name, output_files)
        if self_test or tests_file is not None:
            raise click.UsageError("--self-test and --reproduce need verdicts: leave out --list and --write-config")
    gathering: Any = import_module("gradtool.isolation.gathering")
    isolation: Any = import_module("gradtool.isolation")
    loading: Any = import_module("gradtool.targets.loading")
    baselines: Any = import_module("gradtool.acceptance.baseline")
    known_file = baseline_file or (None if found.baseline is None else found.folder / found.baseline)
    try:
        given = _given(arguments, settings, found, chosen["seed"])
        if inputs_file is not None:
            read = gradtool.read_inputs(inputs_file, seed=chosen["seed"])
            given = replace(
                given, from_file={name: one.value for name, one in read.items()}, file=inputs_file.as_posix()
            )
        known = None if known_file is None or new_baseline is not None else baselines.read(known_file, codes)
        gathered = gathering.gather(texts, found.excludes)
    except loading.TargetError as error:
        raise UserError(str(error) if targets else f"{found.file}: paths: {error}") from None
    except (gradtool.SourceError, gradtool.InputFileError, baselines.BaselineError) as error:
        raise UserError(str(error)) from None
    except configuration.ConfigurationError as error:
        raise UserError(str(error)) from None
    except loading.LoadError as error:
        with telling():
            click.echo(f"{error.traceback_of_the_user.rstrip()}\nError: {error.message}", err=True)
        ctx.exit(ExitCode.FAILED)

    def look_over(names: Mapping[str, tuple[Names, ...]]) -> None:
        """See that all names the user typed mean something."""
        if (message := gathering.unfulfilled(gathered.wishes, names)) is not None:
            raise UserError(message)
        if len(names) == len(gathered.files):
            typed = replace(given, configured={}, configured_settings={}, skip={}, intentional={})
            if messages := typed.unused([one for of_file in names.values() for one in of_file]):
                raise UserError("\n".join(messages))

    rules = {name: chosen[name] for name in ("points", "seed", "resolution")} | {"rtol": rtol, "atol": atol}
    tasks = [
        isolation.Task(
            file.path, file.display, given, rules, selection.Selection(file.names, wanted),
            definitions_only=chosen["definitions_only"], list_only=list_only or write_config,
            self_test=self_test, reproduce=tests_file is not None, spare_seconds=min(10.0, chosen["timeout"] / 4),
        )
        for file in gathered.files
    ]  # fmt: skip
    with progress(sys.stderr, os.environ) as say:
        try:
            finished: Finished = isolation.run(
                tasks, jobs=chosen["jobs"], timeout=chosen["timeout"], maxfail=maxfail, seed=chosen["seed"],
                scheduler=scheduler, accept=None if known is None else known.accept, look_over=look_over, progress=_shown(say),
            )  # fmt: skip
        except (isolation.MisuseError, isolation.ClusterError) as error:
            raise UserError(str(error)) from None

    with telling():
        if gathered.excluded:
            names = ", ".join(gathered.excluded[:MOST_EXCLUDED])
            more = len(gathered.excluded) - MOST_EXCLUDED
            click.echo(f"note: excluded by {found.file}: {names}{f' and {more} more' if more > 0 else ''}", err=True)
        for message in gathering.unmeant(found, finished.found, whole=_is_whole(found, targets, gathered, finished)):
            click.echo(f"warning: {message}", err=True)
        for note in gathered.notes:
            click.echo(f"note: {note}", err=True)
        in_table = format_name == "table" and not (list_only or write_config)  # It says them itself.
        for note in () if in_table else finished.report.notes:
            click.echo(f"note: {note}", err=True)
        if known is not None:
            whole = not finished.stopped and not gathered.wishes and not wanted.steps
            there = {file: [one.name for one in names] for file, names in finished.found.items()} if whole else {}
            for failure in known.unneeded(finished.report.targets, there):
                what = failure.gradient or "the target"
                click.echo(f"note: {known.path} needs no {failure.code} of {what} of {failure.id} any more", err=True)
    if write_config:
        drafts: Any = import_module("gradtool.isolation.drafting")
        _write(drafts.draft(finished, found.folder), "note: no target needs an entry in the configuration")
        ctx.exit(_code_of_list(finished))
    name = "list" if list_only else "check"
    with writing():
        page = make_page(sys.stdout, color, os.environ, full=full, max_elements=max_elements)
        report.render(name, format_name, finished.report, sys.stdout, page)
    for output in output_files:
        write_file(name, output, finished.report, report.Page(full=full, max_elements=max_elements))
    if tests_file is not None:
        _write_tests(tests_file, finished.report)
    code = _code_of_list(finished) if list_only else of_check(finished.report, strict=chosen["strict"], fail_on=codes)
    if new_baseline is not None:
        code = _write_baseline(new_baseline, finished, baselines, fail_on=codes, strict=chosen["strict"])
    if not list_only and (why := why_not_agreed(finished.report, code, codes)) is not None:
        with telling():
            click.echo(f"note: {why}", err=True)
    ctx.exit(ExitCode.AGREED if allow_nothing and code is ExitCode.NOTHING else code)


def _configured(targets: tuple[str, ...]) -> tuple[configuration.Configuration, tuple[str, ...]]:
    """The configuration nearest to the first target, and what is to be checked."""
    try:
        found = configuration.nearest(targets)
    except configuration.ConfigurationError as error:
        raise UserError(str(error)) from None
    if targets:
        return found, targets
    if not found.paths:
        where = f"{found.file} has no paths" if found.file is not None else "no configuration names paths"
        raise click.UsageError(f"expected a file, folder or module to check, as in: {EXAMPLE} ({where})")
    return found, tuple(str(found.folder / text) if _is_path(found, text) else text for text in found.paths)


def _is_path(found: configuration.Configuration, text: str) -> bool:
    place = text.partition("::")[0]
    return (found.folder / place).exists() or place.endswith(".py") or "/" in place


def _is_whole(found: configuration.Configuration, targets: tuple[str, ...], gathered: Gathered, done: Finished) -> bool:
    """Whether all that the configuration is for was looked at."""
    named = [Path(text).resolve() for text in targets]
    everything = not targets or any(found.folder.resolve().is_relative_to(place) for place in named)
    return everything and not gathered.excluded and not done.stopped and len(done.found) == len(gathered.files)


def _chosen(ctx: click.Context, found: configuration.Configuration, values: dict[str, Any]) -> dict[str, Any]:
    """The values of options that the configuration may have as well: the command line's, else its, else the default."""
    chosen = {}
    for name, value in values.items():
        configured = getattr(found, name)
        typed = ctx.get_parameter_source(name) is not ParameterSource.DEFAULT
        chosen[name] = value if typed or configured is None else configured
    return chosen


def _only_listed(list_only: bool, write_config: bool, format_name: str, output_files: tuple[OutputFile, ...]) -> None:
    """See that nothing was asked for that needs verdicts. Raises ``click.UsageError``."""
    if list_only and write_config:
        raise click.UsageError("--list and --write-config are two things to do instead of a check; give one")
    if write_config and output_files:
        raise click.UsageError("--write-config writes TOML to standard output; --output-file has no part in it")
    formats = report.formats("list")
    for name in (format_name, *(output.format_name for output in output_files)) if list_only else ():
        if name not in formats:
            raise click.UsageError(f"--list can be written as {' or '.join(formats)}, not as {name}")


# Values ----------------------------------------------------------------------------------------------------------------


def _given(
    arguments: tuple[str, ...],
    settings: tuple[str, ...],
    found: configuration.Configuration,
    seed: int,
) -> Given:
    """All values of inputs and hyper-parameters on the command line and in the configuration, parsed."""
    typed, typed_by_target = _typed("--arg", arguments, lambda text, name: configuration.input_value(text, name, seed))
    set_, set_by_target = _typed("--set", settings, lambda text, name: configuration.setting_value(text, name, seed))
    return replace(
        found.given(seed),
        arguments=typed,
        by_target=typed_by_target,
        settings=set_,
        settings_by_target=set_by_target,
    )


def _typed(
    option: str, texts: tuple[str, ...], parse: Callable[[str, str], Any]
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Values for all targets by name, and for those that a pattern matches. Raises ``click.UsageError``."""
    for_all: dict[str, Any] = {}
    by_target: dict[str, dict[str, Any]] = {}
    for text in texts:
        left, equals, value = text.partition("=")
        pattern, colon, name = left.strip().rpartition(":")
        if (
            not equals
            or not name.isidentifier()
            or (colon and not pattern)
            or pattern.endswith(":")
            or not value.strip()
        ):
            example = "affine:x=randn(4,6)" if option == "--arg" else "conv:stride=2"
            raise click.UsageError(f"{option}: expected [TARGET:]NAME=VALUE, as in {example}, found {text!r}")
        place = by_target.setdefault(pattern, {}) if pattern else for_all
        if name in place:
            raise click.UsageError(f"{option}: {left.strip()} is given twice")
        place[name] = parse(value, name)
    return for_all, by_target


# What is told beside the report ----------------------------------------------------------------------------------------


def _shown(say: Callable[[str], None] | None) -> Progress | None:
    """How far the run is, on the last line of a terminal."""
    if say is None:
        return None
    columns = (width(sys.stderr, os.environ) or 80) - 5

    def show(done: int, total: int, name: str) -> None:
        say(f"[{done}/{total}] {name}"[:columns])

    return show


def _write(text: str, otherwise: str) -> None:
    if text:
        with writing():
            click.echo(text, nl=False)
    else:
        with telling():
            click.echo(otherwise, err=True)


def _write_baseline(
    path: Path, finished: Finished, baselines: Any, *, fail_on: frozenset[str], strict: bool
) -> ExitCode:
    """Write the baseline; the code is that of the same run with it."""
    try:
        count = baselines.write(path, finished.report.targets, fail_on)
    except OSError as error:
        raise click.FileError(str(path), error.strerror or str(error)) from None
    with telling():
        click.echo(f"note: wrote {count} failure{'' if count == 1 else 's'} to {path}", err=True)
    known = baselines.read(path, fail_on)
    accepted = tuple(known.accept(target) for target in finished.report.targets)
    return of_check(replace(finished.report, targets=accepted), strict=strict, fail_on=fail_on)


def _write_tests(path: Path, found: CheckReport) -> None:
    """Write the smallest cases of what is WRONG, if anything is."""
    count = sum(target.fails and target.reproduction is not None for target in found.targets)
    if count:
        write_file("reproduction", OutputFile("pytest", path), found, report.Page())
    said = (
        f"wrote {count} test{'' if count == 1 else 's'} to {path}"
        if count
        else f"nothing to reproduce, {path} is not written"
    )
    with telling():
        click.echo(f"note: {said}", err=True)


def _code_of_list(finished: Finished) -> ExitCode:
    """Whether there is anything that could be listed."""
    if any(target.verdict == "ERROR" for target in finished.report.targets):
        return ExitCode.FAILED
    return ExitCode.AGREED if finished.report.targets or finished.report.skipped else ExitCode.NOTHING
