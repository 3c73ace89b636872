"""What a health rule looks at, and the list of rules, made of the modules named ``gt1*`` beside this one.

A rule is a module. Its docstring is what users read about it: the first line is the code and its title, then come the
sections "What it means", "Why it matters", "Example" and "What to do". It has ``THRESHOLDS``, a dictionary of the numbers
it judges by (each explained in the docstring), and ``find(health, thresholds)``, which yields ``Diagnostic`` objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradtool.autodiff import Gradients, Plan
from gradtool.diagnosis.rules import Rules
from gradtool.language import expression
from gradtool.results import Diagnostic
from gradtool.verdict import Tie

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Health:
    """A program after forward and backward, as the rules see it.

    ``exact(i)`` gives the exact value of node i rounded to float64, or None where it is not known. ``tie_matters`` has, for
    every differentiated input, the entries that depend on the convention at a tie.
    """

    plan: Plan
    values: Sequence[Any]
    gradients: Gradients
    ties: Sequence[Tie]
    tie_matters: Mapping[str, NDArray[np.bool_]]
    exact: Callable[[int], Array | None]

    def value(self, i: int) -> Array:
        """The value of node ``i`` as an array."""
        return np.asarray(self.values[i])

    def upstream(self, i: int) -> Array | None:
        """The upstream gradient of node ``i`` as an array; None where no gradient reaches it."""
        found = self.gradients.adjoints[i]
        return None if found is None else np.asarray(found)

    def norm(self, i: int) -> float:
        """The Euclidean norm of the upstream of node ``i``, 0 where none reaches it."""
        found = self.gradients.adjoints[i]
        return 0.0 if found is None else norm(found)

    def at_precision(self, ratio: float) -> float:
        """A threshold given for double precision, brought to that of the run: the same share of its digits, so that half of
        sixteen stays half of seven."""
        return float(ratio ** (np.log(np.finfo(self.plan.dtype).eps) / np.log(np.finfo(np.float64).eps)))

    @cached_property
    def lost_digits(self) -> dict[int, float]:
        """Decimal digits that the value of a node lacks, for every operation whose exact value is known."""
        roundoff = float(np.finfo(self.plan.dtype).eps) / 2
        lost: dict[int, float] = {}
        for i in range(self.plan.graph.output + 1):
            exact = self.exact(i)
            if exact is not None and self.plan.operations[i] is not None:
                lost[i] = digits_lost(self.value(i), exact, roundoff)
        return lost

    @cached_property
    def passing(self) -> dict[str, list[int]]:
        """The nodes that a gradient reaches on its way to an input, by the name of their operation."""
        found: dict[str, list[int]] = {}
        adjoints, live = self.gradients.adjoints, self.plan.live
        for i, operation in enumerate(self.plan.operations):
            if operation is not None and live[i] and adjoints[i] is not None:
                found.setdefault(operation.name, []).append(i)
        return found

    @cached_property
    def layers(self) -> list[tuple[int, float]]:
        """(node, norm of its upstream) for what a person would call the layers, from the output down.

        These are the nodes that the program names, where there are at least three; else the nodes on one path to the bottom:
        at every step the operation, while there is one, that gets the largest gradient.
        """
        operations, adjoints = self.plan.operations, self.gradients.adjoints
        named = sorted(self.plan.graph.names, reverse=True)
        nodes = [i for i in named if operations[i] is not None and adjoints[i] is not None]
        return [(i, self.norm(i)) for i in (nodes if len(nodes) >= 3 else self._main_path())]

    def _main_path(self) -> list[int]:
        graph, plan, adjoints = self.plan.graph, self.plan, self.gradients.adjoints
        path = [graph.output]
        while plan.operations[path[-1]] is not None:
            below = [a for a in graph.arguments[path[-1]] if plan.live[a] and adjoints[a] is not None]
            if not below:
                break
            path.append(max(below, key=lambda a: (plan.operations[a] is not None, self.norm(a), a)))
        return path

    def label(self, i: int) -> str:
        """How messages name node ``i``: ``n4 = max(y,z)``, an input by its name; of a traced function with file and line."""
        text = expression(self.plan.graph, i)
        if self.plan.operations[i] is None:
            return text
        name, place = self.plan.graph.names.get(i), self.plan.graph.places.get(i)
        where = "" if place is None else f" ({place[0]}:{place[1]})"
        return (f"n{i}, {name} = {text}" if name else f"n{i} = {text}") + where


def norm(value: float | Array) -> float:
    """The Euclidean norm, scaled so that it does not overflow; that of nothing is 0."""
    if isinstance(value, float):
        return abs(value)
    size = float(np.max(np.abs(value), initial=0.0))
    if size == 0 or not np.isfinite(size):
        return size
    return size * float(np.sqrt(np.sum((value.astype(np.float64) / size) ** 2)))


def digits_lost(value: NDArray[np.float64], exact: NDArray[np.float64], roundoff: float) -> float:
    """Decimal digits between the error of ``value`` and one rounding, for the worst entry; measured against the largest
    entry, since a small entry beside large ones may be honest rounding of a sum."""
    finite = np.isfinite(value) & np.isfinite(exact)
    if not finite.any():
        return 0.0
    error = np.abs(value[finite] - exact[finite])
    scale = float(np.max(np.abs(exact[finite])))
    if scale == 0:
        scale = float(np.max(np.abs(value[finite])))
    worst = float(np.max(error))
    if worst == 0 or scale == 0:
        return 0.0
    return float(min(max(np.log10(worst / scale / roundoff), 0.0), -np.log10(roundoff)))


class HealthRule(NamedTuple):
    """A rule's code, documentation, thresholds and search."""

    code: str
    title: str
    documentation: str
    thresholds: Mapping[str, float]
    find: Callable[[Health, Mapping[str, float]], Iterator[Diagnostic]]


HEALTH_RULES: Mapping[str, HealthRule] = Rules(
    "gt1",
    lambda code, title, documentation, module: HealthRule(code, title, documentation, module.THRESHOLDS, module.find),
)


def find_health(health: Health, thresholds: Mapping[str, Mapping[str, float]] | None = None) -> list[Diagnostic]:
    """All findings, in the order of the codes. ``thresholds`` maps a code to the thresholds that differ from its defaults."""
    changed = thresholds or {}
    found: list[Diagnostic] = []
    with np.errstate(all="ignore"):
        for code, rule in HEALTH_RULES.items():
            found.extend(rule.find(health, {**rule.thresholds, **changed.get(code, {})}))
    return found
