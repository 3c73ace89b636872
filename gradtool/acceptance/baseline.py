"""The baseline: failures that a project has and knows of, so that a run fails at further ones only.

A JSON document, ``{"schema": "gradtool/baseline/1", "failures": [{"id": .., "gradient": .., "code": ..}]}``. ``gradient`` is
null for what is wrong with a target as a whole (GC3xx). The path in an ``id`` is relative to the baseline's folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gradtool.acceptance.failures import Failure, failures_of
from gradtool.results import Outcome, TargetResult

SCHEMA = "gradtool/baseline/1"
BASELINE = "in the baseline"
"""Why a target is accepted."""
ALL_WARNINGS = tuple(f"GC{number}" for number in range(301, 400))


class BaselineError(ValueError):
    """A baseline that cannot be read; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """The failures that are known, of the file at ``path``. ``also`` are codes of warnings that fail this run."""

    path: Path
    failures: frozenset[Failure]
    also: frozenset[str] = frozenset()

    def accept(self, result: TargetResult) -> TargetResult:
        """The result, accepted if it fails and all that fails of it is known."""
        found = _failures(result, self.path, self.also)
        if result.intentional is None and result.accepted is None and found and self.failures.issuperset(found):
            return replace(result, accepted=BASELINE)
        return result

    def unneeded(self, results: Iterable[TargetResult], there: Mapping[str, Collection[str]]) -> tuple[Failure, ...]:
        """The entries that are needed no more, in order: of targets that were checked, and did not fail so; and of those
        that do not exist any more. ``there`` has the names of all targets of files (as they are shown) that were looked at
        in full."""
        checked: set[str] = set()
        seen: set[Failure] = set()
        for result in results:
            if result.verdict in (Outcome.OK, Outcome.WRONG):
                checked.add(_relative(result.id, self.path))
                seen.update(_failures(result, self.path, ALL_WARNINGS))
        for file, names in there.items():
            existing = {_relative(f"{file}::{name}", self.path) for name in names}
            place = _relative(f"{file}::", self.path)
            checked.update(one.id for one in self.failures if one.id.startswith(place) and one.id not in existing)
        known = sorted(self.failures, key=_order)
        return tuple(one for one in known if one not in seen and (one.id in checked or self._is_gone(one.id)))

    def _is_gone(self, target_id: str) -> bool:
        file, colons, _ = target_id.rpartition("::")
        return bool(colons) and not (self.path.parent / file).exists()


def read(path: Path, also: Collection[str] = ()) -> Baseline:
    """The baseline of a file; ``also`` as in ``Baseline``. Raises ``BaselineError``."""
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        hint = f"; --write-baseline {path} makes it" if isinstance(error, FileNotFoundError) else ""
        raise BaselineError(f"cannot read the baseline {path}: {error.strerror}{hint}") from None
    except (ValueError, RecursionError) as error:
        raise BaselineError(f"the baseline {path} is not JSON: {error}") from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise BaselineError(f'{path} is not a baseline: it has no "schema": "{SCHEMA}"')
    failures = document.get("failures")
    if not isinstance(failures, list):
        raise BaselineError(f'the baseline {path} has no list "failures"')
    for i, entry in enumerate(failures):
        good = isinstance(entry, dict) and isinstance(entry.get("id"), str) and isinstance(entry.get("code"), str)
        if not good or not isinstance(entry.get("gradient"), str | None):
            raise BaselineError(f"the baseline {path} has no id, gradient and code in entry {i} of its failures")
    return Baseline(path, frozenset(Failure(e["id"], e.get("gradient"), e["code"]) for e in failures), frozenset(also))


def write(path: Path, results: Iterable[TargetResult], also: Collection[str] = ()) -> int:
    """Write a baseline of all that fails and is not meant to; how many failures that are. ``also`` as in ``Baseline``.
    Raises ``OSError``."""
    found = {
        failure
        for result in results
        if result.intentional is None and result.accepted in (None, BASELINE)
        for failure in _failures(result, path, also)
    }
    entries = ",\n".join(f"  {json.dumps(failure._asdict())}" for failure in sorted(found, key=_order))
    body = f"[\n{entries}\n ]" if entries else "[]"
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        partial.write_text(f'{{"schema": "{SCHEMA}",\n "failures": {body}}}\n', encoding="utf-8", newline="\n")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return len(found)


def _failures(result: TargetResult, path: Path, also: Collection[str]) -> tuple[Failure, ...]:
    return tuple(failure._replace(id=_relative(failure.id, path)) for failure in failures_of(result, also))


def _relative(target_id: str, path: Path) -> str:
    """The id with its path relative to the baseline's folder, so that it does not matter where gradtool is run."""
    file, colons, name = target_id.rpartition("::")
    if not colons:
        return target_id
    try:
        return Path(os.path.relpath(file, path.parent)).as_posix() + colons + name
    except ValueError:  # On another drive.
        return target_id


def _order(failure: Failure) -> tuple[str, str, str]:
    return failure.id, failure.gradient or "", failure.code
