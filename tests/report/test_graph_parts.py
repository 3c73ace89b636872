import numpy as np
import pytest

from gradtool.report import Page
from gradtool.report.graph_drawing import Strength
from gradtool.report.graph_parts import GraphParts, nearest
from gradtool.results import EdgeResult, Rule, Verdict


def chain(make, length, **more):
    """An input, and so many nodes after one another."""
    nodes = [make.node(0, "x", "input", name="x")]
    nodes += [make.node(k, f"sin(n{k - 1})", "sin", edges=(EdgeResult(0, k - 1, 1.0, 1.0),)) for k in range(1, length)]
    return make.graph(make.result([make.input("x")], nodes, references=()), **more)


def test_boxes_and_arrows(make):
    parts = GraphParts(make.graph(make.first_example()), Page())
    assert [box.head for box in parts.boxes] == ["x", "y", "z", "n3  x+y", "n4  max(y,z)", "n5  (x+y)*max(y,z)"]
    assert parts.boxes[1].lines == ("= 2", "↑ 5", "OK")
    assert parts.boxes[5].lines == ("= 6", "↑ 1")
    assert [box.is_output for box in parts.boxes] == [False] * 5 + [True]
    assert [(arrow.key, arrow.source, arrow.local, arrow.sent) for arrow in parts.arrows] == [
        ("3:0", 0, "× 1", "→ 2"), ("3:1", 1, "× 1", "→ 2"), ("4:0", 1, "× 1", "→ 3"), ("4:1", 2, "× 0", "→ 0"),
        ("5:0", 3, "× 2", "→ 2"), ("5:1", 4, "× 3", "→ 3"),
    ]  # fmt: skip
    assert parts.stubs == ()


def test_constants_and_what_is_not_differentiated(make):
    nodes = [
        make.node(0, "x", "input", name="x"),
        make.node(1, "2", "constant", depends_on_input=False, value=2.0),
        make.node(2, "2^2", "power", depends_on_input=False, value=4.0, arguments=(1, 1)),
        make.node(3, "c", "constant", name="c", depends_on_input=False, value=7.0),
        make.node(4, "x+2^2", edges=(EdgeResult(0, 0, 1.0, 1.0),), arguments=(0, 2)),
        make.node(5, "x+c", edges=(EdgeResult(0, 0, 1.0, 0.0),), arguments=(0, 3)),
    ]
    inputs = [make.input("x", gradient=None, symbolic=make.skipped, numeric=make.skipped)]
    parts = GraphParts(make.graph(make.result(inputs, nodes, output=4)), Page())
    assert [(box.head, *box.lines) for box in parts.boxes] == [
        ("x", "= 1", "not differentiated"), ("2",), ("2^2", "= 4"), ("c", "= 7"), ("n4  x+2^2", "= 1", "↑ 1"),
        ("n5  x+c", "= 1", "does not reach the output"),
    ]  # fmt: skip
    assert [box.kind for box in parts.boxes] == ["input"] + ["constant"] * 3 + ["operation"] * 2
    assert {arrow.key: arrow.sent for arrow in parts.arrows if arrow.strength is Strength.NONE} == {
        "2:0": "", "2:1": "", "4:1": "", "5:1": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("sent", "strength"),
    [
        (1.0, "plain"), (0.0, "zero"), (np.zeros(3), "zero"), (1e-5, "vanished"), (1e5, "exploded"), (np.inf, "nonfinite"),
        (np.array([1.0, np.nan]), "nonfinite"),
    ],
)  # fmt: skip
def test_how_gradients_stand_to_that_of_the_output(make, sent, strength):
    nodes = [make.node(0, "x", "input", name="x"), make.node(1, "-x", edges=(EdgeResult(0, 0, 1.0, sent),))]
    (arrow,) = GraphParts(make.graph(make.result([make.input("x")], nodes)), Page()).arrows
    assert arrow.strength == strength


def test_long_names_rules_and_arrays(make):
    long = "a_name_that_goes_on_and_on_and_on"
    rule = Rule("broadcast upstream / n to the shape of the argument", (40, 30))
    nodes = [
        make.node(0, long, "input", name=long, value=np.ones((40, 30)), upstream=np.ones((40, 30)), shape=(40, 30)),
        make.node(1, f"mean({long})", "mean", edges=(EdgeResult(0, 0, rule, np.ones((40, 30))),)),
    ]
    parts = GraphParts(make.graph(make.result([make.input(long)], nodes)), Page())
    assert parts.boxes[0].head == "a_name_that_goes_on_and…"
    assert parts.boxes[0].lines[:2] == ("= (40, 30) all 1", "↑ (40, 30) all 1")
    assert parts.boxes[1].whole == f"n1  mean({long})"
    assert parts.arrows[0].local == "broadcast upstream / n …"
    assert parts.arrows[0].whole == f"{rule.rule} → (40, 30) all 1  into {long}"


def test_where_the_picture_ends(make):
    parts = GraphParts(make.graph(make.first_example(), shown=(1, 4)), Page())
    assert [(stub.node, stub.above, stub.text) for stub in parts.stubs] == [
        (1, True, "… n3"), (4, False, "… z"), (4, True, "… n5"),
    ]  # fmt: skip
    assert [stub.only.sent for stub in parts.stubs] == ["→ 2", "→ 0", "→ 3"]
    assert list(parts.notes())[-2:] == ["… leads to nodes that are not drawn", "2 of 6 nodes are drawn"]
    (stub,) = GraphParts(make.graph(make.first_example(), shown=(1,)), Page()).stubs
    assert (stub.text, stub.only, len(stub.arrows)) == ("… 2 nodes", None, 2)
    twice = [
        make.node(0, "x", "input", name="x"),
        make.node(1, "x*x", edges=tuple(EdgeResult(k, 0, 1.0, 1.0) for k in (0, 1))),
    ]
    (stub,) = GraphParts(make.graph(make.result([make.input("x")], twice), shown=(1,)), Page()).stubs
    assert (stub.text, stub.only) == ("… x", None)


def test_of_a_large_graph_the_nearest_part(make):
    assert GraphParts(chain(make, 600), Page()).drawn == tuple(range(100, 600))
    assert len(GraphParts(chain(make, 600), Page(full=True)).drawn) == 600
    assert nearest(chain(make, 100, around=50), 5) == (48, 49, 50, 51, 52)
    apart = make.graph(make.result([make.input(name, k) for k, name in enumerate("abcd")], output=1))
    assert nearest(apart, 2) == (1, 3)
    assert nearest(apart, 4) == (0, 1, 2, 3)


@pytest.mark.parametrize(
    ("shown", "around", "centre"), [((0, 1, 2, 3, 4, 5), None, 5), ((1, 4), 1, 1), ((1, 4), None, 4)]
)
def test_where_to_look_first(make, shown, around, centre):
    assert GraphParts(make.graph(make.first_example(), shown=shown, around=around), Page()).centre == centre


def test_text_is_safe_to_show_and_signs_fit_the_page(make):
    parts = GraphParts(make.hostile_graph(), Page(unicode=False))
    for text in (*parts.title(), *(line for box in parts.boxes for line in (box.head, *box.lines, box.whole))):
        assert not set(text) & set("\n\x1b\u2028\u202e\ud800")
    assert parts.boxes[0].lines[1] == "^ 1"
    assert parts.boxes[1].verdict is Verdict.WRONG
