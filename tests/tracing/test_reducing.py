"""Reductions, running sums, sorting and selection, against differences."""

import numpy as np
import pytest

from gradtool.tracing import Untraceable, trace

rng = np.random.default_rng(6)
X = rng.permutation(24).reshape(2, 3, 4) * 0.17 - 1.9
M = rng.permutation(12).reshape(3, 4) * 0.31 + 0.2


@pytest.mark.parametrize("name", ["sum", "mean", "var", "std", "max", "min", "prod", "ptp"])
@pytest.mark.parametrize("how", [{}, {"axis": 0}, {"axis": -1, "keepdims": True}, {"axis": (0, 2)}])
def test_reductions(check, name, how):
    check(lambda x: getattr(np, name)(x, **how), X)
    if name != "ptp":
        check(lambda x: getattr(x, name)(**how), X)


@pytest.mark.parametrize("name", ["var", "std"])
def test_degrees_of_freedom(check, name):
    check(lambda x: getattr(np, name)(x, axis=1, ddof=1), M)
    check(lambda x: getattr(x, name)(0, None, None, 1), M)


@pytest.mark.parametrize("name", ["nansum", "nanmean", "nanmax", "nanmin", "nanvar", "nanstd", "nanprod"])
def test_without_a_nan_these_are_the_plain_ones(check, name):
    check(lambda x: getattr(np, name)(x, axis=0), M)
    with pytest.raises(Untraceable, match=rf"np\.{name} cannot be traced where there is a NaN"):
        trace(lambda x: getattr(np, name)(x), {"x": np.array([1.0, np.nan])})


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.sum(x, where=np.arange(4) % 2 == 0),
        lambda x: np.prod(x, axis=0, initial=3.0),
        lambda x: np.max(x, axis=1, initial=1.0),
        lambda x: np.amin(x, 1),
        lambda x: np.cumsum(x),
        lambda x: x.cumsum(axis=1),
        lambda x: np.cumprod(x, axis=1),
        lambda x: np.cumprod(x),
        lambda x: np.diff(x, axis=0),
        lambda x: np.diff(x, n=2),
        lambda x: np.sort(x, axis=0),
        lambda x: np.sort(x, axis=None),
        lambda x: np.median(x),
        lambda x: np.median(x, axis=1, keepdims=True),
        lambda x: np.median(x, axis=0),
        lambda x: np.average(x, axis=1),
        lambda x: np.average(x, axis=1, weights=[1.0, 2.0, 3.0, 4.0]),
        lambda x: np.average(x, weights=x**2),
        lambda x: np.clip(x, 0.5, 2.0),
        lambda x: x.clip(0.5),
        lambda x: np.clip(x, None, x[0] + 0.1),
        lambda x: np.where(x > 1.1, x**2, 0.3 * x),
        lambda x: np.select([x < 0.6, x < 2.1], [x, x**2], 7.0),
        lambda x: np.round(x + 0.013, 1) * x,
        lambda x: np.round(x) * x,
        lambda x: np.trunc(x) * x,
        lambda x: np.sinc(x),
        lambda x: np.nan_to_num(x),
    ],
)
def test_others(check, function):
    check(function, M)


def test_nan_made_a_number():
    traced = trace(lambda x: np.nan_to_num(np.log(x), nan=-5.0), {"x": np.array([-1.0, 1.0])})
    assert traced.value.tolist() == [-5.0, 0.0]
    assert traced.branched


def test_sinc_near_zero_is_refused():
    with pytest.raises(Untraceable, match="near 0"):
        trace(np.sinc, {"x": np.array([0.0, 0.5])})


def test_ties_stay_known_to_the_graph():
    traced = trace(lambda x: np.where(x > 0, x, 0.1 * x), {"x": np.array([0.0, 1.0])})
    assert [traced.graph.operations[i] for i in range(3, len(traced.graph))][-3:] == ["greater", "multiply", "where"]


@pytest.mark.parametrize("function", [np.percentile, np.quantile])
def test_what_has_no_rule_is_refused_by_name(function):
    with pytest.raises(Untraceable, match=rf"np\.{function.__name__} cannot be traced"):
        trace(lambda x: function(x, 0.5), {"x": M})


def test_an_argument_without_a_rule_is_refused_by_name():
    with pytest.raises(Untraceable, match=r"np\.mean cannot be traced with these arguments: .*where"):
        trace(lambda x: np.mean(x, where=np.ones((3, 4), dtype=bool)), {"x": M})
    with pytest.raises(Untraceable, match=r"np\.sum gives float32 here, and only float64 can be traced"):
        trace(lambda x: np.float64(1.0) * np.sum(x, dtype="f4"), {"x": M})
