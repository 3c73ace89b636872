import numpy as np
import pytest

import gradtool
from tests.diagnosis.hygiene_trials import X, codes, verdict


@pytest.mark.parametrize(
    "backward",
    [
        lambda d, x: np.maximum(d, 0) * np.cos(x),
        lambda d, x: np.clip(d, -5, 5) * np.cos(x),
        lambda d, x: d * np.cos(x) + 1e-3,
        lambda d, x: d / np.linalg.norm(d) * np.cos(x),
    ],
)
def test_upstream_that_is_clipped_dropped_or_normalized(backward):
    assert "GC304" in codes(np.sin, backward)
    assert verdict(np.sin, backward) == "WRONG"


def test_a_linear_one_passes_also_in_single_precision():
    assert codes(np.sin, lambda d, x: d * np.cos(x)) == []
    single = X.astype(np.float32)
    assert codes(np.sin, lambda d, x: d * np.cos(x), single) == []


def test_what_does_not_depend_on_the_upstream_has_a_code_of_its_own():
    report = gradtool.check(np.sin, lambda d, x: np.cos(x), inputs=[X])
    assert [g.cause.code for g in report.gradients] == ["GC117"]
    assert "GC304" not in [h.code for h in report.hygiene]


def test_half_precision_is_linear_to_its_own_digits():
    half = X.astype(np.float16)
    assert "GC304" not in codes(np.tanh, lambda d, x: d * (1 - np.tanh(x) ** 2), half)


def test_a_gradient_that_is_all_rounding_need_not_be_linear():
    def backward(d, x):
        return d / x - d * x / (x * x)

    assert "GC304" not in codes(lambda x: x / x, backward, np.array([0.3, 0.7, 1.9]))
    large = np.array([3e-7, 0.7, 1.9])
    assert "GC304" not in codes(lambda x: x / x + np.sin(x), lambda d, x: backward(d, x) + d * np.cos(x), large)


@pytest.mark.parametrize(("small", "d"), [(1e-12, 1.0), (2e-12, 3.3), (1e-13, -0.7)])
def test_what_is_left_of_large_parts_that_cancel_need_not_be_linear(small, d):
    # As in a saturated softmax: the rounding of d + small is the same for all d of its size; a change of its last digit hides it.
    weights = np.array([small, 1.0])

    def backward(d, x):
        return weights * (d - (d * weights).sum() / weights.sum()) * (1 + 0 * x)

    assert "GC304" not in codes(lambda x: 0 * x + weights * 1e-12, backward, np.array([d, 1.0]))
