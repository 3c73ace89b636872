"""What becomes of values that forward returns and backward gives; binding as a whole is tested with the conventions."""

import numpy as np
import pytest

from gradtool.targets.found import CannotBindError
from gradtool.targets.function_pair import FunctionPair, as_output, elements, is_nothing, is_output, is_scalar, like
from tests.targets.scopes import scope_of


def test_outputs():
    assert all(map(is_output, [np.ones(2), 1.5, np.float32(2), 0, [1.0, 2]]))
    assert not any(map(is_output, [None, True, np.arange(3), {"a": 1}, "x", [], ["x"], (1.0,)]))
    array = np.ones(2)
    assert as_output(array) is not array
    assert as_output(0).dtype == np.float64
    assert as_output(np.float32(2)).dtype == np.float32


def test_an_upstream_is_of_the_output_s_kind():
    upstream, number = np.ones(2), np.array(2.0)
    assert like(upstream, np.zeros(2)) is upstream
    assert type(like(number, 1.0)) is float
    assert type(like(number, np.float64(1))) is np.float64
    assert like(upstream, [1.0, 2.0]) == [1.0, 1.0]


def test_nothing():
    assert all(map(is_nothing, [None, (), (None, None), {}, {"dx": None}]))
    assert not any(map(is_nothing, [0.0, np.zeros(2), (None, 1)]))


def test_elements(tmp_path):
    functions = scope_of("def f(x):\n    return [x, cache]\ndef g(x):\n    return x\n", tmp_path).functions
    assert elements([1, 2], functions["f"]) == [("x", 1), ("cache", 2)]
    assert elements([1, 2], functions["g"]) == [("x", [1, 2])]
    assert elements((1, 2), functions["g"]) == [(None, 1), (None, 2)]


def test_scalar_code(tmp_path):
    source = (
        "import math\nfrom math import exp\nimport numpy as np\ndef a(x): return exp(x)\n"
        "def b(x): return a(x)\ndef c(x): return np.exp(x)\n"
    )
    scope = scope_of(source, tmp_path)
    assert [is_scalar(scope, scope.functions[name]) for name in "abc"] == [True, True, False]


def test_a_missing_value_and_no_array(tmp_path):
    scope = scope_of("def f(x, w): return x * w\ndef f_backward(dout, x, w): return dout * w, dout * x\n", tmp_path)
    found = FunctionPair(scope, scope.functions["f"], scope.functions["f_backward"]).found("f", "some")
    with pytest.raises(CannotBindError, match="value for w"):
        found.bind({"x": np.ones(2)})
    with pytest.raises(CannotBindError, match="no floating argument"):
        found.bind({"x": 1, "w": 2})


def test_a_forward_of_any_number_of_arrays(tmp_path):
    scope = scope_of("def f(*xs): return sum(xs)\ndef f_backward(dout, *xs): return dout\n", tmp_path)
    assert "*xs" in (
        FunctionPair(scope, scope.functions["f"], scope.functions["f_backward"]).found("f", "some").skip or ""
    )


@pytest.mark.parametrize(
    ("backward", "certain"),
    [
        ("def f_backward(dout, x, y): return dout * y, dout * x", True),
        ("def f_backward(a, b, c): return a * c, a * b", False),
        ("def f_backward(dout, cache): return dout * cache[1], dout * cache[0]", False),
    ],
)
def test_whether_a_call_is_certain(backward, certain, tmp_path):
    scope = scope_of(f"def f(x, y): return x * y\n{backward}\n", tmp_path)
    found = FunctionPair(scope, scope.functions["f"], scope.functions["f_backward"]).found("f", "some")
    case = found.bind({"x": np.ones(2), "y": np.full(2, 3.0)})
    assert {calling.certain for calling in case.callings} == {certain}
