import numpy as np

from tests.diagnosis.hygiene_trials import codes, verdict


def test_a_backward_that_reshapes_in_place():
    def backward(d, x):
        d = d.view()
        d.shape = (-1,)
        return d.reshape(x.shape) * np.cos(x)

    assert set(codes(np.sin, backward)) == {"GC307"}
    assert verdict(np.sin, backward) == "OK"


def test_reshape_copies_where_it_must():
    assert codes(np.sin, lambda d, x: d.reshape(-1).reshape(x.shape) * np.cos(x)) == []
