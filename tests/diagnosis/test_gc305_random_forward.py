import numpy as np

from tests.diagnosis.hygiene_trials import codes, verdict


def test_a_forward_that_draws():
    masks = []

    def forward(x):
        masks.append(np.random.rand(*x.shape) < 0.5)
        return x * masks[-1]

    assert codes(forward, lambda d, x: d * masks[-1]) == ["GC305"]
    assert verdict(forward, lambda d, x: d * masks[-1]) == "OK"


def test_a_seed_of_its_own_is_not_random():
    def forward(x):
        return x * np.random.default_rng(0).random(x.shape)

    def backward(d, x):
        return d * np.random.default_rng(0).random(x.shape)

    assert codes(forward, backward) == []
