"""``gradtool explain``: what a code means, why it matters, and what to do."""

from __future__ import annotations

from difflib import get_close_matches

import click

import gradtool
from gradtool.cli.console import writing


@click.command("explain", short_help="What a diagnostic code means, and what to do.")
@click.argument("code", required=False, metavar="[CODE]")
def explain_command(code: str | None) -> None:
    """Print what a code means, why it matters, an example, and what to do. Without CODE, list all codes.

    \b
    Examples:
      gradtool explain GC101
      gradtool explain
    """
    known = gradtool.codes()
    if code is None:
        text = "\n".join(f"{name}  {title}" for name, title in known.items())
    else:
        name = code.upper()
        if name not in known:
            # The letters that are most often typed for digits.
            near = get_close_matches(name.translate(str.maketrans("OIL", "011")), known, n=1)
            hint = f"did you mean {near[0]}?" if near else "`gradtool explain` lists them all"
            raise click.UsageError(f"there is no code {code!r}; {hint}")
        text = gradtool.explain(name)
    with writing():
        click.echo(text)
