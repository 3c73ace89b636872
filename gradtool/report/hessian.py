"""The Hessian for people: as a matrix with named rows and columns where it is small, else block by block."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from math import isfinite
from typing import Any

import numpy as np

from gradtool.report.layout import STYLES, Block, Column, Grid, Line
from gradtool.report.numbers import error, largest, largest_difference, number, show
from gradtool.results import Hessian, HessianBlock, Reference, Verdict

MOST_LABELS = 16
"""A larger matrix is shown block by block unless the page is full."""


def hessian_blocks(
    found: Hessian, references: tuple[str, ...], full: bool = False, width: int | None = None
) -> Iterator[Block]:
    """The part of a page that shows second derivatives, and what ``references`` say of them, for lines of ``width``
    columns (None: of any length)."""
    yield Line("Hessian: second derivatives by the row's entry and the column's")
    matrix = _matrix(found) if full or len(found.labels) <= MOST_LABELS else None
    if matrix is not None and (full or matrix.fits(width)):
        yield matrix
        if any(block.verdict is not Verdict.OK for block in found.blocks) and references:
            yield Line()
            yield _block_grid(found, references, with_values=False)
    else:
        yield _block_grid(found, references, with_values=True)
        yield Line(f"  a matrix of {len(found.labels):,} rows and columns by blocks; --full shows its entries")
    yield from _remarks(found, references)
    if found.eigenvalues is not None and found.definiteness is not None:
        yield Line(f"  {found.definiteness}{_eigenvalues(found)}")
    if references:
        yield Line(f"  {found.verdict}: {_said(found, references)}", STYLES[found.verdict])


def _matrix(found: Hessian) -> Grid:
    columns = (Column(""), *(Column(label, numeric=True) for label in found.labels))
    rows = [(label, *map(number, row)) for label, row in zip(found.labels, found.matrix.tolist(), strict=True)]
    return Grid(columns, rows)


def _eigenvalues(found: Hessian) -> str:
    assert found.eigenvalues is not None
    low, high = found.eigenvalues
    if len(found.labels) == 1:
        return ""
    condition = (
        "singular"
        if found.condition is None or not isfinite(found.condition)
        else f"condition {number(found.condition)}"
    )
    return f": eigenvalues from {number(low)} to {number(high)}, {condition}"


def _block_grid(found: Hessian, references: tuple[str, ...], *, with_values: bool) -> Grid:
    columns = [Column("by"), Column("and")]
    if with_values:
        columns.append(Column("values"))
    columns += [Column(f"{name} ± error") for name in references]
    if references:
        columns.append(Column("verdict", styles=STYLES))
    rows = []
    for block in found.blocks:
        cells = [block.row, block.column]
        if with_values:
            cells.append(show(block.value))
        cells += [_reference(block, getattr(block, name)) for name in references]
        if references:
            cells.append(str(block.verdict))
        rows.append(tuple(cells))
    return Grid(tuple(columns), rows)


def _reference(block: HessianBlock, reference: Reference) -> str:
    """How far a reference is from the block."""
    if reference.status != "ok" or reference.value is None or reference.error is None:
        return reference.status
    return f"difference {error(largest_difference(reference.value, block.value))} ± {error(largest(reference.error))}"


def _remarks(found: Hessian, references: tuple[str, ...]) -> Iterator[Line]:
    """Why a block is not simply OK. Blocks with the same remark share a line."""
    remarks: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for block in found.blocks:
        if block.reason is not None and block.verdict is not Verdict.OK and references:
            remarks[block.reason, STYLES[block.verdict]].append(f"{block.row} {block.column}")
    for name in references:
        # The two sides of the diagonal have the same to say.
        reasons = {getattr(block, name).reason for block in found.blocks if getattr(block, name).status == "skipped"}
        for reason in sorted(filter(None, reasons)):
            yield Line(f"  {name} skipped: {reason}")
    for (reason, style), pairs in remarks.items():
        yield Line(f"  {', '.join(pairs)}: {reason}", style)


def _said(found: Hessian, references: tuple[str, ...]) -> str:
    if found.verdict is Verdict.WRONG:
        return "the Hessian is wrong"
    if found.verdict is Verdict.UNDECIDED:
        return "the Hessian could not be decided"
    names = {"symbolic": "SymPy", "numeric": "differences of the gradient"}
    agreed = [names[name] for name in references if any(getattr(block, name).status == "ok" for block in found.blocks)]
    bounds = [_bound(found, name) for name in references]
    worst = min((bound for bound in bounds if np.isfinite(bound)), default=float("nan"))
    within = f" to {error(worst)}" if worst > 0 else ""
    return f"the Hessian agrees with {' and with '.join(agreed)}{within}"


def _bound(found: Hessian, name: str) -> float:
    """The largest difference from a reference; infinite where it is silent on a block."""
    differences = [0.0]
    for block in found.blocks:
        reference: Any = getattr(block, name)
        if reference.value is None:
            return float("inf")
        differences.append(largest_difference(reference.value, block.value))
    return max(differences)
