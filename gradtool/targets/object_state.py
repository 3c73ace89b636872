"""The state of a user's object: its arrays and numbers, through attributes, dictionaries, lists and objects inside it."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal

import numpy as np


@dataclass(frozen=True, slots=True)
class Step:
    """One step into an object: ``.name``, ``['name']`` or ``[0]``."""

    kind: Literal["attribute", "key", "index"]
    name: Any


Path = tuple[Step, ...]


def attribute(name: str) -> Path:
    """The path of an attribute of the object itself."""
    return (Step("attribute", name),)


def display(path: Path) -> str:
    """The path as users would write it after the object and its dot: ``layers[0].params['W']``."""
    text = ""
    for step in path:
        if step.kind == "attribute":
            text += f".{step.name}" if text else str(step.name)
        else:
            text += f"[{step.name!r}]"
    return text


def leaves(root: object) -> dict[Path, Any]:
    """All that is reached from ``root`` and holds nothing further: arrays, numbers, None, text, ... by path.

    An array that two attributes share stands under both. A container that is met again is not entered again.
    """
    found: dict[Path, Any] = {}
    seen: set[int] = set()
    pending: list[tuple[Path, Any]] = [((), root)]
    while pending:
        path, value = pending.pop(0)
        items = entries(value)
        if items is None:
            found[path] = value
        elif id(value) not in seen:
            seen.add(id(value))
            pending += [((*path, step), item) for step, item in items]
    return found


def list_lengths(root: object) -> dict[Path, int]:
    """How long each list is that is reached from ``root``, by path."""
    found: dict[Path, int] = {}
    seen: set[int] = set()
    pending: list[tuple[Path, Any]] = [((), root)]
    while pending:
        path, value = pending.pop(0)
        items = entries(value)
        if items is None or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, list):
            found[path] = len(value)
        pending += [((*path, step), item) for step, item in items]
    return found


def entries(value: object) -> list[tuple[Step, Any]] | None:
    """What a container holds, in order; None for what is no container."""
    if isinstance(value, Mapping):
        return [(Step("key", key), item) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return [(Step("index", i), item) for i, item in enumerate(value)]
    if not _is_users_object(value):
        return None
    return [(Step("attribute", name), item) for name, item in _attributes(value)]


def _is_users_object(value: object) -> bool:
    """An instance of a class written in Python, whose attributes are its own: no array, function, class or module."""
    if isinstance(value, np.ndarray | np.generic | ModuleType | type) or inspect.isroutine(value):
        return False
    if type(value).__module__.partition(".")[0] in ("numpy", "scipy", "torch", "jax", "jaxlib", "builtins", "random"):
        return False
    return hasattr(value, "__dict__") or bool(_slots(value))


def _slots(value: object) -> list[str]:
    found: list[str] = []
    for base in type(value).__mro__:
        names = base.__dict__.get("__slots__", ())
        found += [names] if isinstance(names, str) else list(names)
    return [name for name in found if not name.startswith("__")]


def _attributes(value: object) -> Iterator[tuple[str, Any]]:
    yield from getattr(value, "__dict__", {}).items()
    for name in _slots(value):
        if hasattr(value, name):
            yield name, getattr(value, name)


def fetch(root: object, path: Path) -> Any:
    """What stands at a path. Raises ``LookupError`` or ``AttributeError`` where nothing does."""
    value: Any = root
    for step in path:
        value = getattr(value, step.name) if step.kind == "attribute" else value[step.name]
    return value


def put(root: object, path: Path, value: object) -> None:
    """Puts ``value`` at a path; a tuple on the way is made anew."""
    owner = fetch(root, path[:-1])
    step = path[-1]
    if step.kind == "attribute":
        setattr(owner, step.name, value)
    elif isinstance(owner, tuple):
        items = list(owner)
        items[step.name] = value
        made = type(owner)(*items) if hasattr(owner, "_fields") else tuple(items)
        put(root, path[:-1], made)
    else:
        owner[step.name] = value


def fill(root: object, paths: tuple[Path, ...], value: Any) -> None:
    """Gives one array or number of the object, which stands at all these paths, the content of ``value``.

    An array of the same shape and dtype is written in place, so that views of it and names for it elsewhere agree;
    any other is put anew at each path.
    """
    present = fetch(root, paths[0])
    same = (
        isinstance(present, np.ndarray)
        and type(value) is np.ndarray
        and present.shape == value.shape
        and present.dtype == value.dtype
        and present.flags.writeable
    )
    if same:
        present[...] = value
        return
    if isinstance(present, float) and isinstance(value, np.ndarray) and value.shape == () and value.dtype.kind == "f":
        value = float(value)
    for path in paths:
        put(root, path, value)


def is_float(value: object) -> bool:
    """Whether it is a float array or a float, something that may have a gradient."""
    return isinstance(value, float | np.floating) or (isinstance(value, np.ndarray) and value.dtype.kind == "f")


def same_content(one: object, other: object) -> bool:
    """Whether two leaves hold the same numbers; NaN equals NaN."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.shape == other.shape and one.dtype == other.dtype and one.tobytes() == other.tobytes()
    if is_float(one) and is_float(other):
        return bool(one == other) or (one != one and other != other)
    return one is other


@dataclass(eq=False)
class Memory:
    """What an object held at one time, to be restored later: entries of its containers, and the content of its arrays.

    Entries at the paths in ``kept`` stay as they are.
    """

    root: object
    kept: frozenset[Path] = frozenset()
    _held: list[tuple[Path, Any, list[tuple[Step, Any]]]] = field(default_factory=list)
    _content: list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        seen: set[int] = set()
        spared = {id(fetch(self.root, path)) for path in self.kept}
        pending: list[tuple[Path, Any]] = [((), self.root)]
        while pending:
            path, value = pending.pop(0)
            items = entries(value)
            if items is None:
                if isinstance(value, np.ndarray) and id(value) not in spared and value.dtype.kind in "biufc":
                    self._content.append((value, value.copy()))
            elif id(value) not in seen:
                seen.add(id(value))
                self._held.append((path, value, items))
                pending += [((*path, step), item) for step, item in items]

    def restore(self) -> None:
        """Puts everything back but what is in ``kept``."""
        for path, owner, items in self._held:
            if isinstance(owner, tuple):
                continue
            present = dict(entries(owner) or ())
            wanted = dict(items)
            for step in [s for s in present if s not in wanted and (*path, s) not in self.kept][::-1]:
                _remove(owner, step)
            for step, item in items:
                if (*path, step) in self.kept or present.get(step, self) is item:
                    continue
                if step.kind == "attribute":
                    setattr(owner, step.name, item)
                elif isinstance(owner, list) and step.name >= len(owner):
                    owner.append(item)
                else:
                    owner[step.name] = item
        for array, content in self._content:
            if array.flags.writeable and array.shape == content.shape:
                array[...] = content


def _remove(owner: Any, step: Step) -> None:
    if step.kind == "attribute":
        delattr(owner, step.name)
    else:
        del owner[step.name]


def copied(value: Any) -> Any:
    """A copy that shares nothing with ``value``. Raises ``TypeError`` where something in it cannot be copied."""
    return copy.deepcopy(value)
