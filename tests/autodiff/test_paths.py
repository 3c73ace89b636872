"""Paths of a gradient: against all of them, one by one, on small graphs; and where there are too many to look at."""

import math

import numpy as np
import pytest

from gradtool.autodiff import Gradients, backward, edges, forward, make_plan, paths
from gradtool.autodiff.paths import gradient_paths
from gradtool.language import parse


def run(text, upstream=1.0, wrt=None, integer=(), dtype="float64", **inputs):
    plan = make_plan(parse(text), inputs, wrt=wrt, integer=integer, dtype=dtype)
    values = forward(plan, inputs)
    return backward(plan, values, upstream), values


def paths_of(text, name, top=10, upstream=1.0, **inputs):
    return gradient_paths(*run(text, upstream, **inputs), name, top)


def every_path(gradients, values, name):
    """{(nodes, arguments): contribution}, by walking each path from the output down by itself."""
    plan, target = gradients.plan, gradients.plan.graph.inputs[name]
    found = {}
    walks = [((plan.graph.output,), (), gradients.adjoints[plan.graph.output])]
    while walks:
        nodes, arguments, upstream = walks.pop()
        if nodes[0] == target:
            found[nodes, arguments] = np.asarray(upstream)
            continue
        alone = [None] * len(plan.shapes)
        alone[nodes[0]] = upstream
        walks += [
            ((edge.source, *nodes), (edge.argument, *arguments), edge.downstream)
            for edge in edges(Gradients(plan, alone), values, nodes[0])
        ]
    return found


def norm(contribution):
    return float(np.linalg.norm(contribution))


def test_the_two_paths_of_the_flagship():
    found = paths_of("(x+y)*max(y,z)", "y", x=1.0, y=2.0, z=0.0)
    seen = [(p.nodes, p.arguments, p.contribution, p.share) for p in found.paths]
    assert seen == [((1, 4, 5), (0, 1), 3.0, 0.6), ((1, 3, 5), (1, 0), 2.0, 0.4)]
    assert (found.total, found.rest, found.count, found.cancellation, found.proven) == (5.0, 0.0, 2, 1.0, True)


@pytest.mark.parametrize(
    ("text", "inputs", "contributions"),
    [
        ("x*x", {"x": 3.0}, [3, 3]),
        ("x", {"x": 3.0}, [1]),
        ("x^3 + x^2", {"x": 2.0}, [12, 4]),
        ("x*x - 2*x", {"x": 1.0}, [-2, 1, 1]),
        ("max(x, x)", {"x": 1.0}, [0.5, 0.5]),
        ("x*relu(x)", {"x": -1.0}, [0, 0]),
        ("a = y; y*y; y", {"y": 2.0}, [1]),
        ("where(x > 0, x, x^2)", {"x": 1.0}, [1, 0]),
        ("sum(x)*x", {"x": np.ones((1, 1))}, [1, 1]),
    ],
)
def test_contributions_largest_first(text, inputs, contributions):
    name = next(iter(inputs))
    found = paths_of(text, name, **inputs)
    assert [np.asarray(p.contribution).item() for p in found.paths] == contributions
    assert found.count == len(contributions)
    assert np.all(found.rest == np.zeros(np.shape(inputs[name])))


@pytest.mark.parametrize(
    ("text", "x", "cancellation"),
    [("x - x", 1.0, 0.0), ("x + x", 1.0, 1.0), ("3*x - x", 1.0, 0.5), ("floor(x)", 1.5, None), ("x^x", 0.0, None)],
)
def test_cancellation_is_the_sum_over_the_sum_of_sizes(text, x, cancellation):
    assert paths_of(text, "x", x=x).cancellation == cancellation


def test_cancellation_of_arrays_takes_their_norms():
    found = paths_of("sum(3*x) - sum(x)", "x", x=np.ones(4))
    assert found.cancellation == pytest.approx(0.5, rel=1e-15)


def test_the_share_is_the_projection_on_the_gradient():
    found = paths_of("sum(x*[1, 0]) + sum(x*[0, 3])", "x", x=np.ones(2))
    assert [p.share for p in found.paths] == pytest.approx([0.9, 0.1])
    assert all(math.isnan(p.share) for p in paths_of("x - x", "x", x=1.0).paths)


def test_an_input_that_no_path_leads_to():
    found = paths_of("a = x*y; y", "x", x=np.ones(3), y=1.0)
    assert (found.count, found.paths, found.cancellation, found.proven) == (0, (), None, True)
    assert np.array_equal(found.rest, np.zeros(3))


def test_an_input_without_entries():
    found = paths_of("sum(x*x) + 1", "x", x=np.zeros((0, 3)))
    assert found.count == 2
    assert [p.contribution.shape for p in found.paths] == [(0, 3), (0, 3)]


def test_what_has_no_gradient_is_refused():
    with pytest.raises(ValueError, match="labels is not differentiated"):
        gradient_paths(*run("nll(x, labels)", x=np.zeros((2, 2)), labels=np.array([0.0, 1.0])), "labels")
    with pytest.raises(ValueError, match="y is not differentiated"):
        gradient_paths(*run("x*y", wrt=["x"], x=1.0, y=1.0), "y")
    with pytest.raises(KeyError):
        paths_of("x", "y", x=1.0)
    with pytest.raises(ValueError, match="top is -1"):
        paths_of("x", "x", top=-1, x=1.0)


def test_none_listed_leaves_the_whole_gradient():
    found = paths_of("x*x", "x", top=0, x=3.0)
    assert (found.paths, found.rest, found.count) == ((), 6.0, 2)


def test_of_equals_the_first_in_order_of_computation_are_listed():
    found = paths_of("+".join("x" * 6), "x", top=3, x=1.0)
    assert [(p.nodes, p.arguments[0]) for p in found.paths] == [
        ((0, 1, 2, 3, 4, 5), 0), ((0, 1, 2, 3, 4, 5), 1), ((0, 2, 3, 4, 5), 1),
    ]  # fmt: skip


@pytest.mark.parametrize(("text", "x"), [("sqrt(x)*x + sqrt(x)", 0.0), ("exp(x)*x + x", 1000.0), ("x*(x/0)", 0.0)])
def test_a_contribution_that_is_not_finite_comes_first(text, x):
    found = paths_of(text, "x", x=x)
    finite = [math.isfinite(p.contribution) for p in found.paths]
    assert finite == sorted(finite)
    assert not finite[0]
    assert found.cancellation is None


# Against all paths, one by one. ------------------------------------------------------------------------------------

SCALAR_STEPS = ["{a}*{b}", "{a}+{b}", "sin({a})", "max({a}, {b})", "{a}-{b}*{a}", "where({a} > 0, {b}, {a})", "{a}/3"]
ARRAY_STEPS = [
    "{a}*{b}", "{a}+{b}", "sin({a})", "relu({a})", "{a}@w", "{a}*sum({b})", "cumsum({a}, axis=0)", "{a}*v", "{a}.T.T",
    "softmax({a}, axis=1)", "{a} + mean({b}, axis=0)", "{a}*{b}[0]", "max({a}, {b})", "{a} - mean({a})*{b}",
]  # fmt: skip


def a_program(rng, steps):
    names, text = ["x", "x"], []
    for k in range(rng.integers(1, 7)):
        a, b = rng.choice(names[-3:], 2)
        text.append(f"y{k} = {rng.choice(steps).format(a=a, b=b)}")
        names.append(f"y{k}")
    return "; ".join([*text, names[-1]])


def check_against_every_path(found, gradients, values, top):
    truth = every_path(gradients, values, "x")
    total = np.asarray(gradients.of("x"))
    scale = sum(map(norm, truth.values()))
    assert found.count == len(truth)
    listed = {(p.nodes, p.arguments): p.contribution for p in found.paths}
    assert len(listed) == len(found.paths) == min(top, len(truth))
    for path, contribution in listed.items():
        assert np.shape(contribution) == total.shape
        assert np.allclose(contribution, truth[path], rtol=1e-12, atol=1e-14 * scale)
    sizes = [norm(p.contribution) for p in found.paths]
    assert sizes == sorted(sizes, reverse=True)
    if found.proven:
        assert np.allclose(sizes, sorted(map(norm, truth.values()), reverse=True)[:top], rtol=1e-7, atol=1e-14 * scale)
    assert np.allclose(sum(listed.values(), np.zeros_like(total)) + found.rest, total, rtol=0, atol=1e-12 * scale)
    assert np.array_equal(found.total, total)
    if found.cancellation is not None:
        assert found.cancellation == pytest.approx(norm(total) / scale, abs=1e-12)
    if len(truth) == len(listed) and norm(total):
        assert sum(p.share for p in found.paths) == pytest.approx(1, abs=1e-10 * scale / norm(total))


@pytest.mark.parametrize("seed", range(60))
def test_scalars_against_every_path(seed):
    rng = np.random.default_rng(seed)
    gradients, values = run(a_program(rng, SCALAR_STEPS), x=float(rng.standard_normal()))
    top = int(rng.integers(1, 6))
    found = gradient_paths(gradients, values, "x", top)
    assert found.proven
    assert (found.cancellation is None) == (sum(map(norm, every_path(gradients, values, "x").values())) == 0)
    check_against_every_path(found, gradients, values, top)


def an_array_program(seed):
    rng = np.random.default_rng(seed)
    inputs = {"x": rng.standard_normal((3, 2)), "w": rng.standard_normal((2, 2)), "v": rng.standard_normal((3, 1))}
    text = a_program(rng, ARRAY_STEPS)
    inputs = {name: value for name, value in inputs.items() if name in parse(text).inputs}
    return run(text, rng.standard_normal((3, 2)), wrt=["x"], **inputs), int(rng.integers(1, 6))


@pytest.mark.parametrize("seed", range(60))
def test_arrays_against_every_path(seed):
    (gradients, values), top = an_array_program(seed)
    found = gradient_paths(gradients, values, "x", top)
    assert found.proven
    check_against_every_path(found, gradients, values, top)


def test_arrays_where_not_all_paths_can_be_looked_at(monkeypatch):
    """With no budget only the given number is kept; what is then said to be proven must be so."""
    proven = 0
    for seed in range(120):
        (gradients, values), top = an_array_program(seed)
        for budget in (0, 30_000):
            monkeypatch.setattr(paths, "BUDGET", budget)
            found = gradient_paths(gradients, values, "x", top)
            check_against_every_path(found, gradients, values, top)
            proven += found.proven and found.count > top
    assert proven > 30


def test_single_precision_and_a_shape_of_ones():
    for dtype, x in (("float32", 0.3), ("float64", np.full((1, 1), 0.3))):
        gradients, values = run("y = x*x; z = y*x + y; sum(z*y)", dtype=dtype, x=x)
        found = gradient_paths(gradients, values, "x", 3)
        truth = every_path(gradients, values, "x")
        assert found.proven
        assert found.count == len(truth) == 7
        best = sorted(map(norm, truth.values()), reverse=True)[:3]
        assert [norm(p.contribution) for p in found.paths] == pytest.approx(best, rel=1e-6)
        assert found.cancellation == pytest.approx(1, rel=1e-6)


# Too many to look at. ----------------------------------------------------------------------------------------------


def test_a_number_of_paths_beyond_counting_one_by_one():
    found = paths_of("y = x;" + "y = y*y + y;" * 60 + "y", "x", x=1e-3)
    assert found.count == 3**60
    assert found.proven
    assert found.paths[0].contribution == 1.0
    assert sum(p.contribution for p in found.paths) + found.rest == pytest.approx(found.total, rel=1e-14)
    assert found.cancellation == 1.0


def test_many_diamonds_take_work_linear_in_their_number(effort):
    calls = []
    for diamonds in (500, 1_000):
        gradients, values = run("y = x;" + "y = 0.6*y + 0.3*y;" * diamonds + "y", x=1.0)
        found, work = effort(gradient_paths, gradients, values, "x")
        calls.append(work.calls)
        assert found.count == 2**diamonds
        assert len(found.paths[0].nodes) == 2 * diamonds + 1
    assert calls[1] < 2.2 * calls[0]


def test_arrays_with_a_path_that_outweighs_all_others_are_proven():
    """Three to the sixty paths of arrays, of which the bounds rule out all but those that are listed."""
    found = paths_of("y = x;" + "y = y*y + y;" * 60 + "sum(y)", "x", top=1, x=np.array([1e-3, -1e-3, 2e-3]))
    assert found.proven
    assert found.paths[0].contribution == pytest.approx(np.ones(3))
    assert found.cancellation is None


def test_a_small_contribution_that_broadcasting_makes_large_is_not_ruled_out(monkeypatch):
    """The larger of the two that come to n is nothing once it is summed over the six entries, the smaller one is 6."""
    text = "n = x*[1, 1, 1, 1, 1, 1]; sum(n*[1.2, -1.2, 1.2, -1.2, 1.2, -1.2]) + sum(n) + 3*x"
    found = paths_of(text, "x", top=1, x=1.0)
    assert (found.paths[0].contribution, found.proven) == (6.0, True)
    monkeypatch.setattr(paths, "BUDGET", 0)
    found = paths_of(text, "x", top=1, x=1.0)
    assert (found.paths[0].contribution, found.proven) == (3.0, False)


def test_what_cannot_be_proven_is_said_to_be_so():
    rng = np.random.default_rng(0)
    found = paths_of("y = x;" + "y = sin(y) + tanh(y@w);" * 40 + "sum(y)", "x", x=rng.standard_normal((4, 4)),
                     w=rng.standard_normal((4, 4)))  # fmt: skip
    assert found.count == 2**40
    assert not found.proven
    assert len(found.paths) == 10
