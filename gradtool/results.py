"""The result types: all that a command found out, as plain frozen dataclasses. A renderer sees nothing else.

They hold arrays, which have no single answer to ``==``; so two results are equal only if they are the same object.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Value = float | NDArray[Any]


class Verdict(StrEnum):
    """What is said of a gradient."""

    OK = "OK"
    WRONG = "WRONG"
    UNDECIDED = "UNDECIDED"

    @staticmethod
    def worst(verdicts: list[Verdict]) -> Verdict:
        """WRONG before UNDECIDED before OK; nothing at all is OK."""
        for verdict in (Verdict.WRONG, Verdict.UNDECIDED):
            if verdict in verdicts:
                return verdict
        return Verdict.OK


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """What an independent method says a gradient is.

    ``value`` and ``error`` have the input's shape; ``error`` bounds ``|value - truth|`` entry by entry. ``evaluations``
    counts forward evaluations (of the whole graph, whether batched or not). Where ``status`` is not ``"ok"``,
    ``value`` is None and ``reason`` says why.
    """

    status: Literal["ok", "skipped", "failed"]
    value: Value | None = None
    error: Value | None = None
    evaluations: int = 0
    reason: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """The local derivative of an operation that is not elementwise: its vector-Jacobian product as text, the shape of
    the Jacobian (output's shape followed by the argument's), and, where asked for, the Jacobian itself."""

    rule: str
    jacobian_shape: tuple[int, ...]
    jacobian: Value | None = None


@dataclass(frozen=True, slots=True, eq=False)
class EdgeResult:
    """One argument of a node: ``downstream`` is what this edge adds to the upstream of node ``source``."""

    argument: int
    source: int
    local: Value | Rule
    downstream: Value


@dataclass(frozen=True, slots=True, eq=False)
class NodeResult:
    """A node after forward and backward. ``upstream`` is the gradient of the output with respect to this node."""

    id: int
    name: str | None
    expression: str
    operation: str
    shape: tuple[int, ...]
    value: Value
    upstream: Value
    span: tuple[int, int]
    line: int
    edges: tuple[EdgeResult, ...] = ()
    depends_on_input: bool = True
    """False for constants and what is computed from constants alone: they have no gradient to show."""


@dataclass(frozen=True, slots=True, eq=False)
class InputResult:
    """An input and the verdict on its gradient. ``gradient`` is None for an input that is not differentiated
    (labels, indices, masks, or left out by ``--wrt``)."""

    name: str
    node: int
    shape: tuple[int, ...]
    value: Value
    gradient: Value | None
    symbolic: Reference
    numeric: Reference
    verdict: Verdict
    reason: str | None = None
    paths: tuple[tuple[int, Value], ...] = ()
    """(consumer, downstream) for each edge that arrives here, in the order of the consumers."""
    clipped: Value | None = None
    """What ``--clip-norm`` or ``--clip-value`` would leave of the gradient."""


@dataclass(frozen=True, slots=True, eq=False)
class Diagnostic:
    """A finding about the numeric health of a graph (GT1xx)."""

    code: str
    severity: Literal["info", "warning", "error"]
    message: str
    node: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class MicroBatches:
    """What gradient accumulation over micro-batches of these ``sizes`` would give.

    ``weighted`` and ``unweighted`` map each differentiated input to the difference from the gradient of the whole batch,
    relative to that gradient's norm: of the sum in which every micro-batch counts by its share, and of the plain sum.
    """

    sizes: tuple[int, ...]
    weighted: Mapping[str, float]
    unweighted: Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationResult:
    """All that ``gradtool eval`` knows of a program at a point. ``output`` is a node's id."""

    expression: str
    output: int
    inputs: tuple[InputResult, ...]
    nodes: tuple[NodeResult, ...]
    """All nodes in topological order; a node's position is its id."""
    verdict: Verdict
    diagnostics: tuple[Diagnostic, ...] = ()
    notes: tuple[str, ...] = ()
    seed: int | None = None
    dtype: str = "float64"
    references: tuple[str, ...] = ("symbolic", "numeric")
    """Which references were asked for."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Settings that change how the result reads, such as ``clip_norm``."""
    layers: tuple[tuple[int, float], ...] = ()
    """(node, norm of its upstream) from the output down, where the gradient vanishes or explodes on the way."""
    micro_batches: MicroBatches | None = None

    def __getitem__(self, name: str) -> InputResult:
        """The input of that name. Raises ``KeyError``."""
        for found in self.inputs:
            if found.name == name:
                return found
        raise KeyError(name)
