"""The command line, one file a command: read options, call the library, hand the result to a renderer."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from shlex import quote as shell_quote
from typing import Any

import click

import gradtool
from gradtool.cli.console import prepare_streams, telling, writing
from gradtool.cli.exit_codes import ExitCode

COMMANDS = {
    "check": "gradtool.cli.check:check_command",
    "eval": "gradtool.cli.eval:evaluate_command",
    "explain": "gradtool.cli.explain:explain_command",
    "graph": "gradtool.cli.graph:graph_command",
    "ops": "gradtool.cli.ops:operations_command",
    "trace": "gradtool.cli.trace:trace_command",
}
"""Name -> ``module:function``; a command is loaded when it is run, or when help lists it."""


class ClosedPipeError(Exception):
    """The reader of standard output went away. Not an ``OSError``, as click turns those into exit code 1."""


class Program(click.Group):
    """The group of all commands; whatever happens inside becomes one of the exit codes."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = False,  # ``x*y`` is an expression, not a file pattern.
        **extra: Any,
    ) -> Any:
        """Run and exit, or return what the command returned if not ``standalone_mode``."""
        if not standalone_mode:
            return self._run(args, prog_name, complete_var, windows_expand_args=windows_expand_args, **extra)
        prepare_streams()
        code: Any = ExitCode.FAILED
        try:
            with writing():
                try:
                    code = self._run(args, prog_name, complete_var, windows_expand_args=windows_expand_args, **extra)
                except ClosedPipeError:
                    code = ExitCode.AGREED
                    raise BrokenPipeError from None
                except (click.Abort, KeyboardInterrupt):
                    code = ExitCode.INTERRUPTED
                    with telling():
                        click.echo("interrupted", err=True)
                except MemoryError as error:
                    with telling():
                        click.echo(f"Error: out of memory {error}".rstrip(), err=True)
                except click.ClickException as error:
                    code = ExitCode.FAILED if error.exit_code == ExitCode.FAILED else ExitCode.USAGE
                    with telling():
                        error.show()
                except Exception as error:
                    if isinstance(error, OSError) and error.filename is None:
                        raise  # Not a file but a stream: standard output is full.
                    with telling():
                        click.echo(traceback.format_exc(), err=True)
                        click.echo("Error: this is a bug in gradtool, please report it with the text above", err=True)
        except click.ClickException as error:  # The output itself could not be written.
            code = ExitCode.USAGE
            with telling():
                error.show()
        sys.exit(int(code or ExitCode.AGREED))

    def _run(self, args: Sequence[str] | None, prog_name: str | None, complete_var: str | None, **extra: Any) -> Any:
        """Run; the exit code comes back, errors are raised."""
        return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """As click does it; options such as --help write here."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except BrokenPipeError:
            raise ClosedPipeError from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands by name."""
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, loaded; None where there is none."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, function = COMMANDS[cmd_name].split(":")
        command: click.Command = getattr(import_module(module), function)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, with an error that helps."""
        name = args[0]
        if not ctx.resilient_parsing and not name.startswith("-") and self.get_command(ctx, name) is None:
            near = get_close_matches(name, COMMANDS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(sorted(COMMANDS))}"
            if not near and (any("=" in a for a in args[1:]) or not name.isidentifier()):
                hint = f"to evaluate an expression, write: gradtool eval {shell_quote(name)} ..."
            raise click.UsageError(f"there is no command {name!r}\nhint: {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 (click's)
        """The exit codes."""
        with formatter.section("Exit codes"):
            formatter.write_dl([(f"{code.value:>3}", code.meaning) for code in ExitCode])

    def invoke(self, ctx: click.Context) -> Any:
        """As click does it; the commands run here."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise ClosedPipeError from None


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(gradtool.__version__, prog_name="gradtool")
def main() -> None:
    """See every gradient of a computation, and check the ones written by hand.

    \b
    Examples:
      gradtool eval "(x+y)*max(y,z)" x=1 y=2 z=0
      gradtool eval "z = W@x + b; sum(z)" "W=randn(2,3)" "x=[1,2,3]" b=0
      gradtool graph "(x+y)*max(y,z)" x=1 y=2 z=0 --paths y
      gradtool check layers.py
      gradtool trace net.py::loss "x=randn(4,6)" "w=randn(6,5)"
      gradtool ops gelu
      gradtool explain GC104
      gradtool eval --help
    """
