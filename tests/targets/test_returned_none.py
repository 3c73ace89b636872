"""Which inputs a backward says nothing about."""

import ast

import pytest

from gradtool.targets.returned_none import is_data, none_positions


def function(*returns):
    return ast.parse("def backward(ctx, g):\n" + "".join(f"    if g: {r}\n" for r in returns)).body[0]


@pytest.mark.parametrize(
    ("returns", "count", "positions"),
    [
        (["return dx, None"], 2, {1}),
        (["return dx, None, dw, None"], 4, {1, 3}),
        (["return dx, (None)"], 2, {1}),
        (["return dx, dw"], 2, set()),
        (["return (dx,) + (None,) * 3"], 4, {1, 2, 3}),
        (["return (dx,) + (None,) * n"], 3, {1, 2}),
        (["return dx, *[None] * 2"], 3, {1, 2}),
        (["return dx, *rest"], 3, set()),
        (["return [dx, None]"], 2, {1}),
        (["return dx, None", "return None, None"], 2, {1}),
        (["return dx, None", "return dx, dw"], 2, set()),
        (["return None"], 3, {0, 1, 2}),
        (["return"], 2, {0, 1}),
        (["return dx"], 2, set()),
        (["pass"], 2, set()),
    ],
)
def test_positions_of_a_constant_none(returns, count, positions):
    assert none_positions(function(*returns), count) == positions


def test_a_function_inside_has_returns_of_its_own():
    node = ast.parse("def backward(ctx, g):\n    def inner(): return None\n    return g, None").body[0]
    assert none_positions(node, 2) == {1}


@pytest.mark.parametrize("name", ["target", "labels", "mask", "attn_mask", "y_true", "index", "Targets"])
def test_data_by_its_name(name):
    assert is_data(name, ["x", name])


@pytest.mark.parametrize("name", ["x", "weight", "bias", "alpha", "masked", "y", "t"])
def test_what_may_be_differentiated(name):
    assert not is_data(name, ["x", name])


def test_y_is_data_beside_a_prediction():
    assert is_data("y", ["y_pred", "y"])
    assert is_data("t", ["logits", "t"])
    assert not is_data("y", ["x", "y"])
