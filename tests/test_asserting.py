import numpy as np
import pytest

import gradtool

X = np.array([0.5, -1.0])


def test_a_right_backward_gives_its_result():
    result = gradtool.assert_gradients(np.sin, lambda d, x: d * np.cos(x), inputs=[X])
    assert str(result.verdict) == "OK"


def test_a_wrong_one_raises_with_the_report():
    with pytest.raises(AssertionError) as caught:
        gradtool.assert_gradients(np.sin, lambda d, x: -d * np.cos(x), inputs=[X], names=["x"])
    assert isinstance(caught.value, gradtool.GradientError)
    assert "WRONG" in str(caught.value)
    assert "x" in str(caught.value)
    assert str(caught.value.result.verdict) == "WRONG"


def test_what_could_not_be_checked_raises_too():
    with pytest.raises(AssertionError, match="integers"):
        gradtool.assert_gradients(lambda x: x, lambda d, x: d, inputs=[3])


def test_undecided_raises_where_it_is_strict():
    def relu(x):
        return np.maximum(x, 0)

    def backward(d, x):
        return d * (x > 0)

    at = np.array([0.0, 1.0])
    assert str(gradtool.assert_gradients(relu, backward, inputs=[at]).verdict) == "UNDECIDED"
    with pytest.raises(AssertionError, match="UNDECIDED"):
        gradtool.assert_gradients(relu, backward, inputs=[at], strict=True)
