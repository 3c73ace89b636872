"""``load_target``: one hand-written gradient of a file, to be called at values of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradtool.results import Skipped
from gradtool.target import Case, Target, Values
from gradtool.targets import find_targets
from gradtool.targets.given import Given
from gradtool.targets.inputs import make_target, names_of
from gradtool.targets.loading import TargetError, find_files, load, parse_target
from gradtool.verdict.caller import Caller, UserCodeError

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class LoadedTarget:
    """A forward and its backward, called in one way. Both take copies: what the code changes in place is not seen.

    ``values`` are inputs that they take; other values of other shapes do as well, as far as the code takes them.
    """

    target: Target
    case: Case
    caller: Caller

    @property
    def values(self) -> Values:
        """Inputs by name, as gradtool made them."""
        return self.case.values

    def forward(self, values: Values | None = None) -> tuple[Array, ...]:
        """Forward's outputs, those that an upstream gradient is wanted for. Raises what the user's code raises."""
        try:
            return self.caller.outputs(self._all(values))
        except UserCodeError as error:
            raise error.cause from None

    def gradients(self, values: Values | None = None, upstream: Sequence[Any] | None = None) -> Mapping[str, Any]:
        """What a fresh forward and its backward give, by the input's name. ``upstream`` has one array an output (None: ones).
        Raises what the user's code raises."""
        given = self._all(values)
        if upstream is None:
            upstream = [np.ones_like(output) for output in self.forward(given)]
        try:
            return self.caller.gradients(given, [np.asarray(one) for one in upstream])
        except UserCodeError as error:
            raise error.cause from None

    def _all(self, values: Values | None) -> Values:
        unknown = sorted(set(values or ()) - set(self.case.values))
        if unknown:
            raise ValueError(f"{self.target.id} has no input {unknown[0]!r}; it has {', '.join(self.case.values)}")
        return {**self.case.values, **(values or {})}


def load_target(
    text: str,
    *,
    inputs: Mapping[str, Any] | None = None,
    case: str | None = None,
    calling: str | None = None,
    seed: int = 0,
    pinned: bool = False,
    definitions_only: bool = False,
) -> LoadedTarget:
    """The target ``layers.py::affine``, as ``gradtool check`` finds it, ready to be called.

    ``inputs`` are values of inputs and settings that are not to be guessed. ``case`` is the label of another case than the
    given one (``stride=2``), ``calling`` the description of one of several ways to call it. With ``pinned`` random generators
    begin anew for each forward. Runs the file. Raises ``TargetError`` where there is no such target or no inputs are found
    for it, and ``LoadError`` where the file cannot be imported.
    """
    spec = parse_target(text)
    (path, display), *more = find_files(spec)
    if more:
        raise TargetError(f"{text}: several files; name one, as in {display}::{spec.pattern or 'NAME'}")
    scope = load(path, display, definitions_only=definitions_only)
    found = {one.name: one for one in find_targets(scope)}
    if spec.pattern not in found:
        near = get_close_matches(spec.pattern or "", found, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(found) or 'none'}"
        raise TargetError(f"{text}: no target of this name; {hint}")
    one = found[spec.pattern]
    name = names_of(one, scope).id
    target = make_target(one, scope, Given(by_target={name: dict(inputs or {})}), seed)
    if isinstance(target, Skipped):
        raise TargetError(f"{name}: {target.reason}")
    chosen = next((each for each in target.cases if each.label == case), target.cases[0])
    way = next((each for each in chosen.callings if each.description == calling), chosen.callings[0])
    caller = Caller(way, target.generators, seed)
    caller.pinned = pinned
    return LoadedTarget(target, chosen, caller)
