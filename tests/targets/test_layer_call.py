"""What backward is handed, what forward gives, and the names in what backward returns."""

import numpy as np
import pytest

from gradtool.targets.found import CannotBindError
from gradtool.targets.layer_call import (
    arrangements,
    differentiated,
    mean_in_module,
    mean_over_samples,
    opened,
    output_attribute,
    pieces,
    surely_upstream,
    take,
    uses,
)
from tests.targets.scopes import scope_of


def methods(forward, backward, tmp_path, more=""):
    source = f"class L:\n    def forward({forward}\n    def backward({backward}\n{more}"
    owner = scope_of(source, tmp_path).classes["L"]
    return owner.methods["forward"], owner.methods["backward"], owner.type()


def roles(forward, backward, tmp_path, returned=(1.0,)):
    first, second, obj = methods(forward, backward, tmp_path)
    return [[(a.parameter.name, a.role) for a in found] for found in arrangements(second, first, obj, returned)]


KEEPS = "self, x):\n        self.x = x\n        return x"
PURE = "self, x):\n        return x"


@pytest.mark.parametrize(
    ("forward", "backward", "expected"),
    [
        (KEEPS, "self, dout): return dout", [[("dout", "upstream")]]),
        (KEEPS, "self, whatever): return whatever", [[("whatever", "upstream")]]),
        (KEEPS, "self, x, dout): return dout", [[("x", "input"), ("dout", "upstream")]]),
        (KEEPS, "self, dout, lr): return dout", [[("dout", "upstream"), ("lr", "rate")]]),
        (KEEPS, "self, error, alpha): return error", [[("error", "upstream"), ("alpha", "rate")]]),
        (KEEPS, "self, dout, alpha=0.1): return dout", [[("dout", "upstream")]]),
        (KEEPS, "self, dout, out): return dout", [[("dout", "upstream"), ("out", "output")]]),
        (KEEPS, "self, dout, cache=None): return dout", [[("dout", "upstream")]]),
        (KEEPS, "self, dout, mask): return dout", [[("dout", "upstream"), ("mask", "value")]]),
        (KEEPS, "self): return 1.0", [[]]),
        (KEEPS, "self, x): return x", [[("x", "upstream")], [("x", "input")]]),
        (PURE, "self, x): return x", [[("x", "input")], [("x", "output")], [("x", "upstream")]]),
        (PURE, "self, a): return a", [[("a", "output")], [("a", "input")], [("a", "upstream")]]),
        (PURE, "self, z, grad_output): return z", [[("z", "input"), ("grad_output", "upstream")]]),
    ],
)
def test_arrangements(forward, backward, expected, tmp_path):
    assert roles(forward, backward, tmp_path) == expected


def test_a_cache_that_forward_returned(tmp_path):
    found = roles(PURE, "self, cache, dout): return dout", tmp_path, returned=(np.ones(2), (1, 2)))
    assert found == [[("cache", "cache"), ("dout", "upstream")]]


def test_a_label_that_forward_takes_too(tmp_path):
    found = roles("self, y_pred, y_true): return 1.0", "self, dvalues, y_true): return dvalues", tmp_path)
    assert found == [[("dvalues", "upstream"), ("y_true", "input")]]


def test_two_upstreams_for_two_outputs(tmp_path):
    found = roles("self, h, c): return h, c", "self, dh, dc): return dh, dc", tmp_path, returned=(1.0, 2.0))
    assert found == [[("dh", "upstream"), ("dc", "upstream")]]
    found = roles("self, h, c): return h, c", "self, dh_next, dc_next): return h, c", tmp_path, returned=(1.0, 2.0))
    assert found == [[("dh_next", "upstream"), ("dc_next", "upstream")]]


def test_a_label_in_place_of_an_upstream(tmp_path):
    with pytest.raises(CannotBindError, match="the loss that it differentiates is not known"):
        roles(KEEPS, "self, x, y): return y", tmp_path)


@pytest.mark.parametrize(
    "name", ["dout", "gradOutput", "grad_output", "accum_grad", "output_error", "dvalues", "delta", "nextgrad"]
)
def test_upstream(name):
    assert surely_upstream(name)


@pytest.mark.parametrize("name", ["lr", "cache", "x", "learning_rate", "mask"])
def test_no_upstream(name):
    assert not surely_upstream(name)


def test_the_output_attribute_is_known_by_name_or_comes_last(tmp_path):
    named, _, obj = methods("self, x):\n        self.output = x\n        self.x = x", "self, d): return d", tmp_path)
    obj.forward(np.ones(2))
    assert output_attribute(named, obj) == "output"
    last, _, obj = methods(
        "self, x):\n        self.u = x\n        self.v = x\n        self.n = 3", "self, d): return d", tmp_path
    )
    obj.forward(np.ones(2))
    assert output_attribute(last, obj) == "v"
    nothing, _, obj = methods("self, x): pass", "self, d): return d", tmp_path)
    assert output_attribute(nothing, obj) is None


def test_outputs_are_chosen_by_name(tmp_path):
    forward, backward, obj = methods(
        "self, x):\n        Z, A = x, x\n        return Z, A", "self, dA): return dA", tmp_path
    )
    (arrangement,) = arrangements(backward, forward, obj, (1.0, 1.0))
    assert differentiated(forward, [0, 1], 2, arrangement) == (1,)
    forward, backward, obj = methods("self, x):\n        return x, x", "self, dout): return dout", tmp_path)
    (arrangement,) = arrangements(backward, forward, obj, (1.0, 1.0))
    assert differentiated(forward, [0, 1], 2, arrangement) == (0,)


def test_a_mean_is_read_from_the_source(tmp_path):
    source = """
    import numpy as np
    class L:
        def calculate(self, x):
            return np.mean(self.forward(x))
        def forward(self, x):
            return x
    class M:
        def forward(self, x):
            return x
    class N:
        def run(self, x):
            return x
    def training(loss):
        return np.mean(loss.forward(1.0))
    """
    scope = scope_of(source, tmp_path)
    first, second, third = (scope.classes[name] for name in "LMN")
    assert mean_over_samples(first, first.methods["forward"])
    assert not mean_over_samples(second, second.methods["forward"])
    assert mean_in_module(scope, second.methods["forward"])
    assert not mean_in_module(scope, third.methods["run"])


def test_reading_a_parameter(tmp_path):
    _, ignoring, _ = methods(KEEPS, "self, dout=1): return self.x", tmp_path)
    _, using, _ = methods(KEEPS, "self, dout=1): return dout * self.x", tmp_path)
    assert not uses(ignoring, "dout")
    assert uses(using, "dout")


@pytest.mark.parametrize(
    ("body", "returned", "expected"),
    [
        ("return dx, dw", (1.0, 2.0), [((0,), "dx"), ((1,), "dw")]),
        ("return self.dx", 1.0, [((), "dx")]),
        ("return dx.reshape(2)", 1.0, [((), "dx")]),
        ("return np.array(dx)", 1.0, [((), "dx")]),
        ("return -dx.T", 1.0, [((), "dx")]),
        ("return dx, [dw, db]", (1.0, [2.0, 3.0]), [((0,), "dx"), ((1, 0), "dw"), ((1, 1), "db")]),
        ("grads = (dx, dw)\n        return grads", (1.0, 2.0), [((0,), "dx"), ((1,), "dw")]),
        ("return {'W': dw}", {"W": 1.0}, [(("W",), "W")]),
        ("return dx, grads", (1.0, {"b": 2.0}), [((0,), "dx"), ((1, "b"), "b")]),
        ("return dout * 2", 1.0, [((), None)]),
        ("if dout is None:\n            return dx\n        return dx, dw", (1.0, 2.0), [((0,), "dx"), ((1,), "dw")]),
    ],
)
def test_pieces(body, returned, expected, tmp_path):
    _, backward, _ = methods(KEEPS, f"self, dout):\n        {body}", tmp_path)
    found = pieces(backward, returned)
    assert [(piece.where, piece.name) for piece in found] == expected
    for piece in found:
        assert take(returned, piece.where) == piece.value


def test_what_is_not_there_this_time_is_none():
    assert take((1.0,), (1,)) is None
    assert take(None, (0,)) is None
    assert take({"W": 1.0}, ("b",)) is None


def test_opened():
    assert opened((1, 2)) == (1, 2)
    assert opened([1]) == (1,)
    assert opened(3) == (3,)
