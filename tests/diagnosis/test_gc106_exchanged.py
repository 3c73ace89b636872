"""GC106: two gradients exchanged; a gradient that happens to equal another's because a path is missing is GC108."""

import numpy as np


def gate(x, y):
    return x * y


def test_exchanged(cause_of, rng):
    for name, other in (("x", "y"), ("y", "x")):
        cause = cause_of(gate, lambda u, x, y: (u * x, u * y), [rng.normal(size=4), rng.normal(size=4)], name)
        assert cause.code == "GC106"
        assert cause.message == f"is exchanged with that of {other}"


def test_three_in_a_ring(cause_of, rng):
    def backward(u, a, b, c):
        return u * c, u * np.cos(b) * c, u * (np.sin(b) + a)

    cause = cause_of(
        lambda a, b, c: (a + np.sin(b)) * c, lambda *given: tuple(np.roll(backward(*given), 1, axis=0)),
        [rng.normal(size=4) for _ in range(3)], "a",
    )  # fmt: skip
    assert cause.code == "GC106"
    assert cause.message == "is the gradient of c"


def both(x, y):
    return (x + y) * np.exp(y)


def test_a_missing_path_that_leaves_the_other_gradient(cause_of, rng):
    cause = cause_of(both, lambda u, x, y: (u * np.exp(y), u * np.exp(y)), [rng.normal(size=4), rng.normal(size=4)])
    assert cause.code == "GC108"
