"""Words that code asks a setting for."""

from gradtool.targets.alternatives import alternatives
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
        return x if self.mode == "max" else x * (self.config["kind"] == "half")

    def backward(self, dout):
        return dout
"""


def test_words_that_forward_and_backward_both_know(tmp_path):
    scope = scope_of(POOL, tmp_path)
    assert alternatives(scope, "pool_forward", "pool_backward", "mode") == ("average", "max", "sum")
    assert alternatives(scope, "pool_forward", "pool_backward", "kind") == ()
    assert alternatives(scope, "pool_forward", "pool_forward", "kind") == ("b",)


def test_words_of_a_class(tmp_path):
    scope = scope_of(POOL, tmp_path)
    assert alternatives(scope, "Pool.forward", "Pool.backward", "mode") == ("max",)
    assert alternatives(scope, "Pool.forward", "Pool.backward", "kind") == ("half",)
