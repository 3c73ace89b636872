"""GT109: no path to the output.

What it means
    The output does not depend on an input, or only through operations whose derivative is zero everywhere (sign, floor,
    ceil, round, comparisons). Its gradient is zero whatever its value.

Why it matters
    A parameter that gets no gradient never learns. Often a variable was computed and then forgotten, or overwritten.

Example
    gradtool eval "z = x*y; x^2" x=1 y=2

What to do
    Use the input, or leave it out. For a step function use a smooth stand-in (sigmoid for a comparison).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gradtool.diagnosis.health import Health
from gradtool.results import Diagnostic

THRESHOLDS: Mapping[str, float] = {}


def find(health: Health, thresholds: Mapping[str, float]) -> Iterator[Diagnostic]:
    """One finding for each differentiated input that has no path, or none that lets a gradient through."""
    del thresholds
    graph, plan = health.plan.graph, health.plan
    reached = _reached(health, blocked=False)
    passed = _reached(health, blocked=True)
    for name in plan.wrt:
        node = graph.inputs[name]
        if not reached[node]:
            yield Diagnostic("GT109", "warning", f"the output does not depend on {name}: its gradient is zero", node)
        elif not passed[node]:
            yield Diagnostic(
                "GT109",
                "warning",
                f"{name} reaches the output only through operations whose derivative is zero everywhere",
                node,
            )


def _reached(health: Health, blocked: bool) -> bytearray:
    """Nodes with a path to the output; with ``blocked`` only paths whose derivative is not zero everywhere."""
    graph, plan = health.plan.graph, health.plan
    reached = bytearray(len(graph))
    reached[graph.output] = 1
    for i in range(graph.output, -1, -1):
        operation, settled = plan.operations[i], plan.resolved[i]
        if not reached[i] or operation is None or settled is None or (blocked and operation.derivative == "0"):
            continue
        for position, argument in enumerate(graph.arguments[i]):
            if not (blocked and position in settled.frozen):
                reached[argument] = 1
    return reached
