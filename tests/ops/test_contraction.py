"""einsum: NumPy's meaning of an equation, stretched axes and diagonals, and equations that cannot be read."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradtool.ops import REGISTRY, OperationError
from gradtool.ops.contraction import subscripts


def test_cases(check_cases):
    check_cases("einsum")


@pytest.mark.parametrize(
    ("equation", "ranks", "found"),
    [
        ("ij,jk->ik", (2, 2), (("ij", "jk"), "ik")),
        (" ij , jk -> ik ", (2, 2), (("ij", "jk"), "ik")),
        ("ij,jk", (2, 2), (("ij", "jk"), "ik")),
        ("ba", (2,), (("ba",), "ab")),
        ("bA", (2,), (("bA",), "Ab")),
        ("ii", (2,), (("ii",), "")),
        ("...i,...i", (2, 3), (("bi", "abi"), "ab")),
        ("x...y->...yx", (4,), (("xaby",), "abyx")),
        ("i->i...", (1,), (("i",), "i")),
        (",", (0, 0), (("", ""), "")),
    ],
)
def test_letters(equation, ranks, found):
    assert subscripts(equation, ranks) == found


@pytest.mark.parametrize(
    ("equation", "shapes", "message"),
    [
        ("i_->i", ((3,),), "cannot be read"),
        ("ij=>i", ((2, 3),), "cannot be read"),
        ("i->j->k", ((3,),), "cannot be read"),
        ("i....", ((3,),), "cannot be read"),
        ("...i...", ((3,),), "cannot be read"),
        ("i->i,i", ((3,),), "cannot be read"),
        ("ij,jk", ((2, 3),), "is for 2 arrays, found 1"),
        ("ij", ((2, 3), (3,)), "is for 1 array, found 2"),
        ("ij", ((3,),), "2 letters in 'ij' for an array of 1 axis"),
        ("i", ((2, 3),), "1 letters in 'i' for an array of 2 axes"),
        ("...ijk", ((2, 3),), "3 letters in '...ijk' for an array of 2 axes"),
        ("...i->i", ((2, 3),), "what should become of those axes"),
        ("i->ii", ((3,),), "the letter i twice in the result"),
        ("i->j", ((3,),), "the letter j in the result only"),
        (
            "ij,jk->ik",
            ((2, 3), (4, 2)),
            "shapes (2, 3) and (4, 2) do not fit the equation 'ij,jk->ik': the axes called j",
        ),
        ("ii", ((1, 3),), "the axes called i have 1 and 3 entries"),
        ("i,i", ((2,), (3,)), "the axes called i have 2 and 3 entries"),
    ],
)
def test_what_does_not_fit(equation, shapes, message, refuses):
    assert message in refuses("einsum", *shapes, equation=equation)
    with pytest.raises(ValueError):  # noqa: PT011 -- NumPy's own refusal
        np.einsum(equation, *map(np.ones, shapes))


TERMS = st.text("ijk", max_size=3)


@settings(max_examples=300, deadline=None)
@given(st.lists(TERMS, min_size=1, max_size=3), st.data())
def test_as_numpy_and_the_gradient_is_the_adjoint(terms, data):
    """Whatever the equation: NumPy's value, and along any direction the change that the gradient foretells (einsum is linear in
    each operand)."""
    letters = sorted(set("".join(terms)))
    result = "".join(data.draw(st.permutations(letters)))[: data.draw(st.integers(0, 3))]
    equation = ",".join(terms) + data.draw(st.sampled_from(["", f"->{result}"]))
    rng = np.random.default_rng(0)
    lengths = {"i": 2, "j": 3, "k": 2}
    stretched = [data.draw(st.sets(st.sampled_from("ijk"))) for _ in terms]
    arrays = [
        rng.normal(size=[1 if n in short else lengths[n] for n in term])
        for term, short in zip(terms, stretched, strict=True)
    ]
    operation = REGISTRY["einsum"]
    try:
        settled = operation.resolved([a.shape for a in arrays], {"equation": equation})
    except OperationError as error:
        pytest.fail(str(error))
    out = operation.forward(*arrays, **settled.parameters)
    assert out.shape == settled.shape
    np.testing.assert_allclose(out, np.einsum(equation, *arrays), rtol=1e-12, atol=1e-13)
    upstream = rng.normal(size=out.shape)
    for i, array in enumerate(arrays):
        down = operation.vjp_of(i)(upstream, out, *arrays, **settled.parameters)
        assert down.shape == array.shape
        direction = rng.normal(size=array.shape)
        along = operation.forward(*arrays[:i], direction, *arrays[i + 1 :], **settled.parameters)
        assert np.sum(down * direction) == pytest.approx(np.sum(upstream * along), rel=1e-10, abs=1e-12)


def test_the_result_is_an_array_of_its_own(at):
    x = np.arange(4.0).reshape(2, 2)
    for equation in ("ij->ji", "ii->i"):
        assert not np.shares_memory(at("einsum", x, equation=equation).out(), x)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij,jk->ik", ((3, 4), (4, 2))), ("bij,bjk->bik", ((2, 3, 4), (2, 4, 2))), ("ii->i", ((3, 3),)),
        ("...ij,...kj->...ik", ((2, 3, 4), (5, 4))), ("i,j,k->kij", ((2,), (3,), (4,))), ("ij->", ((3, 4),)),
        ("bn,anm,bm->ba", ((2, 3), (4, 3, 5), (2, 5))),
    ],
)  # fmt: skip
def test_as_pytorch(equation, shapes, at):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    arrays = [rng.normal(size=shape) for shape in shapes]
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    expected = torch.einsum(equation, *tensors)
    point = at("einsum", *arrays, equation=equation)
    np.testing.assert_allclose(point.out(), expected.detach().numpy(), rtol=1e-12, atol=1e-12)
    upstream = rng.normal(size=point.out().shape)
    expected.backward(torch.tensor(upstream))
    for i, tensor in enumerate(tensors):
        np.testing.assert_allclose(point.vjp(i, upstream), tensor.grad.numpy(), rtol=1e-12, atol=1e-12)
