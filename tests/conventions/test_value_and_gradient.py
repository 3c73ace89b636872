"""One function that returns a value and its gradient."""

import pytest

from tests.conventions.looking import causes, look, told, words

NUMPY = "import numpy as np\n"

RIGHT = {
    "softmax loss": """
def softmax_loss(x, y):
    \"\"\"
    Inputs:
    - x: Input data, of shape (N, C) where x[i, j] is the score for the jth class for the ith input.
    - y: Vector of labels, of shape (N,) where y[i] is the label for x[i] and 0 <= y[i] < C

    Returns a tuple of:
    - loss: Scalar giving the loss
    - dx: Gradient of the loss with respect to x
    \"\"\"
    z = x - x.max(axis=1, keepdims=True)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    n = x.shape[0]
    loss = -np.log(p[np.arange(n), y]).sum() / n
    dx = p.copy()
    dx[np.arange(n), y] -= 1
    dx /= n
    return loss, dx
""",
    "softmax loss, nothing said": """
def softmax_loss(x, y):
    z = x - x.max(axis=1, keepdims=True)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    n = x.shape[0]
    loss = -np.log(p[np.arange(n), y]).mean()
    dx = p.copy()
    dx[np.arange(n), y] -= 1
    return loss, dx / n
""",
    "svm loss": """
def svm_loss(x, y):
    N = x.shape[0]
    correct = x[np.arange(N), y]
    margins = np.maximum(0, x - correct[:, np.newaxis] + 1.0)
    margins[np.arange(N), y] = 0
    loss = np.sum(margins) / N
    num_pos = np.sum(margins > 0, axis=1)
    dx = np.zeros_like(x)
    dx[margins > 0] = 1
    dx[np.arange(N), y] -= num_pos
    dx /= N
    return loss, dx
""",
    "weights of a linear classifier": """
def softmax_loss_vectorized(W, X, y, reg):
    \"\"\"
    Inputs:
    - W: A numpy array of shape (D, C) containing weights.
    - X: A numpy array of shape (N, D) containing a minibatch of data.
    - y: A numpy array of shape (N,) containing training labels; y[i] = c means that X[i] has label c, where 0 <= c < C.
    - reg: (float) regularization strength

    Returns a tuple of:
    - loss as single float
    - gradient with respect to weights W; an array of same shape as W
    \"\"\"
    n = len(y)
    s = X @ W
    s = s - s.max(axis=1, keepdims=True)
    p = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(n), y]).mean() + reg * np.sum(W * W)
    p[np.arange(n), y] -= 1
    dW = X.T @ p / n + 2 * reg * W
    return loss, dW
""",
    "value and grad by name": """
def quartic_value_and_grad(x):
    return np.sum(x**4), 4 * x**3
""",
    "several gradients": """
def mse_loss(pred, target):
    diff = pred - target
    loss = np.mean(diff**2)
    dpred = 2 * diff / diff.size
    dtarget = -dpred
    return loss, dpred, dtarget
""",
    "gradients in a dictionary": """
def loss(X, W, b, t):
    \"\"\"X: (N, D), W: (D, M), b: (M,), t: (N, M)\"\"\"
    r = X @ W + b - t
    value = 0.5 * np.sum(r * r)
    grads = {"W": X.T @ r, "b": r.sum(axis=0)}
    return value, grads
""",
    "regression for an optimizer": """
def cost(theta, X, y):
    \"\"\"theta: shape (n,); X: shape (m, n); y: shape (m,)\"\"\"
    m = len(y)
    r = X @ theta - y
    J = r @ r / (2 * m)
    grad = X.T @ r / m
    return J, grad
""",
    "one line of docstring": """
def softmax_loss(x, y):
    \"\"\"x: scores, of shape (N, C); y: labels, of shape (N,), from 0 to C - 1. Returns the mean loss and its gradient.\"\"\"
    z = x - x.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    rows = np.arange(len(y))
    dx = np.exp(log_p)
    dx[rows, y] -= 1
    return -log_p[rows, y].mean(), dx / len(y)
""",
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_ones_are_ok(name, tmp_path):
    results = look(NUMPY + RIGHT[name], tmp_path)
    assert set(words(results).values()) == {"OK"}, told(results)


def test_the_batch_size_left_out(tmp_path):
    results = look(NUMPY + RIGHT["softmax loss"].replace("dx /= n", "pass"), tmp_path)
    (result,) = results.values()
    assert causes(result) == {"x": "GC105"}, told(results)
    assert "larger by the batch size 4" in result.gradients[0].cause.message


def test_regularisation_left_out(tmp_path):
    source = RIGHT["weights of a linear classifier"].replace(" + 2 * reg * W", "")
    (result,) = (results := look(NUMPY + source, tmp_path)).values()
    assert causes(result) == {"W": "GC119"}, told(results)


def test_what_returns_a_pair_of_something_else_is_left_alone(tmp_path):
    results = look("""
        import numpy as np


        def split(x):
            return x[:1], x[1:]


        def mean_and_variance(x):
            return x.mean(), x.var()


        def forward(x):
            return x * 2, x
        """, tmp_path)  # fmt: skip
    assert "WRONG" not in words(results).values(), told(results)
