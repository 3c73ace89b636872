"""Roundings on purpose: their size, their balance, and that a seed fixes them."""

import numpy as np
import pytest

from gradtool.autodiff import Rounding


def test_every_number_moves_by_the_size_up_or_down():
    ones = np.ones((3, 4))
    moved = Rounding(1e-10, np.float64)(ones) - 1
    assert np.abs(moved) == pytest.approx(np.full((3, 4), 1e-10), rel=1e-5)
    assert len(np.unique(np.sign(moved))) == 2


@pytest.mark.parametrize("direction", [1, -1])
def test_a_direction_moves_all_the_same_way(direction):
    moved = Rounding(1e-10, np.float64, direction=direction)(np.ones(5)) - 1
    assert np.all(np.sign(moved) == direction)


def test_ups_and_downs_balance_and_seeds_differ():
    many = np.ones(10_000)
    one, other = (Rounding(1.0, np.float64, seed=seed)(many) - 1 for seed in (1, 2))
    assert abs(one.mean()) < 0.05
    assert abs((one * other).mean()) < 0.05
    assert np.array_equal(one, Rounding(1.0, np.float64, seed=1)(many) - 1)


def test_calls_go_on_where_the_last_one_ended():
    rounding = Rounding(1.0, np.float64)
    in_parts = np.concatenate([rounding(np.ones(700)) for _ in range(40)])
    assert np.array_equal(in_parts, Rounding(1.0, np.float64)(np.ones(28_000)))


def test_zero_stays_zero_and_the_dtype_is_kept():
    moved = Rounding(1e-7, np.float32)(np.zeros(3, dtype=np.float32))
    assert moved.dtype == np.float32
    assert not moved.any()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_subnormal_number_moves_by_the_smallest_one(dtype):
    least = float(np.finfo(dtype).smallest_subnormal)
    given = np.full(100, 8 * least, dtype=dtype)
    moved = Rounding(1e-7, dtype)(given)
    assert set(moved.tolist()) == {float(dtype(7 * least)), float(dtype(9 * least))}
    alone = Rounding(1e-7, dtype, direction=1)(np.array(8 * least, dtype=dtype))
    assert float(alone) == float(dtype(9 * least))
