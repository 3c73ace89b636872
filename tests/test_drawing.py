import numpy as np
import pytest

import gradtool
from gradtool.drawing import find_node

PRODUCT = "s = x+y; s*max(y,z)"
POINT = {"x": 1, "y": 2, "z": 0}
CHAIN = "; ".join(["h0 = w*x", *(f"h{k} = tanh(w*h{k - 1})" for k in range(1, 10))])


def shown(program, point=POINT, **more):
    found = gradtool.draw(gradtool.parse(program), point, **more)
    return [found.evaluation.nodes[i].name or f"n{i}" for i in found.shown]


def test_all_nodes_without_references():
    found = gradtool.draw(gradtool.parse(PRODUCT), POINT)
    assert found.shown == (0, 1, 2, 3, 4, 5)
    assert (found.depth, found.around, found.paths, found.difference) == (None, None, (), None)
    assert found.evaluation.references == ()
    assert found.evaluation["y"].gradient == 5


@pytest.mark.parametrize(
    ("more", "nodes"),
    [
        ({"depth": 0}, ["n5"]),
        ({"depth": 1}, ["s", "n4", "n5"]),
        ({"depth": 2}, ["x", "y", "z", "s", "n4", "n5"]),
        ({"depth": 99}, ["x", "y", "z", "s", "n4", "n5"]),
        ({"around": "s", "depth": 1}, ["x", "y", "s", "n5"]),
        ({"around": "y", "depth": 1}, ["y", "s", "n4"]),
        ({"around": "x"}, ["x", "s", "n5"]),
        ({"around": "n4", "depth": 0}, ["n4"]),
    ],
)
def test_a_part_of_the_nodes(more, nodes):
    assert shown(PRODUCT, **more) == nodes


def test_the_node_around_which_it_is_drawn():
    found = gradtool.draw(gradtool.parse(CHAIN), {"w": 0.5, "x": 1}, around="h5")
    assert found.evaluation.nodes[found.around].name == "h5"
    assert found.depth == 2
    assert shown(CHAIN, {"w": 0.5, "x": 1}, around="h5") == ["w", "h4", "n11", "h5", "n13", "h6"]


@pytest.mark.parametrize(("name", "node"), [("a", 4), ("n2", 2), ("n1", 0), ("x", 1)])
def test_nodes_are_found_by_name_before_label(name, node):
    graph = gradtool.parse("a = n1*x; a = a+x; a*2")  # n0 is an input that is called n1, n2 the constant.
    assert find_node(graph, name) == node


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("n6", "there is no node n6: the nodes are n0 to n5"),
        ("n99999999999999999999", "the nodes are n0 to n5"),
        ("n01", "there is no node 'n01'"),
        ("S", "there is no node 'S': did you mean s?"),
        ("nothing", "give a name of the program, or a label such as n7"),
    ],
)
def test_what_is_no_node(name, message):
    with pytest.raises(gradtool.InputError, match="there is no node") as caught:
        gradtool.draw(gradtool.parse(PRODUCT), POINT, around=name)
    assert message in str(caught.value)


def test_paths_of_an_input():
    found = gradtool.draw(gradtool.parse(PRODUCT), POINT, paths=["y", "x", "y"], top=1)
    assert [paths.name for paths in found.paths] == ["y", "x"]
    assert [(p.nodes, p.contribution) for p in found.paths[0].paths] == [((1, 4, 5), 3.0)]
    assert (found.paths[0].rest, found.paths[0].total, found.paths[0].count) == (2.0, 5.0, 2)


def test_paths_follow_the_upstream_and_the_precision():
    graph = gradtool.parse("x*y")
    point = {"x": np.array([1.0, 2.0]), "y": 3.0}
    found = gradtool.draw(graph, point, paths=["y"], upstream=[1, 10], dtype="float32")
    assert found.paths[0].total == found.evaluation["y"].gradient == 21.0
    assert found.evaluation.dtype == "float32"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"paths": ["s"]}, "there are no paths to 's'"),
        ({"paths": ["x"], "wrt": ["y"]}, "these are: y"),
        ({"depth": -1}, "depth is -1"),
        ({"top": -1}, "top is -1"),
    ],
)
def test_mistakes(more, message):
    with pytest.raises(gradtool.InputError, match=message):
        gradtool.draw(gradtool.parse(PRODUCT), POINT, **more)


def test_against_other_values_and_against_another_program():
    graph = gradtool.parse(PRODUCT)
    found = gradtool.draw(graph, POINT, against=(graph, {**POINT, "z": 1}))
    assert found.difference.left is found.evaluation
    assert [pair.kind for pair in found.difference.nodes] == ["same", "same", "changed", "same", "same", "same"]
    other = gradtool.parse("s = x+y; s*min(y,z)")
    found = gradtool.draw(graph, POINT, against=(other, POINT), wrt=["x"])
    assert found.difference.first.left == 4
    assert found.difference.right["y"].gradient is None
    alone = gradtool.draw(graph, POINT, against=(gradtool.parse("y^2"), {"y": 2}), wrt=["x", "y"])
    assert alone.difference.right["y"].gradient == 4


def test_references_are_asked_for_as_in_evaluate():
    found = gradtool.draw(gradtool.parse(PRODUCT), POINT, references=("numeric",))
    assert found.evaluation.verdict == "OK"
    assert found.evaluation["y"].numeric.status == "ok"
