"""The page's text, and what it does in a real browser where there is one."""

import json
import re
import sys
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from io import StringIO

import numpy as np
import pytest

from gradtool.report import Page
from gradtool.report.extras import MissingExtraError
from gradtool.report.graph_html import render_graph
from gradtool.results import EdgeResult, GradientPath, GraphDifference, InputPaths, Verdict

PATHS = (
    InputPaths(
        "y", 1, 5.0, (GradientPath((1, 4, 5), (0, 1), 3.0, 0.6), GradientPath((1, 3, 5), (1, 0), 2.0, 0.4)), 0.0, 2, 1.0
    ),
)
CLASSES = "Array.from(document.querySelectorAll('{}'), (e) => e.dataset.edge || Number(e.dataset.node))"


class Reader(HTMLParser):
    """Elements with their attributes, and what stands in scripts and styles."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.raw = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag in ("script", "style"):
            self.raw.append([tag, dict(attributes), ""])

    def handle_data(self, data):
        if self.cdata_elem:
            self.raw[-1][2] += data


def rendered(result, **page):
    pytest.importorskip("igraph", reason="the extra draw lays graphs out")
    stream = StringIO()
    render_graph(result, stream, Page(**page))
    return stream.getvalue()


def data(text):
    (found,) = [inside for _, attributes, inside in Reader(text).raw if attributes.get("id") == "data"]
    return json.loads(found)


@pytest.fixture(scope="module")
def browser(browsers):
    if browsers.chromium() is None:
        pytest.skip("needs Chromium: there is none")
    found = browsers.Browser()
    yield found
    found.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Opens a result from a file, and sees to it that nothing went wrong in the page in the end."""

    def show(result, size=(1280, 800), **page):
        path = tmp_path / "graph & page.html"
        path.write_text(rendered(result, **page), encoding="utf-8")
        browser.size(*size)
        browser.open(path)
        return browser

    yield show
    assert browser.problems == []
    assert [url for url in browser.requests if not url.startswith(("file:", "data:"))] == []


def panel(browser):
    """The rows of the panel's tables, cell by cell."""
    return browser.run(
        "Array.from(document.querySelectorAll('#node > table tr'), (r) => Array.from(r.cells, (c) => c.innerText))"
    )


def test_the_page_needs_nothing_else(make):
    reader = Reader(rendered(make.graph(make.first_example(), paths=PATHS)))
    assert rendered(make.graph(make.first_example())).isascii()
    for tag, attributes in reader.elements:
        assert not {"src", "srcset", "style", "onclick", "onload"} & set(attributes), tag
        assert attributes.get("href", "data:,") == "data:,"
    ((policy,),) = [[a["content"]] for t, a in reader.elements if t == "meta" and "http-equiv" in a]
    assert policy.startswith("default-src 'none'; ")
    for tag, attributes, inside in reader.raw:
        if "type" not in attributes:
            digest = b64encode(sha256(inside.encode()).digest()).decode()
            assert re.search(f"{tag}-src 'sha256-{re.escape(digest)}'", policy)
        assert "http:" not in inside
        assert "https:" not in inside


def test_no_data_ends_the_script(make):
    text = rendered(make.hostile_graph())
    assert len(Reader(text).raw) == 3
    (inside,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert not set(inside) & set("<>&\u2028\u2029")
    names = [node["name"] for node in data(text)["graph"]["nodes"]]
    assert names == [node.name for node in make.hostile_graph().evaluation.nodes]


def test_large_arrays_go_by_their_figures(make):
    nodes = [make.node(0, "x", "input", name="x", value=np.ones(2000), upstream=np.ones(2000), shape=(2000,))]
    result = make.graph(make.result([make.input("x", value=np.ones(2000))], nodes))
    assert data(rendered(result))["graph"]["nodes"][0]["value"]["norm"] == pytest.approx(2000**0.5)
    assert len(data(rendered(result, max_elements=None))["graph"]["nodes"][0]["value"]) == 2000


def test_what_is_said_of_paths_that_are_not_listed(make):
    found = replace(PATHS[0], count=3**20_000, rest=1.5, cancellation=0.25, proven=False)
    text = rendered(make.graph(make.first_example(), paths=(found,)))
    assert "about 10^9542 other paths, together 1.5<" in text
    assert "it is not proven that no other path is larger<" in text
    assert "|sum| is 25 % of the sum" in text
    assert "no path from the output" in rendered(make.graph(make.first_example(), paths=(replace(found, paths=()),)))


def test_the_same_bytes_twice(make):
    assert rendered(make.hostile_graph()) == rendered(make.hostile_graph())


def test_without_igraph_nothing_is_written(make, monkeypatch):
    monkeypatch.setitem(sys.modules, "igraph", None)
    stream = StringIO()
    with pytest.raises(MissingExtraError, match=r"gradtool\[draw\]"):
        render_graph(make.graph(make.first_example()), stream, Page())
    assert stream.getvalue() == ""


def test_a_click_shows_what_is_known_of_a_node(make, opened):
    page = opened(make.graph(make.first_example()))
    page.click("[data-node='4'] rect")
    assert page.run("document.querySelector('#node h2').innerText") == "n4"
    assert panel(page) == [
        ["operation", "max"], ["value", "2"], ["upstream", "3"], ["into", "local", "downstream"], ["y", "1", "3"],
        ["z", "0", "0"], ["from", "downstream"], ["n5", "3"],
    ]  # fmt: skip
    assert page.run("document.querySelector('#node pre').innerText") == "(x+y)*max(y,z)"
    assert page.run("document.querySelector('#node pre mark').innerText") == "max(y,z)"
    assert page.run(CLASSES.format(".node.selected")) == [4]
    page.key("Escape")
    assert page.run(CLASSES.format(".node.selected")) == []


def test_inputs_have_references_a_verdict_and_diagnostics(make, opened):
    example = make.first_example()
    wrong = replace(example.inputs[1], verdict=Verdict.WRONG, reason="SymPy says <b>4</b>")
    found = (make.Diagnostic("GT101", "warning", "a tie", 1),)
    result = replace(example, inputs=(example.inputs[0], wrong, example.inputs[2]), diagnostics=found)
    page = opened(make.graph(replace(result, verdict=Verdict.WRONG)))
    page.click("[data-node='1'] rect")
    rows = panel(page)
    assert rows[2:7] == [
        ["upstream", "5"], ["symbolic", "5"], ["numeric", "5 ± 1e-11"], ["verdict", "WRONG"], ["", "SymPy says <b>4</b>"],
    ]  # fmt: skip
    assert rows[7:] == [["from", "downstream"], ["n3", "2"], ["n4", "3"]]
    assert page.run("document.querySelector('#node p').innerText") == "GT101 warning: a tie"
    page.click("#diagnostics button")
    assert page.run("document.querySelector('#node h2').innerText") == "y"


def test_search_jumps_to_a_node(make, opened):
    page = opened(make.graph(make.first_example()))
    page.key("/")
    page.type("max")
    assert page.run("Array.from(document.querySelectorAll('#found li'), (e) => e.innerText.trim())") == [
        "n5  (x+y)*max(y,z)", "n4  max(y,z)",
    ]  # fmt: skip
    page.key("ArrowDown")
    page.key("Enter")
    assert page.run("document.querySelector('#node h2').innerText") == "n4"
    assert page.run("document.activeElement.dataset.node") == "4"
    page.run("document.querySelector('#search').value = ''")
    page.click("#search")
    page.type("nowhere")
    assert page.run("document.querySelector('#found').innerText") == "no such node"


def test_a_path_is_highlighted(make, opened):
    page = opened(make.graph(make.first_example(), paths=PATHS))
    texts = page.run("Array.from(document.querySelectorAll('[data-path]'), (e) => e.textContent)")
    assert texts == ["3   60 %   n5 → n4 → y", "2   40 %   n5 → n3 → y"]
    page.click("[data-path='0']")
    assert sorted(page.run(CLASSES.format(".edge.on-path"))) == ["4:0", "5:1"]
    assert page.run(CLASSES.format(".node.on-path")) == [1, 4, 5]
    assert sorted(page.run(CLASSES.format(".edge.dimmed"))) == ["3:0", "3:1", "4:1", "5:0"]
    color = "getComputedStyle(document.querySelector('{} path')).stroke"
    assert page.run(color.format('[data-edge="4:0"]')) != page.run(color.format('[data-edge="3:0"]'))
    page.click("[data-path='0']")
    assert page.run(CLASSES.format(".on-path, .dimmed")) == []


def test_moving_and_zooming(make, opened):
    page = opened(make.graph(make.first_example()))
    box = "document.querySelector('[data-node=\"5\"]').getBoundingClientRect()"
    place = f"(({{x, y, width}}) => [x, y, width])({box})"
    x, y, width = page.run(place)
    page.mouse("mousePressed", 100, 300, button="left", clickCount=1)
    page.mouse("mouseMoved", 130, 320, button="left", buttons=1)
    page.mouse("mouseReleased", 130, 320, button="left", clickCount=1)
    assert page.run(place) == pytest.approx([x + 30, y + 20, width], abs=0.1)
    page.mouse("mouseWheel", x + 30, y + 20, deltaX=0, deltaY=-200)
    assert page.run(f"new Promise((r) => setTimeout(() => r({place}), 100))")[2] > 1.2 * width
    page.click("[data-zoom=fit]")
    assert page.run(place) == pytest.approx([x, y, width], abs=0.1)
    page.click("[data-zoom=in]")
    assert page.run(place)[2] == pytest.approx(1.25 * width, rel=1e-3)
    page.key("-")
    assert page.run(place)[2] == pytest.approx(width, rel=1e-3)
    page.run("document.querySelector('main').focus()")
    page.key("ArrowUp")
    assert page.run(place)[1] == pytest.approx(y + 60, abs=0.1)
    page.mouse("mousePressed", x + 10, y + 65, button="left", clickCount=1)
    page.mouse("mouseMoved", x + 60, y + 65, button="left", buttons=1)
    page.mouse("mouseReleased", x + 60, y + 65, button="left", clickCount=1)
    assert page.run(CLASSES.format(".node.selected")) == []  # A drag is no click.


def test_the_keyboard_reaches_every_node(make, opened):
    page = opened(make.graph(make.first_example()))
    assert page.run("document.querySelectorAll('.node[tabindex=\"0\"][role=button][aria-label]').length") == 6
    page.run("document.querySelector('[data-node=\"5\"]').focus()")
    page.key("Enter")
    assert page.run(CLASSES.format(".node.selected")) == [5]
    page.key("ArrowDown")
    page.key("ArrowDown")
    assert page.run(CLASSES.format(".node.selected")) == [0]
    page.key("ArrowUp")
    assert page.run("document.activeElement.dataset.node") == "3"


def test_hostile_text_is_text(make, opened):
    page = opened(make.hostile_graph())
    assert page.run("document.querySelectorAll('b, i, script, em').length") == 2  # The data and the script itself.
    for k in range(0, 26, 5):
        page.run(
            f"document.querySelector('[data-node=\"{k}\"]').dispatchEvent(new MouseEvent('click', {{bubbles: true}}))"
        )
        assert page.run("document.querySelector('#facts').rows.length") > 3
    assert page.run("document.querySelectorAll('b, i, script, em').length") == 2


def test_spans_count_characters_and_traced_nodes_have_a_line(make, opened):
    nodes = [
        make.node(0, "x", "input", name="x", span=(5, 6)),
        make.node(1, "-x", file="net & co.py", line=7, edges=(EdgeResult(0, 0, -1.0, -1.0),)),
    ]
    page = opened(make.graph(make.result([make.input("x")], nodes, expression="# 𝒙𝒙\nx")))
    page.click("[data-node='0'] rect")
    assert page.run("document.querySelector('#node pre mark').innerText") == "x"
    page.click("[data-node='1'] rect")
    assert page.run("document.querySelector('#node pre').innerText") == "net & co.py:7"


def test_arrays_and_what_is_no_number(make, opened):
    values = {
        "m": np.array([[1.0, np.nan], [np.inf, 1 / 3]]), "t": np.zeros((2, 1, 2)), "e": np.zeros((0, 3)), "s": -np.inf,
        "l": np.ones(2000),
    }  # fmt: skip
    nodes = [
        make.node(k, name, "input", name=name, value=value, upstream=value, shape=np.shape(value))
        for k, (name, value) in enumerate(values.items())
    ]
    inputs = [make.input(name, k, value=value, gradient=value) for k, (name, value) in enumerate(values.items())]
    page = opened(make.graph(make.result(inputs, nodes)))
    shown = []
    for k in range(len(nodes)):
        page.click(f"[data-node='{k}'] rect")
        query = "Array.from(document.querySelectorAll('#facts > tr > td'), (e) => e.innerText.split(/\\s+/).join(' '))"
        shown.append(page.run(query)[1 if k == 3 else 2])
    assert shown == ["1 nan inf 0.333333", "0 0 0 0", "[]", "-inf", "(2000,) min 1 max 1 mean 1 norm 44.7214"]


def test_a_part_of_a_graph_and_a_difference(make, opened):
    result = make.first_example()
    difference = GraphDifference(result, result, (), None)
    page = opened(make.graph(result, shown=(1, 4), paths=PATHS, difference=difference))
    assert page.run("document.querySelectorAll('.stub').length") == 3
    assert "2 of 6 nodes are drawn" in page.run("document.querySelector('aside').innerText")
    assert "the same structure and values" in page.run("document.querySelector('#difference').innerText")
    page.click("[data-path='0']")
    assert sorted(page.run(CLASSES.format(".edge.on-path"))) == ["4:0", "5:1"]
    page.click("[data-node='4'] rect")
    assert page.run("document.querySelectorAll('#node button:disabled').length") == 1  # z is not drawn.


@pytest.mark.parametrize("size", [(1280, 800), (400, 700)])
def test_a_single_node(make, opened, size):
    page = opened(make.graph(make.result([make.input("x")])), size)
    page.click("[data-node='0'] rect")
    assert page.run("document.querySelector('#node h2').innerText") == "x"
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
