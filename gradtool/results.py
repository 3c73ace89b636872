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
    file: str | None = None
    """The file that ``line`` is a line of, for a node of a traced function."""
    depends_on_input: bool = True
    """False for constants and what is computed from constants alone: they have no gradient to show."""
    arguments: tuple[int, ...] = ()
    """All that the node is computed from. ``edges`` has those of them that a gradient can flow to."""


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
class HessianBlock:
    """The second derivatives by an entry of the input ``row`` and one of ``column``: ``value`` has the shape of the one
    followed by that of the other."""

    row: str
    column: str
    value: Value
    symbolic: Reference
    numeric: Reference
    verdict: Verdict
    reason: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Hessian:
    """All second derivatives of ``sum(upstream * output)``.

    ``matrix`` has a row and a column for each entry of each differentiated input, named in ``labels`` (``x``, ``W[0,1]``);
    ``blocks`` are its parts by pairs of inputs, each with a verdict. ``eigenvalues`` are the smallest and the largest,
    ``condition`` is the largest magnitude of one over the smallest, infinite where that is 0 within rounding, and
    ``definiteness`` says it in words; None where a check left a doubt.
    """

    labels: tuple[str, ...]
    matrix: NDArray[Any]
    blocks: tuple[HessianBlock, ...]
    verdict: Verdict
    eigenvalues: tuple[float, float] | None = None
    condition: float | None = None
    definiteness: str | None = None

    def __getitem__(self, pair: tuple[str, str]) -> HessianBlock:
        """The block of two inputs, by their names. Raises ``KeyError``."""
        for block in self.blocks:
            if (block.row, block.column) == pair:
                return block
        raise KeyError(pair)


@dataclass(frozen=True, slots=True)
class LocalFormula:
    """The local derivative of a node with respect to one argument as a lecture writes it, in the operands' names.

    ``latex`` is the same for a Markdown page, and ``remark`` what must be said beside it: which branch was taken.
    """

    node: int
    argument: int
    text: str
    latex: str
    remark: str = ""


@dataclass(frozen=True, slots=True)
class StepText:
    """A node as one step of a calculation: ``text`` in the operands' names (``a*b``), ``figures`` with their values in place of
    them (``3*2``; None where these are too large to write)."""

    node: int
    label: str
    text: str
    figures: str | None
    latex: str
    latex_figures: str | None
    latex_label: str


@dataclass(frozen=True, slots=True)
class Walk:
    """What a lecture writes on the board beside the numbers: each step of forward, and the formula of each local derivative."""

    steps: tuple[StepText, ...]
    """One a node, constants too, in order of their ids."""
    formulas: tuple[LocalFormula, ...]
    """One an edge that a gradient flows along, by node and argument."""


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
    hessian: Hessian | None = None
    """Second derivatives, where they were asked for."""
    charts: tuple[Chart | Bars, ...] = ()
    walk: Walk | None = None
    """Each step in words and formulas, where that was asked for."""

    def __getitem__(self, name: str) -> InputResult:
        """The input of that name. Raises ``KeyError``."""
        for found in self.inputs:
            if found.name == name:
                return found
        raise KeyError(name)


# Charts ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Curve:
    """A function drawn point by point: ``y`` over ``x``, NaN where there is no value."""

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A point of a chart that is pointed out."""

    label: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves over one axis. On a logarithmic axis only positive numbers are drawn."""

    title: str
    x_label: str
    y_label: str
    curves: tuple[Curve, ...]
    marks: tuple[Mark, ...] = ()
    logarithmic: bool = False
    """Whether both axes are."""


@dataclass(frozen=True, slots=True)
class Bars:
    """Numbers that are not negative, one a label, on a logarithmic scale."""

    title: str
    labels: tuple[str, ...]
    values: tuple[float, ...]


# What ``ops`` lists --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KinkEntry:
    """A place where an operation has no derivative: the value that is used there, and those that are valid."""

    where: str
    convention: str
    valid: str


@dataclass(frozen=True, slots=True)
class OperationEntry:
    """An operation of the catalogue as a reader wants it. ``rules`` has (argument, vector-Jacobian product) for each argument of
    an operation that is not elementwise."""

    name: str
    family: str
    signature: str
    formula: str
    derivative: str
    elementwise: bool
    rules: tuple[tuple[str, str], ...] = ()
    derivative_range: str = ""
    kinks: tuple[KinkEntry, ...] = ()
    aliases: tuple[str, ...] = ()
    source: str = ""
    chart: Chart | None = None
    """Value and derivative over a range, for one argument and one entry."""


# What ``graph`` draws ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class GradientPath:
    """One way by which the gradient comes from the output down to an input.

    ``nodes`` are ids from the input up to the output, and ``arguments[k]`` says as which argument ``nodes[k]`` enters
    ``nodes[k + 1]`` (``x*x`` has two paths through the same nodes). ``contribution`` has the input's shape, and ``share`` is
    the part of the gradient that it makes up, as its projection on it: the shares of all paths sum to 1. It is NaN where the
    gradient is 0.
    """

    nodes: tuple[int, ...]
    arguments: tuple[int, ...]
    contribution: Value
    share: float


@dataclass(frozen=True, slots=True, eq=False)
class InputPaths:
    """The paths that carry most of an input's gradient, the largest contribution (by its norm) first.

    ``total`` is the gradient, ``rest`` what the paths that are not listed contribute: the contributions listed and ``rest``
    sum to ``total``. ``count`` is the number of all paths, listed or not. ``cancellation`` is |sum| / sum of |contributions|
    (norms, over all paths): 1 where nothing cancels, near 0 where almost all does; None where it is not known, or where all is 0.
    ``proven`` says whether no path that is not listed is larger than one that is.
    """

    name: str
    node: int
    total: Value
    paths: tuple[GradientPath, ...]
    rest: Value
    count: int
    cancellation: float | None
    proven: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class NodeDifference:
    """A node of one program and the node of another that it corresponds to; None where there is none.

    ``value`` and ``upstream`` are the largest absolute differences over the entries (NaN where shapes differ or only one is
    a number), 0 where both are the same, and None where there is nothing to compare. ``value_rounds`` and ``upstream_rounds``
    say that there is a difference, but no larger than rounding explains.
    """

    left: int | None
    right: int | None
    value: float | None = None
    upstream: float | None = None
    value_rounds: bool = False
    upstream_rounds: bool = False

    @property
    def kind(self) -> Literal["same", "changed", "left", "right"]:
        """Whether the node is in both, with the same numbers (to rounding) or other ones, or in one of the two alone."""
        if self.left is None:
            return "right"
        if self.right is None:
            return "left"
        return "changed" if self.has_other_value or (self.upstream and not self.upstream_rounds) else "same"

    @property
    def has_other_value(self) -> bool:
        """Whether the values differ by more than rounding."""
        return bool(self.value) and not self.value_rounds


@dataclass(frozen=True, slots=True, eq=False)
class GraphDifference:
    """Two programs, or one at two points, side by side: ``nodes`` in the order of computation. ``first`` is the first of
    them where they part in structure, or in value by more than rounding; None where they do not."""

    left: EvaluationResult
    right: EvaluationResult
    nodes: tuple[NodeDifference, ...]
    first: NodeDifference | None


@dataclass(frozen=True, slots=True, eq=False)
class GraphResult:
    """What ``gradtool graph`` draws: a program after forward and backward, and which of its nodes are to be seen.

    ``shown`` holds ids in topological order: all of them, or those within ``depth`` edges of the output, or of the node
    ``around``. ``paths`` has an entry for each input that was asked for.
    """

    evaluation: EvaluationResult
    shown: tuple[int, ...]
    depth: int | None = None
    around: int | None = None
    paths: tuple[InputPaths, ...] = ()
    difference: GraphDifference | None = None
    """From another program, or the same one at another point, where that was asked for; ``left`` is ``evaluation``."""


# What ``check`` found ----------------------------------------------------------------------------------------------

HINT = "hint: "
"""How a line of ``TargetResult.error`` begins that is no part of what was raised but says what to do about it."""


class Outcome(StrEnum):
    """What is said of a target: a verdict, or why there is none."""

    OK = "OK"
    WRONG = "WRONG"
    UNDECIDED = "UNDECIDED"
    SKIPPED = "SKIPPED"
    """Not checked: inputs could not be guessed, or the arrays are of a kind that is not supported."""
    ERROR = "ERROR"
    """The user's module raised on import, in forward or in an input maker, or took too long."""


@dataclass(frozen=True, slots=True, eq=False)
class Worst:
    """The entry that decides. ``yours`` is None where backward gave no number; ``error`` bounds ``|reference - truth|``."""

    index: tuple[int, ...]
    yours: float | None
    reference: float
    error: float


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """Where a finding was made: the given inputs, or a point that gradtool chose, with the inputs that show it."""

    kind: Literal["given", "random", "branch", "tie"] = "given"
    inputs: Mapping[str, Value] = field(default_factory=dict)
    label: str | None = None
    """What is special about the point, such as ``stride=2``."""


@dataclass(frozen=True, slots=True, eq=False)
class Cause:
    """Why a gradient is WRONG (GC1xx). ``residual`` is how far the named transformation of the right gradient is from the
    user's, relative to its size; ``file`` and ``line`` are the forward's, where the cause has a place there."""

    code: str
    message: str
    fix: str | None = None
    file: str | None = None
    line: int | None = None
    transformation: str | None = None
    residual: float | None = None
    traceback: str | None = None
    """Of the user's own code, where it raised."""


@dataclass(frozen=True, slots=True, eq=False)
class GradientResult:
    """One gradient of a target and the verdict on it.

    ``checked`` of its ``of`` entries were compared, with ``miss_probability`` that an error of the size ``detectable`` went
    unseen; ``detectable`` is relative to the gradient's scale (absolute where that is 0). ``relative_error`` and ``digits``
    (right decimal digits) are of the worst entry.
    """

    name: str
    shape: tuple[int, ...]
    verdict: Verdict
    checked: int
    of: int
    worst: Worst | None = None
    relative_error: float | None = None
    digits: int | None = None
    detectable: float | None = None
    evaluations: int = 0
    miss_probability: float = 0.0
    point: Point = field(default_factory=Point)
    cause: Cause | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Hygiene:
    """What backward or forward does beside the gradient (GC3xx). GC301 to GC304 make a target WRONG."""

    code: str
    message: str

    @property
    def is_wrong(self) -> bool:
        """Whether it makes the target WRONG."""
        return self.code in ("GC301", "GC302", "GC303", "GC304")


@dataclass(frozen=True, slots=True)
class Reproduction:
    """A pytest function that fails as long as a gradient is WRONG in the way it was found.

    ``text`` is the function ``name``, which uses ``np``, ``gradtool`` where ``uses_gradtool``, and the user's ``file`` as a
    module by the name ``alias``. That is imported as ``module`` from the folder ``root``; where ``module`` is None, by its path.
    """

    name: str
    text: str
    file: str
    alias: str
    module: str | None = None
    root: str | None = None
    uses_gradtool: bool = False


@dataclass(frozen=True, slots=True)
class SelfTestResult:
    """How many faults, planted in what a right backward returned, a check caught. ``missed`` names the others.

    Faults that change nothing (the transpose of a symmetric gradient) are not counted.
    """

    planted: int
    missed: tuple[str, ...] = ()

    @property
    def caught(self) -> int:
        """How many were called WRONG."""
        return self.planted - len(self.missed)

    @property
    def share(self) -> float | None:
        """The share that was caught; None where no fault could be planted."""
        return self.caught / self.planted if self.planted else None


@dataclass(frozen=True, slots=True, eq=False)
class TargetResult:
    """All that ``gradtool check`` knows of one hand-written gradient. ``line`` is where the backward stands."""

    id: str
    convention: str
    forward: str
    backward: str
    verdict: Outcome
    file: str | None = None
    line: int | None = None
    inputs: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    input_source: str = "given"
    seconds: float = 0.0
    gradients: tuple[GradientResult, ...] = ()
    hygiene: tuple[Hygiene, ...] = ()
    notes: tuple[str, ...] = ()
    intentional: str | None = None
    """Why the gradient is meant to differ, where the user declared that."""
    accepted: str | None = None
    """Why it does not fail the run although it is WRONG: an ignore comment's reason, or the baseline."""
    error: str | None = None
    """What the user's code raised, for the outcome ERROR."""
    self_test: SelfTestResult | None = None
    """What the verdict OK is worth, where that was asked for."""
    reproduction: Reproduction | None = None
    """The smallest case that is WRONG, where that was asked for."""

    @property
    def fails(self) -> bool:
        """Whether it is WRONG and nobody accepted that."""
        return self.verdict is Outcome.WRONG and self.intentional is None and self.accepted is None

    def __getitem__(self, name: str) -> GradientResult:
        """The gradient of that name. Raises ``KeyError``."""
        for found in self.gradients:
            if found.name == name:
                return found
        raise KeyError(name)


@dataclass(frozen=True, slots=True, eq=False)
class Skipped:
    """What looked like a hand-written gradient and was not checked; ``reason`` says what to add."""

    id: str
    reason: str
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """How many targets had which outcome. ``targets`` counts those that were called; skipped ones come beside."""

    targets: int
    ok: int
    wrong: int
    undecided: int
    errors: int
    skipped: int


@dataclass(frozen=True, slots=True, eq=False)
class CheckReport:
    """The targets of a run of ``gradtool check``, in a stable order."""

    targets: tuple[TargetResult, ...]
    skipped: tuple[Skipped, ...] = ()
    seed: int = 0
    notes: tuple[str, ...] = ()

    @property
    def summary(self) -> Summary:
        """The counts."""
        count = {outcome: sum(t.verdict is outcome for t in self.targets) for outcome in Outcome}
        skipped = len(self.skipped) + count[Outcome.SKIPPED]
        return Summary(
            len(self.targets), count[Outcome.OK], count[Outcome.WRONG], count[Outcome.UNDECIDED],
            count[Outcome.ERROR], skipped,
        )  # fmt: skip

    @property
    def verdict(self) -> Outcome:
        """The worst outcome of all targets; SKIPPED where none was checked."""
        found = {t.verdict for t in self.targets}
        for outcome in (Outcome.WRONG, Outcome.ERROR, Outcome.UNDECIDED, Outcome.OK):
            if outcome in found:
                return outcome
        return Outcome.SKIPPED
