"""GC305: forward is random.

What it means
    Two forwards with the same inputs gave different outputs. gradtool put the random generators back to the same state before
    every call, and checked the gradient for one draw.

Why it matters
    The gradient of dropout or of sampled noise is right only together with the mask that was drawn. It can be checked, but
    only for that mask; and a backward that draws again, instead of keeping the mask, is wrong.

Example
    def dropout_forward(x):
        mask = np.random.rand(*x.shape) < 0.5
        return x * mask, mask

What to do
    Nothing, if it is meant. Take the generator or a seed as an argument, so that runs can be repeated.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradtool.diagnosis.hygiene import Trial


def find(trial: Trial) -> Iterator[str]:
    """One message where the generators had to be pinned."""
    if trial.caller.pinned:
        yield "forward is random: checked with the random generators pinned, for one draw"
