"""What a worker is given, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradtool.results import Skipped, TargetResult
from gradtool.selection import Selection

if TYPE_CHECKING:
    from gradtool.targets.given import Given, Names


class ClusterError(Exception):
    """The cluster cannot be used; the message says why, and what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A file, and what to do with its targets. ``display`` is its path as it is shown; ``settings`` are fields of
    ``checking.Settings``, which takes long to import and is only wanted in the worker; ``only`` are the ids of the targets to
    deal with, where that is not all that are selected. With ``list_only`` it is only said how they would be called.
    ``self_test`` and ``reproduce`` ask for what goes beyond a verdict, each within ``spare_seconds``."""

    path: Path
    display: str
    given: Given
    settings: Mapping[str, Any] = field(default_factory=dict)
    selection: Selection = field(default_factory=Selection)
    definitions_only: bool = False
    list_only: bool = False
    self_test: bool = False
    reproduce: bool = False
    spare_seconds: float = 10.0
    only: frozenset[str] | None = None

    def wants(self, target_id: str) -> bool:
        """Whether a target is to be dealt with."""
        return self.selection.matches(target_id) and (self.only is None or target_id in self.only)


@dataclass(frozen=True, slots=True)
class Announced:
    """A target that was found; ``wanted`` if it is to be dealt with."""

    id: str
    wanted: bool
    line: int
    convention: str
    names: Names


@dataclass(frozen=True, slots=True)
class Loading:
    """The user's module is imported next."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The module was imported, and has these targets; ``notes`` say what was left out of it. The worker waits for the id of
    the one to look at, as after each result; None tells it that there is nothing left."""

    targets: tuple[Announced, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Begun:
    """A target is looked at next."""

    id: str


@dataclass(frozen=True, slots=True)
class Result:
    """What was found out of a target; ``parameters`` are those that a skipped one would need values for."""

    id: str
    result: TargetResult | Skipped
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Broken:
    """The module cannot be imported: the user's own traceback, and the line of the module that it leads to."""

    text: str
    line: int = 1


@dataclass(frozen=True, slots=True)
class Misused:
    """What the user wrote for gradtool does not do."""

    text: str


@dataclass(frozen=True, slots=True)
class Done:
    """There is nothing left to do."""


Message = Loading | Loaded | Begun | Result | Broken | Misused | Done
