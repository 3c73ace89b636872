"""Whole functions: layers, networks and losses as people write them, with exact gradients."""

import random

import numpy as np
import pytest
import scipy.special

from gradtool.autodiff import backward, forward, make_plan
from gradtool.tracing import FunctionRaised, Untraceable, trace

rng = np.random.default_rng(9)
X = rng.normal(size=(4, 3))
W1, B1 = rng.normal(size=(3, 5)), rng.normal(size=5)
W2, B2 = rng.normal(size=(5, 3)), rng.normal(size=3)
LABELS = np.array([2, 0, 1, 2])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def stable_sigmoid(x):
    out = np.zeros_like(x)
    positive = x >= 0
    out[positive] = 1 / (1 + np.exp(-x[positive]))
    small = np.exp(x[~positive])
    out[~positive] = small / (1 + small)
    return out


def softmax(x):
    shifted = np.exp(x - np.max(x, axis=1, keepdims=True))
    return shifted / np.sum(shifted, axis=1, keepdims=True)


def log_softmax(x):
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def gelu(x):
    return 0.5 * x * (1 + scipy.special.erf(x / np.sqrt(2)))


@pytest.mark.parametrize(
    "function",
    [
        sigmoid, stable_sigmoid, np.tanh, softmax, log_softmax, gelu,
        lambda x: np.maximum(0, x),
        lambda x: x * (x > 0),
        lambda x: np.where(x > 0, x, 0.01 * x),
        lambda x: np.where(x > 0, x, np.exp(x) - 1),
    ],
)  # fmt: skip
def test_activations(check, function):
    check(function, X)


def cross_entropy(z, y):
    probs = softmax(z)
    return -np.mean(np.log(probs[np.arange(len(y)), y]))


def svm_loss(z, y):
    n = z.shape[0]
    margins = np.maximum(0, z - z[np.arange(n), y][:, np.newaxis] + 1.0)
    margins[np.arange(n), y] = 0
    return np.sum(margins) / n


def binary_cross_entropy(z):
    p = np.clip(sigmoid(z), 1e-12, 1 - 1e-12)
    targets = (np.arange(12).reshape(4, 3) % 2).astype(float)
    return -(targets * np.log(p) + (1 - targets) * np.log(1 - p)).mean()


def test_losses_with_integer_labels(check):
    traced = check(cross_entropy, X, LABELS)
    assert list(traced.graph.inputs) == ["a0"]
    check(svm_loss, X, LABELS)
    check(binary_cross_entropy, X)


def affine(x, w, b):
    return x.reshape(x.shape[0], -1).dot(w) + b


def test_affine_reshapes_its_input(check):
    check(affine, rng.normal(size=(2, 3, 2)), rng.normal(size=(6, 4)), rng.normal(size=4))


def batchnorm(x, gamma, beta, eps=1e-5):
    mean, var = x.mean(axis=0), x.var(axis=0)
    return gamma * (x - mean) / np.sqrt(var + eps) + beta


def layernorm(x, gamma, beta):
    x = x.T
    centred = x - np.mean(x, axis=0)
    return (centred / np.std(x, axis=0)).T * gamma + beta


def groupnorm(x, gamma):
    n, c, h, w = x.shape
    grouped = x.reshape((n, 2, c // 2, h, w))
    mean = np.mean(grouped, axis=(2, 3, 4), keepdims=True)
    var = np.var(grouped, axis=(2, 3, 4), keepdims=True)
    return ((grouped - mean) / np.sqrt(var + 1e-5)).reshape(x.shape) * gamma


def test_normalizations(check):
    check(batchnorm, X, B2, B1[:3])
    check(layernorm, X, B2, B1[:3])
    check(groupnorm, rng.normal(size=(2, 4, 2, 2)), rng.normal(size=(1, 4, 1, 1)))


def two_layers(x, w1, b1, w2, b2):
    return np.maximum(x @ w1 + b1, 0) @ w2 + b2


def three_layers(x, w1, b1, w2, b2):
    h = np.tanh(x @ w1 + b1)
    h = sigmoid(h @ w2 + b2)
    return softmax(h @ w1 @ w2)


def small_network(x, w, v):
    """2-3-1, by hand."""
    hidden = [np.tanh(sum(w[j, i] * x[i] for i in range(2))) for j in range(3)]
    return sum(v[j] * hidden[j] for j in range(3))


def test_networks(check):
    check(two_layers, X, W1, B1, W2, B2)
    check(three_layers, X, W1, B1, W2, B2)
    check(small_network, np.array([0.5, -0.3]), rng.normal(size=(3, 2)), rng.normal(size=3))


def recurrent(x, h0, wx, wh, b):
    n, steps, _ = x.shape
    h = np.zeros((n, steps, h0.shape[1]))
    previous = h0
    for t in range(steps):
        h[:, t, :] = np.tanh(x[:, t, :].dot(wx) + previous.dot(wh) + b)
        previous = h[:, t, :]
    return h


def lstm(x, h, wx, wh):
    size = h.shape[1]
    c = np.zeros_like(h)
    states = []
    for t in range(x.shape[1]):
        a = x[:, t].dot(wx) + h.dot(wh)
        i, f, o, g = (
            sigmoid(a[:, :size]),
            sigmoid(a[:, size : 2 * size]),
            sigmoid(a[:, 2 * size : 3 * size]),
            a[:, 3 * size :],
        )
        c = f * c + i * np.tanh(g)
        h = o * np.tanh(c)
        states.append(h)
    return np.stack(states, axis=1)


def test_loops_over_time(check):
    check(recurrent, rng.normal(size=(2, 3, 2)), rng.normal(size=(2, 4)), W1[:2, :4], rng.normal(size=(4, 4)), B1[:4])
    check(lstm, rng.normal(size=(2, 2, 3)), rng.normal(size=(2, 2)), rng.normal(size=(3, 8)), rng.normal(size=(2, 8)))


def attention(x, wq, wk, wv):
    q, k, v = x @ wq, x @ wk, x @ wv
    scores = np.einsum("bqd,bkd->bqk", q, k) / np.sqrt(q.shape[-1])
    mask = np.triu(np.ones((3, 3)), 1).astype(bool)
    scores = np.where(mask, -1e9, scores)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return (weights / weights.sum(axis=-1, keepdims=True)) @ v


def test_attention(check):
    check(attention, rng.normal(size=(2, 3, 4)), *(rng.normal(size=(4, 4)) for _ in range(3)))


def naive_convolution(x, w, b):
    n, _, height, width = x.shape
    f, _, hh, ww = w.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), "constant")
    out = np.zeros((n, f, height, width))
    for k in range(n):
        for j in range(f):
            for r in range(height):
                for c in range(width):
                    out[k, j, r, c] = np.sum(padded[k, :, r : r + hh, c : c + ww] * w[j]) + b[j]
    return out


def naive_pooling(x):
    out = np.zeros((2, 2))
    for i in range(2):
        for j in range(2):
            out[i, j] = np.max(x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2])
    return out


def test_convolution_and_pooling_in_loops(check):
    check(naive_convolution, rng.normal(size=(1, 2, 3, 3)), rng.normal(size=(2, 2, 3, 3)), rng.normal(size=2))
    check(naive_pooling, rng.permutation(16).reshape(4, 4) * 0.3)


class Layer:
    def __init__(self, size):
        self.W = np.full((3, size), 0.3)
        self.cache = None

    def forward(self, x):
        self.cache = x
        return np.tanh(x @ self.W)


def test_a_method_and_its_object(check):
    layer = Layer(2)
    check(layer.forward, X)
    assert np.asarray(layer.cache).shape == (4, 3)
    assert type(layer.forward(X)) is np.ndarray


def test_python_floats(check):
    traced = check(lambda x, y: (x + y) * max(y, 0.5) if y > x else x * y, 1.0, 2.0)
    assert traced.branched
    assert traced.value.shape == ()


def test_several_outputs_have_an_upstream_each():
    traced = trace(lambda x: (x**2, x.sum()), {"x": X})
    assert traced.several
    assert [value.shape for value in traced.value] == [(4, 3), ()]
    assert [traced.graph.operations[node] for node in traced.outputs] == ["square", "sum"]
    plan = make_plan(traced.graph, {"x": X})
    values = forward(plan, {"x": X})
    upstreams = (np.full((4, 3), 0.5), 2.0)
    gradient = backward(plan, values, traced.upstream(*upstreams)).of("x")
    np.testing.assert_allclose(gradient, 0.5 * 2 * X + 2.0, rtol=1e-15)
    with pytest.raises(ValueError, match="1 upstreams for 2 outputs"):
        traced.upstream(1.0)


def test_one_output_has_its_own_node():
    traced = trace(lambda x: np.exp(x), {"x": X})
    assert traced.outputs == (traced.graph.output,)
    assert traced.graph.operations[traced.graph.output] == "exp"
    assert traced.upstream(1.0).shape == X.shape


def test_by_keyword():
    def power(base, *, exponent):
        return base**exponent

    traced = trace(power, {"exponent": np.array([2.0, 3.0]), "base": np.array([1.5, 2.5])}, by_keyword=True)
    assert traced.value.tolist() == [1.5**2, 2.5**3]
    assert list(traced.graph.inputs) == ["exponent", "base"]


def test_what_is_no_float_array_is_passed_on():
    def run(x, options, labels, word):
        assert type(labels) is np.ndarray
        return x[labels] * options["scale"] if word == "yes" else x

    inputs = {"x": X, "options": {"scale": 3.0}, "labels": np.array([1, 0]), "word": "yes"}
    traced = trace(run, inputs)
    assert list(traced.graph.inputs) == ["x"]
    np.testing.assert_array_equal(traced.value, X[[1, 0]] * 3.0)


def test_arguments_are_not_changed():
    def run(x):
        x *= 2
        return x

    before = X.copy()
    trace(run, {"x": X})
    np.testing.assert_array_equal(before, X)


def test_global_random_numbers_are_the_same_in_both_runs_and_left_alone():
    np.random.seed(3)
    random.seed(3)
    state = np.random.get_state()[1].tolist(), random.getstate()
    traced = trace(lambda x: x * (np.random.rand(*x.shape) < 0.5) / 0.5 + random.random(), {"x": X})
    assert state == (np.random.get_state()[1].tolist(), random.getstate())
    np.testing.assert_array_equal(traced.value, X * (np.random.rand(4, 3) < 0.5) / 0.5 + random.random())


def test_a_function_of_nothing_is_a_constant():
    traced = trace(lambda x: np.ones(3), {"x": X})
    assert traced.graph.operations[traced.graph.output] == "constant"


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: {"loss": x}, "the function returns dict"),
        (lambda x: (x, None), "the function returns NoneType as output 2"),
        (lambda x: None, "the function returns NoneType"),
        (lambda x: x.astype("f4") * 2, "float32"),
        (lambda x: (), "returns nothing"),
    ],
)
def test_outputs_that_cannot_be_traced(function, reason):
    with pytest.raises(Untraceable, match=reason):
        trace(function, {"x": X})


def test_inputs_that_cannot_be_traced():
    with pytest.raises(Untraceable, match="the input x is of type float32"):
        trace(lambda x: x, {"x": X.astype(np.float32)})


def test_an_exception_of_the_functions_own_names_its_line():
    def run(x):
        return x @ np.ones((2, 2))

    with pytest.raises(Untraceable, match="the function itself raises ValueError") as caught:
        trace(run, {"x": X})
    assert (caught.value.file, caught.value.line) == (__file__, run.__code__.co_firstlineno + 1)


class NoException(BaseException):
    """As pytest.skip raises one."""


def leaves(x):
    raise NoException


def test_what_is_no_exception_is_the_functions_own_as_well():
    with pytest.raises(FunctionRaised, match="the function itself raises NoException") as caught:
        trace(leaves, {"x": X})
    assert isinstance(caught.value.__cause__, NoException)


@pytest.mark.parametrize("kind", [TypeError, SystemExit, NoException])
def test_what_is_raised_only_when_traced_is_not_the_functions_own(kind):
    def run(x):
        if type(x) is not np.ndarray:
            raise kind
        return x

    with pytest.raises(Untraceable, match=f"traced, the function raises {kind.__name__}") as caught:
        trace(run, {"x": X})
    assert not isinstance(caught.value, FunctionRaised)


def test_ctrl_c_goes_through():
    def run(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trace(run, {"x": X})


def test_what_an_earlier_call_left_behind_is_noticed():
    calls = []

    def run(x):
        calls.append(1)
        return x * len(calls)

    with pytest.raises(Untraceable, match="other values when it is traced"):
        trace(run, {"x": X})


def test_a_dependence_that_tracing_cannot_see_is_noticed():
    """The value is right at the inputs, and wrong beside them."""

    hidden = {"scale": 1.0}

    def leaking(x):
        if type(x) is np.ndarray:
            hidden["scale"] = float(x[0, 0])
        return x[0] * hidden["scale"]

    with pytest.raises(Untraceable, match="beside the inputs"):
        trace(leaking, {"x": X})


def test_at_a_branch_that_turns_on_the_inputs_there_is_no_trace():
    def run(x):
        return x * 2 if x[0] >= 1.0 else x * 3

    with pytest.raises(Untraceable, match=r"may go another way here"):
        trace(run, {"x": np.array([1.0, 2.0])})
