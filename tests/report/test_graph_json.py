import json
from io import StringIO

import numpy as np

from gradtool.report import Page
from gradtool.report.graph_json import render_graph
from gradtool.report.json import render_evaluation
from gradtool.results import Diagnostic, GradientPath, GraphDifference, GraphResult, InputPaths, NodeDifference

PATHS = (InputPaths("y", 1, 5.0, (GradientPath((1, 4, 5), (0, 1), 3.0, 0.6),), 2.0, 2, None, proven=False),)


def document(result, render=render_graph, **page):
    stream = StringIO()
    render(result, stream, Page(**page))
    return json.loads(stream.getvalue())


def drawn(make, **more):
    first = make.first_example()
    result = make.result(
        list(first.inputs), list(first.nodes), diagnostics=(Diagnostic("GT101", "warning", "a tie", 4),), **more
    )
    return GraphResult(result, tuple(range(6)))


def with_more(found, **more):
    return GraphResult(found.evaluation, **{"shown": found.shown, **more})


def test_nodes_and_diagnostics_are_those_of_eval(make):
    found = drawn(make, references=())
    as_graph, as_eval = document(found), document(found.evaluation, render_evaluation)
    assert as_graph["schema"] == "gradtool/graph/1"
    assert list(as_graph) == ["schema", "expression", "output", "nodes", "diagnostics", "seed"]
    assert all(as_graph[key] == as_eval[key] for key in list(as_graph)[1:])
    assert len(as_graph["nodes"]) == 6


def test_only_what_is_shown(make):
    assert [node["id"] for node in document(with_more(drawn(make), shown=(3, 5)))["nodes"]] == [3, 5]


def test_verdicts_where_there_are_references(make):
    found = drawn(make)
    assert document(found)["verdict"] == "OK"
    assert document(found)["inputs"] == document(found.evaluation, render_evaluation)["inputs"]


def test_paths_with_rest_and_total_beside(make):
    found = document(with_more(drawn(make, references=()), paths=PATHS))
    assert found["paths"] == {"y": [{"nodes": [1, 4, 5], "arguments": [0, 1], "contribution": 3.0, "share": 0.6}]}
    beside = {key: found[key]["y"] for key in ("rest", "total", "path_count", "cancellation", "proven")}
    assert beside == {"rest": 2.0, "total": 5.0, "path_count": 2, "cancellation": None, "proven": False}


def test_what_is_no_number_in_a_path(make):
    path = GradientPath((0, 1), (0,), np.array([np.inf, 1.0]), np.nan)
    paths = (InputPaths("x", 0, np.array([np.inf, 1.0]), (path,), np.zeros(2), 3**200, np.nan),)
    found = document(with_more(drawn(make), paths=paths))
    assert found["paths"]["x"][0]["share"] == "NaN"
    assert found["paths"]["x"][0]["contribution"] == ["Infinity", 1.0]
    assert found["path_count"]["x"] == 3**200
    assert document(with_more(drawn(make), paths=paths), max_elements=1)["total"]["x"]["nonfinite"] == 1
    paths = (InputPaths("x", 0, 1.0, (), 0.0, 3**20_000, 1.0),)
    assert document(with_more(drawn(make), paths=paths))["path_count"]["x"] == "about 10^9542"


def test_a_difference_with_the_other_program(make):
    found = drawn(make, references=())
    other = make.result([make.input("x")], expression="x = 3")
    pair, alone = NodeDifference(0, 0, 2.0, np.nan), NodeDifference(None, 0)
    difference = GraphDifference(found.evaluation, other, (pair, alone), pair)
    image = document(with_more(found, difference=difference))
    first = {"left": 0, "right": 0, "kind": "changed", "value": 2.0, "upstream": "NaN"}
    assert image["first_difference"] == first
    assert image["difference"] == [first, {"left": None, "right": 0, "kind": "right", "value": None, "upstream": None}]
    assert image["other"]["expression"] == "x = 3"
    assert [node["name"] for node in image["other"]["nodes"]] == ["x"]
    same = GraphDifference(found.evaluation, other, (), None)
    assert document(with_more(found, difference=same))["first_difference"] is None
