"""The walk as lines of text."""

import numpy as np

import gradtool
from gradtool.report.steps_text import MOST, walk_lines


def lines(program, inputs, full=False, width=None, **more):
    result = gradtool.evaluate(gradtool.parse(program), inputs, references=(), steps=True, **more)
    return [line.text for line in walk_lines(result, result.walk, full, width)]


def test_the_first_example():
    assert lines("(x+y)*max(y,z)", {"x": 1, "y": 2, "z": 0}) == [
        "Forward",
        "  n3 = x+y = 1+2 = 3",
        "  n4 = max(y,z) = max(2,0) = 2",
        "  f = n3*n4 = 3*2 = 6",
        "",
        "Local derivatives",
        "  d(x+y)/dx = 1",
        "  d(x+y)/dy = 1",
        "  d(max(y,z))/dy = 1   (1 for the largest, else 0 (1/k each where k are tied))",
        "  d(max(y,z))/dz = 0   (1 for the largest, else 0 (1/k each where k are tied))",
        "  d(n3*n4)/dn3 = n4 = 2",
        "  d(n3*n4)/dn4 = n3 = 3",
        "",
        "Backward, from the output down",
        "  df/df = 1",
        "  df/dn4 = df/df * df/dn4 = 1*3 = 3",
        "  df/dn3 = df/df * df/dn3 = 1*2 = 2",
        "  df/dx = df/dn3 * dn3/dx = 2*1 = 2",
        "  df/dy = df/dn3 * dn3/dy + df/dn4 * dn4/dy = 2*1 + 3*1 = 2 + 3 = 5",
        "  df/dz = df/dn4 * dn4/dz = 3*0 = 0",
    ]


def test_arrays_rules_and_a_given_upstream():
    W = np.array([[1.0, 2.0], [3.0, 4.0]])
    found = lines("W@x + b", {"W": W, "x": np.array([1.0, 2.0]), "b": 0.5}, upstream=np.array([1.0, -1.0]))
    assert "  through W@x into x: W.T @ dL/dn3" in found
    at = found.index("Backward of L = sum(upstream * f), from the output down")
    assert found[at + 1 :] == [
        "  dL/df = upstream, as given = [1, -1]",
        "  dL/dn3 = dL/df * df/dn3 = [1, -1]",
        "  dL/dW = outer(dL/dn3, x) =",
        "    [[ 1,  2],",
        "     [-1, -2]]",
        "  dL/dx = W.T @ dL/dn3 = [-2, -2]",
        "  dL/db = dL/df * df/db summed over the broadcast axes = 0",
    ]


def test_both_operands_of_a_square():
    found = lines("x*x", {"x": 3})
    assert "  d(x*x)/dx = x = 3   (by operand 1)" in found
    assert "  df/dx = df/df * df/dx + df/df * df/dx = 1*3 + 1*3 = 3 + 3 = 6" in found


def test_lines_fit_the_page():
    found = lines("+".join(f"sin({k}*x)/x" for k in range(1, 9)), {"x": 1.2}, width=60)
    assert max(map(len, found)) <= 60


def test_a_long_program_is_shown_in_part_unless_all_is_asked_for():
    program = "+".join(["exp(x)"] * 300)
    short, full = lines(program, {"x": 0.0}), lines(program, {"x": 0.0}, full=True)
    assert f"  {599 - MOST:,} more; --full shows them" in short
    assert len(full) > 1500
    assert not any("--full" in line for line in full)
