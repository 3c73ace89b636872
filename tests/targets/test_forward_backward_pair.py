"""Pairs of functions: every order of arguments, every way to give gradients back, right ones and wrong ones."""

import numpy as np
import pytest

from gradtool.targets.forward_backward_pair import CONVENTION, find
from gradtool.targets.found import CannotBindError
from tests.targets.scopes import agrees, differing, scope_of

rng = np.random.default_rng(7)
X, W, B = rng.normal(size=(4, 3)), rng.normal(size=(3, 2)), rng.normal(size=2)
AFFINE = {"x": X, "w": W, "b": B}


def pairs(source, tmp_path, taken=()):
    found = list(find(scope_of("import numpy as np\nimport math\n" + source, tmp_path), frozenset(taken)))
    assert all(f.convention == CONVENTION for f in found)
    return found


def only(source, tmp_path):
    (found,) = pairs(source, tmp_path)
    return found


def some_calling_agrees(case):
    return any(agrees(case, calling) for calling in case.callings)


@pytest.mark.parametrize(
    ("forward", "backward", "title"),
    [
        ("affine_forward", "affine_backward", "affine"),
        ("forward_affine", "backward_affine", "affine"),
        ("affine_fwd", "affine_bwd", "affine"),
        ("AffineForward", "AffineBackward", "Affine"),
        ("affine", "affine_backward", "affine"),
        ("forward", "backward", "forward"),
        ("forward_pass", "backward_pass", "forward_pass"),
        ("fprop", "bprop", "fprop"),
        ("affine_forward_naive", "affine_backward_naive", "affine_naive"),
        ("affine_forward", "affine_backward_alt", "affine_alt"),
        ("affineForward", "affineBackward", "affine"),
    ],
)
def test_names_that_pair(forward, backward, title, tmp_path):
    found = only(
        f"def {forward}(x, w, b):\n    return x @ w + b, (x, w, b)\n"
        f"def {backward}(dout, cache):\n    x, w, b = cache\n    return dout @ w.T, x.T @ dout, dout.sum(0)\n",
        tmp_path,
    )
    assert (found.name, found.forward, found.backward, found.line) == (title, forward, backward, 5)
    assert found.uses == {forward, backward}
    assert agrees(found.bind(AFFINE))


def test_what_is_no_pair(tmp_path):
    assert pairs("def test_f_forward(x): return x\ndef test_f_backward(d): return d\n", tmp_path) == []
    assert pairs("def _f_forward(x): return x\ndef _f_backward(d): return d\n", tmp_path) == []
    assert pairs("def check_backward(x): return x\ndef forward(x): return x\n", tmp_path) == []
    assert pairs("def go_backward(x): return x\ndef go_forwards(x): return x\n", tmp_path) == []
    assert pairs("def f_forward(x): return x\ndef f_backward(d): return d\n", tmp_path, taken=["f_forward"]) == []


def test_a_partner_of_its_own_comes_before_the_shared_one(tmp_path):
    found = pairs(
        "def bn_forward(x): return x * 2, x\ndef bn_forward_alt(x): return x * 3, x\n"
        "def bn_backward(dout, cache): return dout * 2\ndef bn_backward_alt(dout, cache): return dout * 3\n",
        tmp_path,
    )
    assert [(f.forward, f.backward) for f in found] == [
        ("bn_forward", "bn_backward"),
        ("bn_forward_alt", "bn_backward_alt"),
    ]


AFFINE_FORWARD = "def affine_forward(x, w, b):\n    out = x @ w + b\n    cache = (x, w, b)\n    return out, cache\n"
GIVEN = "    x, w, b = cache\n"
RIGHT = "    dx, dw, db = dout @ w.T, x.T @ dout, dout.sum(0)\n"


@pytest.mark.parametrize(
    ("signature", "described"),
    [
        ("dout, cache", "affine_backward(dout, cache)"),
        ("cache, dout", "affine_backward(cache, dout)"),
        ("*, dout, cache", "affine_backward(dout=dout, cache=cache)"),
        ("cache, *, dout", "affine_backward(cache, dout=dout)"),
        ("dout, cache, eps=1e-5", "affine_backward(dout, cache)"),
    ],
)
def test_orders_of_arguments_with_a_cache(signature, described, tmp_path):
    source = AFFINE_FORWARD + f"def affine_backward({signature}):\n" + GIVEN + RIGHT + "    return dx, dw, db\n"
    case = only(source, tmp_path).bind(AFFINE)
    assert [c.description for c in case.callings] == [described]
    assert case.wrt == ("x", "w", "b")
    assert agrees(case)


@pytest.mark.parametrize(
    "signature",
    ["dout, x, w, b", "x, w, b, dout", "dout, w, x, b", "grad_output, x, w, b", "dY, x, w, b", "dout, *inputs"],
)
def test_orders_of_arguments_without_a_cache(signature, tmp_path):
    upstream = next(name for name in ("dout", "grad_output", "dY") if name in signature)
    unpack = "    x, w, b = inputs\n" if "*" in signature else ""
    source = (
        "def affine_forward(x, w, b):\n    return x @ w + b\n"
        f"def affine_backward({signature}):\n{unpack}    dout = {upstream}\n" + RIGHT + "    return dx, dw, db\n"
    )
    case = only(source, tmp_path).bind(AFFINE)
    assert len(case.callings) == 1
    assert agrees(case)


def test_an_upstream_without_a_name_for_it_is_tried_first_and_last(tmp_path):
    source = "def f_forward(x):\n    return x ** 3\ndef f_backward({}):\n    return 3 * x ** 2 * thing\n"
    assert some_calling_agrees(only(source.format("thing, x"), tmp_path).bind({"x": X}))
    assert some_calling_agrees(only(source.format("x, thing"), tmp_path).bind({"x": X}))
    wrong = source.replace("3 * x", "2 * x")
    assert not some_calling_agrees(only(wrong.format("x, thing"), tmp_path).bind({"x": X}))


@pytest.mark.parametrize(
    "returned",
    [
        "return dx, dw, db",
        "return db, dw, dx",
        "return [dx, dw, db]",
        "grads = (dx, dw, db)\n    return grads",
        "return {'dw': dw, 'dx': dx, 'db': db}",
        "return {'w': dw, 'x': dx, 'b': db}",
        "return dict(grad_x=dx, grad_w=dw, grad_b=db)",
        "return dx.reshape(x.shape), np.array(dw), db.copy()",
        "return dout @ w.T, x.T @ dout, dout.sum(0)",
        "return dx, {'dw': dw, 'db': db}",
        "d_x, d_w, d_b = dx, dw, db\n    return d_b, d_w, d_x",
        "x_grad, w_grad, b_grad = dx, dw, db\n    return b_grad, w_grad, x_grad",
        "gx, gw, gb = dx, dw, db\n    return gb, gw, gx",
        "dLdx, dL_dw, delta_b = dx, dw, db\n    return delta_b, dL_dw, dLdx",
        "grad_x, gradW, gradb = dx, dw, db\n    return gradb, gradW, grad_x",
        "grad_input, grad_weight, grad_bias = dx, dw, db\n    return grad_bias, grad_weight, grad_input",
        "from collections import namedtuple\n    return namedtuple('Grads', 'db dw dx')(db, dw, dx)",
    ],
)
def test_ways_to_return_gradients(returned, tmp_path):
    source = AFFINE_FORWARD + "def affine_backward(dout, cache):\n" + GIVEN + RIGHT + "    " + returned + "\n"
    case = only(source, tmp_path).bind(AFFINE)
    assert set(case.wrt) == {"x", "w", "b"}
    assert agrees(case)
    if "return dout" not in returned:
        case = only(source.replace("dout.sum(0)", "-dout.sum(0)"), tmp_path).bind(AFFINE)
        assert differing(case) == ["b"]


def test_what_is_not_returned_is_not_claimed(tmp_path):
    source = AFFINE_FORWARD + "def affine_backward(dout, cache):\n" + GIVEN + RIGHT + "    return dx, db\n"
    case = only(source, tmp_path).bind(AFFINE)
    assert case.wrt == ("x", "b")
    assert agrees(case)


def test_none_for_one_input_is_claimed(tmp_path):
    source = AFFINE_FORWARD + "def affine_backward(dout, cache):\n" + GIVEN + RIGHT + "    return dx, None, db\n"
    case = only(source, tmp_path).bind(AFFINE)
    assert case.wrt == ("x", "w", "b")
    assert differing(case) == ["w"]


def test_nothing_returned_is_not_implemented(tmp_path):
    for body in ("    pass\n", "    raise NotImplementedError\n", '    """Later."""\n    ...\n'):
        assert "not implemented" in (
            only(AFFINE_FORWARD + "def affine_backward(dout, cache):\n" + body, tmp_path).skip or ""
        )
    for body in (
        "    dx, dw, db = None, None, None\n    return dx, dw, db\n",
        "    x = cache\n",
        "    if True: raise NotImplementedError('x')\n",
    ):
        found = only(AFFINE_FORWARD + "def affine_backward(dout, cache):\n" + body, tmp_path)
        with pytest.raises(CannotBindError, match="not implemented"):
            found.bind(AFFINE)


def test_wrong_shape_is_kept_for_the_checker(tmp_path):
    source = (
        AFFINE_FORWARD + "def affine_backward(dout, cache):\n" + GIVEN + "    return dout @ w.T, (x.T @ dout).T, dout\n"
    )
    case = only(source, tmp_path).bind(AFFINE)
    assert differing(case) == ["w", "b"]


def test_a_backward_that_raises_is_kept_for_the_checker(tmp_path):
    source = (
        AFFINE_FORWARD + "def affine_backward(dout, cache):\n" + GIVEN + "    return dout @ w, x @ dout, dout.sum(0)\n"
    )
    case = only(source, tmp_path).bind(AFFINE)
    assert case.wrt == ("x", "w", "b")
    run = case.callings[0].start(AFFINE)
    with pytest.raises(ValueError, match="matmul"):
        run.backward(np.ones((4, 2)))


SIGMOID = "def sigmoid(x):\n    return 1 / (1 + np.exp(-x))\n"


@pytest.mark.parametrize(
    ("backward", "callings"),
    [
        ("d_out, s", ["sigmoid_backward(d_out, sigmoid(x))", "sigmoid_backward(d_out, x)"]),
        ("dA, cache", ["sigmoid_backward(dA, x)", "sigmoid_backward(dA, sigmoid(x))"]),
        ("d_out, output", ["sigmoid_backward(d_out, sigmoid(x))"]),
        ("d_out, z", ["sigmoid_backward(d_out, x)"]),
        ("d_out, x", ["sigmoid_backward(d_out, x)"]),
        ("x, d_out", ["sigmoid_backward(x, d_out)"]),
        ("d_out, v", ["sigmoid_backward(d_out, x)", "sigmoid_backward(d_out, sigmoid(x))"]),
    ],
)
def test_input_or_output_saved(backward, callings, tmp_path):
    upstream = next(n for n in backward.split(", ") if n.startswith("d"))
    saved = next(n for n in backward.split(", ") if n != upstream)
    by_output = SIGMOID + f"def sigmoid_backward({backward}):\n    return {upstream} * {saved} * (1 - {saved})\n"
    case = only(by_output, tmp_path).bind({"x": X})
    assert [c.description for c in case.callings] == callings
    assert some_calling_agrees(case) == any("sigmoid(x)" in c for c in callings)
    by_input = (
        SIGMOID + f"def sigmoid_backward({backward}):\n    s = sigmoid({saved})\n    return {upstream} * s * (1 - s)\n"
    )
    case = only(by_input, tmp_path).bind({"x": X})
    assert some_calling_agrees(case) == any(", x)" in c or "(x," in c for c in callings)
    wrong = by_output.replace("(1 -", "(2 -")
    assert not some_calling_agrees(only(wrong, tmp_path).bind({"x": X}))


def test_no_constant_factor_is_accepted_in_doubt(tmp_path):
    source = SIGMOID + "def sigmoid_backward(d_out, s):\n    return d_out * s * (1 - s) / d_out.shape[0]\n"
    assert not some_calling_agrees(only(source, tmp_path).bind({"x": X}))


def test_scalar_math_code(tmp_path):
    source = (
        "def sigmoid(x):\n    return 1 / (1 + math.exp(-x))\n"
        "def sigmoid_backward(d_out, s):\n    d_out *= s * (1 - s)\n    return d_out\n"
    )
    found = only(source, tmp_path)
    assert found.scalar
    case = found.bind({"x": 0.3})
    assert agrees(case)
    upstream = np.array(2.0)
    case.callings[0].start({"x": 0.3}).backward(upstream)
    assert upstream == 2.0  # A float cannot be changed in place, so neither is the caller's array.


def test_scalar_gate_with_two_inputs(tmp_path):
    source = (
        "def mul_forward(x, y):\n    return x * y, (x, y)\ndef mul_backward(dz, cache):\n"
        "    x, y = cache\n    return dz * y, dz * {}\n"
    )
    for factor, wrong in (("x", []), ("y", ["y"])):
        case = only(source.format(factor), tmp_path).bind({"x": 2.5, "y": -1.5})
        assert case.wrt == ("x", "y")
        assert differing(case) == wrong


def test_upstream_with_a_default_of_one(tmp_path):
    source = (
        "def mse_forward(p, t):\n    return np.mean((p - t) ** 2), (p, t)\n"
        "def mse_backward(cache, dL=1.0):\n    p, t = cache\n    dp = dL * 2 * (p - t) / p.size\n    return dp\n"
    )
    case = only(source, tmp_path).bind({"p": X, "t": X + 1.5})
    assert case.wrt == ("p",)
    assert case.callings[0].upstream == "given"
    assert agrees(case)


def test_a_scalar_only_backward(tmp_path):
    source = (
        "def mse_forward(pred, t):\n    return np.mean((pred - t) ** 2)\n"
        "def mse_backward(pred, t):\n    return 2 * (pred - t) / pred.size\n"
    )
    case = only(source, tmp_path).bind({"pred": X, "t": X + 1.5})
    assert (case.wrt, case.callings[0].upstream) == (("pred",), "one")
    assert agrees(case)
    assert differing(only(source.replace("2 * (", "("), tmp_path).bind({"pred": X, "t": X + 1.5})) == ["pred"]


def test_a_backward_without_upstream_that_is_an_elementwise_derivative(tmp_path):
    source = "def cube_forward(x):\n    return x ** 3\ndef cube_backward(x):\n    return 3 * x ** 2\n"
    case = only(source, tmp_path).bind({"x": X})
    assert case.callings[0].upstream == "contracted"
    assert agrees(case)


def test_labels_and_masks_are_values_without_gradient(tmp_path):
    source = (
        "def pick_forward(x, y):\n    return x[np.arange(len(y)), y], (x, y)\n"
        "def pick_backward(dout, cache):\n    x, y = cache\n    dx = np.zeros_like(x)\n"
        "    dx[np.arange(len(y)), y] = dout\n    return {}\n"
    )
    for returned in ("dx", "dx, None"):
        case = only(source.format(returned), tmp_path).bind({"x": X, "y": np.array([0, 2, 1, 1])})
        assert case.wrt == ("x",)
        assert set(case.values) == {"x", "y"}
        assert agrees(case)


LSTM = """
def lstm_step_forward(x, prev_h, prev_c, W):
    z = np.tanh(x @ W + prev_h)
    next_c = prev_c * z
    next_h = np.tanh(next_c) + z
    return next_h, next_c, (x, prev_h, prev_c, W, z, next_c)
def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, W, z, next_c = cache
    dnext_c = dnext_c + dnext_h * (1 - np.tanh(next_c) ** 2)
    dz = dnext_h + dnext_c * prev_c
    dprev_c = dnext_c * z
    da = dz * (1 - z ** 2)
    return da @ W.T, da, dprev_c, x.T @ da
"""
STEP = {"x": X, "prev_h": rng.normal(size=(4, 2)), "prev_c": rng.normal(size=(4, 2)), "W": W}


def test_two_outputs_with_an_upstream_each(tmp_path):
    case = only(LSTM, tmp_path).bind(STEP)
    assert case.wrt == ("x", "prev_h", "prev_c", "W")
    assert [out.shape for out in case.callings[0].start(STEP).outputs] == [(4, 2), (4, 2)]
    assert agrees(case)
    swapped = LSTM.replace("(dnext_h, dnext_c, cache)", "(dnext_c, dnext_h, cache)")
    assert agrees(only(swapped, tmp_path).bind(STEP))
    wrong = LSTM.replace("dnext_c = dnext_c + dnext_h", "dnext_c = dnext_h")
    assert differing(only(wrong, tmp_path).bind(STEP)) == ["x", "prev_h", "prev_c", "W"]


def test_outputs_beyond_the_only_upstream_are_kept(tmp_path):
    source = (
        "def norm_forward(x):\n    mean = x.mean(0)\n    out = (x - mean) ** 2\n    return out, x, mean\n"
        "def norm_backward(dout, {}):\n{}    d = 2 * dout * (x - mean)\n    return d - d.mean(0)\n"
    )
    for signature, unpack in (("x, mean", ""), ("cache", "    x, mean = cache\n"), ("*cache", "    x, mean = cache\n")):
        case = only(source.format(signature, unpack), tmp_path).bind({"x": X})
        assert len(case.callings[0].start({"x": X}).outputs) == 1
        assert agrees(case)


def test_a_second_output_that_backward_ignores(tmp_path):
    source = (
        "def f_forward(x):\n    cache = x\n    return x ** 2, cache, x.sum()\n"
        "def f_backward(dout, cache):\n    return 2 * dout * cache\n"
    )
    case = only(source, tmp_path).bind({"x": X})
    assert [c.description for c in case.callings] == ["f_backward(dout, cache)"]
    assert agrees(case)


def test_dictionaries_of_parameters_are_opened(tmp_path):
    source = (
        "def forward(X, params):\n    h = np.tanh(X @ params['W1'] + params['b1'])\n    return h, (X, params, h)\n"
        "def backward(dout, cache):\n    X, params, h = cache\n    da = dout * (1 - h ** 2)\n    grads = {}\n"
        "    grads['W1'] = X.T @ da\n    grads['b1'] = SUM\n    return DX grads\n"
    )
    values = {"X": X, "params": {"W1": W, "b1": B}}
    for sum_, wrong in (("da.sum(0)", []), ("da.mean(0)", ["b1"])):
        case = only(source.replace("SUM", sum_).replace("DX", ""), tmp_path).bind(values)
        assert list(case.values) == ["X", "W1", "b1"]
        assert case.wrt == ("W1", "b1")
        assert differing(case) == wrong
    case = only(source.replace("SUM", "da.sum(0)").replace("DX", "da @ params['W1'].T,"), tmp_path).bind(values)
    assert case.wrt == ("X", "W1", "b1")
    assert agrees(case)
    named = source.replace("SUM", "da.sum(0)").replace("DX", "").replace("grads['W1']", "grads['dW1']")
    assert agrees(only(named, tmp_path).bind(values))


def test_lists_of_weights_are_opened(tmp_path):
    source = (
        "def mlp_forward(x, weights):\n    acts = [x]\n    for w in weights:\n"
        "        acts.append(np.tanh(acts[-1] @ w))\n"
        "    return acts[-1], acts\n"
        "def mlp_backward(dout, cache, weights):\n    dweights = [None] * len(weights)\n"
        "    for i in reversed(range(len(weights))):\n        da = dout * (1 - cache[i + 1] ** 2)\n"
        "        dweights[i] = cache[i].T @ da\n        dout = da @ weights[i].T\n    return dout, dweights\n"
    )
    case = only(source, tmp_path).bind({"x": X, "weights": [W, rng.normal(size=(2, 2))]})
    assert case.wrt == ("x", "weights[0]", "weights[1]")
    assert agrees(case)


def test_settings_are_closed_over_and_shared(tmp_path):
    source = (
        "def bn_forward(x, gamma, bn_param):\n    mode, eps = bn_param['mode'], bn_param.get('eps', 1e-5)\n"
        "    mean = bn_param.get('running_mean', np.zeros(x.shape[1]))\n"
        "    bn_param['running_mean'] = 0.9 * mean + 0.1 * x.mean(0)\n"
        "    assert mode == 'train'\n    xhat = (x - x.mean(0)) / np.sqrt(x.var(0) + eps)\n"
        "    cache = (xhat, x, gamma, eps)\n"
        "    return gamma * xhat, cache\n"
        "def bn_backward(dout, cache):\n    xhat, x, gamma, eps = cache\n"
        "    dgamma = (dout * xhat).sum(0)\n    d = dout * gamma\n"
        "    dx = (d - d.mean(0) - xhat * (d * xhat).mean(0)) / np.sqrt(x.var(0) + eps)\n    return dx, dgamma\n"
    )
    setting = {"mode": "train", "running_mean": np.zeros(3)}
    case = only(source, tmp_path).bind({"x": X, "gamma": rng.normal(size=3), "bn_param": setting})
    assert set(case.values) == {"x", "gamma"}
    assert agrees(case)
    assert (setting["running_mean"] == 0).all()


def test_settings_that_both_take(tmp_path):
    source = (
        "def leaky_forward(x, alpha=0.1):\n    return np.where(x > 0, x, alpha * x), x\n"
        "def leaky_backward(dout, cache, alpha=0.1):\n    return dout * np.where(cache > 0, 1, alpha)\n"
    )
    for values in ({"x": X}, {"x": X, "alpha": 0.4}):
        case = only(source, tmp_path).bind(values)
        assert case.wrt == ("x",)
        assert agrees(case)


def test_a_setting_of_backward_alone_asks_for_a_value(tmp_path):
    source = "def f_forward(x):\n    return 3 * x, x\ndef f_backward(dout, cache, scale):\n    return scale * dout\n"
    found = only(source, tmp_path)
    assert [p.name for p in found.parameters] == ["x", "scale"]
    assert agrees(found.bind({"x": X, "scale": 3.0}))
    assert differing(found.bind({"x": X, "scale": 2.0})) == ["x"]
    with pytest.raises(CannotBindError, match="scale"):
        found.bind({"x": X})


def test_bias_none(tmp_path):
    source = (
        "def lin_forward(x, w, b=None):\n    out = x @ w\n    return (out if b is None else out + b), (x, w, b)\n"
        "def lin_backward(dout, cache):\n    x, w, b = cache\n    db = None if b is None else dout.sum(0)\n"
        "    return dout @ w.T, x.T @ dout, db\n"
    )
    assert only(source, tmp_path).bind({"x": X, "w": W}).wrt == ("x", "w")
    for values in ({"x": X, "w": W}, {"x": X, "w": W, "b": None}, AFFINE):
        assert agrees(only(source, tmp_path).bind(values))


def test_a_learned_number_is_an_input_where_its_gradient_is_named(tmp_path):
    source = (
        "def prelu_forward(x, alpha):\n    return np.where(x > 0, x, alpha * x), (x, alpha)\n"
        "def prelu_backward(dout, cache):\n    x, alpha = cache\n    dx = dout * np.where(x > 0, 1, alpha)\n"
        "    dalpha = (dout * np.where(x > 0, 0, x)).sum()\n    return dx, dalpha\n"
    )
    case = only(source, tmp_path).bind({"x": X, "alpha": 0.3})
    assert case.wrt == ("x", "alpha")
    assert agrees(case)


def test_the_very_upstream_is_handed_on(tmp_path):
    source = (
        "def relu_forward(x):\n    return np.maximum(x, 0), x\ndef relu_backward(dout, cache):\n"
        "    dout[cache <= 0] = 0\n    return dout\n"
    )
    case = only(source, tmp_path).bind({"x": X})
    upstream = np.ones((4, 3))
    case.callings[0].start({"x": X.copy()}).backward(upstream)
    assert not upstream.all()
    assert agrees(case)


def test_a_consumed_cache(tmp_path):
    source = (
        "def f_forward(x):\n    cache = [x, x ** 2]\n    return x ** 3, cache\n"
        "def f_backward(dout, cache):\n    return dout * 3 * cache.pop()\n"
    )
    case = only(source, tmp_path).bind({"x": X})
    assert agrees(case)
    run = case.callings[0].start({"x": X})
    assert len(run.kept[0]) == 2
    run.backward(np.ones((4, 3)))
    assert len(run.kept[0]) == 1


def test_gradients_that_pile_up_in_the_module(tmp_path):
    source = (
        "GRADS = {'dw': 0.0}\ndef f_forward(x, w):\n    return x * w, (x, w)\n"
        "def f_backward(dout, cache):\n    x, w = cache\n    GRADS['dw'] += dout * x\n    RETURNED\n"
    )
    for returned in ("return dout * w, GRADS['dw']", "pass"):
        case = only(source.replace("RETURNED", returned), tmp_path).bind({"x": X, "w": X + 1})
        assert "w" in case.wrt
        assert agrees(case)  # Every forward starts from the module as it was,
        run = case.callings[0].start({"x": X, "w": X + 1})
        one = np.array(run.backward(np.ones((4, 3)))["w"])
        assert np.allclose(run.backward(np.ones((4, 3)))["w"], 2 * one)  # and a second backward shows what piles up.


def test_gradients_in_global_variables(tmp_path):
    source = (
        "dW = None\ndef f_forward(W):\n    return W ** 2, W\n"
        "def f_backward(dout, cache):\n    global dW\n    dW = 2 * dout * cache\n"
    )
    case = only(source, tmp_path).bind({"W": W})
    assert agrees(case)


def test_what_moves_no_arrays(tmp_path):
    found = only("def move_forward(steps):\n    return None\ndef move_backward(steps):\n    return None\n", tmp_path)
    for steps in (2, 2.0, X):
        with pytest.raises(CannotBindError):
            found.bind({"steps": steps})
    with pytest.raises(CannotBindError):
        only("def move_forward(x):\n    return 'ahead'\ndef move_backward(x):\n    return 'back'\n", tmp_path).bind(
            {"x": X}
        )


def test_a_backward_of_another_loss_is_not_judged(tmp_path):
    source = (
        "def model_forward(X, params):\n    A = np.tanh(X @ params['W'])\n    return A, (X, params, A)\n"
        "def model_backward(AL, Y, caches):\n    X, params, A = caches\n"
        "    return {'dW': X.T @ ((AL - Y) * (1 - A ** 2))}\n"
    )
    found = only(source, tmp_path)
    assert [p.name for p in found.parameters] == ["X", "params"]
    for more in ({}, {"Y": np.zeros((4, 2))}):
        with pytest.raises(CannotBindError):
            found.bind({"X": X, "params": {"W": W}, **more})


def test_zero_dimensional_output_and_upstream(tmp_path):
    source = (
        "def f_forward(x):\n    return np.sum(x ** 2), x\ndef f_backward(dout, cache):\n    return dout * {} * cache\n"
    )
    assert agrees(only(source.format(2), tmp_path).bind({"x": X}))
    assert differing(only(source.format(1), tmp_path).bind({"x": X})) == ["x"]


def test_the_plain_forward_takes_values_in_order(tmp_path):
    case = only(
        AFFINE_FORWARD + "def affine_backward(dout, cache):\n" + GIVEN + RIGHT + "    return dx, dw, db\n", tmp_path
    ).bind(AFFINE)
    assert np.array_equal(case.function(X, W, B), X @ W + B)
    case = only(LSTM, tmp_path).bind(STEP)
    assert len(case.function(*case.values.values())) == 2


def test_a_forward_that_draws_is_called_afresh(tmp_path):
    source = (
        "def drop_forward(x, p):\n    mask = np.random.rand(*x.shape) < p\n    return x * mask, mask\n"
        "def drop_backward(dout, cache):\n    return dout * cache\n"
    )
    case = only(source, tmp_path).bind({"x": X, "p": 0.5})
    assert case.wrt == ("x",)
    np.random.seed(0)
    run = case.callings[0].start({"x": X})
    gradient = run.backward(np.ones((4, 3)))["x"]
    assert np.array_equal(gradient * X, run.outputs[0])


def test_an_imported_backward_counts_beside_a_forward_of_the_module(tmp_path, monkeypatch):
    (tmp_path / "elsewhere_of_pairs.py").write_text("\ndef cube_backward(dout, x):\n    return 3 * x ** 2 * dout\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = only("from elsewhere_of_pairs import cube_backward\ndef cube_forward(x):\n    return x ** 3\n", tmp_path)
    assert (found.backward, found.line) == ("cube_backward", 2)
    assert agrees(found.bind({"x": X}))
    assert pairs("from elsewhere_of_pairs import cube_backward\n", tmp_path) == []


def test_docstrings_and_parameters_for_the_search(tmp_path):
    source = (
        'def f_forward(x):\n    """x: (N, D)"""\n    return x, x\n'
        'def f_backward(dout, cache):\n    """Back."""\n    return dout\n'
    )
    found = only(source, tmp_path)
    assert found.docstrings == ("x: (N, D)", "Back.")
    assert [p.name for p in found.parameters] == ["x"]
    assert np.array_equal(found.try_forward({"x": X})[0], X)
