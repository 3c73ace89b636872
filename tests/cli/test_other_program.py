"""What to compare with: values for the same program, or a program of its own."""

import click
import numpy as np
import pytest

import gradtool
from gradtool.cli.other_program import read_other, values_in


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("x=2", {"x": "2"}),
        ("x=2 y=3", {"x": "2", "y": "3"}),
        ("x=2; y=3", {"x": "2", "y": "3"}),
        ("x = 2\ny = 3;\n", {"x": "2", "y": "3"}),
        ("x=[1, 2] y=-3e5", {"x": "[1, 2]", "y": "-3e5"}),
        ("x=[1,\n   2]; y=pi/2", {"x": "[1,\n   2]", "y": "pi/2"}),
        ("x=0.1*randn(3, 4) y=@data/y.npy", {"x": "0.1*randn(3, 4)", "y": "@data/y.npy"}),
        ("x=@C:\\y.npy z=1", {"x": "@C:\\y.npy", "z": "1"}),
        ("x=2 # y=3", {"x": "2"}),
        ("ξ=2 e=1", {"ξ": "2", "e": "1"}),
        ("m=true", {"m": "true"}),
    ],
)
def test_values(text, values):
    assert values_in(text) == values


@pytest.mark.parametrize(
    "text",
    [
        "x*y", "x=2; x*y", "h = x*2; h + 1", "y=x", "x=2 y=x", "2*x", "", "x == 2", "x <= 2", "sum(X, axis=0)",
        "a = sum(X, axis=0)", "x=", "x=2\nx + 1", "softmax(x, axis=1) + 1", "x=2; 3",
    ],
)  # fmt: skip
def test_a_program_of_its_own(text):
    assert values_in(text) is None


def other(text, program="x*y", **inputs):
    values = {name: gradtool.InputValue(value) for name, value in (inputs or {"x": 1.0, "y": 2.0}).items()}
    return read_other(text, gradtool.parse(program), values)


def numbers(inputs):
    return {name: value.value for name, value in inputs.items()}


def test_values_take_the_place_of_those_given():
    found = other("y=5")
    assert numbers(found.inputs) == {"x": 1.0, "y": 5.0}
    assert found.graph.same_structure(gradtool.parse("x*y"))
    assert np.array_equal(other("y=[1, 2]").inputs["y"].value, [1, 2])


def test_a_program_gets_the_values_by_name():
    found = other("y^2 + 1")
    assert numbers(found.inputs) == {"y": 2.0}
    assert found.graph.same_structure(gradtool.parse("y^2 + 1"))
    assert numbers(other("x + e", x=1.0, e=5.0).inputs) == {"x": 1.0, "e": 5.0}


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("x*t + 1", gradtool.SourceError, "t has no value in the program that is compared with"),
        ("x*", gradtool.SourceError, "expected a value after"),
        ("x=1 x=2", click.UsageError, "x is given twice"),
        ("x=[1,", gradtool.SourceError, "never closed"),
        ("x=@nowhere.npy", gradtool.InputFileError, "nowhere.npy"),
    ],
)
def test_what_cannot_be_read(text, error, message):
    with pytest.raises(error, match=message):
        other(text)
