"""Every sample runs by the command that stands in it and gives the figures known for it.

The figures of the networks were computed independently (PyTorch in float64, mpmath at 30 digits).
"""

import itertools
import json
import math
import re
import shlex
import tomllib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import gradtool
from gradtool.cli import main

TOP = Path(gradtool.__file__).parent.parent
SAMPLES = TOP / "samples"
FILES = sorted(SAMPLES.rglob("*.expr"))
NOT_FINITE = "overflowing.expr"

if not FILES:
    pytest.skip("installed without its samples", allow_module_level=True)


def command_of(path):
    """The command in a sample's first comment."""
    found = re.search(r"^#   (gradtool .*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert found, f"{path.name} does not say how to run it"
    return shlex.split(found[1])[1:]


def run(arguments, monkeypatch):
    monkeypatch.chdir(TOP)
    return CliRunner().invoke(main, arguments)


def document(name, monkeypatch, *more):
    path = next(p for p in FILES if p.name == name)
    found = run([*command_of(path), *more, "--format", "json"], monkeypatch)
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def gradients(doc):
    return {i["name"]: i["gradient"] for i in doc["inputs"]}


def node(doc, name):
    return next(n for n in doc["nodes"] if n["name"] == name)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_every_sample_runs_by_its_own_command(path, monkeypatch):
    found = run(command_of(path), monkeypatch)
    if path.name == NOT_FINITE:
        assert "GT102" in found.stdout
        return
    assert found.exit_code == 0, found.output
    assert re.search(r"^OK: ", found.stdout, re.MULTILINE), found.stdout


def test_the_readme_lists_the_command_of_every_sample():
    text = (SAMPLES / "README.md").read_text(encoding="utf-8")
    listed = [shlex.split(line)[1:] for line in text.splitlines() if line.startswith("gradtool eval ")]
    assert sorted(listed) == sorted(command_of(path) for path in FILES)


def test_sum_times_max(monkeypatch):
    doc = document("sum_times_max.expr", monkeypatch)
    assert doc["output"]["value"] == 6
    assert gradients(doc) == {"x": 2, "y": 5, "z": 0}
    by_expression = {n["expression"]: n for n in doc["nodes"]}
    assert by_expression["x+y"]["value"] == 3
    assert by_expression["x+y"]["upstream"] == 2
    assert by_expression["max(y,z)"]["value"] == 2
    assert by_expression["max(y,z)"]["upstream"] == 3
    locals_ = {text: [e["local"] for e in n["edges"]] for text, n in by_expression.items() if n["edges"]}
    assert locals_ == {"(x+y)*max(y,z)": [2, 3], "x+y": [1, 1], "max(y,z)": [1, 0]}
    assert [e["downstream"] for e in by_expression["x+y"]["edges"]] == [2, 2]
    assert [e["downstream"] for e in by_expression["max(y,z)"]["edges"]] == [3, 0]


def test_two_powers(monkeypatch):
    doc = document("two_powers.expr", monkeypatch)
    assert doc["output"]["value"] == 12
    assert gradients(doc) == {"x": 16}
    arriving = [e["downstream"] for n in doc["nodes"] for e in n["edges"] if e["from"] == 0]
    assert sorted(arriving) == [4, 12]


def test_quotient(monkeypatch):
    doc = document("quotient.expr", monkeypatch)
    x = 1.2
    assert doc["output"]["value"] == pytest.approx(math.sin(x) / x, rel=1e-15)
    assert gradients(doc)["x"] == pytest.approx(math.cos(x) / x - math.sin(x) / x**2, rel=1e-14)
    by_path = [e["downstream"] for n in doc["nodes"] for e in n["edges"] if e["from"] == 0]
    assert sorted(by_path) == pytest.approx(sorted([math.cos(x) / x, -math.sin(x) / x**2]), rel=1e-14)


def test_dot_with_itself(monkeypatch):
    doc = document("dot_with_itself.expr", monkeypatch)
    assert doc["output"]["value"] == 28
    assert gradients(doc) == {"x": [0, 4, 8, 12]}
    dot = next(n for n in doc["nodes"] if n["operation"] == "dot")
    assert [(e["argument"], e["from"]) for e in dot["edges"]] == [(0, 0), (1, 0)]


def test_linear_layer(monkeypatch):
    doc = document("linear_layer.expr", monkeypatch)
    upstream = np.array(node(doc, "z")["upstream"])
    x, W = np.array([1, 0, -1]), np.array([[1, 2, 3], [4, 5, 6]])
    assert gradients(doc) == {
        "W": np.outer(upstream, x).tolist(),
        "x": (W.T @ upstream).tolist(),
        "b": upstream.tolist(),
    }
    product = next(n for n in doc["nodes"] if n["operation"] == "matmul")
    assert [e["local"]["rule"] for e in product["edges"]] == ["outer(upstream, x)", "W.T @ upstream"]


def test_batched_product(monkeypatch):
    doc = document("batched_product.expr", monkeypatch)
    X, W = (np.array(i["value"]) for i in doc["inputs"])
    dY = np.array([[1, 0], [0, 1], [1, 1], [2, -1]])
    assert np.array(gradients(doc)["X"]) == pytest.approx(dY @ W.T, rel=1e-14)
    assert np.array(gradients(doc)["W"]) == pytest.approx(X.T @ dY, rel=1e-14)
    assert doc["seed"] == 0
    product = doc["nodes"][doc["output"]["node"]]
    assert [e["local"]["rule"] for e in product["edges"]] == ["upstream @ W.T", "X.T @ upstream"]


def test_chain(monkeypatch):
    doc = document("chain.expr", monkeypatch)
    x = 0.7
    factors = [n["edges"][0]["local"] for n in doc["nodes"] if n["edges"]]
    expected = [2 * x, math.cos(x**2), math.exp(math.sin(x**2))]
    assert factors == pytest.approx(expected, rel=1e-15)
    assert gradients(doc)["x"] == pytest.approx(math.prod(expected), rel=1e-15)


@pytest.mark.parametrize("name", ["softmax_cross_entropy.expr", "cross_entropy.expr"])
def test_softmax_and_cross_entropy(name, monkeypatch):
    doc = document(name, monkeypatch)
    assert doc["output"]["value"] == pytest.approx(0.9992334223997208, rel=1e-15)
    p_minus_y = [0.2804208585025018, -0.6318384425711658, 0.35141758406866397]
    db1 = [0.11870636418481668, -0.05132098054640138, -0.06924511342166088, 0.13281877808953232]
    assert node(doc, "z2")["upstream"] == pytest.approx(p_minus_y, rel=1e-14)
    found = gradients(doc)
    assert found["b1"] == pytest.approx(db1, rel=1e-14)
    assert found["b2"] == pytest.approx(p_minus_y, rel=1e-14)
    assert np.array(found["W1"]) == pytest.approx(np.outer(db1, [0.5, -1, 2]), rel=1e-14)
    assert np.array(found["W2"]) == pytest.approx(np.outer(p_minus_y, node(doc, "a1")["value"]), rel=1e-14)


def test_squared_error(monkeypatch):
    doc = document("squared_error.expr", monkeypatch)
    assert doc["output"]["value"] == pytest.approx(0.2779661202164307, rel=1e-15)
    db1 = [-0.0336042404945514, 0.03895230922220053, -0.08996875204769972, -0.018080815231925586]
    found = gradients(doc)
    assert found["b2"] == pytest.approx([-0.745608637579301], rel=1e-14)
    assert found["b1"] == pytest.approx(db1, rel=1e-14)
    assert np.array(found["W1"]) == pytest.approx(np.outer(db1, [0.5, -1, 2]), rel=1e-14)


def program(name):
    return gradtool.parse(next(p for p in FILES if p.name == name).read_text(encoding="utf-8"))


def values(name):
    found = next(SAMPLES.rglob(name)).read_text(encoding="utf-8")
    return {key: np.array(value, dtype=float) for key, value in tomllib.loads(found).items()}


def test_a_gradient_step_on_all_parameters_lowers_the_loss():
    graph, inputs = program("squared_error.expr"), values("squared_error.toml")
    before, gradient = gradtool.value_and_gradient(graph, inputs)
    stepped = {k: v - 0.1 * gradient[k] if k in ("W1", "b1", "W2", "b2") else v for k, v in inputs.items()}
    assert gradtool.value_and_gradient(graph, stepped)[0] < before


BATCHES = [
    ("batch_softmax_cross_entropy", "cross_entropy.expr", {"X": "x", "Y": "y"}),
    ("batch_squared_error", "squared_error.expr", {"X": "x", "T": "t"}),
]
PARAMETERS = ("W1", "b1", "W2", "b2")


@pytest.mark.parametrize(("batch", "single", "names"), BATCHES, ids=[b[0] for b in BATCHES])
def test_a_batch_averages_its_samples(batch, single, names):
    inputs = values(f"{batch}.toml")
    _, whole = gradtool.value_and_gradient(program(f"{batch}.expr"), inputs)
    m = len(inputs["X"])
    total = dict.fromkeys(PARAMETERS, 0.0)
    for row in range(m):
        sample = {names.get(k, k): v[row] if k in names else v for k, v in inputs.items()}
        _, gradient = gradtool.value_and_gradient(program(single), sample)
        total = {k: total[k] + gradient[k] for k in PARAMETERS}
    for k in PARAMETERS:
        assert whole[k] == pytest.approx(total[k] / m, rel=1e-13, abs=1e-16)


@pytest.mark.parametrize(("batch", "names"), [(b[0], b[2]) for b in BATCHES], ids=[b[0] for b in BATCHES])
@pytest.mark.parametrize("sizes", [(2, 2), (1, 3), (1, 1, 2), (3, 1)], ids=str)
def test_weighted_micro_batches_add_up_and_unweighted_ones_do_not(batch, names, sizes):
    graph, inputs = program(f"{batch}.expr"), values(f"{batch}.toml")
    _, whole = gradtool.value_and_gradient(graph, inputs)
    m, start = len(inputs["X"]), 0
    weighted, unweighted = dict.fromkeys(PARAMETERS, 0.0), dict.fromkeys(PARAMETERS, 0.0)
    for size in sizes:
        part = {k: v[start : start + size] if k in names else v for k, v in inputs.items()}
        start += size
        _, gradient = gradtool.value_and_gradient(graph, part)
        weighted = {k: weighted[k] + size / m * gradient[k] for k in PARAMETERS}
        unweighted = {k: unweighted[k] + gradient[k] for k in PARAMETERS}
    for k in PARAMETERS:
        assert weighted[k] == pytest.approx(whole[k], rel=1e-13, abs=1e-16)
        assert np.linalg.norm(unweighted[k] - whole[k]) > 0.2 * np.linalg.norm(whole[k])


@pytest.mark.parametrize("name", [f"{b[0]}.expr" for b in BATCHES])
def test_the_tool_says_how_far_micro_batches_are_from_the_whole(name, monkeypatch):
    found = document(name, monkeypatch)["microbatches"]
    for parameter in PARAMETERS:
        assert found["weighted"][parameter] < 1e-14
        assert found["unweighted"][parameter] > 0.2
    path = next(p for p in FILES if p.name == name)
    table = run(command_of(path), monkeypatch).stdout
    assert "difference from the whole batch's gradient" in table
    assert re.search(r"W1 +\S+e-\d+ % +\d+ %", table)


def test_twenty_sigmoid_layers_vanish_and_the_diagnostic_says_so(monkeypatch):
    doc = document("vanishing.expr", monkeypatch)
    layers = [n for n in doc["nodes"] if n["name"] == "h" and n["operation"] == "sigmoid"]
    assert len(layers) == 20
    norms = [np.linalg.norm(n["upstream"]) for n in layers]
    assert all(below < above for below, above in itertools.pairwise(norms))
    assert all(max(e["local"]) <= 0.25 for n in layers for e in n["edges"])
    assert [d["code"] for d in doc["diagnostics"]] == ["GT103"]
    assert doc["diagnostics"][0]["node"] == layers[0]["id"]


def test_large_weights_explode_and_clipping_shows_what_it_would_leave(monkeypatch):
    doc = document("exploding.expr", monkeypatch)
    assert "GT104" in [d["code"] for d in doc["diagnostics"]]
    clipped = np.concatenate([np.ravel(i["clipped"]) for i in doc["inputs"]])
    whole = np.concatenate([np.ravel(i["gradient"]) for i in doc["inputs"]])
    assert np.linalg.norm(clipped) == pytest.approx(1.0)
    assert clipped == pytest.approx(whole / np.linalg.norm(whole))


def test_the_first_node_that_overflows_is_named(monkeypatch):
    path = next(p for p in FILES if p.name == NOT_FINITE)
    doc = json.loads(run([*command_of(path), "--format", "json"], monkeypatch).stdout)
    found = next(d for d in doc["diagnostics"] if d["code"] == "GT102")
    first = next(n for n in doc["nodes"] if "Infinity" in json.dumps(n["value"]) or "NaN" in json.dumps(n["value"]))
    assert found["node"] == first["id"]
