"""Names of gradients, in the spellings of public code, and names that only look like one."""

import pytest

from gradtool.targets.gradient_names import best, gradient_of, is_target, likeness, looks_like_gradient, path_likeness
from gradtool.targets.object_state import Step


def path(text):
    """``layers[0].grads['W']`` as a path, its parts written ``layers 0 grads 'W'``."""
    steps = []
    for part in text.split():
        kind = "index" if part.isdigit() else "key" if part.startswith("'") else "attribute"
        steps.append(Step(kind, int(part) if part.isdigit() else part.strip("'")))
    return tuple(steps)


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("dW", "W"), ("d_W", "W"), ("dw", "W"),
        ("dW1", "W1"), ("db", "b"), ("db", "bias"), ("db", "biases"), ("dw", "weights"),
        ("dweights", "weights"), ("dbiases", "biases"), ("grad_W", "W"), ("W_grad", "W"), ("gradW", "W"),
        ("gradWeight", "weight"),
        ("weights_gradient", "weights"), ("weights_gradients", "weights"), ("grad_weights", "weights"),
        ("weight_grad", "weights"),
        ("dL_dW", "W"), ("d_L_d_w", "weights"), ("dLdW", "W"),
        ("dloss_dw", "w"), ("dinputs", "inputs"), ("gx", "x"), ("g_x", "x"),
        ("dgamma", "gamma"), ("dA_prev", "A_prev"), ("grad_wrt_x", "x"), ("delta_W", "W"), ("nabla_b", "b"), ("_dW", "W"),
        ("dh_prev", "h_prev"),
    ],
)  # fmt: skip
def test_is_the_gradient_of(name, of):
    assert gradient_of(name, of) > 0


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("dW1", "W2"),
        ("dropout", "out"),
        ("data", "x"),
        ("delta", "x"),
        ("W", "W"),
        ("gamma", "a"),
        ("db", "W"),
        ("x", "x"),
    ],
)
def test_is_not_the_gradient_of(name, of):
    assert gradient_of(name, of) == 0


def test_the_exact_name_is_the_best():
    assert best("dw", ["W", "w"]) == "w"
    assert best("dw", ["weights", "W"]) == "W"
    assert best("dx", ["y", "z"]) is None
    assert best("db", ["bias", "biases"]) is None
    assert (
        likeness("W", "W")
        > likeness("w", "W")
        > likeness("weight", "weights")
        > likeness("w", "weights")
        > likeness("w", "b")
    )


@pytest.mark.parametrize("name", ["y", "t", "y_true", "target", "labels", "ground_truth", "Y_train", "expected"])
def test_targets(name):
    assert is_target(name)


@pytest.mark.parametrize("name", ["x", "y_pred", "pred", "yhat", "time", "state", "theta"])
def test_not_targets(name):
    assert not is_target(name)


@pytest.mark.parametrize(
    ("slot", "parameter"),
    [
        ("dW", "W"),
        ("layers 0 dW", "layers 0 W"),
        ("grads 'W'", "params 'W'"),
        ("grads 'dW'", "params 'W'"),
        ("grads 'W'", "W"),
        ("dW", "params 'W'"),
        ("grads 0", "params 0"),
        ("gradients 1", "parameters 1"),
        ("W grad", "W value"),
        ("params 'W' grad", "params 'W' data"),
        ("dweights 1", "weights 1"),
        ("layers 2 grads 'b'", "layers 2 params 'b'"),
        ("dense gradients 'W'", "dense W"),
    ],
)
def test_slots(slot, parameter):
    assert path_likeness(path(slot), path(parameter)) > 0
    assert looks_like_gradient(path(slot))


@pytest.mark.parametrize(
    ("slot", "parameter"),
    [
        ("W", "W"),
        ("dW", "layers 0 W"),
        ("layers 0 dW", "layers 1 W"),
        ("grads 0", "params 1"),
        ("grads 'W'", "params 'b'"),
        ("dweights 1", "weights 0"),
        ("cache 0", "params 0"),
        ("W value", "W grad"),
    ],
)
def test_no_slots(slot, parameter):
    assert path_likeness(path(slot), path(parameter)) == 0
