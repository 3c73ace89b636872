import os
import subprocess
import sys
from io import StringIO
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest

from gradtool.report import Page
from gradtool.report.extras import MissingExtraError
from gradtool.report.graph_svg import render_graph
from gradtool.report.printable import one_line
from gradtool.results import EdgeResult, Rule, Verdict

SPACE = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def svg():
    pytest.importorskip("igraph", reason="the extra draw lays graphs out")
    return lambda result, **page: ElementTree.fromstring(rendered(result, **page))


def rendered(result, **page):
    stream = StringIO()
    render_graph(result, stream, Page(**page))
    return stream.getvalue()


def parts(root, name):
    return {g.get(f"data-{name}"): g for g in root.iter(f"{SPACE}g") if g.get(f"data-{name}") is not None}


def lines(group):
    return ["".join(text.itertext()) for text in group.iter(f"{SPACE}text")]


def test_boxes_have_values_and_edges_have_gradients(make, svg):
    root = svg(make.graph(make.first_example()))
    assert lines(parts(root, "node")["1"]) == ["y", "= 2", "↑ 5", "OK"]
    assert lines(parts(root, "node")["5"]) == ["n5  (x+y)*max(y,z)", "= 6", "↑ 1"]
    assert {key: lines(edge) for key, edge in parts(root, "edge").items()} == {
        "3:0": ["× 1", "→ 2"], "3:1": ["× 1", "→ 2"], "4:0": ["× 1", "→ 3"], "4:1": ["× 0", "→ 0"], "5:0": ["× 2", "→ 2"],
        "5:1": ["× 3", "→ 3"],
    }  # fmt: skip
    assert root.findtext(f"{SPACE}title") == "(x+y)*max(y,z) = 6"


def test_what_an_edge_looks_like(make, svg):
    sent = {"plain": 1.0, "zero": 0.0, "vanished": 1e-6, "exploded": 1e6, "nonfinite": np.nan}
    nodes = [make.node(k, name, "input", name=name) for k, name in enumerate(sent)]
    nodes.append(make.node(5, "c", "constant", depends_on_input=False))
    edges = tuple(EdgeResult(k, k, 1.0, value) for k, value in enumerate(sent.values()))
    nodes.append(make.node(6, "f", "max", edges=edges, arguments=tuple(range(6))))
    root = svg(make.graph(make.result([make.input(name, k) for k, name in enumerate(sent)], nodes)))
    found = parts(root, "edge")
    assert [found[f"6:{k}"].get("class") for k in range(6)] == [f"edge {name}" for name in (*sent, "none")]
    widths = [float(found[f"6:{k}"].find(f"{SPACE}path").get("stroke-width")) for k in range(6)]
    assert widths[3] == max(widths) > widths[0] >= widths[2] == widths[1] == widths[5] == 1
    shown = " ".join(root.itertext())
    assert all(word in shown for word in ("gradient 0", "vanished: below 0.0001", "exploded: above", "no gradient"))


def test_wrong_inputs_and_the_output_stand_out(make, svg):
    nodes = [make.node(0, "x", "input", name="x"), make.node(1, "-x", edges=(EdgeResult(0, 0, -1.0, -1.0),))]
    found = parts(svg(make.graph(make.result([make.input("x", verdict=Verdict.WRONG)], nodes))), "node")
    assert found["0"].get("class") == "node input wrong WRONG"
    assert found["1"].get("class") == "node operation output"


def test_hostile_text_is_text(make, svg):
    result = make.hostile_graph()
    boxes = parts(svg(result), "node")
    for node in result.evaluation.nodes[:-2]:
        assert one_line(node.name) in boxes[str(node.id)].findtext(f"{SPACE}title")


def test_it_is_ascii_whatever_the_page(make, svg):
    svg(make.graph(make.first_example()))
    text = rendered(make.graph(make.first_example()), unicode=False)
    assert text.isascii()
    assert text == rendered(make.graph(make.first_example()))
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<svg xmlns="http://www.w3.org/2000/svg" ')
    assert "prefers-color-scheme:dark" in text


def test_edges_that_leave_the_picture(make, svg):
    root = svg(make.graph(make.first_example(), shown=(1, 4)))
    assert sorted(parts(root, "edge")) == ["3:1", "4:0", "4:1", "5:1"]
    stubs = [lines(g) for g in root.iter(f"{SPACE}g") if g.get("class") == "stub small"]
    assert sorted(stubs) == [["… n3"], ["… n5"], ["… z"]]
    assert "2 of 6 nodes are drawn" in " ".join(root.itertext())


@pytest.mark.parametrize("value", [1.0, np.nan, -np.inf, np.zeros((40, 30)), np.zeros((0, 3))])
def test_a_single_node(make, svg, value):
    nodes = [make.node(0, "x", "input", name="x", value=value, upstream=value, shape=np.shape(value))]
    root = svg(make.graph(make.result([make.input("x", value=value)], nodes)))
    assert len(parts(root, "node")) == 1
    assert parts(root, "edge") == {}


def test_constants_alone(make, svg):
    nodes = [make.node(0, "2", "constant", value=2.0, depends_on_input=False)]
    assert lines(parts(svg(make.graph(make.result([], nodes, references=()))), "node")["0"]) == ["2"]


def test_texts_of_fifty_nodes_do_not_overlap(make, svg):
    rule = Rule("broadcast upstream to the shape of n7", (4, 3))
    nodes = [make.node(k, f"x{k}", "input", name=f"x{k}") for k in range(10)]
    for k in range(10, 50):
        sources = sorted({k - 1, k * 7 % k, k * 3 % k})
        edges = tuple(EdgeResult(i, j, rule if i else -1.23457e-12, 1.23457e-12) for i, j in enumerate(sources))
        nodes.append(make.node(k, f"max(n{k},x1*x2)", "max", value=-1.23457e-12, edges=edges))
    root = svg(make.graph(make.result([make.input(f"x{k}", k) for k in range(10)], nodes)))
    boxes = []
    for element in root.iter(f"{SPACE}text"):
        if element.get("class") not in ("note", "label"):
            text = "".join(element.itertext())
            small = text.startswith(("×", "→", "broad"))
            x, y, size = float(element.get("x")), float(element.get("y")), 11 if small else 13
            boxes.append((x, y - size + 3, x + len(text) * size * 0.602, y + 2, text))
    drawing = boxes[: 4 * 50 + 2 * len(parts(root, "edge"))]
    assert len(drawing) > 300
    for a, b in combinations(drawing, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1], (a, b)


def test_the_same_bytes_in_every_process(make, svg):
    svg(make.graph(make.first_example()))
    program = "; ".join(f"h{k} = h{k - 1}*x{k % 3} + h{k // 2}" for k in range(1, 12)).replace("h0", "x0")
    command = [sys.executable, "-m", "gradtool", "graph", program, "x0=1", "x1=2", "x2=3", "--format", "svg"]
    texts = [
        subprocess.run(command, capture_output=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed}).stdout
        for seed in ("1", "2")
    ]
    assert texts[0] == texts[1] != b""


def test_without_igraph_nothing_is_written(make, monkeypatch):
    monkeypatch.setitem(sys.modules, "igraph", None)
    stream = StringIO()
    with pytest.raises(
        MissingExtraError, match=r"a drawing as SVG or HTML needs igraph: pip install 'gradtool\[draw\]'"
    ):
        render_graph(make.graph(make.first_example()), stream, Page())
    assert stream.getvalue() == ""
