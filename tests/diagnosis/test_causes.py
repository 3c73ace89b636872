"""The rules are complete and documented, tried in the order of the contract, and the first that fits names the cause."""

import numpy as np
import pytest

from gradtool.diagnosis.causes import CAUSE_RULES, ORDER, name_cause


def test_every_code_has_a_rule_and_a_place_in_the_order():
    assert sorted(ORDER) == sorted(CAUSE_RULES) == [*(f"GC{n}" for n in range(101, 121)), "GC199"]
    assert ORDER[0] == "GC120"
    assert ORDER[-1] == "GC199"


@pytest.mark.parametrize("code", ORDER)
def test_the_documentation(code):
    rule = CAUSE_RULES[code]
    assert rule.code == code
    assert rule.title
    for section in ("What it means", "Why it matters", "Example", "What to do"):
        assert f"\n{section}\n" in rule.documentation


POINTS = [[np.array([0.3, -1.2, 2.0])], [np.array([1.1, 0.4, -0.6])]]


@pytest.mark.parametrize(
    ("backward", "code"),
    [
        (lambda u, x: (-3 * u * x**2,), "GC101"),
        (lambda u, x: (np.zeros(3),), "GC107"),
        (lambda u, x: (np.full(3, np.nan),), "GC115"),
        (lambda u, x: (3 * x**2,), "GC117"),
        (lambda u, x: (np.zeros((3, 2)),), "GC116"),
        (lambda u, x: ("no numbers",), "GC116"),
    ],
)
def test_the_first_that_fits(evidence_of, backward, code):
    def cube(x):
        return x**3

    assert name_cause(evidence_of(cube, backward, POINTS).suspect).code == code


def test_one_hypothesis_must_fit_at_all_points(evidence_of):
    def backward(u, x):
        return (u * 3 * x**2 * (-1 if x[0] < 1 else 2),)

    def cube(x):
        return x**3

    assert name_cause(evidence_of(cube, backward, POINTS).suspect).code not in ("GC101", "GC102")
    assert name_cause(evidence_of(cube, backward, POINTS[:1]).suspect).code == "GC101"
