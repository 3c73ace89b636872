"""GT108: unstable form with a stable equivalent.

What it means
    A formula is written in a way that overflows or loses digits for some values, though there is a way to write the same
    that does not: logsumexp(x) for log(sum(exp(x))), log_softmax(x) for log(softmax(x)), log1p(x) for log(1 + x), and
    others. The message shows both with the program's own operands. It is a warning where the equivalent, computed for the
    values at hand, shows that this form overflows or loses ``digits`` (default 4) digits or more, and information where
    both are as good. A form that occurs more than once is named once, where it is worst. A sum of exp(x - max(x)) is left
    alone: it does not overflow.

Why it matters
    Such a form works in every test and fails in the one run where a value is large, or near zero; its gradient fails
    with it, often earlier.

Example
    gradtool eval "log(sum(exp(z)))" z=[1000,0]

What to do
    Write what the message says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

import numpy as np

from gradtool.diagnosis.forms import Equivalents, Match, match, roots, texts
from gradtool.diagnosis.health import Array, Health, digits_lost
from gradtool.language import expression
from gradtool.results import Diagnostic

THRESHOLDS: Mapping[str, float] = {"digits": 4}


class _Outcome(NamedTuple):
    """What became of a form here: ``kind`` is one of those below, ``lost`` the digits that it lost."""

    kind: str
    lost: float
    found: Match


_NOT_FINITE, _OVERFLOWS, _LOSES, _HARMLESS = "not finite", "overflows", "loses", "harmless"


def find(health: Health, thresholds: Mapping[str, float]) -> Iterator[Diagnostic]:
    """One finding for each form and for each thing that became of it, at the node where it is worst; parts of a larger form
    do not count."""
    graph = health.plan.graph
    ends = roots()
    nodes = sorted((i for name, found in health.passing.items() if name in ends for i in found), reverse=True)
    covered: set[int] = set()
    outcomes: dict[tuple[str, str], list[_Outcome]] = {}
    equivalents = Equivalents(str(health.plan.dtype))
    for i in nodes:
        if i in covered:
            continue
        for found in match(graph, i):
            operands = {name: health.values[n] for name, n in found.operands.items()}
            value = equivalents.value(found, operands, health.plan.shapes[i])
            if value is None or not _holds(health, found, value):
                continue
            covered |= found.inner
            outcome = _outcome(health, found, value, thresholds["digits"])
            if outcome.kind == _HARMLESS and found.form.usual:
                break
            outcomes.setdefault((found.form.written, outcome.kind), []).append(outcome)
            break
    shown = [(max(same, key=lambda one: (one.lost, -one.found.root)), len(same) - 1) for same in outcomes.values()]
    for outcome, others in sorted(shown, key=lambda one: one[0].found.root):
        yield _diagnostic(health, outcome, others)


def _holds(health: Health, found: Match, value: Array) -> bool:
    """Whether the equivalent is one at this point, and any better: it is finite where the form is; where the form alone is NaN,
    something in it overflowed, or else it is undefined here (the logarithm of a negative determinant); and of finite numbers
    it makes some that are, or it mends nothing."""
    ours = health.value(found.root)
    if (np.isfinite(ours) & ~np.isfinite(value)).any():
        return False
    if value.size and not np.isfinite(value).any():
        return not all(np.isfinite(health.value(n)).all() for n in found.operands.values())
    overflowed = any(not np.isfinite(health.value(n)).all() for n in found.inner if n != found.root)
    return overflowed or not (np.isnan(ours) & np.isfinite(value)).any()


def _outcome(health: Health, found: Match, value: Array, digits: float) -> _Outcome:
    ours, finite = health.value(found.root), np.isfinite(value)
    if not np.isfinite(ours[finite]).all():
        return _Outcome(_NOT_FINITE, 0.0, found)
    if finite.any() and any(np.isinf(health.value(n)).any() for n in found.inner if n != found.root):
        return _Outcome(_OVERFLOWS, 0.0, found)
    lost = digits_lost(ours.astype(np.float64), value.astype(np.float64), _roundoff(health))
    return _Outcome(_LOSES, lost, found) if lost >= digits else _Outcome(_HARMLESS, 0.0, found)


def _roundoff(health: Health) -> float:
    return float(np.finfo(health.plan.dtype).eps) / 2


def _diagnostic(health: Health, outcome: _Outcome, others: int) -> Diagnostic:
    graph, i = health.plan.graph, outcome.found.root
    written, stable = texts(graph, outcome.found)
    label = health.label(i) + ("" if expression(graph, i) == written else f", that is {written},")
    what = {
        _NOT_FINITE: "is not finite here",
        _OVERFLOWS: "overflows on the way here",
        _LOSES: f"loses {outcome.lost:.0f} of {-np.log10(_roundoff(health)):.0f} digits here",
        _HARMLESS: "is harmless at this point, but not everywhere",
    }[outcome.kind]
    more = f" (and {others} more of this form)" if others else ""
    severity: Literal["info", "warning"] = "info" if outcome.kind == _HARMLESS else "warning"
    return Diagnostic("GT108", severity, f"{label} {what}: write {stable}{more}", i)
