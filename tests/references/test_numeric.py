"""The numeric reference: right, or honest about how wrong it may be."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

from gradtool.references.numeric import FunctionEvaluable, Numeric, Samples, numeric_gradient

Function = Callable[[Any], Any]


class Scalar:
    """A function of one scalar x, evaluated on arrays. ``noise`` None makes it a black box."""

    def __init__(self, f: Function, x: float, noise: float | None = 0.0, piece: Function | None = None) -> None:
        self.f, self.x, self._noise, self.piece = f, x, noise, piece
        self.calls = self.points = 0

    def base(self) -> Any:
        with np.errstate(all="ignore"):
            return np.asarray(self.f(np.array([self.x])), dtype=float)[0]

    def many(self, name: str, points: Any) -> Samples:
        assert name == "x"
        self.calls += 1
        self.points += len(points)
        with np.errstate(all="ignore"):
            outputs = np.asarray(self.f(points), dtype=float)
            same = None if self.piece is None else self.piece(points) == self.piece(np.array([self.x]))
        return Samples(outputs, same)

    def noise(self) -> Any:
        return None if self._noise is None else np.array(self._noise)


def slope(f: Function, x: float, noise: float | None = 0.0, piece: Function | None = None, **options: Any) -> Numeric:
    return numeric_gradient(Scalar(f, x, noise, piece), {"x": x}, **options)["x"]


def covers(found: Numeric, truth: float) -> bool:
    return bool(abs(float(found.value) - truth) <= float(found.error))


def relu(x: Any) -> Any:
    return np.maximum(x, 0.0)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


NOISES = pytest.mark.parametrize("noise", [0.0, None], ids=["known", "measured"])

# function, x, derivative, noise of the function beyond its last rounding, largest error allowed (as a share)
TRAPS: list[tuple[str, Function, float, float, float, float]] = [
    ("1e8+sin near 0", lambda x: 1e8 + np.sin(x), 1e-8, 1.0, 0.0, 1e-4),
    ("1e8+sin", lambda x: 1e8 + np.sin(x), 1.2, math.cos(1.2), 0.0, 1e-4),
    ("1e-6 sin", lambda x: 1e-6 * np.sin(x), 1.2, 1e-6 * math.cos(1.2), 0.0, 1e-11),
    ("sin at 1e8", np.sin, 1e8, math.cos(1e8), 0.0, 1e-4),
    ("sin at 1e-8", np.sin, 1e-8, 1.0, 0.0, 1e-11),
    ("log at 1e-8", np.log, 1e-8, 1e8, 0.0, 1e-9),
    ("log at 1e8", np.log, 1e8, 1e-8, 0.0, 1e-5),
    ("log at 1e-300", np.log, 1e-300, 1e300, 0.0, 1e-9),
    ("reciprocal at 1e-150", lambda x: 1 / x, 1e-150, -1e300, 0.0, 1e-11),
    ("reciprocal at 1e100", lambda x: 1 / x, 1e100, -1e-200, 0.0, 1e-11),
    ("sqrt at 1e300", np.sqrt, 1e300, 5e-151, 0.0, 1e-11),
    ("steep exp", lambda x: np.exp(1e5 * x), 1e-3, 1e5 * math.exp(100), 1e30, 1e-6),
    ("steep exp at 0", lambda x: np.exp(1e5 * x), 0.0, 1e5, 0.0, 1e-6),
    ("fast sine", lambda x: np.sin(1e5 * x), 1.0, 1e5 * math.cos(1e5), 2e-11, 1e-5),
    ("period 2**-10", lambda x: np.sin(2 * np.pi * 1024 * x), 0.3, 1988.2097036553382, 1e-12, 1e-6),
    ("period 2**-16", lambda x: np.sin(2 * np.pi * 65536 * x), 0.3, 127245.42103202632, 1e-10, 1e-5),
    ("x**4 at 1e-12", lambda x: x**4, 1e-12, 4e-36, 0.0, 1e-11),
    ("x log x near 0", lambda x: x * np.log(x), 1e-12, math.log(1e-12) + 1, 0.0, 1e-11),
    ("edge of the domain near", lambda x: np.sqrt(1 - x), 1 - 1e-9, -0.5 / math.sqrt(1 - (1 - 1e-9)), 0.0, 1e-4),
    ("arcsin near 1", np.arcsin, 1 - 1e-6, 1 / math.sqrt(1 - (1 - 1e-6) ** 2), 0.0, 1e-6),
    ("narrow step", lambda x: np.tanh(1e6 * (x - 1)), 1.0, 1e6, 0.0, 1e-6),
    ("ripple", lambda x: x + 1e-10 * np.sin(1e6 * x), 1.0, 1 + 1e-4 * math.cos(1e6), 0.0, 1e-3),
    ("linear", lambda x: 3 * x, 0.7, 3.0, 0.0, 1e-13),
    ("far sigmoid", sigmoid, -30.0, math.exp(-30) / (1 + math.exp(-30)) ** 2, 0.0, 1e-9),
]


class TestTraps:
    @NOISES
    @pytest.mark.parametrize("trap", TRAPS, ids=[t[0] for t in TRAPS])
    def test_right_within_a_small_error(self, trap: Any, noise: float | None) -> None:
        _, f, x, truth, rounding, share = trap
        found = slope(f, x, None if noise is None else rounding)
        assert covers(found, truth)
        assert 0 < found.error <= share * abs(truth)
        assert not found.kink

    @NOISES
    def test_a_bump_beside_the_point(self, noise: float | None) -> None:
        x = 1 + 5e-7
        t = (x - 1) / 1e-6
        found = slope(lambda x: np.exp(-(((x - 1) / 1e-6) ** 2)), x, noise)
        truth = -2 * t * math.exp(-t * t) * 1e6
        assert abs(found.value - truth) <= found.error + 1e-9 * abs(truth)
        assert found.error < 1e-4 * abs(truth)

    @NOISES
    @pytest.mark.parametrize("x", [40.0, 800.0, 1e8])
    def test_saturated(self, x: float, noise: float | None) -> None:
        found = slope(sigmoid, x, noise)
        assert covers(found, math.exp(-x))
        assert 0 < found.error < 1e-12

    @NOISES
    @pytest.mark.parametrize("x", [0.0, 0.3, 1e8, 1e-8])
    def test_constant_is_zero_but_not_exactly(self, x: float, noise: float | None) -> None:
        found = slope(lambda x: 5 + 0 * x, x, noise)
        assert found.value == 0
        assert 0 < found.error < 1e-5

    @NOISES
    def test_underflow_is_honest(self, noise: float | None) -> None:
        found = slope(lambda x: x**2, 1e-300, noise)
        assert covers(found, 2e-300)

    @NOISES
    def test_zero_derivative_of_an_even_function(self, noise: float | None) -> None:
        found = slope(lambda x: x**2, 0.0, noise)
        assert covers(found, 0.0)
        assert found.error < 1e-14

    def test_large_numbers_whose_difference_is_known(self) -> None:
        found = slope(lambda x: (1e8 + x) - 1e8, 0.3, 3e-8)
        assert covers(found, 1.0)
        assert found.error < 1e-5

    def test_nothing_but_noise_has_no_derivative(self) -> None:
        found = slope(lambda x: np.cos((1e7 * x) ** 3), -7.7e7, 1e30)
        assert np.isinf(found.error)

    def test_not_finite_at_the_point(self) -> None:
        found = slope(np.log, -1.0)
        assert found.status == "failed"
        assert found.reason is not None
        assert np.isinf(found.error)


def tree(rng: np.random.Generator, depth: int) -> Any:
    """A random expression in z: numbers, "z", ("+" or "*", left, right) or (function, argument)."""
    if depth == 0:
        return ("*", float(rng.choice([0.3, 0.5, 1.0, 2.0])), "z")
    kind = rng.random()
    if kind < 0.2:
        return ("+", tree(rng, depth - 1), tree(rng, depth - 1))
    if kind < 0.4:
        return ("*", tree(rng, depth - 1), tree(rng, depth - 1))
    if kind < 0.5:
        return ("+", float(rng.uniform(-2, 2)), tree(rng, depth - 1))
    return (str(rng.choice(["sin", "cos", "exp", "tanh", "atan", "sqrt1", "log1", "sig"])), tree(rng, depth - 1))


NUMPY: dict[str, Function] = {
    "sin": np.sin, "cos": np.cos, "exp": np.exp, "tanh": np.tanh, "atan": np.arctan, "sig": sigmoid,
    "sqrt1": lambda x: np.sqrt(1 + x * x), "log1": lambda x: np.log(1 + x * x),
}  # fmt: skip
MP: dict[str, Function] = {
    "sin": mpmath.sin, "cos": mpmath.cos, "exp": mpmath.exp, "tanh": mpmath.tanh, "atan": mpmath.atan,
    "sig": lambda x: 1 / (1 + mpmath.exp(-x)),
    "sqrt1": lambda x: mpmath.sqrt(1 + x * x), "log1": lambda x: mpmath.log(1 + x * x),
}  # fmt: skip


def run(t: Any, z: Any, functions: dict[str, Function]) -> Any:
    if t == "z":
        return z
    if isinstance(t, float):
        return t + 0 * z
    if t[0] == "+":
        return run(t[1], z, functions) + run(t[2], z, functions)
    if t[0] == "*":
        return run(t[1], z, functions) * run(t[2], z, functions)
    return functions[t[0]](run(t[1], z, functions))


class TestCoverage:
    """Random smooth functions at all magnitudes: the truth is always inside the error."""

    @pytest.mark.parametrize("known", [True, False], ids=["known", "measured"])
    def test_no_miss(self, known: bool) -> None:
        rng = np.random.default_rng(3)
        relative: list[float] = []
        calls: list[int] = []
        with mpmath.workdps(60):
            while len(relative) < 400:
                magnitude = 10.0 ** rng.uniform(-8, 8)
                x = float(magnitude * rng.uniform(0.2, 3) * rng.choice([-1, 1]))
                factor = float(10.0 ** rng.integers(-8, 9))
                offset = float(rng.choice([0.0, 0.0, 0.0, 1.0, 1e4])) * factor
                t = tree(rng, int(rng.integers(1, 5)))

                def f(x: Any, t: Any = t, m: float = magnitude, a: float = factor, b: float = offset) -> Any:
                    return a * run(t, x / m, NUMPY) + b

                def exact(x: Any, t: Any = t, m: float = magnitude, a: float = factor) -> Any:
                    return a * run(t, x / mpmath.mpf(m), MP)

                h = mpmath.mpf(magnitude) * mpmath.mpf(10) ** -20
                truth = (exact(x + h) - exact(x - h)) / (2 * h)
                # The noise: how far the function strays from itself at neighbouring points, and from the exact one.
                if not (1e-300 < abs(truth) < 1e300) or not abs(float(exact(mpmath.mpf(x)))) < 1e200 * factor:
                    continue
                near = x * (1 + 2.0**-51 * np.arange(-8, 9))
                exacts = [exact(mpmath.mpf(float(p))) + offset for p in near]
                strays = [abs(mpmath.mpf(float(v)) - e) for v, e in zip(f(near), exacts, strict=True)]
                e = Scalar(f, x, 2 * float(max(strays)) if known else None)
                found = numeric_gradient(e, {"x": x})["x"]
                assert abs(mpmath.mpf(float(found.value)) - truth) <= float(found.error), (t, x, found, truth)
                assert not found.kink
                relative.append(float(found.error / abs(truth)))
                calls.append(e.calls)
                assert e.points == found.evaluations
        assert np.median(relative) < 1e-10
        assert np.quantile(relative, 0.9) < 1e-5
        if known:
            assert np.mean(calls) < 1.5

    @pytest.mark.parametrize(
        ("f", "derivative"), [(np.sin, np.cos), (np.exp, np.exp), (np.tanh, lambda x: 1 / np.cosh(x) ** 2)]
    )
    def test_float32_inside(self, f: Function, derivative: Function) -> None:
        for x in np.random.default_rng(1).uniform(-2, 2, 50):
            found = slope(lambda x: f(x.astype(np.float32)).astype(float), float(x), None)
            assert covers(found, float(derivative(x)))
            assert found.error < 2e-3
            assert found.error > 1e-8

    def test_random_noise(self) -> None:
        rng = np.random.default_rng(0)
        found = slope(lambda x: np.sin(x) + 1e-5 * rng.standard_normal(x.shape), 0.3, None)
        assert covers(found, math.cos(0.3))
        assert found.error < 0.1

    def test_noise_that_is_understated(self) -> None:
        rng = np.random.default_rng(0)
        found = slope(lambda x: np.sin(x) + 1e-5 * rng.standard_normal(x.shape), 0.3, 1e-16)
        assert covers(found, math.cos(0.3))


class TestKinks:
    @NOISES
    @pytest.mark.parametrize(
        ("f", "x", "left", "right"),
        [
            (relu, 0.0, 0.0, 1.0),
            (np.abs, 0.0, -1.0, 1.0),
            (lambda x: np.abs(x - 1), 1.0, -1.0, 1.0),
            (lambda x: np.exp(np.abs(x)), 0.0, -1.0, 1.0),
            (lambda x: np.where(x > 2, 3 * x, x**2 + 2), 2.0, 4.0, 3.0),
        ],
    )
    def test_kink_at_the_point(self, f: Function, x: float, left: float, right: float, noise: float | None) -> None:
        found = slope(f, x, noise)
        assert found.kink
        assert found.left == pytest.approx(left, abs=1e-6)
        assert found.right == pytest.approx(right, abs=1e-6)
        assert found.value == pytest.approx((left + right) / 2, abs=1e-6)
        assert found.error >= abs(right - left) / 2 * (1 - 1e-9)
        assert "kink" in str(found.reason)

    def test_a_tie_that_is_known_costs_no_extra(self) -> None:
        found = slope(relu, 0.0, tied={"x": np.array(True)})
        assert found.kink
        assert found.value == 0.5
        assert found.error >= 0.5
        assert found.evaluations <= 16

    def test_a_tie_without_a_kink(self) -> None:
        found = slope(lambda x: np.maximum(x, 0) * x, 0.0, tied={"x": np.array(True)})
        assert not found.kink
        assert abs(found.value) <= found.error
        assert abs(found.left) < 1e-6
        assert abs(found.right) < 1e-6

    def test_no_slopes_where_not_asked_for(self) -> None:
        found = slope(np.sin, 1.0)
        assert np.isnan(found.left)
        assert np.isnan(found.right)
        assert found.reason is None

    @NOISES
    @pytest.mark.parametrize("power", [1.25, 1.5, 1.75])
    def test_slow_but_smooth_is_no_kink(self, power: float, noise: float | None) -> None:
        for f in (lambda x: np.abs(x) ** power, lambda x: relu(x) ** power):
            found = slope(f, 0.0, noise)
            assert not found.kink
            assert covers(found, 0.0)
            assert found.error < 1e-2

    @NOISES
    def test_second_derivative_jumps(self, noise: float | None) -> None:
        found = slope(lambda x: relu(x) ** 2, 0.0, noise)
        assert not found.kink
        assert covers(found, 0.0)

    @NOISES
    def test_jump_at_the_point(self, noise: float | None) -> None:
        found = slope(np.floor, 1.0, noise)
        assert np.isinf(found.error)
        assert np.isinf(found.left)
        assert found.right == 0
        assert found.kink
        assert "jump" in str(found.reason)

    @NOISES
    @pytest.mark.parametrize("f", [np.sqrt, np.cbrt])
    def test_infinite_slope(self, f: Function, noise: float | None) -> None:
        found = slope(f, 0.0, noise)
        assert np.isinf(found.error)
        assert found.right == np.inf
        assert not found.kink

    @NOISES
    def test_logarithmic_slope(self, noise: float | None) -> None:
        found = slope(lambda x: np.where(x > 0, x * np.log(x), 0.0), 0.0, noise)
        assert np.isinf(found.error)

    @NOISES
    @pytest.mark.parametrize("distance", [10.0**-k for k in range(3, 16)])
    @pytest.mark.parametrize("side", [-1, 1])
    @pytest.mark.parametrize("smooth", [False, True])
    def test_kink_just_beside(self, distance: float, side: int, smooth: bool, noise: float | None) -> None:
        def f(x: Any) -> Any:
            return relu(x - 1) + (np.sin(x) if smooth else 0)

        x = 1 + side * distance
        truth = (1.0 if side > 0 else 0.0) + (math.cos(x) if smooth else 0.0)
        found = slope(f, x, noise)
        assert covers(found, truth)
        if distance >= 1e-11:
            assert found.error < 0.1
            assert not found.kink

    @NOISES
    @pytest.mark.parametrize(("x", "truth"), [(1e-9, 1.0), (-1e-9, 0.0), (1e-3, 1.0), (-1e-3, 0.0), (1e-300, 1.0)])
    def test_relu_near_zero(self, x: float, truth: float, noise: float | None) -> None:
        found = slope(relu, x, noise)
        assert found.value == pytest.approx(truth, abs=1e-9)
        assert covers(found, truth)
        assert found.error < 1e-9

    def test_kinks_on_both_sides_cancel_out_in_the_difference_of_slopes(self) -> None:
        for noise in (0.0, None):
            found = slope(lambda x: relu(x - 1e-9) - relu(-x - 1e-9), 0.0, noise)
            assert covers(found, 0.0)

    def test_kink_hidden_by_noise_is_honest(self) -> None:
        found = slope(lambda x: 1e8 * np.cos(0 * x) + relu(x - 1), 1 + 1e-11, 1e-8)
        assert covers(found, 1.0)

    @pytest.mark.parametrize("distance", [10.0**-k for k in range(1, 16)])
    def test_pieces_keep_to_one_side(self, distance: float) -> None:
        x = 1 - distance
        found = slope(lambda x: relu(x - 1) + np.sin(x), x, 1e-16, piece=lambda x: x > 1)
        assert covers(found, math.cos(x))
        assert found.error < 1e-9

    def test_pieces_exact_near_zero(self) -> None:
        found = slope(relu, 1e-9, piece=lambda x: x > 0)
        assert found.value == 1.0
        assert found.error < 1e-12

    @NOISES
    def test_floor_between_jumps(self, noise: float | None) -> None:
        assert slope(np.floor, 0.5, noise).value == 0
        beside = slope(np.floor, 1 - 1e-9, noise)
        assert covers(beside, 0.0)
        assert beside.error < 1e-3


class TestDomain:
    @NOISES
    def test_one_sided_at_the_edge(self, noise: float | None) -> None:
        found = slope(lambda x: x**1.5, 0.0, noise)
        assert covers(found, 0.0)
        assert found.error < 1e-3
        assert "one-sided" in str(found.reason)

    @NOISES
    def test_one_sided_and_smooth(self, noise: float | None) -> None:
        found = slope(lambda x: np.where(x < 1, np.nan, np.exp(x)), 1.0, noise)
        assert covers(found, math.e)
        assert found.error < 1e-6
        assert "one-sided" in str(found.reason)

    def test_infinite_output_is_outside(self) -> None:
        found = slope(lambda x: np.where(x > 1.001, np.inf, x**2), 1.0)
        assert covers(found, 2.0)
        assert found.error < 1e-9

    def test_isolated_point(self) -> None:
        found = slope(lambda x: np.where(x == 1, 1.0, np.nan), 1.0)
        assert np.isinf(found.error)

    def test_exceptions_leave_the_domain(self) -> None:
        found = numeric_gradient(FunctionEvaluable(math.sqrt, [1e-5]), {"0": 1e-5})["0"]
        assert covers(found, 0.5 / math.sqrt(1e-5))
        assert found.error < 1e-6

    def test_other_exceptions_are_not_swallowed(self) -> None:
        def f(x: float) -> float:
            if x != 1.0:
                raise KeyError("x")
            return x

        with pytest.raises(KeyError):
            numeric_gradient(FunctionEvaluable(f, {"x": 1.0}), {"x": 1.0})


class TestStep:
    def test_plain_central_difference(self) -> None:
        found = slope(np.sin, 1.2, step=1e-4)
        up, down = 1.2 + 1e-4, 1.2 - 1e-4
        assert found.value == pytest.approx((math.sin(up) - math.sin(down)) / (up - down), rel=1e-12)
        assert covers(found, math.cos(1.2))
        assert found.error < 1e-7
        assert found.evaluations == 6

    @pytest.mark.parametrize("step", [1e-12, 1e-9, 1e-6, 1e-3, 0.1, 1.0])
    @pytest.mark.parametrize(("f", "derivative"), [(np.sin, np.cos), (np.exp, np.exp), (np.log, lambda x: 1 / x)])
    def test_error_is_honest(self, f: Function, derivative: Function, step: float) -> None:
        for x in (1.3, 2.7, 11.0):
            assert covers(slope(f, x, step=step), float(derivative(x)))

    @pytest.mark.parametrize("pieces", [None, lambda x: x > 0])
    @pytest.mark.parametrize("x", [0.0, 1e-9, -1e-9, 1e-5, 2e-4])
    def test_kink_inside_the_step(self, x: float, pieces: Function | None) -> None:
        found = slope(relu, x, step=1e-4, piece=pieces)
        assert covers(found, float(x > 0))
        if abs(x) <= 1e-9:
            assert found.kink
            assert found.error >= 0.5

    def test_step_too_small_to_move(self) -> None:
        assert np.isinf(slope(np.sin, 1e8, step=1e-12).error)

    @pytest.mark.parametrize("step", [0.0, -1.0, math.nan, math.inf])
    def test_bad_step(self, step: float) -> None:
        with pytest.raises(ValueError, match="positive"):
            slope(np.sin, 1.0, step=step)


class Layer:
    """``tanh(W @ x)``, batched over the points of one input."""

    def __init__(self, noise: float | None = 1e-15) -> None:
        rng = np.random.default_rng(0)
        self.inputs = {"W": rng.standard_normal((5, 7)), "x": rng.standard_normal(7)}
        self._noise = noise
        self.points = {"W": 0, "x": 0}
        self.largest = 0

    @staticmethod
    def forward(W: Any, x: Any) -> Any:
        return np.tanh(np.einsum("...ij,...j->...i", W, x))

    def base(self) -> Any:
        return self.forward(**self.inputs)

    def many(self, name: str, points: Any) -> Samples:
        self.points[name] += len(points)
        self.largest = max(self.largest, points.size)
        return Samples(self.forward(**{**self.inputs, name: points}))

    def noise(self) -> Any:
        return None if self._noise is None else np.full(5, self._noise)

    def truth(self, upstream: Any) -> dict[str, Any]:
        inner = upstream * (1 - self.base() ** 2)
        return {"W": np.outer(inner, self.inputs["x"]), "x": self.inputs["W"].T @ inner}


class TestArrays:
    @NOISES
    def test_every_entry(self, noise: float | None) -> None:
        layer = Layer(None if noise is None else 1e-15)
        upstream = np.random.default_rng(1).standard_normal(5)
        found = numeric_gradient(layer, layer.inputs, upstream, ["W", "x"])
        for name, truth in layer.truth(upstream).items():
            assert found[name].value.shape == truth.shape
            assert (np.abs(found[name].value - truth) <= found[name].error).all()
            assert (found[name].error < 1e-10).all()
            assert found[name].evaluations == layer.points[name]

    def test_black_box_and_batch_agree(self) -> None:
        layer = Layer()
        upstream = np.arange(1.0, 6.0)
        batched = numeric_gradient(layer, layer.inputs, upstream)
        box = FunctionEvaluable(layer.forward, layer.inputs)
        single = numeric_gradient(box, layer.inputs, upstream)
        for name in layer.inputs:
            apart = np.abs(batched[name].value - single[name].value)
            assert (apart <= batched[name].error + single[name].error).all()
        assert box.calls == 1 + sum(found.evaluations for found in single.values())

    def test_blocks_keep_memory_bounded(self) -> None:
        class Wide:
            largest = 0

            def base(self) -> Any:
                return np.array(0.0)

            def many(self, name: str, points: Any) -> Samples:
                self.largest = max(self.largest, points.size)
                return Samples((points**2).sum(axis=1))

            def noise(self) -> Any:
                return np.array(0.0)

        wide = Wide()
        found = numeric_gradient(wide, {"x": np.zeros(600)})["x"]
        assert wide.largest <= 1_000_000
        assert (np.abs(found.value) <= found.error).all()

    def test_upstream_ignores_what_is_infinite(self) -> None:
        class Two:
            def base(self) -> Any:
                return np.array([1.0, np.inf])

            def many(self, name: str, points: Any) -> Samples:
                return Samples(np.stack([points**2, np.full_like(points, np.inf)], axis=1))

            def noise(self) -> Any:
                return np.zeros(2)

        found = numeric_gradient(Two(), {"x": 1.0}, np.array([1.0, 0.0]))["x"]
        assert covers(found, 2.0)

    def test_large_output_that_does_not_change_costs_no_digits(self) -> None:
        class Two:
            def base(self) -> Any:
                return np.array([math.sin(1.0), 1e12])

            def many(self, name: str, points: Any) -> Samples:
                return Samples(np.stack([np.sin(points), np.full_like(points, 1e12)], axis=1))

            def noise(self) -> Any:
                return np.zeros(2)

        found = numeric_gradient(Two(), {"x": 1.0}, np.ones(2))["x"]
        assert covers(found, math.cos(1.0))
        assert abs(found.value - math.cos(1.0)) < 1e-5

    def test_budget(self) -> None:
        layer = Layer()
        found = numeric_gradient(layer, layer.inputs, np.ones(5), ["x", "W"], max_evaluations=200)
        assert found["x"].status == "ok"
        assert found["W"].status == "skipped"
        assert "evaluations" in str(found["W"].reason)
        assert found["W"].evaluations == layer.points["W"] == 0
        assert np.isinf(found["W"].error).all()

    def test_empty_input(self) -> None:
        class Nothing:
            def base(self) -> Any:
                return np.array(1.0)

            def many(self, name: str, points: Any) -> Samples:
                return Samples(np.ones(len(points)))

            def noise(self) -> Any:
                return None

        assert numeric_gradient(Nothing(), {"x": np.zeros((0, 3))})["x"].value.shape == (0, 3)

    def test_a_kink_in_one_entry_leaves_the_others_alone(self) -> None:
        box = FunctionEvaluable(lambda x: float(np.sum(np.abs(x) * np.arange(1, 5))), {"x": np.array([1.0, 0, -2, 0])})
        found = numeric_gradient(box, box.inputs)["x"]
        assert found.kink.tolist() == [False, True, False, True]
        assert found.value == pytest.approx([1, 0, -3, 0], abs=1e-9)
        assert found.error[[1, 3]] == pytest.approx([2, 4], rel=1e-6)
        assert (found.error[[0, 2]] < 1e-9).all()
        assert "2 of 4" in str(found.reason)

    def test_a_garbage_entry_is_not_hidden_by_a_large_one(self) -> None:
        def f(x: Any) -> float:
            return float(1e9 * x[0] + math.sin(1e5 * x[1]))

        box = FunctionEvaluable(f, {"x": np.array([1e-3, 1.0])})
        found = numeric_gradient(box, box.inputs)["x"]
        assert (np.abs(found.value - [1e9, 1e5 * math.cos(1e5)]) <= found.error).all()


class TestFunctionEvaluable:
    def test_names_or_positions(self) -> None:
        assert FunctionEvaluable(lambda a, b: a - b, {"b": 1.0, "a": 3.0}).base() == 2.0
        assert FunctionEvaluable(math.atan2, {"y": 1.0, "x": 2.0}).base() == math.atan2(1, 2)
        assert FunctionEvaluable(lambda a, b: a - b, [3.0, 1.0]).base() == 2.0

    def test_changing_inputs_in_place_does_no_harm(self) -> None:
        def f(x: Any) -> Any:
            x *= 2
            return x.sum()

        start = np.ones(3)
        found = numeric_gradient(FunctionEvaluable(f, {"x": start}), {"x": start})["x"]
        assert found.value == pytest.approx([2, 2, 2])
        assert start.tolist() == [1, 1, 1]

    def test_labels_stay_integers(self) -> None:
        box = FunctionEvaluable(lambda x, k: x[k], {"x": np.array([1.0, 2.0]), "k": 1})
        found = numeric_gradient(box, {"x": box.inputs["x"]})["x"]
        assert found.value == pytest.approx([0, 1])

    def test_complex_and_changing_shapes_are_refused(self) -> None:
        with pytest.raises(TypeError, match="complex"):
            FunctionEvaluable(lambda x: x * 1j, {"x": 1.0}).base()
        box = FunctionEvaluable(lambda x: np.zeros(2 if x == 1.0 else 3), {"x": 1.0})
        with pytest.raises(TypeError, match="shape"):
            numeric_gradient(box, {"x": 1.0})

    def test_single_precision_is_known_from_the_output(self) -> None:
        box = FunctionEvaluable(lambda x: np.tanh(np.float32(x) * 3) + np.float32(10), {"x": 3.0})
        found = numeric_gradient(box, {"x": 3.0})["x"]
        assert covers(found, 3 / math.cosh(9.0) ** 2)
        assert found.error > 1e-7


@pytest.mark.parametrize("x", [np.inf, -np.inf, np.nan])
def test_an_input_that_is_not_finite_has_no_derivative(x):
    found = numeric_gradient(FunctionEvaluable(lambda x: np.exp(-abs(x)) if x == x else 1.0, {"x": x}), {"x": x})["x"]
    assert found.status == "failed" or np.isinf(found.error)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("step", [None, 1e-4])
def test_an_entry_that_is_not_finite_leaves_the_others_as_they_are(bad, step):
    x = np.array([1.0, bad, 2.0])
    function = FunctionEvaluable(lambda x: np.sum(np.where(np.isfinite(x), np.sin(x), 0.0)), {"x": x})
    found = numeric_gradient(function, {"x": x}, step=step)["x"]
    assert np.isinf(found.error[1])
    assert np.all(np.abs(found.value[::2] - np.cos(x[::2])) <= found.error[::2])
    assert found.error[[0, 2]].max() < 1e-8
