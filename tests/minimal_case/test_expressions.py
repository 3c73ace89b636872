"""Expressions say in Python what they stand for."""

import numpy as np
import pytest

from gradtool.minimal_case.expressions import (
    Call,
    Display,
    Literal,
    Name,
    NotWrittenError,
    Part,
    Product,
    numpy_call,
    written,
)

VALUES = [
    None,
    True,
    -3,
    0.1,
    1e-300,
    float("inf"),
    float("nan"),
    'it\'s "so"\n',
    [1, 2.5],
    (1,),
    {"stride": 2, "pad": (0, 1)},
    np.float32(0.5),
    np.int64(3),
    np.array(2.5),
    np.array([[1.5, -2.0], [0.25, np.inf]]),
    np.array([np.nan, 1.0]),
    np.zeros((2, 3)),
    np.ones(4),
    np.ones(4, dtype=np.float32),
    np.array([1, 2]),
    np.array([1, 2], dtype=np.uint8),
    np.array([True, False]),
    np.empty((0, 3)),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_reads_back_as_itself(value):
    found = eval(written(value), {"np": np})
    np.testing.assert_equal(found, value)
    assert type(found) is type(value)
    if isinstance(value, np.ndarray):
        assert (found.dtype, found.shape) == (value.dtype, value.shape)


@pytest.mark.parametrize("value", [object(), np.array([1j]), np.array(["a"]), [object()], {1, 2}])
def test_what_has_no_plain_form(value):
    with pytest.raises(NotWrittenError):
        written(value)


def test_text_and_value_agree():
    names = {"np": np, "pair": ({"W": np.array([1.0, 2.0])}, 3.0), "u": np.array([2.0, 2.0])}
    w = Part(Part(Name("pair"), 0), "W")
    cases = [
        w,
        Part(w, "size", is_attribute=True),
        Display(tuple, (w,)),
        Display(list, (Literal(1), Literal("a"))),
        Display(dict, (w, Literal(2)), ("W", "b")),
        Product(Name("u"), w),
        numpy_call("tensordot", Name("u"), w, axes=Literal(1)),
        Call(Name("np.sum"), (w,), (("axis", Literal(0)),)),
    ]
    for one in cases:
        np.testing.assert_equal(one.value(names), eval(one.text, dict(names)))


def test_a_literal_array_is_a_new_one_each_time():
    content = np.ones(2)
    literal = Literal(content)
    literal.value({})[0] = 5
    assert content.tolist() == [1.0, 1.0]
