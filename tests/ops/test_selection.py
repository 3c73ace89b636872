"""Selections: who gets the gradient, and how it is shared at a tie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradtool
from gradtool import ops

REGISTRY: dict[str, Any] = ops.REGISTRY

NAN = float("nan")


def slopes(name, *arguments):
    operation = REGISTRY[name]
    out = operation.forward(*arguments)
    found = [operation.local_of(i)(out, *arguments) for i in range(len(arguments))]
    return [np.broadcast_to(slope, np.shape(out)).tolist() for slope in found]


@pytest.mark.parametrize(
    ("name", "arguments", "out", "expected"),
    [
        ("max", (2.0, 0.0), 2.0, [1.0, 0.0]), ("max", (0.0, 2.0), 2.0, [0.0, 1.0]),
        ("min", (2.0, 0.0), 0.0, [0.0, 1.0]),
        ("max", (3.0, 3.0), 3.0, [0.5, 0.5]), ("min", (1.0, 1.0, 2.0), 1.0, [0.5, 0.5, 0.0]),
        ("max", (4.0, 4.0, 1.0, 4.0, 4.0), 4.0, [0.25, 0.25, 0.0, 0.25, 0.25]),
    ],
)  # fmt: skip
def test_extremum(name, arguments, out, expected):
    operation = REGISTRY[name]
    assert operation.forward(*arguments) == out
    assert slopes(name, *arguments) == expected
    assert operation.scalar.forward(*arguments) == out
    assert list(operation.scalar.local(out, *arguments)) == expected
    assert operation.kinks[0].tied(*arguments) == (arguments.count(out) > 1)


@pytest.mark.parametrize("name", ["max", "min"])
@pytest.mark.parametrize("arguments", [(NAN, 1.0), (1.0, NAN), (NAN, -1.0, 2.0), (3.0, -1.0, NAN)])
def test_extremum_of_nan(name, arguments):
    operation = REGISTRY[name]
    assert np.isnan(operation.forward(*arguments))
    assert np.isnan(operation.scalar.forward(*arguments))
    assert np.isnan(operation.scalar.forward(*map(np.float64, arguments)))
    assert np.all(np.isnan(slopes(name, *arguments)))


def test_extremum_choose_is_in_the_simplex():
    operation = REGISTRY["max"]
    a = np.array([[1.0] * 100, [5.0] * 100]).T
    b = np.array([1.0, 2.0])
    c = 1.0
    out = operation.forward(a, b, c)
    chosen = np.array(operation.kinks[0].choose(np.random.default_rng(0), out, a, b, c))
    assert chosen.shape == (3, 100, 2)
    assert np.all(chosen >= 0)
    np.testing.assert_allclose(chosen.sum(axis=0), 1.0, rtol=1e-15)
    assert np.ptp(chosen[:, :, 0], axis=1).min() > 0.8
    assert np.all(chosen[0, :, 1] == 1.0)
    assert np.all(chosen[1:, :, 1] == 0.0)


def test_extremum_pieces():
    found = REGISTRY["max"].piece(np.array([1.0, 5.0, 0.0]), 2.0, np.array([[0.0], [9.0]]))
    assert found.tolist() == [[1, 0, 1], [2, 2, 2]]
    assert REGISTRY["min"].piece(1.0, 2.0, 0.0) == 2


@pytest.mark.parametrize(
    ("x", "low", "high", "out", "expected"),
    [
        (0.5, 0.0, 1.0, 0.5, [1, 0, 0]), (-0.5, 0.0, 1.0, 0.0, [0, 1, 0]), (1.5, 0.0, 1.0, 1.0, [0, 0, 1]),
        (0.0, 0.0, 1.0, 0.0, [1, 0, 0]), (1.0, 0.0, 1.0, 1.0, [1, 0, 0]), (0.5, 2.0, 1.0, 1.0, [0, 0, 1]),
        (3.0, 2.0, 1.0, 1.0, [0, 0, 1]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["clip", "hardtanh"])
def test_clip(name, x, low, high, out, expected):
    assert REGISTRY[name].forward(x, low, high) == out
    assert slopes(name, x, low, high) == expected


def test_clip_at_a_bound():
    (kink,) = REGISTRY["clip"].kinks
    x = np.array([0.0] * 200 + [1.0] * 200 + [0.5, -0.5, 1.5])
    out = REGISTRY["clip"].forward(x, 0.0, 1.0)
    assert kink.tied(x, 0.0, 1.0).tolist() == [True] * 400 + [False] * 3
    chosen = np.array(kink.choose(np.random.default_rng(0), out, x, 0.0, 1.0))
    np.testing.assert_allclose(chosen.sum(axis=0), 1.0, rtol=1e-15)
    for tied, bound, other in [(slice(0, 200), 1, 2), (slice(200, 400), 2, 1)]:
        assert np.ptp(chosen[0, tied]) > 0.9
        assert np.all((chosen[0, tied] >= 0) & (chosen[0, tied] <= 1))
        assert np.ptp(chosen[bound, tied]) > 0.9
        assert np.all(chosen[other, tied] == 0)
    assert chosen[:, 400:].T.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_clip_tied_where_all_three_meet():
    (kink,) = REGISTRY["clip"].kinks
    assert kink.tied(1.0, 1.0, 1.0)
    chosen = np.array([kink.choose(np.random.default_rng(seed), 1.0, 1.0, 1.0, 1.0) for seed in range(50)])
    assert np.all(chosen >= 0)
    np.testing.assert_allclose(chosen.sum(axis=1), 1.0, rtol=1e-15)
    assert np.ptp(chosen, axis=0).min() > 0.5


def test_clip_pieces_and_nan():
    piece = REGISTRY["clip"].piece
    assert len({int(piece(x, 0.0, 1.0)) for x in (-0.1, 0.1, 1.1)}) == 3
    assert piece(0.1, 0.0, 1.0) == piece(0.9, 0.0, 1.0)
    assert np.all(np.isnan(slopes("clip", NAN, 0.0, 1.0)))


def test_where():
    condition = np.array([1.0, 0.0, -3.0])
    assert REGISTRY["where"].forward(condition, 5.0, 6.0).tolist() == [5.0, 6.0, 5.0]
    assert slopes("where", condition, 5.0, 6.0) == [[0, 0, 0], [1, 0, 1], [0, 1, 0]]
    assert REGISTRY["where"].frozen == (0,)
    assert REGISTRY["where"].piece(condition, np.zeros((2, 3)), 1.0).tolist() == [[True, False, True]] * 2
    assert REGISTRY["where"].forward(np.array([0.0, 1.0]), 1.0, NAN)[1] == 1.0


def test_clip_without_a_bound():
    for bounds, x, slope in [("", 3.0, 1.0), (", max=1", 3.0, 0.0), (", max=1", -1e300, 1.0), (", min=0", -2.0, 0.0)]:
        result = gradtool.evaluate(gradtool.parse(f"clip(x{bounds})"), {"x": x})
        assert result["x"].gradient == slope
        assert result["x"].symbolic.status == "ok"
        assert result.verdict == "OK"
        assert not result.diagnostics  # The bound that is not there is no overflow.
