"""One input's verdict from its gradient and what the references say of it.

An entry is OK when its difference from a reference lies within that reference's error bound plus the allowance for honest
rounding, and that sum is small enough to have shown an error of ``resolution`` times the scale. It is WRONG when the
difference lies outside and a second, independent method confirms it. Otherwise it is UNDECIDED, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradtool.results import Verdict

Array = NDArray[Any]
Mask = NDArray[np.bool_]
RESOLUTION = 1e-4
LARGEST = float(np.finfo(np.float64).max)


class Opinion(NamedTuple):
    """A reference's word on one input. ``value`` is None where it has none, and ``reason`` says why.

    ``confirm(index)`` asks another, independent method for one entry: it gives (value, error), or None where that method
    has no answer. ``singular`` says that the method found the point to be one where no derivative exists.
    """

    method: str
    value: Array | None
    error: Array | None
    reason: str | None
    confirm: Callable[[tuple[int, ...]], tuple[float, float] | None]
    singular: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """The verdict on one input; ``reason`` is set unless it is OK without remark. ``index`` is the deciding entry."""

    verdict: Verdict
    reason: str | None = None
    index: tuple[int, ...] | None = None


def decide(
    gradient: Array,
    opinions: list[Opinion],
    *,
    scale: float,
    quick: Array,
    full: Callable[[], Array],
    tied: Mask,
    resolution: float = RESOLUTION,
    small: float = np.inf,
    largest: float = LARGEST,
    what: str = "the gradient",
) -> Decision:
    """Judge a gradient of any shape, or ``what`` else is to be judged.

    ``scale`` is the size an error is measured against (see ``scale_of``); ``quick`` and ``full()`` are the two allowances
    for rounding, of the gradient's shape; ``tied`` marks entries that depend on the convention at a kink. Where the scale is
    0, a bound up to ``small`` says that the gradient is zero. What is beyond ``largest`` may well be infinite.
    """
    if gradient.size == 0:
        return Decision(Verdict.OK, "empty: nothing to check")
    settled = tied.copy()
    reasons: list[str] = []
    nonfinite = ~np.isfinite(gradient) & ~tied
    if nonfinite.any():
        decision = _judge_nonfinite(gradient, nonfinite, opinions, largest, what)
        if decision.verdict is Verdict.WRONG:
            return decision
        settled |= nonfinite
        reasons.append(decision.reason or "not finite")
    agreed = np.zeros(gradient.shape, dtype=bool)
    bounds = []
    for opinion in opinions:
        if opinion.value is None or opinion.error is None:
            reasons.append(f"{opinion.method}: {opinion.reason}")
            continue
        with np.errstate(invalid="ignore", over="ignore"):
            difference = np.abs(gradient - opinion.value)
            bound = opinion.error + quick
            outside = ~settled & (difference > bound)
            if outside.any():
                bound = opinion.error + np.maximum(quick, full())
                outside &= difference > bound
        if outside.any():
            decision = _confirm(gradient, opinion, difference, bound, outside, full)
            if decision.verdict is Verdict.WRONG:
                return decision
            reasons.append(decision.reason or "")
        limit = resolution * scale
        with np.errstate(invalid="ignore"):
            sharp = bound <= (limit if limit > 0 else small)
            sharp &= np.isfinite(bound)
            agreed |= ~outside & (difference <= bound) & sharp
            blunt = ~settled & ~outside & ~sharp
        if blunt.any():
            worst = float(np.max(bound[blunt]))
            reasons.append(
                f"{opinion.method} is known only to ± {worst:.1g}, too wide to see an error of {resolution:g} of {scale:.3g}"
                if limit > 0
                else f"{opinion.method} and rounding together leave ± {worst:.1g}: too wide to tell it from zero"
            )
        if not outside.any():
            bounds.append(float(np.max(np.where(settled, 0.0, bound), initial=0.0)))
    open_ = ~agreed & ~settled
    if tied.any():
        return Decision(Verdict.UNDECIDED, None, _first(tied))
    if nonfinite.any():
        return Decision(Verdict.UNDECIDED, "; ".join(reasons), _first(nonfinite))
    if open_.any():
        return Decision(
            Verdict.UNDECIDED, "; ".join(r for r in reasons if r) or "no reference was asked", _first(open_)
        )
    if scale == 0:
        return Decision(Verdict.OK, f"zero to within {min(bounds, default=0.0):.1g}")
    return Decision(Verdict.OK)


def scale_of(gradients: Mapping[str, Array], allowance: Mapping[str, Array]) -> dict[str, float]:
    """What an error in each input's gradient is measured against: its largest entry; the largest of all inputs where that
    is zero within its rounding; 0 where all are."""
    sizes = {}
    for name, gradient in gradients.items():
        finite = np.abs(gradient[np.isfinite(gradient)])
        size = float(np.max(finite, initial=0.0))
        floor = float(np.max(allowance[name], initial=0.0, where=np.isfinite(allowance[name])))
        sizes[name] = size if size > floor else 0.0
    largest = max(sizes.values(), default=0.0)
    return {name: size or largest for name, size in sizes.items()}


def _first(mask: Mask) -> tuple[int, ...]:
    return tuple(int(k) for k in np.argwhere(mask)[0])


def _at(index: tuple[int, ...]) -> str:
    return f"entry {list(index)}: " if index else ""


def _judge_nonfinite(gradient: Array, nonfinite: Mask, opinions: list[Opinion], largest: float, what: str) -> Decision:
    """A gradient that is not finite is WRONG where a reference is finite, but for points where no derivative exists."""
    index = _first(nonfinite)
    for opinion in opinions:
        if opinion.singular:
            return Decision(Verdict.UNDECIDED, f"{_at(index)}no derivative here ({opinion.reason})", index)
    for opinion in opinions:
        if opinion.value is None or opinion.error is None:
            continue
        known = nonfinite & (np.abs(opinion.value) <= largest) & _is_sharp(opinion.value, opinion.error)
        if known.any():
            index = _first(known)
            theirs = float(opinion.value[index])
            said = f"{_at(index)}{what} is {float(gradient[index])} where {opinion.method} gives {theirs:.6g}"
            second = opinion.confirm(index)
            if second is not None and _agree(second, (opinion.value[index], opinion.error[index])):
                return Decision(Verdict.WRONG, said, index)
            return Decision(Verdict.UNDECIDED, f"{said}, and no second method can confirm it", index)
    return Decision(Verdict.UNDECIDED, f"{_at(index)}{what} is {float(gradient[index])}", index)


def _is_sharp(value: Any, error: Any) -> Any:
    return np.abs(error) <= RESOLUTION * np.abs(value) + float(np.finfo(np.float64).tiny)


def _agree(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether both are finite, sharp and the same to the resolution."""
    if not (np.isfinite(one[0]) and np.isfinite(other[0]) and _is_sharp(*one) and _is_sharp(*other)):
        return False
    apart = abs(one[0] - other[0]) - one[1] - other[1]
    return bool(apart <= RESOLUTION * max(abs(one[0]), abs(other[0])))


def _confirm(
    gradient: Array, opinion: Opinion, difference: Array, bound: Array, outside: Mask, full: Callable[[], Array]
) -> Decision:
    """Ask a second method about the worst entry before a gradient is called WRONG."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        excess = np.where(outside, difference / np.where(bound > 0, bound, np.finfo(np.float64).tiny), -np.inf)
    index = tuple(int(k) for k in np.unravel_index(int(np.argmax(excess)), excess.shape))
    assert opinion.value is not None
    assert opinion.error is not None
    ours, theirs = float(gradient[index]), float(opinion.value[index])
    second = opinion.confirm(index)
    said = f"{_at(index)}yours {ours:.6g}, {opinion.method} {theirs:.6g} ± {float(opinion.error[index]):.1g}"
    if second is None:
        return Decision(Verdict.UNDECIDED, f"{said}, and no second method can confirm it", index)
    value, error = second
    if abs(ours - value) > error + float(np.broadcast_to(full(), gradient.shape)[index]):
        return Decision(Verdict.WRONG, f"{said}; confirmed by a second method: {value:.6g}", index)
    return Decision(Verdict.UNDECIDED, f"{said}, but a second method gives {value:.6g} ± {error:.1g}", index)
