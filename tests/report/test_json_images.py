import json
import math
from io import StringIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from gradtool.report.json_images import encode, number_image, value_image, write_list


def refuse(token):
    raise AssertionError(f"{token} is not JSON")


@pytest.mark.parametrize(("value", "image"), [(math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity")])
def test_what_json_does_not_have_is_a_string(value, image):
    assert number_image(value) == image
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode(value)


def test_lists_are_written_an_item_a_line():
    stream = StringIO()
    write_list(stream, "a", iter([1, {"b": "é"}]))
    write_list(stream, "c", [])
    assert stream.getvalue() == ' "a": [\n  1,\n  {"b": "\\u00e9"}],\n "c": [],\n'


def test_an_array_that_is_nowhere_finite(make):
    image = value_image(np.full(3, np.nan), 1)
    assert image == {"shape": [3], "min": "NaN", "max": "NaN", "mean": "NaN", "norm": "NaN", "nonfinite": 3}


def back(image):
    """What a script makes of a number or a nested list."""
    names = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
    if isinstance(image, list):
        return [back(entry) for entry in image]
    return names.get(image, image)


@given(st.floats())
def test_numbers_round_trip(value):
    text = json.dumps(value_image(value, 1000), allow_nan=False)
    np.testing.assert_array_equal(back(json.loads(text, parse_constant=refuse)), value)


@given(arrays(np.float64, array_shapes(min_dims=0, max_dims=3, max_side=4), elements=st.floats()))
def test_arrays_round_trip(array):
    text = json.dumps(value_image(array, 1000), allow_nan=False)
    np.testing.assert_array_equal(np.array(back(json.loads(text, parse_constant=refuse))).reshape(array.shape), array)


def test_shapes_with_a_zero_and_other_dtypes():
    assert value_image(np.zeros((0, 3)), 1000) == []
    assert value_image(np.array([True, False]), 1000) == [1.0, 0.0]
    assert value_image(np.array(0.1, dtype=np.float32), 1000) == float(np.float32(0.1))
    assert value_image(None, 1000) is None
