# A small convolutional network for images, written in plain NumPy: nothing here knows of gradtool.
#   gradtool trace samples/functions/convolutional_net.py::loss --wrt scale,shift,output_bias

import numpy as np


def convolve(images, kernels, bias, stride=1, padding=0):
    """images (N, C, H, W), kernels (O, C, k, k), bias (O,): a sum over the places of the kernel."""
    if padding:
        images = np.pad(images, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    count, _, height, width = images.shape
    outputs, _, size, _ = kernels.shape
    rows = (height - size) // stride + 1
    columns = (width - size) // stride + 1
    result = np.zeros((count, outputs, rows, columns))
    for i in range(size):
        for j in range(size):
            patch = images[:, :, i : i + stride * rows : stride, j : j + stride * columns : stride]
            result += np.einsum("nchw,oc->nohw", patch, kernels[:, :, i, j])
    return result + bias[:, None, None]


def normalize(x, scale, shift, eps=1e-5):
    """Batch normalisation of every channel over the batch and its pixels."""
    mean = x.mean(axis=(0, 2, 3), keepdims=True)
    centred = x - mean
    variance = (centred**2).mean(axis=(0, 2, 3), keepdims=True)
    standard = centred / np.sqrt(variance + eps)
    return scale[:, None, None] * standard + shift[:, None, None]


def leaky_relu(x, slope=0.01):
    return np.where(x > 0, x, slope * x)


def max_pool(x, size=2):
    """The largest of every window of ``size`` by ``size`` pixels."""
    count, channels, height, width = x.shape
    windows = x.reshape(count, channels, height // size, size, width // size, size)
    return windows.max(axis=(3, 5))


def average_over_pixels(x):
    return x.mean(axis=(2, 3))


def residual_block(x, kernels, bias, scale, shift):
    """Two steps of the same convolution around a shortcut."""
    inner = convolve(x, kernels, bias, padding=1)
    inner = leaky_relu(normalize(inner, scale, shift))
    inner = convolve(inner, kernels, bias, padding=1)
    return leaky_relu(x + inner)


def softmax_cross_entropy(scores, labels):
    """The mean over the batch of -log of the probability of the right class."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_sums = np.log(np.exp(shifted).sum(axis=1))
    right = shifted[np.arange(len(labels)), labels]
    return np.mean(log_sums - right)


def loss(
    images,
    labels,
    first_kernels,
    first_bias,
    block_kernels,
    block_bias,
    scale,
    shift,
    weights,
    output_bias,
    decay=1e-3,
):
    features = leaky_relu(convolve(images, first_kernels, first_bias, padding=1))
    features = max_pool(features)
    features = residual_block(features, block_kernels, block_bias, scale, shift)
    pooled = average_over_pixels(features)
    scores = pooled @ weights + output_bias
    data_loss = softmax_cross_entropy(scores, labels)
    penalty = 0.0
    for parameter in (first_kernels, block_kernels, weights):
        penalty = penalty + 0.5 * decay * np.sum(parameter * parameter)
    return data_loss + penalty


def loss_inputs():
    draw = np.random.default_rng(0)
    return {
        "images": draw.standard_normal((2, 1, 6, 6)),
        "labels": np.array([2, 0]),
        "first_kernels": 0.4 * draw.standard_normal((3, 1, 3, 3)),
        "first_bias": 0.1 * draw.standard_normal(3),
        "block_kernels": 0.3 * draw.standard_normal((3, 3, 3, 3)),
        "block_bias": 0.1 * draw.standard_normal(3),
        "scale": 1 + 0.1 * draw.standard_normal(3),
        "shift": 0.1 * draw.standard_normal(3),
        "weights": 0.5 * draw.standard_normal((3, 4)),
        "output_bias": np.zeros(4),
    }
