"""Which matrix product was taken for which, without tracing."""

import numpy as np
import pytest

from gradtool.diagnosis.products import Product, confused_product


def product(x, w):
    return x @ w


@pytest.mark.parametrize(
    ("dx", "text", "kind"),
    [
        (lambda u, x, w: u @ w, "upstream @ w", "transposed"),
        (lambda u, x, w: u, "upstream", "missing"),
        (lambda u, x, w: w.T @ u, "w.T @ upstream", "other"),
        (lambda u, x, w: u * w, "upstream * w", "other"),
        (lambda u, x, w: -u @ w.T, "-upstream @ w.T", "other"),
    ],
)
def test_confused(evidence_of, rng, dx, text, kind):
    points = [[rng.normal(size=(3, 3)), rng.normal(size=(3, 3))] for _ in range(2)]
    found = confused_product(evidence_of(product, lambda u, x, w: (dx(u, x, w), w), points, traced=False))
    assert (found.right, found.yours, found.kind) == ("upstream @ w.T", text, kind)


def test_no_product(evidence_of, rng):
    points = [[rng.normal(size=(3, 3)), rng.normal(size=(3, 3))] for _ in range(2)]
    assert (
        confused_product(evidence_of(lambda x, w: np.sin(x) @ w, lambda u, x, w: (u, w), points, traced=False)) is None
    )


def test_text():
    assert Product(-1, "w.T", "").text == "-w.T @ upstream"
