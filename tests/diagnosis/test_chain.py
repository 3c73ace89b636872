"""A fault planted in one node of a traced forward is found, and the node is named."""

import numpy as np
import pytest

from gradtool.diagnosis.causes import name_cause
from gradtool.diagnosis.chain import changed_rule, dropped_paths, kept_slice, scaled_path, shifted_index
from gradtool.diagnosis.program import Change, programs

OPERATIONS = {
    "tanh": np.tanh, "exp": lambda v: np.exp(0.3 * v), "sin": np.sin, "atan": np.arctan, "cosh": lambda v: np.cosh(0.5 * v),
    "sqrt": lambda v: np.sqrt(4 + v), "expm1": lambda v: np.expm1(0.2 * v), "log1p": lambda v: np.log1p(2 + 0.3 * v),
}  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_a_local_derivative_left_out_is_named(evidence_of, seed):
    """Random chains of elementwise functions and matrix products; one function's derivative is left out of backward."""
    rng = np.random.default_rng(seed)
    names = [str(n) for n in rng.choice(list(OPERATIONS), 3, replace=False)]
    left_out = names[int(rng.integers(3))]
    matrices = [np.clip(rng.normal(size=(3, 3)), -1, 1) for _ in names]

    def forward(x):
        for name, matrix in zip(names, matrices, strict=True):
            x = OPERATIONS[name](np.tanh(x @ matrix) if name != "tanh" else x @ matrix)
        return x

    points = [[rng.uniform(-1, 1, size=(2, 3))] for _ in range(3)]
    right = programs(evidence_of(forward, lambda u, x: (u * 0 + 1,), points))

    def backward(u, x):
        program = next(p for p in right if p.look.sight.values["x"] is x)
        node = program.graph.operations.index(left_out)
        change = Change(edges={(node, 0): lambda upstream, _: upstream})
        return (program.gradient_with(change, np.asarray(u)),)

    cause = name_cause(evidence_of(forward, backward, points).suspect)
    assert cause.code == "GC109"
    assert f"the derivative of {left_out} at" in cause.message


def residual(x, w):
    return np.tanh(x @ w) + x * x


def points(rng):
    return [[rng.normal(size=(4, 3)), rng.normal(size=(3, 3))] for _ in range(2)]


def with_parts(a, b):
    return lambda u, x, w: (
        a * (u * (1 - np.tanh(x @ w) ** 2)) @ w.T + b * 2 * u * x, x.T @ (u * (1 - np.tanh(x @ w) ** 2)),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("a", "b", "factor", "word"), [(1, 0, 0.0, "*"), (0, 1, 0.0, "@"), (1, -1, -1.0, "*"), (3, 1, 3.0, "@")]
)
def test_a_scaled_path(evidence_of, rng, a, b, factor, word):
    path = scaled_path(evidence_of(residual, with_parts(a, b), points(rng)))
    assert path.is_value(factor)
    assert path.through.startswith(f"through {word} at")
    assert path.line == residual.__code__.co_firstlineno + 1
    assert not path.is_term


def test_no_path_where_all_is_scaled(evidence_of, rng):
    assert scaled_path(evidence_of(residual, with_parts(2, 2), points(rng))) is None
    assert dropped_paths(evidence_of(residual, with_parts(2, 1), points(rng))) is None


def test_a_penalty_is_a_term(evidence_of, rng):
    def loss(x, w):
        return np.sum((x @ w) ** 2) + np.sum(w**2)

    evidence = evidence_of(loss, lambda u, x, w: (2 * u * x @ w @ w.T, 2 * u * x.T @ x @ w), points(rng), "w")
    assert scaled_path(evidence).is_term


def test_a_kept_slice(evidence_of, rng):
    def loss(x, w):
        return np.sum(np.sin(x @ w))

    def backward(u, x, w):
        d = u * np.cos(x @ w)
        return d @ w.T, np.outer(x[0], d[0])

    assert "index 0 of axis 0" in kept_slice(evidence_of(loss, backward, points(rng), "w")).message
    assert kept_slice(evidence_of(loss, lambda u, x, w: (x, 2 * w), points(rng), "w")) is None


def test_a_shifted_index(evidence_of, rng):
    def pick(x):
        return x[[0, 2, 1]] ** 2

    def backward(u, x):
        dx = np.zeros_like(x)
        dx[[1, 3, 2]] = 2 * u * x[[1, 3, 2]]
        return (dx,)

    assert "off by 1" in shifted_index(evidence_of(pick, backward, [[rng.normal(size=4)] for _ in range(2)])).message


def test_kinds_are_kept_apart(evidence_of, rng):
    def forward(x):
        return np.tanh(x)

    evidence = evidence_of(forward, lambda u, x: (u,), [[rng.normal(size=5)] for _ in range(2)])
    assert changed_rule(evidence, "missing") is not None
    assert changed_rule(evidence, "region") is None
