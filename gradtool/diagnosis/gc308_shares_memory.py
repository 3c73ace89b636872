"""GC308: a returned gradient shares memory with an input.

What it means
    The array that backward returned is an input itself, or a view of it.

Why it matters
    Whoever adds to the gradient in place, as an optimizer or a layer that accumulates does, changes the input with it.

Example
    def scale_backward(dout, cache):
        x, w = cache
        return dout * w, x      # dw should be a new array

What to do
    Return a copy.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradtool.diagnosis.hygiene import Trial


def find(trial: Trial) -> Iterator[str]:
    """One message for each gradient that shares memory with an input."""
    watched = trial.watched
    for name, gradient in watched.gradients.items():
        for other, value in watched.handed.values.items():
            if isinstance(value, np.ndarray) and value.size and np.shares_memory(gradient, value):
                yield f"the gradient of {name} shares memory with the input {other}"
                break
