"""Writing results to files: whole or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import click

from gradtool import report
from gradtool.cli.options import OutputFile
from gradtool.report import Page


def write_file(command: str, output: OutputFile, result: Any, page: Page) -> None:
    """Render ``result`` into a file. Raises ``click.FileError`` where it cannot be written.

    A regular file is written beside its place and then moved there, so that whoever reads it meanwhile sees the old one
    or the new one. Devices and pipes are written straight.
    """
    target = Path(os.path.realpath(output.path))
    straight = target.exists() and not target.is_file()
    path = target if straight else target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        try:
            with path.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as stream:
                report.render(command, output.format_name, result, stream, page)
            if not straight:
                path.replace(target)
        except BaseException:
            if not straight:
                with contextlib.suppress(OSError):
                    path.unlink()
            raise
    except OSError as error:
        raise click.FileError(str(output.path), error.strerror or str(error)) from None
