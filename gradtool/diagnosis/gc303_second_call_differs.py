"""GC303: a second call gives another result.

What it means
    Forward and backward were run a second time, with the same inputs and the same upstream gradient, and gave another
    gradient.

Why it matters
    Something is left over from the first call: a buffer of gradients that is added to and never set to zero, a variable of
    the module, an object that remembers. The first step of training is right and all others are wrong.

Example
    total = np.zeros(3)
    def bias_backward(dout, cache):
        global total
        total += dout.sum(axis=0)  # grows with every call
        return total

What to do
    Make the gradient's array inside backward, or set it to zero where forward begins.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradtool.diagnosis.hygiene import Trial, differs
from gradtool.verdict.caller import UserCodeError


def find(trial: Trial) -> Iterator[str]:
    """One message for each gradient that differs."""
    try:
        first, second = trial.watched.copies, trial.repeated
    except UserCodeError as error:
        yield f"a second call with the same inputs raises ({error})"
        return
    for name, value in first.items():
        if name in second and differs(value, second[name]):
            yield f"a second call with the same inputs gives another gradient of {name}"
