"""Graph and GraphBuilder: numbering, lines, names."""

import pytest

from gradtool.graph import CONSTANT, INPUT, GraphBuilder


def small():
    builder = GraphBuilder("a = x*2\n(a+y)")
    x = builder.input("x", (4, 5))
    two = builder.constant(2.0, (6, 7))
    a = builder.add("multiply", (x, two), span=(4, 7))
    builder.name(a, "a")
    y = builder.input("y", (11, 12))
    total = builder.add("add", (a, y), span=(8, 13))
    return builder.finish(total, {"a": a})


def test_inputs_come_first_then_constants_then_operations():
    graph = small()
    assert graph.operations == [INPUT, INPUT, CONSTANT, "multiply", "add"]
    assert graph.arguments == [(), (), (), (0, 2), (3, 1)]
    assert graph.inputs == {"x": 0, "y": 1}
    assert graph.output == 4


def test_every_argument_has_a_smaller_id():
    assert all(argument < node.id for node in small() for argument in node.arguments)


def test_bindings_name_inputs_and_statements():
    assert small().bindings == {"x": 0, "y": 1, "a": 3}


def test_a_node_knows_its_name_place_and_line():
    node = small().node(4)
    assert (node.name, node.span, node.line) == (None, (8, 13), 2)
    node = small().node(3)
    assert (node.name, node.span, node.line) == ("a", (4, 7), 1)


def test_the_first_name_of_a_node_stays():
    builder = GraphBuilder("b = a = x")
    x = builder.input("x")
    builder.name(x, "b")
    assert builder.finish(x).names == {0: "x"}


def test_an_input_is_one_node_however_often_it_is_mentioned():
    builder = GraphBuilder("x*x")
    assert builder.input("x") == builder.input("x")


def test_same_structure_ignores_names_and_places():
    one, other = small(), small()
    other.names.clear()
    assert one.same_structure(other)
    assert not one.same_structure(one.with_output(3))


def test_a_missing_node_is_an_index_error():
    with pytest.raises(IndexError):
        small().node(5)
