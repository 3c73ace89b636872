"""The registry as a whole: every operation is checked in every way we know, from its declaration alone.

An operation added with ``declare`` is tested here without a new line: against SymPy, against central differences, against
a difference quotient in 80-digit arithmetic, at random, extreme and tied points, with a wrong derivative planted for each
argument, and in a batch.
"""

import dataclasses
import itertools
import zlib

import numpy as np
import pytest

import gradtool
from gradtool.autodiff import backward, forward, make_plan
from gradtool.graph import GraphBuilder
from gradtool.ops import REGISTRY, Case
from gradtool.references import central_difference_exact, symbolic_gradient
from gradtool.results import Verdict

SHAPES_BY_ARITY = {
    1: [((),), ((2, 3),)],
    2: [((), ()), ((2, 3), (3,)), ((2, 1), (1, 3))],
    3: [((), (), ()), ((2, 3), (3,), ())],
}
NO_DERIVATIVE = {name for name, op in REGISTRY.items() if op.derivative == "0"}


def arity(operation):
    return 3 if operation.variadic else len(operation.arguments)


def cases_of(operation):
    if operation.cases:
        return list(operation.cases)
    return [Case(shapes, {}) for shapes in SHAPES_BY_ARITY[arity(operation)]]


ALL = [(name, k) for name, operation in REGISTRY.items() for k in range(len(cases_of(operation)))]
IDS = [f"{name}-{k}" for name, k in ALL]


def graph_of(operation, count, parameters):
    builder = GraphBuilder("")
    arguments = [builder.input(f"a{i}") for i in range(count)]
    defaults = {p.name: p.default for p in operation.parameters}
    return builder.finish(builder.add(operation.name, arguments, {**defaults, **parameters}))


def draw(operation, case, rng):
    """Inputs of one case from the operation's domain."""
    inputs = {}
    for i, shape in enumerate(case.shapes):
        low, high = operation.domain[min(i, len(operation.domain) - 1)]
        inputs[f"a{i}"] = rng.uniform(low, high, size=shape)
        if case.values and i in case.values:
            inputs[f"a{i}"] = np.asarray(case.values[i], dtype=float)
    return inputs


def prepared(name, k, seed=0):
    operation = REGISTRY[name]
    case = cases_of(operation)[k]
    rng = np.random.default_rng([seed, zlib.crc32(name.encode()), k])
    inputs = draw(operation, case, rng)
    graph = graph_of(operation, len(inputs), case.parameters)
    plan = make_plan(graph, inputs)
    upstream = rng.normal(size=plan.output_shape)
    return graph, inputs, plan, upstream


@pytest.mark.parametrize(("name", "k"), ALL, ids=IDS)
def test_both_references_agree_with_every_derivative(name, k):
    for seed in range(2):
        graph, inputs, plan, upstream = prepared(name, k, seed)
        result = gradtool.evaluate(graph, inputs, upstream=upstream)
        for found in result.inputs:
            if found.name not in plan.wrt:
                continue
            assert found.verdict is Verdict.OK, f"{found.name}: {found.reason}"
            assert found.numeric.status == "ok", found.numeric.reason
            if REGISTRY[name].symbolic is not None:
                assert found.symbolic.status == "ok", found.symbolic.reason
                scale = np.max(np.abs(found.symbolic.value), initial=1e-300)
                assert np.max(np.abs(found.gradient - found.symbolic.value)) <= 1e-12 * scale


@pytest.mark.parametrize(("name", "k"), ALL, ids=IDS)
def test_a_difference_quotient_in_80_digits_agrees_with_every_derivative(name, k):
    if REGISTRY[name].symbolic is None:
        pytest.skip("has no exact form")
    graph, inputs, plan, upstream = prepared(name, k, seed=7)
    gradients = backward(plan, forward(plan, inputs), upstream)
    for argument in plan.wrt:
        gradient = np.asarray(gradients.of(argument))
        scale = np.max(np.abs(gradient), initial=1e-300)
        for index in itertools.islice(np.ndindex(gradient.shape), 4):
            exact = central_difference_exact(graph, inputs, upstream, plan.resolved, argument, index)
            assert exact is not None
            assert gradient[index] == pytest.approx(exact, rel=1e-13, abs=1e-13 * scale + 1e-300)


def one(rng, value, factor):
    """One entry multiplied."""
    value = np.array(value, copy=True)
    if value.size:
        value.flat[rng.integers(value.size)] *= factor
    return value


EXTREMES = {
    "all of one size": lambda rng, v: v * 10.0 ** rng.uniform(-300, 300),
    "each of its own size": lambda rng, v: v * 10.0 ** rng.uniform(-300, 300, v.shape),
    "tiny": lambda rng, v: v * 10.0 ** rng.uniform(-300, 0),
    "in the tails": lambda rng, v: v * 10.0 ** rng.uniform(0, 2.4, v.shape),
    "far from 0": lambda rng, v: v + 10.0 ** rng.uniform(1, 12),
    "one apart": lambda rng, v: one(rng, v, 10.0 ** rng.uniform(-300, 300)),
    "one zero": lambda rng, v: one(rng, v, 0.0),
}


def extreme(name, k, how, repeat):
    """A case with its arguments carried to the ends of float64. They may leave the domain."""
    operation = REGISTRY[name]
    case = cases_of(operation)[k]
    rng = np.random.default_rng([zlib.crc32(f"{name} {how}".encode()), k, repeat])
    inputs = draw(operation, case, rng)
    for i, (argument, value) in enumerate(inputs.items()):
        if not (case.values and i in case.values):
            inputs[argument] = EXTREMES[how](rng, value)
    graph = graph_of(operation, len(inputs), case.parameters)
    plan = make_plan(graph, inputs)
    return rng, graph, inputs, plan, rng.normal(size=plan.output_shape)


def exact_gradients(graph, inputs, upstream, plan):
    found = symbolic_gradient(graph, inputs, upstream, plan.resolved, plan.wrt).gradients
    return {name: found[name].value for name in plan.wrt if found[name].status == "ok"}


WELL = 100
"""A gradient that moves by no more than so many units when all inputs move by one is well conditioned."""
FINE = 2.0**-30


@pytest.mark.parametrize("name", [name for name, operation in REGISTRY.items() if operation.symbolic is not None])
def test_gradients_at_extreme_points(name):
    """Against the exact gradient, entry by entry, to 1e-13 wherever it is well conditioned; a few entries also against a
    difference quotient, which knows no rule for any derivative."""
    compared = quotients = 0
    for k, how, repeat in itertools.product(range(len(cases_of(REGISTRY[name]))), EXTREMES, range(2)):
        if sum(np.prod(shape, dtype=int) for shape in cases_of(REGISTRY[name])[k].shapes) > 16:
            continue
        rng, graph, inputs, plan, upstream = extreme(name, k, how, repeat)
        settled = plan.resolved[graph.output].parameters
        if any(np.any(kink.tied(*inputs.values(), **settled)) for kink in REGISTRY[name].kinks):
            continue
        gradients = backward(plan, forward(plan, inputs), upstream)
        exact = exact_gradients(graph, inputs, upstream, plan)
        beside = [
            exact_gradients(
                graph,
                {a: v * (1 + FINE * rng.choice([-1, 1], np.shape(v))) if a in plan.wrt else v for a, v in inputs.items()},
                upstream,
                plan,
            )
            for _ in range(2)
        ]
        for argument, value in exact.items():
            if not all(argument in other for other in beside):
                continue
            moves = np.max([np.abs(np.asarray(other[argument]) - value) for other in beside], axis=0)
            for index in np.ndindex(np.shape(value)):
                truth, found = np.asarray(value)[index], np.asarray(gradients.of(argument))[index]
                if not np.isfinite(truth):  # Infinite terms of either sign may have been added up.
                    assert not np.isfinite(found), (how, inputs, argument, index)
                elif moves[index] <= WELL * FINE * abs(truth) + 1e-320:
                    compared += 1
                    assert found == pytest.approx(truth, rel=1e-13, abs=2e-323), (how, inputs, argument, index, upstream)
                    if compared % 20 == 1 and truth:
                        quotient = central_difference_exact(graph, inputs, upstream, plan.resolved, argument, index)
                        if quotient:  # Beside an e^(10^100) in the same sum even 1280 digits show no difference.
                            quotients += 1
                            assert found == pytest.approx(quotient, rel=1e-13, abs=2e-323), (inputs, argument, index)
    assert compared >= 30
    assert quotients >= 2 or name in NO_DERIVATIVE


UNARY = [
    name
    for name, operation in REGISTRY.items()
    if operation.elementwise and sum(a.default is None for a in operation.arguments) == 1
]


@pytest.mark.parametrize("name", UNARY)
def test_no_function_of_one_number_is_called_wrong_anywhere(name):
    """From the far ends over the tails to the corners, as a number and in an array: OK, or UNDECIDED with a reason."""
    operation = REGISTRY[name]
    sizes = (1e-300, 1e-160, 1e-20, 1e-8, 0.3, 0.5, 1.0, 1.5, 3.0, 6.0, 27.0, 40.0, 380.0, 750.0, 1e5, 1e10, 7.5e157, 1e300)
    program = "-x" if operation.operator == "u-" else f"{operation.call or name}(x)"
    certain = 0
    for x in (0.0, *sizes, *(-x for x in sizes)):
        for text, value in ((program, x), (f"sum({program})", [x, 0.7])):
            found = gradtool.evaluate(gradtool.parse(text), {"x": value})["x"]
            assert found.verdict is not Verdict.WRONG, (x, found.reason)
            certain += found.verdict is Verdict.OK
            if found.verdict is Verdict.UNDECIDED:
                assert found.reason, x
                at_kink = any(np.any(kink.tied(np.asarray(value), *_defaults(operation))) for kink in operation.kinks)
                assert at_kink or found.symbolic.status != "ok" or not np.all(np.isfinite(found.gradient)), (x, found)
    assert certain >= 10


def _defaults(operation):
    """The values of the arguments but the first."""
    return [argument.default for argument in operation.arguments[1:]]


def wrong(operation, position):
    """The operation with the derivative of one argument off by a thousandth."""
    field = "local" if operation.elementwise else "vjp"
    right = operation.local_of if operation.elementwise else operation.vjp_of

    def at(i):
        function = right(i)
        return (lambda *a, **p: function(*a, **p) * 1.001) if i == position else function

    return dataclasses.replace(operation, **{field: at}, scalar=None)


def prepared_for_faults(name):
    """The first case of an operation, at a point where the gradient of every argument is not zero."""
    for seed in range(3, 60):
        graph, inputs, plan, upstream = prepared(name, 0, seed)
        gradients = backward(plan, forward(plan, inputs), upstream)
        if plan.wrt and all(np.any(np.asarray(gradients.of(argument))) for argument in plan.wrt):
            return graph, inputs, plan, upstream
    # max and where give one scalar argument all of the gradient: there, arrays are needed.
    for k in range(1, len(cases_of(REGISTRY[name]))):
        graph, inputs, plan, upstream = prepared(name, k, 3)
        gradients = backward(plan, forward(plan, inputs), upstream)
        if all(np.any(np.asarray(gradients.of(argument))) for argument in plan.wrt):
            return graph, inputs, plan, upstream
    raise AssertionError(f"no case of {name} gives every argument a gradient")


@pytest.mark.parametrize("name", [name for name in REGISTRY if name not in NO_DERIVATIVE])
def test_a_wrong_derivative_of_each_argument_is_flagged(name, monkeypatch):
    operation = REGISTRY[name]
    graph, inputs, plan, upstream = prepared_for_faults(name)
    for argument in plan.wrt:
        monkeypatch.setitem(REGISTRY, name, wrong(operation, int(argument[1:])))
        result = gradtool.evaluate(graph, inputs, upstream=upstream)
        assert result[argument].verdict is Verdict.WRONG, result[argument]
        for other in plan.wrt:
            if other != argument:
                assert result[other].verdict is Verdict.OK


@pytest.mark.parametrize("name", [name for name in REGISTRY if name not in NO_DERIVATIVE])
def test_a_wrong_derivative_is_flagged_by_central_differences_alone(name, monkeypatch):
    graph, inputs, plan, upstream = prepared_for_faults(name)
    argument = plan.wrt[0]
    monkeypatch.setitem(REGISTRY, name, wrong(REGISTRY[name], int(argument[1:])))
    result = gradtool.evaluate(graph, inputs, upstream=upstream, references=["numeric"])
    assert result[argument].verdict is Verdict.WRONG


@pytest.mark.parametrize(("name", "k"), ALL, ids=IDS)
def test_forward_takes_a_batch(name, k):
    operation = REGISTRY[name]
    graph, inputs, plan, _ = prepared(name, k)
    node = graph.output
    settled = plan.resolved[node]
    rng = np.random.default_rng(1)
    singles = [list(draw(operation, cases_of(operation)[k], rng).values()) for _ in range(3)]
    rank = len(settled.shape)
    batched = []
    for column in zip(*singles, strict=True):
        stacked = np.stack(column)
        if operation.elementwise:
            stacked = stacked.reshape(3, *(1,) * (rank + 1 - stacked.ndim), *stacked.shape[1:])
        batched.append(stacked)
    with np.errstate(all="ignore"):  # As the engine has it: 0/0 in the branch not taken is no event.
        together = operation.forward(*batched, **settled.parameters)
        one_by_one = [operation.forward(*single, **settled.parameters) for single in singles]
    assert np.asarray(together) == pytest.approx(np.array(one_by_one), rel=1e-14, abs=1e-15)
    if operation.piece is not None:
        with np.errstate(all="ignore"):
            pieces = np.asarray(operation.piece(*batched, **settled.parameters))
            singly = [np.asarray(operation.piece(*single, **settled.parameters)) for single in singles]
        assert np.array_equal(pieces, np.stack(singly))


@pytest.mark.parametrize("name", [n for n, op in REGISTRY.items() if op.scalar is not None])
def test_the_scalar_form_is_the_array_form(name):
    operation = REGISTRY[name]
    rng = np.random.default_rng(4)
    count = arity(operation)
    points = [[rng.uniform(*operation.domain[min(i, len(operation.domain) - 1)]) for i in range(count)] for _ in range(50)]
    points += [list(p) for p in itertools.product([0.0, -0.0, 1.0, -2.0, 1e-300, 1e300, np.inf, -np.inf, np.nan], repeat=count)][:400]
    with np.errstate(all="ignore"):
        for point in points:
            arrays = [np.float64(v) for v in point]
            expected = float(operation.forward(*arrays))
            try:
                found = operation.scalar.forward(*point)
            except (ArithmeticError, ValueError):
                found = expected  # The engine takes the array form's value, and tries the scalar derivative.
            assert type(found) is float, point
            assert found == pytest.approx(expected, rel=4e-16, nan_ok=True), point
            locals_expected = [float(operation.local_of(i)(expected, *arrays)) for i in range(count)]
            try:
                locals_found = operation.scalar.local(found, *point)
            except (ArithmeticError, ValueError):
                continue
            assert list(locals_found) == pytest.approx(locals_expected, rel=1e-15, abs=1e-320, nan_ok=True), point


@pytest.mark.parametrize("name", list(REGISTRY))
def test_the_declaration_is_complete(name):
    operation = REGISTRY[name]
    assert operation.formula
    assert operation.derivative
    assert operation.elementwise != (operation.vjp is not None)
    count = arity(operation)
    if not operation.elementwise:
        for i in range(count):
            text = operation.rule_of(i)
            labels = {a.name: a.name for a in operation.arguments} | {f"a{j}": f"a{j}" for j in range(9)}
            assert text.format_map(labels | {"upstream": "upstream", "out": "out"})
    if operation.kinks:
        assert operation.piece is not None or all(k.choose is None for k in operation.kinks)
