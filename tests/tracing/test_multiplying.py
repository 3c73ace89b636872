"""Products, contractions and linear algebra, against differences."""

import numpy as np
import pytest

from gradtool.tracing import Untraceable, trace

rng = np.random.default_rng(8)
A = rng.normal(size=(3, 3)) + 2 * np.eye(3)
B = rng.normal(size=(3, 4))
C = rng.normal(size=(2, 3, 4))
U, V = rng.normal(size=3), rng.normal(size=4)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (np.dot, (A, B)),
        (lambda a, b: a.dot(b), (A, U)),
        (np.dot, (U, U + 1)),
        (np.dot, (C, V)),
        (np.dot, (C, rng.normal(size=(2, 4, 2)))),
        (np.dot, (2.0, B)),
        (np.vdot, (B, B + 1)),
        (np.inner, (B, C)),
        (np.inner, (U, U + 1)),
        (np.outer, (U, V)),
        (np.kron, (A, B)),
        (np.kron, (U, B)),
        (np.cross, (A, U)),
        (lambda a, b: np.tensordot(a, b, axes=1), (A, B)),
        (lambda a, b: np.tensordot(a, b, axes=([1, 2], [0, 1])), (C, B)),
        (lambda a, b: np.tensordot(a, b, axes=(0, 1)), (U, C)),
        (np.trace, (A,)),
        (lambda a: a.trace(), (A,)),
        (lambda a: np.trace(a, 1, 1, 2), (C,)),
        (np.linalg.inv, (A,)),
        (np.linalg.det, (A,)),
        (lambda a: np.linalg.slogdet(a)[1], (A,)),
        (lambda a: np.linalg.slogdet(a).logabsdet, (A,)),
        (lambda a: np.linalg.cholesky(a @ a.T), (A,)),
        (lambda a: np.linalg.cholesky(a), (A @ A.T,)),  # whose upper triangle NumPy does not read
        (lambda a: np.linalg.cholesky(a) * 2, (np.stack((A @ A.T, np.eye(3))),)),
        (np.linalg.solve, (A, U)),
        (np.linalg.solve, (A, B)),
        (lambda a: np.linalg.matrix_power(a, 3), (A,)),
        (lambda a: np.linalg.matrix_power(a, -2), (A,)),
        (lambda a, b, c: np.linalg.multi_dot([a, b, c]), (A, B, V)),
        (np.linalg.norm, (B,)),
        (lambda x: np.linalg.norm(x, axis=1, keepdims=True), (B,)),
        (lambda x: np.linalg.norm(x, 1, axis=0), (B,)),
        (lambda x: np.linalg.norm(x, np.inf), (U,)),
        (lambda x: np.linalg.norm(x, 3), (U,)),
        (lambda x: np.linalg.norm(x, "fro"), (B,)),
        (lambda x: np.linalg.norm(x, 1), (B,)),
        (lambda x: np.linalg.norm(x, np.inf), (B,)),
        (np.convolve, (V, U)),
        (lambda a, v: np.convolve(a, v, "same"), (V, U)),
        (lambda a, v: np.convolve(a, v, "valid"), (U, V)),
        (lambda a, v: np.correlate(a, v), (V, U)),
        (lambda a, v: np.correlate(a, v, "full"), (V, U)),
    ],
)
def test_products(check, function, arguments):
    check(function, *arguments)


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("ij,jk->ik", [(3, 3), (3, 4)]),
        ("ij,jk", [(3, 3), (3, 4)]),
        ("ba,b", [(3, 4), (3,)]),
        ("bij,bjk->bik", [(2, 3, 4), (2, 4, 2)]),
        ("bhqd,bhkd->bhqk", [(2, 2, 3, 2), (2, 2, 4, 2)]),
        ("nchw,fc->nfhw", [(2, 3, 2, 2), (4, 3)]),
        ("i,j->ij", [(3,), (4,)]),
        ("ij,ij->", [(3, 4), (3, 4)]),
        ("ij,ij->i", [(3, 4), (3, 4)]),
        ("ij->ji", [(3, 4)]),
        ("ij->j", [(3, 4)]),
        ("ii->i", [(3, 3)]),
        ("ii", [(3, 3)]),
        ("iij,jk->ik", [(2, 2, 3), (3, 2)]),
        ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 2)]),
        ("ij,kl->jk", [(2, 3), (2, 4)]),
        ("...ij,...jk->...ik", [(2, 3, 4), (4, 2)]),
        ("...i,i->...", [(2, 3, 4), (4,)]),
        ("bi,bi->bi", [(1, 3), (2, 3)]),
        ("ij,j->ij", [(3, 4), (4,)]),
    ],
)
def test_einsum(check, text, shapes):
    draw = np.random.default_rng(1)
    check(lambda *operands: np.einsum(text, *operands), *(draw.normal(size=shape) for shape in shapes))


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda a: np.linalg.svd(a)[1], r"np\.linalg\.svd"),
        (lambda a: np.linalg.eigh(a)[0], r"np\.linalg\.eigh"),
        (lambda a: np.linalg.norm(a, 2), "ord=2"),
        (lambda a: np.einsum(a, [0, 1]), "subscripts as text"),
        (lambda a: np.cross(a[:, :2], a[:, 1:]), "three entries|3-dimensional"),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_has_no_rule_is_refused_by_name(function, reason):
    with pytest.raises(Untraceable, match=reason):
        trace(function, {"a": A})
