import numpy as np
import pytest

from gradtool.references.jacobian import jacobian
from gradtool.references.sampling import FunctionEvaluable


def test_all_outputs_by_all_entries():
    A = np.arange(6.0).reshape(2, 3)
    x = np.array([0.5, -1.0, 2.0])
    f = FunctionEvaluable(lambda x: np.tanh(A @ x / 10), {"x": x})
    value, error = jacobian(f, "x", x)
    expected = (1 - np.tanh(A @ x / 10) ** 2)[:, None] * A / 10
    assert value.shape == error.shape == (2, 3)
    assert np.abs(value - expected).max() < 1e-9
    assert (np.abs(value - expected) <= 10 * error + 1e-12).all()


def test_a_step_out_of_the_domain_is_unknown():
    def sqrt(x):
        if (x < 0).any():
            raise ValueError
        return np.sqrt(x)

    x = np.array([0.0, 4.0])
    value, error = jacobian(FunctionEvaluable(sqrt, {"x": x}), "x", x)
    assert np.isinf(error[:, 0]).all()
    assert value[1, 1] == pytest.approx(0.25, rel=1e-9)
