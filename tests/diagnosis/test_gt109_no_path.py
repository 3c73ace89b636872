"""GT109: inputs that the output does not see, or only through steps."""

import pytest


def test_a_forgotten_variable(findings):
    (found,) = findings("GT109", "z = x*y; x^2", x=1.0, y=2.0)
    assert "does not depend on y" in found.message


@pytest.mark.parametrize("program", ["floor(x) + y", "(x > 0)*y", "sign(x)*y", "where(x > 0, y, 2*y)"])
def test_only_through_steps(findings, program):
    (found,) = findings("GT109", program, x=1.5, y=2.0)
    assert "only through operations whose derivative is zero" in found.message


@pytest.mark.parametrize("program", ["x*y", "floor(x)*x + y", "0*x + y"])
def test_a_path_is_a_path_however_small(findings, program):
    assert findings("GT109", program, x=1.5, y=2.0) == []
