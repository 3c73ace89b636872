"""Entries of a hidden layer that backward treats wrongly are parted by their value."""

import numpy as np

from gradtool.diagnosis.inner_regions import inner_region


def hidden(x, w, v):
    return np.sin(x @ w) @ v


def points(rng):
    return [[rng.normal(size=(5, 3)), rng.normal(size=(3, 4)), rng.normal(size=(4, 4))] for _ in range(2)]


def backward(change):
    def run(u, x, w, v):
        z = x @ w
        d = (u @ v.T) * np.cos(z) * change(z)
        return d @ w.T, x.T @ d, np.sin(z).T @ u

    return run


def test_dropped(evidence_of, rng):
    found = inner_region(evidence_of(hidden, backward(lambda z: z < 1), points(rng), "w"))
    assert found.where.endswith("> 1")
    assert "nothing is sent down" in found.there
    assert found.line == hidden.__code__.co_firstlineno + 1


def test_scaled(evidence_of, rng):
    found = inner_region(evidence_of(hidden, backward(lambda z: np.where(z < 0, 3, 1)), points(rng), "w"))
    assert found.where.endswith("< 0")
    assert "3 times" in found.there


def test_scattered_entries_are_no_region(evidence_of, rng):
    pattern = np.arange(20).reshape(5, 4) % 3 == 0
    assert inner_region(evidence_of(hidden, backward(lambda z: 1 + pattern), points(rng), "w")) is None
