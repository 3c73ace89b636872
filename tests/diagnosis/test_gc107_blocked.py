"""GC107: zeros or None where the output depends on the input; zero in some entries is not blocked."""

import numpy as np
import pytest


def scale(x, g):
    return x * g


@pytest.mark.parametrize(("given", "words"), [(np.zeros(3), "is zero"), (None, "is None")])
def test_blocked(cause_of, rng, given, words):
    cause = cause_of(scale, lambda u, x, g: (u * g, given), [rng.normal(size=(4, 3)), rng.normal(size=3)])
    assert cause.code == "GC107"
    assert words in cause.message


def test_zero_at_one_entry(cause_of, rng):
    def backward(u, x, g):
        dg = (u * x).sum(axis=0)
        dg[0] = 0
        return u * g, dg

    assert cause_of(scale, backward, [rng.normal(size=(4, 6)), rng.normal(size=6)]).code == "GC113"
