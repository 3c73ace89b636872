"""The numeric reference at a third of its price, for gradients that turn out to be right: three steps an entry.

Three rungs are extrapolated twice; the error is what the second extrapolation changed, many times over. Where the slopes do
not converge as those of a smooth function do, or a kink may be near, the error is infinite and the full reference is needed. A
gradient that agrees with it is right; one that does not is looked at again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradtool.references.joined import TOGETHER, Joined, ManyInputs
from gradtool.references.numeric import MANTISSA, Numeric
from gradtool.references.sampling import EPSILON, Array, Entries, Evaluable, Field, Measure, Rungs
from gradtool.references.tableau import bent_at, central

LADDER = MANTISSA * 2.0 ** -np.array([8.0, 9.0, 10.0])
FALL = 0.35
"""A central difference is off by the square of the step: from rung to rung its moves fall to a quarter."""
SAFETY = 6.0
ORDINARY = (2.0**-4, 4.0)
"""Entries of this size move by steps of the ladder itself, others by steps in proportion."""


def quick_gradient(
    function: Evaluable, inputs: Mapping[str, Any], upstream: Any, names: Sequence[str]
) -> dict[str, Numeric]:
    """The gradient of ``sum(upstream * output)`` with respect to each input in ``names``, in six evaluations an entry. Errors
    are infinite where nothing is known for sure."""
    found = {}
    with np.errstate(all="ignore"):
        measure = Measure.of(function, upstream)
        noisy = _noise_of_all(function, inputs, measure, names)
        for name in names:
            x = np.asarray(inputs[name], dtype=np.float64)
            if measure.failure is not None or not x.size:
                found[name] = _unknown(x, measure.failure)
                continue
            field = Field(function, name, Entries(x), measure)
            if noisy is None:
                field.prepare()
            else:
                _share(noisy, field)
                noisy.evaluations = 0  # They are the first input's.
            found[name] = _read(field, x)
    return found


def _noise_of_all(
    function: Evaluable, inputs: Mapping[str, Any], measure: Measure, names: Sequence[str]
) -> Field | None:
    """The noise, measured once with all inputs moving; None where they cannot move together."""
    if len(names) < 2 or measure.failure is not None or not isinstance(function, ManyInputs):
        return None
    joined = Joined(function, inputs, names)
    field = Field(joined, TOGETHER, Entries(joined.inputs[TOGETHER]), measure)
    field.prepare()
    return field


def _share(source: Field, field: Field) -> None:
    field.noise, field.relative, field.most = source.noise, source.relative, source.most
    field.fine, field.coarse, field.flat = source.fine, source.coarse, source.flat
    field.formats, field.evaluations = source.formats, source.evaluations


def _read(field: Field, x: Array) -> Numeric:
    reach = field.lines.reach
    scale = np.where((reach == 0) | ((reach >= ORDINARY[0]) & (reach <= ORDINARY[1])), 1.0, reach)
    steps = scale[:, None] * LADDER
    lines = np.repeat(np.arange(x.size), len(LADDER))
    sampled = field.sample(lines, steps.ravel())
    table = Rungs(*(column.reshape(steps.shape) for column in sampled.columns()))
    series, bend, noise = central(table)
    d, rounding = series.slope, np.max(series.bound, axis=1)
    once = (4 * d[:, 1:] - d[:, :-1]) / 3
    value = (16 * once[:, 1] - once[:, 0]) / 15
    bound = SAFETY * (np.abs(once[:, 1] - once[:, 0]) + rounding)
    moves = np.abs(np.diff(d, axis=1))
    falls = moves[:, 1] <= FALL * moves[:, 0] + 4 * rounding
    base_bound = np.full(x.size, EPSILON * field.measure.magnitude + field.noise)
    trusted = falls & ~bent_at(series.step, bend, noise, base_bound) & np.isfinite(value) & np.isfinite(bound)
    # Noise on two scales, or a function that is flat on small ones, is for the full reference.
    if field.flat or field.coarse[0] > 8 * field.fine[0]:
        trusted[:] = False
    seen = np.fmax.reduce(np.fmax(np.abs(table.up), np.abs(table.down)), axis=1, initial=0.0)
    trusted &= seen > 0
    nan = np.full(x.shape, np.nan)
    error = np.where(trusted, bound, np.inf).reshape(x.shape)
    none = np.zeros(x.shape, dtype=bool)
    return Numeric(value.reshape(x.shape), error, nan, nan, none, field.evaluations, noise=field.relative)


def _unknown(x: Array, reason: str | None) -> Numeric:
    nan = np.full(x.shape, np.nan)
    return Numeric(nan, np.full(x.shape, np.inf), nan, nan, np.zeros(x.shape, dtype=bool), 0, "ok", reason)
