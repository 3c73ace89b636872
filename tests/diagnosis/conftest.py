"""What the tests of the rules share: run a program, look at one code."""

import numpy as np
import pytest

import gradtool


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
