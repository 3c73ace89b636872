"""What ``check --list`` shows: the targets, how each would be called, with which inputs, and where those come from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TextIO

from gradtool.report import Page
from gradtool.report.findings import inputs
from gradtool.report.json_images import encode, write_list
from gradtool.report.layout import Block, Line, wrapped, write_page
from gradtool.report.printable import one_line, printable
from gradtool.results import CheckReport, Outcome, TargetResult

STEP = "  "
HANGING = "    "


def render_list(report: CheckReport, stream: TextIO, page: Page) -> None:
    """Write a block a target, in the order of the source, then what would be skipped and why."""
    write_page(_blocks(report, page.width), stream, page)


def render_json(report: CheckReport, stream: TextIO, page: Page) -> None:  # noqa: ARG001 (as all renderers)
    """Write the document ``gradtool/list/1``."""
    stream.write('{"schema": "gradtool/list/1",\n')
    write_list(stream, "targets", (_target(found) for found in report.targets))
    write_list(stream, "skipped", ({"id": found.id, "reason": found.reason} for found in report.skipped))
    stream.write(f' "seed": {encode(report.seed)}}}\n')


def _blocks(report: CheckReport, width: int | None) -> Iterator[Block]:
    for target in report.targets:
        place = f"line {target.line}" if target.line else "no line"
        yield from wrapped(
            f"{one_line(target.id)}  ({place}, {one_line(target.convention)})", width, "", HANGING, "bold"
        )
        if target.verdict is Outcome.ERROR:
            for line in printable(target.error or "").splitlines():
                yield Line(f"{STEP}{line}")
            continue
        yield from wrapped(f"{one_line(target.forward)}, {one_line(target.backward)}", width, STEP, HANGING)
        if target.inputs:
            yield from wrapped(f"inputs: {inputs(target)}", width, STEP, HANGING)
        for note in target.notes:
            yield from wrapped(printable(note), width, STEP, HANGING)
        if target.intentional is not None:
            yield from wrapped(f"intentional: {printable(target.intentional)}", width, STEP, HANGING)
    for skipped in report.skipped:
        yield from wrapped(f"SKIPPED  {one_line(skipped.id)}: {printable(skipped.reason)}", width, "", HANGING)
    count = sum(target.verdict is not Outcome.ERROR for target in report.targets)
    skips = f", {len(report.skipped)} skipped" if report.skipped else ""
    yield Line()
    yield from wrapped(f"{count} target{'' if count == 1 else 's'}{skips} (--seed {report.seed})", width)


def _target(found: TargetResult) -> dict[str, Any]:
    return {
        "id": found.id,
        "file": found.file,
        "line": found.line,
        "convention": found.convention,
        "forward": found.forward,
        "backward": found.backward,
        "inputs": {name: [int(n) for n in shape] for name, shape in found.inputs.items()},
        "input_source": found.input_source,
        "notes": list(found.notes),
        "intentional": found.intentional,
        "error": found.error,
    }
