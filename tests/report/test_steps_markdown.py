"""The walk as a Markdown page."""

import io
import re

import numpy as np
import pytest

import gradtool
from gradtool.report import Page, render


def page(program, inputs, **more):
    result = gradtool.evaluate(gradtool.parse(program), inputs, steps=True, **more)
    stream = io.StringIO()
    render("eval", "markdown", result, stream, Page())
    return stream.getvalue()


FIRST = r"""# `(x+y)*max(y,z)`

```
(x+y)*max(y,z)
```

## Forward

$$n_{3} = x + y = 1 + 2 = 3$$

$$n_{4} = \max\left(y, z\right) = \max\left(2, 0\right) = 2$$

$$f = n_{3} \cdot n_{4} = 3 \cdot 2 = 6$$

## Local derivatives

$$\frac{\partial n_{3}}{\partial x} = 1$$

$$\frac{\partial n_{3}}{\partial y} = 1$$

$$\frac{\partial n_{4}}{\partial y} = 1\quad\text{(1 for the largest, else 0 (1/k each where k are tied))}$$

$$\frac{\partial n_{4}}{\partial z} = 0\quad\text{(1 for the largest, else 0 (1/k each where k are tied))}$$

$$\frac{\partial f}{\partial n_{3}} = n_{4} = 2$$

$$\frac{\partial f}{\partial n_{4}} = n_{3} = 3$$

## Backward

From the output down.

$$\frac{\partial f}{\partial f} = 1$$

$$\frac{\partial f}{\partial n_{4}} = \frac{\partial f}{\partial f} \frac{\partial f}{\partial n_{4}} = 1 \cdot 3 = 3$$

$$\frac{\partial f}{\partial n_{3}} = \frac{\partial f}{\partial f} \frac{\partial f}{\partial n_{3}} = 1 \cdot 2 = 2$$

$$\frac{\partial f}{\partial x} = \frac{\partial f}{\partial n_{3}} \frac{\partial n_{3}}{\partial x} = 2 \cdot 1 = 2$$

$$\frac{\partial f}{\partial y} = \frac{\partial f}{\partial n_{3}} \frac{\partial n_{3}}{\partial y} + \frac{\partial f}{\partial n_{4}} \frac{\partial n_{4}}{\partial y} = 2 \cdot 1 + 3 \cdot 1 = 2 + 3 = 5$$

$$\frac{\partial f}{\partial z} = \frac{\partial f}{\partial n_{4}} \frac{\partial n_{4}}{\partial z} = 3 \cdot 0 = 0$$

## Verdicts

| input | value | gradient | SymPy | central differences | verdict |
| --- | --- | --- | --- | --- | --- |
| `x` | 1 | 2 | 2 | 2 | OK |
| `y` | 2 | 5 | 5 | 5 | OK |
| `z` | 0 | 0 | 0 | 0 | OK |

OK: 3 gradients agree with SymPy and with central differences
"""  # noqa: E501  A formula is one line.


def test_the_first_example():
    assert page("(x+y)*max(y,z)", {"x": 1, "y": 2, "z": 0}) == FIRST


def test_matrices_rules_and_a_given_upstream():
    found = page("W@x", {"W": np.array([[1.0, 2.0], [3.0, 4.0]]), "x": np.array([1.0, 2.0])}, upstream="ones")
    assert r"$L = \sum \text{upstream} \odot f$" in found
    assert r"\frac{\partial L}{\partial x} = W^{\top} \, \frac{\partial L}{\partial f}" in found
    assert r"\begin{bmatrix} 1 & 2 \\ 1 & 2 \end{bmatrix}" in found


def test_a_large_array_is_given_by_its_figures():
    found = page("sum(exp(x))", {"x": np.zeros((10, 10))})
    assert r"\text{(10,10):norm=10:min=1:max=1}" in found


def test_numbers_with_exponents():
    assert r"1 \cdot 10^{-9}" in page("x*2", {"x": 1e-9})


def test_what_is_not_ok_says_why():
    found = page("relu(x)", {"x": 0})
    assert "| UNDECIDED: " in found
    assert "- **GT101** warning: " in found


@pytest.mark.parametrize("comment", ["# ``` fence", "# | bar | $x$ <b>"])
def test_a_program_with_markdown_in_it_stays_a_program(comment):
    found = page(f"{comment}\nx*2", {"x": 1})
    fence = re.search(r"^(`{3,})\n.*?^\1\n", found, re.MULTILINE | re.DOTALL)
    assert comment in fence[0]


def test_braces_are_closed_in_every_formula():
    found = page("z = W1@x_in; a = sigmoid(z); -log(a[0])^2", {"W1": np.ones((2, 2)), "x_in": np.array([0.1, 0.2])})
    for formula in re.findall(r"\$\$(.*?)\$\$", found):
        assert formula.count("{") == formula.count("}")


def test_second_derivatives_have_a_section():
    text = page("x^2*y", {"x": 1, "y": 2}, hessian=True)
    assert "## Hessian" in text
    assert "| `x` | `y` | 2 | 2 | 2 | OK |" in text
    assert "The Hessian is indefinite." in text
    kinked = page("abs(x)", {"x": 0}, hessian=True)
    assert "| `x` | `x` | 0 | failed | failed | UNDECIDED: " in kinked
    assert "The Hessian is" not in kinked


def test_a_result_without_a_walk_is_refused():
    result = gradtool.evaluate(gradtool.parse("x"), {"x": 1.0})
    with pytest.raises(ValueError, match="steps=True"):
        render("eval", "markdown", result, io.StringIO(), Page())
