"""Random directions: right along each, and a stated size of error that they do not miss."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from gradtool.references.directional import directional, find_entry, smallest_seen
from gradtool.references.numeric import FunctionEvaluable, Samples


class Sum:
    """``sum(w * sin(x))`` over many entries."""

    def __init__(self, size: int, noise: float | None = 1e-12) -> None:
        rng = np.random.default_rng(7)
        self.x, self.w = rng.standard_normal((2, size))
        self._noise = noise
        self.points = 0
        self.seen: list[Any] = []

    def base(self) -> Any:
        return np.asarray((self.w * np.sin(self.x)).sum())

    def many(self, name: str, points: Any) -> Samples:
        assert name == "x"
        self.points += len(points)
        self.seen.extend(points - self.x)
        return Samples((self.w * np.sin(points)).sum(axis=-1))

    def noise(self) -> Any:
        return None if self._noise is None else np.array(self._noise)

    @property
    def gradient(self) -> Any:
        return self.w * np.cos(self.x)


NOISES = pytest.mark.parametrize("noise", [1e-12, None], ids=["known", "measured"])


class TestDirectional:
    @NOISES
    @pytest.mark.parametrize("size", [1, 10, 5000])
    def test_right_gradient(self, size: int, noise: float | None) -> None:
        function = Sum(size, noise)
        found = directional(function, {"x": function.x}, function.gradient, 1.0, "x")
        assert found.agrees
        assert (np.abs(found.values - found.predicted) <= found.errors + found.rounding).all()
        assert found.values.shape == (6,)
        assert found.evaluations == function.points < 300
        assert 0 < found.detectable < 1e-6

    @NOISES
    @pytest.mark.parametrize("index", [0, 1234, 4999])
    def test_one_wrong_entry_is_seen_and_found(self, index: int, noise: float | None) -> None:
        function = Sum(5000, noise)
        wrong = function.gradient
        wrong[index] += 1e-4
        assert not directional(function, {"x": function.x}, wrong, 1.0, "x").agrees
        function.points = 0
        assert find_entry(function, {"x": function.x}, wrong, 1.0, "x") == (index,)
        assert function.points < 3000

    def test_nothing_to_find(self) -> None:
        function = Sum(100)
        assert find_entry(function, {"x": function.x}, function.gradient, 1.0, "x") is None

    def test_errors_that_sum_to_zero_are_seen(self) -> None:
        """An all-positive direction is blind to these, and a fixed one to some error or other."""
        function = Sum(1000)
        wrong = function.gradient
        wrong[::2] += 1e-5
        wrong[1::2] -= 1e-5
        assert not directional(function, {"x": function.x}, wrong, 1.0, "x").agrees

    def test_directions_are_gaussian_of_both_signs_and_seeded(self) -> None:
        drawn = []
        for seed in (0, 0, 1):
            function = Sum(400)
            directional(function, {"x": function.x}, function.gradient, 1.0, "x", directions=1, seed=seed)
            drawn.append(function.seen[0] / np.std(function.seen[0]))
        assert np.array_equal(drawn[0], drawn[1])
        assert not np.allclose(np.abs(drawn[0]), np.abs(drawn[2]))
        assert 0.4 < (drawn[0] > 0).mean() < 0.6
        assert 0.6 < (np.abs(drawn[0]) < 1).mean() < 0.76

    def test_support(self) -> None:
        function = Sum(10)
        wrong = function.gradient
        wrong[3] += 1
        only = np.arange(10) == 5
        assert directional(function, {"x": function.x}, wrong, 1.0, "x", support=only).agrees
        assert not directional(function, {"x": function.x}, wrong, 1.0, "x", support=~only).agrees

    def test_black_box_with_upstream(self) -> None:
        rng = np.random.default_rng(0)
        w, x, upstream = rng.standard_normal((4, 30)), rng.standard_normal(30), rng.standard_normal(4)
        box = FunctionEvaluable(lambda x: np.tanh(w @ x), {"x": x})
        gradient = w.T @ (upstream * (1 - np.tanh(w @ x) ** 2))
        found = directional(box, {"x": x}, gradient, upstream, "x")
        assert found.agrees
        assert found.detectable < 1e-9
        assert box.calls == 1 + found.evaluations

    @pytest.mark.parametrize("scale", [1e-6, 1e6])
    def test_inputs_of_other_magnitudes(self, scale: float) -> None:
        x = np.random.default_rng(0).standard_normal(50) * scale
        box = FunctionEvaluable(lambda x: float(np.log1p((x / scale) ** 2).sum()), {"x": x})
        gradient = 2 * x / (scale**2 + x**2)
        found = directional(box, {"x": x}, gradient, 1.0, "x")
        assert found.agrees
        assert found.detectable < 1e-5 * np.abs(gradient).max()

    def test_domain_near_the_point(self) -> None:
        x = np.random.default_rng(0).uniform(1e-3, 1, 200)
        box = FunctionEvaluable(lambda x: float(np.log(x).sum()), {"x": x})
        found = directional(box, {"x": x}, 1 / x, 1.0, "x")
        assert found.agrees
        assert found.detectable < 1e-3

    def test_not_finite_gradient_does_not_agree(self) -> None:
        function = Sum(10)
        wrong = function.gradient
        wrong[0] = np.nan
        assert not directional(function, {"x": function.x}, wrong, 1.0, "x").agrees

    def test_bad_arguments(self) -> None:
        function = Sum(10)
        with pytest.raises(ValueError, match="shape"):
            directional(function, {"x": function.x}, np.zeros(3), 1.0, "x")
        with pytest.raises(ValueError, match="direction"):
            directional(function, {"x": function.x}, function.gradient, 1.0, "x", directions=0)


class TestSmallestSeen:
    @pytest.mark.parametrize("bounds", [[1e-9], [1e-9] * 6, [1e-12, 1e-3, 1.0], [1e-9, math.inf]])
    def test_solves_the_equation(self, bounds: list[float]) -> None:
        size = smallest_seen(np.array(bounds))
        missed = math.prod(math.erf(b / (math.sqrt(2) * size)) for b in bounds if math.isfinite(b))
        assert missed == pytest.approx(1e-3, rel=1e-6)

    def test_nothing_seen(self) -> None:
        assert smallest_seen(np.array([math.inf])) == math.inf

    def test_more_directions_see_smaller_errors(self) -> None:
        assert smallest_seen(np.full(6, 1e-9)) < 1e-8 < 1e-7 < smallest_seen(np.full(1, 1e-9))

    def test_the_stated_probability_is_met(self) -> None:
        """Errors of the stated size, drawn at random, are missed about once in a thousand."""
        rng = np.random.default_rng(0)
        bounds = np.array([1.0, 2.0])
        size = smallest_seen(bounds)
        products = np.abs(rng.standard_normal((200_000, 2))) * size
        missed = (products <= bounds).all(axis=1).mean()
        assert missed == pytest.approx(1e-3, rel=0.3)
