"""What a hygiene rule (GC3xx) looks at, and the list of rules, made of the modules named ``gc3*`` beside this one.

A rule is a module. Its docstring is what users read about it: the first line is the code and its title, then come the
sections "What it means", "Why it matters", "Example" and "What to do". ``find(trial)`` yields messages.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradtool.diagnosis.rules import Rules
from gradtool.results import Hygiene
from gradtool.target import Calling, Values
from gradtool.verdict.caller import Caller, Handed, UserCodeError

Array = NDArray[Any]
CLOSE = 1e-9
"""Two results of one computation, done in another order of summation, differ by less than this share of their size."""


class Watched(NamedTuple):
    """A forward and its backward: all that was handed to them, with copies of what it held before backward ran, and what came
    out, with copies of what it held right then."""

    handed: Handed
    upstream: Sequence[Array]
    inputs: Mapping[str, Array]
    """What the inputs held before."""
    kept: Mapping[str, tuple[Array, Array]]
    """The arrays that forward kept, by their place, and what they held before."""
    gradients: Mapping[str, Array]
    copies: Mapping[str, Array]


@dataclass(eq=False)
class Trial:
    """A calling at a point where backward has given ``gradients`` for ``upstream``.

    ``found`` holds the codes of the rules that have reported something so far.
    """

    caller: Caller
    values: Values
    wrt: tuple[str, ...]
    upstream: tuple[Array, ...]
    gradients: Mapping[str, Any]
    ignores_upstream: bool = False
    """Whether a gradient is WRONG as it does not depend on the upstream."""
    zeros: frozenset[str] = frozenset()
    """Inputs whose gradient is zero to within the reference's error and the allowance for rounding."""
    found: set[str] = field(default_factory=set)

    @property
    def calling(self) -> Calling:
        """How it is called."""
        return self.caller.calling

    def forward(self) -> Handed:
        """A fresh forward."""
        return self.caller.forward(self.values)

    def again(self, upstream: Sequence[Array]) -> Mapping[str, Any]:
        """The gradients for another upstream, of a fresh forward."""
        return self.caller.gradients(self.values, upstream)

    @cached_property
    def watched(self) -> Watched:
        """A forward and its backward for ``upstream``, run when first asked for. Raises ``UserCodeError``."""
        handed = self.forward()
        inputs = {name: np.array(value) for name, value in handed.values.items() if isinstance(value, np.ndarray)}
        kept = {place: (array, np.array(array)) for place, array in arrays_in(handed.run.kept).items()}
        upstream = [np.array(u) for u in self.upstream]
        gradients = self.arrays(self.caller.backward(handed, upstream))
        return Watched(handed, upstream, inputs, kept, gradients, {n: np.array(g) for n, g in gradients.items()})

    @cached_property
    def repeated(self) -> Mapping[str, Array]:
        """The gradients for ``upstream`` of one more forward, run after the one that is watched. Raises ``UserCodeError``."""
        return {name: np.array(g) for name, g in self.arrays(self.again(self.upstream)).items()}

    def arrays(self, gradients: Mapping[str, Any]) -> dict[str, Array]:
        """Those gradients that are arrays of numbers."""
        found = {}
        for name in self.wrt:
            value = gradients.get(name)
            if value is not None and np.asarray(value).dtype.kind in "fiub":
                found[name] = np.asarray(value)
        return found


class HygieneRule(NamedTuple):
    """A rule's code, documentation and search."""

    code: str
    title: str
    documentation: str
    find: Callable[[Trial], Iterator[str]]


HYGIENE_RULES: Mapping[str, HygieneRule] = Rules(
    "gc3", lambda code, title, documentation, module: HygieneRule(code, title, documentation, module.find)
)


def find_hygiene(trial: Trial) -> list[Hygiene]:
    """All findings, in the order of the codes. A rule calls backward with upstream gradients of its own; where the user's code
    raises for one of them, that rule has nothing to say unless it says that."""
    found: list[Hygiene] = []
    with np.errstate(all="ignore"):
        for code, rule in HYGIENE_RULES.items():
            messages: list[str] = []
            with contextlib.suppress(UserCodeError):
                messages.extend(rule.find(trial))
            if messages:
                trial.found.add(code)
                found.extend(Hygiene(code, message) for message in messages)
    return found


def changed(before: Array, after: Array) -> bool:
    """Whether an array has other contents than it had; NaN is the same as NaN."""
    if np.array_equal(before, after):
        return False
    return before.dtype.kind != "f" or not np.array_equal(before, after, equal_nan=True)


def differs(one: Array, other: Array) -> bool:
    """Whether two results differ by more than the order of a summation explains."""
    if one.shape != other.shape:
        return True
    if np.array_equal(one, other):
        return False
    a, b = one.astype(np.float64), other.astype(np.float64)
    unit = max([CLOSE, *(64 * float(np.finfo(x.dtype).eps) for x in (one, other) if x.dtype.kind == "f")])
    scale = float(np.max(np.abs(a[np.isfinite(a)]), initial=0.0))
    same = np.isclose(a, b, rtol=unit, atol=unit * scale, equal_nan=True)
    return not bool(same.all())


def arrays_in(kept: Any) -> dict[str, Array]:
    """The arrays that a cache holds, by the place where they were found: ``[0]``, ``['x']``, ``.mask``."""
    found: dict[str, Array] = {}
    pending: list[tuple[str, Any]] = [("", kept)]
    seen: set[int] = set()
    while pending:
        place, value = pending.pop(0)
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, np.ndarray):
            if value.dtype.kind in "fiub":
                found[place] = value
        elif isinstance(value, Mapping):
            pending += [(f"{place}[{key!r}]", item) for key, item in value.items()]
        elif isinstance(value, list | tuple):
            pending += [(f"{place}[{i}]", item) for i, item in enumerate(value)]
        elif type(value).__module__ not in ("builtins", "numpy") and hasattr(value, "__dict__"):
            pending += [(f"{place}.{key}", item) for key, item in vars(value).items()]
    return found
