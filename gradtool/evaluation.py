"""What ``eval`` does, in order: inputs, plan, forward, backward, references, verdicts, health, result."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradtool.autodiff import Gradients, Plan, SecondOrder, accumulate, backward, edges, forward, make_plan
from gradtool.autodiff.plan import MAX_SIZE
from gradtool.diagnosis import Health, find_health
from gradtool.graph import CONSTANT, Graph
from gradtool.language import InputValue, SourceError, expressions
from gradtool.language.suggestions import nearest
from gradtool.references import Evaluable, FunctionEvaluable, GraphFunction
from gradtool.references import numeric_gradient as central_differences
from gradtool.results import EvaluationResult, InputResult, MicroBatches, NodeResult, Reference, Rule, Verdict
from gradtool.verdict import Judge, Judged, judge_hessian

Array = NDArray[Any]
Progress = Callable[[str], None]
MAX_SYMBOLIC = 200_000
MAX_HESSIAN = 250_000
MOST_NAMES = 12
"""Names that a message lists."""


class InputError(ValueError):
    """The values given do not fit the program's inputs. The message says which and what to do."""


def evaluate(
    graph: Graph,
    inputs: Mapping[str, Any],
    *,
    upstream: Any = None,
    wrt: Collection[str] | None = None,
    references: Collection[str] = ("symbolic", "numeric"),
    step: float | None = None,
    seed: int | None = None,
    dtype: str = "float64",
    jacobians: bool = False,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    max_size: int = MAX_SIZE,
    max_symbolic: int = MAX_SYMBOLIC,
    micro_batches: tuple[Mapping[str, int], Sequence[int]] | None = None,
    hessian: bool = False,
    max_hessian: int = MAX_HESSIAN,
    thresholds: Mapping[str, Mapping[str, float]] | None = None,
    steps: bool = False,
    progress: Progress | None = None,
) -> EvaluationResult:
    """Run a program forward and backward at a point and judge each gradient against independent references.

    ``inputs`` maps every free name to a number, an array (any shape) or a nested list; integer and boolean arrays are
    taken for labels or masks and not differentiated, unless ``wrt`` names them. ``upstream`` is the gradient of whatever
    follows with respect to the output, of the output's shape; it may be left out if the output has one entry, and
    ``"ones"`` stands for ones. ``wrt`` restricts which inputs are differentiated. ``references`` are ``"symbolic"`` (SymPy)
    and ``"numeric"`` (central differences with an error bound; ``step`` fixes their step). ``dtype`` is ``"float64"`` or
    ``"float32"``; the references stay in double precision or better. ``jacobians`` adds the full Jacobian to the edges of
    operations that are not elementwise. ``clip_norm`` and ``clip_value`` add what gradient clipping would leave.
    ``micro_batches`` is (axes, sizes): the batch axis of every batched input, and how many samples each micro-batch gets; the
    result then says how far accumulated gradients are from that of the whole batch. ``hessian`` adds all second derivatives,
    held against references of their own, if they are no more than ``max_hessian``. ``thresholds`` maps GT codes to
    thresholds that differ from their defaults. ``steps`` adds each step in words and formulas. ``seed`` is recorded in the
    result.

    Raises ``SourceError`` where shapes do not fit the program (with the place), ``InputError`` where inputs are missing,
    unknown or not numbers, and where ``wrt``, ``references`` or ``dtype`` name something unknown.
    """
    _check_references(references)
    if hessian and dtype != "float64":
        raise InputError("the Hessian is computed in float64 only")
    say = progress or _say_nothing
    say("forward and backward")
    ran = run(graph, inputs, upstream=upstream, wrt=wrt, dtype=dtype, max_size=max_size)
    graph, plan, arrays, values, gradients = ran.plan.graph, ran.plan, ran.arrays, ran.values, ran.gradients
    paths = _paths(plan, values, gradients)
    contributions = {name: [np.asarray(downstream) for _, downstream in found] for name, found in paths.items()}
    judge = Judge(plan, arrays, values, ran.seeds, gradients, contributions, tuple(references), step, max_symbolic, say)
    if hessian:
        _check_hessian_size(plan, max_hessian)
    judged = _inputs(plan, values, gradients, paths, judge.judge())
    second = judge_hessian(judge) if hessian else None
    accumulated = None if micro_batches is None else _accumulated(plan, arrays, gradients, *micro_batches)
    health = Health(plan, values, gradients, judge.ties, judge.tie_matters, judge.exact_value)
    diagnostics = find_health(health, thresholds)
    inputs_ = tuple(_clipped(judged, clip_norm, clip_value))
    shown = {"clip_norm": clip_norm, "clip_value": clip_value, "step": step}
    return EvaluationResult(
        expression=graph.title or graph.source,
        output=graph.output,
        inputs=inputs_,
        nodes=tuple(_nodes(plan, values, gradients, jacobians)),
        verdict=Verdict.worst([*(i.verdict for i in inputs_), *(() if second is None else (second.verdict,))]),
        diagnostics=tuple(diagnostics),
        notes=(*graph.notes, *ran.notes),
        seed=seed,
        dtype=dtype,
        references=tuple(references),
        options={key: value for key, value in shown.items() if value is not None},
        layers=tuple(health.layers) if any(d.code in ("GT103", "GT104") for d in diagnostics) else (),
        micro_batches=accumulated,
        walk=_textbook().walk(graph, values, plan.live) if steps else None,
        hessian=second,
    )


def _textbook() -> Any:
    """Not loaded where no steps are asked for: ``eval`` is to start fast."""
    return import_module("gradtool.textbook")


def _check_hessian_size(plan: Plan, limit: int) -> None:
    size = sum(prod(plan.shapes[plan.graph.inputs[name]]) for name in plan.wrt)
    if size * size > limit:
        raise InputError(
            f"the Hessian would have {size:,} x {size:,} = {size * size:,} entries, more than the limit of {limit:,}: "
            "--wrt leaves inputs out, --max-hessian (max_hessian in Python) raises the limit"
        )


def _say_nothing(message: str) -> None:
    """Nobody asked for progress."""
    del message


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A program after forward and backward at a point: ``values`` and ``gradients`` of all nodes, from the upstream ``seeds``."""

    plan: Plan
    arrays: dict[str, Array]
    values: list[Any]
    seeds: Array
    gradients: Gradients
    notes: tuple[str, ...]
    """What the user should be told of the inputs."""


def run(
    graph: Graph,
    inputs: Mapping[str, Any],
    *,
    upstream: Any = None,
    wrt: Collection[str] | None = None,
    dtype: str = "float64",
    max_size: int = MAX_SIZE,
) -> Run:
    """Forward and backward alone; the arguments are those of ``evaluate``. Raises as it does."""
    if dtype not in ("float64", "float32"):
        raise InputError(f"unknown dtype {dtype!r}: there are float64 and float32")
    given = _read_inputs(graph, inputs, wrt, max_size)
    graph = graph if dtype == "float64" else _with_constants(graph, dtype)
    plan = make_plan(graph, given.arrays, wrt=wrt, integer=given.integer, dtype=dtype, max_size=max_size)
    arrays = {name: np.asarray(value, dtype=dtype) for name, value in given.arrays.items()}
    seeds = _upstream(plan, upstream)
    values = forward(plan, arrays)
    return Run(plan, arrays, values, seeds, backward(plan, values, seeds), given.notes)


def value_and_gradient(
    graph: Graph, inputs: Mapping[str, Any], *, upstream: Any = None, wrt: Collection[str] | None = None
) -> tuple[Any, dict[str, Any]]:
    """The value of a program and the gradient for every differentiable input, ``{name: gradient}``, without references.

    A gradient has its input's shape; scalars come as Python floats. Raises as ``evaluate`` does.
    """
    given = _read_inputs(graph, inputs, wrt, MAX_SIZE)
    plan = make_plan(graph, given.arrays, wrt=wrt, integer=given.integer)
    seeds = _upstream(plan, upstream)
    values = forward(plan, given.arrays)
    gradients = backward(plan, values, seeds)
    return _plain(values[graph.output]), {name: _plain(gradients.of(name)) for name in plan.wrt}


def jvp(graph: Graph, inputs: Mapping[str, Any], tangents: Mapping[str, Any]) -> tuple[Any, Any]:
    """The value of a program, and how it changes as the inputs move: the Jacobian times ``tangents``, in forward mode.

    ``tangents`` maps inputs to arrays of their shape; an input that is not named does not move. At a kink
    it is the derivative on the side to which the inputs move. Raises ``InputError`` where
    names or shapes do not fit, else as ``evaluate`` does.
    """
    given = _read_inputs(graph, inputs, tangents, MAX_SIZE)
    plan = make_plan(graph, given.arrays, wrt=tangents, integer=given.integer)
    values = forward(plan, given.arrays)
    moved = SecondOrder(plan, values).tangents(_directions(plan, tangents))[graph.output]
    return _plain(values[graph.output]), _plain(np.zeros(plan.output_shape) if moved is None else moved)


def hessian_vector_product(
    graph: Graph,
    inputs: Mapping[str, Any],
    vectors: Mapping[str, Any],
    *,
    upstream: Any = None,
    wrt: Collection[str] | None = None,
) -> dict[str, Any]:
    """The Hessian of ``sum(upstream * output)`` times a vector, ``{name: product}``, at a small multiple of a gradient's cost.

    ``vectors`` maps inputs to arrays of their shape; an input that is not named has a vector of zeros. ``wrt`` names the
    inputs whose part of the product is wanted (all, if None). At a kink there is no Hessian, and what comes out is the derivative
    on one side; ``evaluate(..., hessian=True)`` says where that is so. Raises ``InputError`` where names or shapes do not
    fit, else as ``evaluate`` does.
    """
    wanted = None if wrt is None else {*wrt, *vectors}
    ran = run(graph, inputs, upstream=upstream, wrt=wanted)
    found = SecondOrder(ran.plan, ran.values, ran.gradients).product(_directions(ran.plan, vectors))
    return {name: _plain(product) for name, product in found.items() if wrt is None or name in wrt}


def hessian(
    graph: Graph,
    inputs: Mapping[str, Any],
    *,
    upstream: Any = None,
    wrt: Collection[str] | None = None,
    max_hessian: int = MAX_HESSIAN,
) -> dict[str, dict[str, Any]]:
    """All second derivatives of ``sum(upstream * output)``: ``{a: {b: array of shape (*shape of a, *shape of b)}}``.

    No references are asked: ``evaluate(..., hessian=True)`` does that. Raises ``InputError`` for more than ``max_hessian``
    entries, else as ``evaluate`` does.
    """
    ran = run(graph, inputs, upstream=upstream, wrt=wrt)
    _check_hessian_size(ran.plan, max_hessian)
    blocks = SecondOrder(ran.plan, ran.values, ran.gradients).hessian()
    return {a: {b: _plain(block) for b, block in row.items()} for a, row in blocks.items()}


def _directions(plan: Plan, given: Mapping[str, Any]) -> dict[str, Array]:
    found = {}
    for name, vector in given.items():
        if name not in plan.graph.inputs:
            raise InputError(f"the program has no input {name!r}{_instead(plan.graph, name)}")
        if name not in plan.wrt:
            raise InputError(f"{name} cannot move: it holds labels, indices or conditions")
        direction, shape = np.asarray(vector, dtype=np.float64), plan.shapes[plan.graph.inputs[name]]
        if direction.shape != shape:
            raise InputError(f"the vector of {name} has shape {direction.shape}, but {name} has shape {shape}")
        found[name] = direction
    return found


def numeric_gradient(
    function: Graph | Callable[..., Any],
    inputs: Mapping[str, Any],
    *,
    upstream: Any = None,
    wrt: Collection[str] | None = None,
    step: float | None = None,
) -> dict[str, tuple[Array, Array]]:
    """The numeric reference alone: ``{name: (value, error)}``, two arrays of the input's shape.

    ``function`` is a graph, or a Python function that takes the inputs by name and gives a number or an array. ``error``
    bounds ``|value - truth|``. Raises as ``evaluate`` does.
    """
    if isinstance(function, Graph):
        given = _read_inputs(function, inputs, wrt, MAX_SIZE)
        plan = make_plan(function, given.arrays, wrt=wrt, integer=given.integer)
        arrays = {name: np.asarray(value, dtype=np.float64) for name, value in given.arrays.items()}
        evaluable: Evaluable = GraphFunction(plan, forward(plan, given.arrays))
        names: Sequence[str] = plan.wrt
    else:
        arrays = {name: np.asarray(value, dtype=np.float64) for name, value in inputs.items()}
        evaluable = FunctionEvaluable(function, arrays)
        names = [name for name in arrays if wrt is None or name in wrt]
    base = evaluable.base()
    seeds = _match_upstream(upstream, base.shape, np.float64, None)
    found = central_differences(evaluable, arrays, seeds, names, step=step)
    return {name: (numeric.value, numeric.error) for name, numeric in found.items()}


# Inputs ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Given:
    arrays: dict[str, Any]
    """Floats for scalars (a graph of scalars runs on them), float64 arrays for the rest, in the graph's order."""
    integer: frozenset[str]
    notes: tuple[str, ...]


def _check_references(references: Collection[str]) -> None:
    for reference in references:
        if reference not in ("symbolic", "numeric"):
            raise InputError(f"unknown reference {reference!r}: there are symbolic and numeric")


def _read_inputs(graph: Graph, inputs: Mapping[str, Any], wrt: Collection[str] | None, max_size: int) -> _Given:
    for name in inputs:
        if name not in graph.inputs:
            raise InputError(f"the program has no input {name!r}{_instead(graph, name)}")
    for name in wrt or ():
        if name not in graph.inputs:
            raise InputError(f"cannot differentiate with respect to {name!r}{_instead(graph, name)}")
    missing = [name for name in graph.inputs if name not in inputs]
    if missing:
        node = graph.inputs[missing[0]]
        message = f"input {missing[0]} has no value" if len(missing) == 1 else f"inputs {_some(missing)} have no value"
        hint = "give it one: " if len(missing) == 1 else "give each a value: "
        hint += " ".join(f"{name}=1" for name in missing[:MOST_NAMES]) + " ..." * (len(missing) > MOST_NAMES)
        raise SourceError(message, graph.source, (graph.starts[node], graph.ends[node]), hint)
    arrays: dict[str, Any] = {}
    integer, notes = set(), []
    for name in graph.inputs:
        arrays[name], is_integer = _as_array(name, inputs[name], max_size)
        if is_integer and name not in (wrt or ()):
            integer.add(name)
            notes.append(
                f"{name} holds integers or booleans and is not differentiated (--wrt {name} differentiates it)"
            )
    return _Given(arrays, frozenset(integer), tuple(notes))


def _instead(graph: Graph, name: str) -> str:
    """What to say of a name that is no input of the program."""
    if name in graph.bindings:
        return f", which it computes itself: its inputs are {_some(list(graph.inputs))}"
    near = nearest(name, graph.inputs) if len(graph.inputs) <= 1000 else None
    return (f": did you mean {near}?" if near else ":") + f" its inputs are {_some(list(graph.inputs))}"


def _some(names: Sequence[str]) -> str:
    """``x, y``, or the first of many."""
    more = len(names) - MOST_NAMES
    return (", ".join(names[:MOST_NAMES]) or "none") + (f" and {more} more" if more > 0 else "")


def _as_array(name: str, value: Any, max_size: int) -> tuple[Any, bool]:
    """A float or a float64 array, and whether it came as integers that stand for labels."""
    if isinstance(value, InputValue):
        integer, value = value.integer, value.value
    else:
        integer = isinstance(value, bool | np.bool_) or (
            isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "iub"
        )
    if type(value) is float:
        return value, integer
    try:
        found = np.asarray(value)
    except ValueError as error:
        raise InputError(f"input {name} is not an array of numbers: {error}") from None
    if found.dtype.kind not in "fiub":
        raise InputError(f"input {name} has dtype {found.dtype}; numbers are needed")
    if found.size > max_size:
        raise InputError(
            f"input {name} has {found.size:,} entries, more than the limit of {max_size:,} (--max-size, max_size in Python)"
        )
    return (float(found) if found.ndim == 0 else found.astype(np.float64)), integer


def _with_constants(graph: Graph, dtype: str) -> Graph:
    """The graph with its constants rounded to ``dtype``, so that references see the numbers that forward sees."""
    parameters = [
        {"value": np.asarray(row["value"], dtype=dtype).astype(np.float64)} if operation == CONSTANT else row
        for operation, row in zip(graph.operations, graph.parameters, strict=True)
    ]
    return replace(graph, parameters=parameters)


def _upstream(plan: Plan, upstream: Any) -> Any:
    graph = plan.graph
    node = graph.output
    error = SourceError(
        f"the output has shape {plan.output_shape}, so it needs an upstream gradient of that shape",
        graph.source,
        (graph.starts[node], graph.ends[node]),
        "give --upstream ones, or --upstream VALUE (upstream= in Python)",
    )
    return _match_upstream(upstream, plan.output_shape, plan.dtype, error)


def _match_upstream(upstream: Any, shape: tuple[int, ...], dtype: Any, missing: SourceError | None) -> Array:
    if isinstance(upstream, InputValue):
        upstream = upstream.value
    if upstream is None:
        if np.prod(shape, dtype=int) != 1:
            raise missing or InputError(f"the output has shape {shape}, so it needs an upstream of that shape")
        upstream = "ones"
    if isinstance(upstream, str):
        if upstream != "ones":
            raise InputError(f"upstream is {upstream!r}: give an array, a number or 'ones'")
        return np.ones(shape, dtype=dtype)
    found = np.asarray(upstream, dtype=dtype)
    if found.shape != shape:
        raise InputError(f"the upstream has shape {found.shape}, but the output has shape {shape}")
    return found


# The result --------------------------------------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    """Scalars as Python floats, anything else as it is."""
    if type(value) is float:
        return value
    return float(value) if np.ndim(value) == 0 else value


def _paths(plan: Plan, values: Sequence[Any], gradients: Gradients) -> dict[str, tuple[tuple[int, Any], ...]]:
    """For each differentiated input, (consumer, downstream) of every edge that arrives at it."""
    graph = plan.graph
    name_of = {graph.inputs[name]: name for name in plan.wrt}
    found: dict[str, list[tuple[int, Any]]] = {name: [] for name in plan.wrt}
    consumers = sorted({i for i, arguments in enumerate(graph.arguments) if not name_of.keys().isdisjoint(arguments)})
    for i in consumers:
        if gradients.adjoints[i] is None:
            continue
        for edge in edges(gradients, values, i):
            if edge.source in name_of:
                found[name_of[edge.source]].append((i, _plain(edge.downstream)))
    return {name: tuple(arrived) for name, arrived in found.items()}


def _inputs(
    plan: Plan,
    values: Sequence[Any],
    gradients: Gradients,
    paths: Mapping[str, tuple[tuple[int, Any], ...]],
    judged: Mapping[str, Judged],
) -> list[InputResult]:
    """Every input in the graph's order, with the verdict on its gradient if it is differentiated."""
    not_wanted = Reference("skipped", reason="not differentiated")
    found = []
    for name, node in plan.graph.inputs.items():
        value, shape = _plain(values[node]), plan.shapes[node]
        if name not in judged:
            found.append(
                InputResult(name, node, shape, value, None, not_wanted, not_wanted, Verdict.OK, "not differentiated")
            )
            continue
        symbolic, numeric, verdict, reason = judged[name]
        gradient = _plain(gradients.of(name))
        plain = (_plain_reference(symbolic), _plain_reference(numeric))
        found.append(InputResult(name, node, shape, value, gradient, *plain, verdict, reason, paths[name]))
    return found


def _plain_reference(reference: Reference) -> Reference:
    if reference.value is None or reference.error is None:
        return reference
    return replace(reference, value=_plain(reference.value), error=_plain(reference.error))


def _nodes(plan: Plan, values: Sequence[Any], gradients: Gradients, jacobians: bool) -> list[NodeResult]:
    graph = plan.graph
    varies = bytearray(len(graph))
    for i in graph.inputs.values():
        varies[i] = 1
    found = []
    texts = expressions(graph)
    for node in graph:
        if not varies[node.id] and any(varies[a] for a in node.arguments):
            varies[node.id] = 1
        upstream = gradients.adjoints[node.id]
        place = graph.places.get(node.id)
        found.append(
            NodeResult(
                id=node.id,
                name=node.name,
                expression=texts[node.id],
                operation=node.operation,
                shape=plan.shapes[node.id],
                value=_plain(values[node.id]),
                upstream=_plain(np.zeros(plan.shapes[node.id]) if upstream is None else upstream),
                span=node.span,
                line=place[1] if place is not None else node.line,
                file=None if place is None else place[0],
                edges=_shown_edges(plan, values, gradients, node.id, jacobians),
                depends_on_input=bool(varies[node.id]),
                arguments=node.arguments,
            )
        )
    return found


def _shown_edges(plan: Plan, values: Sequence[Any], gradients: Gradients, i: int, jacobians: bool) -> tuple[Any, ...]:
    shown = []
    for edge in edges(gradients, values, i, jacobians):
        local = edge.local
        if isinstance(local, Rule):
            local = replace(local, rule=_named_rule(plan, i, local.rule))
        shown.append(
            replace(edge, local=local if isinstance(local, Rule) else _plain(local), downstream=_plain(edge.downstream))
        )
    return tuple(shown)


def _named_rule(plan: Plan, i: int, rule: str) -> str:
    """A rule with the operands' own names: ``upstream @ W.T``. An operand without one goes by its label."""
    operation = plan.operations[i]
    assert operation is not None
    graph = plan.graph
    labels = {"upstream": "upstream", "out": graph.names.get(i) or f"n{i}"}
    for position, argument in enumerate(graph.arguments[i]):
        name = graph.names.get(argument) or f"n{argument}"
        labels[f"a{position}"] = name
        if position < len(operation.arguments):
            labels[operation.arguments[position].name] = name
    return rule.format_map(labels)


def _accumulated(
    plan: Plan, arrays: Mapping[str, Array], gradients: Gradients, axes: Mapping[str, int], sizes: Sequence[int]
) -> MicroBatches:
    """Gradient accumulation held against the gradient of the whole batch."""
    if plan.output_shape != ():
        raise InputError(f"micro-batches need a program with a scalar value; this one has shape {plan.output_shape}")
    if not axes or not sizes or any(size < 1 for size in sizes):
        raise InputError("micro-batches need the axis of at least one input, and sizes of 1 or more")
    for name, axis in axes.items():
        if name not in arrays:
            raise InputError(f"cannot cut {name!r} into micro-batches: the program's inputs are {', '.join(arrays)}")
        shape = arrays[name].shape
        if not -len(shape) <= axis < len(shape):
            raise InputError(f"cannot cut {name} along axis {axis}: it has shape {shape}")
        if shape[axis] != sum(sizes):
            parts = " + ".join(map(str, sizes))
            raise InputError(
                f"micro-batches of {parts} = {sum(sizes)} samples do not make up the {shape[axis]} of {name}"
            )
    weighted, unweighted = accumulate(plan.graph, arrays, axes, sizes, plan.wrt)

    def distance(name: str, found: Mapping[str, Array]) -> float:
        whole = np.asarray(gradients.of(name), dtype=np.float64)
        size = float(np.linalg.norm(whole))
        return float(np.linalg.norm(found[name] - whole)) / (size or 1.0)

    return MicroBatches(
        tuple(sizes),
        {name: distance(name, weighted) for name in plan.wrt},
        {name: distance(name, unweighted) for name in plan.wrt},
    )


def _clipped(inputs: list[InputResult], clip_norm: float | None, clip_value: float | None) -> list[InputResult]:
    """Each gradient as clipping by value, then by the norm of all gradients together, would leave it."""
    if clip_norm is None and clip_value is None:
        return inputs
    clipped = {i.name: np.asarray(i.gradient, dtype=np.float64) for i in inputs if i.gradient is not None}
    if clip_value is not None:
        clipped = {name: np.clip(g, -clip_value, clip_value) for name, g in clipped.items()}
    if clip_norm is not None:
        norm = float(np.linalg.norm(np.concatenate([g.ravel() for g in clipped.values()]))) if clipped else 0.0
        if norm > clip_norm:
            clipped = {name: g * (clip_norm / norm) for name, g in clipped.items()}
    return [replace(i, clipped=_plain(clipped[i.name])) if i.name in clipped else i for i in inputs]
