"""A program is forward as a graph, its sweep is backward, and a change in it is felt exactly where it is made."""

import numpy as np
import pytest

from gradtool.diagnosis.program import Block, Change, ImpossibleError, programs


def net(x, w):
    h = 1 / (1 + np.exp(-(x @ w)))
    return h * h


def wrong(u, x, w):
    return u @ w.T, x.T @ u


@pytest.fixture
def program(evidence_of, rng):
    points = [[rng.normal(size=(3, 2)), rng.normal(size=(2, 4))] for _ in range(2)]
    return programs(evidence_of(net, wrong, points, "w"))[0]


def node(program, operation):
    return program.graph.operations.index(operation)


def test_the_gradient_is_right(program):
    np.testing.assert_allclose(program.gradient, program.look.right, rtol=1e-7)
    np.testing.assert_allclose(program.gradient_with(Change()), program.gradient, rtol=1e-13)


def test_dropping_an_edge(program):
    top = program.graph.output
    assert program.graph.operations[top] == "multiply"
    half = program.gradient_with(Change(edges={(top, 0): lambda u, sent: None}))
    np.testing.assert_allclose(half, program.gradient / 2, rtol=1e-12)
    assert program.links[0] == [(top, 0), (top, 1)]


def test_a_jump_leaves_a_block_out(program):
    block = Block(node(program, "divide"), node(program, "matmul"))
    assert block in program.blocks
    assert program.function(block) == "sigmoid"
    h = program.values[block.top]
    np.testing.assert_allclose(program.derivative(block), h * (1 - h), rtol=1e-12)
    without = program.gradient_with(Change(jumps={block.top: (block.bottom, lambda u: u)}))
    x = program.look.sight.values["x"]
    np.testing.assert_allclose(without, x.T @ (program.look.sight.upstream[0] * 2 * h), rtol=1e-12)


def test_a_change_of_the_wrong_shape(program):
    bad = Change(edges={(node(program, "matmul"), 1): lambda u, sent: np.zeros(3)})
    assert program.gradient_with(bad) is None
    with pytest.raises(ImpossibleError):
        program.sweep(bad)


def test_from_an_inner_node(program):
    inner = node(program, "matmul")
    adjoint = program.adjoints[inner]
    np.testing.assert_allclose(program.gradient_from(inner, adjoint), program.gradient, rtol=1e-12)


def test_places_have_lines(program):
    assert program.at(node(program, "exp")) == f" at test_program.py:{net.__code__.co_firstlineno + 1}"
    assert program.words(node(program, "matmul")).startswith("@ at ")
    assert program.label(program.source) == "w"


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def test_what_cancels_is_left_out(evidence_of, rng):
    evidence = evidence_of(softmax, lambda u, x: (u * softmax(x),), [[rng.normal(size=4)] for _ in range(2)])
    program = programs(evidence)[0]
    assert program.cancelled
    assert not program.below[node(program, "reduce_max")]


def test_none_where_it_cannot_be_traced(evidence_of, rng):
    def forward(x):
        return np.array([float(v) ** 2 for v in x])

    assert programs(evidence_of(forward, lambda u, x: (u,), [[rng.normal(size=3)]])) == []
    assert programs(evidence_of(np_square, lambda u, x: (u,), [[rng.normal(size=3)]], traced=False)) == []


def np_square(x):
    return x**2
