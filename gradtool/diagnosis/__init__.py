"""Naming what is wrong: one file a rule. GT1xx, the numeric health of a graph, is found by ``find_health``."""

from gradtool.diagnosis.health import HEALTH_RULES, Health, find_health

__all__ = ["HEALTH_RULES", "Health", "find_health"]
