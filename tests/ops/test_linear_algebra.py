"""Linear algebra: all shapes NumPy takes, ill-conditioned and singular matrices."""

from typing import Any

import numpy as np
import pytest

from gradtool.ops import REGISTRY, exact

NAMES = ["matmul", "dot", "outer", "transpose", "trace", "inv", "det", "slogdet", "solve", "cholesky"]
HILBERT = 1.0 / (np.arange(8)[:, None] + np.arange(8) + 1)


@pytest.mark.parametrize("name", NAMES)
def test_cases(name, check_cases):
    check_cases(name)


@pytest.mark.parametrize("name", ["inv", "det", "slogdet", "solve", "cholesky"])
def test_cases_by_lapack(name, check_cases, monkeypatch):
    monkeypatch.setattr(exact, "MAX_SIZE", 0)
    check_cases(name, 1e-10)


def test_shapes_as_numpy(at):
    rng = np.random.default_rng(0)
    pairs: list[tuple[str, Any]] = [("matmul", np.matmul), ("dot", np.dot), ("outer", np.outer)]
    for name, function in pairs:
        for case in at(name, [1.0], [1.0]).operation.cases:
            a, b = (rng.standard_normal(shape) for shape in case.shapes)
            found = at(name, a, b)
            expected = function(a, b)
            assert found.settled.shape == expected.shape
            np.testing.assert_allclose(found.out(), expected, rtol=1e-12, atol=1e-14)


def test_the_exercise_of_every_course(at):
    W, x = np.array([[1.0, 2, 3], [4, 5, 6]]), np.array([1.0, -1, 2])
    product = at("matmul", W, x)
    upstream = [10.0, 1.0]
    np.testing.assert_array_equal(product.vjp(0, upstream), np.outer(upstream, x))
    np.testing.assert_array_equal(product.vjp(1, upstream), W.T @ upstream)
    np.testing.assert_array_equal(at("dot", x, x).vjp(0, 2.0), 2 * x)


def test_ill_conditioned_to_the_last_digit(at):
    """The Hilbert matrix of order 8 has condition number 1.5e10: LAPACK is right to five digits."""
    rng = np.random.default_rng(1)
    assert at("det", HILBERT).worst() < 1e-15
    assert at("inv", HILBERT).worst(rng.standard_normal((8, 8))) < 1e-15
    assert at("solve", HILBERT, np.ones(8)).worst(rng.standard_normal(8)) < 1e-15


def test_widely_scaled(at):
    assert at("det", np.diag([1e200, 1e-200, 1e100])).worst() < 1e-15
    assert at("solve", [[1.0, 1e20], [1.0, 1.0]], [1e20, 2.0]).worst() < 1e-15
    assert at("inv", [[1e200, 1e190], [0.0, 1e-200]]).out()[1, 1] == 1e200


@pytest.mark.parametrize(
    ("matrix", "cofactors"),
    [
        ([[1, 2], [2, 4]], [[4, -2], [-2, 1]]),
        ([[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[-3, 6, -3], [6, -12, 6], [-3, 6, -3]]),
        (np.arange(16).reshape(4, 4), np.zeros((4, 4))),
        (np.zeros((2, 2)), np.zeros((2, 2))),
        ([[0]], [[1]]),
    ],
)
def test_determinant_of_a_singular_matrix(matrix, cofactors, at, monkeypatch):
    point = at("det", matrix)
    assert point.out() == 0
    assert point.vjp(0, 3.0).tolist() == (3 * np.asarray(cofactors)).tolist()
    monkeypatch.setattr(exact, "MAX_SIZE", 0)
    np.testing.assert_allclose(point.vjp(0, 3.0), 3 * np.asarray(cofactors), atol=2e-12)


def test_large_matrices_go_to_lapack(at):
    rng = np.random.default_rng(2)
    x = rng.standard_normal((30, 30))
    assert not exact.worthwhile(x)
    np.testing.assert_allclose(at("det", x).vjp(0), np.linalg.det(x) * np.linalg.inv(x).T, rtol=1e-9)
    np.testing.assert_allclose(at("inv", x).out() @ x, np.eye(30), atol=1e-11)


@pytest.mark.parametrize("size", [2, 21])
def test_a_singular_matrix_has_no_inverse_but_its_neighbours_in_the_stack_do(size, at):
    stack = np.stack([np.eye(size), np.zeros((size, size)), 2 * np.eye(size)])
    for found in (at("inv", stack).out(), at("solve", stack, np.broadcast_to(np.eye(size), stack.shape)).out()):
        assert np.isnan(found[1]).all()
        np.testing.assert_array_equal(found[0], np.eye(size))
        np.testing.assert_array_equal(found[2], np.eye(size) / 2)
    assert np.isnan(at("inv", stack).vjp(0)[1]).all()


def test_not_finite_in_not_finite_out(at):
    bad = [[np.nan, 1.0], [0.0, 1.0]]
    for name in ("inv", "det"):
        assert np.isnan(at(name, bad).out()).any()
        assert np.isnan(at(name, bad).vjp(0)).any()


def test_exact_round_trip():
    rng = np.random.default_rng(3)
    x = rng.standard_normal((4, 5)) * 10.0 ** rng.integers(-200, 200, (4, 5))
    numbers, exponents = exact.integers(x)
    for i in range(4):
        assert [exact.rounded(n, 1, exponents[i]) for n in numbers[i]] == x[i].tolist()
    assert exact.rounded(1, 3, 0) == 1 / 3
    assert exact.rounded(-1, 1, 5000) == -np.inf


def test_the_derivative_of_trace_and_transpose(at):
    assert at("trace", np.ones((2, 3))).vjp(0, 5.0).tolist() == [[5, 0, 0], [0, 5, 0]]
    x = np.arange(24.0).reshape(2, 3, 4)
    for axes in (None, (1, 2, 0), (-1, 0, 1)):
        point = at("transpose", x, axes=axes)
        np.testing.assert_array_equal(point.out(), np.transpose(x, axes))
        np.testing.assert_array_equal(point.vjp(0, point.out()), x)


def test_the_logarithm_of_a_determinant_near_one(at):
    """log(det(x)) would have four digits left of it."""
    assert at("slogdet", [[1.0 + 1e-12, 1e-9], [2e-9, 1.0]]).worst() < 1e-15
    assert at("slogdet", [[0.0, 1.0], [1.0 + 1e-14, 3.0]]).worst() < 1e-15


@pytest.mark.parametrize("size", [2, 30])
def test_the_logarithm_of_a_determinant_beyond_the_range(size, at):
    for scale in (1e200, 1e-200, -1e200):
        point = at("slogdet", scale * np.eye(size))
        assert point.out() == pytest.approx(size * np.log(abs(scale)), rel=1e-14)
        np.testing.assert_allclose(point.vjp(0, 2.0), 2 / scale * np.eye(size), rtol=1e-14)


def test_the_logarithm_of_no_determinant(at):
    point = at("slogdet", [[1.0, 2.0], [2.0, 4.0]])
    assert point.out() == -np.inf
    assert np.isnan(point.vjp(0)).all()


def test_cholesky_of_the_symmetric_part(at):
    rng = np.random.default_rng(5)
    a = rng.normal(size=(4, 4))
    x = a @ a.T
    skew = rng.normal(size=(4, 4))
    upstream = rng.normal(size=(4, 4))
    point, other = at("cholesky", x), at("cholesky", x + skew - skew.T)
    np.testing.assert_allclose(point.out(), np.linalg.cholesky(x), rtol=1e-12)
    np.testing.assert_allclose(other.out(), point.out(), rtol=1e-12, atol=1e-14)
    down = point.vjp(0, upstream)
    np.testing.assert_array_equal(down, down.T)
    np.testing.assert_allclose(down, point.vjp(0, np.tril(upstream)), rtol=1e-15)  # above the diagonal out is 0


def test_cholesky_of_widely_scaled_matrices(at):
    rng = np.random.default_rng(6)
    upstream = rng.normal(size=(3, 3))
    base = np.array([[2.0, 0.5, -0.25], [0.5, 1.5, 0.75], [-0.25, 0.75, 1.0]])
    for scale in ([1e150, 1.0, 1e-150], [1e-150, 1e-145, 1e-140], [1e153, 1e150, 1e153]):
        point = at("cholesky", base * np.outer(scale, scale))
        np.testing.assert_allclose(point.out(), np.linalg.cholesky(base) * np.array(scale)[:, None], rtol=1e-13)
    scale = [1e3, 1.0, 1e-3]
    assert at("cholesky", base * np.outer(scale, scale)).worst(upstream) < 1e-12


@pytest.mark.parametrize("bad", [-1.0, np.nan])
def test_a_matrix_without_a_cholesky_factor_does_not_spoil_its_neighbours(bad, at):
    point = at("cholesky", np.stack([np.eye(2), bad * np.eye(2), 4 * np.eye(2)]))
    assert np.isnan(point.out()[1]).any()
    np.testing.assert_array_equal(point.out()[[0, 2]], [np.eye(2), 2 * np.eye(2)])
    assert np.isfinite(point.vjp(0)[[0, 2]]).all()


@pytest.mark.parametrize("name", ["cholesky", "slogdet"])
def test_as_pytorch(name, at):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(7)
    a = rng.normal(size=(2, 4, 4))
    x = a @ np.swapaxes(a, -1, -2) + np.eye(4)
    tensor = torch.tensor(x, requires_grad=True)
    expected = torch.linalg.cholesky(tensor) if name == "cholesky" else torch.linalg.slogdet(tensor).logabsdet
    point = at(name, x)
    np.testing.assert_allclose(point.out(), expected.detach().numpy(), rtol=1e-12, atol=1e-12)
    upstream = rng.normal(size=point.out().shape)
    expected.backward(torch.tensor(upstream))
    np.testing.assert_allclose(point.vjp(0, upstream), tensor.grad.numpy(), rtol=1e-12, atol=1e-12)


def test_refusals(refuses):
    assert "square" in refuses("slogdet", (2, 3))
    assert "square" in refuses("cholesky", (4,))
    message = refuses("matmul", (2, 3), (4, 5))
    assert message.startswith("shapes (2, 3) and (4, 5) do not fit")
    assert "has 3 entries" in message
    assert "has 4" in message
    assert "use *" in refuses("matmul", (), (3,))
    assert "(2,) and (3,) do not broadcast" in refuses("matmul", (2, 2, 3), (3, 3, 2))
    assert "(2,) and (3,)" in refuses("dot", (2,), (3,))
    assert "square" in refuses("inv", (2, 3))
    assert "square" in refuses("det", (3,))
    assert "2 rows" in refuses("solve", (2, 2), (3, 1))
    assert "vector or a matrix" in refuses("solve", (2, 2), ())
    assert "matrix" in refuses("trace", (3,))
    assert "exactly once" in refuses("transpose", (2, 3), axes=(0, 0))


@pytest.mark.parametrize(
    ("name", "shapes", "rules"),
    [
        ("matmul", ((2, 3), (3, 4)), ["{upstream} @ {b}.T", "{a}.T @ {upstream}"]),
        ("matmul", ((2, 3), (3,)), ["outer({upstream}, {b})", "{a}.T @ {upstream}"]),
        ("matmul", ((3,), (3, 4)), ["{upstream} @ {b}.T", "outer({a}, {upstream})"]),
        ("matmul", ((3,), (3,)), ["{upstream} * {b}", "{upstream} * {a}"]),
        ("dot", ((), (2, 3)), ["sum({upstream} * {b})", "{upstream} * {a}"]),
        ("dot", ((), ()), ["sum({upstream} * {b})", "sum({upstream} * {a})"]),
        ("matmul", (), ["{upstream} @ {b}.T", "{a}.T @ {upstream}"]),
    ],
)
def test_the_rule_of_a_product_is_that_of_its_shapes(name, shapes, rules):
    assert [REGISTRY[name].rule_of(i, shapes) for i in range(2)] == rules
