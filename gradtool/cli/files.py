"""Writing results to files: whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from gradtool import report
from gradtool.cli.options import OutputFile, UserError
from gradtool.report import Page


@contextlib.contextmanager
def extras_installed() -> Iterator[None]:
    """Inside, a library that comes with an extra and is not installed becomes a usage error that says how to get it."""
    try:
        yield
    except report.MissingExtraError as error:
        raise UserError(str(error)) from None


def write_file(command: str, output: OutputFile, result: Any, page: Page) -> None:
    """Render ``result`` into a file. Raises ``click.ClickException`` where it cannot be written, or a library is missing."""

    def write(path: Path) -> None:
        with path.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as stream:
            report.render(command, output.format_name, result, stream, page)

    with extras_installed():
        _whole_or_not(output.path, write)


def write_picture(path: Path, charts: Sequence[Any]) -> None:
    """Write charts as a picture. Raises ``click.ClickException`` where it cannot be written, or the library for it is missing."""

    def write(place: Path) -> None:
        with place.open("wb") as stream:
            report.render_picture(charts, stream, report.picture_format(path) or "png")

    with extras_installed():
        _whole_or_not(path, write)


def _whole_or_not(place: Path, write: Callable[[Path], None]) -> None:
    """A regular file is written beside its place and then moved there, so that whoever reads it meanwhile sees the old one
    or the new one. Devices and pipes are written straight."""
    target = Path(os.path.realpath(place))
    straight = target.exists() and not target.is_file()
    path = target if straight else target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        try:
            write(path)
            if not straight:
                path.replace(target)
        except BaseException:
            if not straight:
                with contextlib.suppress(OSError):
                    path.unlink()
            raise
    except OSError as error:
        raise click.FileError(str(place), error.strerror or str(error)) from None
