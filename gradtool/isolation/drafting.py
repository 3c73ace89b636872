"""A draft of ``[tool.gradtool]`` for the targets that nobody could make inputs for."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from gradtool.isolation.ledger import Finished

PLACEHOLDER = "randn(3, 4)"


def draft(finished: Finished, folder: Path) -> str:
    """An entry, in TOML, for each target that was skipped for want of values; empty where there is none. Paths are relative
    to ``folder``, where the configuration stands."""
    entries = [
        _entry(_relative(skipped.id, folder), skipped.reason, finished.parameters[skipped.id])
        for skipped in finished.report.skipped
        if finished.parameters.get(skipped.id)
    ]
    return "\n".join(entries)


def _entry(target_id: str, reason: str, parameters: Sequence[str]) -> str:
    lines = [f"# {line}".rstrip() for line in reason.splitlines()]
    lines.append(f"[tool.gradtool.targets.{_quoted(target_id)}]")
    lines.append('# write shapes that the forward accepts, or replace the line by: skip = "why"')
    values = ", ".join(f"{_key(name)} = {_quoted(PLACEHOLDER)}" for name in parameters)
    lines.append(f"inputs = {{ {values} }}")
    return "\n".join(lines) + "\n"


def _relative(target_id: str, folder: Path) -> str:
    file, colons, name = target_id.rpartition("::")
    try:
        return Path(os.path.relpath(file, folder)).as_posix() + colons + name
    except ValueError:  # On another drive.
        return target_id


def _key(name: str) -> str:
    return name if name.isascii() else _quoted(name)


def _quoted(text: str) -> str:
    """A basic string of TOML, whose escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False)
