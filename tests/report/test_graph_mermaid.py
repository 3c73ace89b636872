"""The text exactly. That Mermaid's own parser reads it, hostile names too, was tried by hand with version 11."""

import re
from io import StringIO

import pytest

from gradtool.report import Page
from gradtool.report.graph_mermaid import CLASSES, MOST_EDGES, render_graph
from gradtool.results import EdgeResult, Verdict

FIRST_EXAMPLE = """\
flowchart TB
  %% (x+y)*max(y,z) = 6
  %% ↑ gradient that arrives at a node
  %% × local derivative → gradient sent down
  n5["n5  (x+y)#42;max(y,z)<br/>= 6<br/>↑ 1"]:::output
  n4["n4  max(y,z)<br/>= 2<br/>↑ 3"]
  n3["n3  x+y<br/>= 3<br/>↑ 2"]
  n2["z<br/>= 0<br/>↑ 0<br/>OK"]:::input
  n1["y<br/>= 2<br/>↑ 5<br/>OK"]:::input
  n0["x<br/>= 1<br/>↑ 2<br/>OK"]:::input
  n4 --> n5
  n5 -. "× 3 → 3" .-> n4
  n3 --> n5
  n5 -. "× 2 → 2" .-> n3
  n2 --> n4
  n4 -. "× 0 → 0" .-> n2
  n1 --> n4
  n4 -. "× 1 → 3" .-> n1
  n1 --> n3
  n3 -. "× 1 → 2" .-> n1
  n0 --> n3
  n3 -. "× 1 → 2" .-> n0
  classDef input stroke-width:2px
  classDef constant stroke-dasharray:2 2
  classDef output stroke-width:3px
  classDef wrong stroke:#cf222e,stroke-width:3px
  classDef beyond stroke-dasharray:2 2
  linkStyle 5 stroke:#8c959f
"""

NODE = re.compile(r'  n\d+(above|below)?(\["[^"\n]*"\]|\(\["[^"\n]*"\]\))(:::\w+)?')
EDGE = re.compile(r'  n\d+(above|below)? (-->|-\.->|-\. "[^"\n]*" \.->) n\d+(above|below)?')


def rendered(result, **page):
    stream = StringIO()
    render_graph(result, stream, Page(**page))
    return stream.getvalue()


def test_the_first_example_exactly(make):
    assert rendered(make.graph(make.first_example())) == FIRST_EXAMPLE


def test_an_edge_twice_to_the_same_node(make):
    edges = tuple(EdgeResult(k, 0, 3.0, 3.0) for k in (0, 1))
    nodes = [make.node(0, "x", "input", name="x"), make.node(1, "x*x", edges=edges)]
    text = rendered(make.graph(make.result([make.input("x")], nodes)))
    assert text.count("n0 --> n1\n") == text.count('n1 -. "× 3 → 3" .-> n0\n') == 2


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ('a"b', "a#34;b"), ("</b>", "#60;/b#62;"), ("#quot;", "#35;quot#59;"), ("`md`", "#96;md#96;"), ("_em_", "#95;em#95;"),
        ("W_1", "W_1"), ("w[red]", "w[red]"), ("%%{init", "#37;#37;#123;init"), ("é∂", "é∂"), ("a:b", "a#58;b"),
        ("$$", "#36;\u200b#36;"), ("fa:fa-x", "fa#58;\u200bfa-x"),
    ],
)  # fmt: skip
def test_what_would_be_markup_goes_by_its_number(make, name, shown):
    assert f'n0["{shown}<br/>' in rendered(make.graph(make.result([make.input(name)])))


def test_hostile_text_stays_within_its_quotes(make):
    lines = rendered(make.hostile_graph()).splitlines()
    assert lines[0] == "flowchart TB"
    body = [line for line in lines[1:] if not re.match(r"  (%% [^{}]*$|classDef |linkStyle [\d,]+ stroke)", line)]
    assert [line for line in body if not NODE.fullmatch(line) and not EDGE.fullmatch(line)] == []
    assert sum(bool(EDGE.fullmatch(line)) for line in body) == 2 * (len(make.hostile_graph().shown) - 1)


def test_edges_that_leave_the_picture(make):
    text = rendered(make.graph(make.first_example(), shown=(1, 4)))
    assert 'n4above(["… n5"]):::beyond\n' in text
    assert '  n4 --> n4above\n  n4above -. "× 3 → 3" .-> n4\n' in text
    assert "  n1 --> n1above\n  n1above -.-> n1\n" in rendered(make.graph(make.first_example(), shown=(1,)))


def test_no_more_edges_than_mermaid_draws(make):
    nodes = [make.node(0, "x", "input", name="x")]
    for k in range(1, 300):
        edges = tuple(EdgeResult(j, k - 1, 1.0, 1.0) for j in range(3))
        nodes += [make.node(k, "f", edges=edges)]
    result = make.graph(make.result([make.input("x")], nodes))
    edges = sum(bool(EDGE.fullmatch(line)) for line in rendered(result).splitlines())
    assert 100 < edges <= MOST_EDGES
    assert "of 300 nodes are drawn" in rendered(result)
    assert rendered(result, full=True).count("-->") == 897


def test_wrong_inputs_and_constants(make):
    nodes = [make.node(0, "x", "input", name="x"), make.node(1, "2", "constant", depends_on_input=False, value=2.0)]
    nodes.append(make.node(2, "x+2", edges=(EdgeResult(0, 0, 1.0, 1.0),), arguments=(0, 1)))
    text = rendered(make.graph(make.result([make.input("x", verdict=Verdict.WRONG)], nodes)))
    assert '["x<br/>= 1<br/>↑ 1<br/>WRONG"]:::wrong\n' in text
    assert 'n1["2"]:::constant\n' in text
    assert "  n1 --> n2\n  n2 ~~~ n1\n" in text
    assert "-.-> n1" not in text
    assert "".join(f"  {line}\n" for line in CLASSES.split("\n")) in text
