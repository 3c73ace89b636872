import numpy as np

from tests.diagnosis.hygiene_trials import codes, verdict


def relu(x):
    return np.maximum(x, 0)


def in_place(d, x):
    d[x <= 0] = 0
    return d


def test_a_backward_that_writes_into_its_upstream():
    assert codes(relu, in_place) == ["GC301"]
    assert verdict(relu, in_place) == "WRONG"


def test_writing_into_a_copy_is_fine():
    assert codes(relu, lambda d, x: in_place(d.copy(), x)) == []
