"""What the tests of the conventions share: a module made of source text, and what differences say of a calling."""

from __future__ import annotations

import ast
import importlib.util
import textwrap
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from gradtool.target import Calling, Case
from gradtool.targets.scope import Scope

_NUMBERS = count()


def scope_of(source: str, tmp_path: Path) -> Scope:
    """The scope of a file of this source (dedented), which is run."""
    path = tmp_path / f"module_{next(_NUMBERS)}.py"
    source = textwrap.dedent(source)
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return Scope(path, path.name, module, ast.parse(source), source)


def agrees(case: Case, calling: Calling | None = None, step: float = 1e-5, tolerance: float = 1e-6) -> bool:
    """Whether every gradient that ``calling`` (the first of the case) gives is what central differences say."""
    return not differing(case, calling, step, tolerance)


def differing(case: Case, calling: Calling | None = None, step: float = 1e-5, tolerance: float = 1e-6) -> list[str]:
    """The names of the gradients that are not what central differences say, None counting as zero."""
    calling = calling or case.callings[0]
    rng = np.random.default_rng(0)
    run = calling.start(_copied(case.values))
    upstream = tuple(np.asarray(rng.normal(size=np.shape(out)), np.asarray(out).dtype) for out in run.outputs)
    if calling.upstream == "one":
        upstream = tuple(np.ones_like(out) for out in run.outputs)
    given = run.backward(*([] if calling.upstream == "one" else [u.copy() for u in upstream]))
    assert set(given) == set(case.wrt)

    def contracted(values: Mapping[str, Any]) -> float:
        outputs = calling.start(_copied(values)).outputs
        return float(sum(np.sum(u * out) for u, out in zip(upstream, outputs, strict=True)))

    wrong = []
    for name in case.wrt:
        value = np.asarray(case.values[name], dtype=np.float64)
        right = np.zeros(value.shape)
        for index in np.ndindex(value.shape):
            sides = []
            for sign in (1.0, -1.0):
                moved = value.copy()
                moved[index] += sign * step
                at: Any = moved if isinstance(case.values[name], np.ndarray) else float(moved)
                sides.append(contracted({**case.values, name: at}))
            right[index] = (sides[0] - sides[1]) / (2 * step)
        yours = np.zeros(value.shape) if given[name] is None else np.asarray(given[name])
        if yours.shape != right.shape or not np.allclose(yours, right, rtol=tolerance, atol=tolerance):
            wrong.append(name)
    return wrong


def _copied(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in values.items()}
