"""How operations are checked: against exact derivatives in mpmath's arithmetic, at ordinary and at extreme points."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator
from typing import Any

import mpmath
import numpy as np
import pytest

from gradtool.ops import REGISTRY, Case, Operation, OperationError, Resolved

Array = np.ndarray[Any, Any]
DIGITS = 1100
STEP = mpmath.mpf(10) ** -345
"""Small beside every point that is tried, and its square beside anything that float64 has."""
SMALLEST_NORMAL = mpmath.mpf(2) ** -1022


class Digits:
    """The exact scalar functions in mpmath numbers, for scalars and object arrays."""

    pi = mpmath.pi

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function: Callable[..., Any] = np.frompyfunc(getattr(mpmath, name), 1, 1)
        return function

    number = staticmethod(mpmath.mpf)
    abs = staticmethod(np.frompyfunc(abs, 1, 1))
    maximum = staticmethod(np.frompyfunc(max, 2, 1))
    minimum = staticmethod(np.frompyfunc(min, 2, 1))
    where = staticmethod(np.frompyfunc(lambda c, a, b: a if c else b, 3, 1))
    lt, le, gt, ge, eq, ne = (
        staticmethod(np.frompyfunc(relation, 2, 1))
        for relation in (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne)
    )
    atan2 = staticmethod(np.frompyfunc(mpmath.atan2, 2, 1))
    cbrt = staticmethod(np.frompyfunc(lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)), 1, 1))
    lgamma = staticmethod(np.frompyfunc(lambda x: mpmath.log(abs(mpmath.gamma(x))), 1, 1))
    round = staticmethod(np.frompyfunc(mpmath.nint, 1, 1))
    max = staticmethod(max)
    min = staticmethod(min)

    @staticmethod
    def sort(row: Array) -> Array:
        result = np.empty(len(row), dtype=object)
        result[:] = sorted(row)
        return result


class Checker:
    """One operation at one point."""

    def __init__(self, name: str, *arguments: Any, seed: int = 0, **parameters: Any) -> None:
        self.operation: Operation = REGISTRY[name]
        self.arguments = [np.asarray(a, dtype=np.float64) for a in arguments]
        for declared in self.operation.arguments[len(arguments) :]:
            assert declared.default is not None
            self.arguments.append(np.asarray(declared.default))
        given = {p.name: p.default for p in self.operation.parameters} | parameters
        self.settled: Resolved = self.operation.resolved([a.shape for a in self.arguments], given)
        self.rng = np.random.default_rng(seed)

    def out(self) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(self.operation.forward(*self.arguments, **self.settled.parameters))

    def vjp(self, position: int, upstream: Any = None) -> Array:
        out = self.out()
        upstream = np.ones(out.shape) if upstream is None else np.asarray(upstream, dtype=np.float64)
        with np.errstate(all="ignore"):
            found = self.operation.vjp_of(position)(upstream, out, *self.arguments, **self.settled.parameters)
        assert np.shape(found) == self.arguments[position].shape
        return np.asarray(found)

    def exact(self, arguments: list[Any]) -> Array:
        """The textbook formula in mpmath numbers."""
        assert self.operation.symbolic is not None
        frozen = self.settled.frozen
        objects = [a if i in frozen else _digits(a) for i, a in enumerate(arguments)]
        with mpmath.workdps(DIGITS):
            return np.asarray(self.operation.symbolic(Digits(), *objects, **self.settled.parameters), dtype=object)

    def exact_vjp(self, position: int, upstream: Any = None) -> Array:
        """The vector-Jacobian product by central differences of the formula. There are digits enough."""
        argument = self.arguments[position]
        result = np.empty(argument.size, dtype=object)
        with mpmath.workdps(DIGITS):
            for i in range(argument.size):
                sides = []
                for sign in (1, -1):
                    moved = _digits(argument).ravel()
                    moved[i] = moved[i] + sign * STEP
                    arguments = list(self.arguments)
                    arguments[position] = moved.reshape(argument.shape)
                    sides.append(self.exact(arguments))
                slope = np.asarray((sides[0] - sides[1]) / (2 * STEP), dtype=object)
                weight = np.ones(slope.shape) if upstream is None else np.asarray(upstream, dtype=np.float64)
                result[i] = mpmath.fdot(
                    [mpmath.mpf(float(w)) for w in weight.flat], [mpmath.mpf(s) for s in slope.flat]
                )
        return result.reshape(argument.shape)

    def worst(self, upstream: Any = None, positions: Any = None, value: bool = True) -> float:
        """The largest relative error of value and gradients; see ``relative``."""
        errors = [relative(self.out(), self.exact(list(self.arguments)))] if value else []
        wanted = range(len(self.arguments)) if positions is None else positions
        wanted = [i for i in wanted if i not in self.settled.frozen]
        return max(errors + [relative(self.vjp(i, upstream), self.exact_vjp(i, upstream)) for i in wanted])


def relative(found: Any, exact: Any) -> float:
    """The largest relative error. Where the truth is below the smallest normal number, as many bits as are there must
    be right, give or take two roundings."""
    found, exact = np.asarray(found), np.asarray(exact, dtype=object)
    assert found.shape == exact.shape
    worst = 0.0
    with mpmath.workdps(60):
        for f, e in zip(found.flat, exact.flat, strict=True):
            if not np.isfinite(f):
                return 0.0 if float(f) == float(e) else float("inf")
            error = abs(mpmath.mpf(float(f)) - e)
            if abs(e) < SMALLEST_NORMAL and error <= mpmath.mpf(2) ** -1072:
                continue
            worst = max(worst, float(error / abs(e)) if e != 0 else float("inf"))
    return worst


def _digits(x: Any) -> Array:
    x = np.asarray(x)
    result = np.empty(x.shape, dtype=object)
    for place in np.ndindex(x.shape):
        value = x[place]
        result[place] = value if isinstance(value, mpmath.mpf) else mpmath.mpf(float(value))
    return result


@pytest.fixture(autouse=True)
def _as_the_engine_runs_operations() -> Iterator[None]:
    """Overflow and invalid arithmetic give infinities and NaN, without a warning."""
    with np.errstate(all="ignore"):
        yield


@pytest.fixture
def at() -> type[Checker]:
    """``at(name, *arguments, **parameters)``: the operation at a point."""
    return Checker


def draw(operation: Operation, case: Case, seed: int) -> list[Array]:
    """Arguments for a case, from the operation's domain."""
    rng = np.random.default_rng(seed)
    domain = operation.domain
    values = case.values or {}
    return [
        np.asarray(values[i]) if i in values else rng.uniform(*domain[min(i, len(domain) - 1)], shape)
        for i, shape in enumerate(case.shapes)
    ]


@pytest.fixture
def check_cases() -> Callable[[str, float], None]:
    """Every declared case of an operation: value and vector-Jacobian products with a random upstream against the exact
    formula, the settled shape, and a stack of points against the points one by one."""

    @np.errstate(all="ignore")
    def check(name: str, tolerance: float = 1e-13) -> None:
        operation = REGISTRY[name]
        assert operation.cases
        for number, case in enumerate(operation.cases):
            points = [draw(operation, case, seed) for seed in range(3)]
            checks = [Checker(name, *point, **case.parameters) for point in points]
            outs = [c.out() for c in checks]
            assert all(o.shape == c.settled.shape for o, c in zip(outs, checks, strict=True))
            upstream = np.random.default_rng(number).standard_normal(outs[0].shape)
            assert checks[0].worst(upstream) <= tolerance, f"{name} {case}"
            for batch in ((3,), (3, 1)):
                stacked = [np.stack(a).reshape((*batch, *a[0].shape)) for a in zip(*points, strict=True)]
                together = operation.forward(*stacked, **checks[0].settled.parameters)
                alone = np.stack(outs).reshape((*batch, *outs[0].shape))
                np.testing.assert_allclose(together, alone, rtol=1e-13, atol=1e-14)
                if operation.piece is not None:
                    piece = np.asarray(operation.piece(*stacked, **checks[0].settled.parameters))
                    single = [np.asarray(operation.piece(*p, **checks[0].settled.parameters)) for p in points]
                    np.testing.assert_array_equal(piece.reshape((3, -1)), np.stack(single).reshape((3, -1)))
            assert operation.rule_of(0)

    return check


@pytest.fixture
def refuses() -> Callable[..., str]:
    """The message with which an operation refuses shapes."""

    def message(name: str, *shapes: Any, **parameters: Any) -> str:
        operation = REGISTRY[name]
        given = {p.name: p.default for p in operation.parameters} | parameters
        with pytest.raises(OperationError) as caught:
            operation.resolved(shapes, given)
        return str(caught.value)

    return message


@pytest.fixture
def check_kink() -> Callable[..., None]:
    """At a tie: the convention, that the kink is seen, that what is drawn is between the one-sided slopes, and that the
    piece changes beside it. ``valid(drawn)`` tests membership of the valid set."""

    @np.errstate(all="ignore")
    def check(point: Checker, number: int, convention: list[Any], valid: Callable[..., bool]) -> None:
        kink = point.operation.kinks[number]
        settled = point.settled.parameters
        assert np.any(kink.tied(*point.arguments, **settled))
        for i, expected in enumerate(convention):
            np.testing.assert_allclose(point.vjp(i), expected, rtol=1e-14)
        assert kink.choose is not None
        draws = []
        upstream = np.ones(point.settled.shape)
        for _ in range(20):
            drawn = kink.choose(point.rng, upstream, point.out(), *point.arguments, **settled)
            assert [np.shape(d) for d in drawn] == [a.shape for a in point.arguments]
            assert valid(*drawn)
            draws.append(drawn[0])
        assert np.ptp(draws, axis=0).max() > 0.1
        # Away from the tie a draw is the derivative.
        away = [a + 0.01 * point.rng.standard_normal(a.shape) for a in point.arguments]
        kept = {k: v for k, v in settled.items() if k in ("ord", "reduction", "ddof", "kernel_size")}
        off = Checker(point.operation.name, *away, **kept)
        assert not any(np.any(k.tied(*off.arguments, **off.settled.parameters)) for k in off.operation.kinks)
        drawn = kink.choose(point.rng, np.ones(off.settled.shape), off.out(), *off.arguments, **off.settled.parameters)
        for i, d in enumerate(drawn):
            np.testing.assert_allclose(d, off.vjp(i), rtol=1e-12, atol=1e-15)
        assert point.operation.piece is not None
        before = point.operation.piece(*point.arguments, **settled)
        after = point.operation.piece(*off.arguments, **off.settled.parameters)
        assert np.any(np.asarray(before) != np.asarray(after))

    return check


@pytest.fixture
def mp_scalars() -> Digits:
    """The exact scalar functions in mpmath numbers."""
    return Digits()


@pytest.fixture(scope="session")
def point_sets() -> dict[str, Array]:
    """Points over the whole range of float64, by domain: all magnitudes from 1e-300 to 1e300, and again the ordinary
    ones, where functions turn and tails begin."""
    rng = np.random.default_rng(1)
    size = np.concatenate((10.0 ** rng.uniform(-300, 300, 150), 10.0 ** np.arange(-300.0, 301.0, 20.0)))
    # Next to powers of two, where roundings are largest, and where squares and products of two overflow or vanish.
    marks = np.array([1e-300, 2.0**-537, 2.0**-511, 1e-154, 1e-20, 1e-8, 0.5, 1.0, 2.0])
    marks = np.concatenate((marks, [1e8, 1e16, 1.3e154, 7.5e157, 1e300]))
    marks = np.concatenate((marks, np.nextafter(marks, 0), np.nextafter(marks, np.inf)))
    near = np.concatenate((10.0 ** rng.uniform(-20, 0, 60), rng.uniform(0, 40, 150)))
    close = 10.0 ** rng.uniform(-15, 0, 60)
    tails = rng.uniform(0, 760, 120)
    positive = np.concatenate((size, marks, near, tails))
    small = 10.0 ** rng.uniform(-300, -1, 60)

    def both(x: Array) -> Array:
        return np.concatenate((x, -x))

    return {
        "everywhere": np.concatenate((both(positive), [0.0])),
        "moderate": np.concatenate((both(positive[positive < 760]), [0.0])),
        "positive": positive,
        "above -1": np.concatenate((positive, -rng.uniform(0, 1, 60), -small, close - 1)),
        "unit": both(np.concatenate((rng.uniform(0, 1, 80), small, 1 - close / 2))),
        "above 1": 1 + np.concatenate((size[size > 1e-15], marks[marks > 1e-15], near[near > 1e-15])),
        "gaussian": rng.uniform(-39.0, 10.0, 300),
    }


@pytest.fixture
def worst_ulp() -> Callable[[Any, Callable[..., Any], list[tuple[float, ...]]], tuple[float, str]]:
    """The largest error of ``computed`` against ``exact(*point)`` in units in the last place, and where. Below the
    smallest normal number a unit is 4.9e-324: nothing is excused there either."""

    def measure(computed: Any, exact: Callable[..., Any], points: list[tuple[float, ...]]) -> tuple[float, str]:
        worst, place = 0.0, "nowhere"
        values = np.broadcast_to(np.asarray(computed, dtype=np.float64), (len(points),)).tolist()
        with mpmath.workdps(60):
            for value, point in zip(values, points, strict=True):
                truth = mpmath.mpf(exact(*map(mpmath.mpf, point)))
                nearest = float(truth)
                if math.isfinite(value) and math.isfinite(nearest):
                    error = float(abs(mpmath.mpf(value) - truth) / mpmath.mpf(math.ulp(nearest)))
                else:
                    error = 0.0 if value == nearest else math.inf
                if error > worst:
                    worst, place = error, f"{value!r} at {point}, but {nearest!r} is right"
        return worst, place

    return measure
