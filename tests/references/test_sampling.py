"""Points that are exact, and noise that is measured for what it is."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pytest

from gradtool.references.sampling import Entries, Field, FunctionEvaluable, Measure, Rungs


def field(f: Callable[[Any], Any], x: Any) -> Field:
    box = FunctionEvaluable(f, {"x": x})
    made = Field(box, "x", Entries(np.asarray(x, dtype=float)), Measure.of(box, 1.0))
    with np.errstate(all="ignore"):
        made.prepare()
    return made


class TestEntries:
    def test_points_are_symmetric_and_steps_exact(self) -> None:
        rng = np.random.default_rng(0)
        x = rng.standard_normal(200) * 10.0 ** rng.uniform(-8, 8, 200)
        lines = np.arange(200)
        steps = np.abs(x) * 2.0 ** rng.uniform(-45, 0, 200)
        points, taken = Entries(x).points(np.tile(lines, 2), np.concatenate((steps, -steps)))
        up, down = points[lines, lines], points[lines + 200, lines]
        for i in range(200):
            above, below = Fraction(up[i]) - Fraction(x[i]), Fraction(x[i]) - Fraction(down[i])
            assert above == below == Fraction(taken[i]) == Fraction(taken[i + 200])
            assert above > 0
        moved = points != x
        assert (moved.sum(axis=1) == 1).all()


class TestNoise:
    @pytest.mark.parametrize("x", [0.3, 7.0, 1e-4, 3e5])
    @pytest.mark.parametrize("kind", [np.float32, np.float16])
    def test_low_precision_output(self, x: float, kind: Any) -> None:
        made = field(lambda x: float(kind(np.sin(x / 3 + 1))), x)
        unit = float(np.finfo(kind).eps) * abs(np.sin(x / 3 + 1))
        assert unit / 4 < max(made.noise, made.relative) < 40 * unit or made.flat

    def test_float32_input(self) -> None:
        made = field(lambda x: np.sin(np.float64(np.float32(x))), 0.7)
        assert 1e-9 < made.noise < 1e-6

    def test_double_precision_is_quiet(self) -> None:
        for x in (0.3, 7.0, 1e-4, 1e4):
            assert field(np.sin, x).noise < 1e-15 + 4e-16 * x

    def test_rounding_in_step_with_the_points_is_seen(self) -> None:
        """Cancellation leaves a staircase whose steps a regular grid may fall in step with."""
        made = field(lambda x: np.sin(100 + (1e7 + 2.7125264305022747 * x)), 0.4240289957307972)
        assert 1e-10 < made.noise < 1e-7

    def test_a_kink_at_the_point_is_no_noise(self) -> None:
        assert field(np.abs, 0.0).noise < 1e-11
        assert field(lambda x: max(x - 1e-9, 0.0) - max(-x - 1e-9, 0.0), 0.0).noise < 1e-11

    def test_dtype_of_the_output_counts(self) -> None:
        made = field(lambda x: np.float32(10.0) + np.float32(0) * np.float32(x), 0.3)
        assert made.noise > 1e-7


class TestMeasure:
    def test_difference_comes_before_contraction(self) -> None:
        box = FunctionEvaluable(lambda x: np.array([x, 1e16]), {"x": 1.0})
        change, _, _ = Measure.of(box, np.ones(2)).contract(np.array([[1.5, 1e16]]))
        assert change[0] == 0.5

    def test_parts_of_a_contraction_are_the_same_alone(self) -> None:
        box = FunctionEvaluable(lambda x: np.array([x, 2 * x, 1.0]), {"x": 1.0})
        made, outputs = Measure.of(box, np.array([1.0, -3.0, 0.0])), np.array([[1.5, 2.0, np.inf], [4.0, -1.0, 7.0]])
        change, size, _ = made.contract(outputs)
        assert made.change(outputs).tolist() == change.tolist() == [0.5, 12.0]
        assert made.size(outputs).tolist() == size.tolist() == [7.5, 7.0]

    def test_what_fails_is_named(self) -> None:
        box = FunctionEvaluable(lambda x: np.array([x, np.divide(1, x)]), {"x": 0.0})
        with np.errstate(all="ignore"):
            assert Measure.of(box, np.ones(2)).failure == "the function is not finite at this point"
            assert Measure.of(box, np.array([1.0, 0.0])).failure is None
            box = FunctionEvaluable(lambda x: np.array([x, 1e200]), {"x": 1.0})
            assert Measure.of(box, np.array([np.nan, 1.0])).failure == "the upstream gradient is not finite"
            assert Measure.of(box, np.array([1.0, 1e200])).failure is None

    def test_not_finite_is_marked_where_it_counts(self) -> None:
        box = FunctionEvaluable(lambda x: np.array([x, x]), {"x": 1.0})
        outputs = np.array([[1.0, np.nan], [np.inf, 2.0]])
        with np.errstate(all="ignore"):
            assert np.isnan(Measure.of(box, np.ones(2)).contract(outputs)[0]).all()
            assert np.isnan(Measure.of(box, np.array([1.0, 0.0])).contract(outputs)[0]).tolist() == [False, True]

    @pytest.mark.parametrize("upstream", [[1.0, -3.0, 2.0], [1.0, 0.0, 2.0]])
    def test_changed_entries_alone_are_measured_as_whole_outputs_are(self, upstream: list[float]) -> None:
        class Changes(NamedTuple):
            places: Any
            value: Any
            change: Any
            same_piece: Any

        box = FunctionEvaluable(lambda x: np.array([x, 2 * x, 1.0]), {"x": 1.0})
        made = Measure.of(box, np.array(upstream))
        outputs = np.array([[1.5, 2.0, -7.0], [4.0, 2.0, 1.5]])
        places = np.array([[0, 2], [2, 0]])
        value = np.array([[1.5, 1.5], [-7.0, 4.0]])
        found = made.contract_changes(Changes(places, value, value - made_base(places), None))
        for one, other in zip(found, made.contract(outputs), strict=True):
            assert one == pytest.approx(other, rel=1e-13)


def made_base(places: Any) -> Any:
    return np.array([1.0, 2.0, 1.0])[places]


class TestRungs:
    def test_the_largest_steps_come_first_and_holes_last(self) -> None:
        steps = np.array([[1.0, np.nan, 4.0, np.nan], [np.nan, 2.0, 8.0, np.nan]])
        table = Rungs(*(steps * k for k in (1, 1, 2, 3, 4, 5))).in_order()
        assert table.up_step.tolist() == [[4.0, 1.0], [8.0, 2.0]]
        assert table.down.tolist() == [[12.0, 3.0], [24.0, 6.0]]

    def test_tables_of_different_widths_are_stacked(self) -> None:
        wide, narrow = (Rungs(*np.ones((6, 1, rungs))) for rungs in (3, 1))
        both = Rungs.stacked([narrow, wide]).up
        assert np.isnan(both).tolist() == [[False, True, True], [False, False, False]]
