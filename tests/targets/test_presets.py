"""What names say, the likeliest first."""

import numpy as np
import pytest

from gradtool.targets.described import Described
from gradtool.targets.presets import Context, is_label, needs_backward, options, role, setting, templates, variations
from gradtool.targets.scope import Parameter


def guesses(name, *others, described=None, **context):
    return options(Parameter(name), Context((name, *others), "f", **context), described, "docstring")


def first(name, *others, **context):
    return guesses(name, *others, **context)[0]


@pytest.mark.parametrize(
    ("name", "word"),
    [("W", "weight"), ("W1", "weight"), ("weights", "weight"), ("Wxh", "weight"), ("b", "bias"), ("b2", "bias"), ("bias", "bias"),
     ("y", "label"), ("targets", "label"), ("idx", "label"), ("mask", "mask"), ("gamma", "scale"),
     ("prev_h", "state"), ("x", "data"),
     ("A", "data"), ("B", "data"), ("z", "data")],
)  # fmt: skip
def test_roles(name, word):
    assert role(name) == word


def test_labels_are_integers_first_and_then_other_targets():
    domains = [o.described.domain for o in guesses("y", "x") if o.described is not None]
    assert domains[0] == "labels"
    assert {"one-hot", "mask", "real"} <= set(domains)
    assert is_label("y_true")


def test_ranks_by_role():
    assert len(first("x").described.shape) == len(first("W").described.shape) == 2
    assert len(first("b").described.shape) == len(first("gamma").described.shape) == 1
    assert first("x", vector_first=True).described.shape == ("x_0",)
    assert first("w", "X", "y").described.shape == ("w_0",)


def test_scalar_code_gets_numbers():
    assert first("x", scalar=True).described.kind == "number"
    assert first("sigma", scalar=True).described.domain == "positive"


@pytest.mark.parametrize(
    ("name", "value"),
    [("stride", 1), ("pad", 1), ("kernel_size", 3), ("eps", 1e-5), ("momentum", 0.9), ("reg", 0.3),
     ("temperature", 1.7), ("axis", 1),
     ("mode", "train"), ("training", True), ("activation", "relu"), ("num_heads", 2), ("G", 2), ("dropout", 0.6), ("seed", 0)],
)  # fmt: skip
def test_settings(name, value):
    assert first(name, "x").value == value


@pytest.mark.parametrize(
    "name", ["bn_param", "conv_param", "pool_param", "dropout_param", "ln_param", "gn_param", "hparameters"]
)
def test_dictionaries_of_settings(name):
    option = first(name, "x")
    assert option.described.kind == "dictionary"
    assert option.value == setting(name)[0]
    assert len(variations(name, option.value)) >= 1


@pytest.mark.parametrize(
    "name",
    ["in_features", "input_size", "n_in", "hidden_size", "output_dim", "num_classes", "vocab_size", "out_channels"],
)
def test_sizes_of_a_constructor(name):
    assert first(name, "x").size == name


def test_a_bias_of_forward_is_an_array_and_of_a_constructor_a_switch():
    def options_of(construction):
        return options(Parameter("bias"), Context(("x", "bias"), "f", construction=construction), None, "")

    assert options_of(frozenset())[0].described.shape == ("bias_0",)
    assert options_of(frozenset({"bias"}))[0].value is True
    assert ("1", "1") in [o.described.shape for o in options_of(frozenset()) if o.described is not None]


def test_images_without_channels():
    (_, _, planes) = templates(Context(("input", "filter", "bias"), "ScipyConv2dFunction"), ("input", "filter", "bias"))
    shapes = {name: described.shape for name, described in planes.items()}
    assert shapes == {"input": ("H", "W"), "filter": ("HH", "WW"), "bias": ("1", "1")}


def test_a_generator():
    assert isinstance(first("rng", "x").value, np.random.Generator)


def test_defaults_hold_but_an_optional_array_is_given():
    context = Context(("x", "b", "alpha", "mask"), "f")
    assert options(Parameter("alpha", None, 0.1), context, None, "")[0].left_out
    assert options(Parameter("mask", None, None), context, None, "")[0].left_out
    bias = options(Parameter("b", None, None), context, None, "")
    assert bias[0].described.shape == ("b_0",)
    assert bias[-1].left_out


def test_what_is_described_comes_first():
    option = first("x", described=Described(("N", "D")))
    assert (option.described.shape, option.source) == (("N", "D"), "docstring")
    labels = guesses("y", "x", described=Described(("1", "m")))
    assert labels[0].described.domain == "mask"


@pytest.mark.parametrize(
    ("name", "value", "others"),
    [("stride", 1, (2,)), ("axis", -1, (1, 0)), ("keepdims", False, (True,)), ("verbose", False, ()), ("lr", 0.1, ()),
     ("reduction", "mean", ("sum", "none")), ("something", 3, ()), ("x", None, ())],
)  # fmt: skip
def test_variations(name, value, others):
    assert variations(name, value) == others


def test_a_variation_of_a_number_is_another_number():
    (other,) = variations("anything", 0.0)
    assert other not in (0.0, 1.0)


def test_a_mode_may_be_one_without_backward():
    assert needs_backward("train", "test")
    assert needs_backward({"mode": "train", "eps": 1}, {"mode": "test", "eps": 1})
    assert not needs_backward({"mode": "train", "eps": 1}, {"mode": "train", "eps": 2})
    assert not needs_backward(1, 2)


@pytest.mark.parametrize(
    ("function", "names", "name", "shape"),
    [
        ("affine_forward", "x w b", "w", ("D", "M")),
        ("conv_forward", "x w b conv_param", "w", ("F", "C", "HH", "WW")),
        ("lstm_step_forward", "x prev_h prev_c Wx Wh b", "b", ("4*H",)),
        ("LSTM LSTM.forward", "x h_prev c_prev Wx Wh b", "x", ("N", "D")),
        ("rnn_forward", "x h0 Wx Wh b", "x", ("N", "T", "D")),
        ("gru_forward", "x h0 Wx Wh b", "Wx", ("D", "3*H")),
        ("mlp", "x W1 b1 W2 b2", "W2", ("H1", "H2")),
        ("attention", "Q K V", "V", ("N", "S", "E")),
        ("softmax_loss", "x y", "y", ("N",)),
        ("spatial_groupnorm_forward", "x gamma beta G gn_param", "gamma", ("1", "C", "1", "1")),
    ],
)
def test_known_sets_of_inputs(function, names, name, shape):
    listed = names.split()
    assert templates(Context(tuple(listed), function), listed)[0][name].shape == shape
