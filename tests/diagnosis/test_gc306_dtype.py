import numpy as np

from tests.diagnosis.hygiene_trials import X, codes, verdict


def test_a_gradient_of_another_type():
    assert codes(np.sin, lambda d, x: d * np.cos(x), X.astype(np.float32)) == []
    assert codes(np.sin, lambda d, x: (d * np.cos(x)).astype(np.float64), X.astype(np.float32)) == ["GC306"]


def test_it_is_a_warning():
    assert verdict(np.sin, lambda d, x: (d * np.cos(x)).astype(np.float64), X.astype(np.float32)) == "OK"
