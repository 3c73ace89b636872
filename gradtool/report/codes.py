"""What each code of ``check`` stands for, in a few words: the titles in formats that list their rules."""

from __future__ import annotations

TITLES = {
    "GC101": "gradient has the opposite sign",
    "GC102": "gradient is off by a constant factor",
    "GC103": "gradient is transposed",
    "GC104": "gradient is not summed over a broadcast or batch axis",
    "GC105": "gradient is averaged where it should be summed, or the reverse",
    "GC106": "gradients of two inputs are exchanged",
    "GC107": "gradient is zero, None or blocked",
    "GC108": "one path is missing, or overwritten instead of added up",
    "GC109": "a factor of the chain is missing",
    "GC110": "a local derivative is taken at the wrong value, of the wrong power or applied twice",
    "GC111": "entries are shifted, flipped, permuted or in another order",
    "GC112": "gradient is right in one region and wrong in another",
    "GC113": "gradient is right but for a few entries",
    "GC114": "gradient is right to a few digits only",
    "GC115": "gradient is not finite",
    "GC116": "gradient has the wrong shape",
    "GC117": "gradient does not depend on all of the upstream gradient",
    "GC118": "gradient is outside the valid interval at a tie or kink",
    "GC119": "a regularisation or constant term is missing, or there twice",
    "GC120": "backward raised where forward succeeded",
    "GC199": "gradient is wrong, and no known cause fits",
    "GC301": "backward changes the upstream gradient in place",
    "GC302": "backward changes an input or the cache in place",
    "GC303": "a second call of backward gives another result",
    "GC304": "backward is not linear in the upstream gradient",
    "GC305": "forward is random",
    "GC306": "dtype of the gradient differs from that of the input",
    "GC307": "backward fails on a non-contiguous or broadcast upstream gradient",
    "GC308": "returned gradient shares memory with an input",
    "UNDECIDED": "gradient could not be decided",
}
"""Code -> title. UNDECIDED has no code of its own."""
