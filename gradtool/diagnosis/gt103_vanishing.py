"""GT103: vanishing along a path.

What it means
    Going down from the output, the gradient shrinks step by step until little is left. The message gives the norm of the
    gradient at the first and the last layer; the bars below the tables show every layer in between. Reported where the
    gradient falls below ``ratio`` (default 1e-4) of its largest norm over at least ``steps`` (default 4) shrinking layers.

Why it matters
    Parameters behind such a path hardly learn. A sigmoid's derivative is at most 1/4, so twenty of them leave at most
    1e-12 of the gradient.

Example
    twenty lines of h = sigmoid(W@h)

What to do
    Use relu-like activations, residual connections or normalisation, and scale the weights by their fan-in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np

from gradtool.diagnosis.health import Health
from gradtool.results import Diagnostic

THRESHOLDS: Mapping[str, float] = {"ratio": 1e-4, "steps": 4}


def find(health: Health, thresholds: Mapping[str, float]) -> Iterator[Diagnostic]:
    """At most one finding: from the layer with the largest norm down to the smallest behind it."""
    # Where it underflows to 0, the last layers above that tell of the fall; a 0 of other origin is GT105's or GT109's.
    layers = [(i, norm) for i, norm in health.layers if np.isfinite(norm) and norm > 0]
    if len(layers) < 2:
        return
    top = max(range(len(layers)), key=lambda k: layers[k][1])
    below = layers[top:]
    bottom = min(range(len(below)), key=lambda k: (below[k][1], -k))
    norms = [norm for _, norm in below[: bottom + 1]]
    shrinking = sum(after < before for before, after in pairwise(norms))
    if norms[-1] < thresholds["ratio"] * norms[0] and shrinking >= thresholds["steps"]:
        first, last = below[0][0], below[bottom][0]
        yield Diagnostic(
            "GT103",
            "warning",
            f"the gradient vanishes: its norm falls from {norms[0]:.3g} at {health.label(first)} "
            f"to {norms[-1]:.3g} at {health.label(last)}, over {len(norms) - 1} layers",
            last,
        )
