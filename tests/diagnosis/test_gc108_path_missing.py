"""GC108: paths of a traced forward, and contributions of an untraced one; a branch of np.where is no path."""

import numpy as np


def residual(x, w):
    h = np.tanh(x @ w)
    return h + x


def test_a_residual_connection(cause_of, rng):
    def backward(u, x, w):
        d = u * (1 - np.tanh(x @ w) ** 2)
        return d @ w.T, x.T @ d

    cause = cause_of(residual, backward, [rng.normal(size=(4, 3)), rng.normal(size=(3, 3))])
    assert cause.code == "GC108"
    assert cause.line == residual.__code__.co_firstlineno + 2


def normalised(x):
    centred = x - x.mean(axis=0)
    return centred / np.sqrt((centred**2).mean(axis=0) + 1e-5)


def test_two_paths(cause_of, rng):
    def backward(u, x):
        return (u / np.sqrt(x.var(axis=0) + 1e-5),)

    cause = cause_of(normalised, backward, [rng.normal(size=(6, 2)) * 2 + 1])
    assert cause.code == "GC108"
    assert "mean" in cause.message


def softmax(x):
    e = np.exp(x)
    return e / e.sum()


def test_only_the_diagonal(cause_of, rng):
    cause = cause_of(softmax, lambda u, x: (u * softmax(x) * (1 - softmax(x)),), [rng.normal(size=4)])
    assert cause.code == "GC108"
    assert "diagonal" in cause.message


def windows(x):
    return np.array([float(x[k]) * 2 + float(x[k + 1]) * 3 + float(x[k + 2]) for k in range(0, 5, 2)])


def test_overwritten_in_code_that_cannot_be_traced(cause_of, rng):
    def backward(u, x):
        dx = np.zeros_like(x)
        for k, d in enumerate(u):
            dx[2 * k : 2 * k + 3] = d * np.array([2.0, 3.0, 1.0])  # should be +=
        return (dx,)

    cause = cause_of(windows, backward, [rng.normal(size=7)])
    assert cause.code == "GC108"
    assert "overwritten" in cause.message


def test_a_branch_is_a_region(cause_of):
    x = np.linspace(-2, 2, 12)
    cause = cause_of(lambda x: np.where(x > 0, x, 0.1 * x**3), lambda u, x: (u * (x > 0),), [x])
    assert cause.code == "GC112"


def shared(x, y):
    a = x * y
    return np.sin(a) + a * a + np.exp(a)


def test_a_node_that_hands_on_what_is_added_up_so_far(cause_of, rng):
    def backward(u, x, y):
        a = x * y
        total, dx, dy = 0 * a, 0 * a, 0 * a
        for arriving in (u * np.cos(a), 2 * u * a, u * np.exp(a)):
            total = total + arriving
            dx, dy = dx + total * y, dy + total * x
        return dx, dy

    cause = cause_of(shared, backward, [rng.normal(size=4), rng.normal(size=4)], "x")
    assert cause.code == "GC108"
    assert "counts paths more than once" in cause.message
    assert "3 times what comes through sin" in cause.message


def maxima(x):
    out = np.zeros((x.shape[0] - 1, x.shape[1] - 1))
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = x[i : i + 2, j : j + 2].max()
    return out


def test_windows_that_are_assigned(cause_of, rng):
    def backward(u, x):
        dx = np.zeros_like(x)
        for i, j in np.ndindex(u.shape):
            window = x[i : i + 2, j : j + 2]
            dx[i : i + 2, j : j + 2] = u[i, j] * (window == window.max())  # should be +=
        return (dx,)

    cause = cause_of(maxima, backward, [rng.normal(size=(4, 5))])
    assert cause.code == "GC108"
    assert "last window that covers it" in cause.message
    assert "overwritten" in cause.message


def test_largest_entries_that_are_assigned(cause_of, rng):
    def backward(u, x):
        dx = np.zeros_like(x)
        for i, j in np.ndindex(u.shape):
            k, m = np.unravel_index(x[i : i + 2, j : j + 2].argmax(), (2, 2))
            dx[i + k, j + m] = u[i, j]  # should be +=
        return (dx,)

    cause = cause_of(maxima, backward, [rng.normal(size=(4, 6))])
    assert cause.code == "GC108"
    assert "overwritten" in cause.message


LABELS = np.array([1, 0, 2])


def cross_entropy(x):
    return (np.log(np.exp(x).sum(axis=1)) - x[np.arange(3), LABELS]).sum()


def test_only_the_entries_that_are_labels(cause_of, rng):
    def backward(u, x):
        p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
        return (u * (p - np.eye(4)[LABELS]) * np.eye(4)[LABELS],)

    cause = cause_of(cross_entropy, backward, [rng.normal(size=(3, 4))])
    assert cause.code == "GC108"
    assert "has only the entries that" in cause.message
    assert cause.line == cross_entropy.__code__.co_firstlineno + 1


def test_a_mean_that_is_not_subtracted(cause_of, rng):
    cause = cause_of(np.std, lambda u, x: (u * x / (x.size * x.std()),), [rng.normal(size=7)])
    assert cause.code == "GC108"
    assert "mean" in cause.message
