"""What the codes mean: the documentation of every rule, by its code."""

from __future__ import annotations

from gradtool.diagnosis.causes import CAUSE_RULES
from gradtool.diagnosis.health import HEALTH_RULES
from gradtool.diagnosis.hygiene import HYGIENE_RULES


def codes() -> dict[str, str]:
    """Every code and its title, in order: causes, hygiene, numeric health."""
    return {code: rule.title for rules in (CAUSE_RULES, HYGIENE_RULES, HEALTH_RULES) for code, rule in rules.items()}


def explain(code: str) -> str:
    """A rule's documentation, with the thresholds it judges by where it has any. Raises ``KeyError``."""
    if code in HEALTH_RULES:
        rule = HEALTH_RULES[code]
        listed = "".join(f"\n    {name} = {value:g}" for name, value in rule.thresholds.items())
        changed = "\n\nThresholds ([tool.gradtool.thresholds." + code + "] changes them)" + listed
        return rule.documentation + (changed if listed else "")
    return (CAUSE_RULES[code] if code in CAUSE_RULES else HYGIENE_RULES[code]).documentation
