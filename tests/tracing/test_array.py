"""The traced array: operators, indexing, views, assignment, leaving for plain Python."""

import copy

import numpy as np
import pytest

from gradtool.tracing import TracedArray, Untraceable, trace

X = np.array([[0.3, -0.7, 1.1], [0.9, 0.2, -0.4]])
V = np.array([0.5, -1.5, 2.5, 0.25])


@pytest.mark.parametrize(
    "function",
    [
        lambda x: 1 + x - 2 * x / 3 + (1 - x) * (2 / (x + 3)),
        lambda x: -x + abs(x) + +x,
        lambda x: x**2 + x**3 + 2**x + (x + 2) ** -1.5,
        lambda x: x @ x.T,
        lambda x: np.ones((4, 2)) @ x,
        lambda x: x % 0.33 + x // 0.33 * x,
        lambda x: np.float64(2.0) * x + np.float64(3.0) / (x + 2),
        lambda x: np.arange(3) * x - np.array([1, 2, 3]),
        lambda x: [1.0, 2.0, 3.0] * x,
        lambda x: sum(row.sum() for row in x),
        lambda x: max(x[0, 0], x[0, 1]) * min(*x[1]),
        lambda x: x.astype(float) * x.astype(x.dtype) + x.astype(bool) * x,
        lambda x: (x > 0).astype(float) * x,
        lambda x: (x > 0).astype(int) * x,
        lambda x: (x > 0).sum() * x + (x > 0).mean() * x,
        lambda x: x.real.conj() * x.copy() * copy.deepcopy(x),
        lambda x: x.item(2) * x.item(0, 1) * x[1, 1].item(),
        lambda x: np.array(x.tolist()[1]),
        lambda x: x.mT if hasattr(np.ndarray, "mT") else x.T,
        lambda x: np.array(list(x.flat)),
        lambda x: x.size * x * x.ndim * len(x) * x.shape[1],
    ],
)
def test_operators_and_methods(check, function):
    check(function, X)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x[0],
        lambda x: x[-1, 1],
        lambda x: x[:, 1:],
        lambda x: x[..., 0],
        lambda x: x[:, None, ::-1],
        lambda x: x[np.int64(1), np.arange(2)],
        lambda x: x[[0, 1, 0]],
        lambda x: x[np.arange(2), np.array([2, 0])],
        lambda x: x[:, [0, 2]],
        lambda x: x[np.array([[0, 1], [1, 1]]), 1],
        lambda x: x[x > 0],
        lambda x: x[np.array([True, False])],
        lambda x: x[:, np.argmax(x[0])],
        lambda x: x[x.argmax(axis=0), np.arange(3)],
        lambda x: x[np.argsort(x[:, 0])],
        lambda x: [row * row[0] for row in x],
        lambda x: x[np.nonzero(x > 0.25)],
    ],
)
def test_indexing(check, function):
    check(function, X)


def assigning(change):
    def run(x):
        out = x * 1.0
        result = change(out, x)
        return out**2 if result is None else out**2 + result

    return run


def change_view_then_whole(out, x):
    row = out[1]
    row *= x[0]
    out += 1.0
    return row  # As it is after the second change.


def change_whole_then_read_view(out, x):
    column = out[:, 1]
    flat = out.reshape(-1)
    out[0] = x[1] ** 2
    flat[5] = x[0, 0]
    return column.sum()


def change_through_transpose(out, x):
    out.T[1] = x[:, 0] * x[:, 1]
    out.T.reshape(-1)[0] = 7.0  # A copy: changes nothing.
    out.swapaxes(0, 1)[2, 0] += x[1, 1]


def change_twice_named(out, x):
    out[0, [1, 1, 2]] = x[1]
    out[1, [0, 0]] += x[0, 0]


def change_by_masks(out, x):
    out[x < 0] = 0
    out[out > 1] = x[0, 0]
    out[1][x[1] > 0.5] = 3.0
    out[x > 0.25] *= 2


def change_and_keep_a_copy(out, x):
    before, alias = out.copy(), out
    alias -= x**2
    return before * alias


def change_by_methods(out, x):
    out[0].fill(x[1, 0])
    out[1].sort()


def swap_rows(out, x):
    out[0], out[1] = out[1].copy(), out[0].copy()
    out[..., :1] = x[:, 1:2]
    out[:, 2] = [1.0, x[0, 0]]
    out[1:1] = 5.0


@pytest.mark.parametrize(
    "change",
    [
        change_view_then_whole, change_whole_then_read_view, change_through_transpose, change_twice_named,
        change_by_masks, change_and_keep_a_copy, change_by_methods, swap_rows,
        lambda out, x: out.__setitem__(Ellipsis, x[::-1] ** 2),
        lambda out, x: out.__imul__(x),
        lambda out, x: out.__itruediv__(x + 2),
        lambda out, x: np.split(out, 2)[0].__imul__(x[:1]) * 1.0,
        lambda out, x: np.multiply(out, x, out=out),
        lambda out, x: np.exp(x, out=out) and None if out.ndim == 0 else np.exp(x, out=out) * 1.0,
    ],
)  # fmt: skip
def test_assignment(check, change):
    check(assigning(change), X)


def test_an_input_changed_in_place(check):
    def run(x):
        x -= x.mean()
        x[0] = 0
        return x**2

    check(run, V)


def test_numbers_do_not_change_in_place(check):
    def run(x):
        total = x[0]
        same = total
        total += x[1] ** 2
        return total * same

    check(run, V)


def test_a_mask_assigned_by_stays_in_the_graph():
    def run(x):
        out = x * 1.0
        out[x <= 0] = 0
        return out

    traced = trace(run, {"x": V})
    assert not traced.branched
    assert "less_equal" in traced.graph.operations
    assert traced.graph.operations[traced.graph.output] == "where"


def test_branches_are_noted_with_their_line():
    def run(x):
        if x.sum() > 0:
            return x * 2
        return x * 3

    traced = trace(run, {"x": V})
    assert traced.branches == ((__file__, run.__code__.co_firstlineno + 1),)
    assert traced.branched


@pytest.mark.parametrize(
    "use", [lambda x: x[np.argmax(x)], lambda x: x[x > 0], lambda x: x * int(x[0]), lambda x: x * np.any(x > 0)]
)
def test_other_ways_to_go_by_a_value_are_noted(use):
    assert trace(use, {"x": V}).branched


def test_it_passes_for_an_array():
    def run(x):
        assert isinstance(x, np.ndarray)
        assert isinstance(x[0], float)
        assert not isinstance(x, (list, tuple))
        assert x.dtype == np.float64
        assert np.shape(x) == (4,)
        assert np.ndim(x) == 1
        assert 0.5 in x
        assert f"{x[0]:.2f} {x}" == f"0.50 {V}"
        return x * 2

    traced = trace(run, {"x": V})
    assert traced.value.tolist() == (V * 2).tolist()


def test_after_the_run_it_is_a_plain_array():
    kept = []

    def run(x):
        kept.append(x * 2)
        return x

    trace(run, {"x": V})
    left = next(x for x in kept if type(x) is TracedArray)
    assert type(left + 1) is np.ndarray
    assert float(left[0]) == 1.0
    assert np.asarray(left).tolist() == (V * 2).tolist()
    assert type(left.sum()) is np.float64
    assert type(left[1:]) is np.ndarray
    left[0] = 5.0
    assert left.tobytes() == np.array([5.0, *V[1:] * 2]).tobytes()
    assert bool(left[0] > 4)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: float(x[0]) * x, "turned into a Python float"),
        (lambda x: x.astype(np.float32).astype(float), "float32"),
        (lambda x: np.fft.rfft(x).real, r"np\.fft\.rfft gives complex128"),
        (lambda x: np.interp(x, [0, 1], [0, 1]), r"np\.interp cannot be traced"),
        (lambda x: np.vectorize(lambda a: a * a)(x), "cannot be traced|put into a plain array"),
        (lambda x: np.sum(x, axis=0, out=np.arange(2.0)[0:1].reshape(())), "plain array"),
        (lambda x: x.view(np.int64).astype(float), "view"),
        (lambda x: np.frombuffer(x.tobytes()), "the array's tobytes cannot be traced"),
        (lambda x: x * np.random.default_rng().normal(), "gives other values when it is traced"),
        (lambda x: x + 1j * x, "complex128"),
    ],
)
def test_what_cannot_be_traced_names_line_and_reason(function, reason):
    with pytest.raises(Untraceable, match=reason) as caught:
        trace(function, {"x": V})
    if caught.value.line is None:
        assert "the function" in caught.value.reason
    else:
        assert (caught.value.file, caught.value.line) == (__file__, function.__code__.co_firstlineno)


def test_catching_the_refusal_does_not_undo_it():
    def run(x):
        try:
            return x * float(x[0])
        except Exception:
            return x * 0.5

    with pytest.raises(Untraceable, match="Python float"):
        trace(run, {"x": V})


def test_arrays_of_two_traces_do_not_meet():
    def outer(x):
        return trace(lambda y: y * x, {"y": V}).value if type(x) is TracedArray else x * V

    with pytest.raises(Untraceable):
        trace(outer, {"x": V})
