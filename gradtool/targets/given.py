"""What the user said of inputs, on the command line and in the configuration, by the targets that it is meant for."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

ByTarget = Mapping[str, Mapping[str, Any]]
"""Values by name, by a glob of the name or the id of a target."""


class Names(NamedTuple):
    """What a target can be called by, and the parameters that it has."""

    id: str
    name: str
    forward: str
    backward: str
    parameters: tuple[str, ...]
    entries: tuple[str, ...] = ()
    """The keys of dictionaries of settings among the parameters: ``stride`` of ``conv_param``."""

    @property
    def settable(self) -> tuple[str, ...]:
        """The names that a value may be given for."""
        return (*self.parameters, *self.entries)

    def is_meant_by(self, glob: str) -> bool:
        """Whether a name, an id, a function's name or a pattern for one of these means this target."""
        return any(fnmatchcase(name, glob) for name in (self.name, self.id, self.forward, self.backward))


@dataclass(frozen=True, slots=True)
class Given:
    """Values (arrays, numbers, strings, booleans: text is parsed already) and declarations.

    ``arguments`` and ``settings`` are for every target that has a parameter of the name; ``by_target`` and
    ``settings_by_target`` for those that a glob matches. A file's and the configuration's come beside the command line's,
    which wins.
    """

    arguments: Mapping[str, Any] = field(default_factory=dict)
    """``--arg NAME=VALUE``."""
    by_target: ByTarget = field(default_factory=dict)
    """``--arg PAIR:NAME=VALUE``."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """``--set NAME=VALUE``: hyper-parameters."""
    settings_by_target: ByTarget = field(default_factory=dict)
    from_file: Mapping[str, Any] = field(default_factory=dict)
    """What ``--inputs FILE`` holds, which may be meant for other modules as well."""
    file: str | None = None
    """That file, as it was named."""
    configured: ByTarget = field(default_factory=dict)
    """Inputs of ``[tool.gradtool]``."""
    configured_settings: ByTarget = field(default_factory=dict)
    skip: Mapping[str, str] = field(default_factory=dict)
    """Why a target is not to be checked."""
    intentional: Mapping[str, str] = field(default_factory=dict)
    """Why the gradient of a target is meant to differ."""

    def on_command_line(self, target: Names) -> dict[str, Any]:
        """The values that the command line has for a target; one for this target beats one for all."""
        chosen = {}
        for values in (self.arguments, self.settings):
            chosen.update({name: value for name, value in values.items() if name in target.settable})
        for by_target in (self.by_target, self.settings_by_target):
            chosen.update(_matching(by_target, target))
        return chosen

    def in_file(self, target: Names) -> dict[str, Any]:
        """The values that the file of inputs has for a target."""
        return {name: value for name, value in self.from_file.items() if name in target.settable}

    def in_configuration(self, target: Names) -> dict[str, Any]:
        """The values that the configuration has for a target."""
        return {**_matching(self.configured, target), **_matching(self.configured_settings, target)}

    def why_skipped(self, target: Names) -> str | None:
        """The reason given for leaving a target out."""
        return _reason(self.skip, target)

    def why_intentional(self, target: Names) -> str | None:
        """The reason given for a gradient that is meant to differ."""
        return _reason(self.intentional, target)

    def unused(self, targets: Iterable[Names]) -> list[str]:
        """A message for each name that no target has, with what was probably meant."""
        found = list(targets)
        messages = []
        known = sorted({name for target in found for name in target.settable})
        for option, values in (("--arg", self.arguments), ("--set", self.settings)):
            messages += [
                f"{option} {name}: no target has an input of this name{nearest_name(name, known)}"
                for name in values
                if name not in known
            ]
        sections = (
            ("--arg", self.by_target), ("--set", self.settings_by_target),
            ("inputs of", self.configured), ("settings of", self.configured_settings),
        )  # fmt: skip
        for option, by_target in sections:
            for glob, values in by_target.items():
                matching = [target for target in found if target.is_meant_by(glob)]
                if not matching:
                    messages.append(
                        f"{option} {glob}: no target of this name{nearest_name(glob, [t.name for t in found])}"
                    )
                    continue
                known = sorted({name for target in matching for name in target.settable})
                messages += [
                    f"{option} {glob}:{name}: {glob} has no input of this name{nearest_name(name, known)}"
                    for name in values
                    if name not in known
                ]
        for word, reasons in (("skip", self.skip), ("intentional", self.intentional)):
            messages += [
                f"{word} {glob}: no target of this name{nearest_name(glob, [t.name for t in found])}"
                for glob in reasons
                if not any(target.is_meant_by(glob) for target in found)
            ]
        return messages


def _matching(by_target: ByTarget, target: Names) -> dict[str, Any]:
    """Later tables win; an exact name wins over a pattern."""
    patterns = sorted(by_target, key=lambda glob: glob in (target.name, target.id))
    return {name: value for glob in patterns if target.is_meant_by(glob) for name, value in by_target[glob].items()}


def _reason(reasons: Mapping[str, str], target: Names) -> str | None:
    return next((why for glob, why in reasons.items() if target.is_meant_by(glob)), None)


def nearest_name(name: str, known: Iterable[str]) -> str:
    """What a message goes on with where a name that is known was probably meant; empty where none is near."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""
