"""The pytest plugin: a ``gradcheck`` fixture, and ``pytest --gradtool PATH``, which makes a test of every hand-written gradient.

A test that comes from ``--gradtool`` fails where the gradient is WRONG, is an error where the module or its forward raises,
is skipped where it cannot be checked, and is expected to fail where the gradient is declared to differ, ignored by a comment
or in the baseline. UNDECIDED passes, with the reasons in a section of its report.

pytest imports this file at every start, so nothing is loaded before it is used.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import gradtool

if TYPE_CHECKING:
    from gradtool.isolation.messages import Task
    from gradtool.results import TargetResult
    from gradtool.targets.found import Found
    from gradtool.targets.given import Names
    from gradtool.targets.scope import Scope

OPTION = "--gradtool"


@pytest.fixture
def gradcheck() -> Callable[..., Any]:
    """Check a hand-written gradient: ``gradcheck(forward, backward, inputs=[...])``, as ``gradtool.assert_gradients``."""

    def check(*arguments: Any, **options: Any) -> Any:
        __tracebackhide__ = True
        try:
            return gradtool.assert_gradients(*arguments, **options)
        except AssertionError as error:
            raise error.with_traceback(None) from None  # The frames of gradtool are of no interest.

    return check


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option ``--gradtool``."""
    parser.getgroup("gradtool", "checking hand-written gradients").addoption(
        OPTION,
        action="append",
        default=[],
        metavar="PATH",
        help="check every hand-written gradient in PATH (a file, a folder, a module; with ::name for one) as a test; "
        "may be given more than once",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the targets of ``--gradtool`` to the tests, before others select among them."""
    if texts := config.getoption(OPTION):
        items.extend(_collected(session, texts))


def _collected(session: pytest.Session, texts: list[str]) -> Iterator[pytest.Item]:
    """The items of all PATHs. Raises ``pytest.UsageError``."""
    configuration: Any = import_module("gradtool.configuration")
    gathering: Any = import_module("gradtool.isolation.gathering")
    loading: Any = import_module("gradtool.targets.loading")
    isolation: Any = import_module("gradtool.isolation")
    selection: Any = import_module("gradtool.selection")
    try:
        found = configuration.nearest(texts)
        gathered = gathering.gather(texts, found.excludes)
        settings, given, accept = _prepared(found)
    except (ValueError, loading.LoadError) as error:
        raise pytest.UsageError(f"{OPTION}: {error}") from None
    names = {}
    for file in gathered.files:
        task = isolation.Task(
            file.path, file.display, given, settings, selection.Selection(file.names),
            definitions_only=bool(found.definitions_only),
        )  # fmt: skip
        parent = GradientFile.from_parent(session, path=file.path.resolve())
        parent.task, parent.accept = task, accept
        report = session.ihook.pytest_make_collect_report(collector=parent)
        session.ihook.pytest_collectreport(report=report)
        yield from report.result
        if parent.names is not None:
            names[file.display] = parent.names
    if (message := gathering.unfulfilled(gathered.wishes, names)) is not None:
        raise pytest.UsageError(f"{OPTION}: {message}")


def _prepared(found: Any) -> tuple[Any, Any, Callable[[TargetResult], TargetResult] | None]:
    """What the configuration says, for all of its targets: how to check, with which values, and what is known already.
    Raises ``ValueError`` of some kind."""
    baselines: Any = import_module("gradtool.acceptance.baseline")
    said = {name: getattr(found, name) for name in ("points", "seed", "resolution")}
    settings = {name: value for name, value in said.items() if value is not None}
    known = None if found.baseline is None else baselines.read(found.folder / found.baseline)
    return settings, found.given(settings.get("seed", 0)), None if known is None else known.accept


class GradientFile(pytest.File):
    """A file with hand-written gradients."""

    task: Task
    accept: Callable[[TargetResult], TargetResult] | None
    names: tuple[Names, ...] | None = None
    """Of all targets that the module has, once it was imported."""

    def collect(self) -> Iterator[pytest.Item]:
        """An item a target; one item that says why, where the module cannot be imported."""
        worker: Any = import_module("gradtool.isolation.worker")
        loaded = worker.loaded(self.task)
        if not isinstance(loaded, tuple):
            yield BrokenItem.from_parent(self, name="import", why=loaded.text, line=loaded.line)
            return
        scope, found = loaded
        self.names = tuple(worker.names_of(one, scope) for one in found)
        for one, names in zip(found, self.names, strict=True):
            if self.task.selection.matches(names.id):
                yield GradientItem.from_parent(self, name=one.name, scope=scope, found=one)


class BrokenItem(pytest.Item):
    """A module that cannot be imported."""

    def __init__(self, *, why: str, line: int, **more: Any) -> None:
        super().__init__(**more)
        self.why, self.line = why, line

    def setup(self) -> None:
        results: Any = import_module("gradtool.results")
        told = results.TargetResult(self.nodeid, "module", "", "", results.Outcome.ERROR, error=self.why)
        pytest.fail(f"{_headline(told)}\n{self.why}", pytrace=False)

    def runtest(self) -> None:
        """There is nothing to run: ``setup`` has failed."""

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, self.line - 1, "gradtool: import"


class GradientItem(pytest.Item):
    """One hand-written gradient."""

    parent: GradientFile

    def __init__(self, *, scope: Scope, found: Found, **more: Any) -> None:
        super().__init__(**more)
        self.scope, self.found = scope, found
        self.result: TargetResult | None = None

    def setup(self) -> None:
        """Check it: what keeps it from being checked is an error, not a failure."""
        worker: Any = import_module("gradtool.isolation.worker")
        results: Any = import_module("gradtool.results")
        comments: Any = import_module("gradtool.acceptance.comments")
        try:
            result = worker.look_at(self.found, self.scope, self.parent.task).result
        except comments.CommentError as error:
            pytest.fail(str(error), pytrace=False)
        if isinstance(result, results.Skipped):
            pytest.skip(result.reason)
        if self.parent.accept is not None:
            result = self.parent.accept(result)
        if result.verdict == "ERROR":
            pytest.fail(f"{_headline(result)}\n{_shown(result)}", pytrace=False)
        self.result = result

    def runtest(self) -> None:
        result = self.result
        assert result is not None
        if result.fails:
            pytest.fail(f"{_headline(result)}\n{_shown(result)}", pytrace=False)
        if result.verdict == "SKIPPED":
            pytest.skip("; ".join(result.notes))
        if result.verdict != "OK":
            self.add_report_section("call", "gradtool", _shown(result))
        if result.verdict == "WRONG":
            pytest.xfail(result.intentional or result.accepted or "")

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, self.found.line - 1, f"gradtool: {self.found.name}"


def _headline(result: TargetResult) -> str:
    """What pytest's summary shows, which is a failure's first line: what is the matter first of all."""
    found: Any = next(iter(import_module("gradtool.report.findings").of_target(result)))
    return found.text if found.code == "ERROR" else f"{found.code}: {found.text}"


def _shown(result: TargetResult) -> str:
    """A target's part of the table."""
    report: Any = import_module("gradtool.report")
    table: Any = import_module("gradtool.report.check_table")
    layout: Any = import_module("gradtool.report.layout")
    stream = io.StringIO()
    layout.write_page(table.target_blocks(result), stream, report.Page())
    return stream.getvalue().rstrip()
