"""``Arguments``: what forward is called with, taken apart into inputs and put together again."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradtool.targets.found import CannotBindError

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Arguments:
    """What forward is called with, taken apart.

    ``values`` are the arrays (and floats, in code for scalars) by input name: a dictionary or list of arrays is opened, so
    that ``params["W1"]`` is the input ``W1`` and ``weights[0]`` is ``weights[0]``. ``places`` says where each stands: the
    argument and the keys in it. ``given`` has all arguments, whole.
    """

    given: Mapping[str, Any]
    values: Mapping[str, Any]
    places: Mapping[str, tuple[str, Path]]

    @classmethod
    def of(cls, given: Mapping[str, Any], claimed: Iterable[str] = (), settings: Iterable[str] = ()) -> Arguments:
        """Takes arguments apart.

        Python floats count as inputs where there is no floating array at all (code for scalars), unless they are ``settings``
        (parameters that have a default); and those that are ``claimed``: backward gives a gradient named after them.
        Raises ``CannotBindError`` for arrays that cannot be checked.
        """
        found = [(name, path, leaf) for name, value in given.items() for path, leaf in _leaves(value)]
        if any(isinstance(leaf, np.ndarray) and leaf.dtype.kind == "c" for _, _, leaf in found):
            raise CannotBindError("complex arrays are not supported")
        arrays = any(isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f" for _, _, leaf in found)
        numbers = set(claimed) if arrays else set(claimed) | (given.keys() - set(settings))
        values: dict[str, Any] = {}
        places: dict[str, tuple[str, Path]] = {}
        for name, path, leaf in found:
            if isinstance(leaf, np.ndarray) or name in numbers:
                called = _leaf_name(name, path)
                if called in values or (path and called in given):
                    called = name + "".join(f"[{key!r}]" for key in path)
                values[called] = leaf
                places[called] = (name, path)
        return cls(dict(given), values, places)

    @property
    def floating(self) -> tuple[str, ...]:
        """The inputs that can be differentiated."""
        return tuple(name for name, value in self.values.items() if is_floating(value))

    @property
    def hyper(self) -> tuple[str, ...]:
        """The arguments that hold no array at all: settings."""
        holding = {argument for argument, _ in self.places.values()}
        return tuple(name for name in self.given if name not in holding)

    def filled(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Forward's arguments with these values put in: the very arrays; everything else is copied."""
        whole = {name for name, path in self.places.values() if not path}
        arguments = {name: value if name in whole else copy.deepcopy(value) for name, value in self.given.items()}
        for called, (name, path) in self.places.items():
            value = values[called]
            if not path:
                arguments[name] = value
            else:
                arguments[name] = _put(arguments[name], path, value)
        return arguments


def is_floating(value: Any) -> bool:
    """Whether a value is a floating array or number, that a gradient can be of or with respect to."""
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.kind == "f"
    return isinstance(value, float)


def _leaves(value: Any) -> Iterator[tuple[Path, Any]]:
    """The arrays and floats in an argument. A dictionary with anything but arrays in it is a setting, and is not opened."""
    if isinstance(value, dict):
        inner = [(key, list(_leaves(item))) for key, item in value.items() if isinstance(key, str | int)]
        arrays = len(inner) == len(value) and all(
            found and all(isinstance(leaf, np.ndarray) for _, leaf in found) for _, found in inner
        )
        for key, found in inner if arrays else ():
            yield from (((key, *path), leaf) for path, leaf in found)
    elif isinstance(value, list | tuple) and type(value) in (list, tuple):
        inner_list = [list(_leaves(item)) for item in value]
        if value and all(found and all(isinstance(leaf, np.ndarray) for _, leaf in found) for found in inner_list):
            for i, found in enumerate(inner_list):
                yield from (((i, *path), leaf) for path, leaf in found)
    elif isinstance(value, np.ndarray | float):
        yield (), value


def _leaf_name(argument: str, path: Path) -> str:
    if not path:
        return argument
    if all(isinstance(key, str) for key in path):
        return ".".join(map(str, path))
    return argument + "".join(f".{key}" if isinstance(key, str) else f"[{key}]" for key in path)


def _put(container: Any, path: Path, value: Any) -> Any:
    key, *rest = path
    inner = _put(container[key], tuple(rest), value) if rest else value
    if isinstance(container, tuple):
        return (*container[: int(key)], inner, *container[int(key) + 1 :])
    container[key] = inner
    return container
