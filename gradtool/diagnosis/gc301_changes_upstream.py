"""GC301: backward changes the upstream gradient in place.

What it means
    After backward has run, the array that it was handed as the upstream gradient holds other numbers than before.

Why it matters
    The same array often goes to several backwards: where a value is used twice, both users get it. The second one then
    computes with what the first one left. Everything looks right as long as each layer is tested by itself.

Example
    def relu_backward(dout, x):
        dout[x <= 0] = 0          # writes into the caller's array
        return dout

What to do
    Compute into a new array: dx = dout * (x > 0), or work on dout.copy().
"""

from __future__ import annotations

from collections.abc import Iterator

from gradtool.diagnosis.hygiene import Trial, changed


def find(trial: Trial) -> Iterator[str]:
    """One message for each upstream array that is changed."""
    if trial.calling.upstream != "given":
        return
    handed = trial.watched.upstream
    for i, (before, after) in enumerate(zip(trial.upstream, handed, strict=True)):
        if changed(before, after):
            which = "" if len(handed) == 1 else f" number {i + 1}"
            yield f"backward changes the upstream gradient{which} in place"
