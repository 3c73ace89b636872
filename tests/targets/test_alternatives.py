"""Words that code asks a setting for, and what it stores at indices."""

import pytest

from gradtool.targets.alternatives import alternatives, is_written_at
from tests.targets.scopes import scope_of

POOL = """
def helper(x, mode):
    return x if mode == "sum" else x.max()


def pool_forward(x, mode="max", kind="a"):
    if mode == "average":
        return x.mean(), (x, mode)
    if mode in ("max", "min") and kind != "b":
        return x.max(), (x, mode)
    return helper(x, mode), (x, mode)


def pool_backward(dout, cache):
    x, mode = cache
    match mode:
        case "max" | "average":
            return dout
        case "sum":
            return dout
    raise ValueError("L2" == mode)


class Pool:
    def __init__(self, mode, config):
        self.mode, self.config = mode.lower(), config

    def forward(self, x):
        return x if self.mode == "max" else self.other(x)

    def other(self, x):
        return x * (self.config["kind"] == "half") if self.mode == "sum" else x

    def backward(self, dout):
        return dout if self.mode != "max" or self.config["kind"] == "half" else -dout
"""

GATHER = """
import numpy as np


def gather(W, idx):
    flat = idx.ravel()
    out = np.zeros((len(flat), W.shape[1]))
    for i, k in enumerate(flat):
        out[i] = W[k]
    for i in range(len(idx)):
        out[i] += 0
    return out


def scatter(x, idx):
    out = np.zeros_like(x)
    flat = idx.ravel()
    out[flat] = x
    return out


def along(x, idx):
    out = np.zeros_like(x)
    np.put_along_axis(out, idx, x, 0)
    return out


def one_by_one(x, idx):
    out = np.zeros_like(x)
    for i, k in enumerate(idx):
        out[k] = x[i]
    return out


class Embedding:
    def forward(self, idx):
        self.idx = idx
        return self.W[idx]

    def backward(self, dout):
        self.dW[self.idx] = dout


class Unpool:
    def forward(self, x, idx):
        self.idx = idx
        return self.place(x)

    def place(self, x):
        self.out[self.idx] = x
        return self.out
"""


def test_words_that_forward_and_backward_both_know(tmp_path):
    scope = scope_of(POOL, tmp_path)
    assert alternatives(scope, "pool_forward", "pool_backward", "mode") == ("average", "max", "sum")
    assert alternatives(scope, "pool_forward", "pool_backward", "kind") == ()
    assert alternatives(scope, "pool_forward", "pool_forward", "kind") == ("b",)


def test_words_of_methods(tmp_path):
    scope = scope_of(POOL, tmp_path)
    assert alternatives(scope, "Pool.forward", "Pool.backward", "mode") == ("max",)
    assert alternatives(scope, "Pool.forward", "Pool.backward", "kind") == ("half",)


@pytest.mark.parametrize("name", ["scatter", "along", "one_by_one", "Unpool.forward"])
def test_what_is_stored_at_indices(name, tmp_path):
    assert is_written_at(scope_of(GATHER, tmp_path), name, "idx")


@pytest.mark.parametrize("name", ["gather", "Embedding.forward"])
def test_indices_that_are_only_read(name, tmp_path):
    assert not is_written_at(scope_of(GATHER, tmp_path), name, "idx")
