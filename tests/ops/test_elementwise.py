"""The constructors of elementwise declarations."""

import numpy as np
import pytest

from gradtool.ops import CALLS, REGISTRY
from gradtool.ops.elementwise import binary, inside, interval, jump, spread, unary, zero


class Names:
    """In place of exact scalars: what was asked for."""

    def __getattr__(self, name):
        return lambda *arguments: (name, *arguments)


@pytest.fixture
def declared(monkeypatch):
    """Declare into copies of the registry."""

    def declare(constructor, *arguments, **more):
        return constructor(*arguments, **more)

    for table in (REGISTRY, CALLS):
        before = dict(table)
        monkeypatch.setattr("gradtool.ops.operation." + ("REGISTRY" if table is REGISTRY else "CALLS"), before)
    return declare


def test_unary(declared):
    double = declared(unary, "double", lambda x: 2 * x, lambda out, x: 2.0, "2x", "2", aliases=("twice",))
    assert [argument.name for argument in double.arguments] == ["x"]
    assert double.elementwise
    assert double.local_of(0)(6.0, 3.0) == 2.0
    assert double.forward(3.0) == 6.0
    assert double.symbolic(Names(), "x") == ("double", "x")
    assert double.aliases == ("twice",)
    assert (double.formula, double.derivative) == ("2x", "2")
    assert double.resolved([(2, 3)], {}).shape == (2, 3)


def test_binary(declared):
    locals_ = (lambda out, a, b: 1.0, lambda out, a, b: -1.0)
    gap = declared(binary, "gap", lambda a, b: a - b, locals_, "a-b", "1, -1")
    assert [argument.name for argument in gap.arguments] == ["a", "b"]
    assert gap.symbolic(Names(), 1, 2) == ("gap", 1, 2)
    assert len(gap.domain) == 2
    assert [gap.local_of(i)(0.0, 0.0, 0.0) for i in (0, 1)] == [1.0, -1.0]
    assert gap.resolved([(2, 1), (3,)], {}).shape == (2, 3)


def test_what_is_said_wins_over_what_is_usual(declared):
    more = {"names": ("y", "x"), "domain": ((0.0, 1.0), (2.0, 3.0)), "symbolic": lambda S, a, b: S.other(b, a)}
    turned = declared(binary, "turned", lambda y, x: y, (zero, zero), "y", "1", **more)
    assert [argument.name for argument in turned.arguments] == ["y", "x"]
    assert turned.domain == ((0.0, 1.0), (2.0, 3.0))
    assert turned.symbolic(Names(), 1, 2) == ("other", 2, 1)
    one = declared(unary, "one", lambda x: 1.0, zero, "1", "0", symbolic=lambda S, x: 1, call="uno")
    assert one.symbolic(Names(), "x") == 1
    assert one.call == "uno"


def test_a_name_is_declared_once(declared):
    with pytest.raises(ValueError, match="operation sin is declared twice"):
        declared(unary, "sin", np.sin, lambda out, x: np.cos(x), "sin x", "cos x")


def test_zero():
    assert zero(np.ones(3), 2.0) == 0.0
    assert isinstance(zero(), float)


@pytest.mark.parametrize(
    ("value", "others", "expected"),
    [
        (1.0, (np.zeros((2, 1)), np.zeros(3)), np.ones((2, 3))),
        (np.array([1.0, 2.0]), (0.0,), [1.0, 2.0]),
        (np.array([[1.0], [2.0]]), (np.zeros(2),), [[1.0, 1.0], [2.0, 2.0]]),
        (5.0, (0.0, 1.0), 5.0),
        (1.0, (np.zeros((0, 3)),), np.zeros((0, 3))),
    ],
)
def test_spread(value, others, expected):
    found = spread(value, *others)
    assert found.shape == np.shape(expected)
    assert np.array_equal(found, expected)


def test_inside():
    found = inside(np.array([True, False]), np.array([2.0, 3.0]))
    assert found[0] == 2.0
    assert np.isnan(found[1])
    assert np.isnan(inside(False, 1.0))


def test_jump_has_no_valid_value():
    kink = jump("x = 0", lambda x: np.equal(x, 0), sides=(0.0, 1.0))
    assert (kink.where, kink.convention, kink.valid, kink.sides) == ("x = 0", "0", "none", (0.0, 1.0))
    assert kink.choose is None
    assert kink.tied(np.array([0.0, 1.0])).tolist() == [True, False]
    assert jump("x = 0", zero, "inf").convention == "inf"
    assert jump("x = 0", zero).sides is None


def test_interval_draws_between_the_slopes_at_a_tie_and_is_the_slope_elsewhere():
    local = lambda out, x: np.where(np.greater(x, 0), 1.0, -0.25)
    kink = interval("x = 0", lambda x: np.equal(x, 0), local, -0.25, 1.0, "-0.25")
    assert (kink.where, kink.convention, kink.valid) == ("x = 0", "-0.25", "[-0.25, 1]")
    x = np.r_[np.zeros(500), 3.0, -2.0].reshape(2, 251)
    (drawn,) = kink.choose(np.random.default_rng(0), x, x)
    assert drawn.shape == x.shape
    ties, rest = drawn.ravel()[:500], drawn.ravel()[500:]
    assert rest.tolist() == [1.0, -0.25]
    assert -0.25 <= ties.min() < -0.2
    assert 0.95 < ties.max() <= 1.0
    assert len(set(ties.tolist())) == 500  # every tie draws for itself
    (scalar,) = kink.choose(np.random.default_rng(0), 0.0, 0.0)
    assert np.shape(scalar) == ()
