# A small language model in plain NumPy: embeddings, a recurrent layer with gates, attention with a mask, layer
# normalisation, a gated feed-forward layer, and the loss of predicting the next word.
#   gradtool trace samples/functions/sequence_model.py::loss --wrt query,key,output_bias

import math

import numpy as np


def sigmoid(x):
    """Without overflow, whatever the sign."""
    positive = x >= 0
    small = np.exp(-np.abs(x))
    return np.where(positive, 1 / (1 + small), small / (1 + small))


def gelu(x):
    """The tanh form of Hendrycks and Gimpel."""
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    return 0.5 * x * (1 + np.tanh(inner))


def layer_norm(x, gain, eps=1e-5):
    mean = np.mean(x, axis=-1, keepdims=True)
    variance = np.var(x, axis=-1, keepdims=True)
    return gain * (x - mean) / np.sqrt(variance + eps)


def softmax(x):
    exponentials = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return exponentials / np.sum(exponentials, axis=-1, keepdims=True)


def gated_step(x, h, input_weights, state_weights, bias):
    """One step of a gated recurrent unit (Cho et al. 2014). x (N, D), h (N, H), weights (., 3H)."""
    size = h.shape[1]
    from_input = x @ input_weights + bias
    from_state = h @ state_weights
    reset = sigmoid(from_input[:, :size] + from_state[:, :size])
    update = sigmoid(from_input[:, size : 2 * size] + from_state[:, size : 2 * size])
    candidate = np.tanh(from_input[:, 2 * size :] + reset * from_state[:, 2 * size :])
    return (1 - update) * candidate + update * h


def recurrent(x, input_weights, state_weights, bias):
    """x (N, T, D) to the states (N, T, H) of all times."""
    count, steps, _ = x.shape
    h = np.zeros((count, state_weights.shape[0]))
    states = []
    for t in range(steps):
        h = gated_step(x[:, t], h, input_weights, state_weights, bias)
        states.append(h)
    return np.stack(states, axis=1)


def attend(x, query, key, value):
    """Every place looks at itself and at those before it. x (N, T, H)."""
    steps, size = x.shape[1], query.shape[1]
    q, k, v = x @ query, x @ key, x @ value
    scores = q @ k.transpose(0, 2, 1) / math.sqrt(size)
    later = np.triu(np.ones((steps, steps)), 1) > 0
    weights = softmax(np.where(later, -1e9, scores))
    return weights @ v


def feed_forward(x, inner_weights, outer_weights):
    hidden = gelu(x @ inner_weights)
    return hidden @ outer_weights


def next_word_loss(scores, words):
    """Cross-entropy of the scores at each place for the word that comes after it."""
    predicted = scores[:, :-1].reshape(-1, scores.shape[2])
    wanted = words[:, 1:].ravel()
    top = predicted.max(axis=1, keepdims=True)
    log_sums = top[:, 0] + np.log(np.sum(np.exp(predicted - top), axis=1))
    return (log_sums - predicted[np.arange(wanted.size), wanted]).mean()


def loss(words, embedding, input_weights, state_weights, bias, query, key, value, gain, inner, outer, output_bias):
    x = embedding[words]
    h = recurrent(x, input_weights, state_weights, bias)
    h = h + attend(layer_norm(h, gain), query, key, value)
    h = h + feed_forward(layer_norm(h, gain), inner, outer)
    scores = h @ embedding.T + output_bias
    return next_word_loss(scores, words)


def loss_inputs():
    draw = np.random.default_rng(1)
    vocabulary, size = 7, 4
    shapes = {
        "embedding": (vocabulary, size),
        "input_weights": (size, 3 * size),
        "state_weights": (size, 3 * size),
        "bias": (3 * size,),
        "query": (size, size),
        "key": (size, size),
        "value": (size, size),
        "gain": (size,),
        "inner": (size, 2 * size),
        "outer": (2 * size, size),
        "output_bias": (vocabulary,),
    }
    words = np.array([[1, 4, 4, 0, 6], [2, 3, 1, 5, 5]])
    return {"words": words, **{name: 0.5 * draw.standard_normal(shape) for name, shape in shapes.items()}}
