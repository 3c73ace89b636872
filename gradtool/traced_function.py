"""What ``trace`` does: call a Python function on traced arrays, and give the program that it is."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gradtool.graph import Graph
from gradtool.language import InputValue
from gradtool.tracing import Untraceable
from gradtool.tracing import trace as run_traced


class ArgumentsError(TypeError):
    """The inputs are not the function's parameters. The message says which."""


def trace(
    function: Callable[..., Any],
    inputs: Mapping[str, Any],
    *,
    output: int | None = None,
    title: str | None = None,
) -> Graph:
    """The program that a plain NumPy function is, for inputs of these shapes and on this side of every branch.

    ``inputs`` maps parameters to their values. Arrays of floats and numbers become the program's inputs; integer and boolean
    arrays, words and whatever else are passed on as they are, and so is a whole number where the function does not take a
    float (an axis, a size). Lists of numbers are arrays. ``output`` says which of several values that the function returns is
    meant, from 0 on; left out, it is the first. Nodes are named after the local variables that hold them, and ``Graph.places``
    says in which file and line each of them stands. ``title`` is what results are headed with; left out, it is the call.

    The function is run several times, on copies of the inputs. Raises ``Untraceable`` where it does something that is no
    operation of gradtool, with the place; ``FunctionRaised``, which is one, where the function raises as it is; and
    ``ArgumentsError``, a ``TypeError``, where the inputs are not its parameters.
    """
    given = {name: _argument(value) for name, value in inputs.items()}
    by_keyword = _binds(function, given)
    chosen = _Chosen(function, output)
    whole = [name for name, value in given.items() if type(value) is int and not _is_whole(function, name)]
    as_floats = {name: float(value) if name in whole else value for name, value in given.items()}
    try:
        traced = run_traced(chosen, as_floats, by_keyword=by_keyword, names=True)
    except Untraceable as error:
        if not whole or not isinstance(error.__cause__, TypeError | IndexError):
            raise
        try:  # The function may want whole numbers: an axis, a size.
            traced = run_traced(chosen, given, by_keyword=by_keyword, names=True)
        except Untraceable:
            raise error from error.__cause__
        traced.graph.notes.append(f"passed as whole numbers, and not differentiated: {', '.join(whole)}")
    graph = traced.graph
    graph.places = {node: (_from_here(file), line) for node, (file, line) in graph.places.items()}
    graph.branches = tuple((_from_here(file), line) for file, line in traced.branches)
    graph.title = title or f"{getattr(function, '__qualname__', type(function).__name__)}({', '.join(given)})"
    graph.notes.extend(_notes(graph, chosen, output))
    if traced.random:
        graph.notes.append(
            "the function draws random numbers: those of one run are constants here (--seed: those of another)"
        )
    return graph


class _Chosen:
    """The function, giving one of the values that it returns. ``returned`` is how many there were; None where it was no tuple."""

    def __init__(self, function: Callable[..., Any], output: int | None) -> None:
        self._function = function
        self._output = output
        self.returned: int | None = None

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        found = self._function(*arguments, **named)
        if not isinstance(found, tuple | list):
            if self._output:
                raise Untraceable(f"there is no output {self._output}: the function returns a single value")
            return found
        self.returned = len(found)
        if not -len(found) <= (self._output or 0) < len(found):
            raise Untraceable(f"there is no output {self._output or 0}: the function returns {len(found)} values")
        return found[self._output or 0]


def _argument(value: Any) -> Any:
    """What the function gets: lists of numbers as arrays of floats, and single precision in double precision."""
    if isinstance(value, InputValue):
        value = value.value
    if isinstance(value, list):
        array = np.asarray(value)
        return array.astype(np.float64) if array.dtype.kind in "fiu" else value
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "f":
        return np.asarray(value, np.float64)
    return value


def _binds(function: Callable[..., Any], given: Mapping[str, Any]) -> bool:
    """Whether the inputs can be passed by their names; False where they are passed in their order.

    Raises ``ArgumentsError``."""
    try:
        signature = inspect.signature(function)
    except ValueError:  # A function of C.
        return False
    kinds = {p.kind for p in signature.parameters.values()}
    try:
        signature.bind(**given)
    except TypeError as error:
        refused = error
    else:
        return True
    if kinds & {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL}:
        try:
            signature.bind(*given.values())
        except TypeError as error:
            refused = error
        else:
            return False
    raise ArgumentsError(f"{getattr(function, '__qualname__', 'the function')}: {refused}")


def _is_whole(function: Callable[..., Any], name: str) -> bool:
    """Whether a parameter says that it is a whole number, by its annotation or its default."""
    try:
        parameter = inspect.signature(function).parameters.get(name)
    except ValueError:
        return False
    if parameter is None:
        return False
    return parameter.annotation in (int, "int", bool, "bool") or type(parameter.default) in (int, bool)


def _from_here(file: str) -> str:
    """A path, relative to the working directory where it lies below it."""
    path = Path(file)
    return path.relative_to(Path.cwd()).as_posix() if path.is_relative_to(Path.cwd()) else path.as_posix()


def _notes(graph: Graph, chosen: _Chosen, output: int | None) -> Sequence[str]:
    """What the reader of the program should be told."""
    notes = []
    if chosen.returned is not None and chosen.returned > 1 and output is None:
        notes.append(f"the function returns {chosen.returned} values, of which this is the first (--of 1: the next)")
    notes += [
        f"{file}:{line} goes by a value: the program holds as long as it goes the same way there"
        for file, line in graph.branches
    ]
    return notes
