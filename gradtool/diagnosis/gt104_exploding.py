"""GT104: exploding along a path.

What it means
    Going down from the output, the gradient grows step by step. The message gives the norm at the first and the last
    layer; the bars below the tables show every layer in between. Reported where it grows by more than ``ratio`` (default
    1e4) over at least ``steps`` (default 4) growing layers.

Why it matters
    One step of gradient descent then throws the parameters far away, and a little deeper the gradient overflows.

Example
    twenty lines of h = relu(W@h) with large weights

What to do
    Scale the weights by their fan-in, normalise, or clip: --clip-norm 1 shows what clipping would leave.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np

from gradtool.diagnosis.health import Health
from gradtool.results import Diagnostic

THRESHOLDS: Mapping[str, float] = {"ratio": 1e4, "steps": 4}


def find(health: Health, thresholds: Mapping[str, float]) -> Iterator[Diagnostic]:
    """At most one finding: from the smallest norm down to the largest behind it."""
    layers = [(i, norm) for i, norm in health.layers if np.isfinite(norm) and norm > 0]
    if len(layers) < 2:
        return
    bottom = max(range(len(layers)), key=lambda k: layers[k][1])
    above = layers[: bottom + 1]
    top = min(range(len(above)), key=lambda k: above[k][1])
    norms = [norm for _, norm in above[top:]]
    growing = sum(after > before for before, after in pairwise(norms))
    if norms[-1] > thresholds["ratio"] * norms[0] and growing >= thresholds["steps"]:
        first, last = above[top][0], layers[bottom][0]
        yield Diagnostic(
            "GT104",
            "warning",
            f"the gradient explodes: its norm grows from {norms[0]:.3g} at {health.label(first)} "
            f"to {norms[-1]:.3g} at {health.label(last)}, over {len(norms) - 1} layers",
            last,
        )
