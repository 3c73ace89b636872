"""Shapes from annotations, as text."""

import pytest

from gradtool.targets.annotations import from_annotation


@pytest.mark.parametrize(
    ("annotation", "shape"),
    [
        ('Float[Array, "n d"]', ("n", "d")),
        ('Float64[np.ndarray, "batch in_"]', ("batch", "in_")),
        ('jaxtyping.Float[torch.Tensor, "*batch d"]', ("batch", "d")),
        ('Float[Tensor, "... d+1"]', ("any_0", "d+1")),
        ('Float[Array, "n=4 #m 3"]', ("4", "m", "3")),
        ('Float[Array, ""]', ()),
        ("Annotated[np.ndarray, (3, 4)]", ("3", "4")),
        ('Annotated[np.ndarray, ("N", "D")]', ("N", "D")),
        ('Annotated[NDArray[np.float64], "N D"]', ("N", "D")),
        ('NDArray[Shape["3, 4"], Float]', ("3", "4")),
        ("\"Float[Array, 'n d']\"", ("n", "d")),
        ('Optional[Float[Array, "n"]]', ("n",)),
        ('Float[Array, "n"] | None', ("n",)),
        ("float", ()),
        ("NDArray[np.float64]", None),
        ("np.ndarray", None),
        ("torch.Tensor", None),
    ],
)
def test_shapes(annotation, shape):
    assert from_annotation(annotation).shape == shape


@pytest.mark.parametrize(
    ("annotation", "domain"),
    [
        ('Int[Array, "n"]', "labels"),
        ('Bool[Array, "n"]', "mask"),
        ("NDArray[np.int64]", "labels"),
        ("np.ndarray[Any, np.dtype[np.int32]]", "labels"),
        ("NDArray[np.bool_]", "mask"),
        ("torch.LongTensor", "labels"),
        ('Float[Array, "n"]', "real"),
    ],
)
def test_domains(annotation, domain):
    assert from_annotation(annotation).domain == domain


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [("int", "integer"), ("bool", "boolean"), ("str", "string"), ("dict[str, float]", "dictionary"),
     ("np.random.Generator", "generator"),
     ("float", "number"), ("Callable[[int], int]", "other")],
)  # fmt: skip
def test_kinds(annotation, kind):
    assert from_annotation(annotation).kind == kind


def test_choices_and_options():
    assert from_annotation("Literal['mean', 'sum']").choices == ("mean", "sum")
    assert from_annotation("np.ndarray | None").optional
    assert not from_annotation("np.ndarray").optional


@pytest.mark.parametrize("annotation", [None, "", "not python", "MyType", "list[MyType]", "1 + 1"])
def test_what_says_nothing(annotation):
    assert from_annotation(annotation) is None
