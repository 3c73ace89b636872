"""Whatever the program: the JSON document of graph has the keys and types of its schema, and its figures hang together."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import gradtool
from gradtool.cli import main

HEAD = ["schema", "expression", "output", "nodes", "diagnostics"]
CHECKED = ["inputs", "verdict"]
PATHS = ["paths", "rest", "total", "path_count", "cancellation", "proven"]
DIFFERENCE = ["first_difference", "difference", "other"]
NODE = ["id", "name", "expression", "operation", "shape", "value", "upstream", "span", "line", "edges"]
PAIR = ["left", "right", "kind", "value", "upstream"]


def refuse(token):
    raise AssertionError(f"{token} is not JSON")


def document(*arguments, command="graph"):
    result = CliRunner().invoke(main, [command, *arguments, "--format", "json"])
    assert result.exit_code in (0, 1, 5), result.output
    return json.loads(result.stdout, parse_constant=refuse)


def array(image):
    return np.array(image, dtype=float)  # numpy reads "NaN" and "Infinity" as Python does


def nodes(found, whole):
    for node in found:
        assert list(node) == NODE
        for edge in node["edges"]:
            assert list(edge) == ["argument", "from", "local", "downstream"]
            assert edge["from"] < node["id"]
    ids = [node["id"] for node in found]
    assert ids == sorted(set(ids))
    assert ids == list(range(len(ids))) or not whole
    return {node["id"]: node for node in found}


def paths(found, known):
    names = list(found["paths"])
    assert all(list(found[key]) == names for key in PATHS)
    for name in names:
        listed, total = found["paths"][name], array(found["total"][name])
        sizes = []
        for path in listed:
            assert list(path) == ["nodes", "arguments", "contribution", "share"]
            walk = path["nodes"]
            assert known[walk[0]]["name"] == name
            assert walk[-1] == found["output"]["node"]
            assert len(path["arguments"]) == len(walk) - 1
            for below, above, argument in zip(walk, walk[1:], path["arguments"], strict=False):
                assert (argument, below) in [(edge["argument"], edge["from"]) for edge in known[above]["edges"]]
            sizes.append(np.linalg.norm(array(path["contribution"])))
        assert sizes == sorted(sizes, reverse=True)
        everything = sum((array(path["contribution"]) for path in listed), array(found["rest"][name]))
        np.testing.assert_allclose(everything, total, rtol=1e-9, atol=1e-12 * max(sizes, default=1.0))
        assert type(found["path_count"][name]) is int
        assert found["path_count"][name] >= len(listed)
        assert found["cancellation"][name] is None or 0 <= found["cancellation"][name] <= 1 + 1e-12
        assert type(found["proven"][name]) is bool


def difference(found, known):
    other = found["other"]
    assert list(other) == ["expression", "output", "nodes", "seed"]
    there = nodes(other["nodes"], whole=True)
    for pair in found["difference"]:
        assert list(pair) == PAIR
        assert pair["kind"] in ("same", "changed", "left", "right")
        assert (pair["left"] is None) == (pair["kind"] == "right")
        assert (pair["right"] is None) == (pair["kind"] == "left")
        assert pair["left"] is None or pair["left"] in known
        assert pair["right"] is None or pair["right"] in there
    lefts = [pair["left"] for pair in found["difference"] if pair["left"] is not None]
    assert sorted(lefts) == list(known)
    assert found["first_difference"] is None or found["first_difference"] in found["difference"]


def check(found, extra=(), whole=True):
    """Every promise of the schema. ``extra``: keys that an option asked for."""
    assert list(found) == [*HEAD, *extra, "seed"]
    assert found["schema"] == "gradtool/graph/1"
    assert list(found["output"]) == ["node", "name", "shape", "value"]
    assert found["seed"] is None or type(found["seed"]) is int
    known = nodes(found["nodes"], whole)
    for diagnostic in found["diagnostics"]:
        assert list(diagnostic) == ["code", "severity", "message", "node"]
        assert diagnostic["code"] in gradtool.HEALTH_RULES
    if "paths" in extra:
        paths(found, known)
    if "other" in extra:
        difference(found, known)
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        ("(x+y)*max(y,z)", "x=1", "y=2", "z=0"),
        ("x*x + x", "x=3"),
        ("z = W@x + b; sum(z)", "W=[[1,2,3],[4,5,6]]", "x=[1,0,-1]", "b=0.5"),
        ("sum(softmax(z)*z)", "z=randn(3)"),
        ("sqrt(x^2)", "x=0"),
        ("exp(x)", "x=1e9"),
        ("relu(x) + x*0", "x=-1"),
        ("1+2",),
        ("cross_entropy(z, y)", "z=randn(3,4)", "y=[0,1,3]"),
        ("y = x; z = y; y = z*2; y", "x=1"),
    ],
)
def test_schema(arguments):
    found = check(document(*arguments))
    plain = document(*arguments, "--reference", "none", command="eval")
    assert all(found[key] == plain[key] for key in [*HEAD[1:], "seed"])
    inputs = [i["name"] for i in plain["inputs"] if i["gradient"] is not None]
    named = ("--paths", ",".join(inputs)) if inputs else ()
    check(document(*arguments, *named), PATHS * bool(inputs))
    check(document(*arguments, "--reference", "all"), CHECKED)
    check(document(*arguments, "--depth", "1"), whole=False)


def test_with_everything():
    point = ("x=1", "y=2", "z=0")
    arguments = ("(x+y)*max(y,z)", *point, "--reference", "all", "--paths", "x,y,z", "--top", "1", "--diff", "y=3")
    check(document(*arguments), [*CHECKED, *PATHS, *DIFFERENCE])
    check(document("(x+y)*max(y,z)", *point, "--diff", "(x+y)*min(y,z)+x"), DIFFERENCE)
    check(document("(x+y)*max(y,z)", *point, "--diff", "(y+x)*max(y,z)"), DIFFERENCE)


def test_large_arrays_go_by_their_figures():
    found = document("sum(x^2)", "x=ones(50)", "--max-elements", "10", "--paths", "x")
    assert found["total"]["x"]["shape"] == [50]
    assert found["paths"]["x"][0]["contribution"]["norm"] == pytest.approx(2 * 50**0.5)


TERMS = st.recursive(
    st.sampled_from(["x", "y", "2"]),
    lambda inner: st.one_of(
        st.builds("({}{}{})".format, inner, st.sampled_from("+-*"), inner),
        st.builds("{}({})".format, st.sampled_from(["sin", "tanh", "exp"]), inner),
    ),
    max_leaves=12,
)


@given(TERMS, TERMS, st.integers(1, 5))
@settings(deadline=None, max_examples=40)
def test_random_programs(program, other, top):
    programs = [f"{text} + x + y" for text in (program, other)]
    point = ("x=0.5", "y=-1.5", "--paths", "x,y", "--top", str(top))
    check(document(programs[0], *point, "--diff", programs[1]), [*PATHS, *DIFFERENCE])
