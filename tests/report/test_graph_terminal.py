import re
from io import StringIO

import numpy as np
import pytest

from gradtool.report import Page
from gradtool.report.graph_drawing import MOST_NODES
from gradtool.report.graph_terminal import render_graph
from gradtool.results import (
    Diagnostic,
    EdgeResult,
    GradientPath,
    GraphDifference,
    GraphResult,
    InputPaths,
    NodeDifference,
    Rule,
    Verdict,
)

LEGEND = "↑ gradient that arrives at a node   × local derivative → gradient sent down\n"

FIRST_EXAMPLE = f"""\
(x+y)*max(y,z) = 6

●      n5  (x+y)*max(y,z)  = 6  ↑ 1
├─╮        × 2 → 2  into n3
│ │        × 3 → 3  into n4
│ ●    n3  x+y             = 3  ↑ 2
│ ├─╮      × 1 → 2  into x
│ │ │      × 1 → 2  into y
│ │ ●  x                   = 1  ↑ 2
● │    n4  max(y,z)        = 2  ↑ 3
├─┤        × 1 → 3  into y
│ │        × 0 → 0  into z
│ ●    y                   = 2  ↑ 5
●      z                   = 0  ↑ 0

{LEGEND}"""

IN_ASCII = """\
(x+y)*max(y,z) = 6

*      n5  (x+y)*max(y,z)  = 6  ^ 1
+-.        * 2 -> 2  into n3
| |        * 3 -> 3  into n4
| *    n3  x+y             = 3  ^ 2
| +-.      * 1 -> 2  into x
| | |      * 1 -> 2  into y
| | *  x                   = 1  ^ 2
* |    n4  max(y,z)        = 2  ^ 3
+-+        * 1 -> 3  into y
| |        * 0 -> 0  into z
| *    y                   = 2  ^ 5
*      z                   = 0  ^ 0

^ gradient that arrives at a node   * local derivative -> gradient sent down
"""

PATHS = """\
∂n5/∂y = 5: 2 through + (40 %), 3 through max (60 %)
  sends  share  path
      3  60 %   n5 → n4 → y
      2         1 other path, together (--top shows more)
  it is not proven that no other path is larger
  contributions cancel: |sum| is 50 % of the sum of |contributions|
"""

NAME = "of_the_weights_of_the_last_layer_of_a_network_with_hostile_names"


def graph(result, **more):
    return GraphResult(result, **{"shown": tuple(range(len(result.nodes))), **more})


def rendered(result, **page):
    stream = StringIO()
    render_graph(result, stream, Page(**page))
    return "".join(line.rstrip() + "\n" for line in stream.getvalue().splitlines())


def example(make, **more):
    return graph(
        make.result(list(make.first_example().inputs), list(make.first_example().nodes), references=()), **more
    )


def edge(argument, source, local=1.0, downstream=1.0):
    return EdgeResult(argument, source, local, downstream)


def chain(make, length):
    """An input, and so many nodes after one another."""
    nodes = [make.node(0, "x", "input", name="x")]
    nodes += [make.node(k, f"sin(n{k - 1})", "sin", edges=(edge(0, k - 1),)) for k in range(1, length)]
    return make.result([make.input("x")], nodes, references=())


def fan(make, width):
    nodes = [make.node(k, f"x{k}", "input", name=f"x{k}") for k in range(width)]
    nodes.append(make.node(width, "max(...)", "max", edges=tuple(edge(k, k) for k in range(width))))
    return make.result([make.input(f"x{k}", k) for k in range(width)], nodes, references=())


@pytest.mark.parametrize("page", [{}, {"width": 80}, {"width": 120}])
def test_the_first_example_exactly(make, page):
    assert rendered(example(make), **page) == FIRST_EXAMPLE


@pytest.mark.parametrize("page", [{}, {"width": 80}, {"width": 120}])
def test_the_first_example_exactly_in_ascii(make, page):
    assert rendered(example(make), unicode=False, **page) == IN_ASCII


def test_an_edge_twice_to_the_same_node(make):
    nodes = [
        make.node(0, "x", "input", name="x", value=3.0, upstream=6.0),
        make.node(1, "x*x", "multiply", value=9.0, edges=(edge(0, 0, 3.0, 3.0), edge(1, 0, 3.0, 3.0))),
    ]
    assert (
        rendered(graph(make.result([make.input("x")], nodes, references=())), width=80)
        == f"""\
x*x = 9

●    n1  x*x  = 9  ↑ 1
├─╮      × 3 → 3  into x
├─╯      × 3 → 3  into x
●    x        = 3  ↑ 6

{LEGEND}"""
    )


def test_arrays_go_by_shape_and_norm_and_rules_by_their_text(make):
    weights, upstream = np.ones((40, 30)), np.full(40, 0.5)
    nodes = [
        make.node(0, "W", "input", name="W", value=weights, upstream=2 * weights, shape=(40, 30)),
        make.node(1, "x", "input", name="x", value=np.arange(30.0), upstream=np.zeros(30), shape=(30,)),
        make.node(
            2, "W@x", "matmul", name="z", value=np.full(40, np.nan), upstream=upstream, shape=(40,),
            edges=(
                edge(0, 0, Rule("outer(upstream, x)", (40, 40, 30)), 2 * weights),
                edge(1, 1, Rule("W.T @ upstream", (40, 30)), np.array([*np.arange(29.0), np.inf])),
            ),
        ),
    ]  # fmt: skip
    found = graph(make.result([make.input("W"), make.input("x", 1)], nodes, references=(), expression="z = W@x"))
    lines = rendered(found, width=80).splitlines()[2:-2]
    assert lines == [
        "●    z  W@x  = (40,) nowhere finite  ↑ (40,) all 0.5",
        "├─╮     outer(upstream, x) → (40, 30) all 2  into W",
        "│ │     W.T @ upstream → (30,) norm 87.8294, 1 not finite  into x",
        "│ ●  W       = (40, 30) all 1        ↑ (40, 30) all 2",
        "●    x       = (30,) norm 92.4932    ↑ (30,) all 0",
    ]


def test_in_a_narrow_terminal_figures_have_a_line_of_their_own(make):
    assert rendered(example(make), width=30).splitlines()[2:8] == [
        "●      n5  (x+y)*max(y,z)",
        "│          = 6  ↑ 1",
        "├─╮        × 2 → 2  into n3",
        "│ │        × 3 → 3  into n4",
        "│ ●    n3  x+y",
        "│ │        = 3  ↑ 2",
    ]


def test_a_long_rule_is_broken_before_its_result(make):
    rule = Rule("broadcast upstream / n to the shape of n12", (40, 30))
    nodes = [
        make.node(0, "x", "input", name="x"),
        make.node(1, "mean(x)", "mean", edges=(edge(0, 0, rule, np.ones((40, 30))),)),
    ]
    lines = rendered(graph(make.result([make.input("x")], nodes, references=())), width=60).splitlines()
    assert lines[3:5] == ["│      broadcast upstream / n to the shape of n12", "│      → (40, 30) all 1  into x"]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_longer_than_the_terminal(make, width):
    nodes = [
        make.node(0, NAME, "input", name=NAME, value=-1.23457e-123, upstream=-1.23457e-123),
        make.node(1, "*".join([NAME] * 20), edges=(edge(0, 0, -1.23457e-123, -1.23457e-123),), value=-1.23457e-123),
        make.node(2, "1.2345678901234567+" * 20 + "n1", edges=(edge(0, 1), edge(1, 0)), value=-1.23457e-123),
    ]
    lines = rendered(graph(make.result([make.input(NAME)], nodes, references=())), width=width).splitlines()[1:]
    assert max(map(len, lines)) <= width
    assert any("…" in line for line in lines)


def test_the_heads_of_paths_are_broken_to_fit(make):
    users = [make.node(k, f"{k}*y", "multiply", edges=(edge(0, 0, k, k),), value=float(k)) for k in range(1, 9)]
    nodes = [make.node(0, "y", "input", name="y"), *users]
    found = InputPaths("y", 0, 36.0, (), 0.0, 0, 0.5)
    given = make.input("y", node=0, gradient=36.0, paths=tuple((k, float(k)) for k in range(1, 9)))
    lines = rendered(graph(make.result([given], nodes, references=()), paths=(found,)), width=60).splitlines()
    assert max(map(len, lines)) <= 60
    assert " ".join(" ".join(lines).split()).count("through n8") == 0
    assert any(line.endswith("and 2 more") for line in lines)


def test_a_drawing_without_edges_ends_without_an_empty_line(make):
    nodes = [make.node(0, "x", "input", name="x", value=2.0, upstream=1.0)]
    assert rendered(graph(make.result([make.input("x")], nodes, references=()))).endswith("x    = 2  ↑ 1\n")


def test_in_a_pipe_nothing_is_cut(make):
    nodes = [make.node(0, "x", "input", name="x"), make.node(1, "+".join(["x"] * 300), edges=(edge(0, 0),))]
    assert nodes[1].expression in rendered(graph(make.result([make.input("x")], nodes))).splitlines()[2]


def test_a_chain_of_two_hundred_is_drawn_in_one_lane(make):
    lines = rendered(graph(chain(make, 200)), width=80).splitlines()[2:-2]
    assert [line[:2] for line in lines] == ["● ", "│ "] * 199 + ["● "]
    assert lines[0].split()[1] == "n199"


def test_a_part_of_a_chain(make):
    text = rendered(graph(chain(make, 200), shown=(98, 99, 100, 101, 102), depth=2, around=100), width=80)
    assert re.findall(r"● +(\w+)", text) == ["n102", "n101", "n100", "n99", "n98"]
    assert "╰…" in text
    assert "… leads to a node that is not drawn\n" in text
    assert "5 of 200 nodes are within 2 edges of n100; --depth 4 shows more" in text
    assert "within 1 edge of n199" in rendered(graph(chain(make, 200), shown=(198, 199), depth=1))


def test_a_large_graph_breaks_off_and_says_so(make):
    found = graph(chain(make, MOST_NODES + 100))
    lines = rendered(found, width=120).splitlines()
    assert sum(line.startswith("●") for line in lines) == MOST_NODES
    assert "┆" in lines
    assert lines[-1].startswith("100 of 600 nodes are not drawn: --full draws all, --depth N")
    in_full = rendered(found, width=120, full=True)
    assert in_full.count("●") == MOST_NODES + 100
    assert "not drawn" not in in_full


def test_a_hundred_thousand_nodes(make):
    text = rendered(graph(chain(make, 100_000)), width=80)
    assert text.count("\n") < 2 * MOST_NODES + 10
    assert "99,500 of 100,000 nodes are not drawn" in text


def test_more_lanes_than_fit_go_by_name(make):
    text = rendered(graph(fan(make, 30)), width=80)
    assert text.count("●") == 31
    assert text.count("├▸") == 16
    assert "▸ 16 edges have no lane but the name of the node below: 15 lanes fit here;\nCOLUMNS=160 or --around" in text
    assert "▸" not in rendered(graph(fan(make, 30)), width=160)
    assert "▸ 11 edges have no lane but the name of the node below: 40 lanes fit here; --full" in rendered(
        graph(fan(make, 50))
    )
    assert "▸" not in rendered(graph(fan(make, 50)), full=True)
    assert "> 1 edge has no lane" in rendered(graph(fan(make, 40)), unicode=False)


def test_constants_are_in_the_expressions_and_drawn_on_a_full_page_alone(make):
    nodes = [
        make.node(0, "x", "input", name="x"),
        make.node(1, "2", "constant", depends_on_input=False),
        make.node(2, "x^2", "power", edges=(edge(0, 0),), arguments=(0, 1)),
    ]
    found = graph(make.result([make.input("x")], nodes, references=()))
    assert "n1" not in rendered(found)
    assert "no gradient  into n1" in rendered(found, full=True)
    alone = make.result([], [make.node(0, "2", "constant", depends_on_input=False, value=2.0)], references=())
    assert rendered(graph(alone)) == "2 = 2\n\n●  n0  2  = 2\n"


def test_labels_and_what_does_not_reach_the_output(make):
    nodes = [
        make.node(0, "z", "input", name="z"),
        make.node(1, "y", "input", name="y", value=np.array([0.0, 2.0]), upstream=np.zeros(2)),
        make.node(2, "cross_entropy(z,y)", "cross_entropy", edges=(edge(0, 0),), arguments=(0, 1)),
        make.node(3, "z+1", name="beside", edges=(edge(0, 0, 1.0, 0.0),)),
    ]
    inputs = [make.input("z"), make.input("y", 1, gradient=None, symbolic=make.skipped, numeric=make.skipped)]
    text = rendered(graph(make.result(inputs, nodes, output=2, references=())))
    assert re.search(r"no gradient  into y", text)
    assert re.search(r"y +\S* += \[0,2\] +not differentiated", text)
    assert re.search(r"● +beside +z\+1 +\S+ 1 +does not reach the output", text)


def test_verdicts_and_the_reasons_for_them(make):
    inputs = [make.input("x", verdict=Verdict.WRONG, reason="SymPy says 3"), make.input("y", 1)]
    lines = rendered(graph(make.result(inputs, output=0))).splitlines()
    assert lines[2].endswith("↑ 1  WRONG")
    assert "  x: SymPy says 3" in lines
    assert lines[-1] == "WRONG: 1 of 2 gradients is wrong"


def test_colours(make):
    nodes = [
        make.node(k, name, "input", name=name, upstream=upstream)
        for k, (name, upstream) in enumerate({"a": 0.0, "b": 1e-9, "c": 1e9, "d": np.nan, "e": 1.0}.items())
    ]
    nodes.append(make.node(5, "f", edges=tuple(edge(k, k, 1.0, nodes[k].upstream) for k in range(5))))
    inputs = [make.input("a", verdict=Verdict.WRONG), *(make.input(name, k + 1) for k, name in enumerate("bcde"))]
    text = rendered(graph(make.result(inputs, nodes)), color=True)
    for code, what in [
        ("2", "× 1 → 0  into a"), ("33", "× 1 → 1e-09  into b"), ("31", "× 1 → 1e+09  into c"),
        ("1;31", "× 1 → nan  into d"), ("1;31", "WRONG"), ("32", "OK"), ("1", "n5"),
    ]:  # fmt: skip
        assert f"\x1b[{code}m{what}\x1b[0m" in text
    assert " × 1 → 1  into e\n" in text
    assert re.sub(r"\x1b\[[\d;]*m", "", text) == rendered(graph(make.result(inputs, nodes)))


def test_text_is_never_markup(make):
    nodes = [make.node(0, "x", "input", name="x"), make.node(1, "x[red]+a[:smile:]", edges=(edge(0, 0),))]
    for page in ({"width": 80}, {"color": True}):
        assert "x[red]+a[:smile:]" in rendered(graph(make.result([make.input("x")], nodes)), **page)


def test_paths(make):
    path = GradientPath((1, 4, 5), (0, 1), 3.0, 0.6)
    found = InputPaths("y", 1, 5.0, (path,), 2.0, 2, 0.5, proven=False)
    assert rendered(example(make, paths=(found,))) == f"{FIRST_EXAMPLE}\n{PATHS}"
    assert "dn5/dy" in rendered(example(make, paths=(found,)), unicode=False)
    assert "n5 -> n4 -> y" in rendered(example(make, paths=(found,)), unicode=False)


def test_paths_where_there_is_little_to_say(make):
    nothing = InputPaths("z", 2, 0.0, (GradientPath((2, 4, 5), (1, 1), 0.0, np.nan),), 0.0, 1, None)
    text = rendered(example(make, paths=(nothing,)))
    assert text.endswith("∂n5/∂z = 0\n  sends  share  path\n      0      -  n5 → n4 → z\n")
    none = InputPaths("z", 2, 0.0, (), 0.0, 0, None)
    assert rendered(example(make, paths=(none,))).endswith("∂n5/∂z = 0\n  no path from the output\n")


def test_paths_say_which_of_two_edges_and_leave_out_the_middle_of_long_ones(make):
    nodes = [make.node(0, "x", "input", name="x"), make.node(1, "x*x", edges=(edge(0, 0), edge(1, 0)))]
    paths = tuple(GradientPath((0, 1), (k,), 1.0, 0.5) for k in range(2))
    text = rendered(graph(make.result([make.input("x")], nodes), paths=(InputPaths("x", 0, 2.0, paths, 0.0, 2, 1.0),)))
    assert "n1 → x (argument 1)\n" in text
    assert "n1 → x (argument 2)\n" in text
    path = GradientPath(tuple(range(200)), (0,) * 199, 1.0, 1.0)
    text = rendered(graph(chain(make, 200), paths=(InputPaths("x", 0, 1.0, (path,), 0.0, 1, 1.0),)))
    assert "n199 → n198 → n197 → n196 → n195 → n194 → … 188 more … → n5 → n4 → n3 → n2 → n1 → x\n" in text


def test_diagnostics_at_nodes_out_of_sight_are_counted(make):
    found = make.result(
        [make.input("x")],
        list(chain(make, 5).nodes),
        diagnostics=(Diagnostic("GT101", "warning", "near", 4), Diagnostic("GT102", "error", "far", 1)),
    )
    text = rendered(graph(found, shown=(3, 4), depth=1))
    assert "GT101 warning: near\n1 diagnostic at nodes out of sight; --full shows them\n" in text
    assert "far" not in text
    assert "GT102 error: far" in rendered(graph(found, shown=(3, 4), depth=1), full=True)


def difference(make, pairs, first=None):
    here, there = make.first_example(), make.result([make.input("x", value=3.0)], expression="x = 3")
    return GraphDifference(here, there, pairs, first)


def test_a_difference_side_by_side(make):
    pairs = (
        NodeDifference(0, 0, 2.0, 1e-16, upstream_rounds=True), NodeDifference(1, None), NodeDifference(None, 0),
        NodeDifference(2, 0, 0.0, 0.0),
    )  # fmt: skip
    text = rendered(example(make, difference=difference(make, pairs, pairs[0])))
    assert (
        text
        == f"""\
{FIRST_EXAMPLE}
compared with
  x = 3
they part first at x: x = 1 here, 3 there
nodes: 1 the same, 1 with other numbers, 1 here alone, 1 there alone
  node  is           expression  value  there  upstream  there
  x     changed      x               1      3         2  same
  y     here alone   y               2                5
  x     there alone  x                      3            1
"""
    )


@pytest.mark.parametrize(
    ("pairs", "first", "line"),
    [
        ((NodeDifference(0, 0, 0.0, 0.0),), None, "the same structure and values and gradients"),
        ((NodeDifference(0, 0, 0.0, 1.0),), None, "the same structure and values, other gradients"),
        ((), NodeDifference(3, None), "they part first at n3, which is here alone: x+y = 3"),
        ((), NodeDifference(None, 0), "they part first at x, which is there alone: x = 3"),
        ((), NodeDifference(3, 0, 1.0), "they part first at n3: x+y = 3 here, x = 3 there"),
    ],
)
def test_where_they_part(make, pairs, first, line):
    assert f"\n{line}\n" in rendered(example(make, difference=difference(make, pairs, first)))


def test_a_long_difference_is_shown_by_its_beginning(make):
    pairs = (NodeDifference(0, None),) * (MOST_NODES + 7)
    found = example(make, difference=difference(make, pairs, pairs[0]))
    assert "7 of 507 nodes left out; --full shows them" in rendered(found)
    assert rendered(found, full=True).count("here alone") == MOST_NODES + 9
