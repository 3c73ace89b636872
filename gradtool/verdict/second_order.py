"""The Hessian of a program against its references, block by block, as ``judge`` does for gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate, pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradtool.autodiff import Gradients, Plan, Rounding, SecondOrder, backward, forward
from gradtool.references import SecondDerivatives, numeric_hessian, symbolic_hessian
from gradtool.results import Hessian, HessianBlock, Reference, Verdict
from gradtool.verdict.allowance import QUICK, SAFETY
from gradtool.verdict.decide import Opinion, decide, scale_of
from gradtool.verdict.judge import NOT_ASKED, Judge

Array = NDArray[Any]
Mask = NDArray[np.bool_]
DRAWS = 4
KINK = "at a kink: there is no second derivative here"


def judge_hessian(judge: Judge) -> Hessian:
    """The Hessian of ``sum(upstream * output)`` for a program in float64, and what the references that ``judge`` was asked for
    say of it."""
    plan = judge.plan
    judge.say("second derivatives")
    blocks = SecondOrder(plan, judge.values, judge.gradients).hessian()
    sizes = [int(np.size(judge.arrays[name])) for name in plan.wrt]
    ours = joined(blocks, plan.wrt, sizes)
    size = sum(sizes)
    missing = SecondDerivatives.unknown(size, "skipped", NOT_ASKED.reason or "")
    symbolic = _symbolic(judge) if "symbolic" in judge.references and size else missing
    numeric = missing
    if "numeric" in judge.references and size:
        judge.say("differences of the gradient")
        numeric = numeric_hessian(plan, judge.exact_inputs, judge.upstream)
    kink = _kinks(judge, symbolic, numeric)
    quick = _quick(ours)
    full = _Once(partial(_full, judge, ours))

    spans = dict(zip(plan.wrt, (slice(a, b) for a, b in pairwise((0, *accumulate(sizes)))), strict=True))
    places = {(a, b): (spans[a], spans[b]) for a, b in product(plan.wrt, plan.wrt)}
    found = _decided(judge, blocks, places, ours, symbolic, numeric, kink, quick, full, quick)
    doubtful = any(b.verdict is Verdict.UNDECIDED and not kink[places[b.row, b.column]].any() for b in found)
    if doubtful and judge.references:
        # What is nothing but rounding was perhaps measured against itself.
        found = _decided(judge, blocks, places, ours, symbolic, numeric, kink, quick, full, full())
    verdict = Verdict.worst([block.verdict for block in found])
    return _described(plan, ours, full, tuple(found), verdict, verdict is Verdict.OK or not judge.references)


def _decided(
    judge: Judge,
    blocks: Mapping[str, Mapping[str, Array]],
    places: Mapping[tuple[str, str], tuple[slice, slice]],
    ours: Array,
    symbolic: SecondDerivatives,
    numeric: SecondDerivatives,
    kink: Mask,
    quick: Array,
    full: Callable[[], Array],
    rounding: Array,
) -> list[HessianBlock]:
    """Every block with its verdict; ``rounding`` is what a block must be larger than not to be zero."""
    keys = {f"{a}, {b}": place for (a, b), place in places.items()}
    scales = scale_of(
        {key: ours[place] for key, place in keys.items()}, {key: rounding[place] for key, place in keys.items()}
    )
    found = []
    for (a, b), place in places.items():
        shape = blocks[a][b].shape
        opinions = [
            Opinion(
                method, _known(reference, place, shape), reference.error[place].reshape(shape), reference.reason,
                partial(_second_word, other, place, shape), method == "SymPy" and reference.status == "failed",
            )
            for method, reference, other in (
                ("SymPy", symbolic, numeric), ("difference of the gradient", numeric, symbolic),
            )
            if reference.reason != NOT_ASKED.reason
        ]  # fmt: skip
        decision = decide(
            ours[place].reshape(shape),
            opinions,
            scale=scales[f"{a}, {b}"],
            quick=quick[place].reshape(shape),
            full=partial(_part, full, place, shape),
            tied=kink[place].reshape(shape),
            resolution=judge.resolution,
            small=judge.resolution * max(1.0, judge.magnitude),
            what="the second derivative",
        )
        if decision.verdict is Verdict.WRONG and judge.ties:
            # Which side of a kink an operation is on may not be seen from its slope there: a circle's centre has no sides.
            decision = replace(
                decision, verdict=Verdict.UNDECIDED, reason=f"{decision.reason}; the point sits on a kink"
            )
        reason = decision.reason
        if reason is None and decision.index is not None:
            reason = f"entry {list(decision.index)}: {KINK}" if shape else KINK
        found.append(
            HessianBlock(
                a, b, blocks[a][b], _reference(symbolic, place, shape), _reference(numeric, place, shape),
                decision.verdict, reason,
            )
        )  # fmt: skip
    return found


def _known(reference: SecondDerivatives, place: tuple[slice, slice], shape: tuple[int, ...]) -> Array | None:
    """What a reference says of a block; None where it knows no entry of it."""
    return reference.value[place].reshape(shape) if np.isfinite(reference.error[place]).any() else None


class _Once:
    """A function without arguments that is called when first needed, and once."""

    def __init__(self, function: Callable[[], Array]) -> None:
        self._function = function
        self._found: Array | None = None

    def __call__(self) -> Array:
        if self._found is None:
            self._found = self._function()
        return self._found


def _part(whole: Callable[[], Array], place: tuple[slice, slice], shape: tuple[int, ...]) -> Array:
    return whole()[place].reshape(shape)


def joined(blocks: Mapping[str, Mapping[str, Array]], names: Sequence[str], sizes: Sequence[int]) -> Array:
    """The blocks as one matrix, the entries of all inputs one after the other."""
    count = dict(zip(names, sizes, strict=True))
    rows = [
        np.concatenate([np.asarray(blocks[a][b], dtype=np.float64).reshape(count[a], count[b]) for b in names], axis=1)
        for a in names
    ]
    return np.concatenate(rows, axis=0) if rows else np.empty((0, 0))


def _symbolic(judge: Judge) -> SecondDerivatives:
    judge.say("symbolic second derivatives")
    plan = judge.plan
    if not judge.second.exact_form_is_faithful:
        reason = "the exact form of an operation does not give the value of forward"
        return SecondDerivatives.unknown(sum(np.size(judge.arrays[name]) for name in plan.wrt), "failed", reason)
    return symbolic_hessian(
        plan.graph, judge.exact_inputs, np.asarray(judge.upstream, dtype=np.float64), plan.resolved, plan.wrt,
        tied=bool(judge.ties), max_operations=judge.max_symbolic,
    )  # fmt: skip


def _kinks(judge: Judge, symbolic: SecondDerivatives, numeric: SecondDerivatives) -> Mask:
    """Entries without a second derivative: where a reference found the gradient to bend, and where the gradient itself is a
    matter of convention. At a tie that only differences looked at, all of them: along the axes alone a kink may hide."""
    matters = [np.ravel(judge.tie_matters[name]) for name in judge.plan.wrt]
    moot = np.concatenate(matters) if matters else np.zeros(0, dtype=bool)
    known = np.isfinite(symbolic.error)
    kink = np.where(known, symbolic.kink, symbolic.kink | numeric.kink)
    if judge.ties:
        kink = kink | ~(known | symbolic.kink)
    return np.asarray(kink | moot[:, None] | moot[None, :])


def _quick(ours: Array) -> Array:
    """A few roundings of each entry, and underflow."""
    info = np.finfo(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(QUICK * float(info.eps) * np.abs(ours) + 4 * float(info.smallest_subnormal))


def _natural(judge: Judge) -> Array:
    """A few roundings of the gradient, as it changes over a distance of 1, or of the size of an input where that is larger:
    what is left of a second derivative that is small beside it may be rounding."""
    epsilon = float(np.finfo(np.float64).eps)
    names = judge.plan.wrt
    if not names:
        return np.zeros((0, 0))
    gradient = np.concatenate([np.abs(np.ravel(judge.gradients.of(name))) for name in names])
    reach = np.maximum(1.0, np.concatenate([np.abs(np.ravel(judge.exact_inputs[name])) for name in names]))
    with np.errstate(invalid="ignore", over="ignore"):
        natural = np.maximum(gradient[:, None] / reach, gradient / reach[:, None])
        return np.asarray(QUICK * epsilon * natural)


def _full(judge: Judge, ours: Array) -> Array:
    """Both, and how far rounding carries by Monte Carlo arithmetic: every operation's result changed by a rounding, as for
    gradients."""
    plan, epsilon = judge.plan, float(np.finfo(np.float64).eps)
    sizes = [int(np.size(judge.arrays[name])) for name in plan.wrt]
    spread = np.zeros(ours.shape)
    roundings = [Rounding(epsilon, np.float64, seed=seed) for seed in range(DRAWS)]
    roundings += [Rounding(epsilon, np.float64, direction=direction) for direction in (1, -1)]
    for rounding in roundings:
        values = forward(plan, judge.exact_inputs, perturb=rounding)
        gradients: Gradients = backward(plan, values, judge.upstream, perturb=rounding)
        drawn = joined(SecondOrder(plan, values, gradients, rounding).hessian(), plan.wrt, sizes)
        with np.errstate(invalid="ignore"):
            moved = np.where(np.isfinite(ours) & ~np.isfinite(drawn), np.inf, np.abs(ours - drawn))
        spread = np.fmax(spread, moved)
    return np.asarray(SAFETY * spread + _quick(ours) + _natural(judge))


def _second_word(
    other: SecondDerivatives, place: tuple[slice, slice], shape: tuple[int, ...], index: tuple[int, ...]
) -> tuple[float, float] | None:
    value, error = (float(found[place].reshape(shape)[index]) for found in (other.value, other.error))
    return (value, error) if np.isfinite(error) else None


def _reference(found: SecondDerivatives, place: tuple[slice, slice], shape: tuple[int, ...]) -> Reference:
    if found.status != "ok":
        return Reference(found.status, evaluations=found.evaluations, reason=found.reason)
    value, error = found.value[place], found.error[place]
    if not np.isfinite(error).all():
        return Reference("failed", evaluations=found.evaluations, reason=found.reason)
    return Reference("ok", value.reshape(shape), error.reshape(shape), found.evaluations)


def _described(
    plan: Plan,
    matrix: Array,
    allowance: Callable[[], Array],
    blocks: tuple[HessianBlock, ...],
    verdict: Verdict,
    known: bool,
) -> Hessian:
    """With the eigenvalues of its symmetric part, where it is ``known`` and finite."""
    labels = []
    for name in plan.wrt:
        shape = plan.shapes[plan.graph.inputs[name]]
        labels += [f"{name}[{','.join(map(str, index))}]" if shape else name for index in np.ndindex(shape)]
    if not matrix.size or not np.isfinite(matrix).all() or not known:
        return Hessian(tuple(labels), matrix, blocks, verdict)
    eigenvalues = np.linalg.eigvalsh(0.5 * matrix + 0.5 * matrix.T)
    low, high = float(eigenvalues[0]), float(eigenvalues[-1])
    sizes = np.abs(eigenvalues)
    # An eigenvalue moves by no more than the matrix does (Weyl), and LAPACK by some roundings of the largest.
    rounding = 8 * len(sizes) * float(np.finfo(np.float64).eps) * float(sizes.max())
    if sizes.min() <= 1e-6 * sizes.max() or sizes.max() <= 1e-6:
        rounding += len(sizes) * float(allowance().max())
    condition = float(sizes.max() / sizes.min()) if sizes.min() > rounding else float("inf")
    return Hessian(tuple(labels), matrix, blocks, verdict, (low, high), condition, definiteness(low, high, rounding))


def definiteness(low: float, high: float, rounding: float) -> str:
    """What the smallest and the largest eigenvalue say of a symmetric matrix, each known to ``rounding``."""
    if max(abs(low), abs(high)) <= rounding:
        return "zero"
    if low > rounding:
        return "positive definite"
    if high < -rounding:
        return "negative definite"
    if low >= -rounding:
        return "positive semidefinite"
    return "negative semidefinite" if high <= rounding else "indefinite"
