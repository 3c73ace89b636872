"""The textbook walk, put together from numbers and formulas: what both its pages, plain and Markdown, are made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradtool.report.numbers import is_scalar, number
from gradtool.results import EdgeResult, EvaluationResult, LocalFormula, NodeResult, Rule, StepText, Walk

if TYPE_CHECKING:
    from gradtool.results import Value

LOSS = "L"
"""What is differentiated where an upstream gradient is given: the sum of upstream times output."""


@dataclass(frozen=True, slots=True)
class Term:
    """What one consumer sends down: its own gradient times a local derivative."""

    consumer: StepText
    edge: EdgeResult
    formula: LocalFormula | None
    scalar: bool
    """Whether it is a product of two numbers."""
    upstream: Value


@dataclass(frozen=True, slots=True)
class Sum:
    """The gradient of a node, and the terms that it is the sum of."""

    node: NodeResult
    step: StepText
    terms: tuple[Term, ...]


class Steps:
    """A walk over a result: which steps there are, and what is differentiated."""

    def __init__(self, result: EvaluationResult, walk: Walk) -> None:
        self._result = result
        self._steps = {step.node: step for step in walk.steps}
        self._formulas = {(formula.node, formula.argument): formula for formula in walk.formulas}
        output = result.nodes[result.output]
        self.output = self._steps[result.output]
        self.seeded = not (is_scalar(output.upstream) and float(output.upstream) == 1.0)
        used = {step.label for step in walk.steps}
        self.of = (
            next(name for name in (LOSS, "J", "S", "objective") if name not in used)
            if self.seeded
            else self.output.label
        )
        """The name of what is differentiated."""

    def forward(self) -> Iterator[tuple[NodeResult, StepText]]:
        """Every operation, in the order in which it is computed."""
        return ((node, self._steps[node.id]) for node in self._result.nodes if node.edges or self._is_computed(node))

    def _is_computed(self, node: NodeResult) -> bool:
        return node.operation not in ("input", "constant")

    def locals(self) -> Iterator[tuple[NodeResult, StepText, EdgeResult, StepText, LocalFormula]]:
        """Every local derivative: node, its step, the edge, the step of what the edge comes from, the formula."""
        for node in self._result.nodes:
            for edge in node.edges:
                formula = self._formulas.get((node.id, edge.argument))
                if formula is not None and self._result.nodes[edge.source].depends_on_input:
                    yield node, self._steps[node.id], edge, self._steps[edge.source], formula

    def operand(self, node: NodeResult, edge: EdgeResult) -> str:
        """Which operand an edge is, where a node has several from the same source: ``x*x``."""
        same = sum(other.source == edge.source for other in node.edges) > 1
        return f"by operand {edge.argument + 1}" if same else ""

    def backward(self) -> Iterator[Sum]:
        """Every gradient, from the output down; inputs last, in their order."""
        arriving: defaultdict[int, list[Term]] = defaultdict(list)
        for node in self._result.nodes:
            for edge in node.edges:
                formula = self._formulas.get((node.id, edge.argument))
                scalar = is_scalar(node.upstream) and not isinstance(edge.local, Rule) and is_scalar(edge.local)
                arriving[edge.source].append(Term(self._steps[node.id], edge, formula, scalar, node.upstream))
        inner = [node for node in reversed(self._result.nodes) if self._is_computed(node)]
        for node in (*inner, *(node for node in self._result.nodes if node.operation == "input")):
            if node.depends_on_input and (arriving[node.id] or node.id == self._result.output):
                yield Sum(node, self._steps[node.id], tuple(arriving[node.id]))


def factor(value: float) -> str:
    """A number as a factor: a negative one in parentheses."""
    text = number(value)
    return f"({text})" if text.startswith("-") else text


def added(values: list[float]) -> str:
    """``2 + 3``, ``2 - 3``."""
    text = number(values[0])
    for value in values[1:]:
        shown = number(value)
        text += f" - {shown[1:]}" if shown.startswith("-") else f" + {shown}"
    return text
