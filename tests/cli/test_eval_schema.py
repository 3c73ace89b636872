"""Whatever the program: the JSON document has the keys and types of its schema, and its figures hang together."""

import json
import math

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import gradtool
from gradtool.cli import main

FIGURES = ["shape", "min", "max", "mean", "norm", "nonfinite"]
WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
OPTIONAL = {"dtype": str, "layers": list, "microbatches": dict, "hessian": dict}


def refuse(token):
    raise AssertionError(f"{token} is not JSON")


def document(*arguments):
    result = CliRunner().invoke(main, ["eval", *arguments, "--format", "json"])
    assert result.exit_code in (0, 1, 5), result.output
    return json.loads(result.stdout, parse_constant=refuse)


def number(image):
    assert type(image) in (int, float) or image in WORDS, image
    return WORDS.get(image, image)


def value(image, shape):
    """The array that a value of this shape stands for; None where only its figures are given."""
    if isinstance(image, dict):
        assert list(image) == FIGURES
        assert image["shape"] == shape
        assert [number(image[key]) for key in FIGURES[1:5]]
        assert type(image["nonfinite"]) is int
        return None

    def entries(part, rest):
        if not rest:
            return number(part)
        assert isinstance(part, list)
        assert len(part) == rest[0]
        return [entries(inner, rest[1:]) for inner in part]

    return np.array(entries(image, shape) if 0 not in shape else np.zeros(shape), dtype=float)


def reference(image, shape, more):
    assert list(image) == ["status", "value", *more, "reason"]
    assert image["status"] in ("ok", "skipped", "failed")
    if image["status"] == "ok":
        value(image["value"], shape)
    else:
        assert image["value"] is None
    assert type(image["reason"]) is str or (image["status"] == "ok" and image["reason"] is None)


def check(found, extra=()):
    """Every promise of the schema. ``extra``: keys that an option asked for."""
    required = ["schema", "expression", "output", "inputs", "nodes", "diagnostics", "seed", "verdict"]
    assert list(found) == [*required, *extra]
    assert all(type(found[key]) is OPTIONAL[key] for key in extra)
    assert found["schema"] == "gradtool/eval/1"
    assert found["seed"] is None or type(found["seed"]) is int
    assert found["verdict"] in ("OK", "WRONG", "UNDECIDED")
    nodes = found["nodes"]
    shapes = [node["shape"] for node in nodes]
    output = found["output"]
    assert list(output) == ["node", "name", "shape", "value"]
    assert {key: output[key] for key in ("name", "shape", "value")} == {
        key: nodes[output["node"]][key] for key in ("name", "shape", "value")
    }
    received = [np.zeros(shape) for shape in shapes]
    for i, node in enumerate(nodes):
        assert list(node) == [
            "id", "name", "expression", "operation", "shape", "value", "upstream", "span", "line", "edges",
        ]  # fmt: skip
        assert node["id"] == i
        assert node["name"] is None or node["name"].isidentifier()
        value(node["value"], node["shape"])
        value(node["upstream"], node["shape"])
        start, stop = node["span"]
        text = found["expression"][start:stop]
        assert 0 <= start < stop <= len(found["expression"])
        assert text.strip() == text
        assert node["line"] == 1 + found["expression"].count("\n", 0, start)
        positions = [edge["argument"] for edge in node["edges"]]  # edges to constants and the like are left out
        assert positions == sorted(set(positions))
        for edge in node["edges"]:
            assert list(edge) == ["argument", "from", "local", "downstream"]
            source = edge["from"]
            assert source < i  # topological
            local = edge["local"]
            if isinstance(local, dict) and "rule" in local:
                assert list(local) in (["rule", "jacobian_shape"], ["rule", "jacobian_shape", "jacobian"])
                assert type(local["rule"]) is str
                assert local["jacobian_shape"] == node["shape"] + shapes[source]
                if "jacobian" in local:
                    value(local["jacobian"], local["jacobian_shape"])
            else:
                value(local, node["shape"])
            downstream = value(edge["downstream"], shapes[source])
            if downstream is not None:
                with np.errstate(all="ignore"):
                    received[source] = received[source] + downstream
    for node, total in zip(nodes, received, strict=True):
        upstream = value(node["upstream"], node["shape"])
        # The output's upstream comes from outside; a constant takes nothing.
        if node["id"] != output["node"] and node["operation"] != "constant" and upstream is not None:
            np.testing.assert_allclose(total, upstream, rtol=1e-12, atol=1e-300)
    verdicts = set()
    for found_input in found["inputs"]:
        keys = ["name", "node", "shape", "value", "gradient", "references", "verdict", "reason"]
        assert list(found_input)[:8] == keys
        assert set(list(found_input)[8:]) <= {"clipped"}
        node = nodes[found_input["node"]]
        shape = found_input["shape"]
        assert (node["operation"], node["name"], node["shape"]) == ("input", found_input["name"], shape)
        assert node["value"] == found_input["value"]
        assert found_input["verdict"] in ("OK", "WRONG", "UNDECIDED")
        assert found_input["reason"] is None or found_input["reason"]
        assert list(found_input["references"]) == ["symbolic", "numeric"]
        reference(found_input["references"]["symbolic"], shape, [])
        reference(found_input["references"]["numeric"], shape, ["error", "evaluations"])
        assert type(found_input["references"]["numeric"]["evaluations"]) is int
        if found_input["references"]["numeric"]["status"] == "ok":
            error = value(found_input["references"]["numeric"]["error"], shape)
            assert error is None or not (error < 0).any()
        if found_input["gradient"] is not None:
            value(found_input["gradient"], shape)
            assert found_input["gradient"] == node["upstream"]
            verdicts.add(found_input["verdict"])
    assert found["verdict"] == next((v for v in ("WRONG", "UNDECIDED") if v in verdicts), "OK")
    for diagnostic in found["diagnostics"]:
        assert list(diagnostic) == ["code", "severity", "message", "node"]
        assert diagnostic["code"] in gradtool.HEALTH_RULES
        assert diagnostic["severity"] in ("info", "warning", "error")
        assert diagnostic["message"]
        assert diagnostic["node"] is None or 0 <= diagnostic["node"] < len(nodes)
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        ("(x+y)*max(y,z)", "x=1", "y=2", "z=0"),
        ("x*x + x", "x=3"),
        ("z = W@x + b; sum(z)", "W=[[1,2,3],[4,5,6]]", "x=[1,0,-1]", "b=0.5"),
        ("X@W", "X=randn(4,3)", "W=randn(3,2)", "--upstream", "ones"),
        ("h = tanh(x) # one\nk = h*\th\r\nsum(\n  k)", "x=[1,2]"),
        ("sqrt(x^2)", "x=0"),
        ("relu(x)", "x=0"),
        ("exp(x)", "x=1e9"),
        ("1+2",),
        ("x", "x=1"),
        ("sum(x)", "x=zeros(0,3)"),
        ("cross_entropy(z, y)", "z=randn(3,4)", "y=[true,false,true]", "--reference", "none"),
        ("cross_entropy(z, y)", "z=randn(3,4)", "y=[0,1,3]"),
        ("where(m, x, 2*x)", "m=true", "x=3"),
        ("x*y", "x=1", "y=2", "--wrt", "y"),
        ("y = x; z = y; y = z*2; y", "x=1"),
        ("max(x, 1) + e", "x=1"),
        ("α*λ", "α=1", "λ=2"),
        ("sum(concat(a, b[None, :], axis=0)[::-1].T)", "a=ones(2,3)", "b=[1,2,3]"),
    ],
)
def test_schema(arguments):
    check(document(*arguments))


def check_hessian(found):
    check(found, ["hessian"])
    image = found["hessian"]
    assert list(image) == ["labels", "blocks", "eigenvalues", "condition", "definiteness", "verdict"]
    shapes = {entry["name"]: entry["shape"] for entry in found["inputs"]}
    assert len(image["labels"]) == sum(math.prod(shape) for shape in shapes.values())
    assert [(block["row"], block["column"]) for block in image["blocks"]] == [(a, b) for a in shapes for b in shapes]
    for block in image["blocks"]:
        assert list(block) == ["row", "column", "value", "references", "verdict", "reason"]
        shape = shapes[block["row"]] + shapes[block["column"]]
        value(block["value"], shape)
        reference(block["references"]["symbolic"], shape, [])
        reference(block["references"]["numeric"], shape, ["error", "evaluations"])
    assert list(image["eigenvalues"]) == ["min", "max"]
    assert image["verdict"] in ("OK", "WRONG", "UNDECIDED")


def test_with_every_option():
    arguments = ("sum(sigmoid(W@x))", "W=randn(3,2)", "x=[1,2]")
    check(document(*arguments, "--jacobians"))
    check(document(*arguments, "--max-elements", "0"))
    check(document(*arguments, "--max-elements", "5", "--jacobians"))
    check(document(*arguments, "--clip-norm", "0.1", "--clip-value", "1"))
    check(document(*arguments, "--dtype", "float32"), ["dtype"])
    check(document(*arguments, "--step", "1e-4"))
    check_hessian(document(*arguments, "--hessian"))
    check_hessian(document("relu(x)", "x=0", "--hessian"))
    check_hessian(document(*arguments, "--hessian", "--reference", "none"))
    for method in ("symbolic", "numeric", "none"):
        found = check(document(*arguments, "--reference", method))
        statuses = {name: image["status"] for name, image in found["inputs"][0]["references"].items()}
        assert statuses == {name: "ok" if name == method else "skipped" for name in ("symbolic", "numeric")}


def test_spans_cover_the_text_of_the_node():
    found = document("a = (x + y)*2 # sum\n  b = max( a ,x)\n(b)", "x=1", "y=2")
    texts = {node["operation"]: found["expression"][slice(*node["span"])] for node in found["nodes"]}
    assert texts["add"] in ("x + y", "(x + y)")
    assert texts["multiply"] == "(x + y)*2"
    assert texts["max"] in ("max( a ,x)", "(b)")
    assert texts["constant"] == "2"
    lines = {node["operation"]: node["line"] for node in found["nodes"]}
    assert (lines["add"], lines["multiply"]) == (1, 1)


@given(st.floats(allow_nan=False, allow_infinity=False))
@settings(deadline=None, max_examples=50)
def test_floats_round_trip_from_the_command_line(x):
    found = document("x", f"x={x!r}", "--reference", "none")
    assert found["inputs"][0]["value"] == x
    assert found["output"]["value"] == x


UNARY = ["sin", "exp", "tanh", "sigmoid", "relu", "abs", "softplus", "sqrt", "log", "softmax", "sum", "mean", "-"]
LEAVES = st.sampled_from(["x", "y", "v", "A", "2", "0.5", "1e3", "pi"])


def larger(inner):
    return st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "/", "**", "@", "<"]), inner),
        st.builds("{}({})".format, st.sampled_from(UNARY), inner),
        st.builds("max({}, {})".format, inner, inner),
        st.builds("concat({}, {})".format, inner, inner),
        st.builds("({})[0]".format, inner),
    )


@given(st.recursive(LEAVES, larger, max_leaves=6), st.sampled_from(["x", "y", "v", "A"]))
@settings(deadline=None, max_examples=60)
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
def test_random_programs(expression, name):
    """A program that fits its inputs gives a whole document; one that does not is the user's error."""
    values = {"x": "0", "y": "-1.5", "v": "[1,-2,0]", "A": "[[1,2,3],[0,-1,0.5],[2,2,2]]"}
    program = f"{expression} + {name}"
    given_values = [f"{key}={text}" for key, text in values.items() if key in gradtool.parse(program).inputs]
    arguments = [
        "eval",
        "--expr",
        program,
        *given_values,
        "--upstream",
        "ones",
        "--format",
        "json",
        "--max-symbolic",
        "300",
    ]
    result = CliRunner().invoke(main, arguments)
    if result.exit_code == 2:
        assert result.stdout == ""
        assert "^" in result.stderr
        return
    assert result.exit_code in (0, 1), result.output
    check(json.loads(result.stdout, parse_constant=refuse))
