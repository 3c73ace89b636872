"""Code in the styles of widely read courses and libraries, right and with one fault: the right is OK, the fault is WRONG."""

import pytest

from tests.conventions.looking import look, told, words

START = "import numpy as np\n"

CODE = {
    "labels or rows with a one, of which backward knows one": (
        """
class TwoLayerNet:
    def __init__(self, input_size, hidden_size, output_size, weight_init_std=0.3):
        self.params = {
            "W1": weight_init_std * np.random.randn(input_size, hidden_size),
            "b1": np.zeros(hidden_size),
            "W2": weight_init_std * np.random.randn(hidden_size, output_size),
            "b2": np.zeros(output_size),
        }

    def predict(self, x):
        z = np.tanh(np.dot(x, self.params["W1"]) + self.params["b1"])
        a = np.dot(z, self.params["W2"]) + self.params["b2"]
        e = np.exp(a - a.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    def loss(self, x, t):
        y = self.predict(x)
        if t.size == y.size:
            t = t.argmax(axis=1)
        return -np.sum(np.log(y[np.arange(len(y)), t])) / len(y)

    def gradient(self, x, t):
        z = np.tanh(np.dot(x, self.params["W1"]) + self.params["b1"])
        dy = (self.predict(x) - t) / len(x)
        dz = np.dot(dy, self.params["W2"].T) * (1 - z**2)
        return {"W1": np.dot(x.T, dz), "b1": dz.sum(axis=0), "W2": np.dot(z.T, dy), "b2": dy.sum(axis=0)}
""",
        "(1 - z**2)",
        "(1 - z)",
        "TwoLayerNet",
    ),
    "inputs kept in a list": (
        """
class Dense:
    def __init__(self, n_out, n_in):
        self.parameters = {"W": 0.3 * np.random.randn(n_in, n_out), "b": np.zeros((1, n_out))}
        self.gradients = {"W": np.zeros((n_in, n_out)), "b": np.zeros((1, n_out))}
        self.derived = {"Z": []}
        self.X = []

    def forward(self, X, retain_derived=True):
        Z = X @ self.parameters["W"] + self.parameters["b"]
        if retain_derived:
            self.X.append(X)
            self.derived["Z"].append(Z)
        return np.tanh(Z)

    def backward(self, dLdY):
        dX = []
        for dy, x, z in zip([dLdY], self.X, self.derived["Z"]):
            dZ = dy * (1 - np.tanh(z) ** 2)
            self.gradients["W"] += x.T @ dZ
            self.gradients["b"] += dZ.sum(axis=0, keepdims=True)
            dX.append(dZ @ self.parameters["W"].T)
        return dX[0] if len(self.X) == 1 else dX
""",
        "(1 - np.tanh(z) ** 2)",
        "(1 - np.tanh(x @ self.parameters['W']) ** 2)",
        "Dense",
    ),
    "a list of parameters that the first call fills": (
        """
class Dense:
    def __init__(self, units):
        self.units, self.params, self.grads = units, [], []

    def forward(self, x):
        if not self.params:
            self.params = [0.3 * np.random.randn(x.shape[1], self.units), np.zeros(self.units)]
        self.x = x
        return x @ self.params[0] + self.params[1]

    def backward(self, dout):
        self.grads = [self.x.T @ dout, dout.sum(axis=0)]
        return dout @ self.params[0].T
""",
        "dout.sum(axis=0)]",
        "dout.mean(axis=0)]",
        "Dense",
    ),
    "a mode of which docstring and code say two": (
        """
def pool_forward(A_prev, mode="max"):
    \"\"\"A_prev -- numpy array of shape (m, n)\"\"\"
    A = A_prev.max(axis=1) if mode == "max" else A_prev.mean(axis=1)
    if mode not in ("max", "average"):
        raise ValueError(mode)
    return A, A_prev


def pool_backward(dA, cache, mode="max"):
    if mode == "max":
        return dA[:, None] * np.eye(cache.shape[1])[cache.argmax(axis=1)]
    elif mode == "average":
        return np.repeat(dA[:, None], cache.shape[1], axis=1) / cache.shape[1]
""",
        " / cache.shape[1]",
        "",
        "pool",
    ),
    "a number whose gradient stands in a dictionary": (
        """
def propagate(w, b, X, Y):
    A = 1 / (1 + np.exp(-(np.dot(w.T, X) + b)))
    cost = -np.mean(Y * np.log(A) + (1 - Y) * np.log(1 - A))
    dw = np.dot(X, (A - Y).T) / X.shape[1]
    db = np.sum(A - Y) / X.shape[1]
    grads = {"dw": dw, "db": db}
    return grads, cost


def propagate_inputs():
    X = np.random.default_rng(0).normal(size=(3, 5))
    return {"w": np.ones((3, 1)), "b": 0.3, "X": X, "Y": np.array([[0.0, 1, 1, 0, 1]])}
""",
        "np.sum(A - Y) / X.shape[1]",
        "np.sum(A - Y)",
        "propagate",
    ),
    "gradients called grad and a part of the input's name": (
        """
def naiveSoftmaxLossAndGradient(centerWordVec, outsideWordIdx, outsideVectors):
    \"\"\"
    centerWordVec -- center word's embedding in shape (word vector length, )
    outsideWordIdx -- integer, the index of the outside word
    outsideVectors -- outside vectors in shape (num words in vocab, word vector length)
    \"\"\"
    scores = outsideVectors @ centerWordVec
    p = np.exp(scores - scores.max())
    p /= p.sum()
    loss = -np.log(p[outsideWordIdx])
    d = p.copy()
    d[outsideWordIdx] -= 1
    gradCenterVec = outsideVectors.T @ d
    gradOutsideVecs = np.outer(d, centerWordVec)
    return loss, gradCenterVec, gradOutsideVecs
""",
        "np.outer(d, centerWordVec)",
        "np.outer(p, centerWordVec)",
        "naiveSoftmaxLossAndGradient",
    ),
    "sizes in a list": (
        """
def net_loss(X, params, dimensions):
    n, h = dimensions
    W = params[: n * h].reshape(n, h)
    Z = np.tanh(X @ W)
    loss = np.sum(Z**2)
    grad = (X.T @ (2 * Z * (1 - Z**2))).ravel()
    return loss, grad


def net_loss_inputs():
    rng = np.random.default_rng(0)
    return {"X": rng.normal(size=(5, 3)), "params": rng.normal(size=6), "dimensions": [3, 2]}
""",
        "(1 - Z**2)",
        "(1 - Z)",
        "net_loss",
    ),
    "an embedding": (
        """
class Embedding:
    def __init__(self, W):
        self.params = [W]
        self.grads = [np.zeros_like(W)]

    def forward(self, idx):
        self.idx = idx
        return self.params[0][idx]

    def backward(self, dout):
        dW = self.grads[0]
        dW[...] = 0
        np.add.at(dW, self.idx, dout)
""",
        "np.add.at(dW, self.idx, dout)",
        "dW[self.idx] = dout",
        "Embedding",
    ),
    "a gate whose second gradient is of the wrong shape": (
        """
class Add:
    def forward(self, x, y):
        return x + y

    def backward(self, dout):
        dx = dout * 1
        dy = dout * 1
        return dx, dy
""",
        "dy = dout * 1",
        "dy = 1",
        "Add",
    ),
    "a kernel's parameters": (
        """
def rbf(X, lengthscale, variance):
    d2 = np.sum((X[:, None, :] - X[None, :, :]) ** 2, axis=-1)
    return variance * np.exp(-0.5 * d2 / lengthscale**2)


def rbf_grad_lengthscale(X, lengthscale, variance):
    d2 = np.sum((X[:, None, :] - X[None, :, :]) ** 2, axis=-1)
    return variance * np.exp(-0.5 * d2 / lengthscale**2) * d2 / lengthscale**3
""",
        "lengthscale**3",
        "lengthscale**2",
        "rbf_grad_lengthscale",
    ),
    "a capital with a default": (
        """
def rastrigin(x, A=10):
    return A * len(x) + np.sum(x**2 - A * np.cos(2 * np.pi * x))


def rastrigin_deriv(x, A=10):
    return 2 * x + 2 * np.pi * A * np.sin(2 * np.pi * x)
""",
        "2 * np.pi * A *",
        "A *",
        "rastrigin_deriv",
    ),
    "a model of statistics": (
        """
class Logit:
    def __init__(self, endog, exog):
        self.endog, self.exog = endog, exog

    def cdf(self, X):
        return 1 / (1 + np.exp(-X))

    def loglike(self, params):
        q = 2 * self.endog - 1
        return np.sum(np.log(self.cdf(q * np.dot(self.exog, params))))

    def score(self, params):
        return np.dot(self.endog - self.cdf(np.dot(self.exog, params)), self.exog)

    def hessian(self, params):
        L = self.cdf(np.dot(self.exog, params))
        return -np.dot(L * (1 - L) * self.exog.T, self.exog)
""",
        "L * (1 - L) * self.exog.T",
        "L * self.exog.T",
        "Logit.score",
    ),
    "a derivative that the docstring says the input of": (
        """
def distance(a, b):
    return np.sum(a * np.sin(b))


def distance_grad(a, b):
    \"\"\"Gradient with respect to b.\"\"\"
    return a * np.cos(b)
""",
        "a * np.cos(b)",
        "np.cos(b)",
        "distance_grad",
    ),
    "two distributions": (
        """
def kl_divergence(p, q):
    return np.sum(p * np.log(p / q))


def kl_divergence_grad(p, q):
    return -p / q
""",
        "-p / q",
        "p / q",
        "kl_divergence_grad",
    ),
    "shapes in a sentence without a colon": (
        """
def focal_loss(logits, targets):
    \"\"\"Binary focal loss. logits (N,), targets (N,) in {0, 1}.\"\"\"
    p = 1 / (1 + np.exp(-logits))
    pt = np.where(targets == 1, p, 1 - p)
    loss = np.mean(-((1 - pt) ** 2) * np.log(pt))
    s = np.where(targets == 1, 1.0, -1.0)
    dlogits = (2 * (1 - pt) * np.log(pt) - (1 - pt) ** 2 / pt) * s * p * (1 - p) / len(logits)
    return loss, dlogits
""",
        "* s * p",
        "* p",
        "focal_loss",
    ),
    "a softmax of a column": (
        """
class Softmax:
    def forward(self, input):
        tmp = np.exp(input)
        self.output = tmp / np.sum(tmp)
        return self.output

    def backward(self, output_gradient):
        n = np.size(self.output)
        return np.dot((np.identity(n) - self.output.T) * self.output, output_gradient)
""",
        "self.output.T) * self.output",
        "self.output.T) * self.output.T",
        "Softmax",
    ),
    "two lists of indices": (
        """
class SkipGram:
    def __init__(self, vocab_size, embed_dim):
        self.W_in = np.random.randn(vocab_size, embed_dim) * 0.1
        self.W_out = np.random.randn(embed_dim, vocab_size) * 0.1

    def forward(self, center_idx, context_idx):
        self.c, self.o = center_idx, context_idx
        self.h = self.W_in[center_idx]
        s = self.h @ self.W_out
        e = np.exp(s - s.max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        return -np.log(self.p[np.arange(len(context_idx)), context_idx]).mean()

    def backward(self):
        d = self.p.copy()
        d[np.arange(len(self.o)), self.o] -= 1
        d /= len(self.o)
        self.dW_out = self.h.T @ d
        self.dW_in = np.zeros_like(self.W_in)
        np.add.at(self.dW_in, self.c, d @ self.W_out.T)
""",
        "np.add.at(self.dW_in, self.c, d @ self.W_out.T)",
        "self.dW_in[self.c] = d @ self.W_out.T",
        "SkipGram",
    ),
}


@pytest.mark.parametrize("title", CODE)
def test_right_code_is_ok(title, tmp_path):
    source, _, _, name = CODE[title]
    results = look(START + source, tmp_path)
    assert words(results)[name] == "OK", told(results)
    assert "WRONG" not in words(results).values(), told(results)


@pytest.mark.parametrize("title", CODE)
def test_a_fault_is_wrong(title, tmp_path):
    source, right, wrong, name = CODE[title]
    assert source.count(right) >= 1
    results = look(START + source.replace(right, wrong), tmp_path)
    assert words(results)[name] == "WRONG", told(results)
