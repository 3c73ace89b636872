"""``[tool.gradtool]`` of a ``pyproject.toml``, or a ``gradtool.toml``: where it is, what it may hold, what it says.

What ``gradtool.toml`` holds may stand at its top level or under ``[tool.gradtool]``. Relative paths are relative to the
file's folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from importlib import import_module
from math import isfinite
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import gradtool

if TYPE_CHECKING:
    from gradtool.targets.given import Given

PROJECT, OWN = "pyproject.toml", "gradtool.toml"


class ConfigurationError(ValueError):
    """A configuration that cannot be used; the message says which file and which key, and what was expected."""


@dataclass(frozen=True, slots=True, eq=False)
class TargetConfiguration:
    """What is said of the targets that ``pattern`` matches. ``inputs`` and ``settings`` are as TOML has them: a text is
    read as on the command line."""

    pattern: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    intentional: str | None = None
    skip: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Configuration:
    """What a file says; None where it says nothing. ``paths`` and ``baseline`` are absolute or relative to ``file``'s
    folder, as written."""

    file: Path | None = None
    paths: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    points: int | None = None
    seed: int | None = None
    jobs: int | None = None
    timeout: float | None = None
    resolution: float | None = None
    strict: bool | None = None
    fail_on: tuple[str, ...] = ()
    definitions_only: bool | None = None
    baseline: str | None = None
    thresholds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    targets: tuple[TargetConfiguration, ...] = ()

    @property
    def folder(self) -> Path:
        """What relative paths are relative to."""
        return Path.cwd() if self.file is None else self.file.parent

    def given(self, seed: int) -> Given:
        """All that is said of targets, with its values read. Raises ``ConfigurationError``."""
        make: Any = import_module("gradtool.targets.given").Given
        given: Given = make(
            configured=self._by_target("inputs", lambda value, name: configured_value(value, name, seed, self.folder)),
            configured_settings=self._by_target("settings", lambda value, _: value),
            skip=self._reasons("skip"),
            intentional=self._reasons("intentional"),
        )
        return given

    def _by_target(self, key: str, parse: Callable[[Any, str], Any]) -> dict[str, dict[str, Any]]:
        """The ``inputs`` or ``settings`` of targets, by a pattern for ids as they are shown here. ``parse(value, name)`` makes
        a value of what TOML has."""
        found: dict[str, dict[str, Any]] = {}
        for target in self.targets:
            values = {}
            for name, value in getattr(target, key).items():
                try:
                    values[name] = parse(value, name)
                except (gradtool.SourceError, gradtool.InputFileError) as error:
                    raise ConfigurationError(f"{self.file}: targets.{target.pattern}.{key}.{name}: {error}") from None
            if values:
                found |= dict.fromkeys(self.as_shown(target.pattern), values)
        return found

    def _reasons(self, key: str) -> dict[str, str]:
        """Why targets are to be skipped (``skip``) or meant to differ (``intentional``), by pattern as in ``_by_target``."""
        found: dict[str, str] = {}
        for target in self.targets:
            if (why := getattr(target, key)) is not None:
                found |= dict.fromkeys(self.as_shown(target.pattern), why)
        return found

    def as_shown(self, pattern: str) -> tuple[str, ...]:
        """A pattern as it is written, and with its path as ids have it: relative to the working directory, or absolute."""
        place, colons, name = pattern.rpartition("::")
        if not colons:
            return (pattern,)
        absolute = os.path.normpath(self.folder / place)
        shown = [place, absolute]
        with contextlib.suppress(ValueError):  # On another drive.
            shown.insert(1, os.path.relpath(absolute))
        return tuple(dict.fromkeys(f"{PurePath(one).as_posix()}::{name}" for one in shown))

    def excludes(self, file: Path) -> bool:
        """Whether ``exclude`` names a file, by a pattern or by a folder it is in."""
        absolute = file if file.is_absolute() else Path.cwd() / file
        for path in {absolute, absolute.resolve()}:
            if path.is_relative_to(self.folder):
                relative = path.relative_to(self.folder)
                shown = [relative.as_posix(), *(parent.as_posix() for parent in relative.parents), relative.name]
                if any(_matches(one, pattern.rstrip("/")) for pattern in self.exclude for one in shown if one != "."):
                    return True
        return False


def find(start: Path) -> Path | None:
    """The nearest configuration in the folder ``start`` or above it; ``gradtool.toml`` before ``pyproject.toml``, which
    counts only if it has a table for gradtool. Raises ``ConfigurationError`` for a file that cannot be read."""
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / OWN).is_file():
            return folder / OWN
        project = folder / PROJECT
        if project.is_file() and _table(project) is not None:
            return project
    return None


def nearest(texts: Sequence[str]) -> Configuration:
    """What the configuration nearest to the first of the targets says, or nearest to the working directory where there
    is none. Raises ``ConfigurationError``."""
    place = Path(texts[0].partition("::")[0]) if texts else Path()
    path = find(place if place.is_dir() else place.parent if place.exists() else Path())
    return Configuration() if path is None else read(path)


def read(path: Path) -> Configuration:
    """What a file says. Raises ``ConfigurationError``."""
    table = _table(path) or {}
    top = _Reader(path, "" if path.name == OWN and "tool" not in _parsed(path) else "tool.gradtool")
    found = top.read(table, _KEYS)
    return Configuration(file=path, **found)


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}") from None


def _table(path: Path) -> Any:
    """The table that is gradtool's, None where there is none."""
    document = _parsed(path)
    if path.name == OWN and "tool" not in document:
        return document
    tool = document.get("tool", {})
    return tool.get("gradtool") if isinstance(tool, dict) else None


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads values at a place of a file. A complaint begins with the file and the key's whole path."""

    path: Path
    place: str

    def inside(self, key: str) -> _Reader:
        shown = key if key.replace("-", "").replace("_", "").isalnum() and key.isascii() else f'"{key}"'
        return _Reader(self.path, f"{self.place}.{shown}" if self.place else shown)

    def error(self, message: str) -> ConfigurationError:
        return ConfigurationError(f"{self.path}: {self.place or 'the file'}: {message}")

    def read(self, table: Any, keys: Mapping[str, Callable[[_Reader, Any], Any]]) -> dict[str, Any]:
        """The values of a table's keys, ``-`` in a key becoming ``_``."""
        found = {}
        for key, value in self.table(table).items():
            if key not in keys:
                near = get_close_matches(key.lower().replace("_", "-"), keys, n=1)
                hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(keys)}"
                raise self.inside(key).error(f"gradtool knows no such key; {hint}")
            found[key.replace("-", "_")] = keys[key](self.inside(key), value)
        return found

    def table(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.error(f"expected a table, found {value!r}")
        return value

    def text(self, value: Any) -> str:
        if not isinstance(value, str) or not value.strip():
            raise self.error(f"expected a text, found {value!r}")
        return value

    def texts(self, value: Any) -> tuple[str, ...]:
        if isinstance(value, str):
            return (self.text(value),)
        if not isinstance(value, list):
            raise self.error(f"expected a list of texts, found {value!r}")
        return tuple(self.text(entry) for entry in value)

    def reason(self, value: Any) -> str:
        if not isinstance(value, str) or not value.strip():
            raise self.error(f'expected the reason as a text, as in "straight-through estimator", found {value!r}')
        return value.strip()

    def flag(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise self.error(f"expected true or false, found {value!r}")
        return value

    def count(self, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.error(f"expected a whole number of 0 or more, found {value!r}")
        return value

    def jobs(self, value: Any) -> int:
        return 0 if value == "auto" else self.count(value)

    def number(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise self.error(f"expected a number, found {value!r}")
        return float(value)

    def positive(self, value: Any) -> float:
        if self.number(value) <= 0:
            raise self.error(f"expected a number above 0, found {value!r}")
        return float(value)

    def values(self, value: Any) -> dict[str, Any]:
        """Values of inputs or settings by name."""
        found = self.table(value)
        for name, entry in found.items():
            if not name.isidentifier():
                raise self.inside(name).error("is not a name")
            self.inside(name).entry(entry)
        return found

    def entry(self, value: Any) -> None:
        """See that a value is a text, a number, true or false, or a list or table of these."""
        if isinstance(value, list):
            for one in value:
                self.entry(one)
        elif isinstance(value, dict):
            for key, one in value.items():
                self.inside(key).entry(one)
        elif not isinstance(value, str | int | float):
            raise self.error(f"expected a number, a text or a list, found {value!r}")

    def thresholds(self, value: Any) -> dict[str, dict[str, float]]:
        """Code -> threshold -> value."""
        found: dict[str, dict[str, float]] = {}
        for code, table in self.table(value).items():
            here = self.inside(code)
            if code not in gradtool.HEALTH_RULES:
                raise here.error(f"there is no such diagnostic; there are {', '.join(gradtool.HEALTH_RULES)}")
            known = dict.fromkeys(gradtool.HEALTH_RULES[code].thresholds, _Reader.number)
            if not known:
                raise here.error("has no thresholds")
            found[code] = here.read(table, known)
        return found

    def targets(self, value: Any) -> tuple[TargetConfiguration, ...]:
        return tuple(
            TargetConfiguration(pattern, **self.inside(pattern).read(table, _TARGET_KEYS))
            for pattern, table in self.table(value).items()
        )


_TARGET_KEYS: dict[str, Callable[[_Reader, Any], Any]] = {
    "inputs": _Reader.values,
    "settings": _Reader.values,
    "intentional": _Reader.reason,
    "skip": _Reader.reason,
}
_KEYS: dict[str, Callable[[_Reader, Any], Any]] = {
    "paths": _Reader.texts,
    "exclude": _Reader.texts,
    "points": _Reader.count,
    "seed": _Reader.count,
    "jobs": _Reader.jobs,
    "timeout": _Reader.positive,
    "resolution": _Reader.positive,
    "strict": _Reader.flag,
    "fail-on": _Reader.texts,
    "definitions-only": _Reader.flag,
    "baseline": _Reader.text,
    "thresholds": _Reader.thresholds,
    "targets": _Reader.targets,
}


_WHOLE_LIST = frozenset("0123456789[], +-\t\n")


# Values ----------------------------------------------------------------------------------------------------------------


def input_value(text: str, name: str, seed: int, folder: Path | None = None) -> Any:
    """The value of an input that Python code is called with, as ``gradtool.parse_value`` reads it, and raising what that
    raises; but ``None`` is Python's, and whole numbers in brackets stay a list of ``int``, as they may be labels."""
    plain = text.strip()
    if plain == "None":
        return None
    if plain.startswith("[") and not set(plain) - _WHOLE_LIST:
        with contextlib.suppress(ValueError):  # parse_value says what is wrong with it.
            return json.loads(plain)
    return gradtool.parse_value(text, name, seed=seed, folder=folder).value


def configured_value(value: Any, name: str, seed: int, folder: Path) -> Any:
    """The value of an input as a configuration has it: a text is read as on the command line, a whole number is a float (one
    that is not is a setting), entries of a table are as they are written. Raises what ``gradtool.parse_value`` raises."""
    if isinstance(value, str):
        return input_value(value, name, seed, folder)
    if isinstance(value, list):
        return input_value(json.dumps(value), name, seed)
    if isinstance(value, dict):
        return {
            key: configured_value(one, key, seed, folder) if isinstance(one, str | list) else one
            for key, one in value.items()
        }
    return float(value) if type(value) is int else value


def setting_value(text: str, name: str, seed: int) -> Any:
    """The value of a hyper-parameter: a whole number is an ``int``, ``true`` and ``false`` are booleans, ``None`` is Python's,
    and what is no value for an input is a text."""
    plain = text.strip()
    if plain.lstrip("+-").isdecimal():
        return int(plain)
    if plain.lower() in ("true", "false"):
        return plain.lower() == "true"
    try:
        return input_value(plain, name, seed)
    except gradtool.SourceError:
        return plain


def _matches(name: str, pattern: str) -> bool:
    return name == pattern or fnmatchcase(name, pattern)
