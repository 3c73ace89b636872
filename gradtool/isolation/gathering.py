"""From what a user names to the files that have to be looked at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from gradtool.selection import named
from gradtool.targets.given import nearest_name
from gradtool.targets.loading import EmptyFolderError, TargetError, find_files, parse_target

if TYPE_CHECKING:
    from gradtool.configuration import Configuration
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
    notes: tuple[str, ...] = ()
    """What was named and has nothing to look at."""


def gather(texts: Sequence[str], excludes: Callable[[Path], bool] | None = None) -> Gathered:
    """All files that ``texts`` (a file, folder or module, maybe with ``::name``) name. A file in a folder that defines no
    function and no class is left out without being imported. Raises ``TargetError`` and ``LoadError``."""
    files: dict[Path, File] = {}
    excluded: dict[str, None] = {}
    wishes, notes = [], []
    for text in texts:
        spec = parse_target(text)
        try:
            found = find_files(spec)
        except EmptyFolderError as error:
            found = []
            notes.append(str(error))
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
    return Gathered(tuple(files.values()), tuple(excluded), tuple(wishes), tuple(notes))


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


def unmeant(said: Configuration, found: Mapping[str, Sequence[Names]], *, whole: bool) -> Iterator[str]:
    """A message for each target of a configuration that none of those found means (``found`` has them by their file as it is
    shown), and for each input that the ones it means have not; with the nearest name there is.

    What is in a file that was not looked at is not known. So where ``found`` is not the ``whole`` that the configuration is
    for, a name without a file counts only if it is nearly one that was found.
    """
    known = [one for of_file in found.values() for one in of_file]
    for target in said.targets:
        patterns = said.as_shown(target.pattern)
        where = f"{said.file}: targets.{target.pattern}"
        if meant := [one for one in known if any(one.is_meant_by(pattern) for pattern in patterns)]:
            names = sorted({name for one in meant for name in one.settable})
            for key, values in (("inputs", target.inputs), ("settings", target.settings)):
                for name in values:
                    if name not in names:
                        yield f"{where}.{key}.{name}: no input of this name{nearest_name(name, names)}"
            continue
        places = {pattern.rpartition("::")[0] for pattern in patterns}
        hint = nearest_name(target.pattern, [one.name if places == {""} else one.id for one in known])
        is_gone = not any(set("*?[") & set(place) or Path(place).exists() for place in places)
        if whole or is_gone or places & found.keys() or (places == {""} and hint):
            yield f"{where}: no target of this name{hint}"


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


__all__ = ["File", "Gathered", "TargetError", "Wish", "gather", "unfulfilled", "unmeant"]
