"""GC118: outside the valid interval at a tie or kink.

What it means
    Away from ties and kinks the gradient is right. At the point shown, where two candidates for a maximum are equal or an
    argument sits on a threshold, it is none of the values that are valid there.

Why it matters
    Ties are common: zeros after relu, padding, equal pixels. A mask ``x == x.max()`` sends the whole gradient to every tied
    entry, so a tie of k counts k times.

Example
    def max_backward(dout, x):
        return dout * (x == x.max())        # with two equal maxima: dout twice

What to do
    Choose one of the tied entries (argmax), or share the gradient out among them. At a corner, use a slope between the
    two one-sided ones.
"""

from __future__ import annotations

import numpy as np

from gradtool.diagnosis.fitting import WIDE, Evidence
from gradtool.diagnosis.places import list_entries
from gradtool.results import Cause


def find(evidence: Evidence) -> Cause | None:
    """Fits where the gradient was found wrong at a tie, and is wrong at no other point."""
    look = evidence.all_looks[0]
    if not look.is_tie or look.yours is None:
        return None
    if any(bool(other.wrong.any()) for other in evidence.all_looks if not other.is_tie):
        return None
    off = np.abs(look.yours - look.right)
    differs = off > 1e-9 * (look.scale or 1.0)
    if not differs.any():
        return None
    position = tuple(int(k) for k in np.unravel_index(int(np.argmax(off)), off.shape))
    value = f"yours is {float(look.yours[position]):.6g}, valid there is {float(look.right[position]):.6g}"
    if bool(np.isfinite(look.error[position])) and look.error[position] > WIDE * look.scale:
        value += f" +- {float(look.error[position]):.3g} if all entries together fit"
    message = f"is outside what is valid at a tie or kink, at {list_entries(differs)}: {value}"
    return Cause("GC118", message, "give the gradient to one of the tied entries, or share it out among them")
