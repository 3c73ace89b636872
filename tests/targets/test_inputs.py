"""Course-style modules get inputs without any help; and what the user gives wins."""

import textwrap

import numpy as np
import pytest

from gradtool.results import Skipped
from gradtool.targets import find_targets
from gradtool.targets.given import Given
from gradtool.targets.inputs import ForwardError, InputMakerError, make_target, names_of
from gradtool.targets.loading import load

LAYERS = '''
import numpy as np

def affine_forward(x, w, b):
    """
    The input x has shape (N, d_1, ..., d_k) and contains a minibatch of N examples. We will reshape each input into a
    vector of dimension D = d_1 * ... * d_k, and then transform it to an output vector of dimension M.

    Inputs:
    - x: A numpy array containing input data, of shape (N, d_1, ..., d_k)
    - w: A numpy array of weights, of shape (D, M)
    - b: A numpy array of biases, of shape (M,)

    Returns a tuple of:
    - out: output, of shape (N, M)
    - cache: (x, w, b)
    """
    return x.reshape(x.shape[0], -1).dot(w) + b, (x, w, b)

def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(x.shape[0], -1).T.dot(dout)
    db = dout.sum(axis=0)
    return dx, dw, db

def relu_forward(x):
    """
    Input:
    - x: Inputs, of any shape
    """
    return np.maximum(0, x), x

def relu_backward(dout, cache):
    dx = dout * (cache > 0)
    return dx

def batchnorm_forward(x, gamma, beta, bn_param):
    """
    Input:
    - x: Data of shape (N, D)
    - gamma: Scale parameter of shape (D,)
    - beta: Shift paremeter of shape (D,)
    - bn_param: Dictionary with the following keys:
      - mode: 'train' or 'test'; required
      - eps: Constant for numeric stability
      - running_mean: Array of shape (D,) giving running mean of features
    """
    mode, eps, D = bn_param["mode"], bn_param.get("eps", 1e-5), x.shape[1]
    running = bn_param.get("running_mean", np.zeros(D))
    if mode == "test":
        return gamma * (x - running) + beta, None
    mu, var = x.mean(axis=0), x.var(axis=0)
    xhat = (x - mu) / np.sqrt(var + eps)
    bn_param["running_mean"] = 0.9 * running + 0.1 * mu
    return gamma * xhat + beta, (xhat, gamma, var, eps)

def batchnorm_backward(dout, cache):
    xhat, gamma, var, eps = cache
    dgamma, dbeta = (dout * xhat).sum(0), dout.sum(0)
    d = dout * gamma
    dx = (d - d.mean(0) - xhat * (d * xhat).mean(0)) / np.sqrt(var + eps)
    return dx, dgamma, dbeta

def conv_forward_naive(x, w, b, conv_param):
    """
    Input:
    - x: Input data of shape (N, C, H, W)
    - w: Filter weights of shape (F, C, HH, WW)
    - b: Biases, of shape (F,)
    - conv_param: A dictionary with the following keys:
      - 'stride': The number of pixels between adjacent receptive fields in the
        horizontal and vertical directions.
      - 'pad': The number of pixels that will be used to zero-pad the input.
    """
    s, p = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    out = np.zeros((N, F, 1 + (H + 2 * p - HH) // s, 1 + (W + 2 * p - WW) // s))
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            out[:, :, i, j] = np.tensordot(xp[:, :, i*s:i*s+HH, j*s:j*s+WW], w, ([1, 2, 3], [1, 2, 3])) + b
    return out, (x, w, b, conv_param)

def conv_backward_naive(dout, cache):
    x, w, b, conv_param = cache
    s, p = conv_param["stride"], conv_param["pad"]
    HH, WW = w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    dxp, dw, db = np.zeros_like(xp), np.zeros_like(w), dout.sum(axis=(0, 2, 3))
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            dw += np.tensordot(dout[:, :, i, j], xp[:, :, i*s:i*s+HH, j*s:j*s+WW], (0, 0))
            dxp[:, :, i*s:i*s+HH, j*s:j*s+WW] += np.tensordot(dout[:, :, i, j], w, (1, 0))
    dx = dxp[:, :, p:p + x.shape[2], p:p + x.shape[3]]
    return dx, dw, db

def max_pool_forward_naive(x, pool_param):
    """
    Inputs:
    - x: Input data, of shape (N, C, H, W)
    - pool_param: dictionary with the following keys:
      - 'pool_height': The height of each pooling region
    """
    ph, pw, s = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    N, C, H, W = x.shape
    out = np.zeros((N, C, 1 + (H - ph) // s, 1 + (W - pw) // s))
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            out[:, :, i, j] = x[:, :, i*s:i*s+ph, j*s:j*s+pw].max(axis=(2, 3))
    return out, (x, pool_param)

def max_pool_backward_naive(dout, cache):
    x, pool_param = cache
    ph, pw, s = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    dx = np.zeros_like(x)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            window = x[:, :, i*s:i*s+ph, j*s:j*s+pw]
            top = window == window.max(axis=(2, 3), keepdims=True)
            dx[:, :, i*s:i*s+ph, j*s:j*s+pw] += top * dout[:, :, i, j][:, :, None, None]
    return dx

def rnn_step_forward(x, prev_h, Wx, Wh, b):
    h = np.tanh(x @ Wx + prev_h @ Wh + b)
    return h, (x, prev_h, Wx, Wh, h)

def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, h = cache
    da = dnext_h * (1 - h**2)
    dx, dprev_h, dWx, dWh, db = da @ Wx.T, da @ Wh.T, x.T @ da, prev_h.T @ da, da.sum(0)
    return dx, dprev_h, dWx, dWh, db

def sigmoid(x):
    return 1 / (1 + np.exp(-x))

def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    """
    - x: Input data, of shape (N, D)
    - prev_h: Previous hidden state, of shape (N, H)
    - prev_c: previous cell state, of shape (N, H)
    - Wx: Input-to-hidden weights, of shape (D, 4H)
    - Wh: Hidden-to-hidden weights, of shape (H, 4H)
    - b: Biases, of shape (4H,)
    """
    H = prev_h.shape[1]
    a = x @ Wx + prev_h @ Wh + b
    i, f, o, g = sigmoid(a[:, :H]), sigmoid(a[:, H:2*H]), sigmoid(a[:, 2*H:3*H]), np.tanh(a[:, 3*H:])
    c = f * prev_c + i * g
    return o * np.tanh(c), c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, c)

def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, c = cache
    t = np.tanh(c)
    dc = dnext_c + dnext_h * o * (1 - t**2)
    da = np.hstack([dc * g * i * (1 - i), dc * prev_c * f * (1 - f), dnext_h * t * o * (1 - o), dc * i * (1 - g**2)])
    dx, dprev_h, dprev_c, dWx, dWh, db = da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(0)
    return dx, dprev_h, dprev_c, dWx, dWh, db

def word_embedding_forward(x, W):
    """
    - x: Integer array of shape (N, T) giving indices of words. Each element idx of x muxt be in the range 0 <= idx < V.
    - W: Weight matrix of shape (V, D) giving word vectors for all words.
    """
    return W[x], (x, W)

def word_embedding_backward(dout, cache):
    x, W = cache
    dW = np.zeros_like(W)
    np.add.at(dW, x, dout)
    return dW

def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    mask = (np.random.rand(*x.shape) < p) / p if mode == "train" else None
    return (x * mask if mode == "train" else x), (dropout_param, mask)

def dropout_backward(dout, cache):
    dropout_param, mask = cache
    dx = dout * mask if dropout_param["mode"] == "train" else dout
    return dx

def softmax_loss(x, y):
    """
    Inputs:
    - x: Input data, of shape (N, C) where x[i, j] is the score for the jth class for the ith input.
    - y: Vector of labels, of shape (N,) where y[i] is the label for x[i] and 0 <= y[i] < C
    """
    p = np.exp(x - x.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    N = x.shape[0]
    loss = -np.sum(np.log(p[np.arange(N), y])) / N
    dx = p.copy()
    dx[np.arange(N), y] -= 1
    dx /= N
    return loss, dx

def svm_loss(x, y):
    N = x.shape[0]
    margins = np.maximum(0, x - x[np.arange(N), y][:, None] + 1.0)
    margins[np.arange(N), y] = 0
    loss = np.sum(margins) / N
    dx = (margins > 0) / N
    dx[np.arange(N), y] -= dx.sum(axis=1)
    return loss, dx
'''


@pytest.fixture
def made(tmp_path):
    """Makes the targets of a module's text: by name, a Target or what it was skipped for."""

    def make(text, given=None, seed=0):
        path = tmp_path / "layers.py"
        path.write_text(textwrap.dedent(text))
        scope = load(path, "layers.py")
        return Made(scope, given or Given(), seed)

    return make


class Made:
    """Targets by name, made when asked for."""

    def __init__(self, scope, given, seed):
        self.scope, self.given, self.seed = scope, given, seed

    def __getitem__(self, name):
        (found,) = [one for one in find_targets(self.scope) if name in (one.name, one.backward)]
        return make_target(found, self.scope, self.given, self.seed)


def shapes(target, case=0):
    return {name: np.shape(value) for name, value in target.cases[case].values.items()}


def labels(target):
    return [case.label for case in target.cases[1:]]


@pytest.mark.parametrize(
    ("name", "wanted", "source"),
    [
        ("affine", {"x": (4, 2, 3), "w": (6, 5), "b": (5,)}, "docstring"),
        ("relu", {"x": (4, 6)}, "search"),
        ("batchnorm", {"x": (4, 6), "gamma": (6,), "beta": (6,)}, "docstring"),
        ("conv_naive", {"x": (2, 3, 5, 6), "w": (4, 3, 3, 2), "b": (4,)}, "docstring"),
        ("max_pool_naive", {"x": (2, 3, 4, 6)}, "docstring"),
        ("rnn_step", {"x": (4, 6), "prev_h": (4, 5), "Wx": (6, 5), "Wh": (5, 5), "b": (5,)}, "search"),
        (
            "lstm_step",
            {"x": (4, 6), "prev_h": (4, 5), "prev_c": (4, 5), "Wx": (6, 20), "Wh": (5, 20), "b": (20,)},
            "docstring",
        ),
        ("word_embedding", {"x": (4, 3), "W": (6, 5)}, "docstring"),
        ("dropout", {"x": (4, 6)}, "search"),
        ("softmax_loss", {"x": (4, 3), "y": (4,)}, "docstring"),
        ("svm_loss", {"x": (4, 3), "y": (4,)}, "search"),
    ],
)
def test_a_course_is_understood_without_help(made, name, wanted, source):
    target = made(LAYERS)[name]
    assert shapes(target) == wanted
    assert target.input_source == source


def test_cases_off_the_defaults(made):
    targets = made(LAYERS)
    assert labels(targets["affine"]) == ["x of rank 2", "x of rank 4"]
    assert labels(targets["batchnorm"]) == ["eps=0.1"]  # Not the mode that has no backward.
    assert labels(targets["conv_naive"])[:3] == ["stride=2, pad=0", "pad=0", "stride=2"]
    assert "one channel" in labels(targets["conv_naive"])
    assert labels(targets["max_pool_naive"])[:2] == ["stride=1", "pool_height=3, stride=1"]
    assert "mode=test" in labels(targets["dropout"])  # Which has one.


def test_what_was_assumed_is_said(made):
    targets = made(LAYERS)
    assert targets["affine"].notes == ()  # Shapes, and that they are the docstring's, are told elsewhere.
    assert targets["affine"].input_source == "docstring"
    assert "y: labels 0..2 (guessed from its name)" in targets["svm_loss"].notes
    assert "y: labels 0..2" in targets["softmax_loss"].notes
    assert "assumed conv_param = {'stride': 1, 'pad': 1}" in targets["conv_naive"].notes


def test_where_it_stands(made):
    target = made(LAYERS)["affine"]
    assert (target.id, target.forward, target.backward) == ("layers.py::affine", "affine_forward", "affine_backward")
    assert LAYERS.splitlines()[target.line - 1].startswith("def affine_backward")


def test_the_numbers_hang_on_the_seed_and_the_target(made):
    one, same, other = (made(LAYERS, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(one["relu"].cases[0].values["x"], same["relu"].cases[0].values["x"])
    assert not np.array_equal(one["relu"].cases[0].values["x"], other["relu"].cases[0].values["x"])
    assert not np.array_equal(one["relu"].cases[0].values["x"], one["dropout"].cases[0].values["x"])


CLASSES = """
import numpy as np
class Linear:
    def __init__(self, in_features, out_features):
        self.W, self.b = np.random.randn(in_features, out_features), np.zeros(out_features)
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(0)
        return dout @ self.W.T
class Gate:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y
    def backward(self, dz):
        return dz * self.y, dz * self.x
class CrossEntropy:
    def forward(self, logits, labels):
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        self.p, self.labels = e / e.sum(axis=1, keepdims=True), labels
        return -np.mean(np.sum(labels * np.log(self.p), axis=1))
    def backward(self):
        return (self.p - self.labels) / self.labels.shape[0]
"""


def test_indices_reach_to_the_end_of_the_table(made):
    text = """
    import numpy as np
    class Embedding:
        def __init__(self, vocab_size, embed_dim):
            self.W = np.random.randn(vocab_size, embed_dim)
        def forward(self, idx):
            self.idx = idx
            return self.W[idx]
        def backward(self, dout):
            self.dW = np.zeros_like(self.W)
            np.add.at(self.dW, self.idx, dout)
    """
    values = made(text)["Embedding"].cases[0].values
    assert values["idx"].dtype.kind == "i"
    assert values["idx"].max() > 1


def test_sizes_of_a_constructor(made):
    target = made(CLASSES)["Linear"]
    assert shapes(target) == {"x": (4, 6), "W": (6, 5), "b": (5,)}
    assert "assumed in_features = 6, out_features = 5" in target.notes


def test_what_is_called_like_labels_is_an_input_where_backward_gives_its_gradient(made):
    target = made(CLASSES)["Gate"]
    assert shapes(target) == {"x": (4, 6), "y": (4, 6)}
    assert set(target.cases[0].wrt) == {"x", "y"}
    assert target.cases[0].values["y"].dtype == np.float64


def test_targets_of_a_cross_entropy_are_distributions(made):
    values = made(CLASSES)["CrossEntropy"].cases[0].values
    assert values["labels"].shape == values["logits"].shape
    assert (values["labels"].sum(axis=1) == 1).all()


def test_scalar_code_gets_floats(made):
    text = """
    import math
    def sigmoid(x): return 1 / (1 + math.exp(-x))
    def sigmoid_backward(d_out, s): return d_out * s * (1 - s)
    """
    target = made(text)["sigmoid"]
    assert type(target.cases[0].values["x"]) is float


def test_annotations_tell_shapes(made):
    text = """
    from __future__ import annotations
    import numpy as np
    def scale_forward(x: Float[np.ndarray, "n d"], s: Float[np.ndarray, "d"]):
        return x * s, (x, s)
    def scale_backward(dout, cache):
        x, s = cache
        dx, ds = dout * s, (dout * x).sum(0)
        return dx, ds
    """
    target = made(text)["scale"]
    assert shapes(target) == {"x": (4, 6), "s": (6,)}
    assert target.input_source == "annotations"


def test_shapes_that_are_guessed_are_such_as_backward_agrees_with(made):
    """Forward takes a bias of shape (5,) and of shape (1, 5) alike; backward says which it is."""
    text = """
    import numpy as np
    def dense_forward(x, w, b): return x @ w + b, (x, w)
    def dense_backward(dout, cache):
        x, w = cache
        dx, dw, db = dout @ w.T, x.T @ dout, dout.sum(axis=0, keepdims=True)
        return dx, dw, db
    """
    assert shapes(made(text)["dense"]) == {"x": (4, 6), "w": (6, 5), "b": (1, 5)}


def test_code_for_vectors_of_one_length(made):
    text = """
    import numpy as np
    def f(x): return x[0] ** 2 + 3 * x[0] * x[1] + x[2]
    def f_grad(x): return np.array([2 * x[0] + 3 * x[1], 3 * x[0], 1.0])
    def g(p):
        a, b = p
        return a * np.sin(b)
    def g_grad(p):
        a, b = p
        return np.array([np.sin(b), a * np.cos(b)])
    """
    targets = made(text)
    assert shapes(targets["f_grad"]) == {"x": (3,)}
    assert shapes(targets["g_grad"]) == {"p": (2,)}


def test_a_forgotten_sum_is_found_where_any_shape_would_do(made):
    text = """
    def scale_forward(x, gamma): return x * gamma, (x, gamma)
    def scale_backward(dout, cache):
        x, gamma = cache
        dx, dgamma = dout * gamma, dout * x
        return dx, dgamma
    """
    assert shapes(made(text)["scale"]) == {"x": (4, 6), "gamma": (6,)}


def test_code_for_one_example_gets_vectors(made):
    text = """
    import numpy as np
    def dense_forward(x, W, b): return W @ x + b, (x, W)
    def dense_backward(dz, cache):
        x, W = cache
        dx, dW, db = W.T @ dz, np.outer(dz, x), dz
        return dx, dW, db
    """
    found = shapes(made(text)["dense"])
    (outputs, inputs) = found["W"]
    assert found == {"x": (inputs,), "W": (outputs, inputs), "b": (outputs,)}


def test_equal_sizes_do_not_hide_a_product_of_the_wrong_kind(made):
    text = """
    import numpy as np
    def hidden_forward(x, W): return np.tanh(x @ W), (x, W)
    def hidden_backward(dout, cache):
        x, W = cache
        dz = dout @ (1 - np.tanh(x @ W) ** 2)
        dx, dW = dz @ W.T, x.T @ dz
        return dx, dW
    """
    assert shapes(made(text)["hidden"]) == {"x": (4, 6), "W": (6, 5)}


def test_another_rank_is_taken_where_backward_raises_with_the_likeliest(made):
    text = """
    import numpy as np
    def windows_forward(x, w):
        return np.array([np.dot(x[i:i + len(w)], w) for i in range(len(x) - len(w) + 1)]), (x, w)
    def windows_backward(dout, cache):
        x, w = cache
        dx, dw = np.zeros_like(x), np.zeros_like(w)
        for i in range(len(dout)):
            dx[i:i + len(w)] += dout[i] * w
            dw += dout[i] * x[i:i + len(w)]
        return dx, dw
    """
    target = made(text)["windows"]
    assert [len(shape) for shape in shapes(target).values()] == [1, 1]


def test_a_forgotten_sum_is_no_reason_for_another_shape(made):
    text = """
    import numpy as np
    def dense_forward(x, w, b): return x @ w + b, (x, w)
    def dense_backward(dout, cache):
        x, w = cache
        dx, dw, db = dout @ w.T, x.T @ dout, dout
        return dx, dw, db
    """
    assert shapes(made(text)["dense"])["b"] == (5,)


def test_optional_inputs_are_given_and_left_out(made):
    text = """
    import numpy as np
    def linear_forward(x, w, b=None):
        return (x @ w if b is None else x @ w + b), (x, w, b)
    def linear_backward(dout, cache):
        x, w, b = cache
        dx, dw, db = dout @ w.T, x.T @ dout, None if b is None else dout.sum(0)
        return dx, dw, db
    """
    target = made(text)["linear"]
    assert set(shapes(target)) == {"x", "w", "b"}
    without = [case for case in target.cases if case.label == "without b"]
    assert [set(case.values) for case in without] == [{"x", "w"}]


LEAKY = """
import numpy as np
def leaky_forward(x, slope=0.01): return np.where(x > 0, x, slope * x), (x, slope)
def leaky_backward(dout, cache):
    x, slope = cache
    dx = dout * np.where(x > 0, 1, slope)
    return dx
def tanh(x, axis=-1): return np.tanh(x)
def tanh_derivative(x): return 1 - np.tanh(x) ** 2
"""


def test_settings_with_defaults_are_varied_where_backward_can_know(made):
    targets = made(LEAKY)
    assert labels(targets["leaky"]) == ["slope=0.3", "slope=0.05"]
    assert labels(targets["tanh_derivative"]) == []


# What the user gives


def test_the_command_line_wins_then_the_module_then_the_configuration(made):
    given = Given(
        by_target={"affine": {"x": np.ones((2, 3))}},
        configured={"affine": {"x": np.ones((9, 9)), "w": np.ones((9, 9)), "b": np.ones(7)}},
    )
    text = LAYERS + "\ndef affine_inputs():\n    return {'w': np.ones((3, 7)), 'x': np.ones((8, 8))}\n"
    target = made(text, given)["affine"]
    assert shapes(target) == {"x": (2, 3), "w": (3, 7), "b": (7,)}
    assert target.input_source == "command-line+module+configuration"


def test_a_file_of_inputs_comes_after_the_command_line_and_is_named(made):
    given = Given(
        settings={"slope": 0.5}, from_file={"x": np.ones((2, 3)), "slope": 0.25, "of_others": 1}, file="a.json"
    )
    target = made(LEAKY, given)["leaky"]
    assert (shapes(target), target.input_source) == ({"x": (2, 3)}, "inputs-file")
    assert target.notes == ("slope = 0.5 given on the command line", "x given by a.json")
    target = made(LEAKY, Given(from_file=given.from_file, file="a.json"))["leaky"]
    assert target.notes[0] == "slope = 0.25 given by a.json"


def test_settings_that_are_given_are_said(made):
    target = made(LEAKY, Given(configured_settings={"leaky": {"slope": 0.5, "of_others": 1}}))["leaky"]
    assert target.notes[0] == "slope = 0.5 given by the configuration"


def test_letters_are_as_long_as_in_what_is_given(made):
    target = made(LAYERS, Given(by_target={"batchnorm": {"x": np.random.default_rng(0).normal(size=(7, 8))}}))[
        "batchnorm"
    ]
    assert shapes(target) == {"x": (7, 8), "gamma": (8,), "beta": (8,)}
    assert target.input_source == "command-line+docstring"


def test_settings_that_are_given_stay(made):
    target = made(LEAKY, Given(settings={"slope": 0.5}))["leaky"]
    assert labels(target) == []


@pytest.mark.parametrize(
    "maker",
    [
        "return (np.ones((2, 3)), np.ones((3, 4)), np.ones(4))",
        "return [np.ones((2, 3)), np.ones((3, 4)), np.ones(4)]",
        "return dict(x=np.ones((2, 3)), w=np.ones((3, 4)), b=np.ones(4))",
    ],
)
def test_what_a_maker_may_return(made, maker):
    target = made(LAYERS + f"\ndef affine_inputs():\n    {maker}\n")["affine"]
    assert shapes(target) == {"x": (2, 3), "w": (3, 4), "b": (4,)}
    assert target.input_source == "module"


def test_the_modules_own_table(made):
    table = """
gradtool = {
    "affine": {"inputs": {"x": np.ones((2, 3))}, "intentional": "straight-through"},
    "relu": {"skip": "slow"},
}
"""
    targets = made(LAYERS + table)
    assert shapes(targets["affine"])["x"] == (2, 3)
    assert targets["affine"].intentional == "straight-through"
    assert isinstance(targets["relu"], Skipped)
    assert targets["relu"].reason == "slow"


def test_declarations_from_outside(made):
    targets = made(LAYERS, Given(skip={"relu": "slow"}, intentional={"affine": "meant"}))
    assert targets["relu"].reason == "slow"
    assert targets["affine"].intentional == "meant"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("def affine_inputs():\n    raise ValueError('mine')", "affine_inputs.. raised ValueError: mine"),
        ("def affine_inputs():\n    return 3", "a int, where a dictionary"),
        ("def affine_inputs():\n    return 1, 2, 3, 4", "4 values for 3 inputs"),
        ("gradtool = {'affine': {'input': {}}}", "unknown key 'input'"),
        ("gradtool = {'affine': 3}", "a dictionary is needed"),
    ],
)
def test_makers_that_fail(made, more, said):
    with pytest.raises(InputMakerError, match=said) as caught:
        made(LAYERS + "\n" + more)["affine"]
    assert ("mine" in said) == ("layers.py" in caught.value.traceback_of_the_user)


def test_given_inputs_that_forward_does_not_take(made):
    given = Given(by_target={"affine": {"x": np.ones((2, 3)), "w": np.ones((4, 5)), "b": np.ones(5)}})
    with pytest.raises(ForwardError, match=r"affine_forward raised ValueError.*x \(2, 3\), w \(4, 5\)") as caught:
        made(LAYERS, given)["affine"]
    assert "inputs.py" not in caught.value.traceback_of_the_user


def test_a_forward_that_takes_nothing_is_skipped_with_what_to_add(made):
    text = """
    def f_forward(x): raise RuntimeError("never")
    def f_backward(dout, cache): return dout
    """
    skipped = made(text)["f"]
    assert isinstance(skipped, Skipped)
    assert "no inputs found that f_forward accepts" in skipped.reason
    assert "RuntimeError: never" in skipped.reason
    assert 'def f_inputs(): return {"x": ...}' in skipped.reason
    assert "--arg 'f:x=randn(3,4)'" in skipped.reason


def test_generators_of_the_module_are_named(made):
    text = """
    import numpy as np
    rng = np.random.default_rng(0)
    def noise_forward(x): return x * (rng.random(x.shape) + 1), None
    def noise_backward(dout, cache): return dout
    """
    target = made(text)["noise"]
    assert [type(one) for one in target.generators] == [np.random.Generator]


def test_the_names_that_can_be_given(tmp_path):
    path = tmp_path / "layers.py"
    path.write_text(LAYERS)
    scope = load(path, "layers.py")
    names = names_of(next(one for one in find_targets(scope) if one.name == "affine"), scope)
    assert names == ("layers.py::affine", "affine", "affine_forward", "affine_backward", ("x", "w", "b"), ())


def test_an_optional_bias_is_not_left_out_because_its_gradient_is_not_summed(made):
    text = """
    import numpy as np
    def dense_forward(x, w, b=None):
        out = x @ w
        return out if b is None else out + b, (x, w, b)
    def dense_backward(dout, cache):
        x, w, b = cache
        dx, dw, db = dout @ w.T, x.T @ dout, None if b is None else dout
        return dx, dw, db
    """
    assert shapes(made(text)["dense"]) == {"x": (4, 6), "w": (6, 5), "b": (5,)}


def test_a_case_with_an_optional_input_is_kept_where_its_gradient_has_another_shape(made):
    text = '''
    import numpy as np
    def dense_forward(x, w, b=None):
        """x (N, D), w (D, M)"""
        out = x @ w
        return out if b is None else out + b, (x, w, b)
    def dense_backward(dout, cache):
        x, w, b = cache
        dx, dw, db = dout @ w.T, x.T @ dout, None if b is None else dout
        return dx, dw, db
    '''
    given = Given(by_target={"dense": {"x": np.ones((4, 3)), "w": np.ones((3, 2))}})
    target = made(text, given)["dense"]
    assert "b" in shapes(target) or "with b" in labels(target)


IGNORING = """
import numpy as np
def straight_forward(x, scale): return x.copy(), (x, scale)
def straight_backward(dout, cache):
    x, scale = cache
    return {}, np.zeros_like(scale)
"""


def test_an_input_that_forward_ignores_has_the_shape_that_backward_wants(made):
    text = IGNORING.replace("{}", "dout + 0 * scale[:, :x.shape[1]] * x")
    assert shapes(made(text)["straight"]) == {"x": (4, 6), "scale": (4, 6)}


def test_a_backward_that_raises_for_want_of_an_input_that_forward_ignores_is_skipped(made):
    skipped = made(IGNORING.replace("{}", "dout + scale.reshape(3, 5, 7, 2, -1)"))["straight"]
    assert isinstance(skipped, Skipped)
    assert "straight_backward raised ValueError" in skipped.reason
    assert "guess for scale, whose shape does not matter to straight_forward" in skipped.reason
    assert "straight:scale=" in skipped.reason


def test_a_backward_that_raises_whatever_the_shape_is_checked(made):
    assert set(shapes(made(IGNORING.replace("{}", "doubt"))["straight"])) == {"x", "scale"}


LEAKY_CLASS = """
import numpy as np
class Leaky:
    def __init__(self, alpha=0.01, decay=0.1, training=True, name="leaky"):
        self.alpha, self.decay = alpha, decay
    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.alpha * x)
    def backward(self, dout):
        return dout * np.where(self.x > 0, 1, 0.01)
"""


def test_settings_of_a_constructor_are_varied_where_forward_depends_on_them(made):
    target = made(LEAKY_CLASS)["Leaky"]
    assert labels(target) == ["alpha=0.243"]
    slopes = [case.callings[0].start({"x": np.array([-1.0])}).outputs[0] for case in target.cases]
    np.testing.assert_allclose(slopes, [[-0.01], [-0.243]])


def test_a_setting_of_a_constructor_can_be_given(made):
    target = made(LEAKY_CLASS, Given(settings={"alpha": 0.5}))["Leaky"]
    assert labels(target) == []
    np.testing.assert_allclose(target.cases[0].callings[0].start({"x": np.array([-1.0])}).outputs[0], [-0.5])


def test_sources_are_told_apart_where_they_differ(made):
    text = '''
    def dense_forward(x, w):
        """x: (N, D)"""
        return x @ w, (x, w)
    def dense_backward(dout, cache):
        x, w = cache
        dx, dw = dout @ w.T, x.T @ dout
        return dx, dw
    '''
    target = made(text)["dense"]
    assert (target.input_source, target.notes) == (
        "docstring+search",
        ("x from the docstring; w found by trying",),
    )


def test_a_forward_that_exits_is_an_error(made):
    text = """
    import sys
    def f_forward(x): sys.exit(3)
    def f_backward(dout, cache): return dout
    """
    with pytest.raises(ForwardError, match="f_forward exits whatever it is given") as caught:
        made(text)["f"]
    assert "in f_forward" in caught.value.traceback_of_the_user


def test_a_forward_that_exits_where_it_does_not_like_an_input_is_asked_again(made):
    text = """
    import sys
    def f_forward(x):
        if x.ndim != 3:
            sys.exit("three axes, please")
        return 2 * x, None
    def f_backward(dout, cache): return 2 * dout
    """
    assert len(shapes(made(text)["f"])["x"]) == 3


@pytest.mark.parametrize(
    "text",
    [
        "def f_forward(x): return 2 * x, None\ndef f_backward(dout, cache): raise SystemExit(3)",
        "def f(x): return x * x\ndef f_grad(x): raise SystemExit(3)",
        "class f:\n    def forward(self, x): return 2 * x\n    def backward(self, dout): raise SystemExit(3)",
        "class f:\n    @staticmethod\n    def forward(ctx, x): return 2 * x\n    @staticmethod\n"
        "    def backward(ctx, dout): raise SystemExit(3)",
    ],
)
def test_a_backward_that_exits_is_left_to_the_checker(made, text):
    case = made(text)["f_grad" if "f_grad" in text else "f"].cases[0]
    with pytest.raises(SystemExit):
        case.callings[0].start(case.values).backward(np.ones_like(case.values["x"]))


@pytest.mark.parametrize("name", ["p", "y_pred", "y", "a"])
def test_what_forward_keeps_between_0_and_1_is_drawn_there(made, name):
    text = """
    import numpy as np
    def loss_forward(NAME, t):
        q = np.clip(NAME, 1e-12, 1 - 1e-12)
        return -np.sum(t * np.log(q) + (1 - t) * np.log(1 - q)), (q, t)
    def loss_backward(dout, cache):
        q, t = cache
        dNAME = dout * (q - t) / (q * (1 - q))
        return dNAME
    """
    target = made(text.replace("NAME", name))["loss"]
    values = target.cases[0].values[name]
    assert values.dtype.kind == "f"
    assert np.all((values > 0.05) & (values < 0.95))
    assert f"{name}: between 0 and 1 (guessed)" in target.notes
