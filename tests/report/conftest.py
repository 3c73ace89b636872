"""Results made by hand: what renderers show does not hang on what the engine does."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from gradtool.results import (
    Diagnostic,
    EdgeResult,
    EvaluationResult,
    GraphResult,
    InputResult,
    NodeResult,
    Reference,
    Rule,
    Verdict,
)

SKIPPED = Reference("skipped", reason="not asked for")


def exact(value: Any) -> Reference:
    return Reference("ok", value)


def measured(value: Any, error: Any, evaluations: int = 6) -> Reference:
    return Reference("ok", value, error, evaluations)


def make_node(i: int, expression: str, operation: str = "add", **more: Any) -> NodeResult:
    fields = {"name": None, "shape": (), "value": 1.0, "upstream": 1.0, "span": (0, len(expression)), "line": 1}
    fields["arguments"] = tuple(edge.source for edge in more.get("edges", ()))
    return NodeResult(id=i, expression=expression, operation=operation, **{**fields, **more})


def make_input(name: str, node: int = 0, value: Any = 1.0, gradient: Any = 2.0, **more: Any) -> InputResult:
    fields = {
        "shape": getattr(value, "shape", ()),
        "symbolic": exact(gradient),
        "numeric": measured(gradient, 1e-12),
        "verdict": Verdict.OK,
    }
    return InputResult(name=name, node=node, value=value, gradient=gradient, **{**fields, **more})


def make_result(inputs: list[InputResult], nodes: list[NodeResult] | None = None, **more: Any) -> EvaluationResult:
    """A result of these inputs; without ``nodes`` there is one for each input, the first being the output."""
    if nodes is None:
        nodes = [
            make_node(k, found.name, "input", name=found.name, value=found.value, shape=found.shape)
            for k, found in enumerate(inputs)
        ] or [make_node(0, "1", "constant", depends_on_input=False)]
    fields = {
        "expression": nodes[-1].expression,
        "output": len(nodes) - 1,
        "verdict": Verdict.worst([found.verdict for found in inputs]),
    }
    return EvaluationResult(inputs=tuple(inputs), nodes=tuple(nodes), **{**fields, **more})


def first_example() -> EvaluationResult:
    """``(x+y)*max(y,z)`` at x=1 y=2 z=0."""
    return make_result(
        [
            make_input("x", 0, 1.0, 2.0, numeric=measured(2.0, 4e-12), paths=((3, 2.0),)),
            make_input("y", 1, 2.0, 5.0, numeric=measured(5.0, 1e-11), paths=((3, 2.0), (4, 3.0))),
            make_input("z", 2, 0.0, 0.0, numeric=measured(0.0, 1e-13), paths=((4, 0.0),)),
        ],
        [
            make_node(0, "x", "input", name="x", value=1.0, upstream=2.0, span=(1, 2)),
            make_node(1, "y", "input", name="y", value=2.0, upstream=5.0, span=(3, 4)),
            make_node(2, "z", "input", name="z", value=0.0, upstream=0.0, span=(12, 13)),
            make_node(
                3, "x+y", value=3.0, upstream=2.0, edges=(EdgeResult(0, 0, 1.0, 2.0), EdgeResult(1, 1, 1.0, 2.0))
            ),
            make_node(
                4, "max(y,z)", "max", value=2.0, upstream=3.0, span=(6, 14),
                edges=(EdgeResult(0, 1, 1.0, 3.0), EdgeResult(1, 2, 0.0, 0.0)),
            ),
            make_node(
                5, "(x+y)*max(y,z)", "multiply", value=6.0,
                edges=(EdgeResult(0, 3, 2.0, 2.0), EdgeResult(1, 4, 3.0, 3.0)),
            ),
        ],
    )  # fmt: skip


HOSTILE = (
    "</script>", "w[red]", 'a"b\\', "x\ny", "<b>bold</b>", "{a|b}", "`md`", "%%{init: {}}%%", "end", "1. list", "- item",
    "#quot;", "a;b", "style n0 fill:#f00;", "a --> b", "&amp;&lt;", "_em_ *st*", "\x1b[31m", "\u202e rtl", "é∂𝒙", "\\N\\G",
    "]]>", "<!--", "\ud800", "(((", "\u2028",
)  # fmt: skip
"""Names that would be something else in one format or another."""


def make_graph(result: EvaluationResult, **more: Any) -> GraphResult:
    """A drawing of a result, of all its nodes unless ``shown`` says which."""
    return GraphResult(result, **{"shown": tuple(range(len(result.nodes))), **more})


def hostile_graph() -> GraphResult:
    """A node computed from inputs with hostile names, by rules that are hostile too, with gradients of all kinds."""
    sent = (1.0, 0.0, float("nan"), 1e9, 1e-9)
    edges = tuple(EdgeResult(k, k, Rule(name, (1,)) if k % 2 else 2.0, sent[k % 5]) for k, name in enumerate(HOSTILE))
    nodes = [make_node(k, name, "input", name=name) for k, name in enumerate(HOSTILE)]
    nodes.append(make_node(len(nodes), "\n".join(HOSTILE), "max", name="<!--", edges=edges))
    inputs = [make_input(name, k, verdict=list(Verdict)[k % 3], reason=name) for k, name in enumerate(HOSTILE)]
    diagnostics = tuple(Diagnostic("GT101", "warning", name, k) for k, name in enumerate(HOSTILE))
    return make_graph(make_result(inputs, nodes, expression="\n".join(HOSTILE), diagnostics=diagnostics))


class Make:
    """The builders above, as one fixture."""

    exact = staticmethod(exact)
    measured = staticmethod(measured)
    node = staticmethod(make_node)
    input = staticmethod(make_input)
    result = staticmethod(make_result)
    first_example = staticmethod(first_example)
    graph = staticmethod(make_graph)
    hostile_graph = staticmethod(hostile_graph)
    skipped = SKIPPED
    Diagnostic = Diagnostic


@pytest.fixture(scope="session")
def make() -> type[Make]:
    return Make


@pytest.fixture(scope="session")
def reports() -> Any:
    """The module ``check_reports``."""
    return beside("check_reports")


@pytest.fixture(scope="session")
def browsers() -> Any:
    """The module ``browser``."""
    return beside("browser")


def beside(name: str) -> Any:
    """A module beside this file, which is on no path."""
    spec = spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
