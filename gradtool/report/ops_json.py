"""The catalogue as a JSON document: one operation a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TextIO

from gradtool.report import Page
from gradtool.report.json import chart_image
from gradtool.report.json_images import write_list
from gradtool.results import OperationEntry


def render_operations(result: Sequence[OperationEntry], stream: TextIO, page: Page) -> None:
    """Write the document ``gradtool/ops/1``."""
    del page
    stream.write('{"schema": "gradtool/ops/1",\n')
    write_list(stream, "operations", map(_image, result))
    stream.write(f' "count": {len(result)}}}\n')


def _image(entry: OperationEntry) -> dict[str, Any]:
    image: dict[str, Any] = {
        "name": entry.name,
        "family": entry.family,
        "signature": entry.signature,
        "aliases": list(entry.aliases),
        "formula": entry.formula,
        "derivative": entry.derivative,
        "derivative_range": entry.derivative_range or None,
        "elementwise": entry.elementwise,
        "rules": dict(entry.rules),
        "kinks": [{"where": k.where, "convention": k.convention, "valid": k.valid} for k in entry.kinks],
        "source": entry.source or None,
    }
    return image if entry.chart is None else image | {"chart": chart_image(entry.chart)}
