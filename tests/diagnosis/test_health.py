"""The list of rules: every one documented, with thresholds that its documentation explains."""

import pytest

import gradtool
from gradtool.diagnosis import HEALTH_RULES


@pytest.mark.parametrize("code", list(HEALTH_RULES))
def test_a_rule_is_documented(code):
    rule = HEALTH_RULES[code]
    assert rule.code == code
    assert rule.title
    for heading in ("What it means", "Why it matters", "Example", "What to do"):
        assert f"\n{heading}\n" in rule.documentation
    for threshold in rule.thresholds:
        assert f"``{threshold}`` (default" in rule.documentation


def test_codes_come_in_order():
    assert list(HEALTH_RULES) == sorted(HEALTH_RULES)


def test_a_healthy_program_has_no_findings():
    result = gradtool.evaluate(gradtool.parse("(x+y)*max(y,z)"), {"x": 1, "y": 2, "z": 0})
    assert result.diagnostics == ()
    assert result.layers == ()


def test_layers_are_the_named_nodes_from_the_output_down():
    program = "\n".join(["h = sigmoid(w*h)"] * 10)
    result = gradtool.evaluate(gradtool.parse(program), {"w": 0.5, "h": 1.0})
    nodes = [node for node, _ in result.layers]
    assert nodes == sorted(nodes, reverse=True)
    assert len(nodes) == 10
