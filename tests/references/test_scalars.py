"""Scalars on a tape: values, derivatives, sharing, branches, what is undefined, and the limit."""

import numpy as np
import pytest
from mpmath import mp

from gradtool.references.exact import AWAY_FROM_ZERO, TOWARDS_ZERO, ZERO, Arithmetic, Undefined, from_float, to_float
from gradtool.references.formulas import Unsupported, derivatives, formulas
from gradtool.references.scalars import (
    PIECEWISE,
    SMOOTH,
    Scalar,
    SymPySpace,
    Tape,
    TapeSpace,
    TooManyOperations,
    local_derivative,
)  # fmt: skip


def tape_and_leaves(*values, limit=1000, rounding=TOWARDS_ZERO):
    tape = Tape(Arithmetic(50, rounding), limit)
    tape.enter(7)
    return tape, TapeSpace(tape), [tape.leaf(from_float(v)) for v in values]


def gradient(tape, output, leaves):
    output.adjoint = from_float(1.0)
    tape.backward()
    return [
        None if isinstance(x.adjoint, Undefined) else 0.0 if x.adjoint is None else to_float(x.adjoint) for x in leaves
    ]


def number(scalar):
    assert scalar.raw is not None, scalar
    return to_float(scalar.raw)


POINTS = ((0.7, -1.3), (2.5, 0.25), (-3.0, 4.0))


@pytest.mark.parametrize(("name", "operate"), [
    ("add", lambda a, b: a + b), ("subtract", lambda a, b: a - b), ("multiply", lambda a, b: a * b),
    ("divide", lambda a, b: a / b), ("power", lambda a, b: abs(a) ** b),
])  # fmt: skip
@pytest.mark.parametrize("point", POINTS)
def test_operators_have_the_derivatives_that_sympy_gives(name, operate, point):
    if name == "power":
        point = (abs(point[0]), point[1])
    tape, _, (a, b) = tape_and_leaves(*point)
    found = gradient(tape, operate(a, b), [a, b])
    expected = [program.run(tape.arithmetic, list(map(from_float, point)))[0] for program in derivatives(name)]
    assert found == [None if isinstance(e, Undefined) else to_float(e) for e in expected]


@pytest.mark.parametrize("name", SMOOTH)
def test_functions_on_the_tape_chain_sympys_derivative(name):
    point = (1.5, 0.5) if name == "atan2" else (1.5,) if name == "acosh" else (0.4,)
    tape, space, leaves = tape_and_leaves(*point)
    found = gradient(tape, 3 * getattr(space, name)(*leaves), leaves)
    raws = list(map(from_float, point))
    for i, slope in enumerate(found):
        expected = local_derivative(name, i, tape.arithmetic, raws)
        assert slope == pytest.approx(3 * to_float(expected), rel=1e-15)


def test_negation_and_plain_numbers():
    tape, space, (x,) = tape_and_leaves(2.0)
    y = 1 - (-x) * 3 + np.float64(0.5) * x / np.int64(4) + 2**x - x**2 + True + (+x) + 6 / x
    assert number(y) == 1 + 6 + 0.25 + 4 - 4 + 1 + 2 + 3
    assert gradient(tape, y, [x])[0] == pytest.approx(3 + 0.125 + 4 * np.log(2) - 4 + 1 - 1.5, rel=1e-15)
    assert number(space.pi) == np.pi
    with pytest.raises(Unsupported):
        space.number("1")


def test_a_float_stands_for_its_exact_value():
    _, space, _ = tape_and_leaves()
    assert mp.make_mpf(space.number(0.1).raw) == mp.mpf(0.1)


def test_a_scalar_used_twice_gets_both_contributions():
    tape, _, (x,) = tape_and_leaves(3.0)
    assert gradient(tape, x * x + x, [x]) == [7.0]


@pytest.mark.parametrize(("name", "values", "expected", "slopes"), [
    ("maximum", (1.0, 2.0), 2.0, [0, 1]), ("minimum", (1.0, 2.0), 1.0, [1, 0]),
    ("maximum", (2.0, 2.0), 2.0, [0.5, 0.5]),
    ("abs", (-2.0,), 2.0, [-1]), ("abs", (2.0,), 2.0, [1]), ("abs", (0.0,), 0.0, [0]), ("sign", (-2.0,), -1.0, [0]),
    ("floor", (1.5,), 1.0, [0]), ("ceil", (1.5,), 2.0, [0]), ("round", (2.5,), 2.0, [0]),
    ("round", (1e300,), 1e300, [0]),
    ("lt", (1.0, 2.0), 1.0, [0, 0]), ("ge", (1.0, 2.0), 0.0, [0, 0]), ("eq", (2.0, 2.0), 1.0, [0, 0]),
    ("where", (1.0, 5.0, 6.0), 5.0, [0, 1, 0]), ("where", (0.0, 5.0, 6.0), 6.0, [0, 0, 1]),
])  # fmt: skip
def test_piecewise_functions(name, values, expected, slopes):
    tape, space, leaves = tape_and_leaves(*values)
    result = getattr(space, name)(*leaves)
    assert number(result) == expected
    assert gradient(tape, tape.claim(result), leaves) == slopes


def test_a_tie_of_many_is_shared_equally_however_it_is_nested():
    tape, space, leaves = tape_and_leaves(2.0, 2.0, 1.0, 2.0)
    a, b, c, d = leaves
    nested = space.maximum(space.maximum(a, b), space.maximum(c, d))
    assert gradient(tape, nested, leaves) == [1 / 3, 1 / 3, 0, 1 / 3]
    tape, space, (a, b) = tape_and_leaves(2.0, 1.0)
    assert gradient(tape, tape.claim(space.maximum(a, a)), [a]) == [1.0]


def test_arrays_broadcast_and_numpy_works_on_them():
    tape, space, leaves = tape_and_leaves(1.0, 2.0, 3.0, 4.0)
    matrix = np.array(leaves, dtype=object).reshape(2, 2)
    total = np.sum(matrix @ space.exp(matrix[0]) * space.maximum(matrix, 0)[:, 1])
    exp = np.exp([1.0, 2.0])
    assert number(total) == pytest.approx(2 * (exp @ [1, 2]) + 4 * (exp @ [3, 4]), rel=1e-15)
    assert number(np.mean(matrix)) == 2.5
    assert number(space.max(matrix)) == 4
    assert number(space.min(matrix)) == 1
    found = gradient(tape, total, leaves)
    expected = 2 * (exp[0] * 1 + exp[0]) + 4 * exp[0] * 3
    assert found[0] == pytest.approx(expected, rel=1e-15)


def test_sort_moves_the_scalars_themselves():
    _, space, leaves = tape_and_leaves(3.0, 1.0, 2.0)
    ordered = space.sort(np.array(leaves, dtype=object))
    assert [s is leaves[i] for s, i in zip(ordered, (1, 2, 0), strict=True)] == [True] * 3
    ordered = space.sort(np.array([*leaves, space.log(0)], dtype=object))
    assert all(s.raw is None for s in ordered), "where a NaN is sorted to is a matter of taste"


def test_what_is_undefined_does_harm_only_where_it_is_used():
    _, space, (x,) = tape_and_leaves(-4.0)
    bad = space.sqrt(x)
    assert "sqrt(-4) in n7" in str(bad.undefined)
    assert number(space.where(space.gt(x, 0), bad, -x)) == 4
    for used in (bad + 1, 1 / bad, -bad, space.exp(bad), space.maximum(x, bad), space.lt(bad, x), abs(bad), bad**2):
        assert used.raw is None
        assert used.undefined is bad.undefined


@pytest.mark.parametrize(("build", "message"), [
    (lambda s, x: s.log(x - x), "log(0)"), (lambda s, x: 1 / (x - x), "1/0"), (lambda s, x: s.asin(x + 5), "asin(6)"),
    (lambda s, x: (-x) ** 0.5, "-1**0.5"), (lambda s, x: s.exp(s.exp(s.exp(s.exp(x * 99)))), "out of the range"),
    (lambda s, x: x * float("inf"), "infinity"), (lambda s, x: x + float("nan"), "not-a-number"),
])  # fmt: skip
def test_reasons(build, message):
    _, space, (x,) = tape_and_leaves(1.0)
    assert message in str(build(space, x).undefined)


def test_a_derivative_that_does_not_exist_spoils_only_what_it_reaches():
    tape, space, (x, y) = tape_and_leaves(0.0, 3.0)
    output = space.sqrt(x) + y * y
    assert gradient(tape, output, [x, y]) == [None, 6.0]
    assert "the derivative of sqrt in n7 needs" in str(x.adjoint)


@pytest.mark.parametrize(("x", "y", "slopes"), [
    (0.0, 2.0, [0, 0]), (0.0, 1.0, [1, 0]), (0.0, 0.5, [None, 0]), (-2.0, 3.0, [12, None]), (0.0, 0.0, [0, None]),
])  # fmt: skip
def test_a_power_of_two_variables_at_the_edge(x, y, slopes):
    tape, _, leaves = tape_and_leaves(x, y)
    assert gradient(tape, leaves[0] ** leaves[1], leaves) == slopes


@pytest.mark.parametrize(("exponent", "expected"), [(2, -6.0), (3, 27.0), (-1, -1 / 9), (0, 0.0), (1, 1.0)])
def test_an_integer_power_of_a_negative_number(exponent, expected):
    tape, _, (x,) = tape_and_leaves(-3.0)
    assert gradient(tape, x**exponent, [x])[0] == pytest.approx(expected, rel=1e-15)


def test_an_entry_of_a_node_has_an_adjoint_of_its_own():
    tape, space, (y, z) = tape_and_leaves(2.0, 0.0)
    tape.enter(1)
    y.owner = 1
    tape.enter(2)
    larger = tape.claim(space.maximum(y, z))
    tape.enter(3)
    output = tape.claim(y + larger)
    assert larger is not y
    assert gradient(tape, output, [y, larger]) == [2.0, 1.0]


def test_the_limit_counts_operations():
    tape, _, (x,) = tape_and_leaves(1.0, limit=10)
    for _ in range(10):
        x = x + 1
    assert tape.count == 10
    with pytest.raises(TooManyOperations):
        x * x


def test_exponents_do_not_grow_without_end():
    _, _, (x,) = tape_and_leaves(3.0, limit=100_000)
    for _ in range(50_000):
        x = x * x
    assert "out of the range" in str(x.undefined)


def test_a_run_rounded_the_other_way_differs_in_the_last_digits_only():
    values = []
    for rounding in (TOWARDS_ZERO, AWAY_FROM_ZERO):
        _, space, (x,) = tape_and_leaves(0.3, rounding=rounding)
        values.append(mp.make_mpf(space.exp(space.sin(x) / 3).raw))
    assert values[0] < values[1]
    with mp.workdps(60):
        assert values[1] - values[0] < mp.mpf(10) ** -48


@pytest.mark.parametrize("name", [*SMOOTH, *(n for n in PIECEWISE if n != "where")])
def test_both_namespaces_know_the_same_functions(name):
    sympy = formulas().sympy
    x, y = sympy.symbols("x y", real=True)
    space = SymPySpace(lambda value: sympy.Symbol(f"c{value}"))
    arguments = (x, y) if name in ("atan2", "maximum", "minimum", "lt", "le", "gt", "ge", "eq", "ne") else (x,)
    assert getattr(space, name)(*arguments).free_symbols == set(arguments)
    array = np.array([x, y], dtype=object)
    assert getattr(space, name)(*(array for _ in arguments)).shape == (2,)
    _, tape_space, (a, b) = tape_and_leaves(0.5, 0.25)
    assert isinstance(getattr(tape_space, name)(*(a, b)[: len(arguments)]), Scalar)


def test_numbers_in_sympy_formulas():
    sympy = formulas().sympy
    space = SymPySpace(lambda value: sympy.Symbol(f"c{value}"))
    assert space.number(3) == 3
    assert space.number(2.0) == sympy.Integer(2)
    assert space.number(0.1) == sympy.Symbol("c0.1")
    assert space.number(2**70) == sympy.Symbol(f"c{2.0**70}")
    assert space.pi is sympy.pi
    with pytest.raises(Unsupported):
        space.sort(np.array([], dtype=object))


def test_subtracting_a_scalar_from_itself_is_exact():
    tape, _, (x,) = tape_and_leaves(0.3)
    root = x / 3
    assert (root - root).raw == ZERO
    assert not tape.arithmetic.cancelled


@pytest.mark.parametrize(("build", "slope"), [
    (lambda s, x: s.maximum(x, float("-inf")), 1.0), (lambda s, x: s.minimum(s.number(float("inf")), x, 7), 1.0),
    (lambda s, x: s.maximum(float("inf"), x), None), (lambda s, x: s.maximum(float("nan"), x), None),
])  # fmt: skip
def test_an_infinite_bound_is_none(build, slope):
    tape, space, (x,) = tape_and_leaves(1.0)
    found = build(space, x)
    if slope is None:
        assert found.raw is None
    else:
        assert gradient(tape, found, [x]) == [slope]
