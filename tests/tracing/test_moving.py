"""What moves entries about, against differences."""

import numpy as np
import pytest

from gradtool.tracing import Untraceable, trace

rng = np.random.default_rng(7)
X = rng.permutation(24).reshape(2, 3, 4) * 0.17 - 1.93
M = rng.normal(size=(3, 4))
V = rng.normal(size=4)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.reshape(x, (4, 6)),
        lambda x: x.reshape(6, -1),
        lambda x: x.reshape((2, -1)),
        lambda x: x.reshape(x.shape[0], -1, order="F"),
        lambda x: np.ravel(x),
        lambda x: x.ravel(order="F"),
        lambda x: x.flatten(),
        lambda x: np.squeeze(x[:1]),
        lambda x: x[:1].squeeze(axis=0),
        lambda x: np.expand_dims(x, (0, 2)),
        lambda x: np.atleast_3d(x[0]),
        lambda x: np.atleast_2d(x[0, 0]),
        lambda x: x.T,
        lambda x: np.transpose(x, (1, 0, 2)),
        lambda x: x.transpose(2, 0, 1),
        lambda x: x.transpose((2, 0, 1)),
        lambda x: np.swapaxes(x, 0, -1),
        lambda x: x.swapaxes(0, 1),
        lambda x: np.moveaxis(x, 0, -1),
        lambda x: np.moveaxis(x, (0, 1), (-1, 0)),
        lambda x: np.rollaxis(x, 2),
        lambda x: np.broadcast_to(x, (2, 2, 3, 4)),
        lambda x: np.broadcast_arrays(x[0], x)[0],
        lambda x: np.flip(x, 1),
        lambda x: np.fliplr(x) + np.flipud(x),
        lambda x: np.roll(x, 2, axis=1),
        lambda x: np.roll(x, 5),
        lambda x: np.roll(x, (1, 2), axis=(0, 1)),
        lambda x: np.tile(x, (2, 1, 3)),
        lambda x: np.repeat(x, 2, axis=1),
        lambda x: x.repeat(3),
        lambda x: np.rot90(x),
        lambda x: np.take(x, [0, 2, 0], axis=1),
        lambda x: x.take(5),
        lambda x: np.take_along_axis(x, np.argsort(x, axis=2), axis=2),
        lambda x: np.diagonal(x, 1, 1, 2),
        lambda x: x.diagonal(),
        lambda x: np.delete(x, 1, axis=2),
        lambda x: np.compress([True, False, True], x, axis=1),
        lambda x: np.extract(x > 0, x),
        lambda x: np.resize(x, (5, 6)),
        lambda x: np.concatenate([x, x**2, np.ones((2, 1, 4))], axis=1),
        lambda x: np.concatenate((x, x[0]), axis=None),
        lambda x: np.stack([x, 2 * x], axis=-1),
        lambda x: np.vstack([x[0], x[1, 0]]),
        lambda x: np.hstack([x[0, 0], x[1, 1]]),
        lambda x: np.hstack((x, x)),
        lambda x: np.dstack((x, x)),
        lambda x: np.column_stack([x[0, :, 0], x[0], np.arange(3.0)]),
        lambda x: np.append(x, 3.0),
        lambda x: np.block([[x[0], x[1]], [x[1], np.zeros((3, 4))]]),
        lambda x: np.split(x, 2, axis=2)[1],
        lambda x: np.split(x, [1, 3], axis=2),
        lambda x: np.array_split(x, 2, axis=1)[0],
        lambda x: np.hsplit(x, 3)[2],
        lambda x: np.vsplit(x, 2)[0],
        lambda x: np.dsplit(x, 2)[0],
        lambda x: np.pad(x, ((0, 0), (1, 2), (0, 1))),
        lambda x: np.pad(x, (2, 0)),
        lambda x: np.pad(x, 1, constant_values=3.0),
        lambda x: np.lib.stride_tricks.sliding_window_view(x, (2, 2), axis=(1, 2)),
        lambda x: np.pad(x, 1, mode="edge"),
        lambda x: np.pad(x, 1, mode="reflect"),
        lambda x: np.diag(x[0, 0]),
        lambda x: np.diag(x[0], 1),
        lambda x: np.diagflat(x[0, :2], -1),
        lambda x: np.tril(x, -1) + 2 * np.triu(x, 1),
        lambda x: np.copy(x),
        lambda x: np.real(x),
        lambda x: np.zeros_like(x) + x + np.ones_like(x),
        lambda x: np.full_like(x, x[0, 0, 0]),
        lambda x: np.full(3, x[0, 0, 0]),
    ],
)
def test_moves(check, function):
    check(
        lambda x: [part * part for part in found] if isinstance(found := function(x), (list, tuple)) else found * found,
        X,
    )


def changed(change):
    def run(x):
        out = x * 1.0
        change(out, x)
        return out**2

    return run


@pytest.mark.parametrize(
    "change",
    [
        lambda out, x: np.copyto(out, x**2),
        lambda out, x: np.copyto(out, x**2, where=x > 0),
        lambda out, x: np.fill_diagonal(out, x[0, 0]),
        lambda out, x: np.put_along_axis(out, np.array([[1], [0], [2]]), x[:, :1] ** 2, axis=1),
        lambda out, x: np.put(out, [0, 5], x[0, :2] ** 2),
        lambda out, x: np.putmask(out, x > 0, x**2),
    ],
)
def test_functions_that_change_an_argument(check, change):
    check(changed(change), M)


def test_they_refuse_a_plain_array():
    plain_array = np.zeros(4)

    def copied(x):
        np.copyto(plain_array, x)
        return plain_array

    with pytest.raises(Untraceable, match=r"test_moving.py:\d+: np.copyto puts traced values into a plain array"):
        trace(copied, {"x": V})


def test_padding_without_a_rule_is_refused():
    with pytest.raises(Untraceable, match="mode='linear_ramp'"):
        trace(lambda x: np.pad(x, 1, mode="linear_ramp"), {"x": V})
    with pytest.raises(Untraceable, match="reflect_type='odd'"):
        trace(lambda x: np.pad(x, 1, mode="reflect", reflect_type="odd"), {"x": V})
