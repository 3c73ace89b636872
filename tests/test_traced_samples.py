"""Traced functions have the gradients of PyTorch: the forwards of the samples, and two networks of a hundred lines."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import gradtool
from gradtool.targets.named_function import find_function

SAMPLES = Path(gradtool.__file__).parent.parent / "samples"
if not SAMPLES.exists():
    pytest.skip("installed without its source tree", allow_module_level=True)
torch = pytest.importorskip("torch", reason="PyTorch gives the gradients to compare with")
F = torch.nn.functional
DRAW = np.random.default_rng(5)


def module_of(name):
    spec = importlib.util.spec_from_file_location(f"sample_{Path(name).stem}", SAMPLES / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def torch_convolutional_net(images, labels, first_kernels, first_bias, block_kernels, block_bias, scale, shift,
                            weights, output_bias):  # fmt: skip
    features = F.max_pool2d(F.leaky_relu(F.conv2d(images, first_kernels, first_bias, padding=1)), 2)
    inner = F.conv2d(features, block_kernels, block_bias, padding=1)
    inner = F.leaky_relu(F.batch_norm(inner, None, None, scale, shift, training=True))
    features = F.leaky_relu(features + F.conv2d(inner, block_kernels, block_bias, padding=1))
    scores = features.mean((2, 3)) @ weights + output_bias
    penalty = sum(0.5 * 1e-3 * (p * p).sum() for p in (first_kernels, block_kernels, weights))
    return F.cross_entropy(scores, labels) + penalty


def torch_sequence_model(words, embedding, input_weights, state_weights, bias, query, key, value, gain, inner, outer,
                         output_bias):  # fmt: skip
    x = embedding[words]
    h = torch.zeros(len(words), state_weights.shape[0], dtype=torch.float64)
    states = []
    for t in range(words.shape[1]):
        a, b = (x[:, t] @ input_weights + bias).chunk(3, 1), (h @ state_weights).chunk(3, 1)
        reset, update = torch.sigmoid(a[0] + b[0]), torch.sigmoid(a[1] + b[1])
        h = (1 - update) * torch.tanh(a[2] + reset * b[2]) + update * h
        states.append(h)
    h = torch.stack(states, 1)
    normed = F.layer_norm(h, gain.shape, gain)
    h = h + F.scaled_dot_product_attention(normed @ query, normed @ key, normed @ value, is_causal=True)
    h = h + F.gelu(F.layer_norm(h, gain.shape, gain) @ inner, approximate="tanh") @ outer
    scores = h @ embedding.T + output_bias
    return F.cross_entropy(scores[:, :-1].reshape(-1, scores.shape[2]), words[:, 1:].reshape(-1))


def torch_net(X, W1, b1, W2, b2):
    return torch.sigmoid(X @ W1 + b1) @ W2 + b2


CASES = {
    "functions/convolutional_net.py::loss": (torch_convolutional_net, None),
    "functions/sequence_model.py::loss": (torch_sequence_model, None),
    "gradients/affine.py::affine_forward": (
        lambda x, w, b: x.reshape(len(x), -1) @ w + b,
        {"x": DRAW.normal(size=(4, 2, 3)), "w": DRAW.normal(size=(6, 5)), "b": DRAW.normal(size=5)},
    ),
    "gradients/multiply_gate.py::MultiplyGate.forward": (lambda x, y: x * y, {"x": 2.0, "y": -3.0}),
    "gradients/relu.py::relu_forward": (F.relu, {"x": DRAW.normal(size=(3, 4))}),
    "gradients/rosenbrock.py::rosen": (
        lambda x: (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum(),
        {"x": DRAW.normal(size=5)},
    ),
    "gradients/scalar_sigmoid.py::sigmoid": (torch.sigmoid, {"x": 0.7}),
    "gradients/small_net.py::net_forward": (
        torch_net,
        {name: DRAW.normal(size=shape) for name, shape in
         {"X": (4, 2), "W1": (2, 3), "b1": (3,), "W2": (3, 1), "b2": (1,)}.items()},
    ),
    "gradients/shared_nodes.py::ordered_forward": (lambda x, y: (x * y) ** 2 + x * y, {"x": 2.0, "y": -3.0}),
    "gradients/softmax_loss.py::softmax_loss": (
        F.cross_entropy,
        {"x": DRAW.normal(size=(4, 3)), "y": np.array([2, 0, 1, 1])},
    ),
}  # fmt: skip


@pytest.mark.parametrize("target", CASES)
def test_gradients_are_those_of_pytorch(target):
    theirs, inputs = CASES[target]
    function = find_function(str(SAMPLES / target))
    inputs = function.inputs(inputs or {})
    graph = gradtool.trace(function.call, inputs)
    given = {name: inputs[name] for name in graph.inputs}
    upstream = np.random.default_rng(6).normal(size=np.shape(function_value(graph, given)))
    value, gradients = gradtool.value_and_gradient(graph, given, upstream=upstream)
    tensors = {
        name: torch.tensor(x, requires_grad=name in given, dtype=torch.float64 if name in given else torch.int64)
        for name, x in inputs.items()
    }
    wanted = theirs(*tensors.values())
    assert np.allclose(value, wanted.detach().numpy(), rtol=1e-12, atol=0)
    wanted.backward(torch.tensor(upstream))
    assert gradients.keys() == given.keys()
    for name, gradient in gradients.items():
        expected = tensors[name].grad.numpy()
        assert np.max(np.abs(gradient - expected)) <= 1e-12 * np.max(np.abs(expected)), name


def function_value(graph, given):
    return gradtool.value_and_gradient(graph, given, upstream="ones")[0]


def test_dropout_is_followed_where_its_mask_is_pinned():
    dropout = module_of("gradients/dropout.py")
    x = np.linspace(-1, 1, 12).reshape(3, 4)
    np.random.seed(0)
    graph = gradtool.trace(dropout.dropout_forward, {"x": x})
    value, gradients = gradtool.value_and_gradient(graph, {"x": x}, upstream="ones")
    assert np.array_equal(value, gradients["x"] * x)


def test_single_precision_is_refused_with_its_place():
    swish = module_of("gradients/single_precision.py").swish_forward
    with pytest.raises(gradtool.Untraceable, match="float32") as found:
        gradtool.trace(swish, {"x": np.ones(3)})
    assert Path(found.value.file).name == "single_precision.py"
