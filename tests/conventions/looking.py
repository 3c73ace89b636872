"""What the tests of conventions share: a file of source text, and what ``check`` finds in it."""

from __future__ import annotations

import textwrap
from pathlib import Path

from gradtool.checking import Settings, check_target, contained
from gradtool.results import Skipped, TargetResult
from gradtool.targets import find_targets
from gradtool.targets.given import Given
from gradtool.targets.inputs import make_target
from gradtool.targets.loading import load

Results = dict[str, TargetResult | Skipped]


def look(source: str, folder: Path, *, name: str = "layers.py", given: Given | None = None,
         definitions_only: bool = False, points: int = 3) -> Results:  # fmt: skip
    """What there is to say of each target of a file of this source (dedented), by the target's name, without a process of
    its own. The file must be importable."""
    path = folder / name
    path.write_text(textwrap.dedent(source), encoding="utf-8")
    results: Results = {}
    with contained():
        scope = load(path, name, definitions_only=definitions_only)
        for found in find_targets(scope):
            target = make_target(found, scope, given or Given(), 0)
            results[found.name] = (
                target if isinstance(target, Skipped) else check_target(target, Settings(points=points))
            )
    return results


def words(results: Results) -> dict[str, str]:
    """The verdict on each target."""
    return {name: "SKIPPED" if isinstance(one, Skipped) else str(one.verdict) for name, one in results.items()}


def told(results: Results) -> str:
    """Everything that was found, for the message of a failed assertion."""
    lines = []
    for one in results.values():
        if isinstance(one, Skipped):
            lines.append(f"SKIPPED {one.id}: {one.reason}")
            continue
        lines.append(f"{one.verdict} {one.id} ({one.convention}) {dict(one.inputs)} {one.error or ''}")
        lines += [f"  {note}" for note in one.notes]
        lines += [f"  {h.code} {h.message}" for h in one.hygiene]
        for g in one.gradients:
            lines.append(f"  {g.name}: {g.verdict} {g.reason or ''} {g.worst or ''} {g.point.label or g.point.kind}")
            if g.cause is not None:
                lines.append(f"    {g.cause.code} {g.cause.message} {g.cause.traceback or ''}")
    return "\n".join(lines)


def causes(result: TargetResult | Skipped) -> dict[str, str]:
    """The code of the cause of each WRONG gradient."""
    assert isinstance(result, TargetResult), result
    return {g.name: g.cause.code for g in result.gradients if g.cause is not None}


def hygiene(result: TargetResult | Skipped) -> set[str]:
    """The codes of what was found beside the gradients."""
    assert isinstance(result, TargetResult), result
    return {found.code for found in result.hygiene}
