"""GC302: backward changes an input or the cache in place.

What it means
    After backward has run, an array that was handed to forward, or one that forward kept for backward, holds other numbers
    than before.

Why it matters
    The input belongs to the caller, and is often the output of the layer below, whose backward still needs it. A cache that
    was changed gives another gradient the next time it is used.

Example
    def tanh_backward(dout, cache):
        out = cache
        out *= out                # the cache, and the layer's output with it
        return dout * (1 - out)

What to do
    Use the form that makes a new array (out * out instead of out *= out), or copy first.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradtool.diagnosis.hygiene import Trial, changed


def find(trial: Trial) -> Iterator[str]:
    """One message for each input or kept array that is changed."""
    watched, shared = trial.watched, []
    for name, before in watched.inputs.items():
        after = watched.handed.values[name]
        if changed(before, after):
            shared.append(after)
            yield f"backward changes the input {name} in place"
    for place, (array, before) in watched.kept.items():
        if changed(before, array) and not any(np.shares_memory(array, other) for other in shared):
            yield f"backward changes what forward kept in place (cache{place})"
