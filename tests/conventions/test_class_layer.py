"""Classes with a forward and a backward, in the variants of the survey."""

import pytest

from tests.conventions.looking import causes, look, told, words

NUMPY = "import numpy as np\n"

RIGHT = {
    "returns one gradient, keeps the parameters' own": """
class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b
        self.x = self.dW = self.db = None

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        dx = dout @ self.W.T
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dx
""",
    "returns nothing": """
class Layer_Dense:
    def __init__(self, n_inputs, n_neurons):
        self.weights = 0.1 * np.random.randn(n_inputs, n_neurons)
        self.biases = np.zeros((1, n_neurons))

    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.dot(inputs, self.weights) + self.biases

    def backward(self, dvalues):
        self.dweights = np.dot(self.inputs.T, dvalues)
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
        self.dinputs = np.dot(dvalues, self.weights.T)
""",
    "gradients in lists": """
class MatMul:
    def __init__(self, W):
        self.params = [W]
        self.grads = [np.zeros_like(W)]
        self.x = None

    def forward(self, x):
        (W,) = self.params
        self.x = x
        return np.dot(x, W)

    def backward(self, dout):
        (W,) = self.params
        self.grads[0][...] = np.dot(self.x.T, dout)
        return np.dot(dout, W.T)
""",
    "gradients in a dictionary": """
class Linear:
    def __init__(self, in_features, out_features):
        self.params = {"weight": np.random.normal(size=(out_features, in_features)), "bias": np.zeros((1, out_features))}
        self.grads = {"weight": None, "bias": None}

    def forward(self, x):
        self.x = x
        return x @ self.params["weight"].T + self.params["bias"]

    def backward(self, dout):
        self.grads["weight"] = dout.T @ self.x
        self.grads["bias"] = dout.sum(axis=0, keepdims=True)
        return dout @ self.params["weight"]
""",
    "forward_pass and backward_pass": """
class Activation:
    def forward_pass(self, X, training=True):
        self.layer_input = X
        return np.tanh(X)

    def backward_pass(self, accum_grad):
        return accum_grad * (1 - np.tanh(self.layer_input) ** 2)
""",
    "called, and backward": """
class Sigmoid:
    def __call__(self, x):
        self.out = 1 / (1 + np.exp(-x))
        return self.out

    def backward(self, grad):
        return grad * self.out * (1 - self.out)
""",
    "compute and gradient": """
class Tanh:
    def compute(self, x):
        return np.tanh(x)

    def gradient(self, x):
        return 1 - np.tanh(x) ** 2
""",
    "called, and gradient": """
class ELU:
    def __init__(self, alpha=0.1):
        self.alpha = alpha

    def __call__(self, x):
        return np.where(x >= 0.0, x, self.alpha * (np.exp(x) - 1))

    def gradient(self, x):
        return np.where(x >= 0.0, 1, self.__call__(x) + self.alpha)
""",
    "two inputs": """
class MulLayer:
    def __init__(self):
        self.x = None
        self.y = None

    def forward(self, x, y):
        self.x = x
        self.y = y
        return x * y

    def backward(self, dout):
        dx = dout * self.y
        dy = dout * self.x
        return dx, dy
""",
    "a loss with labels, backward of 1": """
class SoftmaxWithLoss:
    def __init__(self):
        self.loss = None
        self.y = None
        self.t = None

    def forward(self, x, t):
        self.t = t
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        self.y = e / e.sum(axis=-1, keepdims=True)
        batch_size = self.y.shape[0]
        self.loss = -np.sum(np.log(self.y[np.arange(batch_size), self.t])) / batch_size
        return self.loss

    def backward(self, dout=1):
        batch_size = self.t.shape[0]
        dx = self.y.copy()
        dx[np.arange(batch_size), self.t] -= 1
        dx *= dout
        return dx / batch_size
""",
    "an update inside backward": """
class Dense:
    def __init__(self, input_size, output_size):
        self.weights = np.random.randn(output_size, input_size)
        self.bias = np.random.randn(output_size, 1)

    def forward(self, input):
        self.input = input
        return np.dot(self.weights, self.input) + self.bias

    def backward(self, output_gradient, learning_rate):
        weights_gradient = np.dot(output_gradient, self.input.T)
        input_gradient = np.dot(self.weights.T, output_gradient)
        self.weights -= learning_rate * weights_gradient
        self.bias -= learning_rate * output_gradient
        return input_gradient
""",
    "a context": """
class Mul:
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx, grad_output):
        a, b = ctx.saved_tensors
        return grad_output * b, grad_output * a
""",
    "a base class of the same file": """
class Layer:
    def forward(self, x):
        raise NotImplementedError

    def backward(self, dout):
        raise NotImplementedError


class Square(Layer):
    def forward(self, x):
        self.x = x
        return x**2

    def backward(self, dout):
        return 2 * self.x * dout
""",
    "a mask kept": """
class Relu:
    def __init__(self):
        self.mask = None

    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        dx = dout.copy()
        dx[self.mask] = 0
        return dx
""",
    "static methods of a loss": """
class MSE:
    @staticmethod
    def forward(y_pred, y_true):
        return np.mean((y_pred - y_true) ** 2)

    @staticmethod
    def backward(y_pred, y_true):
        return 2 * (y_pred - y_true) / y_pred.size
""",
    "loss and gradient": """
class SquareLoss:
    def loss(self, y, y_pred):
        return 0.5 * np.power((y - y_pred), 2)

    def gradient(self, y, y_pred):
        return -(y - y_pred)
""",
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_ones_are_ok(name, tmp_path):
    found = words(results := look(NUMPY + RIGHT[name], tmp_path))
    assert "OK" in found.values(), told(results)
    assert set(found.values()) <= {"OK", "SKIPPED"}, told(results)


WRONG = {
    "returns nothing": (
        "self.dinputs = np.dot(dvalues, self.weights.T)",
        "self.dinputs = np.dot(dvalues, self.weights)",
        None,
    ),
    "returns one gradient, keeps the parameters' own": ("dout.sum(axis=0)", "dout[0]", {"b": "GC104"}),
    "gradients in lists": ("np.dot(self.x.T, dout)", "np.dot(self.x.T, dout) / len(dout)", {"W": "GC105"}),
    "gradients in a dictionary": (
        'self.grads["bias"] = dout.sum(axis=0, keepdims=True)',
        "pass",
        {"bias": "GC107"},
    ),
    "forward_pass and backward_pass": (
        "(1 - np.tanh(self.layer_input) ** 2)",
        "(1 - self.layer_input**2)",
        {"X": "GC110"},
    ),
    "called, and backward": ("* self.out * (1 - self.out)", "* self.out", {"x": "GC109"}),
    "a mask kept": ("dx[self.mask] = 0", "dx[~self.mask] = 0", None),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_ones_are_wrong(name, tmp_path):
    right, wrong, cause = WRONG[name]
    assert right in RIGHT[name]
    results = look(NUMPY + RIGHT[name].replace(right, wrong), tmp_path)
    ((target, result),) = results.items()
    assert words(results) == {target: "WRONG"}, told(results)
    if cause is not None:
        found = {gradient.rpartition(".")[2]: code for gradient, code in causes(result).items()}
        assert found == cause, told(results)


def test_gradients_go_by_their_names_first(tmp_path):
    results = look(NUMPY + RIGHT["two inputs"].replace("return dx, dy", "return dy, dx"), tmp_path)
    assert words(results) == {"MulLayer": "OK"}, told(results)
