"""From what a user names to the files that have to be looked at."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from gradtool.selection import named
from gradtool.targets.loading import TargetError, find_files, parse_target

if TYPE_CHECKING:
    from gradtool.targets.given import Names

_DEFINITION = re.compile(rb"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class File:
    """A file to look at. ``names`` are patterns for the names of the targets that are wanted of it; none: all."""

    path: Path
    display: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """A ``TARGET`` with a name after ``::``, and the files that may have it."""

    text: str
    pattern: str
    displays: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gathered:
    """The files in the order they were named, each once; those that the configuration excludes; and what was wished for
    by name."""

    files: tuple[File, ...]
    excluded: tuple[str, ...]
    wishes: tuple[Wish, ...]


def gather(texts: Sequence[str], excludes: Callable[[Path], bool] | None = None) -> Gathered:
    """All files that ``texts`` (a file, folder or module, maybe with ``::name``) name. A file in a folder that defines no
    function and no class is left out without being imported. Raises ``TargetError`` and ``LoadError``."""
    files: dict[Path, File] = {}
    excluded: dict[str, None] = {}
    wishes = []
    for text in texts:
        spec = parse_target(text)
        found = find_files(spec)
        whole = spec.path is not None and spec.path.is_file()
        displays = []
        for path, display in found:
            if excludes is not None and excludes(path):
                excluded[display] = None
                continue
            if whole:
                _see_that_it_can_be_read(path, display)
            elif not _defines_something(path):
                continue
            displays.append(display)
            names: tuple[str, ...] = (spec.pattern,) if spec.pattern else ()
            key = path.resolve()
            known = files.get(key)
            if known is not None:
                names = (*known.names, *names) if known.names and names else ()
            files[key] = File(path, display if known is None else known.display, names)
        if spec.pattern:
            wishes.append(Wish(text, spec.pattern, tuple(displays)))
    return Gathered(tuple(files.values()), tuple(excluded), tuple(wishes))


def unfulfilled(wishes: Sequence[Wish], found: Mapping[str, tuple[Names, ...]]) -> str | None:
    """A message for the first name that is no target of its files, with the nearest that is; None where all are, or where
    it cannot be told, as a file could not be imported. A pattern may match nothing."""
    for wish in wishes:
        if any(character in wish.pattern for character in "*?[") or not all(d in found for d in wish.displays):
            continue
        names = [one.name for display in wish.displays for one in found[display]]
        if not any(named(name, wish.pattern) for name in names):
            near = get_close_matches(wish.pattern, names, n=1, cutoff=0.5)
            there = f"there are {', '.join(names[:20])}" if names else "no hand-written gradient was found there"
            return f"{wish.text}: there is no target {wish.pattern!r}; " + (
                f"did you mean {near[0]}?" if near else there
            )
    return None


def _see_that_it_can_be_read(path: Path, display: str) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise TargetError(f"{display}: cannot be read: {error.strerror}") from None


def _defines_something(path: Path) -> bool:
    try:
        return _DEFINITION.search(path.read_bytes()) is not None
    except OSError:
        return True  # Importing it will tell what is the matter.


__all__ = ["File", "Gathered", "TargetError", "Wish", "gather", "unfulfilled"]
