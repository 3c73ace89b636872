"""GC306: the dtype of a gradient differs from its input's.

What it means
    The input is an array of one floating-point type, and its gradient comes as another.

Why it matters
    A float32 gradient of a float64 parameter has lost half of its digits; a float64 gradient of a float32 parameter doubles
    the memory and turns the parameter to float64 at the first update.

Example
    dx = np.zeros(x.shape, dtype=np.float32)   # whatever x is

What to do
    Make the array like its input: np.zeros_like(x).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradtool.diagnosis.hygiene import Trial


def find(trial: Trial) -> Iterator[str]:
    """One message for each gradient of another dtype."""
    for name, gradient in trial.arrays(trial.gradients).items():
        value = trial.values[name]
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and gradient.dtype != value.dtype:
            yield f"the gradient of {name} is {gradient.dtype}, and {name} is {value.dtype}"
