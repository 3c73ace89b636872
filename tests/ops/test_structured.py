"""What the structured families share: axes, rows, sums, deviations, and the constructor of reductions."""

from fractions import Fraction

import numpy as np
import pytest

from gradtool.ops import CALLS, REGISTRY, OperationError, Parameter
from gradtool.ops.structured import (
    AXIS,
    KEEPDIMS,
    RowKink,
    axes_of,
    axis_of,
    centred_rows,
    finish,
    lift,
    mean_of_rows,
    padded,
    reduced_shape,
    reduction,
    rows,
    scaled_rows,
    sum_to,
    total,
    unfinish,
    unrows,
)

AXES = [(), (-1,), (-3,), (-3, -1), (-2, -1), (-3, -2, -1)]


@pytest.mark.parametrize(("axis", "found"), [(0, -3), (2, -1), (-3, -3), (-1, -1)])
def test_axis_is_counted_from_the_end(axis, found):
    assert axis_of(axis, (2, 3, 4)) == found
    assert axis_of(axis, (2, 3), rank=3) == found


@pytest.mark.parametrize(
    ("axis", "shape", "rank", "message"),
    [
        (3, (2, 3, 4), None, "axis 3 is out of range: for shape (2, 3, 4) there are axes -3 to 2"),
        (-4, (2, 3, 4), None, "axis -4 is out of range: for shape (2, 3, 4) there are axes -3 to 2"),
        (0, (), None, "axis 0 is out of range: for shape () (a scalar) there are no axes"),
        (2, (5,), 2, "axis 2 is out of range: for shape (5,) there are axes -2 to 1"),
    ],
)
def test_no_such_axis(axis, shape, rank, message):
    with pytest.raises(OperationError) as caught:
        axis_of(axis, shape, rank)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("axis", "found"),
    [(None, (-3, -2, -1)), (1, (-2,)), ((), ()), ((2, 0), (-3, -1)), ([-1, 1], (-2, -1))],
)
def test_axes_come_in_order(axis, found):
    assert axes_of(axis, (2, 3, 4)) == found


def test_an_axis_named_twice():
    with pytest.raises(OperationError, match=r"^axis \(0, -2\) names an axis twice for shape \(2, 3\)$"):
        axes_of((0, -2), (2, 3))
    assert axes_of(None, ()) == ()
    assert axes_of(None, (2,), rank=2) == (-2, -1)


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 0, 4)])
def test_rows_and_back(axes, shape):
    x = np.arange(float(np.prod(shape))).reshape(shape)
    flat = rows(x, axes)
    for keepdims in (False, True):
        assert reduced_shape(shape, axes, keepdims) == x.sum(axis=axes, keepdims=keepdims).shape
    assert flat.shape[:-1] == reduced_shape(shape, axes, False)
    assert flat.sum(axis=-1).tolist() == x.sum(axis=axes).tolist()
    assert unrows(flat, axes, shape).tolist() == x.tolist()
    batch = np.stack((x, -x))
    assert rows(batch, axes)[1].tolist() == (-flat).tolist()  # a batch axis in front does no harm


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("keepdims", [False, True])
def test_finish_and_unfinish(axes, keepdims):
    x = np.arange(24.0).reshape(2, 3, 4)
    found = total(x, axes, keepdims)
    assert found.tolist() == x.sum(axis=axes, keepdims=keepdims).tolist()
    assert finish(x.sum(axis=axes), axes, keepdims).tolist() == found.tolist()
    assert unfinish(found, axes, keepdims).tolist() == x.sum(axis=axes)[..., None].tolist()


def test_total_adds_pairwise_along_any_axis():
    """Added one after the other, a hundred thousand terms would lose four digits."""
    x = np.full((100_000, 2), 0.1)
    exact = float(100_000 * Fraction(0.1))
    assert np.abs(total(x, (-2,)) - exact).max() <= 4 * np.spacing(exact)


@pytest.mark.parametrize(
    ("x", "mean"),
    [
        ([1.0, 2.0, 6.0], 3.0),
        ([1.5e308, 1.5e308], 1.5e308),
        ([1.5e308, 1.5e308, -1.5e308, -1.5e308], 0.0),
        ([5e-324, 5e-324], 5e-324),  # not the sum of halves, which are 0
        ([np.inf, 1.0], np.inf),
    ],
)
def test_mean(x, mean):
    assert mean_of_rows(np.array([x, x])).tolist() == [[mean], [mean]]


def test_mean_of_a_row_beside_one_that_overflows():
    assert mean_of_rows(np.array([[1.5e308, 1.5e308], [5e-324, 5e-324]])).tolist() == [[1.5e308], [5e-324]]
    assert np.isnan(mean_of_rows(np.array([np.inf, -np.inf]))).all()


@pytest.mark.parametrize("row", [[3.0, -5.0], [1.7e308, -1e300], [5e-324, -1e-323], [1.0, 0.25], [0.0, 0.0], []])
def test_scaling_is_exact(row):
    x = np.array([row])
    scaled, exponent = scaled_rows(x)
    assert exponent.shape == (1, 1)
    assert np.ldexp(scaled, exponent).tolist() == [row]
    if any(row):
        assert 0.5 <= np.abs(scaled).max() < 1.0


@pytest.mark.parametrize(
    "row",
    [
        [1e9 + 0.25, 1e9 + 1.0, 1e9 - 3.5, 1e9],
        [1.5e308, -1.5e308, 1e307, 1.2e308],
        [1e-310, 3e-310, -2e-311, 0.0],
        [0.1, 0.2, 0.3, 0.4],
    ],
)
def test_deviations(row):
    deviation, exponent = centred_rows(np.array([row]))
    values = [Fraction(x) for x in row]
    mean = sum(values) / len(values)
    exact = [float((v - mean) / Fraction(2) ** int(exponent.item())) for v in values]
    spread = max(map(abs, exact))
    assert np.abs(deviation[0] - exact).max() <= 2e-16 * spread
    assert abs(deviation.sum()) <= 2e-16 * spread


def test_a_constant_row_does_not_deviate():
    """The sum of three tenths rounds, their mean is not one tenth."""
    x = np.array([[0.1, 0.1, 0.1], [0.1, 0.1, 0.2]])
    assert np.sum(x[0]) / 3 != 0.1
    deviation, _ = centred_rows(x)
    assert deviation[0].tolist() == [0.0, 0.0, 0.0]
    assert deviation[1].all()


@pytest.mark.parametrize(
    ("shape", "rank", "wanted", "expected"),
    [
        ((3,), 1, 2, (1, 3)),
        ((5, 3), 1, 3, (5, 1, 1, 3)),  # 5 is a batch
        ((5,), 0, 2, (5, 1, 1)),
        ((5, 3, 4), 2, 2, (5, 3, 4)),
        ((3, 4), 2, 1, (3, 4)),
    ],
)
def test_lift(shape, rank, wanted, expected):
    x = np.arange(float(np.prod(shape))).reshape(shape)
    lifted = lift(x, rank, wanted)
    assert lifted.shape == expected
    assert lifted.ravel().tolist() == x.ravel().tolist()


@pytest.mark.parametrize("shape", [(2, 3, 4), (3, 4), (1, 4), (3, 1), (4,), (1,), (), (2, 1, 1), (1, 1, 1)])
def test_sum_to_is_the_adjoint_of_broadcasting(shape):
    gradient = np.arange(24.0).reshape(2, 3, 4)
    x = np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape)
    found = sum_to(gradient, shape)
    assert found.shape == shape
    assert np.sum(found * x) == np.sum(gradient * x)


@pytest.mark.parametrize("widths", [[(1, 0)], [(0, 2), (1, 1)], [], [(0, 0)]])
def test_padding_of_the_last_axes(widths):
    x = np.arange(6.0).reshape(2, 3)
    whole = [(0, 0)] * (2 - len(widths)) + widths
    assert padded(x, widths, -1.0).tolist() == np.pad(x, whole, constant_values=-1.0).tolist()
    assert padded(np.stack((x, x)), widths)[1].tolist() == np.pad(x, whole).tolist()


def test_sum_to_keeps_axes_without_entries():
    assert sum_to(np.zeros((0, 3)), (1, 3)).tolist() == [[0.0, 0.0, 0.0]]
    assert sum_to(np.zeros((2, 0)), (0,)).shape == (0,)


# The constructor.


@pytest.fixture
def weighted(monkeypatch):
    """``factor`` times the sum, with a kink at every zero; ``count`` is settled from the shape."""
    monkeypatch.setattr("gradtool.ops.operation.REGISTRY", dict(REGISTRY))
    monkeypatch.setattr("gradtool.ops.operation.CALLS", dict(CALLS))
    factor = Parameter("factor", "number", 1.0)
    kink = RowKink(
        where="an entry is 0",
        convention="factor",
        valid="anything",
        tied=lambda x, factor, count: x == 0,
        choose=lambda rng, upstream, out, x, factor, count: np.where(x == 0, 7.0, factor) * upstream,
    )
    return reduction(
        "weighted",
        value=lambda x, factor, count: factor * np.sum(x, axis=-1),
        slope=lambda upstream, out, x, factor, count: factor * upstream,
        formula="factor Σ x",
        derivative="factor",
        rule="factor*{upstream}",
        symbolic=lambda S, x, factor, count: factor * np.sum(x, axis=-1),
        parameters=(AXIS, KEEPDIMS, factor),
        settle=lambda given, count: {"factor": given["factor"], "count": count},
        needs_entries=True,
        kinks=[kink],
        piece=lambda x, factor, count: x > 0,
    )


X = np.arange(24.0).reshape(2, 3, 4)


@pytest.mark.parametrize("axis", [None, 0, (0, 2), (), -1])
@pytest.mark.parametrize("keepdims", [False, True])
def test_reduction(weighted, axis, keepdims):
    settled = weighted.resolved([X.shape], {"axis": axis, "keepdims": keepdims, "factor": 2.0})
    expected = np.asarray(2 * X.sum(axis=axis, keepdims=keepdims))
    parameters = settled.parameters
    assert settled.shape == expected.shape
    assert parameters["count"] * expected.size == X.size
    assert weighted.forward(X, **parameters).tolist() == expected.tolist()
    assert weighted.forward(np.stack((X, -X)), **parameters)[1].tolist() == (-expected).tolist()
    upstream = np.arange(1.0, 1.0 + expected.size).reshape(expected.shape)
    down = weighted.vjp_of(0)(upstream, expected, X, **parameters)
    back = upstream if keepdims else np.expand_dims(upstream, settled.parameters["axis"])
    assert down.tolist() == (2 * np.broadcast_to(back, X.shape)).tolist()
    exact = weighted.symbolic(None, X.astype(object), **parameters)
    assert exact.dtype == object
    assert exact.tolist() == expected.tolist()
    (kink,) = weighted.kinks
    assert kink.tied(X, **parameters).tolist() == rows(X == 0, settled.parameters["axis"]).tolist()
    (drawn,) = kink.choose(None, upstream, expected, X, **parameters)
    assert drawn.shape == X.shape
    assert drawn[0, 0, 0] == 7.0  # times the first upstream, 1
    assert drawn.ravel()[1:].tolist() == down.ravel()[1:].tolist()
    assert weighted.piece(X, **parameters).tolist() == rows(X > 0, settled.parameters["axis"]).tolist()


def test_reduction_over_nothing(weighted):
    given = {"axis": 1, "keepdims": False, "factor": 1.0}
    with pytest.raises(OperationError, match=r"^needs at least one entry to reduce, but has shape \(2, 0\)$"):
        weighted.resolved([(2, 0)], given)
    # Where there is no row either, nothing is asked of one.
    assert weighted.resolved([(0, 0)], given).shape == (0,)
    assert weighted.resolved([(0, 2)], given).shape == (0,)


def test_a_reduction_is_declared_with_its_rule_and_cases(weighted):
    assert weighted.rule_of(0) == "factor*{upstream}"
    assert not weighted.elementwise
    assert {len(case.shapes) for case in weighted.cases} == {1}
    kink = RowKink("somewhere", "0", "none", lambda x: x == 0, None)
    jumpy = reduction("jumpy", np.sum, np.sum, "f", "d", "r", np.sum, kinks=[kink])
    assert jumpy.kinks[0].choose is None
    assert jumpy.piece is None
