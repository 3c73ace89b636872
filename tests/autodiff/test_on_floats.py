"""Graphs of scalars on floats: to the last bit what the declarations of the operations say, at any depth."""

import contextlib
import itertools
import math
import random
import struct

import numpy as np
import pytest

from gradtool.autodiff import backward, edges, forward, make_plan
from gradtool.graph import CONSTANT, INPUT, GraphBuilder
from gradtool.language import parse
from gradtool.ops import REGISTRY, ScalarForm

EDGES = (0.0, -0.0, 0.5, 1.0, -1.0, 2.0, -3.25, 1e-310, -1e308, 710.0, math.inf, -math.inf, math.nan)
ON_SCALARS = [o for o in REGISTRY.values() if o.elementwise and not o.parameters and o.resolve is None]


def bits(number):
    return "nan" if number != number else struct.pack("d", number)


def value_of(operation, arguments):
    """What the declaration says: the scalar form, and where it refuses the array form."""
    if operation.scalar is not None:
        with contextlib.suppress(ArithmeticError, ValueError):
            return operation.scalar.forward(*arguments)
    with np.errstate(all="ignore"):
        return float(operation.forward(*map(np.float64, arguments)))


def sent_down(operation, value, arguments, upstream):
    """What the declaration says that a node sends down, one number an argument, None where it sends nothing."""
    locals_ = None
    if operation.scalar is not None:
        with contextlib.suppress(ArithmeticError, ValueError):
            locals_ = operation.scalar.local(value, *arguments)
    with np.errstate(all="ignore"):
        if locals_ is None:
            given = [np.float64(value), *map(np.float64, arguments)]
            locals_ = [float(operation.local_of(p)(*given)) for p in range(len(arguments))]
    sent = [upstream * local for local in locals_]
    off = [operation.switch and d != d and local == 0 for d, local in zip(sent, locals_, strict=True)]
    return [None if p in operation.frozen else 0.0 if off[p] else d for p, d in enumerate(sent)]


def one_by_one(graph, inputs, live):
    """Values and upstreams of all nodes, by the declarations alone."""
    values, adjoints = [], [None] * len(graph)
    for node in graph:
        if node.operation == INPUT:
            values.append(inputs[node.name])
        elif node.operation == CONSTANT:
            values.append(node.parameters["value"])
        else:
            values.append(value_of(REGISTRY[node.operation], [values[a] for a in node.arguments]))
    adjoints[graph.output] = 1.0
    for i in range(graph.output, -1, -1):
        arguments = graph.arguments[i]
        if adjoints[i] is None or not live[i] or not arguments:
            continue
        sent = sent_down(REGISTRY[graph.operations[i]], values[i], [values[a] for a in arguments], adjoints[i])
        for a, downstream in zip(arguments, sent, strict=True):
            if downstream is not None and live[a]:
                adjoints[a] = downstream if adjoints[a] is None else adjoints[a] + downstream
    return values, adjoints


def same_bits(found, expected):
    assert [None if n is None else bits(n) for n in found] == [None if n is None else bits(n) for n in expected]


@pytest.mark.parametrize("operation", ON_SCALARS, ids=lambda o: o.name)
def test_every_operation_does_what_its_declaration_says(operation):
    names = [f"x{i}" for i in range(len(operation.arguments))]
    builder = GraphBuilder()
    graph = builder.finish(builder.add(operation.name, [builder.input(name) for name in names]))
    plan = make_plan(graph, dict.fromkeys(names, 0.0))
    assert plan.scalar
    for point in itertools.product(EDGES, repeat=min(2, len(names))):
        inputs = dict(zip(names, (*point, 0.75, 0.25), strict=False))
        values = forward(plan, inputs)
        arguments = list(inputs.values())
        assert bits(values[graph.output]) == bits(value_of(operation, arguments)), point
        for upstream in (-2.5, 0.0, math.inf):
            found = backward(plan, values, upstream).adjoints[: len(names)]
            expected = sent_down(operation, values[graph.output], arguments, upstream)
            same_bits(found, [d if plan.live[i] else None for i, d in enumerate(expected)])


@pytest.mark.parametrize("seed", range(6))
def test_random_graphs_to_the_last_bit(seed):
    rng = random.Random(seed)
    builder = GraphBuilder()
    nodes = [builder.input(name) for name in "xyz"] + [builder.constant(rng.uniform(-2.0, 2.0)) for _ in range(3)]
    for _ in range(300):
        operation = rng.choice(ON_SCALARS)
        nodes.append(builder.add(operation.name, rng.choices(nodes, k=len(operation.arguments))))
        if rng.random() < 0.5:
            nodes.append(builder.add(rng.choice(["add", "subtract", "multiply"]), rng.choices(nodes[-20:], k=2)))
    graph = builder.finish(nodes[-1])
    inputs = {name: rng.uniform(-2.0, 2.0) for name in graph.inputs}
    for output, wrt in itertools.product((len(graph) - 1, len(graph) - 7, len(graph) // 2), (None, ["x"])):
        part = graph.with_output(output)
        plan = make_plan(part, inputs, wrt=wrt)
        values, adjoints = one_by_one(part, inputs, plan.live)
        found = forward(plan, inputs)
        same_bits(found, values)
        same_bits(backward(plan, found).adjoints, adjoints)


@pytest.mark.parametrize(
    ("text", "wrt", "without"),
    [
        ("x*2 + exp(3)*y", None, ["constant", "constant", "exp"]),
        ("a = x*y; b = y/2; a + b", ["x"], ["input", "constant", "divide"]),
        ("a = x*y; b = exp(a); y*y", None, ["input", "multiply", "exp"]),
        ("where(x > 0, x, y)", ["y"], ["input", "constant", "greater"]),
    ],
)
def test_what_wants_no_gradient_has_none(text, wrt, without):
    graph = parse(text)
    inputs = dict.fromkeys(graph.inputs, 0.5)
    plan = make_plan(graph, inputs, wrt=wrt)
    adjoints = backward(plan, forward(plan, inputs)).adjoints
    assert sorted(o for o, a in zip(graph.operations, adjoints, strict=True) if a is None) == sorted(without)


@pytest.mark.parametrize(("text", "output"), [("x*y", 0), ("exp(2) + 0*x", 3), ("2", 0)])
def test_the_output_has_its_upstream_whatever_it_is(text, output):
    graph = parse(text).with_output(output)
    inputs = dict.fromkeys(graph.inputs, 0.5)
    plan = make_plan(graph, inputs)
    adjoints = backward(plan, forward(plan, inputs), 3.0).adjoints
    assert [i for i, a in enumerate(adjoints) if a is not None] == [output]
    assert adjoints[output] == 3.0


def test_an_infinity_meets_the_edge_of_a_switch():
    graph = parse("relu(x) + exp(y)*relu(x)")
    plan = make_plan(graph, {"x": -1.0, "y": 1000.0})
    values = forward(plan, {"x": -1.0, "y": 1000.0})
    assert backward(plan, values).of("x") == 0.0


def test_depth_costs_no_stack():
    """y = y*x + x, whose derivative by x is a sum of powers."""
    depth, x = 20_000, 0.5
    graph = parse("y = x\n" + "y = y*x + x\n" * depth)
    plan = make_plan(graph, {"x": x})
    values = forward(plan, {"x": x})
    assert values[-1] == pytest.approx(x / (1 - x), rel=1e-15)
    assert backward(plan, values).of("x") == pytest.approx(1 / (1 - x) ** 2, rel=1e-15)


def test_an_operation_that_replaces_a_written_out_one_is_asked(monkeypatch):
    real = REGISTRY["multiply"]
    planted = type(real)(
        name="multiply", arguments=real.arguments, forward=real.forward, formula="", derivative="", local=real.local,
        scalar=ScalarForm(lambda a, b: 3 * a * b, lambda out, a, b: (3 * b, 3 * a)),
    )  # fmt: skip
    monkeypatch.setitem(REGISTRY, "multiply", planted)
    plan = make_plan(parse("x*y"), {"x": 2.0, "y": 5.0})
    values = forward(plan, {"x": 2.0, "y": 5.0})
    assert values[-1] == 30.0
    assert backward(plan, values).of("x") == 15.0


def test_edges_show_what_was_sent():
    graph = parse("where(x > 0, x*y, exp(y))")
    plan = make_plan(graph, {"x": 2.0, "y": 5.0})
    values = forward(plan, {"x": 2.0, "y": 5.0})
    gradients = backward(plan, values)
    shown = [edge for i in range(len(graph)) for edge in edges(gradients, values, i)]
    for name, node in graph.inputs.items():
        assert sum(edge.downstream for edge in shown if edge.source == node) == gradients.of(name)
