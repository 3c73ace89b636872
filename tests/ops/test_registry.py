"""The registry as a whole: every operation is checked in every way we know, from its declaration alone.

An operation added with ``declare`` is tested here without a new line: against SymPy, against central differences,
against a difference quotient in 80-digit arithmetic, at random and extreme points, with a wrong derivative planted for
each argument, and in a batch. One with a kink needs a point on it in ``TIED``.
"""

import dataclasses
import itertools
import zlib
from typing import Any

import numpy as np
import pytest

import gradtool
from gradtool.autodiff import SecondOrder, backward, forward, make_plan
from gradtool.graph import GraphBuilder
from gradtool.ops import REGISTRY, Case
from gradtool.references import central_difference_exact, symbolic_gradient, symbolic_hessian
from gradtool.results import Verdict
from gradtool.verdict import find_ties
from gradtool.verdict.second_order import joined

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


def moved(inputs, wrt, rng):
    """Every entry up or down by one part in 2^30."""
    return {a: v * (1 + FINE * rng.choice([-1, 1], np.shape(v))) if a in wrt else v for a, v in inputs.items()}


WELL = 100
"""A gradient that moves by no more than so many units when all inputs move by one is well conditioned."""
FINE = 2.0**-30


@pytest.mark.parametrize("name", [name for name, operation in REGISTRY.items() if operation.symbolic is not None])
def test_gradients_at_extreme_points(name):
    """Against the exact gradient, entry by entry, to 1e-13 wherever it is well conditioned; a few entries also against
    a difference quotient, which knows no rule for any derivative."""
    compared = sloping = quotients = 0
    cases = range(min(3, len(cases_of(REGISTRY[name]))))
    for k, (repeat, how) in itertools.product(cases, enumerate(EXTREMES)):
        if sum(np.prod(shape, dtype=int) for shape in cases_of(REGISTRY[name])[k].shapes) > 16:
            continue
        rng, graph, inputs, plan, upstream = extreme(name, k, how, repeat)
        settled = plan.resolved[graph.output].parameters
        if any(np.any(kink.tied(*inputs.values(), **settled)) for kink in REGISTRY[name].kinks):
            continue
        gradients = backward(plan, forward(plan, inputs), upstream)
        exact = exact_gradients(graph, inputs, upstream, plan)
        beside = [exact_gradients(graph, moved(inputs, plan.wrt, rng), upstream, plan) for _ in range(2)]
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
                    assert found == pytest.approx(truth, rel=1e-13, abs=2e-323), (how, inputs, argument, index)
                    sloping += bool(truth)
                    if truth and sloping % 15 == 1:
                        quotient = central_difference_exact(graph, inputs, upstream, plan.resolved, argument, index)
                        if quotient:  # Beside an e^(10^100) in the same sum even 1280 digits show no difference.
                            quotients += 1
                            assert found == pytest.approx(quotient, rel=1e-13, abs=2e-323), (inputs, argument, index)
    assert compared >= 10
    assert quotients or name in NO_DERIVATIVE


UNARY = [
    name
    for name, operation in REGISTRY.items()
    if operation.elementwise and sum(a.default is None for a in operation.arguments) == 1
]


@pytest.mark.parametrize("name", UNARY)
def test_no_function_of_one_number_is_called_wrong_anywhere(name):
    """From the far ends over the tails to the corners, as a number and in an array: OK, or UNDECIDED with a reason."""
    operation = REGISTRY[name]
    sizes = (1e-300, 1e-160, 1e-20, 1e-8, 0.3, 0.5, 1.0, 1.5, 3.0, 6.0, 27.0, 40.0, 380.0, 750.0, 1e5, 7.5e157, 1e300)
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


# Points on every kink there is, with neighbours that are on none: arguments and parameters.
TIED: dict[str, list[Any]] = {
    **{name: [([[0.0, 2.0, -1.0]], {})] for name in ("abs", "sign", "relu", "selu", "cbrt")},
    "power": [([[0.0, 2.0], [0.5, 0.5]], {})],
    **{
        name: [([[1.0, 2.0], [1.0, 3.0]], {}), ([0.0, 0.0], {})]
        for name in ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal")
    },
    "floor": [([[2.0, 0.3]], {}), ([-1.0], {})],
    "ceil": [([[2.0, 0.3]], {}), ([-1.0], {})],
    "round": [([[2.5, 0.3]], {}), ([-1.5], {})],
    "sqrt": [([[0.0, 1.0]], {})],
    "asin": [([[1.0, 0.3]], {}), ([-1.0], {})],
    "acos": [([[1.0, 0.3]], {}), ([-1.0], {})],
    "acosh": [([[1.0, 2.0]], {})],
    "atan2": [([[0.0, 1.0], [0.0, 1.0]], {}), ([[0.0, 1.0], [-2.0, 1.0]], {})],
    "hypot": [([[0.0, 3.0], [0.0, 4.0]], {})],
    "max": [([[1.0, 5.0, 2.0], [1.0, 0.0, 2.0], [1.0, 2.0, 2.0]], {}), ([3.0, [3.0, 4.0]], {})],
    "min": [([[1.0, 5.0, 2.0], [1.0, 0.0, 2.0], [1.0, 2.0, 2.0]], {}), ([3.0, [3.0, 4.0]], {})],
    "clip": [
        ([[1.0, 0.3, -4.0], -1.0, 1.0], {}), ([-1.0, -1.0, 1.0], {}), ([2.0, 2.0, 2.0], {}), ([0.5, 2.0, 2.0], {}),
    ],
    "hardtanh": [([[1.0, 0.3, -4.0], -1.0, 1.0], {}), ([-1.0, -1.0, 1.0], {})],
    "leaky_relu": [([[0.0, 2.0], 0.1], {}), ([0.0, -0.5], {})],
    "elu": [([[0.0, 2.0], 0.5], {}), ([0.0, 2.0], {})],
    "relu6": [([[0.0, 3.0, 8.0]], {}), ([6.0], {})],
    "hardsigmoid": [([[-3.0, 2.0, 8.0]], {}), ([3.0], {})],
    "std": [([[2.0, 2.0, 2.0]], {}), ([[[2.0, 2.0], [1.0, 3.0]]], {"axis": 1, "ddof": 1})],
    "norm": [
        ([[0.0, 0.0]], {}), ([[[0.0, 0.0], [3.0, 4.0]]], {"axis": -1}), ([[0.0, 1.0, -2.0]], {"ord": "1"}),
        ([[0.0, 0.0]], {"ord": "1"}), ([[3.0, -3.0, 1.0]], {"ord": "inf"}), ([[0.0, 0.0]], {"ord": "inf"}),
    ],
    "reduce_max": [([[[1.0, 1.0, 0.0], [2.0, 0.0, 1.0]]], {"axis": 1}), ([[4.0, 4.0, 4.0]], {"axis": None})],
    "reduce_min": [([[[1.0, 1.0, 2.0], [2.0, 0.0, 1.0]]], {"axis": 1}), ([[4.0, 4.0, 4.0]], {"axis": None})],
    "sort": [([[1.0, 5.0, 1.0]], {}), ([[1.0, 1.0, 1.0]], {}), ([[[3.0, 1.0], [3.0, 2.0]]], {"axis": 0})],
    "mae": [([[1.0, 2.0], [1.0, 0.0]], {}), ([[0.0, 1.0], 0.0], {"reduction": "none"})],
    "smooth_l1": [([[1.0, 2.0], [1.0, 0.0], 0.0], {})],
    "hinge": [([[0.5, 4.0], [2.0, 1.0]], {}), ([[-1.0, 0.5], [-1.0, 1.0]], {"reduction": "sum"})],
    "cosine_similarity": [([[0.0, 0.0], [1.0, 2.0]], {}), ([[1.0, 2.0], [0.0, 0.0]], {})],
    "max_pool2d": [
        ([[[1.0, 1.0], [0.0, 1.0]]], {"kernel_size": 2}),
        ([[[2.0, 1.0, 2.0], [0.0, 2.0, 1.0], [3.0, 0.0, 1.0]]], {"kernel_size": 2, "stride": 1, "padding": 1}),
    ],
}  # fmt: skip
TIES = [(name, i) for name, points in TIED.items() for i in range(len(points))]
NEITHER_CONVEX_NOR_CONCAVE = {"sort", "clip"}
A_LITTLE = 1e-7


class Tie:
    """An operation on a kink, and its surroundings."""

    def __init__(self, name, i):
        arguments, parameters = TIED[name][i]
        self.operation = REGISTRY[name]
        self.arguments = [np.asarray(a) for a in arguments]
        self.graph = graph_of(self.operation, len(arguments), parameters)
        self.plan = make_plan(self.graph, self.inputs(self.arguments))
        self.settled = self.plan.resolved[self.graph.output].parameters
        self.rng = np.random.default_rng([zlib.crc32(name.encode()), i])
        shape = self.plan.output_shape
        self.upstream = self.rng.uniform(0.5, 1.5, shape) * self.rng.choice([-1, 1], shape)
        # A bound of 0 for the size of something can only be left upwards.
        self.fixed = [name == "smooth_l1" and a == 2 for a in range(len(arguments))]

    @staticmethod
    def inputs(arguments):
        return {f"a{i}": a for i, a in enumerate(arguments)}

    def direction(self):
        return [self.rng.normal(size=a.shape) * (not f) for a, f in zip(self.arguments, self.fixed, strict=True)]

    def beside(self, direction, step=A_LITTLE):
        return [a + step * d for a, d in zip(self.arguments, direction, strict=True)]

    def out(self, arguments):
        return np.asarray(forward(self.plan, self.inputs(arguments))[self.graph.output])

    def gradient(self, arguments, choose=None):
        """By all arguments, one after the other."""
        values = forward(self.plan, self.inputs(arguments))
        found = backward(self.plan, values, self.upstream, choose=choose)
        return np.concatenate([np.ravel(found.of(name)) for name in self.graph.inputs])

    def tied(self, kink, arguments):
        with np.errstate(all="ignore"):
            return np.asarray(kink.tied(*arguments, **self.settled))

    def piece(self, arguments):
        with np.errstate(all="ignore"):
            return np.asarray(self.operation.piece(*arguments, **self.settled)).tolist()


def flat(direction):
    return np.concatenate([np.ravel(d) for d in direction])


def test_there_is_a_point_on_every_kink():
    for name, operation in REGISTRY.items():
        ties = [Tie(name, i) for i in range(len(TIED.get(name, ())))]
        for kink in operation.kinks:
            assert any(tie.tied(kink, tie.arguments).any() for tie in ties), f"{name}: {kink.where}"


@pytest.mark.parametrize(("name", "i"), TIES)
def test_a_tie_is_seen_there_and_not_a_step_beside(name, i):
    tie = Tie(name, i)
    assert any(tie.tied(kink, tie.arguments).any() for kink in tie.operation.kinks)
    for _ in range(20):
        direction = tie.direction()
        for step in (A_LITTLE, 1e-12):
            assert not any(tie.tied(kink, tie.beside(direction, step)).any() for kink in tie.operation.kinks)
    for kink in tie.operation.kinks:
        if tie.operation.elementwise:
            assert tie.tied(kink, tie.arguments).shape == tie.plan.output_shape


@pytest.mark.parametrize(("name", "i"), TIES)
def test_the_convention_and_what_is_drawn_are_subgradients(name, i):
    """In the convex hull of the gradients all around (Clarke's subdifferential), so between the slopes on the two sides
    along any line. The slopes are taken from values alone where an output is convex or concave there."""
    tie = Tie(name, i)
    if not all(kink.choose for kink in tie.operation.kinks if tie.tied(kink, tie.arguments).any()):
        pytest.skip("no value is valid")
    around = np.array([tie.gradient(tie.beside(tie.direction())) for _ in range(600)])
    scale = np.abs(around).max()
    drawn = [tie.gradient(tie.arguments, choose=tie.rng) for _ in range(30)]
    assert np.ptp(drawn, axis=0).max() > 0.05 * scale
    candidates = np.array([tie.gradient(tie.arguments), *drawn])
    base = tie.out(tie.arguments)
    for _ in range(100):
        direction = tie.direction()
        slopes = candidates @ flat(direction)
        assert slopes.max() <= (around @ flat(direction)).max() + 0.01 * scale * np.linalg.norm(flat(direction))
        if name not in NEITHER_CONVEX_NOR_CONCAVE:
            right = tie.upstream * (tie.out(tie.beside(direction)) - base) / A_LITTLE
            left = tie.upstream * (base - tie.out(tie.beside(direction, -A_LITTLE))) / A_LITTLE
            assert slopes.min() >= np.minimum(left, right).sum() - 1e-5 * scale
            assert slopes.max() <= np.maximum(left, right).sum() + 1e-5 * scale


@pytest.mark.parametrize(("name", "i"), TIES)
def test_what_is_drawn_beside_a_tie_is_the_derivative(name, i):
    tie = Tie(name, i)
    kinks = [kink for kink in tie.operation.kinks if kink.choose]
    for _ in range(5 * bool(kinks)):
        arguments = tie.beside(tie.direction(), 0.01)
        out = tie.out(arguments)
        for kink in kinks:
            with np.errstate(all="ignore"):
                if tie.operation.elementwise:
                    drawn = kink.choose(tie.rng, out, *arguments, **tie.settled)
                    usual = [tie.operation.local_of(p)(out, *arguments, **tie.settled) for p in range(len(arguments))]
                else:
                    drawn = kink.choose(tie.rng, tie.upstream, out, *arguments, **tie.settled)
                    usual = [
                        tie.operation.vjp_of(p)(tie.upstream, out, *arguments, **tie.settled)
                        for p in range(len(arguments))
                    ]
            for one_drawn, one_usual in zip(drawn, usual, strict=True):
                assert np.broadcast_to(one_drawn, np.shape(one_usual)) == pytest.approx(one_usual, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize(("name", "i"), TIES)
def test_a_line_through_a_tie_changes_piece(name, i):
    """If values on its two sides and on it differ, or gradients on the sides, one of the three points is in another
    piece. Only a line through the origin of atan2 may go unnoticed: no numbering changes across a half-line alone."""
    tie = Tie(name, i)
    if tie.operation.piece is None or (name, i) == ("atan2", 0):
        pytest.skip("has no pieces, or none there")
    here = tie.piece(tie.arguments)
    seen = 0
    for _ in range(50):
        direction = tie.direction()
        sides = [tie.beside(direction, step) for step in (A_LITTLE, -A_LITTLE)]
        outs = [tie.out(place) for place in (sides[0], tie.arguments, sides[1])]
        gradients = [tie.gradient(side) for side in sides]
        differs = any(  # NaN, outside the domain, is not close to anything.
            not np.allclose(first, second, rtol=1e-3, atol=1e-3)
            for first, second in (*itertools.pairwise(outs), gradients)
        )
        seen += differs
        assert not differs or not tie.piece(sides[0]) == here == tie.piece(sides[1])
    assert seen or name == "cbrt"  # whose two sides have the same slope


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
        result = gradtool.evaluate(dataclasses.replace(graph), inputs, upstream=upstream)
        assert result[argument].verdict is Verdict.WRONG, result[argument]
        for other in plan.wrt:
            if other != argument:
                assert result[other].verdict is Verdict.OK


@pytest.mark.parametrize("name", [name for name in REGISTRY if name not in NO_DERIVATIVE])
def test_a_wrong_derivative_is_flagged_by_central_differences_alone(name, monkeypatch):
    graph, inputs, plan, upstream = prepared_for_faults(name)
    argument = plan.wrt[0]
    monkeypatch.setitem(REGISTRY, name, wrong(REGISTRY[name], int(argument[1:])))
    result = gradtool.evaluate(dataclasses.replace(graph), inputs, upstream=upstream, references=["numeric"])
    assert result[argument].verdict is Verdict.WRONG


@pytest.mark.parametrize(("name", "k"), ALL, ids=IDS)
def test_forward_takes_a_batch(name, k):
    operation = REGISTRY[name]
    graph, _, plan, _ = prepared(name, k)
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
    domains = [operation.domain[min(i, len(operation.domain) - 1)] for i in range(count)]
    points = [[rng.uniform(*domain) for domain in domains] for _ in range(50)]
    special = [0.0, -0.0, 1.0, -2.0, 1e-300, 1e300, np.inf, -np.inf, np.nan]
    points += map(list, itertools.islice(itertools.product(special, repeat=count), 400))
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


SECOND_ORDER_POINTS = [None, 0.0, 1e-9, 30.0, -30.0, -800.0]
"""A point drawn from the domain, and values that all entries of the first argument have; of all arguments at 0."""
SMOOTH_AT_ZERO = {
    "sin", "tanh", "sigmoid", "logsigmoid", "softplus", "silu", "gelu", "mish", "erf", "square", "softmax", "logsumexp", "det",
    "bce_with_logits", "asinh", "swiglu", "layer_norm",
}  # fmt: skip
"""Of what is smooth at 0 these have kernels that branch there, or divide; no reference may find a kink in them."""


@pytest.mark.parametrize(("name", "k"), ALL, ids=IDS)
def test_second_derivatives_agree_with_the_exact_ones(name, k):
    """Also shows that every kernel can be run on tangents."""
    for at in SECOND_ORDER_POINTS[: (len(SECOND_ORDER_POINTS), 2)[k]] if k < 2 else SECOND_ORDER_POINTS[:1]:
        graph, inputs, plan, upstream = prepared(name, k)
        values_given = (cases_of(REGISTRY[name])[k].values or {}).keys()
        for i, x in inputs.items():
            if at is not None and int(i[1:]) not in values_given and (at == 0 or i == "a0"):
                inputs[i] = np.full(np.shape(x), at)
        values = forward(plan, inputs)
        gradients = backward(plan, values, upstream)
        second = SecondOrder(plan, values, gradients)
        sizes = [np.size(inputs[i]) for i in plan.wrt]
        if sum(sizes) > 24:
            _along_one_direction(plan, inputs, upstream, second)
            continue
        ours = joined(second.hessian(), plan.wrt, sizes)
        tied = bool(find_ties(plan, values))
        exact = symbolic_hessian(graph, inputs, upstream, plan.resolved, plan.wrt, tied=tied)
        known = np.isfinite(exact.error) & np.isfinite(ours) if tied else np.isfinite(exact.error)
        assert at is not None or known.all(), exact.reason
        assert at != 0 or name not in SMOOTH_AT_ZERO or known.all(), exact.reason
        largest = np.max(np.abs(exact.value), initial=0.0, where=known)
        steepest = max((float(np.max(np.abs(gradients.of(i)), initial=0.0)) for i in plan.wrt), default=0.0)
        rounding = 2.0**-53 * steepest if np.isfinite(steepest) else 0.0
        least = 1e-12 * np.abs(exact.value) + 1e-13 * largest + rounding + 1e-300 + exact.error
        assert (np.abs(ours - exact.value) <= least)[known].all(), (name, at, ours, exact.value)


def _along_one_direction(plan, inputs, upstream, second):
    """Against a difference of fourth order of the gradient."""
    rng = np.random.default_rng(0)
    direction = {i: rng.standard_normal(np.shape(inputs[i])) for i in plan.wrt}

    def gradient(t):
        moved = {i: x + t * direction[i] if i in direction else x for i, x in inputs.items()}
        return backward(plan, forward(plan, moved), upstream)

    h = 2.0**-12
    ends = [gradient(t) for t in (2 * h, h, -h, -2 * h)]
    for i, product in second.product(direction).items():
        far, near, back, far_back = (np.asarray(found.of(i)) for found in ends)
        wanted = (8 * (near - back) - (far - far_back)) / (12 * h)
        assert np.allclose(product, wanted, rtol=1e-7, atol=1e-7 * (1 + np.abs(wanted).max()))
