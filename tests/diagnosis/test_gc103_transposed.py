"""GC103: a transposed gradient, or a factor that is not transposed; two factors in the wrong order are none."""

import numpy as np


def product(a, b):
    return a @ b


def test_the_gradient(cause_of, rng):
    cause = cause_of(
        product, lambda u, a, b: ((u @ b.T).T, a.T @ u), [rng.normal(size=(3, 3)), rng.normal(size=(3, 3))]
    )
    assert (cause.code, cause.message, cause.fix, cause.transformation) == (
        "GC103", "is transposed", "d_a = (what you return).T", ".T",
    )  # fmt: skip


def test_a_stack(cause_of, rng):
    x = rng.normal(size=(2, 3, 3))
    cause = cause_of(lambda x: np.sin(x), lambda u, x: ((u * np.cos(x)).swapaxes(1, 2),), [x])
    assert cause.code == "GC103"
    assert cause.transformation == ".transpose(0, 2, 1)"


def test_a_factor(cause_of, rng):
    cause = cause_of(product, lambda u, a, b: (u @ b, a.T @ u), [rng.normal(size=(3, 3)), rng.normal(size=(3, 3))])
    assert cause.code == "GC103"
    assert "b.T" in cause.message + cause.fix


def deep(x, w):
    return np.tanh(np.tanh(x @ w) @ w)


def test_a_factor_of_an_inner_product(cause_of, rng):
    def backward(u, x, w):
        h = np.tanh(x @ w)
        d2 = u * (1 - np.tanh(h @ w) ** 2)
        d1 = (d2 @ w) * (1 - h**2)  # w where w.T belongs
        return d1 @ w.T, x.T @ d1 + h.T @ d2

    cause = cause_of(deep, backward, [rng.normal(size=(4, 4)), rng.normal(size=(4, 4))], "x")
    assert cause.code == "GC103"
    assert cause.line == deep.__code__.co_firstlineno + 1


def test_the_wrong_order_is_not_transposed(cause_of, rng):
    cause = cause_of(product, lambda u, a, b: (u @ b.T, u @ a.T), [rng.normal(size=(3, 3)), rng.normal(size=(3, 3))])
    assert cause.code == "GC110"


def test_the_jacobian_itself(cause_of, rng):
    cause = cause_of(np.cumsum, lambda u, x: (np.cumsum(u),), [rng.normal(size=6)])
    assert cause.code == "GC103"
    assert "transposed Jacobian" in cause.message


def test_a_shift_the_same_way_is_an_order(cause_of, rng):
    assert cause_of(lambda x: np.roll(x, 1), lambda u, x: (np.roll(u, 1),), [rng.normal(size=6)]).code == "GC111"
