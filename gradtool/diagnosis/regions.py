"""Regions: a bound on one value that parts wrong entries from right ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from math import comb, floor, log10

import numpy as np

from gradtool.diagnosis.fitting import Array, Evidence, Look, Mask, Matrices, Pair

CHANCE = 0.02
"""A bound is believed if chance would part the entries so well with less than this probability."""
MAX_COLUMNS = 60_000
SMALLEST, LARGEST = 1e-280, 1e300
"""Between these a number can be rounded to decimal digits."""


@dataclass(frozen=True, slots=True)
class Region:
    """``where`` is the wrong region (``x < 0``); ``there`` says what the gradient is in it."""

    where: str
    there: str
    file: str | None = None
    line: int | None = None


Samples = tuple[Mask, Array, Array, dict[str, Array]]
"""(wrong, yours, right, value by label) at the entries that say something, one after the other."""


def wrong_region(evidence: Evidence) -> Region | None:
    """The simplest region that has all wrong entries and no right one, at all sights together."""
    found: Region | None = evidence.once("wrong region", lambda: _search(evidence))
    return found


def _search(evidence: Evidence) -> Region | None:
    return _upstream_region(evidence) or _bounded(evidence)


def _upstream_region(evidence: Evidence) -> Region | None:
    """Where some of the upstream gradient's entries, by their sign, are dropped or turned round."""
    if not evidence.suspect.passes_upstream or evidence.upstream(evidence.first).size < 2:
        return None
    for where, there, change in _BY_SIGN:
        if evidence.fit(partial(_pulled, evidence, change)) is not None:
            return Region(where, there)
    return None


def _pulled(evidence: Evidence, change: Callable[[Array], Array], look: Look) -> Pair:
    return evidence.pulled(look, change(evidence.upstream(look)))


_BY_SIGN: tuple[tuple[str, str, Callable[[Array], Array]], ...] = (
    ("the upstream gradient < 0", "what comes from there is dropped", lambda u: np.maximum(u, 0)),
    ("the upstream gradient > 0", "what comes from there is dropped", lambda u: np.minimum(u, 0)),
    ("the upstream gradient < 0", "what comes from there has the opposite sign", np.abs),
)


def _bounded(evidence: Evidence) -> Region | None:
    for samples in (_entries(evidence), _pairs(evidence)):
        if samples is None:
            continue
        wrong, yours, right, variables = samples
        if not wrong.any() or wrong.all():
            continue
        for label, values in variables.items():
            where = parted(wrong, values, label)
            if where is not None:
                return Region(where, _there(wrong, yours, right))
    return None


def _there(wrong: Mask, yours: Array, right: Array) -> str:
    """What the user's gradient is at the wrong entries."""
    y, r = yours[wrong], right[wrong]
    scale = float(np.max(np.abs(np.concatenate([y, r])), initial=0.0))
    if (np.abs(y) <= 1e-9 * scale).all():
        return "it is zero there"
    if (np.abs(r) <= 1e-9 * scale).all():
        return "it should be zero there"
    ratio = y[np.abs(r) > 1e-6 * scale] / r[np.abs(r) > 1e-6 * scale]
    if ratio.size and float(np.ptp(ratio)) <= 1e-6 * abs(float(ratio[0])):
        return (
            "it has the opposite sign there"
            if abs(ratio[0] + 1) < 1e-6
            else f"it is {float(ratio[0]):.6g} times what it should be there"
        )
    return "it has other values there"


def _entries(evidence: Evidence) -> Samples | None:
    """Entry by entry of the gradient, with what has its shape: inputs, outputs, upstream."""
    rows = []
    for look in evidence.looks:
        if look.yours is None:
            return None
        values = dict(_same_shape(evidence, look))
        told = (look.wrong | _tells(look.right, look.scale, look.error)) & np.isfinite(look.error)
        rows.append(
            (
                look.wrong[told],
                look.yours[told] / (look.scale or 1),
                look.right[told] / (look.scale or 1),
                {k: v[told] for k, v in values.items()},
            )
        )
    return _joined(rows)


def _tells(right: Array, scale: float, error: Array) -> Mask:
    """Entries that could be seen to be wrong: those of zero say nothing, most wrong formulas are zero there too."""
    return np.asarray(np.abs(right) > 1e-6 * scale + 10 * error)


def _same_shape(evidence: Evidence, look: Look) -> Iterator[tuple[str, Array]]:
    shape = look.right.shape
    names = [evidence.name, *(name for name in look.sight.values if name != evidence.name)]
    for name in names:
        value = np.asarray(look.sight.values[name])
        if value.dtype.kind == "f" and _fits(value.shape, shape):
            yield name, np.broadcast_to(value, shape)
    for k, output in enumerate(look.sight.outputs):
        if output.shape == shape:
            yield "the output" if len(look.sight.outputs) == 1 else f"output {k}", output
    for k, upstream in enumerate(look.sight.upstream):
        if upstream.shape == shape and upstream.size > 1:
            yield (
                "the upstream gradient" if len(look.sight.upstream) == 1 else f"the upstream gradient of output {k}",
                upstream,
            )


def _pairs(evidence: Evidence) -> Samples | None:
    """Entry by entry of the Jacobian, with what has the output's or the input's shape."""
    rows = []
    for both in evidence.matrices:
        if len(both.look.sight.outputs) != 1:
            return None
        told = (both.nonzero | both.yours_nonzero) & np.isfinite(both.error)
        values = {k: v[told] for k, v in _spread(evidence, both)}
        rows.append((both.wrong[told], both.yours[told] / both.scale, both.right[told] / both.scale, values))
    if not rows or sum(row[0].size for row in rows) > MAX_COLUMNS:
        return None
    return _joined(rows)


def _spread(evidence: Evidence, both: Matrices) -> Iterator[tuple[str, Array]]:
    sight, shape = both.look.sight, both.right.shape
    names = [evidence.name, *(name for name in sight.values if name != evidence.name)]
    for name in names:
        value = np.asarray(sight.values[name])
        if value.dtype.kind != "f":
            continue
        if _fits(value.shape, both.look.right.shape):
            yield name, np.broadcast_to(np.broadcast_to(value, both.look.right.shape).reshape(1, -1), shape)
        if _fits(value.shape, sight.outputs[0].shape) and (
            name != evidence.name or value.shape == sight.outputs[0].shape
        ):
            yield (
                f"{name} at the output's entry",
                np.broadcast_to(np.broadcast_to(value, sight.outputs[0].shape).reshape(-1, 1), shape),
            )
    yield "the output", np.broadcast_to(sight.outputs[0].reshape(-1, 1), shape)


def _fits(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether an array of one shape broadcasts to another and is no constant."""
    return (
        len(shape) <= len(wanted)
        and len(shape) > 0
        and all(a in (1, b) for a, b in zip(shape[::-1], wanted[::-1], strict=False))
    )


def _joined(rows: list[tuple[Mask, Array, Array, dict[str, Array]]]) -> Samples | None:
    if not rows:
        return None
    labels = [label for label in rows[0][3] if all(label in row[3] for row in rows)]
    return (
        np.concatenate([row[0] for row in rows]),
        np.concatenate([row[1] for row in rows]),
        np.concatenate([row[2] for row in rows]),
        {label: np.concatenate([row[3][label] for row in rows]) for label in labels},
    )


def parted(wrong: Mask, values: Array, label: str) -> str | None:
    """``x < 0``: a bound on the values, or on their size, that parts the wrong entries from the right ones."""
    for text, value in ((label, values), (f"|{label}|", np.abs(values))):
        for sign, relation in ((1, ">"), (-1, "<")):
            inside, outside = sign * value[wrong], sign * value[~wrong]
            if not inside.size or not outside.size or not outside.max() < inside.min():
                continue
            bound, exact = between(float(outside.max()), float(inside.min()))
            candidates = 4.0 if exact else 8.0
            if candidates / comb(min(wrong.size, 60), min(int(wrong.sum()), int((~wrong).sum()), 30)) > CHANCE:
                continue
            return f"{text} {relation} {sign * bound + 0.0:.6g}"
    return _between_two(wrong, values, label)


def _between_two(wrong: Mask, values: Array, label: str) -> str | None:
    """``5 < x < 26``: far out a wrong formula may be right again, as where a sigmoid is 1 to rounding."""
    low, high = float(values[wrong].min()), float(values[wrong].max())
    right = values[~wrong]
    below, above = right[right < low], right[right > high]
    count, total = int(wrong.sum()), min(wrong.size, 60)
    if below.size + above.size != right.size or not below.size or not above.size or count < 3:
        return None
    if 8.0 * total / comb(total, min(count, total - count, 30)) > CHANCE:
        return None
    first, last = between(float(below.max()), low)[0], between(high, float(above.min()))[0]
    return f"{first:.6g} < {label} < {last:.6g}"


def between(low: float, high: float) -> tuple[float, bool]:
    """(the simplest number from ``low`` to below ``high``, whether it is 0 or 1): 0, 1, -1, else the fewest digits."""
    for simple in (0.0, 1.0, -1.0):
        if low <= simple < high:
            return simple, True
    size = max(abs(low), abs(high))
    if not SMALLEST < size < LARGEST:
        return low, False
    for digits in range(17):
        step = 10.0 ** (floor(log10(size)) - digits)
        found = np.ceil(low / step) * step
        if low <= found < high:
            return float(found), False
    return low, False
