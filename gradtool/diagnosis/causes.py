"""Naming the cause of a WRONG gradient: the list of cause rules, made of the modules named ``gc1*`` beside this one, and
the order in which they are tried.

A rule is a module. Its docstring is what users read about it: the first line is the code and its title, then come the
sections "What it means", "Why it matters", "Example" and "What to do". It has ``find(evidence)``, which gives a ``Cause``
if the rule's hypothesis fits at every sight, else None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from gradtool.diagnosis.fitting import Evidence
from gradtool.diagnosis.gc113_few_entries import one_entry
from gradtool.diagnosis.program import exact_jacobian
from gradtool.diagnosis.rules import Rules
from gradtool.diagnosis.suspect import Suspect
from gradtool.results import Cause

ORDER = (
    "GC120", "GC115", "GC116", "GC117", "GC107", "GC106", "GC101", "GC103", "GC105", "GC102", "GC104", "GC119", "GC108",
    "GC109", "GC110", "GC111", "GC118", "GC112", "GC113", "GC114", "GC199",
)  # fmt: skip
"""The first rule that fits names the cause; the last one always does."""


class CauseRule(NamedTuple):
    """A rule's code, documentation and search."""

    code: str
    title: str
    documentation: str
    find: Callable[[Evidence], Cause | None]


def name_cause(suspect: Suspect) -> Cause:
    """The cause of a WRONG gradient: that of the first rule in ``ORDER`` that fits."""
    if not suspect.sights and suspect.raised is None:
        return _unseen(suspect)
    evidence = Evidence(suspect, exact_jacobian)
    with np.errstate(all="ignore"):
        for code in ORDER:
            cause = CAUSE_RULES[code].find(evidence)
            if cause is not None:
                return cause
    raise AssertionError(f"{ORDER[-1]} fits everything")


def _unseen(suspect: Suspect) -> Cause:
    """Where there are no sights: the arrays are too large for a look at all of the gradient."""
    if suspect.only is not None:
        shape = np.shape(suspect.case.values[suspect.name])
        return one_entry(suspect.only, shape)
    return Cause("GC199", "is wrong, and the arrays are too large to look for the cause", "check a smaller input")


CAUSE_RULES: Mapping[str, CauseRule] = Rules(
    "gc1", lambda code, title, documentation, module: CauseRule(code, title, documentation, module.find)
)
