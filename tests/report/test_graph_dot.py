import shutil
import subprocess
from io import StringIO
from xml.etree import ElementTree

import pytest

from gradtool.report import Page
from gradtool.report.graph_dot import render_graph
from gradtool.report.printable import one_line

FIRST_EXAMPLE = r"""digraph gradient {
  graph [rankdir=BT, labelloc=t, labeljust=l, fontname="monospace", fontsize=11];
  node [shape=box, style=rounded, fontname="monospace", fontsize=11];
  edge [fontname="monospace", fontsize=9];
  label="(x+y)*max(y,z) = 6\l↑ gradient that arrives at a node\l× local derivative → gradient sent down\l";
  n0 [label="x\n= 1\n↑ 2\nOK", tooltip="x", style=solid];
  n1 [label="y\n= 2\n↑ 5\nOK", tooltip="y", style=solid];
  n2 [label="z\n= 0\n↑ 0\nOK", tooltip="z", style=solid];
  n3 [label="n3  x+y\n= 3\n↑ 2", tooltip="n3  x+y"];
  n4 [label="n4  max(y,z)\n= 2\n↑ 3", tooltip="n4  max(y,z)"];
  n5 [label="n5  (x+y)*max(y,z)\n= 6\n↑ 1", tooltip="n5  (x+y)*max(y,z)", penwidth=2];
  n0 -> n3 [label="× 1\n→ 2"];
  n1 -> n3 [label="× 1\n→ 2"];
  n1 -> n4 [label="× 1\n→ 3"];
  n2 -> n4 [label="× 0\n→ 0", style="dashed", color="gray50", fontcolor="gray40"];
  n3 -> n5 [label="× 2\n→ 2"];
  n4 -> n5 [label="× 3\n→ 3"];
}
"""


def rendered(result, **page):
    stream = StringIO()
    render_graph(result, stream, Page(**page))
    return stream.getvalue()


def by_graphviz(text):
    """What Graphviz makes of it: the lines of text of each node or edge, in its SVG."""
    dot = shutil.which("dot")
    if dot is None:
        pytest.skip("needs Graphviz: there is no dot")
    found = subprocess.run([dot, "-Tsvg"], input=text.encode(), capture_output=True, check=True, timeout=60)
    assert found.stderr == b""
    groups = ElementTree.fromstring(found.stdout).iter("{http://www.w3.org/2000/svg}g")
    space = "{http://www.w3.org/2000/svg}"
    return {g.findtext(f"{space}title"): [text.text or "" for text in g.iter(f"{space}text")] for g in groups}


def test_the_first_example_exactly(make):
    assert rendered(make.graph(make.first_example())) == FIRST_EXAMPLE


def test_graphviz_reads_values_and_gradients(make):
    found = by_graphviz(FIRST_EXAMPLE)
    assert found["n1"] == ["y", "= 2", "↑ 5", "OK"]
    assert found["n1->n4"] == ["× 1", "→ 3"]


def test_graphviz_shows_hostile_text_as_it_is(make):
    result = make.hostile_graph()
    found = by_graphviz(rendered(result))
    for node in result.evaluation.nodes[:-2]:
        shown = found[f"n{node.id}"][0].replace("\xa0", " ")
        assert shown in (one_line(node.name), f"n{node.id}  {node.name}")


def test_in_ascii(make):
    assert rendered(make.graph(make.first_example()), unicode=False).isascii()


def test_edges_that_leave_the_picture(make):
    text = rendered(make.graph(make.first_example(), shown=(1, 4)))
    assert (
        '  n4_above [label="… n5", shape=plaintext, fontcolor="gray40"];\n  n4 -> n4_above [label="× 3\\n→ 3"];\n'
        in text
    )
    assert "  n4_below -> n4 [" in text
    assert by_graphviz(text)["n4_above"] == ["… n5"]
    assert '  n1 -> n1_above [style="dashed"];\n' in rendered(make.graph(make.first_example(), shown=(1,)))


def test_a_single_node(make):
    assert "->" not in rendered(make.graph(make.result([make.input("x")])))
