"""Functions without any documentation get inputs that they accept, of plausible and different sizes."""

import inspect
from itertools import islice

import numpy as np
import pytest

from gradtool.targets.presets import Context, options, templates
from gradtool.targets.scope import Parameter
from gradtool.targets.search import Slot, Tried, choose_sizes, draw, output_of, quietly, search


def found(function, name=None, count=1, seed=0, fixed=None, tried=None, **context):
    parameters = [Parameter(p.name, None, p.default) for p in inspect.signature(function).parameters.values()]
    about = Context(tuple(p.name for p in parameters), name or function.__name__, **context)
    guesses = [(p.name, options(p, about, None, "search")) for p in parameters if p.name not in (fixed or {})]
    slots = [Slot(name, guess) for name, guess in guesses if guess]
    known = templates(about, [slot.name for slot in slots])
    results = search(slots, lambda v: function(**v), seed, "f", about, fixed or {}, known, None, tried)
    return [one.layout.values(seed, "f") for one in islice(results, count)]


def shapes(function, name=None, **context):
    (values,) = found(function, name, **context)
    return {key: np.shape(value) for key, value in values.items() if isinstance(value, np.ndarray | float)}


def matches(sizes, **letters):
    """Whether shapes fit letters: the same letter the same size, different letters different sizes."""
    seen = {}
    for name, wanted in letters.items():
        assert len(sizes[name]) == len(wanted), sizes
        for letter, size in zip(wanted, sizes[name], strict=True):
            assert seen.setdefault(letter, size) == size, sizes
    assert len(set(seen.values())) == len(seen), sizes


def test_an_affine_layer():
    matches(shapes(lambda x, w, b: x @ w + b), x="ND", w="DM", b="M")


def test_columns_for_examples():
    sizes = shapes(lambda W, X, b: W @ X + b)
    matches({**sizes, "b": sizes["b"][:1]}, W="MD", X="DN", b="M")
    assert sizes["b"][1:] == (1,)


def test_names_without_a_meaning_are_steered_by_errors():
    matches(shapes(lambda s, A, B, C: np.tanh(s @ A + np.tanh(s @ B) @ C)), s="ND", A="DM", B="DK", C="KM")


def test_transposed_weights():
    matches(
        shapes(lambda inp, hid, Wi, Wr: np.tanh(inp.dot(Wi.T) + hid.dot(Wr.T))), inp="ND", hid="NK", Wi="HD", Wr="HK"
    )


def test_elementwise_functions_get_equal_shapes():
    matches(shapes(lambda a, c: a * c), a="ND", c="ND")
    matches(shapes(lambda x: np.maximum(x, 0)), x="ND")


def test_a_function_of_a_vector():
    def rosen(x):
        return sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    assert shapes(rosen, vector_first=True) == {"x": (5,)}


def test_labels_that_are_indices():
    def loss(scores, y):
        return -np.log(scores[np.arange(len(y)), y] ** 2).sum()

    (values,) = found(loss)
    assert values["y"].dtype.kind == "i"
    assert values["y"].shape == values["scores"].shape[:1]
    assert values["y"].max() == values["scores"].shape[1] - 1


def test_targets_that_are_numbers():
    matches(shapes(lambda y_pred, y_true: np.mean((y_pred - y_true) ** 2)), y_pred="NC", y_true="NC")


def test_logarithms_get_positive_numbers():
    (values,) = found(lambda x: np.log(x))
    assert (values["x"] > 0).all()
    (values,) = found(lambda p, q: np.sum(p * np.log(p / q)))
    assert values["p"].sum(-1) == pytest.approx(1)


def test_reshapes_that_need_a_product():
    def f(images, theta):
        return images.reshape(len(images), images.shape[1] * images.shape[2]) @ theta

    def rank3(images, theta):
        _, _, _ = images.shape
        return f(images, theta)

    sizes = shapes(rank3)
    assert sizes["images"][1] * sizes["images"][2] == sizes["theta"][0]


def test_ranks_from_unpacking():
    def f(x):
        _, _, _, _ = x.shape
        return x.mean(axis=(2, 3))

    matches(shapes(f), x="NCHW")


def test_several_arrays_of_a_higher_rank():
    matches(shapes(lambda r, s: np.einsum("bij,bjk->bik", r, s)), r="BIJ", s="BJK")


def test_a_dictionary_of_arrays_is_filled_as_it_is_asked_for():
    def net(x, params):
        return np.tanh(x @ params["W1"] + params["b1"]) @ params["W2"]

    (values,) = found(net)
    sizes = {"x": values["x"].shape, **{key: item.shape for key, item in values["params"].items()}}
    matches(sizes, x="ND", W1="DH", b1="H", W2="HC")


def test_sizes_of_a_constructor_agree_with_the_arrays():
    def layer(x, in_features, out_features):
        return x @ np.ones((in_features, out_features))

    (values,) = found(layer)
    assert values["in_features"] == values["x"].shape[1] != values["out_features"]


def test_heads_divide():
    def heads(x, num_heads):
        n, t, d = x.shape
        assert d % num_heads == 0
        return x.reshape(n, t, num_heads, d // num_heads) * 2

    (values,) = found(heads)
    assert values["x"].shape[2] % values["num_heads"] == 0


def test_vectors_that_have_to_be_long():
    assert shapes(lambda x: x[0] * x[6] ** 2, vector_first=True)["x"][0] >= 7


def test_an_empty_output_is_no_output():
    def windows(x, w):
        assert x.ndim == w.ndim == 1
        return np.array([x[i : i + len(w)] @ w for i in range(len(x) - len(w) + 1)])

    sizes = shapes(windows)
    assert sizes["x"] > sizes["w"]


def test_a_bias_does_not_lie_along_the_examples():
    """It would be accepted, by broadcasting."""

    def f(x, w, b):
        return (w @ x.T).T + b if b.ndim == 1 else None

    matches(shapes(f), x="ND", w="MD", b="M")


def test_what_is_given_stays():
    (values,) = found(lambda x, w: x @ w, fixed={"x": np.ones((7, 9))})
    assert values["w"].shape[0] == 9


def test_it_is_the_same_every_time_and_hangs_on_the_seed():
    one, same, other = (found(lambda x, w: x @ w, seed=seed)[0] for seed in (0, 0, 1))
    assert np.array_equal(one["x"], same["x"])
    assert not np.array_equal(one["x"], other["x"])


def test_it_gives_up_and_says_why():
    def never(x):
        raise ValueError("not for you")

    tried = Tried()
    assert found(never, tried=tried) == []
    assert tried.error == "ValueError: not for you"
    assert 1 <= tried.tries <= 400


def test_inputs_that_have_no_influence_come_late():
    def f(x, extra):
        if extra.ndim == 1:
            return x * extra
        return x * 1.0

    (values,) = found(f)
    assert values["extra"].ndim == 1


def test_the_users_code_cannot_spoil_the_process(capsys):
    def f(x):
        print("noise")
        np.random.seed(3)
        np.seterr(all="raise")
        x *= 2
        return x

    before = np.random.get_state()[1].tolist(), np.geterr()
    (values,) = found(f)
    assert (np.random.get_state()[1].tolist(), np.geterr()) == before
    assert capsys.readouterr().out == ""
    assert np.array_equal(values["x"], found(lambda x: x)[0]["x"])


@pytest.mark.parametrize("preference", [0, 1, 2])
def test_sizes_are_distinct(preference):
    for letters in (["N", "D", "M"], ["N", "C", "H", "W"], [f"a{i}" for i in range(20)], ["N", "T", "D", "H"]):
        sizes = choose_sizes(letters, preference)
        assert len(set(sizes.values())) == len(letters)
    sizes = choose_sizes(["N", "C", "H", "W", "F", "HH", "WW"], preference)
    assert sizes["H"] > sizes["HH"]
    assert sizes["W"] > sizes["WW"]
    assert sizes["H"] != sizes["W"]
    assert sizes["HH"] != sizes["WW"]


def test_no_letter_is_as_long_as_a_product():
    sizes = choose_sizes(["N", "d_1", "d_2", "M"], 0, ["d_1*d_2"])
    assert sizes["M"] != sizes["d_1"] * sizes["d_2"]


@pytest.mark.parametrize(
    ("domain", "holds"),
    [
        ("real", lambda a: (abs(a) > 0.05).all() and (a < 0).any() and (a > 0).any()),
        ("positive", lambda a: (a > 0).all()),
        ("unit", lambda a: (a > 0).all() and (a < 1).all()),
        ("probabilities", lambda a: np.allclose(a.sum(-1), 1) and (a > 0).all()),
        ("probabilities-0", lambda a: np.allclose(a.sum(0), 1)),
        ("labels", lambda a: a.dtype.kind == "i" and set(a.ravel()) == {0, 1, 2}),
        ("mask", lambda a: set(a.ravel()) == {0.0, 1.0}),
        ("one-hot", lambda a: (a.sum(1) == 1).all() and set(a.ravel()) == {0.0, 1.0}),
        ("one-hot-0", lambda a: (a.sum(0) == 1).all()),
        ("sign", lambda a: set(a.ravel()) == {-1.0, 1.0}),
    ],
)
def test_numbers_of_a_domain(domain, holds):
    for seed in range(5):
        assert holds(draw((4, 6), domain, 3, np.random.default_rng(seed)))


def test_outputs():
    assert output_of((np.ones(2), "cache"))[0].shape == (2,)
    assert output_of(3.0)[0] == 3
    assert output_of([1.0, 2.0])[0].shape == (2,)
    assert output_of(None) == output_of("text") == []
    assert len(output_of({"a": np.ones(2), "b": 1.0})) == 2


def test_quietly_restores_the_generators():
    before = np.random.get_state()[1].tolist()
    with quietly(3):
        np.random.rand()
    assert np.random.get_state()[1].tolist() == before


def test_no_letter_is_as_long_as_a_fixed_number():
    assert 4 not in choose_sizes(["N", "D", "M"], 0, ["4"]).values()
