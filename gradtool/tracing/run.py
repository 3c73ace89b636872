"""``trace``: run a plain NumPy function once, and keep what it did as a graph."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradtool.graph import Graph
from gradtool.tracing.array import CLOSE, TracedArray, as_traced, isinstance_traced
from gradtool.tracing.errors import FunctionRaised, Untraceable
from gradtool.tracing.naming import Names
from gradtool.tracing.places import innermost, outer_lines
from gradtool.tracing.substitutes import substituted
from gradtool.tracing.tape import Tape

Array = NDArray[Any]
Line = tuple[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class Traced:
    """A function as a graph, for inputs of these shapes and on this side of every branch.

    ``graph.output`` is the function's output; where it returns ``several``, it is all of them, flattened and joined:
    ``upstream`` makes of one upstream an output the one that ``gradtool.autodiff.backward`` wants.
    """

    graph: Graph
    lines: Mapping[int, Line]
    """The file and line of the user's code that each operation stands in: the innermost ones."""
    outer_lines: Mapping[int, Line]
    """The outermost line that led to each operation, of those that tell operations apart: where a helper is called."""
    outputs: tuple[int, ...]
    """The node of each output."""
    values: tuple[Array, ...]
    """Each output at the inputs."""
    several: bool
    """Whether the function returns a tuple or a list, even of one."""
    branches: tuple[Line, ...]
    """Where the run went by a value: an ``if``, an index or a mask that depends on the inputs."""
    random: bool = False
    """Whether it drew numbers from NumPy's or Python's global random generator. The graph has them as constants."""

    @property
    def value(self) -> Any:
        """The output, or the tuple of several."""
        return self.values if self.several else self.values[0]

    @property
    def branched(self) -> bool:
        """Whether the graph holds only while certain values stay on their side."""
        return bool(self.branches)

    def upstream(self, *upstreams: Any) -> Array:
        """The upstream of ``graph.output``, given one upstream for each output, of its shape or one that broadcasts to it."""
        if len(upstreams) != len(self.values):
            raise ValueError(f"{len(upstreams)} upstreams for {len(self.values)} outputs")
        full = [
            np.broadcast_to(np.asarray(upstream, np.float64), value.shape)
            for upstream, value in zip(upstreams, self.values, strict=True)
        ]
        return np.concatenate([np.ravel(u) for u in full]) if self.several else full[0]


def trace(
    function: Callable[..., Any], inputs: Mapping[str, Any], *, by_keyword: bool = False, names: bool = False
) -> Traced:
    """Run ``function`` on traced arrays, after running it plainly, and compare.

    ``inputs`` are passed in their order, or by name if ``by_keyword``. Arrays of float64 and Python floats are traced; all
    else (labels, sizes, words) is passed as it is. The function returns an array or a number, or a tuple or list of them.
    With ``names`` the graph's nodes go by the local variables that they were bound to.
    Arguments are copied for each run, and NumPy's and Python's global random generators start both in the same state.

    Raises ``Untraceable`` where something the function does is no operation of gradtool, where the function raises (if it does
    so without being traced, ``FunctionRaised``), and where the two runs differ.
    """
    for name, x in inputs.items():
        if isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "fc" and x.dtype != np.float64:
            raise Untraceable(f"the input {name} is of type {x.dtype}, and only float64 can be traced")
    state = (np.random.get_state(), random.getstate())
    try:
        with np.errstate(all="ignore"):
            expected, _ = _outputs(_plainly(function, inputs, by_keyword))
            drew = _has_moved(state)
            _restore(state)
            # Single precision is refused only after this, as the traced run knows in which line it comes in.
            traced, tape, nodes = _traced(function, inputs, by_keyword, expected, names)
            _restore(state)
            _compare_beside(function, inputs, by_keyword, tape, nodes, expected)
            return replace(traced, random=drew)
    finally:
        _restore(state)


def _has_moved(state: tuple[Any, Any]) -> bool:
    """Whether the random generators are no longer in this state."""
    return repr((np.random.get_state(), random.getstate())) != repr(state)


def _restore(state: tuple[Any, Any]) -> None:
    np.random.set_state(state[0])
    random.setstate(state[1])


def _plainly(function: Callable[..., Any], inputs: Mapping[str, Any], by_keyword: bool) -> Any:
    try:
        return run_users_function(function, {name: _copied(x) for name, x in inputs.items()}, by_keyword)
    except Untraceable:
        raise
    except KeyboardInterrupt:  # It is the user at the keyboard who stops gradtool.
        raise
    except BaseException as error:
        raise _blamed(FunctionRaised, error, "the function itself raises") from error


def run_users_function(function: Callable[..., Any], inputs: Mapping[str, Any], by_keyword: bool) -> Any:
    """Call the user's function. Frames from here outwards are no longer the user's (see ``places``)."""
    return function(**inputs) if by_keyword else function(*inputs.values())


def _traced(
    function: Callable[..., Any], inputs: Mapping[str, Any], by_keyword: bool, expected: Sequence[Any], names: bool
) -> tuple[Traced, Tape, list[int]]:
    tape = Tape()
    arguments: dict[str, Any] = {}
    for name, x in inputs.items():
        arguments[name] = _input(tape, name, x)
    watched = Names(tape)
    try:
        with substituted(tape), watched if names else nullcontext():
            result = run_users_function(function, arguments, by_keyword)
            if tape.failure is None:
                found, several = _outputs(result)
                results = [as_traced(tape, x) for x in found]
                nodes = [x.node for x in results]
                output = _joined(tape, nodes) if several else nodes[0]
    except Untraceable:
        if tape.failure is None:
            raise  # Of a trace inside the function.
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if tape.failure is None:
            raise _blamed(Untraceable, error, "traced, the function raises") from error
    finally:
        tape.closed = True
    if tape.failure is not None:
        raise tape.failure
    values = tuple(x.value.astype(np.float64) for x in results)
    _compare(values, expected)
    graph, new = tape.finish(output, nodes, watched)
    lines = {
        new[node]: (entry.place.file, entry.place.line)
        for node, entry in enumerate(tape.entries)
        if node in new and entry.place is not None and entry.arguments
    }
    graph.places = lines
    outer = outer_lines({new[node]: entry.path for node, entry in enumerate(tape.entries) if node in new})
    ids = tuple(new[node] for node in nodes)
    return (
        Traced(
            graph,
            lines,
            {node: outer[node] for node in lines if node in outer},
            ids,
            values,
            several,
            tuple(tape.branches),
        ),
        tape,
        nodes,
    )


def _input(tape: Tape, name: str, x: Any) -> Any:
    if isinstance(x, (np.ndarray, np.generic, float)):
        value = np.array(x)
        if value.dtype == np.float64:
            return TracedArray(tape, tape.input(name, value.copy()), value)
    return _copied(x)


def _copied(x: Any) -> Any:
    return x.copy() if isinstance(x, np.ndarray) else x


def _outputs(result: Any) -> tuple[list[Any], bool]:
    several = isinstance(result, (tuple, list)) and not isinstance_traced(result)
    found = list(result) if several else [result]
    if not found:
        raise Untraceable("the function returns nothing")
    for i, x in enumerate(found):
        real = isinstance_traced(x) or (
            isinstance(x, (np.ndarray, np.generic, float, int)) and np.asarray(x).dtype.kind in "biuf"
        )
        if not real:
            where = f"as output {i + 1}" if several else ""
            what = f"an array of {x.dtype}" if isinstance(x, (np.ndarray, np.generic)) else type(x).__name__
            raise Untraceable(f"the function returns {what} {where}".rstrip() + "; arrays of floats can be traced")
    return found, several


def _joined(tape: Tape, nodes: Sequence[int]) -> int:
    flat = [tape.record("flatten", [node], {}) for node in nodes]
    return tape.record("concat", flat, {"axis": 0})


def _compare(values: Sequence[Array], expected: Sequence[Any]) -> None:
    """The traced run must have computed what the plain one did."""
    if len(values) != len(expected):
        raise Untraceable(f"run twice, the function returns {len(expected)} outputs, then {len(values)}")
    for i, (value, plainly) in enumerate(zip(values, expected, strict=True)):
        precision = np.asarray(plainly).dtype
        if precision.kind == "f" and precision != np.float64:
            raise Untraceable(f"the function returns {precision}, and only float64 can be traced")
        wanted = np.asarray(plainly, np.float64)
        same = value.shape == wanted.shape and np.allclose(
            value, wanted, rtol=CLOSE, atol=CLOSE * np.max(np.abs(wanted[np.isfinite(wanted)]), initial=0.0) * 1e-3,
            equal_nan=True,
        )  # fmt: skip
        if not same:
            which = f"output {i + 1}" if len(values) > 1 else "its output"
            raise Untraceable(
                f"the function gives other values when it is traced: {which} differs. It may depend on random numbers or on "
                "what an earlier call left behind"
            )


def _compare_beside(
    function: Callable[..., Any],
    inputs: Mapping[str, Any],
    by_keyword: bool,
    tape: Tape,
    nodes: Sequence[int],
    expected: Sequence[Any],
) -> None:
    """The graph must be the function not only at the inputs: beside them, what the graph took for constant would show."""
    state = (np.random.get_state(), random.getstate())
    at_inputs = tape.evaluated(inputs, nodes)
    # The nearer the point, the less likely that it lies beyond another branch, and the less it shows.
    for part in (1e-5, 1e-7) if tape.branches else (1e-5,):
        same = True
        for side in (1, -1) if tape.branches else (1,):
            rng = np.random.default_rng(0)
            moved = {name: _moved(x, side * part, rng) if name in tape.inputs else x for name, x in inputs.items()}
            _restore(state)
            try:
                plainly, _ = _outputs(_plainly(function, moved, by_keyword))
            except Untraceable:
                continue  # The edge of the function's domain.
            beside = tape.evaluated(moved, nodes)
            same = same and len(plainly) == len(expected)
            same = same and all(map(_same_beside, at_inputs, beside, expected, plainly))
        if same:
            return
    reason = "beside the inputs, the function gives other values than the operations it was traced to"
    if tape.branches:
        file, line = next(iter(tape.branches))
        raise Untraceable(f"{reason}: there it may go another way here, which depends on a value", file, line)
    raise Untraceable(f"{reason}. Part of it may run outside of NumPy, or depend on what an earlier call left behind")


def _same_beside(here: Array, there: Array, value: Any, wanted: Any) -> bool:
    """Whether the graph moves from ``here`` to ``there`` as the function does from ``value`` to ``wanted``, as far as rounding
    lets one see; where something is not finite it does not."""
    value, wanted = np.asarray(value, np.float64), np.asarray(wanted, np.float64)
    if wanted.shape != there.shape:
        return False
    if not (np.isfinite(wanted) & np.isfinite(there) & np.isfinite(value)).all():
        return True
    change = np.max(np.abs(wanted - value), initial=0.0)
    rounding = 1e-11 * np.max(np.abs(value), initial=0.0) + 100.0 * np.max(np.abs(here - value), initial=0.0)
    return bool(np.max(np.abs(there - wanted), initial=0.0) <= rounding + 1e-5 * change)


def _moved(x: Any, part: float, rng: np.random.Generator) -> Any:
    """Every entry moved by a small part of itself; a 0 by as much of the largest entry."""
    value = np.asarray(x, np.float64)
    size = np.max(np.abs(value[np.isfinite(value)]), initial=0.0) or 1.0
    moved = value + part * np.where(value == 0, size, value) * rng.choice((-1.0, 1.0), value.shape)
    return float(moved) if isinstance(x, float) else moved


def _blamed(kind: type[Untraceable], error: BaseException, what: str) -> Untraceable:
    place = innermost(error)
    reason = f"{what} {type(error).__name__}: {error}"
    return kind(reason) if place is None else kind(reason, place.file, place.line)
