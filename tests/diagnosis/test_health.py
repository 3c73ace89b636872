"""The list of rules: every one documented, with thresholds that its documentation explains."""

from time import process_time

import pytest

import gradtool
from gradtool.autodiff import backward, forward, make_plan
from gradtool.diagnosis import HEALTH_RULES, Health, find_health


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


@pytest.mark.parametrize(
    ("layer", "code"),
    [
        ("h = relu(h*w)", None),
        ("h = sigmoid(w*h)", None),
        ("h = sigmoid(30*w + 0*h)", "GT107"),
        ("h = log(1 + h*w)", "GT108"),
        ("h = sin(1e12*w + h)", "GT110"),
        ("h = h*h - h*w", None),
    ],
)
def test_all_rules_take_time_linear_in_the_nodes(layer, code):
    def seconds(count):
        graph = gradtool.parse("\n".join([layer] * count))
        inputs = {"w": 1.0, "h": 0.9}
        plan = make_plan(graph, inputs)
        values = forward(plan, inputs)
        health = Health(plan, values, backward(plan, values), (), {}, lambda i: None)
        best = []
        for _ in range(2):
            started = process_time()
            found = find_health(health)
            best.append(process_time() - started)
        assert code is None or code in {d.code for d in found}
        return min(best)

    seconds(10)  # Tables that are made once.
    assert seconds(8_000) < 12 * seconds(2_000) + 0.05
