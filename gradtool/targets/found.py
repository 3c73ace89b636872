"""``Found``: a forward and a backward that a convention has paired, before anybody knows with which inputs to call them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gradtool.target import Case
from gradtool.targets.scope import Parameter


class CannotBindError(Exception):
    """These values do not do, or backward cannot be understood; the message says why and what to add."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A pair that a convention found, with all that is needed to look for inputs and then to call it.

    ``parameters`` need values: forward's, then those of a constructor (named as there), then what only backward takes.
    ``docstrings`` are where shapes may be stated, the most specific first. ``try_forward(values)`` runs forward once
    and gives what it returned, raising what it raises. ``bind(values)`` gives the case to check; it may try backward to see
    what it returns. It raises ``CannotBindError`` where no way to call it makes sense. ``values`` has an entry for each
    parameter that has no default, and maybe for others.
    """

    name: str
    """The part of the id after ``::``."""
    convention: str
    forward: str
    backward: str
    line: int
    """Of the backward."""
    parameters: tuple[Parameter, ...]
    docstrings: tuple[str, ...]
    try_forward: Callable[[Mapping[str, Any]], Any]
    bind: Callable[[Mapping[str, Any]], Case]
    uses: frozenset[str]
    """The functions and classes of the module that it takes, which a later convention then leaves alone."""
    construction: frozenset[str] = frozenset()
    """Those of ``parameters`` that a constructor takes, and forward does not."""
    scalar: bool = False
    """Forward is written for Python floats (it uses ``math``)."""
    notes: tuple[str, ...] = ()
    skip: str | None = None
    """Why it will not be checked (not implemented, private library object, ...), where that is known already."""
