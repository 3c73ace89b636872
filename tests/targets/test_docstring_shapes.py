"""Shapes from docstrings, in the styles in which people write them."""

import pytest

from gradtool.targets.docstring_shapes import from_docstrings


def said(text, *names, **options):
    return from_docstrings([text], names, **options).parameters


AFFINE = """
    The input x has shape (N, d_1, ..., d_k) and contains a minibatch of N examples, where each example x[i] has shape
    (d_1, ..., d_k). We will reshape each input into a vector of dimension D = d_1 * ... * d_k.

    Inputs:
    - x: A numpy array containing input data, of shape (N, d_1, ..., d_k)
    - w: A numpy array of weights, of shape (D, M)
    - b: A numpy array of biases, of shape (M,)

    Returns a tuple of:
    - out: output, of shape (N, M)
    - b: something else of shape (K, K)
    - cache: (x, w, b)
    """


@pytest.mark.parametrize(("axes", "x"), [(1, ("N", "d_1")), (2, ("N", "d_1", "d_2")), (3, ("N", "d_1", "d_2", "d_3"))])
def test_any_number_of_axes(axes, x):
    found = from_docstrings([AFFINE], ("x", "w", "b"), axes)
    assert {name: one.shape for name, one in found.parameters.items()} == {"x": x, "w": ("D", "M"), "b": ("M",)}
    assert found.open_rank
    assert found.relations == {"D": "*".join(x[1:])}


STYLES = {
    "list": "- x: Data of shape (N, D)\n- w: Weights, of shape (D, M)",
    "starred": "* `x` - input, shape (N, D)\n* `w` - weights, shape (D, M)",
    "numpy": "Parameters\n----------\nx : ndarray, shape (N, D)\n    Input.\nw : (D, M) ndarray\n"
    "\nReturns\n-------\nx : (A, B)",
    "below": "Parameters\n----------\n"
    "x : np.ndarray\n    Input, of shape (N, D).\nw : array_like\n    Weights of shape (D, M)",
    "google": "Args:\n    x (np.ndarray): Input of shape (N, D).\n    w (ndarray of shape (D, M)): weights\n\n"
    "Returns:\n    x: (A, B)",
    "sphinx": ":param x: input of shape [N, D]\n:type x: np.ndarray\n:param np.ndarray w: D x M matrix\n"
    ":return: x of shape (A, B)",
    "dashes": "Arguments:\nx -- input, numpy array of shape (N, D)\nw -- weights: (D, M)\nReturns:\nw -- (A, B)",
    "short": "x: (N, D)\nw: (D, M)",
    "prose": "x is N x D, w is (D, M), and the result is N x M.",
    "sentence": "The input x has shape (N, D). The matrix w has shape (D, M).",
    "times": "x : N x D array\nw : D x M array",
    "roles": "x : :py:class:`ndarray <numpy.ndarray>` of shape `(N, D)`\n    Input.\nw : :py:class:`ndarray` of shape `(D, M)`",
}


@pytest.mark.parametrize("style", STYLES)
def test_styles(style):
    found = said(STYLES[style], "x", "w")
    assert found["x"].shape == ("N", "D")
    assert found["w"].shape == ("D", "M")


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("x: scores of shape (N,)", ("N",)),
        ("x: [features]", ("features",)),
        ("x: weights of shape (D, 4H)", ("D", "4*H")),
        ("x: weights of shape (n_a, n_a + n_x)", ("n_a", "n_a + n_x")),
        ("x -- bias vector of shape (size of the current layer, 1)", ("size_of_current_layer", "1")),
        (
            "x -- activations: (size of previous layer, number of examples)",
            ("size_of_previous_layer", "number_of_examples"),
        ),
        ("x: Filter weights of shape (F, C, HH, WW)", ("F", "C", "HH", "WW")),
        ("x: Input of shape (N, D1, ..., Dk)", ("N", "D1", "D2")),
        ("x: Input of shape (..., D)", ("any_0", "D")),
        ("x: vector of length N", ("N",)),
        ("x: array of shape (3, 4)", ("3", "4")),
        ("x: a scalar", ()),
        ("x (float): temperature", ()),
    ],
)
def test_shapes(text, shape):
    assert said(text, "x")["x"].shape == shape


@pytest.mark.parametrize(
    "text",
    ["x: a tuple of (a, b)", "x: values in [0, 1]", "x: data (see below, please)", "x: the input", "- y: of shape (N,)",
     "Returns:\n    x: of shape (N, D)", "x: inputs, of any shape", "the maximum of shape (N, D)"],
)  # fmt: skip
def test_what_says_no_shape(text):
    found = said(text, "x").get("x")
    assert found is None or found.shape is None


@pytest.mark.parametrize(
    ("text", "domain", "bound"),
    [
        ("y: Vector of labels, of shape (N,) where y[i] is the label for x[i] and\n  0 <= y[i] < C", "labels", "C"),
        ("y: Integer array of shape (N, T). Each element idx of y must be in the range 0 <= idx < V.", "labels", "V"),
        ("y: (N,) array of class indices in the range [0, C)", "labels", "C"),
        ("y: array of shape (N,), values in {0, 1, ..., C-1}, class labels", "labels", "C"),
        ("y: ndarray, shape (N,)\n    Integer class labels.", "labels", None),
        ("y: Boolean array of shape (N, T)", "mask", None),
        ('y -- true "label" vector (containing 0 if cat, 1 if not), of shape (1, m)', "mask", None),
        ("y: one-hot labels of shape (N, C)", "one-hot", None),
        ("y: one-hot labels of shape (C, m)", "one-hot-0", None),
        ("y: labels, -1 or 1, shape (N,)", "sign", None),
        ("y: probabilities, of shape (N, C)", "probabilities", None),
        ("y: a probability vector of shape (1, m)", "unit", None),
        ("y: positive scales, shape (N,)", "positive", None),
        ("y: input of shape (N, D)", "real", None),
    ],
)
def test_domains(text, domain, bound):
    found = said(text, "y")["y"]
    assert (found.domain, found.bound) == (domain, bound)


def test_dictionaries_with_their_entries():
    text = """
    parameters -- python dictionary containing:
                    Wax -- Weight matrix, numpy array of shape (n_a, n_x)
                    ba -- Bias, of shape (n_a, 1)
    bn_param: Dictionary with the following keys:
      - mode: 'train' or 'test'
      - running_mean: Array of shape (D,)
    xt -- input, of shape (n_x, m)
    """
    found = said(text, "parameters", "bn_param", "xt")
    assert found["parameters"].kind == found["bn_param"].kind == "dictionary"
    assert {k: e.shape for k, e in found["parameters"].entries.items()} == {"Wax": ("n_a", "n_x"), "ba": ("n_a", "1")}
    assert found["bn_param"].entries["running_mean"].shape == ("D",)
    assert found["xt"].shape == ("n_x", "m")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("n: int, number of steps", "integer"),
        ("n (bool): whether", "boolean"),
        ("n : str, optional\n   name", "string"),
        ("n: dict of settings", "dictionary"),
    ],
)
def test_kinds(text, kind):
    assert said(text, "n")["n"].kind == kind


def test_several_names_and_the_most_specific_docstring_first():
    assert said("x, y: arrays of shape (N, D)", "x", "y")["y"].shape == ("N", "D")
    found = from_docstrings(["x: the input", "- x: of shape (N, D)", "- x: of shape (A, B)"], ("x",))
    assert found.parameters["x"].shape == ("N", "D")


def test_optional():
    assert said("b : ndarray of shape (M,), optional", "b")["b"].optional


def test_several_parameters_in_a_line():
    found = said("X: (m, 2), W1: (2, 3), b1: (3,) or None. Gives predictions of shape (m, 3).", "X", "W1", "b1")
    assert {name: one.shape for name, one in found.items()} == {"X": ("m", "2"), "W1": ("2", "3"), "b1": ("3",)}
    assert found["b1"].optional
    labels = said("x: scores, of shape (N, C); y: labels, of shape (N,), from 0 to C - 1. Returns a loss.", "x", "y")
    assert (labels["x"].shape, labels["y"].shape, labels["y"].bound) == (("N", "C"), ("N",), "C")


def test_a_pair_of_numbers_that_is_a_setting():
    assert "stride" not in said("x: (20, 10), stride: (2, 2)", "x", "stride")
