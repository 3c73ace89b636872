"""The user's Jacobian over the right one, entry by entry, as a power of what is at hand: inputs, outputs, simple functions.

For forwards that cannot be traced. A missing factor x shows as 1/x, one too many as x, x taken for y as x/y.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import combinations
from typing import NamedTuple

import numpy as np

from gradtool.diagnosis.fitting import Array, Evidence, Mask, Matrices, largest
from gradtool.diagnosis.program import Program, programs

EXPONENTS = (-1.0, 1.0, -2.0, 2.0, -0.5, 0.5, -3.0, 3.0)
PAIRS = ((-1.0, 1.0), (1.0, -1.0), (-1.0, -1.0), (1.0, 1.0), (-2.0, 2.0), (2.0, -2.0))
MAX_VARIABLES = 40
LARGE_FRACTION = 16
MIN_ENTRIES = 4
FEW = 3
PART = 0.25
CLOSE = 1e-7

FUNCTIONS: tuple[tuple[str, Callable[[Array], Array]], ...] = (
    ("{}", lambda v: v),
    ("log(|{}|)", lambda v: np.log(np.abs(v))),
    ("exp({})", np.exp),
    ("(1 - {})", lambda v: 1 - v),
    ("(1 + {})", lambda v: 1 + v),
    ("(1 - {}^2)", lambda v: 1 - v * v),
    ("(1 + {}^2)", lambda v: 1 + v * v),
    ("cos({})", np.cos),
    ("sin({})", np.sin),
)


@dataclass(frozen=True, slots=True)
class Monomial:
    """What the user's Jacobian has too much or too little of, in words, and what to do. ``is_missing`` says that one factor
    to the first power is not there."""

    message: str
    fix: str
    is_missing: bool
    residual: float


class Variable(NamedTuple):
    """Something that may be a factor: its values at the entries of the matrices that count, one after the other."""

    label: str
    values: Array
    divides: bool = False
    """Whether forward divides by it."""


def missing_factor(evidence: Evidence) -> Monomial | None:
    """The power of a variable, or product of two, that makes the user's Jacobian the right one at every sight."""
    found: Monomial | None = evidence.once("missing factor", lambda: _search(evidence))
    return found


def _search(evidence: Evidence) -> Monomial | None:
    if not any(bool(look.wrong.any()) for look in evidence.looks if not look.is_tie):
        return None
    ratios, places = [], []
    for both in evidence.matrices:
        certain = both.nonzero & (np.abs(both.right) > 1e6 * both.error) & (np.abs(both.right) > 1e-6 * both.scale)
        if not certain.any() or (both.yours_nonzero & ~both.nonzero).any():
            return None
        places.append(certain)
        ratios.append(both.yours[certain] / both.right[certain])
    if not ratios or sum(r.size for r in ratios) < MIN_ENTRIES:
        return None
    ratio = np.concatenate(ratios)
    right = np.abs(ratio - 1) <= CLOSE
    if (ratio == 0).any() or _is_piecewise(ratios) or right.mean() > PART:  # Right in one region is another cause.
        return None
    variables = list(_variables(evidence, places))[:MAX_VARIABLES]
    whole = np.concatenate([both.yours[at] for both, at in zip(evidence.matrices, places, strict=True)])
    plain = Variable("1", np.ones(whole.size))
    inner = list(_inner(evidence, places))[:MAX_VARIABLES]
    for found in (
        _in_place(whole, [plain]), _powers(evidence, ratio, variables), _in_place(whole, variables),
        _powers(evidence, ratio, inner),
    ):  # fmt: skip
        if found is not None:
            return found
    for one, other in combinations(variables, 2):
        for p, q in PAIRS:
            constant = _constant(ratio / (_power(one.values, p) * _power(other.values, q)))
            if constant is not None:
                return _several([(one.label, p), (other.label, q)], *constant)
    return None


def _is_piecewise(ratios: Sequence[Array]) -> bool:
    """Whether there is one constant, or one a region: those are other causes. A constant that differs from sight to sight is
    none."""
    values = [np.unique(np.round(ratio, 6)) for ratio in ratios]
    everywhere = np.unique(np.concatenate(values))
    return len(everywhere) < FEW or (len(everywhere) == FEW and any(len(found) > 1 for found in values))


def _powers(evidence: Evidence, ratio: Array, variables: Sequence[Variable]) -> Monomial | None:
    for variable in variables:
        for exponent in EXPONENTS:
            constant = _constant(ratio / _power(variable.values, exponent))
            if constant is not None:
                return _single(evidence, variable, exponent, *constant)
    return None


def _in_place(whole: Array, variables: Sequence[Variable]) -> Monomial | None:
    """Where the user's Jacobian is a variable itself, and nothing of the right one is in it."""
    for label, values, _ in variables:
        constant = _constant(whole / values)
        if constant is None:
            continue
        factor, residual = constant
        times = "" if factor == 1 else f"{factor} times "
        if label == "1":
            message = f"lacks its whole local derivative: it is {times}the upstream gradient as it came"
            return Monomial(message, "multiply by the local derivative", True, residual)
        message = f"has {times}{label} where another local derivative belongs"
        return Monomial(message, f"put the local derivative in the place of {label}", False, residual)
    return None


def _single(evidence: Evidence, variable: Variable, exponent: float, factor: Fraction, residual: float) -> Monomial:
    missing = exponent == (1.0 if variable.divides else -1.0) and variable.label != evidence.name and factor == 1
    if not missing:
        return _several([(variable.label, exponent)], factor, residual)
    text = f"1 / {variable.label}" if variable.divides else variable.label
    return Monomial(f"lacks the factor {text}", f"multiply by {text}", True, residual)


def _several(powers: list[tuple[str, float]], factor: Fraction, residual: float) -> Monomial:
    message = f"is off by the factor {_text(factor, powers)}: a wrong power, or another variable"
    fix = f"multiply by {_text(1 / factor, [(label, -exponent) for label, exponent in powers])}"
    return Monomial(message, fix, False, residual)


def _constant(ratio: Array) -> tuple[Fraction, float] | None:
    """The simple fraction that all entries equal, and how nearly; None where they differ."""
    if not np.isfinite(ratio).all():
        return None
    middle = float(np.median(ratio))
    if not np.isfinite(middle) or middle == 0:
        return None
    fraction = Fraction(middle).limit_denominator(LARGE_FRACTION)
    if fraction == 0 or abs(fraction.numerator) > LARGE_FRACTION:
        return None
    off = largest(ratio / float(fraction) - 1)
    return (fraction, off) if off <= CLOSE else None


def _power(values: Array, exponent: float) -> Array:
    powered: Array = (
        np.power(values, exponent) if exponent == round(exponent) else np.where(values > 0, values, np.nan) ** exponent
    )
    return powered


def _text(factor: Fraction, powers: list[tuple[str, float]]) -> str:
    above = [_raised(label, exponent) for label, exponent in powers if exponent > 0]
    below = [_raised(label, -exponent) for label, exponent in powers if exponent < 0]
    if factor != 1 or not above:
        above.insert(0, str(factor))
    return " * ".join(above) + "".join(f" / {part}" for part in below)


def _raised(label: str, exponent: float) -> str:
    if exponent == 1:
        return label
    return f"sqrt({label})" if exponent == 0.5 else f"{label}^{exponent:g}"


def _variables(evidence: Evidence, places: Sequence[Mask]) -> Iterator[Variable]:
    """Inputs and outputs, and simple functions of them, at the entries of the matrices that count, one after the other."""
    for label, spread in _arrays(evidence):
        values = [spread(both) for both in evidence.matrices]
        if any(value is None for value in values):
            continue
        at = _at(evidence, values, places)
        for form, function in FUNCTIONS:
            made = function(at)
            if np.isfinite(made).all() and not (made == 0).any() and np.ptp(made) > 1e-3 * largest(made):
                yield Variable(form.format(label), made)


def _inner(evidence: Evidence, places: Sequence[Mask]) -> Iterator[Variable]:
    """The inner values of the traced forward, spread the same way."""
    by_look = {id(program.look): program for program in programs(evidence)}
    found = [by_look.get(id(both.look)) for both in evidence.matrices]
    traced = [program for program in found if program is not None]
    if not traced or len(traced) < len(found):
        return
    first = traced[0]
    for i in range(first.graph.output - 1, 0, -1):
        if not first.plan.live[i] or first.values[i].size < 2 or first.plan.operations[i] is None:
            continue
        for spread in (_columns, _rows):
            values = [spread(both, program.values[i]) for both, program in zip(evidence.matrices, traced, strict=True)]
            if any(value is None for value in values):
                continue
            at = _at(evidence, values, places)
            if np.isfinite(at).all() and not (at == 0).any() and np.ptp(at) > 1e-3 * largest(at):
                yield Variable(f"({first.label(i)})", at, _divides(first, i))


def _divides(program: Program, node: int) -> bool:
    """Whether forward divides by a node, or by what broadcasts it."""
    return any(
        program.graph.operations[i] == "divide" and arguments[1] == node
        for i, arguments in enumerate(program.graph.arguments)
    )


def _at(evidence: Evidence, values: Sequence[Array | None], places: Sequence[Mask]) -> Array:
    parts = zip(values, evidence.matrices, places, strict=True)
    return np.concatenate([np.broadcast_to(v, both.right.shape)[m] for v, both, m in parts if v is not None])


Spread = Callable[[Matrices], Array | None]


def _arrays(evidence: Evidence) -> Iterator[tuple[str, Spread]]:
    """(label, how to spread it over a matrix): along the rows what fits the output, along the columns what fits the input."""
    sight = evidence.first.sight
    single = len(sight.outputs) == 1
    for name in sight.values:
        if np.asarray(sight.values[name]).dtype.kind != "f":
            continue
        if name != evidence.name or sight.right[evidence.name].shape:
            yield name, partial(_columns_of, name)
        if single:
            yield name, partial(_rows_of, name)
    if single:
        yield "the output", lambda both: _rows(both, both.look.sight.outputs[0])
        yield "the output", lambda both: _columns(both, both.look.sight.outputs[0])


def _columns_of(name: str, both: Matrices) -> Array | None:
    return _columns(both, both.look.sight.values[name])


def _rows_of(name: str, both: Matrices) -> Array | None:
    return _rows(both, both.look.sight.values[name])


def _columns(both: Matrices, value: Array) -> Array | None:
    return _spread(value, both.look.right.shape, (1, -1))


def _rows(both: Matrices, value: Array) -> Array | None:
    if len(both.look.sight.outputs) != 1:
        return None
    return _spread(value, np.shape(both.look.sight.outputs[0]), (-1, 1))


def _spread(value: Array, shape: tuple[int, ...], to: tuple[int, int]) -> Array | None:
    try:
        spread: Array = np.broadcast_to(np.asarray(value, dtype=np.float64), shape).reshape(to)
    except ValueError:
        return None
    return spread
