"""What the tests of the rules share: run a program, look at one code."""

import pytest

import gradtool


@pytest.fixture
def findings():
    """findings(code, program, **inputs) -> the diagnostics with that code."""

    def run(code, program, /, thresholds=None, **inputs):
        result = gradtool.evaluate(gradtool.parse(program), inputs, thresholds=thresholds)
        return [d for d in result.diagnostics if d.code == code]

    return run
