"""``F_forward`` with ``F_backward``, as it is written: caches, several outputs, settings, losses, other names and orders."""

import pytest

from tests.conventions.looking import causes, look, told, words

NUMPY = "import numpy as np\n"

RIGHT = {
    "affine, shapes in the docstring": """
def affine_forward(x, w, b):
    \"\"\"
    Inputs:
    - x: A numpy array containing input data, of shape (N, d_1, ..., d_k)
    - w: A numpy array of weights, of shape (D, M)
    - b: A numpy array of biases, of shape (M,)
    \"\"\"
    out = x.reshape(x.shape[0], -1) @ w + b
    return out, (x, w, b)


def affine_backward(dout, cache):
    x, w, b = cache
    dx = (dout @ w.T).reshape(x.shape)
    dw = x.reshape(x.shape[0], -1).T @ dout
    db = dout.sum(axis=0)
    return dx, dw, db
""",
    "affine, nothing said": """
def affine_forward(x, w, b):
    return x.dot(w) + b, (x, w, b)


def affine_backward(dout, cache):
    x, w, b = cache
    return dout.dot(w.T), x.T.dot(dout), np.sum(dout, axis=0)
""",
    "net, nothing said": """
def net_forward(X, W1, b1, W2, b2):
    z = X @ W1 + b1
    h = 1 / (1 + np.exp(-z))
    return h @ W2 + b2, (X, W1, W2, h)


def net_backward(dout, cache):
    X, W1, W2, h = cache
    dW2 = h.T @ dout
    db2 = dout.sum(axis=0)
    dz = dout @ W2.T * h * (1 - h)
    dW1 = X.T @ dz
    db1 = dz.sum(axis=0)
    dX = dz @ W1.T
    return dX, dW1, db1, dW2, db2
""",
    "examples in columns": """
def linear_forward(A, W, b):
    \"\"\"
    Arguments:
    A -- activations from previous layer (or input data): (size of previous layer, number of examples)
    W -- weights matrix: numpy array of shape (size of current layer, size of previous layer)
    b -- bias vector, numpy array of shape (size of the current layer, 1)
    \"\"\"
    Z = np.dot(W, A) + b
    cache = (A, W, b)
    return Z, cache


def linear_backward(dZ, cache):
    A_prev, W, b = cache
    dW = np.dot(dZ, A_prev.T)
    db = np.sum(dZ, axis=1, keepdims=True)
    dA_prev = np.dot(W.T, dZ)
    return dA_prev, dW, db
""",
    "cache before upstream": """
def scale_forward(x, k):
    return x * k, (x, k)


def scale_backward(cache, dout):
    x, k = cache
    return dout * k, np.sum(dout * x) if np.ndim(k) == 0 else (dout * x)
""",
    "input in place of a cache": """
def relu_forward(x):
    return np.maximum(x, 0)


def relu_backward(dout, x):
    return dout * (x > 0)
""",
    "output in place of a cache": """
def tanh_forward(x):
    return np.tanh(x)


def tanh_backward(dout, out):
    return dout * (1 - out**2)
""",
    "everything by name, upstream last": """
def scaled_forward(x, w):
    return x * np.tanh(w)


def scaled_backward(x, w, dout):
    dx = dout * np.tanh(w)
    dw = dout * x / np.cosh(w) ** 2
    return dx, dw
""",
    "gradients in another order": """
def times_forward(a, b):
    return a * b**2, (a, b)


def times_backward(dout, cache):
    a, b = cache
    db = 2 * dout * a * b
    da = dout * b**2
    return db, da
""",
    "gradients in a dictionary": """
def dense_forward(x, params):
    out = x @ params["W"] + params["b"]
    return out, (x, params)


def dense_backward(dout, cache):
    x, params = cache
    grads = {"W": x.T @ dout, "b": dout.sum(axis=0)}
    return dout @ params["W"].T, grads
""",
    "dictionary cache": """
def softplus_forward(x):
    cache = {"x": x}
    return np.logaddexp(0, x), cache


def softplus_backward(dout, cache):
    return dout / (1 + np.exp(-cache["x"]))
""",
    "two outputs": """
def polar_forward(r, t):
    x, y = r * np.cos(t), r * np.sin(t)
    cache = (r, t)
    return x, y, cache


def polar_backward(dx, dy, cache):
    r, t = cache
    dr = dx * np.cos(t) + dy * np.sin(t)
    dt = r * (dy * np.cos(t) - dx * np.sin(t))
    return dr, dt
""",
    "batch norm with its settings": """
def batchnorm_forward(x, gamma, beta, bn_param):
    \"\"\"
    Input:
    - x: Data of shape (N, D)
    - gamma: Scale parameter of shape (D,)
    - beta: Shift paremeter of shape (D,)
    - bn_param: Dictionary with the following keys:
      - mode: 'train' or 'test'; required
      - eps: Constant for numeric stability
      - momentum: Constant for running mean / variance.
      - running_mean: Array of shape (D,) giving running mean of features
      - running_var Array of shape (D,) giving running variance of features
    \"\"\"
    mode = bn_param["mode"]
    eps = bn_param.get("eps", 1e-5)
    momentum = bn_param.get("momentum", 0.9)
    N, D = x.shape
    running_mean = bn_param.get("running_mean", np.zeros(D, dtype=x.dtype))
    running_var = bn_param.get("running_var", np.zeros(D, dtype=x.dtype))
    out, cache = None, None
    if mode == "train":
        mu, var = x.mean(axis=0), x.var(axis=0)
        std = np.sqrt(var + eps)
        xhat = (x - mu) / std
        out = gamma * xhat + beta
        cache = (xhat, gamma, std)
        running_mean = momentum * running_mean + (1 - momentum) * mu
        running_var = momentum * running_var + (1 - momentum) * var
    elif mode == "test":
        out = gamma * (x - running_mean) / np.sqrt(running_var + eps) + beta
    else:
        raise ValueError('Invalid forward batchnorm mode "%s"' % mode)
    bn_param["running_mean"] = running_mean
    bn_param["running_var"] = running_var
    return out, cache


def batchnorm_backward(dout, cache):
    xhat, gamma, std = cache
    N = dout.shape[0]
    dbeta = dout.sum(axis=0)
    dgamma = (dout * xhat).sum(axis=0)
    dxhat = dout * gamma
    dx = (dxhat - dxhat.mean(axis=0) - xhat * (dxhat * xhat).mean(axis=0)) / std
    return dx, dgamma, dbeta
""",
    "convolution with its settings": """
def conv_forward_naive(x, w, b, conv_param):
    \"\"\"
    Input:
    - x: Input data of shape (N, C, H, W)
    - w: Filter weights of shape (F, C, HH, WW)
    - b: Biases, of shape (F,)
    - conv_param: A dictionary with the following keys:
      - 'stride': The number of pixels between adjacent receptive fields.
      - 'pad': The number of pixels that will be used to zero-pad the input.
    \"\"\"
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    Ho, Wo = 1 + (H + 2 * pad - HH) // stride, 1 + (W + 2 * pad - WW) // stride
    out = np.zeros((N, F, Ho, Wo))
    for i in range(Ho):
        for j in range(Wo):
            window = xp[:, :, i * stride : i * stride + HH, j * stride : j * stride + WW]
            out[:, :, i, j] = np.tensordot(window, w, axes=([1, 2, 3], [1, 2, 3])) + b
    return out, (x, w, b, conv_param)


def conv_backward_naive(dout, cache):
    x, w, b, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    db = dout.sum(axis=(0, 2, 3))
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            rows, columns = slice(i * stride, i * stride + HH), slice(j * stride, j * stride + WW)
            dw += np.tensordot(dout[:, :, i, j], xp[:, :, rows, columns], axes=(0, 0))
            dxp[:, :, rows, columns] += np.tensordot(dout[:, :, i, j], w, axes=(1, 0))
    dx = dxp[:, :, pad : pad + H, pad : pad + W]
    return dx, dw, db
""",
    "max pooling with its settings": """
def max_pool_forward_naive(x, pool_param):
    \"\"\"
    - x: Input data, of shape (N, C, H, W)
    - pool_param: dictionary with the following keys:
      - 'pool_height': The height of each pooling region
      - 'pool_width': The width of each pooling region
      - 'stride': The distance between adjacent pooling regions
    \"\"\"
    N, C, H, W = x.shape
    ph, pw, s = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    Ho, Wo = 1 + (H - ph) // s, 1 + (W - pw) // s
    out = np.zeros((N, C, Ho, Wo))
    for i in range(Ho):
        for j in range(Wo):
            out[:, :, i, j] = x[:, :, i * s : i * s + ph, j * s : j * s + pw].max(axis=(2, 3))
    return out, (x, pool_param)


def max_pool_backward_naive(dout, cache):
    x, pool_param = cache
    ph, pw, s = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    dx = np.zeros_like(x)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            window = x[:, :, i * s : i * s + ph, j * s : j * s + pw]
            mask = window == window.max(axis=(2, 3), keepdims=True)
            mask = mask / mask.sum(axis=(2, 3), keepdims=True)
            dx[:, :, i * s : i * s + ph, j * s : j * s + pw] += mask * dout[:, :, i, j][:, :, None, None]
    return dx
""",
    "embedding of integer words": """
def word_embedding_forward(x, W):
    \"\"\"
    - x: Integer array of shape (N, T) giving indices of words. Each element idx of x must be in the range 0 <= idx < V.
    - W: Weight matrix of shape (V, D) giving word vectors for all words.
    \"\"\"
    return W[x, :], (x, W)


def word_embedding_backward(dout, cache):
    x, W = cache
    dW = np.zeros_like(W)
    np.add.at(dW, x, dout)
    return dW
""",
    "recurrent step": """
def rnn_step_forward(x, prev_h, Wx, Wh, b):
    \"\"\"
    - x: Input data for this timestep, of shape (N, D).
    - prev_h: Hidden state from previous timestep, of shape (N, H)
    - Wx: Weight matrix for input-to-hidden connections, of shape (D, H)
    - Wh: Weight matrix for hidden-to-hidden connections, of shape (H, H)
    - b: Biases of shape (H,)
    \"\"\"
    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)
    return next_h, (x, prev_h, Wx, Wh, next_h)


def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    da = dnext_h * (1 - next_h**2)
    dx = da @ Wx.T
    dprev_h = da @ Wh.T
    dWx = x.T @ da
    dWh = prev_h.T @ da
    db = da.sum(axis=0)
    return dx, dprev_h, dWx, dWh, db
""",
    "a step with two states": """
def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    \"\"\"
    - x: Input data, of shape (N, D)
    - prev_h: Previous hidden state, of shape (N, H)
    - prev_c: previous cell state, of shape (N, H)
    - Wx: Input-to-hidden weights, of shape (D, 4H)
    - Wh: Hidden-to-hidden weights, of shape (H, 4H)
    - b: Biases, of shape (4H,)

    Returns a tuple of:
    - next_h: Next hidden state, of shape (N, H)
    - next_c: Next cell state, of shape (N, H)
    - cache: Tuple of values needed for backward pass.
    \"\"\"
    ai, af, ao, ag = np.split(x @ Wx + prev_h @ Wh + b, 4, axis=1)
    i, f, o, g = sigmoid(ai), sigmoid(af), sigmoid(ao), np.tanh(ag)
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    cache = (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)
    return next_h, next_c, cache


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    t = np.tanh(next_c)
    dc = dnext_c + dnext_h * o * (1 - t**2)
    da = np.concatenate([dc * g * i * (1 - i), dc * prev_c * f * (1 - f), dnext_h * t * o * (1 - o), dc * i * (1 - g**2)], 1)
    dx, dprev_h, dprev_c = da @ Wx.T, da @ Wh.T, dc * f
    dWx, dWh, db = x.T @ da, prev_h.T @ da, da.sum(axis=0)
    return dx, dprev_h, dprev_c, dWx, dWh, db
""",
    "forward and backward as words of the name": """
def forward_square(x):
    return x**2, x


def backward_square(dout, cache):
    return 2 * dout * cache
""",
    "capitals": """
def SquareForward(x):
    return x**2, x


def SquareBackward(dout, cache):
    return 2 * dout * cache
""",
    "an upstream of 1 by default": """
def energy_forward(x):
    return np.sum(x**3), x


def energy_backward(cache, dout=1.0):
    return 3 * cache**2 * dout
""",
    "a loss with labels": """
def cross_entropy_forward(logits, labels):
    z = logits - logits.max(axis=1, keepdims=True)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    loss = -np.mean(np.log(p[np.arange(len(labels)), labels]))
    return loss, (p, labels)


def cross_entropy_backward(cache):
    p, labels = cache
    d = p.copy()
    d[np.arange(len(labels)), labels] -= 1
    return d / len(labels)
""",
    "a mask that has no gradient": """
def masked_forward(x, mask):
    return x * mask, mask


def masked_backward(dout, cache):
    dx = dout * cache
    return dx
""",
    "single numbers": """
import math


def sine_forward(x):
    return math.sin(x) * x, x


def sine_backward(dout, cache):
    return dout * (math.sin(cache) + cache * math.cos(cache))
""",
    "attention of three arrays": """
def attention_forward(q, k, v):
    s = q @ k.T / np.sqrt(q.shape[1])
    e = np.exp(s - s.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return p @ v, (q, k, v, p)


def attention_backward(dout, cache):
    q, k, v, p = cache
    dv = p.T @ dout
    dp = dout @ v.T
    ds = p * (dp - (dp * p).sum(axis=1, keepdims=True)) / np.sqrt(q.shape[1])
    dq, dk = ds @ k, ds.T @ q
    return dq, dk, dv
""",
    "layer norm": """
def layernorm_forward(x, gamma, beta, ln_param):
    eps = ln_param.get("eps", 1e-5)
    std = np.sqrt(x.var(axis=1, keepdims=True) + eps)
    xhat = (x - x.mean(axis=1, keepdims=True)) / std
    return gamma * xhat + beta, (xhat, std, gamma)


def layernorm_backward(dout, cache):
    xhat, std, gamma = cache
    dbeta, dgamma = dout.sum(axis=0), (dout * xhat).sum(axis=0)
    d = dout * gamma
    dx = (d - d.mean(axis=1, keepdims=True) - xhat * (d * xhat).mean(axis=1, keepdims=True)) / std
    return dx, dgamma, dbeta
""",
    "an inner product with nothing said": """
def dot_forward(a, b):
    return np.dot(a, b), (a, b)


def dot_backward(dout, cache):
    a, b = cache
    return dout @ b.T, a.T @ dout
""",
    "a default setting": """
def leaky_relu_forward(x, alpha=0.01):
    return np.where(x > 0, x, alpha * x), (x, alpha)


def leaky_relu_backward(dout, cache):
    x, alpha = cache
    return dout * np.where(x > 0, 1.0, alpha)
""",
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_right_ones_are_ok(name, tmp_path):
    results = look(NUMPY + RIGHT[name], tmp_path)
    assert set(words(results).values()) == {"OK"}, told(results)


WRONG = {
    "the bias not summed": ("affine, nothing said", "np.sum(dout, axis=0)", "dout", {"b": "GC116"}),
    "a bias averaged": ("affine, nothing said", "np.sum(dout, axis=0)", "np.mean(dout, axis=0)", {"b": "GC105"}),
    "the sign flipped": ("affine, nothing said", "dout.dot(w.T)", "-dout.dot(w.T)", {"x": "GC101"}),
    "a gradient transposed": ("affine, nothing said", "x.T.dot(dout)", "dout.T.dot(x)", {"w": "GC116"}),
    "two gradients exchanged": (
        "affine, nothing said",
        "return dout.dot(w.T), x.T.dot(dout), np.sum(dout, axis=0)",
        "return x.T.dot(dout), dout.dot(w.T), np.sum(dout, axis=0)",
        {"x": "GC116", "w": "GC116"},
    ),
    "two gradients exchanged, of the same shape": (
        "everything by name, upstream last",
        "    dx = dout * np.tanh(w)\n    dw = dout * x / np.cosh(w) ** 2",
        "    dw = dout * np.tanh(w)\n    dx = dout * x / np.cosh(w) ** 2",
        {"x": "GC106", "w": "GC106"},
    ),
    "the sigmoid's derivative forgotten": (
        "net, nothing said",
        "dout @ W2.T * h * (1 - h)",
        "dout @ W2.T",
        {"X": "GC109", "W1": "GC109", "b1": "GC109"},
    ),
    "divided by the batch": (
        "examples in columns",
        "np.dot(dZ, A_prev.T)",
        "np.dot(dZ, A_prev.T) / dZ.shape[1]",
        {"W": "GC105"},
    ),
    "a mask that ignores the upstream": (
        "input in place of a cache",
        "dout * (x > 0)",
        "1.0 * (x > 0)",
        {"x": "GC117"},
    ),
    "padding cut off although it is 0": (
        "convolution with its settings",
        "dxp[:, :, pad : pad + H, pad : pad + W]",
        "dxp[:, :, pad:-pad, pad:-pad]",
        None,
    ),
    "set where windows overlap": (
        "max pooling with its settings",
        "+= mask * dout",
        "= mask * dout",
        None,
    ),
    "ties counted twice": (
        "max pooling with its settings",
        "mask = mask / mask.sum(axis=(2, 3), keepdims=True)",
        "pass",
        {"x": "GC118"},
    ),
    "a setting ignored": ("a default setting", "np.where(x > 0, 1.0, alpha)", "np.where(x > 0, 1.0, 0.01)", None),
    "a term of batch norm forgotten": (
        "batch norm with its settings",
        " - xhat * (dxhat * xhat).mean(axis=0)",
        "",
        None,
    ),
    "words met twice": ("embedding of integer words", "np.add.at(dW, x, dout)", "dW[x] = dout", None),
    "one output forgotten": ("two outputs", "dx * np.cos(t) + dy * np.sin(t)", "dx * np.cos(t)", None),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_ones_are_wrong(name, tmp_path):
    source, right, wrong, cause = WRONG[name]
    assert right in RIGHT[source]
    results = look(NUMPY + RIGHT[source].replace(right, wrong), tmp_path)
    (result,) = results.values()
    assert words(results) == {result.id.partition("::")[2]: "WRONG"}, told(results)
    if cause is not None:
        assert causes(result) == cause, told(results)
