"""Writes a minimal case as a pytest function: it calls forward and backward as gradtool did, and takes a central difference.

Where the calls can be written plainly the function needs NumPy and the user's module alone; else it calls them through
``gradtool.load_target``.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from gradtool.minimal_case.case import Failure, MinimalCase
from gradtool.minimal_case.expressions import NotWrittenError, written
from gradtool.minimal_case.recording import TAKEN, PlainCalls, plain_calls, variables_for
from gradtool.results import Reproduction

WIDTH = 100


def reproduce(
    minimal: MinimalCase,
    module: ModuleType,
    *,
    inputs: Mapping[str, Any] | None = None,
    seed: int = 0,
    definitions_only: bool = False,
) -> Reproduction:
    """The pytest function for a minimal case of a target of ``module``.

    ``inputs`` (values that the user gave), ``seed`` and ``definitions_only`` say how the target was made. Raises
    ``NotWrittenError`` where an input cannot be written out.
    """
    file = Path(minimal.target.file or getattr(module, "__file__", None) or "").resolve()
    name, root = _importable(module.__name__, file)
    alias = _alias(file.stem if name is None else name.rpartition(".")[2])
    plain = None
    if not minimal.pinned and not definitions_only:
        plain = plain_calls(minimal.calling, module, alias, minimal.case.values, minimal.upstream, minimal.name)
    target_name = minimal.target.id.rpartition("::")[2]
    test = f"test_{_slug(target_name)}_gradient_of_{_slug(minimal.name)}"
    if plain is not None:
        return Reproduction(test, _plain(test, minimal, plain), str(file), alias, name, root)
    options = {"inputs": _writable(inputs or {}), "case": minimal.case.label, "seed": seed, "pinned": minimal.pinned,
               "definitions_only": definitions_only, "calling": minimal.calling.description}  # fmt: skip
    text = _through_gradtool(test, minimal, f"{file}::{target_name}", options)
    return Reproduction(test, text, str(file), alias, None, None, uses_gradtool=True)


# The parts of a test ---------------------------------------------------------------------------------------------------


def _plain(test: str, minimal: MinimalCase, calls: PlainCalls) -> str:
    """A test that calls the user's functions itself."""
    variables = list(calls.variables.values())
    made = ", ".join(calls.made)
    backward = [statement.text for statement in calls.backward]
    used = " ".join([*backward, calls.gradient.text])
    one = minimal.calling.upstream == "one" and not any(_mentions(used, name) for name in calls.upstream)
    outputs = [place.text for place in calls.outputs]
    forward = [f"def forward({', '.join(variables)}):", *(f"    {s.text}" for s in calls.forward), f"    return {made}"]
    if len(calls.forward) == 1:
        forward = [forward[0], f"    return {calls.forward[0].expression.text}"]
    moved = calls.variables[minimal.name]
    copies = (_copied(calls.variables[key], value) for key, value in minimal.case.values.items())
    loss = [
        f"def loss({moved}):",
        f"    {made} = forward({', '.join(copies)})",
        f"    return {_contracted(outputs, calls.upstream, one)}",
    ]
    return _function(
        test, minimal, calls.variables, () if one else calls.upstream, [*forward, "", *loss],
        [f"{made} = forward({', '.join(variables)})", *backward], calls.gradient.text,
    )  # fmt: skip


def _through_gradtool(test: str, minimal: MinimalCase, place: str, options: Mapping[str, Any]) -> str:
    """A test that calls them through ``gradtool.load_target``."""
    variables, ups = variables_for(minimal.case.values, len(minimal.upstream), "target")
    usual: dict[str, Any] = {"inputs": {}, "case": None, "seed": 0, "pinned": False, "definitions_only": False}
    given = [f"{key}={written(value)}" for key, value in options.items() if key not in usual or value != usual[key]]
    values = "{" + ", ".join(f"{key!r}: {name}" for key, name in variables.items()) + "}"
    moved = variables[minimal.name]
    loss = [
        "target = gradtool.load_target(",
        *(f"    {argument}," for argument in (repr(place), *given)),
        ")",
        "",
        f"def loss({moved}):",
        f"    outputs = target.forward({values})",
        f"    return {_contracted([f'outputs[{i}]' for i in range(len(ups))], ups, False)}",
    ]
    gradients = [f"gradients = target.gradients({values}, [{', '.join(ups)}])"]
    return _function(test, minimal, variables, ups, loss, gradients, f"gradients[{minimal.name!r}]")


def _function(
    test: str,
    minimal: MinimalCase,
    variables: Mapping[str, str],
    ups: Sequence[str],
    loss: Sequence[str],
    backward: Sequence[str],
    gradient: str,
) -> str:
    """The whole test: inputs, the function to be differentiated, a difference, backward, and what has to hold."""
    body = [f'"""{line}' if not number else line for number, line in enumerate(_story(minimal))]
    body[-1] += '"""'
    for key, value in minimal.case.values.items():
        body += _assignment(variables[key], written(value))
    for name, upstream in zip(ups, minimal.upstream, strict=False):
        body += _assignment(name, written(upstream))
    body += ["", *loss, ""]
    moved, failure = variables[minimal.name], minimal.failure
    body += _difference(moved, minimal.case.values[minimal.name], failure)
    shape = np.shape(minimal.case.values[minimal.name])
    body += ["", *backward]
    if failure.problem == "missing":
        body.append(f"assert {gradient} is not None, {'backward gives no gradient of ' + minimal.name!r}")
    body += [f"yours = np.asarray({gradient}, dtype=float)", f"assert yours.shape == {shape!r}"]
    body += _assertion(minimal.name, failure)
    return f"def {test}():\n" + "\n".join(f"    {line}".rstrip() for line in body) + "\n"


def _story(minimal: MinimalCase) -> list[str]:
    """The docstring: what was found, and how it was called."""
    cause = minimal.cause
    said = (
        f"gradient of {minimal.name} is wrong"
        if cause is None
        else f"{cause.code}: gradient of {minimal.name} {cause.message}"
    )
    if minimal.failure.problem == "raised":
        said = f"{cause.code if cause else 'GC120'}: backward raises"
    text = f"{said}; called as {minimal.calling.description}."
    clean = (
        "".join(c if c.isprintable() else " " for c in text)
        .replace("\\", "/")
        .replace('"""', "'''")
        .replace('".', "'.")
    )
    return textwrap.wrap(clean, WIDTH - 8)


def _difference(moved: str, value: Any, failure: Failure) -> list[str]:
    """Moves the entries by a step to both sides, and takes the difference, or both one-sided ones at a kink."""
    step, first = repr(failure.step), _entry(failure.indices[0])
    if not isinstance(value, np.ndarray):
        lines, first = [f"above, below = {moved} + {step}, {moved} - {step}"], ""
    elif len(failure.indices) == 1:
        lines = [f"above, below = {moved}.copy(), {moved}.copy()", f"above{first} += {step}", f"below{first} -= {step}"]
    else:
        lines = [f"above, below = {moved}.copy(), {moved}.copy()", f"for index in {list(failure.indices)!r}:",
                 f"    above[index] += {step}", f"    below[index] -= {step}"]  # fmt: skip
    if not failure.is_kink:
        return [*lines, f"difference = (loss(above) - loss(below)) / (above{first} - below{first})"]
    return [
        *lines,
        f"left = (loss({moved}) - loss(below)) / ({moved}{first} - below{first})",
        f"right = (loss(above) - loss({moved})) / (above{first} - {moved}{first})",
    ]


def _assertion(name: str, failure: Failure) -> list[str]:
    """What a right gradient fulfils."""
    tolerance = repr(failure.tolerance)
    if len(failure.indices) == 1:
        mine, where = f"yours{_entry(failure.indices[0]) or '[()]'}", _place(failure.indices[0])
    else:
        mine = f"sum(yours[index] for index in {list(failure.indices)!r})"
        where = " and ".join(_place(index) for index in failure.indices) + " together"
    label = (
        f"gradient of {name}{' at ' + where if where else ''}".replace("{", "{{").replace("}", "}}").replace('"', "'")
    )
    lines = [f"mine = {mine}"]
    if failure.is_kink:
        said = f'f"{label}: yours {{mine}}, the derivatives to the left and right are {{left}} and {{right}}"'
        return [
            *lines,
            f"assert min(left, right) - {tolerance} <= mine <= max(left, right) + {tolerance}, (",
            f"    {said}",
            ")",
        ]
    said = f'f"{label}: yours {{mine}}, central difference {{difference}}"'
    return [*lines, f"assert abs(mine - difference) <= {tolerance}, {said}"]


def _entry(index: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, index)) or '()'}]"


def _place(index: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, index))}]" if index else ""


def _contracted(outputs: Sequence[str], ups: Sequence[str], one: bool) -> str:
    """The outputs times the upstream gradients, summed up; the output itself where that is a single number."""
    if one:
        return f"np.sum(np.asarray({outputs[0]}, dtype=float))"
    terms = [f"np.sum({u} * np.asarray({o}, dtype=float))" for u, o in zip(ups, outputs, strict=True)]
    return " + ".join(terms)


def _copied(variable: str, value: Any) -> str:
    return f"{variable}.copy()" if isinstance(value, np.ndarray) else variable


def _assignment(name: str, text: str) -> list[str]:
    """``name = text``, folded where it is an array with many entries."""
    line = f"{name} = {text}"
    if len(line) <= WIDTH or not text.startswith("np.array("):
        return [line]
    return textwrap.wrap(line, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


def _mentions(text: str, name: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", text) is not None


# Names -----------------------------------------------------------------------------------------------------------------


def _importable(name: str, file: Path) -> tuple[str | None, str | None]:
    """The dotted name to import a file by, and the folder to import it from; None where only its path leads to it."""
    parts = name.split(".")
    if file.suffix != ".py" or file.stem != parts[-1] or not all(part.isidentifier() for part in parts):
        return None, None
    folders = [parent.name for parent in file.parents][: len(parts) - 1]
    if folders != parts[-2::-1][: len(folders)]:
        return None, None
    return name, str(file.parents[len(parts) - 1])


def _alias(stem: str) -> str:
    text = _slug(stem) if not stem.isidentifier() else stem
    text = text if text.isidentifier() else f"module_{text}"
    return f"{text}_" if text in TAKEN else text


def _slug(name: str) -> str:
    return re.sub(r"\W+", "_", name).strip("_") or "x"


def _writable(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs that can be written out."""
    found = {}
    for name, value in inputs.items():
        try:
            written(value)
        except NotWrittenError:
            continue
        found[name] = value
    return found
