import numpy as np

from gradtool.diagnosis.hygiene import HYGIENE_RULES, arrays_in, changed, differs
from tests.diagnosis.hygiene_trials import codes


def test_every_rule_is_documented_in_the_same_way():
    assert list(HYGIENE_RULES) == [f"GC30{k}" for k in range(1, 9)]
    for code, rule in HYGIENE_RULES.items():
        assert rule.documentation.startswith(f"{code}: ")
        for section in ("What it means", "Why it matters", "Example", "What to do"):
            assert f"\n{section}\n" in rule.documentation, (code, section)


def test_arrays_are_found_wherever_a_cache_holds_them():
    class Layer:
        def __init__(self):
            self.mask = np.ones(2)
            self.myself = self

    cache = (np.zeros(1), {"x": [np.arange(3)], 3: "text"}, Layer(), np.array(["a"]))
    assert set(arrays_in(cache)) == {"[0]", "[1]['x'][0]", "[2].mask"}
    assert arrays_in(None) == {}


def test_rules_share_their_runs():
    calls = []

    def backward(d, x):
        calls.append(d)
        return d * np.cos(x)

    assert codes(np.sin, backward) == []
    # The judgement's, the one that is watched and its repetition, three for linearity, three for layouts.
    assert len(calls) == 9


def test_nan_is_the_same_as_nan():
    assert not changed(np.array([np.nan, 1.0]), np.array([np.nan, 1.0]))
    assert changed(np.array([0.0]), np.array([1.0]))
    assert not differs(np.array([np.nan, 1.0]), np.array([np.nan, 1.0 + 1e-15]))
    assert differs(np.array([1.0]), np.array([1.001]))
    assert differs(np.array([1.0]), np.array([1.0, 2.0]))
