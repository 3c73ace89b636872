"""The tableau: fast where the series is smooth, and never fooled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradtool.references.tableau import IN_CACHE, Series, extrapolate

STEPS = 2.0 ** -np.arange(2, 12)


def series(slopes: Any, power: int = 2, bound: float = 1e-16, steps: Any = STEPS) -> Series:
    slopes = np.atleast_2d(slopes)
    return Series(np.broadcast_to(steps, slopes.shape), slopes, np.full(slopes.shape, bound), power)


class TestExtrapolate:
    @pytest.mark.parametrize("power", [1, 2])
    def test_smooth(self, power: int) -> None:
        found = extrapolate(series(np.cos(STEPS) if power == 2 else np.exp(STEPS), power))
        assert abs(found.value[0] - 1) <= found.error[0] < 1e-10
        assert found.settled[0]

    def test_many_lines_at_once_are_each_line_alone(self) -> None:
        rng = np.random.default_rng(5)
        slopes = 1 + rng.normal(size=(IN_CACHE + 3, 1)) * STEPS**2 + 1e-9 * rng.normal(size=(IN_CACHE + 3, len(STEPS)))
        slopes[::7, 4] = np.nan
        together = extrapolate(series(slopes), np.ones(len(slopes)))
        for line in (0, 1, 7, IN_CACHE - 1, IN_CACHE, IN_CACHE + 2):
            alone = extrapolate(series(slopes[line]), np.ones(1))
            assert alone.value[0] == together.value[line]
            assert alone.error[0] == together.error[line]
            assert alone.settled[0] == together.settled[line]

    def test_a_single_lucky_agreement_is_not_enough(self) -> None:
        slopes = np.cos(3 * STEPS)
        slopes[1] = slopes[0]
        found = extrapolate(series(slopes))
        assert abs(found.value[0] - 1) <= found.error[0]

    @pytest.mark.parametrize("power", [0.25, 0.5, 1.0, 1.5])
    def test_slow_convergence(self, power: float) -> None:
        for order in (1, 2):
            found = extrapolate(series(1 + STEPS**power, order))
            assert abs(found.value[0] - 1) <= found.error[0]

    def test_smaller_steps_overrule_larger_ones(self) -> None:
        steps = np.concatenate((STEPS, STEPS * 2.0**-30))
        found = extrapolate(series(np.where(steps > 1e-5, 0.5, 1.0), steps=steps))
        assert found.value[0] == 1
        assert found.error[0] < 1e-12

    def test_growth_is_seen(self) -> None:
        for slopes in (1 / STEPS, STEPS**-0.5, -1 / STEPS):
            found = extrapolate(series(slopes))
            assert found.grows[0]
            assert not found.settled[0]

    def test_drift_is_seen(self) -> None:
        assert extrapolate(series(np.log(STEPS), 1)).drifts[0]
        assert not extrapolate(series(np.cos(STEPS))).drifts[0]

    def test_holes(self) -> None:
        slopes = np.cos(STEPS)
        slopes[:3] = np.nan
        found = extrapolate(series(slopes))
        assert abs(found.value[0] - 1) <= found.error[0] < 1e-8
        assert np.isinf(extrapolate(series(np.full(10, np.nan))).error[0])

    def test_lines_do_not_touch(self) -> None:
        both = extrapolate(series(np.stack((np.cos(STEPS), np.cos(9 * STEPS)))))
        assert both.value[0] == extrapolate(series(np.cos(STEPS))).value[0]
        assert both.error[1] > both.error[0]
