"""The declarations' own rules, and what every elementwise operation must do alike."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest

from gradtool import ops
from gradtool.ops import CALLS, Argument, Operation, OperationError, broadcast, declare, show_shape

REGISTRY: dict[str, Any] = ops.REGISTRY

COMPARISONS = ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal")
ELEMENTWISE = [name for name, operation in REGISTRY.items() if operation.elementwise]
WITH_SCALAR = [name for name in ELEMENTWISE if REGISTRY[name].scalar is not None]


def parameters_of(operation):
    return {parameter.name: parameter.default for parameter in operation.parameters}


def draw(operation, rng, shapes):
    """Arguments inside the domain; a variadic operation gets as many as there are shapes."""
    domain = operation.domain
    count = len(shapes) if operation.variadic else len(operation.arguments)
    return [rng.uniform(*domain[min(i, len(domain) - 1)], shapes[i % len(shapes)]) for i in range(count)]


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_declaration_is_complete(name):
    operation = REGISTRY[name]
    assert operation.symbolic is not None
    assert operation.formula
    assert operation.derivative
    assert operation.derivative_range
    assert len(operation.domain) == len(operation.arguments)
    if not callable(operation.local):
        assert len(operation.local) == len(operation.arguments)
    if operation.kinks:
        assert operation.piece is not None or name in ("asin", "acos", "acosh")


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_derivative_is_that_of_the_textbook_formula(name, mp_scalars):
    """mpmath differentiates ``symbolic`` at 60 digits; the accuracy in the tails is tested family by family."""
    operation = REGISTRY[name]
    choices = [case.parameters for case in operation.cases] or [parameters_of(operation)]
    for parameters in choices:
        arguments = draw(operation, np.random.default_rng(7), [(12,), (12,), (12,)])
        out = operation.forward(*arguments, **parameters)
        locals_ = [operation.local_of(i)(out, *arguments, **parameters) for i in range(len(arguments))]
        locals_ = [np.broadcast_to(local, (12,)) for local in locals_]
        with mpmath.workdps(60):
            for k in range(12):
                point = [mpmath.mpf(float(a[k])) for a in arguments]
                formula = lambda *p, given=parameters: operation.symbolic(mp_scalars, *p, **given)
                exact = mpmath.mpf(formula(*point))
                assert abs(float(out[k]) - exact) <= 4e-15 * (1 + abs(exact)), point
                for i, local in enumerate(locals_):
                    if i in operation.frozen:
                        continue
                    order = tuple(int(i == j) for j in range(len(point)))
                    slope = mpmath.diff(formula, tuple(point), order)
                    assert abs(float(local[k]) - slope) <= 1e-13 * abs(slope) + 1e-15, (i, point)


@pytest.mark.parametrize("name", WITH_SCALAR)
def test_scalar_form_is_the_array_form(name):
    operation = REGISTRY[name]
    rng = np.random.default_rng(8)
    special = [0.0, 1.0, -1.0, 2.0, 0.5, -0.5, 3.0, 1e-300, -1e-300, 1e300, -1e300, 40.0, -40.0, 800.0, -800.0]
    count = 3 if operation.variadic else len(operation.arguments)
    ordinary = [draw(operation, rng, [()] * count) for _ in range(200)]
    wild = [rng.choice(special, count) for _ in range(300)]
    compared = 0
    for values in ordinary + wild:
        arguments = [float(v) for v in values]
        try:
            out = operation.scalar.forward(*arguments)
            slopes = operation.scalar.local(out, *arguments)
        except (ArithmeticError, ValueError):
            continue
        compared += 1
        assert len(slopes) == count
        expected = operation.forward(*arguments)
        np.testing.assert_allclose(out, expected, rtol=1e-15, atol=1e-320)
        for i, slope in enumerate(slopes):
            wanted = operation.local_of(i)(expected, *arguments)
            np.testing.assert_allclose(slope, wanted, rtol=2e-15, atol=1e-320, err_msg=f"{i} at {arguments}")
    assert compared >= 200


@pytest.mark.parametrize("name", [name for name in ELEMENTWISE if name not in COMPARISONS])
def test_nan_propagates(name):
    operation = REGISTRY[name]
    parameters = parameters_of(operation)
    arguments = [float(a) for a in draw(operation, np.random.default_rng(9), [(), ()])]
    for i in range(len(arguments)):
        if i in operation.frozen:
            continue
        poisoned = [math.nan if j == i else a for j, a in enumerate(arguments)]
        if name == "where":
            poisoned[0] = float(i == 1)
        elif name in ("leaky_relu", "elu") and i == 1:
            poisoned[0] = -1.0
        assert np.isnan(operation.forward(*poisoned, **parameters))
        if operation.scalar is not None:
            try:
                out = operation.scalar.forward(*poisoned)
            except (ArithmeticError, ValueError):
                continue
            assert math.isnan(out)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_broadcasting_and_batches(name):
    """Results for arguments of different shapes, and with a batch axis in front, are those of entry by entry."""
    operation = REGISTRY[name]
    parameters = parameters_of(operation)
    rng = np.random.default_rng(10)
    shapes = [(2, 3), (3,), ()]
    arguments = draw(operation, rng, shapes)
    shape = np.broadcast_shapes(*map(np.shape, arguments))
    full = [np.broadcast_to(a, shape) for a in arguments]
    out = operation.forward(*arguments, **parameters)
    assert np.shape(out) == shape
    for i in range(len(arguments)):
        local = operation.local_of(i)(out, *arguments, **parameters)
        each = operation.local_of(i)(out, *full, **parameters)
        np.testing.assert_array_equal(np.broadcast_to(local, shape), np.broadcast_to(each, shape))
    for kink in operation.kinks:
        assert np.shape(kink.tied(*arguments, **parameters)) == shape
        if kink.choose is not None:
            chosen = kink.choose(rng, out, *arguments, **parameters)
            assert len(chosen) == len(arguments)
            for i, slope in enumerate(chosen):
                local = np.broadcast_to(operation.local_of(i)(out, *arguments, **parameters), shape)
                np.testing.assert_array_equal(np.broadcast_to(slope, shape), local)
    batch = [np.stack([a, a + 0.01]).reshape(2, *(1,) * (len(shape) - np.ndim(a)), *np.shape(a)) for a in arguments]
    both = operation.forward(*batch, **parameters)
    np.testing.assert_array_equal(both[0], out)
    if operation.piece is not None:
        pieces = operation.piece(*arguments, **parameters)
        assert np.shape(pieces) == shape
        np.testing.assert_array_equal(operation.piece(*batch, **parameters)[0], pieces)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_floats_do_not_raise(name):
    """The array form is what is used where the scalar form has raised: it takes floats, zero divisors and overflow."""
    operation = REGISTRY[name]
    parameters = parameters_of(operation)
    for value in (0.0, -1.0, 1e300, -1e300, 1e-300, math.inf, math.nan):
        arguments = [value] * len(operation.arguments)
        out = float(operation.forward(*arguments, **parameters))
        for i in range(len(arguments)):
            assert np.ndim(operation.local_of(i)(out, *arguments, **parameters)) == 0


def test_declare_refuses_a_second_of_the_same_name():
    with pytest.raises(ValueError, match="declared twice"):
        declare(REGISTRY["add"])


def test_declare_wants_exactly_one_kind_of_derivative():
    base: dict[str, Any] = {"arguments": (Argument("x"),), "forward": abs, "formula": "", "derivative": ""}
    with pytest.raises(ValueError, match="local derivatives or vector-Jacobian"):
        declare(Operation(name="neither", **base))
    with pytest.raises(ValueError, match="local derivatives or vector-Jacobian"):
        declare(Operation(name="both", local=(abs,), vjp=(abs,), **base))
    assert "neither" not in REGISTRY
    assert "both" not in REGISTRY


def test_calls_find_operations_by_every_name():
    assert REGISTRY["asin"] in CALLS["arcsin"]
    assert REGISTRY["asin"] in CALLS["asin"]
    assert REGISTRY["max"] in CALLS["maximum"]
    assert REGISTRY["max"] in CALLS["max"]


def test_broadcast():
    assert broadcast([(2, 3), (3,), ()]) == (2, 3)
    assert broadcast([(4,), (4,)]) == (4,)
    with pytest.raises(OperationError, match=r"shapes \(2,\) and \(3,\) do not broadcast"):
        broadcast([(2,), (3,)])
    assert show_shape(()) == "() (a scalar)"
    assert show_shape((2, 3)) == "(2, 3)"


def test_resolved_is_the_broadcast_shape_by_default():
    resolved = REGISTRY["where"].resolved([(3, 1), (2,), ()], {})
    assert resolved.shape == (3, 2)
    assert resolved.frozen == (0,)
