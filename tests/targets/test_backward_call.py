"""What names in the source say of a backward's parameters and results."""

import ast

import pytest

from gradtool.targets.backward_call import (
    FromForward,
    Input,
    Own,
    Packed,
    Returned,
    Upstream,
    call_with,
    gets_output,
    is_cache,
    is_public,
    is_unwritten,
    is_upstream,
    named_input,
    own_parameters,
    plans,
    returned_keys,
    returned_names,
    same_thing,
    unpacked,
)
from gradtool.targets.found import CannotBindError
from gradtool.targets.scope import Parameter
from tests.targets.scopes import scope_of

OUT = (Returned("out", True),)
CACHED = (Returned("out", True), Returned("cache", False))


def function(signature, tmp_path, body="pass"):
    return scope_of(f"def back({signature}):\n    {body}\n", tmp_path).functions["back"]


@pytest.mark.parametrize(
    "name",
    ["dout", "d_out", "dY", "dA", "dz", "dy", "dL", "grad", "grad_output", "accum_grad",
     "dvalues", "g", "ct", "upstream", "dnext_h", "out_grad", "top_diff"],
)  # fmt: skip
def test_upstream_names(name):
    assert is_upstream(name)


@pytest.mark.parametrize("name", ["x", "cache", "w", "d_model", "data", "dim", "depth", "mask", "gamma", "dropout"])
def test_other_names(name):
    assert not is_upstream(name)


def test_cache_and_public_names():
    assert all(map(is_cache, ["cache", "ctx", "fc_cache", "caches", "saved_tensors", "linear_cache"]))
    assert not any(map(is_cache, ["x", "out", "w"]))
    assert is_public("affine_backward")
    assert not any(map(is_public, ["_f", "test_f", "check_f", "main"]))


@pytest.mark.parametrize(
    "name",
    [
        "dx",
        "d_x",
        "dX",
        "grad_x",
        "x_grad",
        "gx",
        "g_x",
        "dLdx",
        "dL_dx",
        "dloss_dx",
        "delta_x",
        "gradient_wrt_x",
        "dinput",
    ],
)
def test_gradient_names(name):
    assert named_input(name, ["x", "w", "b"]) == "x"


def test_gradient_names_that_are_open():
    assert named_input("grad", ["x"]) is None
    assert named_input("dw", ["W", "w"]) == "w"
    assert named_input("dW1", ["W1", "W2"]) == "W1"
    assert named_input("dweights", ["x", "w"]) == "w"
    assert named_input("x", ["x"]) is None
    assert named_input("x", ["x"], itself=True) == "x"
    assert same_thing("weights", ["x", "w"]) == "w"
    assert same_thing("q", ["x", "w"]) is None


def test_returned_keys(tmp_path):
    source = """
        def f(dout):
            other = {"no": 1}
            other["neither"] = 2
            grads = {"dw": dout}
            grads["db"] = dout
            return grads, other["no"]

        def g(dout):
            return dict(dx=dout)

        def h(dout):
            return {"dx": dout, 3: dout}

        def none(dout):
            return dout
    """
    functions = scope_of(source, tmp_path).functions
    found = {name: returned_keys(function) for name, function in functions.items()}
    assert found == {"f": {"dw", "db"}, "g": {"dx"}, "h": {"dx"}, "none": frozenset()}


def test_returned_names(tmp_path):
    source = (
        "def f(c):\n    if c:\n        return dx, dw.T\n    g = (db, -dx)\n    if not c:\n        return g\n"
        "    return np.array(dx), grads['dw'], dx + 1, x.dy.reshape(3)\ndef h():\n    return\n"
    )
    functions = scope_of(source, tmp_path).functions
    assert returned_names(functions["f"]) == (("dx", "dw"), ("db", "dx"), ("dx", "dw", None, "dy"))
    assert returned_names(functions["h"]) == ((),)


def test_unwritten_and_unpacked(tmp_path):
    assert is_unwritten(function("d", tmp_path, '"""Later."""\n    raise NotImplementedError("x")'))
    assert not is_unwritten(function("d", tmp_path, "return None"))
    assert unpacked(function("d, cache", tmp_path, "x, w = cache"), "cache") == ("x", "w")
    assert unpacked(function("d, cache", tmp_path, "x = cache[0]"), "cache") is None


def sources(signature, tmp_path, inputs=("x", "w"), returned=CACHED, **more):
    return [
        dict(plan.sources)
        for plan in plans(function(signature, tmp_path, more.pop("body", "pass")), inputs, returned, **more)
    ]


def test_settled_plans(tmp_path):
    upstream, cache = Upstream(0), FromForward(1)
    assert sources("dout, cache", tmp_path) == [{"dout": upstream, "cache": cache}]
    assert sources("memory, dout", tmp_path) == [{"memory": cache, "dout": upstream}]
    assert sources("dout, stuff", tmp_path) == [{"dout": upstream, "stuff": cache}]
    assert sources("dout, x, w", tmp_path, returned=OUT) == [{"dout": upstream, "x": Input("x"), "w": Input("w")}]
    assert sources("dout, inputs", tmp_path, ("x",), OUT) == [{"dout": upstream, "inputs": Input("x")}]
    assert sources("dout, out", tmp_path, returned=OUT) == [{"dout": upstream, "out": FromForward(0)}]
    assert sources("dout, saved", tmp_path, returned=OUT, body="w, x = saved") == [
        {"dout": upstream, "saved": Packed((Input("w"), Input("x")))}
    ]
    assert sources("dout, cache, k", tmp_path, own=["k"]) == [{"dout": upstream, "cache": cache, "k": Own("k")}]


def test_open_plans(tmp_path):
    upstream, x, out = Upstream(0), Input("x"), FromForward(0)
    assert sources("dout, s", tmp_path, ("x",), OUT) == [{"dout": upstream, "s": out}, {"dout": upstream, "s": x}]
    assert sources("dout, v", tmp_path, ("x",), OUT) == [{"dout": upstream, "v": x}, {"dout": upstream, "v": out}]
    assert sources("dout, x", tmp_path, ("x",), OUT, output_handed=True)[0] == {"dout": upstream, "x": out}
    assert sources("x", tmp_path, ("x",), OUT) == [{"x": x}]
    assert sources("t", tmp_path, ("x",), OUT, style="callback") == [{"t": upstream}]


def test_plans_that_make_no_sense(tmp_path):
    with pytest.raises(CannotBindError, match="takes k"):
        sources("dout, cache, k", tmp_path)
    with pytest.raises(CannotBindError, match="no floating"):
        sources("dout, cache", tmp_path, returned=(Returned(None, False),))
    with pytest.raises(CannotBindError, match="1 output"):
        sources("da, db", tmp_path, returned=OUT)


def test_own_parameters(tmp_path):
    assert [p.name for p in own_parameters(function("dout, cache, k, n=3", tmp_path), ["x"], ["out", "cache"])] == [
        "k",
        "n",
    ]
    assert own_parameters(function("dout, cache, x, alpha", tmp_path), ["x", "alpha"], ["out", "cache"]) == ()
    assert own_parameters(function("AL, Y, caches", tmp_path), ["x"], ["AL_", "caches"]) == ()


def test_calling_a_plan(tmp_path):
    (plan,) = plans(function("cache, x, *, dout", tmp_path), ["x"], CACHED)
    assert plan.takes_upstream
    assert plan.handed_on == {1}
    assert plan.call(lambda cache, x, *, dout: (cache, x, dout), ["u"], {"x": 5}, ["o", "c"]) == ("c", 5, "u")
    assert plan.describe("back", "forth", ["x"], CACHED) == "back(cache, x, dout=dout)"


def test_positional_until_one_is_left_out():
    parameters = (Parameter("a"), Parameter("b", default=2), Parameter("c", default=3))
    assert call_with(lambda *a, **k: (a, k), parameters, {"a": 1, "c": 4}) == ((1,), {"c": 4})
    assert call_with(lambda *a, **k: (a, k), parameters[:1], {"a": 1}, [7]) == ((1, 7), {})


@pytest.mark.parametrize(
    ("use", "expected"),
    [
        ("a = f(z)\nb = back(a)", True),
        ("b = back(f(z))", True),
        ("a = f(z)\nb = back(z)", False),
        ("", False),
    ],
)
def test_whether_the_module_hands_on_the_output(use, expected, tmp_path):
    scope = scope_of("def f(x):\n    return x\ndef back(x):\n    return 1\n", tmp_path)
    assert gets_output(ast.parse(use), scope.functions["f"], scope.functions["back"]) == expected


def test_a_docstring_says_that_the_output_is_meant(tmp_path):
    scope = scope_of('def f(x):\n    return x\ndef back(x):\n    """x is the output of f."""\n    return 1\n', tmp_path)
    assert gets_output(scope.tree, scope.functions["f"], scope.functions["back"])


def test_a_backward_from_the_loss_on_is_no_backward_of_forward(tmp_path):
    back = function("parameters, cache, X, Y", tmp_path)
    with pytest.raises(CannotBindError, match="a loss that forward does not compute"):
        plans(back, ["X", "parameters"], CACHED)
    assert plans(function("Y, cache", tmp_path), ["X"], CACHED)
