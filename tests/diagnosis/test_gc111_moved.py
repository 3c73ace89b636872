"""GC111: the right numbers in the wrong places; a transposition is GC103."""

import numpy as np
import pytest


def cube(x):
    return x**3


@pytest.mark.parametrize(
    ("move", "words"),
    [
        (lambda g: np.roll(g, 1, axis=1), "shifted by 1 along axis 1"),
        (lambda g: np.flip(g, axis=0), "flipped along axis 0"),
        (lambda g: g.ravel(order="F").reshape(g.shape), "column order"),
        (lambda g: np.concatenate([0 * g[:, :1], g[:, :-1]], axis=1), "with zeros moved in"),
        (lambda g: g[[2, 0, 1]], "shifted by 1 along axis 0"),
        (lambda g: g[:, [0, 3, 1, 2]], "another order"),
    ],
)
def test_moved(cause_of, rng, move, words):
    cause = cause_of(cube, lambda u, x: (move(3 * u * x**2),), [rng.normal(size=(3, 4))])
    assert cause.code == "GC111"
    assert words in cause.message


def test_the_upstream(cause_of, rng):
    w = rng.normal(size=(3, 5))
    cause = cause_of(lambda x: x @ w, lambda u, x: (u[:, ::-1] @ w.T,), [rng.normal(size=(2, 3))])
    assert cause.code == "GC111"
    assert "upstream gradient flipped along axis 1" in cause.message


LABELS = np.array([0, 2, 1, 1])


def loss(z):
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return -np.sum(np.log(p[np.arange(4), LABELS]))


def test_labels_off_by_one(cause_of, rng):
    def backward(u, z):
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        p[np.arange(4), (LABELS + 1) % 3] -= 1
        return (u * p,)

    cause = cause_of(loss, backward, [rng.normal(size=(4, 3))])
    assert cause.code == "GC111"
    assert "off by 1 along axis 1" in cause.message


def softmax(x):
    e = np.exp(x)
    return e / e.sum(axis=1, keepdims=True)


def test_the_wrong_axis(cause_of, rng):
    def backward(u, x):
        y = softmax(x)
        return (y * (u - (u * y).sum(axis=0, keepdims=True)),)

    cause = cause_of(softmax, backward, [rng.normal(size=(4, 3))])
    assert (cause.code, cause.message) == ("GC111", "sums over axis 0 where forward sums over axis 1")


def test_to_the_wrong_entries(cause_of, rng):
    x = rng.permutation(12).reshape(3, 4) * 0.4
    smallest = lambda u, x: (np.where(x == x.min(axis=1, keepdims=True), u[:, None], 0.0),)
    assert cause_of(lambda x: x.max(axis=1), smallest, [x]).code == "GC111"


def test_a_transposition_is_none(cause_of, rng):
    assert cause_of(cube, lambda u, x: ((3 * u * x**2).T,), [rng.normal(size=(3, 3))]).code == "GC103"
