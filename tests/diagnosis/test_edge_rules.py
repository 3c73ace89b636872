"""The wrong rules of matrix products, shifts, indices and maxima give what people's wrong code gives."""

import numpy as np
import pytest

from gradtool.diagnosis.edge_rules import structured
from gradtool.diagnosis.program import programs


def rewritten(evidence_of, forward, inputs, kind, words):
    evidence = evidence_of(forward, lambda u, *given: given, [inputs])
    program = programs(evidence)[0]
    found = [r for r in structured(program, kind) if words in r.message]
    return [program.gradient_with(r.make(program)) for r in found], program.look.sight.upstream[0]


def product(x, w):
    return x @ w


@pytest.mark.parametrize(
    ("kind", "words", "expected"),
    [
        ("transposed", "a factor of the matrix product is not transposed", lambda u, w: u @ w),
        ("transposed", "the matrix product's gradient is transposed", lambda u, w: w @ u.T),
        ("wrong", "in the wrong order at", lambda u, w: w.T @ u),
        ("wrong", "an elementwise product stands", lambda u, w: u * w),
        ("missing", "the other factor of the matrix product is left out", lambda u, w: u),
    ],
)
def test_a_product(evidence_of, rng, kind, words, expected):
    inputs = [rng.normal(size=(3, 3)), rng.normal(size=(3, 3))]
    found, upstream = rewritten(evidence_of, product, inputs, kind, words)
    np.testing.assert_allclose(found[0], expected(upstream, inputs[1]))


def test_shapes_that_do_not_fit_are_none(evidence_of, rng):
    found, _ = rewritten(
        evidence_of, product, [rng.normal(size=(4, 3)), rng.normal(size=(3, 2))], "wrong", "wrong order"
    )
    assert all(gradient is None for gradient in found)


def test_roll(evidence_of, rng):
    found, upstream = rewritten(evidence_of, lambda x: np.roll(x, 1), [rng.normal(size=5)], "moved", "same way")
    (gradient,) = found
    np.testing.assert_allclose(gradient, np.roll(upstream, 1))


def test_max(evidence_of, rng):
    x = rng.normal(size=(2, 3))
    found, upstream = rewritten(evidence_of, lambda x: x.max(axis=1), [x], "missing", "every entry gets")
    np.testing.assert_allclose(found[0], np.repeat(upstream[:, None], 3, axis=1))
    found, upstream = rewritten(evidence_of, lambda x: x.max(axis=1), [x], "region", "absolute")
    np.testing.assert_allclose(found[0], np.eye(3)[np.abs(x).argmax(axis=1)] * upstream[:, None])


def test_a_block_left_out_may_broadcast(evidence_of, rng):
    def log_softmax(x):
        return x - np.log(np.exp(x).sum(axis=1, keepdims=True))

    found, upstream = rewritten(evidence_of, log_softmax, [rng.normal(size=(2, 3))], "missing", "is left out")
    wanted = upstream - upstream.sum(axis=1, keepdims=True)
    assert any(gradient is not None and np.allclose(gradient, wanted) for gradient in found)


def windows(x, w):
    return np.array([x[k : k + 3] @ w for k in range(3)])


def test_a_product_of_vectors_makes_no_rule_raise(cause_of, rng):
    def backward(u, x, w):
        dx, dw = np.zeros_like(x), np.zeros_like(w)
        for k in range(3):
            dx[k : k + 3] += u[k] * w
            dw += u[k] * x[k : k + 3] + 0.1 * k * w
        return dx, dw

    cause = cause_of(windows, backward, [rng.normal(size=5), rng.normal(size=3)], "w")
    assert cause.code.startswith("GC1")
