"""SymPy's derivatives as programs, against numerical differentiation by mpmath."""

import math
import operator
import random
import subprocess
import sys

import pytest
import sympy
from mpmath import mp, mpf

from gradtool.references.exact import TOWARDS_ZERO, Arithmetic, Undefined, from_float, to_float
from gradtool.references.formulas import Program, Unsupported, derivatives, formulas, integer_power_derivative
from gradtool.references.scalars import SMOOTH

FIFTY = Arithmetic(50, TOWARDS_ZERO)
DOMAIN = {
    "acosh": (1.1, 9), "asin": (-0.9, 0.9), "acos": (-0.9, 0.9), "atanh": (-0.9, 0.9), "log": (0.1, 9),
    "log1p": (-0.9, 9), "sqrt": (0.1, 9), "power": (0.1, 5), "divide": (0.5, 4), "digamma": (0.2, 9),
    "lgamma": (0.2, 9),
}  # fmt: skip
MPMATH = {
    "add": lambda a, b: a + b, "subtract": lambda a, b: a - b, "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b, "power": lambda a, b: a**b, "lgamma": mp.loggamma, "digamma": mp.digamma,
    "cbrt": lambda x: mp.sign(x) * mp.cbrt(abs(x)), "atan2": mp.atan2,
}  # fmt: skip


@pytest.mark.parametrize("name", [*SMOOTH, "add", "subtract", "multiply", "divide", "power"])
def test_a_derivative_is_what_differences_say(name):
    rng = random.Random(name)
    programs = derivatives(name)
    function = MPMATH.get(name) or getattr(mp, name)
    for _ in range(5):
        point = [rng.uniform(*DOMAIN.get(name, (-4, 4))) for _ in programs]
        for i, program in enumerate(programs):
            with mp.workdps(60):
                order = tuple(int(i == j) for j in range(len(point)))
                expected = mp.diff(function, tuple(map(mpf, point)), order)
            (slope,) = program.run(FIFTY, list(map(from_float, point)))
            assert not isinstance(slope, Undefined)
            with mp.workdps(60):
                assert abs(mp.make_mpf(slope) - expected) < mpf(10) ** -25 * (1 + abs(expected)), (point, i)


@pytest.mark.parametrize("exponent", [-3, -1, 0, 1, 2, 5, 10**6])
@pytest.mark.parametrize("x", [-1.25, 1.0])
def test_an_integer_power_has_the_textbook_derivative_for_any_sign(exponent, x):
    (slope,) = integer_power_derivative(exponent).run(FIFTY, [from_float(x)])
    assert not isinstance(slope, Undefined)
    with mp.workdps(60):
        expected = exponent * mpf(x) ** (exponent - 1)
        assert abs(mp.make_mpf(slope) - expected) <= abs(expected) * mpf(10) ** -45


def value(expression, **point):
    symbols = sorted(expression.free_symbols, key=str)
    (found,) = Program([expression], symbols).run(FIFTY, [from_float(point[str(s)]) for s in symbols])
    return found if isinstance(found, Undefined) else to_float(found)


def test_the_slope_of_a_tie_is_the_mean():
    x, y, z = sympy.symbols("x y z", real=True)
    largest = formulas().define["maximum"](x, formulas().define["maximum"](2 * y, z))
    assert value(largest.diff(y), x=1.0, y=1.0, z=0.0) == 2.0
    assert value(largest.diff(y), x=2.0, y=1.0, z=2.0) == pytest.approx(2 / 3, rel=1e-15)
    assert value(largest.diff(y), x=3.0, y=1.0, z=2.0) == 0.0
    smallest = formulas().define["minimum"](x, y)
    assert value(smallest.diff(x), x=1.0, y=1.0) == 0.5


def test_a_branch_that_is_not_taken_may_be_undefined():
    x = sympy.Symbol("x", real=True)
    define = formulas().define
    chosen = define["where"](define["gt"](x, 0), sympy.sqrt(x), -x)
    assert value(chosen, x=-4.0) == 4.0
    assert value(chosen.diff(x), x=-4.0) == -1.0
    assert value(chosen.diff(x), x=4.0) == 0.25
    assert isinstance(value(sympy.sqrt(x) + 1, x=-4.0), Undefined)


@pytest.mark.parametrize(("name", "x", "expected", "slope"), [
    ("abs", -3.0, 3.0, -1.0), ("abs", 0.0, 0.0, 0.0), ("sign", -3.0, -1.0, 0.0), ("floor", -2.5, -3.0, 0.0),
    ("ceil", -2.5, -2.0, 0.0), ("round", 2.5, 2.0, 0.0), ("round", 3.5, 4.0, 0.0), ("cbrt", -8.0, -2.0, 1 / 12),
])  # fmt: skip
def test_functions_declared_here(name, x, expected, slope):
    symbol = sympy.Symbol("x", real=True)
    formula = formulas().define[name](symbol)
    assert value(formula, x=x) == pytest.approx(expected, rel=1e-15)
    program = Program([formula.diff(symbol)], [symbol])
    (found,) = program.run(FIFTY, [from_float(x)])
    assert not isinstance(found, Undefined)
    assert to_float(found) == pytest.approx(slope, rel=1e-15)


@pytest.mark.parametrize("relation", ["lt", "le", "gt", "ge", "eq", "ne"])
def test_relations(relation):
    x, y = sympy.symbols("x y", real=True)
    formula = formulas().define[relation](x, y)
    for a, b in ((1.0, 2.0), (2.0, 1.0), (1.0, 1.0)):
        (found,) = Program([formula], [x, y]).run(FIFTY, [from_float(a), from_float(b)])
        assert found == from_float(float(getattr(operator, relation)(a, b)))


def test_numbers_of_a_formula_are_exact():
    x = sympy.Symbol("x", real=True)
    assert value(x + sympy.Rational(1, 3), x=0.0) == 1 / 3
    assert value(sympy.pi + sympy.E + sympy.EulerGamma + x, x=0.0) == pytest.approx(
        math.pi + math.e + 0.5772156649015329
    )
    assert value(x ** sympy.Rational(-3, 2), x=4.0) == 0.125


@pytest.mark.parametrize("expression", [sympy.I * sympy.Symbol("x"), sympy.zeta(sympy.Symbol("x")), sympy.zoo])
def test_what_is_not_real_and_elementary_is_refused(expression):
    with pytest.raises(Unsupported):
        Program([expression], sorted(expression.free_symbols, key=str))


def test_a_tree_of_any_depth_is_compiled_without_recursion():
    x = sympy.Symbol("x", real=True)
    tree = x
    for _ in range(3000):
        tree = sympy.sin(tree, evaluate=False)
    (found,) = Program([tree], [x]).run(FIFTY, [from_float(1.0)])
    assert not isinstance(found, Undefined)


def test_importing_the_references_loads_neither_sympy_nor_mpmath():
    code = "import sys, gradtool.references.symbolic; print([m for m in ('sympy', 'mpmath') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
