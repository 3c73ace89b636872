"""GC304: not linear in the upstream gradient.

What it means
    A backward pass multiplies the upstream gradient by the Jacobian. Twice the upstream must give twice the gradient, the sum
    of two the sum, and zero gives zero. This one does not.

Why it matters
    It is right for some upstream gradients and wrong for others: where backward drops negative ones, clips large ones or
    normalizes them, a test with an upstream of ones sees nothing.

Example
    def relu_backward(dout, x):
        return np.maximum(dout, 0) * (x > 0)   # guided backpropagation

What to do
    Let the upstream gradient enter only as a factor. Clip or normalize gradients outside of backward, where the optimizer
    works.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from gradtool.diagnosis.hygiene import Trial
from gradtool.verdict.caller import roundoff_of

LINEAR = 1e-5
"""Rounding, also in single precision, breaks linearity by less than this share."""
UNITS = 64
"""Units of roundoff by which a precision lower than that breaks it."""
ZERO = 1e-7
DRAWS = 8
SCALES = (2.0**-20, 2.0**20)


def find(trial: Trial) -> Iterator[str]:
    """One message for each gradient that is not linear."""
    if trial.calling.upstream != "given" or trial.ignores_upstream or "GC303" in trial.found:
        return
    rng = np.random.default_rng(271828)
    other = [np.asarray(rng.standard_normal(u.shape), dtype=u.dtype) for u in trial.upstream]
    nothing = [np.zeros_like(u) for u in trial.upstream]
    # Large and of the opposite sign, so that what clips or drops is seen.
    factors = (-3.0, 64.0)
    sum_ = [
        np.asarray(factors[0] * u + factors[1] * v, dtype=u.dtype) for u, v in zip(trial.upstream, other, strict=True)
    ]
    parts = [_in_double(trial.repeated), *(_float(trial, upstream) for upstream in (other, sum_, nothing))]
    for name in parts[0]:
        if name in trial.zeros:
            continue  # What is left of it is rounding.
        if not all(name in part and part[name].shape == parts[0][name].shape for part in parts):
            continue
        one, two, both, zero = (part[name] for part in parts)
        size = abs(factors[0]) * _largest(one) + abs(factors[1]) * _largest(two)
        limit = max(LINEAR, UNITS * _roundoff(trial, name)) * size
        with np.errstate(invalid="ignore"):
            if _largest(zero) > ZERO * _largest(one):
                yield f"the gradient of {name} is not zero where the upstream gradient is"
                continue
            apart = _largest(both - factors[0] * one - factors[1] * two)
            if apart > limit and apart > UNITS * _rounding(trial, name, sum_, both):
                yield f"the gradient of {name} is not linear in the upstream gradient"


def _largest(numbers: np.ndarray) -> float:
    return float(np.abs(numbers).max(initial=0.0))


def _float(trial: Trial, upstream: list[np.ndarray] | tuple[np.ndarray, ...]) -> dict[str, np.ndarray]:
    return _in_double(trial.arrays(trial.again(upstream)))


def _in_double(gradients: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.array(value, dtype=np.float64) for name, value in gradients.items()}


def _rounding(trial: Trial, name: str, upstream: list[np.ndarray], gradient: np.ndarray) -> float:
    """How far the gradient is from being proportional to the upstream gradients, where these are all tiny and where they are
    all large: the less of the two. Where large parts cancel, what is left is rounding at any scale; what clips, normalizes or
    drops upstream gradients is proportional, or next to nothing, at one of them."""
    rng, moved = np.random.default_rng(314159), []
    for scale in SCALES:
        plain = _float(trial, [np.asarray(u * scale, dtype=u.dtype) for u in upstream]).get(name, gradient)
        apart = 0.0
        for _ in range(DRAWS):
            factor = scale * float(rng.uniform(0.5, 2.0))
            again = _float(trial, [np.asarray(u * factor, dtype=u.dtype) for u in upstream]).get(name, gradient)
            apart = max(apart, _largest(again / factor - plain / scale))
        moved.append(apart)
    return min(moved)


def _roundoff(trial: Trial, name: str) -> float:
    """The unit roundoff of the lowest precision among the upstream gradients and the gradient."""
    kinds = [u.dtype for u in trial.upstream] + [np.asarray(trial.gradients.get(name)).dtype]
    return max((roundoff_of(kind) for kind in kinds if kind.kind == "f"), default=0.0)
