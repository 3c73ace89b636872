import numpy as np

from gradtool.verdict.traced import traced_gradient

X = np.array([[0.5, -1.0], [2.0, 0.3]])
U = np.array([[1.0, -2.0], [0.5, 0.7]])


def test_the_gradient_of_a_numpy_function_with_its_rounding():
    value, error = traced_gradient(lambda x: np.tanh(x @ x), {"x": X}, [U])["x"]
    d = U * (1 - np.tanh(X @ X) ** 2)
    expected = d @ X.T + X.T @ d
    assert np.abs(value - expected).max() < 1e-13
    assert (error < 1e-12).all()
    assert (np.abs(value - expected) <= error).all()


def test_several_outputs_and_labels():
    found = traced_gradient(lambda x, k: (x[k], x.sum()), {"x": X, "k": np.array([1, 1])}, [U, np.array(2.0)])
    assert np.abs(found["x"][0] - (2.0 + np.array([[0, 0], U.sum(axis=0)]))).max() < 1e-13
    assert set(found) == {"x"}


def test_where_a_convention_decides_the_error_is_infinite():
    value, error = traced_gradient(lambda x: np.maximum(x, 0), {"x": np.array([0.0, 2.0])}, [np.ones(2)])["x"]
    assert np.isinf(error[0])
    assert (value[1], error[1] < 1e-10) == (1.0, True)


def test_what_cannot_be_traced_has_no_opinion():
    assert traced_gradient(None, {"x": X}, [U]) == {}
    assert traced_gradient(lambda x: float(x[0, 0]), {"x": X}, [np.array(1.0)]) == {}
    assert traced_gradient(lambda x: x, {"x": X}, [np.ones(3)]) == {}
