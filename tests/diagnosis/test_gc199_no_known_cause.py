"""GC199: nothing fits, and the worst entries are shown; what fits is not GC199."""

import numpy as np


def test_nothing_fits(cause_of, rng):
    cause = cause_of(
        lambda x: np.sin(x) * np.exp(-x), lambda u, x: (u * np.cos(3 * x + 0.2) * np.log(4 + x * x),), [rng.normal(size=6)]
    )  # fmt: skip
    assert cause.code == "GC199"
    assert "worst [" in cause.message
    assert "yours" in cause.message


def test_right_entries_are_counted(cause_of, rng):
    def backward(u, x):
        wrong = np.array([1, 0, 1, 0, 0, 1, 0, 1, 0, 0])
        return (u * (2 * x + wrong * (np.cos(7 * x) + 3)),)

    cause = cause_of(lambda x: x**2, backward, [rng.normal(size=10)])
    assert cause.code == "GC199"
    assert cause.message.endswith("right at 6 of 10 entries")


def test_a_sign_is_known(cause_of, rng):
    assert cause_of(np.sin, lambda u, x: (-u * np.cos(x),), [rng.normal(size=6)]).code == "GC101"
