"""How a trace is judged: by the function's plain values, and by differences of five points a entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from gradtool.autodiff import backward, forward, make_plan
from gradtool.tracing import Traced, trace

Array = np.ndarray[Any, Any]
STEP = 1e-3


def gradients_of(traced: Traced, inputs: Mapping[str, Any], *upstreams: Any) -> dict[str, Array]:
    """The exact gradient: backward over the graph, with one upstream for each output."""
    floats = {name: inputs[name] for name in traced.graph.inputs}
    plan = make_plan(traced.graph, floats)
    values = forward(plan, floats)
    found = np.asarray(values[traced.graph.output])
    expected = np.concatenate([np.ravel(v) for v in traced.values]) if traced.several else traced.value
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13 * np.max(np.abs(expected), initial=0))
    gradients = backward(plan, values, traced.upstream(*upstreams))
    return {name: np.asarray(gradients.of(name)) for name in floats}


def differences(function: Callable[..., Any], inputs: Mapping[str, Any], name: str, upstreams: list[Array]) -> Array:
    """The same gradient from values of the function alone."""

    def total(value: Any) -> float:
        result = function(*({**inputs, name: value}[key] for key in inputs))
        outputs = result if isinstance(result, (tuple, list)) else [result]
        return float(sum(np.sum(u * np.asarray(out)) for u, out in zip(upstreams, outputs, strict=True)))

    base = np.asarray(inputs[name], dtype=float)
    found = np.zeros(base.shape)
    for place in np.ndindex(base.shape):
        values = []
        for k in (-2, -1, 1, 2):
            moved = base.copy()
            moved[place] += k * STEP
            values.append(total(float(moved) if isinstance(inputs[name], float) else moved))
        found[place] = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * STEP)
    return found


@pytest.fixture
def check() -> Callable[..., Traced]:
    """``check(function, *arguments)`` traces, and compares values and the gradients of all inputs of floats."""

    def run(function: Callable[..., Any], *arguments: Any) -> Traced:
        inputs = {f"a{i}": argument for i, argument in enumerate(arguments)}
        traced = trace(function, inputs)
        rng = np.random.default_rng(0)
        upstreams = [rng.normal(size=value.shape) for value in traced.values]
        assert traced.graph.inputs
        for name, gradient in gradients_of(traced, inputs, *upstreams).items():
            expected = differences(function, inputs, name, upstreams)
            scale = np.max(np.abs(expected), initial=1e-3)
            np.testing.assert_allclose(gradient, expected, rtol=1e-8, atol=1e-8 * scale, err_msg=name)
        return traced

    return run
