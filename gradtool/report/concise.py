"""One line an input: ``name value gradient verdict``, none of them with a blank inside."""

from __future__ import annotations

from typing import TextIO

from gradtool.report import Page
from gradtool.report.numbers import compact
from gradtool.results import EvaluationResult

NOTHING = "-"


def render_evaluation(result: EvaluationResult, stream: TextIO, page: Page) -> None:
    """Write what ``gradtool eval`` found. ``-`` stands where an input has no gradient, or none that was checked.
    A Hessian follows by blocks: ``row,column - second-derivatives verdict``."""
    for found in result.inputs:
        gradient = NOTHING if found.gradient is None else compact(found.gradient, page.full)
        verdict = NOTHING if found.gradient is None or not result.references else str(found.verdict)
        stream.write(f"{found.name} {compact(found.value, page.full)} {gradient} {verdict}\n")
    for block in () if result.hessian is None else result.hessian.blocks:
        verdict = str(block.verdict) if result.references else NOTHING
        stream.write(f"{block.row},{block.column} {NOTHING} {compact(block.value, page.full)} {verdict}\n")
