"""``Suspect``: a gradient that is WRONG, with all that rules for causes (GC1xx) may ask about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradtool.results import Point
from gradtool.target import Case

Array = NDArray[np.float64]
Upstream = tuple[Array, ...]


@dataclass(frozen=True, eq=False)
class Sight:
    """A target at one point: what backward gave there and what is right.

    ``yours`` is as the user's backward gave it: None, of a wrong shape, or not finite, as the case may be. ``right`` and
    ``error`` are float64 arrays of the input's shape: ``error`` bounds ``|right - truth|`` and honest rounding of ``yours``,
    entry by entry, infinite where nothing is known. ``outputs`` and ``upstream`` have one array an output.
    """

    point: Point
    values: Mapping[str, Array]
    outputs: tuple[Array, ...]
    upstream: Upstream
    yours: Mapping[str, Any]
    right: Mapping[str, Array]
    error: Mapping[str, Array]
    yours_at: Callable[[Upstream], Mapping[str, Any]]
    """Backward once more at this point, with another upstream. Raises what the user's code raises."""
    jacobian: Callable[[str], tuple[Array, Array]]
    """``jacobian(name)`` -> (value, error), shape (total size of the outputs, size of the input); made when first asked."""


@dataclass(frozen=True, eq=False)
class Suspect:
    """The gradient ``name`` of a target. ``sights`` begins with the point where it was found WRONG, given points before
    those that gradtool chose; a hypothesis must fit at all of them. ``wrt`` are all the names whose gradients are claimed."""

    name: str
    wrt: tuple[str, ...]
    sights: Sequence[Sight]
    case: Case
    raised: str | None = None
    """The traceback of the user's own code, where backward raised."""
    passes_upstream: bool = True
    """Whether backward is handed the upstream gradient (GC117 is about that)."""
    at_tie: bool = False
    """Whether it is WRONG at the first sight because it is outside what is valid at a tie or kink there."""
    only: tuple[int, ...] | None = None
    """The one wrong entry, where there are no sights (the arrays are too large for them) and all others are known to be
    right."""
