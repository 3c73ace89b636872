"""Right code in which little is said of shapes, settings and callings: none of it may be called WRONG. What cannot be guessed is
SKIPPED with what to add, and counted."""

import json

import pytest
from click.testing import CliRunner

from gradtool.cli import main
from gradtool.results import Skipped
from tests.conventions.looking import look, told, words

NUMPY = "import numpy as np\n\n\ndef sigmoid(x):\n    return 1 / (1 + np.exp(-x))\n"

RIGHT = {
    "hidden layer of a class with settings": """
class TwoLayerNet:
    def __init__(self, input_size, hidden_size, output_size, weight_scale=0.3):
        rng = np.random.default_rng(1)
        self.params = {
            "W1": weight_scale * rng.normal(size=(input_size, hidden_size)),
            "b1": np.zeros(hidden_size),
            "W2": weight_scale * rng.normal(size=(hidden_size, output_size)),
            "b2": np.zeros(output_size),
        }
        self.grads = {}

    def forward(self, X):
        self.X = X
        self.h = np.tanh(X @ self.params["W1"] + self.params["b1"])
        return self.h @ self.params["W2"] + self.params["b2"]

    def backward(self, dout):
        self.grads["W2"] = self.h.T @ dout
        self.grads["b2"] = dout.sum(axis=0)
        dz = dout @ self.params["W2"].T * (1 - self.h**2)
        self.grads["W1"] = self.X.T @ dz
        self.grads["b1"] = dz.sum(axis=0)
        return dz @ self.params["W1"].T
""",
    "Rosenbrock in two variables": """
def rosenbrock(x):
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


def rosenbrock_grad(x):
    return np.array([-2 * (1 - x[0]) - 400 * x[0] * (x[1] - x[0] ** 2), 200 * (x[1] - x[0] ** 2)])


def rosenbrock_hess(x):
    return np.array([[2 - 400 * x[1] + 1200 * x[0] ** 2, -400 * x[0]], [-400 * x[0], 200.0]])
""",
    "two numbers": """
def himmelblau(x, y):
    return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2


def himmelblau_grad(x, y):
    a, b = x**2 + y - 11, x + y**2 - 7
    return 4 * x * a + 2 * b, 2 * a + 4 * y * b
""",
    "logistic regression": """
def cost_function(theta, X, y):
    h = sigmoid(X @ theta)
    return -np.mean(y * np.log(h) + (1 - y) * np.log(1 - h))


def cost_gradient(theta, X, y):
    return X.T @ (sigmoid(X @ theta) - y) / len(y)
""",
    "ridge with a default strength": """
def ridge_forward(X, w, lam=0.1):
    return np.sum((X @ w) ** 2) + lam * np.sum(w**2), (X, w, lam)


def ridge_backward(dout, cache):
    X, w, lam = cache
    r = X @ w
    dX = 2 * dout * np.outer(r, w)
    dw = 2 * dout * (X.T @ r + lam * w)
    return dX, dw
""",
    "a convolution in one dimension": """
def conv1d_forward(x, w):
    n = len(x) - len(w) + 1
    return np.array([x[i : i + len(w)] @ w for i in range(n)]), (x, w)


def conv1d_backward(dout, cache):
    x, w = cache
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for i, d in enumerate(dout):
        dx[i : i + len(w)] += d * w
        dw += d * x[i : i + len(w)]
    return dx, dw
""",
    "a recurrent cell without words": """
def rnn_forward(x, h, Wx, Wh, b):
    h_next = np.tanh(x @ Wx + h @ Wh + b)
    return h_next, (x, h, Wx, Wh, h_next)


def rnn_backward(dh_next, cache):
    x, h, Wx, Wh, h_next = cache
    da = dh_next * (1 - h_next**2)
    dx, dh = da @ Wx.T, da @ Wh.T
    dWx, dWh, db = x.T @ da, h.T @ da, da.sum(axis=0)
    return dx, dh, dWx, dWh, db
""",
    "examples in columns, weights on the left": """
def linear_forward(A, W, b):
    return np.dot(W, A) + b, (A, W, b)


def linear_backward(dZ, cache):
    A_prev, W, b = cache
    dW = np.dot(dZ, A_prev.T)
    db = np.sum(dZ, axis=1, keepdims=True)
    dA_prev = np.dot(W.T, dZ)
    return dA_prev, dW, db
""",
    "layers that others are made of": """
def affine_forward(x, w, b):
    return x @ w + b, (x, w, b)


def affine_backward(dout, cache):
    x, w, b = cache
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)


def relu_forward(x):
    return np.maximum(0, x), x


def relu_backward(dout, cache):
    return np.where(cache > 0, dout, 0)


def affine_relu_forward(x, w, b):
    a, fc_cache = affine_forward(x, w, b)
    out, relu_cache = relu_forward(a)
    return out, (fc_cache, relu_cache)


def affine_relu_backward(dout, cache):
    fc_cache, relu_cache = cache
    da = relu_backward(dout, relu_cache)
    dx, dw, db = affine_backward(da, fc_cache)
    return dx, dw, db
""",
    "an activation chosen by a word": """
def activation_forward(Z, activation):
    if activation == "sigmoid":
        A = sigmoid(Z)
    elif activation == "relu":
        A = np.maximum(0, Z)
    else:
        raise ValueError(activation)
    return A, (Z, activation)


def activation_backward(dA, cache):
    Z, activation = cache
    if activation == "sigmoid":
        s = sigmoid(Z)
        return dA * s * (1 - s)
    return dA * (Z > 0)
""",
    "binary cross-entropy of probabilities": """
def bce(y_true, y_pred):
    return -np.mean(y_true * np.log(y_pred) + (1 - y_true) * np.log(1 - y_pred))


def bce_prime(y_true, y_pred):
    return ((1 - y_true) / (1 - y_pred) - y_true / y_pred) / np.size(y_true)
""",
    "positive numbers only": """
def logsum_forward(x):
    return np.log(x).sum() + np.sqrt(x).sum(), x


def logsum_backward(dout, cache):
    return dout * (1 / cache + 0.5 / np.sqrt(cache))
""",
    "a matrix that must be square": """
def logdet(A):
    return np.log(np.abs(np.linalg.det(A)))


def logdet_grad(A):
    return np.linalg.inv(A).T
""",
    "a flatten layer": """
class Flatten:
    def forward(self, x):
        self.shape = x.shape
        return x.reshape(x.shape[0], -1)

    def backward(self, dout):
        return dout.reshape(self.shape)
""",
    "a reshape of a class": """
class Reshape:
    def __init__(self, input_shape, output_shape):
        self.input_shape = input_shape
        self.output_shape = output_shape

    def forward(self, input):
        return np.reshape(input, self.output_shape)

    def backward(self, output_gradient, learning_rate):
        return np.reshape(output_gradient, self.input_shape)
""",
    "an activation given as two functions": """
class Activation:
    def __init__(self, activation, activation_prime):
        self.activation = activation
        self.activation_prime = activation_prime

    def forward(self, input):
        self.input = input
        return self.activation(self.input)

    def backward(self, output_gradient, learning_rate):
        return np.multiply(output_gradient, self.activation_prime(self.input))
""",
    "softmax of a batch": """
def softmax_forward(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    s = e / e.sum(axis=-1, keepdims=True)
    return s, s


def softmax_backward(dout, s):
    return s * (dout - (dout * s).sum(axis=-1, keepdims=True))
""",
    "a gather": """
def gather_forward(x, idx):
    return x[idx], (x.shape, idx)


def gather_backward(dout, cache):
    shape, idx = cache
    dx = np.zeros(shape)
    np.add.at(dx, idx, dout)
    return dx
""",
    "a mean over an axis that is given": """
def mean_forward(x, axis):
    return x.mean(axis=axis), (x.shape, axis)


def mean_backward(dout, cache):
    shape, axis = cache
    return np.broadcast_to(np.expand_dims(dout, axis), shape) / shape[axis]
""",
    "lists for vectors": """
def dot(a, b):
    return sum(p * q for p, q in zip(a, b, strict=True))


def dot_grad(a, b):
    return list(b), list(a)
""",
    "an input that nobody can guess": """
def parse_forward(record):
    return record.amount.value * 2.0, None


def parse_backward(dout, cache):
    return 2.0 * dout
""",
    "a matrix of one exact shape": """
def camera_forward(P):
    if P.shape != (3, 4):
        raise ValueError("a camera has three rows and four columns")
    return P**2, P


def camera_backward(dout, cache):
    return 2 * dout * cache
""",
    "an exact size that the error does not tell": """
def board_forward(x):
    assert x.shape == (19, 19)
    return x**2, x


def board_backward(dout, cache):
    return 2 * dout * cache
""",
    "momentum kept between calls": """
class Scale:
    velocity = 0.0

    def __init__(self, gain):
        self.gain = gain

    def forward(self, x):
        self.x = x
        return self.gain * x

    def backward(self, dout):
        self.dgain = np.sum(dout * self.x)
        Scale.velocity = 0.9 * Scale.velocity + self.dgain
        return dout * self.gain
""",
}
SKIPPED_ARE = {
    "an input that nobody can guess",
    "an exact size that the error does not tell",
    "an activation given as two functions",
    "a reshape of a class",
}
"""Those of which nobody could know how to call them; all others are checked."""


@pytest.mark.parametrize("name", RIGHT)
def test_nothing_right_is_wrong(name, tmp_path):
    results = look(NUMPY + RIGHT[name], tmp_path)
    assert results, "nothing was found"
    found = set(words(results).values())
    assert found <= {"OK", "SKIPPED", "UNDECIDED"}, told(results)
    if name not in SKIPPED_ARE:
        assert found == {"OK"}, told(results)


@pytest.mark.parametrize("name", sorted(SKIPPED_ARE))
def test_what_cannot_be_guessed_says_what_to_add(name, tmp_path):
    for one in look(NUMPY + RIGHT[name], tmp_path).values():
        if isinstance(one, Skipped):
            assert "_inputs()" in one.reason or "--arg" in one.reason or "--set" in one.reason, one.reason


def test_what_was_skipped_is_counted(tmp_path, monkeypatch):
    """What cannot be guessed beside what can, from the command line."""
    monkeypatch.chdir(tmp_path)
    checked = ["two numbers", "layers that others are made of"]
    for number, name in enumerate([*sorted(SKIPPED_ARE), *checked]):
        (tmp_path / f"module{number}.py").write_text(NUMPY + RIGHT[name], encoding="utf-8")
    found = CliRunner().invoke(main, ["check", ".", "--strict", "--format", "json"])
    document = json.loads(found.stdout)
    summary = document["summary"]
    assert (summary["targets"], summary["ok"]) == (4, 4)
    assert summary["skipped"] == len(document["skipped"]) == len(SKIPPED_ARE)
    assert all(one["reason"] for one in document["skipped"])
    assert found.exit_code == 4, "--strict does not let what was skipped pass"
