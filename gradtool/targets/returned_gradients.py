"""Which input each gradient that a backward returned belongs to: by names in the source, then position, then shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from gradtool.targets.arguments import Arguments
from gradtool.targets.backward_call import named_input
from gradtool.targets.found import CannotBindError
from gradtool.targets.gradient_names import is_target


def claimed(names: Iterable[tuple[str | None, ...]], inputs: Sequence[str], keys: Iterable[str] = ()) -> frozenset[str]:
    """The inputs that a backward's returned names, and the keys of dictionaries it returns, say they are the gradients of."""
    found = {named_input(name, inputs) for row in names for name in row if name is not None}
    found |= {named_input(key, inputs, itself=True) for key in keys}
    return frozenset(name for name in found if name is not None)


def assign(
    returned: Any,
    names: Sequence[tuple[str | None, ...]],
    arguments: Arguments,
    output: tuple[int, ...] | None = None,
) -> dict[str, Any]:
    """Which input each gradient belongs to: {input's name: gradient or None}, for floating inputs only.

    ``returned`` is what backward gave: an array, a tuple or list, a dictionary or named tuple, or these in each other. ``names``
    is ``returned_names`` of it. Names count first, then positions, then shapes. An input that backward gives nothing for is
    left out. With the shape of forward's ``output``, gradients may be Jacobians (output's shape, then the input's).
    Raises ``CannotBindError`` where nothing is settled, with what to add.
    """
    elements = _elements(returned, names, arguments)
    found: dict[str, Any] = {}
    unnamed: list[tuple[int, Any]] = []
    targets = tuple(dict.fromkeys((*arguments.given, *arguments.values)))
    for place, (name, value, is_key) in enumerate(elements):
        target = None if name is None else named_input(name, targets, itself=is_key)
        if target is None and name is not None and is_key:
            continue  # grads["loss"], grads["dA1"]: more than was asked for
        places = _within(target, value, arguments) if target is not None else None
        if places is None or not places.keys().isdisjoint(found):
            unnamed.append((place, value))
        else:
            found.update(places)
    if unnamed:
        found.update(_by_position(unnamed, len(elements), found, arguments, output))
    floating = arguments.floating
    result = {name: found[name] for name in arguments.values if name in found and name in floating}
    if not result:
        raise CannotBindError(
            "backward returns nothing that is the gradient of an input: name its results after them (dx, dw)"
        )
    return result


def _elements(
    returned: Any, names: Sequence[tuple[str | None, ...]], arguments: Arguments
) -> list[tuple[str | None, Any, bool]]:
    """(name, gradient, whether the name is a key) of each thing that backward returned."""
    keyed = _keyed(returned)
    if keyed is not None:
        return [(name, value, True) for name, value in keyed.items()]
    scalars = [name for name in arguments.floating if np.ndim(arguments.values[name]) == 0]
    stacked = isinstance(returned, np.ndarray) and len(scalars) > 1 and len(scalars) == len(arguments.floating)
    if stacked and returned.shape == (len(scalars),):
        returned = tuple(returned)
    if not isinstance(returned, tuple | list) or _is_one(returned, names, arguments):
        returned = (returned,)
    elif isinstance(returned, list) and not any(len(row) == len(returned) for row in names):
        lists = [
            name for name, value in arguments.given.items() if isinstance(value, list) and _has_leaf(name, arguments)
        ]
        if lists and any(len(row) == 1 for row in names):
            returned = (returned,)
    rows = [row for row in names if len(row) == len(returned)]
    elements: list[tuple[str | None, Any, bool]] = []
    for i, value in enumerate(returned):
        called = {row[i] for row in rows if row[i] is not None}
        name = called.pop() if len(called) == 1 else None
        inner = _keyed(value)
        if inner is not None and (name is None or named_input(name, arguments.given) is None):
            elements += [(key, item, True) for key, item in inner.items()]
        else:
            elements.append((name, value, False))
    return elements


def _is_one(returned: Sequence[Any], names: Sequence[tuple[str | None, ...]], arguments: Arguments) -> bool:
    """Whether a list (or a tuple of numbers) is the gradient of an only array, written out: ``return [2 * x[0], 4 * x[1]]``."""
    holding = {arguments.places[name] for name in arguments.floating}
    if len(holding) != 1 or len(returned) < 2 or any(value is None or _keyed(value) is not None for value in returned):
        return False
    if any(
        name is not None and named_input(name, arguments.given)
        for row in names
        if len(row) == len(returned)
        for name in row
    ):
        return False
    shape = _shape(returned)
    wanted = np.shape(arguments.values[arguments.floating[0]])
    return bool(wanted) and (
        shape == wanted or (isinstance(returned, list) and shape is not None and len(shape) > len(wanted))
    )


def _has_leaf(argument: str, arguments: Arguments) -> bool:
    return any(name == argument for name, _ in arguments.places.values())


def _keyed(value: Any) -> dict[str, Any] | None:
    """A dictionary's, named tuple's or dataclass's entries."""
    if isinstance(value, Mapping):
        return {str(key): item for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return dict(value._asdict())
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return None


def _within(target: str, value: Any, arguments: Arguments) -> dict[str, Any] | None:
    """The gradient of an input, or those of all the arrays in an argument that was opened."""
    if target in arguments.values:
        return {target: value}
    inside = {name: path for name, (argument, path) in arguments.places.items() if argument == target}
    if not inside:
        return {}
    found: dict[str, Any] = {}
    for name, path in inside.items():
        item = value
        for key in path:
            keyed = _keyed(item)
            if keyed is not None:
                match = next((k for k in keyed if k == str(key) or named_input(k, [str(key)]) is not None), None)
                item = None if match is None else keyed[match]
            elif isinstance(item, list | tuple) and isinstance(key, int) and key < len(item):
                item = item[key]
            else:
                return None
        found[name] = item
    return found


def _by_position(
    unnamed: Sequence[tuple[int, Any]],
    count: int,
    found: Mapping[str, Any],
    arguments: Arguments,
    output: tuple[int, ...] | None,
) -> dict[str, Any]:
    """Gradients without a name, in the order of the arguments that have none yet. ``unnamed`` says at which of ``count`` places
    each was returned."""
    floating = arguments.floating
    with_leaf = [a for a in arguments.given if any(arguments.places[n][0] == a for n in floating)]
    done = {arguments.places[name][0] for name in found}
    free = [argument for argument in with_leaf if argument not in done]
    every = list(arguments.given)
    values = [value for _, value in unnamed]
    slots: list[str] | None
    if not free:
        return {}  # Every input has its gradient, and this is something else.
    if len(values) == len(free):
        slots = free
    elif count == len(every) and not any(every[place] in done for place, _ in unnamed):
        slots = [every[place] for place, _ in unnamed]
    elif len(values) < len(free):
        likely = _differentiated(free)
        slots = _by_shape(values, likely if len(values) <= len(likely) else free, arguments, output)
    else:
        slots = None
    if slots is None:
        raise CannotBindError(
            f"backward returns {count} value(s) for the inputs {', '.join(with_leaf)}, and which belongs to which is open:"
            " name its results after them (dx, dw)"
        )
    result: dict[str, Any] = {}
    for argument, value in zip(slots, values, strict=True):
        result.update(_within(argument, value, arguments) or {})
    return result


def _differentiated(names: Sequence[str]) -> list[str]:
    """Those of several inputs that a loss is usually differentiated with respect to: not labels and targets, unless there is
    nothing else; then ``y`` beside ``t``; nor the distribution ``p`` that a model ``q`` is compared with."""
    predictions = [name for name in names if not is_target(name) and not (name == "p" and "q" in names)]
    return predictions or [name for name in names if name in ("y", "Y")] or list(names)


def _by_shape(
    values: Sequence[Any], free: Sequence[str], arguments: Arguments, output: tuple[int, ...] | None
) -> list[str] | None:
    """The first arguments where shapes agree with that, else those that are the only ones of their shape."""

    def fits(value: Any, argument: str) -> bool:
        if argument not in arguments.values:
            return False
        shape = np.shape(arguments.values[argument])
        return _shape(value) in (shape, shape if output is None else (*output, *shape))

    if all(fits(value, argument) for value, argument in zip(values, free, strict=False)):
        return list(free[: len(values)])
    chosen = []
    for value in values:
        fitting = [argument for argument in free if fits(value, argument)]
        if len(fitting) != 1 or fitting[0] in chosen:
            return None
        chosen.append(fitting[0])
    return chosen


def _shape(value: Any) -> tuple[int, ...] | None:
    try:
        shape: tuple[int, ...] = np.shape(value)
    except ValueError:
        return None  # Lists of unequal lengths
    return shape
