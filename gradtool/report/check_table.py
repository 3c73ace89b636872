"""The table of ``check``: what a person reads. A line for each target that is well, a block for each that is not, the
WRONG ones last, and one line that says it all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TextIO

from gradtool.report import Page
from gradtool.report.findings import (
    RAISED,
    SHAPE,
    agreement,
    assumptions,
    code_of,
    extent,
    inputs,
    is_partial,
    of_skipped,
    of_target,
    pardon_of,
    place,
    reasons,
    sentence,
    where,
    why,
    worth,
    worth_of_all,
    yours,
)
from gradtool.report.layout import STYLES, Block, Column, Grid, Line, text_width, wrapped, write_page
from gradtool.report.numbers import error, number, show
from gradtool.report.printable import one_line, printable
from gradtool.results import CheckReport, GradientResult, Outcome, Point, TargetResult, Verdict

STEP = "  "
HANGING = "    "


def render_check(report: CheckReport, stream: TextIO, page: Page) -> None:
    """Write what ``gradtool check`` found."""
    write_page(check_blocks(report, page.full, page.width), stream, page)


def check_blocks(report: CheckReport, full: bool = False, width: int | None = None) -> Iterator[Block]:
    """The parts of the page for lines of ``width`` columns (None: of any length): rows first, then blocks, with what
    fails the run at the end, where a reader of a terminal looks."""
    rows = [target for target in report.targets if _is_row(target)]
    order = (Outcome.UNDECIDED, Outcome.ERROR, Outcome.WRONG)
    blocks = [target for outcome in order for target in report.targets if target.verdict is outcome]
    blocks = [target for target in blocks if not target.fails] + [target for target in blocks if target.fails]
    for target in rows:
        yield from target_blocks(target, full, width)
    for skipped in report.skipped:
        yield from _row("SKIPPED", skipped.id, of_skipped(skipped).text, width)
    if rows or report.skipped:
        yield Line()
    for target in blocks:
        yield from target_blocks(target, full, width)
        yield Line()
    for note in report.notes:
        yield from wrapped(f"note: {printable(note)}", width, rest=STEP)
    if (total := worth_of_all(report.targets)) is not None:
        yield from wrapped(total, width, rest=STEP)
    style = STYLES["WRONG"] if any(target.fails for target in report.targets) else STYLES.get(report.verdict, "")
    yield from wrapped(summary_line(report), width, rest=STEP, style=style)


def summary_line(report: CheckReport) -> str:
    """The verdict on the whole in one sentence, and the seed that makes it come out so again."""
    count = report.summary
    called = [target for target in report.targets if target.verdict is not Outcome.SKIPPED]
    failing = sum(target.fails for target in called)
    pardoned = count.wrong - failing
    total = f"{len(called)} target{'' if len(called) == 1 else 's'}"
    parts = [f"{count.ok} OK"] if count.ok else []
    if pardoned:
        parts.append(f"{pardoned} wrong but accepted")
    if count.undecided:
        parts.append(f"{count.undecided} undecided")
    if count.errors:
        parts.append(f"{count.errors} error{'' if count.errors == 1 else 's'}")
    if count.skipped:
        parts.append(f"{count.skipped} skipped")
    if not called:
        return f"nothing was checked: {', '.join(parts)}" if parts else "nothing to check was found"
    if failing:
        head = f"WRONG: {failing} of {total} {'is' if failing == 1 else 'are'} wrong"
    elif count.errors:
        head = f"ERROR: {count.errors} of {total} could not be called"
        parts = [part for part in parts if "error" not in part]
    elif count.undecided:
        head = f"UNDECIDED: {count.undecided} of {total} could not be decided"
        parts = [part for part in parts if "undecided" not in part]
    else:
        head = f"OK: {total} checked, no gradient is wrong{' but what was accepted' if pardoned else ''}"
        parts = parts if len(parts) > 1 or pardoned else []
    return f"{head}{'; ' if parts else ''}{', '.join(parts)} (--seed {report.seed})"


def target_blocks(target: TargetResult, full: bool = False, width: int | None = None) -> Iterator[Block]:
    """What is shown of one target: a row where all is well, else a block without a blank line at its ends."""
    if _is_row(target):
        if target.verdict is Outcome.SKIPPED:
            yield from _row("SKIPPED", target.id, why(target), width)
            return
        yield from _row("OK", target.id, agreement(target.gradients), width)
        yield from wrapped(assumptions(target), width, HANGING, HANGING, "dim")
        if target.self_test is not None:
            yield from wrapped(worth(target.self_test), width, HANGING, HANGING + STEP)
        yield from _hygiene(target, width)
        return
    pardon = pardon_of(target)
    heading = f"{target.verdict}  {one_line(target.id)}{_position(target)}"
    yield from wrapped(heading, width, rest=HANGING, style=STYLES[target.verdict] if pardon is None else "")
    if pardon is not None:
        yield from wrapped(pardon, width, STEP, HANGING)
        for finding in of_target(target):
            if finding.level != "none":
                yield from wrapped(f"{finding.code}: {finding.text}", width, STEP, HANGING)
    elif target.verdict is Outcome.ERROR:
        yield from _quoted(target.error or why(target), STEP)
    else:
        yield from _judged(target, full, width)
    if target.backward and target.forward:
        pair = f"{one_line(target.backward)} against {one_line(target.forward)} ({one_line(target.convention)})"
        yield from wrapped(f"checked: {pair}", width, STEP, HANGING)
    if target.inputs:
        yield from wrapped(f"inputs: {inputs(target)}", width, STEP, HANGING)
    for note in target.notes:
        yield from wrapped(printable(note), width, STEP, HANGING)


def _judged(target: TargetResult, full: bool, width: int | None) -> Iterator[Block]:
    """What is wrong and why, then the figures that show it."""
    told: set[str] = set()
    for gradient in target.gradients:
        if gradient.verdict is not Verdict.OK:
            yield from _gradient(gradient, full, width, told)
    yield from _hygiene(target, width)
    grid = _grid(target.gradients)
    if len(grid.columns) > 2 or len({gradient.verdict for gradient in target.gradients}) > 1:
        yield Line()
        yield grid
        yield Line()
    for gradient in target.gradients:
        yield from _remarks(gradient, width)
    agreeing = [found for found in target.gradients if found.verdict is Verdict.OK and found.reason not in told]
    for reason in reasons(agreeing):
        yield from wrapped(reason, width, STEP, HANGING)


def _gradient(gradient: GradientResult, full: bool, width: int | None, told: set[str]) -> Iterator[Line]:
    """One gradient that is not OK: what, how to mend it, where in the forward, at which point."""
    cause = gradient.cause
    undecided = gradient.verdict is Verdict.UNDECIDED
    headline = sentence(gradient) if undecided else f"{code_of(gradient)}: {sentence(gradient)}"
    if cause is not None and cause.code == RAISED and headline in told:
        return  # One call gives all gradients: that it raised is said once.
    told.add(headline)
    yield from wrapped(headline, width, STEP, HANGING, STYLES[gradient.verdict])
    if cause is not None:
        if cause.fix is not None:
            yield from wrapped(f"fix: {printable(cause.fix)}", width, HANGING, HANGING + STEP, "bold")
        if cause.file is not None or cause.line is not None:
            yield from wrapped(f"forward: {_place(cause.file, cause.line)}", width, HANGING, HANGING + STEP)
        if cause.residual is not None:
            how = "exactly" if cause.residual == 0 else f"to {error(cause.residual)}"
            yield from wrapped(f"explains your values {how}", width, HANGING, HANGING + STEP)
        if gradient.reason is not None and gradient.reason not in told and cause.code not in (RAISED, SHAPE):
            told.add(gradient.reason)
            yield from wrapped(printable(gradient.reason), width, HANGING, HANGING + STEP)
        if cause.traceback is not None:
            yield from _quoted(cause.traceback, HANGING)
    yield from _point(gradient.point, full, width)


def _point(point: Point, full: bool, width: int | None) -> Iterator[Line]:
    """A point that the user did not give, with the inputs that make it up."""
    if not where(point):
        return
    yield from wrapped(f"seen {where(point)}{':' if point.inputs else ''}", width, HANGING, HANGING + STEP)
    for name, value in point.inputs.items():
        before = f"{HANGING}{STEP}{one_line(name)} = "
        for line in show(value, full).split("\n"):
            yield Line(before + line)
            before = " " * text_width(before)


def _grid(gradients: Sequence[GradientResult]) -> Grid:
    columns = (
        Column("gradient", fold=True),
        Column("verdict", styles=STYLES),
        Column("entry"),
        Column("yours", numeric=True),
        Column("reference ± error"),
        Column("digits", numeric=True),
        Column("detectable", numeric=True),
    )
    rows = []
    for found in gradients:
        worst = found.worst
        figures = ("", "", "")
        if worst is not None:
            figures = (place(worst), yours(worst), f"{number(worst.reference)} ± {error(worst.error)}")
        digits = "" if found.digits is None else str(found.digits)
        detectable = "" if found.detectable is None else error(found.detectable)
        rows.append((one_line(found.name), str(found.verdict), *figures, digits, detectable))
    kept = [k for k in range(len(columns)) if k < 2 or any(row[k] for row in rows)]
    return Grid(tuple(columns[k] for k in kept), [tuple(row[k] for k in kept) for row in rows])


def _remarks(gradient: GradientResult, width: int | None) -> Iterator[Line]:
    """How thoroughly a gradient was looked at, where that is not entry by entry."""
    if is_partial(gradient):
        text = f"{one_line(gradient.name)}: {extent(gradient)}"
        if gradient.miss_probability:
            text += f", an error of the detectable size is missed with probability {error(gradient.miss_probability)}"
        yield from wrapped(text, width, STEP, HANGING)


def _hygiene(target: TargetResult, width: int | None) -> Iterator[Line]:
    for found in target.hygiene:
        style = STYLES["WRONG"] if found.is_wrong else STYLES["UNDECIDED"]
        yield from wrapped(f"{found.code}: {printable(found.message)}", width, STEP, HANGING, style)


def _row(verdict: str, target_id: str, text: str, width: int | None) -> Iterator[Line]:
    yield from wrapped(f"{verdict}  {one_line(target_id)}  {text}", width, rest=HANGING, style=STYLES[verdict])


def _is_row(target: TargetResult) -> bool:
    return target.verdict in (Outcome.OK, Outcome.SKIPPED)


def _position(target: TargetResult) -> str:
    """``  (layers.py:41)``."""
    return "" if target.file is None or target.line is None else f"  ({_place(target.file, target.line)})"


def _place(file: str | None, line: int | None) -> str:
    if line is None:
        return one_line(file or "")
    return f"line {line}" if file is None else f"{one_line(file)}:{line}"


def _quoted(text: str, before: str) -> Iterator[Line]:
    """A traceback, never folded: its lines are read by tools as well."""
    for line in printable(text).rstrip("\n").split("\n"):
        yield Line(f"{before}{line}".rstrip())
