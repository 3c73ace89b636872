"""What ``check`` has to say, one sentence a finding: the form that logs, annotations and code-quality reports want.

``findings`` is the one place where the sentences are made, so that all formats say the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import isfinite
from typing import Literal

from gradtool.report.numbers import error, number, shape_text
from gradtool.report.printable import one_line
from gradtool.results import (
    HINT,
    Cause,
    CheckReport,
    GradientResult,
    Outcome,
    Point,
    SelfTestResult,
    Skipped,
    TargetResult,
    Verdict,
    Worst,
)

Level = Literal["none", "note", "warning", "error"]

NO_CAUSE = "GC199"
RAISED, SHAPE = "GC120", "GC116"
BACKWARD_RAISED = "backward raised "
"""What is said of backward, and not of one gradient."""
CALLED_AS = "called as "
"""How the note begins that says how backward was called."""
SOURCES = {
    "given": "as given",
    "command-line": "from the command line",
    "inputs-file": "from the file of --inputs",
    "module": "from the module",
    "configuration": "from the configuration",
    "docstring": "from the docstring",
    "annotations": "from annotations",
    "search": "found by trying",
}
"""Where inputs come from, in words."""
POINTS = {"given": "", "random": "at a random point", "branch": "on another branch", "tie": "at a tie"}


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """One thing that is said of a target. All text is on one line and free of control characters.

    ``code`` is a GC code, or OK, UNDECIDED, SKIPPED or ERROR. ``level`` is ``"error"`` where it fails a run, ``"none"`` where
    all is well. ``pardon`` says why a finding that would be an error is none.
    """

    id: str
    code: str
    level: Level
    text: str
    """Without the target's name."""
    file: str | None
    line: int | None
    gradient: str | None = None
    cause: Cause | None = None
    pardon: str | None = None

    @property
    def name(self) -> str:
        """The target's name within its file."""
        return name_of(self.id)

    @property
    def message(self) -> str:
        """The whole sentence."""
        text = f"{self.name}: {self.text}"
        return text if self.pardon is None else f"{text} ({self.pardon})"

    @property
    def path(self) -> str | None:
        """The file, or what the id says of it."""
        return path_of(self.id, self.file)


def findings(report: CheckReport) -> Iterator[Finding]:
    """All findings: of each target in order, then what was skipped. Every target has at least one."""
    for target in report.targets:
        yield from of_target(target)
    for skipped in report.skipped:
        yield of_skipped(skipped)


def of_target(target: TargetResult) -> Iterator[Finding]:
    """Gradients that are WRONG, those that could not be decided, hygiene, and at last what agrees."""

    def finding(
        code: str, level: Level, text: str, gradient: GradientResult | None = None, pardon: str | None = None
    ) -> Finding:
        name, cause = (None, None) if gradient is None else (gradient.name, gradient.cause)
        return Finding(target.id, code, level, text, target.file, target.line, name, cause, pardon)

    if target.verdict in (Outcome.ERROR, Outcome.SKIPPED):
        level: Level = "error" if target.verdict is Outcome.ERROR else "note"
        yield finding(str(target.verdict), level, why(target))
        return
    pardon = pardon_of(target)
    wrong: Level = "error" if pardon is None else "note"
    told = False
    raised: set[tuple[str, str | None]] = set()
    for gradient in target.gradients:
        if gradient.verdict is not Verdict.WRONG:
            continue
        if gradient.cause is not None and gradient.cause.code == RAISED:
            # One call of backward gives all gradients, so where it raises that is one finding.
            key = (gradient.cause.message, gradient.cause.traceback)
            if key in raised:
                continue
            raised.add(key)
        told = True
        yield finding(code_of(gradient), wrong, _and_evidence(sentence(gradient), gradient), gradient, pardon)
    for gradient in target.gradients:
        if gradient.verdict is Verdict.UNDECIDED:
            told = True
            yield finding("UNDECIDED", "warning", sentence(gradient), gradient)
    for found in target.hygiene:
        told = told or found.is_wrong
        if found.is_wrong:
            yield finding(found.code, wrong, one_line(found.message), pardon=pardon)
        else:
            yield finding(found.code, "warning", one_line(found.message))
    agreeing = [gradient for gradient in target.gradients if gradient.verdict is Verdict.OK]
    if target.verdict is Outcome.OK:
        text = f"{agreement(agreeing)}; {assumptions(target)}"
        yield finding("OK", "none", f"{text}; {worth(target.self_test)}" if target.self_test is not None else text)
    elif not told:
        level = wrong if target.verdict is Outcome.WRONG else "warning"
        code = NO_CAUSE if target.verdict is Outcome.WRONG else str(target.verdict)
        yield finding(code, level, f"is {target.verdict}, no gradient of it", pardon=pardon)
    elif agreeing:
        yield finding("OK", "none", agreement(agreeing, named=True))


def of_skipped(skipped: Skipped) -> Finding:
    """What was not checked, and why."""
    return Finding(skipped.id, "SKIPPED", "note", one_line(skipped.reason), skipped.file, skipped.line)


def pardon_of(target: TargetResult) -> str | None:
    """Why a target that is WRONG does not fail the run; None where it does, or is not WRONG."""
    if target.verdict is not Outcome.WRONG:
        return None
    if target.intentional is not None:
        return f"intentional: {one_line(target.intentional)}"
    return None if target.accepted is None else f"accepted: {one_line(target.accepted)}"


def code_of(gradient: GradientResult) -> str:
    """The code of a gradient that is not OK."""
    if gradient.verdict is Verdict.UNDECIDED:
        return "UNDECIDED"
    return NO_CAUSE if gradient.cause is None else gradient.cause.code


def sentence(gradient: GradientResult) -> str:
    """What is said of a gradient that is not OK: ``gradient of b has the opposite sign``."""
    name, cause = one_line(gradient.name), gradient.cause
    if gradient.verdict is Verdict.UNDECIDED:
        reason = "" if gradient.reason is None else f": {one_line(gradient.reason)}"
        return f"gradient of {name} could not be decided{reason}"
    if cause is None:
        reason = "" if gradient.reason is None else f": {one_line(gradient.reason)}"
        return f"gradient of {name} is wrong{reason}"
    message = one_line(cause.message)
    _, raised, what = message.partition(BACKWARD_RAISED)
    return f"{raised}{what}" if cause.code == RAISED and raised else f"gradient of {name} {message}"


def place(worst: Worst) -> str:
    """``[3]``, ``[0, 2]``; nothing for a number."""
    return f"[{', '.join(str(int(k)) for k in worst.index)}]" if worst.index else ""


def yours(worst: Worst) -> str:
    """What the user's backward gave there."""
    return "None" if worst.yours is None else number(worst.yours)


def where(point: Point) -> str:
    """``at a random point, with stride=2``; nothing for the given point."""
    label = "" if point.label is None else f"with {one_line(point.label)}"
    return ", ".join(part for part in (POINTS[point.kind], label) if part)


def agreement(gradients: Sequence[GradientResult], *, named: bool = False) -> str:
    """``3 gradients agree to 9 digits (an error of 1e-09 would have been seen)``: what holds for all of them."""
    if not gradients:
        return "no gradient to check"
    several = len(gradients) > 1
    text = f"{len(gradients)} gradient{'s' if several else ''}"
    if named:
        text = f"gradient{'s' if several else ''} of {', '.join(one_line(found.name) for found in gradients)}"
    text += " agree" if several else " agrees"
    digits = [found.digits for found in gradients if found.digits is not None]
    if digits:
        text += f" to {min(digits)} digit{'' if min(digits) == 1 else 's'}"
    seen = [found.detectable for found in gradients if found.detectable is not None and isfinite(found.detectable)]
    missed = max(found.miss_probability for found in gradients)
    if seen and missed:
        text += f" (an error of {error(max(seen))} is missed with probability {error(missed)})"
    elif seen:
        text += f" (an error of {error(max(seen))} would have been seen)"
    for found in gradients:
        if is_partial(found):
            text += f"; {one_line(found.name)}: {extent(found)}"
    return "; ".join([text, *reasons(gradients)])


def reasons(gradients: Sequence[GradientResult]) -> Iterator[str]:
    """``x, w: why``: the reason of each gradient, said once where several have the same."""
    names: dict[str, list[str]] = {}
    for found in gradients:
        if found.reason is not None:
            names.setdefault(one_line(found.reason), []).append(one_line(found.name))
    for reason, of in names.items():
        yield f"{', '.join(of)}: {reason}"


def is_partial(gradient: GradientResult) -> bool:
    """Whether some entries were compared and others not."""
    return 0 < gradient.checked < gradient.of


def extent(gradient: GradientResult) -> str:
    """``40 of 1,000,000 entries compared``."""
    return f"{gradient.checked:,} of {gradient.of:,} entries compared"


def assumptions(target: TargetResult) -> str:
    """What the check took for granted: ``x (4, 6), b (5,) from the docstring; affine_backward(dout, cache)``."""
    notes = [one_line(note) for note in target.notes]
    called = [note.removeprefix(CALLED_AS) for note in notes if note.startswith(CALLED_AS)]
    return "; ".join([inputs(target), *called, *(note for note in notes if not note.startswith(CALLED_AS))])


def inputs(target: TargetResult) -> str:
    """``x (4, 6), w (6, 5) from the docstring``."""
    sources = [SOURCES.get(part, part) for part in one_line(target.input_source).split("+")]
    return f"{shapes(target)} {' and '.join(sources)}"


def worth(found: SelfTestResult) -> str:
    """``self-test: 25 of 27 planted faults caught; missed: b: one entry off by 1e-05``."""
    if not found.planted:
        return "self-test: no fault could be planted"
    text = f"self-test: {found.caught} of {found.planted} planted faults caught"
    return f"{text}; missed: {', '.join(map(one_line, found.missed))}" if found.missed else text


def worth_of_all(targets: Sequence[TargetResult]) -> str | None:
    """The same of all targets together; None where no self-test was asked for."""
    found = [target.self_test for target in targets if target.self_test is not None]
    planted, caught = sum(one.planted for one in found), sum(one.caught for one in found)
    if not planted:
        return None
    several = "" if len(found) == 1 else "s"
    return f"self-test: {caught} of {planted} planted faults caught in {len(found)} target{several}"


def shapes(target: TargetResult) -> str:
    """``x (4, 6), w (6, 5)``."""
    return ", ".join(f"{one_line(name)} {shape_text(shape)}" for name, shape in target.inputs.items()) or "no inputs"


def why(target: TargetResult) -> str:
    """Why a target has no verdict, on one line: of a traceback, the exception."""
    lines = (target.error or "").split("\n")
    told = [line for line in lines if line[:1].strip() and not line.startswith(HINT)]
    return one_line(told[-1]) if told else one_line("; ".join(target.notes)) or "no reason was given"


def name_of(target_id: str) -> str:
    """``layers.py::affine`` -> ``affine``."""
    return one_line(target_id.partition("::")[2] or target_id)


def path_of(target_id: str, file: str | None) -> str | None:
    """The file that a target stands in, by its id where nothing else tells it."""
    if file is not None:
        return file
    path, separator, _ = target_id.partition("::")
    return path if separator else None


def fingerprints(found: Sequence[Finding]) -> list[str]:
    """For each finding a name that stays the same while lines move and figures change, and that no other finding of the
    run has."""
    seen: dict[tuple[str, str, str], int] = {}
    names = []
    for finding in found:
        key = (finding.id, finding.code, finding.gradient or "")
        count = seen[key] = seen.get(key, -1) + 1
        parts = (*key, str(count)) if count else key
        names.append(sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest())
    return names


def _and_evidence(text: str, gradient: GradientResult) -> str:
    """The sentence, with the entry that shows it."""
    evidence = []
    if gradient.worst is not None:
        at = f"entry {place(gradient.worst)}: " if gradient.worst.index else ""
        right = f"{number(gradient.worst.reference)} ± {error(gradient.worst.error)}"
        evidence.append(f"{at}yours {yours(gradient.worst)}, reference {right}")
    if found := where(gradient.point):
        evidence.append(found)
    return f"{text} ({'; '.join(evidence)})" if evidence else text
