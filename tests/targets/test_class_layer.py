"""Classes with forward and backward in the variants of the survey, each right and with a planted fault."""

from dataclasses import replace

import numpy as np
import pytest

from gradtool.targets.class_layer import find
from gradtool.targets.found import CannotBindError
from gradtool.targets.scope import MISSING
from tests.targets.scopes import differing, scope_of


def _normal(*shape):
    return np.random.default_rng(3).normal(size=shape)


LABELS = np.array([0, 2, 1, 1])

# What it shows: (source, values, the gradients that are claimed, those that are wrong where FACTOR is not 1).
VARIANTS = {
    "a linear layer that sets dW and db": (
        """
class L:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out) * 0.01
        self.b = np.zeros((1, n_out))
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, dout):
        self.dW = self.x.T @ dout * FACTOR
        self.db = dout.sum(0, keepdims=True)
        return dout @ self.W.T
""",
        {"n_in": 3, "n_out": 2, "x": _normal(4, 3)},
        {"W", "b", "x"},
        {"W"},
    ),
    "a layer that returns nothing and sets dweights, dbiases, dinputs": (
        """
class L:
    def __init__(self, n_inputs, n_neurons):
        self.weights = np.random.randn(n_inputs, n_neurons) * 0.01
        self.biases = np.zeros((1, n_neurons))
    def forward(self, inputs):
        self.inputs = inputs
        self.output = inputs @ self.weights + self.biases
    def backward(self, dvalues):
        self.dweights = self.inputs.T @ dvalues * FACTOR
        self.dbiases = dvalues.sum(0, keepdims=True)
        self.dinputs = dvalues @ self.weights.T
""",
        {"n_inputs": 3, "n_neurons": 2, "inputs": _normal(4, 3)},
        {"biases", "inputs", "weights"},
        {"weights"},
    ),
    "an activation that returns nothing": (
        """
class L:
    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.maximum(0, inputs)
    def backward(self, dvalues):
        self.dinputs = dvalues.copy() * FACTOR
        self.dinputs[self.inputs <= 0] = 0
""",
        {"inputs": _normal(4, 3)},
        {"inputs"},
        {"inputs"},
    ),
    "a loss handed the prediction, mean by its base class": (
        """
class Loss:
    def calculate(self, output, y):
        sample_losses = self.forward(output, y)
        return np.mean(sample_losses)

class L(Loss):
    def forward(self, y_pred, y_true):
        samples = len(y_pred)
        c = np.clip(y_pred, 1e-7, 1 - 1e-7)
        return -np.log(c[range(samples), y_true])
    def backward(self, dvalues, y_true):
        samples = len(dvalues)
        labels = len(dvalues[0])
        y = np.eye(labels)[y_true]
        self.dinputs = -y / dvalues * FACTOR
        self.dinputs = self.dinputs / samples
""",
        {"y_pred": np.abs(_normal(4, 3)) / 4 + 0.1, "y_true": LABELS},
        {"y_pred"},
        {"y_pred"},
    ),
    "softmax and loss handed the softmax output": (
        """
class L:
    def forward(self, inputs, y_true):
        e = np.exp(inputs - inputs.max(1, keepdims=True))
        self.output = e / e.sum(1, keepdims=True)
        return np.mean(-np.log(self.output[range(len(inputs)), y_true]))
    def backward(self, dvalues, y_true):
        samples = len(dvalues)
        self.dinputs = dvalues.copy()
        self.dinputs[range(samples), y_true] -= 1
        self.dinputs = self.dinputs / samples * FACTOR
""",
        {"inputs": _normal(4, 3), "y_true": LABELS},
        {"inputs"},
        {"inputs"},
    ),
    "a loss that ignores an upstream of 1": (
        """
class L:
    def __init__(self):
        self.loss = None
        self.y = None
        self.t = None
    def forward(self, x, t):
        self.t = t
        e = np.exp(x - x.max(1, keepdims=True))
        self.y = e / e.sum(1, keepdims=True)
        self.loss = -np.log(self.y[np.arange(len(t)), t]).mean()
        return self.loss
    def backward(self, dout=1):
        b = self.t.shape[0]
        dx = self.y.copy()
        dx[np.arange(b), self.t] -= 1
        dx = dx / b * FACTOR
        return dx
""",
        {"x": _normal(4, 3), "t": LABELS},
        {"x"},
        {"x"},
    ),
    "parallel lists params and grads": (
        """
class L:
    def __init__(self, W, b):
        self.params = [W, b]
        self.grads = [np.zeros_like(W), np.zeros_like(b)]
    def forward(self, x):
        W, b = self.params
        self.x = x
        return x @ W + b
    def backward(self, dout):
        W, b = self.params
        self.grads[0][...] = self.x.T @ dout * FACTOR
        self.grads[1][...] = dout.sum(0)
        return dout @ W.T
""",
        {"W": _normal(3, 2), "b": _normal(2), "x": _normal(4, 3)},
        {"W", "b", "x"},
        {"W"},
    ),
    "dictionaries params and grads": (
        """
class L:
    def __init__(self, input_size, output_size):
        self.params = {"W": np.random.randn(input_size, output_size), "b": np.zeros(output_size)}
        self.grads = {}
    def forward(self, inputs):
        self.inputs = inputs
        return inputs @ self.params["W"] + self.params["b"]
    def backward(self, grad):
        self.grads["b"] = grad.sum(0)
        self.grads["W"] = self.inputs.T @ grad * FACTOR
        return grad @ self.params["W"].T
""",
        {"input_size": 3, "output_size": 2, "inputs": _normal(4, 3)},
        {"W", "b", "inputs"},
        {"W"},
    ),
    "params names the same arrays as W and b": (
        """
class L:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)
        self.b = np.zeros(n_out)
        self.params = [self.W, self.b]
    def forward(self, x):
        self.x = x
        return x @ self.params[0] + self.b
    def backward(self, dout):
        self.dW = self.x.T @ dout * FACTOR
        self.db = dout.sum(0)
        self.grads = [self.dW, self.db]
        return dout @ self.W.T
""",
        {"n_in": 3, "n_out": 2, "x": _normal(4, 3)},
        {"W", "b", "x"},
        {"W"},
    ),
    "parameter objects whose grad accumulates": (
        """
class Param:
    def __init__(self, value):
        self.value = value
        self.grad = np.zeros_like(value)

class L:
    def __init__(self, n_input, n_output):
        self.W = Param(0.001 * np.random.randn(n_input, n_output))
        self.B = Param(0.001 * np.random.randn(1, n_output))
        self.X = None
    def forward(self, X):
        self.X = X
        return X @ self.W.value + self.B.value
    def backward(self, d_out):
        self.W.grad += self.X.T @ d_out * FACTOR
        self.B.grad += d_out.sum(0, keepdims=True)
        return d_out @ self.W.value.T
    def params(self):
        return dict(W=self.W, B=self.B)
""",
        {"n_input": 3, "n_output": 2, "X": _normal(4, 3)},
        {"B", "W", "X"},
        {"W"},
    ),
    "the weights are updated in backward": (
        """
class L:
    def __init__(self, n_in, n_out):
        self.weights = np.random.randn(n_in, n_out)
        self.bias = np.zeros((1, n_out))
    def forward(self, x):
        self.input = x
        return x @ self.weights + self.bias
    def backward(self, output_error, learning_rate):
        input_error = output_error @ self.weights.T
        weights_error = self.input.T @ output_error * FACTOR
        self.weights -= learning_rate * weights_error
        self.bias -= learning_rate * output_error.sum(0, keepdims=True)
        return input_error
""",
        {"n_in": 3, "n_out": 2, "x": _normal(4, 3)},
        {"bias", "weights", "x"},
        {"weights"},
    ),
    "the weights are updated with the object's learning rate": (
        """
class L:
    def __init__(self, n_in, n_out, lr=0.01):
        self.W = np.random.randn(n_in, n_out)
        self.lr = lr
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self, grad):
        dx = grad @ self.W.T
        self.W = self.W - self.lr * (self.x.T @ grad) * FACTOR
        return dx
""",
        {"n_in": 3, "n_out": 2, "x": _normal(4, 3)},
        {"W", "x"},
        {"W"},
    ),
    "a gate with two inputs": (
        """
class L:
    def forward(self, x, y):
        self.x = x
        self.y = y
        return x * y
    def backward(self, dz):
        return [dz * self.y * FACTOR, dz * self.x]
""",
        {"x": _normal(4), "y": _normal(4)},
        {"x", "y"},
        {"x"},
    ),
    "a scalar gate, gradients in another order": (
        """
class L:
    def forward(self, x, y):
        self.x = x
        self.y = y
        return math.exp(x) * y
    def backward(self, dz):
        dx = dz * self.y * math.exp(self.x) * FACTOR
        dy = dz * math.exp(self.x)
        return dy, dx
""",
        {"x": 0.4, "y": 1.2},
        {"x", "y"},
        {"x"},
    ),
    "call and gradient of an activation": (
        """
class L:
    def __call__(self, x):
        return 1 / (1 + np.exp(-x))
    def gradient(self, x):
        s = self(x)
        return s * (1 - s) * FACTOR
""",
        {"x": _normal(4)},
        {"x"},
        {"x"},
    ),
    "loss and gradient, elementwise": (
        """
class L:
    def loss(self, y, y_pred):
        return 0.5 * np.power(y - y_pred, 2)
    def gradient(self, y, y_pred):
        return -(y - y_pred) * FACTOR
""",
        {"y": _normal(4), "y_pred": _normal(4) + 0.3},
        {"y_pred"},
        {"y_pred"},
    ),
    "static methods, the derivative alone": (
        """
class L:
    @staticmethod
    def forward(x):
        return np.tanh(x)

    @staticmethod
    def backward(x):
        return (1 - np.tanh(x) ** 2) * FACTOR
""",
        {"x": _normal(4)},
        {"x"},
        {"x"},
    ),
    "static methods with upstream and input": (
        """
class L:
    @staticmethod
    def forward(x):
        return np.tanh(x)

    @staticmethod
    def backward(dout, x):
        return dout * (1 - np.tanh(x) ** 2) * FACTOR
""",
        {"x": _normal(4)},
        {"x"},
        {"x"},
    ),
    "a loss whose backward takes nothing": (
        """
class L:
    def forward(self, pred, target):
        self.p = pred
        self.t = target
        return np.mean((pred - target) ** 2)
    def backward(self):
        return 2 * (self.p - self.t) / self.p.size * FACTOR
""",
        {"pred": _normal(4, 2), "target": _normal(4, 2) + 0.5},
        {"pred"},
        {"pred"},
    ),
    "layers in a list": (
        """
class Lin:
    def __init__(self, a, b):
        self.W = np.random.randn(a, b) * 0.01
        self.b = np.zeros(b)
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, d):
        self.dW = self.x.T @ d * FACTOR
        self.db = d.sum(0)
        return d @ self.W.T

class Tanh:
    def forward(self, x):
        self.out = np.tanh(x)
        return self.out
    def backward(self, d):
        return d * (1 - self.out**2)

class L:
    def __init__(self, n_in, hidden, n_out):
        self.layers = [Lin(n_in, hidden), Tanh(), Lin(hidden, n_out)]
    def forward(self, x):
        for l in self.layers:
            x = l.forward(x)
        return x
    def backward(self, grad):
        for l in reversed(self.layers):
            grad = l.backward(grad)
        return grad
""",
        {"n_in": 3, "hidden": 4, "n_out": 2, "x": _normal(5, 3)},
        {"layers[0].W", "layers[0].b", "layers[2].W", "layers[2].b", "x"},
        {"layers[0].W", "layers[2].W"},
    ),
    "loss and gradient of a network": (
        """
class L:
    def __init__(self, input_size, hidden_size, output_size):
        self.params = {}
        self.params["W1"] = 0.01 * np.random.randn(input_size, hidden_size)
        self.params["b1"] = np.zeros(hidden_size)
        self.params["W2"] = 0.01 * np.random.randn(hidden_size, output_size)
        self.params["b2"] = np.zeros(output_size)
    def predict(self, x):
        a = np.tanh(x @ self.params["W1"] + self.params["b1"])
        s = a @ self.params["W2"] + self.params["b2"]
        e = np.exp(s - s.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)
    def loss(self, x, t):
        y = self.predict(x)
        return -np.log(y[np.arange(len(t)), t]).mean()
    def gradient(self, x, t):
        grads = {}
        a = np.tanh(x @ self.params["W1"] + self.params["b1"])
        y = self.predict(x)
        d = y.copy()
        d[np.arange(len(t)), t] -= 1
        d /= len(t)
        grads["W2"] = a.T @ d * FACTOR
        grads["b2"] = d.sum(0)
        dz = d @ self.params["W2"].T * (1 - a**2)
        grads["W1"] = x.T @ dz
        grads["b1"] = dz.sum(0)
        return grads
""",
        {"input_size": 3, "hidden_size": 4, "output_size": 3, "x": _normal(4, 3), "t": LABELS},
        {"W1", "W2", "b1", "b2"},
        {"W2"},
    ),
    "loss and gradients in one method": (
        """
class L:
    def __init__(self, input_dim, num_classes, reg=0.1):
        self.params = {"W": 0.01 * np.random.randn(input_dim, num_classes), "b": np.zeros(num_classes)}
        self.reg = reg
    def loss(self, X, y=None):
        s = X @ self.params["W"] + self.params["b"]
        if y is None:
            return s
        grads = {}
        e = np.exp(s - s.max(1, keepdims=True))
        p = e / e.sum(1, keepdims=True)
        loss = -np.log(p[np.arange(len(y)), y]).mean() + 0.5 * self.reg * (self.params["W"] ** 2).sum()
        d = p.copy()
        d[np.arange(len(y)), y] -= 1
        d /= len(y)
        grads["W"] = X.T @ d + FACTOR * self.reg * self.params["W"]
        grads["b"] = d.sum(0)
        return loss, grads
""",
        {"input_dim": 3, "num_classes": 3, "X": _normal(4, 3), "y": LABELS},
        {"W", "b"},
        {"W"},
    ),
    "parameters made by the first forward": (
        """
class L:
    def __init__(self, units):
        self.units = units
        self.W = None
    def forward(self, x):
        if self.W is None:
            self.W = np.random.randn(x.shape[1], self.units)
            self.b = np.zeros(self.units)
        self.x = x
        return x @ self.W + self.b
    def backward(self, dout):
        self.dW = self.x.T @ dout * FACTOR
        self.db = dout.sum(0)
        return dout @ self.W.T
""",
        {"units": 2, "x": _normal(4, 3)},
        {"W", "b", "x"},
        {"W"},
    ),
    "accumulating gradients, zero_grad and a history": (
        """
class L:
    def __init__(self, n, m):
        self.W = np.random.randn(n, m)
        self.W_grad = np.zeros((n, m))
        self.history = []
    def zero_grad(self):
        self.W_grad[:] = 0
    def forward(self, x, train=True):
        self.history.append(x)
        return np.tanh(x @ self.W)
    def backward(self, dout):
        x = self.history[-1]
        dout = dout * (1 - np.tanh(x @ self.W) ** 2)
        self.W_grad += x.T @ dout * FACTOR
        return dout @ self.W.T
""",
        {"n": 3, "m": 2, "x": _normal(4, 3)},
        {"W", "x"},
        {"W"},
    ),
    "a returned cache": (
        """
class L:
    def __init__(self, n, m):
        self.W = np.random.randn(n, m)
    def forward(self, x):
        out = x @ self.W
        cache = (x,)
        return out, cache
    def backward(self, dout, cache):
        (x,) = cache
        return dout @ self.W.T, x.T @ dout * FACTOR
""",
        {"n": 3, "m": 2, "x": _normal(4, 3)},
        {"W", "x"},
        {"W"},
    ),
    "a nested list of gradients": (
        """
class L:
    def __init__(self, n, m):
        self.W = np.random.randn(n, m)
        self.b = np.zeros(m)
    def forward(self, X):
        self.X = X
        return X @ self.W + self.b
    def backward(self, nextgrad):
        self.gradW = self.X.T @ nextgrad * FACTOR
        self.gradB = nextgrad.sum(0)
        self.gradInput = nextgrad @ self.W.T
        return self.gradInput, [self.gradW, self.gradB]
""",
        {"n": 3, "m": 2, "X": _normal(4, 3)},
        {"W", "X", "b"},
        {"W"},
    ),
    "the upstream gradient last": (
        """
class L:
    def __init__(self, n, m):
        self.W = np.random.randn(n, m)
    def forward(self, x):
        return x @ self.W
    def backward(self, x, dout):
        self.grad_W = x.T @ dout * FACTOR
        return dout @ self.W.T
""",
        {"n": 3, "m": 2, "x": _normal(4, 3)},
        {"W", "x"},
        {"W"},
    ),
    "two outputs and two upstreams": (
        """
class L:
    def __init__(self, n):
        self.W = np.random.randn(n, n)
    def forward(self, h, c):
        self.h = h
        self.c = c
        c2 = c * np.tanh(h @ self.W)
        h2 = np.tanh(c2)
        self.s = (c2, h2)
        return h2, c2
    def backward(self, dh, dc):
        c2, h2 = self.s
        dc = dc + dh * (1 - h2**2)
        t = np.tanh(self.h @ self.W)
        da = dc * self.c * (1 - t**2)
        self.dW = self.h.T @ da * FACTOR
        return da @ self.W.T, dc * t
""",
        {"n": 3, "h": _normal(4, 3), "c": _normal(4, 3) + 1},
        {"W", "c", "h"},
        {"W"},
    ),
    "batch normalisation with running averages": (
        """
class L:
    def __init__(self, dim, momentum=0.9, eps=1e-5):
        self.gamma = np.ones(dim)
        self.beta = np.zeros(dim)
        self.running_mean = np.zeros(dim)
        self.running_var = np.ones(dim)
        self.momentum = momentum
        self.eps = eps
    def forward(self, x, training=True):
        if training:
            mu = x.mean(0)
            v = x.var(0)
            self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mu
            self.running_var = self.momentum * self.running_var + (1 - self.momentum) * v
        else:
            mu = self.running_mean
            v = self.running_var
        self.istd = 1 / np.sqrt(v + self.eps)
        self.xhat = (x - mu) * self.istd
        return self.gamma * self.xhat + self.beta
    def backward(self, dout):
        N = dout.shape[0]
        self.dgamma = (dout * self.xhat).sum(0) * FACTOR
        self.dbeta = dout.sum(0)
        dxh = dout * self.gamma
        return self.istd / N * (N * dxh - dxh.sum(0) - self.xhat * (dxh * self.xhat).sum(0))
""",
        {"dim": 3, "x": _normal(5, 3)},
        {"beta", "gamma", "x"},
        {"gamma"},
    ),
    "an update with momentum": (
        """
class L:
    def __init__(self, n, m):
        self.W = np.random.randn(n, m)
        self.vW = np.zeros((n, m))
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self, grad, lr=0.1):
        dW = self.x.T @ grad * FACTOR
        dx = grad @ self.W.T
        self.vW = 0.9 * self.vW - lr * dW
        self.W += self.vW
        return dx
""",
        {"n": 3, "m": 2, "x": _normal(4, 3)},
        {"W", "x"},
        {"W"},
    ),
    "an update that is no gradient is not claimed": (
        """
class L:
    def __init__(self, n, m):
        self.W = np.random.randn(n, m)
        self.m = np.zeros((n, m))
        self.v = np.zeros((n, m))
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self, grad, lr=0.1):
        dW = self.x.T @ grad
        dx = grad @ self.W.T * FACTOR
        self.m = 0.9 * self.m + 0.1 * dW
        self.v = 0.99 * self.v + 0.01 * dW**2
        self.W -= lr * self.m / (np.sqrt(self.v) + 1e-8)
        return dx
""",
        {"n": 3, "m": 2, "x": _normal(4, 3)},
        {"x"},
        {"x"},
    ),
    "a cache that backward consumes": (
        """
class L:
    def __init__(self):
        self.cache = []
    def forward(self, x):
        self.cache.append(np.exp(x))
        return self.cache[-1]
    def backward(self, dout):
        return dout * self.cache.pop() * FACTOR
""",
        {"x": _normal(4)},
        {"x"},
        {"x"},
    ),
    "dropout": (
        """
class L:
    def __init__(self, p=0.5):
        self.p = p
    def forward(self, x, train=True):
        if not train:
            return x
        self.mask = (np.random.rand(*x.shape) < self.p) / self.p
        return x * self.mask
    def backward(self, dout):
        return dout * self.mask * FACTOR
""",
        {"x": _normal(4)},
        {"x"},
        {"x"},
    ),
    "a gradient that backward forgets to set": (
        """
class L:
    def __init__(self, n, m):
        self.W = np.random.randn(n, m)
        self.b = np.zeros(m)
        self.dW = None
        self.db = None
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, dout):
        self.dW = self.x.T @ dout
        if FACTOR == 1:
            self.db = dout.sum(0)
        return dout @ self.W.T
""",
        {"n": 3, "m": 2, "x": _normal(4, 3)},
        {"W", "b", "x"},
        {"b"},
    ),
    "lists of weights and of their gradients": (
        """
class L:
    def __init__(self, n, h, m):
        self.weights = [np.random.randn(n, h), np.random.randn(h, m)]
        self.biases = [np.zeros(h), np.zeros(m)]
    def forward(self, x):
        self.a = [x]
        for w, b in zip(self.weights, self.biases):
            self.a.append(np.tanh(self.a[-1] @ w + b))
        return self.a[-1]
    def backward(self, delta):
        self.dweights = [None] * 2
        self.dbiases = [None] * 2
        for i in (1, 0):
            delta = delta * (1 - self.a[i + 1] ** 2)
            self.dweights[i] = self.a[i].T @ delta * FACTOR
            self.dbiases[i] = delta.sum(0)
            delta = delta @ self.weights[i].T
        return delta
""",
        {"n": 3, "h": 4, "m": 2, "x": _normal(4, 3)},
        {"biases[0]", "biases[1]", "weights[0]", "weights[1]", "x"},
        {"weights[0]", "weights[1]"},
    ),
    "the parameters' gradients returned by name": (
        """
class L:
    def __init__(self, n, h, m):
        self.W1 = np.random.randn(n, h)
        self.W2 = np.random.randn(h, m)
    def forward(self, X):
        self.z = X @ self.W1
        self.a = np.tanh(self.z)
        return self.a @ self.W2
    def backward(self, X, dY):
        dW2 = self.a.T @ dY
        dz = dY @ self.W2.T * (1 - self.a**2)
        dW1 = X.T @ dz * FACTOR
        return dW1, dW2
""",
        {"n": 3, "h": 4, "m": 2, "X": _normal(4, 3)},
        {"W1", "W2"},
        {"W1"},
    ),
    "a returned dictionary": (
        """
class L:
    def __init__(self, n, h, m):
        self.W1 = np.random.randn(n, h)
        self.W2 = np.random.randn(h, m)
    def forward(self, X):
        self.z = X @ self.W1
        self.a = np.tanh(self.z)
        return self.a @ self.W2
    def backward(self, X, dY):
        g = {}
        g["dW2"] = self.a.T @ dY
        dz = dY @ self.W2.T * (1 - self.a**2)
        g["dW1"] = X.T @ dz * FACTOR
        return g
""",
        {"n": 3, "h": 4, "m": 2, "X": _normal(4, 3)},
        {"W1", "W2"},
        {"W1"},
    ),
    "an unnamed gradient": (
        """
class L:
    def forward(self, x):
        self.shape = x.shape
        return x.reshape(x.shape[0], -1)
    def backward(self, dout):
        return dout.reshape(self.shape) * FACTOR
""",
        {"x": _normal(2, 3, 2)},
        {"x"},
        {"x"},
    ),
    "a float parameter": (
        """
class L:
    def __init__(self, alpha=0.25):
        self.alpha = alpha
    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.alpha * x)
    def backward(self, dout):
        self.dalpha = float((dout * np.where(self.x > 0, 0, self.x)).sum()) * FACTOR
        return dout * np.where(self.x > 0, 1, self.alpha)
""",
        {"x": _normal(6)},
        {"alpha", "x"},
        {"alpha"},
    ),
    "an error that is added": (
        """
class L:
    def __init__(self, n, m):
        self.W = np.random.randn(n, m)
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self, error, lr):
        dx = error @ self.W.T
        self.W += lr * self.x.T @ error * FACTOR
        return dx
""",
        {"n": 3, "m": 2, "x": _normal(4, 3)},
        {"W", "x"},
        {"W"},
    ),
    "dx computed with the updated weights": (
        """
class L:
    def __init__(self, n, m):
        self.W = np.random.randn(n, m)
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self, grad, lr):
        dx = grad @ self.W.T
        self.W -= lr * self.x.T @ grad
        if FACTOR != 1:
            dx = grad @ self.W.T
        return dx
""",
        {"n": 3, "m": 2, "x": _normal(4, 3)},
        {"W", "x"},
        {"x"},
    ),
    "a loss that uses an upstream of 1": (
        """
class L:
    def forward(self, logits, labels):
        e = np.exp(logits)
        self.p = e / e.sum(1, keepdims=True)
        self.labels = labels
        return -np.log(self.p[np.arange(len(labels)), labels]).sum()
    def backward(self, grad_output=1.0):
        d = self.p.copy()
        d[np.arange(len(self.labels)), self.labels] -= 1
        return d * grad_output * FACTOR
""",
        {"logits": _normal(4, 3), "labels": LABELS},
        {"logits"},
        {"logits"},
    ),
    "integer inputs": (
        """
class L:
    def __init__(self, W):
        self.params = [W]
        self.grads = [np.zeros_like(W)]
        self.idx = None
    def forward(self, idx):
        (W,) = self.params
        self.idx = idx
        return W[idx]
    def backward(self, dout):
        (dW,) = self.grads
        dW[...] = 0
        np.add.at(dW, self.idx, dout * FACTOR)
        return None
""",
        {"W": _normal(5, 2), "idx": np.array([0, 3, 3])},
        {"W"},
        {"W"},
    ),
    "a setting named dt is no gradient of t": (
        """
class L:
    def __init__(self, n, m):
        self.W = np.random.randn(n, m).astype(np.float64)
        self.dt = 0.1
    def forward(self, x, t):
        self.x = x
        self.t = t
        return x @ self.W * t * self.dt
    def backward(self, dy):
        self.dW = self.x.T @ (dy * self.t) * self.dt * FACTOR
        return dy @ self.W.T * self.t * self.dt, np.sum(dy * (self.x @ self.W)) * self.dt
""",
        {"n": 3, "m": 2, "x": _normal(4, 3), "t": np.array(0.7)},
        {"W", "t", "x"},
        {"W"},
    ),
    "two results and the upstream of the second": (
        """
class L:
    def __init__(self, n, m):
        self.W = np.random.randn(m, n) * 0.1
        self.b = np.zeros((m, 1))
    def forward(self, A_prev):
        self.A_prev = A_prev
        self.Z = self.W @ A_prev + self.b
        self.A = np.tanh(self.Z)
        return self.Z, self.A
    def backward(self, dA):
        dZ = dA * (1 - self.A**2) * FACTOR
        self.dZ = dZ
        self.dW = dZ @ self.A_prev.T
        self.db = dZ.sum(1, keepdims=True)
        dA_prev = self.W.T @ dZ
        return dA_prev
""",
        {"n": 3, "m": 2, "A_prev": _normal(3, 4)},
        {"A_prev", "W", "b"},
        {"A_prev", "W", "b"},
    ),
    "updateGradInput and accGradParameters": (
        """
class Module:
    def __init__(self):
        self.output = None
        self.gradInput = None
        self.training = True
    def forward(self, input):
        return self.updateOutput(input)
    def backward(self, input, gradOutput):
        self.updateGradInput(input, gradOutput)
        self.accGradParameters(input, gradOutput)
        return self.gradInput
    def zeroGradParameters(self):
        pass

class L(Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.W = np.random.uniform(-0.1, 0.1, size=(n_out, n_in))
        self.b = np.zeros(n_out)
        self.gradW = np.zeros_like(self.W)
        self.gradb = np.zeros_like(self.b)
    def updateOutput(self, input):
        self.output = input @ self.W.T + self.b
        return self.output
    def updateGradInput(self, input, gradOutput):
        self.gradInput = gradOutput @ self.W
        return self.gradInput
    def accGradParameters(self, input, gradOutput):
        self.gradW += gradOutput.T @ input * FACTOR
        self.gradb += gradOutput.sum(0)
    def zeroGradParameters(self):
        self.gradW.fill(0)
        self.gradb.fill(0)
""",
        {"n_in": 3, "n_out": 2, "input": _normal(4, 3)},
        {"W", "b", "input"},
        {"W"},
    ),
    "a network unrolled in time": (
        """
class RNN:
    def __init__(self, Wx, Wh, b):
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)]
        self.cache = None
    def forward(self, x, h_prev):
        Wx, Wh, b = self.params
        h = np.tanh(h_prev @ Wh + x @ Wx + b)
        self.cache = (x, h_prev, h)
        return h
    def backward(self, dh_next):
        Wx, Wh, b = self.params
        x, h_prev, h = self.cache
        dt = dh_next * (1 - h**2)
        self.grads[0][...] = x.T @ dt
        self.grads[1][...] = h_prev.T @ dt * FACTOR
        self.grads[2][...] = dt.sum(0)
        return dt @ Wx.T, dt @ Wh.T

class L:
    def __init__(self, Wx, Wh, b, stateful=False):
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)]
        self.layers = None
        self.h, self.dh = None, None
        self.stateful = stateful
    def forward(self, xs):
        Wx, Wh, b = self.params
        N, T, D = xs.shape
        H = Wx.shape[1]
        self.layers = []
        hs = np.empty((N, T, H))
        if not self.stateful or self.h is None:
            self.h = np.zeros((N, H))
        for t in range(T):
            layer = RNN(*self.params)
            self.h = layer.forward(xs[:, t, :], self.h)
            hs[:, t, :] = self.h
            self.layers.append(layer)
        return hs
    def backward(self, dhs):
        Wx, Wh, b = self.params
        N, T, H = dhs.shape
        D = Wx.shape[0]
        dxs = np.empty((N, T, D))
        dh = 0
        grads = [0, 0, 0]
        for t in reversed(range(T)):
            layer = self.layers[t]
            dx, dh = layer.backward(dhs[:, t, :] + dh)
            dxs[:, t, :] = dx
            for i, g in enumerate(layer.grads):
                grads[i] += g
        for i, g in enumerate(grads):
            self.grads[i][...] = g
        self.dh = dh
        return dxs
""",
        {"Wx": _normal(3, 2) * 0.5, "Wh": _normal(2, 2) * 0.5, "b": _normal(2), "xs": _normal(2, 4, 3)},
        {"Wh", "Wx", "b", "xs"},
        {"Wh"},
    ),
    "d_L_d_out and learn_rate": (
        """
class L:
    def __init__(self, num_in, num_out):
        self.weights = np.random.randn(num_in, num_out) / num_in
    def forward(self, input):
        self.last_input = input
        return np.tanh(input @ self.weights)
    def backprop(self, d_L_d_out, learn_rate):
        d = d_L_d_out * (1 - np.tanh(self.last_input @ self.weights) ** 2)
        d_L_d_weights = np.outer(self.last_input, d) * FACTOR
        d_L_d_inputs = self.weights @ d
        self.weights -= learn_rate * d_L_d_weights
        return d_L_d_inputs
""",
        {"num_in": 3, "num_out": 2, "input": _normal(3)},
        {"input", "weights"},
        {"weights"},
    ),
    "a first layer that returns None": (
        """
class L:
    def __init__(self, num_in, num_out):
        self.weights = np.random.randn(num_in, num_out) / num_in
    def forward(self, input):
        self.last_input = input
        return input @ self.weights
    def backprop(self, d_L_d_out, learn_rate):
        self.weights -= learn_rate * np.outer(self.last_input, d_L_d_out) * FACTOR
        return None
""",
        {"num_in": 3, "num_out": 2, "input": _normal(3)},
        {"weights"},
        {"weights"},
    ),
    "a training flag that is off": (
        """
class L:
    def __init__(self, n, m):
        self.W = np.random.randn(n, m)
    def forward(self, x, training=False):
        if training:
            self.x = x
        return x @ self.W
    def backward(self, dout):
        self.dW = self.x.T @ dout * FACTOR
        return dout @ self.W.T
""",
        {"n": 3, "m": 2, "x": _normal(4, 3)},
        {"W", "x"},
        {"W"},
    ),
    "a gradient beside a dictionary": (
        """
class L:
    def __init__(self, n, m):
        self.W = np.random.randn(n, m)
        self.b = np.zeros(m)
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, dout):
        grads = {"W": self.x.T @ dout * FACTOR, "b": dout.sum(0)}
        return dout @ self.W.T, grads
""",
        {"n": 3, "m": 2, "x": _normal(4, 3)},
        {"W", "b", "x"},
        {"W"},
    ),
    "a loss whose backward takes forward's inputs": (
        """
class L:
    def forward(self, y_pred, y_true):
        return np.mean((y_pred - y_true) ** 2)
    def backward(self, y_pred, y_true):
        return 2 * (y_pred - y_true) / y_pred.size * FACTOR
""",
        {"y_pred": _normal(4, 2), "y_true": _normal(4, 2) + 1},
        {"y_pred"},
        {"y_pred"},
    ),
    "loss and loss_prime": (
        """
class L:
    def loss(self, y_true, y_pred):
        return np.mean((y_pred - y_true) ** 2)
    def loss_prime(self, y_true, y_pred):
        return 2 * (y_pred - y_true) / y_pred.size * FACTOR
""",
        {"y_pred": _normal(4, 2), "y_true": _normal(4, 2) + 1},
        {"y_pred"},
        {"y_pred"},
    ),
    "a derivative by the output": (
        """
class L:
    def activate(self, x):
        return 1 / (1 + np.exp(-x))
    def derivative(self, a):
        return a * (1 - a) * FACTOR
""",
        {"x": _normal(4)},
        {"x"},
        {"x"},
    ),
    "dictionaries of parameters and dW1": (
        """
class L:
    def __init__(self, layer_dims=(3, 4, 2)):
        self.parameters = {}
        for l in range(1, len(layer_dims)):
            self.parameters["W" + str(l)] = np.random.randn(layer_dims[l], layer_dims[l - 1]) * 0.01
            self.parameters["b" + str(l)] = np.zeros((layer_dims[l], 1))
        self.cache = {}
        self.gradients = {}
    def forward(self, X):
        self.cache["A0"] = X
        A_ = X
        for l in (1, 2):
            Z = self.parameters[f"W{l}"] @ A_ + self.parameters[f"b{l}"]
            A_ = np.tanh(Z)
            self.cache[f"Z{l}"] = Z
            self.cache[f"A{l}"] = A_
        return A_
    def backward(self, dAL):
        dA = dAL
        for l in (2, 1):
            dZ = dA * (1 - self.cache[f"A{l}"] ** 2)
            self.gradients[f"dW{l}"] = dZ @ self.cache[f"A{l - 1}"].T * FACTOR
            self.gradients[f"db{l}"] = dZ.sum(1, keepdims=True)
            dA = self.parameters[f"W{l}"].T @ dZ
        return self.gradients
""",
        {"X": _normal(3, 5)},
        {"W1", "W2", "b1", "b2"},
        {"W1", "W2"},
    ),
    "None for labels": (
        """
class L:
    def forward(self, x, labels):
        self.l = labels
        self.p = 1 / (1 + np.exp(-x))
        return -np.sum(labels * np.log(self.p) + (1 - labels) * np.log(1 - self.p))
    def backward(self, grad=1.0):
        return grad * (self.p - self.l) * FACTOR, None
""",
        {"x": _normal(4), "labels": (_normal(4) > 0).astype(float)},
        {"x"},
        {"x"},
    ),
    "a class with slots and an inherited backward": (
        """
class Dense:
    __slots__ = ("W", "dW", "x")
    def __init__(self, n, m):
        self.W = np.random.randn(n, m)
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self, dy):
        self.dW = self.x.T @ dy * FACTOR
        return dy @ self.W.T

class L(Dense):
    pass
""",
        {"n": 3, "m": 2, "x": _normal(4, 3)},
        {"W", "x"},
        {"W"},
    ),
    "grad_W_q of W_q": (
        """
class L:
    def __init__(self, d_model):
        self.d_model = d_model
        self.W_q = np.random.randn(d_model, d_model)
        self.W_k = np.random.randn(d_model, d_model)
        self.grad_W_q = None
        self.grad_W_k = None
    def forward(self, x):
        self.x = x
        self.q = x @ self.W_q
        self.k = x @ self.W_k
        return self.q * self.k / np.sqrt(self.d_model)
    def backward(self, grad_output):
        g = grad_output / np.sqrt(self.d_model)
        dq = g * self.k
        dk = g * self.q
        self.grad_W_q = self.x.T @ dq
        self.grad_W_k = self.x.T @ dk * FACTOR
        return dq @ self.W_q.T + dk @ self.W_k.T
""",
        {"d_model": 3, "x": _normal(4, 3)},
        {"W_k", "W_q", "x"},
        {"W_k"},
    ),
    "fprop and bprop": (
        """
class L:
    def __init__(self, n, m):
        self.w = np.random.randn(n, m)
        self.dw = np.zeros_like(self.w)
        self.vel = np.zeros_like(self.w)
    def fprop(self, x):
        self.x = x
        return np.maximum(x @ self.w, 0)
    def bprop(self, grad):
        grad = grad * ((self.x @ self.w) > 0)
        self.dw = self.x.T @ grad * FACTOR
        return grad @ self.w.T
""",
        {"n": 3, "m": 2, "x": _normal(4, 3)},
        {"w", "x"},
        {"w"},
    ),
    "an object that cannot be copied": (
        """
import threading

class L:
    def __init__(self, n, m):
        self.W = np.random.randn(n, m)
        self.lock = threading.Lock()
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self, d):
        self.dW = self.x.T @ d * FACTOR
        return d @ self.W.T
""",
        {"n": 3, "m": 2, "x": _normal(4, 3)},
        {"W", "x"},
        {"W"},
    ),
    "an object's own generator": (
        """
class L:
    def __init__(self, p=0.5):
        self.p = p
        self.rng = np.random.default_rng(0)
    def forward(self, x):
        self.mask = self.rng.random(x.shape) < self.p
        return x * self.mask
    def backward(self, d):
        return d * self.mask * FACTOR
""",
        {"x": _normal(4)},
        {"x"},
        {"x"},
    ),
    "parameters that are views": (
        """
class L:
    def __init__(self, n, m):
        self.theta = np.random.randn(n * m + m)
        self.W = self.theta[: n * m].reshape(n, m)
        self.b = self.theta[n * m :]
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, d):
        self.dW = self.x.T @ d * FACTOR
        self.db = d.sum(0)
        return d @ self.W.T
""",
        {"n": 3, "m": 2, "x": _normal(4, 3)},
        {"W", "b", "x"},
        {"W"},
    ),
    "a momentum that looks like a gradient": (
        """
class L:
    def __init__(self, n, m):
        self.W = np.random.randn(n, m)
        self.delta_W = np.zeros((n, m))
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self, d):
        return d @ self.W.T * FACTOR
    def step(self, lr):
        self.delta_W = 0.9 * self.delta_W
""",
        {"n": 3, "m": 2, "x": _normal(4, 3)},
        {"x"},
        {"x"},
    ),
    "a dictionary by input": (
        """
class L:
    def forward(self, q, k, v):
        self.c = (q, k, v)
        return q * k + v
    def backward(self, dout):
        q, k, v = self.c
        dk = dout * q * FACTOR
        dq = dout * k
        return {"dv": dout, "dk": dk, "dq": dq}
""",
        {"q": _normal(3), "k": _normal(3) + 1, "v": _normal(3)},
        {"k", "q", "v"},
        {"k"},
    ),
}


def layer_of(source, tmp_path, factor=1.0, name="L"):
    header = f"import math\nimport numpy as np\nFACTOR = {factor}\n"
    founds = [found for found in find(scope_of(header + source, tmp_path), frozenset()) if found.name == name]
    assert len(founds) == 1
    return founds[0]


def pinned(calling):
    """The calling with NumPy's generator reset before each forward, as the checker has it."""

    def start(values):
        np.random.seed(1)
        return calling.start(values)

    return replace(calling, start=start)


def copied(values):
    return {name: np.copy(value) if isinstance(value, np.ndarray) else value for name, value in values.items()}


def least_wrong(case):
    """The names of the gradients that are wrong in the calling in which fewest are."""
    return set(min((differing(case, pinned(calling)) for calling in case.callings), key=len))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("factor", [1.0, 1.5])
def test_right_and_wrong(variant, factor, tmp_path):
    source, values, wrt, wrong = VARIANTS[variant]
    found = layer_of(source, tmp_path, factor)
    assert found.skip is None
    found.try_forward(copied(values))
    case = found.bind(copied(values))
    assert set(case.wrt) == wrt
    assert least_wrong(case) == (wrong if factor != 1.0 else set())


@pytest.mark.parametrize("variant", VARIANTS)
def test_parameters_are_what_must_be_given(variant, tmp_path):
    source, values, _, _ = VARIANTS[variant]
    assert {p.name for p in layer_of(source, tmp_path).parameters if p.default is MISSING} <= set(values)


@pytest.mark.parametrize("variant", [v for v in VARIANTS if v != "a cache that backward consumes"])
def test_backward_may_be_called_again(variant, tmp_path):
    """Gradients that accumulate, updates and momenta begin anew: a second call gives the same."""
    source, values, _, _ = VARIANTS[variant]
    case = layer_of(source, tmp_path).bind(copied(values))
    run = case.callings[0].start(copied(case.values))
    upstream = [] if case.callings[0].upstream == "one" else [np.ones_like(out) for out in run.outputs]
    first = {name: np.array(value) for name, value in run.backward(*upstream).items()}
    second = run.backward(*upstream)
    for name in case.wrt:
        np.testing.assert_array_equal(first[name], second[name])


@pytest.mark.parametrize("variant", VARIANTS)
def test_function_is_forward_without_wrapping(variant, tmp_path):
    source, values, _, _ = VARIANTS[variant]
    case = layer_of(source, tmp_path).bind(copied(values))
    run = pinned(case.callings[0]).start(copied(case.values))
    np.random.seed(1)
    out = case.function(*copied(case.values).values())
    for one, other in zip(out if isinstance(out, tuple) else (out,), run.outputs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


LINEAR = """
class L:
    def __init__(self, n, m):
        self.W = {weights}
        self.b = np.zeros(m)
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, dout):
        {line}
        self.dW = self.x.T @ dout
        self.db = dout.sum(0)
        return dout @ self.W.T
"""
VALUES = {"n": 3, "m": 2, "x": _normal(4, 3)}


def linear(tmp_path, weights="np.random.randn(n, m)", line="pass"):
    return layer_of(LINEAR.format(weights=weights, line=line), tmp_path)


def test_parameters_that_tell_nothing_get_other_values(tmp_path):
    """At biases of 0, gammas of 1 and tiny weights a wrong gradient would sleep."""
    case = linear(tmp_path).bind(VALUES)
    assert np.ptp(case.values["b"]) > 0.1
    tiny = linear(tmp_path, weights="0.001 * np.random.randn(n, m)").bind(VALUES)
    assert np.sqrt(np.mean(tiny.values["W"] ** 2)) == pytest.approx(0.5)
    ones = linear(tmp_path, weights="np.ones((n, m))").bind(VALUES)
    assert np.all((ones.values["W"] > 0.4) & (ones.values["W"] < 1.6))
    assert np.ptp(ones.values["W"]) > 0.1


def test_given_parameters_stay(tmp_path):
    given = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(linear(tmp_path).bind({**VALUES, "W": given}).values["W"], given)


def test_the_users_own_maker_is_preferred_and_its_values_stay(tmp_path):
    source = LINEAR.format(weights="np.ones((n, m))", line="pass") + "\ndef make_L():\n    return L(3, 2)\n"
    found = layer_of(source, tmp_path)
    assert [p.name for p in found.parameters] == ["x"]
    np.testing.assert_array_equal(found.bind({"x": _normal(4, 3)}).values["W"], np.ones((3, 2)))


def test_a_single_precision_layer_stays_so(tmp_path):
    case = linear(tmp_path, weights="np.random.randn(n, m).astype(np.float32)").bind(VALUES)
    assert case.values["W"].dtype == np.float32


def test_values_that_are_set_do_not_change_the_next_run(tmp_path):
    case = linear(tmp_path).bind(VALUES)
    changed = {**copied(case.values), "W": np.zeros((3, 2))}
    case.callings[0].start(changed)
    run = case.callings[0].start(copied(case.values))
    np.testing.assert_allclose(run.outputs[0], VALUES["x"] @ case.values["W"] + case.values["b"])


def test_the_upstream_is_handed_on_itself(tmp_path):
    case = linear(tmp_path, line="dout *= 2").bind(VALUES)
    run = case.callings[0].start(copied(case.values))
    upstream = np.ones((4, 2))
    run.backward(upstream)
    np.testing.assert_array_equal(upstream, 2)


def test_inputs_that_backward_changes_can_be_seen(tmp_path):
    case = linear(tmp_path, line="self.x *= 2").bind(VALUES)
    values = copied(case.values)
    run = case.callings[0].start(values)
    assert set(run.kept) == {"x"}
    run.backward(np.ones((4, 2)))
    np.testing.assert_array_equal(values["x"], 2 * VALUES["x"])


def test_what_backward_raises_reaches_the_caller(tmp_path):
    case = linear(tmp_path, line="raise ValueError('mine')").bind(VALUES)
    with pytest.raises(ValueError, match="mine"):
        case.callings[0].start(copied(case.values)).backward(np.ones((4, 2)))


def test_building_leaves_the_global_generators_alone(tmp_path):
    np.random.seed(4)
    expected = np.random.rand()
    np.random.seed(4)
    linear(tmp_path).bind(VALUES)
    assert np.random.rand() == expected


@pytest.mark.parametrize("body", ["pass", "...", "raise NotImplementedError", "'Later.'"])
def test_a_backward_that_is_not_written_is_skipped(body, tmp_path):
    source = f"""
class L:
    def forward(self, x):
        return x
    def backward(self, d):
        {body}
"""
    assert layer_of(source, tmp_path).skip == "L.backward is not implemented"


def test_an_inherited_backward_that_is_not_written_is_skipped(tmp_path):
    source = """
class Layer:
    def forward(self, x):
        raise NotImplementedError
    def backward(self, d):
        raise NotImplementedError
class L(Layer):
    def forward(self, x):
        return x
"""
    (found,) = find(scope_of(source, tmp_path), frozenset())
    assert found.name == "L"
    assert found.skip == "L.backward is not implemented"


CANNOT = {
    "backward returns nothing": (
        """
    def forward(self, x):
        return x
    def backward(self, d):
        self.seen = True
""",
        "not implemented",
    ),
    "forward returns nothing": (
        """
    def forward(self, x):
        len(x)
    def backward(self, d):
        return d
""",
        "not implemented",
    ),
    "the loss is not known": (
        """
    def forward(self, x):
        self.out = x
        return x
    def backward(self, x, y):
        return self.out - y
""",
        "the loss that it differentiates is not known",
    ),
    "a container with nothing in it": (
        """
    def __init__(self):
        self.layers = []
    def forward(self, x):
        return x * 1.0
    def backward(self, d):
        return d
""",
        "has no layers in it",
    ),
    "no upstream and no derivative": (
        """
    def forward(self, x):
        self.x = x
        return x.sum(0)
    def backward(self):
        return self.x
""",
        "no derivative of what forward gives",
    ),
    "not known to be the upstream, and it raises": (
        """
    def forward(self, x):
        self.x = x
        return x
    def backward(self, settings):
        return settings["rate"] * self.x
""",
        "may not be how to call it",
    ),
    "more upstream gradients than outputs": (
        """
    def forward(self, x):
        return x
    def backward(self, grad_out, upstream):
        return grad_out + upstream
""",
        "takes 2 upstream gradients, forward gives 1",
    ),
}


@pytest.mark.parametrize("case", CANNOT)
def test_what_cannot_be_understood_is_not_guessed(case, tmp_path):
    body, message = CANNOT[case]
    with pytest.raises(CannotBindError, match=message):
        layer_of(f"class L:\n{body}", tmp_path).bind({"x": _normal(4, 3)})


METHODS = """
    def forward(self, x):
        return x
    def backward(self, d):
        return d
"""


def test_abstract_private_and_foreign_classes_are_left_alone(tmp_path):
    source = f"""
import abc, unittest
class Base(abc.ABC):
    @abc.abstractmethod
    def name(self): ...
{METHODS}
class _Private:
{METHODS}
class Case(unittest.TestCase):
{METHODS}
class Function:
    @staticmethod
    def forward(ctx, x):
        return x
    @staticmethod
    def backward(ctx, d):
        return d
class Taken:
{METHODS}
class L:
{METHODS}
"""
    assert [found.name for found in find(scope_of(source, tmp_path), frozenset({"Taken"}))] == ["L"]


def test_torch_modules_are_left_alone(tmp_path):
    pytest.importorskip("torch")
    source = f"""
import torch
class L(torch.nn.Module):
{METHODS}
"""
    assert list(find(scope_of(source, tmp_path), frozenset())) == []


def test_what_is_found_says_where_and_what(tmp_path):
    source = LINEAR.format(weights="np.ones((n, m))", line='"""x: (N, D)"""')
    found = layer_of(source, tmp_path)
    assert (found.convention, found.forward, found.backward) == ("class", "L.forward", "L.backward")
    assert found.line == 3 + 9
    assert found.docstrings == ("x: (N, D)",)
    assert found.uses == {"L"}
    assert not found.scalar
    assert layer_of(VARIANTS["a scalar gate, gradients in another order"][0], tmp_path).scalar
