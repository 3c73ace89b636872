import numpy as np

from tests.diagnosis.hygiene_trials import X, codes, verdict


def accumulating():
    total = np.zeros(X.shape)

    def backward(d, x):
        nonlocal total
        total = total + d * np.cos(x)
        return total

    return backward


def test_a_buffer_that_is_never_set_to_zero():
    assert "GC303" in codes(np.sin, accumulating())
    assert verdict(np.sin, accumulating()) == "WRONG"


def test_a_second_call_that_raises():
    left = [1, 2]

    def backward(d, x):
        left.pop()
        return d * np.cos(x)

    assert "GC303" in codes(np.sin, backward)


def test_the_order_of_a_sum_may_differ():
    calls = []

    def backward(d, x):
        calls.append(1)
        return d * np.cos(x) * (1 + (len(calls) % 2) * 1e-16)

    assert codes(np.sin, backward) == []
