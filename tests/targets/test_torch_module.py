"""PyTorch modules: which of them have hand-written gradients, and what autograd makes of those."""

import numpy as np
import pytest

from gradtool.targets.found import CannotBindError
from gradtool.targets.torch_module import CONVENTION, find
from tests.targets.scopes import agrees, differing, scope_of

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

HEAD = """
import torch
from torch import nn
from torch.autograd import Function


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x ** 3

    @staticmethod
    def backward(ctx, g):
        return 3 * ctx.saved_tensors[0] ** 2 * g


cube = Cube.apply


def cubed(x):
    return Cube.apply(x)


def twice(x):
    return cubed(cubed(x))

"""

LAYER = """
class Layer(nn.Module):
    '''x (N, n_in)'''

    def __init__(self, n_in, n_out, bias=True):
        super().__init__()
        self.inner = nn.Linear(n_in, n_out, bias=bias)
        self.scale = nn.Parameter(torch.full((n_out,), 1.5))

    def forward(self, x):
        '''a docstring'''
        return Cube.apply(self.inner(x)) * self.scale
"""


def rand(*shape):
    return np.random.default_rng(sum(shape) + 1).normal(size=shape)


def layers(source, tmp_path):
    return list(find(scope_of(HEAD + source, tmp_path), frozenset()))


def module(body, init=""):
    """The source of a module with this body of ``forward``."""
    lines = ["class M(nn.Module):", "    def __init__(self):", "        super().__init__()"]
    lines += [f"        {line}" for line in init.splitlines()]
    lines += ["    def forward(self, x):", *(f"        {line}" for line in body.splitlines())]
    return "\n".join(lines) + "\n"


def test_a_module_is_found_with_its_source(tmp_path):
    (found,) = layers(LAYER, tmp_path)
    assert (found.name, found.convention) == ("Layer", CONVENTION)
    assert (found.forward, found.backward) == ("Layer.forward", "autograd through Cube")
    assert [p.name for p in found.parameters] == ["x", "n_in", "n_out", "bias"]
    assert found.parameters[3].default is True
    assert found.docstrings == ("a docstring", "x (N, n_in)")
    assert found.line == (HEAD + LAYER).splitlines().index("    def forward(self, x):") + 1
    assert found.uses == {"Layer"}


@pytest.mark.parametrize(
    ("body", "through"),
    [
        ("return Cube.apply(x)", "Cube"),
        ("return cube(x)", "Cube"),
        ("return twice(x)", "Cube"),
        ("x.register_hook(lambda g: g)\nreturn x * 1", "register_hook"),
        ("x.register_hook(lambda g: g)\nreturn cube(x)", "register_hook, Cube"),
    ],
)
def test_a_module_is_a_target_where_it_uses_a_gradient_of_the_file(tmp_path, body, through):
    (found,) = layers(module(body), tmp_path)
    assert found.backward == f"autograd through {through}"


@pytest.mark.parametrize("body", ["return x.exp()", "return nn.functional.relu(x)", "return x.apply_(abs)"])
def test_a_module_of_pytorch_s_own_derivatives_is_none(tmp_path, body):
    assert layers(module(body), tmp_path) == []


def test_a_module_with_a_backward_of_its_own_is_skipped_with_the_reason(tmp_path):
    (found,) = layers(module("return x * 2") + "    def backward(self, grad):\n        return grad * 2\n", tmp_path)
    assert "PyTorch does not call M.backward" in (found.skip or "")
    assert layers(module("return x * 2") + "    def backward(self):\n        self.loss.backward()\n", tmp_path) == []


def test_what_others_took_is_left_alone(tmp_path):
    assert list(find(scope_of(HEAD + LAYER, tmp_path), frozenset({"Layer"}))) == []


def test_inputs_and_parameters_are_differentiated(tmp_path):
    (found,) = layers(LAYER, tmp_path)
    values = {"x": rand(4, 3), "n_in": 3, "n_out": 2}
    assert found.try_forward(values).shape == (4, 2)
    case = found.bind(values)
    assert case.wrt == ("x", "scale", "inner.weight", "inner.bias")
    assert {name: value.shape for name, value in case.values.items()} == {
        "x": (4, 3), "scale": (2,), "inner.weight": (2, 3), "inner.bias": (2,),
    }  # fmt: skip
    assert agrees(case)
    assert found.bind(values | {"bias": False}).wrt == ("x", "scale", "inner.weight")


def test_the_parameters_are_the_same_each_time_and_the_generator_is_left_as_it_was(tmp_path):
    (found,) = layers(LAYER, tmp_path)
    before = torch.random.get_rng_state()
    cases = [found.bind({"x": rand(4, 3), "n_in": 3, "n_out": 2}) for _ in range(2)]
    assert np.array_equal(cases[0].values["inner.weight"], cases[1].values["inner.weight"])
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_wrong_function_shows_in_all_that_it_passes_on(tmp_path):
    source = (HEAD + LAYER).replace("return 3 *", "return 2 *")
    (found,) = find(scope_of(source, tmp_path), frozenset())
    assert differing(found.bind({"x": rand(4, 3), "n_in": 3, "n_out": 2})) == ["x", "inner.weight", "inner.bias"]


@pytest.mark.parametrize(("factor", "right"), [("1", True), ("-1", False)])
def test_hooks_take_part(tmp_path, factor, right):
    init = f"self.lin = nn.Linear(3, 2)\nself.lin.register_full_backward_hook(lambda m, gi, go: ({factor} * gi[0],))"
    (found,) = layers(module("return self.lin(x)", init), tmp_path)
    case = found.bind({"x": rand(4, 3)})
    assert differing(case) == ([] if right else ["x"])
    init = f"self.w = nn.Parameter(torch.ones(3))\nself.w.register_hook(lambda g: {factor} * g)"
    (found,) = layers(module("return self.w * x", init), tmp_path)
    assert differing(found.bind({"x": rand(4, 3)})) == ([] if right else ["w"])


def test_state_is_fresh_each_time(tmp_path):
    init = "self.n = 0\nself.norm = nn.BatchNorm1d(3)"
    (found,) = layers(module("self.n += 1\nassert self.n == 1\nreturn cube(self.norm(x))", init), tmp_path)
    case = found.bind({"x": rand(4, 3)})
    assert agrees(case)
    assert case.values["norm.bias"].tolist() == [0, 0, 0]


def test_several_outputs_and_a_second_backward(tmp_path):
    (found,) = layers(module("y = cube(x)\nreturn {'a': y, 'b': [y.sum(), y > 0]}"), tmp_path)
    case = found.bind({"x": rand(4)})
    assert agrees(case)
    run = case.callings[0].start(case.values)
    assert [out.shape for out in run.outputs] == [(4,), ()]
    first = run.backward(np.ones(4), np.array(1.0))["x"]
    assert np.array_equal(first, run.backward(np.ones(4), np.array(1.0))["x"])
    assert first == pytest.approx(6 * rand(4) ** 2)


def test_what_is_unused_or_frozen(tmp_path):
    init = "self.unused = nn.Parameter(torch.ones(2))\nself.frozen = nn.Parameter(torch.ones(3), requires_grad=False)"
    (found,) = layers(module("return cube(x) * self.frozen", init), tmp_path)
    case = found.bind({"x": rand(3)})
    assert case.wrt == ("x", "unused")
    assert case.callings[0].start(case.values).backward(np.ones(3))["unused"] is None


def test_integer_inputs_settings_and_equal_names(tmp_path):
    source = """
class Lookup(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(size, 2))

    def forward(self, indices, weight, power=1, *, flip=False):
        return cube(self.weight)[indices] * weight ** power * (-1 if flip else 1)
"""
    (found,) = layers(source, tmp_path)
    case = found.bind(
        {"size": np.int64(5), "indices": np.array([0, 3, 3]), "weight": np.array([2.0, 3.0]), "power": 2, "flip": True}
    )
    assert tuple(case.values) == ("indices", "weight", "self.weight")
    assert case.wrt == ("weight", "self.weight")
    assert agrees(case)


def test_an_input_may_be_changed_in_place(tmp_path):
    (found,) = layers(module("x.mul_(2)\nreturn cube(x)"), tmp_path)
    case = found.bind({"x": rand(3)})
    assert agrees(case)
    assert case.values["x"].tolist() == rand(3).tolist()


def test_code_for_single_precision_runs_in_it(tmp_path):
    (found,) = layers(module("return cube(x) @ torch.ones(3, 2)"), tmp_path)
    assert found.try_forward({"x": rand(4, 3)}).dtype == np.float32
    run = found.bind({"x": rand(4, 3)}).callings[0].start({"x": rand(4, 3)})
    assert run.backward(np.ones((4, 2)))["x"] == pytest.approx(6 * rand(4, 3) ** 2, rel=1e-5)


def test_a_gradient_of_wrong_shape_is_refused_by_torch(tmp_path):
    source = (
        (HEAD + module("return Cube.apply(x)"))
        .replace("** 2 * g", "** 2 * g.sum()")
        .replace("return 3 *", "return 3 * torch.ones(7, 7) *")
    )
    (found,) = find(scope_of(source.replace("ctx.saved_tensors[0]", "torch.ones(7, 7)"), tmp_path), frozenset())
    run = found.bind({"x": rand(3)}).callings[0].start({"x": rand(3)})
    with pytest.raises(RuntimeError, match="invalid gradient"):
        run.backward(np.ones(3))


@pytest.mark.parametrize(
    ("body", "values", "message"),
    [
        ("return cube(x).to(torch.complex64)", {"x": rand(3)}, "complex"),
        ("return cube(x).cuda()", {"x": rand(3)}, "needs a GPU"),
        ("return cube(x) > 0", {"x": rand(3)}, "carries a gradient"),
        ("return cube(x)", {"x": rand(3) * 1j}, "x is complex"),
        ("return cube(x)", {}, "no value for x"),
        ("return cube(x)", {"x": 3}, "no output of M.forward carries a gradient"),
    ],
)
def test_what_cannot_be_bound_is_said(tmp_path, body, values, message):
    (found,) = layers(module(body), tmp_path)
    with pytest.raises(CannotBindError, match=message):
        found.bind(values)


def test_any_number_of_inputs_is_skipped(tmp_path):
    (found,) = layers(module("return cube(x[0])").replace("self, x", "self, *x"), tmp_path)
    assert "any number of inputs" in (found.skip or "")


def test_sizes_of_zero_and_lazy_parameters_are_refused(tmp_path):
    (found,) = layers(LAYER, tmp_path)
    with pytest.raises(ValueError, match="has no entries"), pytest.warns(UserWarning, match="no-op"):
        found.try_forward({"x": rand(4, 3), "n_in": 3, "n_out": 0})
    (found,) = layers(module("return cube(self.lin(x))", "self.lin = nn.LazyLinear(2)"), tmp_path)
    with pytest.raises(CannotBindError, match=r"lin\.weight of M has no shape before its first use"):
        found.bind({"x": rand(4, 3)})
