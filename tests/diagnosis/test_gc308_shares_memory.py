import numpy as np

from tests.diagnosis.hygiene_trials import X, codes


def test_a_gradient_that_is_an_input():
    forward = lambda x, w: x * w
    assert codes(forward, lambda d, x, w: (d * w, np.multiply(x, d, out=np.empty_like(x))), X, X + 1) == []
    assert codes(lambda x, y: (x * y).sum(), lambda d, x, y: (d * y, d * x), X, X + 1) == []

    def view(d, x, y):
        g = np.multiply(d, y)
        x[...] = d * x
        return g, x

    assert "GC308" in codes(lambda x, y: x * y, view, X, X + 1)


def test_sharing_with_the_upstream_is_fine():
    assert codes(lambda x: x + 1, lambda d, x: d) == []
