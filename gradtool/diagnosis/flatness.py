"""Where operations are flat: at an end of the real line, where their value converges and their slope dies out.

Which ends these are is found by asking the operation itself far out, so that one that is added later is known too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradtool.autodiff import Plan, edges
from gradtool.diagnosis.health import Health
from gradtool.ops import REGISTRY, Operation

Array = NDArray[Any]

_FAR = (1e200, 1e300)
"""What has converged has the same value at both; a logarithm does not."""
_HALF = np.logspace(-12, 12, 193)
_GRID = np.concatenate((-_HALF[::-1], [0.0], _HALF, np.linspace(-8.0, 8.0, 321)))
_PROBES = ((-1.0, 1.0), (1.0, 1.0))
"""Values for the other arguments by which an operation is known that is flat for some."""


class Profile(NamedTuple):
    """An elementwise operation along one argument: at how many of its two ends it is flat, and its steepest slope."""

    ends: int
    steepest: float


class Flat(NamedTuple):
    """The entries of a node at which it lets nothing through; ``profile`` says what kind of operation it is."""

    node: int
    profile: Profile
    where: NDArray[np.bool_]
    steepness: Array
    """|local derivative|, of the node's shape."""


_NOWHERE = Profile(0, 0.0)


@lru_cache(maxsize=4096)
def profile(name: str, position: int, others: tuple[float, ...], parameters: tuple[tuple[str, Any], ...]) -> Profile:
    """The profile of an operation along the argument at ``position``, the other arguments being the numbers ``others``.

    ``ends`` is 0 for what has no finite steepest slope (exp, 1/x: being flat means nothing there) and for what is flat
    everywhere (floor).
    """
    operation = REGISTRY[name]
    given = dict(parameters)

    def arguments(x: Array) -> list[Any]:
        values: list[Any] = list(others)
        values.insert(position, x)
        return values

    with np.errstate(all="ignore"):
        finite = [v for v in others if isfinite(v)]
        between = [sum(finite) / len(finite)] if finite else []
        grid = np.concatenate((_GRID, finite, between, np.add(finite, 1.0), np.subtract(finite, 1.0)))
        ends = 0
        for sign in (-1.0, 1.0):
            near, far = operation.forward(*arguments(sign * np.asarray(_FAR)), **given)
            ends += bool(np.isfinite(near) and near == far)
        if not ends:
            return _NOWHERE
        out = operation.forward(*arguments(grid), **given)
        slopes = np.abs(operation.local_of(position)(out, *arguments(grid), **given))
        steepest = float(np.max(np.broadcast_to(slopes, grid.shape)))
    return Profile(ends, steepest) if isfinite(steepest) and steepest > 0 else _NOWHERE


@lru_cache(maxsize=512)
def _may_be_flat(name: str, position: int) -> bool:
    """Whether some values of the other arguments make the operation flat at an end: a quick look before each node's own."""
    operation = REGISTRY[name]
    count = len(operation.arguments) - 1
    defaults = tuple((p.name, p.default) for p in operation.parameters)
    return any(profile(name, position, probe[:count], defaults).ends for probe in _PROBES) if count <= 2 else False


def flat_entries(health: Health, ends: int, slope: float) -> Iterator[Flat]:
    """The nodes that a gradient passes and that are flat at this number of ends (1: like relu; 2: like sigmoid), with
    the entries where |local derivative| is at most ``slope`` of the steepest there is. Entries at a kink, where another
    derivative would be as valid, and those whose value is not finite do not count as flat."""
    tied: dict[int, NDArray[np.bool_]] = {}
    for tie in health.ties:
        if tie.where.shape == health.plan.shapes[tie.node]:
            tied[tie.node] = tied.get(tie.node, np.zeros(tie.where.shape, dtype=bool)) | tie.where
    for name, nodes in health.passing.items():
        operation = REGISTRY[name]
        if not operation.elementwise:
            continue
        for i in nodes:
            found = _along(health, i, operation) if name not in ("where", "multiply") else _gate(health.plan, i)
            if found is None:
                continue
            position, shape = found
            if shape.ends != ends:
                continue
            steepness = _steepness(health, i, position)
            if isinstance(steepness, float):
                if not steepness <= slope * shape.steepest:
                    continue
                steepness = np.asarray(steepness)
            entering = health.value(health.plan.graph.arguments[i][position])
            where = (steepness <= slope * shape.steepest) & np.isfinite(entering)
            if i in tied:
                where = where & ~tied[i]
            if where.any():
                yield Flat(i, shape, where, steepness)


def _steepness(health: Health, i: int, position: int) -> Any:
    """|local derivative| of node ``i`` for one argument: a float in a graph of scalars, else an array of its shape."""
    for edge in edges(health.gradients, health.values, i):
        if edge.argument == position:
            return (
                abs(edge.local) if isinstance(edge.local, float) else np.abs(np.asarray(edge.local, dtype=np.float64))
            )
    raise AssertionError("a gradient passes the argument that a node is a function of")


def _passed_on(plan: Plan, i: int) -> list[int]:
    """Positions of the arguments of node ``i`` that a gradient goes to."""
    settled = plan.resolved[i]
    assert settled is not None
    return [p for p, a in enumerate(plan.graph.arguments[i]) if plan.live[a] and p not in settled.frozen]


def _along(health: Health, i: int, operation: Operation) -> tuple[int, Profile] | None:
    """The argument that node ``i`` is a function of (a slope or a bound beside it is a parameter), and its profile."""
    plan = health.plan
    sources = plan.graph.arguments[i]
    position = 0
    if len(sources) > 1:
        if operation.variadic or any(a.default is None for a in operation.arguments[1:]):
            passed = _passed_on(plan, i)
            if len(passed) != 1 or len(sources) != 2:
                return None
            (position,) = passed
        elif not plan.live[sources[0]]:
            return None
    if not _may_be_flat(operation.name, position):
        return None
    others = []
    for p, a in enumerate(sources):
        if p != position:
            value = np.ravel(health.values[a])
            if value.size == 0 or not (value == value[0]).all():
                return None
            others.append(float(value[0]))
    settled = plan.resolved[i]
    assert settled is not None
    return position, profile(operation.name, position, tuple(others), tuple(settled.parameters.items()))


_COMPARISONS = frozenset(("less", "less_equal", "greater", "greater_equal"))


def _gate(plan: Plan, i: int) -> tuple[int, Profile] | None:
    """``where(x > 0, x, 0)`` and ``x*(x > 0)``: relu by hand. What is masked by anything but its own size is no unit."""
    graph = plan.graph
    sources = graph.arguments[i]

    def compares(condition: int, x: int) -> bool:
        return graph.operations[condition] in _COMPARISONS and x in graph.arguments[condition]

    if graph.operations[i] == "where":
        for x, other in ((1, 2), (2, 1)):
            if compares(sources[0], sources[x]) and plan.live[sources[x]] and not plan.live[sources[other]]:
                return x, Profile(1, 1.0)
        return None
    for x, other in ((0, 1), (1, 0)):
        if compares(sources[other], sources[x]) and plan.live[sources[x]]:
            return x, Profile(1, 1.0)
    return None


def listed(found: Sequence[tuple[int, ...]], most: int = 5) -> str:
    """Indices as people write them: ``3, 17 and 40 more``; ``(0, 2)`` where there is more than one axis."""
    shown = ", ".join(str(index[0]) if len(index) == 1 else str(index) for index in found[:most])
    return shown + (f" and {len(found) - most} more" if len(found) > most else "")
