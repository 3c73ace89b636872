"""Custom PyTorch functions: found, called as PyTorch calls them, and judged by what their backward really returns."""

import numpy as np
import pytest

from gradtool.targets.found import CannotBindError
from gradtool.targets.torch_function import CONVENTION, find
from tests.targets.scopes import agrees, differing, scope_of

pytest.importorskip("torch", reason="PyTorch is not installed")

HEAD = """
import torch
from torch.autograd import Function
from torch.autograd.function import once_differentiable
"""

LINEAR = """
class Linear(Function):
    '''input (N, D), weight (M, D), bias (M,)'''

    @staticmethod
    def forward(ctx, input, weight, bias=None):
        ctx.save_for_backward(input, weight, bias)
        output = input.mm(weight.t())
        if bias is not None:
            output += bias.unsqueeze(0).expand_as(output)
        return output

    @staticmethod
    def backward(ctx, grad_output):
        input, weight, bias = ctx.saved_tensors
        grad_input = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_input = grad_output.mm(weight)
        if ctx.needs_input_grad[1]:
            grad_weight = grad_output.t().mm(input)
        if bias is not None and ctx.needs_input_grad[2]:
            grad_bias = grad_output.sum(0)
        return grad_input, grad_weight, grad_bias
"""


def rand(*shape):
    return np.random.default_rng(sum(shape) + 1).normal(size=shape)


def one(source, tmp_path):
    (found,) = find(scope_of(HEAD + source, tmp_path), frozenset())
    return found


def function(forward, backward, parameters="x", upstream="g", name="F"):
    """The source of a custom function with these two bodies."""
    lines = [f"class {name}(Function):", "    @staticmethod", f"    def forward(ctx, {parameters}):"]
    lines += [f"        {line}" for line in forward.splitlines()]
    lines += ["    @staticmethod", f"    def backward(ctx, {upstream}):"]
    return "\n".join(lines + [f"        {line}" for line in backward.splitlines()]) + "\n"


def linear_values():
    return {"input": rand(20, 10), "weight": rand(5, 10), "bias": rand(5)}


def test_a_custom_function_is_found_with_its_source(tmp_path):
    found = one(LINEAR, tmp_path)
    assert (found.name, found.convention) == ("Linear", CONVENTION)
    assert (found.forward, found.backward) == ("Linear.forward", "Linear.backward")
    assert [p.name for p in found.parameters] == ["input", "weight", "bias"]
    assert found.parameters[2].default is None
    assert found.docstrings == ("input (N, D), weight (M, D), bias (M,)",)
    assert found.uses == {"Linear"}
    assert found.skip is None
    assert found.line == (HEAD + LINEAR).splitlines().index("    def backward(ctx, grad_output):") + 1


def test_what_others_took_and_what_is_only_imported_is_left_alone(tmp_path):
    scope = scope_of(HEAD + LINEAR + "class Plain:\n    def forward(self, x): return x\n", tmp_path)
    assert [f.name for f in find(scope, frozenset())] == ["Linear"]
    assert list(find(scope, frozenset({"Linear"}))) == []


def test_a_linear_layer_with_its_bias(tmp_path):
    found = one(LINEAR, tmp_path)
    values = linear_values()
    assert found.try_forward(values).shape == (20, 5)
    case = found.bind(values)
    assert case.wrt == ("input", "weight", "bias")
    assert case.callings[0].description == "Linear.backward(ctx, grad_output)"
    assert agrees(case)


@pytest.mark.parametrize("bias", [{}, {"bias": None}])
def test_a_linear_layer_without_its_bias(tmp_path, bias):
    values = linear_values()
    del values["bias"]
    case = one(LINEAR, tmp_path).bind(values | bias)
    assert case.wrt == tuple(case.values) == ("input", "weight")
    assert agrees(case)


@pytest.mark.parametrize(
    ("right", "wrong", "name", "shape"),
    [
        ("grad_output.t().mm(input)", "input.t().mm(grad_output)", "weight", (10, 5)),
        ("grad_output.sum(0)", "grad_output", "bias", (20, 5)),
        ("grad_output.mm(weight)", "-grad_output.mm(weight)", "input", (20, 10)),
    ],
)
def test_a_linear_layer_gone_wrong_shows_its_raw_gradient(tmp_path, right, wrong, name, shape):
    """PyTorch's engine raises for the first and quietly sums the second."""
    assert right in LINEAR
    case = one(LINEAR.replace(right, wrong), tmp_path).bind(linear_values())
    assert differing(case) == [name]
    run = case.callings[0].start(case.values)
    assert run.backward(np.ones((20, 5)))[name].shape == shape


def test_shapes_that_do_not_fit_raise_what_torch_raises(tmp_path):
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        one(LINEAR, tmp_path).try_forward({"input": rand(3, 4), "weight": rand(5, 6)})


@pytest.mark.parametrize(
    ("forward", "backward", "right"),
    [
        ("y = x.exp()\nctx.save_for_backward(y)\nreturn y", "y, = ctx.saved_tensors\nreturn g * y", True),
        ("ctx.save_for_backward(x)\nreturn x.clamp(min=0)", "x, = ctx.saved_tensors\nreturn g * (x > 0)", True),
        ("ctx.save_for_backward(x)\nreturn x.clamp(min=0)", "x, = ctx.saved_tensors\ng[x < 0] = 0\nreturn g", True),
        ("ctx.save_for_backward(x)\nreturn x.clamp(min=0)", "x, = ctx.saved_tensors\nreturn g", False),
        ("return x.view_as(x)", "return -g", False),
        ("return torch.round(x)", "return g", False),
        ("ctx.save_for_backward(x)\nreturn (x ** 2).sum()", "x, = ctx.saved_tensors\nreturn 2 * x * g", True),
        ("ctx.mark_dirty(x)\nx.mul_(3)\nreturn x", "return g * 3", True),
        ("ctx.mark_dirty(x)\nx.mul_(3)\nreturn x", "return g * 2", False),
    ],
)
def test_functions_of_one_input(tmp_path, forward, backward, right):
    case = one(function(forward, backward), tmp_path).bind({"x": rand(3, 4)})
    assert case.wrt == ("x",)
    assert agrees(case) is right


def test_a_number_as_input(tmp_path):
    case = one(
        function("ctx.save_for_backward(x)\nreturn x.sin()", "return g * ctx.saved_tensors[0].cos()"), tmp_path
    ).bind({"x": np.array(0.7)})
    assert agrees(case)
    assert case.callings[0].start(case.values).outputs[0].shape == ()


def test_a_change_of_the_upstream_in_place_is_seen(tmp_path):
    case = one(function("return x * 2", "g *= 2\nreturn g"), tmp_path).bind({"x": rand(3)})
    upstream = np.ones(3)
    case.callings[0].start(case.values).backward(upstream)
    assert upstream.tolist() == [2, 2, 2]


def test_a_change_of_the_upstream_in_place_is_seen_in_single_precision_too(tmp_path):
    source = function("return x @ torch.eye(3)", "g *= 2\nreturn g @ torch.eye(3)")
    case = one(source, tmp_path).bind({"x": rand(2, 3)})
    upstream = np.full((2, 3), 0.1)
    case.callings[0].start(case.values).backward(upstream)
    assert upstream == pytest.approx(np.full((2, 3), 0.2))
    assert case.values["x"].dtype == np.float64


def test_a_change_of_an_input_in_backward_is_seen(tmp_path):
    source = function("ctx.x = x\nreturn x * 2", "ctx.x.data.zero_()\nreturn g * 2")
    case = one(source, tmp_path).bind({"x": rand(3)})
    values = {"x": rand(3)}
    run = case.callings[0].start(values)
    assert run.outputs[0] == pytest.approx(2 * rand(3))
    run.backward(np.ones(3))
    assert values["x"].tolist() == [0, 0, 0]
    assert run.outputs[0] == pytest.approx(2 * rand(3))


def test_what_forward_kept_can_be_watched(tmp_path):
    source = function(
        "ctx.half = x / 2\nctx.k = 3\nctx.save_for_backward(x.exp())\nreturn x",
        "ctx.half.zero_()\nreturn g * ctx.saved_tensors[0].mul_(0)",
    )
    run = one(source, tmp_path).bind({"x": rand(3)}).callings[0].start({"x": np.zeros(3)})
    kept = run.kept
    assert sorted(kept) == ["half", "saved_tensors[0]"]
    assert kept["saved_tensors[0]"].tolist() == [1, 1, 1]
    run.backward(np.ones(3))
    assert kept["saved_tensors[0]"].tolist() == [0, 0, 0]


@pytest.mark.parametrize("upstream", [np.broadcast_to(np.array(2.0), (3, 4)), np.arange(12.0).reshape(4, 3)[::-1].T])
def test_an_upstream_of_any_strides(tmp_path, upstream):
    run = (
        one(function("return x * 2", "return g * 2"), tmp_path)
        .bind({"x": rand(3, 4)})
        .callings[0]
        .start({"x": rand(3, 4)})
    )
    assert run.backward(upstream)["x"].tolist() == (2 * upstream).tolist()


def test_a_backward_runs_twice_on_one_forward(tmp_path):
    run = one(LINEAR, tmp_path).bind(linear_values()).callings[0].start(linear_values())
    first, second = (run.backward(np.ones((20, 5))) for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_several_outputs(tmp_path):
    source = function(
        "ctx.save_for_backward(x, y)\nreturn x * y, (x - y).sum()",
        "x, y = ctx.saved_tensors\nreturn a * y + b, a * x - b",
        parameters="x, y",
        upstream="a, b",
    )
    found = one(source, tmp_path)
    case = found.bind({"x": rand(3, 2), "y": rand(3, 2) + 1})
    assert agrees(case)
    assert [out.shape for out in case.callings[0].start(case.values).outputs] == [(3, 2), ()]
    assert differing(one(source.replace("- b", "+ b"), tmp_path).bind(case.values)) == ["y"]


def test_outputs_that_are_not_differentiable_have_no_upstream(tmp_path):
    source = function(
        "values, indices = x.max(1)\nctx.mark_non_differentiable(indices)\nctx.save_for_backward(indices)\nctx.n = x.shape[1]\n"
        "return indices, values",
        "i, = ctx.saved_tensors\nassert not _.any()\nout = torch.zeros(len(i), ctx.n, dtype=g.dtype)\n"
        "return out.scatter(1, i[:, None], g[:, None])",
        upstream="_, g",
    )
    case = one(source, tmp_path).bind({"x": rand(3, 4)})
    assert len(case.callings[0].start(case.values).outputs) == 1
    assert agrees(case)


SETUP = """
class Scale(Function):
    @staticmethod
    def forward(x, w, constant):
        return x * w * constant

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, w, ctx.constant = inputs
        ctx.save_for_backward(x, w)

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        return g * w * ctx.constant, g * x * ctx.constant, None
"""


def test_a_separate_setup_context(tmp_path):
    found = one(SETUP, tmp_path)
    assert [p.name for p in found.parameters] == ["x", "w", "constant"]
    case = found.bind({"x": rand(3), "w": rand(3) + 1, "constant": 2.5})
    assert case.wrt == tuple(case.values) == ("x", "w")
    assert agrees(case)
    wrong = one(SETUP.replace("g * x * ctx.constant", "g * x"), tmp_path)
    assert differing(wrong.bind({"x": rand(3), "w": rand(3) + 1, "constant": 2.5})) == ["w"]


def test_a_setting_is_a_number_not_a_tensor(tmp_path):
    found = one(SETUP, tmp_path)
    with pytest.raises(TypeError, match="constant should be a number"):
        found.try_forward({"x": rand(3), "w": rand(3), "constant": rand(3)})
    assert found.bind({"x": rand(3), "w": rand(3), "constant": np.array(0.5)}).wrt == ("x", "w")


def test_settings_of_any_kind_are_closed_over(tmp_path):
    source = function(
        "ctx.dim, ctx.mode = dim, mode\nctx.shape = x.shape\nreturn x.sum(dim) if mode == 'sum' else x.mean(dim)",
        "n = 1 if ctx.mode == 'sum' else ctx.shape[ctx.dim]\nreturn g.unsqueeze(ctx.dim).expand(ctx.shape) / n, None, None",
        parameters="x, dim, mode='mean'",
    )
    found = one(source, tmp_path)
    for settings in ({"dim": 0}, {"dim": np.int64(1)}, {"dim": np.array(1), "mode": "sum"}):
        case = found.bind({"x": rand(3, 4)} | settings)
        assert tuple(case.values) == ("x",)
        assert agrees(case)


def test_labels_are_data(tmp_path):
    source = function(
        "p = torch.softmax(x, 1)\nctx.save_for_backward(p, labels)\nreturn -p[torch.arange(len(p)), labels].log().mean()",
        "p, labels = ctx.saved_tensors\nd = p.clone()\nd[torch.arange(len(p)), labels] -= 1\nreturn g * d / len(p), None",
        parameters="x, labels",
    )
    case = one(source, tmp_path).bind({"x": rand(4, 3), "labels": np.array([0, 2, 1, 1])})
    assert (tuple(case.values), case.wrt) == (("x", "labels"), ("x",))
    assert agrees(case)


MSE = (
    "ctx.save_for_backward(x, {0})\nreturn ((x - {0}) ** 2).mean()",
    "x, t = ctx.saved_tensors\nreturn g * 2 * (x - t) / x.numel(), None",
)


def test_a_float_target_with_a_constant_none_is_not_claimed(tmp_path):
    case = one(function(MSE[0].format("target"), MSE[1], "x, target"), tmp_path).bind(
        {"x": rand(3), "target": rand(3) + 1}
    )
    assert case.wrt == ("x",)
    assert agrees(case)


def test_another_float_input_with_none_is_claimed(tmp_path):
    case = one(function(MSE[0].format("weight"), MSE[1], "x, weight"), tmp_path).bind(
        {"x": rand(3), "weight": rand(3) + 1}
    )
    assert case.wrt == ("x", "weight")
    assert differing(case) == ["weight"]


def test_once_differentiable_and_no_grad_mode(tmp_path):
    source = function(
        "ctx.save_for_backward(x)\nreturn x ** 3",
        "assert not torch.is_grad_enabled()\nreturn 3 * ctx.saved_tensors[0] ** 2 * g",
    )
    for text in (source, source.replace("    def backward", "    @once_differentiable\n    def backward")):
        found = one(text, tmp_path)
        assert found.line == (HEAD + text).splitlines().index("    def backward(ctx, g):") + 1
        assert agrees(found.bind({"x": rand(3)}))


def test_forward_and_backward_of_a_base_class(tmp_path):
    source = function("return x * 2", "return g * 2", name="Base") + "class Derived(Base):\n    pass\n"
    scope = scope_of(HEAD + source, tmp_path)
    assert [f.name for f in find(scope, frozenset())] == ["Base", "Derived"]


def test_vjp_is_another_name_for_backward(tmp_path):
    found = one(function("return x * 2", "return g * 2").replace("backward", "vjp"), tmp_path)
    assert found.backward == "F.vjp"
    assert agrees(found.bind({"x": rand(3)}))


def test_code_for_single_precision_runs_in_it(tmp_path):
    source = function(
        "ctx.save_for_backward(w := torch.arange(6.0).view(3, 2))\nreturn x @ w", "return g @ ctx.saved_tensors[0].t()"
    )
    found = one(source, tmp_path)
    assert found.try_forward({"x": rand(4, 3)}).dtype == np.float32
    case = found.bind({"x": rand(4, 3)})
    run = case.callings[0].start(case.values)
    assert run.outputs[0].dtype == np.float32
    assert run.backward(np.ones((4, 2)))["x"] == pytest.approx(np.tile([1, 5, 9], (4, 1)))


@pytest.mark.parametrize(
    ("backward", "message"),
    [
        ("return g, g", r"incorrect number of gradients \(expected 1, got 2\)"),
        ("return [g]", r"expected Variable or None \(got list\)"),
        ("return 1.0", r"expected Variable or None \(got float\)"),
        ("return g @ g @ g", "cannot be multiplied"),
    ],
)
def test_what_torch_refuses_is_refused(tmp_path, backward, message):
    run = one(function("return x * 2", backward), tmp_path).bind({"x": rand(3, 2)}).callings[0].start({"x": rand(3, 2)})
    with pytest.raises(RuntimeError, match=message):
        run.backward(np.ones((3, 2)))


def test_a_gradient_for_a_number_is_refused_as_torch_does(tmp_path):
    case = one(function("return x * k", "return g, g", "x, k"), tmp_path).bind({"x": rand(3), "k": 2})
    with pytest.raises(RuntimeError, match="gradient different than None at position 2"):
        case.callings[0].start(case.values).backward(np.ones(3))


def test_none_beyond_the_inputs_is_allowed(tmp_path):
    assert agrees(one(function("return x * 2", "return g * 2, None, None"), tmp_path).bind({"x": rand(3)}))


@pytest.mark.parametrize("body", ["pass", "'''later'''", "raise NotImplementedError('later')", "return None", "..."])
def test_a_backward_that_is_not_implemented_is_skipped(tmp_path, body):
    assert one(function("return x * 2", body), tmp_path).skip == "F.backward is not implemented"


def test_a_backward_that_turns_out_not_to_be_implemented(tmp_path):
    with pytest.raises(CannotBindError, match="not implemented"):
        one(function("return x", "print(end='')\nraise NotImplementedError"), tmp_path).bind({"x": rand(3)})
    with pytest.raises(CannotBindError, match="returns None for every input"):
        one(function("return x, y", "print(end='')\nreturn None, None", "x, y", "g, h"), tmp_path).bind(
            {"x": rand(3), "y": rand(3)}
        )


@pytest.mark.parametrize(
    ("forward", "backward", "message"),
    [
        ("return x.to(torch.complex128)", "return g.real", "complex"),
        ("return x.bfloat16()", "return g", "bfloat16"),
        ("return x * 2", "return (g * 2).to_sparse()", "sparse"),
        ("return x.cuda() * 2", "return g * 2", "needs a GPU"),
        ("return (x > 0)", "return g", "carries a gradient"),
    ],
)
def test_what_is_not_supported_is_said(tmp_path, forward, backward, message):
    with pytest.raises(CannotBindError, match=message):
        one(function(forward, backward), tmp_path).bind({"x": rand(3)})


def test_inputs_that_cannot_be_bound(tmp_path):
    found = one(function("return x * k", "return g * ctx.k, None", "x, k"), tmp_path)
    with pytest.raises(CannotBindError, match="x is complex"):
        found.bind({"x": rand(3) + 1j, "k": 2})
    with pytest.raises(CannotBindError, match="no value for k"):
        found.bind({"x": rand(3)})
    with pytest.raises(CannotBindError, match="nothing to differentiate"):
        found.bind({"x": 2, "k": 3})


def test_old_and_open_ended_forms_are_skipped_with_the_reason(tmp_path):
    old = function("return x", "return g").replace("    @staticmethod\n", "")
    assert "not a static method" in (one(old, tmp_path).skip or "")
    assert "any number of inputs" in (one(function("return xs[0]", "return g", "*xs"), tmp_path).skip or "")
