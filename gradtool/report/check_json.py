"""The JSON document of ``check``: one target a line."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, TextIO

from gradtool.report import Page
from gradtool.report.json_images import encode, number_image, value_image, write_list
from gradtool.results import (
    Cause,
    CheckReport,
    GradientResult,
    Point,
    Reproduction,
    SelfTestResult,
    TargetResult,
    Worst,
)


def render_check(report: CheckReport, stream: TextIO, page: Page) -> None:
    """Write the document ``gradtool/check/1``."""
    most = None if page.full else page.max_elements
    stream.write('{"schema": "gradtool/check/1",\n')
    write_list(stream, "targets", (_target(found, most) for found in report.targets))
    write_list(stream, "skipped", ({"id": found.id, "reason": found.reason} for found in report.skipped))
    stream.write(f' "summary": {encode(asdict(report.summary))},\n')
    stream.write(f' "seed": {encode(report.seed)},\n')
    stream.write(f' "verdict": {encode(str(report.verdict))}}}\n')


def _target(found: TargetResult, most: int | None) -> dict[str, Any]:
    return (
        {
            "id": found.id,
            "file": found.file,
            "line": found.line,
            "convention": found.convention,
            "forward": found.forward,
            "backward": found.backward,
            "inputs": {name: _shape(shape) for name, shape in found.inputs.items()},
            "input_source": found.input_source,
            "verdict": str(found.verdict),
            "seconds": number_image(found.seconds),
            "gradients": [_gradient(gradient, most) for gradient in found.gradients],
            "hygiene": [{"code": hygiene.code, "message": hygiene.message} for hygiene in found.hygiene],
            "notes": list(found.notes),
            "intentional": found.intentional,
            "error": found.error,
        }
        | _if_said("accepted", found.accepted)
        | _self_test(found.self_test)
        | _reproduction(found.reproduction)
    )


def _self_test(found: SelfTestResult | None) -> dict[str, Any]:
    if found is None:
        return {}
    numbers = {"planted": found.planted, "caught": found.caught, "share": _number(found.share)}
    return {"self_test": numbers | {"missed": list(found.missed)}}


def _reproduction(found: Reproduction | None) -> dict[str, Any]:
    return {} if found is None else {"reproduction": {"name": found.name, "text": found.text}}


def _gradient(found: GradientResult, most: int | None) -> dict[str, Any]:
    return {
        "name": found.name,
        "shape": _shape(found.shape),
        "verdict": str(found.verdict),
        "checked": int(found.checked),
        "of": int(found.of),
        "worst": _worst(found.worst),
        "relative_error": _number(found.relative_error),
        "digits": None if found.digits is None else int(found.digits),
        "detectable": _number(found.detectable),
        "evaluations": int(found.evaluations),
        "miss_probability": _number(found.miss_probability),
        "point": _point(found.point, most),
        "cause": _cause(found.cause),
        "reason": found.reason,
    }


def _worst(found: Worst | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "index": _shape(found.index),
        "yours": _number(found.yours),
        "reference": _number(found.reference),
        "error": _number(found.error),
    }


def _point(found: Point, most: int | None) -> dict[str, Any]:
    inputs = {name: value_image(value, most) for name, value in found.inputs.items()}
    return {"kind": found.kind, "inputs": inputs} | _if_said("label", found.label)


def _cause(found: Cause | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "code": found.code,
        "message": found.message,
        "fix": found.fix,
        "file": found.file,
        "line": found.line,
        "transformation": found.transformation,
        "residual": _number(found.residual),
    } | _if_said("traceback", found.traceback)


def _if_said(key: str, text: str | None) -> dict[str, str]:
    """A key beyond those of the schema, only where it says something."""
    return {} if text is None else {key: text}


def _number(value: float | None) -> float | str | None:
    return None if value is None else number_image(float(value))


def _shape(shape: tuple[int, ...]) -> list[int]:
    return [int(n) for n in shape]
