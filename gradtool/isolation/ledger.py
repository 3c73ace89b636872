"""What is known of the files of a run, wherever their targets are checked, and the report that is made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gradtool.isolation.messages import Announced, Task
from gradtool.results import CheckReport, Outcome, Skipped, TargetResult

if TYPE_CHECKING:
    from gradtool.targets.given import Names

MOST_NAMES = 20
"""Names of targets that a note lists."""

Progress = Callable[[int, int, str], None]
"""``progress(done, total, id)``, when something is begun and when it is done: a file counts as one target until it is known
how many it has."""


class MisuseError(ValueError):
    """What the user wrote for gradtool (a comment, a value) does not do; the message says where and why."""


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """A run's report, with what is known beside it. ``found`` are all targets that were found, wanted or not, by the file
    as it is shown, without the files that could not be imported; ``parameters`` names what a target that was skipped
    would need values for; ``stopped`` says that ``maxfail`` ended the run.
    """

    report: CheckReport
    found: Mapping[str, tuple[Names, ...]]
    parameters: Mapping[str, tuple[str, ...]]
    stopped: bool = False


@dataclass(eq=False)
class File:
    """How far a file is. ``announced`` is None until its module was imported."""

    task: Task
    announced: tuple[Announced, ...] | None = None
    notes: tuple[str, ...] = ()
    results: dict[str, TargetResult | Skipped] = field(default_factory=dict)
    parameters: dict[str, tuple[str, ...]] = field(default_factory=dict)
    failure: TargetResult | None = None
    """Where the module could not be imported."""

    @property
    def wanted(self) -> tuple[Announced, ...]:
        """The targets that are to be checked, in the order of the source."""
        return tuple(one for one in self.announced or () if one.wanted)

    @property
    def is_looked_over(self) -> bool:
        """Whether it is known which targets it has, or that this will never be known."""
        return self.announced is not None or self.failure is not None

    def remaining(self) -> tuple[Announced, ...]:
        """The targets that have no result yet."""
        return tuple(one for one in self.wanted if one.id not in self.results)

    def error(self, at: Announced, why: str) -> TargetResult:
        """The result of a target that came to no verdict."""
        return TargetResult(
            at.id, at.convention, at.names.forward, at.names.backward, Outcome.ERROR,
            file=self.task.display, line=at.line, error=why,
        )  # fmt: skip

    def in_order(self) -> Iterator[TargetResult | Skipped | None]:
        """The results in the order of the source; None for what is not known yet."""
        if self.failure is not None and self.announced is None:
            yield self.failure
        elif self.announced is None:
            yield None
        else:
            for one in self.wanted:
                yield self.results.get(one.id)


@dataclass(eq=False)
class Ledger:
    """All files of a run. Whatever order its entries come in, the report has the files in the order given and their targets in
    the order of the source. ``maxfail``, ``accept``, ``look_over`` and ``progress`` are as in ``run``."""

    files: Sequence[File]
    maxfail: int | None = None
    accept: Callable[[TargetResult], TargetResult] | None = None
    look_over: Callable[[Mapping[str, tuple[Names, ...]]], None] | None = None
    progress: Progress | None = None

    # Entries --------------------------------------------------------------------------------------------------------

    def announce(self, file: File, targets: tuple[Announced, ...], notes: tuple[str, ...]) -> None:
        """A file's module was imported. Only the first time counts. Raises what ``look_over`` raises."""
        if file.announced is None:
            file.announced, file.notes = targets, notes
            self._look_over()

    def record(
        self, file: File, target_id: str, result: TargetResult | Skipped, parameters: tuple[str, ...] = ()
    ) -> None:
        """A target has its result."""
        if self.accept is not None and isinstance(result, TargetResult):
            result = self.accept(result)
        file.results[target_id] = result
        if parameters:
            file.parameters[target_id] = parameters
        self.tell(target_id)

    def not_imported(self, file: File, text: str, line: int = 1) -> None:
        """A file's module cannot be imported, or not again: what is left of it are ERRORs."""
        if file.announced is None:
            file.failure = TargetResult(
                file.task.display, "module", "", "", Outcome.ERROR, file=file.task.display, line=line, error=text
            )
            self.tell(file.task.display)
            self._look_over()
        for one in file.remaining():  # It could be imported once.
            self.record(file, one.id, file.error(one, f"the module could not be imported again:\n{text}"))

    def tell(self, name: str) -> None:
        """Show how far the run is."""
        if self.progress is not None:
            self.progress(*self.count(), name)

    def count(self) -> tuple[int, int]:
        """How many targets are done, and how many there are."""
        done = sum(len(file.results) + (file.failure is not None) for file in self.files)
        return done, sum(1 if file.announced is None else len(file.wanted) for file in self.files)

    def _look_over(self) -> None:
        """Show what was found, once, when it is known of all files."""
        if self.look_over is not None and all(file.is_looked_over for file in self.files):
            look_over, self.look_over = self.look_over, None
            look_over(self._found())

    # The report -----------------------------------------------------------------------------------------------------

    def has_failed_enough(self) -> bool:
        """Whether the results known without a gap, from the first on, hold ``maxfail`` failures."""
        if not self.maxfail:
            return False
        failures = 0
        for found in self._in_order():
            if found is None:
                return False
            failures += isinstance(found, TargetResult) and found.fails
            if failures >= self.maxfail:
                return True
        return False

    def finished(self, seed: int) -> Finished:
        """What was found, in order, up to where ``maxfail`` stops."""
        results: list[TargetResult] = []
        skipped: list[Skipped] = []
        stopped = False
        for found in self._in_order():
            if found is None:
                break
            if isinstance(found, Skipped):
                skipped.append(found)
            else:
                results.append(found)
            if self.maxfail and sum(result.fails for result in results) >= self.maxfail:
                stopped = True
                break
        parameters = {name: names for file in self.files for name, names in file.parameters.items()}
        notes = tuple(f"{file.task.display}: {note}" for file in self.files for note in file.notes)
        if stopped:
            failures = "1 failure" if self.maxfail == 1 else f"{self.maxfail} failures"
            notes += (f"stopped after {failures} (--maxfail); what comes after that was not checked",)
        if not results and not skipped:
            notes += (self._nothing(),)
        return Finished(CheckReport(tuple(results), tuple(skipped), seed, notes), self._found(), parameters, stopped)

    def _nothing(self) -> str:
        """Why there is nothing to report."""
        there = [one.names.name for file in self.files for one in file.announced or ()]
        if there:
            targets = (
                "1 target was found, and it is" if len(there) == 1 else f"{len(there)} targets were found, and none is"
            )
            more = f" and {len(there) - MOST_NAMES} more" if len(there) > MOST_NAMES else ""
            return f"{targets} {'not ' if len(there) == 1 else ''}selected: {', '.join(there[:MOST_NAMES])}{more}"
        if not self.files:
            return "no file with a function or a class in it was named"
        files = "1 file" if len(self.files) == 1 else f"{len(self.files)} files"
        return (
            f"no hand-written gradient was recognized in {files}; they are known by their names: "
            "affine_forward and affine_backward, f and f_grad, a class with forward and backward, ..."
        )

    def _found(self) -> dict[str, tuple[Names, ...]]:
        announced = {file.task.display: file.announced for file in self.files if file.announced is not None}
        return {display: tuple(one.names for one in found) for display, found in announced.items()}

    def _in_order(self) -> Iterator[TargetResult | Skipped | None]:
        for file in self.files:
            yield from file.in_order()
