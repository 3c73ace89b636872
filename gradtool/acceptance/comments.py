"""Comments that accept what is WRONG with one target: ``# gradtool: ignore[GC114] float32 is enough here``.

They stand in the lines of the backward's signature, from ``def`` to the colon. A comment names the codes it accepts
and says why.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass, replace

from gradtool.acceptance.failures import failures_of
from gradtool.results import Outcome, TargetResult
from gradtool.targets.scope import Scope

_IGNORE = re.compile(r"gradtool:\s*ignore\b\s*(?:\[([^\]]*)\])?[\s:,-]*(.*)", re.IGNORECASE)
_CODE = re.compile(r"GC[13]\d\d")
_EXAMPLE = "# gradtool: ignore[GC114] why it is good enough"


class CommentError(ValueError):
    """A comment that cannot be used; the message says where it stands and what it lacks."""


@dataclass(frozen=True, slots=True)
class Ignore:
    """The ``codes`` that a comment accepts, and ``why``."""

    line: int
    codes: tuple[str, ...]
    why: str


def accept(result: TargetResult, scope: Scope) -> TargetResult:
    """The result, accepted if a comment at its backward names the codes of all that is WRONG with it, or, where it is OK,
    of all its warnings (which fail a run that asks for that); with a note where the comment names a code that did not come
    up. Raises ``CommentError``."""
    found = None if result.line is None else ignore_at(scope, result.line)
    if found is None or result.verdict not in (Outcome.OK, Outcome.WRONG):
        return result
    wrong = {failure.code for failure in failures_of(result)}
    warnings = {hygiene.code for hygiene in result.hygiene} - wrong
    notes = result.notes
    if unused := [code for code in found.codes if code not in wrong | warnings]:
        # Where something else is WRONG, its code is what the comment's author wants to know.
        other = sorted(wrong.difference(found.codes))
        but = f": what is WRONG is {', '.join(other)}" if other else ""
        notes += (f"line {found.line}: ignore[{','.join(unused)}] {'does not fit' if but else 'is not needed'}{but}",)
    covered = (wrong or warnings) and (wrong or warnings).issubset(found.codes)
    return replace(result, accepted=found.why if covered and result.intentional is None else None, notes=notes)


def ignore_at(scope: Scope, line: int) -> Ignore | None:
    """The ignore comment of the function whose ``def`` is at ``line``. Raises ``CommentError``."""
    if "gradtool" not in scope.source:
        return None
    comments = _comments(scope.source)
    for place in range(line, _end_of_signature(scope.tree, line) + 1):
        match = _IGNORE.search(comments.get(place, ""))
        if match is not None:
            return _read(match, f"{scope.display}:{place}", place)
    return None


def _read(match: re.Match[str], where: str, line: int) -> Ignore:
    codes = tuple(code.strip().upper() for code in (match[1] or "").split(",") if code.strip())
    why = match[2].partition("#")[0].strip()
    if not codes:
        raise CommentError(f"{where}: the ignore comment names no code; write {_EXAMPLE}")
    for code in codes:
        if not _CODE.fullmatch(code):
            raise CommentError(f"{where}: the ignore comment names {code!r}, which is no code of a WRONG gradient")
    if not why:
        raise CommentError(f"{where}: the ignore comment does not say why; write {_EXAMPLE}")
    return Ignore(line, codes, why)


def _comments(source: str) -> Mapping[int, str]:
    """Line -> the comment that ends it."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {one.start[0]: one.string for one in tokens if one.type == tokenize.COMMENT}


def _end_of_signature(tree: ast.Module, line: int) -> int:
    """The last line before the body of the function at ``line``, or that line where the body begins on it too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.lineno == line:
            first = node.body[0].lineno
            return max(line, first - 1)
    return line
