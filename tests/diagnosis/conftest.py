"""What the tests of the rules share: run a program, look at one code."""

from inspect import signature
from itertools import pairwise

import numpy as np
import pytest

import gradtool
from gradtool.diagnosis.fitting import Evidence
from gradtool.diagnosis.suspect import Sight, Suspect
from gradtool.results import Point
from gradtool.target import Case


@pytest.fixture
def findings():
    """findings(code, program, **inputs) -> the diagnostics with that code."""

    def run(code, program, /, thresholds=None, **inputs):
        result = gradtool.evaluate(gradtool.parse(program), inputs, thresholds=thresholds)
        return [d for d in result.diagnostics if d.code == code]

    return run


@pytest.fixture
def cause_of():
    """cause_of(forward, backward, inputs, name=None) -> the cause of that gradient, or of the only one that is WRONG."""

    def run(forward, backward, inputs, name=None):
        report = gradtool.check(forward, backward, inputs=inputs)
        causes = {found.name: found.cause for found in report.gradients if found.cause is not None}
        if name is None:
            (cause,) = causes.values()
            return cause
        return causes[name]

    return run


@pytest.fixture
def rng():
    return np.random.default_rng(20)


def _jacobian(forward, inputs, position):
    """Of all outputs by one input, by central differences with two extrapolations: good to some eleven digits."""
    x = inputs[position]
    columns = []
    for k in range(x.size):
        found = []
        for step in (2.0**-7, 2.0**-8, 2.0**-9):
            ends = []
            for sign in (1, -1):
                moved = [np.array(value, dtype=float) for value in inputs]
                moved[position].flat[k] += sign * step
                ends.append(_flat(forward(*moved)))
            found.append((ends[0] - ends[1]) / (2 * step))
        once = [(4 * fine - coarse) / 3 for coarse, fine in pairwise(found)]
        columns.append((16 * once[1] - once[0]) / 15)
    return np.stack(columns, axis=1)


def _outputs(value):
    return [np.asarray(v, dtype=float) for v in (value if isinstance(value, tuple) else (value,))]


def _flat(value):
    return np.concatenate([v.ravel() for v in _outputs(value)])


@pytest.fixture
def evidence_of():
    """evidence_of(forward, backward, points, name="x") -> ``Evidence`` with a sight at each point (a list of inputs).

    ``backward(u, *inputs)`` gives a gradient for each input. ``traced=False`` hides the forward from tracing."""

    def run(forward, backward, points, name="x", traced=True, kinds=()):
        names = list(signature(forward).parameters)
        rng = np.random.default_rng(3)
        sights = []
        for k, inputs in enumerate(points):
            outputs = _outputs(forward(*inputs))
            upstream = tuple(rng.standard_normal(o.shape) for o in outputs)
            jacobians = {n: _jacobian(forward, inputs, i) for i, n in enumerate(names)}
            flat = np.concatenate([u.ravel() for u in upstream])

            def yours_at(u, inputs=inputs):
                return dict(zip(names, backward(u[0] if len(u) == 1 else u, *inputs), strict=True))

            sights.append(
                Sight(
                    Point(kinds[k] if kinds else "given"), dict(zip(names, inputs, strict=True)), tuple(outputs), upstream,
                    yours_at(upstream), {n: (flat @ j).reshape(inputs[names.index(n)].shape) for n, j in jacobians.items()},
                    {n: np.full(inputs[names.index(n)].shape, 1e-10) for n in names}, yours_at,
                    lambda n, jacobians=jacobians: (jacobians[n], np.full(jacobians[n].shape, 1e-10)),
                )
            )  # fmt: skip
        case = Case(dict(zip(names, points[0], strict=True)), tuple(names), (), function=forward if traced else None)
        return Evidence(Suspect(name, tuple(names), sights, case))

    with np.errstate(all="ignore"):  # As name_cause does.
        yield run
