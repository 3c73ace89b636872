"""Charts of a program: over a range of one input, over the steps of a central difference, from layer to layer.

They hold numbers; how they are drawn is the renderers' work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradtool.autodiff import backward, forward, make_plan
from gradtool.diagnosis.health import norm
from gradtool.evaluation import InputError, evaluate
from gradtool.graph import Graph
from gradtool.language import parse
from gradtool.ops import REGISTRY
from gradtool.ops.elementwise import ANYWHERE
from gradtool.references import GraphFunction
from gradtool.references.tableau import Series, doubt, extrapolate
from gradtool.results import Bars, Chart, Curve, EvaluationResult, Mark

Array = NDArray[np.float64]

POINTS = 201
"""Points of a sweep: an odd number, so that the middle of the range is one of them."""
STEPS_A_DECADE = 4
LARGEST_STEP, SMALLEST_STEP = 1.0, 1e-15
RANGE = (-4.0, 4.0)


def sweep(
    graph: Graph, inputs: Mapping[str, Any], name: str, low: float, high: float, *, points: int = POINTS
) -> Chart:
    """The value of a scalar program and its derivative while the scalar input ``name`` goes from ``low`` to ``high``.

    ``inputs`` has the other inputs; they stay as they are. Raises ``InputError`` where the range is empty, or the input or the
    program's value is not a number but an array.
    """
    if not (isfinite(low) and isfinite(high) and low < high):
        raise InputError(f"a sweep goes from a number to a larger one, not from {low:g} to {high:g}")
    if name not in graph.inputs:
        known = f"the program's inputs are {', '.join(graph.inputs)}" if graph.inputs else "the program has no inputs"
        raise InputError(f"cannot sweep {name!r}: {known}")
    if np.ndim(getattr(inputs.get(name), "value", inputs.get(name, 0.0))) > 0:
        raise InputError(f"cannot sweep {name!r}: it is an array, and a sweep goes through numbers")
    xs = np.linspace(low, high, points)
    given = {key: _plain(value) for key, value in inputs.items() if key != name}
    plan = make_plan(graph, {**given, name: xs[0]}, wrt=[name])
    if plan.output_shape != ():
        raise InputError(f"a sweep needs a program with a scalar value; this one has shape {plan.output_shape}")
    values, slopes = [], []
    for x in xs:
        found = forward(plan, {**given, name: float(x)})
        values.append(float(found[graph.output]))
        slopes.append(float(backward(plan, found).of(name)))
    axis = tuple(xs.tolist())
    return Chart(
        f"value and derivative over {name}{_as_traced(graph)}",
        name,
        "",
        (Curve("value", axis, tuple(values)), Curve(f"derivative by {name}", axis, tuple(slopes))),
    )


def step_errors(graph: Graph, inputs: Mapping[str, Any], name: str, index: Sequence[int] | None = None) -> Chart:
    """How far plain central differences are from the derivative, for steps from 1 down to 1e-15.

    The error falls with the square of the step, as the truncation does, and rises again as rounding is divided by ever smaller
    steps: a V on logarithmic axes. Beside it stands what gradtool makes of the differences alone, without knowing the derivative:
    its estimate of each one's error, and the step that it would choose. ``index`` is the entry of an array; left out, the one
    with the largest gradient. The derivative is SymPy's where it has one, else that of the graph. Raises ``InputError`` where
    the input is not differentiated, and as ``gradtool.evaluate`` does.
    """
    result = evaluate(graph, inputs, upstream="ones", references=("symbolic",), wrt=[name])
    found = result[name]
    if found.gradient is None:
        raise InputError(f"{name} is not differentiated")
    exact = np.asarray(found.gradient if found.symbolic.value is None else found.symbolic.value, dtype=np.float64)
    at = tuple(index) if index is not None else np.unravel_index(int(np.argmax(np.abs(exact))), exact.shape)
    try:
        truth = float(exact[at])
    except IndexError:
        raise InputError(f"{name} has shape {exact.shape} and no entry {list(at)}") from None
    given = {key: _plain(value) for key, value in inputs.items()}
    plan = make_plan(graph, given, wrt=[name])
    function = GraphFunction(plan, forward(plan, given))
    base = np.asarray(given[name], dtype=np.float64)
    decades = round(np.log10(LARGEST_STEP / SMALLEST_STEP))
    wanted = np.logspace(np.log10(LARGEST_STEP), np.log10(SMALLEST_STEP), decades * STEPS_A_DECADE + 1)
    up, down = (np.repeat(base[None], len(wanted), axis=0) for _ in range(2))
    up[(slice(None), *at)] += wanted
    down[(slice(None), *at)] -= wanted
    width = up[(slice(None), *at)] - down[(slice(None), *at)]
    moved = width > 0  # A step below the spacing of the numbers there does not move the point.
    if not moved.any():
        raise InputError(f"{name} is so large ({float(base[at]):g}) that no step up to {LARGEST_STEP:g} moves it")
    totals = [
        function.many(name, points[moved]).outputs.reshape(int(moved.sum()), -1).sum(axis=1) for points in (up, down)
    ]
    noise = float(np.sum(function.noise()))
    with np.errstate(all="ignore"):
        slope = (totals[0] - totals[1]) / width[moved]
        series = Series(width[None, moved] / 2, slope[None], (2 * noise / width[moved])[None], 2)
        estimate = doubt(series)[0]
        limit = extrapolate(series)
    steps = tuple((width[moved] / 2).tolist())
    errors = np.abs(slope - truth)
    marks = []
    if np.isfinite(estimate).any():
        chosen = int(np.argmin(estimate))
        marks.append(Mark("chosen step", steps[chosen], float(errors[chosen])))
    entry = name if not at else f"{name}[{', '.join(map(str, map(int, at)))}]"
    title = f"error of central differences for {entry}, over the step{_as_traced(graph)}"
    if np.isfinite(limit.error[0]):
        title += f"; extrapolated to step 0: off by {abs(float(limit.value[0]) - truth):.1e}"
    return Chart(
        title,
        "step",
        "error",
        (Curve("true error", steps, tuple(errors.tolist())), Curve("estimated error", steps, tuple(estimate.tolist()))),
        tuple(marks),
        logarithmic=True,
    )


def gradient_norms(result: EvaluationResult) -> Bars:
    """The norm of the gradient at every named node, from the output down; at all nodes but constants, where few have names."""
    reached = [node for node in reversed(result.nodes) if node.depends_on_input]
    named = [node for node in reached if node.name is not None]
    chosen = named if len(named) >= 3 else reached
    labels = tuple(node.name or f"n{node.id}" for node in chosen)
    return Bars("gradient norm by node, from the output down", labels, tuple(norm(node.upstream) for node in chosen))


def operation_chart(name: str) -> Chart | None:
    """Value and derivative of an elementwise operation of one argument over its usual range; None for any other."""
    operation = REGISTRY[name]
    if not operation.elementwise or len(operation.arguments) != 1 or operation.variadic:
        return None
    usual = operation.domain[0] == ANYWHERE
    graph = parse(f"{operation.call or operation.name}(x)")
    chart = sweep(graph, {}, "x", *(RANGE if usual else operation.domain[0]))
    return Chart(
        f"{operation.call or name}(x) and its derivative", "x", "",
        (Curve(operation.call or name, chart.curves[0].x, chart.curves[0].y),
         Curve("derivative", chart.curves[1].x, chart.curves[1].y)),
    )  # fmt: skip


def _as_traced(graph: Graph) -> str:
    """What the chart of a traced function has to say where away from the point the function may be another one."""
    places = ", ".join(f"{file}:{line}" for file, line in graph.branches)
    return f" (as the function goes at the point given; elsewhere {places} may go another way)" if places else ""


def _plain(value: Any) -> Any:
    value = getattr(value, "value", value)
    array = np.asarray(value, dtype=np.float64)
    return float(array) if array.ndim == 0 else array
