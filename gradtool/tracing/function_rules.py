"""How rules are entered, and what they share. A rule has the signature of its NumPy function, less what it cannot trace."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from gradtool.tracing.array import FUNCTION_RULES, MUTATING

Rule = Callable[..., Any]


def rule(*functions: Any) -> Callable[[Rule], Rule]:
    """Enter a function as the rule of NumPy's functions of that behaviour."""

    def enter(found: Rule) -> Rule:
        for function in functions:
            FUNCTION_RULES[function] = found
        return found

    return enter


def mutating_rule(function: Any) -> Callable[[Rule], Rule]:
    """Enter the rule of a NumPy function that changes an argument."""

    def enter(found: Rule) -> Rule:
        MUTATING[function] = found
        return found

    return enter


def axes(axis: Any) -> Any:
    """An axis, or several, as Python's own numbers."""
    if axis is None:
        return None
    return tuple(operator.index(a) for a in axis) if np.ndim(axis) else operator.index(axis)


def float64(tape: Any, dtype: Any) -> None:
    """Fail where another type than float64 is asked for."""
    if dtype is not None and np.dtype(dtype) != np.float64:
        tape.fail(f"dtype={np.dtype(dtype)} cannot be traced, only float64 can")
