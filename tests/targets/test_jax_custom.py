"""JAX functions with a rule of their own: found, called as JAX calls them, judged by what the rule really gives."""

import traceback

import numpy as np
import pytest

from gradtool.targets.found import CannotBindError
from gradtool.targets.jax_custom import CONVENTION, find
from tests.targets.scopes import agrees, differing, scope_of

jax = pytest.importorskip("jax", reason="JAX is not installed")

HEAD = """
import jax
import jax.numpy as jnp
from functools import partial
"""

LINEAR = """
@jax.custom_vjp
def linear(x, w, b):
    '''x (N, D), w (D, M), b (M,)'''
    return x @ w + b


def linear_fwd(x, w, b):
    return linear(x, w, b), (x, w)


def linear_bwd(residuals, g):
    x, w = residuals
    return g @ w.T, x.T @ g, g.sum(0)


linear.defvjp(linear_fwd, linear_bwd)
"""

JVP = """
@jax.custom_jvp
def f(x, y):
    return jnp.sin(x) * y


@f.defjvp
def f_jvp(primals, tangents):
    x, y = primals
    x_dot, y_dot = tangents
    return f(x, y), jnp.cos(x) * x_dot * y + jnp.sin(x) * y_dot
"""


def rand(*shape):
    return np.random.default_rng(sum(shape) + 1).normal(size=shape)


def one(source, tmp_path):
    (found,) = find(scope_of(HEAD + source, tmp_path), frozenset())
    return found


def vjp(primal, residuals, bwd, parameters="x", more=""):
    """The source of a ``custom_vjp`` named f."""
    return f"""
@jax.custom_vjp
def f({parameters}):
    return {primal}

def f_fwd({parameters}):
    return f({parameters}), {residuals}

def f_bwd(saved, g):
    return {bwd}

f.defvjp(f_fwd, f_bwd{more})
"""


def linear_values():
    return {"x": rand(4, 3), "w": rand(3, 2), "b": rand(2)}


def test_a_custom_vjp_is_found_with_its_source(tmp_path):
    found = one(LINEAR, tmp_path)
    assert (found.name, found.convention) == ("linear", CONVENTION)
    assert (found.forward, found.backward) == ("linear", "linear_bwd")
    assert [p.name for p in found.parameters] == ["x", "w", "b"]
    assert found.docstrings == ("x (N, D), w (D, M), b (M,)",)
    assert found.uses == {"linear", "linear_fwd", "linear_bwd"}
    assert found.line == (HEAD + LINEAR).splitlines().index("def linear_bwd(residuals, g):") + 1
    assert found.skip is None


def test_what_others_took_or_jax_defines_is_left_alone(tmp_path):
    scope = scope_of(HEAD + LINEAR + "relu = jax.nn.relu\nfrom jax.nn import silu\n", tmp_path)
    assert [f.name for f in find(scope, frozenset())] == ["linear"]
    assert list(find(scope, frozenset({"linear"}))) == []


def test_a_custom_vjp_in_double_precision(tmp_path):
    found = one(LINEAR, tmp_path)
    assert found.try_forward(linear_values()).dtype == np.float64
    case = found.bind(linear_values())
    assert case.wrt == ("x", "w", "b")
    assert case.callings[0].description == "linear_bwd(residuals, g)"
    assert agrees(case)
    assert jax.numpy.ones(1).dtype == np.float32


@pytest.mark.parametrize(
    ("right", "wrong", "name", "shape"),
    [
        ("x.T @ g", "(x.T @ g).T", "w", (2, 3)),
        ("g.sum(0)", "g", "b", (4, 2)),
        ("g.sum(0)", "-g.sum(0)", "b", (2,)),
        ("g @ w.T", "None", "x", None),
        ("g @ w.T", "2 * g @ w.T", "x", (4, 3)),
    ],
)
def test_a_custom_vjp_gone_wrong_shows_its_raw_cotangent(tmp_path, right, wrong, name, shape):
    case = one(LINEAR.replace(right, wrong), tmp_path).bind(linear_values())
    assert differing(case) == [name]
    given = case.callings[0].start(case.values).backward(np.ones((4, 2)))[name]
    assert (None if given is None else given.shape) == shape


def test_shapes_that_do_not_fit_raise_what_jax_raises(tmp_path):
    with pytest.raises(TypeError, match="contracting dimensions") as raised:
        one(LINEAR, tmp_path).try_forward({"x": rand(4, 3), "w": rand(4, 2), "b": rand(2)})
    assert "JAX_TRACEBACK_FILTERING" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    "source",
    [
        vjp("x ** 3", "x", "(3 * saved ** 2 * g,)"),
        vjp("x ** 3", "x", "[3 * saved ** 2 * g]"),
        vjp("x ** 3", "x", "(3 * saved ** 2 * g,)") + "f = jax.jit(f)\n",
        vjp("x ** 3", "x", "(3 * saved ** 2 * g,)").replace("def f_bwd", "@jax.jit\ndef f_bwd"),
        vjp("jnp.where(x > 0, x ** 3, x ** 3)", "x", "(3 * saved ** 2 * g,)") + "again = f\n",
        vjp("x ** 3", "x", "(3 * saved ** 2 * g,)").replace("@jax.custom_vjp\ndef f(", "def _f(").replace(
            "def f_fwd", "f = jax.custom_vjp(_f)\n\ndef f_fwd"
        ),
        "f = jax.custom_vjp(lambda x: x ** 3)\nf.defvjp(lambda x: (x ** 3, x), lambda x, g: (3 * x ** 2 * g,))\n",
        "f = jax.custom_jvp(lambda x: x ** 3)\nf.defjvps(lambda x_dot, out, x: 3 * x ** 2 * x_dot)\n",
    ],
)  # fmt: skip
def test_ways_to_write_one(tmp_path, source):
    found = one(source, tmp_path)
    assert found.name == "f"
    assert found.line > 4
    assert found.backward in ("f_bwd", "the rule of f")
    assert [p.name for p in found.parameters] == ["x"]
    assert agrees(found.bind({"x": rand(3)}))
    assert agrees(found.bind({"x": np.array(0.7)}))
    assert agrees(found.bind({"x": 0.7}))
    assert differing(one(source.replace("3 * ", "2 * "), tmp_path).bind({"x": rand(3)})) == ["x"]


def test_the_helpers_are_used_up(tmp_path):
    source = vjp("x ** 3", "x", "(3 * saved ** 2 * g,)").replace("def f_bwd", "@jax.jit\ndef f_bwd")
    assert one(source + "f = jax.jit(f)\n", tmp_path).uses == {"f", "f_fwd", "f_bwd"}


NONDIFF = """
@partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def power(x, n, negate=False):
    return -x ** n if negate else x ** n


def power_fwd(x, n, negate):
    return power(x, n, negate), x


def power_bwd(n, negate, x, g):
    return ((-1 if negate else 1) * n * x ** (n - 1) * g,)


power.defvjp(power_fwd, power_bwd)
"""


def test_arguments_that_are_not_differentiated(tmp_path):
    found = one(NONDIFF, tmp_path)
    for more in ({"n": 3}, {"n": np.array(3), "negate": True}, {"n": 2.5}):
        case = found.bind({"x": abs(rand(3))} | more)
        assert (tuple(case.values), case.wrt) == (("x",), ("x",))
        assert agrees(case)
    assert found.bind({"x": rand(3), "n": 3}).callings[0].description == "power_bwd(n, negate, residuals, g)"
    wrong = one(NONDIFF.replace("n * x ** (n - 1)", "n * x"), tmp_path)
    assert differing(wrong.bind({"x": rand(3), "n": 3})) == ["x"]


NET = (
    vjp(
        "{'y': jnp.tanh(x @ p['w']) * p['v'][0] * p['v'][1], 's': (x.sum(), x > 0)}",
        "(p, x)",
        "_bwd(*saved, g)",
        parameters="p, x",
    )
    + """
def _bwd(p, x, g):
    h, (v, u) = jnp.tanh(x @ p['w']), p['v']
    d = g['y'] * v * u * (1 - h ** 2)
    return {'w': x.T @ d, 'v': [(g['y'] * h * u).sum(), (g['y'] * h * v).sum()]}, d @ p['w'].T + g['s'][0]
"""
)


def net_values():
    return {"p": {"w": rand(3, 2), "v": [np.array(1.5), np.array(0.5)]}, "x": rand(4, 3)}


def test_arguments_and_outputs_that_are_trees(tmp_path):
    case = one(NET, tmp_path).bind(net_values())
    assert case.wrt == ("p['v'][0]", "p['v'][1]", "p['w']", "x")
    assert [out.shape for out in case.callings[0].start(case.values).outputs] == [(), (4, 2)]
    assert agrees(case)
    wrong = one(NET.replace("h * u).sum()", "h).sum()"), tmp_path).bind(net_values())
    assert differing(wrong) == ["p['v'][0]"]
    wrong = one(NET.replace("'w': x.T @ d", "'w': None"), tmp_path).bind(net_values())
    assert differing(wrong) == ["p['w']"]


def test_labels_and_settings_are_not_differentiated(tmp_path):
    source = vjp(
        "-alpha * jnp.log(jax.nn.softmax(x)[jnp.arange(len(x)), labels]).sum()",
        "(x, labels, alpha)",
        "(saved[2] * g * (jax.nn.softmax(saved[0]) - jax.nn.one_hot(saved[1], 3)), None, None)",
        parameters="x, labels, alpha=0.5",
    )
    case = one(source, tmp_path).bind({"x": rand(4, 3), "labels": np.array([0, 2, 1, 1])})
    assert (tuple(case.values), case.wrt) == (("x", "labels"), ("x",))
    assert agrees(case)


@pytest.mark.parametrize(("name", "claimed"), [("target", False), ("y", True)])
def test_a_constant_none_is_believed_of_data_alone(tmp_path, name, claimed):
    source = vjp(f"((x - {name}) ** 2).sum()", f"x - {name}", "(2 * saved * g, None)", parameters=f"x, {name}")
    case = one(source, tmp_path).bind({"x": rand(3), name: rand(3) + 1})
    assert differing(case) == ([name] if claimed else [])


@pytest.mark.parametrize("bwd", ["saved * g", "(g, g)", "()", "({'x': g},)"])
def test_what_jax_refuses_is_refused_in_its_words(tmp_path, bwd):
    run = one(vjp("x ** 2", "x", bwd), tmp_path).bind({"x": rand(3)}).callings[0].start({"x": rand(3)})
    with pytest.raises(TypeError, match="Custom VJP bwd rule"):
        run.backward(np.ones(3))


def test_a_forward_rule_that_is_no_pair_is_refused(tmp_path):
    source = vjp("x ** 2", "x", "(g,)").replace("return f(x), x", "return f(x)")
    run = one(source, tmp_path).bind({"x": rand(3)}).callings[0].start({"x": rand(3)})
    with pytest.raises(TypeError, match="must produce a pair"):
        run.backward(np.ones(3))


def test_symbolic_zeros(tmp_path):
    source = vjp("x ** 3", "x", "(3 * saved ** 2 * g,)", more=", symbolic_zeros=True").replace(
        "return f(x), x", "return f(x.value), x.value"
    )
    assert agrees(one(source, tmp_path).bind({"x": rand(3)}))


def test_a_rule_that_computes_another_value_is_said(tmp_path):
    source = vjp("x ** 2", "x", "(2 * saved * g,)")
    case = one(source.replace("return f(x), x", "return f(x) + 1, x"), tmp_path).bind({"x": rand(3)})
    assert "f_fwd gives another value than f (apart by 1)" in case.callings[0].description
    case = one(source.replace("return f(x), x", "return f(x).sum(), x"), tmp_path).bind({"x": rand(3)})
    assert "outputs of another shape" in case.callings[0].description
    case = one(JVP.replace("return f(x, y),", "return 2 * f(x, y),"), tmp_path).bind({"x": rand(3), "y": rand(3)})
    assert "f_jvp gives another value than f" in case.callings[0].description
    assert agrees(case)


def test_a_custom_jvp_is_found_and_transposed(tmp_path):
    found = one(JVP, tmp_path)
    assert (found.name, found.backward) == ("f", "f_jvp")
    assert found.uses == {"f", "f_jvp"}
    assert found.line == (HEAD + JVP).splitlines().index("def f_jvp(primals, tangents):") + 1
    case = found.bind({"x": rand(3), "y": rand(3) + 1})
    assert case.callings[0].description == "f_jvp(primals, tangents), transposed by JAX"
    assert agrees(case)


@pytest.mark.parametrize(
    ("right", "wrong", "names"),
    [("jnp.cos(x)", "-jnp.cos(x)", ["x"]), (" + jnp.sin(x) * y_dot", "", ["y"]), ("jnp.cos(x)", "jnp.sin(x)", ["x"])],
)
def test_a_custom_jvp_gone_wrong(tmp_path, right, wrong, names):
    found = one(JVP.replace(right, wrong), tmp_path)
    assert differing(found.bind({"x": rand(3), "y": rand(3) + 1})) == names


def test_a_rule_that_jax_cannot_transpose_is_taken_column_by_column(tmp_path):
    source = JVP.replace("jnp.cos(x) * x_dot * y", "jnp.cos(x) * jnp.exp(jnp.log(abs(x_dot))) * jnp.sign(x_dot) * y")
    case = one(source, tmp_path).bind({"x": rand(3), "y": rand(3) + 1})
    assert agrees(case)
    assert differing(one(source.replace("jnp.cos", "-jnp.cos"), tmp_path).bind(case.values)) == ["x"]


def test_a_rule_that_is_not_linear_in_its_tangents_raises_what_jax_raises(tmp_path):
    case = one(JVP.replace("* x_dot * y", "* x_dot ** 2 * y"), tmp_path).bind({"x": rand(3), "y": rand(3)})
    run = case.callings[0].start(case.values)
    with pytest.raises((NotImplementedError, ValueError, TypeError, AssertionError)):
        run.backward(np.ones(3))


def test_a_custom_jvp_with_settings_and_trees(tmp_path):
    source = """
@partial(jax.custom_jvp, nondiff_argnums=(0,))
def f(k, p, index):
    return p['a'][index] ** k

@f.defjvp
def f_jvp(k, primals, tangents):
    p, index = primals
    return f(k, p, index), k * p['a'][index] ** (k - 1) * tangents[0]['a'][index]
"""
    case = one(source, tmp_path).bind({"k": 3, "p": {"a": rand(4), "b": rand(2)}, "index": np.array([1, 1, 2])})
    assert case.wrt == ("p['a']", "p['b']")
    assert agrees(case)


def test_a_backward_runs_twice_and_changes_nothing(tmp_path):
    values = linear_values()
    run = one(LINEAR, tmp_path).bind(values).callings[0].start(values)
    upstream = rand(4, 2)
    first, second = (run.backward(upstream) for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert np.array_equal(upstream, rand(4, 2))
    values["x"][:] = 0
    assert np.array_equal(run.backward(upstream)["w"], first["w"])


@pytest.mark.parametrize(
    ("primal", "values", "message"),
    [
        ("x + 1j", {"x": rand(3)}, "complex128"),
        ("x.astype(jnp.bfloat16)", {"x": rand(3)}, "bfloat16"),
        ("x > 0", {"x": rand(3)}, "no output of f is a float"),
        ("x", {"x": rand(3) * 1j}, "x is complex"),
        ("x", {}, "no value for x"),
        ("x", {"x": np.array([1, 2])}, "nothing to differentiate"),
    ],
)
def test_what_cannot_be_bound_is_said(tmp_path, primal, values, message):
    with pytest.raises(CannotBindError, match=message):
        one(vjp(primal, "x", "(g,)"), tmp_path).bind(values)


def test_a_function_without_a_rule_is_skipped_with_the_reason(tmp_path):
    assert one("@jax.custom_vjp\ndef f(x):\n    return x\n", tmp_path).skip == "f has no rule: defvjp is not called"
    assert one("@jax.custom_jvp\ndef f(x):\n    return x\n", tmp_path).skip == "f has no rule: defjvp is not called"
