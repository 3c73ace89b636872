"""Shaping: entries move as in NumPy, gradients move back."""

import numpy as np
import pytest

from gradtool.ops import OperationError

NAMES = [
    "reshape", "flatten", "squeeze", "expand_dims", "concat", "stack", "index", "broadcast_to", "flip", "roll",
    "take", "scatter", "pad", "gather", "embedding",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_cases(name, check_cases):
    check_cases(name)


@pytest.mark.parametrize(
    "key",
    [
        (0,), (-1, 2), (slice(None), 1), (slice(1, None), slice(None, None, -1)), (Ellipsis,), (Ellipsis, 0),
        (None, 0), (0, None, Ellipsis, None), (slice(5, 2),), (slice(-2, 100, 2), 0, 1), (), (1, Ellipsis, 2),
        (0, 1, Ellipsis, 2), (0, 1, 2, None),
    ],
)  # fmt: skip
def test_index_as_numpy(key, at):
    x = np.arange(24.0).reshape(2, 3, 4)
    point = at("index", x, key=key)
    np.testing.assert_array_equal(point.out(), x[key])
    assert point.settled.shape == x[key].shape
    expected = np.zeros_like(x)
    expected[key] = x[key] + 1
    np.testing.assert_array_equal(point.vjp(0, x[key] + 1), expected)


def test_broadcast_sums_back(at):
    assert at("broadcast_to", [[1.0], [2.0]], shape=(4, 2, 3)).vjp(0).tolist() == [[12], [12]]
    assert at("broadcast_to", 2.0, shape=3).vjp(0, [1.0, 2.0, 4.0]) == 7


def test_parts_of_a_concatenation(at):
    upstream = np.arange(10.0).reshape(2, 5)
    point = at("concat", np.zeros((2, 3)), np.zeros((2, 2)), axis=1)
    assert point.vjp(0, upstream).tolist() == [[0, 1, 2], [5, 6, 7]]
    assert point.vjp(1, upstream).tolist() == [[3, 4], [8, 9]]
    assert at("stack", 1.0, 2.0, 3.0).vjp(2, [7.0, 8.0, 9.0]) == 9


def test_reshape_infers_a_length(at):
    assert at("reshape", np.zeros((2, 6)), shape=(3, -1)).settled.shape == (3, 4)
    assert at("reshape", np.zeros((2, 6)), shape=-1).settled.shape == (12,)
    assert at("reshape", np.zeros((0, 6)), shape=(2, 0)).settled.shape == (2, 0)


def test_refusals(refuses):
    assert refuses("reshape", (2, 3), shape=(4, 2)) == (
        "shape (2, 3) has 6 entries and cannot become (4, 2), which has 8"
    )
    assert "-1" in refuses("reshape", (2, 3), shape=(4, -1))
    assert "-1" in refuses("reshape", (2, 3), shape=(-1, -1))
    assert "not negative" in refuses("reshape", (2, 3), shape=(-2, -3))
    message = refuses("concat", (2, 3), (2, 4), axis=0)
    assert "(2, 3) and (2, 4) (argument 2)" in message
    assert "axis 0 only" in message
    assert "stack" in refuses("concat", (), ())
    assert "(3,) and (4,) (argument 3)" in refuses("stack", (3,), (3,), (4,))
    assert refuses("index", (3, 4), key=(5,)) == "index 5 is out of range: axis 0 of shape (3, 4) has indices -3 to 2"
    assert "no entries" in refuses("index", (0,), key=(0,))
    assert "too many" in refuses("index", (3,), key=(0, 0))
    assert "one '...'" in refuses("index", (3,), key=(Ellipsis, Ellipsis))
    assert "step" in refuses("index", (3,), key=(slice(0, 3, 0),))
    assert "(2, 3) does not broadcast to (3, 2)" in refuses("broadcast_to", (2, 3), shape=(3, 2))
    assert "does not broadcast" in refuses("broadcast_to", (2, 3), shape=(3,))
    assert "length 3" in refuses("squeeze", (1, 3), axis=1)
    assert "out of range" in refuses("expand_dims", (3,), axis=3)
    assert "out of range" in refuses("flip", (3,), axis=1)


def test_take_and_scatter_are_each_others_transpose(at):
    places = (3, 0, 3)
    taken = at("take", [[1.0, 2.0], [4.0, 8.0]], places=places)
    assert taken.out().tolist() == [8.0, 1.0, 8.0]
    assert taken.vjp(0, [1.0, 10.0, 100.0]).tolist() == [[10.0, 0.0], [0.0, 101.0]]
    scattered = at("scatter", [1.0, 10.0, 100.0], places=places, shape=(2, 2))
    assert scattered.out().tolist() == [[10.0, 0.0], [0.0, 101.0]]
    assert scattered.vjp(0, [[1.0, 2.0], [4.0, 8.0]]).tolist() == [8.0, 1.0, 8.0]


def test_places_that_do_not_fit(refuses):
    assert "place 4 is out of range: shape (2, 2) has places 0 to 3" in refuses("take", (2, 2), places=(0, 4))
    assert "3 places cannot fill shape (2,)" in refuses("take", (4,), places=(0, 1, 2), shape=2)
    assert "2 places do not fit shape (3,), which has 3 entries" in refuses("scatter", (3,), places=(0, 1), shape=5)


@pytest.mark.parametrize("width", [2, 0, (1, 2), (3,), ((1, 0), (0, 2)), ((1,), (2,)), ((1, 2),)])
def test_pad_as_numpy(width, at):
    x = np.arange(6.0).reshape(2, 3) + 1
    point = at("pad", x, pad_width=width)
    np.testing.assert_array_equal(point.out(), np.pad(x, width))
    np.testing.assert_array_equal(point.vjp(0, point.out()), x)


@pytest.mark.parametrize("width", [(1, 2, 3), ((1, 2), (1, 2), (1, 2)), ((1, 2), (3,))])
def test_widths_that_do_not_fit(width, refuses):
    assert "does not fit shape (2, 3): it is one number, (before, after), or a row" in refuses(
        "pad", (2, 3), pad_width=width
    )


def test_negative_widths(refuses):
    assert "pad_width must not be negative" in refuses("pad", (2, 3), pad_width=(0, -1))


@pytest.mark.parametrize("indices", [[2.0, 0.0, 2.0], 1.0, [[0.0, 1.0], [2.0, 2.0]], np.zeros((0,))])
def test_rows_of_a_table(indices, at):
    table = np.arange(12.0).reshape(3, 2, 2)
    point, other = at("gather", table, indices), at("embedding", indices, table)
    np.testing.assert_array_equal(point.out(), table[np.asarray(indices, dtype=int)])
    np.testing.assert_array_equal(other.out(), point.out())
    assert (point.settled.frozen, other.settled.frozen) == ((1,), (0,))
    counts = np.bincount(np.ravel(indices).astype(int), minlength=3)
    np.testing.assert_array_equal(point.vjp(0), np.ones_like(table) * counts[:, None, None])  # repeated indices add up
    np.testing.assert_array_equal(other.vjp(1), point.vjp(0))


@pytest.mark.parametrize("index", [3.0, -1.0, 0.5, np.nan])
def test_no_such_row(index, at):
    for name, arguments in (
        ("gather", (np.ones((3, 2)), [0.0, index])),
        ("embedding", ([0.0, index], np.ones((3, 2)))),
    ):
        with pytest.raises(OperationError, match="is not one of the 3 rows: indices are whole numbers from 0 to 2"):
            at(name, *arguments).out()


def test_no_table(refuses):
    assert "needs a table of rows" in refuses("gather", (), (2,))
    assert "needs a table of rows" in refuses("embedding", (2,), ())


def test_embedding_as_pytorch(at):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    weight, indices = rng.normal(size=(5, 3)), np.array([[4, 0, 4], [1, 4, 2]])
    tensor = torch.tensor(weight, requires_grad=True)
    expected = torch.nn.functional.embedding(torch.tensor(indices), tensor)
    point = at("embedding", indices, weight)
    np.testing.assert_array_equal(point.out(), expected.detach().numpy())
    upstream = rng.normal(size=point.out().shape)
    expected.backward(torch.tensor(upstream))
    np.testing.assert_allclose(point.vjp(1, upstream), tensor.grad.numpy(), rtol=1e-12, atol=1e-12)
